"""The acknowledgement: a person has registered the request, given it a number and an officer (domain 1.10, 2.1.2)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

from protocol.forms import shared_rules
from protocol.forms.answer import Answer
from protocol.forms.codelists import UrgencyLevel
from protocol.forms.form import Block, Declarations, Rule, optional, required
from protocol.forms.parties import ContactPerson
from protocol.forms.problems import Problem
from protocol.forms.scalars import Instant, Line, Text
from protocol.forms.tree import Node


class Reclassification(Block, frozen=True):
    """The requested side sees another urgency. Both values are kept."""

    from_: Annotated[UrgencyLevel, required("Level asked", "domain 1.3", alias="from")]
    to: Annotated[UrgencyLevel, required("Level given", "domain 1.3")]
    reason: Annotated[Text, required("Why", "domain 1.3")]


def _dates(form: Node, _: Declarations) -> Iterator[Problem]:
    yield from shared_rules.not_after(form["received_at"], form["registered_at"])
    yield from shared_rules.not_after(form["registered_at"], form["next_step_date"])
    yield from shared_rules.marking(form["handling_marking"])


class Acknowledgement(Answer, frozen=True):
    """A human act: the request is registered. Delivery is another thing, and the log's (domain 1.9.11)."""

    kind: ClassVar[str] = "ACKNOWLEDGEMENT"
    rules: ClassVar[tuple[Rule, ...]] = (_dates,)

    requested_reference: Annotated[Line, required("Own file number", "domain 1.10")]
    received_at: Annotated[Instant | None, optional("When the request was delivered", "domain 2.1.2")] = None
    registered_at: Annotated[Instant, required("When it was registered", "domain 1.10")]
    case_officer: Annotated[ContactPerson, required("Who has it in hand", "domain 1.10")]
    next_step: Annotated[Text | None, optional("What comes next", "domain 1.10")] = None
    next_step_date: Annotated[Instant, required("When the next step is due", "domain 1.10")]
    urgency_reclassified: Annotated[Reclassification | None, optional("Another urgency, with reason", "domain 1.3")] = None

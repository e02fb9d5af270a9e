"""What every answer has in common: what it answers, and both file numbers."""

from __future__ import annotations

from typing import Annotated

from protocol.forms.form import Form, optional, practice, required
from protocol.forms.papers import Marking
from protocol.forms.parties import ContactPerson
from protocol.forms.scalars import Language, Line, Text, Uuid


class Answer(Form, frozen=True):
    """The common part of every answer."""

    in_reply_to: Annotated[Uuid, required("Id of the request or hand-over answered", "domain 1.1")]
    requesting_reference: Annotated[Line | None, practice("The requesting side's file number", "domain 1.1")] = None
    contact_person: Annotated[ContactPerson | None, optional("Whom to ask", "domain 1.1")] = None
    language: Annotated[Language | None, optional("Language of this answer", "UNTOC 18(14)")] = None
    handling_marking: Annotated[Marking | None, optional("How this answer is to be handled", "domain 7.3")] = None
    remarks: Annotated[Text | None, optional("Anything else", "domain 1.10")] = None

"""The files that a form lists beside those that go with it: every digest and size that is claimed must be that of a file. (Domain 1.6, 6.6)

A request's ``attachments`` must all be there. Evidence that is handed over may follow in a message of its own: when none is attached,
nothing is compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from protocol.body import Attachment
from protocol.forms.evidence import EvidenceHandover
from protocol.forms.form import Form
from protocol.forms.problems import Problem, Wrong


@dataclass(frozen=True, slots=True)
class Listed:
    """A file as a form lists it. ``loc``: where; ``sha256`` in hex."""

    loc: str
    filename: str
    size: int
    sha256: str


def listed(form: Form) -> tuple[Listed, ...]:
    """Every file of its own that this form lists."""
    name = "items" if isinstance(form, EvidenceHandover) else "attachments"
    files = getattr(form, name, ())
    return tuple(Listed(f"/{name}/{i}", file.filename, file.size, file.sha256) for i, file in enumerate(files))


def mismatches(files: Sequence[Listed], attached: Sequence[Attachment]) -> Iterator[Problem]:
    """What of the list is not among the attached files, or is another file than it says."""
    if not attached and files and files[0].loc.startswith("/items"):
        return
    there = {(each.digest.hex(), each.length) for each in attached}
    names = {each.filename for each in attached}
    for file in files:
        if (file.sha256, file.size) in there:
            continue
        if file.filename in names or any(digest == file.sha256 for digest, _ in there):
            yield Problem(file.loc, Wrong.ATTACHMENT_OTHER, "has another size or SHA-256 than the file that is attached")
        else:
            yield Problem(file.loc, Wrong.ATTACHMENT_MISSING, "is not among the files that are attached")

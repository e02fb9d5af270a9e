"""The README.txt of an exported bundle: for whoever receives the folder and has never heard of this program."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from keys.directory.view import Directory, Kind
from protocol.envelope import Envelope

_TEXT: Final = """\
{mark}PROOF OF ONE MESSAGE BETWEEN AUTHORITIES
{underline}

  message     {message_id}
  network     {network} ({kind})
  from        {sender}
  to          {recipients}
  created     {created}   (claimed by the sender)
  expires     {expires}
  answered    {answered}

What this folder shows, once it has been verified:
  - the sender's log holds an entry that submitted exactly the envelope in envelope.cbor;
  - each recipient with a receipt file has logged that it took this envelope, or refused it;
  - each part under disclosed/ is word for word what the envelope committed to.
What it does not show:
  - what the parts that are not disclosed say;
  - that the times in the entries are true: they are claims of the authorities that wrote them;
  - that a recipient without a receipt file did not get the message;
  - what has changed in the network after the directory under directory/ was signed.

How to verify it with rogatory, offline:
  rogatory verify THIS-FOLDER --trust ROOT
ROOT is the network's first root file. Get it from a place that you trust and NOT from this folder: with the copy in
directory/1.root.json the folder only proves that it agrees with itself. SHA-256 of the right file:
  {network_id}

How to verify it with other tools:
  - every .tlog-proof is a C2SP tlog-proof v1; its `extra` line is the entry, and SHA-256(0x00 || entry) is the leaf.
  - policy-<authority>-<n>.txt is a C2SP tlog-policy for that log: Ed25519 key as `log`, ML-DSA-44 key as witness `self`.
  - policy.txt lists the Ed25519 keys alone, for tools that know no other kind (Go: golang.org/x/mod/sumdb/note and tlog).
  - directory/ is TUF metadata (theupdateframework.io); start from 1.root.json.
  - entry, envelope and body are deterministic CBOR (RFC 8949 section 4.2.1). The entry's field 3 is SHA-256(envelope.cbor).
  - disclosed/part-<i>.json holds the opening r_i. The commitment in the envelope is
    SHA-256(CBOR["rogatory/commit/v1", network id, message id, i, media type, r_i] || plaintext).
  - sha256sum of every file stands in manifest.json.

Plaintext under disclosed/ may be secret: whoever holds it answers for it.
"""


def readme(envelope: Envelope, directory: Directory, answered: Sequence[str]) -> str:
    """The text for this envelope; ``answered``: the recipients whose receipts are in the folder."""
    title = "PROOF OF ONE MESSAGE BETWEEN AUTHORITIES"
    mark = "" if directory.kind is Kind.PRODUCTION else f"{directory.kind.upper()} - NOT A REAL REQUEST\n\n"
    waiting = [name for name in envelope.recipients if name not in answered]
    pending = f"; not (yet): {', '.join(waiting)}" if waiting else ""
    return _TEXT.format(
        mark=mark,
        underline="=" * len(title),
        message_id=envelope.message_id.hex(),
        network=directory.network,
        kind=directory.kind,
        sender=envelope.sender,
        recipients=", ".join(envelope.recipients),
        created=_utc(envelope.created),
        expires=_utc(envelope.expires),
        answered=(", ".join(answered) or "nobody") + pending,
        network_id=directory.network_id.hex(),
    )


def _utc(ms: int) -> str:
    try:
        return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return f"{ms} ms after 1970"

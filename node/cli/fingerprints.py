"""Fingerprints of join requests: nobody is admitted whose own has not been heard from the authority itself."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from keys.directory.selfentry import Bundle
from node import codes
from protocol.errors import LocalError


def compare(bundles: Sequence[Bundle], told: Sequence[str]) -> None:
    """Told as options, one per request in any order, or confirmed at the terminal. Raises FINGERPRINT, or a usage error."""
    ours = {"".join(bundle.fingerprint().split()): bundle.authority for bundle in bundles}
    if told:
        heard = {"".join(text.split()).lower() for text in told}
        if heard != set(ours):
            raise LocalError(codes.FINGERPRINT, ", ".join(name for text, name in ours.items() if text not in heard))
        return
    if not sys.stdin.isatty():
        raise click.UsageError("Give the --fingerprint of each request, as the authority read it by telephone.")
    for bundle in bundles:
        click.echo(f"{bundle.authority}\n  {bundle.fingerprint()}")
        click.confirm("Has the authority itself read the same to you by telephone?", abort=True)

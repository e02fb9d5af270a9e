"""What a node knows of its network and shows of itself: the directory in force, pins, TLS contexts; replaced together, while it runs.

    a peer tells of a newer version ─┬─ update ──┬─ verified, newer ──> directory, pins, contexts
    every hour ──────────────────────┘           └─ refused ──────────> all stays as it was
    somebody put one into the folder ── refresh ─── the same

Connections from then on use the new keys; those that are open are judged by the new pins at their next request.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import structlog

from keys.directory import trust
from keys.directory.store import IN_FORCE
from keys.directory.succession import Witnessed, nothing_witnessed
from keys.directory.view import Directory, Member
from keys.transport import TransportKey, client_context, server_context, trust_also, validity
from node import codes
from node.carrying.mirrorclient import MirrorClient
from node.carrying.peerclient import PeerClient
from protocol.errors import LocalError, RogatoryError

_log = structlog.get_logger("network")


class Network:
    """The network as seen by ``authority``. ``folder``: the trust store; ``keys``: our transport keys, oldest first.

    ``reread``: gives the keys of the keystore on disk, asked when the directory lists a certificate that is not among ``keys``.
    Raises NOT-IN-DIRECTORY, and what ``trust.load`` raises.
    """

    def __init__(
        self, folder: Path, authority: str, keys: Sequence[TransportKey], now: Callable[[], int],
        reread: Callable[[], Sequence[TransportKey]] | None = None,
    ) -> None:  # fmt: skip
        self.authority = authority
        self._seen = _stamp(folder)
        self.directory = trust.load(folder)
        self._folder = folder
        self._keys = keys
        self._now = now
        self._reread = reread
        self._pins = self.directory.pins()
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._told_by: str | None = None
        self.witnessed: Witnessed = nothing_witnessed
        if authority not in self.directory.members:
            raise LocalError(codes.NOT_IN_DIRECTORY, authority)
        self.transport = _key_of(keys, self.directory.member(authority), now())
        self.server_context = server_context(self.transport, _certificates(self.directory))

    def pins(self) -> Mapping[bytes, str]:
        """SHA-256 of a transport key -> authority, as the directory in force has it."""
        return self._pins

    def callable_peers(self) -> list[str]:
        """The other authorities that can be called now."""
        return [m.authority for m in self.directory.members.values() if m.active and m.address and m.authority != self.authority]

    @property
    def callable(self) -> bool:
        """Whether others can call us."""
        return self.directory.member(self.authority).address is not None

    def collecting_peers(self) -> list[str]:
        """Those who cannot be called, and call us to collect; none when nobody can call us either."""
        if not self.callable:
            return []
        return [m.authority for m in self.directory.members.values() if m.active and not m.address]

    def client(self, peer: str) -> PeerClient:
        """A client for this peer, which follows the directory by itself."""
        return PeerClient(peer, lambda: self.directory, self.pins, lambda: self._client_context(peer))

    def told(self, peer: str, version: int) -> None:
        """A peer says which version of the directory it has."""
        if version > self.directory.version:
            self._told_by = peer

    def newer_at(self) -> str | None:
        """The peer that last told of a newer directory, once."""
        peer, self._told_by = self._told_by, None
        return peer

    async def update(self, peer: str) -> bool:
        """Fetch what this peer shows, and bring it into force if it is newer and good; whether it was.

        Raises the DIRECTORY-* codes, PEER-*; the directory in force stays in force then.
        """
        client = self.client(peer)
        source = MirrorClient(client, asyncio.get_running_loop())
        try:
            directory = await asyncio.to_thread(
                partial(trust.update, self._folder, source.fetch, self._now(), witnessed=self.witnessed)
            )
        finally:
            await client.close()
        return await self._take_newer(directory, peer)

    async def refresh(self) -> bool:
        """Bring into force what was put into the folder beside us (`rogatory directory update`), if anything was; whether it was."""
        stamp = _stamp(self._folder)
        if stamp == self._seen:
            return False
        self._seen = stamp
        return await self._take_newer(await asyncio.to_thread(trust.load, self._folder), "")

    async def _take_newer(self, directory: Directory, peer: str) -> bool:
        ours = self.directory
        if (directory.version, directory.snapshot_sha256, directory.expires) == (ours.version, ours.snapshot_sha256, ours.expires):
            return False
        await self._take(directory)
        _log.info("directory.taken", version=directory.version, peer=peer)
        return True

    async def _take(self, directory: Directory) -> None:
        """Replace everything that follows from the directory."""
        try:
            member = directory.member(self.authority)
            keys = await asyncio.to_thread(self._known_keys, member)
            transport = _key_of(keys, member, self._now(), self.transport)
        except RogatoryError as error:  # the others' entries are good all the same
            _log.error("directory.without_us", code=error.code.code, detail=error.detail)
        else:
            if transport.certificate != self.transport.certificate:
                transport.load_into(self.server_context)
                _log.info("transport.changed")
            self._keys, self.transport = keys, transport
        trust_also(self.server_context, _certificates(directory))
        self.directory, self._pins = directory, directory.pins()
        self._contexts.clear()

    def _known_keys(self, member: Member) -> Sequence[TransportKey]:
        """Our keys: read again from disk when the directory lists one that we do not have in memory."""
        if self._reread is None or set(member.certificates) <= {key.certificate for key in self._keys}:
            return self._keys
        return self._reread()

    def _client_context(self, peer: str) -> ssl.SSLContext:
        context = self._contexts.get(peer)
        if context is None:
            context = self._contexts[peer] = client_context(self.transport, self.directory.member(peer).certificates)
        return context


def _key_of(keys: Sequence[TransportKey], member: Member, now: int, used: TransportKey | None = None) -> TransportKey:
    """The one used so far while it is listed and valid, because every peer knows it; else the newest that is. NOT-IN-DIRECTORY."""
    listed = [key for key in keys if key.certificate and key.certificate in member.certificates]
    if not listed:
        raise LocalError(codes.NOT_IN_DIRECTORY, "the transport certificate")
    good = [key for key in listed if validity(key.certificate)[1] > now] or listed
    kept = [key for key in good if used is not None and key.certificate == used.certificate]
    return (kept or good)[-1]


def _stamp(folder: Path) -> int:
    """Changes whenever another version comes into force in this folder."""
    try:
        return (folder / IN_FORCE).stat().st_mtime_ns
    except OSError:
        return 0


def _certificates(directory: Directory) -> list[bytes]:
    return [der for member in directory.members.values() if member.active for der in member.certificates]

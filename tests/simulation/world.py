"""The simulated world of one plan: authorities that live and die, messages, and the story that must be whole at the end."""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

from exchange.exchange import Exchange
from exchange.outgoing.sealing import Attachment, Draft
from exchange.reconcile import Verdict
from exchange.store import Store
from keys.directory import exercise
from keys.directory.view import Directory, Kind
from keys.logkeys import SigningPair
from keys.suite import SUITE
from protocol import limits
from protocol.delivery import Event
from protocol.entries import Lane
from protocol.errors import RogatoryError
from protocol.names import Office
from tests.simulation import saved
from tests.simulation.authority import Authority, Life, begin
from tests.simulation.ledger import CANARY, Accepted, Ledger
from tests.simulation.loop import Killed, VirtualLoop
from tests.simulation.network import Network
from tests.simulation.plan import Fault, Plan, Send
from tests.simulation.points import KILLS, here
from tests.simulation.suite import FastPair, FastSuite
from tests.simulation.trouble import Trouble

NETWORK = "exercise.example"
START = 1_795_500_000_000  # ms: 2026-11-24 06:00:00 UTC
CALM = 600.0  # virtual seconds until everything must be quiet again (I11)
URGENT, URGENT_CUT = 20.0, 120.0  # virtual seconds (I6): on a line that is up, and on one that is up a tenth of the time
DOWN = 65.0  # virtual seconds that a dead node, or a lossy line with its pauses, may add: who waited for 30 s may wait as long once more
CLOCK = 300.0  # virtual seconds that a sender waits before it asks a recipient with another time again
MEMORY = Path("/dev/shm")
_DISK_CODES = {"STORE-WRITE", "GUARD-WRITE", "PREKEY-FOLDER", "STORE-OPEN", "LOG-SIGN", "STORE-STOPPED", "RuntimeError"}  # the last: a token was pulled


class World:
    """One run."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan = plan
        self.rng = random.Random(plan.schedule)
        self.loop = VirtualLoop(self.rng, plan.threads)
        self.trouble = Trouble(self)
        self.counts = self.trouble.counts
        self.tick = 15.0
        self.ledger = Ledger(self.loop.time, self.loop.stop)
        self.lives: dict[str, Life | None] = dict.fromkeys(plan.names)
        self.network = Network(self.rng, self.lives, self.ledger.spoke)
        self.network.rate = plan.rate
        drawn = random.Random(plan.schedule + 1)
        pair: Callable[[bytes], Any] = SigningPair if plan.real else FastPair
        self.suite: Any = SUITE if plan.real else FastSuite(drawn.randbytes)
        self.authorities = {
            name: Authority(self, name, folder / name, random.Random(drawn.getrandbits(48)).randbytes, pair) for name in plan.names
        }
        self.directory = make_directory(self.authorities)
        self._fresh = {fault.who for fault in plan.faults if fault.point == "U1"}
        self._busy: set[asyncio.Task[Any]] = set()
        self.restored: set[str] = set()

    # -- time ------------------------------------------------------------------------------------------------------------------

    def monotonic(self) -> int:
        """Milliseconds."""
        return int(self.loop.time() * 1000)

    def wall(self) -> int:
        """Milliseconds since 1970, as the clock on the wall of whoever asks has them."""
        life = here.get()
        return START + self.monotonic() + (life.authority.offset if isinstance(life, Life) else 0)

    # -- lives -----------------------------------------------------------------------------------------------------------------

    def start(self, authority: Authority) -> None:
        """Start a process on the files of now."""
        if self.lives[authority.name] is not None:
            return
        try:
            life = begin(authority)
        except Exception as error:  # noqa: BLE001 - judged there
            self._judge(authority, error)
            self.loop.call_later(1.0, self.start, authority)
            return
        if life is None:
            return  # it died before it could work, and is started again
        assert life.exchange is not None
        self.counts["started"] += 1
        life.exchange.answers.on_settled = lambda told: self.ledger.delivered(life, told)
        self.lives[authority.name] = life
        if authority.name in self.restored:
            authority.old = life.behind = life.exchange.log.size < max(self.ledger.heads.get(life.exchange.log.origin, {0: b""}))
            self.loop.call_later(8.0, self._notice, life)
        else:
            authority.old = False
            self.ledger.examine(authority.name, life.exchange.log.origin, life.exchange.store.reader())
        life.start()

    def _notice(self, life: Life) -> None:
        """An operator looks at a node that runs on an old copy and signs nothing, and finds the newest disk."""
        if life.dead or life.name not in self.restored:
            return
        verdict = life.reconciler.finding.verdict
        if verdict is Verdict.ALONE:  # nobody has told it yet
            self.loop.call_later(8.0, self._notice, life)
            return
        self.restored.discard(life.name)
        self.counts[f"restored: {verdict}"] += 1
        self.ledger.demand(verdict is Verdict.HOLD or not life.behind, "I12", f"{life.name} goes on with an old copy of its data")
        if verdict is Verdict.HOLD:
            with contextlib.suppress(Killed):
                life.die()
            life.authority.put_newest()

    def refused(self, life: Life, error: Exception) -> None:
        """A process ends while it starts."""
        if not life.dead:
            self._judge(life.authority, error)
            self.stopped(life)

    def _judge(self, authority: Authority, error: Exception) -> None:
        """A disk that fails may keep a node from starting once; nothing else may."""
        code = error.code.code if isinstance(error, RogatoryError) else type(error).__name__
        self.counts[f"refused {code}"] += 1
        self.ledger.demand(code in _DISK_CODES, "I1", f"{authority.name} does not start again: {error}")

    def ended(self, life: Life) -> None:
        """A life is over: bury it, and start the next one after a while."""
        authority = life.authority
        self.lives[authority.name] = None
        self.ledger.scan(authority.name, authority.home.path)
        self.trouble.died(life)
        self._later(life.bury())
        self.loop.call_later(authority.down, self.start, authority)

    def stopped(self, life: Life) -> None:
        """A process ended by itself, or by its operator; it is started again."""
        if life.dead or self.lives[life.name] is not life:
            return
        self.lives[life.name] = None
        self._later(self._again(life))

    async def _again(self, life: Life) -> None:
        await life.stop()
        await asyncio.sleep(self.rng.random() * 2)
        if self.lives[life.name] is None:
            self.start(life.authority)

    def _later(self, work: Any) -> None:
        task = self.loop.create_task(work)
        self._busy.add(task)
        task.add_done_callback(self._busy.discard)

    # -- the run ---------------------------------------------------------------------------------------------------------------

    async def main(self) -> None:
        """Chaos, then calm."""
        for fault in self.plan.faults:
            self.loop.call_at(fault.at, self.trouble.strike, fault)
        for authority in self.authorities.values():
            authority.home.data.mkdir(parents=True)
            if authority.name not in self._fresh:
                shutil.copy(template() / "exchange.sqlite", authority.home.data)
            else:
                self.trouble.strike(next(fault for fault in self.plan.faults if fault.who == authority.name and fault.point == "U1"))
            self.start(authority)
        for send in self.plan.sends:
            self.loop.call_at(send.at, lambda send=send: self._later(self._send(send)))
        for _ in range(4):
            await asyncio.sleep(self.plan.chaos / 4)
            for life in self.lives.values():
                if life is not None and life.exchange is not None:
                    self.ledger.bounded(life)
        if self.trouble.fired < 2:
            self.trouble.strike(Fault(0, "restart", self.plan.names[0]))
            self.trouble.strike(Fault(0, "restart", self.plan.names[1]))
        self.trouble.end()
        self.network.calm()
        await self._mend_clocks()
        await self._drained()
        await self._finish()

    async def _mend_clocks(self) -> None:
        """Whoever's clock was wrong has it set right, and is restarted."""
        for authority in self.authorities.values():
            if authority.offset:
                authority.offset = 0
                life = self.lives[authority.name]
                if life is not None:
                    self.stopped(life)

    async def _drained(self) -> None:
        end = self.loop.time() + CALM
        while left := self._open():
            self.ledger.demand(self.loop.time() < end, "I11", f"still open after {CALM:.0f} s: {left[:3]}")
            await asyncio.sleep(5)
            await self._release_held()

    async def _release_held(self) -> None:
        """What a liar's answers have set aside is looked at by a human, and sent again."""
        for life in list(self.lives.values()):
            if life is not None and life.exchange is not None:
                for row in life.exchange.store.reader().execute("SELECT hash, recipient FROM delivery WHERE state='held'").fetchall():
                    self.counts["held"] += 1
                    with contextlib.suppress(RogatoryError):
                        await self.loop.create_task(_settle(life.exchange, *row), context=life.context)

    def _open(self) -> list[str]:
        left = [name for name, life in self.lives.items() if life is None or life.exchange is None]
        left += [f"{name} runs on an old copy" for name in sorted(self.restored)]
        left += [f"{len(self._busy)} are busy"] if self._busy else []
        for name, life in self.lives.items():
            if life is not None and life.exchange is not None:
                self.ledger.demand(not life.ended, "I11", f"{name} stands still: its tasks ended")
                left += self.ledger.settled(name, life.exchange.store.reader())
        return left

    async def _finish(self) -> None:
        """Everything is quiet: the whole story, in both logs, and again from the files alone."""
        logs, databases = {}, {}
        for name, life in self.lives.items():
            assert life is not None
            assert life.exchange is not None
            self.ledger.bounded(life)
            db = databases[name] = life.exchange.store.reader()
            self.ledger.examine(name, life.exchange.log.origin, db)
            self.ledger.scan(name, life.authority.home.path)
            logs[name] = [bytes(row[0]) for row in db.execute("SELECT bytes FROM entry WHERE n=1 ORDER BY idx")]
            saved.check(life.authority, logs[name])
        self.ledger.agree(logs, databases, {fault.who for fault in self.plan.faults if fault.kind.startswith("lie")})
        self._urgent()
        for life in list(self.lives.values()):
            if life is not None:
                await life.stop()

    def _urgent(self) -> None:
        """On a line full of routine messages, urgent ones take their time to travel and no more; a liar keeps nobody but itself waiting."""
        if self.plan.scenario != "urgent":
            return
        kinds = {fault.kind for fault in self.plan.faults}
        liars = {fault.who for fault in self.plan.faults if fault.kind.startswith("lie")}
        bound = URGENT_CUT if "cut" in kinds else URGENT + DOWN * len(kinds & {*KILLS, "loss", "restart"})
        bound += CLOCK * ("kill-clock" in kinds)
        for found in self.ledger.accepted.values():
            for peer, at in found.delivered.items():
                if found.urgent and peer not in liars:
                    self.ledger.demand(at - found.at < bound, "I6", f"urgent to {peer} took {at - found.at:.0f} s")

    # -- messages --------------------------------------------------------------------------------------------------------------

    async def _send(self, send: Send) -> None:
        """Until the node says 202: whoever got no answer asks again."""
        while True:
            life = self.lives[send.sender]
            if life is not None and life.exchange is not None:
                task = self.loop.create_task(self._submit(life, send), context=life.context)
                await asyncio.wait([task])
                if not task.cancelled() and task.exception() is None:
                    return
                self.counts["submitted again"] += 1
            await asyncio.sleep(1.0)

    async def _submit(self, life: Life, send: Send) -> None:
        exchange, at = life.exchange, self.loop.time()
        assert exchange is not None
        attachments = tuple(_attachment(i, size) for i, size in enumerate(send.parts, 1))
        draft = Draft(
            "247", tuple(Office(name, "247") for name in send.to), "EE_PRESERVE", CANARY + bytes(send.size),
            life.clock.now() + int(send.ttl * 1000), Lane.URGENT if send.urgent else Lane.ROUTINE, attachments,
        )  # fmt: skip
        sealed = await asyncio.to_thread(exchange.outbox.seal, draft)
        got = await asyncio.wrap_future(exchange.outbox.submit(sealed))
        if life.dead:
            raise Killed
        self.ledger.took(life, Accepted(life.name, got.hash, got.message_id, got.index, send.to, send.urgent, at))


async def _settle(exchange: Exchange, envelope_hash: bytes, recipient: str) -> None:
    await asyncio.to_thread(exchange.deadletters.settle, envelope_hash, recipient, Event.RETRY)


def _attachment(number: int, size: int) -> Attachment:
    @contextmanager
    def source() -> Iterator[tuple[BytesIO, int]]:
        data = (CANARY * (size // len(CANARY) + 1))[:size]
        yield BytesIO(data), len(data)

    return Attachment(Path(f"part-{number}"), f"part-{number}.bin", "application/octet-stream", "annex", source)


def make_directory(authorities: Mapping[str, Any]) -> Directory:
    names = list(authorities)
    members = {}
    for port, (name, a) in enumerate(authorities.items(), 9000):
        keys = exercise.PublicKeys.of(a.log, a.standby, a.witness, ())
        members[name] = exercise.member_of(exercise.Seat(name, name[:2].upper(), name, ("127.0.0.1", port), keys), NETWORK, names)
    return Directory(NETWORK, b"n" * 32, Kind.EXERCISE, exercise.LOOPBACK, 1, 1, b"s" * 32, START + 60 * limits.DAY, members)


@cache
def template() -> Path:
    """A data folder with an empty store of this release: making one takes longer than a whole message."""
    folder = Path(tempfile.mkdtemp(prefix="simulation-", dir=MEMORY if MEMORY.is_dir() else None))
    Store(folder).close()
    return folder

"""What goes wrong in a run, when it goes wrong: faults strike at their time, or wait for a node to pass their point."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import replace
from typing import Any

from tests.simulation.authority import Authority, Life
from tests.simulation.loop import Killed
from tests.simulation.plan import Fault
from tests.simulation.points import BEFORE, DISK, KILLS, LAG


class Trouble:
    """The faults of one world. ``counts``: how often each kind struck; ``crossed``: at which point, and which points were passed."""

    def __init__(self, world: Any) -> None:
        self._world = world
        self.counts: Counter[str] = Counter()
        self.crossed: Counter[tuple[str, str, str]] = Counter()
        self.fired = 0
        self.over = self._lagging = False
        self._kills: dict[str, list[Fault]] = {}
        self._disks: dict[str, list[Fault]] = {}

    # -- faults that wait for their point --------------------------------------------------------------------------------------

    def due(self, authority: Authority, point: str, when: str) -> bool:
        """Whether this life ends here."""
        self.crossed["passed", point, when] += 1
        waiting = self._kills.get(authority.name)
        if not waiting:
            return False
        if (point, when) == ("R5", BEFORE) and any(fault.kind == LAG for fault in waiting):
            authority.lag()
        found = next((i for i, fault in enumerate(waiting) if (fault.point, fault.when) == (point, when)), None)
        if found is None:
            return False
        fault = waiting[found]
        if fault.nth > 1:
            waiting[found] = replace(fault, nth=fault.nth - 1)
            return False
        del waiting[found]
        self._fire(fault.kind, point, when)
        if fault.kind == "kill-clock":
            authority.offset = int(fault.amount)
        self._lagging = fault.kind == LAG
        authority.down = 30.0 if fault.kind == "kill-long" else self._world.rng.random() * 2
        return True

    def died(self, life: Life) -> None:
        """Its files were kept: what is put in their place, if anything."""
        authority = life.authority
        if self._lagging:
            self._lagging = False
            if not self._unsigned(life) and authority.put_lagging():
                self._world.restored.add(authority.name)

    def disk_fault(self, authority: Authority, point: str) -> str:
        """The disk fault that is due at this point."""
        waiting = self._disks.get(authority.name, [])
        fault = next((fault for fault in waiting if fault.point == point), None)
        if fault is None:
            return ""
        waiting.remove(fault)
        self._fire(fault.kind, point, "during")
        return fault.kind

    def _fire(self, kind: str, point: str = "", when: str = "") -> None:
        self.fired += 1
        self.counts[f"fault {kind}"] += 1
        if point:
            self.crossed[kind, point, when] += 1

    def end(self) -> None:
        """Nothing goes wrong from here on."""
        self.over = True
        self._kills.clear()
        self._disks.clear()

    # -- what goes wrong -------------------------------------------------------------------------------------------------------

    def strike(self, fault: Fault) -> None:
        """Let it happen, now or when its point is passed."""
        if self.over:
            return
        kind = fault.kind
        if kind in KILLS or kind == LAG:
            if not (fault.point == "U1" and self._world.lives[fault.who] is not None):
                self._kills.setdefault(fault.who, []).append(fault)
                self._world.authorities[fault.who].forget_lag()
        elif kind in DISK:
            self._disks.setdefault(fault.who, []).append(fault)
        elif kind in ("restart", "jump", "copy", "restore", "prekeys-lost", "backup"):
            life = self._world.lives[fault.who]
            if life is not None and life.exchange is not None:
                getattr(self, f"_{kind.replace('-', '_')}")(life, fault)
        elif kind == "night":
            self._night(fault)
        else:
            self._fire(kind)
            self._network_fault(kind, fault)

    def _network_fault(self, kind: str, fault: Fault) -> None:
        network, later = self._world.network, lambda undo, *args: self._world.loop.call_later(fault.length, undo, *args)
        if kind == "cut":
            pairs = [(fault.who, fault.other), (fault.other, fault.who)][: 1 if self._world.rng.random() < 0.3 else 2]
            network.cuts.update(pairs)
            later(network.cuts.difference_update, pairs)
        elif kind == "slow":
            network.slow.add(fault.who)
            later(network.slow.discard, fault.who)
        elif kind.startswith("lie-"):
            network.liars[fault.who] = kind[4:]
            later(network.liars.pop, fault.who, None)
        else:
            setattr(network, kind, fault.amount)
            later(setattr, network, kind, 0.0)

    def _restart(self, life: Life, fault: Fault) -> None:
        self._fire("restart")
        self._world.stopped(life)

    def _jump(self, life: Life, fault: Fault) -> None:
        self._fire("jump")
        life.authority.offset = int(fault.amount)

    def _prekeys_lost(self, life: Life, fault: Fault) -> None:
        """A machine is put up again from what is backed up: everything but the prekeys."""
        self._fire("prekeys-lost")
        life.authority.down = 15.0
        with suppress(Killed):
            life.die()
        life.authority.lose_prekeys()

    def _backup(self, life: Life, fault: Fault) -> None:
        """Its home is backed up while it works: nothing wrong by itself."""
        life.back_up()

    def _copy(self, life: Life, fault: Fault) -> None:
        life.authority.copy_data(life.exchange.log.size)  # type: ignore[union-attr]

    def _restore(self, life: Life, fault: Fault) -> None:
        """An old copy of the data is put in the place of the newest; the guard lies elsewhere."""
        authority = life.authority
        if not authority.copies or self._unsigned(life):
            return
        self._fire("restore")
        try:
            life.die()
        except Killed:
            size = authority.put_back(-1)
            signed = max(self._world.ledger.heads.get(life.exchange.log.origin, {0: b""})) if life.exchange is not None else 0
            if size < signed:
                self._world.restored.add(authority.name)

    def _unsigned(self, life: Life) -> bool:
        """Whether it has taken something that nothing outside its data knows of yet, so that no old copy can be told (docs/disaster.md)."""
        log = life.exchange.log if life.exchange is not None else None
        return log is not None and log.size > max(self._world.ledger.heads.get(log.origin, {0: b""}))

    def _night(self, fault: Fault) -> None:
        """Everybody is down for days."""
        self._fire("night")
        for life in list(self._world.lives.values()):
            if life is not None:
                with suppress(Killed):
                    life.die()
        self._world.loop.skip(fault.length * 86400)



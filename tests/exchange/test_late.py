"""What joins a group of the writer while it is being written: it is logged no earlier than it was made."""

from __future__ import annotations

from tests.world import World


def test_what_joins_a_group_late_is_not_logged_before_it_was_made(pair: World) -> None:
    a, seen = pair.exchanges["xa-ca"], []

    def late(tx: object) -> None:
        seen.append((pair.clock.now(), tx.time))  # type: ignore[attr-defined]

    def first(tx: object) -> None:
        pair.clock.advance(1)
        a.writer.submit(late)

    a.writer.run(first)
    a.writer.run(lambda tx: None)
    assert seen
    assert seen[0][0] == seen[0][1]

"""The doctor: each thing that goes wrong is found, and told with what mends it."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

from keys.transport import TransportKey
from protocol import limits
from protocol.delivery import Event
from tests.node.local.conftest import serve
from tests.world import make_world


async def failing(served):
    told = await served.socket("GET", "/v1/doctor")
    assert told["ok"] is all(each["ok"] for each in told["checks"])
    failed = {each["check"]: each for each in told["checks"] if not each["ok"]}
    assert all(each["todo"] for each in failed.values())
    return failed


async def test_all_well(served):
    assert await failing(served) == {}
    told = await served.socket("GET", "/v1/doctor")
    names = {each["check"] for each in told["checks"]}
    assert names >= {"clock", "disk", "SQLite", "HTTP parser", "certificate", "directory", "prekeys", "guard", "log"}


async def test_clock_that_jumped(served):
    served.world.clock.certain = False
    assert set(await failing(served)) == {"clock"}


async def test_old_directory_and_no_prekeys_ahead(served):
    served.world.clock.advance(31 * limits.DAY)
    failed = await failing(served)
    assert set(failed) == {"directory", "prekeys"}
    assert "rogatory directory update" in failed["directory"]["todo"]


async def test_certificate_that_ends_soon(served):
    now, world = served.world.clock.now(), served.world
    for days, sound in ((31, True), (29, False), (-1, False)):
        key = TransportKey.generate()
        key.issue_certificate("xa-ca", "exercise.example", now - 99 * limits.DAY, now + days * limits.DAY)
        member = replace(world.directory.member("xa-ca"), certificates=(key.certificate,))
        view = replace(world.directory, members={**world.directory.members, "xa-ca": member})
        served.rooms.host = replace(served.rooms.host, directory=lambda view=view: view)
        failed = await failing(served)
        assert set(failed) == (set() if sound else {"certificate"})
    assert failed["certificate"]["todo"] == "rogatory keys rotate-transport"


async def test_files_that_others_may_read(served):
    people = served.world.home("xa-ca").people
    people.chmod(0o644)
    failed = await failing(served)
    assert failed["people.sqlite mode"]["todo"] == f"chmod go= {people}"


async def test_log_altered_under_the_node(served):
    served.exchange.writer.run(lambda tx: tx.db.execute("UPDATE entry SET bytes=zeroblob(40) WHERE idx=1"))
    failed = await failing(served)
    assert set(failed) == {"log"}
    assert "entry 1 " in failed["log"]["says"]


async def test_tiles_altered_under_the_node(served):
    served.exchange.writer.run(lambda tx: tx.db.execute("UPDATE head SET root=zeroblob(32) WHERE size=(SELECT max(size) FROM head)"))
    assert {"log", "guard"} <= set(await failing(served))


async def test_held_deliveries(served):
    sent = served.world.send("xa-ca", "xb-ca", b"{}")
    served.exchange.deadletters.settle(sent.hash, "xb-ca", Event.HOLD)
    assert set(await failing(served)) == {"held deliveries"}


async def test_malformed_policy(served):
    folder = served.world.home("xa-ca").policies
    folder.mkdir()
    (folder / "p.toml").write_text("name =")
    failed = await failing(served)
    assert failed["policies"]["says"].startswith("POLICY-FILE")


async def test_disk_that_is_full(served):
    host = served.rooms.host
    data = host.settings.data.model_copy(update={"disk_reserve_mib": 1 << 40})
    served.rooms.host = replace(host, settings=host.settings.model_copy(update={"data": data}))
    assert set(await failing(served)) == {"disk"}


async def test_peers(short_path):
    world = make_world(short_path, ("xa-ca", "xb-ca"))
    world.visit("xa-ca")
    well = SimpleNamespace(reached=world.clock.now(), failed=None, code="", pouches=1, items=1)
    gone = SimpleNamespace(reached=None, failed=world.clock.now(), code="PEER-UNREACHABLE", pouches=0, items=0)
    couriers = {"xb-ca": SimpleNamespace(contacts=well), "xc-ca": SimpleNamespace(contacts=gone)}
    async with serve(world, couriers=couriers) as served:
        failed = await failing(served)
        assert set(failed) == {"peer xc-ca"}
        assert "PEER-UNREACHABLE" in failed["peer xc-ca"]["todo"]
        told = await served.socket("GET", "/v1/status")
        assert [(peer["authority"], peer["code"]) for peer in told["peers"]] == [("xb-ca", ""), ("xc-ca", "PEER-UNREACHABLE")]
    world.close()


async def test_a_log_that_its_witnesses_have_not_seen(short_path):
    world = make_world(short_path, ("xa-ca", "xb-ca"))
    async with serve(world) as served:
        failed = await failing(served)
        assert "quorum of 1" in failed["witnesses"]["says"]
        world.visit("xa-ca")
        assert "witnesses" not in await failing(served)
        told = await served.socket("GET", "/v1/status")
        assert told["witnessed"]["size"] == told["log"]["size"]
    world.close()

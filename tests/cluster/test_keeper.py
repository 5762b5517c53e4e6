"""Leases: one holder at a time, let go before another may have it, taken over in time."""

from __future__ import annotations

import asyncio
import random

import pytest

from controller.cluster.events import LeaseEnded, LeasesUnreachable, LeaseTaken
from controller.cluster.keeper import LeaseTerms
from controller.recordings.ports import LedgerFailed
from tests.cluster.fakes import Daemon, Table, now
from tests.recordings.fakes import Caught
from tests.recordings.virtual import run_virtually, virtual

TEN = [f"fs{number}" for number in range(10)]


async def both(*switches: str) -> tuple[Table, Daemon, Daemon]:
    """Two daemons that began one after the other, so that the first has all."""
    table = Table()
    first = await Daemon(table, "first", switches).start()
    await asyncio.sleep(2)
    second = await Daemon(table, "second", switches).start()
    await asyncio.sleep(3)
    return table, first, second


@virtual
async def test_one_daemon_holds_everything() -> None:
    """Within two looks, and for as long as it runs."""
    daemon = await Daemon(Table(), "a", ["fs1", "fs2"]).start()
    assert daemon.keeper.unserved() == dict.fromkeys(("fs1", "fs2"), "no daemon is known to hold it")
    await asyncio.sleep(2.1)
    assert daemon.duties.serving == {"fs1", "fs2"}
    await asyncio.sleep(3600)
    assert daemon.duties.told == ["begin fs1", "begin fs2"]
    assert daemon.keeper.epochs == {"fs1": 1, "fs2": 1}
    assert daemon.keeper.unserved() == {}
    assert daemon.keeper.refusal("fs1") is None
    assert daemon.keeper.refusal("fs3") == "switch fs3: this daemon does not hold its lease"
    await daemon.stop()


@virtual
async def test_one_holder_at_a_time() -> None:
    """Who comes later says who holds the switch, and that is no problem."""
    _, first, second = await both("fs1")
    assert (first.keeper.holds("fs1"), second.keeper.holds("fs1")) == (True, False)
    assert (second.keeper.elsewhere, second.keeper.unserved()) == ({"fs1": "first"}, {})
    assert (first.keeper.elsewhere, list(first.keeper.held)) == ({}, ["fs1"])
    await asyncio.sleep(600)
    assert second.duties.told == []
    await first.stop()
    await second.stop()


@virtual
async def test_a_daemon_that_is_killed() -> None:
    """Another has its switch within the lease's time and two looks, with the next epoch, and says whose it was."""
    _, first, second = await both("fs1")
    await first.kill()
    killed = now()
    while "fs1" not in second.duties.serving:
        await asyncio.sleep(0.01)
    assert 6 <= now() - killed <= 10.1
    [taken] = [event for event in second.seen if isinstance(event, LeaseTaken)]
    assert (taken.epoch, taken.former) == (2, "first")
    await second.stop()


@pytest.mark.parametrize("by", [3600.0, 10.0, -10.0, -3600.0])
def test_a_database_whose_clock_is_set(by: float) -> None:
    """Forward: no lease ends for it. Back: what a dead daemon held is had as soon as ever, and not hours later."""

    async def test() -> None:
        table, first, second = await both("fs1")
        table.set_by = by
        while now() < 20:
            await asyncio.sleep(0.01)
            assert first.keeper.holds("fs1")
        assert table.leases["fs1"][1] == 1
        await first.kill()
        table.set_by = 0.0
        killed = now()
        while "fs1" not in second.duties.serving:
            await asyncio.sleep(0.01)
        assert 6 <= now() - killed <= 10.1
        await second.stop()

    run_virtually(test())


@pytest.mark.parametrize("seed", range(6))
def test_never_two_and_in_the_end_one(seed: int) -> None:
    """Three daemons, whose database is late, away for some of them, and has its clock set; they die and come back."""
    chance = random.Random(seed)  # noqa: S311 - not a secret

    async def test() -> None:
        table = Table()
        daemons = [await Daemon(table, name, ["fs1"]).start() for name in "abc"]
        for number in range(200):
            one = chance.choice(daemons)
            match chance.choice(["away", "back", "slow", "set", "kill", "stop", "calm", "calm"]):
                case "away":
                    one.rows.away = True
                case "back":
                    one.rows.away, one.rows.slow = False, 0.0
                case "slow":
                    one.rows.slow = chance.uniform(0.0, 3.0)
                case "set":
                    table.set_by = chance.uniform(-20.0, 20.0)
                case "kill" | "stop" as how:
                    await (one.kill() if how == "kill" else one.stop())
                    daemons[daemons.index(one)] = await Daemon(table, f"d{number}", ["fs1"]).start()
            for _ in range(chance.randrange(400)):
                await asyncio.sleep(0.01)
                holders = [daemon.rows.daemon for daemon in daemons if daemon.keeper.holds("fs1")]
                assert len(holders) <= 1
        for daemon in daemons:
            daemon.rows.away, daemon.rows.slow = False, 0.0
        await asyncio.sleep(15)
        assert sum(daemon.duties.serving == {"fs1"} for daemon in daemons) == 1
        for daemon in daemons:
            await daemon.stop()

    run_virtually(test())


@virtual
async def test_what_was_renewed_unseen() -> None:
    """Who was stopped itself does not take what it saw long ago: it looks first."""
    table, first, second = await both("fs1")
    second.rows.away = True
    await asyncio.sleep(60)
    second.rows.away = False
    await asyncio.sleep(5)
    assert (table.leases["fs1"][:2], second.duties.told) == (("first", 1), [])
    await first.stop()
    await second.stop()


@virtual
async def test_a_daemon_that_stops_hands_over() -> None:
    """It lets go, has stored what is to be stored, and only then gives the lease back, which is taken at once."""
    table, first, second = await both("fs1")
    first.duties.ends = 0.5
    await first.kill()
    await first.keeper.close()
    assert first.rows.asked[-2:] == ["give_back", "renew"]
    assert set(table.daemons) == {"first", "second"}  # its deliveries go on
    await first.keeper.leave()
    assert first.duties.told == ["begin fs1", "let go fs1: this daemon stops", "flush"]
    assert (first.rows.asked[-1], table.leases["fs1"][0], set(table.daemons)) == ("close", None, {"second"})
    await asyncio.sleep(1.1)
    assert second.duties.serving == {"fs1"}
    await second.stop()


@virtual
async def test_a_database_that_goes_away() -> None:
    """The holder goes on while it may, lets go before another could have its lease, and has it again."""
    table = Table()
    daemon = await Daemon(table, "a", ["fs1"]).start()
    await asyncio.sleep(3)
    daemon.rows.away = True
    away = now()
    while daemon.keeper.holds("fs1"):
        await asyncio.sleep(0.01)
    assert 5 <= now() - away <= 7
    assert now() < table.leases["fs1"][2]
    await asyncio.sleep(0.5)
    assert (daemon.duties.serving, daemon.duties.lapses) == (set(), 1)
    reason = "its lease was not renewed in time: the database is away"
    assert daemon.duties.told[-1] == f"let go fs1: {reason}"
    assert daemon.keeper.unserved() == {"fs1": "no daemon is known to hold it: the database is away"}
    assert len([event for event in daemon.seen if isinstance(event, LeasesUnreachable)]) == 1
    daemon.rows.away = False
    await asyncio.sleep(2)
    assert (daemon.duties.serving, daemon.keeper.epochs) == ({"fs1"}, {"fs1": 2})
    assert [event.reason for event in daemon.seen if isinstance(event, LeaseEnded)] == [reason]
    await daemon.stop()


@virtual
async def test_a_database_that_is_away_for_a_moment() -> None:
    """A renewal or two may fail."""
    daemon = await Daemon(Table(), "a", ["fs1"]).start()
    await asyncio.sleep(3)
    for _ in range(20):
        daemon.rows.away = True
        await asyncio.sleep(3.5)
        daemon.rows.away = False
        await asyncio.sleep(3.5)
    assert (daemon.duties.told, daemon.duties.lapses) == (["begin fs1"], 0)
    await daemon.stop()


@virtual
async def test_a_lease_counts_from_before_it_was_asked_for() -> None:
    """An answer that comes late is of a lease that has run for as long."""
    daemon = await Daemon(Table(), "a", ["fs1"]).start()
    await asyncio.sleep(3)
    daemon.rows.hung = asyncio.Event()
    asked, held = daemon.rows.asked.count("renew"), now()
    while daemon.rows.asked.count("renew") == asked:
        await asyncio.sleep(0.01)
        held = now()
    await asyncio.sleep(4)
    daemon.rows.hung.set()
    daemon.rows.away = True
    while daemon.keeper.holds("fs1"):
        await asyncio.sleep(0.01)
    assert now() - held == pytest.approx(7, abs=0.05)
    await daemon.kill()


@pytest.mark.parametrize("slow", [7.5, 20.0])
def test_a_lease_that_is_had_too_late(slow: float) -> None:
    """One whose taking was answered when it had run out is not believed in."""

    async def test() -> None:
        daemon = Daemon(Table(), "a", ["fs1"])
        await daemon.start()
        await asyncio.sleep(0.5)
        daemon.rows.slow = slow
        await asyncio.sleep(60)
        assert daemon.duties.told == []
        await daemon.kill()

    run_virtually(test())


@virtual
async def test_a_lease_that_another_took() -> None:
    """The renewal shows it: it is let go at once, and never commanded on."""
    table, first, second = await both("fs1")
    table.leases["fs1"] = ("second", 9, now() + 100)
    await asyncio.sleep(2.1)
    assert first.duties.told[-1] == "let go fs1: another daemon has taken its lease"
    assert not first.keeper.holds("fs1")
    await first.stop()
    await second.stop()


@virtual
async def test_what_the_store_refuses() -> None:
    """A write refused for its epoch tells that the lease is gone; one of a former epoch tells nothing."""
    daemon = await Daemon(Table(), "a", ["fs1", "fs2"]).start()
    await asyncio.sleep(3)
    daemon.keeper.lost("fs1", 0)
    assert daemon.keeper.holds("fs1")
    daemon.keeper.lost("fs1", 1)
    assert not daemon.keeper.holds("fs1")
    assert daemon.duties.serving == {"fs2"}
    assert daemon.keeper.epochs == {"fs2": 1}
    await asyncio.sleep(2)
    assert daemon.keeper.epochs == {"fs1": 2, "fs2": 1}
    await daemon.stop()


@virtual
async def test_a_lease_that_is_lost_while_it_is_renewed() -> None:
    """The answer, which may be older, does not bring it back; had again meanwhile it stays as it was had."""
    daemon = await Daemon(Table(), "a", ["fs1", "fs2"]).start()
    await asyncio.sleep(3)
    daemon.rows.hung = asyncio.Event()
    asked = daemon.rows.asked.count("renew")
    while daemon.rows.asked.count("renew") == asked:
        await asyncio.sleep(0.01)
    daemon.rows.stuck = {"fs2"}
    daemon.keeper.lost("fs1", 1)
    daemon.keeper.lost("fs2", 1)
    await asyncio.sleep(2)
    assert daemon.keeper.epochs == {"fs1": 2}
    daemon.rows.hung.set()
    await asyncio.sleep(0.01)
    assert daemon.keeper.epochs == {"fs1": 2}
    assert daemon.duties.serving == {"fs1"}
    await daemon.stop()


@virtual
async def test_daemons_share() -> None:
    """Those that start together have as many each; of one that dies the rest is shared by the others."""
    table = Table()
    daemons = [await Daemon(table, name, TEN).start() for name in "abc"]
    await asyncio.sleep(4)
    assert sorted(len(daemon.duties.serving) for daemon in daemons) in ([2, 4, 4], [3, 3, 4])
    assert set.union(*(daemon.duties.serving for daemon in daemons)) == set(TEN)
    await daemons[0].kill()
    await asyncio.sleep(12)
    assert [len(daemon.duties.serving) for daemon in daemons[1:]] == [5, 5]
    await daemons[1].kill()
    await asyncio.sleep(12)
    assert daemons[2].duties.serving == set(TEN)
    await daemons[2].stop()


@virtual
async def test_a_switch_of_other_settings_is_left_to_nobody() -> None:
    """What only one daemon can serve it takes, beyond its share, when it was left lying."""
    table = Table()
    one, other = await Daemon(table, "a", ["fs1", "fs2"]).start(), await Daemon(table, "b", []).start()
    await asyncio.sleep(5)
    assert one.duties.serving == {"fs1", "fs2"}
    await one.stop()
    await other.stop()


@virtual
async def test_a_switch_that_refuses_this_daemon() -> None:
    """Its lease is given back, for another that it may take, and not had again."""
    _, first, second = await both("fs1")
    first.keeper.renounce("fs1")
    await asyncio.sleep(3)
    assert second.duties.serving == {"fs1"}
    await second.kill()
    await asyncio.sleep(30)
    assert first.duties.serving == set()
    await first.stop()


@virtual
async def test_a_beginning_that_fails() -> None:
    """It is tried again while the lease is had, whatever it failed of; a bug is told besides."""
    daemon = await Daemon(Table(), "a", ["fs1"]).start()
    daemon.duties.failing = [LedgerFailed("away"), ZeroDivisionError("a bug"), LedgerFailed("away")]
    with Caught() as caught:
        await asyncio.sleep(1.5)
        assert (daemon.keeper.holds("fs1"), daemon.duties.serving) == (True, set())
        assert daemon.keeper.unserved() == {"fs1": "it is being taken over: away"}
        await asyncio.sleep(6.5)
    assert daemon.duties.serving == {"fs1"}
    assert daemon.keeper.unserved() == {}
    assert [type(error) for error in caught.errors] == [ZeroDivisionError]
    await daemon.stop()


@virtual
async def test_a_beginning_that_is_overtaken() -> None:
    """A lease that is lost while it begins: no more is begun, and the next waits for the end of this one."""
    daemon = await Daemon(Table(), "a", ["fs1"]).start()
    daemon.duties.failing = [LedgerFailed("away")] * 1000
    daemon.duties.ends = 4.0
    await asyncio.sleep(3)
    daemon.keeper.lost("fs1", 1)
    daemon.duties.failing.clear()
    await asyncio.sleep(3)
    assert daemon.duties.serving == set()
    await asyncio.sleep(3)
    assert daemon.duties.serving == {"fs1"}
    await daemon.stop()


@virtual
async def test_switches_that_left_the_settings() -> None:
    """Nobody's for a minute, they are given up under a lease, which is given back when nothing is left of them."""
    table = Table()
    table.leases["old"] = ("former", 7, now())
    terms = LeaseTerms(lasts=table.lasts)
    daemon = await Daemon(table, "a", ["fs1"], terms).start()
    daemon.duties.gone = {"old", "never"}
    await asyncio.sleep(55)
    assert daemon.duties.given_up == []
    await asyncio.sleep(40)
    assert set(daemon.duties.given_up) == {"old", "never"}
    assert daemon.keeper.epochs["old"] == 8
    assert "old" not in daemon.duties.serving
    daemon.duties.gone = set()
    await asyncio.sleep(20)
    assert set(daemon.keeper.epochs) == {"fs1"}
    assert table.leases["old"][0] is None
    await daemon.stop()


@virtual
async def test_leases_of_removed_switches_that_are_lost_while_others_are_given_back() -> None:
    """Each is let go once."""
    table = Table()
    daemon = await Daemon(table, "a", ["fs1"]).start()
    daemon.duties.gone = {"old", "older"}
    await asyncio.sleep(100)
    assert set(daemon.keeper.epochs) == {"fs1", "old", "older"}
    daemon.duties.gone = set()
    daemon.duties.ends = 3.0
    while len(daemon.keeper.epochs) == 3:
        await asyncio.sleep(0.01)
    (left,) = {"old", "older"} & set(daemon.keeper.epochs)
    daemon.keeper.lost(left, daemon.keeper.epochs[left])
    await asyncio.sleep(30)
    assert set(daemon.keeper.epochs) == {"fs1"}
    assert daemon.keeper.holds("fs1")
    await daemon.stop()


@virtual
async def test_a_lease_that_cannot_be_taken_keeps_no_other() -> None:
    """One on which a transaction of its former holder hangs, say."""
    daemon = Daemon(Table(), "a", ["fs1", "fs2", "fs3"])
    daemon.rows.stuck = {"fs1"}
    await daemon.start()
    await asyncio.sleep(3)
    assert daemon.duties.serving == {"fs2", "fs3"}
    assert daemon.keeper.unserved() == {"fs1": "no daemon is known to hold it: its row is locked"}
    daemon.rows.stuck = set()
    await asyncio.sleep(3)
    assert daemon.duties.serving == {"fs1", "fs2", "fs3"}
    await daemon.stop()


@virtual
async def test_whose_a_switch_of_other_settings_is() -> None:
    """Another daemon's while it is held, for a minute after, and while that is not known; then nobody's."""
    table = Table()
    here, there = await Daemon(table, "a", ["fs1"]).start(), await Daemon(table, "b", ["fs2"]).start()
    assert here.keeper.foreign("fs2")  # nothing was looked at yet
    await asyncio.sleep(5)
    assert [here.keeper.foreign(name) for name in ("fs1", "fs2", "never")] == [False, True, False]
    assert here.keeper.elsewhere == {}
    await there.stop()
    await asyncio.sleep(50)
    assert here.keeper.foreign("fs2")
    await asyncio.sleep(20)
    assert not here.keeper.foreign("fs2")
    here.rows.away = True
    await asyncio.sleep(10)
    assert here.keeper.foreign("fs2")
    await here.stop()


@virtual
async def test_a_switch_of_another_daemons_settings_is_not_given_up() -> None:
    """While somebody holds it, and for a minute after."""
    table = Table()
    here, there = await Daemon(table, "a", ["fs1"]).start(), await Daemon(table, "b", ["fs2"]).start()
    here.duties.gone = {"fs2"}
    await asyncio.sleep(300)
    assert here.duties.given_up == []
    await there.stop()
    await asyncio.sleep(50)
    assert here.duties.given_up == []
    await asyncio.sleep(40)
    assert set(here.duties.given_up) == {"fs2"}
    await here.stop()

"""Reconciliation: every row, by Core-UUID and what the switch says; a link that goes in the middle."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import product

import pytest

from controller.recordings.facts import Cause, Started, Stopped
from controller.recordings.model import EndReason, Measured, Pause, PauseBehavior, Recording, State, Wish
from controller.recordings.ports import Presence, SwitchAway
from controller.recordings.reconcile import AT_ONCE, Reconciled, reconcile
from controller.recordings.service import RecordingService
from controller.telemetry import Telemetry
from tests.recordings.fakes import REQUEST, FakeLedger, FakeMedia, FakeRecorder, owner, task_of
from tests.recordings.virtual import BEGINNING, settled, virtual

CORE, OTHER = "core", "another core"
HERE, AWAY, GONE = Presence(recorder=True, leg=True), Presence(recorder=False, leg=True), Presence(False, False)
REQ, REC, PAU, STO, PRO = State.REQUESTED, State.RECORDING, State.PAUSED, State.STOPPING, State.PROCESSING


def row(state: State, number: int = 0, **fields: object) -> Recording:
    """A stored row in `state`."""
    made = Recording(f"r{number}", owner(), REQUEST, state, f"/r{number}.wav", BEGINNING - 10, CORE)
    made = replace(made, started_at=None if state is REQ else BEGINNING - 9)
    if state is PAU:
        made = replace(made, pauses=(Pause(BEGINNING - 5, PauseBehavior.SKIP),))
    if state in {STO, PRO}:
        made = replace(made, reason=EndReason.VERB)
    if state is PRO:
        made = replace(made, ended_at=BEGINNING - 1)
    return replace(made, **fields)  # type: ignore[arg-type]  # a test's own fields, by name


class Bench:
    def __init__(self, *rows: Recording) -> None:
        self.ledger = FakeLedger({stored.id: stored for stored in rows})
        self.recorder = FakeRecorder(ledger=self.ledger)
        self.media = FakeMedia()
        self.service = RecordingService(
            recorder=self.recorder,
            ledger=self.ledger,
            media=self.media,
            telemetry=Telemetry(),
            path_of=lambda _switch, identity: f"/{identity}.wav",
        )

    async def reconcile(self, core: str = CORE) -> Reconciled:
        found = await reconcile(self.service, self.recorder, "fs1", core)
        await settled()
        return found


COMPLETED = State.COMPLETED
EXPECTED: dict[tuple[State, Presence], tuple[State, EndReason | None, list[str]]] = {
    (REQ, HERE): (REC, None, ["inquire"]),
    (REQ, AWAY): (REQ, None, ["inquire", "start"]),
    (REQ, GONE): (COMPLETED, EndReason.HANGUP, ["inquire"]),
    (REC, HERE): (REC, None, ["inquire"]),
    (REC, AWAY): (COMPLETED, EndReason.API, ["inquire"]),
    (REC, GONE): (COMPLETED, EndReason.HANGUP, ["inquire"]),
    (PAU, HERE): (PAU, None, ["inquire"]),
    (PAU, AWAY): (COMPLETED, EndReason.API, ["inquire"]),
    (PAU, GONE): (COMPLETED, EndReason.HANGUP, ["inquire"]),
    (STO, HERE): (STO, EndReason.VERB, ["inquire", "stop"]),
    (STO, AWAY): (COMPLETED, EndReason.VERB, ["inquire"]),
    (STO, GONE): (COMPLETED, EndReason.VERB, ["inquire"]),
    **{(PRO, presence): (COMPLETED, EndReason.VERB, []) for presence in (HERE, AWAY, GONE)},
}


@pytest.mark.parametrize(("state", "presence"), list(product((REQ, REC, PAU, STO, PRO), (HERE, AWAY, GONE))))
@virtual
async def test_rows_against_a_switch_that_ran_on(state: State, presence: Presence) -> None:
    """Each row that is not final is asked after once, and what the switch says gives it its state and commands."""
    bench = Bench(row(state))
    bench.recorder.presence = presence
    found = await bench.reconcile()
    to, reason, commands = EXPECTED[state, presence]
    after = bench.ledger.rows["r0"]
    assert (after.state, after.reason, bench.recorder.log) == (to, reason, commands)
    mended = commands[-1:] == ["start"]
    counted = (0, 0) if state is PRO else (int(presence.recorder), int(not presence.recorder and not mended))
    assert (found.still_running, found.ended, found.lost, found.mended) == (*counted, 0, int(mended))


@virtual
async def test_a_beginning_that_nobody_saw_is_told_by_the_file() -> None:
    """Its recorder is there, and runs for as long as its file says; one whose start was seen began as it was seen."""
    for state, began in ((REQ, BEGINNING - 3), (REC, row(REC).started_at)):
        bench = Bench(row(state))
        bench.recorder.presence, bench.media.since = HERE, BEGINNING - 3
        await bench.reconcile()
        assert (bench.ledger.rows["r0"].state, bench.ledger.rows["r0"].started_at) == (REC, began)


@pytest.mark.parametrize("state", [REQ, REC, PAU, STO, PRO])
@virtual
async def test_rows_against_a_switch_that_restarted(state: State) -> None:
    """Another Core-UUID ended every recorder: nothing is asked, what the file holds is kept, the cause is told."""
    bench = Bench(row(state))
    found = await bench.reconcile(OTHER)
    after = bench.ledger.rows["r0"]
    kept = state in {STO, PRO}
    assert (after.state, after.reason) == (COMPLETED, EndReason.VERB if kept else EndReason.SWITCH_LOST)
    assert bench.recorder.log == []
    assert (found.still_running, found.ended, found.lost) == (0, 0, 0 if state is PRO else 1)
    if state is PAU:  # 2 s of file: what the pause hid is not in it, and its end is not the reconnect's time
        assert after.ended_at == BEGINNING - 7
        assert after.pauses[0].end == BEGINNING - 5


@pytest.mark.parametrize(("core", "seconds"), [(CORE, 30.0), (OTHER, 0.0)])
@virtual
async def test_a_file_never_closed_is_waited_for_while_its_switch_lives(core: str, seconds: float) -> None:
    """A row in processing whose end nobody saw: the same switch may be closing its file still, another one never."""
    bench = Bench(row(PRO, ended_at=None))
    bench.media.sizes.append(5000)
    began = asyncio.get_running_loop().time()
    await bench.reconcile(core)
    await bench.service.finished("r0")
    assert asyncio.get_running_loop().time() - began == pytest.approx(seconds, abs=5.0)
    assert bench.ledger.rows["r0"].state is COMPLETED


@virtual
async def test_wishes_are_commanded_again() -> None:
    """A pause and a resume that were wished, durable, and perhaps never sent, are sent."""
    wishes = (Wish(pause=PauseBehavior.SKIP), Wish(resume=True), Wish(stop=EndReason.API))
    bench = Bench(*(row(state, n, wish=wishes[n]) for n, state in enumerate((REC, PAU, REQ))))
    await bench.reconcile()
    assert sorted(bench.recorder.log[3:]) == ["mask", "stop", "unmask"]
    states = {name: found.state for name, found in bench.ledger.rows.items()}
    assert states == {"r0": PAU, "r1": REC, "r2": STO}


@virtual
async def test_what_began_is_not_started_again() -> None:
    """A recorder that ran and ended unseen left a file: a second start would overwrite it, so it is examined."""
    bench = Bench(row(REQ), row(REQ, 1))
    bench.recorder.presence = AWAY
    bench.media.masters = {"r0"}
    await bench.reconcile()
    assert sorted(bench.recorder.log) == ["inquire", "inquire", "inquire", "start"]  # the first, once more
    assert bench.ledger.rows["r0"].state is COMPLETED
    assert bench.ledger.rows["r1"].state is REQ


@virtual
async def test_final_rows_and_other_switches_are_left() -> None:
    """Only what is not final, and only of this switch, is asked after."""
    bench = Bench(row(State.COMPLETED), row(REC, 1, owner=owner(switch="fs2")))
    assert await bench.reconcile() == Reconciled("fs1", 0, 0, 0)
    assert bench.recorder.log == []


@virtual
async def test_a_link_that_goes_in_the_middle() -> None:
    """SwitchAway is raised once all answers are in; those that came count, the next time asks the rest again."""
    bench = Bench(*(row(REC, number) for number in range(3)))
    bench.recorder.presences = {"r0": GONE, "r1": SwitchAway("gone"), "r2": HERE}
    with pytest.raises(SwitchAway, match="during reconciliation"):
        await bench.reconcile()
    await settled()
    assert {name: found.state for name, found in bench.ledger.rows.items()} == {"r0": COMPLETED, "r1": REC, "r2": REC}
    bench.recorder.presences = {}
    found = await bench.reconcile()
    assert (found.still_running, found.ended) == (2, 0)
    assert bench.recorder.log == ["inquire"] * 5
    assert [notice.recording.id for notice in bench.ledger.notices] == ["r0"]


@virtual
async def test_an_error_of_another_kind_is_not_hidden() -> None:
    """A bug is not taken for a lost link."""
    bench = Bench(row(REC))
    bench.recorder.presences = {"r0": ZeroDivisionError("a bug")}
    with pytest.raises(ZeroDivisionError):
        await bench.reconcile()


@virtual
async def test_inquiries_are_bounded() -> None:
    """However many rows: no more than so many questions at a time, and all are asked."""
    bench = Bench(*(row(REC, number) for number in range(AT_ONCE + 5)))
    bench.recorder.holder.held.add("inquire")
    asking = task_of(bench.reconcile())
    await settled()
    assert len(bench.recorder.log) == AT_ONCE
    bench.recorder.holder.let_go("inquire")
    assert (await asking).still_running == AT_ONCE + 5


@virtual
async def test_what_starts_meanwhile_is_not_asked_after() -> None:
    """A start during reconciliation has its command on its way: it is not commanded twice."""
    bench = Bench(row(REC))
    bench.ledger.holder.held.add("unfinished")
    asking = task_of(bench.reconcile())
    await settled()
    made = await bench.service.start(owner(call="new", leg="new"), REQUEST, core_uuid=CORE)
    bench.ledger.holder.let_go("unfinished")
    await asking
    assert bench.recorder.log == ["start", "inquire"]
    bench.service.apply(made.id, Started(asyncio.get_running_loop().time()))
    await settled()
    assert bench.ledger.rows[made.id].state is REC


@virtual
async def test_a_file_that_says_more_than_the_row() -> None:
    """A recording whose RECORD_START was never seen, on a leg that is gone, is what its file says."""
    bench = Bench(row(REQ))
    bench.recorder.presence = GONE
    bench.media.found = replace(bench.media.found, measured=Measured(3.5, 56044))
    await bench.reconcile()
    after = bench.ledger.rows["r0"]
    assert (after.state, after.ended_at) == (COMPLETED, after.requested_at + 3.5)


@virtual
async def test_what_ends_before_its_turn_is_not_asked_after() -> None:
    """More rows than questions at a time: one whose end comes while it waits is counted by nobody."""
    bench = Bench(*(row(REC, number) for number in range(AT_ONCE + 1)))
    bench.recorder.holder.held.add("inquire")
    asking = task_of(bench.reconcile())
    await settled()
    bench.service.apply(f"r{AT_ONCE}", Stopped(asyncio.get_running_loop().time(), Cause.SILENCE))
    await settled()
    bench.recorder.holder.let_go("inquire")
    assert (await asking).still_running == AT_ONCE
    assert len(bench.recorder.log) == AT_ONCE
    assert await bench.service.confront("unknown") is None

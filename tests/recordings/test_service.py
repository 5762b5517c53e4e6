"""The service: durable before told or done, in order; wishes, deadlines, timers; nothing lost or left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from controller.recordings.effects import LOOKS
from controller.recordings.facts import (
    Cause,
    Examined,
    Fact,
    LegOverdue,
    Masked,
    PauseWished,
    Started,
    StartOver,
    StillRuns,
    Stopped,
    Unmasked,
)
from controller.recordings.life import Timings
from controller.recordings.model import (
    Break,
    EndReason,
    Measured,
    NoticeKind,
    Pause,
    PauseBehavior,
    Recording,
    State,
    Stored,
)
from controller.recordings.ports import (
    CommandFailed,
    CommandUnanswered,
    Found,
    LedgerFailed,
    MediaAway,
    NotHeld,
    NotPossible,
    Presence,
    SwitchAway,
)
from controller.recordings.service import RecordingService
from controller.telemetry import (
    FactOrphaned,
    FactUnexpected,
    LedgerStalled,
    MediaStalled,
    RecordingChanged,
    RecordingFinished,
    RecordingStarted,
    Telemetry,
)
from tests.recordings.fakes import REQUEST, Caught, FakeLedger, FakeMedia, FakeRecorder, owner, task_of
from tests.recordings.virtual import run_virtually, settled, virtual

SKIP, SILENCE = PauseBehavior.SKIP, PauseBehavior.SILENCE
N = NoticeKind
AHEAD = 1e6
"""Seconds that this machine's clock is ahead of the switch's."""


class Bench:
    """A service on fakes, and what it told telemetry."""

    def __init__(self, ledger: FakeLedger | None = None, watch: float | None = None, **options: Any) -> None:
        self.ledger = ledger or FakeLedger()
        self.recorder = FakeRecorder(ledger=self.ledger)
        self.media = FakeMedia()
        self.seen: list[object] = []
        options["timings"] = replace(options.get("timings", Timings()), watch=watch)
        telemetry = Telemetry()
        telemetry.subscribe(self.seen.append)
        self.service = RecordingService(
            recorder=self.recorder,
            ledger=self.ledger,
            media=self.media,
            telemetry=telemetry,
            path_of=lambda switch, identity: f"/{switch}/{identity}.wav",
            clock=lambda: self.now + AHEAD,
            **options,
        )

    async def start(self, **fields: Any) -> str:
        made = await self.service.start(owner(), replace(REQUEST, **fields), core_uuid="core")
        await settled()
        return made.id

    async def running(self, **fields: Any) -> str:
        """Start one, and have the switch say so."""
        identity = await self.start(**fields)
        await self.say(identity, Started(self.now))
        return identity

    async def say(self, identity: str, *facts: Fact) -> None:
        for fact in facts:
            self.service.apply(identity, fact)
        await settled()

    def row(self, identity: str) -> Recording:
        return self.ledger.rows[identity]

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.seen if type(event) is kind]

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    @property
    def log(self) -> list[str]:
        return self.recorder.log


# --- starting -------------------------------------------------------------------------------------------------------


@virtual
async def test_a_life_from_start_to_end() -> None:
    """Each state is durable with its notice before the next command; what is told fits what is stored."""
    bench = Bench()
    identity = await bench.running()
    stopped = await bench.service.stop(identity, EndReason.API)
    assert (stopped.state, stopped.reason) == (State.STOPPING, EndReason.API)
    await bench.say(identity, Stopped(bench.now, Cause.MAXTIME))
    assert bench.log == ["start", "stop"]
    assert bench.ledger.commits == ["requested", "recording", "stopping", "processing", "completed"]
    assert bench.ledger.told == [N.STARTED, N.COMPLETED]
    assert [notice.sequence for notice in bench.ledger.notices] == [1, 2]
    assert all(notice.recording.sequence == notice.sequence for notice in bench.ledger.notices)
    row = bench.row(identity)
    assert row.measured == bench.media.found.measured
    assert row.path == f"/fs1/{identity}.wav"
    changes = [(event.before, event.after, event.fact) for event in bench.of(RecordingChanged)]
    assert changes == [
        ("", "requested", "requested"),
        ("requested", "recording", "Started"),
        ("recording", "stopping", "StopWished"),
        ("stopping", "processing", "Stopped"),
        ("processing", "completed", "Examined"),
    ]
    assert [(step.fact, step.state.value, step.detail, step.effects) for step in bench.ledger.history.values()] == [
        ("Requested", "requested", "swml.record_call", ("start",)),
        ("Started", "recording", "", ("time", "watch")),
        ("StopWished", "stopping", "api", ("stop",)),
        ("Stopped", "processing", "success-maxtime", ("examine",)),
        ("Examined", "completed", "2.000 s, 32044 bytes, wav", ()),
    ]
    [finished] = bench.of(RecordingFinished)
    assert (finished.outcome, finished.reason, finished.duration, finished.size) == ("completed", "api", 2.0, 32044)
    assert finished.error is None
    assert [event.recording for event in bench.of(RecordingStarted)] == [identity]
    assert bench.service.get(identity) is None
    assert list(bench.service.living()) == []
    assert bench.service.active("call") == []
    lives = bench.service._lives
    assert [len(one) for one in (lives, lives._by_leg, lives._by_call, bench.service._tasks)] == [0, 0, 0, 0]


@pytest.mark.parametrize(("beep", "expected"), [(False, 0.8), (True, 0.3)])
@virtual
async def test_how_late_it_began_and_was_ready(beep: bool, expected: float) -> None:
    """Its latency counts from the wish, or the end of its beep; its processing from the end of its audio."""
    bench = Bench()
    identity = await bench.start(beep=beep)
    asked = bench.row(identity).requested_at
    assert [one.id for one in bench.service.living()] == [identity]
    await bench.say(identity, Started(asked + 0.8))
    [began] = bench.of(RecordingStarted)
    assert began.latency == pytest.approx(expected)
    await bench.say(identity, Stopped(bench.now - 4.0, Cause.UNKNOWN, True))
    [finished] = bench.of(RecordingFinished)
    assert finished.processing == pytest.approx(4.0, abs=0.1)


@virtual
async def test_one_that_never_began_was_not_processed() -> None:
    """It has neither figure."""
    bench = Bench()
    identity = await bench.start()
    await bench.say(identity, StartOver(bench.now, "-ERR"))
    assert bench.of(RecordingStarted) == []
    [finished] = bench.of(RecordingFinished)
    assert (finished.outcome, finished.processing) == ("failed", None)


@virtual
async def test_nothing_is_commanded_before_its_row_is_durable() -> None:
    """The start waits for its commit; along and prelude happen in it and right before the command."""
    bench = Bench()
    bench.ledger.holder.held.add("commit")
    starting = task_of(
        bench.service.start(
            owner(),
            REQUEST,
            core_uuid="core",
            identity="given",
            along=lambda transaction: transaction.append("call"),
            prelude=lambda: bench.log.append("prelude"),
        )
    )
    await settled()
    assert bench.log == []
    assert not starting.done()
    bench.ledger.holder.let_go("commit")
    made = await starting
    await settled()
    assert (made.id, made.core_uuid, made.requested_at) == ("given", "core", pytest.approx(bench.now, abs=0.1))
    assert bench.log == ["prelude", "start"]
    assert bench.ledger.alongs == ["call"]


@virtual
async def test_a_start_that_cannot_be_stored_leaves_nothing() -> None:
    """LedgerFailed reaches the caller; no command, no row, no life, no waiter that hangs; the name is free again."""
    bench = Bench()
    bench.ledger.fail()
    bench.ledger.holder.held.add("commit")
    starting = task_of(bench.service.start(owner(), REQUEST, core_uuid="core", identity="r"))
    await settled()
    stopping, leaving = (task_of(bench.service.stop("r", EndReason.API)) for _ in range(2))
    bench.service.leg_ended("fs1", "leg", bench.now)
    await settled()
    leaving.cancel()
    await settled()
    bench.ledger.holder.let_go("commit")
    with pytest.raises(LedgerFailed):
        await starting
    with pytest.raises(NotPossible, match="could not be stored, so it did not begin"):
        await stopping
    await settled()
    assert (bench.log, bench.ledger.rows, bench.service.active("call")) == ([], {}, [])
    assert bench.service.get("r") is None
    assert await bench.running() in bench.ledger.rows


@virtual
async def test_a_start_whose_caller_is_gone_lives_to_its_end() -> None:
    """Cancelled while its row is being stored: the recording is asked for all the same, without the prelude."""
    bench = Bench()
    bench.ledger.holder.held.add("commit")
    starting = task_of(
        bench.service.start(
            owner(), REQUEST, core_uuid="core", identity="r", prelude=lambda: bench.log.append("prelude")
        )
    )
    await settled()
    starting.cancel()
    await settled()
    bench.recorder.failures["start"] = [CommandFailed("-ERR invalid session id")]
    bench.ledger.holder.let_go("commit")
    await settled()
    assert starting.cancelled()
    assert bench.log == ["start"]
    row = bench.row("r")
    assert (row.state, row.reason, row.error) == (State.FAILED, EndReason.ERROR, "-ERR invalid session id")
    assert bench.ledger.told == [N.FAILED]


@virtual
async def test_a_start_without_caller_that_cannot_be_stored_leaves_nothing() -> None:
    """Nobody waits for its error any more, and nothing of it is left."""
    bench = Bench()
    bench.ledger.fail()
    bench.ledger.holder.held.add("commit")
    starting = task_of(bench.service.start(owner(), REQUEST, core_uuid="core", identity="r"))
    await settled()
    starting.cancel()
    await settled()
    bench.ledger.holder.let_go("commit")
    await settled()
    assert starting.cancelled()
    assert (bench.log, bench.ledger.rows, bench.service.get("r")) == ([], {}, None)


@virtual
async def test_what_may_not_start() -> None:
    """The name of an active recording, one too many on a call, a switch that admits none: each says why."""
    full: dict[str, str] = {}
    bench = Bench(per_call=2, admit=lambda switch, _request: full.get(switch))
    first = await bench.running(reference="a")
    with pytest.raises(NotPossible, match="'a' is active on this call already"):
        await bench.start(reference="a")
    await bench.start(reference="b")
    with pytest.raises(NotPossible, match="2 recordings run on this call, as many as recordings_per_call allows"):
        await bench.start(reference="c")
    other = await bench.service.start(owner(call="another"), REQUEST, core_uuid="core")
    assert [found.id for found in bench.service.active("another")] == [other.id]
    await bench.service.stop(first, EndReason.VERB)
    again = await bench.start(reference="a")
    assert [found.request.reference for found in bench.service.active("call")] == ["b", "a"]
    assert bench.service.active("call")[-1].id == again
    full["fs1"] = "the disk is full"
    with pytest.raises(NotPossible, match="the disk is full"):
        await bench.service.start(owner(call="another"), replace(REQUEST, reference="d"), core_uuid="core")


@virtual
async def test_what_may_not_start_is_told_where_nobody_waits_for_an_answer() -> None:
    """A document's recording for which there is no room fails and is told; nothing is commanded, nothing precedes."""
    bench = Bench(admit=lambda switch, request: f"{switch} has no room for {request.reference}")
    made = await bench.service.start(
        owner(),
        replace(REQUEST, reference="a"),
        core_uuid="core",
        along=lambda alongs: alongs.append("row"),
        prelude=lambda: bench.log.append("prelude"),
        told=True,
    )
    failed = await bench.service.finished(made.id)
    assert failed is not None
    assert (failed.state, failed.reason, failed.error) == (State.FAILED, EndReason.ERROR, "fs1 has no room for a")
    assert (bench.log, bench.ledger.alongs, bench.ledger.told) == ([], ["row"], [NoticeKind.FAILED])
    assert bench.service.get(made.id) is None


@virtual
async def test_a_refused_start_fails_the_recording() -> None:
    """A refusal of the command, or its end without RECORD_START, is the recording's error; `begun` tells it."""
    bench = Bench()
    bench.recorder.failures["start"] = [CommandFailed("-ERR no such thing")]
    refused = await bench.service.begun(await bench.start())
    assert [event.error for event in bench.of(RecordingFinished)] == ["-ERR no such thing"]
    assert refused is not None
    assert (refused.state, refused.error) == (State.FAILED, "-ERR no such thing")
    silent = await bench.start()
    await bench.say(silent, StartOver(bench.now))
    assert bench.row(silent).state is State.FAILED
    assert bench.ledger.told == [N.FAILED, N.FAILED]


@virtual
async def test_a_start_without_a_link_waits_for_the_next() -> None:
    """SwitchAway leaves it requested; nothing is told until the switch can be asked."""
    bench = Bench()
    bench.recorder.failures["start"] = [SwitchAway("gone")]
    identity = await bench.start()
    assert bench.row(identity).state is State.REQUESTED
    assert bench.ledger.told == []


# --- wishes ---------------------------------------------------------------------------------------------------------


@virtual
async def test_a_stop_before_record_start_waits_for_it() -> None:
    """The wish is durable when `stop` returns, and commanded at RECORD_START with its own reason."""
    bench = Bench()
    identity = await bench.start()
    wished = await bench.service.stop(identity, EndReason.VERB)
    assert (wished.state, wished.wish.stop) == (State.REQUESTED, EndReason.VERB)
    assert bench.row(identity) == wished
    assert bench.log == ["start"]
    await bench.say(identity, Started(bench.now))
    assert bench.log == ["start", "stop"]
    assert bench.row(identity).reason is EndReason.VERB


@pytest.mark.parametrize(
    ("terminators", "digit", "ends"),
    [
        ("#", "#", True),
        ("#", "1", False),
        ("", "#", False),
        ("*0", "0", True),
        ("*0", "#", False),
        ("aD", "A", True),
        ("aD", "d", True),
        ("aD", "B", False),
        ("12", "12", False),
        ("#", "", False),
    ],
)
def test_a_terminator_ends_it(terminators: str, digit: str, ends: bool) -> None:
    """A press of one of its terminators, letters in either case, stops a recording; it knows which. Others don't."""

    async def press() -> None:
        bench = Bench()
        identity = await bench.running(terminators=terminators)
        bench.service.pressed("fs1", "leg", digit, bench.now)
        await settled()
        assert bench.log == ["start", "stop"] * ends + ["start"] * (not ends)
        assert bench.row(identity).reason is (EndReason.TERMINATOR if ends else None)
        assert bench.row(identity).digit == digit * ends

    run_virtually(press())


@virtual
async def test_a_terminator_ends_each_recording_that_has_it_and_no_other() -> None:
    """By leg and switch, running or paused; what is stopped already keeps its reason."""
    bench = Bench()
    ids = {
        name: (
            await bench.service.start(
                owner(call=name, leg=leg, switch=switch),
                replace(REQUEST, reference=name, terminators=terminators),
                core_uuid="core",
            )
        ).id
        for name, leg, switch, terminators in (
            ("one", "leg", "fs1", "#"),
            ("two", "leg", "fs1", "*#"),
            ("paused", "leg", "fs1", "#"),
            ("stopped", "leg", "fs1", "#"),
            ("without", "leg", "fs1", "*"),
            ("leg", "another", "fs1", "#"),
            ("switch", "leg", "fs2", "#"),
        )
    }
    await settled()
    for identity in ids.values():
        await bench.say(identity, Started(bench.now))
    await bench.service.pause(ids["paused"], SKIP)
    await bench.service.stop(ids["stopped"], EndReason.API)
    bench.service.pressed("fs1", "leg", "#", bench.now)
    await settled()
    assert {name: bench.row(identity).reason for name, identity in ids.items()} == {
        "one": EndReason.TERMINATOR,
        "two": EndReason.TERMINATOR,
        "paused": EndReason.TERMINATOR,
        "stopped": EndReason.API,
        "without": None,
        "leg": None,
        "switch": None,
    }
    assert [bench.row(ids[name]).digit for name in ("one", "two", "paused", "stopped")] == ["#", "#", "#", ""]


@virtual
async def test_a_terminator_during_the_beep_stops_it_as_it_begins() -> None:
    """A press before RECORD_START is kept, with its digit, whatever is wished after it; what comes of it is told."""
    bench = Bench()
    identity = await bench.start(terminators="#5", beep=True)
    bench.service.pressed("fs1", "leg", "5", bench.now)
    bench.service.pressed("fs1", "leg", "#", bench.now)
    await bench.service.stop(identity, EndReason.VERB)
    assert bench.log == ["start"]
    await bench.say(identity, Started(bench.now))
    assert bench.log == ["start", "stop"]
    await bench.say(identity, Stopped(bench.now, Cause.EMPTY))
    row = bench.row(identity)
    assert (row.state, row.reason, row.digit) == (State.ABSENT, EndReason.TERMINATOR, "5")
    assert bench.ledger.told == [N.STARTED, N.ABSENT]


@virtual
async def test_a_terminator_after_a_restart() -> None:
    """A recording that is only in the ledger hears digits as soon as it lives again."""
    ledger = FakeLedger()
    identity = await Bench(ledger).running(terminators="#")
    bench = Bench(ledger)
    bench.service.pressed("fs1", "leg", "#", bench.now)
    assert await bench.service.adopt("fs1")
    bench.service.pressed("fs1", "leg", "#", bench.now)
    await settled()
    assert bench.log == ["stop"]
    assert (bench.row(identity).reason, bench.row(identity).digit) == (EndReason.TERMINATOR, "#")


@virtual
async def test_a_pause_before_record_start_waits_for_it() -> None:
    """`pause` returns when the switch writes silence, though it was wished before anything ran; resume ends it."""
    bench = Bench()
    identity = await bench.start()
    pausing = task_of(bench.service.pause(identity, SKIP))
    await settled()
    assert bench.log == ["start"]
    bench.service.apply(identity, Started(bench.now))
    paused = await pausing
    assert (paused.state, paused.paused_behavior) == (State.PAUSED, SKIP)
    resumed = await bench.service.resume(identity)
    assert (resumed.state, resumed.paused_behavior) == (State.RECORDING, None)
    assert bench.log == ["start", "mask", "unmask"]
    assert bench.ledger.told == [N.STARTED, N.PAUSED, N.RESUMED]


@virtual
async def test_a_pause_taken_back_before_record_start() -> None:
    """Resume before RECORD_START drops the wish, and the pause that waited says that it did not happen."""
    bench = Bench()
    identity = await bench.start()
    pausing = task_of(bench.service.pause(identity, SKIP))
    await settled()
    assert (await bench.service.resume(identity)).wish.pause is None
    bench.service.apply(identity, Started(bench.now))
    with pytest.raises(NotPossible, match="FreeSWITCH did not pause"):
        await pausing
    assert "mask" not in bench.log


@virtual
async def test_wishes_that_do_not_fit() -> None:
    """Each refusal says what would fit and what is."""
    bench = Bench()
    with pytest.raises(NotPossible, match="has ended"):
        await bench.service.stop("unknown", EndReason.API)
    identity = await bench.running()
    with pytest.raises(NotPossible, match="only a paused recording can be resumed; this one is recording"):
        await bench.service.resume(identity)
    await bench.service.pause(identity, SKIP)
    with pytest.raises(NotPossible, match="only a running recording can be paused; this one is paused"):
        await bench.service.pause(identity, SKIP)
    await bench.service.stop(identity, EndReason.API)
    assert (await bench.service.stop(identity, EndReason.VERB)).reason is EndReason.API
    with pytest.raises(NotPossible, match="this one is stopping"):
        await bench.service.pause(identity, SKIP)
    bench.media.holder.held.add("examine")
    await bench.say(identity, Stopped(bench.now, Cause.SILENCE))
    with pytest.raises(NotPossible, match="has ended"):
        await bench.service.stop(identity, EndReason.API)
    bench.media.holder.let_go("examine")
    await settled()
    with pytest.raises(NotPossible, match="has ended"):
        await bench.service.resume(identity)


@virtual
async def test_a_refused_mask_is_told_and_taken_back() -> None:
    """The switch's refusal is the caller's answer; since it may have taken effect all the same, it is undone."""
    bench = Bench()
    identity = await bench.running()
    bench.recorder.failures["mask"] = [CommandFailed("timed out")]
    with pytest.raises(NotPossible, match="FreeSWITCH did not pause"):
        await bench.service.pause(identity, SKIP)
    await settled()
    assert bench.log == ["start", "mask", "unmask"]
    assert bench.row(identity).state is State.RECORDING
    await bench.service.pause(identity, SKIP)
    bench.recorder.failures["unmask"] = [CommandFailed("timed out")]
    with pytest.raises(NotPossible, match="FreeSWITCH did not resume"):
        await bench.service.resume(identity)
    await settled()
    assert bench.log == ["start", "mask", "unmask", "mask", "unmask", "mask"]
    assert (bench.row(identity).state, bench.row(identity).paused_behavior) == (State.PAUSED, SKIP)
    bench.recorder.failures["unmask"] = [CommandFailed("no"), CommandFailed("no")]
    bench.recorder.failures["mask"] = [CommandFailed("no")]
    with pytest.raises(NotPossible, match="FreeSWITCH did not resume"):
        await bench.service.resume(identity)
    await asyncio.sleep(60)
    assert bench.log[6:] == ["unmask", "mask"]


@virtual
async def test_two_pauses_at_once_are_one() -> None:
    """The second of two clients that pause shares the first one's mask and answer; so with resume."""
    bench = Bench()
    identity = await bench.running()
    bench.recorder.holder.held.update({"mask", "unmask"})
    pausing = [task_of(bench.service.pause(identity, behavior)) for behavior in (SKIP, SILENCE)]
    await settled()
    bench.recorder.holder.let_go("mask")
    assert [(await one).paused_behavior for one in pausing] == [SKIP, SKIP]
    resuming = [task_of(bench.service.resume(identity)) for _ in range(2)]
    await settled()
    bench.recorder.holder.let_go("unmask")
    assert [(await one).state for one in resuming] == [State.RECORDING] * 2
    assert bench.log == ["start", "mask", "unmask"]
    assert bench.of(FactUnexpected) == []


@virtual
async def test_a_pause_is_not_answered_by_what_was_stored_before_it() -> None:
    """While an older change is still being stored, its commit must answer neither a pause nor a stop."""
    bench = Bench()
    identity = await bench.start()
    bench.ledger.holder.held.add("commit")
    bench.service.apply(identity, Started(bench.now))
    await settled()
    pausing = task_of(bench.service.pause(identity, SKIP))
    await settled()
    bench.ledger.holder.let_go("commit")
    assert (await pausing).state is State.PAUSED
    bench.ledger.holder.held.add("commit")
    resuming = task_of(bench.service.resume(identity))
    await settled()
    stopping = task_of(bench.service.stop(identity, EndReason.API))
    await settled()
    bench.ledger.holder.let_go("commit")
    assert (await stopping).state is State.STOPPING
    await bench.say(identity, Stopped(bench.now, Cause.MAXTIME))
    assert not (await resuming).state.active


@virtual
async def test_wishes_have_a_deadline() -> None:
    """A switch that does not answer: the caller hears in time that the wish stands, and it comes true later."""
    bench = Bench(timings=Timings(answer=3.0))
    identity = await bench.running()
    bench.recorder.holder.held.update({"mask", "unmask"})
    began = bench.now
    with pytest.raises(NotPossible, match="is not paused yet"):
        await bench.service.pause(identity, SKIP)
    assert bench.now - began == pytest.approx(3.0, abs=0.01)
    bench.recorder.holder.let_go("mask")
    await settled()
    assert bench.row(identity).state is State.PAUSED
    with pytest.raises(NotPossible, match="is not resumed yet"):
        await bench.service.resume(identity)
    bench.recorder.holder.let_go("unmask")
    await settled()
    assert bench.row(identity).state is State.RECORDING


@virtual
async def test_a_wish_that_cannot_be_stored_in_time() -> None:
    """No word of success: LedgerFailed at the deadline, while the change is tried again and comes true."""
    bench = Bench(timings=Timings(answer=3.0, retry=2.0))
    identity = await bench.running()
    bench.ledger.fail(3)
    for wish in (bench.service.pause(identity, SKIP), bench.service.stop(identity, EndReason.API)):
        with pytest.raises(LedgerFailed, match="not stored yet"):
            await wish
        assert bench.log == ["start"]
    await asyncio.sleep(10)
    assert bench.log == ["start", "stop"]
    assert bench.row(identity).state is State.STOPPING


@virtual
async def test_a_pause_whose_recording_ends_meanwhile() -> None:
    """Stopped before the mask was confirmed: `pause` returns what became of it; a mask is not sent to what ended."""
    bench = Bench()
    identity = await bench.running()
    bench.recorder.holder.held.add("mask")
    pausing = task_of(bench.service.pause(identity, SKIP))
    await settled()
    await bench.say(identity, Stopped(bench.now, Cause.SILENCE))
    assert (await pausing).state in {State.PROCESSING, State.COMPLETED}
    bench.recorder.holder.let_go("mask")
    await settled()
    assert bench.row(identity).state is State.COMPLETED


@virtual
async def test_a_pause_of_what_ends_in_the_same_turn_is_not_commanded() -> None:
    """By the time the wish is durable it is over: no mask is sent."""
    bench = Bench()
    identity = await bench.running()
    await bench.say(identity, PauseWished(bench.now, SKIP), Stopped(bench.now, Cause.SILENCE))
    assert bench.log == ["start"]
    assert bench.row(identity).state is State.COMPLETED


@virtual
async def test_commands_of_a_recording_go_one_at_a_time() -> None:
    """A stop waits for the mask before it; an unmask that has become pointless is not sent."""
    bench = Bench()
    identity = await bench.running()
    bench.recorder.holder.held.add("mask")
    task_of(bench.service.pause(identity, SKIP))
    await settled()
    await bench.service.stop(identity, EndReason.API)
    await settled()
    assert bench.log == ["start", "mask"]
    bench.recorder.holder.let_go("mask")
    await settled()
    assert bench.log == ["start", "mask", "stop"]
    [pause] = bench.row(identity).pauses
    assert pause.behavior is SKIP


@virtual
async def test_commands_that_came_too_late_are_not_sent() -> None:
    """Behind a slow mask, an end makes the queued stop and unmask pointless."""
    bench = Bench()
    first, second = await bench.running(reference="a"), await bench.running(reference="b")
    bench.recorder.holder.held.update({"mask", "unmask"})
    waiting = [task_of(bench.service.pause(identity, SKIP)) for identity in (first, second)]
    await settled()
    bench.recorder.failures["mask"] = [CommandFailed("late"), CommandFailed("late")]
    await bench.service.stop(first, EndReason.API)
    await bench.say(first, Stopped(bench.now, Cause.MAXTIME))
    bench.media.holder.held.add("examine")
    await bench.say(second, Stopped(bench.now, Cause.MAXTIME))
    bench.recorder.holder.let_go("mask")
    await settled()
    assert bench.log == ["start", "start", "mask", "mask"]
    bench.media.holder.let_go("examine")
    await asyncio.gather(*waiting)


# --- time -----------------------------------------------------------------------------------------------------------


@virtual
async def test_a_start_that_waits_for_its_beep() -> None:
    """RECORD_START seconds after the request, looks between: no second start, no end; max_length counts from it."""
    bench = Bench(watch=2.0)
    bench.recorder.presence = Presence(recorder=False, leg=True)
    identity = await bench.start(beep=True, max_length=3.0)
    await asyncio.sleep(5.0)
    assert bench.log.count("start") == 1
    assert bench.log.count("inquire") == 2
    assert bench.row(identity).state is State.REQUESTED
    bench.recorder.presence = Presence(recorder=True, leg=True)
    await bench.say(identity, Started(bench.now), StartOver(bench.now))
    await asyncio.sleep(2.9)
    assert bench.row(identity).state is State.RECORDING
    await asyncio.sleep(0.2)
    assert bench.row(identity).reason is EndReason.MAX_LENGTH


@virtual
async def test_a_silence_that_a_pause_made_does_not_end_it() -> None:
    """FreeSWITCH ends its recorder while it is paused: nothing is told, and the resume continues the file."""
    bench = Bench()
    identity = await bench.running(end_silence_timeout=2.0, max_length=20.0)
    await asyncio.sleep(1.0)
    await bench.service.pause(identity, SKIP)
    began = bench.now
    await asyncio.sleep(3.0)
    await bench.say(identity, Stopped(bench.now, Cause.SILENCE))
    assert bench.log == ["start", "mask"]
    assert bench.ledger.told == [N.STARTED, N.PAUSED]
    await asyncio.sleep(60.0)
    resuming = task_of(bench.service.resume(identity))
    await settled()
    assert not resuming.done()
    assert bench.log == ["start", "mask", "start"]
    again = bench.now
    await bench.say(identity, Started(again), StartOver(again))
    resumed = await resuming
    assert (resumed.state, resumed.pauses) == (State.RECORDING, (Pause(began, SKIP, again),))
    assert resumed.breaks == (Break(began + 3.0, again),)
    await asyncio.sleep(2.0)
    await bench.say(identity, Stopped(bench.now, Cause.NO_INPUT))
    row = bench.row(identity)
    assert (row.state, row.reason) == (State.COMPLETED, EndReason.END_SILENCE)
    assert bench.ledger.told == [N.STARTED, N.PAUSED, N.RESUMED, N.COMPLETED]


@virtual
async def test_a_silence_too_soon_after_a_pause_does_not_end_it() -> None:
    """What comes while the file is being continued waits for it: a pause, then a stop."""
    bench = Bench()
    identity = await bench.running(end_silence_timeout=2.0)
    await bench.service.pause(identity, SILENCE)
    await asyncio.sleep(1.5)
    await bench.service.resume(identity)
    await asyncio.sleep(0.5)
    await bench.say(identity, Stopped(bench.now, Cause.SILENCE))
    assert bench.row(identity).state is State.RECORDING
    assert bench.log == ["start", "mask", "unmask", "start"]
    pausing = task_of(bench.service.pause(identity, SKIP))
    await settled()
    await bench.say(identity, Started(bench.now))
    assert (await pausing).state is State.PAUSED
    assert bench.log == ["start", "mask", "unmask", "start", "mask"]
    await bench.say(identity, Stopped(bench.now, Cause.SILENCE))
    await bench.service.stop(identity, EndReason.API)
    await settled()
    assert bench.log == ["start", "mask", "unmask", "start", "mask"]
    row = bench.row(identity)
    assert (row.state, row.reason, len(row.breaks)) == (State.COMPLETED, EndReason.API, 2)


@virtual
async def test_max_length_counts_recorded_audio() -> None:
    """Silenced spans count, skipped ones do not; at the limit it is stopped, once."""
    bench = Bench()
    identity = await bench.running(max_length=10.0)
    await asyncio.sleep(4)
    await bench.service.pause(identity, SKIP)
    await asyncio.sleep(100)
    await bench.service.resume(identity)
    await asyncio.sleep(3)
    await bench.service.pause(identity, SILENCE)
    await asyncio.sleep(2.9)
    assert bench.row(identity).state is State.PAUSED
    await asyncio.sleep(0.2)
    assert (bench.row(identity).state, bench.row(identity).reason) == (State.STOPPING, EndReason.MAX_LENGTH)
    await bench.say(identity, Stopped(bench.now, Cause.MAXTIME))
    assert bench.log.count("stop") == 1
    assert bench.row(identity).reason is EndReason.MAX_LENGTH
    assert bench.row(identity).recorded(0) == pytest.approx(10.1, abs=0.01)


@virtual
async def test_max_length_is_armed_again_after_a_restart() -> None:
    """A service that adopts a running recording counts from its start, once the switch says that it runs."""
    bench = Bench()
    identity = await bench.running(max_length=10.0)
    await asyncio.sleep(7)
    await bench.service.close()
    later = Bench(bench.ledger)
    [adopted] = await later.service.adopt("fs1")
    assert adopted.id == identity
    await later.say(identity, StillRuns(later.now))
    await asyncio.sleep(2.9)
    assert later.row(identity).state is State.RECORDING
    await asyncio.sleep(0.2)
    assert later.row(identity).reason is EndReason.MAX_LENGTH


@virtual
async def test_no_limit_no_timer() -> None:
    """Without max_length a recording runs as long as it likes."""
    bench = Bench()
    identity = await bench.running()
    await asyncio.sleep(86400)
    assert bench.row(identity).state is State.RECORDING


@virtual
async def test_grace_after_the_legs_end() -> None:
    """RECORD_STOP is waited for a grace long, then media's word decides; one that never began failed."""
    bench = Bench(timings=Timings(grace=2.0))
    running = await bench.running(reference="a")
    asked = await bench.start(reference="b")
    bench.service.leg_ended("fs1", "another leg", bench.now)
    bench.service.leg_ended("fs1", "leg", bench.now)
    bench.service.leg_ended("fs1", "leg", bench.now)  # CHANNEL_DESTROY after CHANNEL_HANGUP_COMPLETE
    await asyncio.sleep(1.9)
    assert bench.row(running).state is State.STOPPING
    assert bench.row(asked).state is State.REQUESTED
    await asyncio.sleep(0.2)
    assert (bench.row(running).state, bench.row(running).reason) == (State.COMPLETED, EndReason.HANGUP)
    assert (bench.row(asked).state, bench.row(asked).reason) == (State.FAILED, EndReason.HANGUP)
    assert bench.service.active("call") == []


@virtual
async def test_a_stop_that_is_never_confirmed_is_asked_after() -> None:
    """Each StopOverdue asks the switch; while its recorder runs it is stopped again; one that is gone has ended."""
    bench = Bench(timings=Timings(stop=5.0))
    identity = await bench.running()
    await bench.service.stop(identity, EndReason.API)
    await asyncio.sleep(4.9)
    assert bench.log == ["start", "stop"]
    await asyncio.sleep(0.2)
    assert bench.log == ["start", "stop", "inquire", "stop"]
    bench.recorder.presence = Presence(recorder=False, leg=True)
    await asyncio.sleep(5.1)
    assert bench.log == ["start", "stop", "inquire", "stop", "inquire"]
    assert (bench.row(identity).state, bench.row(identity).reason) == (State.COMPLETED, EndReason.API)
    await asyncio.sleep(60)
    assert len(bench.log) == 5
    assert bench.of(FactOrphaned) == []


@virtual
async def test_a_refused_stop_is_asked_after_at_once_and_then_in_its_own_time() -> None:
    """The first refusal may mean that it ended just now; a switch that refuses for ever is not hammered."""
    bench = Bench(timings=Timings(stop=5.0))
    identity = await bench.running()
    bench.recorder.failures["stop"] = [CommandFailed("-ERR Cannot stop record session!")] * 100
    await bench.service.stop(identity, EndReason.API)
    await settled()
    assert bench.log == ["start", "stop", "inquire", "stop"]
    await asyncio.sleep(50.5)
    assert bench.log[4:] == ["inquire", "stop"] * 10


@virtual
async def test_an_inquiry_without_an_answer_is_repeated() -> None:
    """A stop, then inquiries, on a link that breaks or gives no answer: asked again until one answers."""
    bench = Bench(timings=Timings(stop=5.0))
    identity = await bench.running()
    bench.recorder.failures["stop"] = [SwitchAway("gone")]
    bench.recorder.failures["inquire"] = [SwitchAway("gone"), SwitchAway("no list")]
    bench.recorder.presence = Presence(recorder=False, leg=False)
    await bench.service.stop(identity, EndReason.API)
    await asyncio.sleep(16)
    assert bench.log == ["start", "stop", "inquire", "inquire", "inquire"]
    assert bench.row(identity).state is State.COMPLETED


@virtual
async def test_an_inquiry_that_the_end_overtakes() -> None:
    """RECORD_STOP comes while the switch is asked: the lost answer asks no more."""
    bench = Bench(timings=Timings(stop=5.0))
    identity = await bench.running()
    bench.recorder.failures["inquire"] = [SwitchAway("gone")]
    bench.recorder.holder.held.add("inquire")
    await bench.service.stop(identity, EndReason.API)
    await asyncio.sleep(5.1)
    bench.media.holder.held.add("examine")
    await bench.say(identity, Stopped(bench.now, Cause.MAXTIME))
    bench.recorder.holder.let_go("inquire")
    await asyncio.sleep(60)
    assert bench.log == ["start", "stop", "inquire"]


@virtual
async def test_what_runs_is_asked_after_now_and_then() -> None:
    """Each minute in which it runs, and while it has not begun; an answer that does not come is asked for again."""
    bench = Bench(watch=60.0)
    identity = await bench.running(max_length=1e6)
    bench.recorder.failures["inquire"] = [SwitchAway("no list")]
    await asyncio.sleep(241)
    assert bench.log == ["start", *["inquire"] * 4]
    await bench.service.pause(identity, SKIP)
    await asyncio.sleep(60)
    assert bench.log[5:] == ["mask", "inquire"]
    assert bench.row(identity).revision == 3
    bench.recorder.presence = Presence(recorder=False, leg=False)
    await asyncio.sleep(61)
    assert (bench.row(identity).state, bench.row(identity).reason) == (State.COMPLETED, EndReason.HANGUP)
    await asyncio.sleep(3600)
    assert len(bench.log) == 8
    assert bench.of(FactUnexpected) == []


@virtual
async def test_a_start_whose_event_was_lost_is_seen_by_looking() -> None:
    """RECORD_START lost on a link that stays up: asked after, it runs. A start yet to come is not repeated."""
    bench = Bench(watch=60.0)
    identity = await bench.start()
    bench.recorder.presence = Presence(recorder=False, leg=True)
    await asyncio.sleep(121)
    assert bench.log == ["start", "inquire", "inquire"]
    assert bench.row(identity).state is State.REQUESTED
    bench.recorder.presence = Presence(recorder=True, leg=True)
    await asyncio.sleep(60)
    assert bench.row(identity).state is State.RECORDING
    assert bench.ledger.told == [N.STARTED]


@virtual
async def test_a_start_that_happens_while_it_is_asked_after() -> None:
    """No recorder when asked, its file or RECORD_START there when answered: asked again, not taken for over."""
    bench = Bench(watch=60.0)
    by_event, by_file = await bench.start(reference="a"), await bench.start(reference="b")
    bench.media.masters = {by_file}
    bench.recorder.presence = Presence(recorder=False, leg=True)
    bench.recorder.holder.held.add("inquire")
    await asyncio.sleep(61)
    bench.recorder.holder.let_go("inquire")
    bench.recorder.holder.held.add("inquire")
    await bench.say(by_event, Started(bench.now))
    await settled()
    bench.recorder.presence = Presence(recorder=True, leg=True)
    bench.recorder.holder.let_go("inquire")
    await settled()
    assert bench.log == ["start", "start", *["inquire"] * 4]
    assert {bench.row(one).state for one in (by_event, by_file)} == {State.RECORDING}


@virtual
async def test_looks_are_bounded() -> None:
    """However many run: so many are asked after at a time; a stop that is overdue does not wait for them."""
    bench = Bench(watch=60.0, per_call=100, timings=Timings(stop=5.0))
    made = [await bench.running(reference=str(number)) for number in range(LOOKS + 4)]
    bench.recorder.holder.held.add("inquire")
    await asyncio.sleep(61)
    assert bench.log.count("inquire") == LOOKS
    await bench.service.stop(made[0], EndReason.API)
    await asyncio.sleep(5.1)
    assert bench.log.count("inquire") == LOOKS + 1
    bench.recorder.holder.let_go("inquire")
    await settled()
    assert bench.log.count("inquire") == LOOKS + 5


@virtual
async def test_a_mask_nobody_answered_is_told() -> None:
    """It may have silenced the file until it was taken back: that is said of the recording, and where it ended."""
    bench = Bench()
    identity = await bench.running()
    bench.recorder.failures["mask"] = [CommandUnanswered("no end within 8 s")]
    with pytest.raises(NotPossible, match="FreeSWITCH did not pause"):
        await bench.service.pause(identity, SILENCE)
    await bench.say(identity, Stopped(bench.now, Cause.MAXTIME))
    told = "FreeSWITCH did not confirm a pause (no end within 8 s): it was taken back, but may have left silence"
    assert (bench.row(identity).state, bench.row(identity).error) == (State.COMPLETED, told)
    assert [event.error for event in bench.of(RecordingFinished)] == [told]


@virtual
async def test_a_mask_without_a_link_keeps_its_wish() -> None:
    """The wish stays durable, and is commanded again when the switch says that the recorder runs."""
    bench = Bench(timings=Timings(answer=1.0))
    identity = await bench.running()
    bench.recorder.failures["mask"] = [SwitchAway("gone")]
    with pytest.raises(NotPossible, match="not paused yet"):
        await bench.service.pause(identity, SILENCE)
    assert bench.row(identity).wish.pause is SILENCE
    await bench.say(identity, StillRuns(bench.now))
    assert bench.log == ["start", "mask", "mask"]
    assert bench.row(identity).state is State.PAUSED


# --- the ledger -----------------------------------------------------------------------------------------------------


@virtual
async def test_a_failing_ledger_loses_nothing() -> None:
    """Changes that cannot be stored are tried again, in order, with all their notices; commands wait for them."""
    bench = Bench(timings=Timings(retry=0.1, retry_cap=0.4))
    identity = await bench.start()
    bench.ledger.fail(5)
    bench.service.apply(identity, Started(bench.now))
    await settled()
    for fact in (Masked(bench.now, SKIP), Unmasked(bench.now + 1), Stopped(bench.now + 2, Cause.SILENCE)):
        bench.service.apply(identity, fact)
    began = bench.now
    await bench.service.finished(identity)
    assert bench.now - began == pytest.approx(0.1 + 0.2 + 0.4 + 0.4 + 0.4, abs=0.01)
    assert [(event.recording, event.error) for event in bench.of(LedgerStalled)] == [(identity, "disk full")] * 5
    assert bench.ledger.told == [N.STARTED, N.PAUSED, N.RESUMED, N.COMPLETED]
    assert [notice.sequence for notice in bench.ledger.notices] == [1, 2, 3, 4]
    assert bench.ledger.commits == ["requested", "recording", "processing", "completed"]


@virtual
async def test_facts_of_one_turn_are_one_commit() -> None:
    """Two facts in one turn: one commit, both notices, every state told, and the effects of both."""
    bench = Bench()
    identity = await bench.start()
    await bench.say(identity, Started(bench.now), Stopped(bench.now + 1, Cause.SILENCE))
    assert bench.ledger.commits == ["requested", "processing", "completed"]
    assert bench.ledger.told == [N.STARTED, N.COMPLETED]
    assert bench.ledger.notices[0].recording.state is State.RECORDING
    assert [event.after for event in bench.of(RecordingChanged)][1:] == ["recording", "processing", "completed"]
    assert len(bench.media.asked) == 1


@virtual
async def test_an_error_of_the_ledgers_own_is_reported() -> None:
    """What is no LedgerFailed goes to the loop's handler; nothing of the change is dropped, it is tried again."""
    bench = Bench()
    identity = await bench.start()
    with Caught() as caught:
        bench.ledger.failing = [ValueError("a bug"), OSError("a disk")]
        await bench.say(identity, Started(bench.now))
        await bench.say(identity, Stopped(bench.now, Cause.SILENCE))
        await bench.service.finished(identity)
    assert [str(error) for error in caught.errors] == ["a bug", "a disk"]
    assert [event.error for event in bench.of(LedgerStalled)] == ["a bug", "a disk"]
    assert bench.row(identity).state is State.COMPLETED
    assert bench.ledger.told == [N.STARTED, N.COMPLETED]


@virtual
async def test_an_error_of_the_ledgers_own_at_the_start_is_a_refusal() -> None:
    """The caller hears that it is not stored, the loop's handler why; no life is left."""
    bench = Bench()
    bench.ledger.failing = [ValueError("a bug")]
    with Caught() as caught, pytest.raises(LedgerFailed, match="a bug"):
        await bench.start()
    assert [str(error) for error in caught.errors] == ["a bug"]
    assert (bench.log, bench.service.active("call")) == ([], [])


# --- media ----------------------------------------------------------------------------------------------------------


@virtual
async def test_a_wav_can_be_played_while_another_format_is_made() -> None:
    """What it will be is told as soon as it is measured; the row, the notice and `finished` wait for the format."""
    bench = Bench()
    identity = await bench.running(format="mp3")
    bench.media.holder.held |= {"examine", "encode"}
    playable = asyncio.ensure_future(bench.service.playable(identity))
    finished = asyncio.ensure_future(bench.service.finished(identity))
    await bench.say(identity, Stopped(bench.now, Cause.SILENCE))
    assert not playable.done()
    bench.media.holder.let_go("examine")
    early = await asyncio.wait_for(playable, 1)
    assert early is not None
    assert (early.state, early.measured) == (State.COMPLETED, bench.media.found.measured)
    assert await bench.service.playable(identity) == early
    assert (finished.done(), bench.row(identity).state, bench.ledger.told) == (False, State.PROCESSING, [N.STARTED])
    bench.media.holder.let_go("encode")
    found = await finished
    assert found is not None
    assert await bench.service.playable(identity) == found == bench.row(identity)
    assert (found.state, found.measured) == (early.state, early.measured)
    assert await bench.service.playable("unknown") is None


@virtual
async def test_what_is_not_wanted_is_not_playable_early_either() -> None:
    """The verdict is the one that will be: absent where it is too short."""
    bench = Bench()
    identity = await bench.running(format="mp3", absent_below=60.0)
    bench.media.holder.held.add("encode")
    await bench.say(identity, Stopped(bench.now, Cause.SILENCE))
    early = await asyncio.wait_for(bench.service.playable(identity), 1)
    assert early is not None
    assert early.state is State.ABSENT
    bench.media.holder.let_go("encode")


@virtual
async def test_a_file_that_cannot_be_opened_now_is_tried_again() -> None:
    """OSError is retried with growing pauses; what media then finds counts."""
    bench = Bench(timings=Timings(retry=0.1, examine=5))
    identity = await bench.running()
    bench.media.errors = [OSError(28, "No space left on device")] * 4
    began = bench.now
    await bench.say(identity, Stopped(bench.now, Cause.SILENCE))
    await bench.service.finished(identity)
    assert bench.now - began == pytest.approx(0.1 + 0.2 + 0.4 + 0.8, abs=0.01)
    assert len(bench.media.asked) == 5
    assert bench.row(identity).state is State.COMPLETED


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError(28, "No space left on device"), "the file could not be read: No space left on device"),
        (OSError("odd"), "the file could not be read: odd"),
        (ValueError("secret"), "the file could not be examined: ValueError"),
    ],
)
@virtual
async def test_a_file_that_can_never_be_opened_fails(error: Exception, text: str) -> None:
    """After so many tries the recording fails, with the reason; nothing stays in processing."""
    bench = Bench(timings=Timings(retry=0.1, examine=3))
    identity = await bench.running()
    bench.media.errors = [error] * 9
    with Caught() as caught:
        await bench.say(identity, Stopped(bench.now, Cause.SILENCE))
        await asyncio.sleep(2)
    assert len(bench.media.asked) == 3
    assert (bench.row(identity).state, bench.row(identity).error) == (State.FAILED, text)
    assert len(caught.errors) == (0 if isinstance(error, OSError) else 3)


@virtual
async def test_what_is_not_the_files_fault_is_outlasted() -> None:
    """A full disk of ours, a mount away: tried with growing pauses for as long as it takes, told once for each."""
    bench = Bench(timings=Timings(retry=0.1, retry_cap=5.0, examine=2))
    identity = await bench.running()
    bench.media.errors = [*[MediaAway("no room")] * 200, *[MediaAway("mount away")] * 200]
    began = bench.now
    await bench.say(identity, Stopped(bench.now, Cause.SILENCE))
    await bench.service.finished(identity)
    assert 1900 < bench.now - began < 2000
    assert bench.row(identity).state is State.COMPLETED
    assert [event.error for event in bench.of(MediaStalled)] == ["no room", "mount away"]


@virtual
async def test_a_late_mask_is_examined_again() -> None:
    """A mask confirmed while media works changes what must be cut: media is asked again with it."""
    bench = Bench()
    identity = await bench.running()
    await asyncio.sleep(5)
    bench.media.holder.held.add("examine")
    await bench.say(identity, Stopped(bench.now, Cause.SILENCE))
    await bench.say(identity, Masked(bench.now - 1, SKIP))
    bench.media.found = Found(Measured(1.0, 16044))
    bench.media.holder.let_go("examine")
    await settled()
    assert [len(asked.pauses) for asked in bench.media.asked] == [0, 1]
    assert bench.row(identity).measured == Measured(1.0, 16044)
    assert bench.ledger.told == [N.STARTED, N.COMPLETED]


@virtual
async def test_a_file_that_is_being_closed_is_waited_for() -> None:
    """No RECORD_STOP yet, the recorder gone from its leg: media is asked until the file is closed, and told so."""
    bench = Bench(timings=Timings(stop=5.0))
    identity = await bench.running()
    await asyncio.sleep(3)
    bench.recorder.presence = Presence(recorder=False, leg=True)
    bench.media.sizes.append(5000)
    await bench.service.stop(identity, EndReason.API)
    await asyncio.sleep(20)
    assert bench.row(identity).state is State.PROCESSING
    asked = len(bench.media.asked)
    assert 5 < asked < 20
    ended = bench.now
    await bench.say(identity, Stopped(ended, Cause.MAXTIME))
    assert len(bench.media.asked) == asked + 1
    assert (bench.row(identity).state, bench.row(identity).ended_at) == (State.COMPLETED, ended)
    await bench.say(identity, Stopped(bench.now, Cause.MAXTIME))
    await asyncio.sleep(60)
    assert len(bench.media.asked) == asked + 1
    assert bench.of(FactUnexpected) == []


@virtual
async def test_a_file_that_no_longer_grows_is_taken_as_it_is() -> None:
    """RECORD_STOP never comes: so long as the file grows it is being written; once it stands still it is mended."""
    bench = Bench(timings=Timings(stop=5.0, retry=1.0, retry_cap=1.0, still=30.0))
    identity = await bench.running()
    bench.recorder.presence = Presence(recorder=False, leg=True)
    bench.media.sizes.extend(range(100))
    await bench.service.stop(identity, EndReason.API)
    began = bench.now
    await bench.service.finished(identity)
    assert bench.now - began == pytest.approx(5 + 99 + 30, abs=1.1)
    assert bench.row(identity).state is State.COMPLETED


@virtual
async def test_an_examination_sees_an_end_that_comes_meanwhile() -> None:
    """RECORD_STOP while media works on what was taken for all: media is asked again, one at a time, and told once."""
    bench = Bench(timings=Timings(stop=5.0))
    identity = await bench.running()
    bench.recorder.presence = Presence(recorder=False, leg=False)
    bench.media.holder.held.add("examine")
    await bench.service.stop(identity, EndReason.API)
    await asyncio.sleep(6)
    await bench.say(identity, Stopped(bench.now, Cause.MAXTIME))
    assert len(bench.media.asked) == 1
    bench.media.holder.let_go("examine")
    await settled()
    assert [asked.ended_at is None for asked in bench.media.asked] == [True, False]
    assert bench.ledger.told == [N.STARTED, N.COMPLETED]
    assert bench.of(FactUnexpected) == []


@virtual
async def test_an_empty_recording_is_given_a_file_before_it_is_told() -> None:
    """The switch deleted it for being empty: media makes what is served, then it is told as absent."""
    bench = Bench()
    identity = await bench.running()
    await bench.say(identity, Stopped(bench.now, Cause.EMPTY))
    assert bench.ledger.commits == ["requested", "recording", "processing", "absent"]
    assert bench.row(identity).measured == Measured(0.0, 44, 1, 8000, derived=True)
    assert bench.ledger.told == [N.STARTED, N.ABSENT]


# --- lives ----------------------------------------------------------------------------------------------------------


@virtual
async def test_begun_and_finished() -> None:
    """They wait as long as it takes; what is not alive comes from the ledger, what nobody knows is None."""
    bench = Bench()
    assert await bench.service.begun("unknown") is None
    assert await bench.service.finished("unknown") is None
    identity = await bench.start()
    begun, finished = task_of(bench.service.begun(identity)), task_of(bench.service.finished(identity))
    await asyncio.sleep(3600)
    assert not begun.done()
    await bench.say(identity, Started(bench.now))
    assert (await begun).state is State.RECORDING
    begun_already = await bench.service.begun(identity)
    assert begun_already == bench.row(identity)
    assert not finished.done()
    await bench.say(identity, Stopped(bench.now, Cause.EMPTY))
    assert (await finished).state is State.ABSENT
    for ask in (bench.service.begun, bench.service.finished):
        assert await ask(identity) == bench.row(identity)


@virtual
async def test_a_waiter_that_leaves_disturbs_nobody() -> None:
    """Of two that wait one is cancelled: the other gets its answer."""
    bench = Bench()
    identity = await bench.start()
    leaving, staying = task_of(bench.service.begun(identity)), task_of(bench.service.finished(identity))
    also = task_of(bench.service.finished(identity))
    await settled()
    leaving.cancel()
    await settled()
    await bench.say(identity, Started(bench.now))
    also.cancel()
    await settled()
    await bench.say(identity, StartOver(bench.now), Stopped(bench.now, Cause.EMPTY))
    assert (await staying).state is State.ABSENT
    assert leaving.cancelled()


@virtual
async def test_facts_of_nobody_and_facts_nobody_expects() -> None:
    """Neither raises: an unknown recording's is orphaned, one without a row is unexpected; both are counted."""
    bench = Bench()
    await bench.say("nobody", Started(bench.now))
    [orphan] = bench.of(FactOrphaned)
    assert (orphan.leg, orphan.fact) == ("nobody", "Started")
    identity = await bench.running()
    before = bench.row(identity)
    await bench.say(identity, Examined(bench.now, Found(None)))
    [unexpected] = bench.of(FactUnexpected)
    assert (unexpected.recording, unexpected.state, unexpected.fact) == (identity, "recording", "Examined")
    await bench.say(identity, StartOver(bench.now))
    assert bench.row(identity) is before
    assert len(bench.seen) == 5  # and that it was asked for, and began


@virtual
async def test_knows_only_its_own_path() -> None:
    """A switch's event speaks for its own recordings only, a recorder's with the path that we gave."""
    bench = Bench()
    identity = await bench.start()
    assert bench.service.knows(identity, "fs1", f"/fs1/{identity}.wav")
    assert bench.service.knows(identity, "fs1")
    assert not bench.service.knows(identity, "fs2")
    assert not bench.service.knows(identity, "fs2", f"/fs1/{identity}.wav")
    assert not bench.service.knows(identity, "fs1", "/etc/passwd")
    assert not bench.service.knows("unknown", "fs1", f"/fs1/{identity}.wav")


@virtual
async def test_adopt_takes_what_is_only_in_the_ledger() -> None:
    """Rows without a life get one; what was processed is examined; other switches, and living ones, are left."""
    bench = Bench()
    identity = await bench.start(reference="a")
    done = await bench.running(reference="b")
    bench.media.holder.held.add("examine")
    await bench.say(done, Stopped(bench.now, Cause.SILENCE))
    await bench.service.start(owner(call="x", switch="fs2"), REQUEST, core_uuid="core")
    await bench.service.close()
    later = Bench(bench.ledger)
    assert {found.id for found in await later.service.adopt("fs1")} == {identity, done}
    assert {found.id for found in await later.service.adopt("fs1")} == {identity, done}
    await settled()
    assert len(later.media.asked) == 1
    assert later.row(done).state is State.COMPLETED
    assert [found.id for found in later.service.active("call")] == [identity]
    assert [found.id for found in await later.service.adopt("fs1")] == [identity]


@virtual
async def test_adopt_revives_nothing_that_ended_meanwhile() -> None:
    """The ledger's answer may be older than an end: what left meanwhile stays dead; what started is left out."""
    bench = Bench()
    identity = await bench.running()
    bench.ledger.holder.held.add("unfinished")
    adopting = task_of(bench.service.adopt("fs1"))
    await settled()
    await bench.say(identity, Stopped(bench.now, Cause.SILENCE))
    assert bench.row(identity).state is State.COMPLETED
    await bench.start(reference="new")
    bench.ledger.holder.let_go("unfinished")
    assert await adopting == []
    assert not bench.service._lives._departures
    assert bench.service.get(identity) is None
    assert bench.ledger.told.count(N.COMPLETED) == 1


@virtual
async def test_close_leaves_no_task_and_no_timer() -> None:
    """In every kind of waiting: nothing is left of a closed service, nothing told, and the ledger keeps the truth."""
    bench = Bench(timings=Timings(retry=100.0))
    bench.recorder.holder.held.update({"mask", "stop", "inquire"})
    bench.media.holder.held.add("examine")
    pausing = await bench.running(reference="a", max_length=5.0)
    waiting = task_of(bench.service.pause(pausing, SKIP))
    stopping = await bench.running(reference="b")
    await bench.service.stop(stopping, EndReason.API)
    await bench.say(stopping, LegOverdue(bench.now))
    examined = await bench.running(reference="c")
    await bench.say(examined, Stopped(bench.now, Cause.SILENCE))
    stalled = await bench.start(reference="d")
    bench.ledger.fail()
    bench.service.apply(stalled, Started(bench.now))
    bench.ledger.holder.held.add("commit")
    starting = task_of(bench.service.start(owner(), replace(REQUEST, reference="e"), core_uuid="core"))
    await settled()
    rows = dict(bench.ledger.rows)
    seen = len(bench.seen)
    await bench.service.close()
    for task in (waiting, starting):
        task.cancel()
    await asyncio.gather(waiting, starting, return_exceptions=True)
    await asyncio.sleep(1000)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert bench.ledger.rows == rows
    assert len(bench.seen) == seen


@pytest.mark.parametrize("times", [1, 50])
@virtual
async def test_many_at_once_end_each_for_itself(times: int) -> None:
    """Lives do not mix: each has its own row, notices and order."""
    bench = Bench(per_call=100)
    made = [await bench.start(reference=str(number)) for number in range(times)]
    facts: list[Callable[[], Fact]] = [lambda: Started(bench.now), lambda: Stopped(bench.now, Cause.SILENCE)]
    for fact in facts:
        for identity in made:
            bench.service.apply(identity, fact())
    await settled()
    for identity in made:
        notices = [notice for notice in bench.ledger.notices if notice.recording.id == identity]
        assert [notice.kind for notice in notices] == [N.STARTED, N.COMPLETED]


# --- what is removed ------------------------------------------------------------------------------------------------


async def ended(bench: Bench, **fields: Any) -> str:
    """A recording that is final."""
    identity = await bench.running(**fields)
    await bench.say(identity, Stopped(bench.now, Cause.MAXTIME, hangup=True))
    assert bench.row(identity).state is State.COMPLETED
    return identity


@virtual
async def test_deleting() -> None:
    """The row says so, durably, before any file goes; a second time there is nothing to delete."""
    bench = Bench()
    identity = await ended(bench)
    before = bench.row(identity)
    bench.ledger.holder.held.add("commit")
    deleting = task_of(bench.service.delete(identity))
    await settled()
    assert (bench.media.noted, bench.media.cleared) == ([identity], [])
    bench.ledger.holder.let_go("commit")
    deleted = await deleting
    assert deleted is not None
    assert (
        deleted == bench.row(identity) == replace(before, deleted_at=deleted.deleted_at, revision=before.revision + 1)
    )
    assert deleted.deleted_at == pytest.approx(bench.now + AHEAD, abs=0.1)
    assert bench.media.cleared == [deleted]
    assert await bench.service.delete(identity) is None
    assert await bench.service.delete("unknown") is None
    assert len(bench.media.cleared) == 1
    assert bench.ledger.told == [N.STARTED, N.COMPLETED]


@virtual
async def test_objects_of_what_is_deleted_are_in_its_row() -> None:
    """Not known to be gone yet, so whoever looks after the media store finds them by the row."""
    bench = Bench()
    identity = await ended(bench)
    there = (Stored("wav", 44),)
    bench.ledger.rows[identity] = replace(bench.row(identity), stored=there)
    deleted = await bench.service.delete(identity)
    assert deleted is not None
    assert (deleted.stored, deleted.unstored) == (there, True)


@virtual
async def test_age_is_told_by_this_machine() -> None:
    """When it was examined is no time of its switch, whose clock may be years behind: it would be too old."""
    bench = Bench()
    row = bench.row(await ended(bench))
    assert row.ended_at is not None
    assert row.ended_at <= bench.now
    assert row.finished_at == pytest.approx(bench.now + AHEAD, abs=1.0)


@virtual
async def test_only_what_is_final_is_deleted() -> None:
    """What runs, is examined, or lies on a switch that is not served says so; nothing is noted."""
    bench = Bench()
    runs = await bench.running()
    with pytest.raises(NotPossible, match="has not ended yet"):
        await bench.service.delete(runs)
    bench.media.holder.held.add("examine")
    await bench.say(runs, Stopped(bench.now, Cause.MAXTIME))
    with pytest.raises(NotPossible, match="has not ended yet"):
        await bench.service.delete(runs)
    bench.ledger.rows["elsewhere"] = replace(bench.row(runs), id="elsewhere")
    with pytest.raises(NotPossible, match="its switch is not served now"):
        await bench.service.delete("elsewhere")
    assert (bench.media.noted, bench.media.cleared) == ([], [])
    bench.media.holder.let_go("examine")
    await settled()
    assert await bench.service.delete(runs) is not None


@virtual
async def test_what_can_not_be_deleted_now() -> None:
    """No note, or no commit: whoever asks is told, and all is as it was."""
    bench = Bench()
    identity = await ended(bench)
    before = bench.row(identity)
    bench.media.errors.append(MediaAway("a full disk"))
    with pytest.raises(MediaAway):
        await bench.service.delete(identity)
    bench.ledger.fail()
    with pytest.raises(LedgerFailed):
        await bench.service.delete(identity)
    assert bench.row(identity) == before
    assert bench.media.cleared == []


@virtual
async def test_files_go_also_where_nobody_waits_for_it() -> None:
    """Whoever asked is gone once the row says that it is deleted: the files go all the same."""
    bench = Bench()
    identity = await ended(bench)
    bench.media.holder.held.add("clear")
    deleting = task_of(bench.service.delete(identity))
    await settled()
    deleting.cancel()
    bench.media.holder.let_go("clear")
    await settled()
    assert [one.id for one in bench.media.cleared] == [identity]


@virtual
async def test_a_trimmed_one_is_cleared_once_it_is_final() -> None:
    """Not before its end is durable; one that was not trimmed has nothing to be cleared."""
    bench = Bench()
    await ended(bench)
    assert bench.media.cleared == []
    bench.media.found = Found(Measured(2.0, 32044, derived=True, trimmed=0.5))
    identity = await bench.running(reference="trimmed")
    bench.ledger.holder.held.add("commit")
    await bench.say(identity, Stopped(bench.now, Cause.MAXTIME))
    assert bench.media.cleared == []
    bench.ledger.holder.let_go("commit")
    await settled()
    assert bench.media.cleared == [bench.row(identity)]
    assert bench.row(identity).state is State.COMPLETED


@virtual
async def test_where_it_is_is_in_its_last_row() -> None:
    """Media's word of the media store is stored with the end; what is there is cleared here, what waits is not."""
    bench = Bench()
    there = (Stored("wav", 32044, '"e"', 1.0),)
    bench.media.found = Found(Measured(2.0, 32044), stored=there)
    stored = await ended(bench)
    assert (bench.row(stored).stored, bench.row(stored).unstored) == (there, False)
    assert bench.media.cleared == [bench.row(stored)]
    bench.media.found = Found(Measured(2.0, 32044), unstored=True)
    waiting = await ended(bench)
    assert (bench.row(waiting).stored, bench.row(waiting).unstored) == ((), True)
    assert bench.media.cleared == [bench.row(stored)]


@virtual
async def test_clearing_goes_on_after_a_restart() -> None:
    """For what was noted and is final; the rest is still to be examined, or was never stored."""
    bench = Bench()
    final, runs = await ended(bench), await bench.running(reference="other")
    bench.media.noted += [final, runs, "unknown"]
    bench.service.clear_up()
    await settled()
    assert bench.media.cleared == [bench.row(final)]


# --- what another daemon holds --------------------------------------------------------------------------------------


@virtual
async def test_a_switch_that_is_let_go() -> None:
    """Nothing of it is commanded, stored or told any more, no timer is left; the other switch's goes on."""
    bench = Bench()
    timed = await bench.running(max_length=5.0, reference="timed")
    asked = (await bench.service.start(owner(call="two"), REQUEST, core_uuid="core")).id
    kept = (await bench.service.start(owner(call="three", switch="fs2"), REQUEST, core_uuid="core")).id
    await settled()
    rows, told = dict(bench.ledger.rows), list(bench.ledger.told)
    bench.log.clear()
    waiting = asyncio.create_task(bench.service.finished(asked))
    await settled()
    bench.service.let_go("fs1")
    with pytest.raises(NotHeld):
        await waiting
    await bench.say(timed, Stopped(bench.now, Cause.MAXTIME))
    await bench.say(kept, Started(bench.now))
    await asyncio.sleep(60)
    assert bench.log == []
    assert {identity: bench.ledger.rows[identity] for identity in (timed, asked)} == {
        identity: rows[identity] for identity in (timed, asked)
    }
    assert bench.ledger.told == [*told, N.STARTED]
    assert [bench.service.get(identity) for identity in (timed, asked)] == [None, None]
    with pytest.raises(NotPossible):
        await bench.service.stop(timed, EndReason.API)


@virtual
async def test_a_start_that_is_let_go_before_it_is_durable() -> None:
    """Who asked for it is told whose it is; its row, which may be durable, is the next holder's, uncommanded."""
    bench = Bench()
    bench.ledger.holder.held.add("commit")
    asking = asyncio.create_task(bench.service.start(owner(), REQUEST, core_uuid="core"))
    await settled()
    bench.service.let_go("fs1")
    with pytest.raises(NotHeld):
        await asking
    bench.ledger.holder.let_go("commit")
    await settled()
    assert bench.log == []


@virtual
async def test_a_file_that_is_examined_while_it_is_let_go() -> None:
    """Its end is the next holder's to tell."""
    bench = Bench()
    identity = await bench.running()
    bench.media.errors = [MediaAway("away")] * 100
    await bench.say(identity, Stopped(bench.now, Cause.MAXTIME))
    assert bench.row(identity).state is State.PROCESSING
    bench.service.let_go("fs1")
    bench.media.errors.clear()
    await asyncio.sleep(60)
    assert bench.row(identity).state is State.PROCESSING


@virtual
async def test_a_change_that_another_daemon_forestalled() -> None:
    """A write that is refused because the lease is gone is not tried again: the recording is let go."""
    bench = Bench()
    identity = await bench.running()
    bench.ledger.failing = [NotHeld("held by another")]
    commits = list(bench.ledger.commits)
    await bench.say(identity, Stopped(bench.now, Cause.MAXTIME))
    await asyncio.sleep(60)
    assert bench.ledger.commits == commits
    assert bench.service.get(identity) is None
    assert bench.of(LedgerStalled) == []


@virtual
async def test_a_start_whose_lease_is_gone() -> None:
    """It is refused as what it is, and nobody looks for its row."""
    bench = Bench()
    bench.ledger.failing = [NotHeld("held by another")]
    with pytest.raises(NotHeld):
        await bench.service.start(owner(), REQUEST, core_uuid="core")
    await asyncio.sleep(60)
    assert (bench.log, bench.ledger.rows) == ([], {})


@pytest.mark.parametrize("unreadable", [0, 5])
def test_a_start_that_was_stored_though_it_failed(unreadable: int) -> None:
    """Its row is found once the store answers, and ends as what it is: a start that never was; none takes it up."""

    async def test() -> None:
        bench = Bench()
        bench.ledger.lie = True
        reading, left = bench.ledger.recording, [unreadable]

        async def recording(identity: str) -> Recording | None:
            if left[0]:
                left[0] -= 1
                raise LedgerFailed("away")
            return await reading(identity)

        bench.ledger.recording = recording  # type: ignore[method-assign]
        with pytest.raises(LedgerFailed):
            await bench.service.start(owner(), REQUEST, core_uuid="core")
        assert await bench.service.adopt("fs1") == []
        await asyncio.sleep(120)
        [row] = bench.ledger.rows.values()
        assert (row.state, bench.ledger.told, bench.log) == (State.FAILED, [N.FAILED], [])
        assert row.error is not None
        assert "did not confirm" in row.error

    run_virtually(test())

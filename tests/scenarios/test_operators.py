"""What operators ask of a whole daemon, and what of it is an account's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import pytest

from controller.console.ports import (
    NotAllowed,
    NotFound,
    Operations,
    Search,
    SwitchStatus,
    Viewer,
)
from controller.recordings.model import EndReason, NoticeKind, PauseBehavior, Recording, State
from controller.recordings.ports import NotPossible
from controller.softswitch.script import Tone
from controller.store.values import DeliveryState, OutboxRow
from controller.telemetry import RecordingChanged
from tests.harness.audio import read_wav
from tests.harness.switch import Call, Switch
from tests.scenarios.daemon import Callbacks, Daemon, record_call
from tests.scenarios.rest import accounts

OPERATOR, OWNER, STRANGER = Viewer(), Viewer("acme"), Viewer("acme-twilio")
SPEAKS = (Tone(60.0, 440.0),)


def desk_of(daemon: Daemon) -> Operations:
    assert daemon.app is not None
    return daemon.app.operations


async def begin(daemon: Daemon, switch: Switch, callbacks: Callbacks, **more: Any) -> tuple[Call, str]:
    """Have a call recorded; returns it, and the recording's id, when that is told."""
    daemon.changes = {"accounts": accounts(), **daemon.changes}
    daemon.say(record_call(daemon.receiver, **more), {"sleep": -1})
    await daemon.start()
    caller = await switch.call(script=SPEAKS)
    return caller, (await callbacks.wait("recording"))["recording_id"]


async def nothing(asked: Awaitable[Any]) -> None:
    with pytest.raises(NotFound):
        await asked


async def over(desk: Operations, identity: str) -> Recording:
    async with asyncio.timeout(20):
        while not (found := await desk.recording(OPERATOR, identity)).state.final:
            await asyncio.sleep(0.02)
    return found


async def delivery(desk: Operations, identity: str, state: DeliveryState) -> OutboxRow:
    async with asyncio.timeout(20):
        while (row := (await desk.told(OPERATOR, identity)).row).state is not state:
            await asyncio.sleep(0.02)
    return row


async def status_of(desk: Operations) -> SwitchStatus:
    [found] = (await desk.health()).switches
    return found


async def test_the_story_of_a_recording(daemon: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path) -> None:
    """Seen while it runs, paused, resumed and stopped; then each step, notice, callback and attempt is there."""
    caller, identity = await begin(daemon, switch, callbacks, stereo=True)
    desk, changes = desk_of(daemon), list[int]()
    unsubscribe = desk.subscribe(lambda: changes.append(1))
    for viewer, known in ((OPERATOR, 1), (OWNER, 1), (STRANGER, 0)):
        live = await desk.live(viewer, 10)
        assert (live.total, [one.recording.id for one in live.running]) == (known, [identity][:known])
    [running] = (await desk.live(OWNER, 10)).running
    assert running.recording.state is State.RECORDING
    assert running.elapsed is not None
    assert 0 <= running.elapsed < 30
    assert (await desk.live(OWNER, 0)).total == 1

    await asyncio.sleep(0.5)
    assert (await desk.pause(OWNER, identity, PauseBehavior.SKIP)).state is State.PAUSED
    assert (await desk.live(OWNER, 1)).running[0].recording.state is State.PAUSED
    assert (await desk.resume(OPERATOR, identity)).state is State.RECORDING
    await asyncio.sleep(0.5)
    assert (await desk.stop(OWNER, identity)).reason is EndReason.API
    done = await over(desk, identity)
    with pytest.raises(NotPossible, match="has ended"):
        await desk.stop(OWNER, identity)
    assert len(changes) == len(daemon.seen(RecordingChanged)) - 2
    unsubscribe()

    await daemon.until(daemon.quiet)
    story = await desk.story(OWNER, identity)
    assert story.recording == done
    assert story.call is not None
    assert (story.call.id, story.call.leg) == (done.owner.call, caller.leg)
    assert [(step.fact, step.detail, step.effects) for step in story.history][:-1] == [
        ("Requested", "swml.record_call", ("start",)),
        ("Started", "", ("time", "watch")),
        ("PauseWished", "skip", ("mask",)),
        ("Masked", "skip", ("time",)),
        ("ResumeWished", "", ("unmask",)),
        ("Unmasked", "", ("time",)),
        ("StopWished", "api", ("stop",)),
        ("Stopped", "success-maxtime", ("examine",)),
    ]
    assert story.history[-1].fact == "Examined"
    assert story.history[-1].state is State.COMPLETED
    assert [step.revision for step in story.history] == [*range(done.revision + 1)]
    at = {step.fact: step.at for step in story.history}
    assert (at["Requested"], at["Started"], at["Stopped"]) == (done.requested_at, done.started_at, done.ended_at)
    assert (at["Masked"], at["Unmasked"]) == (done.pauses[0].start, done.pauses[0].end)
    kinds = NoticeKind.STARTED, NoticeKind.PAUSED, NoticeKind.RESUMED, NoticeKind.COMPLETED
    assert tuple(notice.kind for notice in story.notices) == kinds
    assert story.unrendered == {}
    assert [told.row.state for told in story.told] == [DeliveryState.DELIVERED] * 4
    assert [[attempt.status for attempt in told.attempts] for told in story.told] == [[200]] * 4
    assert [told.row.id for told in story.told] == [
        request.header("webhook-id") for request in daemon.receiver.to("/status")
    ]

    assert done.measured is not None
    assert await desk.derive(OWNER, identity, "wav") == done.measured.size
    assert await desk.derive(OWNER, identity, "mp3") > 1000
    outline = await desk.waveform(OWNER, identity, 50)
    assert [len(channel) for channel in outline.peaks] == [50, 50]
    assert abs(outline.seconds - done.measured.duration) < 0.001
    assert max(outline.peaks[0]) > 20
    assert await daemon.fetch(f"{daemon.url}/api/v1/recordings/{identity}/download", tmp_path / "a.wav") == 200
    assert abs(read_wav(tmp_path / "a.wav").seconds - outline.seconds) < 0.001

    for text in (identity, done.owner.call, caller.leg, done.owner.called[1:]):
        for viewer, known in ((OPERATOR, 1), (OWNER, 1), (STRANGER, 0)):
            page = await desk.search(viewer, Search(text=text, states=(State.COMPLETED,)), limit=5)
            assert [one.id for one in page] == [identity][:known]
    assert await desk.search(OWNER, Search(account="acme-twilio"), limit=5) == ()
    assert await desk.search(OPERATOR, Search(account="acme-twilio"), limit=5) == []
    assert (await desk.recording(OWNER, f"RE{identity.replace('-', '')}")).id == identity


async def test_what_is_anothers_does_not_exist(daemon: Daemon, switch: Switch, callbacks: Callbacks) -> None:
    """Neither its story nor its callbacks, and no verb does anything to it."""
    caller, identity = await begin(daemon, switch, callbacks)
    desk = desk_of(daemon)
    [row] = await desk.deliveries(OWNER, None, limit=5)
    assert await desk.deliveries(STRANGER, None, limit=5) == []
    for asked in (
        desk.recording(STRANGER, identity),
        desk.story(STRANGER, identity),
        desk.stop(STRANGER, identity),
        desk.pause(STRANGER, identity, PauseBehavior.SILENCE),
        desk.resume(STRANGER, identity),
        desk.waveform(STRANGER, identity, 10),
        desk.derive(STRANGER, identity, "wav"),
        desk.told(STRANGER, row.id),
        desk.replay(STRANGER, row.id),
        desk.story(OPERATOR, "nobody"),
        desk.stop(OPERATOR, "no\0body\ud800"),
        desk.told(OPERATOR, "nobody"),
        desk.replay(OPERATOR, "nobody"),
    ):
        await nothing(asked)
    with pytest.raises(FileNotFoundError):
        await desk.waveform(OWNER, identity, 10)
    with pytest.raises(FileNotFoundError):
        await desk.derive(OWNER, identity, "wav")
    await caller.hangup()
    await callbacks.wait("finished")
    assert callbacks.states() == ["recording", "finished"]


async def test_a_dead_callback_is_delivered_by_its_replay(
    daemon: Daemon, switch: Switch, callbacks: Callbacks
) -> None:
    """It is listed with why, replayed by whose it is, and is what it would have been; so is one that arrived."""
    daemon.receiver.plan("/status", 410, 200)
    caller, identity = await begin(daemon, switch, callbacks)
    desk = desk_of(daemon)
    [first] = daemon.receiver.to("/status")
    sent = first.header("webhook-id") or ""
    dead = await delivery(desk, sent, DeliveryState.DEAD)
    assert "410" in (dead.reason or "")
    assert [row.id for row in await desk.deliveries(OWNER, DeliveryState.DEAD, limit=5)] == [sent]
    assert (await desk.health()).deliveries == {DeliveryState.PENDING: 0, DeliveryState.DEAD: 1}
    again = await desk.replay(OWNER, sent)
    assert (again.state, again.tries) == (DeliveryState.PENDING, 0)
    await delivery(desk, sent, DeliveryState.DELIVERED)
    assert [attempt.status for attempt in (await desk.told(OWNER, sent)).attempts] == [410, 200]
    assert (await desk.health()).deliveries == {DeliveryState.PENDING: 0, DeliveryState.DEAD: 0}
    await desk.replay(OPERATOR, sent)
    await delivery(desk, sent, DeliveryState.DELIVERED)
    requests = daemon.receiver.to("/status")
    assert [request.header("webhook-id") for request in requests] == [sent] * 3
    assert {request.body for request in requests} == {first.body}
    await caller.hangup()
    await callbacks.wait("finished")
    assert (await over(desk, identity)).state is State.COMPLETED


async def test_a_switch_is_reconciled_when_that_is_asked(
    daemon: Daemon, switch: Switch, callbacks: Callbacks
) -> None:
    """Its link is another afterwards, and what ran runs on; an account may not, and no other switch is there."""
    caller, identity = await begin(daemon, switch, callbacks)
    desk = desk_of(daemon)
    before = await status_of(desk)
    assert (before.state, before.why, before.holder, before.name) == ("serving", "", "", "fs1")
    assert (before.calls, before.recordings) == (1, 1)
    assert before.core_uuid
    assert before.version
    assert before.connected_at is not None
    assert before.last_event_at is not None
    assert before.free is not None
    assert before.last_event_at >= before.connected_at
    assert before.free > 1 << 20
    with pytest.raises(NotAllowed):
        await desk.reconcile(OWNER, "fs1")
    await nothing(desk.reconcile(OPERATOR, "fs2"))
    await desk.reconcile(OPERATOR, "fs1")
    away = await status_of(desk)
    assert (away.state, away.why) == ("away", "an operator asked for a reconciliation")
    assert (away.core_uuid, away.connected_at) == ("", None)
    with pytest.raises(NotPossible, match="as soon as it connects"):
        await desk.reconcile(OPERATOR, "fs1")
    async with asyncio.timeout(20):
        while (after := await status_of(desk)).state != "serving":
            await asyncio.sleep(0.02)
    assert after.core_uuid == before.core_uuid
    assert after.connected_at is not None
    assert after.connected_at > before.connected_at
    assert (await desk.stop(OPERATOR, identity)).reason is EndReason.API
    await callbacks.wait("finished")
    await caller.hangup()


async def test_a_switch_that_is_not_there(daemon: Daemon, switch: Switch) -> None:
    """Why it is away, and why the daemon is not ready, is said."""
    daemon.changes = {"switches": [{**daemon.raw()["switches"][0], "port": 1}]}
    await daemon.start(ready=False)
    desk = desk_of(daemon)
    async with asyncio.timeout(10):
        while "refused" not in (found := await status_of(desk)).why.lower():
            await asyncio.sleep(0.02)
    assert (found.state, found.calls, found.recordings, found.last_event_at) == ("away", 0, 0, None)
    health = await desk.health()
    assert health.problems == ("switch fs1: not connected: its calls are not served",)
    assert (health.degraded, health.oldest_pending) == ((), None)
    with pytest.raises(NotPossible):
        await desk.reconcile(OPERATOR, "fs1")

"""The steps that record: in the background, in the foreground, and the end of either."""

from __future__ import annotations

import asyncio

from controller.calls.commanding import unheard
from controller.calls.context import CallContext
from controller.documents.steps import (
    Beep,
    Done,
    Failed,
    Record,
    RecordingEnded,
    RecordingRefused,
    RecordingRuns,
    StartRecording,
    StopRecording,
)
from controller.recordings.model import EndReason, Recording, RecordingRequest, State, new_id
from controller.recordings.ports import NotPossible

READY_WITHIN = 15.0
"""Seconds that a document waits until an ended recording can be played: what it plays next may be its URL."""

_NOT_GOOD = frozenset({EndReason.NO_INPUT, EndReason.ERROR, EndReason.SWITCH_LOST})


async def start(context: CallContext, step: StartRecording, *, resumed: bool) -> RecordingRuns | RecordingRefused:
    """Start a recording; done with its RECORD_START, or its failure."""
    begun = await _begun(context, step.request, resumed=resumed)
    if isinstance(begun, RecordingRefused):
        return begun
    assert begun.started_at is not None  # noqa: S101 - what _begun says of it
    return RecordingRuns(begun.id, context.dialect.recording_url(begun), begun.started_at)


async def record(context: CallContext, step: Record, *, resumed: bool) -> RecordingEnded | RecordingRefused:
    """Record until the recording has ended, and a while longer until it can be played, or fetched.

    After a restart it is the same recording that is awaited. The leg's end cancels this; the recording ends itself.
    Raises LegTaken.
    """
    begun = await _begun(context, step.request, resumed=resumed)
    if isinstance(begun, RecordingRefused):
        return begun
    over = await _over(context, begun, step)
    if over.reason is EndReason.HANGUP:
        await context.stay()
    return over


async def left(context: CallContext, step: Record) -> RecordingEnded | None:
    """Return what became of the recording that a leg's end broke off, None where none had begun.

    Of one whose begin was lost with its switch the file alone tells that.
    """
    identity = context.call.recording
    begun = None if identity is None else await context.rooms.recordings.begun(identity)
    over = None if begun is None else await _over(context, begun, step)
    return None if over is None or over.started_at is None else over


async def _over(context: CallContext, begun: Recording, step: Record) -> RecordingEnded:
    recordings = context.rooms.recordings
    ready = recordings.finished if step.fetchable else recordings.playable
    ended = await recordings.ended(begun.id) or begun
    try:
        async with asyncio.timeout(READY_WITHIN):
            ended = await ready(begun.id) or ended
    except TimeoutError:
        pass  # it is served when it is ready; the document goes on without
    return _ended(context, ended)


async def stop(context: CallContext, step: StopRecording, *, resumed: bool) -> Done | Failed:
    """Stop a recording; done when the wish is durable."""
    recordings, reference = context.rooms.recordings, step.reference
    identity = context.call.recording if resumed else None
    again = identity is not None
    if identity is None:
        active = [
            recording.id
            for recording in recordings.active(context.call.id)
            if reference is None or recording.request.reference == reference
        ]
        identity = active[-1] if active else None
        await context.save(recording=identity)
        context.arrive()
    if identity is None:
        return Failed("no recording is active" + ("" if reference is None else f" under the name {reference!r}"))
    try:
        stopped = await recordings.stop(identity, EndReason.VERB)
    except NotPossible as refusal:
        # Before a restart it may have been this step that ended it.
        ended = await recordings.begun(identity) if again else None
        if ended is None:
            return Failed(str(refusal))
        stopped = ended
    return Failed(stopped.error or "the recording failed") if stopped.state is State.FAILED else Done()


async def _begun(context: CallContext, request: RecordingRequest, *, resumed: bool) -> Recording | RecordingRefused:
    """Start a recording in the transaction of the step's row; return it once it has started, or why it has not."""
    recordings = context.rooms.recordings
    identity = context.call.recording if resumed else None
    if identity is None:
        identity = new_id()
        call = context.call = context.call.changed(recording=identity)
        try:
            await recordings.start(
                call.owner(context.session),
                request,
                core_uuid=call.core_uuid,
                identity=identity,
                along=context.rooms.ledger.along(call),
                prelude=lambda: _before(context, request),
                told=True,
            )
        except NotPossible as refusal:
            await context.save(recording=None)
            context.arrive()
            return RecordingRefused(str(refusal))
    else:
        context.answer_unheard()  # a crash came between the row and the commands, or after them
    with context.starting():
        recording = await recordings.begun(identity)
    if recording is None:
        return RecordingRefused("the recording is unknown")
    if recording.started_at is None:
        context.arrive()  # where there was no room for it, nothing preceded its command
        return RecordingRefused(recording.error or "the recording did not start")
    return recording


def _before(context: CallContext, request: RecordingRequest) -> None:
    """Take over, answer and beep in the same breath as the recording's command; the leg keeps their order.

    The recorder begins when the beep is over. One that is started again after a restart or a lost link does not beep.
    """
    context.arrive()
    context.answer_unheard()
    if request.beep:
        call = context.call
        unheard(context.rooms.legs.play(call.switch, call.leg, Beep(), gain=0.0, execution=new_id()))


def _ended(context: CallContext, recording: Recording) -> RecordingEnded:
    reason = recording.reason or EndReason.ERROR
    return RecordingEnded(
        recording=recording.id,
        url=context.dialect.recording_url(recording),
        reason=reason,
        good=_good(recording, reason),
        digit=recording.digit,
        seconds=None if recording.measured is None else recording.measured.duration,
        state=recording.state,
        started_at=recording.started_at,
        ended_at=recording.ended_at,
    )


def _good(recording: Recording, reason: EndReason) -> bool:
    """Tell whether a recording is one; of one that is still examined its reason alone tells."""
    if recording.state.final:
        return recording.state not in {State.NO_INPUT, State.FAILED}
    return reason not in _NOT_GOOD

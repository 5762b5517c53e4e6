"""What is true after a lost link, a switch restart, a daemon restart (DESIGN sections 5, 6).

At each connect: every recording that is not final is confronted with the switch. Another Core-UUID ended them all;
else the switch is asked, recording by recording, whether its recorder is there. The table decides what that means.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from controller.recordings.facts import NotThere, StillRuns, SwitchLost
from controller.recordings.model import Recording, State
from controller.recordings.ports import Recorder, SwitchAway
from controller.recordings.service import RecordingService

AT_ONCE = 32
"""Inquiries under way at the same time: each is a job of the switch's."""


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What one reconciliation found on a switch, in ``duration`` seconds (telemetry).

    Of its recordings that were not final: those that ran on, those that had ended unseen, those that the switch's
    own end took with it, and those that had never begun, or no longer ran, and are started again (``mended``).
    """

    switch: str
    still_running: int
    ended: int
    lost: int
    mended: int = 0
    duration: float = field(default=0.0, compare=False)


async def reconcile(service: RecordingService, recorder: Recorder, switch: str, core_uuid: str) -> Reconciled:
    """Give each unfinished recording of ``switch`` what the switch says of it.

    Raises SwitchAway when the link goes meanwhile: the next connect begins anew, nothing is taken twice.
    """
    began = time.monotonic()
    counts = {StillRuns: 0, NotThere: 0, SwitchLost: 0}
    mended = 0
    gate = asyncio.Semaphore(AT_ONCE)

    async def ask(recording: Recording) -> None:
        nonlocal mended
        async with gate:
            found = await service.confront(recording.id)
        after = service.get(recording.id)
        if isinstance(found, NotThere) and after is not None and after.state.active:
            mended += 1
        elif found is not None:
            counts[type(found)] += 1

    questions = []
    for recording in await service.adopt(switch):
        if recording.state.final:
            continue
        if recording.state is State.PROCESSING:
            if recording.core_uuid != core_uuid:
                service.apply(recording.id, SwitchLost(recorder.now(switch)))
        elif recording.core_uuid != core_uuid:
            counts[SwitchLost] += 1
            service.apply(recording.id, SwitchLost(recorder.now(switch)))
        else:
            questions.append(ask(recording))
    answers = await asyncio.gather(*questions, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer if not isinstance(answer, SwitchAway) else SwitchAway("the link went during reconciliation")
    duration = time.monotonic() - began
    return Reconciled(switch, counts[StillRuns], counts[NotThere], counts[SwitchLost], mended, duration)

"""Hands each fact of a switch to the rooms it concerns, and has them find out what is true after a connect."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from controller.calls.desk import CallDesk
from controller.recordings.facts import Started, StartOver, Stopped
from controller.recordings.ports import Recorder
from controller.recordings.reconcile import reconcile
from controller.recordings.service import RecordingService
from controller.switch.facts import (
    DigitPressed,
    Executed,
    Fact,
    LegAnswered,
    LegBridged,
    LegGone,
    LegHangup,
    LegHeld,
    LegParked,
    LegUnparked,
    RecorderAttached,
    RecordStarted,
    RecordStopped,
)
from controller.switch.legs import parked_leg
from controller.switch.recorder import recording_id
from controller.switch.sounds import failed_response
from controller.telemetry import FactOrphaned


@dataclass(frozen=True, slots=True)
class FactsDesk:
    """Implements ``switch.board.Listener``; ``watch`` sees each fact first (the demo's timeline)."""

    desk: CallDesk
    recordings: RecordingService
    recorder: Recorder
    observe: Callable[[object], None]
    watch: Callable[[Fact], None] | None = None

    def fact(self, switch: str, core_uuid: str, fact: Fact) -> None:
        """Take one fact."""
        if self.watch is not None:
            self.watch(fact)
        match fact:
            case LegParked():
                self.desk.parked(parked_leg(switch, core_uuid, fact))
            case LegAnswered(leg=leg, at=at):
                self.desk.answered(switch, leg, at)
            case LegBridged(leg=leg, at=at, other=other):
                self.desk.talking(switch, leg, other, at)
            case LegHangup(leg=leg, cause=cause):
                self.desk.hanging_up(switch, leg, cause)
            case LegUnparked(leg=leg):
                self.desk.unparked(switch, leg)
            case LegHeld(leg=leg, held=held):
                self.desk.hold(switch, leg, held=held)
            case LegGone(leg=leg, at=at, cause=cause):
                self.recordings.leg_ended(switch, leg, at)
                self.desk.gone(switch, leg, cause)
            case RecordStarted():
                self._recorder_fact(switch, fact, Started(fact.at))
            case RecordStopped():
                self._recorder_fact(switch, fact, Stopped(fact.at, fact.cause, fact.hangup))
            case RecorderAttached(leg=leg, at=at, path=path, recording=recording):
                identity = recording_id(recording)
                if identity is not None and self.recordings.knows(identity, switch, path):
                    self.recordings.attached(identity, leg, at)
            case Executed(application="record_session", event_uuid=event_uuid, at=at):
                identity = recording_id(event_uuid)
                if identity is not None and self.recordings.knows(identity, switch):
                    self.recordings.apply(identity, StartOver(at))
            case Executed(leg=leg, application="playback" as played, event_uuid=event_uuid, response=response):
                self.desk.executed(switch, leg, event_uuid, failed_response(played, response) or "")
            case Executed(leg=leg, application="bridge", event_uuid=event_uuid, at=at, cause=cause):
                self.desk.bridged(switch, leg, event_uuid, at, cause)
            case DigitPressed(leg=leg, at=at, digit=digit):
                self.recordings.pressed(switch, leg, digit, at)
                self.desk.digit(switch, leg, digit)
            case _:
                pass  # moves and other applications mean nothing to what is built so far

    async def connected(self, switch: str, core_uuid: str) -> None:
        """Look at the calls, reconcile their recordings, then let documents go on, in this order.

        A recording whose start was lost is started again, on a leg that is ours, taken over and answered by then; a
        document that goes on may wait for a recording.
        """
        self.desk.connecting(switch)
        await self.desk.reconnected(switch, core_uuid)
        self.observe(await reconcile(self.recordings, self.recorder, switch, core_uuid))
        await self.desk.go_on(switch)

    def _recorder_fact(self, switch: str, fact: RecordStarted | RecordStopped, meaning: Started | Stopped) -> None:
        identity = recording_id(fact.recording)
        if identity is not None and self.recordings.knows(identity, switch, fact.path):
            self.recordings.apply(identity, meaning)
        else:  # a dialplan's, a phone's or another client's: left alone, and counted
            self.observe(FactOrphaned(switch, fact.leg, type(fact).__name__))

"""Which room hears which fact of a switch, and what a connect does first."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from controller.calls.desk import CallDesk
from controller.facts_desk import FactsDesk
from controller.recordings.facts import Cause, Started, StartOver, Stopped
from controller.recordings.ports import Recorder, SwitchAway
from controller.recordings.reconcile import Reconciled
from controller.recordings.service import RecordingService
from controller.switch.facts import (
    DigitPressed,
    Executed,
    Fact,
    LegAnswered,
    LegGone,
    LegHangup,
    LegHeld,
    LegInfo,
    LegMoved,
    LegParked,
    LegUnparked,
    RecorderAttached,
    RecordStarted,
    RecordStopped,
)
from controller.switch.legs import parked_leg
from controller.telemetry import FactOrphaned

ID = "0d3c7b52-9a51-4f6f-8d2c-2d1c6b9a7e10"
HEX = ID.replace("-", "")
INFO = LegInfo("1001", "", "", "inbound", "sofia/x", "", False, 8000, None, "")
PARKED = LegParked("leg", 5.0, INFO, HEX, "acme", "a.yaml")


@dataclass
class Rooms:
    """Notes what the calls and recordings rooms are told; knows one recording, at one path."""

    log: list[tuple[Any, ...]] = field(default_factory=list)
    known: str | None = ID
    away: bool = False

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *values, **named: self.log.append((name, *values, *named.values()))

    def knows(self, identity: str, switch: str, path: str | None = None) -> bool:
        return (identity, switch) == (self.known, "fs1") and path in {None, "/a.wav"}

    async def adopt(self, switch: str) -> list[Any]:
        self.log.append(("adopt", switch))
        if self.away:
            raise SwitchAway("gone")
        return []

    async def reconnected(self, switch: str, core_uuid: str) -> None:
        self.log.append(("reconnected", switch, core_uuid))

    async def go_on(self, switch: str) -> None:
        self.log.append(("go_on", switch))


def desk_of(rooms: Rooms, watch: Any = None) -> tuple[FactsDesk, list[object]]:
    seen: list[object] = []
    desk = FactsDesk(
        cast("CallDesk", rooms), cast("RecordingService", rooms), cast("Recorder", rooms), seen.append, watch
    )
    return desk, seen


def executed(application: str, event_uuid: str, response: str = "_none_") -> Executed:
    return Executed("leg", 5.0, application, event_uuid, response)


@pytest.mark.parametrize(
    ("fact", "told"),
    [
        (PARKED, [("parked", parked_leg("fs1", "core", PARKED))]),
        (LegAnswered("leg", 5.0), [("answered", "fs1", "leg", 5.0)]),
        (
            Executed("leg", 5.0, "bridge", ID, "_none_", "USER_BUSY"),
            [("bridged", "fs1", "leg", ID, 5.0, "USER_BUSY")],
        ),
        (LegHangup("leg", 5.0, "USER_BUSY"), [("hanging_up", "fs1", "leg", "USER_BUSY")]),
        (LegHeld("leg", 5.0, held=True), [("hold", "fs1", "leg", True)]),
        (LegUnparked("leg", 5.0), [("unparked", "fs1", "leg")]),
        (
            LegGone("leg", 5.0, "USER_BUSY"),
            [("leg_ended", "fs1", "leg", 5.0), ("gone", "fs1", "leg", "USER_BUSY")],
        ),
        (RecordStarted("leg", 5.0, "/a.wav", HEX), [("apply", ID, Started(5.0))]),
        (
            RecordStopped("another leg", 5.0, "/a.wav", HEX, Cause.SILENCE, hangup=True),
            [("apply", ID, Stopped(5.0, Cause.SILENCE, hangup=True))],
        ),
        (executed("record_session", ID), [("apply", ID, StartOver(5.0))]),
        (executed("record_session", str(uuid.uuid4())), []),
        (executed("record_session", "not ours"), []),
        (executed("answer", ID), []),
        (executed("playback", ID, "FILE PLAYED"), [("executed", "fs1", "leg", ID, "")]),
        (
            executed("playback", "whose ever", "PLAYBACK ERROR"),
            [("executed", "fs1", "leg", "whose ever", "the switch broke the sound off")],
        ),
        (
            DigitPressed("leg", 5.0, "5", 0.1),
            [("pressed", "fs1", "leg", "5", 5.0), ("digit", "fs1", "leg", "5")],
        ),
        (LegMoved("leg", 5.0, "old"), []),
        (RecorderAttached("leg", 5.0, "/a.wav", HEX), [("attached", ID, "leg", 5.0)]),
        (RecorderAttached("leg", 5.0, "/b.wav", HEX), []),
        (RecorderAttached("leg", 5.0, "/a.wav", None), []),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, list) else "",
)
def test_who_hears_what(fact: Fact, told: list[tuple[Any, ...]]) -> None:
    """Each fact reaches the rooms it concerns, in this order, and nobody else; who watches sees it first."""
    rooms = Rooms()
    desk, seen = desk_of(rooms, watch=lambda watched: rooms.log.append(("watched", watched)))
    desk.fact("fs1", "core", fact)
    assert rooms.log == [("watched", fact), *told]
    assert seen == []


def test_another_switch_does_not_speak_for_a_recording() -> None:
    """Whatever it says of it, by id and path, changes nothing."""
    rooms = Rooms()
    desk, _ = desk_of(rooms)
    desk.fact("fs2", "core", RecordStopped("leg", 5.0, "/a.wav", HEX, Cause.SILENCE, hangup=True))
    desk.fact("fs2", "core", executed("record_session", ID))
    desk.fact("fs2", "core", RecorderAttached("leg", 5.0, "/a.wav", HEX))
    assert rooms.log == []


@pytest.mark.parametrize(
    "fact",
    [
        RecordStarted("leg", 5.0, "/a.wav", None),
        RecordStarted("leg", 5.0, "/b.wav", HEX),
        RecordStopped("leg", 5.0, "/a.wav", uuid.uuid4().hex, Cause.SILENCE, hangup=False),
    ],
)
def test_recorders_that_are_not_ours(fact: RecordStarted | RecordStopped) -> None:
    """Without our id, with another path, of a recording nobody has: counted, and left alone."""
    rooms = Rooms()
    desk, seen = desk_of(rooms)
    desk.fact("fs1", "core", fact)
    assert rooms.log == []
    assert seen == [FactOrphaned("fs1", "leg", type(fact).__name__)]


async def test_the_order_of_a_connect() -> None:
    """Whose the legs are, then what became of recordings, then documents go on; what was found is told."""
    rooms = Rooms()
    desk, seen = desk_of(rooms)
    await desk.connected("fs1", "core")
    assert rooms.log == [("connecting", "fs1"), ("reconnected", "fs1", "core"), ("adopt", "fs1"), ("go_on", "fs1")]
    assert seen == [Reconciled("fs1", 0, 0, 0)]


async def test_a_connect_whose_link_goes() -> None:
    """No document goes on before the recordings are known; who connects hears why."""
    rooms = Rooms(away=True)
    desk, _ = desk_of(rooms)
    with pytest.raises(SwitchAway):
        await desk.connected("fs1", "core")
    assert rooms.log == [("connecting", "fs1"), ("reconnected", "fs1", "core"), ("adopt", "fs1")]

"""What the HTTP APIs ask of the rooms, where a whole daemon could not be made to fail."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from controller.api_desk import ApiDesk
from controller.documents.call import Call, CallInfo, CallState
from controller.recordings.model import Channels, Owner, Recording, RecordingRequest, State, Track
from controller.recordings.ports import LedgerFailed, NotPossible

CALL = Call("c", "fs1", "leg", "p", "plivo", "d", "", CallInfo("1001", answered=True), CallState.RUNNING, 1.0)
REQUEST = RecordingRequest(Channels.MONO, Track.BOTH, "mp3", "r", "PlivoRecordAPI")
MADE = Recording("id", Owner("p", "plivo", "c", "fs1", "leg"), REQUEST, State.REQUESTED, "/r", 1.0)


class Recordings:
    """A service that makes a recording durable, and then fails as it is told to, or is told how it went."""

    def __init__(self, begun: Recording | Exception) -> None:
        self._begun = begun

    async def start(self, *_: Any, **__: Any) -> Recording:
        return MADE

    async def begun(self, _: str) -> Recording:
        if isinstance(self._begun, Exception):
            raise self._begun
        return self._begun


def desk(begun: Recording | Exception) -> ApiDesk:
    rooms: Any = SimpleNamespace(held=lambda *_: False, session=lambda _: None)
    return ApiDesk(rooms, cast("Any", Recordings(begun)), rooms, rooms, rooms)


async def test_a_start_that_is_durable_does_not_fail_of_the_store() -> None:
    """That it cannot be read how it went is no reason to have it started again."""
    assert await desk(LedgerFailed("locked")).start(CALL, REQUEST, "plivo", "id") == MADE


async def test_a_start_that_came_to_nothing() -> None:
    """It is told as refused, with the reason."""
    failed = Recording("id", MADE.owner, REQUEST, State.FAILED, "/r", 1.0, error="no such leg")
    with pytest.raises(NotPossible, match="no such leg"):
        await desk(failed).start(CALL, REQUEST, "plivo", "id")

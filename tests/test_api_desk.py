"""What the HTTP APIs ask of the rooms, where a whole daemon could not be made to fail."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from controller.api_desk import ApiDesk
from controller.documents.call import Call, CallInfo, CallState
from controller.overload.admission import Admission
from controller.overload.levels import Signal
from controller.recordings.model import Channels, EndReason, Owner, Recording, RecordingRequest, State, Track
from controller.recordings.ports import LedgerFailed, LegGone, NoRoom, NotPossible, SwitchAway
from controller.store.store import open_store
from controller.store.transaction import Transaction
from tests.store.values import recording

CALL = Call("c", "fs1", "leg", "p", "plivo", "d", "", CallInfo("1001", answered=True), CallState.RUNNING, 1.0)
REQUEST = RecordingRequest(Channels.MONO, Track.BOTH, "mp3", "r", "PlivoRecordAPI")
MADE = Recording("id", Owner("p", "plivo", "c", "fs1", "leg"), REQUEST, State.REQUESTED, "/r", 1.0)


class Recordings:
    """A service that makes a recording durable, and then fails as it is told to, or is told how it went or not."""

    def __init__(self, begun: Recording | Exception) -> None:
        self._begun = begun

    async def start(self, *_: Any, **__: Any) -> Recording:
        return MADE

    async def begun(self, _: str) -> Recording:
        if self._begun is MADE:
            await asyncio.Event().wait()
        if isinstance(self._begun, Exception):
            raise self._begun
        return self._begun


def idle() -> Admission:
    """Nothing is too much."""
    return Admission((), {}, lambda _: None)


def desk(begun: Recording | Exception, found: object = None) -> ApiDesk:
    """A desk on whose switch the leg is `found`."""

    async def look(*_: str) -> object:
        if isinstance(found, Exception):
            raise found
        return found

    legs = SimpleNamespace(legs=SimpleNamespace(look=look))
    rooms: Any = SimpleNamespace(held=lambda *_: False, session=lambda _: None, rooms=legs)
    return ApiDesk(rooms, cast("Any", Recordings(begun)), rooms, rooms, rooms, idle())


async def test_a_start_that_is_durable_does_not_fail_of_the_store() -> None:
    """That it cannot be read how it went is no reason to have it started again."""
    assert await desk(LedgerFailed("locked")).start(CALL, REQUEST, "plivo", "id") == MADE


@pytest.mark.parametrize(("level", "refused"), [(9, False), (20, True)])
async def test_a_start_when_there_is_too_much_to_do(level: float, refused: bool) -> None:
    """It is refused before anything is stored, with why; what is given up before starts costs it nothing."""
    signal = Signal("depth", lambda: level, (5, 20, 30), lambda value: f"{value} wait")
    admission = Admission((signal,), {}, lambda _: None)
    admission.look()
    busy = replace(desk(MADE), admission=admission)
    if refused:
        with pytest.raises(NoRoom, match="20 wait"):
            await busy.start(CALL, REQUEST, "plivo", "id", within=0.01)
    else:
        assert await busy.start(CALL, REQUEST, "plivo", "id", within=0.01) == MADE


async def test_a_switch_that_does_not_answer() -> None:
    """Whoever waits no longer is told of what is durable as of one that begins."""
    waiting = desk(MADE).start(CALL, REQUEST, "plivo", "id", within=0.01)
    assert await asyncio.wait_for(waiting, 5) == MADE


async def test_what_was_started_just_now(tmp_path: Path) -> None:
    """On this very leg, within so many seconds of the switch's clock, and not deleted."""
    now = 5000.0
    here = {"call": "c", "leg": "leg", "requested_at": now - 9.9}
    rows = {
        "new": recording(**here),
        "old": recording(**{**here, "requested_at": now - 10.1}),
        "deleted": recording(**here, state=State.COMPLETED, deleted_at=now),
        "another leg's": recording(**{**here, "leg": "other"}),
        "another call's": recording(**{**here, "call": "d"}),
    }

    def save(transaction: Transaction) -> None:
        for row in rows.values():
            transaction.save_recording(row)

    store = await open_store(tmp_path / "fsrec.db")
    await store.write(save)
    board: Any = SimpleNamespace(now={"fs1": now}.__getitem__)
    found = await ApiDesk(board, board, store, board, board, idle()).recent(replace(CALL, account="acme"), 10.0)
    await store.close()
    assert [name for name, row in rows.items() if row in found] == ["new"]


@pytest.mark.parametrize(
    ("reason", "found", "refusal"),
    [
        (EndReason.ERROR, "a leg", NotPossible),
        (EndReason.ERROR, SwitchAway("no link"), NotPossible),
        (EndReason.ERROR, None, LegGone),
        (EndReason.HANGUP, "a leg", LegGone),
    ],
)
async def test_a_start_that_came_to_nothing(reason: EndReason, found: object, refusal: type[Exception]) -> None:
    """It is told as refused, with the reason; and that the call has ended, if that is it, told to us or not yet."""
    failed = replace(MADE, state=State.FAILED, reason=reason, error="-ERR Cannot locate session!")
    with pytest.raises(NotPossible, match="Cannot locate session") as caught:
        await desk(failed, found).start(CALL, REQUEST, "plivo", "id")
    assert caught.type is refusal

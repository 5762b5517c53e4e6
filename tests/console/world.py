"""A console over operations that are told what to say, behind a real listener."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from controller.console.ports import (
    Health,
    Live,
    NotAllowed,
    NotFound,
    Place,
    Running,
    Search,
    Story,
    SwitchStatus,
    Told,
    Viewer,
)
from controller.documents.call import Call, CallInfo, CallState
from controller.documents.dialect import Account
from controller.media.variants import Variant
from controller.media.waveform import Waveform
from controller.recordings.model import (
    Channels,
    Delivery,
    EndReason,
    HistoryEntry,
    Measured,
    Notice,
    NoticeKind,
    Owner,
    PauseBehavior,
    Recording,
    RecordingRequest,
    State,
    Track,
    Transcription,
    TranscriptionState,
    new_id,
)
from controller.store.values import Attempt, DeliveryState, OutboxRow

ACME = Account("acme", "signalwire", "project-1", token="token-1")
OTHER = Account("other", "twilio", "AC1", token="token-2")
CONSOLE = "console-token-of-16"
AT = 1_763_650_000.0


def recording(state: State = State.COMPLETED, account: str = "acme", **changes: Any) -> Recording:
    """A recording; what is the owner's is given as ``caller``, ``called`` …"""
    identity = changes.pop("id", None) or new_id()
    owned: dict[str, Any] = {
        name: changes.pop(name) for name in ("caller", "called", "leg", "switch", "dialect") if name in changes
    }
    whose: dict[str, Any] = {
        "dialect": "swml", "switch": "fs1", "leg": new_id(), "caller": "+4930123456", "called": "1001", **owned
    }  # fmt: skip
    final: dict[str, Any] = {
        "ended_at": AT + 12.5,
        "finished_at": AT + 13.0,
        "reason": EndReason.HANGUP,
        "measured": Measured(12.4, 198_400, channels=2),
    }
    return Recording(
        id=identity,
        owner=Owner(account, whose.pop("dialect"), new_id(), whose.pop("switch"), whose.pop("leg"), **whose),
        request=RecordingRequest(Channels.DUAL, Track.BOTH, "wav", "rec", "record_call"),
        state=state,
        path=f"/r/{identity}.wav",
        **{"requested_at": AT, "started_at": AT + 0.1, **(final if state is State.COMPLETED else {}), **changes},
    )


def delivery(of: Recording, state: DeliveryState = DeliveryState.DEAD, **changes: Any) -> OutboxRow:
    """A callback about a recording."""
    body = changes.pop("body", b'{"state":"finished"}')
    url = changes.pop("url", "https://user:secret@app.example.com/status?key=secret")
    made = Delivery(new_id(), of.owner.account, of.owner.dialect, "POST", url, (("Content-Type", "x"),), body)
    row: dict[str, Any] = {
        "subject": of.id, "sequence": 1, "origin": "https://app.example.com:443", "state": state,
        "created_at": AT + 14, "due_at": None, "attempts": 1, "tries": 1, "reason": "8 attempts failed",
    }  # fmt: skip
    return OutboxRow(made, **{**row, **changes})


ATTEMPT = Attempt(AT + 15, 0.042, status=500, first_bytes=b"Internal Server Error")


def story(of: Recording, told: Sequence[Told] = (), **changes: Any) -> Story:
    """All about a recording that was told of."""
    call = Call(
        of.owner.call, of.owner.switch, of.owner.leg, of.owner.account, of.owner.dialect, "/etc/doc.yaml", "{}",
        CallInfo(of.owner.called, caller_name="Ada", caller_number=of.owner.caller), CallState.ENDED, AT - 1,
        cause="NORMAL_CLEARING",
    )  # fmt: skip
    values: dict[str, Any] = {
        "call": call,
        "history": (
            HistoryEntry(of.id, 0, AT, "Requested", State.REQUESTED, "", ("START",)),
            HistoryEntry(of.id, 1, AT + 0.1, "Started", State.RECORDING, "", ("TIME",)),
            HistoryEntry(of.id, 2, AT + 12.5, "Stopped", State.PROCESSING, "the leg was hanging up", ("EXAMINE",)),
        ),
        "notices": (Notice(new_id(), NoticeKind.COMPLETED, of, AT + 13, 1),),
        "told": told,
        "transcription": Transcription(of.id, of.owner.account, TranscriptionState.DONE, AT, text="hello there"),
    }
    return Story(of, **{**values, **changes})


SWITCH = SwitchStatus(
    "fs1", "serving", core_uuid=new_id(), version="1.10.12", connected_at=AT, last_event_at=AT + 5, calls=2,
    recordings=1, free=5 * 1024**3,
)  # fmt: skip
HEALTH = Health((SWITCH,), (), (), {DeliveryState.DEAD: 1}, None, "0.1.0")


@dataclass
class Fake:
    """Operations over what a test puts here; ``fail`` is raised by all of them."""

    recordings: dict[str, Recording] = field(default_factory=dict)
    stories: dict[str, Story] = field(default_factory=dict)
    told_of: dict[str, Told] = field(default_factory=dict)
    health_now: Health = HEALTH
    done: list[tuple[Any, ...]] = field(default_factory=list)
    searched: list[tuple[Viewer, Search, int, Place | None]] = field(default_factory=list)
    lived: list[Viewer] = field(default_factory=list)
    listeners: list[Callable[[], None]] = field(default_factory=list)
    fail: Exception | None = None

    def add(self, *recordings: Recording) -> None:
        self.recordings.update({one.id: one for one in recordings})
        self.changed()

    def changed(self) -> None:
        for listener in tuple(self.listeners):
            listener()

    def _raise(self) -> None:
        if self.fail is not None:
            raise self.fail

    def _mine(self, viewer: Viewer) -> list[Recording]:
        return [one for one in self.recordings.values() if viewer.account in {None, one.owner.account}]

    async def live(self, viewer: Viewer, limit: int) -> Live:
        self._raise()
        self.lived.append(viewer)
        running = [one for one in self._mine(viewer) if not one.state.final]
        return Live([Running(one, 12.0 if one.started_at else None) for one in running[:limit]], len(running))

    def subscribe(self, changed: Callable[[], None]) -> Callable[[], None]:
        self.listeners.append(changed)
        return lambda: self.listeners.remove(changed)

    async def search(
        self, viewer: Viewer, search: Search, *, limit: int, before: Place | None = None
    ) -> Sequence[Recording]:
        self._raise()
        self.searched.append((viewer, search, limit, before))
        return [one for one in self._mine(viewer) if not search.states or one.state in search.states][:limit]

    async def recording(self, viewer: Viewer, identity: str) -> Recording:
        self._raise()
        found = self.recordings.get(identity)
        if found is None or viewer.account not in {None, found.owner.account}:
            raise NotFound
        return found

    async def story(self, viewer: Viewer, identity: str) -> Story:
        found = await self.recording(viewer, identity)
        return self.stories.get(identity) or story(found)

    async def deliveries(
        self, viewer: Viewer, state: DeliveryState | None, *, limit: int, before: Place | None = None
    ) -> Sequence[OutboxRow]:
        self._raise()
        rows = [told.row for told in self.told_of.values() if viewer.account in {None, told.row.delivery.account}]
        return [row for row in rows if state in {None, row.state}][:limit]

    async def told(self, viewer: Viewer, identity: str) -> Told:
        self._raise()
        found = self.told_of.get(identity)
        if found is None or viewer.account not in {None, found.row.delivery.account}:
            raise NotFound
        return found

    async def replay(self, viewer: Viewer, identity: str) -> OutboxRow:
        row = (await self.told(viewer, identity)).row
        self.done.append(("replay", identity))
        return replace(row, state=DeliveryState.PENDING)

    async def stop(self, viewer: Viewer, identity: str) -> Recording:
        return await self._verb(viewer, identity, "stop")

    async def pause(self, viewer: Viewer, identity: str, behavior: PauseBehavior) -> Recording:
        return await self._verb(viewer, identity, "pause", behavior)

    async def resume(self, viewer: Viewer, identity: str) -> Recording:
        return await self._verb(viewer, identity, "resume")

    async def _verb(self, viewer: Viewer, identity: str, *verb: Any) -> Recording:
        found = await self.recording(viewer, identity)
        self.done.append((*verb, identity))
        return found

    async def waveform(self, viewer: Viewer, identity: str, columns: int) -> Waveform:
        await self.recording(viewer, identity)
        return Waveform(12.4, (bytes(columns), bytes([128]) * columns))

    async def audio(self, viewer: Viewer, identity: str, form: str) -> tuple[Recording, Variant]:
        await self.recording(viewer, identity)
        raise FileNotFoundError

    async def recordings_beginning(self, viewer: Viewer, prefix: str, limit: int) -> Sequence[str]:
        return [one.id for one in self._mine(viewer) if one.id.startswith(prefix)][:limit]

    async def deliveries_beginning(self, viewer: Viewer, prefix: str, limit: int) -> Sequence[str]:
        return [row.id for row in await self.deliveries(viewer, None, limit=limit) if row.id.startswith(prefix)]

    async def derive(self, viewer: Viewer, identity: str, form: str) -> int:
        await self.recording(viewer, identity)
        return 100

    async def reconcile(self, viewer: Viewer, switch: str) -> None:
        self._raise()
        if not viewer.operator:
            raise NotAllowed
        if switch not in {one.name for one in self.health_now.switches}:
            raise NotFound
        self.done.append(("reconcile", switch))

    async def health(self) -> Health:
        self._raise()
        return self.health_now


async def until(true: Callable[[], object], timeout: float = 10.0) -> None:
    """Wait for a fact."""
    async with asyncio.timeout(timeout):
        while not true():
            await asyncio.sleep(0.005)

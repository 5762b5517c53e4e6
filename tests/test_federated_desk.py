"""Every verb of the HTTP APIs at the daemon that holds the switch and at one that does not (federated_desk.py)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_asyncio

from controller.cluster import commands as asking
from controller.cluster import verbs
from controller.cluster.commands import Commands, Unanswered
from controller.documents.call import Call, CallState
from controller.federated_desk import FederatedDesk
from controller.http import plivo
from controller.http.recordings import Wanted
from controller.media.variants import Variant
from controller.recordings.model import EndReason, Measured, PauseBehavior, Recording, State, new_id
from controller.recordings.ports import LedgerFailed, LegGone, MediaAway, NotPossible, SwitchAway
from controller.store import Store, open_store
from controller.store.commands import StoreCommands
from tests.cluster.leases import hold
from tests.store.values import REQUEST, call, recording

LEG = new_id()
"""A leg that b dialled: it has no row."""


@dataclass
class Local:
    """A daemon's own desk: what it has in hand, what it was asked, what it fails with."""

    store: Store
    base: Path
    calls: dict[str, Call] = field(default_factory=dict)
    lives: dict[str, Recording] = field(default_factory=dict)
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    failure: Exception | None = None

    @property
    def recordings(self) -> Any:
        return self.lives

    @property
    def media(self) -> Any:
        return self

    def _do(self, *asked: Any) -> None:
        self.asked.append(asked)
        if self.failure is not None:
            raise self.failure

    async def call_of(self, account: str, call_id: str) -> Call | None:
        found = self.calls.get(call_id) or await self.store.read(lambda reader: reader.call(call_id))
        return found if found is not None and found.account == account else None

    async def recording_of(self, account: str, recording_id: str) -> Recording | None:
        found = await self.store.read(lambda reader: reader.recording(recording_id))
        return found if found is not None and found.owner.account == account else None

    async def page(self, account: str, wanted: Wanted) -> Sequence[Recording]:
        self._do("page", account, wanted)
        return ()

    async def added(self, account: str, fitting: plivo.Fitting, **more: Any) -> plivo.Page:
        self._do("added", account, fitting, more)
        return plivo.Page((), 7)

    async def active(self, call_id: str) -> Sequence[Recording]:
        return [one for one in self.lives.values() if one.owner.call == call_id and one.state.active]

    async def recent(self, call: Call, seconds: float) -> Sequence[Recording]:
        self._do("recent", call.id, seconds)
        return [one for one in self.lives.values() if one.owner.call == call.id]

    async def start(self, call: Call, request: Any, dialect: str, identity: str, **more: Any) -> Recording:
        made = recording(call=call.id, switch=call.switch, request=request, started_at=5.0)
        along = more.pop("along", None)
        self._do("start", call.id, request, dialect, identity, more)
        made = replace(made, id=identity)

        def work(transaction: Any) -> None:
            transaction.save_recording(made)
            if along is not None:
                along(transaction)

        await self.store.write(work)
        return made

    async def pause(self, recording_id: str, behavior: PauseBehavior) -> Recording:
        self._do("pause", recording_id, behavior)
        return self.lives[recording_id]

    async def resume(self, recording_id: str) -> Recording:
        self._do("resume", recording_id)
        return self.lives[recording_id]

    async def stop(self, recording_id: str, reason: EndReason) -> Recording:
        self._do("stop", recording_id, reason)
        return self.lives[recording_id]

    async def delete(self, recording_id: str) -> bool:
        self._do("delete", recording_id)
        return True

    async def variant(self, of: Recording, form: str, channels: int | None) -> Variant:
        self._do("variant", of.id, form, channels)
        return Variant(self.base / f"{of.id}.{form}", form, form)

    async def wav_of(self, of: Recording) -> Path:
        return self.base / f"{of.id}.wav"

    async def elsewhere(self, of: Recording, form: str) -> Any:
        raise FileNotFoundError(f"{of.id}.{form}")


@dataclass
class Daemon:
    """One of two: the switches that it believes to hold, and those that its settings do not have but others' may."""

    name: str
    store: Store
    base: Path
    holding: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    local: Local = field(init=False)
    desk: FederatedDesk = field(init=False)
    task: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        self.local = Local(self.store, self.base)
        rows = StoreCommands(self.store, self.name)
        commands = Commands(rows, begin_within=5.0, poll=0.005)
        self.desk = FederatedDesk(cast("Any", self.local), self, commands)

    def holds(self, switch: str) -> bool:
        return switch in self.holding

    def foreign(self, switch: str) -> bool:
        return switch in self.unknown

    def run(self) -> None:
        self.task = asyncio.get_running_loop().create_task(self.desk.commands.run(self.desk.carry_out))

    async def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.task


@dataclass
class Pair:
    """Two daemons on one store: b holds fs1, whose call and recording it has in hand; a holds nothing."""

    a: Daemon
    b: Daemon
    call: Call
    running: Recording
    ended: Recording


@pytest_asyncio.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    store = await open_store(tmp_path / "fsrec.db")
    (tmp_path / "disk").mkdir()
    made = call(switch="fs1", account="acme")
    running = recording(call=made.id, state=State.RECORDING, started_at=2.0)
    ended = recording(call=made.id, state=State.COMPLETED, finished_at=9.0, measured=Measured(1.0, 9))

    def save(transaction: Any) -> None:
        transaction.save_call(made)
        for one in (running, ended):
            transaction.save_recording(one)

    await store.write(save)
    await hold(store, "fs1", "b")
    a, b = (Daemon(name, store, tmp_path / "disk") for name in "ab")
    b.holding.add("fs1")
    b.local.calls = {made.id: made, LEG: replace(made, id=LEG, leg=LEG, parent=made.id)}
    b.local.lives = {running.id: running}
    for daemon in (a, b):
        daemon.run()
    yield Pair(a, b, made, running, ended)
    for daemon in (a, b):
        await daemon.stop()
    await store.close()


VERBS: dict[str, tuple[Callable[[FederatedDesk, Pair], Any], Callable[[Pair], tuple[Any, ...]]]] = {
    "pause": (
        lambda desk, pair: desk.pause(pair.running.id, PauseBehavior.SILENCE),
        lambda pair: ("pause", pair.running.id, PauseBehavior.SILENCE),
    ),
    "resume": (lambda desk, pair: desk.resume(pair.running.id), lambda pair: ("resume", pair.running.id)),
    "stop": (
        lambda desk, pair: desk.stop(pair.running.id, EndReason.API),
        lambda pair: ("stop", pair.running.id, EndReason.API),
    ),
    "delete": (lambda desk, pair: desk.delete(pair.ended.id), lambda pair: ("delete", pair.ended.id)),
    "recent": (lambda desk, pair: desk.recent(pair.call, 10.0), lambda pair: ("recent", pair.call.id, 10.0)),
}


@pytest.mark.parametrize("asked", ["a", "b"])
@pytest.mark.parametrize("verb", VERBS)
async def test_verbs(pair: Pair, asked: str, verb: str) -> None:
    """Whoever is asked, the holder does it, once, and its answer is told."""
    ask, expected = VERBS[verb]
    answer = await ask(getattr(pair, asked).desk, pair)
    assert pair.b.local.asked == [expected(pair)]
    assert pair.a.local.asked == []
    assert answer == {"delete": True, "recent": [pair.running]}.get(verb, pair.running) or list(answer) == [
        pair.running
    ]


@pytest.mark.parametrize("asked", ["a", "b"])
@pytest.mark.parametrize("failure", [NotPossible("it runs"), LedgerFailed("locked")], ids=repr)
@pytest.mark.parametrize("verb", VERBS)
async def test_refusals(pair: Pair, asked: str, verb: str, failure: Exception) -> None:
    """They are the holder's own, wherever it was asked."""
    pair.b.local.failure = failure
    with pytest.raises(type(failure), match=str(failure)):
        await VERBS[verb][0](getattr(pair, asked).desk, pair)


@pytest.mark.parametrize("asked", ["a", "b"])
async def test_a_start(pair: Pair, asked: str) -> None:
    """On the holder's own call, under the id that the asker gave, in the time that is left; and it is durable."""
    desk, identity = getattr(pair, asked).desk, new_id()
    made = await desk.start(pair.call, REQUEST, "plivo", identity, within=4.0)
    assert made.id == identity
    ((verb, call_id, request, dialect, named, more),) = pair.b.local.asked
    assert (verb, call_id, request, dialect, named) == ("start", pair.call.id, REQUEST, "plivo", identity)
    assert 0 < more["within"] <= 4.0
    assert await desk.recording_of("acme", identity) == made


@pytest.mark.parametrize("missing", [True, False])
async def test_a_start_on_a_call_that_ended(pair: Pair, missing: bool) -> None:
    """The holder knows it, though whoever was asked did not yet."""
    if missing:
        stale = replace(pair.call, id=new_id())
    else:
        stale = pair.call
        pair.b.local.calls[stale.id] = replace(pair.call, state=CallState.ENDED)
    with pytest.raises(LegGone, match="the call has ended"):
        await pair.a.desk.start(stale, REQUEST, "swml", new_id())
    assert pair.b.local.asked == []


async def test_a_start_whose_holder_is_late(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once nobody waits for it nothing of it becomes durable, however late the holder comes to it."""
    came, go = asyncio.Event(), asyncio.Event()
    start = pair.b.local.start
    ends: list[Exception] = []

    async def late(*asked: Any, **more: Any) -> Any:
        came.set()
        await go.wait()
        try:
            return await start(*asked, **more)
        except Exception as error:
            ends.append(error)
            raise

    async def in_vain(*_: object) -> None:
        await came.wait()

    monkeypatch.setattr(pair.b.local, "start", late)
    monkeypatch.setattr(asking, "_within", in_vain)
    identity = new_id()
    with pytest.raises(SwitchAway, match="it may have done it"):
        await pair.a.desk.start(pair.call, REQUEST, "swml", identity)
    go.set()
    async with asyncio.timeout(10):
        while not ends:
            await asyncio.sleep(0.005)
    assert "waits no more" in str(ends[0])
    assert await pair.a.desk.recording_of("acme", identity) is None


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"state": State.RECORDING, "started_at": 5.0}, None),
        ({"state": State.REQUESTED}, None),
        ({"state": State.FAILED, "error": "refused"}, NotPossible),
        ({"state": State.FAILED, "reason": EndReason.HANGUP}, LegGone),
    ],
)
async def test_a_start_whose_answer_was_lost(
    pair: Pair, changes: dict[str, Any], told: type[Exception] | None
) -> None:
    """What is durable of it counts, as it would at the holder."""
    identity = new_id()
    made = replace(recording(call=pair.call.id, **changes), id=identity)
    await pair.a.store.write(lambda transaction: transaction.save_recording(made))

    async def lost(*_: object) -> None:
        raise Unanswered("lost")

    pair.a.desk.commands = cast("Any", type("Lost", (), {"ask": lost})())
    if told is None:
        assert await pair.a.desk.start(pair.call, REQUEST, "swml", identity) == made
    else:
        with pytest.raises(NotPossible) as raised:
            await pair.a.desk.start(pair.call, REQUEST, "swml", identity)
        assert raised.type is told


async def test_lists_ask_nobody(pair: Pair) -> None:
    """Recordings and lists are read from the store, at any daemon, also while no other is there."""
    await pair.b.stop()
    desk = pair.a.desk
    assert await desk.recording_of("acme", pair.running.id) == pair.running
    assert await desk.recording_of("other", pair.running.id) is None
    assert await desk.page("acme", Wanted(3)) == ()
    page = await desk.added("acme", plivo.Fitting(), limit=1, offset=0, behind=None)
    assert page.total == 7
    assert await desk.call_of("acme", pair.call.id) == pair.call
    assert await desk.call_of("other", pair.call.id) is None


@pytest.mark.parametrize("asked", ["a", "b"])
async def test_dialled_legs(pair: Pair, asked: str) -> None:
    """They have no row, so all holders are asked; another account's does not exist."""
    desk = getattr(pair, asked).desk
    found = await desk.call_of("acme", LEG)
    assert found is not None
    assert (found.id, found.leg, found.parent, found.switch) == (LEG, LEG, pair.call.id, "fs1")
    assert await desk.call_of("other", LEG) is None
    assert await desk.call_of("acme", new_id()) is None
    assert await desk.call_of("acme", "CA../../x") is None


async def test_a_dialled_leg_whose_holder_is_away(pair: Pair) -> None:
    """It is not told as missing."""
    await pair.b.stop()
    pair.a.desk.commands.begin_within = 0.01
    with pytest.raises(SwitchAway):
        await pair.a.desk.call_of("acme", LEG)


@pytest.mark.parametrize("asked", ["a", "b"])
async def test_what_is_active(pair: Pair, asked: str) -> None:
    """What may still be stopped is what the holder has in hand, or what its rows say."""
    desk = getattr(pair, asked).desk
    processing = recording(call=pair.call.id, state=State.PROCESSING)
    await pair.a.store.write(lambda transaction: transaction.save_recording(processing))
    pair.b.local.lives[processing.id] = processing
    assert list(await desk.active(pair.call.id)) == [pair.running]
    assert await desk.running(pair.call.id, pair.running.request.reference) == pair.running
    assert await desk.running(pair.call.id, "another") is None
    assert list(await desk.active(new_id())) == []


async def test_what_just_ended(pair: Pair) -> None:
    """What the holder knows to have ended is not active, though its row is not stored yet."""
    pair.b.local.lives[pair.running.id] = replace(pair.running, state=State.PROCESSING)
    assert list(await pair.b.desk.active(pair.call.id)) == []


@pytest.mark.parametrize("verb", ["pause", "resume", "stop"])
async def test_while_a_switch_is_taken_over(pair: Pair, verb: str) -> None:
    """Who holds it already and does not know its recordings yet says: not now; never that they have ended."""
    pair.b.local.lives.clear()
    for daemon in (pair.a, pair.b):
        with pytest.raises(SwitchAway, match="is being taken over"):
            await VERBS[verb][0](daemon.desk, pair)
    assert pair.b.local.asked == []


async def test_one_that_ended_asks_nobody(pair: Pair) -> None:
    """Its row says so; the daemon that is asked refuses in the service's own words."""
    with pytest.raises(KeyError):  # the stand-in's own: it was asked, and nobody else
        await pair.a.desk.stop(pair.ended.id, EndReason.API)
    assert (pair.a.local.asked, pair.b.local.asked) == ([("stop", pair.ended.id, EndReason.API)], [])


async def test_a_lease_that_went_over(pair: Pair) -> None:
    """A daemon that takes a command and finds that it does not hold the switch any more does not do it."""
    pair.b.holding.clear()
    pair.b.local.lives.clear()
    with pytest.raises(SwitchAway, match="held by another daemon now"):
        await pair.a.desk.start(pair.call, REQUEST, "swml", new_id())
    with pytest.raises(SwitchAway, match="held by another daemon now"):
        await pair.a.desk.stop(pair.running.id, EndReason.API)
    assert pair.b.local.asked == []


async def test_deleting_what_nobody_holds(pair: Pair) -> None:
    """Of a switch that left all settings any daemon deletes; one whose holder is away, or was just now, says so."""
    await pair.b.stop()
    pair.a.desk.commands.begin_within = 0.01
    with pytest.raises(MediaAway, match="did not take the command in time"):
        await pair.a.desk.delete(pair.ended.id)
    await hold(pair.a.store, "fs1", None)
    pair.a.unknown = {"fs1"}
    with pytest.raises(MediaAway, match="no daemon holds switch fs1 now"):
        await pair.a.desk.delete(pair.ended.id)
    assert pair.a.local.asked == []
    pair.a.unknown = set()
    assert await pair.a.desk.delete(pair.ended.id)
    assert pair.a.local.asked == [("delete", pair.ended.id)]


@pytest.mark.parametrize("gone", [FileNotFoundError("x"), KeyError("fs1")], ids=repr)
async def test_files_on_another_disk(pair: Pair, gone: Exception) -> None:
    """Where the holder's disk is not shared it is 503 and says what would be right; at the holder it is gone."""
    path = pair.a.base / f"{pair.ended.id}.wav"
    for failure in (None, gone):
        pair.a.local.failure = pair.b.local.failure = failure
        with pytest.raises(MediaAway, match="daemons that share a store share its recordings' directory"):
            await pair.a.desk.variant(pair.ended, "wav", None)
    with pytest.raises(type(gone)):
        await pair.b.desk.variant(pair.ended, "wav", None)
    with pytest.raises(MediaAway, match="daemons that share"):
        await pair.a.desk.elsewhere(pair.ended, "wav")
    with pytest.raises(FileNotFoundError):
        await pair.b.desk.elsewhere(pair.ended, "wav")
    path.write_bytes(b"RIFF")
    for daemon in (pair.a, pair.b):
        daemon.local.failure = None
        assert (await daemon.desk.variant(pair.ended, "wav", None)).path == path


def test_every_verb_is_carried_out() -> None:
    """The tests above ask each of the table."""
    assert set(verbs.VERBS) == {*VERBS, "start", "find"}

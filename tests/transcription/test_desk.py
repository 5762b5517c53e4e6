"""controller/transcription/desk.py over a real store: what waits, runs, ends and is told, through restarts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from sqlalchemy import update

from controller.recordings.model import (
    Delivery,
    Measured,
    NoticeKind,
    Recording,
    State,
    StatusTarget,
    Transcription,
    TranscriptionState,
    TranscriptionWish,
)
from controller.recordings.ports import LedgerFailed, MediaAway, NotPossible, TooMany
from controller.store.ledger import StoreLedger
from controller.store.store import Store, open_store
from controller.store.tables import RECORDINGS
from controller.store.transcriptions import StoreTranscriptions
from controller.transcription import refusals
from controller.transcription.desk import LONGEST, NO_ENGINE, Terms, TranscriptionDesk
from controller.transcription.events import (
    TranscriptionBegun,
    TranscriptionDropped,
    TranscriptionFinished,
    TranscriptionStalled,
    TranscriptionUnrendered,
)
from controller.transcription.ports import TranscriptionFailed
from tests.store.values import REQUEST, notice, recording
from tests.transcription.wavs import tone, write

TARGET = StatusTarget("http://127.0.0.1:9/text")
WISH = TranscriptionWish(TARGET)


@dataclass(slots=True)
class FakeEngine:
    """Says what the test wants; with `gates` it waits until the recording's is opened."""

    says: Callable[[Path], str] = lambda _: "Hello."
    hold: bool = False
    heard: list[Path] = field(default_factory=list)
    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    at_once: int = 0
    most: int = 0

    async def transcribe(self, wav: Path, seconds: float, progress: Callable[[float], None]) -> str:
        self.heard.append(wav)
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            progress(seconds / 2)
            if self.hold:
                await self.gates.setdefault(wav.stem, asyncio.Event()).wait()
            return self.says(wav)
        finally:
            self.at_once -= 1

    async def close(self) -> None:
        """Nothing to close."""


@dataclass(slots=True)
class World:
    """A store, the files of recordings, and one desk at a time."""

    store: Store
    base: Path
    engine: FakeEngine = field(default_factory=FakeEngine)
    terms: Terms = field(default_factory=Terms)
    events: list[Any] = field(default_factory=list)
    told: list[Transcription] = field(default_factory=list)
    woken: list[None] = field(default_factory=list)
    now: float = 5000.0
    fails: Exception | None = None
    _run: asyncio.Task[None] | None = None

    def tell(self, one: Transcription, of: Recording) -> Delivery | None:
        assert one.recording == of.id
        if self.fails is not None:
            raise self.fails
        self.told.append(one)
        target = one.target
        if target is None:
            return None
        return Delivery(f"t-{one.recording}", of.owner.account, of.owner.dialect, "POST", target.url, (), b"{}")

    def desk(self, **options: Any) -> TranscriptionDesk:
        ledger = options.pop("ledger", None) or StoreTranscriptions(self.store, lambda: self.woken.append(None))
        engine = options.pop("engine", self.engine)
        made = TranscriptionDesk(
            ledger,
            engine,
            options.pop("sounds", self),
            self.tell,
            self.terms,
            clock=lambda: self.now,
            observe=self.events.append,
            **{"stalled": 0.01, "progress": 0.01, **options},
        )
        self._run = asyncio.get_running_loop().create_task(made.run())
        return made

    async def stop(self) -> None:
        """As the daemon stops."""
        if self._run is not None:
            run, self._run = self._run, None
            run.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await run

    async def wav_of(self, of: Recording) -> Path:
        return self.base / f"{of.id}.wav"

    async def recorded(
        self, seconds: float = 1.0, wish: TranscriptionWish | None = WISH, **changes: Any
    ) -> Recording:
        """A recording that was told to be over, with its file, stored as the recordings room stores it."""
        request = replace(REQUEST, transcription=wish)
        made = recording(
            **{"state": State.COMPLETED, "measured": Measured(seconds, 16044), "request": request, **changes}
        )
        write(self.base / f"{made.id}.wav", tone(min(seconds, 2.0)))
        ledger = StoreLedger(self.store, lambda _: (), lambda: None, self.events.append)
        await ledger.commit((made,), (notice(made, kind=NoticeKind.COMPLETED),))
        return made

    async def row(self, of: Recording) -> Transcription | None:
        return await self.store.read(lambda reader: reader.transcription(of.id))

    async def until(self, of: Recording, *states: TranscriptionState) -> Transcription:
        async with asyncio.timeout(10):
            while (found := await self.row(of)) is None or found.state not in states:
                await asyncio.sleep(0.005)
        return found

    async def over(self, of: Recording) -> Transcription:
        return await self.until(of, TranscriptionState.DONE, TranscriptionState.FAILED)

    async def held(self, of: Recording) -> None:
        """Wait until the engine is at a recording."""
        async with asyncio.timeout(10):
            while of.id not in self.engine.gates:
                await asyncio.sleep(0.005)

    async def deliveries(self, of: Recording) -> list[str]:
        rows = await self.store.read(lambda reader: reader.deliveries_of(of.id))
        return [row.delivery.id for row in rows]

    def seen(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    store = await open_store(tmp_path / "fsrec.db")
    made = World(store, tmp_path)
    yield made
    await made.stop()
    await store.close()


async def test_from_its_end_to_its_text(world: World) -> None:
    """A recording whose words are wished for is transcribed once it is over, and told in the same transaction."""
    world.terms = Terms(charge=0.05, rate=0.01)
    world.engine.says = lambda _: "  Hello\n there.\x00\x1b[2J "
    made = await world.recorded(61.0)
    write(world.base / f"{made.id}.wav", tone(61.0))
    world.desk()
    over = await world.over(made)
    assert (over.state, over.text, over.error) == (TranscriptionState.DONE, "Hello there.[2J", "")
    assert (over.charge, over.rate, over.seconds, over.progress) == (0.07, 0.01, 61.0, 61.0)
    assert (over.finished_at, over.tries, over.target) == (5000.0, 1, TARGET)
    assert await world.deliveries(made) == [f"t-{made.id}"]
    assert world.told == [over]
    assert len(world.woken) == 1
    assert world.seen(TranscriptionBegun) == [TranscriptionBegun(made.id, "acme", 61.0, 1)]
    (finished,) = world.seen(TranscriptionFinished)
    assert (finished.outcome, finished.characters, finished.error) == ("done", 15, "")


@pytest.mark.parametrize(
    ("seconds", "charge"), [(0.5, 1.1), (60.0, 1.1), (60.001, 1.2), (3600.0, 7.0), (14400.0, 25.0)]
)
def test_charge(seconds: float, charge: float) -> None:
    """What each costs, and what each minute that was begun adds."""
    assert Terms(charge=1.0, rate=0.1).cost(seconds) == charge


async def test_what_fails_costs_nothing(world: World) -> None:
    """Whatever a transcription costs."""
    world.terms = Terms(charge=1.0, rate=1.0)
    failed, made = await world.recorded(0.2), await world.recorded()
    world.desk()
    assert ((await world.over(failed)).charge, (await world.over(made)).charge) == (0.0, 2.0)


async def test_who_did_not_wish_it_is_not_heard(world: World) -> None:
    """A recording without a wish has no transcription."""
    plain, wished = await world.recorded(wish=None), await world.recorded()
    world.desk()
    await world.over(wished)
    assert await world.row(plain) is None
    assert [path.stem for path in world.engine.heard] == [wished.id]


async def test_in_the_order_of_asking(world: World) -> None:
    """One at a time, the one that waits longest first."""
    made = [await world.recorded() for _ in range(4)]
    world.desk()
    await world.over(made[-1])
    assert [path.stem for path in world.engine.heard] == [one.id for one in made]
    assert world.engine.most == 1


async def test_workers(world: World) -> None:
    """As many at a time as the settings say, and no more."""
    world.terms = Terms(workers=2)
    world.engine.hold = True
    made = [await world.recorded() for _ in range(3)]
    desk = world.desk()
    for one in made[:2]:
        await world.held(one)
    assert (desk.running, desk.waiting) == (2, 1)
    world.engine.gates[made[0].id].set()
    await world.held(made[2])
    for gate in world.engine.gates.values():
        gate.set()
    await asyncio.gather(*map(world.over, made))
    assert world.engine.most == 2
    async with asyncio.timeout(10):
        while desk.running:
            await asyncio.sleep(0.005)
    assert desk.waiting == 0


async def test_none_is_begun_while_there_is_too_much_to_do(world: World) -> None:
    """What waits goes on waiting and is heard when it is said that there is time again."""
    busy = [True]
    looked: list[None] = []
    made = await world.recorded()
    desk = world.desk(busy=lambda: looked.append(None) or busy[0])  # type: ignore[func-returns-value]
    async with asyncio.timeout(10):
        while not looked:
            await asyncio.sleep(0.005)
    assert (desk.running, desk.waiting, world.engine.heard) == (0, 1, [])
    busy[0] = False
    desk.wake()
    assert (await world.over(made)).state is TranscriptionState.DONE


async def test_a_full_queue(world: World) -> None:
    """One more than may wait fails at once, the last one asked for; those before it lose nothing."""
    world.terms = Terms(queue=2)
    world.engine.hold = True
    made = [await world.recorded() for _ in range(5)]
    desk = world.desk()
    await world.held(made[0])
    for one in made[3:]:
        over = await world.over(one)
        assert over.error == "the queue is full: 2 recordings wait to be transcribed (transcription.queue)"
        assert await world.deliveries(one) == [f"t-{one.id}"]
    plain = await world.recorded(wish=None)
    with pytest.raises(TooMany, match="the queue is full"):
        await desk.request(plain.id, "acme")
    world.engine.hold = False
    world.engine.gates[made[0].id].set()
    assert [(await world.over(one)).state for one in made[:3]] == [TranscriptionState.DONE] * 3
    assert (await desk.request(plain.id, "acme")) is not None


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"seconds": 0.3}, "0.5 s are the least"),
        ({"seconds": 5 * 3600.0}, "4 h are the most"),
        ({"seconds": 30.0}, "truncated: 2.00 of 30.00 s are there"),
        ({"state": State.FAILED, "measured": None}, "the recording failed"),
        ({"state": State.ABSENT, "measured": None}, "too short, or empty"),
    ],
)
async def test_what_is_refused(world: World, changes: dict[str, Any], error: str) -> None:
    """It is an error that is told, and the engine never hears of it."""
    made = await world.recorded(**changes)
    world.desk()
    over = await world.over(made)
    assert over.state is TranscriptionState.FAILED
    assert error in over.error
    assert await world.deliveries(made) == [f"t-{made.id}"]
    assert world.engine.heard == []


async def test_files_that_are_not_there(world: World) -> None:
    """Missing, silent, or of a switch that left the settings: an error, and the next one is transcribed."""
    missing, silent, good = [await world.recorded() for _ in range(3)]
    (world.base / f"{missing.id}.wav").unlink()
    write(world.base / f"{silent.id}.wav", np.zeros(8000, np.int16))
    world.desk()
    assert (await world.over(missing)).error == "the recording's file is missing"
    assert (await world.over(silent)).error == "nothing was said: the recording is silent"
    assert (await world.over(good)).text == "Hello."
    await world.stop()

    class Gone:
        async def wav_of(self, of: Recording) -> Path:
            raise KeyError(of.owner.switch)

    left = await world.recorded()
    world.desk(sounds=Gone())
    assert (await world.over(left)).error == "the recording's file can't be had: its switch is no longer served"


async def test_a_media_store_that_is_away(world: World) -> None:
    """A file that can't be had now is waited for, told, at no cost of a try."""
    away = [MediaAway("does not answer")] * 3

    class Away:
        async def wav_of(self, of: Recording) -> Path:
            if away:
                raise away.pop()
            return await world.wav_of(of)

    made = await world.recorded()
    world.desk(sounds=Away())
    over = await world.over(made)
    assert (over.text, over.tries) == ("Hello.", 1)
    assert len([event for event in world.events if isinstance(event, TranscriptionStalled)]) == 3


async def test_no_engine(world: World) -> None:
    """Where none is configured each one says so."""
    made = await world.recorded()
    world.desk(engine=None)
    assert (await world.over(made)).error == NO_ENGINE
    assert await world.deliveries(made) == [f"t-{made.id}"]


async def test_an_engine_that_fails(world: World) -> None:
    """Its words are the error; a fault of ours is told as one, and the next is transcribed all the same."""
    words, fault, mute, good = [await world.recorded() for _ in range(4)]

    def says(path: Path) -> str:
        if path.stem == words.id:
            raise TranscriptionFailed("the server is on fire")
        if path.stem == fault.id:
            raise ZeroDivisionError
        return " \n" if path.stem == mute.id else "x" * (LONGEST + 1)

    world.engine.says = says
    reported: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))
    world.desk()
    assert (await world.over(words)).error == "the server is on fire"
    assert "fault of fsrec's" in (await world.over(fault)).error
    assert (await world.over(mute)).error == refusals.NOTHING_HEARD
    assert len((await world.over(good)).text) == LONGEST
    assert [type(error.__cause__) for error in reported] == [ZeroDivisionError]


async def test_a_renderer_that_fails(world: World) -> None:
    """The text is kept though its receiver can't be told."""
    world.fails = LookupError("account 'acme' is no longer in the settings")
    made = await world.recorded()
    world.desk()
    assert (await world.over(made)).text == "Hello."
    assert await world.deliveries(made) == []
    error = "LookupError: account 'acme' is no longer in the settings"
    assert world.seen(TranscriptionUnrendered) == [TranscriptionUnrendered(made.id, error)]


async def test_progress(world: World) -> None:
    """What has been heard is seen at once by who asks, and kept in the store."""
    world.engine.hold = True
    made = await world.recorded(2.0)
    desk = world.desk()
    await world.held(made)
    seen = await desk.get(made.id, "acme")
    assert seen is not None
    assert (seen.state, seen.progress, seen.seconds) == (TranscriptionState.RUNNING, 1.0, 2.0)
    async with asyncio.timeout(10):
        while (row := await world.row(made)) is None or row.progress != 1.0:
            await asyncio.sleep(0.005)


async def test_a_stop_costs_no_try(world: World) -> None:
    """What a daemon was at when it stopped waits for the next one, which begins it anew."""
    world.engine.hold = True
    made = await world.recorded()
    for _ in range(5):
        world.desk()
        await world.held(made)
        await world.stop()
        world.engine.gates.clear()
        row = await world.row(made)
        assert row is not None
        assert (row.state, row.tries) == (TranscriptionState.WAITING, 0)
    world.engine.hold = False
    world.desk()
    assert (await world.over(made)).text == "Hello."


async def test_a_kill_costs_a_try(world: World) -> None:
    """What ran when the daemon was killed is begun again, three times in all, then it is an error."""
    killed, twice = await world.recorded(), await world.recorded()
    for made, tries in ((killed, 3), (twice, 2)):
        row = await world.row(made)
        assert row is not None
        running = replace(row, state=TranscriptionState.RUNNING, tries=tries)
        await StoreTranscriptions(world.store, lambda: None).save(running)
    world.desk()
    assert "it was begun 3 times" in (await world.over(killed)).error
    over = await world.over(twice)
    assert (over.text, over.tries) == ("Hello.", 3)


async def test_a_store_that_fails_for_a_while(world: World) -> None:
    """Nothing is lost: what it did not take or give is asked again."""
    made = await world.recorded()

    class Flaky(StoreTranscriptions):
        left = 2

        def fail(self) -> None:
            if self.left:
                self.left -= 1
                raise LedgerFailed("disk full")

        async def count(self) -> int:
            self.fail()
            self.left = self.left or 2
            return await super().count()

        async def save(self, transcription: Transcription, told: Delivery | None = None) -> bool:
            self.fail()
            return await super().save(transcription, told)

    world.desk(ledger=Flaky(world.store, lambda: None))
    assert (await world.over(made)).text == "Hello."
    assert {event.recording for event in world.seen(TranscriptionStalled)} == {"", made.id}


@pytest.mark.parametrize(
    ("queue", "error"), [(1000, "the recording is gone, or its row can't be read"), (1, "the queue is full")]
)
async def test_a_recording_whose_row_cannot_be_read(world: World, queue: int, error: str) -> None:
    """It fails, once and for all, whether it is its turn or one too many; the others have theirs."""
    world.terms = Terms(queue=queue)
    world.engine.hold = queue == 1
    faults: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
    made = [await world.recorded() for _ in range(3)]
    bad, *good = made if queue > 1 else made[::-1]
    spoilt = update(RECORDINGS).where(RECORDINGS.c.id == bad.id).values(data="{}")
    await world.store.write(lambda transaction: transaction.connection.execute(spoilt))
    world.desk()
    over = await world.until(bad, TranscriptionState.FAILED)
    assert error in over.error
    for gate in world.engine.gates.values():
        gate.set()
    world.engine.hold = False
    assert {(await world.over(one)).text for one in good} == {"Hello."}
    assert not faults


# --- what APIs ask


async def test_asking_for_one(world: World) -> None:
    """A recording that was made without the wish is transcribed when somebody asks, who is told."""
    made = await world.recorded(wish=None)
    desk = world.desk()
    assert await desk.get(made.id, "acme") is None
    world.now = 6000.0
    asked = await desk.request(made.id, "acme", TARGET)
    assert asked is not None
    assert (asked.state, asked.requested_at, asked.target) == (TranscriptionState.WAITING, 6000.0, TARGET)
    over = await world.over(made)
    assert over.target == TARGET
    assert await desk.get(made.id, "acme") == over


async def test_asking_again(world: World) -> None:
    """While it is under way that goes on; once it is over it begins anew."""
    world.engine.hold = True
    made = await world.recorded()
    desk = world.desk()
    await world.held(made)
    running = await desk.request(made.id, "acme", None)
    assert running is not None
    assert (running.state, running.target) == (TranscriptionState.RUNNING, TARGET)
    world.engine.gates[made.id].set()
    await world.over(made)
    again = await desk.request(made.id, "acme", None)
    assert again is not None
    assert (again.state, again.target, again.tries) == (TranscriptionState.WAITING, None, 0)
    assert (await world.over(made)).target is None
    assert len(world.engine.heard) == 2


async def test_asking_to_be_told_of_one_that_is_under_way(world: World) -> None:
    """Whoever would not be told is refused; of two who ask at once one is."""
    made = await world.recorded(wish=None)
    other = StatusTarget("http://127.0.0.1:9/other")
    world.engine.hold = True
    desk = world.desk()
    asked = await asyncio.gather(
        *(desk.request(made.id, "acme", target) for target in (TARGET, other)), return_exceptions=True
    )
    assert [type(one) for one in asked] == [Transcription, NotPossible]
    await world.held(made)
    assert await desk.request(made.id, "acme", TARGET) is not None
    with pytest.raises(NotPossible, match="being transcribed already, and another URL is told, or none"):
        await desk.request(made.id, "acme", other)
    world.engine.gates[made.id].set()
    assert (await world.over(made)).target == TARGET
    assert await desk.request(made.id, "acme", other) is not None


async def test_asking_for_what_is_not_there(world: World) -> None:
    """Unknown, another account's, deleted: None. One that runs: not yet."""
    made, gone = await world.recorded(), await world.recorded(deleted_at=1.0)
    runs = recording(state=State.RECORDING)
    await world.store.write(lambda transaction: transaction.save_recording(runs))
    desk = world.desk()
    assert await desk.request("unknown", "acme") is None
    assert await desk.request(made.id, "other") is None
    assert await desk.request(gone.id, "acme") is None
    assert await desk.get(made.id, "other") is None
    assert await desk.delete(made.id, "other") is False
    with pytest.raises(NotPossible, match="has not ended yet"):
        await desk.request(runs.id, "acme")


async def test_deleting_one(world: World) -> None:
    """Over or under way: it is gone, nobody is told of what was under way, and it does not come back."""
    over = await world.recorded()
    desk = world.desk()
    await world.over(over)
    assert await desk.delete(over.id, "acme") is True
    assert await desk.delete(over.id, "acme") is False
    world.engine.hold = True
    running, after = await world.recorded(), await world.recorded()
    desk.wake()
    await world.held(running)
    assert await desk.delete(running.id, "acme") is True
    await world.held(after)
    assert await world.row(running) is None
    assert await world.deliveries(running) == []


async def test_a_recording_that_is_deleted_meanwhile(world: World) -> None:
    """Its text is dropped, whoever waits for it: it is not kept, and not told."""
    world.engine.hold = True
    made = await world.recorded()
    world.desk()
    await world.held(made)
    await world.store.write(
        lambda transaction: transaction.save_recording(replace(made, deleted_at=1.0, revision=made.revision + 1))
    )
    world.engine.gates[made.id].set()
    async with asyncio.timeout(10):
        while not world.seen(TranscriptionDropped):
            await asyncio.sleep(0.005)
    assert await world.row(made) is None
    assert await world.deliveries(made) == []

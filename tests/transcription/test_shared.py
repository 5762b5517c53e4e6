"""Two daemons that transcribe from one store: each recording is heard by one of them, and told once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from controller.recordings.model import Recording, Transcription, TranscriptionState
from controller.store.store import open_store
from controller.store.transcriptions import StoreTranscriptions
from controller.transcription.desk import NO_ENGINE, Terms, TranscriptionDesk
from controller.transcription.events import TranscriptionDropped
from tests.cluster.leases import alive
from tests.store.values import transcription
from tests.transcription.test_desk import World


class Shared(World):
    """A daemon of several."""

    name = ""

    def ledger(self) -> StoreTranscriptions:
        return StoreTranscriptions(self.store, lambda: self.woken.append(None), self.name)

    def desk(self, **options: Any) -> TranscriptionDesk:
        return super().desk(ledger=self.ledger(), look=0.02, **options)


@pytest_asyncio.fixture
async def worlds(place: str, tmp_path: Path) -> AsyncIterator[tuple[Shared, Shared]]:
    stores = [await open_store(place) for _ in range(2 if place.startswith("postgresql") else 1)]
    made = tuple(Shared(store, tmp_path) for store in (stores[0], stores[-1]))
    for name, world in zip("ab", made, strict=True):
        world.name = name
        world.engine.hold = True
    await alive(stores[0], "a", "b")
    yield made[0], made[1]
    for world in made:
        await world.stop()
    for store in stores:
        await store.close()


def heard(*worlds: World) -> list[str]:
    return [path.stem for world in worlds for path in world.engine.heard]


async def told(world: World) -> None:
    """Wait until a desk's engine has been asked."""
    async with asyncio.timeout(10):
        while not world.engine.heard:
            await asyncio.sleep(0.005)


async def test_each_is_heard_by_one(worlds: tuple[Shared, Shared]) -> None:
    """However many wait, every one is transcribed once, and told once; both do their part."""
    a, b = worlds
    made = [await a.recorded() for _ in range(8)]
    for world in worlds:
        world.engine.hold = False
        world.terms = Terms(workers=2)
        world.desk()
    for one in made:
        assert (await a.over(one)).text == "Hello."
        assert await a.deliveries(one) == [f"t-{one.id}"]
    assert sorted(heard(a, b)) == sorted(one.id for one in made)


async def test_what_another_does_is_left_to_it(worlds: tuple[Shared, Shared]) -> None:
    """The next takes the next."""
    a, b = worlds
    first, second = await a.recorded(), await a.recorded()
    a.desk()
    await a.held(first)
    b.desk()
    await b.held(second)
    assert (heard(a), heard(b)) == ([first.id], [second.id])


async def test_a_daemon_that_is_gone(worlds: tuple[Shared, Shared]) -> None:
    """What it was at is begun by another; if it comes back it has no say any more, and nobody is told twice."""
    a, b = worlds
    made = await a.recorded()
    a.desk()
    await a.held(made)
    await alive(b.store, "b")
    b.desk()
    await b.held(made)
    row = await b.row(made)
    assert row is not None
    assert (row.state, row.tries) == (TranscriptionState.RUNNING, 2)
    a.engine.gates[made.id].set()
    async with asyncio.timeout(10):
        while not a.seen(TranscriptionDropped):
            await asyncio.sleep(0.005)
    assert await b.deliveries(made) == []
    b.engine.says = lambda _: "As b heard it."
    b.engine.gates[made.id].set()
    assert (await b.over(made)).text == "As b heard it."
    assert await b.deliveries(made) == [f"t-{made.id}"]


async def test_a_stop_hands_over(worlds: tuple[Shared, Shared]) -> None:
    """What was under way is another's at once, and costs no try."""
    a, b = worlds
    made = await a.recorded()
    a.desk()
    await a.held(made)
    b.desk()
    await a.stop()
    await b.held(made)
    row = await b.row(made)
    assert row is not None
    assert row.tries == 1


async def test_deleting_at_another_daemon(worlds: tuple[Shared, Shared]) -> None:
    """What runs elsewhere is gone all the same, does not come back, and nobody is told."""
    a, b = worlds
    made = await a.recorded()
    a.desk()
    await a.held(made)
    assert await b.desk().delete(made.id, "acme")
    a.engine.gates[made.id].set()
    async with asyncio.timeout(10):
        while not a.seen(TranscriptionDropped):
            await asyncio.sleep(0.005)
    assert await b.row(made) is None
    assert await b.deliveries(made) == []


async def test_asking_at_another_daemon(worlds: tuple[Shared, Shared]) -> None:
    """It is under way, whoever does it; once it is over it begins anew, and is done by who comes first."""
    a, b = worlds
    made = await a.recorded()
    a.desk()
    await a.held(made)
    desk = b.desk()
    asked = await desk.request(made.id, "acme", None)
    assert asked is not None
    assert asked.state is TranscriptionState.RUNNING
    a.engine.gates[made.id].set()
    await a.over(made)
    b.engine.hold = a.engine.hold = False
    again = await desk.request(made.id, "acme", None)
    assert again is not None
    assert again.state is TranscriptionState.WAITING
    await b.over(made)
    assert heard(a, b) == [made.id, made.id]


@pytest.mark.parametrize("lacks", ["file", "switch", "engine"])
async def test_what_one_cannot_another_does(worlds: tuple[Shared, Shared], lacks: str) -> None:
    """Where its file, or an engine, is not to be had, it waits for a daemon that has it; it costs no try."""
    a, b = worlds
    made = await a.recorded()

    class Elsewhere:
        async def wav_of(self, of: Recording) -> Path:
            if lacks == "switch":
                raise KeyError(of.owner.switch)
            return a.base / "another" / f"{of.id}.wav"

    a.desk(**({"engine": None} if lacks == "engine" else {"sounds": Elsewhere()}))
    async with asyncio.timeout(10):
        while not (row := await a.row(made)) or row.left_by != ("a",):
            await asyncio.sleep(0.005)
    assert (row.state, row.tries) == (TranscriptionState.WAITING, 0)
    b.engine.hold = False
    b.desk()
    over = await b.over(made)
    assert (over.text, over.tries) == ("Hello.", 1)
    assert heard(a) == []


@pytest.mark.parametrize("engine", [True, False])
async def test_what_nobody_can(worlds: tuple[Shared, Shared], engine: bool) -> None:
    """Once every daemon that lives has left it, it is an error, and told; those that are gone do not count."""
    a, b = worlds
    made = await a.recorded()
    await alive(a.store, "a", "b", "c")
    if engine:
        (a.base / f"{made.id}.wav").unlink()
    for world in worlds:
        world.desk(**({} if engine else {"engine": None}))
    async with asyncio.timeout(10):
        while not (row := await a.row(made)) or set(row.left_by) != {"a", "b"}:
            await asyncio.sleep(0.005)
    assert row.state is TranscriptionState.WAITING
    await a.stop()
    await b.stop()
    await alive(a.store, "a", "d")
    c = Shared(a.store, a.base)
    c.name = "d"
    c.desk(**({} if engine else {"engine": None}))
    await asyncio.sleep(0)
    over = await a.over(made)
    assert over.error == ("the recording's file is missing" if engine else NO_ENGINE)
    await c.stop()


async def test_one_too_many_is_failed_once(worlds: tuple[Shared, Shared]) -> None:
    """By whoever sees it first."""
    a = worlds[0]
    made = [await a.recorded() for _ in range(6)]
    for world in worlds:
        world.terms = Terms(workers=1, queue=2)
        world.desk()
    failed = [await a.over(one) for one in made[3:]]
    assert all("the queue is full" in one.error for one in failed)
    assert sorted(one.recording for world in worlds for one in world.told) == sorted(one.id for one in made[3:])


async def test_claims(worlds: tuple[Shared, Shared]) -> None:
    """One is had once, until its holder is gone, lets it go, or it is over."""
    a, b = worlds
    made = await a.recorded()
    row = await a.row(made)
    assert row is not None
    one, other = a.ledger(), b.ledger()
    assert await one.claim(row) == row
    assert await one.claim(row) == row
    assert await other.claim(row) is None
    assert (await one.unfinished(9), await other.unfinished(9)) == ([row], [])
    assert not await other.save(replace(row, state=TranscriptionState.RUNNING))
    await alive(a.store, "b")
    assert [found.recording for found in await other.unfinished(9)] == [made.id]
    assert await other.claim(row) == row
    assert await one.claim(row) is None
    over: Transcription = transcription(made, state=TranscriptionState.DONE, finished_at=9.0)
    assert not await one.save(over)
    assert await other.save(over)
    assert await other.claim(row) is None

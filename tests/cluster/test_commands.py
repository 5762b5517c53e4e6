"""controller/cluster/commands.py: two daemons over one store, of which one holds the switch."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest
import pytest_asyncio
from sqlalchemy import insert, select, update

from controller.cluster import commands as module
from controller.cluster.commands import Commands, Unanswered, Unheld
from controller.cluster.events import CommandAsked, CommandsStalled, CommandTaken, CommandUnreadable
from controller.cluster.verbs import Answer, Delete, Verb
from controller.recordings.model import new_id
from controller.recordings.ports import LedgerFailed, NotPossible, SwitchAway, TooMany
from controller.store import Store
from controller.store.commands import StoreCommands, Taken
from controller.store.statements import database_now
from controller.store.tables import COMMANDS
from tests.cluster.leases import hold

T = TypeVar("T")


@dataclass(slots=True)
class Side:
    """One daemon's end: what it is told, what it was asked, what it says to that."""

    store: Store
    name: str
    says: Callable[[Verb], Any] = lambda _: Answer(done=True)
    events: list[Any] = field(default_factory=list)
    asked: list[Verb] = field(default_factory=list)
    gate: asyncio.Event | None = None
    commands: Commands = field(init=False)
    task: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        rows = StoreCommands(self.store, self.name)
        self.commands = Commands(rows, self.events.append, begin_within=5.0, poll=0.005)

    async def carry_out(self, verb: Verb, command: Taken) -> Answer:
        assert command.switch == "fs1"
        self.asked.append(verb)
        if self.gate is not None:
            await self.gate.wait()
        said = self.says(verb)
        if isinstance(said, Exception):
            raise said
        assert isinstance(said, Answer)
        return said

    def run(self) -> None:
        self.task = asyncio.get_running_loop().create_task(self.commands.run(self.carry_out))

    async def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.task

    def of(self, kind: type[T]) -> list[T]:
        return [event for event in self.events if isinstance(event, kind)]


@pytest_asyncio.fixture
async def asker(store: Store) -> AsyncIterator[Side]:
    side = Side(store, "a")
    side.run()
    yield side
    await side.stop()


@pytest_asyncio.fixture
async def holder(store: Store) -> AsyncIterator[Side]:
    """It holds fs1; it does not run yet."""
    await hold(store, "fs1", "b")
    side = Side(store, "b")
    yield side
    await side.stop()


VERB = Delete("0f4d9d3e-7f0c-4d5e-9d8a-111111111111")


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.005)


async def test_one_is_carried_out_where_the_switch_is_held(asker: Side, holder: Side) -> None:
    """Once, and the answer is the holder's; both tell of it."""
    holder.run()
    assert await asker.commands.ask("fs1", VERB, 10.0) == Answer(done=True)
    assert (holder.asked, asker.asked) == ([VERB], [])
    (told,) = asker.of(CommandAsked)
    assert (told.verb, told.switch, told.outcome) == ("delete", "fs1", "done")
    (taken,) = holder.of(CommandTaken)
    assert (taken.verb, taken.switch, taken.outcome) == ("delete", "fs1", "done")


async def test_many_at_once_get_their_own(asker: Side, holder: Side) -> None:
    """However many ask, and though the holder does few at a time, each gets the answer to its own."""
    holder.says = lambda verb: Answer(text=verb.recording) if isinstance(verb, Delete) else ValueError()
    holder.commands.at_once = 3
    holder.run()
    verbs = [Delete(new_id()) for _ in range(20)]
    answers = await asyncio.gather(*(asker.commands.ask("fs1", verb, 20.0) for verb in verbs))
    assert [answer.text for answer in answers] == [verb.recording for verb in verbs]
    assert sorted(map(repr, holder.asked)) == sorted(map(repr, verbs))


async def test_no_more_are_begun_than_may_be(asker: Side, holder: Side) -> None:
    """What is more waits in its row until one is done."""
    holder.commands.at_once, holder.gate = 2, asyncio.Event()
    holder.run()
    asking = [asyncio.ensure_future(asker.commands.ask("fs1", Delete(new_id()), 20.0)) for _ in range(5)]
    await until(lambda: len(holder.asked) == 2)
    looks = len(asker.events)
    await asyncio.sleep(0.05)
    assert (len(holder.asked), len(asker.events)) == (2, looks)
    holder.gate.set()
    assert all(answer.done for answer in await asyncio.gather(*asking))


@pytest.mark.parametrize(
    "refused", [TooMany("ten run"), NotPossible("it has ended"), LedgerFailed("locked")], ids=repr
)
async def test_a_refusal_is_raised_as_the_holder_raised_it(asker: Side, holder: Side, refused: Exception) -> None:
    """With its kind and its words."""
    holder.says = lambda _: refused
    holder.run()
    with pytest.raises(type(refused), match=str(refused)) as raised:
        await asker.commands.ask("fs1", VERB, 10.0)
    assert raised.type is type(refused)
    assert [told.outcome for told in asker.of(CommandAsked)] == [type(refused).__name__]


async def test_a_fault_of_the_holders(asker: Side, holder: Side) -> None:
    """It is reported there, nothing of it crosses, and the next command is served."""
    reported: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    holder.says = lambda _: ZeroDivisionError("secret")
    holder.run()
    with pytest.raises(SwitchAway) as raised:
        await asker.commands.ask("fs1", VERB, 10.0)
    assert str(raised.value) == module.FAULT
    assert [type(context["exception"]) for context in reported] == [ZeroDivisionError]
    holder.says = lambda _: Answer(done=True)
    assert (await asker.commands.ask("fs1", VERB, 10.0)).done


async def test_nobody_holds_the_switch(asker: Side, store: Store) -> None:
    """It is said at once."""
    with pytest.raises(Unheld, match="no daemon holds switch fs1 now"):
        await asker.commands.ask("fs1", VERB, 10.0)
    await hold(store, "fs1", "b", -1.0)
    with pytest.raises(Unheld):
        await asker.commands.ask("fs1", VERB, 10.0)


async def test_a_holder_that_does_not_begin(asker: Side, holder: Side) -> None:
    """The asker is told so, in time, and then it is void: the holder that wakes up does not begin it."""
    asker.commands.begin_within = 0.02
    with pytest.raises(SwitchAway, match="did not take the command in time"):
        await asker.commands.ask("fs1", VERB, 10.0)
    assert [told.outcome for told in asker.of(CommandAsked)] == ["void"]
    holder.run()
    asker.commands.begin_within = 5.0
    assert (await asker.commands.ask("fs1", Delete(new_id()), 10.0)).done
    assert VERB not in holder.asked


async def test_a_holder_that_dies_amid_a_command(
    asker: Side, holder: Side, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The asker's wait ends, it is told that nobody knows, and the row is void for what looks at it."""
    holder.gate = asyncio.Event()
    holder.run()
    monkeypatch.setattr(module, "_within", lambda *_: until(lambda: len(holder.asked) == 1))
    with pytest.raises(Unanswered, match="it may have done it"):
        await asker.commands.ask("fs1", VERB, 10.0)
    assert [told.outcome for told in asker.of(CommandAsked)] == ["unanswered"]
    assert await store.read(lambda reader: list(reader.connection.execute(select(COMMANDS)))) == []
    holder.gate.set()


async def test_an_answer_that_nobody_told_of(holder: Side, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """It counts, if it is there when the wait is over: the asker looks once more."""
    deaf = Side(store, "a")  # it does not run, so no answer reaches it
    holder.run()

    async def answered(*_: object) -> None:
        query = select(COMMANDS).where(COMMANDS.c.answered_at.is_not(None))
        async with asyncio.timeout(10):
            while not await store.read(lambda reader: list(reader.connection.execute(query))):
                await asyncio.sleep(0.005)

    monkeypatch.setattr(module, "_within", answered)
    assert (await deaf.commands.ask("fs1", VERB, 10.0)).done


async def asked_by_hand(store: Store, verb: str, data: str) -> str:
    """A row as no release of ours writes it."""
    identity = new_id()
    row = {"id": identity, "switch": "fs1", "asked_by": "z", "verb": verb, "data": data}
    times = {"asked_at": database_now(), "deadline": database_now() + 60}
    await store.write(
        lambda transaction: transaction.connection.execute(insert(COMMANDS).values(**row, **times)) and None
    )
    return identity


@pytest.mark.parametrize(
    ("verb", "data"), [("hang_up", "{}"), ("stop", "{"), ("stop", "[]"), ("start", '{"identity": "../x"}'), ("", "")]
)
async def test_rows_that_cannot_be_read(asker: Side, holder: Side, store: Store, verb: str, data: str) -> None:
    """Each is refused and told, and holds nothing up."""
    identity = await asked_by_hand(store, verb, data)
    holder.run()
    assert (await asker.commands.ask("fs1", VERB, 10.0)).done
    rows = StoreCommands(store, "z")
    async with asyncio.timeout(10):
        while not (answers := await rows.answers([identity])):
            await asyncio.sleep(0.005)
    assert '"refusal":"SwitchAway"' in answers[identity]
    assert holder.asked == [VERB]
    assert [told.command for told in holder.of(CommandUnreadable)] == [identity]


async def test_an_answer_that_cannot_be_read(asker: Side, holder: Side, store: Store) -> None:
    """Nobody knows what was done, and it is told."""
    rows = StoreCommands(store, "b")
    asking = asyncio.ensure_future(asker.commands.ask("fs1", VERB, 10.0))
    async with asyncio.timeout(10):
        while not (taken := await rows.take(1)):
            await asyncio.sleep(0.005)
    await rows.answer(taken[0].id, '{"recordings": [{}]}')
    with pytest.raises(Unanswered, match="cannot be read"):
        await asking
    assert [told.command for told in asker.of(CommandUnreadable)] == [taken[0].id]
    assert holder.asked == []


async def test_a_store_that_fails(asker: Side, holder: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    """Taking and answering are tried again, and told; a command that was taken is not carried out twice."""
    asked, answer = StoreCommands.asked, StoreCommands.answer
    failing = {"asked": 2, "answer": 2}

    async def fails(what: str, work: Callable[[], Any]) -> Any:
        if failing[what] > 0:
            failing[what] -= 1
            raise LedgerFailed("locked")
        return await work()

    monkeypatch.setattr(StoreCommands, "asked", lambda self: fails("asked", lambda: asked(self)))
    monkeypatch.setattr(StoreCommands, "answer", lambda self, *told: fails("answer", lambda: answer(self, *told)))
    monkeypatch.setattr(module, "TRIES", (0.0, 0.0))
    holder.run()
    assert (await asker.commands.ask("fs1", VERB, 10.0)).done
    assert holder.asked == [VERB]
    assert failing == {"asked": 0, "answer": 0}
    assert holder.of(CommandsStalled) or asker.of(CommandsStalled)


async def test_a_stop_lets_what_was_begun_end(asker: Side, holder: Side) -> None:
    """The answer of a command that is under way still goes out; nothing more is begun."""
    holder.gate = asyncio.Event()
    holder.run()
    asking = asyncio.ensure_future(asker.commands.ask("fs1", VERB, 10.0))
    await until(lambda: len(holder.asked) == 1)
    stopping = asyncio.ensure_future(holder.stop())
    await asyncio.sleep(0)
    holder.gate.set()
    assert (await asking).done
    await stopping


async def test_old_rows_go(holder: Side, store: Store) -> None:
    """By themselves, when their time is over."""
    await asked_by_hand(store, "stop", "{}")
    gone = update(COMMANDS).values(deadline=database_now() - module.KEPT - 1)
    await store.write(lambda transaction: transaction.connection.execute(gone) and None)
    holder.run()
    async with asyncio.timeout(10):
        while await store.read(lambda reader: list(reader.connection.execute(select(COMMANDS)))):
            await asyncio.sleep(0.005)

"""Turns: who had the least goes first, and no place is lost."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from controller.turns import Turns


async def test_who_had_least_goes_first_then_who_asked_first() -> None:
    """Whatever the order of asking; equal ones in that order."""
    turns, served = Turns(1), []

    async def ask(name: str, had: float) -> None:
        async with turns.turn(had):
            served.append(name)

    async with turns.turn(0):
        asked = [asyncio.create_task(ask(name, had)) for name, had in (("a", 3), ("b", 1), ("c", 1), ("d", 0))]
        await asyncio.sleep(0)
        assert not served
    await asyncio.gather(*asked)
    assert served == ["d", "b", "c", "a"]


@pytest.mark.parametrize("places", [1, 2, 3])
async def test_no_more_than_the_places_are_had_at_a_time(places: int) -> None:
    """And all of them are."""
    turns, having, most = Turns(places), 0, 0

    async def ask() -> None:
        nonlocal having, most
        async with turns.turn(0):
            having += 1
            most = max(most, having)
            await asyncio.sleep(0)
            having -= 1

    await asyncio.gather(*(ask() for _ in range(10)))
    assert most == places


@pytest.mark.parametrize("given", [False, True])
async def test_who_gives_up_waiting_takes_no_place(given: bool) -> None:
    """Cancelled while it waits, or in the moment in which it is given one."""
    turns = Turns(1)

    async def ask() -> None:
        async with turns.turn(0):
            await asyncio.Event().wait()

    async with turns.turn(0):
        asked = asyncio.create_task(ask())
        await asyncio.sleep(0)
        if not given:
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)

    async def again() -> bool:
        async with turns.turn(0):
            return True

    assert await asyncio.wait_for(again(), 5)


async def test_who_has_the_fewest_goes_first() -> None:
    """A party that wants many gets no more turns than one that wants few; none has more than it may."""
    turns, served, having = Turns(3, each=2), [], Counter[str]()
    go = asyncio.Event()

    async def ask(party: str) -> None:
        async with turns.turn(party=party):
            having[party] += 1
            assert having[party] <= 2
            served.append(party)
            await go.wait()
            await asyncio.sleep(0)
            having[party] -= 1

    asked = [asyncio.create_task(ask("many")) for _ in range(8)]
    await asyncio.sleep(0)
    assert (served, turns.taken) == (["many"] * 2, 2)  # the third place is others'
    asked += [asyncio.create_task(ask("few")) for _ in range(2)]
    await asyncio.sleep(0)
    assert served == ["many", "many", "few"]
    go.set()
    await asyncio.gather(*asked)
    assert served[3:5].count("few") == 1  # though more of the other's asked before it
    assert Counter(served) == {"many": 8, "few": 2}
    assert turns.taken == 0


async def test_who_may_have_no_more_holds_nobody_up() -> None:
    """One that has all it may waits for its own; a place that is left is had at once, and none is lost."""
    turns = Turns(2, each=1)
    async with turns.turn(party="a"):
        waits = asyncio.create_task(turns.turn(party="a").__aenter__())
        gives_up = asyncio.create_task(turns.turn(party="a").__aenter__())
        await asyncio.sleep(0)
        gives_up.cancel()
        async with asyncio.timeout(1), turns.turn(party="b"):
            assert turns.taken == 2
            assert not waits.done()
    async with asyncio.timeout(1):
        await waits
    assert turns.taken == 1

"""What is heard while somebody is dialled: the ring, music or nothing, and files that are given back."""

from __future__ import annotations

from typing import Any

import pytest

from controller.calls.events import StepFailed
from controller.calls.ports import Meanwhile, Question, SoundFile
from controller.documents.steps import Quiet, Ringing, Speech
from tests.calls.test_dialing import dialling
from tests.calls.world import AUDIO, Behaviour, World
from tests.recordings.virtual import run_virtually, virtual

RING = (Ringing("us"),)


async def answered(*dial: Any, seconds: float = 60.0, **fields: Any) -> World:
    """A world in which an answered leg has dialled for so long."""
    world = World([["answer"], ["dial", *dial]], callees={"1": Behaviour(answers=1.0, talks=5.0)}, **fields)
    await world.boot().connected()
    world.park()
    await world.settle(seconds)
    return world


@pytest.mark.parametrize(
    ("fields", "heard"),
    [
        ({}, Meanwhile(RING)),
        ({"music": []}, Meanwhile((), early=False)),
        ({"music": ["a.wav"]}, Meanwhile((SoundFile("/a.wav"),), early=False)),
        (
            {"music": ["say:hello", "silence:2", "a.wav"]},
            Meanwhile((Speech("hello"), Quiet(2.0), SoundFile("/a.wav")), early=False),
        ),
        ({"asks": [["a.wav"], "5", 9.0]}, Meanwhile(RING, question=Question((SoundFile("/a.wav"),), "5", 9.0))),
    ],
    ids=["the ring", "nothing", "a file", "several", "a question"],
)
def test_what_is_heard(fields: dict[str, Any], heard: Meanwhile) -> None:
    """An answered leg hears the ring, or early media, unless the document says what; its files are given back."""

    async def run() -> None:
        world = await answered([["1"]], fields)
        assert world.meanwhile == [heard]
        assert world.log[-2:] == ["forget_ring", "hang_up NORMAL_CLEARING"]
        assert not +world.had

    run_virtually(run())


@pytest.mark.parametrize(
    ("fields", "sounds"), [({}, None), ({"asks": [["a.wav"], "", 9.0]}, None), ({"music": []}, ())]
)
@virtual
async def test_a_leg_whose_dialplan_says_what_it_hears(fields: dict[str, Any], sounds: object) -> None:
    """The operator's ring is left as it is, after a restart too; a document that says what is heard wins."""
    world = World([["answer"], ["dial", [["1"]], fields]], callees={"1": Behaviour(answers=1.0, talks=5.0)})
    await world.boot().connected()
    world.park(ringback=True)
    await world.settle(3)
    await world.kill()
    await world.boot().connected()
    await world.settle(30)
    assert [meanwhile.sounds for meanwhile in world.meanwhile] == [sounds]
    assert ("forget_ring" in world.log) is bool(fields)


@virtual
async def test_a_leg_that_is_not_answered() -> None:
    """It hears its own network, as long as it rings: nothing is fetched for it, and nothing taken off."""
    world = await dialling([["2"], ["1"]], music=["a.wav"])
    assert [meanwhile.sounds for meanwhile in world.meanwhile] == [None, None]
    assert world.sought == []
    assert "forget_ring" not in world.log


@pytest.mark.parametrize(
    ("music", "sounds", "why"),
    [
        (["a.wav", "gone.wav"], (SoundFile("/a.wav"),), f"{AUDIO}/gone.wav: 404"),
        (["gone.wav"], RING, f"{AUDIO}/gone.wav: 404"),
        (["say:\u00e9", "a.wav"], (SoundFile("/a.wav"),), "speech '\u00e9': speech: nobody can say that"),
        (["say:\u00e9"], RING, "speech '\u00e9': speech: nobody can say that"),
    ],
    ids=["one is missing", "all are missing", "one cannot be said", "none can be said"],
)
def test_what_cannot_be_had(music: list[str], sounds: tuple[Any, ...], why: str) -> None:
    """It is left out by its name; where nothing is left the leg hears the ring. Dialled it is all the same."""

    async def run() -> None:
        world = await answered([["1"]], {"music": music}, missing={"gone.wav"})
        assert [meanwhile.sounds for meanwhile in world.meanwhile] == [sounds]
        assert [failed.why for failed in world.of(StepFailed)] == [f"what who dials should have heard: {why}"]
        assert world.told[1] == "Dialled answered 1"
        assert not +world.had

    run_virtually(run())


@virtual
async def test_sounds_are_had_once_for_all_groups() -> None:
    """The next group's ringing begins with them at once."""
    world = await answered([["3"], ["1"]], {"music": ["a.wav"], "timeout": 3.0})
    assert [url for url, _, _ in world.sought] == [f"{AUDIO}/a.wav"]
    assert len(world.meanwhile) == 2
    assert world.log.count("forget_ring") == 1


@pytest.mark.parametrize("seconds", [0.05, 2.5], ids=["while they are fetched", "while it rings"])
def test_the_leg_ends_meanwhile(seconds: float) -> None:
    """No file is held any more."""

    async def run() -> None:
        world = await answered([["3"]], {"music": ["a.wav"], "asks": [["b.wav"], "5", 9.0]}, seconds=seconds)
        world.hang_up("leg")
        await world.settle(30)
        assert not +world.had

    run_virtually(run())

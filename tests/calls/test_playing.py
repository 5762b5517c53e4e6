"""What is heard: items in turn, digits meanwhile, digits that are sent; through lost links, events and daemons."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from controller.calls.events import StepFailed
from controller.calls.looks import PATROL
from controller.calls.sounds import FENCES, HUSH_AGAIN
from controller.documents.call import CallState
from controller.recordings.ports import CommandFailed, SwitchAway
from tests.calls.test_runner import played
from tests.calls.world import AUDIO, COMMAND, COMMIT, FETCH, World
from tests.recordings.virtual import run_virtually, virtual

QUICK = 0.05
"""Seconds in which one sound follows another: a commit, a command, and a frame or two."""


async def playing(document: object, seconds: float, **fields: Any) -> World:
    """A world in which a document has run for so long."""
    world = World(document, **fields)
    world.boot()
    world.park(answered=True)
    await world.settle(seconds)
    return world


async def patrolled(document: object, seconds: float, **fields: Any) -> World:
    """As ``playing``, of a daemon whose link has come up: it looks at its legs now and then."""
    world = World(document, **fields)
    await world.boot().connected()
    world.park(answered=True)
    await world.settle(seconds)
    return world


async def ended(world: World, within: float = 600.0) -> World:
    async with asyncio.timeout(within):
        while world.call.state is not CallState.ENDED:
            await world.settle(0.1)
    return world


# --- play -----------------------------------------------------------------------------------------------------------


@virtual
async def test_items_are_played_in_turn() -> None:
    """Each to its end, of whatever kind, and nothing between them but the time of a commit and a command."""
    items = ["a", "say:hello", "silence:2", "ring:us", "b"]
    world = await played([["play", *items]], lengths={"a": 3.0, "b": 0.5})
    assert world.sounds == items
    assert [round(end - begin, 3) for _, begin, end in world.heard] == [3.0, 1.0, 2.0, 1.0, 0.5]
    gaps = [later[1] - former[2] for former, later in zip(world.heard, world.heard[1:], strict=False)]
    assert max(gaps) <= COMMIT + COMMAND + 0.001
    assert world.told == {0: "good"}
    assert world.log == ["take_over", "answer", *(f"play {name}" for name in items), "hang_up NORMAL_CLEARING"]


@virtual
async def test_a_beep_is_an_item() -> None:
    """Played like any other, before a wait for digits too; one that cannot be played is told by its name."""
    world = await played([["play", "a", "beep"], ["gather", ["say:go", "beep"], {"initial_timeout": 1.0}]])
    assert world.sounds == ["a", "beep", "say:go", "beep"]
    world = await played([["play", "beep"]], refusals={"play": [CommandFailed("-ERR no")]})
    assert world.told == {0: "Failed: the beep: -ERR no"}


@virtual
async def test_the_next_item_is_fetched_while_one_plays() -> None:
    """One ahead, not all at once; each with the step's gain."""
    world = await played([["early", "a", "b", "c"]], lengths=dict.fromkeys("abc", 5.0))
    assert [(url, gain) for url, gain, _ in world.sought] == [(f"{AUDIO}/{name}", 3.0) for name in "abc"]
    [a, b, c], [first, second, _] = world.sought, world.heard
    assert a[2] < b[2] <= first[1]
    assert first[2] <= c[2] <= second[1]


@virtual
async def test_a_file_is_held_until_its_play_is_over() -> None:
    """It is there while the switch may open it, the next one too, and no longer, however the step ends."""
    world = await playing([["play", "a", "b", "a"], ["gather", ["c"], {}]], 1.0, lengths={"a": 3.0, "c": 50.0})
    assert +world.had == {"/a": 1, "/b": 1}
    await world.settle(2.5)
    assert +world.had == {"/b": 1, "/a": 1}
    await world.settle(5)
    assert +world.had == {"/c": 1}
    world.press("1")
    await ended(world)
    assert not +world.had
    for seconds in (0.01, 0.5, 1.0, 3.0):
        world = await playing([["play", "a", "b"]], seconds, lengths={"a": 1.0, "b": 5.0})
        world.hang_up()
        await ended(world)
        assert not +world.had, seconds
    world = await played([["play", "a", "b"]], refusals={"play": [CommandFailed("no"), CommandFailed("no")]})
    assert not +world.had


@virtual
async def test_playing_answers_first_unless_told_not_to() -> None:
    """An answer that fails is the step's failure, and nothing is played."""
    assert (await played([["play", "a"]])).log[:3] == ["take_over", "answer", "play a"]
    world = await played([["early", "a"]])
    assert world.log[:2] == ["take_over", "play a"]
    assert not world.legs["leg"].answered
    for step in (["play", "a"], ["gather", ["a"], {}]):
        world = await played([step], refusals={"answer": [CommandFailed("-ERR no")]})
        assert world.told == {0: "Failed: the leg could not be answered: -ERR no"}
        assert world.heard == []


@virtual
async def test_an_item_that_cannot_be_had_is_left_out() -> None:
    """The others are played; the outcome names each that was not, and why."""
    world = await played(
        [["play", "a", "gone", "say:hi", "b"]],
        missing={"gone"},
        unheard={"b": "the switch has no such file"},
    )
    assert world.sounds == ["a", "say:hi", "b"]
    assert world.told == {0: f"Failed: {AUDIO}/gone: 404; {AUDIO}/b: the switch has no such file"}
    world = await played(
        [["play", "ring:xx", "silence:3", "say:hi"]],
        refusals={"play": [CommandFailed("the ring of 'xx' is not known"), CommandFailed("no"), CommandFailed("no")]},
    )
    assert world.told == {
        0: "Failed: the ring of 'xx': the ring of 'xx' is not known; 3 s of silence: no; speech 'hi': no"
    }
    assert [event.step for event in world.of(StepFailed)] == ["Play"]


@virtual
async def test_nothing_to_play() -> None:
    """No items: done at once."""
    world = await played([["play"], ["gather", [], {"initial_timeout": 2.0}]])
    assert world.told == {0: "good", 1: "Gathered /"}


@virtual
async def test_a_hangup_amid_an_item() -> None:
    """The document is over where it stands: nothing more is fetched or played."""
    world = await playing([["play", "a", "b", "c"], ["play", "d"]], 0.5, lengths={"a": 10.0})
    world.hang_up()
    await ended(world)
    await world.settle(60)
    assert world.log == ["take_over", "play a"]
    assert [url for url, _, _ in world.sought] == [f"{AUDIO}/a", f"{AUDIO}/b"]
    assert world.daemon is not None
    assert not world.daemon.desk._living.tasks


# --- links, events and daemons that go ------------------------------------------------------------------------------


@pytest.mark.parametrize("back", [1.0, 3.0, 20.0])
@virtual
async def test_a_link_that_goes_amid_an_item(back: float) -> None:
    """Back while it still plays, or long after: it is not played again, and the next one follows at once."""
    world = await playing([["play", "a", "b"], ["wait", 1]], 0.5, lengths={"a": 4.0, "b": 2.0})
    world.cut()
    await world.settle(back)
    await world.relink()
    back_at = world.now
    await ended(world)
    assert world.sounds == ["a", "b"]
    over, begun = world.heard[0][2], next(begin for name, begin, _ in world.heard if name == "b")
    assert begun - max(over, back_at) < 0.2
    assert world.told == {0: "good", 1: "good"}


@virtual
async def test_a_link_that_comes_and_goes_amid_an_item() -> None:
    """However often; a leg's queue is not filled with silences, and the item is ended when there were too many."""
    world = await playing([["play", "a", "b"]], 0.5, lengths={"a": 1e6, "b": 2.0})
    for _ in range(FENCES + 5):
        world.cut()
        await world.settle(0.5)
        await world.relink()
        await world.settle(3)
    await ended(world)
    assert world.sounds == ["a", "b"]
    assert world.log.count("fence fence") == FENCES


@pytest.mark.parametrize("when", ["before", "after"])
@virtual
async def test_a_command_that_is_lost_with_the_link(when: str) -> None:
    """Before it took effect: it is sent again. After: it is heard once all the same, where it still plays."""
    world = World([["play", "a", "b"]], lengths={"a": 4.0})
    world.boot()
    world.held["play" if when == "before" else "none"] = asyncio.Event()
    world.park(answered=True)
    while when == "after" and not world.legs["leg"].playing:
        await world.settle(0.0005)
    await world.settle(0.5 if when == "before" else 0)
    world.cut()
    for held in world.held.values():
        held.set()
    world.held.clear()
    await world.settle(1)
    assert [entry for entry in world.log if entry == "play a"] == (["play a"] if when == "after" else [])
    await world.relink()
    await ended(world)
    assert world.sounds == ["a", "b"]
    assert world.told == {0: "good"}


@virtual
async def test_a_command_of_which_nobody_knows() -> None:
    """Its reply is lost and the link is back at once: the silence behind it tells that it was lost too."""
    world = await played([["play", "a", "b"]], 10, refusals={"play": [SwitchAway("gone")]})
    assert world.sounds == ["a", "b"]
    assert world.told == {0: "good"}


@virtual
async def test_a_play_that_waits_for_the_link() -> None:
    """There is none for a while: what is to be played is played when it is back."""
    world = await playing([["wait", 1], ["play", "a"]], 0.5)
    world.cut()
    await world.settle(30)
    assert world.sounds == []
    await world.relink()
    await ended(world)
    assert world.sounds == ["a"]


@virtual
async def test_an_end_that_nobody_told() -> None:
    """The patrol that finds the leg alive has it doubted: the silence behind it tells."""
    world = await patrolled([["play", "a", "b"]], 4 * PATROL, deaf={"executed a", "executed b"})
    assert world.sounds == ["a", "b"]
    assert world.told == {0: "good"}
    assert world.call.state is CallState.ENDED


@virtual
async def test_ends_that_are_never_told() -> None:
    """Not even the silences': it goes on after many of them, or with the leg's end; it sends no flood of them."""
    world = await patrolled([["play", "a"]], 86_400, deaf={"executed"})
    assert 10 <= world.log.count("fence fence") <= 12
    world.deaf.clear()
    await ended(world, 2 * 86_400)
    assert world.told == {0: "good"}


@virtual
async def test_a_silence_that_cannot_be_queued() -> None:
    """Refused: the next look tries again."""
    refusals: dict[str, list[Exception]] = {"fence": [CommandFailed("busy"), SwitchAway("gone")]}
    world = await patrolled([["play", "a"]], 4 * PATROL, deaf={"executed a"}, refusals=refusals)
    assert world.told == {0: "good"}
    assert world.sounds == ["a"]


@virtual
async def test_others_take_the_leg_amid_an_item() -> None:
    """Nothing more is played on it, also where that was seen only when the link was back."""
    world = await playing([["play", "a", "b"]], 0.5, lengths={"a": 4.0})
    leg = world.legs["leg"]
    world.cut()
    leg.parked, leg.routed = False, 2.0
    await world.relink()
    await world.settle(60)
    assert world.call.state is CallState.RELEASED
    assert world.sounds == ["a"]


@virtual
async def test_a_daemon_that_goes_amid_an_item() -> None:
    """The next one ends what still plays and plays that item from its beginning, not those before it."""
    world = await playing([["play", "a", "b", "c"]], 4.5, lengths=dict.fromkeys("abc", 3.0))
    await world.kill()
    assert world.call.item == 1
    await world.settle(0.5)
    await world.boot().connected()
    await ended(world)
    assert world.sounds == ["a", "b", "b", "c"]
    assert [round(end - begin) for _, begin, end in world.heard] == [3, 2, 3, 3]
    assert world.log == [
        "take_over",
        "play a",
        "play b",
        "stop_playing",
        "play b",
        "play c",
        "hang_up NORMAL_CLEARING",
    ]


@virtual
async def test_a_step_begins_with_its_first_item() -> None:
    """Also where the step before it was at its third."""
    world = await played([["play", "a", "b", "c"], ["play", "d", "e"]])
    assert world.sounds == list("abcde")


# --- gather ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "pressed", "told"),
    [
        ({}, "5", "Gathered 5/"),
        ({"most": 3}, "123", "Gathered 123/"),
        ({"most": 3}, "1234", "Gathered 123/"),
        ({"most": 3}, "12", "Gathered 12/"),
        ({"most": 3, "terminators": "#"}, "1#2", "Gathered 1/#"),
        ({"terminators": "#*"}, "*", "Gathered /*"),
        ({"most": 4, "terminators": "d"}, "12D", "Gathered 12/D"),
        ({"most": 4}, "1#*A", "Gathered 1#*A/"),
        ({}, "", "Gathered /"),
    ],
)
@virtual
async def test_digits(options: dict[str, Any], pressed: str, told: str) -> None:
    """As many as are wanted, up to a terminator, which is told apart, or to the silence after one."""
    world = await played([["gather", ["ask"], options]], presses={"ask": pressed})
    assert world.told == {0: told}


@virtual
async def test_the_first_digit_ends_what_plays() -> None:
    """At once, and nothing after it is played; a digit after the items ends nothing."""
    world = await played([["gather", ["ask", "more"], {}], ["play", "a"]], presses={"ask": "1"}, lengths={"ask": 9.0})
    assert [round(end - begin, 2) for _, begin, end in world.heard] == [pytest.approx(0.3, abs=0.02), 1.0]
    assert world.sounds == ["ask", "a"]
    assert world.log.count("stop_playing") == 1
    world = await playing([["gather", ["ask"], {}]], 2.0)
    world.press("1")
    await ended(world)
    assert "stop_playing" not in world.log
    assert world.told == {0: "Gathered 1/"}


@virtual
async def test_when_digits_are_waited_for() -> None:
    """The first so long after the last item; each further one so long after the one before it."""
    options = {"initial_timeout": 4.0, "digit_timeout": 2.0, "most": 9}
    world = await played([["gather", ["ask", "more"], options]])
    assert world.call.ended_at == pytest.approx(world.heard[-1][2] + 4.0, abs=QUICK)
    world = await playing([["gather", [], options]], 3.9)
    world.press("1")
    for digit in "23":
        await world.settle(1.9)
        world.press(digit)
    last = world.now
    await ended(world)
    assert world.told == {0: "Gathered 123/"}
    assert world.call.ended_at == pytest.approx(last + 2.0, abs=QUICK)


@virtual
async def test_which_digits_count() -> None:
    """None from before the step, all from its first moment on: before its row is stored, before it answers."""
    world = World([["wait", 1], ["gather", [], {"most": 2}]])
    world.boot()
    world.park()
    await world.settle(0.9)
    world.press("1")
    world.held["save"] = asyncio.Event()
    await world.settle(0.3)
    world.press("2")
    world.held.pop("save").set()
    await world.settle(COMMIT)
    assert not world.legs["leg"].answered
    world.press("3")
    await ended(world)
    assert world.told[1] == "Gathered 23/"
    world.press("4")  # nobody's any more


@virtual
async def test_digits_of_other_legs() -> None:
    """They mean nothing, nor do ends of what others play."""
    world = await playing([["gather", ["ask"], {"initial_timeout": 1.0}]], 0.5)
    assert world.daemon is not None
    world.daemon.desk.digit("fs1", "other", "1")
    world.daemon.desk.executed("fs1", "other", "x", "")
    world.daemon.desk.executed("fs1", "leg", "x", "")
    await ended(world)
    assert world.told == {0: "Gathered /"}
    assert [round(end - begin, 3) for _, begin, end in world.heard] == [1.0]


@virtual
async def test_digits_while_an_item_is_fetched() -> None:
    """Nothing plays that could be ended; it is not played any more."""
    world = await playing([["gather", ["ask"], {}]], FETCH / 2)
    world.press("1")
    await ended(world)
    assert world.heard == []
    assert world.log == ["take_over", "hang_up NORMAL_CLEARING"]


@virtual
async def test_items_of_a_prompt_that_cannot_be_had() -> None:
    """The digits count all the same, and what was left out is told."""
    world = await played([["gather", ["gone", "ask"], {}]], missing={"gone"}, presses={"ask": "7"})
    assert world.told == {0: "Gathered 7/"}
    assert world.of(StepFailed) == []  # the prompt was not over
    world = await played([["gather", ["gone", "ask"], {}]], missing={"gone"})
    assert [(event.step, event.why) for event in world.of(StepFailed)] == [("Gather", f"{AUDIO}/gone: 404")]


@virtual
async def test_a_break_that_comes_too_early() -> None:
    """The switch has not begun the sound yet, so it plays on: it is ended again, since what follows would wait."""
    world = World([["gather", ["ask"], {}], ["play", "a"]], lengths={"ask": 30.0})
    world.boot()
    world.refusals["stop_playing"] = [CommandFailed("nothing plays")]
    world.park(answered=True)
    while not world.legs["leg"].playing:
        await world.settle(0.001)
    world.press("1")
    await ended(world)
    assert world.sounds == ["ask", "a"]
    assert world.heard[0][2] - world.heard[0][1] == pytest.approx(HUSH_AGAIN, abs=QUICK)


@virtual
async def test_a_sound_whose_end_is_lost_holds_no_gather_up() -> None:
    """It is told to end a few times; then the document goes on."""
    world = await played([["gather", ["ask"], {}]], 5, presses={"ask": "1"}, deaf={"executed ask"})
    assert world.told == {0: "Gathered 1/"}
    assert world.call.state is CallState.ENDED


@virtual
async def test_a_link_that_goes_amid_a_gather() -> None:
    """What was pressed before counts, what was pressed meanwhile nobody heard."""
    world = await playing([["gather", ["ask"], {"most": 3, "digit_timeout": 20.0}]], 1.0, lengths={"ask": 30.0})
    world.press("1")
    await world.settle(0.5)
    world.cut()
    world.press("2")
    await world.relink()
    world.press("3")
    world.press("4")
    await ended(world)
    assert world.told == {0: "Gathered 134/"}


@virtual
async def test_a_gather_begins_anew_after_a_restart() -> None:
    """Digits of the former daemon are gone, its sound is ended, its prompt begins with the first item."""
    world = await playing([["gather", ["ask", "more"], {"most": 2}]], 1.5)
    await world.kill()
    world.presses["more"] = "67"
    await world.boot().connected()
    await ended(world)
    assert world.told == {0: "Gathered 67/"}
    assert world.sounds == ["ask", "more", "ask", "more"]
    assert world.log.count("stop_playing") == 2


def test_a_bug_in_a_prompt_is_a_bug_of_the_call() -> None:
    """It is reported and the caller hung up: nobody waits for digits in silence."""

    async def run() -> None:
        await ended(await playing([["gather", ["ask"], {}]], 1, refusals={"audio": [ZeroDivisionError("a bug")]}))

    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        run_virtually(run())


# --- sending digits -------------------------------------------------------------------------------------------------


@virtual
async def test_digits_are_sent_and_take_their_time() -> None:
    """What follows them waits until they are out, and no longer; they are not taken for the party's."""
    world = await played([["digits", "12w3W"], ["gather", [], {"initial_timeout": 1.0}]])
    assert world.log == ["take_over", "send_digits 12w3W", "answer", "hang_up NORMAL_CLEARING"]
    assert world.told == {0: "good", 1: "Gathered /"}
    assert world.call.ended_at == pytest.approx(world.call.started_at + 3 * 0.28 + 1.5 + 1.0, abs=0.1)


@virtual
async def test_digits_that_are_not_sent() -> None:
    """Refused: the step fails with the reason. Without a link they wait for it."""
    world = await played([["digits", "1"]], refusals={"send_digits": [CommandFailed("-ERR no")]})
    assert world.told == {0: "Failed: the digits were not sent: -ERR no"}
    world = await played([["digits", "1"]], refusals={"send_digits": [SwitchAway("gone")]})
    assert world.told == {0: "good"}


@virtual
async def test_digits_that_were_sent_are_not_sent_again() -> None:
    """A restart waits for what is left of their time."""
    world = await playing([["digits", "1111"]], 0.6)
    await world.kill()
    await world.boot().connected()
    await ended(world)
    assert [entry for entry in world.log if entry.startswith("send")] == ["send_digits 1111"]
    assert world.call.ended_at == pytest.approx(world.call.started_at + 4 * 0.28, abs=0.15)

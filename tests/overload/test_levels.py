"""Signals, what they ask to give up, and that they take it back."""

from __future__ import annotations

import pytest

from controller.overload.admission import LOOK, Admission, OverloadBegan, OverloadEnded
from controller.overload.levels import NEVER, Shed, Signal
from controller.overload.signals import SUSTAINED, Held, loop_lag, store_age, store_backlog
from controller.switch.link import LinkDown, ReadingHeld

N, E, S, C = Shed.NOTHING, Shed.EXTRAS, Shed.STARTS, Shed.CALLS


class Dial:
    """Shows what it is set to."""

    def __init__(self, value: float = 0.0) -> None:
        self.value = value

    def __call__(self) -> float:
        return self.value


def signal(dial: Dial, name: str = "depth", **changes: object) -> Signal:
    return Signal(name, dial, (10, 20, 30), lambda value: f"{name} {value:g}", **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "levels"),
    [
        ((0, 9.9, 10, 20, 30, 1000), (N, N, E, S, C, C)),
        ((30, 15, 14.9, 10, 9.9, 5, 4.9), (C, C, S, S, E, E, N)),  # half of each bound takes it back
        ((30, 0), (C, N)),
        ((12, 4, 12, 6), (E, N, E, E)),
        ((1000, 12), (C, S)),  # below half of 30, not of 20
    ],
)
def test_a_signal_rises_at_once_and_falls_with_room(values: tuple[float, ...], levels: tuple[Shed, ...]) -> None:
    """What is given up comes back below half of the bound that took it: nothing flickers at a bound."""
    dial = Dial()
    one = signal(dial)
    seen = []
    for value in values:
        dial.value = value
        seen.append(one.look())
    assert tuple(seen) == levels


def test_a_bound_that_is_never_met() -> None:
    """What a signal does not ask for it never asks for, whatever its value."""
    dial = Dial(1e300)
    one = Signal("x", dial, (NEVER, 2, NEVER), str)
    assert one.look() is S
    dial.value = 0
    assert one.look() is N


def test_the_order_of_what_is_given_up() -> None:
    """Whoever is refused something is refused all that goes before it; who is told is told why, in numbers."""
    dial = Dial()
    events: list[object] = []
    now = [0.0]
    admission = Admission((signal(dial), signal(Dial(), "other")), {}, events.append, lambda: now[0])
    for value, refused in ((0, ()), (10, (E,)), (20, (E, S)), (30, (E, S, C)), (0, ())):
        dial.value = value
        now[0] += 7
        admission.look()
        assert tuple(what for what in (E, S, C) if admission.refusal(what, "fs1")) == refused
        assert admission.level == (refused[-1] if refused else N)
        assert all(admission.refusal(what) == f"depth {value}" for what in refused)
    assert events == [
        OverloadBegan("depth", "extras", "depth 10"),
        OverloadBegan("depth", "starts", "depth 20"),
        OverloadBegan("depth", "calls", "depth 30"),
        OverloadEnded("depth", 21.0),
    ]


def test_a_refusal_has_the_words_of_its_look() -> None:
    """Between two looks it goes on to be refused, for the reason that was: never for none."""
    dial, words = Dial(30), ["full"]
    admission = Admission((Signal("disk", dial, (10, 20, 30), lambda _: words[0]),), {}, lambda _: None)
    admission.look()
    dial.value, words[0] = 0, ""
    assert admission.refusal(C) == "full"
    admission.look()
    assert admission.refusal(C) is None


def test_one_switch_costs_no_other() -> None:
    """What one switch does is refused on it alone, and makes the whole give nothing up."""
    dial = Dial(30)
    admission = Admission((), {"fs1": signal(dial)}, lambda _: None)
    admission.look()
    assert admission.refusal(C, "fs1") == "depth 30"
    assert admission.refusal(C, "fs2") is None
    assert (admission.refusal(C), admission.level, admission.problems()) == (None, N, [])
    assert admission.switch_problems() == {"fs1": "depth 30: new calls are turned away"}
    dial.value = 0
    admission.look()
    assert admission.switch_problems() == {}


def test_problems_say_who_suffers() -> None:
    """Each in its own words, the highest of a signal alone."""
    first, second = Dial(10), Dial(25)
    admission = Admission((signal(first, "a"), signal(second, "b")), {}, lambda _: None)
    admission.look()
    assert admission.problems() == [
        (E, "a 10: transcriptions and other formats of recordings wait"),
        (S, "b 25: recordings asked for by REST are refused"),
    ]


def test_lag_is_what_never_ends() -> None:
    """One long pause is a burst; a loop that is late at each look for three seconds does not get on."""
    now = [0.0]
    lag = loop_lag(lambda: now[0])
    for late in (0.0, 9.0, *(0.0,) * SUSTAINED):
        now[0] += LOOK + late
        assert lag.look() is N
    levels = []
    for _ in range(SUSTAINED):
        now[0] += LOOK + 1.5
        levels.append(lag.look())
    assert levels == [N] * (SUSTAINED - 1) + [S]
    assert str(lag) == "fsrec is 1.5 s late all the time"
    now[0] += LOOK
    assert lag.look() is N


def test_a_switch_that_sends_faster_than_it_is_heard() -> None:
    """Held in every look for so long: its own starts, then its calls; not for another's events, nor at once."""
    held = Held("fs1")
    one = held.signal()
    held.observe(ReadingHeld("fs2", True, 9))
    assert one.look() is N
    for _ in range(3):
        held.observe(ReadingHeld("fs1", True, 5000))
        held.observe(ReadingHeld("fs1", False, 1000))
        assert one.look() is N
    held.observe(ReadingHeld("fs1", True, 5000))
    assert [one.look() for _ in range(8)] == [S] * 6 + [C] * 2  # the fourth in a row makes two seconds
    held.observe(LinkDown("fs1", "cut", 9.0))
    assert one.look() is N


class FakeStore:
    """A store that says what it is told to."""

    stalled, waiting = 0.0, 0

    async def probe(self) -> None:
        """Do nothing."""


def test_a_store_that_stalls_or_is_slow() -> None:
    """Age and number count apart: 5 s cost REST's starts and no call, 10 s or 10,000 changes cost calls."""
    store = FakeStore()
    age, backlog = store_age(store), store_backlog(store)
    for stalled, waiting, expected in (
        (1.9, 1999, (N, N)),
        (5.0, 5000, (S, S)),
        (9.9, 9999, (S, S)),
        (10.0, 10_000, (C, C)),
        (0.0, 0, (N, N)),
    ):
        store.stalled, store.waiting = stalled, waiting
        assert (age.look(), backlog.look()) == expected

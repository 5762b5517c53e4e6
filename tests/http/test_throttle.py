"""controller/http/throttle.py: how often somebody may fail, by a clock that the tests turn."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from controller.http.throttle import Throttle


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_and_then_one_an_interval() -> None:
    """So many at once, then one more after each interval; whoever waits long enough has a whole burst again."""
    clock = Clock()
    throttle = Throttle(burst=3, interval=6.0, clock=clock)
    for _ in range(3):
        assert throttle.wait("a") == 0
        throttle.failed("a")
    assert throttle.wait("a") == 6.0
    clock.now += 5.9
    assert 0 < throttle.wait("a") < 0.2
    clock.now += 0.1
    assert throttle.wait("a") == 0
    throttle.failed("a")
    assert throttle.wait("a") == 6.0
    clock.now += 18.0
    for _ in range(3):
        assert throttle.wait("a") == 0
        throttle.failed("a")
    assert throttle.wait("a") == 6.0


def test_others_are_not_in_it() -> None:
    """A key's failures are its own."""
    throttle = Throttle(burst=1, clock=Clock())
    throttle.failed("a")
    assert (throttle.wait("a") > 0, throttle.wait("b")) == (True, 0)


def test_the_table_does_not_grow() -> None:
    """With more keys than fit, those that failed longest ago are forgotten; the one that goes on failing is not."""
    throttle = Throttle(burst=1, most=10, clock=Clock())
    for number in range(1000):
        throttle.failed(number)
        throttle.failed("busy")
        assert len(throttle) <= 10
    assert throttle.wait("busy") > 0
    assert throttle.wait(999) > 0
    assert throttle.wait(0) == 0


@given(st.lists(st.floats(0, 20), max_size=60))
def test_never_more_than_the_rate(pauses: list[float]) -> None:
    """Whoever tries whenever it may fails at most a burst and one an interval, whatever the pauses."""
    clock = Clock()
    throttle = Throttle(burst=4, interval=5.0, clock=clock)
    began, failures = clock.now, 0
    for pause in pauses:
        clock.now += pause
        while throttle.wait("a") == 0:
            throttle.failed("a")
            failures += 1
        assert failures <= 4 + (clock.now - began) / 5.0 + 1e-6

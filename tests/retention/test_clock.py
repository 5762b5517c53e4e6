"""A clock is believed, or watched, before anything is deleted by it."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.retention.clock import AHEAD, WATCHED, BelievedClock, steady

NOW = 1_700_000_000.0
YEARS = 3 * 365 * 86400.0


class Machine:
    """A machine whose clock can be set, and that goes on."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / "retention"
        self.wall, self.up = NOW, 1000.0
        self.clock = self.boot()

    def boot(self, newest: float | None = None) -> BelievedClock:
        self.clock = BelievedClock(self.file, lambda: self.wall, lambda: self.up)
        self.clock.begin(newest)
        return self.clock

    def problem(self) -> str | None:
        return self.clock.problem

    def go_on(self, seconds: float) -> None:
        self.wall += seconds
        self.up += seconds

    def restart(self, seconds: float, newest: float | None = None) -> None:
        """Be off for so long; what counts steadily begins anew."""
        self.wall += seconds
        self.up = 5.0
        self.boot(newest)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_clock_that_goes_on_is_believed(machine: Machine) -> None:
    """For years, at any pace, over restarts of less than a day, and a suspension, which counts steadily."""
    for seconds in (60.0, 3600.0, 10 * 86400.0, YEARS):
        machine.go_on(seconds)
        assert machine.clock.now() == machine.wall
    machine.restart(AHEAD - 10)
    assert machine.clock.now() == machine.wall
    assert machine.clock.problem is None


def test_a_clock_set_back_is_believed_and_forward_again_is_not(machine: Machine) -> None:
    """Less is deleted by it; but the years that it was set back are no reason to believe them when they return."""
    assert machine.clock.now() == NOW
    machine.wall -= YEARS
    assert machine.clock.now() == machine.wall
    machine.wall += YEARS
    assert machine.clock.now() is None


def test_a_clock_years_ahead_is_watched_for_a_day(machine: Machine) -> None:
    """Nothing is deleted meanwhile; set right it is believed at once, else after a day of going on steadily."""
    assert machine.clock.now() == NOW
    machine.wall += YEARS
    assert machine.clock.now() is None
    assert "1095.0 days ahead" in (machine.problem() or "")
    machine.go_on(WATCHED - 1)
    assert machine.clock.now() is None
    machine.wall -= YEARS
    assert machine.clock.now() == machine.wall
    assert machine.problem() is None
    machine.wall += YEARS
    assert machine.clock.now() is None
    machine.go_on(WATCHED)
    assert machine.clock.now() == machine.wall


def test_a_clock_that_is_set_once_more_is_watched_anew(machine: Machine) -> None:
    """One that jumps is not steady."""
    machine.clock.now()
    machine.wall += YEARS
    assert machine.clock.now() is None
    machine.go_on(WATCHED - 1)
    machine.wall += YEARS
    assert machine.clock.now() is None
    machine.go_on(WATCHED - 1)
    assert machine.clock.now() is None
    machine.go_on(1)
    assert machine.clock.now() == machine.wall


def test_restarts_do_not_make_a_clock_believed(machine: Machine) -> None:
    """What was believed is kept; rows that were made by the wrong clock since say nothing for it."""
    assert machine.clock.now() == NOW
    machine.restart(YEARS)
    for _ in range(5):
        assert machine.clock.now() is None
        machine.go_on(WATCHED / 2)
        machine.restart(1, newest=machine.wall)
    assert machine.clock.now() is None


def test_without_a_file_the_newest_row_is_believed(machine: Machine) -> None:
    """A first start, or a file that was lost or can't be read: the rows tell of about when they were made."""
    machine.boot(newest=NOW - YEARS)
    assert machine.clock.now() is None
    machine.boot(newest=NOW - 3600)
    assert machine.clock.now() == NOW
    machine.file.write_text("no number")
    machine.boot(newest=NOW - YEARS)
    assert machine.clock.now() is None
    machine.file.unlink()
    machine.boot()
    assert machine.clock.now() == NOW


def test_what_goes_on_by_itself() -> None:
    """The machine's own never goes back."""
    assert 0 < steady() <= steady()

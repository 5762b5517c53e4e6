"""The order of a recording's deliveries."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from controller.store.lanes import Lane, Place


def due(lane: Lane) -> list[str]:
    return [place.id for place in lane if place.due_at is not None]


def test_first_attempts_wait_for_each_other() -> None:
    """The second's first attempt is released by the end of the first's, not by its success."""
    lane = Lane()
    lane.add("a", 1, 0.0)
    lane.add("b", 2, 0.0)
    assert due(lane) == ["a"]
    lane.attempted("a", 5.0, 1.0)
    assert lane.get("a") == Place("a", 1, False, 5.0)
    assert lane.get("b") == Place("b", 2, True, 1.0)


def test_the_last_notice_hurries_those_before_it() -> None:
    """Each undelivered one gets one immediate attempt, in order, and only then the last goes."""
    lane = Lane([Place("a", 1, False, 900.0), Place("b", 2, False, 800.0)])
    lane.hurry(3, 10.0)
    lane.add("z", 3, 10.0)
    assert (due(lane), lane.get("a")) == (["a"], Place("a", 1, True, 10.0))
    lane.attempted("a", 1000.0, 11.0)
    assert lane.get("b") == Place("b", 2, True, 11.0)
    lane.attempted("b", None, 12.0)
    assert lane.get("z") == Place("z", 3, True, 12.0)
    lane.attempted("z", 20.0, 13.0)
    assert sorted(due(lane)) == ["a", "z"]
    assert lane.get("a") == Place("a", 1, False, 1000.0)


def test_those_of_one_notice_do_not_wait_for_each_other() -> None:
    """Both may go at once, whichever came first; what comes after them waits for both first attempts."""
    lane = Lane()
    for identity, sequence in (("a1", 1), ("a2", 1), ("b1", 2), ("b2", 2)):
        lane.add(identity, sequence, 0.0)
    assert due(lane) == ["a1", "a2"]
    lane.attempted("a2", None, 1.0)
    assert due(lane) == ["a1"]
    lane.attempted("a1", 900.0, 2.0)
    assert sorted(due(lane)) == ["a1", "b1", "b2"]
    lane.hurry(3, 3.0)
    lane.add("z1", 3, 3.0)
    lane.add("z2", 3, 3.0)
    assert (sorted(due(lane)), lane.get("a1")) == (["a1", "b1", "b2"], Place("a1", 1, True, 3.0))
    for identity in ("a1", "b1", "b2"):
        lane.attempted(identity, None, 4.0)
    assert due(lane) == ["z1", "z2"]


def test_what_is_there_stays_and_what_is_not_is_ignored() -> None:
    """Adding twice, or an attempt of a stranger, changes nothing."""
    lane = Lane([Place("a", 1, False, 7.0)])
    lane.add("a", 1, 0.0)
    lane.attempted("x", 3.0, 0.0)
    assert list(lane) == [Place("a", 1, False, 7.0)]


@given(st.lists(st.tuples(st.sampled_from(["add", "again", "fail", "win", "last"]), st.integers(0, 9)), max_size=60))
def test_nothing_waits_for_ever_and_first_attempts_keep_order(moves: list[tuple[str, int]]) -> None:
    """Whatever happens, somebody may go while anybody waits, and first attempts begin in order of sequence."""
    lane, sequence, first, tried = Lane(), 0, [], set()
    for now, (move, pick) in enumerate(moves):
        ready = due(lane)
        if move in {"add", "again"}:  # again: to one more receiver
            sequence += move == "add"
            lane.add(f"{sequence}.{now}", sequence, float(now))
        elif move == "last":
            lane.hurry(sequence, float(now))
        elif ready:
            chosen = ready[pick % len(ready)]
            if chosen not in tried:
                first.append(int(chosen.split(".")[0]))
                tried.add(chosen)
            lane.attempted(chosen, None if move == "win" else float(now + pick), float(now))
        assert due(lane) or not list(lane)
    assert first == sorted(first)

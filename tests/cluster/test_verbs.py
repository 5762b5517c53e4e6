"""Verbs, answers and refusals as they cross between daemons."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.cluster import verbs
from controller.cluster.verbs import REFUSALS, VERBS, Answer, Verb, read, read_answer, refusal, written
from controller.recordings import ports
from controller.recordings.model import EndReason, PauseBehavior, new_id
from controller.store.codec import DecodeError, encode
from tests.store.values import REQUESTS, TEXT, call, recording

IDS = st.uuids(version=4).map(str)
SECONDS = st.floats(0, 60)
KINDS: dict[type[Verb], st.SearchStrategy[Verb]] = {
    verbs.Start: st.builds(verbs.Start, TEXT, TEXT, REQUESTS, TEXT, IDS, SECONDS),
    verbs.Pause: st.builds(verbs.Pause, IDS, st.sampled_from(PauseBehavior)),
    verbs.Resume: st.builds(verbs.Resume, IDS),
    verbs.Stop: st.builds(verbs.Stop, IDS, st.sampled_from(EndReason)),
    verbs.Delete: st.builds(verbs.Delete, IDS),
    verbs.Recent: st.builds(verbs.Recent, TEXT, TEXT, SECONDS),
    verbs.Find: st.builds(verbs.Find, TEXT, TEXT),
}


@given(st.one_of(*KINDS.values()))
def test_verbs_come_back(verb: Verb) -> None:
    """Any verb is read from its row as it was asked, also where a newer release says more."""
    name, data = written(verb)
    assert read(name, data) == verb
    if not data.startswith(" "):
        assert read(name, orjson.dumps({**orjson.loads(data), "new_in_the_next": [1]}).decode()) == verb


def test_every_verb_is_tried() -> None:
    """The table above has each kind."""
    assert set(KINDS) == set(VERBS.values())


@given(st.sampled_from([*VERBS, "hang_up", ""]), st.recursive(
    st.none() | st.booleans() | st.floats() | st.text() | st.just("0f4d9d3e-7f0c-4d5e-9d8a-111111111111"),
    lambda inner: st.lists(inner) | st.dictionaries(
        st.sampled_from(["recording", "identity", "seconds", "call", "account", "request", "reason"]) | st.text(),
        inner,
    ),
))  # fmt: skip
def test_rows_that_are_nonsense(name: str, data: Any) -> None:
    """They are refused, whatever they hold; nothing else is raised."""
    try:
        read(name, orjson.dumps(data, default=str).decode())
    except DecodeError:
        return
    assert name in VERBS


@pytest.mark.parametrize(
    ("verb", "wrong"),
    [
        (verbs.Stop("../../etc/passwd", EndReason.API), "recording: expected a uuid4"),
        (verbs.Delete("0f4d9d3e-7f0c-1d5e-9d8a-111111111111"), "recording: expected a uuid4"),
        (verbs.Recent("a", "c", 61.0), "seconds: expected 0 to 60"),
        (verbs.Recent("a", "c", float("nan")), "seconds: expected 0 to 60"),
    ],
)
def test_values_that_no_daemon_writes(verb: Verb, wrong: str) -> None:
    """A file is named after an id: it is one, or refused; so is a wait that would not end."""
    with pytest.raises(DecodeError, match=wrong):
        read(*written(verb))


def test_an_unknown_verb() -> None:
    """It is refused with what would be known."""
    with pytest.raises(DecodeError, match=r"expected one of start, pause, resume.*found 'hang_up'"):
        read("hang_up", "{}")


def test_answers_come_back() -> None:
    """With recordings and calls."""
    answer = Answer(recordings=(recording(), recording()), call=call(text=""), done=True)
    assert read_answer(encode(answer)) == answer
    assert answer.checked() is answer


@pytest.mark.parametrize("kind", REFUSALS.values(), ids=lambda kind: kind.__name__)
def test_refusals_are_raised_as_they_were(kind: type[Exception]) -> None:
    """By name and text."""
    sent = refusal(kind("why"))
    assert sent is not None
    with pytest.raises(kind, match=r"^why$") as raised:
        read_answer(encode(sent)).checked()
    assert raised.type is kind


def test_every_refusal_of_the_core_crosses() -> None:
    """A new one is a decision: it is in the table, or its nearest kin is, or it never leaves its room."""
    inner = {ports.Unfinished}
    kinds = {kind for kind in vars(ports).values() if isinstance(kind, type) and issubclass(kind, Exception)}
    assert {kind for kind in kinds - inner if refusal(kind("x")) is None} == set()


def test_kin_and_strangers() -> None:
    """A subclass crosses as its nearest kin, a fault not at all; a name of another release means: not now."""

    class TooManyToday(ports.TooMany):
        pass

    assert refusal(TooManyToday("x")) == Answer("TooMany", "x")
    assert refusal(ValueError("x")) is None
    assert refusal(LookupError()) is None
    with pytest.raises(ports.SwitchAway, match="text"):
        Answer("KeyboardInterrupt", "text").checked()


def test_one_recording_is_one() -> None:
    """An answer without the recording that it should have is no answer."""
    one = recording()
    assert Answer(recordings=(one,)).recording == one
    for wrong in (Answer(), Answer(recordings=(one, one))):
        with pytest.raises(ports.SwitchAway):
            _ = wrong.recording


def test_ids_are_those_that_we_make() -> None:
    """What the check accepts is what ``new_id`` makes."""
    identity = new_id()
    assert read(*written(verbs.Resume(identity))) == verbs.Resume(identity)

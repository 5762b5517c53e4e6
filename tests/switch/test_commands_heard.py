"""What is heard while a leg dials: variables that still say so after FreeSWITCH has split and unquoted them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.softswitch.text import split_arguments
from controller.switch.commands import (
    CONFIRMING_KEYS,
    LONGEST_CONFIRMATION,
    QUESTION,
    RINGBACK,
    Bridge,
    Callee,
    Confirmed,
    Joined,
    LocalFile,
    SetQuestion,
    SetRingback,
    SilenceStream,
    Source,
    Spoken,
    Tone,
    parse,
)
from controller.switch.commands_heard import taken_off

LEG = "50025a09-4c0c-4a8c-800c-88bd3014e327"
EXECUTION = "ee37fb7e-d586-45ed-8f6c-44bc0f5ba9c3"
CALLEES = tuple(
    Callee(leg, "loopback/1000/x")
    for leg in ("1c0d60f5-3ad7-4c11-9be5-1d30a2f49c11", "2c0d60f5-3ad7-4c11-9be5-1d30a2f49c12")
)
CALL = "0495cc91bd10458ba3b1e67a5c824afe"
FILE, RING, PAUSE = LocalFile("/p/a.wav"), Tone("%(2000,4000,440,480)"), SilenceStream(100)


def said(packet: str) -> tuple[str, str]:
    """Name and value, as FreeSWITCH takes a packet apart (switch_separate_string, three fields)."""
    _, name, value = split_arguments(packet.removeprefix("api uuid_setvar "), 3)
    return name, value


@pytest.mark.parametrize(
    ("source", "value"),
    [
        (None, "silence:-1"),
        (FILE, "/p/a.wav"),
        (RING, "%(2000,4000,440,480)"),
        (Joined((RING, FILE, PAUSE)), f"file_string://{RING}!{FILE}!{PAUSE}"),
        (Joined((PAUSE,)), f"file_string://{PAUSE}"),
    ],
)
def test_ringback(source: LocalFile | Tone | Joined | None, value: str) -> None:
    """A file is a path, a tone its script alone, which goes on by itself; the rest is joined."""
    command = SetRingback(LEG, source)
    assert said(command.packet()) == (RINGBACK, value)
    assert parse(command.packet()) == command


def test_a_tone_with_loops_is_no_ringback() -> None:
    """``loops=`` is not teletone's."""
    with pytest.raises(ValueError, match="right is one without"):
        SetRingback(LEG, Tone("%(1,1,440);loops=2"))


@pytest.mark.parametrize("executed", [False, True])
def test_question(executed: bool) -> None:
    """Played where a key is waited for, executed where none is."""
    command = SetQuestion(LEG, Joined((FILE, PAUSE)), executed)
    assert said(command.packet()) == (QUESTION, f"{'playback ' if executed else ''}file_string://{FILE}!{PAUSE}")
    assert parse(command.packet()) == command


WORDS = st.text("ab '\"\\!;,=${}[]|%~^@\n", min_size=1, max_size=30) | st.text(min_size=1, max_size=30)


@given(WORDS, WORDS, st.booleans())
def test_any_text_arrives_as_one_value(first: str, second: str, executed: bool) -> None:
    """Whatever is to be said: it is refused, or FreeSWITCH has that source and no other, in one line."""
    try:
        source: Source = Joined((Spoken("flite", "kal", first), Spoken("flite", "kal", second)))
    except ValueError:
        return
    packets = [SetQuestion(LEG, source, executed).packet()]
    packets += [SetRingback(LEG, source).packet()] if isinstance(source, Joined) else []
    for packet in packets:
        assert said(packet)[1].removeprefix("playback ") == str(source)
        assert "\n" not in packet
        assert "{" not in packet
        assert parse(packet).packet() == packet


@pytest.mark.parametrize("callees", [CALLEES[:1], CALLEES])
@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("ringback", [False, True])
@pytest.mark.parametrize("confirmed", [None, Confirmed("*", 9), Confirmed("", 300)])
def test_dialling(callees: tuple[Callee, ...], early: bool, ringback: bool, confirmed: Confirmed | None) -> None:
    """Early media is connected of one callee that is not asked, where that is wished; else it is ignored."""
    made = Bridge(*(LEG, callees, CALL), early=early, ringback=ringback, confirmed=confirmed, event_uuid=EXECUTION)
    heard = early and confirmed is None and len(callees) == 1
    assert f"ignore_early_media={'false' if heard else 'true'}," in made.argument()
    assert ("instant_ringback=true" in made.argument()) is ringback
    assert ("group_confirm_key" in made.argument()) is (confirmed is not None)
    assert parse(made.packet()) == made


@pytest.mark.parametrize("key", ["exec", "55", "A", ",", "x", " ", "}"])
def test_keys(key: str) -> None:
    """One of those that people have; ``exec`` would run what a document says."""
    with pytest.raises(ValueError, match=f"right is one of {CONFIRMING_KEYS[:3]}"):
        Confirmed(key, 9)
    assert {Confirmed(right, 9).key for right in CONFIRMING_KEYS} == set(CONFIRMING_KEYS)


@pytest.mark.parametrize("seconds", [0, -1, LONGEST_CONFIRMATION + 1, True])
def test_times(seconds: int) -> None:
    """Nobody is asked for no time, or for ever."""
    with pytest.raises(ValueError, match="seconds: "):
        Confirmed("5", seconds)


def test_nothing_is_left_on_a_leg() -> None:
    """Both are unset in one packet."""
    command = taken_off(LEG)
    assert command.packet() == f"api uuid_setvar_multi {LEG} {RINGBACK}=;{QUESTION}="
    assert parse(command.packet()) == command

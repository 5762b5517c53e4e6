"""Commands that try a switch out: what they print is closed, and read back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.switch.commands import Command, Originate, ShowTasks, SipConfiguration, UuidDisplace, parse

LEG = "50025a09-4c0c-4a8c-800c-88bd3014e327"
BLOCK = (
    "{origination_uuid=50025a09-4c0c-4a8c-800c-88bd3014e327,origination_caller_id_name=fsrec-doctor,"
    "ignore_early_media=true,originate_timeout=10,loopback_bowout=false}"
)


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (Originate(LEG), f"originate {BLOCK}null/fsrec-doctor &playback(silence_stream://10000)"),
        (Originate(LEG, "1001"), f"originate {BLOCK}loopback/1001/fsrec &playback(silence_stream://10000)"),
        (Originate(LEG, "+*1#", "in_x"), f"originate {BLOCK}loopback/+*1#/in_x &playback(silence_stream://10000)"),
        (
            Originate(LEG, "1001", speaks=True),
            f"originate {BLOCK}loopback/1001/fsrec &playback(silence_stream://4000,16)",
        ),
        (ShowTasks(), "show tasks as json"),
        (UuidDisplace(LEG, "/r/a-1.wav"), f"uuid_displace {LEG} start /r/a-1.wav"),
        (SipConfiguration(), "xml_locate configuration configuration name sofia.conf"),
    ],
)
def test_text(command: Command, text: str) -> None:
    """Each prints what FreeSWITCH understands (tried on a real one), and reads back as itself."""
    assert command.packet() == f"api {text}"
    assert parse(command.packet()) == command


@given(
    st.from_regex(r"\+?[0-9*#]{1,32}", fullmatch=True), st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,63}", fullmatch=True)
)
def test_round_trip(destination: str, context: str) -> None:
    """Any number and context read back as they were."""
    command = Originate(LEG, destination, context)
    assert parse(command.packet()) == command


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=40))
def test_closed(leg: str, destination: str, context: str) -> None:
    """No text adds an argument, a variable, an application or another endpoint: it is refused, or one field."""
    for change in ({"leg": leg}, {"destination": destination}, {"context": context}):
        fields: dict[str, str] = {"leg": LEG, "destination": "1001", "context": "fsrec", **change}
        try:
            packet = Originate(fields["leg"], fields["destination"], fields["context"]).packet()
        except ValueError:
            continue
        assert packet.count(" ") == 3
        assert packet.count("/") == 4
        assert packet.count(",") == BLOCK.count(",")
        assert "\n" not in packet


@pytest.mark.parametrize(
    ("destination", "context"),
    [
        ("app=system:x", "fsrec"),
        ("1001/fsrec", "fsrec"),
        ("1001,loopback", "fsrec"),
        ("", "fsrec"),
        ("1" * 33, "fsrec"),
        ("1001", "a b"),
        ("1001", ""),
        ("1001", "x" * 65),
        ("${x}", "fsrec"),
    ],
)
def test_refused(destination: str, context: str) -> None:
    """What is no number or no context is not said to a switch."""
    with pytest.raises(ValueError, match="right is"):
        Originate(LEG, destination, context)


@pytest.mark.parametrize(
    ("leg", "path"),
    [
        ("x", "/r/a.wav"),
        (LEG, "a.wav"),
        (LEG, "/r/a.sh"),
        (LEG, "/r/a b.wav"),
        (LEG, "/r/../a.wav"),
        (LEG, "http://x/a.wav"),
    ],
)
def test_displace_refused(leg: str, path: str) -> None:
    """Only a leg of ours is tried, and only with a sound file by its absolute path."""
    with pytest.raises(ValueError, match="right"):
        UuidDisplace(leg, path)


@pytest.mark.parametrize(
    "packet",
    [
        "api originate {}null/x &playback(silence_stream://10000)",
        f"api originate {BLOCK}sofia/x/y &playback(silence_stream://10000)",
        f"api originate {BLOCK}null/fsrec-doctor &park()",
        f"api originate {BLOCK}loopback/1001 &playback(silence_stream://10000)",
        f"api uuid_displace {LEG} stop /r/a.wav",
        f"api uuid_displace {LEG} start /r/a.wav 3",
        "api xml_locate root",
        f"api originate {BLOCK.replace('10', '11')}null/fsrec-doctor &playback(silence_stream://10000)",
    ],
)
def test_not_ours(packet: str) -> None:
    """What prints differently is not read."""
    with pytest.raises(ValueError, match="packet"):
        parse(packet)

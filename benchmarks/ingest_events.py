"""Events as a switch sends them, of a chosen size: recorded ones, cut or filled up with what a SIP call brings.

benchmarks/data/events.jsonl holds one recorded event of each kind, in the order of a recorded call. Here they become
many calls, each event with its leg, time and sequence, and of exactly as many bytes as JSON. Both forms, JSON and
plain, are of the same events, written as the switch writes them (the softswitch's own printer).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from controller.softswitch.events import Event, Format, Header

SIZES = (2_400, 12_000)
"""Bytes of an event's JSON: of a plain leg, and of one that carries a carrier's and a dialplan's variables."""

CALLS = 40
"""Calls in a block."""

_NEEDED = (
    "Event-",
    "Core-",
    "FreeSWITCH-",
    "Unique-ID",
    "Old-Unique-ID",
    "Channel-",
    "Call-Direction",
    "Answer-State",
    "Hangup-Cause",
    "Application",
    "DTMF",
    "Record",
    "Media-Bug",
    "Caller-Destination",
    "Caller-Caller-ID",
    "Caller-Context",
)
"""How the headers begin that are not cut: what is read of an event, and what the core writes first."""

_SIP = (
    ("sip_from_uri", "+15551230000@carrier.example.net:5060"),
    ("sip_full_via", "SIP/2.0/UDP 192.0.2.2:5060;rport=5060;branch=z9hG4bK7pB0rXvF3Hc5j"),
    ("sip_call_id", "6a4f1c00-11c8-123d-cc9b-0242ac110002"),
    ("rtp_use_codec_string", "PCMU@8000h@20i@64000b,PCMA@8000h@20i@64000b"),
    ("sip_h_X-Carrier-Trunk", "trunk-17; region eu-central"),
    ("endpoint_disposition", "RECEIVED"),
    ("sip_contact_uri", "mod_sofia@192.0.2.2:5060"),
    ("call_timeout", "60"),
    ("call_uuid", "6a4f1c00-11c8-423d-8c9b-0242ac110002"),
    ("remote_media_ip", "192.0.2.17"),
    ("sip_via_host", "edge-17.carrier.example.net"),
    ("rtp_use_codec_name", "PCMU"),
    ("sip_user_agent", "FreeSWITCH-mod_sofia/1.11.2-dev"),
    ("effective_caller_id_number", "15551230000"),
    ("hold_music", "local_stream-moh-8000"),
    ("switch_r_sdp", "v=0\r\no=FreeSWITCH 1795140 1795141 IN IP4 192.0.2.2"),
)
"""Variables of a SIP leg, named and as long as they are, with as much that `plain` must escape as a recorded leg's
(22 to 35 signs a kB); repeated with a number until the size is met."""


@cache
def recorded() -> tuple[dict[str, str], ...]:
    """Return the recorded events, headers in the switch's order."""
    lines = (Path(__file__).parent / "data" / "events.jsonl").read_text().splitlines()
    return tuple(json.loads(line) for line in lines)


def block(size: int, form: Format) -> bytes:
    """Return `CALLS` calls' events as they go over the wire; each event is `size` bytes of JSON in that form."""
    return b"".join(event.frame(form) for event in events(size))


def in_block() -> int:
    """Return how many events a block holds."""
    return CALLS * len(recorded())


def events(size: int) -> Iterator[Event]:
    """Return a block's events; the calls go on beside one another."""
    legs = [str(uuid.UUID(int=0x9E11_3F22_0000_4000_8000_0000_0000_0000 + number)) for number in range(CALLS)]
    for step, model in enumerate(recorded()):
        for number, leg in enumerate(legs):
            sequence = step * CALLS + number
            told = {
                "Unique-ID": leg,
                "Channel-Call-UUID": leg,
                "Event-Sequence": str(100_000 + sequence),
                "Event-Date-Timestamp": str(1_795_144_240_824_777 + 150 * sequence),
            }
            yield _sized({**model, **{name: told[name] for name in told if name in model}}, size)


def _sized(headers: dict[str, str], size: int) -> Event:
    """Return it with so many bytes of JSON: its last needless headers cut, then a SIP leg's variables added."""
    kept: list[Header] = list(headers.items())
    spare = [pair for pair in kept if not pair[0].startswith(_NEEDED)]
    space = size - _length(kept)
    while space < 0 and spare:
        pair = spare.pop()
        kept.remove(pair)
        space += _cost(pair)
    number = 0
    while space > 150:
        name, value = _SIP[number % len(_SIP)]
        kept.append((f"variable_{name}_{number}", value))  # numbered, so that none is there already
        space -= _cost(kept[-1])
        number += 1
    least = _cost(("variable_pad", ""))
    if space >= least:
        kept.append(("variable_pad", "x" * (space - least)))
    return Event(headers["Event-Name"], kept)


def _length(headers: list[Header]) -> int:
    return len(Event("", headers).json().encode())


def _cost(pair: Header) -> int:
    return len(Event("", [pair]).json().encode()) - 1  # without its braces, with a comma

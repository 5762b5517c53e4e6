"""What a real FreeSWITCH was told and said, told to the softswitch: it must say the same.

data/*.jsonl is recorded wire data of FreeSWITCH 1.11.2-dev, headers that differ by nature left out. All conversations
are held at the same time, each with a switch of its own, once for all tests here.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from controller.softswitch import Hangup, Silence
from tests.softswitch.client import Client, connect, running

DATA = Path(__file__).with_name("data")
TRACES = sorted(path.stem for path in DATA.glob("*.jsonl"))
RECORDED_IN = "/var/lib/fsrec/recordings"
_COMPARED = """
Channel-State Channel-Call-State Answer-State Original-Channel-Call-State Hangup-Cause Call-Direction
Application Application-Data Application-Response Record-File-Path Record-Completion-Cause Media-Bug-Function
Media-Bug-Target DTMF-Digit DTMF-Duration DTMF-Source Playback-File-Type Playback-File-Path Playback-Status
Other-Type Event-Calling-File Event-Calling-Function call-command execute-app-name execute-app-arg
variable_record_completion_cause variable_hangup_cause variable_digits_dialed variable_endpoint_disposition
variable_current_application Direction
"""
COMPARED = tuple(_COMPARED.split())
FRAME_MS = 20


@dataclass(frozen=True)
class Conversation:
    """Both sides of a trace: what the real switch said, and what the softswitch says to the same commands."""

    real_events: list[dict[str, Any]]
    soft_events: list[dict[str, Any]]
    real_replies: list[tuple[str, str]]
    soft_replies: list[tuple[str, str]]


@cache
def lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATA / f"{name}.jsonl").read_text().splitlines()]


def placed(text: str, directory: Path) -> str:
    return text.replace(RECORDED_IN, str(directory))


async def hold(name: str, directory: Path) -> Conversation:
    trace = lines(name)
    async with running(directory) as switch, connect(switch) as client:
        replies: list[tuple[str, str]] = []
        if name.startswith("inbound"):
            switch.dialplan = ()
            events = [line["event"] for line in trace if "event" in line]
            await switch.call("park1", [Silence(1.5), Hangup()], leg=events[0]["Unique-ID"], answered=True)
        leg, told, last = next(line["event"]["Unique-ID"] for line in trace if "event" in line), 0, 0.0
        for line in trace:
            told += line.get("event", {}).get("Unique-ID") == leg
            if "sent" not in line or line["sent"].startswith(("auth", "event")):
                continue
            # As then: not before what had been heard by then, and with the same pause between commands
            await heard(client, leg, told)
            await asyncio.sleep(line["at"] - last)
            last = line["at"]
            reply = await client.command(placed(line["sent"], directory))
            replies.append((reply.headers.get("Reply-Text", ""), reply.text))
        destroyed = [line for line in trace if line.get("event", {}).get("Channel-State") == "CS_DESTROY"]
        await client.until(lambda: len(ended(client)) >= len(destroyed))
    real = [line["event"] for line in trace if "event" in line]
    real_replies = [
        (placed(line["reply"].get("Reply-Text", ""), directory), placed(line["body"], directory))
        for line in trace
        if "reply" in line
    ][3:]
    located = json.loads(placed(json.dumps(real), directory))
    told_events = [event for event in client.events if event["Event-Name"] not in ("API", "CODEC")]
    return Conversation(located, told_events, real_replies, replies)


async def heard(client: Client, leg: str, count: int) -> None:
    """Wait until so many events of the leg have come."""
    await client.until(lambda: len(client.names(leg)) >= count)


def ended(client: Client) -> list[dict[str, Any]]:
    return [event for event in client.events if event.get("Channel-State") == "CS_DESTROY"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def conversations(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mapping[str, Conversation]]:
    held = await asyncio.gather(*(hold(name, tmp_path_factory.mktemp(name)) for name in TRACES))
    yield dict(zip(TRACES, held, strict=True))


def by_leg(events: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Events of each leg; a leg is named by its channel and the order of appearance."""
    names: dict[str, str] = {}
    legs: dict[str, list[dict[str, Any]]] = {}
    for event in events:
        if (uuid := event.get("Unique-ID")) is None:
            continue
        if uuid not in names:
            channel = event["Channel-Name"].split("@")[0].rsplit("/", 1)[1]
            channel = channel if channel.startswith(("tone", "burst", "park1")) else "caller"
            names[uuid] = f"{channel} {sum(name.startswith(channel) for name in names.values())}"
        legs.setdefault(names[uuid], []).append(event)
    return legs


def shown(event: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: event[key] for key in COMPARED if key in event}
    kept |= {key: value for key, value in event.items() if key.startswith("Recording-Variable")}
    return {"Event-Name": event["Event-Name"], **kept}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", TRACES)
async def test_replies(name: str, conversations: Mapping[str, Conversation]) -> None:
    """Every command of the trace gets the reply, to the letter, that the real switch gave."""
    talk = conversations[name]
    assert talk.soft_replies == talk.real_replies


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", TRACES)
async def test_events_of_the_controlled_leg(name: str, conversations: Mapping[str, Conversation]) -> None:
    """The leg that the commands are about tells the same events in the same order with the same key headers."""
    talk = conversations[name]
    real, soft = by_leg(talk.real_events), by_leg(talk.soft_events)
    first = next(iter(real))
    assert [shown(event) for event in soft[first]] == [shown(event) for event in real[first]]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", TRACES)
async def test_events_of_the_other_legs(name: str, conversations: Mapping[str, Conversation]) -> None:
    """The far ends tell the same events; their order at the hangup is a race on the real switch too."""
    talk = conversations[name]
    real, soft = by_leg(talk.real_events), by_leg(talk.soft_events)
    assert soft.keys() == real.keys()
    for leg in list(real)[1:]:
        told = [sorted(event["Event-Name"] for event in side[leg]) for side in (soft, real)]
        assert told[0] == told[1]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", TRACES)
async def test_lengths(name: str, conversations: Mapping[str, Conversation]) -> None:
    """On both sides a recording is as long as the time that it ran and was neither paused nor gated."""
    talk = conversations[name]
    counts = []
    for side in (talk.soft_events, talk.real_events):
        stops = [event for event in side if event["Event-Name"] == "RECORD_STOP"]
        counts.append(len(stops))
        for stop in stops:
            begin, end = first(side, "RECORD_START", stop["Record-File-Path"]), stop
            if name.startswith("bridge"):
                begin, end = first(side, "CHANNEL_BRIDGE"), first(side, "CHANNEL_UNBRIDGE")
            elapsed = (int(end["Event-Date-Timestamp"]) - int(begin["Event-Date-Timestamp"])) / 1000
            missing = elapsed - int(stop["variable_record_ms"])
            paused = 300 if name == "uuid_record_pause_mask_stop" else 0
            assert abs(missing - paused) <= 3 * FRAME_MS
            assert int(stop["variable_record_samples"]) == 8 * int(stop["variable_record_ms"])
    assert counts[0] == counts[1]


def first(events: list[dict[str, Any]], name: str, path: str | None = None) -> dict[str, Any]:
    return next(e for e in events if e["Event-Name"] == name and path in (None, e.get("Record-File-Path")))


@pytest.mark.asyncio(loop_scope="module")
async def test_background_jobs(conversations: Mapping[str, Conversation]) -> None:
    """BACKGROUND_JOB carries job, command, argument and output, and no Unique-ID."""
    talk = conversations["uuid_record_bgapi"]
    keys = ("Job-UUID", "Job-Command", "Job-Command-Arg", "Content-Length", "_body", "Unique-ID")
    jobs = [
        [{key: event.get(key) for key in keys} for event in side if event["Event-Name"] == "BACKGROUND_JOB"]
        for side in (talk.soft_events, talk.real_events)
    ]
    assert jobs[0] == jobs[1]


@pytest.mark.asyncio(loop_scope="module")
async def test_header_order(conversations: Mapping[str, Conversation]) -> None:
    """Headers come in the real order: the core's, the channel's, the event's own, before or after as there."""
    order: dict[str, list[str]] = json.loads((DATA / "header_order.json").read_text())
    seen: set[str] = set()
    for talk in conversations.values():
        for event in talk.soft_events:
            sofia = " sofia" if "sofia" in event.get("Channel-Name", "") else ""
            name = event["Event-Name"] + sofia
            if name in order and name not in seen:
                seen.add(name)
                ours = [key for key in event if key in order[name]]
                theirs = [key for key in order[name] if key in event]
                assert ours == theirs, name
    assert seen == set(order)

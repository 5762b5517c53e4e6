"""Tells one command sequence to a switch, softswitch or real, and reduces what came of it to what can be compared.

Compared to the letter: replies (type and text), the controlled leg's events in order with their key headers, which
files there are, their channels, rate and number of masked spans. Compared within TOLERANCE: how much shorter a file
is than the time that it ran (pauses left out), and how much a masked span differs from its two commands' distance.
Those are differences, because the commands' own times are never the same twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tests.harness.audio import read_wav
from tests.softswitch.client import Client, Listening, connect
from tests.softswitch.twin_sequences import Command, Sequence

TOLERANCE = 0.06
"""Seconds: three frames."""

EVENTS = (
    "CHANNEL_CREATE CHANNEL_ORIGINATE CHANNEL_STATE CHANNEL_CALLSTATE CHANNEL_ANSWER CHANNEL_PARK CHANNEL_UNPARK "
    "CHANNEL_BRIDGE CHANNEL_UNBRIDGE CHANNEL_HANGUP CHANNEL_HANGUP_COMPLETE CHANNEL_DESTROY CHANNEL_EXECUTE "
    "CHANNEL_EXECUTE_COMPLETE PRIVATE_COMMAND RECORD_START RECORD_STOP MEDIA_BUG_START MEDIA_BUG_STOP PLAYBACK_START "
    "PLAYBACK_STOP DTMF BACKGROUND_JOB"
)
_SHOWN = """
Channel-State Channel-Call-State Answer-State Hangup-Cause Application Application-Data Application-Response
Application-UUID Record-File-Path Record-Completion-Cause Media-Bug-Function Media-Bug-Target DTMF-Digit DTMF-Source
DTMF-Duration Playback-File-Type Playback-File-Path Playback-Status Original-Channel-Call-State call-command
execute-app-name execute-app-arg variable_record_completion_cause variable_RECORD_DISCARDED
"""
_HEADERS = tuple(_SHOWN.split())
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_OURS = re.compile(r"00000000-0000-4000-8000-0{11}\d")
_ENDED_SECONDS = 4.0
_SHORTEST_MASK = 0.04
"""Seconds: shorter runs of zeros are no masks but the beginnings of tones."""

Shown = dict[str, str]


@dataclass(slots=True)
class Outcome:
    """What came of a sequence."""

    replies: list[tuple[str, str, str]] = field(default_factory=list)
    events: list[Shown] = field(default_factory=list)
    before: list[str] = field(default_factory=list)
    """Names of the events before CHANNEL_PARK, sorted."""
    jobs: dict[str, str] = field(default_factory=dict)
    files: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    """Name → channels, rate, masked spans."""
    missing: dict[str, float] = field(default_factory=dict)
    """Seconds that a recording is shorter than it ran and was not paused."""
    masked: dict[str, float] = field(default_factory=dict)
    """Seconds that a recording's masked spans are longer than their commands were apart."""

    def differences(self, other: Outcome) -> list[str]:
        """Where two differ, in words; none when they are the same."""
        found = []
        for name in ("replies", "before", "events", "jobs", "files"):
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine != theirs:
                found.append(f"{name}:\n{_first_difference(mine, theirs)}")
        for name in ("missing", "masked"):
            mine, theirs = getattr(self, name), getattr(other, name)
            found += [
                f"{name} of {file}: {mine[file]:.3f} s, {theirs[file]:.3f} s"
                for file in mine.keys() & theirs.keys()
                if abs(mine[file] - theirs[file]) > TOLERANCE
            ]
        return found


def _first_difference(mine: Any, theirs: Any) -> str:
    """The first items that differ, with the three before."""
    if isinstance(mine, dict):
        mine, theirs = sorted(mine.items()), sorted(theirs.items())
    at = next((n for n, pair in enumerate(zip(mine, theirs, strict=False)) if pair[0] != pair[1]), None)
    at = min(len(mine), len(theirs)) if at is None else at
    lines = [f"    both: {_brief(item)}" for item in mine[max(0, at - 3) : at]]
    lines += [f"    soft: {_brief(item)}" for item in mine[at : at + 3]] or ["    soft: ends"]
    lines += [f"    real: {_brief(item)}" for item in theirs[at : at + 3]] or ["    real: ends"]
    return "\n".join(lines)


def _brief(item: Any) -> str:
    return json.dumps(item) if not isinstance(item, dict) else " ".join(f"{k}={v}" for k, v in item.items())


@dataclass(slots=True)
class Teller:
    """One sequence, one leg, one connection."""

    client: Client
    directory: Path
    leg: str = field(default_factory=lambda: str(uuid.uuid4()))
    replies: list[tuple[str, str, str]] = field(default_factory=list)
    sent: list[tuple[float, Command, str]] = field(default_factory=list)

    async def tell(self, sequence: Sequence) -> None:
        for command in sequence.commands:
            await asyncio.sleep(command.delay)
            at = time.time()
            reply = await self.client.command(
                command.text.replace("LEG", self.leg).replace("DIR", str(self.directory))
            )
            text = self.normal(reply.text)
            self.replies.append((reply.kind, self.normal(reply.headers.get("Reply-Text", "")), text))
            self.sent.append((at, command, text))

    def normal(self, text: str) -> str:
        text = text.replace(self.leg, "LEG").replace(str(self.directory), "DIR")
        return _UUID.sub(lambda found: found[0] if _OURS.fullmatch(found[0]) else "UUID", text)

    def mine(self) -> list[dict[str, Any]]:
        return [event for event in self.client.events if event.get("Unique-ID") == self.leg]

    def shown(self, event: dict[str, Any]) -> Shown:
        kept = {key: event[key] for key in _HEADERS if key in event}
        kept |= {key: value for key, value in event.items() if key.startswith("Recording-Variable")}
        return {"Event-Name": event["Event-Name"], **{key: self.normal(value) for key, value in kept.items()}}

    def outcome(self) -> Outcome:
        events = self.mine()
        parked = next((n for n, event in enumerate(events) if event["Event-Name"] == "CHANNEL_PARK"), len(events))
        # Until it is parked the leg's own thread and the one that originates it race: there the order is no promise.
        found = Outcome(
            self.replies,
            [self.shown(event) for event in events[parked:]],
            sorted(event["Event-Name"] for event in events[:parked]),
        )
        for event in self.client.events:
            job = event.get("Job-UUID", "")
            if job.startswith("job-") and self.leg in event.get("Job-Command-Arg", ""):
                found.jobs[job] = self.normal(event["_body"])
        for path in sorted(self.directory.rglob("*")):
            if path.is_file():
                self._measure(path, events, found)
        return found

    def _measure(self, path: Path, events: list[dict[str, Any]], found: Outcome) -> None:
        name, sound = str(path.relative_to(self.directory)), read_wav(path)
        # Where nobody sends, a real switch fills in samples of -1: only beside a tone are zeros masks on both.
        tone = "loopback/tone" in self.sent[0][1].text
        runs = _zero_runs(sound.samples, round(_SHORTEST_MASK * sound.rate)) if tone else []
        found.files[name] = (sound.channels, sound.rate, len(runs))
        starts = [event for event in events if event.get("Record-File-Path") == str(path)]
        ran = [_moment(event) for event in starts]
        plain = all(event.get("Recording-Variable-RECORD_PRE_BUFFER_FRAMES") == "0" for event in starts)
        if len(ran) != 2 or not plain or "RECORD_BRIDGE_REQ" in str(events):
            return  # written to twice, gated, or with a pre-buffer, whose loss hangs on who sent when
        begin, end = ran
        paused = sum(b - a for a, b in self._spans(path, ("pause", "resume"), end))
        masks = sum(b - a for a, b in self._spans(path, ("mask", "unmask"), end))
        found.missing[name] = end - begin - paused - sound.seconds
        if tone and masks and not paused:
            found.masked[name] = sum(runs) / sound.rate - masks

    def _spans(self, path: Path, actions: tuple[str, str], end: float) -> list[tuple[float, float]]:
        """From each first to each second command that was carried out, or to the end."""
        spans, since = [], None
        for at, command, reply in self.sent:
            words = command.text.replace("DIR", str(self.directory)).split()
            if str(path) not in words or reply.startswith("-ERR") or at > end:
                continue
            action = next((a for a in actions if f"session_{a}" in command.text or f" {a} " in command.text), None)
            if action == actions[0] and since is None:
                since = at
            elif action == actions[1] and since is not None:
                spans.append((since, at))
                since = None
        return [*spans, (since, end)] if since is not None else spans


def _moment(event: dict[str, Any]) -> float:
    return int(event["Event-Date-Timestamp"]) / 1e6


def _zero_runs(samples: np.ndarray[Any, np.dtype[np.float64]], shortest: int) -> list[int]:
    """Lengths of the runs of digital silence, but for one at the very beginning (the tone's own)."""
    zero = np.concatenate(([False], ~np.any(samples, axis=1), [False]))
    edges = np.flatnonzero(zero[1:] != zero[:-1])
    pairs = zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    return [end - start for start, end in pairs if end - start >= shortest and start]


async def hold(switch: Listening, directory: Path, sequence: Sequence) -> Outcome:
    """Tell `sequence` to a switch and hear it to the end of its leg."""
    directory.mkdir(parents=True)
    async with connect(switch, f"json {EVENTS}") as client:
        teller = Teller(client, directory)
        for name, value in (("Unique-ID", teller.leg), ("Event-Name", "BACKGROUND_JOB")):
            await client.command(f"filter {name} {value}")
        await teller.tell(sequence)
        with contextlib.suppress(TimeoutError):  # then the events end earlier, which is a difference or is not
            async with asyncio.timeout(_ENDED_SECONDS):
                await client.until(lambda: any(e.get("Channel-State") == "CS_DESTROY" for e in teller.mine()))
        return teller.outcome()

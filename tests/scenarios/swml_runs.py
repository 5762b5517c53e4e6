"""What scenarios of whole SWML documents stand on: variants of them, what a call leaves, and ears for its sound."""

from __future__ import annotations

import contextlib
import io
import json
import sqlite3
import wave
from collections.abc import Mapping
from typing import Any

import numpy as np

from controller.softswitch.script import Script, render
from tests.harness.audio import Interval, Sound
from tests.harness.receiver import Answer, Receiver
from tests.scenarios.daemon import Daemon

BEEP_HZ = 1000
"""The beep of both switches, half a second long."""

RECORDS = ("record", "record_call")


def watched(text: str, receiver: Receiver, control_id: str = "heard") -> str:
    """A JSON document with ears: its recordings tell /status, what the caller hears is recorded, /vars gets the end.

    Only `status_url` is added to its own steps; the recording of what is heard runs to the call's end.
    """
    document = json.loads(text)
    url = receiver.url("/status")
    for step in document["sections"]["main"]:
        for method in RECORDS:
            if method in step:
                step[method]["status_url"] = url
    heard = {"record_call": {"control_id": control_id, "direction": "listen", "status_url": url}}
    names = ("record_url", "record_result", "record_call_url", "record_call_result", "stop_record_call_result")
    told = {name: f"${{{name}}}" for name in names}
    asks = {"request": {"url": receiver.url("/vars"), "method": "POST", "body": told}}
    main = document["sections"]["main"]
    document["sections"]["main"] = [heard, *main, asks]
    return json.dumps(document)


def recorded(daemon: Daemon, leg: str) -> list[str]:
    """The URLs of a leg's recordings, in the order of their starts."""
    with contextlib.closing(sqlite3.connect(daemon.data / "fsrec.db")) as store:
        rows = store.execute("SELECT id FROM recordings WHERE leg = ? ORDER BY requested_at", (leg,)).fetchall()
    return [f"{daemon.url}/api/v1/recordings/{row[0]}/download" for row in rows]


def variables(daemon: Daemon, leg: str) -> Mapping[str, Any]:
    """A call's variables as its row has them, whether it lives or has ended: all but those of its last step."""
    with contextlib.closing(sqlite3.connect(daemon.data / "fsrec.db")) as store:
        (data,) = store.execute("SELECT data FROM calls WHERE leg = ?", (leg,)).fetchone()
    found: dict[str, Any] = json.loads(data)["program"]["variables"]
    return found


def audio_file(script: Script, rate: int = 8000) -> Answer:
    """A WAV of a script, as a web server gives it."""
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(render(script, rate).samples.tobytes())
    return Answer(200, made.getvalue(), {"Content-Type": "audio/wav"})


def level(sound: Sound, hz: float, channel: int = 0, within: Interval | None = None) -> float:
    """How loud one frequency is: the root mean square of its sine, of full scale."""
    samples = sound.channel(channel)
    if within is not None:
        samples = samples[round(within.start * sound.rate) : round(within.end * sound.rate)]
    if not len(samples):
        return 0.0
    turn = np.exp(-2j * np.pi * hz * np.arange(len(samples)) / sound.rate)
    return float(np.abs(np.mean(samples * turn)) * np.sqrt(2.0))


def heard_at(sound: Sound, hz: float, channel: int = 0, block: float = 0.02, gap: float = 0.15) -> list[Interval]:
    """Where one frequency rules a channel, to `block` seconds; what is shorter than `gap` parts nothing."""
    size = round(block * sound.rate)
    found: list[Interval] = []
    for start in range(0, len(sound.samples) - size + 1, size):
        at = Interval(start / sound.rate, (start + size) / sound.rate)
        part = sound.channel(channel)[start : start + size]
        whole = float(np.sqrt(np.mean(part**2)))
        if whole > 0.003 and level(sound, hz, channel, at) > 0.85 * whole:
            if found and at.start - found[-1].end < gap:
                found[-1] = Interval(found[-1].start, at.end)
            else:
                found.append(at)
    return found

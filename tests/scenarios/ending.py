"""How a recording ended: what the callbacks, the file and telemetry say of one call with one recording."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from controller.telemetry import RecordingFinished
from tests.harness.audio import Sound, read_wav
from tests.scenarios.daemon import FINAL, Callbacks, Daemon

FOREVER = {"sleep": -1}
VERBS = ("record_call", "record")
"""The methods whose recordings end in all these ways."""

NEAR = 0.1
"""Seconds within which a length is right."""

PRESS = 0.15
"""Seconds from a key's press to the end of the file: the digit's event, a commit, a command."""

PLAIN: dict[str, Any] = {
    "direction": "speak",
    "terminators": "",
    "initial_timeout": 0.0,
    "end_silence_timeout": 0.0,
}
"""Nothing ends it: what differs between the methods' defaults is said."""


def recording(verb: str, daemon: Daemon, **more: Any) -> dict[str, Any]:
    """A step that records what the party says; nothing ends it but what `more` says."""
    return {verb: {**PLAIN, "status_url": daemon.receiver.url("/status"), **more}}


@dataclass(slots=True)
class Told:
    """The callbacks of the call's only recording, whatever its control_id."""

    daemon: Daemon

    async def wait(self, state: str, count: int = 1, timeout: float = 20.0) -> dict[str, Any]:
        """Wait for a state, the `count`th of its kind; its params."""
        found = await self.daemon.receiver.wait(
            lambda request: request.path == "/status" and request.json["params"]["state"] == state, count, timeout
        )
        return dict(found[count - 1].json["params"])

    async def end(self, timeout: float = 20.0, *, moved: bool = False) -> dict[str, Any]:
        """Wait for its end; the params. They must be whole, the only ones of an end, and true to the start's.

        `moved`: another daemon tells it, at another port.
        """
        (end,) = await Callbacks(self.daemon.receiver).ends(1, timeout)
        began = await self.wait("recording")
        for name in ("call_id", "node_id", "control_id", "recording_id", *(() if moved else ("url",))):
            assert began[name] == end[name]
        assert {"duration", "size", "start_time", "end_time"}.isdisjoint(began)
        assert isinstance(end["duration"], float)
        assert end["size"] > 0
        assert end["end_time"] >= end["start_time"] > 0
        assert end["record"]["duration"] == end["duration"]
        return end

    @property
    def states(self) -> list[str]:
        return [request.json["params"]["state"] for request in self.daemon.receiver.to("/status")]

    @property
    def ends(self) -> int:
        return sum(state in FINAL for state in self.states)

    async def reason(self) -> str:
        """Why it ended, as telemetry has it."""
        await self.daemon.until(lambda: bool(self.daemon.seen(RecordingFinished)))
        (finished,) = self.daemon.seen(RecordingFinished)
        return str(finished.reason)

    async def sound(self, end: dict[str, Any], directory: Path) -> Sound:
        """Fetch it; it must be as long and as large as the callback says."""
        path = directory / "got.wav"
        assert await self.daemon.fetch(end["url"], path) == 200
        sound = read_wav(path)
        assert sound.finished
        assert abs(sound.seconds - end["duration"]) < 0.001
        assert path.stat().st_size == end["size"]
        return sound

    async def act(self, began: dict[str, Any], name: str, **params: Any) -> None:
        """Give a command over the API; it must be obeyed."""
        status, answer = await self.daemon.command(
            began["call_id"], f"calling.record.{name}", control_id=began["control_id"], **params
        )
        assert status == 200, answer

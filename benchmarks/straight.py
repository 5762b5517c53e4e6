"""A straight script, as a process of its own: records as the raw client does, and tells of a recording's mp3.

At RECORD_STOP it opens the WAV, trims its silent ends, encodes the rest as fsrec does, all in its own process, which
has everything loaded, and posts a callback. Nothing is synced to the disk, kept, or tried again.
"""

from __future__ import annotations

import asyncio
import json
import wave
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import aiohttp
import numpy as np

from benchmarks.raw import RawClient, lines
from controller.media import lame

lame.prefer()  # as fsrec does, before FFmpeg is loaded

import av  # noqa: E402

from controller.media.encode import CODECS, bit_rate  # noqa: E402

QUIET = 32768 * 10 ** (-50 / 20)
"""RMS below which 20 ms are silent."""
MP3 = CODECS["mp3"]


def derive(path: Path) -> dict[str, Any]:
    """Make an mp3 beside a mono WAV, without its silent ends; what is told of it."""
    with wave.open(str(path)) as file:
        rate = file.getframerate()
        sound = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    window = rate // 50
    whole = sound[: len(sound) // window * window].reshape(-1, window).astype(np.float32)
    loud = np.flatnonzero(np.sqrt((whole * whole).mean(axis=1)) >= QUIET)
    kept = sound[loud[0] * window : (loud[-1] + 1) * window]
    target = path.with_suffix(".mp3")
    with av.open(str(target), "w", format="mp3") as container:
        stream = cast(
            "av.AudioStream",
            container.add_stream(
                MP3.encoder,
                rate=MP3.rates[0],
                options=MP3.options,
                layout="mono",
                format=MP3.samples,
                bit_rate=bit_rate(rate, 1),
            ),
        )
        frame = av.AudioFrame.from_ndarray(kept.reshape(1, -1), "s16", "mono")
        frame.sample_rate = rate
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return {"recording_id": path.stem, "duration": len(kept) / rate, "size": target.stat().st_size}


@dataclass(slots=True)
class Straight(RawClient):
    """Tells ``callback`` of each recording of its own destination."""

    callback: str = ""
    session: aiohttp.ClientSession | None = None
    telling: set[asyncio.Task[None]] = field(default_factory=set)

    def events(self) -> str:
        """The events that it listens to."""
        return "CHANNEL_PARK RECORD_STOP"

    def take(self, event: dict[str, Any]) -> None:
        """Record a leg, or tell of its recording."""
        if event["Event-Name"] == "CHANNEL_PARK":
            RawClient.take(self, event)
        elif event.get("Caller-Destination-Number") == self.destination:
            self.telling.add(asyncio.create_task(self._tell(Path(event["Record-File-Path"]))))

    async def _tell(self, path: Path) -> None:
        assert self.session is not None
        async with self.session.post(self.callback, json=derive(path)) as response:
            await response.read()


async def main() -> None:
    """Serve until the standard input ends."""
    told = await lines()
    about = json.loads(await told.readline())
    reader, writer = await asyncio.open_connection(about["host"], about["port"], limit=1 << 24)
    async with aiohttp.ClientSession() as session:
        client = Straight(
            *(reader, writer, about["destination"], about["recordings"], False),
            callback=about["callback"],
            session=session,
        )
        await client.login(about["password"])
        serving = asyncio.create_task(client.serve())
        print("ready", flush=True)
        await told.read()
        serving.cancel()
        writer.close()


if __name__ == "__main__":
    asyncio.run(main())

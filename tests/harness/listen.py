"""Ears for mp3 and mp4: decoded as a player that reads the tags would, and the boxes and frames as they stand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from tests.harness.audio import Sound


@dataclass(frozen=True, slots=True)
class Tagged:
    """What a file says of itself: codec, `seconds` by its tags, and `frame_seconds`, all its frames counted."""

    codec: str
    rate: int
    channels: int
    seconds: float
    frame_seconds: float
    title_length: float | None


def tagged(path: Path) -> Tagged:
    """What the tags and the frames of an mp3 or mp4 say."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        assert stream.duration is not None
        assert stream.time_base is not None
        length = container.metadata.get("TLEN")
        packets = [packet for packet in container.demux(stream) if packet.size]
        return Tagged(
            codec=stream.codec_context.name,
            rate=stream.rate,
            channels=stream.channels,
            seconds=float(stream.duration * stream.time_base),
            frame_seconds=len(packets)
            * (1024 if path.suffix == ".mp4" else 576 if stream.rate < 32000 else 1152)
            / stream.rate,
            title_length=None if length is None else int(length) / 1000,
        )


def read_audio(path: Path) -> Sound:
    """Decode an mp3 or mp4; what its tags exclude is left out."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        blocks = [frame.to_ndarray() for frame in container.decode(stream)]
        samples = np.concatenate(blocks, axis=1).T if blocks else np.zeros((0, stream.channels))
        return Sound(stream.rate, samples.astype(np.float64), finished=True)


def boxes(path: Path) -> list[str]:
    """The names of an mp4's outermost boxes, in their order."""
    data, at, found = path.read_bytes(), 0, []
    while at + 8 <= len(data):
        found.append(data[at + 4 : at + 8].decode("latin-1"))
        at += max(8, int.from_bytes(data[at : at + 4], "big"))
    return found

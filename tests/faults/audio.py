"""Files of recordings as evidence: whatever their header promises, what is in them."""

from __future__ import annotations

import hashlib
import io
import struct

import av

from tests.faults.evidence import Audio

HEADER = 44


def audio_of(data: bytes) -> Audio | None:
    """Measure a WAV (finished or not) or an mp3; None for what is neither."""
    if data[:4] == b"RIFF" and len(data) >= HEADER:
        channels, rate = struct.unpack_from("<HI", data, 22)
        at = data.index(b"data", 12) + 8
        block = 2 * channels
        samples = data[at : at + (len(data) - at) // block * block]
        return Audio(len(data), len(samples) / block / rate, hashlib.sha256(samples).hexdigest())
    try:
        with av.open(io.BytesIO(data), "r") as container:
            stream = container.streams.audio[0]
            frames = sum(int(frame.samples) for frame in container.decode(stream))
            return Audio(len(data), frames / stream.rate, "")
    except (av.FFmpegError, IndexError):
        return None

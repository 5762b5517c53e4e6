"""Sound files of any format, made by FFmpeg: a tone, as others would have encoded it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np


@dataclass(frozen=True, slots=True)
class Form:
    """How a file is made: FFmpeg's muxer, encoder and sample format."""

    muxer: str
    codec: str
    samples: str = "s16"


FORMS = {
    "wav": Form("wav", "pcm_s16le"),
    "mulaw.wav": Form("wav", "pcm_mulaw"),
    "float.wav": Form("wav", "pcm_f32le", "flt"),
    "mp3": Form("mp3", "libmp3lame", "s16p"),
    "ogg": Form("ogg", "libopus"),
    "flac": Form("flac", "flac"),
    "m4a": Form("mp4", "aac", "fltp"),
    "aac": Form("adts", "aac", "fltp"),
    "aiff": Form("aiff", "pcm_s16be"),
    "au": Form("au", "pcm_mulaw"),
}


def tone(
    path: Path, form: str, *, rate: int = 8000, channels: int = 1, seconds: float = 1.0, hz: float = 1000
) -> Path:
    """A tone of half the full scale, the same in each channel."""
    made, layout = FORMS[form], "stereo" if channels == 2 else "mono"
    samples = 16384 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)
    frame = av.AudioFrame.from_ndarray(np.repeat(samples.astype("<i2"), channels).reshape(1, -1), "s16", layout)
    frame.sample_rate, frame.pts = rate, 0
    with av.open(str(path), "w", format=made.muxer) as container:
        stream = container.add_stream(made.codec, rate=rate, layout=layout, format=made.samples)
        assert isinstance(stream, av.AudioStream)
        resampler = av.AudioResampler(made.samples, layout, rate)
        for given in (frame, None):
            for resampled in resampler.resample(given):
                container.mux(stream.encode(resampled))
        container.mux(stream.encode(None))
    return path

"""Encodes a finished WAV as mp3 or as AAC in mp4, or mixes it: in a worker process, since only that loads FFmpeg.

An mp3 begins and ends with silence of the encoder's, up to 0.2 s of it at 8 kHz. Its Info frame says how much, so
that it is not played; for players that don't read it mp3 is made at 24 kHz at least, where it is 0.07 s. AAC keeps
the WAV's rate and says the same in an edit list; its index is in front. Both have a constant bit rate, mp3 has TLEN.

The channels of a recording are legs, not a stereo picture: joint coding would let one leg be heard in the other.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import av

from controller.media import durable, wav
from controller.media.job import Job

CHUNK_FRAMES = 1 << 18
"""Frames that are read and encoded at a time: all the audio that is in memory."""

_LAYOUTS = {1: "mono", 2: "stereo"}


@dataclass(frozen=True, slots=True)
class Codec:
    """How a format is made: FFmpeg's encoder, sample format and options, the rates it has (ascending)."""

    encoder: str
    samples: str
    rates: tuple[int, ...]
    options: dict[str, str]
    muxer: dict[str, str]


CODECS = {
    "mp3": Codec(
        "libmp3lame",
        "s16p",
        (24000, 32000, 44100, 48000),
        {"joint_stereo": "0"},
        {"id3v2_version": "3"},
    ),
    "mp4": Codec(
        "aac",
        "fltp",
        (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000),
        {"aac_ms": "0", "aac_is": "0"},
        {"movflags": "+faststart"},
    ),
}


def bit_rate(rate: int, channels: int) -> int:
    """Return bits per second for a WAV's rate: 32 k a channel up to 12 kHz, 48 k up to 24 kHz, 64 k above."""
    return channels * (32_000 if rate <= 12_000 else 48_000 if rate <= 24_000 else 64_000)


def encode(job: Job, progress: Callable[[int], None]) -> int:
    """Make the derivative, whole and durable or not at all; return its bytes. ``progress`` is told frames done.

    An empty recording becomes 1/100 s of silence: players refuse a file without any. Raises wav.ReadError where
    the source isn't what it should be, another OSError where the target can't be written, ValueError and FFmpeg's
    own errors where it can't be encoded.
    """
    path, unfinished = Path(job.target), job.unfinished
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished.unlink(missing_ok=True)
    # Our own mode, and never over a link; FFmpeg then opens what is there.
    os.close(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640))
    try:
        with ExitStack() as stack:
            descriptor, found = _opened(stack, job)
            make = _mix if job.format == "wav" else _encode
            written = make(descriptor, found, job, progress)
        return _keep(unfinished, path, written)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def _opened(stack: ExitStack, job: Job) -> tuple[int, wav.Wav]:
    source = Path(job.source)
    try:
        descriptor = stack.enter_context(wav.opened(source))
        found = wav.measure(descriptor)
    except wav.WavError as error:
        raise wav.ReadError(f"{source.name} {error}") from error
    except OSError as error:
        raise wav.ReadError(error.errno, error.strerror) from error
    if found.frames != job.frames:
        raise wav.ReadError(f"{source.name} has {found.frames} frames now, {job.frames} were measured")
    return descriptor, found


def _keep(unfinished: Path, path: Path, written: int) -> int:
    descriptor = os.open(unfinished, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
        size = os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)
    if size < written:
        raise OSError(f"{size} bytes are there of {written} and more that were written")
    durable.keep(unfinished, path)
    return size


def _read(descriptor: int, found: wav.Wav, start: int, end: int, *, mono: bool) -> bytes:
    """Return frames; ``mono``: the sum of all channels, held at the loudest, as a switch mixes both legs."""
    data = wav.read_frames(descriptor, found, start, end)
    if not mono:
        return data
    import numpy as np  # noqa: PLC0415 - what isn't mixed needs none, and loading it takes longer than most files

    total = np.frombuffer(data, "<i2").reshape(-1, found.channels).sum(axis=1, dtype=np.int32)
    mixed: bytes = np.clip(total, -32768, 32767).astype("<i2").tobytes()
    return mixed


def _mix(descriptor: int, found: wav.Wav, job: Job, progress: Callable[[int], None]) -> int:
    """Write an open WAV, mixed, as another; return its bytes."""
    if not job.mono:
        raise ValueError("a WAV is made of a WAV only to mix it")
    with job.unfinished.open("wb") as target:
        target.write(wav.header(found.rate, 1, found.frames))
        for start in range(0, found.frames, CHUNK_FRAMES):
            end = min(found.frames, start + CHUNK_FRAMES)
            target.write(_read(descriptor, found, start, end, mono=True))
            progress(end)
    return wav.HEADER_BYTES + 2 * found.frames


def _encode(descriptor: int, found: wav.Wav, job: Job, progress: Callable[[int], None]) -> int:
    """Encode an open WAV into ``job.unfinished``; return the bytes of its packets."""
    codec = CODECS.get(job.format)
    channels = 1 if job.mono else found.channels
    layout = _LAYOUTS.get(channels)
    if codec is None or layout is None:
        raise ValueError(f"{channels} channels as {job.format!r}: 1 or 2 as {' or '.join(CODECS)} are made")
    rate = next((one for one in codec.rates if one >= found.rate), codec.rates[-1])
    muxer = {**codec.muxer, "movie_timescale": str(rate)} if job.format == "mp4" else codec.muxer
    written = 0
    with av.open(f"file:{job.unfinished}", "w", format=job.format, options=muxer) as container:
        if job.format == "mp3":
            container.metadata["TLEN"] = str(round(found.duration * 1000))
        stream = cast(
            "av.AudioStream",
            container.add_stream(
                codec.encoder,
                rate=rate,
                options=codec.options,
                layout=layout,
                format=codec.samples,
                bit_rate=bit_rate(found.rate, channels),
            ),
        )

        def put(frame: av.AudioFrame | None) -> None:
            nonlocal written
            for packet in stream.encode(frame):  # it resamples, too
                written += packet.size
                container.mux(packet)

        for start in range(0, max(1, found.frames), CHUNK_FRAMES):
            end = min(found.frames, start + CHUNK_FRAMES)
            data = _read(descriptor, found, start, end, mono=job.mono)
            if found.frames < found.rate // 100:
                data = data.ljust(found.rate // 100 * channels * 2, b"\0")
            frame = av.AudioFrame("s16", layout, len(data) // (2 * channels))
            frame.planes[0].update(data)
            frame.sample_rate, frame.pts = found.rate, start
            put(frame)
            progress(end)
        put(None)
    return written

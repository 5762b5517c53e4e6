"""Decodes audio that anybody may have made into a WAV that a switch plays. Runs in a worker process, confined.

FFmpeg chooses the format by the content, among formats that are audio and nothing else: a playlist, which would name
other files and addresses, is none of them, and the process can open nothing any more by then.
"""

from __future__ import annotations

import errno
import io
import math
import os
import resource
import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import av
import av.error

from controller.media import wav
from controller.media.job import DecodeJob

FORMATS = "wav,aiff,au,mp3,ogg,flac,mov,aac,amr,caf"
"""FFmpeg's names of what is read; mov is also mp4 and m4a. Those without a mark of their own (raw gsm, raw amrnb) are
left out: a page of HTML may be taken for them, and heard."""
SPOKEN = "wav, mp3, ogg, flac, mp4, aac, aiff, au, amr, caf"
_COMPRESSED = """
    mp3 mp3float mp2 mp2float vorbis opus libopus flac alac aac amrnb amrwb gsm gsm_ms adpcm_ms adpcm_ima_wav
"""
_PLAIN = """
    u8 s8 s16le s16be s24le s24be s32le s32be f32le f32be f64le f64be alaw mulaw
"""
CODECS = frozenset([*_COMPRESSED.split(), *(f"pcm_{form}" for form in _PLAIN.split())])
"""FFmpeg's names of the decoders that may be used."""
RATES = (4_000, 384_000)
"""Samples per second of a source: fewer would grow into hours of memory."""
PROCESSOR_SECONDS = 60
MEMORY = 512 << 20
"""Bytes that decoding may take beside what is loaded."""
TOLD = 30
"""Seconds of audio after which progress is told."""


class Undecodable(ValueError):
    """Audio that can't be decoded; the text says what is wrong with it."""


def confine() -> None:
    """Take this process every right it doesn't need any more: it opens nothing, and has bounded time and memory."""
    # PyAV imports what it needs when it needs it: once for a file of our own, while files can be opened.
    _Decoding(DecodeJob("", "", "", 16000), io.BytesIO(), lambda _: None).run(
        io.BytesIO(wav.header(8000, 2, 800) + bytes(3200))
    )
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    for kind, limit in (
        (resource.RLIMIT_CPU, PROCESSOR_SECONDS),
        (resource.RLIMIT_AS, pages * resource.getpagesize() + MEMORY),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 0),
    ):
        resource.setrlimit(kind, (limit, limit))


def decode(job: DecodeJob, progress: Callable[[int], None], confined: Callable[[], None] = lambda: None) -> int:
    """Make the WAV, whole or not at all; return its bytes. ``progress`` is told frames done.

    Who may read it is as for its directory. ``confined`` is called once all is open. Raises Undecodable, and OSError
    where the target can't be written.
    """
    growing = Path(job.growing)
    with wav.opened(Path(job.source)) as descriptor, open(descriptor, "rb", closefd=False) as source:
        target = os.open(growing, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with open(target, "wb") as sink:  # noqa: PTH123 - a descriptor
                _share(target, growing.parent)
                confined()
                frames = _Decoding(job, sink, progress).run(source)
                sink.flush()
                os.pwrite(target, wav.header(job.rate, 1, frames), 0)
            growing.replace(job.target)
        except BaseException:
            growing.unlink(missing_ok=True)
            raise
    return wav.HEADER_BYTES + 2 * frames


def _share(descriptor: int, directory: Path) -> None:
    """Let those read a file who may read its directory."""
    above = directory.stat()
    if os.fstat(descriptor).st_gid != above.st_gid:
        os.fchown(descriptor, -1, above.st_gid)
    if os.geteuid() == 0:
        os.fchown(descriptor, above.st_uid, -1)
    os.fchmod(descriptor, 0o600 | stat.S_IMODE(above.st_mode) & 0o044)


class _Decoding:
    """One file's way through FFmpeg; ``frames`` have been written."""

    def __init__(self, job: DecodeJob, sink: BinaryIO, progress: Callable[[int], None]) -> None:
        self._job = job
        self._sink = sink
        self._progress = progress
        self._factor = 10 ** (job.gain / 20) * 32768
        self._most = math.ceil(job.longest * job.rate)
        self._form: tuple[str, int, str] | None = None
        self._resampler: av.AudioResampler | None = None
        self._told = 0
        self.frames = 0

    def run(self, source: BinaryIO) -> int:
        self._sink.write(wav.header(self._job.rate, 1, 0))
        why = ""
        try:
            why = self._read(source)
            self._resample(None)
        except OSError as error:
            if isinstance(error, av.error.FFmpegError):
                raise Undecodable(_words(error)) from None
            raise
        except (av.error.FFmpegError, LookupError, RuntimeError, MemoryError) as error:
            raise Undecodable(_words(error)) from None
        if not self.frames:
            raise Undecodable(f"holds no audio{why}")
        return self.frames

    def _read(self, source: BinaryIO) -> str:
        """Decode what can be; a file that is broken somewhere ends there. Return why something could not be."""
        options = {"format_whitelist": FORMATS, "protocol_whitelist": "none", "codec_whitelist": ",".join(CODECS)}
        try:
            container = av.open(source, "r", container_options=options, metadata_errors="replace")
        except av.error.FFmpegError as error:
            raise Undecodable(f"is no audio that can be read ({_words(error)}); these are: {SPOKEN}") from None
        why = ""
        with container:
            if not container.streams.audio:
                raise Undecodable("holds no audio")
            stream = container.streams.audio[0]
            codec = getattr(stream.codec_context, "name", "an unknown codec")  # None where FFmpeg knows no decoder
            if codec not in CODECS:
                raise Undecodable(f"is coded as {codec!r:.40}; what can be read: {SPOKEN}")
            stream.codec_context.thread_count = 1
            try:
                for packet in container.demux(stream):
                    try:
                        for frame in packet.decode():
                            self._resample(frame)
                    except av.error.InvalidDataError as error:
                        why = f": {_words(error)}"
            except av.error.FFmpegError as error:
                why = f": {_words(error)}"
        return why

    def _resample(self, frame: av.AudioFrame | None) -> None:
        if frame is not None:
            form = (frame.format.name, frame.sample_rate, frame.layout.name)
            if form != self._form:
                self._resample(None)
                if not RATES[0] <= frame.sample_rate <= RATES[1] or frame.layout.nb_channels > wav.MAX_CHANNELS:
                    raise Undecodable(
                        f"has {frame.layout.nb_channels} channels at {frame.sample_rate} Hz; "
                        f"{wav.MAX_CHANNELS} at {RATES[0]} to {RATES[1]} Hz can be read"
                    )
                self._form, self._resampler = form, av.AudioResampler("fltp", None, self._job.rate)
            frame.pts = None
        if self._resampler is None:
            return
        for resampled in self._resampler.resample(frame):
            self._write(resampled)
        if frame is None:
            self._form = self._resampler = None

    def _write(self, frame: av.AudioFrame) -> None:
        import numpy as np  # noqa: PLC0415 - an encoder's process loads this module, too

        # The mean of the channels, by us: FFmpeg's own downmix of floats is louder than each of them.
        mono = np.nan_to_num(frame.to_ndarray(), posinf=1.0, neginf=-1.0).mean(axis=0, dtype=np.float64)
        self.frames += len(mono)
        if self.frames > self._most:
            raise Undecodable(f"is longer than {self._job.longest:g} s")
        self._sink.write(np.rint((mono * self._factor).clip(-32768, 32767)).astype("<i2").tobytes())
        if self.frames - self._told >= TOLD * self._job.rate:
            self._told = self.frames
            self._progress(self.frames)


def _words(error: BaseException) -> str:
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return "takes too much memory to decode"
    words = (
        (error.strerror if isinstance(error, av.error.FFmpegError) else None) or str(error) or type(error).__name__
    )
    return str(words)[:200]

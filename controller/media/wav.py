"""RIFF/WAVE headers of 16-bit PCM, read strictly from files that others wrote and may not have finished.

A switch writes its header twice: with RIFF size 8 and data size 0 while it records, with the true sizes when it
closes the file. A crash leaves the first one, a full disk a short file, more than 4 GiB of audio sizes modulo 2**32.
So what is *there* is measured, and the header's word is only compared with it.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HEADER_BYTES = 44
MAX_CHUNKS = 64
MAX_HEADER = 1 << 20
MAX_CHANNELS = 8
MAX_RATE = 384_000
_WRAP = 1 << 32
_SAMPLE = 2
_PCM = 1
_EXTENSIBLE = 0xFFFE
_PCM_GUID = bytes.fromhex("0100000000001000800000aa00389b71")


class WavError(ValueError):
    """A file that is no 16-bit PCM WAV, or can't be one; the text says what is wrong with it."""


class ReadError(OSError):
    """Audio could not be read back from a file that was opened and measured."""


@dataclass(frozen=True, slots=True)
class Wav:
    """What a file holds.

    ``frames`` (one sample of every channel) are those really present, ``declared_frames`` the header's word,
    ``data_offset`` the byte where they begin. ``finished``: every size in the header agrees with the file.
    """

    rate: int
    channels: int
    data_offset: int
    frames: int
    declared_frames: int
    finished: bool
    size: int

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame."""
        return self.channels * _SAMPLE

    @property
    def duration(self) -> float:
        """Seconds of audio present."""
        return self.frames / self.rate


def header(rate: int, channels: int, frames: int) -> bytes:
    """Return a canonical 44-byte header.

    Audio that 32 bits can't count gets 0xFFFFFFFF, which players take for "to the end of the file".
    """
    block = channels * _SAMPLE
    data = min(frames * block, _WRAP - 1)
    riff = min(HEADER_BYTES - 8 + frames * block, _WRAP - 1)
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF", riff, b"WAVE",
        b"fmt ", 16, _PCM, channels, rate, rate * block, block, _SAMPLE * 8,
        b"data", data,
    )  # fmt: skip


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """Open a regular file for reading and give its descriptor; never follow a link, never wait on a FIFO.

    Raises WavError for anything that is no regular file, OSError as ``os.open`` does.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise WavError("is a symbolic link, not a recording") from None
        if error.errno == errno.ENXIO:
            raise WavError("is a socket or device, not a recording") from None
        raise
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise WavError("is no regular file")
        yield descriptor
    finally:
        os.close(descriptor)


def read(path: Path) -> Wav:
    """Measure the file at ``path``. Raises WavError and OSError."""
    with opened(path) as descriptor:
        return measure(descriptor)


def measure(descriptor: int) -> Wav:
    """Measure an open file: at most ``MAX_CHUNKS`` chunk headers are read, no audio. Raises WavError and OSError."""
    size = os.fstat(descriptor).st_size
    start = os.pread(descriptor, 12, 0)
    if len(start) < 12:
        raise WavError(f"has {len(start)} bytes, too few for a WAV header")
    if start[:4] != b"RIFF" or start[8:12] != b"WAVE":
        raise WavError(f"begins with {start!r}, not with RIFF and WAVE")
    riff = int.from_bytes(start[4:8], "little")
    form: tuple[int, int] | None = None
    position = 12
    for _ in range(MAX_CHUNKS):
        name, length = _chunk(descriptor, position)
        if name == b"data":
            if form is None:
                raise WavError("has its data chunk before any fmt chunk")
            return _measured(descriptor, size, riff, form, position + 8, length)
        if name == b"fmt ":
            if form is not None:
                raise WavError("has two fmt chunks")
            form = _format(os.pread(descriptor, min(length, 40), position + 8))
        position += 8 + length + (length & 1)
        if position > MAX_HEADER:
            raise WavError(f"has no data chunk in its first {MAX_HEADER} bytes")
    raise WavError(f"has no data chunk among its first {MAX_CHUNKS} chunks")


def read_frames(descriptor: int, wav: Wav, start: int, end: int) -> bytes:
    """Return the bytes of frames from ``start`` up to, not including, ``end``. Raises ReadError."""
    wanted = (end - start) * wav.frame_bytes
    data = bytearray()
    while len(data) < wanted:
        try:
            part = os.pread(descriptor, wanted - len(data), wav.data_offset + start * wav.frame_bytes + len(data))
        except OSError as error:
            raise ReadError(error.errno, error.strerror) from error
        if not part:
            raise ReadError(
                f"the file shrank while it was read: {wav.frames} frames were there, now fewer than {end}"
            )
        data += part
    return bytes(data)


def _chunk(descriptor: int, position: int) -> tuple[bytes, int]:
    head = os.pread(descriptor, 8, position)
    if len(head) < 8:
        raise WavError(f"ends at byte {position + len(head)}, before its data chunk")
    return head[:4], int.from_bytes(head[4:], "little")


def _format(body: bytes) -> tuple[int, int]:
    """Return (rate, channels) of a fmt chunk."""
    if len(body) < 16:
        raise WavError(f"has a fmt chunk of {len(body)} bytes; PCM needs 16")
    tag, channels, rate, _, block, bits = struct.unpack_from("<HHIIHH", body)
    if tag == _EXTENSIBLE:
        if len(body) < 40 or body[24:40] != _PCM_GUID:
            raise WavError("is WAVE_FORMAT_EXTENSIBLE of a coding that is not PCM")
    elif tag != _PCM:
        raise WavError(f"has format tag {tag}; only PCM (1) is read")
    if bits != _SAMPLE * 8:
        raise WavError(f"has {bits} bits a sample; only 16 are read")
    if not 1 <= channels <= MAX_CHANNELS:
        raise WavError(f"has {channels} channels; 1 to {MAX_CHANNELS} are read")
    if not 1 <= rate <= MAX_RATE:
        raise WavError(f"has {rate} samples a second; 1 to {MAX_RATE} are read")
    if block != channels * _SAMPLE:
        raise WavError(f"says {block} bytes a frame; {channels} channels of 16 bits are {channels * _SAMPLE}")
    return rate, channels


def _measured(descriptor: int, size: int, riff: int, form: tuple[int, int], offset: int, declared: int) -> Wav:
    rate, channels = form
    block = channels * _SAMPLE
    available = max(0, size - offset)
    present, finished = available, False
    # Without the agreement of the RIFF size a caller's own samples could pose as the chunks that end the audio.
    if riff == (size - 8) % _WRAP and declared <= available:
        end = declared + (available - declared) // _WRAP * _WRAP
        if _only_chunks(descriptor, offset + end + (end & 1), size):
            present, finished = end, size - 8 < _WRAP
    return Wav(
        rate=rate,
        channels=channels,
        data_offset=offset,
        frames=present // block,
        declared_frames=declared // block,
        finished=finished and present % block == 0,
        size=size,
    )


def _only_chunks(descriptor: int, position: int, size: int) -> bool:
    """Whether whole chunks (tags that a writer puts last) fill the file from ``position`` on."""
    for _ in range(MAX_CHUNKS):
        if position >= size:
            break
        head = os.pread(descriptor, 8, position)
        if len(head) < 8 or not all(32 <= byte < 127 for byte in head[:4]):
            return False
        length = int.from_bytes(head[4:], "little")
        position += 8 + length
        if position < size or length & 1:
            position += length & 1
    # The last chunk's own padding byte may be missing: writers differ.
    return position in {size, size + 1}

"""A WAV file as mod_sndfile under switch_core_file writes it.

44 bytes of header that promise no audio until the file is closed; audio reaches the disk only in whole write
buffers (65536 bytes a channel, or what enable_file_write_buffering says), the rest at close.
"""

import os
import struct
from pathlib import Path

HEADER = 44
_FORMAT_PCM = 1
_RATE_AND_CHANNELS_AT = 22


def header(rate: int, channels: int, data_bytes: int, riff_bytes: int | None = None) -> bytes:
    """Make a RIFF header for 16 bit PCM; `riff_bytes` (default: what the data makes) is RIFF's size field."""
    block = 2 * channels
    riff = HEADER - 8 + data_bytes if riff_bytes is None else riff_bytes
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF", riff & 0xFFFFFFFF, b"WAVE", b"fmt ", 16, _FORMAT_PCM, channels, rate, rate * block, block, 16,
        b"data", data_bytes & 0xFFFFFFFF,
    )  # fmt: skip


class WavFile:
    """An open recording. `chunk` is the write buffer in bytes, `budget` the bytes a full disk still takes."""

    def __init__(
        self, path: Path, *, rate: int, channels: int, chunk: int, budget: int | None, append: bool = False
    ) -> None:
        """Create or truncate; raises OSError. With `append` an existing file's rate and channels win."""
        self.path = path
        self.rate = rate
        self.channels = channels
        self._chunk = max(1, chunk)
        self._budget = budget
        self._held = bytearray()
        self._failed = False
        self._written = 0
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | (0 if append else os.O_TRUNC)
        self._fd = os.open(path, flags, 0o640)
        existing = os.fstat(self._fd).st_size if append else 0
        if existing >= HEADER:
            head = os.pread(self._fd, HEADER, 0)
            self.channels, self.rate = struct.unpack_from("<HI", head, _RATE_AND_CHANNELS_AT)
            self._written = existing - HEADER
        else:
            # libsndfile's header of an open file: RIFF says 8 bytes less than nothing is there yet
            os.pwrite(self._fd, header(rate, channels, 0, 8), 0)

    @property
    def bytes_until_flush(self) -> int:
        """How much more must be written before anything reaches the disk."""
        return self._chunk - len(self._held)

    def write(self, data: bytes) -> bool:
        """Buffer, and put whole buffers on disk; False when the disk refused one of them."""
        self._held += data
        ok = True
        while len(self._held) >= self._chunk:
            ok &= self._put(bytes(self._held[: self._chunk]))
            del self._held[: self._chunk]
        return ok

    def close(self) -> int:
        """Flush what is held (a failure of that is never noticed), write the true header; the final size."""
        self._put(bytes(self._held))
        self._held.clear()
        os.pwrite(self._fd, header(self.rate, self.channels, self._written), 0)
        size = os.fstat(self._fd).st_size
        os.close(self._fd)
        return size

    def abandon(self) -> None:
        """As the death of the process leaves it: held audio lost, header unfinished."""
        os.close(self._fd)

    def _put(self, data: bytes) -> bool:
        room = len(data) if self._budget is None else max(0, min(len(data), self._budget - self._written))
        try:
            if self._budget is None and not data.strip(b"\0"):  # silence: a hole, which takes no room
                os.ftruncate(self._fd, HEADER + self._written + room)
                done = room
            else:
                done = os.pwrite(self._fd, data[:room], HEADER + self._written) if room else 0
        except OSError:
            done = 0
        self._written += done
        return done == len(data)

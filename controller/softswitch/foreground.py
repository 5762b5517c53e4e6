"""The application `record`: one direction, in the channel's thread, until something ends it (say:407)."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from controller.softswitch.audio import FRAME, RATE, resample
from controller.softswitch.journal import EndedBy, RecordingEntry
from controller.softswitch.text import number, parse_block, split_arguments
from controller.softswitch.waking import Woken
from controller.softswitch.wavfile import WavFile

if TYPE_CHECKING:
    from controller.softswitch.leg import Leg

_CHUNK = 65536
_DEFAULT_SILENCE_HITS = 3
_STEP_SECONDS = 0.1


class _Take:
    """What has been recorded so far, frame by frame in steps of 100 ms."""

    def __init__(self, leg: "Leg", file: WavFile, threshold: int, hits: int) -> None:
        self._leg = leg
        self.file = file
        self.frames = 0
        self._cursor = leg.frame_number(leg.switch.now())
        self._threshold = threshold
        self._needed = hits * RATE // FRAME
        self._silent = 0

    def advance(self) -> bool:
        """Take the frames up to now; True when silence lasted long enough."""
        reached = self._leg.frame_number(self._leg.switch.now())
        count, start = reached - self._cursor, self._leg.frame_position(self._cursor)
        self._cursor = reached
        if count <= 0:
            return False
        samples = self._leg.said.read(start, start + count * FRAME)
        used, over = count, False
        if self._threshold:
            levels = (
                np.abs(samples.reshape(count, FRAME).astype(np.int32)).mean(axis=1) * self._leg.profile.level_scale
            )
            for index, level in enumerate(levels):
                self._silent = self._silent + 1 if level < self._threshold else 0
                if self._silent >= self._needed:
                    used, over = index + 1, True
                    break
        self.frames += used
        taken = samples[: used * FRAME]
        if self.file.rate != RATE:
            taken = resample(taken, self.file.rate)
        self.file.write(taken.astype("<i2").tobytes())
        return over


async def record(leg: "Leg", argument: str, terminators: "Callable[[Leg], str]") -> None:
    """`record <path> [<limit_s>] [<thresh>] [<silence_hits>]`; a file that cannot be opened hangs the leg up."""
    fields = [*split_arguments(argument, 4), "", "", "", ""]
    path = parse_block(fields[0])[1]
    if not path.startswith("/"):
        path = f"{leg.switch.sounds}/{path}"
    limit, threshold = number(fields[1].removeprefix("+")), number(fields[2])
    hits = number(fields[3]) or _DEFAULT_SILENCE_HITS
    leg.variables.set("silence_hits_exhausted", "false")
    leg.variables.set("playback_terminator_used", None)
    try:
        if leg.switch.faults.refuse_starts or not path.endswith(".wav"):
            raise OSError(f"cannot record to {path}")  # noqa: TRY301 (treated as the open failure it is there)
        budget = leg.switch.faults.disk_full_after
        file = WavFile(Path(path), rate=leg.profile.rate, channels=1, chunk=_CHUNK, budget=budget)
    except OSError:
        leg.hang_up("DESTINATION_OUT_OF_ORDER")
        return
    entry = RecordingEntry(leg.uuid, path, time.time(), leg.profile.rate, 1, {}, foreground=True)
    leg.switch.journal.note(entry)
    leg.fire("CODEC")
    leg.fire("RECORD_START", after=[("Record-File-Path", path)])
    take = _Take(leg, file, threshold, hits)
    reason = await _run(leg, take, limit, terminators)
    size = take.file.close()
    rate = take.file.rate
    samples = take.frames * FRAME * rate // RATE
    leg.variables.set("record_file_size", str(size))
    leg.variables.set("record_samples", str(samples))
    leg.variables.set("record_seconds", str(samples // rate))
    leg.variables.set("record_ms", str(samples * 1000 // rate))
    entry.stopped_at, entry.frames_written, entry.reason = time.time(), samples, reason
    leg.switch.journal.tell(entry)
    leg.fire("RECORD_STOP", after=[("Record-File-Path", path)])
    leg.fire("CODEC")


async def _run(leg: "Leg", take: _Take, limit: int, terminators: "Callable[[Leg], str]") -> EndedBy:
    # (now - start) > limit in whole seconds: it ends within (limit, limit + 1]
    ends = leg.switch.at_wall_clock(int(time.time()) + limit + 1) if limit else None
    while True:
        woken, digit = await leg.wait(_STEP_SECONDS)
        if take.advance():
            leg.variables.set("silence_hits_exhausted", "true")
            return "silence"
        if woken is Woken.HANGUP:
            return "hangup"
        if woken is Woken.BREAK:
            return "break"
        if woken is Woken.DIGIT and digit in terminators(leg):
            leg.variables.set("playback_terminator_used", digit)
            return "terminator"
        if ends is not None and leg.switch.now() >= ends:
            return "limit"

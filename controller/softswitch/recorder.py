"""Background recording: what record_session and uuid_record start (switch_ivr_async.c).

The recorder is woken only when something can happen: a write buffer full, its limit, the earliest end of a
silence. It then takes the audio of all 20 ms frames since, at once, and does what frame by frame work would have
done; outcomes are exact to the frame.
"""

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from controller.softswitch.audio import FRAME, RATE, resample
from controller.softswitch.journal import EndedBy, RecordingEntry
from controller.softswitch.recording_options import READ, WRITE, Options
from controller.softswitch.script import Samples
from controller.softswitch.text import is_true, parse_block
from controller.softswitch.wavfile import WavFile

if TYPE_CHECKING:
    from controller.softswitch.leg import Leg

_SECONDS = 0.02
_DEFAULT_CHUNK = 65536
_UNBUFFERED_WAKE_FRAMES = 5


@dataclass(slots=True)
class _Span:
    """Frames taken from the leg and not yet written: `start` is a position on the switch's time line."""

    start: int
    frames: int
    masked: bool


class Recorder:
    """One running recording of a leg. Made by `start`; ended by `finish` and `tell_bug_stopped`, in that order."""

    def __init__(
        self, leg: "Leg", key: str, file: WavFile, options: Options, variables: Mapping[str, str], limit: int
    ) -> None:
        now = leg.switch.now()
        self.leg = leg
        self.key = key
        self.options = options
        self.variables = variables
        self.paused = False
        self.masked = False
        self._file = file
        self._scale = leg.profile.rate // RATE
        self._cursor = leg.frame_number(now)
        self._taken = 0
        self._written = 0
        self._write_active = 0
        self._pending: deque[_Span] = deque()
        self._loop_limit = None if limit <= 0 else leg.switch.at_wall_clock(int(time.time()) + limit)
        self._silence_since: float | None = now
        self._silence_timeout = options.initial_timeout
        self._speech = False
        self._cause: str | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._over: EndedBy | None = None
        self._ending = False
        self.entry = RecordingEntry(leg.uuid, key, time.time(), file.rate, file.channels, dict(variables))
        self._schedule(now)

    # -- while it runs

    def set_paused(self, paused: bool) -> None:
        """Frames while paused are not recorded; silence timers run on."""
        self._advance()
        self.paused = paused
        self._schedule(self.leg.switch.now())

    def set_masked(self, masked: bool) -> None:
        """Frames while masked are recorded as zeros."""
        self._advance()
        self.masked = masked

    def follow(self, leg: "Leg") -> None:
        """Record another leg from now on, as a transfer has it: no RECORD_START, no RECORD_STOP, no key there."""
        self._advance()
        former, self.leg = self.leg, leg
        former.lose_recorder(self)
        self._pending.clear()
        self._taken = self._written
        self._cursor = leg.frame_number(leg.switch.now())
        leg.recorders.append(self)
        self.tell_bug_started()
        former.fire("MEDIA_BUG_STOP", before=self._bug())
        self.reschedule()

    def settle(self) -> None:
        """Take the audio up to now, before something changes what the leg hears or whether it is gated."""
        self._advance()

    def reschedule(self) -> None:
        """Look at the timers again, after such a change."""
        if not self._ending:
            self._schedule(self.leg.switch.now())

    def _gated(self) -> bool:
        return (
            self.paused
            or self.leg.held
            or (self.options.answer_required and not self.leg.answered)
            or (self.options.bridge_required and self.leg.partner is None)
        )

    def _on_timer(self) -> None:
        self._timer = None
        if not self._ending:
            self._advance()
            self._schedule(self.leg.switch.now())

    def _schedule(self, now: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._ending or self._over is not None or self._gated():
            return
        width = 2 * self._file.channels * FRAME * self._file.rate // RATE
        frames = max(_UNBUFFERED_WAKE_FRAMES, -(-self._file.bytes_until_flush // width))
        due = self.leg.frame_time(self._cursor + frames)
        if self._loop_limit is not None:
            due = min(due, self._loop_limit)
        if self.options.threshold and self._silence_timeout > 0:
            began = self.leg.frame_time(self._cursor + 1) if self._silence_since is None else self._silence_since
            due = min(due, began + self._silence_timeout)
            if not self._speech and self.options.final_timeout > 0:
                # Speech may have begun meanwhile, and ended
                due = min(due, self.leg.frame_time(self._cursor + 2) + self.options.final_timeout)
        due = self.leg.frame_time(max(self.leg.frame_number(due - 1e-6) + 1, self.leg.frame_number(now) + 1))
        self._timer = self.leg.switch.loop.call_at(due + 0.0005, self._on_timer)

    def _advance(self) -> None:
        """Take all frames up to now; may begin the end of the recording."""
        if self._ending or self._over is not None:
            return
        now = self.leg.switch.now()
        reached = self.leg.frame_number(now)
        frames = reached - self._cursor
        if frames <= 0:
            return
        start = self._cursor
        self._cursor = reached
        if self._gated():
            self.entry.paused_seconds += frames * _SECONDS if self.paused else 0.0
            return
        ended: EndedBy | None = None
        if self._loop_limit is not None:
            # The limit is looked at in each frame, in whole seconds: the frame that meets it is the last
            last = max(0, self.leg.frame_number(self._loop_limit - 1e-6) + 1 - start)
            if last <= frames:
                frames, ended = last, "limit"
        ended = self._take(start, frames) or ended
        if ended is not None:
            self._end(ended)

    def _take(self, start: int, frames: int) -> EndedBy | None:
        position = self.leg.frame_position(start)
        self._taken += frames
        self._pending.append(_Span(position, frames, self.masked))
        self._write_active += self.leg.heard.active(position, position + frames * FRAME) // FRAME
        return self._write_out(start + frames)

    def _ready(self) -> int:
        """How many of the taken frames the pre-buffer lets through (spec 1.6)."""
        held = self.options.pre_buffer
        if held == 0 or self._taken == 0:
            return self._taken
        if self._taken <= held + 1:
            return 1
        if self.options.only is not None:
            return self._taken
        return self._taken - max(0, held - self._write_active)

    def _write_out(self, reached: int) -> EndedBy | None:
        """Write what is ready; `reached` is the leg's frame number now, by which silence is timed."""
        count = self._ready() - self._written
        while count > 0:
            span = self._pending[0]
            frames = min(count, span.frames)
            samples = self._samples(span.start, span.start + frames * FRAME)
            used, ended = frames, None
            if self.options.threshold:
                used, ended = self._listen(samples, frames, reached - count)
            else:
                self._speech = True
            self._put(samples, used, masked=span.masked)
            span.start += frames * FRAME
            span.frames -= frames
            if not span.frames:
                self._pending.popleft()
            count -= frames
            if ended is not None:
                return ended
            if self._cause == "uri-failure" and not self.options.use_thread:
                return "write-error"
        return None

    def _samples(self, start: int, end: int) -> Samples:
        """int16, (n,) for one channel, (n, 2) for two."""
        if self.options.only is not None:
            track = self.leg.said if self.options.only == READ else self.leg.heard
            one = track.read(start, end)
            return np.column_stack((one, np.zeros_like(one))) if self._file.channels == 2 else one
        said, heard = self.leg.said.read(start, end), self.leg.heard.read(start, end)
        if self._file.channels == 2:
            return np.column_stack((heard, said) if self.options.swap else (said, heard))
        mixed = said.astype(np.int32) + heard
        clipped: Samples = np.clip(mixed, -32768, 32767).astype(np.int16)
        return clipped

    def _listen(self, samples: Samples, frames: int, first: int) -> tuple[int, EndedBy | None]:
        """Run the silence timers over `frames`; how many of them were recorded, and whether they ended it."""
        # The sum is divided by the samples that 8 kHz would have (is_silence_frame, async:1181): 16 kHz counts double
        levels = np.abs(samples.reshape(frames, -1).astype(np.int32)).mean(axis=1) * self.leg.profile.level_scale
        silent = levels.astype(np.int64) < self.options.threshold
        changes = np.flatnonzero(np.diff(silent)) + 1
        for begin, end in zip((0, *changes), (*changes, frames), strict=True):
            if not silent[begin]:
                if self._silence_since is not None:
                    self._speech = True
                    self._silence_since = None
                    self._silence_timeout = self.options.final_timeout
                continue
            if self._silence_since is None:
                self._silence_since = self.leg.frame_time(first + int(begin) + 1)
            if self._silence_timeout <= 0:
                continue
            over = self._silence_since + self._silence_timeout
            last = max(int(begin), self.leg.frame_number(over - 1e-6) - first)
            if last < end:
                self._cause = self._cause or ("success-silence" if self._speech else "no-input-timeout")
                return last + 1, "silence" if self._speech else "no-input"
        return frames, None

    def _put(self, samples: Samples, frames: int, *, masked: bool) -> None:
        samples = samples[: frames * FRAME]
        if masked:
            samples = np.zeros_like(samples)
            here = self._written * _SECONDS
            spans = self.entry.masked
            if spans and abs(spans[-1][1] - here) < _SECONDS / 2:
                here = spans.pop()[0]
            spans.append((here, (self._written + frames) * _SECONDS))
        if self._file.rate != RATE:
            samples = resample(samples, self._file.rate)
        self._written += frames
        if not self._file.write(samples.astype("<i2").tobytes()):
            self._cause = self._cause or "uri-failure"
            if self.options.hangup_on_error:
                self.leg.hang_up("DESTINATION_OUT_OF_ORDER")

    # -- its end

    def _end(self, reason: EndedBy) -> None:
        self._over = reason
        self.leg.switch.spawn(self._finish_alone(reason))

    async def _finish_alone(self, reason: EndedBy) -> None:
        if await self.finish(reason):
            self.tell_bug_stopped()

    async def finish(self, reason: EndedBy) -> bool:
        """Close the file, set the result variables, fire RECORD_STOP; False when somebody else did already."""
        if self._ending:
            return False
        self._advance()
        reason = self._over or reason
        self._ending = True
        if self._timer is not None:
            self._timer.cancel()
        leg, switch = self.leg, self.leg.switch
        leg.forget_recorder(self)
        if switch.faults.slow_close:
            await asyncio.sleep(switch.faults.slow_close)
        size = self._file.close()
        offered = self._written * FRAME * self._scale
        self._conclude(size, offered, reason)
        if not switch.faults.lose_record_stop:
            trailer = [] if self._cause is None else [("Record-Completion-Cause", self._cause)]
            leg.fire("RECORD_STOP", after=[("Record-File-Path", self.key), *self._echo(), *trailer])
        return True

    def _conclude(self, size: int, offered: int, reason: EndedBy) -> None:
        leg = self.leg
        if size:
            leg.variables.set("record_file_size", str(size))
        if not self._written and not self.options.append:
            self._discard("empty-file")
        elif offered < self._file.rate * self.options.min_seconds and not self.options.append:
            self._discard("input-too-short")
        elif leg.hungup:
            self._cause = self._cause or ("success-silence" if self._speech else "no-input-timeout")
        else:
            self._cause = self._cause or "success-maxtime"
        leg.variables.set("record_samples", str(offered))
        leg.variables.set("record_seconds", str(offered // self.leg.profile.rate))
        leg.variables.set("record_ms", str(offered // (self.leg.profile.rate // 1000)))
        leg.variables.set("record_completion_cause", self._cause)
        self.entry.stopped_at = time.time()
        self.entry.frames_written = offered
        self.entry.cause = self._cause
        self.entry.reason = reason

    def _discard(self, cause: str) -> None:
        self.leg.variables.set("RECORD_DISCARDED", "true")
        Path(self.key).unlink(missing_ok=True)
        self._cause = self._cause or cause
        self.entry.discarded = True

    def tell_bug_stopped(self) -> None:
        """Fire MEDIA_BUG_STOP."""
        if not self.leg.switch.faults.lose_record_stop:
            self.leg.fire("MEDIA_BUG_STOP", before=self._bug())

    def abandon(self, reason: EndedBy) -> None:
        """End with the switch, or never be closed: no event, the file as it lies on disk."""
        if not self._ending:
            self._advance()
        if not self._ending:
            self._ending = True
            if self._timer is not None:
                self._timer.cancel()
            self._file.abandon()
            self.entry.reason = reason
            self.entry.stopped_at = time.time()
            self.entry.frames_written = self._written * FRAME * self._scale

    def tell_started(self) -> None:
        """Fire RECORD_START."""
        if not self.leg.switch.faults.lose_record_start:
            self.leg.fire("RECORD_START", after=[("Record-File-Path", self.key), *self._echo()])

    def tell_bug_started(self) -> None:
        """Fire MEDIA_BUG_START."""
        self.leg.fire("MEDIA_BUG_START", before=self._bug())

    def _echo(self) -> list[tuple[str, str]]:
        return [(f"Recording-Variable-{name}", value) for name, value in self.variables.items()]

    def _bug(self) -> list[tuple[str, str]]:
        return [("Media-Bug-Function", "session_record"), ("Media-Bug-Target", self.key)]


async def start(leg: "Leg", path: str, limit: int, variables: Mapping[str, str]) -> bool:
    """switch_ivr_record_session_event: True when FreeSWITCH would say success (a repeated start says so too)."""
    if leg.hungup:
        return False
    leg.pre_answer()
    options = Options(leg, variables)
    running = leg.recorder(path)
    if running is not None:
        if options.toggle:
            await stop(leg, path)
        return True
    block, bare = parse_block(path)
    if path.startswith("{") and not block and bare == path:
        # switch_utils.h:1275: an unclosed brace is never got past; the caller of this waits for ever, as there
        await asyncio.Event().wait()
    key = path
    if not bare.startswith("/"):
        prefix = options.sound_prefix or str(leg.switch.sounds)
        key = f"{prefix}/{bare}"
        bare = key
    lowered = {name.lower(): value for name, value in block.items()}
    if is_true(lowered.get("record_write_only")):
        options.only = WRITE
    if is_true(lowered.get("record_read_only")):
        options.only = READ
    file = _open(leg, Path(bare), options)
    if file is None:
        leg.variables.set("record_completion_cause", "uri-failure")
        return False
    # The writer thread is waited for in steps of 10 ms (async:1466); who waits holds the session's lock
    with leg.in_use():
        await asyncio.sleep(0.01)
    recorder = Recorder(leg, key, file, options, variables, limit)
    leg.switch.journal.recordings.append(recorder.entry)
    recorder.tell_started()
    leg.add_recorder(recorder)
    recorder.tell_bug_started()
    return True


def _open(leg: "Leg", path: Path, options: Options) -> WavFile | None:
    faults = leg.switch.faults
    if faults.refuse_starts:
        return None
    channels = 2 if options.stereo else 1
    try:
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    except OSError:
        return None
    chunk = options.chunk if options.chunk is not None else _DEFAULT_CHUNK * channels
    try:
        if path.suffix != ".wav":
            raise OSError(f"no file format for {path}")  # noqa: TRY301 (treated as the open failure it is there)
        return WavFile(
            path,
            rate=options.rate,
            channels=channels,
            chunk=chunk,
            budget=faults.disk_full_after,
            append=options.append,
        )
    except OSError:
        if options.hangup_on_error:
            leg.hang_up("DESTINATION_OUT_OF_ORDER")
        return None


async def stop(leg: "Leg", path: str) -> bool:
    """switch_ivr_stop_record_session: a path, or `all` in any case."""
    if path.lower() == "all":
        recorders = list(leg.recorders)
        finished = [recorder for recorder in recorders if await recorder.finish("stop")]
        for recorder in reversed(finished):
            recorder.tell_bug_stopped()
        return bool(finished)
    found = leg.recorder(path)
    if found is not None and found.leg is not leg:
        return True  # it followed a transfer: the key it left here says +OK, and does nothing
    if found is None or not await found.finish("stop"):
        return False
    found.tell_bug_stopped()
    return True


def control(leg: "Leg", action: str, path: str) -> bool:
    """pause, resume, mask, unmask: no event, idempotent; False when nothing is recorded at `path`."""
    recorder = leg.recorder(path)
    if recorder is None:
        return False
    if action in ("pause", "resume"):
        recorder.set_paused(action == "pause")
    else:
        recorder.set_masked(action == "mask")
    return True

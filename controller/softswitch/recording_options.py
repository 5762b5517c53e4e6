"""What a background recording was asked to be (switch_ivr_async.c:2914-3330)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from controller.softswitch.text import is_true, number

if TYPE_CHECKING:
    from controller.softswitch.leg import Leg

READ, WRITE = 0, 1
"""The directions: what the party says, what it hears."""

_PRE_BUFFER_FRAMES = 25
_DEFAULT_THRESHOLD = 200
_RATES = frozenset({8000, 12000, 16000, 24000, 32000, 11025, 22050, 44100, 48000})


class Options:
    """What a recording was asked to be: recording variables first, then channel, then global ones (async:2914)."""

    def __init__(self, leg: "Leg", variables: Mapping[str, str]) -> None:
        lower = {name.lower(): value for name, value in variables.items()}

        def get(name: str) -> str | None:
            return lower.get(name.lower()) or leg.variable(name)

        self.swap = is_true(get("RECORD_STEREO_SWAP"))
        self.stereo = self.swap or is_true(get("RECORD_STEREO"))
        read_only, write_only = is_true(get("RECORD_READ_ONLY")), is_true(get("RECORD_WRITE_ONLY"))
        self.only: int | None = READ if read_only else WRITE if write_only else None
        self.append = is_true(get("RECORD_APPEND"))
        self.answer_required = is_true(get("RECORD_ANSWER_REQ"))
        self.bridge_required = is_true(get("RECORD_BRIDGE_REQ"))
        self.min_seconds = max(0, number(get("RECORD_MIN_SEC")))
        self.hangup_on_error = is_true(get("RECORD_HANGUP_ON_ERROR"))
        self.use_thread = is_true(get("RECORD_USE_THREAD") or "true")
        self.toggle = is_true(get("RECORD_TOGGLE_ON_REPEAT"))
        self.sound_prefix = get("sound_prefix")
        pre_buffer = get("RECORD_PRE_BUFFER_FRAMES")
        self.pre_buffer = _PRE_BUFFER_FRAMES if pre_buffer is None else max(0, number(pre_buffer))
        rate = number(get("record_sample_rate"))
        self.rate = rate if rate in _RATES else leg.profile.rate
        self.chunk = self._chunk(get("enable_file_write_buffering"))
        initial, final = get("RECORD_INITIAL_TIMEOUT_MS"), get("RECORD_FINAL_TIMEOUT_MS")
        threshold = get("RECORD_SILENCE_THRESHOLD")
        self.initial_timeout = number(initial) / 1000
        self.final_timeout = number(final) / 1000
        self.threshold = _DEFAULT_THRESHOLD if initial is not None or final is not None else 0
        if threshold is not None:
            self.threshold = max(0, number(threshold))

    @staticmethod
    def _chunk(value: str | None) -> int | None:
        """Bytes of write buffer; 0 writes through, None is the default of 64 KiB a channel."""
        if value is None or (is_true(value) and number(value) == 0):
            return None
        return max(0, number(value))

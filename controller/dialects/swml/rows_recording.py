"""The methods that record. What `record` and `record_call` share differs in its defaults, and once in a word."""

from __future__ import annotations

from controller.dialects.swml.rows import Kind, Method, Property

LONGEST_RECORDING = 86_400.0
"""Seconds: FreeSWITCH's own net ends every recording after 24 h (DESIGN section 4), so more could not be kept."""

_STEREO = Property("stereo", Kind.BOOLEAN, "Whether to record in stereo mode", default=False, variable=True)
_FORMAT = Property(
    "format", Kind.TEXT, 'Format (`"wav"`, `"mp3"`, or `"mp4"`)', default="wav", choices=("wav", "mp3", "mp4")
)
_BEEP = Property("beep", Kind.BOOLEAN, "Whether to play a beep before recording", default=False, variable=True)
_MAX_LENGTH = Property(
    "max_length",
    Kind.NUMBER,
    "Maximum length of the recording in seconds.",
    unit="seconds",
    above=0.0,
    at_most=LONGEST_RECORDING,
    variable=True,
)
_STATUS_URL = Property("status_url", Kind.URL, "HTTP or HTTPS URL to deliver record status events.")


def _sensitivity(end: str) -> Property:
    return Property(
        "input_sensitivity",
        Kind.NUMBER,
        f"How sensitive the recording voice activity detector is to background noise{end} A larger value is more "
        "sensitive. Allowed values from `0.0` to `100.0`.",
        default=44.0,
        at_least=0.0,
        at_most=100.0,
        variable=True,
    )


def _timeout(name: str, row: str, default: float) -> Property:
    return Property(
        name,
        Kind.NUMBER,
        row,
        default=default,
        unit="seconds",
        at_least=0.0,
        at_most=LONGEST_RECORDING,
        variable=True,
    )


def _timeouts(initial: float, end_silence: float) -> tuple[Property, Property]:
    return (
        _timeout("initial_timeout", "How long, in seconds, to wait for speech to start?", initial),
        _timeout("end_silence_timeout", "How much silence, in seconds, will end the recording?", end_silence),
    )


RECORD = Method(
    "record",
    (
        _STEREO,
        _FORMAT,
        Property(
            "direction",
            Kind.TEXT,
            'Direction of the audio to record: `"speak"` for what party says, `"listen"` for what party hears',
            default="speak",
            choices=("speak", "listen"),
        ),
        Property(
            "terminators", Kind.DIGITS, "String of digits that will stop the recording when pressed", default="#"
        ),
        _BEEP,
        _sensitivity("."),
        *_timeouts(4.0, 5.0),
        _MAX_LENGTH,
        _STATUS_URL,
    ),
)

RECORD_CALL = Method(
    "record_call",
    (
        Property("control_id", Kind.TEXT, "Identifier for this recording, to use with `stop_record_call`"),
        _STEREO,
        _FORMAT,
        Property(
            "direction",
            Kind.TEXT,
            'Direction of the audio to record: `"speak"` for what party says, `"listen"` for what party hears, '
            '`"both"` for what the party hears and says',
            default="both",
            choices=("speak", "listen", "both"),
        ),
        Property(
            "terminators",
            Kind.DIGITS,
            "String of digits that will stop the recording when pressed. Default is empty (no terminators).",
            default="",
        ),
        _BEEP,
        _sensitivity("?"),
        *_timeouts(0.0, 0.0),
        _MAX_LENGTH,
        _STATUS_URL,
    ),
)

STOP_RECORD_CALL = Method(
    "stop_record_call",
    (
        Property(
            "control_id",
            Kind.TEXT,
            "Identifier for the recording to stop. If not set, the last recording started will be stopped.",
        ),
    ),
)

RECORDING = (RECORD, RECORD_CALL, STOP_RECORD_CALL)

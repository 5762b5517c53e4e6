"""The methods' tables quote the reference: each property with its type, default, constraint and words."""

from __future__ import annotations

import pytest

from controller.dialects.swml.methods import METHODS
from controller.dialects.swml.rows import Kind, Property

# The rows of the reference's pages in their order: name, type and constraint, default, words. `${…}` marks where a
# variable may stand for the value, `not yet` what this version refuses by name.
RECORD = [
    ("stereo", "boolean ${…}", False, "Whether to record in stereo mode"),
    ("format", "wav mp3 mp4", "wav", 'Format (`"wav"`, `"mp3"`, or `"mp4"`)'),
    (
        "direction",
        "speak listen",
        "speak",
        'Direction of the audio to record: `"speak"` for what party says, `"listen"` for what party hears',
    ),
    ("terminators", "digits", "#", "String of digits that will stop the recording when pressed"),
    ("beep", "boolean ${…}", False, "Whether to play a beep before recording"),
    (
        "input_sensitivity",
        "0..100 ${…}",
        44.0,
        (
            "How sensitive the recording voice activity detector is to background noise. A larger value is more "
            "sensitive. Allowed values from `0.0` to `100.0`."
        ),
    ),
    ("initial_timeout", "0..86400 ${…}", 4.0, "How long, in seconds, to wait for speech to start?"),
    ("end_silence_timeout", "0..86400 ${…}", 5.0, "How much silence, in seconds, will end the recording?"),
    ("max_length", ">0..86400 ${…}", None, "Maximum length of the recording in seconds."),
    ("status_url", "url", None, "HTTP or HTTPS URL to deliver record status events."),
]
RECORD_CALL = [
    ("control_id", "string", None, "Identifier for this recording, to use with `stop_record_call`"),
    ("stereo", "boolean ${…}", False, "Whether to record in stereo mode"),
    ("format", "wav mp3 mp4", "wav", 'Format (`"wav"`, `"mp3"`, or `"mp4"`)'),
    (
        "direction",
        "speak listen both",
        "both",
        (
            'Direction of the audio to record: `"speak"` for what party says, `"listen"` for what party hears, '
            '`"both"` for what the party hears and says'
        ),
    ),
    (
        "terminators",
        "digits",
        "",
        "String of digits that will stop the recording when pressed. Default is empty (no terminators).",
    ),
    ("beep", "boolean ${…}", False, "Whether to play a beep before recording"),
    (
        "input_sensitivity",
        "0..100 ${…}",
        44.0,
        (
            "How sensitive the recording voice activity detector is to background noise? A larger value is more "
            "sensitive. Allowed values from `0.0` to `100.0`."
        ),
    ),
    ("initial_timeout", "0..86400 ${…}", 0.0, "How long, in seconds, to wait for speech to start?"),
    ("end_silence_timeout", "0..86400 ${…}", 0.0, "How much silence, in seconds, will end the recording?"),
    ("max_length", ">0..86400 ${…}", None, "Maximum length of the recording in seconds."),
    ("status_url", "url", None, "HTTP or HTTPS URL to deliver record status events."),
]
VOLUME = (
    "volume",
    "-40..40 ${…}",
    0.0,
    "Volume gain to apply to played URLs. Allowed values from `-40.0` to `40.0`.",
)
SPEAKING = [
    ("say_voice", "string or variable", None, "Voice to use with `say:` for text to speech"),
    ("say_language", "string or variable", None, "Language to use with `say:` for text to speech"),
    ("say_gender", "string or variable", None, "Gender to use with `say:` for text to speech"),
]
PLAY = [
    ("url", "sound", None, "A single playable sound."),
    ("urls", "sounds", None, "An array of playable sounds."),
    (
        "auto_answer",
        "boolean ${…}",
        True,
        (
            "If `true`, the call will automatically answer as the sound is playing. If `false`, you will start "
            "playing the audio during early media."
        ),
    ),
    VOLUME,
    *SPEAKING,
    ("status_url", "url not yet", None, "HTTP or HTTPS URL to deliver play status events."),
]
PROMPT = [
    ("play", "sound or sounds required", None, "Either a playable sound or an array of playable sounds"),
    VOLUME,
    *SPEAKING,
    ("max_digits", "1..100 ${…}", 1, "Number of digits to collect"),
    ("terminators", "digits", None, "Digits that terminate digit collection"),
    ("digit_timeout", "0..86400 ${…}", 5.0, "Time in seconds to wait for next digit"),
    ("initial_timeout", "0..86400 ${…}", 5.0, "Time in seconds to wait for start of input"),
    ("speech_timeout", ".. not yet", None, "Max time in seconds to wait for speech result"),
    ("speech_end_timeout", ".. not yet", None, "Time in seconds to wait for end of speech utterance"),
    ("speech_language", "string not yet", None, "Language to detect speech in"),
    ("speech_hints", "string not yet", None, "Expected words to match"),
    ("speech_engine", "string not yet", None, "The engine selected for speech recognition."),
    ("status_url", "url not yet", None, "HTTP or HTTPS URL to deliver prompt status events."),
]
SEND_DIGITS = [
    (
        "digits",
        "tones required",
        None,
        (
            "The digits to send. Valid values are `0123456789*#ABCDWw`. Character `W` is a 1 second delay, and `w` "
            "is a 500 ms delay."
        ),
    ),
]
REQUEST = [
    (
        "url",
        "url required",
        None,
        (
            "URL to send the HTTPS request to. Authentication can also be set in the url in the format of "
            "`username:password@url`."
        ),
    ),
    ("method", "GET POST PUT DELETE required", None, "Request type. `GET`|`POST`|`PUT`|`DELETE`"),
    (
        "headers",
        "headers",
        None,
        (
            "Object containing HTTP headers to set. Valid header values are `Accept`, `Authorization`, "
            "`Content-Type`, `Range`, and custom `X-` headers"
        ),
    ),
    (
        "body",
        "string or object",
        None,
        (
            "Request body. `Content-Type` header should be explicitly set, but if not set, the most likely type will "
            "be set based on the first non-whitespace character."
        ),
    ),
    (
        "connect_timeout",
        "0..600 ${…}",
        0.0,
        "Maximum time in seconds to wait for a connection. Default is `0` (no timeout).",
    ),
    (
        "timeout",
        "0..600 ${…}",
        0.0,
        "Maximum time in seconds to wait for a response. Default is `0` (no timeout).",
    ),
    ("save_variables", "boolean ${…}", False, "Store parsed JSON response as variables"),
]
KINDS = {
    Kind.BOOLEAN: "boolean",
    Kind.DIGITS: "digits",
    Kind.TONES: "tones",
    Kind.URL: "url",
    Kind.TEXT: "string",
    Kind.SOUND: "sound",
    Kind.SOUNDS: "sounds",
    Kind.PROMPT: "sound or sounds",
    Kind.HEADERS: "headers",
    Kind.BODY: "string or object",
}


def row_of(row: Property) -> tuple[str, str, object, str]:
    """A row as the tables above write it."""
    low = f">{row.above:g}" if row.above is not None else f"{row.at_least:g}" if row.at_least is not None else ""
    high = "" if row.at_most is None else f"{row.at_most:g}"
    said = " ".join(row.choices) or KINDS.get(row.kind, f"{low}..{high}")
    marks = [" or variable" * row.read, " required" * row.required, " ${…}" * row.variable]
    not_yet = " not yet" if row.served.value == "not yet" else ""
    return row.name, f"{said}{''.join(marks)}{not_yet}", row.default, row.row


@pytest.mark.parametrize(
    ("method", "rows"),
    [
        ("record", RECORD),
        ("record_call", RECORD_CALL),
        ("play", PLAY),
        ("prompt", PROMPT),
        ("send_digits", SEND_DIGITS),
        ("request", REQUEST),
    ],
)
def test_a_method_has_the_rows_of_the_reference(method: str, rows: list[tuple[str, str, object, str]]) -> None:
    """Names, order, types, defaults, constraints and words are the page's own."""
    assert [row_of(row) for row in METHODS[method].properties] == rows


def test_the_other_methods_have_their_properties() -> None:
    """Names and defaults of the small methods are the reference's."""
    tables = {"record", "record_call", "connect", "play", "prompt", "send_digits", "request"}
    assert {
        name: {row.name: row.default for row in method.properties}
        for name, method in METHODS.items()
        if name not in tables and not method.whole
    } == {
        "answer": {"max_duration": 14400, "codecs": None, "username": None, "password": None},
        "hangup": {"reason": "hangup"},
        "sleep": {"duration": None},
        "stop_record_call": {"control_id": None},
        "goto": {"label": None, "when": None, "max": 100},
        "switch": {"variable": None, "case": None, "default": None},
        "execute": {"dest": None, "params": None, "meta": None, "on_return": None, "result": None},
        "transfer": {"dest": None, "params": None, "meta": None},
    }
    assert {name for name, method in METHODS.items() if method.whole} == {"set", "unset", "label", "cond", "return"}

"""The methods that play, gather and send digits."""

from __future__ import annotations

from controller.dialects.swml.rows import Kind, Method, Property, Served

LONGEST_WAIT = 86_400.0
"""Seconds that a caller is waited for: beyond a day it means for ever."""

MOST_DIGITS = 100
"""Digits of one prompt. Card numbers and the like have twenty."""

_VOLUME = Property(
    "volume",
    Kind.NUMBER,
    "Volume gain to apply to played URLs. Allowed values from `-40.0` to `40.0`.",
    default=0.0,
    unit="dB",
    at_least=-40.0,
    at_most=40.0,
    variable=True,
)
# The reference's defaults (Polly.Salli, en-US, female) name voices of its platform; here the settings' voice speaks.
_SPEAKING = (
    Property("say_voice", Kind.TEXT, "Voice to use with `say:` for text to speech", read=True),
    Property("say_language", Kind.TEXT, "Language to use with `say:` for text to speech", read=True),
    Property("say_gender", Kind.TEXT, "Gender to use with `say:` for text to speech", read=True),
)

_URL = Property("url", Kind.SOUND, "A single playable sound.")
_URLS = Property("urls", Kind.SOUNDS, "An array of playable sounds.")

PLAY = Method(
    "play",
    (
        _URL,
        _URLS,
        Property(
            "auto_answer",
            Kind.BOOLEAN,
            "If `true`, the call will automatically answer as the sound is playing. If `false`, you will start "
            "playing the audio during early media.",
            default=True,
            variable=True,
        ),
        _VOLUME,
        *_SPEAKING,
        Property(
            "status_url",
            Kind.URL,
            "HTTP or HTTPS URL to deliver play status events.",
            served=Served.NOT_YET,
        ),
    ),
    bare=_URL,
    listed=_URLS,
    one_of=("url", "urls"),
)


def _wait(name: str, row: str) -> Property:
    return Property(
        name,
        Kind.NUMBER,
        row,
        default=5.0,
        unit="seconds",
        at_least=0.0,
        at_most=LONGEST_WAIT,
        variable=True,
    )


PROMPT = Method(
    "prompt",
    (
        Property("play", Kind.PROMPT, "Either a playable sound or an array of playable sounds", required=True),
        _VOLUME,
        *_SPEAKING,
        Property(
            "max_digits",
            Kind.INTEGER,
            "Number of digits to collect",
            default=1,
            at_least=1,
            at_most=MOST_DIGITS,
            variable=True,
        ),
        Property("terminators", Kind.DIGITS, "Digits that terminate digit collection"),
        _wait("digit_timeout", "Time in seconds to wait for next digit"),
        _wait("initial_timeout", "Time in seconds to wait for start of input"),
        Property(
            "speech_timeout", Kind.NUMBER, "Max time in seconds to wait for speech result", served=Served.NOT_YET
        ),
        Property(
            "speech_end_timeout",
            Kind.NUMBER,
            "Time in seconds to wait for end of speech utterance",
            served=Served.NOT_YET,
        ),
        Property("speech_language", Kind.TEXT, "Language to detect speech in", served=Served.NOT_YET),
        Property("speech_hints", Kind.TEXT, "Expected words to match", served=Served.NOT_YET),
        Property("speech_engine", Kind.TEXT, "The engine selected for speech recognition.", served=Served.NOT_YET),
        Property(
            "status_url",
            Kind.URL,
            "HTTP or HTTPS URL to deliver prompt status events.",
            served=Served.NOT_YET,
        ),
    ),
)

SEND_DIGITS = Method(
    "send_digits",
    (
        Property(
            "digits",
            Kind.TONES,
            "The digits to send. Valid values are `0123456789*#ABCDWw`. Character `W` is a 1 second delay, and `w` "
            "is a 500 ms delay.",
            required=True,
        ),
    ),
)

MEDIA = (PLAY, PROMPT, SEND_DIGITS)

"""The verbs and nouns that are carried out: the rows of the seed for ``<Recording>``, of the spec for all others.

Sources: seed 004 (``<Start><Recording>``), spec/twiml_laml_plivo.md 1.1 and 1.4.
"""

from __future__ import annotations

from controller.dialects.twiml.codes import (
    BAD_CALLER,
    BAD_DIGITS,
    BAD_EVENT,
    BAD_METHOD,
    BAD_TRIM,
    BAD_URL,
)
from controller.documents.attributes import Attribute, Kind, Served, Verb

LONGEST_WAIT = 86_400
"""Seconds of one pause, timeout or recording: a day."""

MOST_LOOPS = 1_000

MOST_DIGITS = 255
"""Of a Gather without numDigits."""

EVENTS = ("in-progress", "completed", "absent")
"""Seed 004: what ``recordingStatusCallbackEvent`` may name."""


def _method(name: str = "method", default: str = "POST") -> Attribute:
    return Attribute(
        name, Kind.CHOICE, "GET, POST", default, default=default, choices=("GET", "POST"), code=BAD_METHOD
    )


def _url(name: str, default_words: str = "none") -> Attribute:
    return Attribute(name, Kind.URL, "A relative or absolute URL", default_words, code=BAD_URL)


def _trim(default: str) -> Attribute:
    choices = ("trim-silence", "do-not-trim")
    return Attribute("trim", Kind.CHOICE, ", ".join(choices), default, default, choices, code=BAD_TRIM)


def _track(name: str) -> Attribute:
    choices = ("inbound", "outbound", "both")
    return Attribute(name, Kind.CHOICE, ", ".join(choices), "both", "both", choices)


def _told() -> tuple[Attribute, ...]:
    return (
        _url("recordingStatusCallback"),
        _method("recordingStatusCallbackMethod"),
        Attribute(
            "recordingStatusCallbackEvent",
            Kind.EVENTS,
            "in-progress, completed, absent",
            "completed",
            default=("completed",),
            choices=EVENTS,
            code=BAD_EVENT,
        ),
    )


def _whole(name: str, words: str, default: int | None, at_least: int = 0, at_most: int = LONGEST_WAIT) -> Attribute:
    shown = "none" if default is None else str(default)
    return Attribute(name, Kind.INTEGER, words, shown, default=default, at_least=at_least, at_most=at_most)


def _flag(name: str, default: bool, served: Served = Served.YES) -> Attribute:
    return Attribute(name, Kind.BOOLEAN, "true, false", str(default).lower(), default=default, served=served)


def _without(served: Served, *names: str) -> tuple[Attribute, ...]:
    return tuple(Attribute(name, Kind.TEXT, "", "none", served=served) for name in names)


_LOOP = _whole("loop", "0 = endless", 1, at_most=MOST_LOOPS)

RECORDING = Verb(
    "Recording",
    (
        Attribute("name", Kind.TEXT, "string, unique per call", "none"),
        *_told(),
        _trim("trim-silence"),
        _track("track"),
        Attribute("channels", Kind.CHOICE, "mono, dual", "dual", "dual", ("mono", "dual")),
        *_without(Served.IGNORED, "recordingConfigurationId"),
    ),
)
START = Verb(
    "Start",
    _without(Served.MOOT, "action", "method"),
    nested=("Recording",),
    refused=("Stream", "Siprec", "Transcription"),
)
STOPPED = Verb("Recording", (Attribute("name", Kind.TEXT, "string, as the start named it", "none"),))
STOP = Verb("Stop", nested=("Recording",), refused=START.refused)
SAY = Verb(
    "Say",
    (
        Attribute("voice", Kind.TEXT, "man/woman/alice/Polly…/Google…", "the settings' voice"),
        Attribute("language", Kind.TEXT, "", "en-US"),
        _LOOP,
    ),
    text=True,
)
PLAY = Verb(
    "Play",
    (_LOOP, Attribute("digits", Kind.TONES, "w = 0.5 s", "none", code=BAD_DIGITS)),
    text=True,
)
PAUSE = Verb("Pause", (_whole("length", "s", 1),))
HANGUP = Verb("Hangup")
REDIRECT = Verb("Redirect", (_method(),), text=True)
REJECT = Verb(
    "Reject", (Attribute("reason", Kind.CHOICE, "rejected | busy", "rejected", "rejected", ("rejected", "busy")),)
)
GATHER = Verb(
    "Gather",
    (
        Attribute("input", Kind.TEXT, "dtmf", "dtmf", default="dtmf"),
        _url("action", "current doc URL"),
        _method(),
        _whole("timeout", "s", 5, at_least=1),
        Attribute("finishOnKey", Kind.KEYS, "any key, or empty", "#", default="#"),
        _whole("numDigits", "positive", None, at_least=1, at_most=MOST_DIGITS),
        _flag("actionOnEmptyResult", default=False),
        *_without(Served.MOOT, "speechTimeout", "language", "hints", "partialResultCallback"),
        *_without(Served.MOOT, "partialResultCallbackMethod", "profanityFilter", "speechModel", "enhanced", "debug"),
        *_without(Served.IGNORED, "bargeIn", "dtmfDetection"),
    ),
    nested=("Say", "Play", "Pause"),
)
RECORD = Verb(
    "Record",
    (
        _url("action", "current doc URL (loops!)"),
        _method(),
        _whole("timeout", "s silence (0 disables)", 5),
        Attribute("finishOnKey", Kind.KEYS, "keys, or empty", "1234567890*#", default="1234567890*#"),
        _whole("maxLength", "s; LaML: 0 = 3600", 3600),
        _flag("playBeep", default=True),
        _trim("trim-silence"),
        *_told(),
        _flag("transcribe", default=False, served=Served.IGNORED),
        *_without(Served.MOOT, "transcribeCallback"),
        *_without(Served.IGNORED, "recordingTrack", "storageUrl", "storageUrlMethod", "recordingConfigurationId"),
    ),
)
NUMBER = Verb(
    "Number",
    _without(Served.IGNORED, "sendDigits", "url", "method", "byoc", "statusCallback", "statusCallbackMethod")
    + _without(Served.IGNORED, "statusCallbackEvent", "machineDetection"),
    text=True,
)
SIP = Verb(
    "Sip",
    _without(Served.IGNORED, "username", "password", "url", "method", "statusCallback", "statusCallbackMethod")
    + _without(Served.IGNORED, "statusCallbackEvent", "machineDetection"),
    text=True,
)
RECORDS = (
    "do-not-record",
    "record-from-answer",
    "record-from-ringing",
    "record-from-answer-dual",
    "record-from-ringing-dual",
    "true",
    "false",
)
"""What ``<Dial record>`` may say; the last two are its oldest way to say the second and the first."""

DIAL = Verb(
    "Dial",
    (
        _url("action", "none (continue)"),
        _method(),
        _whole("timeout", "s", 30, at_least=1, at_most=600),
        _whole("timeLimit", "s", 14400, at_least=1),
        _flag("hangupOnStar", default=False),
        Attribute("callerId", Kind.CALLER, "number", "the caller's", code=BAD_CALLER),
        _flag("answerOnBridge", default=False, served=Served.MOOT),
        Attribute("record", Kind.CHOICE, " | ".join(RECORDS[:-2]), "do-not-record", "do-not-record", RECORDS),
        _trim("do-not-trim"),
        _track("recordingTrack"),
        *_told(),
        _flag("sequential", default=False),
        *_without(Served.IGNORED, "ringTone", "referUrl", "referMethod", "recordingConfigurationId"),
    ),
    nested=("Number", "Sip"),
    text=True,
    refused=("Client", "Conference", "Queue", "Sim", "Application", "WhatsApp"),
)

VERBS = {verb.name: verb for verb in (START, STOP, SAY, PLAY, PAUSE, HANGUP, REDIRECT, REJECT, GATHER, RECORD, DIAL)}
NOUNS = {
    ("Start", "Recording"): RECORDING,
    ("Stop", "Recording"): STOPPED,
    ("Gather", "Say"): SAY,
    ("Gather", "Play"): PLAY,
    ("Gather", "Pause"): PAUSE,
    ("Dial", "Number"): NUMBER,
    ("Dial", "Sip"): SIP,
}
LATER = (
    *("Connect", "Enqueue", "Leave", "Pay", "Prompt", "Refer", "Sms", "Message", "Siprec", "Stream", "Conference"),
    *("Client", "Queue", "Echo", "VirtualAgent", "Denoise", "Transcription", "Number", "Sip", "Recording"),
)
"""Names of the vendors' that mean something, and not as verbs here."""

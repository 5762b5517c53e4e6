"""The elements that are carried out: the rows of the seed for ``<Record>``, of Plivo's references for all others.

Sources: seed 003 (``<Record>``), spec/twiml_laml_plivo.md 3.1 and 3.4; where that has no default, Plivo's page of the
element. ``Attribute.values`` is the type in the source's words.
"""

from __future__ import annotations

from controller.documents.attributes import Attribute, Kind, Served, Verb

LONGEST = 86_400
"""Seconds that anything lasts at most: a day, after which Plivo ends each call. A longer time is this one."""

MOST_DIGITS = 99
"""Of one GetDigits."""

KEYS = tuple("0123456789*#")
"""What a key may be."""

_ANY_NUMBER = 999_999_999
"""What a whole number may be: applications write what is longer than any call, and mean for ever."""


def _method(name: str = "method") -> Attribute:
    return Attribute(name, Kind.CHOICE, "string", "POST", "POST", ("GET", "POST"))


def _url(name: str, served: Served = Served.YES) -> Attribute:
    return Attribute(name, Kind.URL, "URL", "-", served=served)


def _text(name: str, default: str = "-", served: Served = Served.YES) -> Attribute:
    return Attribute(name, Kind.TEXT, "string", default, served=served)


def _choice(name: str, default: str, *choices: str) -> Attribute:
    return Attribute(
        name, Kind.CHOICE, "string", default, default=None if default == "-" else default, choices=choices
    )


def _keys(name: str, default: str) -> Attribute:
    return Attribute(name, Kind.KEYS, "string", default, default=default)


def _whole(name: str, default: int | None, at_least: int = 1, served: Served = Served.YES) -> Attribute:
    return Attribute(
        name,
        Kind.INTEGER,
        "integer",
        "-" if default is None else str(default),
        default=default,
        at_least=at_least,
        at_most=_ANY_NUMBER,
        served=served,
    )


def _flag(name: str, default: bool, served: Served = Served.YES) -> Attribute:
    return Attribute(name, Kind.BOOLEAN, "boolean", str(default).lower(), default=default, served=served)


RECORD = Verb(
    "Record",
    (
        _url("action"),
        _method(),
        _choice("fileFormat", "mp3", "mp3", "wav"),
        _flag("redirect", default=True),
        _whole("timeout", 15),
        _whole("maxLength", 60),
        _keys("finishOnKey", "#"),
        _flag("playBeep", default=True),
        _flag("recordSession", default=False),
        _flag("startOnDialAnswer", default=False),
        _choice("recordChannelType", "stereo", "mono", "stereo"),
        _choice("transcriptionType", "-", "auto", "hybrid"),
        _url("transcriptionUrl"),
        _url("callbackUrl"),
        _method("callbackMethod"),
        # Not of the seed; spec 3.1: what SDKs write beside it. Nothing documents what the second would do.
        _method("transcriptionMethod"),
        _text("transcriptionReportType", served=Served.MOOT),
    ),
)
SPEAK = Verb(
    "Speak",
    (_text("voice", "WOMAN"), _text("language", "en-US"), _whole("loop", 1, at_least=0)),
    text=True,
)
PLAY = Verb("Play", (_whole("loop", 1, at_least=0),), text=True)
WAIT = Verb(
    "Wait",
    (
        _whole("length", 1),
        _flag("silence", default=False, served=Served.REFUSED),
        _whole("minSilence", 2000, served=Served.MOOT),
        _flag("beep", default=False, served=Served.REFUSED),
    ),
)
HANGUP = Verb("Hangup", (_choice("reason", "-", "rejected", "busy"), _whole("schedule", None)))
REDIRECT = Verb("Redirect", (_method(),), text=True)
GET_DIGITS = Verb(
    "GetDigits",
    (
        _url("action"),
        _method(),
        _whole("timeout", 5),
        _whole("digitTimeout", 2),
        _keys("finishOnKey", "#"),
        _whole("numDigits", MOST_DIGITS),
        _whole("retries", 1),
        _flag("redirect", default=True),
        _flag("playBeep", default=False),
        _keys("validDigits", "1234567890*#"),
        _url("invalidDigitsSound"),
        _flag("log", default=True, served=Served.MOOT),  # no digit is in a log of ours
    ),
    nested=("Speak", "Play", "Wait"),
)
NUMBER = Verb(
    "Number",
    (
        Attribute("sendDigits", Kind.TONES, "string", "-"),
        _flag("sendOnPreanswer", default=False, served=Served.REFUSED),
        _text("sendDigitsMode", served=Served.REFUSED),
    ),
    text=True,
)
USER = Verb(
    "User",
    (
        Attribute("sendDigits", Kind.TONES, "string", "-"),
        _flag("sendOnPreanswer", default=False, served=Served.REFUSED),
        _text("sipHeaders"),
        _text("sipAuthUsername", served=Served.REFUSED),
        _text("sipAuthPassword", served=Served.REFUSED),
    ),
    text=True,
)
DIAL = Verb(
    "Dial",
    (
        _url("action"),
        _method(),
        _whole("timeout", None),
        _whole("timeLimit", 14400),
        _flag("hangupOnStar", default=False),
        Attribute("callerId", Kind.CALLER, "string", "caller's ID"),
        _text("callerName", "caller's name"),
        _url("confirmSound"),
        _choice("confirmKey", "-", *KEYS),
        _whole("confirmTimeout", 120),
        _text("dialMusic"),
        _flag("redirect", default=True),
        _url("callbackUrl"),
        _method("callbackMethod"),
        _text("digitsMatch"),
        _text("digitsMatchBLeg"),
        _text("sipHeaders"),
    ),
    nested=("Number", "User"),
)

VERBS = {verb.name: verb for verb in (SPEAK, PLAY, WAIT, RECORD, GET_DIGITS, DIAL, REDIRECT, HANGUP)}
NOUNS = {
    ("GetDigits", "Speak"): SPEAK,
    ("GetDigits", "Play"): PLAY,
    ("GetDigits", "Wait"): WAIT,
    ("Dial", "Number"): NUMBER,
    ("Dial", "User"): USER,
}
SOUNDS = ("Speak", "Play", "Wait")
"""What a document of ``dialMusic`` or ``confirmSound`` may hold."""

LATER = ("Conference", "MultiPartyCall", "Message", "PreAnswer", "DTMF", "GetInput", "Stream", "AudioStream")
"""Elements of Plivo's that are not carried out."""

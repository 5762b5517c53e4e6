"""SWML's methods and their properties: the one table that says what exists, what it may be, and what runs today.

Read a row as: the property, its type and default, its constraint, whether `${…}` may stand for it (SWML's
``SWMLVar``), how far this version serves it, and the reference's own words for it. ``values`` judges a document by
these rows and fills in their defaults; no other file holds a default or a limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum


class Kind(StrEnum):
    """What a value must be, in words for people."""

    BOOLEAN = "true or false"
    INTEGER = "a whole number"
    NUMBER = "a number"
    TEXT = "text"
    DIGITS = "text of the digits 0-9, A-D, * and #"
    URL = "an http or https URL"
    NAME = "text without variables"
    NAMES = "a variable's name or a list of such names"
    VARIABLE = "a variable's name or path, as in `call.type` or `return_value`"
    DESTINATION = "a section's name or an inline document"
    CONDITION = "a JavaScript condition"
    ANYTHING = "any value"
    OBJECT = "an object"
    VARIABLES = "an object of variable names and values"
    STEPS = "a list of steps"
    CASES = "an object of lists of steps"
    BRANCHES = "a list of conditions, each an object of `when` and `then`, and at most one `else`"
    RESULT = "an object as of `switch`, or a list as of `cond`"


class Served(Enum):
    """How far this version serves a property. What it cannot serve is refused by name, never ignored."""

    FULLY = "fully"
    AT_DEFAULT = "only at its default"
    NOT_YET = "not yet"


@dataclass(frozen=True, slots=True)
class Property:
    """One row. ``default`` None is no default; ``unit`` is for messages."""

    name: str
    kind: Kind
    row: str
    default: bool | float | str | None = None
    unit: str = ""
    choices: tuple[str, ...] = ()
    above: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    required: bool = False
    variable: bool = False
    served: Served = Served.FULLY


@dataclass(frozen=True, slots=True)
class Method:
    """A method that runs.

    ``bare`` is the property for which a bare value stands (`sleep: 5000`). ``whole`` says that the method's value is
    that property and never an object of properties (`set`, `label`, `cond`).
    """

    name: str
    properties: tuple[Property, ...] = ()
    bare: Property | None = None
    whole: bool = False

    def property(self, name: str) -> Property | None:
        """Return the property of that name, or None."""
        return next((known for known in self.properties if known.name == name), None)


LONGEST_SLEEP = 2_147_483_647
"""Milliseconds: 24 days, the largest 32-bit number."""

LONGEST_RECORDING = 86_400.0
"""Seconds: FreeSWITCH's own net ends every recording after 24 h (DESIGN section 4), so more could not be kept."""

_ANSWER = Method(
    "answer",
    (
        Property(
            "max_duration",
            Kind.INTEGER,
            "Maximum duration in seconds for the call.",
            default=14400,
            unit="seconds",
            above=0,
            variable=True,
            served=Served.NOT_YET,
        ),
        Property(
            "codecs",
            Kind.TEXT,
            "Comma-separated string of codecs to offer.",
            served=Served.NOT_YET,
        ),
        Property("username", Kind.TEXT, "Username to use for SIP authentication.", served=Served.NOT_YET),
        Property("password", Kind.TEXT, "Password to use for SIP authentication.", served=Served.NOT_YET),
    ),
)

_HANGUP = Method(
    "hangup",
    (
        Property(
            "reason",
            Kind.TEXT,
            "The reason for hanging up the call.",
            default="hangup",
            choices=("hangup", "busy", "decline"),
        ),
    ),
)

_DURATION = Property(
    "duration",
    Kind.INTEGER,
    "The amount of time to sleep in milliseconds. Must be a positive number. Can also be set to a `-1` integer for "
    "the sleep to never end.",
    unit="milliseconds, or -1 for ever",
    at_least=-1,
    at_most=LONGEST_SLEEP,
    required=True,
    variable=True,
)

_SLEEP = Method("sleep", (_DURATION,), bare=_DURATION)

_RECORD_CALL = Method(
    "record_call",
    (
        Property("control_id", Kind.TEXT, "Identifier for this recording, to use with `stop_record_call`"),
        Property("stereo", Kind.BOOLEAN, "Whether to record in stereo mode", default=False, variable=True),
        Property(
            "format",
            Kind.TEXT,
            'Format (`"wav"`, `"mp3"`, or `"mp4"`)',
            default="wav",
            choices=("wav", "mp3", "mp4"),
        ),
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
        Property(
            "beep",
            Kind.BOOLEAN,
            "Whether to play a beep before recording",
            default=False,
            variable=True,
            served=Served.AT_DEFAULT,
        ),
        Property(
            "input_sensitivity",
            Kind.NUMBER,
            "How sensitive the recording voice activity detector is to background noise? A larger value is more "
            "sensitive. Allowed values from `0.0` to `100.0`.",
            default=44.0,
            at_least=0.0,
            at_most=100.0,
            variable=True,
        ),
        Property(
            "initial_timeout",
            Kind.NUMBER,
            "How long, in seconds, to wait for speech to start?",
            default=0.0,
            unit="seconds",
            at_least=0.0,
            variable=True,
        ),
        Property(
            "end_silence_timeout",
            Kind.NUMBER,
            "How much silence, in seconds, will end the recording?",
            default=0.0,
            unit="seconds",
            at_least=0.0,
            variable=True,
        ),
        Property(
            "max_length",
            Kind.NUMBER,
            "Maximum length of the recording in seconds.",
            unit="seconds",
            above=0.0,
            at_most=LONGEST_RECORDING,
            variable=True,
        ),
        Property("status_url", Kind.URL, "HTTP or HTTPS URL to deliver record status events."),
    ),
)

_STOP_RECORD_CALL = Method(
    "stop_record_call",
    (
        Property(
            "control_id",
            Kind.TEXT,
            "Identifier for the recording to stop. If not set, the last recording started will be stopped.",
        ),
    ),
)


def _whole(name: str, kind: Kind, row: str) -> Method:
    """Return a method whose value is one property, called ``value``."""
    value = Property("value", kind, row, required=True)
    return Method(name, (value,), bare=value, whole=True)


_SWITCH_ROWS = (
    Property("case", Kind.CASES, "Object of key-mapped values to array of SWML Methods to execute.", required=True),
    Property("default", Kind.STEPS, "Array of SWML Methods to execute if no cases match."),
)

SWITCH = Method(
    "switch",
    (
        Property(
            "variable",
            Kind.VARIABLE,
            "Name of the variable whose value needs to be compared.",
            required=True,
        ),
        *_SWITCH_ROWS,
    ),
)

RESULT_SWITCH = Method(
    "result",
    (
        Property(
            "variable",
            Kind.VARIABLE,
            "Name of the variable whose value needs to be compared. If not provided, it will check the "
            "`return_value` variable.",
            default="return_value",
        ),
        *_SWITCH_ROWS,
    ),
)
"""What `execute.result` is where it is an object."""

_DEST = Property(
    "dest",
    Kind.DESTINATION,
    "Specifies what to execute: a section in the current document, a URL, or an inline SWML document.",
    required=True,
)
_PARAMS = Property("params", Kind.OBJECT, "Named parameters to send to section or URL")
_META = Property("meta", Kind.OBJECT, "User-defined metadata. This data is ignored.")

_FLOW = (
    _whole("set", Kind.VARIABLES, "Set script variables to the specified values."),
    _whole("unset", Kind.NAMES, "Unset specified variables."),
    _whole("label", Kind.NAME, "Mark any point of the SWML section with a label so that `goto` can jump to it."),
    Method(
        "goto",
        (
            Property("label", Kind.NAME, "The label in section to jump to.", required=True),
            Property("when", Kind.CONDITION, "A JavaScript condition that determines whether to perform the jump."),
            Property(
                "max",
                Kind.INTEGER,
                "The maximum number of times to jump, from the minimum of `1` to max `100` jumps.",
                default=100,
                at_least=1,
                at_most=100,
                variable=True,
            ),
        ),
    ),
    _whole("cond", Kind.BRANCHES, "Execute a sequence of instructions depending on a JavaScript condition."),
    SWITCH,
    Method(
        "execute",
        (
            _DEST,
            _PARAMS,
            _META,
            Property("on_return", Kind.STEPS, "Array of SWML methods to execute when the executed section returns."),
            Property("result", Kind.RESULT, "Action to take based on the result of the call."),
        ),
    ),
    _whole("return", Kind.ANYTHING, "Return from `execute` or exit script."),
    Method("transfer", (_DEST, _PARAMS, _META)),
)

METHODS = {method.name: method for method in (_ANSWER, _HANGUP, _SLEEP, _RECORD_CALL, _STOP_RECORD_CALL, *_FLOW)}
"""The methods that run."""

DOCUMENTED = METHODS.keys() | {
    *("ai", "ai_sidecar", "amazon_bedrock", "connect", "denoise", "detect_machine", "enter_queue"),
    *("join_conference", "join_room", "live_transcribe", "live_translate", "pay", "play", "prompt"),
    *("receive_fax", "record", "request", "send_digits", "send_fax", "send_sms", "sip_refer"),
    *("stop_denoise", "stop_stream", "stop_tap", "stream", "tap", "transcribe", "transcribe_stop"),
    "user_event",
}
"""Every calling method of the SWML reference, so that a refusal can tell what is unknown from what is not served."""

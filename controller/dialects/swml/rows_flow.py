"""The methods that only move a run, or its variables."""

from __future__ import annotations

from controller.dialects.swml.rows import Kind, Method, Property


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

FLOW = (
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

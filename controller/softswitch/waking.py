"""Why an application that waits on a leg was woken."""

import enum


class Woken(enum.Enum):
    """The four things that end a wait."""

    DONE = "done"
    DIGIT = "digit"
    BREAK = "break"
    HANGUP = "hangup"

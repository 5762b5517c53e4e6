"""An embedded stand-in for FreeSWITCH, for the demo, the tests and developers without one.

It speaks ESL, parks callers that talk by script, records real audio, and keeps a journal of what truly happened.
It knows nothing of the rest of this program. Held to the real switch by recorded wire data: docs/freeswitch-notes.md.
"""

from controller.softswitch.faults import Faults
from controller.softswitch.journal import (
    CommandEntry,
    ExecutedEntry,
    ExpansionEntry,
    HangupEntry,
    Journal,
    RecordingEntry,
    SystemEntry,
)
from controller.softswitch.leg import Leg
from controller.softswitch.script import (
    Digits,
    Hangup,
    Pcm,
    Rendered,
    Script,
    Silence,
    Speech,
    Step,
    Tone,
    render,
)
from controller.softswitch.switch import Softswitch, serve

__all__ = [
    "CommandEntry",
    "Digits",
    "ExecutedEntry",
    "ExpansionEntry",
    "Faults",
    "Hangup",
    "HangupEntry",
    "Journal",
    "Leg",
    "Pcm",
    "RecordingEntry",
    "Rendered",
    "Script",
    "Silence",
    "Softswitch",
    "Speech",
    "Step",
    "SystemEntry",
    "Tone",
    "render",
    "serve",
]

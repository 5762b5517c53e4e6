"""What the demo prints while it runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from controller.calls.events import CallEnded, CallFailed, CallTaken, DocumentRefused, StepFailed
from controller.http.base import RequestFailed
from controller.switch.facts import Fact, LegInfo
from controller.switch.link import CommandDone, JobDone, LinkUp
from controller.telemetry import RecordingChanged
from controller.webhooks.events import DeliveryAttempted


@dataclass(slots=True)
class Timeline:
    """Prints what happens: seconds since the start, what kind of thing, and what it says."""

    out: Callable[[str], None]
    began: float = field(default_factory=time.monotonic)

    def say(self, kind: str, text: str) -> None:
        """Print one line."""
        self.out(f"{time.monotonic() - self.began:8.3f}  {kind:<9} {text}")

    def observe(self, event: object) -> None:
        """Print what telemetry tells, as far as a reader wants it."""
        match event:
            case LinkUp():
                self.say("link", f"connected to {event.switch}: {event.version}")
            case CallTaken():
                self.say("call", f"{event.call} is ours: leg {event.leg}, account {event.account}")
            case CallEnded():
                self.say("call", f"{event.call} ended: {event.cause}")
            case CallFailed() | DocumentRefused():
                self.say("problem", event.why)
            case StepFailed():
                self.say("problem", f"{event.step}: {event.why}")
            case CommandDone() if event.kind not in {"event json", "event"}:
                told = "+OK" if event.ok else "refused"
                self.say("command", f"{event.kind} → {told} in {event.seconds * 1000:.1f} ms")
            case JobDone() if event.kind != "api version":
                self.say("job", f"{event.kind} → {'done' if event.ok else 'failed'} in {event.seconds * 1000:.1f} ms")
            case RecordingChanged():
                self.say("state", f"{event.recording}: {event.before or 'new'} → {event.after} ({event.fact})")
            case DeliveryAttempted():
                self.say("delivery", f"{event.status or event.error} in {event.duration * 1000:.1f} ms")
            case RequestFailed():
                self.say("problem", f"{event.method} {event.route}: {type(event.error).__name__}: {event.error}")
            case _:
                pass

    def fact(self, fact: Fact) -> None:
        """Print what a switch says."""
        shown = {
            name: value
            for name in fact.__struct_fields__
            if name not in {"at", "leg"}
            and not isinstance(value := getattr(fact, name), LegInfo)
            and value is not None
        }
        self.say("event", f"{type(fact).__name__} {' '.join(f'{name}={value}' for name, value in shown.items())}")

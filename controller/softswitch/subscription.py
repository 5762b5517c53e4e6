"""What an event socket client has asked to hear: event types, subclasses, filters."""

import re
from dataclasses import dataclass, field

from controller.softswitch.events import Event, Format


@dataclass(slots=True)
class Subscription:
    """What a client wants to hear of, and its filters."""

    form: Format = "plain"
    listening: bool = False
    names: set[str] = field(default_factory=set)
    subclasses: set[str] = field(default_factory=set)
    all_subclasses: bool = False
    filters: list[tuple[str, str]] = field(default_factory=list)

    def wants(self, name: str, subclass: str | None) -> bool:
        """Whether the event types asked for cover this one; filters are not looked at."""
        if not self.listening:
            return False
        if name == "CUSTOM":
            return self.all_subclasses or (subclass or "").lower() in self.subclasses
        return name in self.names

    def passes(self, event: Event) -> bool:
        """Apply the filters: positives are ORed, a negative vetoes, negatives alone let nothing through (es:318)."""
        if not self.filters:
            return True
        send = False
        for name, value in self.filters:
            actual = event.get(name)
            if actual is None:
                continue
            wanted = value.lstrip("+- ")
            signs = value[: len(value) - len(wanted)].replace(" ", "")
            positive = not signs.endswith("-")
            if _filter_matches(value, wanted, actual):
                if not positive:
                    return False
                send = True
        return send


def _filter_matches(value: str, wanted: str, actual: str) -> bool:
    if not value.startswith("/"):
        return wanted.lower() == actual.lower()
    try:
        return re.search(wanted.strip("/"), actual) is not None
    except re.error:
        return False

"""What a daemon's log may not have in it, whatever happened: looked for in every scenario, in both formats."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import structlog
from structlog.typing import Processor

from controller.logs import Sanitizer, secrets_of, telemetry_hook
from controller.settings import Settings
from controller.telemetry import Hook

SHORT = 4
"""Characters of a secret below which it is in every number."""


def clean(text: str, secrets: Iterable[str]) -> None:
    """Fail where a log has a character that is none of a line of text, or a secret.

    Its lines end with LF alone: no other sign that some viewer takes for a line's end is printable.
    """
    for number, line in enumerate(text.split("\n"), 1):
        odd = sorted({char for char in line if not char.isprintable()})
        assert odd == [], f"line {number} has {odd}: {line!r:.300}"
    for secret in secrets:
        assert len(secret) < SHORT or secret not in text, f"the log has the secret {secret!r}"


@dataclass(slots=True)
class Log:
    """The log of a daemon in this process: each event as it would be written, without a handler of the tests'."""

    lines: list[str] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set)

    def hook(self, settings: Settings) -> Hook:
        """What is to be subscribed to telemetry."""
        known = secrets_of(settings)
        self.secrets |= known
        return telemetry_hook(_Writer(self.lines, Sanitizer(known)))

    def check(self) -> None:
        """Fail where what was logged is not clean, or is no JSON."""
        clean("\n".join(self.lines), self.secrets)


class _Writer:
    """Stands where structlog's logger does."""

    def __init__(self, lines: list[str], sanitizer: Sanitizer) -> None:
        self._lines = lines
        self._sanitizer = sanitizer
        self._formats: tuple[Processor, ...] = (
            structlog.processors.JSONRenderer(),
            structlog.dev.ConsoleRenderer(colors=False, event_key="event"),
        )

    def log(self, level: int, name: str, **fields: Any) -> None:
        event = structlog.processors.format_exc_info(None, "log", {"event": name, **fields})
        safe = self._sanitizer(None, "log", event)
        as_json, as_text = (str(render(None, "log", dict(safe))) for render in self._formats)
        assert json.loads(as_json)
        self._lines += [as_json, *as_text.split("\n")]

"""Logging: one event a line, as JSON or for people, that no caller can forge and no secret gets into.

Every value passes ``Sanitizer``: callers choose names, numbers and headers, and a name holding CR/LF or an escape
sequence would write log lines, or the reader's terminal. Telemetry (``telemetry.py``) becomes events named
``noun.verb_past`` after its classes.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import logging
import re
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from functools import cache, lru_cache
from types import TracebackType
from typing import Any, TextIO

import structlog
from pydantic import BaseModel, SecretStr
from structlog.typing import EventDict, Processor, WrappedLogger

from controller.settings_model import LogSettings, Settings
from controller.settings_values import PostgresUrl
from controller.telemetry import Hook

REDACTED = "***"
MAX_CHARACTERS = 2000
"""Of one value: FreeSWITCH takes headers of 8 KiB from callers."""

MAX_DEPTH = 6
"""Of nested lists and mappings in one value."""

_WARNINGS = """
    audio.refused bell.lost call.failed call_turned.away certificate.refused clearing.failed command.unreadable
    commands.stalled connect.failed decoder.lost derivative.failed document.refused document.warned encoder.lost
    engine.refused event.forged event.unreadable event.unusable expiry.failed fact.unexpected lease.ended
    leases.unreachable ledger.stalled link.down message.unrendered notice.unrendered outbox.stalled overload.began
    reading.held retention.held ringing.shortened row.unreadable step.failed switch.removed transcriber.lost
    transcription.stalled transcription.unrendered upload.failed uploads.stalled
"""
_CHATTY = """
    command.asked command.taken
    command.done command.lost delivery.succeeded events.read fact.orphaned frame.ignored job.done leg_left.alone
    group.committed request.served
    transcription.progressed
"""

LEVELS: Mapping[str, int] = {
    **dict.fromkeys(("request.failed", "switch.refused"), logging.ERROR),
    **dict.fromkeys(_WARNINGS.split(), logging.WARNING),
    **dict.fromkeys(_CHATTY.split(), logging.DEBUG),
}
"""Events that are not ``info``: those to look at, and those too many to.

That a delivery succeeded its ``delivery.attempted`` has said already, by the status.
"""

_SECRET_KEY = re.compile(
    r"pass(word|wd|phrase)|secret|token|signing_?key|authori[sz]ation|credential|cookie", re.IGNORECASE
)
_USER_INFO = re.compile(r"(?<=://)[^/?#\s]+(?=@)")
_URL = re.compile(r"://[^\s\"'<>]+")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z][a-z0-9]*|[a-z0-9]+")
_RESERVED = frozenset({"event", "level", "timestamp", "logger", "exc_info", "stack_info", "exception", "stack"})
_SHORT_SECRET = 4
_KEYS = 1024  # keys of which it is remembered how they are written
_HARMLESS = frozenset({bool, int, float, type(None)})


def configure(settings: LogSettings, secrets: Iterable[str] = (), stream: TextIO | None = None) -> Callable[[], None]:
    """Log to ``stream`` (stderr) as the settings say, whatever library logs; ``secrets`` never appear.

    What Python itself would print, of errors that nobody catches, is logged as well. The returned function puts
    things back as they were.
    """
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    described: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    written: list[Processor] = [
        Sanitizer(secrets),
        _json if settings.format == "json" else structlog.dev.ConsoleRenderer(colors=False, event_key="event"),
    ]
    handler = _Handler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.ExtraAdder(),
                structlog.stdlib.add_logger_name,
                *described,
                structlog.processors.StackInfoRenderer(),
            ],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *written],
            use_get_message=True,
        )
    )
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    hooks = (sys.excepthook, threading.excepthook, sys.unraisablehook)
    sys.excepthook, threading.excepthook, sys.unraisablehook = _crashed, _thread_crashed, _unraisable
    root.handlers[:] = [handler]
    root.setLevel(level)
    structlog.configure(  # events of ours make no LogRecord: that takes longer than all the rest of a line
        processors=[*described, *written],
        logger_factory=lambda *_: _Lines(handler),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=False,
    )

    def restore() -> None:
        root.handlers[:], root.level = before[0], before[1]
        sys.excepthook, threading.excepthook, sys.unraisablehook = hooks
        structlog.reset_defaults()
        handler.flush()

    return restore


class _Handler(logging.StreamHandler[TextIO]):
    """Writes lines in order, those that were kept before others.

    Says that a line could not be written; logging's own would print what it was about, as it came.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._kept: deque[str] = deque()

    def keep(self, line: str) -> bool:
        """Have a line written by the next flush; tell whether that is still to be asked for."""
        self._kept.append(line)
        return len(self._kept) == 1  # else whoever kept the others flushes, and not before now

    def emit(self, record: logging.LogRecord) -> None:
        """Write what was kept, then the record."""
        self.flush()
        super().emit(record)

    def flush(self) -> None:
        """Write what was kept; never raises."""
        self.acquire()
        try:
            lines = []
            while self._kept:
                lines.append(f"{self._kept.popleft()}\n")
            if lines:
                self.stream.write("".join(lines))
            super().flush()
        except Exception:
            self.unwritable(None)
        finally:
            self.release()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 # the name is logging's
        self.unwritable(record.lineno)

    def unwritable(self, line: int | None) -> None:
        """Say so of the line that was to be written just now; ``line`` is where in its source it was said."""
        kind = getattr(sys.exc_info()[0], "__name__", "an error")
        with contextlib.suppress(Exception):
            said = {"event": "line.unwritable", "level": "error", "line": line, "reason": kind}
            self.stream.write(f"{json.dumps(said)}\n")


class _Lines:
    """Where structlog's finished lines go: to the handler's stream, between those of the standard library.

    Those of one turn of an event loop are written together: each write lets other threads have the interpreter, and
    getting it back takes longer than the line did.
    """

    def __init__(self, handler: _Handler) -> None:
        self._handler = handler

    def msg(self, line: str) -> None:
        """Write one, or have it written when this turn of the loop is over; never raises."""
        ask = self._handler.keep(line)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._handler.flush()
        else:
            if ask:
                loop.call_soon(self._handler.flush)

    debug = info = warning = error = critical = msg


_encoded = json.JSONEncoder(default=repr).encode


def _json(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    return _encoded(event)


def _crashed(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        logging.getLogger("fsrec").critical("daemon.crashed", exc_info=(kind, error, trace))


def _thread_crashed(args: threading.ExceptHookArgs) -> None:
    if not issubclass(args.exc_type, SystemExit) and args.exc_value is not None:
        logging.getLogger("fsrec").error("thread.crashed", exc_info=args.exc_value)


def _unraisable(args: sys.UnraisableHookArgs) -> None:
    if args.exc_value is not None:
        logging.getLogger("fsrec").error("error.ignored", exc_info=args.exc_value)


def secrets_of(settings: Settings) -> frozenset[str]:
    """Return every secret that the settings hold."""
    return frozenset(_secrets(settings))


def _secrets(value: object) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, PostgresUrl):
        yield from (value.url.get_secret_value(), value.password.get_secret_value())
    elif isinstance(value, tuple):
        for item in value:
            yield from _secrets(item)
    elif isinstance(value, BaseModel):
        for _, item in value:
            yield from _secrets(item)


def escaped(text: str) -> str:
    r"""Return one line of printable text: controls, odd spaces and direction marks become ``\xNN`` or ``\uNNNN``."""
    return text if text.isprintable() else "".join(char if char.isprintable() else _escape(char) for char in text)


def _escape(char: str) -> str:
    known = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
    code = ord(char)
    return known.get(char) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


class Sanitizer:
    """A structlog processor: no secret, no control character, no endless value gets past it.

    A secret of fewer than four characters is hidden only where it is the whole value: a password ``1`` would
    otherwise blot out every number.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = sorted({secret for secret in secrets if secret}, key=len, reverse=True)
        self._whole = frozenset(known)
        long = [re.escape(secret) for secret in known if len(secret) >= _SHORT_SECRET]
        self._within = re.compile("|".join(long)) if long else None
        self._key = lru_cache(_KEYS)(self._text)  # nearly all are names of fields

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        """Return the event with every key and value made safe."""
        if self._is_safe(event):
            return event
        return {self._key(str(key)): self._named(key, value) for key, value in event.items()}

    def _is_safe(self, event: EventDict) -> bool:
        """Tell whether nothing is to be changed, looking at all texts at once: so are nearly all events."""
        texts = [*event, *(value for value in event.values() if type(value) not in _HARMLESS)]
        if not all(type(text) is str for text in texts) or not _are_plain(tuple(event)):
            return False
        if not self._whole.isdisjoint(texts):
            return False
        together = " ".join(texts)
        if "://" in together or len(together) > MAX_CHARACTERS or not together.isprintable():
            return False
        return self._within is None or self._within.search(together) is None

    def _named(self, key: object, value: object, depth: int = 0) -> Any:
        if type(value) in _HARMLESS:
            return value
        if key == "exception" and depth == 0 and isinstance(value, str):
            # Each line keeps its own, behind a bar: text of an exception can't begin a line.
            return "\n".join(f"| {self._text(line)}" for line in value.split("\n"))
        if isinstance(key, str) and _is_secret(key) and not isinstance(value, int | float):
            return REDACTED
        return self._value(value, depth)

    def _value(self, value: object, depth: int) -> Any:
        if type(value) is str:
            return self._text(value)
        if isinstance(value, Enum):
            return self._value(value.value, depth)
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, str):
            return self._text(value)
        if depth >= MAX_DEPTH:
            return "…"
        if isinstance(value, Mapping):
            return {self._key(str(key)): self._named(key, item, depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._value(item, depth + 1) for item in value]
        return self._text(_repr(value))

    def _text(self, text: str) -> str:
        if text in self._whole:
            return REDACTED
        if self._within is not None:
            text = self._within.sub(REDACTED, text)
        if "://" in text:
            text = _URL.sub(_without_query, _USER_INFO.sub(REDACTED, text))
        if len(text) > MAX_CHARACTERS:
            text = f"{text[:MAX_CHARACTERS]}… ({len(text)} characters)"
        return escaped(text)


@lru_cache(_KEYS)
def _are_plain(keys: tuple[str, ...]) -> bool:
    """Tell whether none of the keys is that of a secret or a traceback."""
    return "exception" not in keys and not any(map(_is_secret, keys))


@lru_cache(_KEYS)
def _is_secret(key: str) -> bool:
    return _SECRET_KEY.search(key) is not None


def _without_query(url: re.Match[str]) -> str:
    """Return a URL without its query: many applications keep a key in it, of which the settings know nothing."""
    rest, mark, query = url[0].partition("?")
    return f"{rest}?{REDACTED}" if mark and query else url[0]


def _repr(value: object) -> str:
    try:
        if isinstance(value, BaseException):
            return f"{type(value).__name__}: {value}"
        return repr(value) if dataclasses.is_dataclass(value) else str(value)
    except Exception:
        return f"<{type(value).__name__} that can't be shown>"


@cache
def event_name(kind: type) -> str:
    """Return a telemetry class's event: the last word is the verb (``RecordingChanged`` → ``recording.changed``)."""
    *nouns, verb = _WORD.findall(kind.__name__) or [kind.__name__]
    noun = "_".join(nouns).lower()
    return f"{noun}.{verb.lower()}" if noun else verb.lower()


def telemetry_hook(logger: Any = None) -> Hook:
    """Return a subscriber for ``Telemetry`` that logs each dataclass as its event, with its fields.

    Where a field is an exception, its traceback is logged too. ``logger`` is structlog's, as it is configured now.
    """
    target = structlog.get_logger().bind() if logger is None else logger

    def hook(event: object) -> None:
        kind: Any = type(event)
        name, shown = event_name(kind), _shown(kind)
        fields = {"value": event} if shown is None else {key: getattr(event, field) for key, field in shown}
        error = next((value for value in fields.values() if isinstance(value, BaseException)), None)
        if error is not None:
            fields["exc_info"] = error
        level = logging.DEBUG if getattr(event, "told", False) else LEVELS.get(name, logging.INFO)
        target.log(level, name, **fields)

    return hook


@cache
def _shown(kind: type) -> tuple[tuple[str, str], ...] | None:
    """Return the keys and names of an event's fields, None for what is no dataclass."""
    if not dataclasses.is_dataclass(kind):
        return None
    names = [field.name for field in dataclasses.fields(kind) if field.repr]
    return tuple((f"{name}_" if name in _RESERVED else name, name) for name in names)

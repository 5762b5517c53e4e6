"""Logs: their form, their names, and what never gets into them."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from controller import telemetry
from controller.logs import LEVELS, REDACTED, Sanitizer, configure, escaped, event_name, secrets_of, telemetry_hook
from controller.settings import LogSettings, parse
from controller.switch.wire_thread import WireThread

SECRET = "s3cret-Sesame"
HOSTILE = "Bob\r\n2026-01-01 [info] call.answered\x1b[2J\u2028\u202e\x7f\x85"


def fail(text: str) -> None:
    raise ValueError(text)


class Log:
    """A configured log and what it wrote."""

    def __init__(self) -> None:
        self.stream = io.StringIO()
        self.restores: list[Any] = []

    def configure(self, form: str = "json", level: str = "info", secrets: tuple[str, ...] = ()) -> None:
        chosen = LogSettings.model_validate({"format": form, "level": level})
        self.restores.append(configure(chosen, secrets, self.stream))

    @property
    def lines(self) -> list[str]:
        return self.stream.getvalue().splitlines()

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]


@pytest.fixture
def log() -> Iterator[Log]:
    log = Log()
    yield log
    for restore in reversed(log.restores):
        restore()


def test_json(log: Log) -> None:
    """JSON logs have one object a line: time, level, event, values."""
    log.configure()
    structlog.get_logger("x").info("call.answered", leg="abc", number=7, none=None)
    (event,) = log.events
    assert event.pop("timestamp").endswith("Z")
    assert event == {"level": "info", "event": "call.answered", "leg": "abc", "number": 7, "none": None}


def test_console(log: Log) -> None:
    """Console logs are one readable line an event."""
    log.configure("console")
    structlog.get_logger("x").warning("call.lost", leg="abc")
    (line,) = log.lines
    assert "warning" in line
    assert "call.lost" in line
    assert "leg=abc" in line


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_level(log: Log, level: str) -> None:
    """What is below the level is not written, whether structlog or the standard library says it."""
    log.configure(level=level)
    levels = ["debug", "info", "warning", "error"]
    for name in levels:
        getattr(structlog.get_logger("x"), name)(name)
        getattr(logging.getLogger("y"), name)(name)
    written = levels[levels.index(level) :]
    assert [event["event"] for event in log.events] == [name for name in written for _ in range(2)]


def test_standard_library(log: Log) -> None:
    """What other libraries log comes in the same form, with its arguments, extras and logger, made safe."""
    log.configure(secrets=(SECRET,))
    logging.getLogger("aiohttp.server").warning("bad %s with %s", HOSTILE, SECRET, extra={"peer": "a\nb"})
    (event,) = log.events
    assert event["logger"] == "aiohttp.server"
    assert event["event"] == f"bad {escaped(HOSTILE)} with {REDACTED}"
    assert event["peer"] == "a\\nb"


@pytest.mark.parametrize("form", ["json", "console"])
def test_no_forged_lines(log: Log, form: str) -> None:
    """No value, key, nested text or event can begin a line or reach the terminal."""
    log.configure(form)
    structlog.get_logger("x").info(HOSTILE, name=HOSTILE, deep={HOSTILE: [HOSTILE]}, error=ValueError(HOSTILE))
    (line,) = log.lines
    assert line.isprintable()


@pytest.mark.parametrize("form", ["json", "console"])
def test_exceptions(log: Log, form: str) -> None:
    """A traceback is kept, but none of its lines can pass for an event."""
    log.configure(form, secrets=(SECRET,))
    try:
        fail(f"{HOSTILE} {SECRET}")
    except ValueError:
        structlog.get_logger("x").exception("call.failed")
    text = log.stream.getvalue()
    assert "Traceback" in text
    assert SECRET not in text
    first, *others = log.lines
    assert "call.failed" in first
    assert [line for line in others if not line.startswith("| ")] == []


async def test_what_python_prints_is_logged(log: Log) -> None:
    """Errors that nobody catches (of the program, a thread, a finalizer, the wire's hub) and lines that are none."""
    log.configure(secrets=(SECRET,))

    class Bad:
        def __del__(self) -> None:
            fail(f"finalizer {HOSTILE}{SECRET}")

    try:
        fail(f"program {HOSTILE}{SECRET}")
    except ValueError as error:
        sys.excepthook(type(error), error, error.__traceback__)
    thread = threading.Thread(target=fail, args=(f"thread {HOSTILE}{SECRET}",))
    thread.start()
    thread.join()
    Bad()
    hub, ran = WireThread("test"), threading.Event()
    hub.spawn(lambda: fail(f"hub {HOSTILE}{SECRET}"))
    hub.spawn(ran.set)
    assert await asyncio.to_thread(ran.wait, 10)
    await hub.close()
    logging.getLogger("library").error("%d", f"{HOSTILE}{SECRET}")
    wanted = ["daemon.crashed", "thread.crashed", "error.ignored", "greenlet.crashed", "line.unwritable"]
    assert [event["event"] for event in log.events] == wanted
    for event, word in zip(log.events, ("program", "thread", "finalizer", "hub"), strict=False):
        assert f"ValueError: {word} Bob" in event["exception"]
    assert SECRET not in log.stream.getvalue()
    assert all(line.isprintable() for line in log.lines)


def test_a_line_that_cannot_be_written(log: Log) -> None:
    """Whoever said it goes on; once lines can be written again one says that it is missing."""
    log.configure()
    write = log.stream.write

    def refuse(_line: str) -> int:
        log.stream.write = write  # type: ignore[method-assign]
        raise OSError

    log.stream.write = refuse  # type: ignore[method-assign]
    structlog.get_logger("x").info("call.answered")
    structlog.get_logger("x").info("call.ended")
    assert [event["event"] for event in log.events] == ["line.unwritable", "call.ended"]


async def test_lines_of_one_turn_are_written_together(log: Log) -> None:
    """In the order in which they were said, whoever said them: a library's or another thread's brings them out."""
    log.configure()
    written: list[str] = []
    write = log.stream.write
    log.stream.write = lambda text: written.append(text) or write(text)  # type: ignore[method-assign,func-returns-value]
    say = structlog.get_logger("x").info
    say("call.answered")
    say("call.bridged")
    assert not written
    await asyncio.sleep(0)
    assert [text.count("\n") for text in written] == [2]
    say("call.held")
    logging.getLogger("library").info("between")
    say("call.ended")
    thread = threading.Thread(target=say, args=("thread.spoke",))
    thread.start()
    thread.join()
    said = ["call.answered", "call.bridged", "call.held", "between", "call.ended", "thread.spoke"]
    assert [event["event"] for event in log.events] == said
    say("call.forgotten")
    log.restores.pop()()
    assert log.events[-1]["event"] == "call.forgotten"


def test_secrets(log: Log) -> None:
    """Secrets are hidden by their value anywhere, by their key, and as user of a URL."""
    log.configure(secrets=(SECRET, "pin", ""))
    structlog.get_logger("x").info(
        "switch.refused",
        said=f"auth {SECRET}\n",
        api_token="unknown",
        headers={"Authorization": "Basic eA==", "X": "1"},
        token_count=3,
        url="https://user:pw@example.com/a@b",
        whole="pin",
        part="pinned",
        items=(SECRET, b"raw"),
    )
    (event,) = log.events
    del event["timestamp"], event["level"]
    assert event == {
        "event": "switch.refused",
        "said": f"auth {REDACTED}\\n",
        "api_token": REDACTED,
        "headers": {"Authorization": REDACTED, "X": "1"},
        "token_count": 3,
        "url": f"https://{REDACTED}@example.com/a@b",
        "whole": REDACTED,
        "part": "pinned",
        "items": [REDACTED, "b'raw'"],
    }


@pytest.mark.parametrize(
    ("text", "logged"),
    [
        ("https://user:p@ss@example.com/a", "https://***@example.com/a"),
        ("at http://u:p@h/?k=v#f, then http://h/?", "at http://***@h/?*** then http://h/?"),
        ("<http://h/a?token=s3&x=1> no", "<http://h/a?***> no"),
        ("'http://h/a?b' and \"wss://h?c\"", "'http://h/a?***' and \"wss://h?***\""),
        ("who? me@home: a?b", "who? me@home: a?b"),
    ],
)
def test_urls(text: str, logged: str) -> None:
    """Of a URL in any text neither its user nor its query is logged: keys of others are in them."""
    assert Sanitizer()(None, "info", {"why": text})["why"] == logged


def test_secrets_of_settings() -> None:
    """Every secret of the settings is known to the log."""
    loaded = parse(
        "switches: [{name: a, password: one, switch_path: /r, local_path: /r}]\n"
        "accounts: [{name: a, vendor: signalwire, project_id: p, api_token: two, signing_key: three}]\n"
    )
    assert secrets_of(loaded) == {"one", "two", "three"}


def test_values_are_bounded() -> None:
    """Long values are cut and say so, deep ones end, and what can't be shown is said instead of raised."""

    class Unshowable:
        def __str__(self) -> str:
            raise RuntimeError

    deep: Any = "x"
    for _ in range(20):
        deep = [deep]
    event = Sanitizer()(None, "info", {"long": "a" * 8192, "deep": deep, "odd": Unshowable(), "path": Path("/a")})
    assert event["long"] == "a" * 2000 + "… (8192 characters)"
    assert json.dumps(event["deep"], ensure_ascii=False) == "[" * 6 + '"…"' + "]" * 6
    assert event["odd"] == "<Unshowable that can't be shown>"
    assert event["path"] == "/a"


def test_restore(log: Log) -> None:
    """The returned function puts logging back as it was."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    log.configure(level="debug")
    assert root.handlers != before[0]
    log.restores.pop()()
    assert (root.handlers, root.level) == before


class Mood(StrEnum):
    CALM = "calm"


@dataclass(frozen=True, slots=True)
class URLFetchRefused:
    """Telemetry with every kind of field."""

    mood: Mood
    event: str
    level: int
    inner: telemetry.FactUnexpected
    key: str = field(default="hidden", repr=False)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (telemetry.RecordingChanged, "recording.changed"),
        (telemetry.FactUnexpected, "fact.unexpected"),
        (URLFetchRefused, "url_fetch.refused"),
        (type("Started", (), {}), "started"),
        (type("_", (), {}), "_"),
    ],
)
def test_event_names(kind: type, name: str) -> None:
    """A telemetry class is named as STYLE asks: noun.verb_past."""
    assert event_name(kind) == name


def test_telemetry(log: Log) -> None:
    """Telemetry is logged under its name and level with its fields; fields out of the repr stay out."""
    log.configure(level="debug")
    hub = telemetry.Telemetry()
    hub.subscribe(telemetry_hook())
    unexpected = telemetry.FactUnexpected("r1", "completed", "Stop")
    hub.observe(telemetry.RecordingChanged("r1", "c1", "swml", "requested", "recording", "Started"))
    hub.observe(telemetry.RecordingChanged("r1", "c1", "swml", "recording", "completed", "Examined", told=True))
    hub.observe(unexpected)
    hub.observe(telemetry.FactOrphaned("fs1", HOSTILE, "RECORD_START"))
    hub.observe(URLFetchRefused(Mood.CALM, "x", 3, unexpected))
    hub.observe(ValueError("odd"))
    shown = [{key: value for key, value in event.items() if key != "timestamp"} for event in log.events]
    assert shown == [
        {
            "level": "info",
            "event": "recording.changed",
            "recording": "r1",
            "call": "c1",
            "dialect": "swml",
            "before": "requested",
            "after": "recording",
            "fact": "Started",
        },
        {
            "level": "debug",
            "event": "recording.changed",
            "recording": "r1",
            "call": "c1",
            "dialect": "swml",
            "before": "recording",
            "after": "completed",
            "fact": "Examined",
        },
        {"level": "warning", "event": "fact.unexpected", "recording": "r1", "state": "completed", "fact": "Stop"},
        {
            "level": "debug",
            "event": "fact.orphaned",
            "switch": "fs1",
            "leg": escaped(HOSTILE),
            "fact": "RECORD_START",
        },
        {
            "level": "info",
            "event": "url_fetch.refused",
            "mood": "calm",
            "event_": "x",
            "level_": 3,
            "inner": repr(unexpected),
        },
        {"level": "info", "event": "value.error", "value": "ValueError: odd", "exception": "| ValueError: odd"},
    ]


def test_levels_name_telemetry() -> None:
    """The level table names only events that some room has a class for."""
    sources = Path(telemetry.__file__).parent.rglob("*.py")
    names = {name for path in sources for name in re.findall(r"^class (\w+)", path.read_text(), re.MULTILINE)}
    assert set(LEVELS) - {event_name(type(name, (), {})) for name in names} == set()


TEXTS = st.text(max_size=20)
VALUES = TEXTS | st.binary(max_size=9) | st.floats() | st.lists(TEXTS, max_size=2)


@settings(max_examples=50)
@given(st.dictionaries(TEXTS, VALUES | st.dictionaries(TEXTS, VALUES, max_size=1), max_size=2))
def test_any_value(event: dict[str, Any]) -> None:
    """Whatever is logged comes out as printable text that JSON can carry."""
    safe = Sanitizer((SECRET,))(None, "info", dict(event))
    shown = json.dumps(safe, ensure_ascii=False)
    assert shown.isprintable()


PIECES = st.sampled_from(
    ["", "a", SECRET, "s3cret-", "Sesame", "http://u:p@h/?k=v", "\n", "\u202e", "exception", "token"]
)
SAID = st.lists(PIECES, max_size=3).map("".join) | TEXTS
EVENTS = st.dictionaries(SAID, SAID | st.integers() | st.none() | st.just(Mood.CALM) | st.lists(SAID, max_size=1))


@given(EVENTS, st.sampled_from([(), ("a",), (SECRET,), (SECRET, "a")]))
def test_what_is_safe_is_left_as_it_is(event: dict[str, Any], secrets: tuple[str, ...]) -> None:
    """The look at all texts of an event at once lets nothing through that a look at each would have changed."""
    each = Sanitizer(secrets)
    each._is_safe = lambda _event: False  # type: ignore[method-assign,assignment]
    assert Sanitizer(secrets)(None, "info", dict(event)) == each(None, "info", dict(event))


@given(st.text())
def test_escaped(text: str) -> None:
    """Escaping leaves printable text alone and makes everything else printable."""
    assert escaped(escaped(text)) == escaped(text)
    if text.isprintable():
        assert escaped(text) == text

"""fsrec demo: it shows everything, and is only content when everything arrived."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from controller import demo
from controller.store.reader import Reader
from tests.harness import command

SHORT = """
version: 1.0.0
sections:
  main:
    - answer: {{}}
    - record_call: {{control_id: whole-call, stereo: true, status_url: "{url}"}}
    - sleep: 100
    - record_call: {{control_id: part, direction: speak, max_length: 0.2, status_url: "{url}"}}
    - sleep: 400
    - hangup: {{}}
"""


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "DOCUMENT", SHORT)
    monkeypatch.setattr(demo, "DEADLINE", 3.0)
    monkeypatch.setattr(demo, "BETWEEN", 0.05)


def kinds(lines: list[str]) -> set[str]:
    return {line.split()[1] for line in lines}


async def test_the_command_ends_well() -> None:
    """`fsrec demo --once`, as it is shipped: exit 0, two recordings of the lengths that its document says."""
    finished = await command.fsrec("demo", "--once", timeout=60)
    assert finished.code == 0, finished.text
    lines = finished.text.splitlines()
    assert any("2 recordings, 4 callbacks, all there" in line for line in lines)
    assert any("one-second: 1.0" in line for line in lines if " fetched " in line)
    assert "Traceback" not in finished.text


async def test_the_timeline_shows_everything() -> None:
    """Link, call, commands, events, states, callbacks, their statuses, what was fetched; times grow."""
    lines: list[str] = []
    assert await demo.demo(once=True, out=lines.append) == 0
    wanted = {
        "link",
        "ready",
        "caller",
        "call",
        "command",
        "event",
        "state",
        "callback",
        "delivery",
        "fetched",
        "done",
    }
    assert wanted <= kinds(lines)
    assert kinds(lines).isdisjoint({"problem", "failed"})
    times = [float(line.split()[0]) for line in lines]
    assert times == sorted(times)
    assert not any(demo.PASSWORD in line for line in lines)


async def test_without_once_it_calls_again() -> None:
    """Call after call, until it is ended."""
    lines: list[str] = []
    second = asyncio.Event()

    def out(line: str) -> None:
        lines.append(line)
        if "call 2 to" in line:
            second.set()

    running = asyncio.create_task(demo.demo(once=False, out=out))
    async with asyncio.timeout(20):
        await second.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert [line.split()[1] for line in lines].count("done") == 1


async def _refuse(_: demo.Receiver, __: web.Request) -> web.Response:
    return web.Response(status=500)


async def _deaf_to_the_end(receiver: demo.Receiver, request: web.Request) -> web.Response:
    body = await request.read()
    if b'"finished"' in body:
        return web.Response(status=500)
    return await _take(receiver, request)


async def _broken(_: demo.Receiver, __: web.Request) -> web.Response:
    raise RuntimeError("the receiver broke")


_take = demo.Receiver._take
Take = Callable[[demo.Receiver, web.Request], Any]


@pytest.mark.parametrize("take", [_refuse, _deaf_to_the_end, _broken])
async def test_a_callback_that_does_not_arrive_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, take: Take
) -> None:
    """A receiver that takes none, not the last ones, or breaks: exit 1, saying what came."""
    caplog.set_level(logging.CRITICAL)
    monkeypatch.setattr(demo.Receiver, "_take", take)
    lines: list[str] = []
    assert await demo.demo(once=True, out=lines.append) == 1
    assert any("not complete within 3 s" in line for line in lines)
    assert " delivery  500 " in "\n".join(lines)


async def test_a_recording_of_another_size_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is fetched must be what was told: exit 1, with both sizes."""
    fetch = demo.Receiver._fetch

    async def other(receiver: demo.Receiver, params: dict[str, Any]) -> None:
        await fetch(receiver, {**params, "size": params["size"] + 1})

    monkeypatch.setattr(demo.Receiver, "_fetch", other)
    lines: list[str] = []
    assert await demo.demo(once=True, out=lines.append) == 1
    assert any(" failed " in line for line in lines)
    assert any("status 200" in line for line in lines)


async def test_a_recording_left_unfinished_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """All callbacks came, yet the store holds a recording that is not final: exit 1, naming it."""
    lines: list[str] = []
    unfinished = Reader.unfinished

    def with_another(reader: Reader, switch: str) -> Any:
        found = list(unfinished(reader, switch))
        return [*found, *_kept] if any(" fetched " in line for line in lines) else found

    class Kept:
        id = "left-over"

    _kept = [Kept()]
    monkeypatch.setattr(Reader, "unfinished", with_another)
    assert await demo.demo(once=True, out=lines.append) == 1
    assert any("left-over" in line for line in lines)


async def test_a_switch_that_refuses_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a switch nothing is waited for without end: exit 1, and why."""
    monkeypatch.setattr(demo, "SETTINGS", demo.SETTINGS.replace("{password}", "another"))
    lines: list[str] = []
    assert await demo.demo(once=True, out=lines.append) == 1
    assert any("refused the password" in line for line in lines)


async def test_a_document_that_is_refused_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """The problem is on the timeline, and nothing came: exit 1."""
    monkeypatch.setattr(demo, "DOCUMENT", "sections: {{main: [{{dance: {{}}}}]}} # {url}")
    lines: list[str] = []
    assert await demo.demo(once=True, out=lines.append) == 1
    assert any(" problem " in line and "dance" in line for line in lines)

"""controller/console/live.py: who is told what, when, and for how long."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import aiohttp
import orjson
import pytest

from controller.console import live as live_module
from controller.console.live import Pace, rows
from controller.console.ports import Live, Running
from controller.console.render import Templates
from controller.http.base import RequestServed
from controller.recordings.model import State
from controller.recordings.ports import LedgerFailed
from tests.console.conftest import Served
from tests.console.world import AT, CONSOLE, HEALTH, recording, until

OTHERS = {"Authorization": "Basic " + base64.b64encode(b"AC1:token-2").decode()}
BEARER = {"Authorization": f"Bearer {CONSOLE}"}
QUICK = Pace(changed=0.01, idle=0.1, health=0.02, heartbeat=0.1, tick=0.02, patience=0.5)


@pytest.fixture
def served_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """A console at which everything happens at once."""
    monkeypatch.setattr(live_module, "Pace", lambda: QUICK)


@pytest.fixture
def served(served_quickly: None, served: Served) -> Served:
    """It is made before the console is."""
    return served


class Stream:
    """A stream as a browser reads it."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.rows: dict[str, str] = {}
        self.lines: list[str] = []

    async def message(self) -> tuple[str, Any]:
        """The next event, heartbeats passed over; ("", None) at its end."""
        kind = ""
        while True:
            async with asyncio.timeout(10):
                line = (await self.answer.content.readline()).decode()
            self.lines.append(line)
            if not line:
                return "", None
            if line.startswith("event: "):
                kind = line[7:].strip()
            elif line.startswith("data: "):
                text = line[6:]
                return kind, orjson.loads(text) if kind == "live" else text.strip()

    async def live(self) -> dict[str, Any]:
        """The next change, with all rows as the page would have them."""
        kind, data = await self.message()
        assert kind == "live"
        self.rows = {identity: data["rows"].get(identity) or self.rows[identity] for identity in data["order"]}
        return dict(data)


@contextlib.asynccontextmanager
async def stream(served: Served, headers: dict[str, str] | None = None) -> AsyncIterator[Stream]:
    async with served.client.get(served.url + "/console/events", headers=headers) as answer:
        assert (answer.status, answer.headers["Content-Type"]) == (200, "text/event-stream; charset=utf-8")
        assert answer.headers["Cache-Control"] == "no-store"
        yield Stream(answer)


async def test_rows_come_as_they_change(served: Served) -> None:
    """All of them first, then only what changed, then what is gone."""
    one, other = recording(State.RECORDING), recording(State.RECORDING)
    served.fake.add(one, other)
    async with stream(served, BEARER) as page:
        first = await page.live()
        assert set(first["rows"]) == {one.id, other.id}
        assert first["total"] == 2
        assert page.lines[0] == "retry: 3000\n"
        served.fake.add(replace(one, state=State.PAUSED))
        second = await page.live()
        assert list(second["rows"]) == [one.id]
        assert "Resume" in page.rows[one.id]
        served.fake.add(replace(one, state=State.COMPLETED))
        third = await page.live()
        assert (third["order"], third["rows"], third["total"]) == ([other.id], {}, 1)


async def test_a_row_that_only_grows_older_is_not_sent_again(served: Served) -> None:
    """The page counts by itself: polls alone tell nothing, a stream without news has its heartbeats."""
    served.fake.add(recording(State.RECORDING))
    async with stream(served, BEARER) as page:
        await page.live()
        polls = len(served.fake.lived)
        await until(lambda: len(served.fake.lived) > polls + 3)
        async with asyncio.timeout(10):
            while (await page.answer.content.readline()) != b":\n":
                pass


async def test_only_what_changed_is_drawn(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls wait while rows are drawn: of a hundred, one that changed is one row's work."""
    drawn: list[str] = []
    text = Templates.text

    def counted(self: Templates, name: str, /, **values: Any) -> str:
        drawn.append(name)
        return text(self, name, **values)

    monkeypatch.setattr(Templates, "text", counted)
    all_of_them = [recording(State.RECORDING) for _ in range(100)]
    served.fake.add(*all_of_them)
    async with stream(served, BEARER) as page:
        await page.live()
        assert drawn.count("live_row.html") == 100
        served.fake.add(replace(all_of_them[7], state=State.PAUSED))
        assert list((await page.live())["rows"]) == [all_of_them[7].id]
        polls = len(served.fake.lived)
        await until(lambda: len(served.fake.lived) > polls + 3)
    assert drawn.count("live_row.html") == 101


async def test_an_account_is_told_its_own(served: Served) -> None:
    """Another's rows are in none of its events, however it looks beside an operator."""
    mine, theirs = recording(State.RECORDING), recording(State.RECORDING, "other", caller="+15550001")
    served.fake.add(mine, theirs)
    await served.sign_in("project-1", "token-1")
    async with stream(served) as page, stream(served, BEARER) as all_of_it:
        assert (await page.live())["order"] == [mine.id]
        assert set((await all_of_it.live())["order"]) == {mine.id, theirs.id}
        served.fake.add(replace(theirs, state=State.PAUSED), replace(mine, state=State.PAUSED))
        assert set((await page.live())["order"]) == {mine.id}
        assert "5550001" not in "".join(page.lines)


async def test_one_poll_for_all_and_none_for_nobody(served: Served) -> None:
    """Five pages cost what one does; when the last is gone nothing is asked any more."""
    async with contextlib.AsyncExitStack() as stack:
        pages = [await stack.enter_async_context(stream(served, BEARER)) for _ in range(5)]
        for page in pages:
            await page.live()
        assert len(served.fake.listeners) == 1
        before = len(served.fake.lived)
        served.fake.add(recording(State.RECORDING))
        for page in pages:
            await page.live()
        assert len(served.fake.lived) - before <= 3  # the one of the change, and an idle one before or after
    await until(lambda: not served.fake.listeners)
    polls = len(served.fake.lived)
    served.fake.add(recording(State.RECORDING))
    assert len(served.fake.lived) == polls


async def test_what_is_wrong_now(served: Served) -> None:
    """It comes as a banner, and goes; a store that is silent is said, and what was known stays."""
    served.fake.add(recording(State.RECORDING))
    async with stream(served, BEARER) as page:
        assert (await page.live())["banner"] == ""
        served.fake.health_now = replace(HEALTH, problems=("<b>fs1 is away",))
        assert "&lt;b&gt;fs1 is away" in (await page.live())["banner"]
        served.fake.health_now = HEALTH
        assert (await page.live())["banner"] == ""
        served.fake.fail = LedgerFailed("away")
        silent = await page.live()
        assert (silent["stale"], len(silent["order"])) == (True, 1)
        served.fake.fail = None
        assert (await page.live())["stale"] is False


async def test_it_ends_with_its_session(served: Served) -> None:
    """Signed out in another tab, it is told so and over; whoever is nobody gets none, and no page to follow to."""
    await served.sign_in()
    async with stream(served) as page:
        await page.live()
        await served.post("/console/sign-out")
        kind, data = await page.message()
        while kind == "live":
            kind, data = await page.message()
        assert (kind, data) == ("end", "session")
        assert await page.message() == ("", None)
    async with served.client.get(served.url + "/console/events", allow_redirects=False) as answer:
        assert answer.status == 401


async def test_a_daemon_that_stops_ends_them_at_once(served: Served) -> None:
    """It waits for none of them, nor for the time that requests are given."""
    async with stream(served, BEARER) as page:
        await page.live()
        async with asyncio.timeout(5):  # of the ten that requests have
            await served.listener.stop()
        assert await page.message() == ("", None)


async def test_how_long_it_took_is_told_of_its_beginning(served: Served) -> None:
    """Hours of looking are no slow answer."""
    loop = asyncio.get_running_loop()
    asked = loop.time()
    async with stream(served, BEARER) as page:
        await page.live()
        begun = loop.time()
        polls = len(served.fake.lived)
        await until(lambda: len(served.fake.lived) > polls + 3)

    def told() -> list[RequestServed]:
        return [event for event in served.rooms.events_of(RequestServed) if event.route == "/console/events"]

    await until(told)
    (event,) = told()
    assert event.duration < begun - asked


async def test_there_are_so_many_and_no_more(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """In all, and of one viewer; the last are the operators'; whose turn it is not is told when to come again."""
    monkeypatch.setattr(live_module, "MOST_STREAMS", 4)
    monkeypatch.setattr(live_module, "MOST_OF_ONE", 2)
    await served.sign_in("project-1", "token-1")

    async def refused(headers: dict[str, str] | None) -> bool:
        client = served.client if headers is None else nobody
        async with client.get(served.url + "/console/events", headers=headers) as answer:
            return answer.status == 503 and answer.headers["Retry-After"] == "10"

    async with aiohttp.ClientSession() as nobody, stream(served), stream(served):
        assert await refused(None)
        async with stream(served, BEARER):
            assert await refused(OTHERS)
            async with stream(served, BEARER):
                assert await refused(BEARER)
    await until(lambda: not served.fake.listeners)
    async with stream(served) as page:
        await page.live()


async def test_a_client_that_reads_nothing_is_let_go(served: Served) -> None:
    """Its stream ends; others go on meanwhile."""
    reader = socket.socket()
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
    await asyncio.get_running_loop().run_in_executor(None, reader.connect, ("127.0.0.1", served.listener.port))
    with reader:
        reader.sendall(f"GET /console/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {CONSOLE}\r\n\r\n".encode())
        await until(lambda: served.fake.listeners)
        large = [recording(State.RECORDING, caller="x" * 8000) for _ in range(100)]
        async with asyncio.timeout(30):
            for turn in range(10_000):
                served.fake.add(*(replace(one, state=(State.PAUSED, State.RECORDING)[turn % 2]) for one in large))
                await asyncio.sleep(0.02)
                if not served.fake.listeners:
                    break
    assert not served.fake.listeners


def test_when_it_began_is_steady() -> None:
    """Two polls that differ by a little tell the same, by much the newer; what ended counts no more."""
    one = recording(State.RECORDING)

    def began(elapsed: float | None, before: float | None, of: Any = one) -> float | None:
        known = {} if before is None else {of.id: before}
        return rows(Live([Running(of, elapsed)], 1), known, AT)[0].began

    assert began(10.0, None) == AT - 10
    assert began(10.0, AT - 11.5) == AT - 11.5
    assert began(10.0, AT - 13) == AT - 10
    assert began(None, AT - 10) is None
    assert began(10.0, AT - 10, recording(State.PROCESSING, ended_at=AT)) is None


async def test_a_page_without_scripts_has_the_same_rows(served: Served) -> None:
    """What the stream replaces is what the page was served with, but for the session's own token and the seconds."""
    one = recording(State.RECORDING)
    served.fake.add(one)
    _, page = await served.get("/", headers=BEARER)
    async with stream(served, BEARER) as streamed:
        row = (await streamed.live())["rows"][one.id]
    mine = re.search(rf'<tr id="r-{one.id}".*?</tr>', page, re.DOTALL)
    assert mine is not None

    def plain(html: str) -> str:
        html = re.sub(r'<input type="hidden" name="(csrf)?" value="">', "", html)
        return re.sub(r"\s+", " ", re.sub(r'data-began="[0-9.]+">[0-9:]*', "", html)).strip()

    assert plain(row) == plain(mine[0])
    assert float(re.findall(r'data-began="([0-9.]+)"', row)[0]) == pytest.approx(time.time() - 12, abs=5)

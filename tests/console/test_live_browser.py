"""Pages that change by themselves, in a real Chromium: focus, presses, a daemon that goes away and comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, expect

from controller.console.access import Access
from controller.console.ports import Told
from controller.console.routes import register
from controller.http.app import build_app
from controller.http.listener import Listener
from controller.recordings.model import Recording, State
from controller.store.values import DeliveryState
from tests.console.conftest import Served
from tests.console.world import ACME, AT, CONSOLE, OTHER, Fake, delivery, recording
from tests.harness.browser import WAIT, Browser
from tests.http.conftest import Rooms


@pytest_asyncio.fixture
async def page(served: Served, browser: Browser) -> AsyncIterator[Page]:
    """What runs, as an operator sees it; nothing does."""
    window = await browser.window(served.url)
    window.expected += ["ERR_", "404"]  # a daemon that is stopped, also in the middle of a stream; no file is there
    page = await window.open()
    await page.locator("input[name=token]").fill(CONSOLE)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.locator("#stream")).to_have_text("live")
    yield page


def running(caller: str) -> Recording:
    return recording(State.RECORDING, caller=caller)


def newest_first(fake: Fake, *recordings: Recording) -> None:
    """What runs from now on."""
    fake.recordings = {one.id: one for one in recordings}
    fake.changed()


def button(page: Page, caller: str, name: str) -> Locator:
    return page.locator("#rows tr", has_text=caller).get_by_role("button", name=name)


async def test_the_focus_stays_where_it_is(served: Served, page: Page) -> None:
    """While rows come above it and its own changes; when its own goes, it is at the next one."""
    await expect(page.get_by_role("table")).to_be_hidden()
    first, second, later = running("7100"), running("7200"), running("7300")
    newest_first(served.fake, second, first)
    await button(page, "7200", "Stop").focus()
    newest_first(served.fake, later, second, first)
    await expect(page.locator("#rows tr")).to_have_count(3)
    await expect(button(page, "7200", "Stop")).to_be_focused()
    paused = replace(second, state=State.PAUSED)
    newest_first(served.fake, later, paused, first)
    await expect(button(page, "7200", "Resume")).to_be_visible()
    await expect(button(page, "7200", "Stop")).to_be_focused()
    newest_first(served.fake, later, first)
    await expect(page.locator("#rows tr")).to_have_count(2)
    await expect(page.locator("#rows tr", has_text="7100").get_by_role("link")).to_be_focused()
    await expect(page).to_have_title("(2) Live · fsrec")
    newest_first(served.fake)
    await expect(page.get_by_role("main")).to_be_focused()
    await expect(page.get_by_role("table")).to_be_hidden()
    await expect(page).to_have_title("Live · fsrec")


PRESSED = """new Promise((done) => new MutationObserver(() => {
  const button = document.querySelectorAll("#rows .stop")[1];
  button.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true, detail: 1 }));
  done();
}).observe(document.getElementById("rows"), { childList: true }))"""
"""The next time that rows come or go, the mouse presses the second one's Stop at once."""


async def test_a_press_at_rows_that_have_just_moved(served: Served, page: Page) -> None:
    """It was meant for another row: nothing is done, and it is said; once they stand still it is."""
    first = running("7100")
    newest_first(served.fake, first)
    await expect(button(page, "7100", "Stop")).to_be_visible()
    pressed = asyncio.ensure_future(page.evaluate(PRESSED))
    await page.evaluate("0")  # it looks by now
    newest_first(served.fake, running("7200"), first)
    await pressed
    await expect(page.locator("#said")).to_contain_text("nothing was done")
    assert served.fake.done == []
    async with asyncio.timeout(WAIT):
        while not served.fake.done:
            await button(page, "7100", "Stop").click()
    assert served.fake.done[0] == ("stop", first.id)


async def test_a_recordings_page_follows_it(served: Served, page: Page) -> None:
    """Its state is what it is now, from its start to what can be heard."""
    one = running("7100")
    newest_first(served.fake, one)
    await page.goto(f"{served.url}/console/recordings/{one.id}")
    state = page.locator(".heading .state")
    await expect(state).to_have_text("recording")
    newest_first(served.fake, replace(one, state=State.PAUSED))
    await expect(state).to_have_text("paused")
    await expect(page.get_by_role("button", name="Resume")).to_be_visible()
    newest_first(served.fake, replace(recording(), id=one.id, finished_at=AT + 13))
    await expect(state).to_have_text("completed")
    await expect(page.locator("audio")).to_be_visible()


async def test_a_daemon_that_restarts(served: Served, page: Page) -> None:
    """The page says that it is gone, and goes on with what runs once it is back, the session with it."""
    first, second = running("7100"), running("7200")
    newest_first(served.fake, first)
    await expect(button(page, "7100", "Stop")).to_be_visible()
    await served.listener.stop()
    await expect(page.locator("#stream")).to_have_text("connecting again …")
    await button(page, "7100", "Stop").click()
    await expect(page.locator("#said")).to_contain_text("did not answer")
    app = build_app(Rooms(served.rooms.base).http())
    register(app, served.fake, Access((ACME, OTHER), (CONSOLE,), "http://rec.example.com/fsrec"), has_token=True)
    again = Listener(app, "127.0.0.1", served.listener.port)
    await again.start()
    try:
        newest_first(served.fake, second)
        await expect(page.locator("#stream")).to_have_text("live")
        await expect(page.locator("#rows tr")).to_have_count(1)
        await button(page, "7200", "Stop").click()
        await expect(page.locator("#said")).to_contain_text("being stopped")
        assert served.fake.done == [("stop", second.id)]
    finally:
        await again.stop()


@pytest.mark.parametrize("width", [360, 770, 900, 1100])
async def test_no_list_is_wider_than_its_screen(served: Served, page: Page, width: int) -> None:
    """Also between a telephone's and a desk's, with callbacks that wait and are given up."""
    one = recording(State.RECORDING, caller="+4930" + "1" * 60)
    failed = recording(State.FAILED, error="x" * 200, requested_at=AT + 1)
    for row in (delivery(one), delivery(one, DeliveryState.PENDING, url="https://x.example/" + "y" * 90, due_at=AT)):
        served.fake.told_of[row.id] = Told(row)
    newest_first(served.fake, one, failed)
    await page.set_viewport_size({"width": width, "height": 800})
    for path in ("/", "/console/recordings?outcome=all", "/console/callbacks?state=all", "/console/switches"):
        await page.goto(served.url + path)
        assert await page.evaluate("document.documentElement.scrollWidth") <= width, path

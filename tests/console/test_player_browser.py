"""The player in a real Chromium, over a recording whose samples are known."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import Page, expect

from controller.console import player as players
from controller.console.assets import Assets
from controller.console.player import COLUMNS, Player, bars
from controller.console.render import SAFE, Templates
from controller.media import wav
from controller.media.waveform import waveform
from tests.harness.browser import WAIT, Browser, Window

SECONDS = 40
CALLER, CALLED = 1000, 600
"""Hertz of the two voices."""


class Site:
    """One page with a player."""

    def __init__(self, directory: Path) -> None:
        time = np.arange(SECONDS * 8000) / 8000
        voices = np.stack([0.25 * np.sin(2 * np.pi * hz * time) for hz in (CALLER, CALLED)], axis=1)
        self.sound = directory / "sound.wav"
        self.sound.write_bytes(wav.header(8000, 2, len(time)) + (voices * 32767).astype("<i2").tobytes())
        outline = waveform(self.sound, COLUMNS)
        tracks = [
            players.Outline(n, label, number, bars(peaks))
            for n, label, number, peaks in zip(
                (1, 2), ("caller", "called"), ("+15551230000", "<script>x()</script>"), outline.peaks, strict=True
            )
        ]
        self.player = Player(SECONDS, tracks, [players.Mark(60, 30)], [("wav", "audio.wav"), ("mp3", "audio.mp3")])
        self.origin = ""

    def app(self) -> web.Application:
        assets = Assets.load()
        templates = Templates(assets)

        async def page(_: web.Request) -> web.Response:
            body = templates.text("player.html", player=self.player, root="")
            style = f"<link rel=stylesheet href={assets.path('console.css')}>"
            text = f"<!doctype html>{style}<title>One</title><main>{body}</main>"
            return web.Response(text=text, content_type="text/html", headers=SAFE)

        async def static(request: web.Request) -> web.StreamResponse:
            return assets.answer(request.match_info["name"], SAFE) or web.Response(status=404)

        async def sound(_: web.Request) -> web.FileResponse:
            return web.FileResponse(self.sound)

        app = web.Application()
        app.router.add_get("/", page)
        app.router.add_get("/audio.wav", sound)
        app.router.add_get("/console/static/{name}", static)
        return app


@pytest_asyncio.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    made = Site(tmp_path)
    runner = web.AppRunner(made.app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield made
    finally:
        await runner.cleanup()


@pytest_asyncio.fixture
async def window(browser: Browser, site: Site) -> Window:
    opened = await browser.window(site.origin)
    await opened.open()
    return opened


async def at(page: Page) -> float:
    return float(await page.evaluate("document.querySelector('audio').currentTime"))


async def test_keys_move_the_position(window: Window) -> None:
    """Arrows by seconds, pages by more, Home and End; never beyond; what a screen reader is told follows."""
    slider = window.page.get_by_role("slider", name="Position in the recording")
    await slider.focus()
    expected = 0.0
    for key, seconds in (
        *(("ArrowRight", 2.0), ("ArrowUp", 4.0), ("ArrowLeft", 2.0), ("ArrowDown", 0.0), ("ArrowLeft", 0.0)),
        *(("PageUp", 8.0), ("End", 40.0), ("ArrowRight", 40.0), ("PageDown", 32.0), ("Home", 0.0)),
    ):
        await slider.press(key)
        expected = seconds
        assert await at(window.page) == pytest.approx(expected, abs=0.01), key
        await expect(slider).to_have_attribute("aria-valuenow", f"{seconds:.1f}")
    await slider.press("PageUp")
    await expect(slider).to_have_attribute("aria-valuetext", "0:08 of 0:40")
    await expect(slider).to_have_attribute("aria-valuemax", "40.0")


async def test_a_click_seeks_and_a_drag_follows(window: Window) -> None:
    """Where the outline is clicked is what is heard next, and the part before it is shown as played."""
    box = await window.page.locator("svg").first.bounding_box()
    assert box is not None
    page, mouse = window.page, window.page.mouse
    await mouse.click(box["x"] + box["width"] / 4, box["y"] + 5)
    assert await at(window.page) == pytest.approx(10, abs=0.2)
    await mouse.down()
    await mouse.move(box["x"] + box["width"] * 0.75, box["y"] + 200)
    await mouse.up()
    assert await at(window.page) == pytest.approx(30, abs=0.2)
    await mouse.move(box["x"] + 1, box["y"])
    assert await at(window.page) == pytest.approx(30, abs=0.2)
    clips = await page.eval_on_selector_all(".played", "all => all.map(one => getComputedStyle(one).clipPath)")
    hidden = [float(clip.removeprefix("inset(0px ").removesuffix("% 0px 0px)")) for clip in clips]
    assert hidden == [pytest.approx(25, abs=0.5)] * 2


async def until(true: Callable[[], Awaitable[bool]], page: Page) -> None:
    """Wait for what a page can be asked."""
    for _ in range(round(WAIT / 0.05)):
        if await true():
            return
        await page.wait_for_timeout(50)
    raise TimeoutError("it never became so")


async def test_channels_are_heard_apart(window: Window) -> None:
    """Both, each on its own side; one alone, at both ears, without a trace of the other; and both again."""
    page = window.page
    await page.get_by_role("radio", name="called only").check()
    slider = page.get_by_role("slider")
    await slider.press(" ")

    async def so(*ears: int) -> bool:
        levels = {hz: await window.heard(hz) for hz in (CALLER, CALLED)}
        return all(
            abs(level - 0.25) < 0.03 if hz == wanted else level < 0.002
            for hz, both in levels.items()
            for level, wanted in zip(both, ears, strict=True)
        )

    await until(lambda: so(CALLED, CALLED), page)
    await page.get_by_role("radio", name="caller only").check()
    await until(lambda: so(CALLER, CALLER), page)
    await page.get_by_role("radio", name="both").check()
    await until(lambda: so(CALLER, CALLED), page)
    await page.get_by_role("radio", name="called only").check()
    await until(lambda: so(CALLED, CALLED), page)
    assert 0 < await at(page) < SECONDS


async def test_it_plays_faster(window: Window) -> None:
    """At the speed that is chosen, and it goes on; the space bar stops it."""
    page = window.page
    await page.get_by_label("Speed").select_option("2")
    slider = page.get_by_role("slider")
    await slider.press(" ")
    assert await page.evaluate("document.querySelector('audio').playbackRate") == 2

    async def moved() -> bool:
        return await at(page) > 0.5

    await until(moved, page)
    await slider.press(" ")
    assert await page.evaluate("document.querySelector('audio').paused")


async def test_without_scripts(browser: Browser, site: Site) -> None:
    """The outline, the browser's own controls and the downloads are there; what would do nothing is not."""
    window = await browser.window(site.origin, scripts=False)
    page = await window.open()
    await expect(page.locator("svg:not(.played) path")).to_have_count(2)
    await expect(page.locator("audio[controls]")).to_have_attribute("src", "audio.wav")
    await expect(page.get_by_role("link", name="MP3")).to_have_attribute("href", "audio.mp3")
    await expect(page.get_by_label("Speed")).to_be_hidden()
    await expect(page.get_by_role("slider")).to_have_count(0)
    await expect(page.get_by_text("<script>x()</script>")).to_be_visible()


async def test_a_narrow_screen(browser: Browser, site: Site) -> None:
    """On a telephone nothing makes the page wider than it is."""
    window = await browser.window(site.origin, width=360)
    page = await window.open()
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360


async def test_one_channel_has_no_choice(browser: Browser, site: Site) -> None:
    """There is nothing to choose of a recording of one channel, but its speed."""
    site.player = replace(site.player, outlines=site.player.outlines[:1])
    window = await browser.window(site.origin)
    page = await window.open()
    await expect(page.get_by_label("Speed")).to_be_visible()
    await expect(page.get_by_role("radio")).to_have_count(0)


@pytest.mark.parametrize(
    ("does", "complaint"),
    [
        ("console.error('broken')", "error: broken"),
        ("setTimeout(() => { throw new Error('thrown') })", "exception: thrown"),
        ("location.href = 'http://127.0.0.2:9/x'", "request: GET http://127.0.0.2:9/x"),
        ("fetch('http://127.0.0.2:9/x').catch(() => {})", "policy: connect-src refused http://127.0.0.2:9/x"),
        ("document.body.setAttribute('style', 'color: red')", "policy: style-src-attr refused inline"),
        (
            "document.body.append(Object.assign(document.createElement('script'), {text: '1'}))",
            "policy: script-src-elem",
        ),
        ("new Image().src = '/console/static/none.png'", "404"),
    ],
)
async def test_a_window_complains(window: Window, does: str, complaint: str) -> None:
    """The tests' own eyes: whatever a page should not do is seen."""
    await window.page.evaluate(f"() => {{ {does} }}")

    async def seen() -> bool:
        return any(complaint in one for one in window.complaints)

    try:
        await until(seen, window.page)
        with pytest.raises(AssertionError):
            window.check()
    finally:
        window.complaints.clear()

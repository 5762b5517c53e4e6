"""A real Chromium, the machine's own, and windows of it that complain.

What a page of ours must never do is looked for in each test: errors and warnings on the console, exceptions, what the
content security policy refuses, and requests that leave the daemon's origin (they are not let out, either).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest_asyncio
from playwright.async_api import Browser as Chromium
from playwright.async_api import BrowserContext, ConsoleMessage, Page, Request, Route, async_playwright, expect

from tests.harness.absent import absent

REQUIRED = "FSREC_REQUIRE_CHROMIUM"
WAIT = 15.0
"""Seconds within which what a test waits for must be seen; other tests run on the same processors."""
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required"),
)
VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy: ${event.effectiveDirective} refused ${event.blockedURI} at line ${event.lineNumber}`));
"""
EARS = (Path(__file__).parent / "data" / "ears.js").read_text()


@dataclass  # without slots: Playwright keeps its wrappers of our methods in us
class Window:
    """A context of its own with one page; ``complaints`` is what its pages should not have done.

    ``expected`` are parts of complaints that belong to the test (the 401 of a refused sign-in).
    """

    origin: str
    context: BrowserContext
    page: Page
    complaints: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    async def open(self, path: str = "/") -> Page:
        """Go to a page of the daemon."""
        await self.page.goto(f"{self.origin}{path}")
        return self.page

    def check(self) -> None:
        """Fail where a page did what it shouldn't."""
        left = [one for one in self.complaints if not any(part in one for part in self.expected)]
        assert left == []

    async def heard(self, hz: float) -> tuple[float, float]:
        """Return how loud a tone is now in what leaves the page through Web Audio, left and right: 0 to 1."""
        left, right = await self.page.evaluate("(hz) => window.ears.level(hz)", hz)
        return float(left), float(right)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning", "assert"}:
            self.complaints.append(f"{message.type}: {message.text}")

    def _asked(self, request: Request) -> None:
        if not self._ours(request.url):
            self.complaints.append(f"request: {request.method} {request.url}")

    async def _let(self, route: Route) -> None:
        await (route.continue_() if self._ours(route.request.url) else route.abort())

    def _ours(self, url: str) -> bool:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.netloc}" == self.origin or url == "about:blank"

    async def watch(self) -> None:
        """Begin to look at what its pages do."""
        self.context.on("console", self._said)
        self.context.on("weberror", lambda error: self.complaints.append(f"exception: {error.error}"))
        self.context.on("request", self._asked)
        await self.context.route(lambda url: not self._ours(url), self._let)


class Browser:
    """A Chromium of one test."""

    def __init__(self, chromium: Chromium) -> None:
        self._chromium = chromium
        self.windows: list[Window] = []

    async def window(self, origin: str, *, scripts: bool = True, width: int = 1280, height: int = 900) -> Window:
        """Open a window that knows nothing of the others; without ``scripts`` pages run none."""
        context = await self._chromium.new_context(
            java_script_enabled=scripts, viewport={"width": width, "height": height}
        )
        context.set_default_timeout(WAIT * 1000)
        if scripts:
            await context.add_init_script(VIOLATIONS)
            await context.add_init_script(EARS)
        window = Window(origin, context, await context.new_page())
        await window.watch()
        self.windows.append(window)
        return window


def find() -> Path | None:
    """Return the machine's Chromium: FSREC_CHROMIUM, or Debian's."""
    found = os.environ.get("FSREC_CHROMIUM") or shutil.which("chromium")
    return Path(found) if found else None


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Browser]:
    """A Chromium with a new profile; its windows are checked in the end."""
    binary = find()
    if binary is None:
        absent("no Chromium (Debian: apt install chromium; else FSREC_CHROMIUM names it)", REQUIRED)
    expect.set_options(timeout=WAIT * 1000)
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=binary, args=ARGUMENTS)
        try:
            opened = Browser(chromium)
            yield opened
            for window in opened.windows:
                window.check()
        finally:
            await chromium.close()

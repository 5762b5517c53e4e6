"""`make screenshot`: docs/console.png, a recording's page of a daemon that has just recorded it.

A caller and the line that plays to it speak in turn; a card's number is left out, and a receiver was away once.
"""

from __future__ import annotations

import asyncio
import io
import random
import sys
import tempfile
import wave
from pathlib import Path

from playwright.async_api import async_playwright, expect

from controller.softswitch.script import Hangup, Script, Silence, Speech, Step, render
from tests.console.test_browser import opened, up
from tests.harness.browser import ARGUMENTS, Browser, find
from tests.harness.receiver import Answer, Receiver
from tests.harness.soft import SoftSwitch
from tests.scenarios.daemon import Daemon

PICTURE = Path(__file__).parents[2] / "docs" / "console.png"
MOST_BYTES = 200_000
WIDTH, HEIGHT = 1280, 1146
TURNS = ((1.6, 2.4), (2.2, 1.4), (3.1, 0.9), (1.2, 3.0), (2.6, 1.8), (0.9, 2.2), (1.8, 1.1))
"""Seconds that the line and the caller speak, one after the other."""


def spoken(seconds: float, level: float, seed: int) -> list[Step]:
    """Words of changing length and loudness, with little between them."""
    chance = random.Random(seed)  # noqa: S311 - the same picture each time
    words: list[Step] = []
    left = seconds
    while left > 0.15:
        word = min(left, chance.uniform(0.15, 0.6))
        words += [Speech(word, level * chance.uniform(0.35, 1.6)), Silence(0.06)]
        left -= word + 0.06
    return [*words, Silence(max(0.0, left))]


def voices() -> tuple[Script, Script]:
    """What the caller says, and what it hears."""
    caller: list[Step] = []
    line: list[Step] = []
    for number, (heard, said) in enumerate(TURNS):
        line += [*spoken(heard, 0.3, number), Silence(said + 0.6)]
        caller += [Silence(heard + 0.3), *spoken(said, 0.2, 100 + number), Silence(0.3)]
    return [*caller, Hangup()], line


def sound(script: Script) -> bytes:
    """A script as a WAV."""
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setnchannels(1)
        written.setsampwidth(2)
        written.setframerate(8000)
        written.writeframes(render(script).samples.tobytes())
    return file.getvalue()


async def recorded(daemon: Daemon, switch: SoftSwitch) -> str:
    """Place the call, pause its recording for a while, and wait until all is told; the recording's id."""
    receiver = daemon.receiver
    caller, line = voices()
    receiver.plan("/line.wav", Answer(body=sound(line), headers={"Content-Type": "audio/wav"}))
    receiver.plan("/recordings", 200, 503, 200)
    daemon.say(
        {"record_call": {"control_id": "intake", "stereo": True, "status_url": receiver.url("/recordings")}},
        {"play": {"url": receiver.url("/line.wav")}},
        {"sleep": -1},
    )
    receiver.plan("/documents/intake", Answer(body=daemon.document.read_bytes()))
    daemon.changes["routes"] = [
        {"destination": "^1001$", "account": "acme", "document": receiver.url("/documents/intake")}
    ]
    await up(daemon)
    call = await switch.call(script=caller, caller_number="+12025550143", caller_name="Marta Lindqvist")
    [begun] = await receiver.wait("/recordings")
    identity = str(begun.json["params"]["recording_id"])
    for verb, seconds in (("pause", 9.0), ("resume", 4.0)):
        await asyncio.sleep(seconds)
        status, answer = await daemon.command(
            begun.json["params"]["call_id"], f"calling.record.{verb}", control_id="intake"
        )
        assert status == 200, answer
    await call.ended(timeout=120)
    await receiver.wait(lambda one: one.path == "/recordings" and b'"finished"' in one.body, timeout=60)
    await daemon.until(daemon.quiet, 60)
    return identity


async def main() -> None:
    """Take it."""
    binary = find()
    assert binary is not None, "there is no Chromium (Debian: apt install chromium)"
    with tempfile.TemporaryDirectory() as directory:
        base = Path(directory)
        async with (
            SoftSwitch(base / "recordings") as switch,
            Receiver() as receiver,
            async_playwright() as playwright,
        ):
            daemon = Daemon(switch, base, receiver)
            chromium = await playwright.chromium.launch(executable_path=binary, args=ARGUMENTS)
            try:
                identity = await recorded(daemon, switch)
                browser = Browser(chromium)
                path = f"/console/recordings/{identity}"
                window = await opened(browser, daemon, path, width=WIDTH, height=HEIGHT)
                slider = window.page.get_by_role("slider", name="Position")
                for _ in range(7):
                    await slider.press("ArrowRight")
                await expect(window.page.locator("audio")).to_have_js_property("readyState", 4)
                await slider.evaluate("one => one.blur()")
                await window.page.screenshot(path=PICTURE)
                window.check()
            finally:
                await chromium.close()
                await daemon.close()
    size = PICTURE.stat().st_size
    assert size <= MOST_BYTES, f"{PICTURE} has {size} bytes; {MOST_BYTES} at most are to be in the repository"
    sys.stdout.write(f"{PICTURE}: {size} bytes\n")


if __name__ == "__main__":
    asyncio.run(main())

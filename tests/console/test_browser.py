"""The console in a real Chromium, over a whole daemon with calls on a switch: what people see, hear and do."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from controller.softswitch.script import Hangup, Silence, Speech, Tone
from tests.harness.browser import WAIT, Browser, Window
from tests.harness.receiver import Answer
from tests.harness.soft import SoftSwitch
from tests.harness.switch import Switch
from tests.scenarios.daemon import PROJECT, TOKEN, Callbacks, Daemon, record_call

OPERATOR = "an operator's token"
ON = (Silence(60),)
FOREVER = {"sleep": -1}
ONLY_SOFT = pytest.mark.parametrize("switch", ["soft"], indirect=True)
"""What a page shows is the same of either switch."""
SCRIPT = "<script>window.run=1</script><img src=x onerror=window.run=1>"


async def up(daemon: Daemon, **webhooks: Any) -> None:
    """Start the daemon with a token for operators."""
    daemon.changes["http"] = {"listen": "127.0.0.1:0", "console_token": OPERATOR}
    daemon.changes["webhooks"] = {"allow_networks": ["127.0.0.0/8"], **webhooks}
    await daemon.start()


async def sign_in(page: Page, identity: str = "", token: str = OPERATOR) -> None:
    """Fill in the form and send it."""
    await page.locator("input[name=id]").fill(identity)
    await page.locator("input[name=token]").fill(token)
    await page.get_by_role("button", name="Sign in").click()


async def opened(browser: Browser, daemon: Daemon, path: str = "/", **options: Any) -> Window:
    """A window of an operator, at a page."""
    window = await browser.window(daemon.url, **options)
    page = await window.open(path)
    await sign_in(page)
    await expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    return window


def row(page: Page, text: str) -> Locator:
    """What stands for a recording in a list."""
    return page.locator("main tbody tr", has_text=text)


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    """Wait for what a page can be asked."""
    async with asyncio.timeout(WAIT):
        while not await true():
            await asyncio.sleep(0.05)


async def recorded(daemon: Daemon, switch: Switch, callbacks: Callbacks, **call: Any) -> dict[str, Any]:
    """A call that was recorded, both sides apart, and is over; its last callback's params."""
    daemon.say(record_call(daemon.receiver, stereo=True), FOREVER)
    script = (Silence(0.2), Speech(1.0), Silence(0.3), Hangup())
    await switch.call(script=call.pop("script", script), **call)
    return await callbacks.wait("finished")


@ONLY_SOFT
async def test_signing_in(daemon: Daemon, browser: Browser) -> None:
    """Whoever has no credentials sees nothing, wrong ones are refused, right ones lead to what was wanted."""
    await up(daemon)
    window = await browser.window(daemon.url)
    window.expected.append("403")
    page = await window.open("/console/recordings")
    await expect(page).to_have_url(re.compile("/console/sign-in"))
    for identity, token in ((PROJECT, "wrong"), ("", "wrong"), ("nobody", TOKEN)):
        await sign_in(page, identity, token)
        await expect(page.get_by_role("alert")).to_contain_text("not the id and token")
        await expect(page.get_by_role("button", name="Sign out")).to_have_count(0)
    await sign_in(page, PROJECT, TOKEN)
    await expect(page).to_have_url(f"{daemon.url}/console/recordings")
    await expect(page.get_by_role("link", name="Switches")).to_have_count(0)
    await page.get_by_role("button", name="Sign out").click()
    await window.open("/console/recordings")
    await expect(page).to_have_url(re.compile("/console/sign-in"))


@ONLY_SOFT
async def test_a_live_call(daemon: Daemon, switch: Switch, callbacks: Callbacks, browser: Browser) -> None:
    """Its row comes by itself, is paused and resumed from the page, and goes when the call ends."""
    daemon.say(record_call(daemon.receiver), FOREVER)
    await up(daemon)
    page = (await opened(browser, daemon)).page
    await page.evaluate("window.stayed = true")
    await expect(row(page, "+15557001")).to_have_count(0)
    call = await switch.call(script=ON, caller_number="+15557001")
    line = row(page, "+15557001")
    await expect(line).to_contain_text("recording", ignore_case=True)
    await expect(line).to_contain_text("swml", ignore_case=True)
    await line.get_by_role("button", name="Pause").click()
    await expect(line).to_contain_text("paused", ignore_case=True)
    await callbacks.wait("paused")
    await line.get_by_role("button", name="Resume").click()
    await expect(line).to_contain_text("recording", ignore_case=True)
    await call.hangup()
    await expect(line).to_have_count(0)
    await callbacks.wait("finished")
    assert await page.evaluate("window.stayed"), "the page was loaded anew"


@ONLY_SOFT
async def test_a_recordings_page_follows_it(
    daemon: Daemon, switch: Switch, callbacks: Callbacks, browser: Browser
) -> None:
    """Whoever opens a recording that runs sees its pause, its end and its player come, and reloads nothing."""
    daemon.say(record_call(daemon.receiver), FOREVER)
    await up(daemon)
    call = await switch.call(script=(Speech(60),))
    identity = (await callbacks.wait("recording"))["recording_id"]
    page = (await opened(browser, daemon, f"/console/recordings/{identity}")).page
    await expect(page.get_by_role("button", name="Stop")).to_be_visible()
    await expect(page.locator("#stream")).to_have_text("live")
    await (
        (await opened(browser, daemon, f"/console/recordings/{identity}"))
        .page.get_by_role("button", name="Pause, silent")
        .click()
    )
    await expect(page.get_by_role("button", name="Resume")).to_be_visible()
    await call.hangup()
    await expect(page.locator("audio")).to_be_visible()
    await expect(page.locator("#stream")).to_have_count(0)


@ONLY_SOFT
async def test_stopping(daemon: Daemon, switch: SoftSwitch, callbacks: Callbacks, browser: Browser) -> None:
    """Stop in the page stops the recording on the switch, not the call."""
    daemon.say(record_call(daemon.receiver), FOREVER)
    await up(daemon)
    page = (await opened(browser, daemon)).page
    call = await switch.call(script=ON, caller_number="+15557002")
    started = await callbacks.wait("recording")
    assert not stops(switch, started["recording_id"])
    await row(page, "+15557002").get_by_role("button", name="Stop").click()
    await expect(row(page, "+15557002")).to_have_count(0)
    await callbacks.wait("finished")
    assert len(stops(switch, started["recording_id"])) == 1
    assert call.alive


def stops(switch: SoftSwitch, recording: str) -> list[str]:
    """What the switch was told that stops a recording."""
    said = [repr(command) for command in switch.inner.journal.commands]
    return [one for one in said if "uuid_record" in one and " stop " in one and recording in one]


async def test_recorded_and_heard(daemon: Daemon, switch: Switch, callbacks: Callbacks, browser: Browser) -> None:
    """What the caller said and what was played to it is what the page plays, each channel apart."""
    await up(daemon)
    daemon.say(
        record_call(daemon.receiver, stereo=True), {"play": {"url": "ring:6:us"}}, {"hangup": {"reason": "hangup"}}
    )
    await switch.call(script=(Tone(30, hz=1000),), caller_number="+15557003")
    end = await callbacks.wait("finished")
    window = await opened(browser, daemon, "/console/recordings")
    page = window.page
    await row(page, "+15557003").get_by_role("link").first.click()
    slider = page.get_by_role("slider", name="Position in the recording")
    await expect(slider).to_have_attribute("aria-valuemax", f"{end['record']['duration']:.1f}")
    length, channels, tones = await page.evaluate(DECODED, [1000, 440])
    assert length == pytest.approx(end["record"]["duration"], abs=0.01)
    assert channels == 2
    caller, called = tones
    assert caller[0] == pytest.approx(0.25, rel=0.1)
    assert caller[1] < 0.001
    assert called[0] < 0.001
    assert called[1] > 0.02

    await page.get_by_role("radio", name="called only").check()
    await slider.press(" ")

    async def only_called() -> bool:
        said, played = await window.heard(1000), await window.heard(440)
        return min(played) > 0.02 and max(said) < 0.001

    await until(only_called)
    await page.get_by_role("radio", name="caller only").check()

    async def only_caller() -> bool:
        said, played = await window.heard(1000), await window.heard(440)
        return min(said) > 0.2 and max(played) < 0.001

    await until(only_caller)
    before = await position(page)
    assert 0 < before < length

    async def moved() -> bool:
        return await position(page) > before

    await until(moved)


DECODED = """async (tones) => {
  const sound = await (await fetch(document.querySelector("audio").currentSrc)).arrayBuffer();
  const decoded = await new OfflineAudioContext(2, 1, 8000).decodeAudioData(sound);
  const second = Math.floor(decoded.length / 2);
  const level = (samples, hz) => {
    let [cos, sin] = [0, 0];
    samples.forEach((sample, index) => {
      const angle = (2 * Math.PI * hz * index) / 8000;
      const hann = 1 - Math.cos((2 * Math.PI * index) / samples.length);
      cos += hann * sample * Math.cos(angle);
      sin += hann * sample * Math.sin(angle);
    });
    return (2 * Math.hypot(cos, sin)) / samples.length;
  };
  const part = (channel) => decoded.getChannelData(channel).subarray(8000, 16000);
  return [decoded.duration, decoded.numberOfChannels, tones.map((hz) => [level(part(0), hz), level(part(1), hz)])];
}"""
"""The audio's length, its channels, and how loud each tone is in each of them, in its second second."""


async def position(page: Page) -> float:
    return float(await page.evaluate("document.querySelector('audio').currentTime"))


@ONLY_SOFT
async def test_a_dead_callback(daemon: Daemon, switch: Switch, callbacks: Callbacks, browser: Browser) -> None:
    """What could not be delivered is listed with its attempts, and reaches its receiver when it is replayed."""
    daemon.receiver.plan("/status", 503)
    await up(daemon, max_attempts=1)
    end = await recorded(daemon, switch, callbacks)
    await daemon.until(daemon.quiet)
    refused = len(daemon.receiver.to("/status"))
    page = (await opened(browser, daemon, f"/console/recordings/{end['recording_id']}")).page
    await expect(page.locator("main")).to_contain_text("503")
    daemon.receiver.plan("/status", 200)
    await page.get_by_role("button", name="Replay", exact=True).last.click()
    told = await daemon.receiver.wait("/status", refused + 1)
    assert told[-1].json["params"]["state"] == "finished"
    await daemon.until(daemon.quiet)
    await page.goto(f"{daemon.url}/console/callbacks")
    await expect(page.get_by_role("button", name="Replay", exact=True)).to_have_count(refused - 1)
    await page.get_by_role("button", name="Replay", exact=True).first.click()
    await daemon.receiver.wait("/status", refused + 2)


@ONLY_SOFT
async def test_searching(daemon: Daemon, switch: Switch, callbacks: Callbacks, browser: Browser) -> None:
    """A part of a number finds the recordings of it alone; what is not there is told."""
    await up(daemon)
    daemon.say(record_call(daemon.receiver), FOREVER)
    for number in ("+15557004", "+15558005"):
        await switch.call(script=(Silence(0.3), Hangup()), caller_number=number)
    await callbacks.ends(2)
    page = (await opened(browser, daemon, "/console/recordings")).page
    await expect(page.locator("main tbody tr")).to_have_count(2)
    for text, found in (("57004", "+15557004"), ("+1555800", "+15558005")):
        await page.get_by_role("searchbox").fill(text)
        await page.get_by_role("searchbox").press("Enter")
        await expect(page.locator("main tbody tr")).to_have_count(1)
        await expect(page.locator("main tbody tr")).to_contain_text(found)
    await page.get_by_role("searchbox").fill("0000000")
    await page.get_by_role("searchbox").press("Enter")
    await expect(page.locator("main tbody tr")).to_have_count(0)


@ONLY_SOFT
async def test_a_hostile_caller(daemon: Daemon, switch: Switch, callbacks: Callbacks, browser: Browser) -> None:
    """His name and number are a script, as are the control_id and what the receiver says: text wherever it shows."""
    daemon.say(record_call(daemon.receiver, SCRIPT, stereo=True), FOREVER)
    daemon.receiver.plan("/status", Answer(503, SCRIPT.encode()))
    await up(daemon, max_attempts=1)
    page = (await opened(browser, daemon)).page
    call = await switch.call(script=ON, caller_name=SCRIPT, caller_number=SCRIPT)
    started = await callbacks.wait("recording", SCRIPT)
    await shown_as_text(row(page, "swml"))
    await call.hangup()
    await callbacks.wait("finished", SCRIPT)
    await daemon.until(daemon.quiet)
    await page.goto(f"{daemon.url}/console/recordings")
    await shown_as_text(row(page, "swml"))
    await page.goto(f"{daemon.url}/console/recordings?text={SCRIPT}")
    await expect(page.get_by_role("searchbox")).to_have_value(SCRIPT)
    await shown_as_text(row(page, "swml"))
    await page.goto(f"{daemon.url}/console/recordings/{started['recording_id']}")
    assert SCRIPT[:8] in await page.title()
    for place in ("h1", ".voice", "dl", ".attempts"):
        await shown_as_text(page.locator("main").locator(place).filter(has_text=SCRIPT[:8]).first)
    await page.goto(f"{daemon.url}/console/callbacks")
    await page.locator("main tbody").get_by_role("link").first.click()
    for place in ("pre", ".attempts"):
        await shown_as_text(page.locator(place))


async def shown_as_text(place: Locator) -> None:
    """The script can be read, is no element, and did not run; had the policy to refuse it, that is a complaint."""
    await expect(place).to_contain_text(SCRIPT[:16])
    await expect(place.page.locator("img[src=x], script:not([src])")).to_have_count(0)
    assert await place.page.evaluate("window.run === undefined")


async def tab_to(page: Page, wanted: Locator) -> None:
    """Press Tab until something has the focus."""
    for _ in range(80):
        if await wanted.evaluate("one => one === document.activeElement"):
            return
        await page.keyboard.press("Tab")
    raise AssertionError("the Tab key never leads there")


@ONLY_SOFT
async def test_by_keyboard(daemon: Daemon, switch: Switch, callbacks: Callbacks, browser: Browser) -> None:
    """Sign in, open a recording, play it, and stop another: without a mouse."""
    await up(daemon)
    await recorded(daemon, switch, callbacks, caller_number="+15557006")
    page = await (await browser.window(daemon.url)).open("/console/recordings")
    await tab_to(page, page.locator("input[name=token]"))
    await page.keyboard.type(OPERATOR)
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(f"{daemon.url}/console/recordings")
    await tab_to(page, row(page, "+15557006").get_by_role("link").first)
    await page.keyboard.press("Enter")
    await tab_to(page, page.get_by_role("slider", name="Position"))
    await page.keyboard.press("Space")

    async def plays() -> bool:
        return await position(page) > 0

    await until(plays)
    await switch.call(script=ON, caller_number="+15557007")
    await tab_to(page, page.get_by_role("link", name="Live"))
    await page.keyboard.press("Enter")
    stop = row(page, "+15557007").get_by_role("button", name="Stop")
    await expect(stop).to_be_visible()
    await tab_to(page, stop)
    await page.keyboard.press("Enter")
    await expect(row(page, "+15557007")).to_have_count(0)


@ONLY_SOFT
async def test_on_a_telephone(daemon: Daemon, switch: Switch, callbacks: Callbacks, browser: Browser) -> None:
    """No page is wider than a screen of 360 pixels, also where names are long."""
    await up(daemon)
    end = await recorded(daemon, switch, callbacks, caller_name="x" * 200, caller_number="9" * 60)
    await switch.call(script=ON, caller_name="y" * 200, caller_number="8" * 60)
    window = await opened(browser, daemon, width=360, height=700)
    await expect(row(window.page, "8" * 10)).to_have_count(1)
    paths = ["/", "/console/recordings", f"/console/recordings/{end['recording_id']}", "/console/callbacks?state=all"]
    for path in [*paths, "/console/switches", "/console/nowhere"]:
        window.expected = ["404"]
        page = await window.open(path)
        assert await page.evaluate("document.documentElement.scrollWidth") <= 360, path


@ONLY_SOFT
async def test_without_scripts(daemon: Daemon, switch: Switch, callbacks: Callbacks, browser: Browser) -> None:
    """Everything but liveness works: sign in, stop what runs, look at a story, and have the audio."""
    daemon.say(record_call(daemon.receiver), FOREVER)
    await up(daemon)
    await switch.call(script=ON, caller_number="+15557008")
    await callbacks.wait("recording")
    window = await opened(browser, daemon, scripts=False)
    page = window.page
    await row(page, "+15557008").get_by_role("button", name="Stop").click()
    await callbacks.wait("finished")
    await page.get_by_role("link", name="Recordings").click()
    await row(page, "+15557008").get_by_role("link").first.click()
    await expect(page.locator("audio[controls]")).to_have_count(1)
    async with page.expect_download() as download:
        await page.get_by_role("link", name="WAV").click()
    assert (await (await download.value).path()).read_bytes()[:4] == b"RIFF"

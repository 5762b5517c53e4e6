"""What a caller hears and presses on whole calls: play, prompt, record with a beep; through kills and cut links."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from controller.calls.events import StepFailed
from controller.softswitch.script import Digits, Silence, Tone
from tests.harness.audio import read_wav
from tests.harness.switch import Switch
from tests.scenarios.daemon import Callbacks, Daemon, late, record_call

BUSY = {"hangup": {"reason": "busy"}}
NEAR = 0.15
"""Seconds within which a sound's length is right: 20 ms frames, and how loudness is looked at."""


def everything(daemon: Daemon) -> dict[str, Any]:
    """A recording of the whole call: what the caller says on the left, what it hears on the right."""
    return record_call(daemon.receiver, "all", stereo=True)


async def sounds(
    daemon: Daemon, callbacks: Callbacks, path: Path, channel: int = 1
) -> list[tuple[float, float, float]]:
    """Begin, length and Hz of all that the caller heard."""
    end = await callbacks.wait("finished", "all")
    assert await daemon.fetch(end["url"], path) == 200
    sound = read_wav(path)
    return [(span.start, span.end - span.start, sound.hz(channel, span)) for span in sound.sounding(channel)]


async def test_voicemail(daemon: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path) -> None:
    """A greeting, a beep, the caller's words up to #, played back; two digits end the prompt and choose the end."""
    daemon.say(
        everything(daemon),
        {"play": {"urls": ["silence:0.5", "ring:0.5:us", "silence:0.3"]}},
        {"record": {"beep": True, "terminators": "#", "end_silence_timeout": 0, "initial_timeout": 0}},
        {"play": {"url": "${record_url}"}},
        {"prompt": {"play": "silence:30", "max_digits": 2}},
        {"cond": [{"when": "prompt_value == '47' && record_result == 'success'", "then": [BUSY]}]},
    )
    await daemon.start()
    words = (Silence(3.5), Tone(1.5, hz=600), Silence(0.2), Digits("#"), Silence(6.0), Digits("47"), Silence(20))
    call = await switch.call(script=words)
    assert await call.ended(timeout=40) == "USER_BUSY"
    ring, beep, back = await sounds(daemon, callbacks, tmp_path / "all.wav")
    assert ring[1] == pytest.approx(0.5, abs=NEAR)
    assert beep[1:] == pytest.approx((0.5, 1000.0), abs=NEAR, rel=0.01)
    assert back[1:] == pytest.approx((1.5, 600.0), abs=NEAR, rel=0.01)
    assert daemon.seen(StepFailed) == []
    assert daemon.unfinished() == []


@pytest.mark.parametrize("stereo", [False, True])
async def test_a_beep_is_not_in_the_file(
    daemon: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path, stereo: bool
) -> None:
    """Of a recording of both sides: the beep is over before it begins, to the last frame."""
    daemon.say(record_call(daemon.receiver, beep=True, stereo=stereo), {"sleep": 500}, BUSY)
    await daemon.start()
    call = await switch.call(script=(Silence(20),))
    assert await call.ended(timeout=15) == "USER_BUSY"
    end = await callbacks.wait("finished")
    assert await daemon.fetch(end["url"], tmp_path / "a.wav") == 200
    sound = read_wav(tmp_path / "a.wav")
    assert sound.seconds > 0.4
    assert sound.channels == 1 + stereo
    assert float(abs(sound.samples).max()) < 0.001


@pytest.mark.parametrize("at", [0.0, 0.1, 1.0])
async def test_a_digit_ends_a_prompt(
    daemon: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path, at: float
) -> None:
    """Also one that comes just when it begins: what is played next is not kept waiting."""
    daemon.say(
        everything(daemon),
        {"prompt": {"play": ["silence:20", "silence:20"], "max_digits": 1}},
        {"play": {"url": "ring:1.0:us"}},
        {"cond": [{"when": "prompt_value == '4'", "then": [BUSY]}]},
    )
    await daemon.start()
    call = await switch.call(script=(Silence(0.4 + at), Digits("4"), Silence(60)))
    assert await call.ended(timeout=15) == "USER_BUSY"
    [(begin, length, _)] = await sounds(daemon, callbacks, tmp_path / "all.wav")
    assert begin < 0.4 + at + 1.2 + late(switch)
    assert length == pytest.approx(1.0, abs=NEAR)


@pytest.mark.parametrize("away", [0.0, 4.0])
async def test_a_link_cut_amid_a_sound(
    daemon: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path, away: float
) -> None:
    """Back before its end or after: it is heard once, and so is the next."""
    daemon.say(everything(daemon), {"play": {"urls": ["ring:2.0:us", "silence:1.0", "ring:1.5:us"]}}, BUSY)
    await daemon.start()
    call = await switch.call(script=(Silence(60),))
    await asyncio.sleep(1.0)  # amid the first ring
    await switch.refuse_links(away > 0)
    await switch.cut_links()
    await asyncio.sleep(away)
    await switch.refuse_links(refuse=False)
    assert await call.ended(timeout=40) == "USER_BUSY"
    lengths = [length for _, length, _ in await sounds(daemon, callbacks, tmp_path / "all.wav")]
    assert lengths == [pytest.approx(2.0, abs=NEAR), pytest.approx(1.5, abs=NEAR)]


async def test_a_killed_daemon_plays_on(daemon: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path) -> None:
    """Killed amid the second item: the next daemon plays that from its beginning, and goes on."""
    callbacks.once = True
    daemon.say(everything(daemon), {"play": {"urls": ["ring:1.0:us", "silence:4.0", "ring:1.5:us"]}}, BUSY)
    await daemon.spawn()
    call = await switch.call(script=(Silence(60),))
    await asyncio.sleep(2.5)
    await daemon.kill()
    await daemon.spawn()
    assert await call.ended(timeout=40) == "USER_BUSY"
    first, second = await sounds(daemon, callbacks, tmp_path / "all.wav")
    assert [first[1], second[1]] == [pytest.approx(1.0, abs=NEAR), pytest.approx(1.5, abs=NEAR)]
    assert second[0] - first[0] - first[1] > 4.0 + 0.5

"""controller/media/decoders.py: a decoder that crashes, hangs or starves costs its own sound, and little time."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from controller.media.decoders import DecoderLost, Decoders
from controller.media.job import DecodeJob
from controller.recordings.ports import MediaAway, NotPossible
from tests.harness.audio import read_wav
from tests.harness.sounds import tone

PRELUDE = """
import json, os, sys, time
job = json.loads(sys.stdin.readline())
with open(job["source"], "a") as diary:
    diary.write("x")
def say(**message):
    print(json.dumps(message), flush=True)
"""


async def at_once() -> None:
    """Nothing is to be made ready."""


def job(tmp_path: Path) -> DecodeJob:
    """A job whose source is a diary of the tries."""
    return DecodeJob(str(tmp_path / "diary"), str(tmp_path / "x.wav"), str(tmp_path / "x.part"), 8000)


async def test_the_real_thing(tmp_path: Path) -> None:
    """The process that is the default decodes, confined as it is."""
    source = tone(tmp_path / "x.mp3", "mp3", rate=44100, channels=2)
    decoders = Decoders()
    size = await decoders.decode(
        DecodeJob(str(source), str(tmp_path / "x.wav"), str(tmp_path / "x.part"), 8000), at_once
    )
    await decoders.close()
    assert size == (tmp_path / "x.wav").stat().st_size
    assert abs(read_wav(tmp_path / "x.wav").seconds - 1) < 0.05


ENDS: list[tuple[str, type[Exception], str, int]] = [
    ("say(failed='is no audio', fault='source')", NotPossible, "^it is no audio$", 0),
    ("say(failed='No space left', fault='target')", MediaAway, "it can't be decoded now: No space left", 0),
    ("say(failed='odd', fault='encoder')", MediaAway, "it can't be decoded now: odd", 0),
    ("os.kill(os.getpid(), 11)", NotPossible, "the process that decodes it was killed by SIGSEGV", 1),
    (
        "import resource; resource.setrlimit(0, (1, 1))\nwhile True: pass",
        NotPossible,
        "was killed by SIG(XCPU|KILL)",
        1,
    ),
]


@pytest.mark.parametrize(("script", "kind", "why", "lost"), ENDS, ids=[row[0][:40] for row in ENDS])
async def test_ends(tmp_path: Path, script: str, kind: type[Exception], why: str, lost: int) -> None:
    """Whose fault it is decides what is told; there is one try, for somebody is waiting."""
    events: list[object] = []
    decoders = Decoders(command=(sys.executable, "-c", PRELUDE + script), observe=events.append)
    with pytest.raises(kind, match=why):
        await decoders.decode(job(tmp_path), at_once)
    await decoders.close()
    assert (tmp_path / "diary").read_text() == "x"
    assert [type(event) for event in events] == [DecoderLost] * lost


async def test_no_process_to_be_had(tmp_path: Path) -> None:
    """It is this machine's fault."""
    with pytest.raises(MediaAway, match="no process can be started to decode"):
        await Decoders(command=("/nonexistent/python",)).decode(job(tmp_path), at_once)


async def test_one_that_takes_too_long(tmp_path: Path) -> None:
    """It is given up and killed, whether it works or waits for its turn."""
    script = "while True:\n    say(frames=1)\n    time.sleep(0.05)"
    decoders = Decoders(workers=1, within=0.5, command=(sys.executable, "-c", PRELUDE + script))
    both = await asyncio.gather(*(decoders.decode(job(tmp_path), at_once) for _ in range(2)), return_exceptions=True)
    await decoders.close()
    assert [str(error) for error in both] == ["it was not decoded within 0.5 s"] * 2


async def test_one_account_leaves_a_process_to_others(tmp_path: Path) -> None:
    """However many of its own hang; who waits meanwhile is not refused for it."""
    script = "while job['rate'] == 48000:\n    time.sleep(0.05)\nsay(size=5)"
    decoders = Decoders(workers=2, within=20.0, command=(sys.executable, "-c", PRELUDE + script))
    hung = [asyncio.create_task(decoders.decode(replace(job(tmp_path), rate=48000), at_once, "a")) for _ in range(9)]
    await asyncio.sleep(0)
    assert await decoders.decode(job(tmp_path), at_once, "b") == 5
    assert not any(task.done() for task in hung)
    for task in hung:
        task.cancel()
    await asyncio.gather(*hung, return_exceptions=True)
    await decoders.close()

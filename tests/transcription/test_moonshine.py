"""controller/transcription/moonshine.py and its process: crashes and hangs hurt one recording, and twice at most."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from controller.media import wav
from controller.transcription import moonshine, moonshine_worker
from controller.transcription.events import TranscriberLost
from controller.transcription.job import TranscriptionJob, parse
from controller.transcription.moonshine import Moonshine
from controller.transcription.ports import TranscriptionFailed
from controller.transcription.stretches import Samples
from tests.harness.speech import need_engine, need_speech, spoken, word_error_rate
from tests.transcription.wavs import tone, write

PRELUDE = """
import json, os, sys, time
from pathlib import Path
diary = Path(json.loads(sys.stdin.readline())["source"])
with diary.open("a") as file:
    file.write(f"{os.getpid()}\\n")
attempt = len(diary.read_text().split())
def say(**message):
    print(json.dumps(message), flush=True)
"""


@dataclass(slots=True)
class World:
    """Engines whose processes run a script of the test's."""

    base: Path
    events: list[object] = field(default_factory=list)
    made: list[Moonshine] = field(default_factory=list)
    progress: list[float] = field(default_factory=list)

    @property
    def diary(self) -> Path:
        """What is transcribed: the pids of its processes."""
        return self.base / "diary"

    def engine(self, script: str, **options: Any) -> Moonshine:
        command = (sys.executable, "-c", PRELUDE + script)
        self.made.append(Moonshine(command=command, observe=self.events.append, **options))
        return self.made[-1]

    async def text(self, engine: Moonshine) -> str:
        return await engine.transcribe(self.diary, 10.0, self.progress.append)

    async def process(self, number: int = 1) -> int:
        """The pid of the recording's first process, or another."""
        async with asyncio.timeout(10):
            while not self.diary.exists() or len(self.diary.read_text().split()) < number:
                await asyncio.sleep(0.01)
        return int(self.diary.read_text().split()[number - 1])


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path)
    yield made
    for engine in made.made:
        await engine.close()


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def test_what_is_said_is_put_together(world: World) -> None:
    """In the order in which it comes; progress never exceeds the recording."""
    engine = world.engine("say(said='One.'); say(heard=6.0); say(said='Two.'); say(heard=99.0); say(size=8)")
    assert await world.text(engine) == "One. Two."
    assert world.progress == [6.0, 10.0]


async def test_a_killed_process_is_replaced(world: World) -> None:
    """kill -9 amid a recording: another process begins it anew, and nothing that the first one said is left."""
    engine = world.engine(
        "say(said='lost' if attempt == 1 else 'kept'); attempt == 1 and time.sleep(60); say(size=4)"
    )
    text = asyncio.create_task(world.text(engine))
    os.kill(await world.process(), signal.SIGKILL)
    assert await text == "kept"
    assert world.events == [TranscriberLost("diary", 1, "was killed by SIGKILL")]


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("os._exit(3)", "the process that transcribes it ended with status 3, 2 times"),
        ("time.sleep(60)", "the process that transcribes it did not get on for 0.5 s, 2 times"),
        ("print('Killed')", "said what can't be read"),
        ("print('x' * 2**17)", "said what can't be read"),
        ("while True: say(said='x' * 4000)", "said more than anybody says in four hours"),
        ("while True: say(heard=1.0)", "said more than anybody says in four hours"),
        ("while True: say()", "said more than anybody says in four hours"),
    ],
)
async def test_what_crashes_twice_fails(world: World, script: str, words: str) -> None:
    """A recording that its process does not survive is tried once more, then it is an error that says so."""
    engine = world.engine(script, stall=0.5 if "sleep" in script else 30.0)
    with pytest.raises(TranscriptionFailed, match=words):
        await world.text(engine)
    await engine.close()
    assert len(world.diary.read_text().split()) == 2
    assert [event.attempt for event in world.events if isinstance(event, TranscriberLost)] == [1, 2]
    assert all([gone(await world.process(number)) for number in (1, 2)])


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("say(failed='has no end', fault='source')", "its file can't be read: has no end"),
        ("say(failed='out of order', fault='engine')", "the moonshine engine failed: out of order"),
    ],
)
async def test_what_is_refused_is_not_tried_again(
    world: World, monkeypatch: pytest.MonkeyPatch, answer: str, words: str
) -> None:
    """What the process says itself is final."""
    monkeypatch.setattr(moonshine, "missing", lambda: None)
    with pytest.raises(TranscriptionFailed, match=words):
        await world.text(world.engine(answer))
    assert len(world.diary.read_text().split()) == 1


async def test_without_the_extra(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the package is not installed the error says how to install it."""
    monkeypatch.setattr(moonshine, "find_spec", lambda _: None)
    answer = """say(failed="No module named 'moonshine_voice'", fault='engine')"""
    with pytest.raises(TranscriptionFailed, match=r"not installed: pip install 'fsrec\[transcription\]'"):
        await world.text(world.engine(answer))


async def test_no_process(world: World) -> None:
    """A machine that can start none says so."""
    engine = Moonshine(command=("/nowhere/python",))
    with pytest.raises(TranscriptionFailed, match="no process can be started"):
        await world.text(engine)


async def test_cancelling_ends_the_process(world: World) -> None:
    """Nobody waits for it any more, so nothing goes on."""
    engine = world.engine("time.sleep(60)")
    text = asyncio.create_task(world.text(engine))
    pid = await world.process()
    text.cancel()
    with pytest.raises(asyncio.CancelledError):
        await text
    await engine.close()
    assert gone(pid)


async def test_one_at_a_time(world: World) -> None:
    """As many processes as workers, however many recordings."""
    script = "say(said=str(len(list(diary.parent.glob('*.now')))))\n"
    engine = world.engine(
        "mark = diary.with_suffix('.now'); mark.touch(); time.sleep(0.2)\n" + script + "mark.unlink(); say(size=1)"
    )
    files = [world.base / f"file{number}" for number in range(3)]
    texts = await asyncio.gather(*(engine.transcribe(file, 1.0, lambda _: None) for file in files))
    assert texts == ["1", "1", "1"]


# --- the process itself


def answers_of(path: Path, hear: moonshine_worker.Hear) -> tuple[list[dict[str, object]], dict[str, object]]:
    """What a process says on the way, and at last."""
    said: list[dict[str, object]] = []
    last = moonshine_worker.work(TranscriptionJob(str(path)).text().encode(), said.append, lambda: hear)
    return said, last


def test_two_parties_in_order(tmp_path: Path) -> None:
    """What each says is heard on its own channel, and told in the order of time."""
    ada, bob = tone(65, 0.5), tone(65, 0.1)

    def hear(samples: Samples, rate: int) -> list[tuple[float, str]]:
        assert rate == 8000
        name, later = ("Ada", 0.0) if float(np.max(samples)) > 0.3 else ("Bob", 10.0)
        return [(later + 1.0, f"{name} late"), (later, f"{name} early")]

    said, last = answers_of(write(tmp_path / "a.wav", ada, bob), hear)
    texts = [message["said"] for message in said if "said" in message]
    assert texts[:4] == ["Ada early", "Ada late", "Bob early", "Bob late"]
    assert len(texts) == 12
    assert last == {"size": sum(len(str(text)) for text in texts)}
    heard = [message["heard"] for message in said if "heard" in message]
    assert heard == sorted(heard, key=lambda value: float(str(value)))
    assert heard[-1] == 65.0


def test_a_long_recording_is_never_whole_in_memory(tmp_path: Path) -> None:
    """Four hours are heard half a minute at a time."""
    path = tmp_path / "a.wav"
    frames = 4 * 3600 * 100
    with path.open("wb") as file:
        file.write(wav.header(100, 2, frames))
        file.truncate(44 + frames * 4)
    lengths: list[int] = []

    def hear(samples: Samples, _rate: int) -> list[tuple[float, str]]:
        lengths.append(len(samples))
        return []

    assert answers_of(path, hear)[1] == {"size": 0}
    assert sum(lengths) == 2 * frames
    assert max(lengths) <= 30 * 100


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "0 bytes, too few"),
        (b"root:x:0:0:root:/root:/bin/bash\n", "not with RIFF and WAVE"),
        (b"RIFF\xff\xff\xff\xffWAVE" + b"junk\xff\xff\xff\xff" * 70, "no data chunk"),
        (wav.header(8000, 1, 8000)[:40], "ends at byte 40"),
        (wav.header(8000, 1, 0).replace(b"\x10\x00data", b"\x18\x00data"), "24 bits a sample; only 16"),
        (wav.header(8000, 9, 8000), "9 channels; 1 to 8"),
    ],
)
def test_hostile_files(tmp_path: Path, content: bytes, words: str) -> None:
    """A file that is no WAV of ours is refused before the engine sees a sample of it."""
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    said, last = answers_of(path, lambda *_: pytest.fail("heard"))
    assert said == []
    assert last["fault"] == "source"
    assert words in str(last["failed"])


def test_no_link_and_no_pipe(tmp_path: Path) -> None:
    """Nor what leads elsewhere, or never ends."""
    (tmp_path / "link.wav").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "pipe.wav")
    for name in ("link.wav", "pipe.wav", "missing.wav"):
        assert answers_of(tmp_path / name, lambda *_: [])[1]["fault"] == "source"


def test_an_engine_that_fails(tmp_path: Path) -> None:
    """Is told as such, whatever it raises; a job that is none as well."""

    def fails() -> moonshine_worker.Hear:
        raise ImportError("No module named 'moonshine_voice'")

    job = TranscriptionJob(str(write(tmp_path / "a.wav", tone(1.0)))).text().encode()
    last = moonshine_worker.work(job, lambda _: None, fails)
    assert last == {"failed": "ImportError: No module named 'moonshine_voice'", "fault": "engine"}
    assert moonshine_worker.work(b"{}", lambda _: None, fails)["fault"] == "engine"


def test_a_job_is_one_line() -> None:
    """Whatever the path holds, a job's text has no line's end in it and reads back the same."""
    asked = TranscriptionJob("/a\n\r\u2028b/\udcff.wav")
    assert len(asked.text().splitlines()) == 1
    assert parse(asked.text()) == asked


ENGINE = """
import os
from types import SimpleNamespace as Some
print("loading")
class Transcriber:
    def __init__(self, *_, **__): os.system("echo loaded")
    def transcribe_without_streaming(self, *_):
        told = f"{os.nice(0)} {os.environ.get('MOONSHINE_ORT_SINGLE_THREAD')}"
        return Some(lines=[Some(start_time=0.0, text=told)])
"""


async def test_calls_come_first(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine has one thread, is nicer than we are, and may print what it likes: that is no answer."""
    package = tmp_path / "moonshine_voice"
    package.mkdir()
    (package / "__init__.py").write_text("class ModelArch: TINY = 0\nget_model_path = str\n")
    (package / "transcriber.py").write_text(ENGINE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    write(world.diary, tone(1.0))
    world.made.append(Moonshine())
    assert await world.text(world.made[-1]) == f"{min(19, os.nice(0) + moonshine_worker.NICENESS)} 1"
    assert moonshine_worker.NICENESS >= 10


# --- the real engine


async def test_the_real_engine(tmp_path: Path) -> None:
    """It understands a sentence at 8 and at 16 kHz, and two parties who speak at once."""
    need_speech()
    one, other = "Please call me back as soon as you get this message.", "We have a room with two beds."
    engine = Moonshine()
    try:
        for rate in (8000, 16000):
            path = write(tmp_path / f"{rate}.wav", spoken(one, rate), rate=rate)
            assert word_error_rate(one, await engine.transcribe(path, 3.0, lambda _: None)) < 0.25
        both = [spoken(one, 8000), spoken(other, 8000)]
        length = max(map(len, both))
        path = write(tmp_path / "both.wav", *(np.pad(sound, (0, length - len(sound))) for sound in both))
        text = await engine.transcribe(path, 3.0, lambda _: None)
    finally:
        await engine.close()
    assert min(word_error_rate(f"{one} {other}", text), word_error_rate(f"{other} {one}", text)) < 0.4


async def test_the_process_does_not_outlive_the_daemon(tmp_path: Path) -> None:
    """A daemon that is killed leaves none behind: the end of its pipe ends the process, whatever it is at."""
    need_speech()
    sound = np.tile(spoken("I am calling about the apartment that you have for rent."), 300)
    job = TranscriptionJob(str(write(tmp_path / "long.wav", sound)))
    process = await asyncio.create_subprocess_exec(
        *moonshine.COMMAND, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{job.text()}\n".encode())
    async with asyncio.timeout(60):
        assert b'"said"' in await process.stdout.readline()
        process.stdin.close()
        assert await process.wait() == 1  # 0 would be its job done


async def test_the_real_engine_hears_no_words_in_noise(tmp_path: Path) -> None:
    """Silence, a tone and noise have none; nor does a file that is too short for any."""
    need_engine()
    noise = (np.random.default_rng(1).standard_normal(5 * 8000) * 1000).astype(np.int16)
    engine = Moonshine()
    try:
        for number, sound in enumerate((np.zeros(40000, np.int16), tone(5.0), noise, tone(0.001))):
            path = write(tmp_path / f"{number}.wav", sound)
            assert await engine.transcribe(path, 5.0, lambda _: None) == ""
    finally:
        await engine.close()

"""controller/media/worker.py: what it is told, what it answers, and that it doesn't outlive the daemon."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from controller.media import encode, lame, pipe, wav, work, worker
from controller.media.job import Job, parse


class Left(Exception):
    """The process would be gone now."""


def run(lines: bytes) -> tuple[list[dict[str, Any]], int]:
    """Give a worker `lines`; its answers and its exit status."""
    reading, writing = os.pipe()
    sink = io.StringIO()
    codes: list[int] = []
    first = threading.Event()

    def leave(code: int) -> None:
        codes.append(code)
        first.set()

    os.write(writing, lines)
    if not lines.endswith(b"\n"):
        os.close(writing)
    pipe.serve(reading, sink, leave, lambda line, answer: work.do(line, answer, lambda: None))
    if lines.endswith(b"\n"):
        os.close(writing)
    assert first.wait(5)
    return [json.loads(line) for line in sink.getvalue().splitlines()], codes[0]


def job(tmp_path: Path, frames: int = 8000, form: str = "mp3") -> Job:
    """A WAV of zeros, and where its derivative goes."""
    with (tmp_path / "x.wav").open("wb") as file:
        file.write(wav.header(8000, 1, frames))
        file.truncate(wav.HEADER_BYTES + 2 * frames)
    return Job(str(tmp_path / "x.wav"), str(tmp_path / "out" / f"x.{form}"), form, frames)


def test_a_job_is_done_and_told(tmp_path: Path) -> None:
    """Progress, then the size of what is there; then it leaves."""
    asked = job(tmp_path)
    answers, code = run(f"{asked.text()}\n".encode())
    assert answers == [{"frames": 8000}, {"size": Path(asked.target).stat().st_size}]
    assert code == 0


def test_a_job_is_one_line(tmp_path: Path) -> None:
    """Whatever the paths hold, a job's text has no line's end in it and reads back the same."""
    asked = Job("/a\n\r\u2028b/\udcff.wav", str(tmp_path), "mp3", 1)
    assert len(asked.text().splitlines()) == 1
    assert parse(asked.text()) == asked


def test_it_makes_way_for_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process lowers its priority before it does anything, and works on its standard streams."""
    done: list[object] = []
    monkeypatch.setattr(os, "nice", done.append)
    monkeypatch.setattr(lame, "prefer", lambda: done.append("lame"))
    monkeypatch.setattr(pipe, "serve", lambda *arguments: done.append(arguments))
    worker.main()
    assert done == [10, "lame", (0, sys.stdout, os._exit, work.do)]


LOADED = """
import sys
from controller.media import lame
lame.LIBRARY = sys.argv[3]
there = lame.prefer()
from controller.media import work
from controller.media.job import Job
told = work.do(Job(*sys.argv[1:3], "mp3", 8000).text().encode(), lambda _: None)
maps = open("/proc/self/maps").read()
print(told["size"], there, "/libmp3lame.so.0" in maps)
"""


@pytest.mark.parametrize("library", [lame.LIBRARY, "libnothing.so.0"])
def test_whichever_lame_there_is(tmp_path: Path, library: str) -> None:
    """The system's LAME is taken where there is one, FFmpeg's own where there is none; the file is as large."""
    asked = job(tmp_path)
    size = encode.encode(asked, lambda _: None)
    words = [sys.executable, "-c", LOADED, asked.source, asked.target, library]
    told, there, loaded = subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()
    assert int(told) == size == Path(asked.target).stat().st_size
    assert there == loaded
    assert there == "False" or library == lame.LIBRARY


def raising(error: Exception) -> Any:
    def fails(*_: object) -> int:
        raise error

    return fails


FAULTS: list[tuple[Exception, str, str]] = [
    (wav.ReadError("x.wav is gone"), "source", "ReadError: x.wav is gone"),
    (wav.ReadError(5, "Input/output error"), "source", "ReadError: Input/output error"),
    (OSError(28, "No space left on device"), "target", "OSError: No space left on device"),
    (ValueError("3 channels"), "encoder", "ValueError: 3 channels"),
    (MemoryError(), "encoder", "MemoryError: no reason given"),
    (ValueError("x" * 9999), "encoder", "ValueError: " + "x" * 488),
]


@pytest.mark.parametrize(("error", "fault", "why"), FAULTS, ids=[row[2][:30] for row in FAULTS])
def test_what_goes_wrong_is_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, fault: str, why: str
) -> None:
    """Whose fault it is decides what the daemon does: read again, wait for room, or do without."""
    monkeypatch.setattr(encode, "encode", raising(error))
    answers, code = run(f"{job(tmp_path).text()}\n".encode())
    assert answers == [{"failed": why, "fault": fault}]
    assert code == 0


@pytest.mark.parametrize("line", [b"\n", b"[]\n", b'{"source": 1}\n', b"\xff\n"])
def test_no_job(line: bytes) -> None:
    """What is no job is said to be none."""
    answers, code = run(line)
    assert [answer["fault"] for answer in answers] == ["encoder"]
    assert code == 0


@pytest.mark.parametrize("line", [b"", b'{"sour'])
def test_a_daemon_that_is_gone_before_the_job(line: bytes) -> None:
    """Nothing is done, and it leaves."""
    assert run(line) == ([], 1)


def test_a_daemon_that_dies_takes_it_along(tmp_path: Path) -> None:
    """A process amid a job of hours ends as soon as its standard input does, and leaves nothing under the name."""
    asked = job(tmp_path, 8000 * 3600 * 4)
    with subprocess.Popen(
        [sys.executable, "-m", "controller.media.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{asked.text()}\n".encode())
        process.stdin.flush()
        assert "frames" in json.loads(process.stdout.readline())
        assert os.getpriority(os.PRIO_PROCESS, process.pid) == min(19, os.getpriority(os.PRIO_PROCESS, 0) + 10)
        process.stdin.close()
        assert process.wait(10) == 1
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["x.mp3.part"]

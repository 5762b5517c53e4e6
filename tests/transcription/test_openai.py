"""controller/transcription/openai.py, against a server on loopback: what it sends, and what it makes of answers."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from controller.transcription.events import EngineRefused
from controller.transcription.openai import OpenAi, endpoint
from controller.transcription.ports import TranscriptionFailed
from tests.harness.receiver import Answer, Receiver, Request
from tests.transcription.wavs import tone, write

PATH = "/v1/audio/transcriptions"
KEY = "sk-very-secret"
Make = Callable[..., OpenAi]


def text(words: object) -> Answer:
    return Answer(200, json.dumps({"text": words}).encode())


@pytest.fixture
def events() -> list[Any]:
    return []


@pytest_asyncio.fixture
async def make(receiver: Receiver, events: list[Any]) -> AsyncIterator[Make]:
    """Makes engines for the receiver."""
    made: list[OpenAi] = []

    def engine(base: str = "", **options: Any) -> OpenAi:
        options = {"key": KEY, "delays": (0.01, 0.01, 0.01), "observe": events.append, **options}
        made.append(OpenAi(receiver.url(base), **options))
        return made[-1]

    yield engine
    for one in made:
        await one.close()


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    return write(tmp_path / "0a1b.wav", tone(1.0))


async def ask(engine: OpenAi, path: Path, seconds: float = 1.0) -> str:
    return await engine.transcribe(path, seconds, lambda _: None)


def fields(request: Request) -> dict[str, tuple[str | None, bytes]]:
    """The parts of a multipart form: file name and content of each."""
    kind = request.header("Content-Type")
    message = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + request.body)
    found = {}
    for part in message.get_payload():
        assert not isinstance(part, str)
        name = part.get_param("name", header="content-disposition")
        found[str(name)] = (part.get_filename(), part.get_payload(decode=True))
    return found  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("url", "posted"),
    [
        ("https://api.openai.com", "https://api.openai.com/v1/audio/transcriptions"),
        ("https://api.openai.com/", "https://api.openai.com/v1/audio/transcriptions"),
        ("http://[::1]:9000/v1", "http://[::1]:9000/v1/audio/transcriptions"),
        ("http://10.0.0.7/whisper/v1/", "http://10.0.0.7/whisper/v1/audio/transcriptions"),
        ("http://10.0.0.7/v1/audio/transcriptions", "http://10.0.0.7/v1/audio/transcriptions"),
        ("https://x/openai/deployments/w/audio/transcriptions?api-version=1",
         "https://x/openai/deployments/w/audio/transcriptions?api-version=1"),
    ],
)  # fmt: skip
def test_the_url_is_the_base_or_the_whole(url: str, posted: str) -> None:
    """A server is named by what its own documentation shows."""
    assert endpoint(url) == posted


async def test_what_is_sent(receiver: Receiver, make: Make, sound: Path) -> None:
    """The file as it is, the model, the language and the key; what comes back is the text, and then all is heard."""
    receiver.plan(PATH, text(" Hello there. "))
    heard: list[float] = []
    assert await make(model="big").transcribe(sound, 1.0, heard.append) == " Hello there. "
    (request,) = receiver.to(PATH)
    assert (request.method, request.header("Authorization")) == ("POST", f"Bearer {KEY}")
    assert fields(request) == {
        "model": (None, b"big"),
        "language": (None, b"en"),
        "response_format": (None, b"json"),
        "file": ("recording.wav", sound.read_bytes()),
    }
    assert heard == [1.0]


async def test_a_server_without_a_key(receiver: Receiver, make: Make, sound: Path) -> None:
    """One of one's own may want none: then none is sent."""
    receiver.plan(PATH, text("x"))
    await ask(make(key=""), sound)
    assert receiver.requests[0].header("Authorization") is None
    assert fields(receiver.requests[0])["model"] == (None, b"whisper-1")


@pytest.mark.parametrize("first", [Answer(500), Answer(503), Answer(429), Answer(close=True)])
async def test_what_may_pass_is_tried_again(
    receiver: Receiver, make: Make, sound: Path, events: list[Any], first: Answer
) -> None:
    """Server errors, too many requests, a connection that breaks: the whole file is sent again."""
    receiver.plan(PATH, first, text("at last"))
    assert await ask(make(), sound) == "at last"
    assert [fields(request)["file"][1] for request in receiver.to(PATH)] == [sound.read_bytes()] * 2
    assert [event.recording for event in events] == ["0a1b"]


async def test_it_gives_up(receiver: Receiver, make: Make, sound: Path, events: list[Any]) -> None:
    """After the last delay; what the server said is logged, and not told to whoever asked."""
    receiver.plan(PATH, Answer(500, b"quota of org-4711 used up"))
    with pytest.raises(TranscriptionFailed, match="could not be used, 4 times") as failed:
        await ask(make(), sound)
    assert "org-4711" not in str(failed.value)
    assert events == [EngineRefused("0a1b", "status 500: quota of org-4711 used up")] * 4


async def test_nobody_there(make: Make, sound: Path) -> None:
    """A server that is away is waited for as one that fails is."""
    engine = OpenAi("http://127.0.0.1:9", delays=(0.01,))
    with pytest.raises(TranscriptionFailed, match="2 times"):
        await ask(engine, sound)
    await engine.close()


async def test_it_comes_again_when_it_is_told_to(receiver: Receiver, make: Make, sound: Path) -> None:
    """Retry-After wins over our own delay; what is no number of seconds is not heeded."""
    receiver.plan(PATH, Answer(429, headers={"Retry-After": "0"}), text("x"))
    await asyncio.wait_for(ask(make(delays=(60.0,)), sound), 10)
    receiver.plan(PATH, Answer(429, headers={"Retry-After": "tomorrow"}), text("x"))
    await asyncio.wait_for(ask(make(delays=(0.01,)), sound), 10)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(401, b'{"error": {"message": "Incorrect API key provided: sk-very"}}'), "refused it with status 401"),
        (Answer(400), "refused it with status 400"),
        (Answer(413), "refused it with status 413"),
        (Answer(302, headers={"Location": "http://169.254.169.254/"}), "refused it with status 302"),
        (Answer(200, b"<html>"), 'something else than JSON with a "text"'),
        (Answer(200, b'{"text": 1}'), 'something else than JSON with a "text"'),
        (Answer(200, b"[]"), 'something else than JSON with a "text"'),
        (Answer(200, b'{"text": "' + b"a" * (5 << 20) + b'"}'), "answered more than 4194304 bytes"),
    ],
)
async def test_what_will_not_pass(receiver: Receiver, make: Make, sound: Path, answer: Answer, words: str) -> None:
    """Refusals, redirects and answers that are none are final, and tell nothing of the key."""
    receiver.plan(PATH, answer)
    with pytest.raises(TranscriptionFailed, match=words) as failed:
        await ask(make(), sound)
    assert "sk-" not in str(failed.value)
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("before", [0, 290, 295, 299, 300])
async def test_a_server_that_says_the_key(
    receiver: Receiver, make: Make, sound: Path, events: list[Any], before: int
) -> None:
    """Nothing of it is logged, also where what is said is cut in its midst; and the log says of which recording."""
    receiver.plan(PATH, Answer(401, (b"." * before + KEY.encode()) * 2))
    with pytest.raises(TranscriptionFailed):
        await ask(make(), sound)
    (refused,) = events
    assert (refused.recording, "sk-" in refused.reason) == ("0a1b", False)


@pytest.mark.parametrize("body", [b"what a caller says", b'{"transcript": "what a caller says"}'])
async def test_what_callers_say_is_not_logged(
    receiver: Receiver, make: Make, sound: Path, events: list[Any], body: bytes
) -> None:
    """A server that answers it in another form is told of by that form alone."""
    receiver.plan(PATH, Answer(200, body, {"Content-Type": "text/vtt"}))
    with pytest.raises(TranscriptionFailed, match="something else than JSON"):
        await ask(make(), sound)
    assert events == [EngineRefused("0a1b", f'status 200: {len(body)} bytes of text/vtt, not JSON with a "text"')]


async def test_a_server_that_hangs(receiver: Receiver, make: Make, sound: Path) -> None:
    """What does not answer in time is given up; a longer recording has more of it."""
    receiver.plan(PATH, Answer(hang=True))
    engine = make(delays=(), least=0.3)
    with pytest.raises(TranscriptionFailed, match="1 times"):
        await asyncio.wait_for(ask(engine, sound, 0.5), 10)
    waiting = asyncio.create_task(ask(engine, sound, 3600.0))
    await receiver.wait(PATH, count=2)
    began = time.monotonic()
    done, _ = await asyncio.wait((waiting,), timeout=1.0)
    assert not done, f"given up after {time.monotonic() - began:.1f} s"
    waiting.cancel()


async def test_no_cookies(receiver: Receiver, make: Make, sound: Path) -> None:
    """Nothing of one recording's request is in the next one's."""
    receiver.plan(PATH, Answer(200, b'{"text": "x"}', {"Set-Cookie": "a=b"}))
    engine = make()
    await ask(engine, sound)
    await ask(engine, sound)
    assert receiver.requests[1].header("Cookie") is None


async def test_a_missing_file(receiver: Receiver, make: Make, tmp_path: Path) -> None:
    """Is not sent, and neither is what a link leads to."""
    (tmp_path / "link.wav").symlink_to("/etc/passwd")
    for name in ("missing.wav", "link.wav"):
        with pytest.raises(TranscriptionFailed, match="its file can't be read"):
            await ask(make(), tmp_path / name)
    assert receiver.requests == []

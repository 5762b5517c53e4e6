"""fsrec demo: it shows everything, and is only content when everything arrived and sounds as it should."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import logging
import re
import signal
import socket
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web

from controller.demo import demo, parts, run, words
from controller.demo.parts import PARTS, Part, Stage
from controller.demo.receiver import Receiver
from controller.demo.sound import Sound
from controller.demo.timeline import Timeline
from controller.dialects.plivo import PlivoDialect
from controller.dialects.swml import SwmlDialect
from controller.dialects.twiml import TwimlDialect
from controller.http.base import RequestFailed
from controller.softswitch import Script, Silence, Speech, Tone, render
from controller.store.reader import Reader
from tests.harness import command

SHORT = """
sections:
  main:
    - answer: {}
    - record_call: {control_id: part, direction: speak, status_url: "STATUS_URL/swml"}
    - sleep: -1
"""


async def talk(stage: Stage) -> None:
    await stage.recording()
    stage.say((Speech(1.0),))
    await asyncio.sleep(0.3)
    stage.hang_up()


def heard(sound: Sound, _told: list[dict[str, Any]]) -> Iterator[str]:
    if sound.loud(0.1, 0.25) < 0.9:
        yield "nobody spoke"


QUICK = Part("1001", "a short one", SHORT, talk, heard, plays_back=False)


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, QUICK)
    monkeypatch.setattr(run, "DEADLINE", 3.0)
    monkeypatch.setattr(run, "BETWEEN", 0.05)


def use(monkeypatch: pytest.MonkeyPatch, *given: Part) -> None:
    monkeypatch.setattr(run, "shown", lambda: given)


def kinds(lines: list[str]) -> set[str]:
    return {line.split()[1] for line in lines}


# The whole of it


async def test_the_command_ends_well() -> None:
    """`fsrec demo --once`, as it is shipped: a call of each dialect and more, exit 0, each file as it should be."""
    finished = await command.fsrec("demo", "--once", timeout=90)
    assert finished.code == 0, finished.text
    lines = finished.text.splitlines()
    count, callbacks = (5, 12) if words.sample() is None else (6, 15)
    done = f"{count} recordings, {callbacks} callbacks, all there and as they should be"
    assert any(done in line for line in lines)
    assert len([line for line in lines if " fetched " in line]) == count
    assert [line.split()[1] for line in lines].count("caller") == count
    assert [re.sub(r"^.* → ", "", line) for line in lines if " rest " in line] == ["200", "200"]
    assert "Traceback" not in finished.text


@pytest.mark.parametrize(
    ("arguments", "number", "code"),
    [(("--port=0",), signal.SIGINT, 0), (("--port=0",), signal.SIGHUP, 0), (("--once",), signal.SIGTERM, 130)],
    ids=str,
)
async def test_nothing_is_left_of_it(
    tmp_path: Path, arguments: tuple[str, ...], number: signal.Signals, code: int
) -> None:
    """However it is ended, its directory goes; one round that was broken off is not one that went well."""
    process = await command.start("demo", *arguments, TMPDIR=str(tmp_path))
    assert process.stdout is not None
    async with asyncio.timeout(command.PATIENCE):
        while b" caller " not in await process.stdout.readline():
            assert process.returncode is None
    assert list(tmp_path.glob("fsrec-demo-*")) != []
    process.send_signal(number)
    finished = await command.ended(process)
    assert (finished.code, list(tmp_path.glob("fsrec-demo-*"))) == (code, [])
    assert "Traceback" not in finished.text


@pytest.mark.parametrize("part", [*PARTS, parts.TRANSCRIBED], ids=lambda part: part.number)
def test_documents_are_right(part: Part) -> None:
    """Each document that the demo runs passes the check."""
    text = part.document.replace(parts.STATUS_URL, "http://127.0.0.1:1")
    dialects = {"signalwire": SwmlDialect, "twilio": TwimlDialect, "plivo": PlivoDialect}
    assert dialects[part.account]("https://fsrec.invalid").check(text, "demo") == ()


async def test_the_timeline_shows_everything() -> None:
    """Link, call, commands, events, states, callbacks, their statuses, what was fetched; times grow."""
    lines: list[str] = []
    assert await demo(once=True, out=lines.append) == 0
    wanted = {
        *("link", "ready", "caller", "call", "command", "event", "state", "callback", "delivery", "fetched", "done"),
    }
    assert wanted <= kinds(lines)
    assert kinds(lines).isdisjoint({"problem", "failed"})
    times = [float(line.split()[0]) for line in lines]
    assert times == sorted(times)
    assert not any(secret in line for line in lines for secret in (run.PASSWORD, run.TOKEN))


async def test_without_once_it_calls_again() -> None:
    """Call after call, until it is ended."""
    lines: list[str] = []
    second = asyncio.Event()

    def out(line: str) -> None:
        lines.append(line)
        if "call 2 to" in line:
            second.set()

    running = asyncio.create_task(demo(once=False, out=out))
    async with asyncio.timeout(20):
        await second.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert [line.split()[1] for line in lines].count("done") == 1


async def test_people_find_the_console() -> None:
    """Before each call it says where the console is and how to get in; the port asked for, or another."""
    lines: list[str] = []
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        running = asyncio.create_task(demo(once=False, out=lines.append, port=taken.getsockname()[1]))
        async with asyncio.timeout(20):
            while " caller " not in "\n".join(lines):
                await asyncio.sleep(0.01)
            (said,) = [line for line in lines if " console " in line]
            found = re.search(r"(http://127\.0\.0\.1:\d+)/ is open: sign in with the token (\w+)", said)
            assert found is not None
            authorization = {"Authorization": f"Bearer {found[2]}"}
            async with ClientSession(headers=authorization) as client, client.get(f"{found[1]}/") as page:
                assert page.status == 200
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_an_error_of_the_daemons_own_is_on_the_timeline() -> None:
    """Who finds that a page is answered with 500 reads why beside it."""
    lines: list[str] = []
    Timeline(lines.append).observe(RequestFailed("GET", "/console/recordings/{id}", AttributeError("no audio")))
    assert lines[0].endswith("problem   GET /console/recordings/{id}: AttributeError: no audio")


async def test_whoever_stops_a_call_in_the_console_ends_no_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --once a call that went otherwise is told, and the next one comes."""
    use(monkeypatch, dataclasses.replace(QUICK, states=("paused", "finished")), QUICK)
    lines: list[str] = []
    running = asyncio.create_task(demo(once=False, out=lines.append))
    async with asyncio.timeout(20):
        while sum("call 2 to" in line for line in lines) < 1:
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert [line.split(maxsplit=2)[1] for line in lines].count("fetched") >= 2
    assert any("told were ('recording', 'finished'), not ('paused', 'finished')" in line for line in lines)


# What makes it fail


async def _refuse(_: Receiver, __: web.Request) -> web.Response:
    return web.Response(status=500)


async def _deaf_to_the_end(receiver: Receiver, request: web.Request) -> web.Response:
    body = await request.read()
    if b'"finished"' in body:
        return web.Response(status=500)
    return await _swml(receiver, request)


async def _broken(_: Receiver, __: web.Request) -> web.Response:
    raise RuntimeError("the receiver broke")


_swml = Receiver._swml
Take = Callable[[Receiver, web.Request], Any]


@pytest.mark.parametrize("take", [_refuse, _deaf_to_the_end, _broken])
async def test_a_callback_that_does_not_arrive_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, take: Take
) -> None:
    """A receiver that takes none, not the last ones, or breaks: exit 1, saying what came."""
    caplog.set_level(logging.CRITICAL)
    monkeypatch.setattr(Receiver, "_swml", take)
    lines: list[str] = []
    assert await demo(once=True, out=lines.append) == 1
    assert any("not complete within 3 s" in line for line in lines)
    assert " delivery  500 " in "\n".join(lines)


async def failure(part: Part, monkeypatch: pytest.MonkeyPatch) -> str:
    """The line by which a demo of one part fails."""
    use(monkeypatch, part)
    lines: list[str] = []
    assert await demo(once=True, out=lines.append) == 1
    return next(line for line in lines if " failed " in line)


async def test_a_recording_of_another_size_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is fetched must be what was told: exit 1, with both sizes."""
    fetch = Receiver._fetch

    async def other(receiver: Receiver, params: dict[str, Any]) -> None:
        await fetch(receiver, {**params, "size": params["size"] + 1})

    monkeypatch.setattr(Receiver, "_fetch", other)
    assert "status 200" in await failure(QUICK, monkeypatch)


async def test_a_file_that_sounds_otherwise_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """All callbacks came, yet what was said is not in the file: exit 1, saying so."""

    async def keep_silent(stage: Stage) -> None:
        await stage.recording()
        stage.say((Silence(1.0),))
        await asyncio.sleep(0.3)
        stage.hang_up()

    assert "nobody spoke" in await failure(dataclasses.replace(QUICK, act=keep_silent), monkeypatch)


async def test_other_states_are_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pause that was told and not asked for, or the other way round, is named."""
    told = await failure(dataclasses.replace(QUICK, states=("paused", "finished")), monkeypatch)
    assert "told were ('recording', 'finished'), not ('paused', 'finished')" in told


async def test_what_is_not_played_back_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """A document that should have played its recording, and did not."""
    assert "not played back" in await failure(dataclasses.replace(QUICK, plays_back=True), monkeypatch)


async def test_a_command_that_is_refused_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """A REST command that comes to nothing ends it at once, with its status."""

    async def resume(stage: Stage) -> None:
        await stage.told("recording")
        await stage.command("calling.record.rewind")

    assert re.search("rewind: status 4", await failure(dataclasses.replace(QUICK, act=resume), monkeypatch))


async def test_a_caller_that_breaks_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the demo's own is told, not waited out."""

    async def fall(stage: Stage) -> None:
        raise RuntimeError("no such key")

    assert "RuntimeError: no such key" in await failure(dataclasses.replace(QUICK, act=fall), monkeypatch)


async def test_a_recording_left_unfinished_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """All callbacks came, yet the store holds a recording that is not final: exit 1, naming it."""
    lines: list[str] = []
    unfinished = Reader.unfinished

    def with_another(reader: Reader, switch: str) -> Any:
        found = list(unfinished(reader, switch))
        return [*found, *_kept] if any(" fetched " in line for line in lines) else found

    class Kept:
        id = "left-over"

    _kept = [Kept()]
    monkeypatch.setattr(Reader, "unfinished", with_another)
    assert await demo(once=True, out=lines.append) == 1
    assert any("left-over" in line for line in lines)


async def test_a_switch_that_refuses_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a switch nothing is waited for without end: exit 1, and why."""
    monkeypatch.setattr(run, "SETTINGS", run.SETTINGS.replace("{password}", "another"))
    lines: list[str] = []
    assert await demo(once=True, out=lines.append) == 1
    assert any("refused the password" in line for line in lines)


async def test_a_document_that_is_refused_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """The problem is on the timeline, and ends it at once: exit 1."""
    wrong = dataclasses.replace(QUICK, document="sections: {main: [{dance: {}}]}")
    assert "dance" in await failure(wrong, monkeypatch)


# What the demo listens for


def wav(*tracks: Script, width: int = 2) -> bytes:
    """A WAV whose channels are scripts of one length."""
    samples = [render(track).samples for track in tracks]
    data = b"".join(b"".join(sample.tobytes() for sample in frame) for frame in zip(*samples, strict=True))
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(len(tracks))
        writer.setsampwidth(width)
        writer.setframerate(8000)
        writer.writeframes(data)
    return file.getvalue()


def test_sound() -> None:
    """Length, channels, and where each is loud."""
    sound = Sound.read(wav((Speech(0.5), Silence(0.5)), (Silence(0.6), Tone(0.4))))
    assert (sound.seconds, sound.channels) == (1.0, 2)
    assert (sound.loud(0, 0.5), sound.loud(0.5, 1.0)) == (1.0, 0.0)
    assert 0.4 < sound.loud(0.25, 0.75) < 0.6
    assert (sound.loud(0, 0.6, 1), sound.loud(0.6, 1.0, 1)) == (0.0, 1.0)
    assert (sound.loud(0.5, 0.5), sound.loud(3.0, 4.0)) == (0.0, 0.0)


@pytest.mark.parametrize("body", [b"", b"RIFF", b"ID3" + bytes(400), wav((Speech(0.1),), width=1)])
def test_no_sound(body: bytes) -> None:
    """What is no WAV of 16 bits is refused in words."""
    with pytest.raises(ValueError, match=r"WAV|bits"):
        Sound.read(body)


MESSAGE: Script = (Speech(2.0), Silence(0.4))
QUESTION: Script = (Speech(1.3), Silence(0.5), Speech(2.0), Silence(0.5))
TALK: Script = (Speech(1.6), Silence(1.5), Speech(1.5))
NOBODY: Script = (Silence(4.6),)
GREETING: Script = (Speech(1.3), Silence(3.3))
CALLER: Script = (Silence(1.6), Speech(2.0), Silence(1.0))
TOLD = [
    {"state": "recording", "timestamp": 100.0},
    {"state": "paused", "timestamp": 101.6},
    {"state": "recording", "timestamp": 103.1},
    {"state": "finished", "timestamp": 104.7, "start_time": 100.0, "end_time": 104.6},
]
UNDERSTOOD = {"state": "transcription", "transcription": "It was the best of times, it was the worst of times."}
VOICEMAIL, CONVERSATION, WHOLE_CALL, GREETED, _ = PARTS


@pytest.mark.parametrize(
    ("part", "tracks", "words"),
    [
        (VOICEMAIL, [MESSAGE], ""),
        (VOICEMAIL, [(Silence(0.2), *MESSAGE)], ""),
        (VOICEMAIL, [(Speech(2.0),)], "2.00 s, not the 2.40 s"),
        (VOICEMAIL, [(*MESSAGE, Silence(0.8))], "3.20 s, not the 2.40 s"),
        (VOICEMAIL, [(Silence(2.4),)], "silent where there was speech"),
        (VOICEMAIL, [(Speech(2.4),)], "loud where there was silence"),
        (VOICEMAIL, [MESSAGE, MESSAGE], "2 channels"),
        (CONVERSATION, [QUESTION], ""),
        (CONVERSATION, [(Silence(1.3), *QUESTION[1:])], "silent where there was speech, from 0.30 s"),
        (CONVERSATION, [(Speech(1.3), Silence(3.0))], "silent where there was speech, from 2.10 s"),
        (CONVERSATION, [(Speech(1.3), Silence(0.5), Speech(2.0))], "3.80 s, not the 4.30 s"),
        (WHOLE_CALL, [TALK, NOBODY], ""),
        (WHOLE_CALL, [TALK], "1 channels, not 2"),
        (WHOLE_CALL, [(Speech(4.6),), NOBODY], "loud where there was silence, from 1.85 s"),
        (WHOLE_CALL, [NOBODY, NOBODY], "silent where there was speech"),
        (WHOLE_CALL, [NOBODY, TALK], "loud where there was silence, from 0.00 s"),
        (WHOLE_CALL, [(Speech(3.1),), (Silence(3.1),)], "3.10 s, not the 4.60 s"),
        (GREETED, [CALLER, GREETING], ""),
        (GREETED, [CALLER], "1 channels, not 2"),
        (GREETED, [GREETING, CALLER], "silent where there was speech, from 0.30 s"),
        (GREETED, [NOBODY, GREETING], "silent where there was speech, from 2.20 s"),
        (parts.TRANSCRIBED, [(Speech(5.0), Silence(0.4))], ""),
        (parts.TRANSCRIBED, [(Speech(5.0),)], "5.00 s, not the 5.40 s"),
        (GREETED, [CALLER, (Speech(4.6),)], "loud where there was silence, from 3.60 s"),
    ],
)
def test_judged(part: Part, tracks: list[Script], words: str) -> None:
    """Each part's file passes as it should be; another length, a hole, a filled pause or another side is named."""
    problems = list(part.judge(Sound.read(wav(*tracks)), [UNDERSTOOD] if part is parts.TRANSCRIBED else TOLD))
    assert bool(problems) == bool(words)
    assert words in "; ".join(problems)


def test_other_words_are_a_failure() -> None:
    """A text without what was said, and no text at all."""
    sound = Sound.read(wav((Speech(5.0), Silence(0.4))))
    for told in ([{**UNDERSTOOD, "transcription": "It was the age of wisdom."}], TOLD):
        assert "without the words 'best of times'" in "; ".join(parts.TRANSCRIBED.judge(sound, told))

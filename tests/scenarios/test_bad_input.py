"""What documents, their answers, their audio and their callers can do wrong: told, bounded, and only ever text.

Documents that can't be read at all, and documents at URLs, are in test_refusals and test_documents; expressions that
run away in test_flow; callers' words over SIP without a document that says them in test_sip.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from controller.calls.events import CallFailed, DocumentRefused, StepFailed
from controller.dialects.swml import SwmlDialect
from controller.softswitch.script import Tone
from controller.switch.link import LinkDown
from tests.harness.audio import read_wav
from tests.harness.live import LiveSwitch
from tests.harness.receiver import Answer, Receiver
from tests.harness.soft import SoftSwitch
from tests.harness.switch import Switch
from tests.scenarios.daemon import Callbacks, Daemon, record_call
from tests.scenarios.phone import Words, calling
from tests.scenarios.swml_runs import audio_file, heard_at
from tests.scenarios.test_sip import hostile

TEMPORARY = "NORMAL_TEMPORARY_FAILURE"
BUSY = {"hangup": {"reason": "busy"}}
PLAYED = 1200.0


# Documents that are refused before the call hears anything


def step(text: str) -> str:
    """A document whose one step stands on line 3."""
    return f"sections:\n  main:\n  - {text}\n"


REFUSED: dict[str, tuple[str, tuple[str, ...]]] = {
    "unknown method": (step("recrod: {}"), ("line 3", "recrod", "`record`")),
    "a method of later": (step("connect: {to: '+15551230000'}"), ("line 3", "connect")),
    "unknown property": (step("record: {sterio: true}"), ("line 3", "sterio", "`stereo`")),
    "wrong type": (step("record: {stereo: 12}"), ("line 3", "record.stereo", "true or false")),
    "text for a number": (step("record: {max_length: long}"), ("line 3", "record.max_length", "a number")),
    "too sensitive": (step("record: {input_sensitivity: 101}"), ("line 3", "input_sensitivity", "100", "101")),
    "less than sensitive": (step("record_call: {input_sensitivity: -0.1}"), ("line 3", "input_sensitivity", "0")),
    "no length": (step("record: {max_length: 0}"), ("line 3", "record.max_length", "0")),
    "not a number": (step("record: {max_length: .nan}"), ("line 3", "record.max_length")),
    "endless": (step("record: {initial_timeout: .inf}"), ("line 3", "record.initial_timeout")),
    "both": (step("record: {direction: both}"), ("line 3", "record.direction", "speak", "listen")),
    "another format": (step("record: {format: ogg}"), ("line 3", "record.format", "wav", "mp3", "mp4")),
    "terminators": (step("record: {terminators: '#x'}"), ("line 3", "record.terminators")),
    "a file's URL": (step("record: {status_url: 'file:///etc/passwd'}"), ("line 3", "record.status_url", "http")),
    "two methods": (step("{answer: {}, hangup: {}}"), ("line 3", "one key")),
    "no method": (step("{}"), ("line 3", "one key")),
    "a bare word": (step("hangup"), ("line 3", "one key")),
    "play without anything": (step("play: {}"), ("line 3", "url")),
    "play of both": (step("play: {url: 'silence:1', urls: ['silence:1']}"), ("line 3", "url")),
    "play of a file": (step("play: {url: '/etc/passwd'}"), ("line 3", "play.url")),
    "play of a stream": (step("play: {url: 'tone_stream://%(1,0,1);loops=-1'}"), ("line 3", "play.url")),
    "too loud": (step("play: {url: 'silence:1', volume: 41}"), ("line 3", "play.volume", "40")),
    "no ring": (step("play: {url: 'ring:1:qq'}"), ("line 3", "play.url", "qq")),
    "no digits": (step("send_digits: {digits: '12;34'}"), ("line 3", "send_digits.digits")),
    "another request": (step("request: {url: 'http://h/', method: TRACE}"), ("line 3", "request.method", "GET")),
    "no main": ("sections:\n  other:\n  - answer: {}\n", ("main",)),
    "no sections": ("version: 1.0.0\n", ("sections",)),
    "another version": ("version: 2.0.0\nsections: {main: []}\n", ("line 1", "1.0.0")),
    "two megabytes": ("sections:\n  main: []\n" + "#" * (2 << 20), ("1048576",)),
    "a bomb": (
        "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a]\nsections: {main: [set: {c: *b}]}\n",
        ("line 1", "anchors"),
    ),
    "all at once": (
        "sections:\n  main:\n  - recrod: {}\n  - record: {stereo: 1}\n  - play: {}\n  - goto: {label: nowhere}\n",
        ("line 3", "line 4", "line 5", "line 6", "nowhere"),
    ),
}


async def test_a_wrong_document_is_told_and_nobody_hears_it(daemon: Daemon, switch: Switch) -> None:
    """Each is refused with its line, what is wrong and what would be right; the call is not even answered."""
    await daemon.start()
    for name, (text, words) in REFUSED.items():
        daemon.document.write_text(text)
        call = await switch.call()
        assert await call.ended() == TEMPORARY, name
        why = daemon.seen(DocumentRefused)[-1].why
        assert [word for word in words if word not in why] == [], (name, why)
        assert len(why) < 20_000, name
    assert len(daemon.seen(DocumentRefused)) == len(REFUSED)
    if isinstance(switch, SoftSwitch):
        assert not any("answer" in entry.text for entry in switch.inner.journal.commands)
    daemon.say(BUSY)
    assert await (await switch.call()).ended() == "USER_BUSY"


# Documents that never end by themselves

ENDLESS: dict[str, dict[str, Any]] = {
    "goto": {"main": [{"label": "a"}, {"goto": {"label": "a"}}, {"label": "b"}, {"goto": {"label": "b"}}]},
    "transfer": {"main": [{"transfer": {"dest": "main"}}]},
    "execute": {"main": [{"execute": {"dest": "main"}}, {"execute": {"dest": "main"}}]},
    "between two": {
        "main": [{"execute": {"dest": "b"}}, {"transfer": {"dest": "b"}}],
        "b": [{"transfer": {"dest": "main"}}],
    },
    "on return": {"main": [{"execute": {"dest": "b", "on_return": [{"transfer": {"dest": "main"}}]}}], "b": []},
    "growing": {
        "main": [
            {"set": {"a": "x"}},
            {"label": "again"},
            {"set": {"a": "${a}${a}"}},
            {"play": {"url": "say:${a}"}},
            {"goto": {"label": "again", "when": "a.length < 1e9"}},
        ]
    },
}


@pytest.mark.parametrize("name", ENDLESS)
async def test_a_document_that_never_ends_is_ended(daemon: Daemon, switch: Switch, name: str) -> None:
    """Its transfers, moves and texts are bounded: the call is over, and others were served meanwhile."""
    endless = daemon.directory / "endless.swml.json"
    endless.write_text(json.dumps({"sections": ENDLESS[name]}))
    daemon.say(BUSY)
    daemon.changes["routes"] = [
        {"destination": "^1001$", "account": "acme", "document": str(daemon.document)},
        {"destination": "^1002$", "account": "acme", "document": str(endless)},
    ]
    await daemon.start()
    call = await switch.call("1002")
    assert await (await switch.call()).ended() == "USER_BUSY"
    if name == "growing":  # it says longer and longer texts, the first of them in seconds
        await asyncio.sleep(2)
        await call.hangup()
    assert await call.ended(30) in {"NORMAL_CLEARING", TEMPORARY}
    assert daemon.seen(LinkDown) == []
    assert await (await switch.call()).ended() == "USER_BUSY"


# Commands in every text


def commands(touch: Path) -> dict[str, str]:
    """Texts that would make a naive controller's switch touch a file."""
    run = f"touch {touch}"
    return {
        "an expansion": f"${{system {run}}}",
        "an expansion in brackets": f"${{system({run})}}",
        "a preprocessor's": f"$${{system {run}}}",
        "the other sign": f"%{{system {run}}}",
        "within itself": f"${{${{system {run}}}}}",
        "an escaped one": f"\\${{system {run}}}",
        "an escaped escape": f"\\\\${{system {run}}}",
        "an api call's": f"${{expand(${{system {run}}})}}",
        "a packet": f"x\n\nbgapi system {run}\n\n",
        "a packet of CR": f"x\r\n\r\nbgapi system {run}\r\n\r\n",
        "a header": f"x\nexecute-app-name: system\nexecute-app-arg: {run}",
        "a separator": f"kal|${{system {run}}}|flite|kal|${{system {run}}}",
        "a head of braces": f"{{execute_on_answer='system {run}',api_on_answer='system {run}'}}x",
        "a head of brackets": f"[execute_on_answer=system {run}]x",
        "a shell's": f"`{run}`; $({run}) && {run}",
        "an endpoint": f"loopback/app=system:{run}",
        "an inline dialplan": f"system:{run},park inline",
        "a chain of files": f"file_string://x!${{system {run}}}",
        "the words that reload": "please reload mod_event_socket, and unload mod_event_socket",
    }


def steps(text: str, receiver: Receiver) -> list[dict[str, Any]]:
    """Every step with every property that takes text, all of them this text."""
    status = receiver.url("/status")
    return [
        {
            "set": {
                "a": text,
                "b": [text],
                "c": {"d": text},
                "say_voice": text,
                "say_language": text,
                "say_gender": text,
            }
        },
        {"play": {"url": f"say:{text}"}},
        {"play": {"url": text, "say_voice": text, "say_language": text, "say_gender": text}},
        {"play": {"urls": [f"ring:{text}", f"silence:{text}", receiver.url("/") + text, "silence:0.1"]}},
        {"play": {"url": f"ring:1:{text}"}},
        {"prompt": {"play": f"say:{text}", "terminators": text, "initial_timeout": 0.1, "say_voice": text}},
        {"prompt": {"play": text, "max_digits": text, "initial_timeout": 0.1}},
        {"send_digits": {"digits": text}},
        {"record": {"terminators": text, "max_length": 0.2, "status_url": status}},
        {"record": {"format": text, "direction": text, "max_length": 0.2}},
        {
            "record": {
                "beep": text,
                "stereo": text,
                "input_sensitivity": text,
                "max_length": text,
                "initial_timeout": text,
            }
        },
        {"record_call": {"control_id": text, "status_url": status, "max_length": 0.2}},
        {"record_call": {"terminators": text, "max_length": 0.2, "status_url": status + text}},
        {"record_call": {"format": text, "direction": text, "max_length": 0.2}},
        {"stop_record_call": {"control_id": text}},
        {"request": {"url": receiver.url("/") + text, "method": "GET"}},
        {"request": {"url": text, "method": "GET", "timeout": 1}},
        {
            "request": {
                "url": receiver.url("/request"),
                "method": "POST",
                "headers": {"X-Text": text, "Content-Type": text},
                "body": {"text": text},
            }
        },
        {"switch": {"variable": "a", "case": {text: [{"set": {"e": text}}]}}},
        {"execute": {"dest": text, "params": {"p": text}}},
        {"unset": text},
        {"goto": {"label": text, "max": 1}},
        {"label": text},
        {"hangup": {"reason": text}},
    ]


def checked(tried: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The steps that a document may have."""
    dialect = SwmlDialect("http://127.0.0.1")
    return [one for one in tried if not dialect.check(json.dumps({"sections": {"main": [one]}}), "step")]


def given(value: Any) -> Answer:
    """A JSON answer."""
    return Answer(200, json.dumps(value).encode(), {"Content-Type": "application/json"})


def routed(daemon: Daemon, documents: dict[str, list[dict[str, Any]]]) -> dict[str, str]:
    """Route a number to each document; the numbers by the documents' names."""
    numbers: dict[str, str] = {}
    routes = []
    for number, (name, main) in enumerate(documents.items(), 20000):
        path = daemon.directory / f"{number}.swml.json"
        path.write_text(json.dumps({"sections": {"main": main}}))
        routes.append({"destination": f"^{number}$", "account": "acme", "document": str(path)})
        numbers[name] = str(number)
    daemon.say(BUSY)
    routes.append({"destination": "^1001$", "account": "acme", "document": str(daemon.document)})
    daemon.changes["routes"] = routes
    return numbers


async def nothing_was_run(daemon: Daemon, switch: Switch, touched: Path) -> None:
    """No file, no command, no lost link; and the next call is served."""
    assert not touched.exists()
    assert daemon.seen(LinkDown) == []
    assert daemon.seen(CallFailed) == []
    if isinstance(switch, SoftSwitch):
        assert switch.inner.journal.system == []
        assert [entry for entry in switch.inner.journal.expansions if "system" in entry.text] == []
    assert await (await switch.call()).ended() == "USER_BUSY"
    assert daemon.problems() == []


async def test_commands_in_variables_are_only_text(daemon: Daemon, switch: Switch, tmp_path: Path) -> None:
    """By a variable in every text of every method: each method takes it as text or fails, and the call goes on."""
    touched = tmp_path / "touched"
    texts = commands(touched)
    moving = {"unset", "goto", "label", "execute", "hangup"}  # their names are no variables, or they would end it
    taken = [one for one in checked(steps("${evil}", daemon.receiver)) if not set(one) & moving]
    assert len(taken) > 12
    daemon.receiver.plan("/evil", *(given({"text": text}) for text in texts.values()))
    ask = {"request": {"url": daemon.receiver.url("/evil"), "method": "GET", "save_variables": True}}
    name_it = {"set": {"evil": "${request_response.text}"}}
    tell = {"request": {"url": daemon.receiver.url("/told"), "method": "POST", "body": {"evil": "${evil}"}}}
    numbers = routed(daemon, {name: [ask, name_it, *taken, tell, BUSY] for name in texts})
    await daemon.start()
    calls = []
    for number in numbers.values():
        calls.append(await switch.call(number, script=(Tone(60.0),)))
        await daemon.receiver.wait("/evil", len(calls))
    ends = await asyncio.gather(*(call.ended(100) for call in calls))
    assert set(ends) == {"USER_BUSY"}
    assert {request.json["evil"] for request in daemon.receiver.to("/told")} == set(texts.values())
    await nothing_was_run(daemon, switch, touched)


async def test_commands_in_documents_are_refused_or_only_text(daemon: Daemon, switch: Switch, tmp_path: Path) -> None:
    """As they stand in every text of every method: a step is refused by the check, or runs and is text.

    Each document runs to its end. A reason to hang up is the last text tried: one that is none hangs up all the same.
    """
    touched = tmp_path / "touched"
    documents: dict[str, list[dict[str, Any]]] = {}
    for name, text in commands(touched).items():
        fit = checked(steps(text, daemon.receiver))
        assert 3 <= len(fit) < len(steps(text, daemon.receiver)), name
        documents[name] = [*fit, BUSY]
    numbers = routed(daemon, documents)
    await daemon.start()
    calls = [await switch.call(number, script=(Tone(60.0),)) for number in numbers.values()]
    ends = await asyncio.gather(*(call.ended(100) for call in calls))
    hung_up = ["hangup" in steps[-2] for steps in documents.values()]
    assert ends == ["NORMAL_CLEARING" if tried else "USER_BUSY" for tried in hung_up]
    assert set(hung_up) == {True, False}
    await nothing_was_run(daemon, switch, touched)


# Audio


@dataclass
class Endless:
    """A web server whose one file never ends; `sent` counts its bytes. `pace` is the pause between its pieces."""

    pace: float = 0.0
    sent: int = 0
    open: int = 0
    url: str = ""
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: audio/wav\r\nConnection: close\r\n\r\n")
            piece = b"RIFF\xff\xff\xff\xffWAVEfmt " + bytes(1 << 16)
            while True:
                writer.write(piece)
                await writer.drain()
                self.sent += len(piece)
                await asyncio.sleep(self.pace)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open -= 1
            writer.close()


@asynccontextmanager
async def endless(pace: float = 0.0) -> AsyncIterator[Endless]:
    """A running one."""
    served = Endless(pace)
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    served.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/song.wav"
    try:
        yield served
    finally:
        server.close()


def listening(daemon: Daemon, *urls: str) -> None:
    """A document that plays these, then a tone, and records what is heard."""
    daemon.receiver.plan("/tone.wav", audio_file((Tone(1.0, PLAYED),)))
    daemon.say(
        record_call(daemon.receiver, direction="listen"),
        {"play": {"urls": [*urls, daemon.receiver.url("/tone.wav")]}},
        BUSY,
    )


async def tones(daemon: Daemon, callbacks: Callbacks, path: Path) -> int:
    """How many tones were heard."""
    end = await callbacks.wait("finished")
    assert await daemon.fetch(end["url"], path) == 200
    return len([heard for heard in heard_at(read_wav(path), PLAYED) if heard.seconds == pytest.approx(1.0, abs=0.1)])


@pytest.mark.parametrize("pace", [0.0, 0.5], ids=["fast", "slow"])
async def test_audio_that_never_ends(
    daemon: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path, pace: float
) -> None:
    """Bounded in size and in time: it is left out and told, the next sound is heard, nothing of it is kept."""
    async with endless(pace) as song:
        listening(daemon, song.url)
        await daemon.start()
        call = await switch.call()
        assert await call.ended(90) == "USER_BUSY"
        await daemon.until(lambda: song.open == 0)
        assert 0 < song.sent < 512 << 20
    assert await tones(daemon, callbacks, tmp_path / "heard.wav") == 1
    assert any(song.url in event.why for event in daemon.seen(StepFailed))
    kept = [path for path in daemon.data.rglob("*") if path.is_file() and path.suffix not in {".db", ".db-wal"}]
    assert sum(path.stat().st_size for path in kept) < 4 << 20


async def test_audio_that_is_none(daemon: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path) -> None:
    """An error, a page, nothing, half a header, another place: left out and told, and the next is heard."""
    receiver = daemon.receiver
    whole = audio_file((Tone(0.2, 300.0),)).body
    receiver.plan("/404.wav", Answer(404))
    receiver.plan("/closed.wav", Answer(close=True))
    receiver.plan("/page.wav", Answer(200, b"<html>" * 100, {"Content-Type": "audio/wav"}))
    receiver.plan("/empty.wav", Answer(200, b"", {"Content-Type": "audio/wav"}))
    receiver.plan("/half.wav", Answer(200, whole[:30], {"Content-Type": "audio/wav"}))
    receiver.plan("/loop.wav", Answer(302, b"", {"Location": "/loop.wav"}))
    receiver.plan("/inside.wav", Answer(302, b"", {"Location": "http://10.0.0.1/a.wav"}))
    receiver.plan("/file.wav", Answer(302, b"", {"Location": "file:///etc/passwd"}))
    paths = ("404", "closed", "page", "empty", "half", "loop", "inside", "file")
    listening(daemon, *(receiver.url(f"/{path}.wav") for path in paths), "http://10.0.0.1/a.wav")
    await daemon.start()
    call = await switch.call()
    assert await call.ended(60) == "USER_BUSY"
    assert await tones(daemon, callbacks, tmp_path / "heard.wav") == 1
    told = " ".join(event.why for event in daemon.seen(StepFailed))
    assert [path for path in paths if f"/{path}.wav" not in told] == []


# Callers


def repeating(daemon: Daemon) -> None:
    """A document that puts its caller's name and number wherever a document may."""
    who = "${call.from}"
    daemon.say(
        {"set": {"who": who, "all": "${call}"}},
        {"play": {"url": f"say:{who}"}},
        record_call(daemon.receiver, who),
        {"prompt": {"play": f"say:{who}", "initial_timeout": 0.1}},
        {
            "request": {
                "url": daemon.receiver.url("/told"),
                "method": "POST",
                "body": {"who": "${who}", "all": "${all}"},
            }
        },
        {"request": {"url": daemon.receiver.url("/") + who, "method": "GET", "headers": {"X-From": who}}},
        BUSY,
    )


def seen(text: str) -> str:
    """What arrives of a caller's text: not all of a long one, and a sign for each control character."""
    return "".join(text.replace("\ufffd", "").split())[:200]


@pytest.mark.parametrize("switch", ["soft"], indirect=True)  # a live one's callers say theirs by SIP, below
async def test_a_callers_words_are_said_and_run_nothing(daemon: Daemon, switch: Switch, tmp_path: Path) -> None:
    """Names and numbers that are commands, in every text that a document has for them: told as they are."""
    touched = tmp_path / "touched"
    texts = commands(touched)
    repeating(daemon)
    await daemon.start()
    calls = [await switch.call(caller_name=text, caller_number=text) for text in texts.values()]
    ends = await asyncio.gather(*(call.ended(100) for call in calls))
    assert set(ends) == {"USER_BUSY"}
    said = {request.json["who"] for request in daemon.receiver.to("/told")}
    assert {seen(text) for text in texts.values()} == {seen(text) for text in said}
    daemon.say(BUSY)
    await nothing_was_run(daemon, switch, touched)


@pytest.mark.live
@pytest.mark.parametrize("switch", ["live"], indirect=True)
async def test_a_sip_callers_words_are_said_and_run_nothing(
    daemon: Daemon, switch: LiveSwitch, tmp_path: Path
) -> None:
    """As before with what SIP callers can say, on a real switch: each is told, nothing is run, nothing reloaded."""
    touched = tmp_path / "touched"
    repeating(daemon)
    await daemon.start()

    async def one(words: Words) -> None:
        fresh = replace(words, call_id=words.call_id and words.call_id + b"3")  # another test's is a call's still
        async with calling(switch.sip_port, fresh) as phone:
            await phone.until(lambda: phone.over, 100)

    callers = {name: words for name, words in hostile(touched).items() if len(words.user) < 1000}  # said for minutes
    await asyncio.gather(*(one(words) for words in callers.values()))
    assert len(daemon.receiver.to("/told")) == len(callers)
    assert not switch.client.closed.is_set(), "the event socket was reloaded"
    daemon.say(BUSY)
    await nothing_was_run(daemon, switch, touched)

"""Every text that was seen to run commands on a naive controller's switch (spec/measured), in all that takes one.

TwiML, Plivo XML and the REST APIs here, callers' words in what both documents' applications are told; SWML, whose
documents have variables, and SIP callers are in test_bad_input. Nothing is run, nothing reloaded, others are unhurt.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4
from xml.sax.saxutils import escape, quoteattr

import pytest

from controller.checking import problems
from controller.softswitch.script import Tone
from controller.switch.link import LinkDown
from tests.harness.receiver import Answer, Receiver
from tests.harness.switch import Switch
from tests.scenarios.daemon import Daemon
from tests.scenarios.tenants import OWNERS, Tenant, ask, things
from tests.scenarios.tenants import accounts as tenants
from tests.scenarios.tenants import prepare as prepare_tenants
from tests.scenarios.test_bad_input import BUSY, commands, nothing_was_run, seen
from tests.scenarios.test_dial import DIALLING

SW, TW, PL = OWNERS


def texts(touch: Path) -> dict[str, str]:
    """Those of test_bad_input, and what else was seen to work in live trials of the design."""
    run = f"touch {touch}"
    return {
        **commands(touch),
        "a second endpoint": f"1000,loopback/app=system:{run}",
        "the other separator": f"1000|loopback/app=system:{run}",
        "the third separator": f"1000:_:loopback/app=system:{run}",
        "recording variables": f"{{execute_on_record_start='system {run}'}}x",
        "a recording's path": f'x.wav 9 {{execute_on_record_start="system {run}"}}',
        "the module's name": "please reload the mod_event_socket module",
        "an angle": f"<execute_on_answer=system {run}>x",
        "a SIP URI": f"sip:x@127.0.0.1;execute_on_answer=system {run}",
        "a SIP URI with headers": f"sip:${{system {run}}}@127.0.0.1?X-A=b",
        "a path out of it": f"../../../../../{touch}",
    }


def twiml(text: str, receiver: Receiver) -> list[str]:
    """Every verb and attribute of TwiML that takes text, all of them this one."""
    said, quoted = escape(text), quoteattr(text)
    to = quoteattr(receiver.url("/told?x=") + text)
    return [
        f"<Say>{said}</Say>",
        f"<Say voice={quoted} language={quoted}>x</Say>",
        f"<Play>{said}</Play>",
        f"<Play>{escape(receiver.url('/') + text)}</Play>",
        f"<Play digits={quoted}/>",
        f"<Pause length={quoted}/>",
        f'<Gather timeout="1" finishOnKey={quoted} numDigits={quoted}><Say>x</Say></Gather>',
        f"<Start><Recording name={quoted} track={quoted} recordingStatusCallback={to}/></Start>",
        f"<Start><Recording channels={quoted} trim={quoted} recordingStatusCallbackEvent={quoted}/></Start>",
        f'<Dial timeout="1">{said}</Dial>',
        f'<Dial timeout="1" callerId={quoted}><Number sendDigits={quoted}>{said}</Number></Dial>',
        f'<Dial timeout="1" record={quoted} ringTone={quoted}><Sip username={quoted}>{said}</Sip></Dial>',
        f"<Record maxLength='1' timeout='1' finishOnKey={quoted} trim={quoted} action={to}/>",
    ]


def plivo(text: str, receiver: Receiver) -> list[str]:
    """The same of Plivo XML."""
    said, quoted = escape(text), quoteattr(text)
    to = quoteattr(receiver.url("/told?x=") + text)
    return [
        f"<Speak>{said}</Speak>",
        f"<Speak voice={quoted} language={quoted}>x</Speak>",
        f"<Play>{said}</Play>",
        f"<Play>{escape(receiver.url('/') + text)}</Play>",
        f"<DTMF>{said}</DTMF>",
        f"<Wait length={quoted}/>",
        f"<GetDigits timeout='1' finishOnKey={quoted}><Speak>x</Speak></GetDigits>",
        f"<GetDigits timeout='1' action={to}><Speak>x</Speak></GetDigits>",
        f"<Record maxLength='1' redirect='false' finishOnKey={quoted} fileFormat={quoted}/>",
        f"<Record maxLength='1' redirect='false' callbackUrl={to}/>",
        f"<Dial timeout='1'><Number>{said}</Number></Dial>",
        f"<Dial timeout='1' callerId={quoted}><Number sendDigits={quoted}>1000</Number></Dial>",
        f"<Dial timeout='1' callerName={quoted}><User>{said}</User></Dial>",
        f"<Dial timeout='1' dialMusic={quoted} confirmSound={quoted} sipHeaders={quoted}><User>{said}</User></Dial>",
    ]


ELEMENTS = {TW: twiml, PL: plivo}


@pytest.fixture
def touched() -> Iterator[Path]:
    """The file that a command would make; its name is short, as it is said."""
    path = Path(tempfile.gettempdir()) / uuid4().hex[:6]
    yield path
    path.unlink(missing_ok=True)


def prepare(daemon: Daemon, documents: dict[str, tuple[Tenant, str]], **changes: Any) -> dict[str, str]:
    """Route a number to each document, and 1001 to one that is busy; the numbers by the documents' names."""
    daemon.say(BUSY)
    routes: list[dict[str, Any]] = [{"destination": "^1001$", "account": SW.name, "document": str(daemon.document)}]
    numbers: dict[str, str] = {}
    for number, (name, (tenant, text)) in enumerate(documents.items(), 21000):
        document = text
        if not text.startswith("http"):
            path = daemon.directory / f"{number}.xml"
            path.write_text(text)
            document = str(path)
        routes.append({"destination": f"^{number}$", "account": tenant.name, "document": document})
        numbers[name] = str(number)
    daemon.changes = {"accounts": tenants(), "routes": routes, **DIALLING, **changes}
    return numbers


@pytest.mark.parametrize("tenant", [TW, PL], ids=["twiml", "plivo"])
async def test_in_documents(daemon: Daemon, switch: Switch, touched: Path, tenant: Tenant) -> None:
    """Each verb with each text is refused before anything runs, or it is text: said, told, or failed."""
    documents: dict[str, tuple[Tenant, str]] = {}
    for name, text in texts(touched).items():
        tried = ELEMENTS[tenant](text, daemon.receiver)
        fit = [one for one in tried if not problems(f"<Response>{one}</Response>", "x", tenant.vendor)]
        assert fit, name
        documents[name] = tenant, f"<Response>{''.join(fit)}</Response>"
    assert sum(text.count("</") for _, text in documents.values()) > 3 * len(documents)
    numbers = prepare(daemon, documents)
    await daemon.start()
    calls = [await switch.call(number, script=(Tone(100.0),)) for number in numbers.values()]
    ends = await asyncio.gather(*(call.ended(100) for call in calls))
    assert "" not in ends
    await nothing_was_run(daemon, switch, touched)


async def test_in_rest_parameters(daemon: Daemon, switch: Switch, touched: Path) -> None:
    """Each parameter with each text is refused in words, or is stored and told; the call goes on."""
    prepare_tenants(daemon)
    await daemon.start()
    owned = [await things(daemon, switch, one) for one in OWNERS]
    answered: dict[int, int] = {}
    for text in texts(touched).values():
        url = daemon.receiver.url("/told?x=") + text
        laml = {
            "RecordingStatusCallback": url, "RecordingStatusCallbackEvent": text,
            "RecordingStatusCallbackMethod": text, "RecordingChannels": text, "RecordingTrack": text,
            "Trim": text, "Status": text, "PauseBehavior": text,
        }  # fmt: skip
        of_plivo = {
            "callback_url": url, "callback_method": text, "file_format": text, "transcription_type": text,
            "transcription_url": url, "record_channel_type": text, "time_limit": text, "URL": text,
        }  # fmt: skip
        for mine in owned:
            is_plivo = mine.owner is PL
            create = "{root}/Call/{call}/Record/" if is_plivo else "{root}/Calls/{call}/Recordings.json"
            update = create if is_plivo else "{root}/Calls/{call}/Recordings/{running}.json"
            fields = of_plivo if is_plivo else laml
            for name, value in fields.items():
                for method, path in (("POST", update), ("DELETE" if is_plivo else "GET", create)):
                    if (method, name) in {("POST", "callback_url"), ("POST", "transcription_url"), ("POST", "URL")}:
                        continue  # a recording that is well: below, once
                    answer = await ask(daemon, method, mine.fill(path), mine.owner.login, {name: value})
                    answered[answer.status] = answered.get(answer.status, 0) + 1
                    assert answer.status < 500, (method, path, name, value, answer)
        for params in (
            {"control_id": text, "status_url": url, "audio": {"format": text}},
            {"control_id": text, "audio": {"direction": text, "terminators": text}},
            {"control_id": text, "audio": {"terminators": text}},
            {"control_id": text, "status_url": text},
        ):
            for command in ("calling.record", "calling.record.stop"):
                asked = {"id": owned[0].call, "command": command, "params": params}
                answer = await ask(daemon, "POST", "/api/calling/calls", SW.login, body=asked)
                answered[answer.status] = answered.get(answer.status, 0) + 1
                assert answer.status < 500, (asked, answer)
    assert {400, 404, 422} & set(answered)
    assert sum(answered.values()) > 500
    assert not touched.exists()
    for mine in owned:
        path = "{root}/Recording/{finished}/" if mine.owner is PL else "{root}/Recordings/{finished}.json"
        assert (await ask(daemon, "GET", mine.fill(path), mine.owner.login)).status == 200
        await mine.caller.hangup()
    assert daemon.seen(LinkDown) == []
    await daemon.stop()
    daemon.events.clear()
    prepare(daemon, {})
    await daemon.start()
    await nothing_was_run(daemon, switch, touched)


@pytest.mark.parametrize("tenant", [TW, PL], ids=["twiml", "plivo"])
@pytest.mark.parametrize("switch", ["soft"], indirect=True)  # a live one's callers say theirs by SIP: test_sip
async def test_in_callers_words(daemon: Daemon, switch: Switch, touched: Path, tenant: Tenant) -> None:
    """Names and numbers of callers are told to the application as they are, and are in no command."""
    record = f"<Record maxLength='1' timeout='1' action={quoteattr(daemon.receiver.url('/done'))}/>"
    daemon.receiver.plan("/document", Answer(200, f"<Response>{record}</Response>".encode()))
    daemon.receiver.plan("/done", Answer(200, b"<Response><Hangup/></Response>"))
    (number,) = prepare(daemon, {"all": (tenant, daemon.receiver.url("/document"))}).values()
    await daemon.start()
    said = texts(touched)
    calls = [await switch.call(number, caller_name=text, caller_number=text) for text in said.values()]
    await asyncio.gather(*(call.ended(60) for call in calls))
    forms = [request.form for request in daemon.receiver.to("/document")]
    assert len(forms) == len(said)
    assert {seen(form["From"]) for form in forms} == {seen(text) for text in said.values()}
    for entry in getattr(switch, "inner").journal.commands:  # noqa: B009 - a soft switch has one
        assert str(touched) not in entry.text
    await nothing_was_run(daemon, switch, touched)

"""Documents that a server gives: asked for as SignalWire does, run as files are, whatever the server does."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
import socket
from pathlib import Path
from typing import Any

from controller.calls.events import CallEnded, CallFailed, DocumentFetched, DocumentRefused
from controller.softswitch.script import Tone
from tests.harness.esl import EslClient, connected
from tests.harness.receiver import Answer, Receiver, Request
from tests.harness.soft import SoftSwitch
from tests.harness.switch import Switch
from tests.scenarios.daemon import KEY, PROJECT, SPACE, Callbacks, Daemon, record_call, swml

BUSY = {"hangup": {"reason": "busy"}}
DECLINE = {"hangup": {"reason": "decline"}}
TEMPORARY = "NORMAL_TEMPORARY_FAILURE"


def route(daemon: Daemon, document: str, **more: Any) -> None:
    """Give destination 1001 a document."""
    daemon.changes["routes"] = [{"destination": "^1001$", "account": "acme", "document": document, **more}]


def gives(receiver: Receiver, path: str, *steps: dict[str, Any], **answer: Any) -> None:
    """Let the application answer with a document, under a content type that says nothing of it."""
    receiver.plan(path, Answer(200, swml(*steps).encode(), {"Content-Type": "text/html; charset=utf-8"}, **answer))


def signed(request: Request, url: str) -> bool:
    """Whether both signatures are right, as their receiver computes them."""
    text = url.encode() + request.body
    return (
        request.header("X-Signalwire-Signature") == hmac.new(KEY.encode(), text, hashlib.sha1).hexdigest()
        and request.header("X-Signalwire-SHA256-Signature")
        == hmac.new(KEY.encode(), text, hashlib.sha256).hexdigest()
    )


def nobody() -> str:
    """A URL of a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/doc"


async def answer_state(esl: EslClient, leg: str) -> str:
    """What the switch itself says of a leg."""
    found = re.search(r"^Answer-State: (\S+)", await esl.api(f"uuid_dump {leg}"), re.MULTILINE)
    return found[1] if found else "gone"


async def test_a_document_from_a_server_runs(daemon: Daemon, switch: Switch, callbacks: Callbacks) -> None:
    """Asked for once, by a signed POST of the call; it runs, and its callbacks tell the same call id."""
    receiver = daemon.receiver
    gives(receiver, "/doc", record_call(receiver), {"sleep": 500}, {"stop_record_call": {}}, BUSY)
    url = receiver.url("/doc?tenant=1")
    route(daemon, url.replace("http://", "http://user:secret@"))
    await daemon.start()
    call = await switch.call(script=(Tone(5.0),))
    assert await call.ended() == "USER_BUSY"
    end = await callbacks.wait("finished")
    [request] = receiver.to("/doc")
    assert (request.method, request.query) == ("POST", "tenant=1")
    assert request.header("Content-Type") == "application/json"
    assert request.header("Authorization") == "Basic dXNlcjpzZWNyZXQ="
    assert signed(request, url)
    assert request.json == {
        "call": {
            "call_id": end["call_id"],
            "node_id": "fs1",
            "segment_id": end["call_id"],
            "call_state": "created",
            "direction": "inbound",
            "type": "phone",
            "from": "15551230000",
            "to": "1001",
            "from_number": "15551230000",
            "to_number": "1001",
            "headers": [],
            "project_id": PROJECT,
            "space_id": SPACE,
        },
        "vars": {},
        "envs": {},
        "params": {},
    }
    assert callbacks.states() == ["recording", "finished"]
    assert end["duration"] > 0.3
    assert [event.document for event in daemon.seen(DocumentFetched)] == [receiver.url("/doc")]
    assert not any(secret in repr(event) for event in daemon.events for secret in ("secret", "tenant"))


async def test_the_call_waits_as_it_was(daemon: Daemon, switch: Switch) -> None:
    """Neither answered nor hung up while the application thinks; a leg's variables may name the URL, and GET asks."""
    receiver = daemon.receiver
    gives(receiver, "/slow", {"answer": {}}, BUSY, delay=1.0)
    gives(receiver, "/get", DECLINE)
    route(daemon, receiver.url("/get"), method="GET")
    await daemon.start()
    variables = {"fsrec_account": "acme", "fsrec_document": receiver.url("/slow")}
    call = await switch.call("1002", variables=variables)
    await receiver.wait("/slow")
    async with connected(switch.direct) as esl:
        await asyncio.sleep(0.5)
        assert await answer_state(esl, call.leg) not in {"answered", "gone"}
    assert await call.ended() == "USER_BUSY"
    assert await (await switch.call()).ended() == "CALL_REJECTED"
    [request] = receiver.to("/get")
    assert (request.method, request.body) == ("GET", b"")
    assert signed(request, receiver.url("/get"))


async def test_the_fallback_runs(daemon: Daemon, switch: Switch, tmp_path: Path) -> None:
    """A file or another URL, where the first is away, fails, is no document, or leads where it must not."""
    receiver = daemon.receiver
    spare = tmp_path / "spare.swml.yaml"
    spare.write_text(swml(BUSY))
    gives(receiver, "/spare", DECLINE)
    receiver.plan("/500", Answer(500, swml(BUSY).encode()))
    receiver.plan("/404", Answer(404))
    receiver.plan("/html", Answer(200, b"<html><body>Welcome</body></html>"))
    receiver.plan("/wrong", Answer(200, swml({"dance": {}}).encode()))
    receiver.plan("/large", Answer(200, b"#" * ((1 << 20) + 1)))
    receiver.plan("/binary", Answer(200, b"\xff\xfe"))
    receiver.plan("/loop", Answer(302, b"", {"Location": "/loop"}))
    receiver.plan("/inside", Answer(302, b"", {"Location": "http://10.0.0.1/doc"}))
    receiver.plan("/broken", Answer(close=True))
    bad = ("/500", "/404", "/html", "/wrong", "/large", "/binary", "/loop", "/inside", "/broken")
    urls = [nobody(), "http://[::1]:9/doc", *(receiver.url(path) for path in bad)]
    daemon.changes["routes"] = [
        {
            "destination": f"^{number}$",
            "account": "acme",
            "document": url,
            "fallback": str(spare) if number % 2 else receiver.url("/spare"),
        }
        for number, url in enumerate(urls, 2000)
    ]
    await daemon.start()
    calls = [await switch.call(str(number)) for number in range(2000, 2000 + len(urls))]
    ends = [await call.ended(20) for call in calls]
    assert ends == ["USER_BUSY" if number % 2 else "CALL_REJECTED" for number in range(2000, 2000 + len(urls))]
    told = {event.document: event.why for event in daemon.seen(DocumentRefused)}
    assert set(told) == set(urls)
    for path, words in (
        ("/500", "status 500"),
        ("/404", "status 404"),
        ("/html", "the document must be <Response>"),
        ("/wrong", "dance"),
        ("/large", "more than 1048576 bytes"),
        ("/binary", "byte 0 is not UTF-8"),
        ("/loop", "more than 3 redirects"),
        ("/inside", "10.0.0.1 is refused (private)"),
    ):
        assert words in told[receiver.url(path)]
    assert "::1 is refused" in told[urls[1]]


async def test_a_redirect_is_followed(daemon: Daemon, switch: Switch) -> None:
    """307 asks again by POST with the call, 303 by GET; each request is signed for the URL that it goes to."""
    receiver = daemon.receiver
    receiver.plan("/a", Answer(307, b"", {"Location": "/b?c=d"}))
    receiver.plan("/b", Answer(303, b"", {"Location": receiver.url("/e")}))
    gives(receiver, "/e", BUSY)
    route(daemon, receiver.url("/a"))
    await daemon.start()
    assert await (await switch.call()).ended() == "USER_BUSY"
    first, second, third = receiver.requests
    assert [one.method for one in receiver.requests] == ["POST", "POST", "GET"]
    assert (first.body, third.body) == (second.body, b"")
    assert signed(first, receiver.url("/a"))
    assert signed(second, receiver.url("/b?c=d"))
    assert signed(third, receiver.url("/e"))


async def test_a_server_that_is_away_ends_the_call(daemon: Daemon, switch: Switch) -> None:
    """Without a fallback: hung up as a temporary failure, with the reason told; never left parked."""
    route(daemon, nobody())
    await daemon.start()
    assert await (await switch.call()).ended() == TEMPORARY
    [failed] = daemon.seen(CallFailed)
    assert "no answer: " in failed.why
    await daemon.until(lambda: len(daemon.seen(CallEnded)) == 1)
    assert [event.cause for event in daemon.seen(CallEnded)] == [TEMPORARY]


async def test_a_caller_hangs_up_while_it_is_fetched(daemon: Daemon, switch: Switch) -> None:
    """The request is given up, the call ends by the caller's cause, and the next one is served."""
    receiver = daemon.receiver
    receiver.plan("/doc", Answer(hang=True), Answer(200, swml(BUSY).encode()))
    route(daemon, receiver.url("/doc"), fallback=nobody())
    await daemon.start()
    call = await switch.call()
    await receiver.wait("/doc")
    await call.hangup()
    await daemon.until(lambda: bool(daemon.seen(CallEnded)))
    assert await (await switch.call()).ended() == "USER_BUSY"
    assert daemon.seen(CallFailed) == daemon.seen(DocumentRefused) == []
    await daemon.until(lambda: len(daemon.seen(CallEnded)) == 2)


async def test_a_link_that_breaks_while_it_is_fetched(daemon: Daemon, switch: Switch) -> None:
    """The document comes all the same, and runs when the leg has been looked at."""
    receiver = daemon.receiver
    gives(receiver, "/doc", {"answer": {}}, BUSY, delay=1.0)
    route(daemon, receiver.url("/doc"))
    await daemon.start()
    call = await switch.call()
    await receiver.wait("/doc")
    await switch.refuse_links()
    await switch.cut_links()
    await daemon.until(lambda: bool(daemon.problems()))
    await daemon.until(lambda: bool(daemon.seen(DocumentFetched)))
    await switch.refuse_links(False)
    assert await call.ended() == "USER_BUSY"
    assert len(receiver.to("/doc")) == 1


async def test_a_daemon_killed_while_it_is_fetched(daemon: Daemon, switch: Switch, callbacks: Callbacks) -> None:
    """kill -9: the next one asks anew for the same call, and goes on from its first step."""
    receiver = daemon.receiver
    document = Answer(200, swml(record_call(receiver), {"sleep": 300}, BUSY).encode())
    receiver.plan("/doc", Answer(hang=True), document)
    route(daemon, receiver.url("/doc"))
    await daemon.spawn()
    call = await switch.call(script=(Tone(5.0),))
    await receiver.wait("/doc")
    await daemon.kill()
    assert call.alive
    await daemon.spawn()
    assert await call.ended() == "USER_BUSY"
    end = await callbacks.wait("finished")
    first, second = receiver.to("/doc")
    assert first.json["call"]["call_id"] == second.json["call"]["call_id"] == end["call_id"]
    assert callbacks.states() == ["recording", "finished"]
    assert daemon.unfinished() == []


async def test_a_daemon_killed_after_it_was_fetched(daemon: Daemon, switch: Switch, callbacks: Callbacks) -> None:
    """kill -9 while the document runs: it is not asked for again, whatever the server would say now."""
    receiver = daemon.receiver
    document = Answer(200, swml(record_call(receiver), {"sleep": 2000}, BUSY).encode())
    receiver.plan("/doc", document, Answer(500))
    route(daemon, receiver.url("/doc"))
    await daemon.spawn()
    call = await switch.call(script=(Tone(10.0),))
    await callbacks.wait("recording")
    callbacks.once = True
    await daemon.kill()
    await daemon.spawn()
    assert await call.ended() == "USER_BUSY"
    await callbacks.wait("finished")
    assert callbacks.states() == ["recording", "finished"]
    assert len(receiver.to("/doc")) == 1


HOSTILE = (
    'a","type":"sip","from":"b',
    "${system touch /nowhere/at/all}",
    "x\\",
    "%00%0d%0a",
    "\u00fc\u20ac\U0001f600",
    "9" * 2000,
)


async def test_what_callers_say_is_one_string(soft: SoftSwitch, receiver: Receiver, tmp_path: Path) -> None:
    """Whatever number they claim to have: it arrives as that string, and changes no other field."""
    daemon = Daemon(soft, tmp_path, receiver)
    gives(receiver, "/doc", BUSY)
    route(daemon, receiver.url("/doc"))
    await daemon.start()
    try:
        for number in HOSTILE:
            call = await soft.call(caller_name=number, caller_number=number)
            assert await call.ended() == "USER_BUSY"
            said = receiver.to("/doc")[-1].json["call"]
            assert said["from"].startswith(number[:100])
            assert (said["type"], said["to"], len(said)) == ("phone", "1001", 12)
    finally:
        await daemon.close()
    assert len(receiver.to("/doc")) == len(HOSTILE)

"""Requests that no vendor's client would send, to a running daemon: paths, queries, bodies, headers."""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from hypothesis import example, given
from hypothesis import strategies as st

from controller import __version__
from controller.http import openapi
from controller.http.base import RequestFailed, RequestServed
from tests.fuzz.profile import fuzz, long
from tests.fuzz.test_service import AUTH_ID, AUTH_TOKEN, PLIVO, recorded, three_vendors
from tests.fuzz.texts import encodable, json_values, spoiled, texts, words
from tests.harness.receiver import Receiver
from tests.harness.soft import SoftSwitch
from tests.scenarios.daemon import PROJECT, TOKEN, Daemon
from tests.scenarios.rest import AUTH, LAML, SID, TWILIO, line

DESCRIBED = openapi.description(__version__)
OPERATIONS = [(path, method, one) for path, found in DESCRIBED["paths"].items() for method, one in found.items()]
CREDENTIALS = {
    "twilio": (SID, AUTH),
    "laml": (PROJECT, TOKEN),
    "signalwire": (PROJECT, TOKEN),
    "plivo": (AUTH_ID, AUTH_TOKEN),
}
SHAPES = (
    {"code", "message"},
    {"code", "message", "more_info", "status"},
    {"api_id", "error"},
    {"errors"},
    {"error", "errors"},
)
"""The keys of each vendor's errors, and of those that are nobody's."""


def nowhere(text: str) -> str:
    """A text whose URLs lead to a closed port of this machine: what is told to them stays here."""
    return encodable(re.sub(r"(?i)[a-z]+\.example", "127.0.0.1:9", text))


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode("utf-8", "replace")).decode()


values = (texts | words).map(nowhere)
fields = st.lists(st.tuples(values, values), max_size=3)
kinds = st.sampled_from(
    (
        "application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=a",
        "text/plain",
        "a",
        "",
    )
)
HEADERS = ("Range", "If-Range", "If-Match", "If-None-Match", "If-Modified-Since", "Accept", "Expect", "Cookie", "X-A")
right = st.sampled_from(
    ("bytes=0-5", "bytes=-3", "bytes=9-", '"x"', "*", "Wed, 21 Oct 2015 07:28:00 GMT", "audio/wav")
)


@st.composite
def requests(draw: st.DrawFn, known: Mapping[str, str]) -> tuple[str, str, dict[str, str], bytes]:
    """A method, a target, headers and a body: those of an operation that is described, and much beside it."""
    path, method, operation = draw(st.sampled_from(OPERATIONS))
    scheme = next((name for one in operation["security"] for name in one), draw(st.sampled_from(sorted(CREDENTIALS))))

    def segment(match: re.Match[str]) -> str:
        key = f"{scheme} {match[1]}" if f"{scheme} {match[1]}" in known else match[1]
        good = known.get(key, "x")
        return quote(good if draw(st.integers(0, 3)) else draw(spoiled(st.just(good)).map(nowhere) | values), safe="")

    target = re.sub(r"\{(\w+)\}", segment, path)
    if draw(st.integers(0, 9)) == 7:
        target = quote(draw(spoiled(st.just(target)).map(nowhere)), safe="/%?&=")
    named = [one["name"] for one in operation["parameters"] if one["in"] == "query"]
    asked = draw(st.lists(st.tuples(st.sampled_from(named), values), max_size=3)) if named else []
    asked += draw(fields) if draw(st.integers(0, 3)) == 2 else []
    target += f"?{urlencode(asked)}" if asked else ""
    written = {
        one for kind in operation.get("requestBody", {}).get("content", {}).values() for one in _names(kind["schema"])
    }
    names = st.sampled_from(sorted(written)) if written else values
    filled = draw(st.lists(st.tuples(names, values), max_size=4)) + (draw(fields) if draw(st.booleans()) else [])
    kind, body = draw(
        st.one_of(
            st.just(("application/x-www-form-urlencoded", urlencode(filled).encode())),
            st.builds(lambda more: ("application/json", json.dumps({**dict(filled), **more}).encode()), objects),
            st.tuples(kinds, st.binary(max_size=30) | values.map(str.encode) | json_values.map(_json)),
        )
    )
    headers = dict(draw(st.lists(st.tuples(st.sampled_from(HEADERS), right | spoiled(right)), max_size=2)))
    headers = {name: re.sub(r"[\x00-\x1f\x7f]|[^\x00-\xff]", "?", value).strip() for name, value in headers.items()}
    if draw(st.integers(0, 9)):
        own = scheme in CREDENTIALS
        headers["Authorization"] = basic(*CREDENTIALS[scheme]) if own else f"Bearer {known[scheme]}"
    elif draw(st.booleans()):
        headers["Authorization"] = draw(
            st.sampled_from(("Basic", "Basic ====", "Bearer x", "Basic \xe9", basic("é", ":")))
        )
    if method in {"get", "head"} and draw(st.booleans()):
        body = b""
    if body or kind:
        headers["Content-Type"] = kind
    if draw(st.integers(0, 9)) == 7:
        method = draw(st.sampled_from(("head", "put", "patch", "options", "trace", "delete", "post", "x")))
    return method.upper(), target, headers, body


objects = st.dictionaries(values, json_values, max_size=3)


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _names(schema: Mapping[str, Any]) -> list[str]:
    return [*schema.get("properties", ()), *(name for one in schema.get("oneOf", ()) for name in _names(one))]


@long
async def test_no_request_is_one_that_fails(soft: SoftSwitch, receiver: Receiver, tmp_path: Path) -> None:
    """No 5xx and nothing that hangs; what is refused is refused in the shape of a vendor's errors."""
    daemon = Daemon(soft, tmp_path, receiver)
    three_vendors(daemon)
    await daemon.start()
    try:
        tenants = (("twilio", TWILIO), ("laml", LAML), ("plivo", PLIVO))
        lines = {name: await line(daemon, soft, tenant) for name, tenant in tenants}
        ids = await recorded(daemon, lines)
        known = {
            **{f"{name} AccountSid": one for name, (one, _) in CREDENTIALS.items()},
            **{f"{name} CallSid": lines[name].sid for name in ("twilio", "laml")},
            **{f"{name} Sid": ids[name][0] for name in ("twilio", "laml")},
            "auth_id": AUTH_ID,
            "call_uuid": lines["plivo"].identity,
            "recording_id": ids["plivo"][0],
            "id": ids["laml"][0],
            "AccountSid": SID,
            "Sid": ids["twilio"][0],
            "CallSid": lines["twilio"].sid,
            "operator": (daemon.data / "operator.key").read_text().strip(),
        }
        await asyncio.to_thread(_hunt, daemon.url, requests(known), known)
        assert daemon.seen(RequestFailed) == []
        assert len(daemon.seen(RequestServed)) > 100
    finally:
        await daemon.close()


def _hunt(url: str, wanted: st.SearchStrategy[Any], known: Mapping[str, str]) -> None:
    place = urlsplit(url)
    account = f"/2010-04-01/Accounts/{SID}"
    mine = {"Authorization": basic(SID, AUTH)}
    form = {**mine, "Content-Type": "application/x-www-form-urlencoded"}

    @fuzz(300)
    @given(wanted)
    @example(("GET", f"{account}/Recordings.json?DateCreated%3E=0001-01-01T00:00:00%2B23:59", mine, b""))
    @example(("GET", f"{account}/Recordings.json?DateCreated=9999-12-31&Page=999999999&PageToken=PA", mine, b""))
    @example(("GET", f"{account}/Recordings.json?CallSid=%00&DateCreated=%ED%A0%80", mine, b""))
    @example(
        ("GET", f"{account}/Recordings.json?DateCreated=Wed,%2099%20Oct%2099999%2099:99:99%20%2B9999", mine, b"")
    )
    @example(
        ("POST", f"{account}/Calls/{known['CallSid']}/Recordings.json", form, b"RecordingStatusCallback=%ED%A0%80")
    )
    @example(("GET", f"/v1/Account/{AUTH_ID}/Recording/?offset=999999999&limit=20", {**mine}, b""))
    @example(("GET", f"/api/v1/recordings/{known['id']}/download", {"Range": "bytes=" + "9" * 18 + "-"}, b""))
    @example(("GET", f"{account}/Recordings.json", {**mine, "Expect": "\xe9"}, b""))
    def hunt(one: tuple[str, str, dict[str, str], bytes]) -> None:
        method, target, headers, body = one
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)
        try:
            connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            connection.putheader("Host", "x")
            for name, value in headers.items():
                connection.putheader(name, value)
            if body or method in {"POST", "PUT", "PATCH"}:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body or None)
            answer = connection.getresponse()
            said = answer.read()
        finally:
            connection.close()
        judge(method, answer.status, answer.getheader, said)

    hunt()


def judge(method: str, status: int, header: Callable[[str, str], str | None], said: bytes) -> None:
    """What is answered is no failure; what is refused is in JSON, of one of the vendors' shapes."""
    assert status < 500, said
    if status >= 400 and method != "HEAD":
        assert header("Content-Type", "") == "application/json", (status, said)
        error = json.loads(said)
        assert set(error) in SHAPES
        assert status != 401 or header("WWW-Authenticate", "")
        assert status != 405 or header("Allow", "")
        assert len(said) < 5_000

"""`fsrec receiver` and `fsrec call`: what developers try fsrec with. A call is placed in test_compose_live.py."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
import yarl

from controller.dialects.plivo import sign as plivo
from controller.dialects.swml import sign as signalwire
from controller.dialects.twiml import sign as twilio
from controller.documents.dialect import Account
from controller.trial.callbacks import FORM, Callback, ended
from tests.harness.command import fsrec, start, terminated

KEY, URL = "key", "http://127.0.0.1:9000/told?a=1"
FORMED = urlencode({"RecordingStatus": "completed", "b": "x y"}).encode()
TWILIO = Account("t", "twilio", "AC0", "", KEY, KEY)


def signed(header: str, value: str, body: bytes, kind: str = FORM, **more: str) -> Callback:
    """A callback with one signature."""
    return Callback("POST", URL, {"content-type": kind, header.lower(): value, **more}, body)


def vendors() -> dict[str, Callback]:
    """One of each vendor, rightly signed by its own code."""
    body = b'{"params": {"state": "finished"}}'
    form = [("RecordingStatus", "completed"), ("b", "x y")]
    nonce = {plivo.NONCE_V3.lower(): "12"}
    return {
        "swml": signed(signalwire.HEADER, signalwire.signature(KEY, URL, body), body, "application/json"),
        "laml": signed(twilio.SIGNALWIRE, twilio.signature(KEY, URL, form), FORMED),
        "twiml": signed(twilio.TWILIO, twilio.signature(KEY, URL, form), FORMED),
        "plivo": signed(plivo.V3, plivo.signature_v3(KEY, "POST", URL, form, "12"), FORMED, **nonce),
    }


@pytest.mark.parametrize("vendor", vendors())
def test_signatures(vendor: str) -> None:
    """Each vendor's is right by the key that made it, wrong by another and for another body, and told without one."""
    callback = vendors()[vendor]
    assert callback.signed(KEY).endswith("is right")
    assert callback.signed("other").endswith("is WRONG")
    assert callback.signed("").endswith("not checked: no key")
    changed = Callback(callback.method, callback.url, callback.headers, callback.body + b"&c=1")
    assert changed.signed(KEY).endswith("is WRONG")
    assert Callback("POST", URL, {}, callback.body).signed(KEY) == "not signed"


@pytest.mark.parametrize(
    ("kind", "body", "parameters"),
    [
        ("application/json; charset=utf-8", b'{"a": 1}', {"a": 1}),
        (FORM, b"a=1&b=", {"a": "1", "b": ""}),
        ("text/plain", b"\xff\x1b[2J", "\\xff\x1b[2J"),
        ("application/json", b"[" * 100_000, "[" * 2000),
        ("", b"", ""),
    ],
)
def test_parameters(kind: str, body: bytes, parameters: Any) -> None:
    """JSON and forms are read; what is neither is shown as far as it goes, whatever it is."""
    assert Callback("POST", URL, {"content-type": kind}, body).parameters() == parameters


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"params": {"state": "finished"}}, True),
        ({"params": {"state": "recording"}}, None),
        ({"params": {"state": "no_input"}}, False),
        ({"params": {"state": "error"}}, False),
        ({"RecordingStatus": "completed"}, True),
        ({"RecordingStatus": "in-progress"}, None),
        ({"RecordingStatus": "absent"}, False),
        ({"RecordUrl": "http://x", "RecordingDuration": "4"}, True),
        ({"RecordUrl": "http://x", "RecordingDuration": "0"}, False),
        ({"RecordUrl": "http://x", "RecordingDuration": "-1"}, False),
        ({"params": {"state": ["finished"]}}, None),
        ({"params": 1}, None),
        ({}, None),
        ("text", None),
        (None, None),
    ],
)
def test_ends(parameters: Any, expected: bool | None) -> None:
    """Which callbacks tell a recording's end, and whether it has audio: whatever somebody else sent is no end."""
    assert ended(parameters) is expected


@asynccontextmanager
async def receiving(*words: object, **environment: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """The command, and the URL that it tells."""
    process = await start("receiver", "--port", 0, *words, **environment)
    assert process.stdout is not None
    try:
        first = (await process.stdout.readline()).decode()
        yield process, first.split("callbacks to ")[1].split("/… ")[0]
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_receiver_prints_what_comes(tmp_path: Path) -> None:
    """Any method and path is answered 200 with nothing; each is printed in ASCII and kept as a line."""
    file = tmp_path / "callbacks.jsonl"
    hostile = {"name": "\x1b[2J\u202e<script>", "RecordingStatus": "completed"}
    async with receiving("--file", file, FSREC_SIGNING_KEY=KEY) as (process, base):
        url = f"{base}/a%20b?c=1"
        right = {twilio.TWILIO: twilio.signature(KEY, url, hostile.items())}
        async with aiohttp.ClientSession() as client:
            async with client.post(yarl.URL(url, encoded=True), data=hostile, headers=right) as answer:
                assert (answer.status, await answer.read()) == (200, b"")
            async with client.get(f"{base}/") as answer:
                assert (answer.status, await answer.read()) == (200, b"")
            async with client.post(f"{base}/", data=io.BytesIO(bytes(2**20 + 1))) as answer:
                assert answer.status == 413
        finished = await terminated(process)
    assert finished.code == 0
    assert finished.text.isascii()
    assert "\x1b" not in finished.text
    assert f"POST {url} (X-Twilio-Signature is right)" in finished.text
    posted, got = map(json.loads, file.read_text().splitlines())
    assert (posted["method"], posted["url"], posted["parameters"]) == ("POST", url, hostile)
    assert (got["method"], got["signature"]) == ("GET", "not signed")


async def test_a_receiver_that_can_not_begin(tmp_path: Path) -> None:
    """A port that is taken, or a file that can't be written, is told, with exit code 1."""
    async with receiving() as (_, base):
        again = await fsrec("receiver", "--port", base.rpartition(":")[2])
    assert again.code == 1
    assert "in use" in again.text
    nowhere = await fsrec("receiver", "--port", 0, "--file", tmp_path / "none" / "x")
    assert nowhere.code == 1
    assert "none/x" in nowhere.text


SETTINGS = "switches: [{{name: fs, port: {port}, password: x, switch_path: /r, local_path: /r}}]\n"


@pytest.mark.parametrize(
    ("number", "there", "said"),
    [("1001", False, "fsrec receiver --file"), ("${x}", True, "a number of 0-9"), ("1001", True, "refused")],
)
async def test_a_call_that_can_not_be_placed(tmp_path: Path, number: str, there: bool, said: str) -> None:
    """No receiver's file, no number, no switch: exit code 1, and what would be right."""
    config, file = tmp_path / "fsrec.yaml", tmp_path / "callbacks"
    config.write_text(SETTINGS.format(port=1))
    if there:
        file.touch()
    done = await fsrec("call", number, "--config", config, "--callbacks", file)
    assert done.code == 1
    assert said in done.text
    assert "Traceback" not in done.text

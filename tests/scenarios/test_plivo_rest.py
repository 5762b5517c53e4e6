"""Plivo's own package drives the REST API of a running daemon, on calls of Plivo's and on recordings of theirs.

Way B of spec 5.3: four constants of its client say where Plivo is.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import plivo
import pytest
from plivo.exceptions import (
    AuthenticationError,
    InvalidRequestError,
    PlivoRestError,
    ResourceNotFoundError,
    ValidationError,
)
from plivo.rest import client as plivo_client

from controller.recordings.model import State
from controller.softswitch.script import Tone
from tests.harness.audio import read_wav
from tests.harness.receiver import Answer
from tests.harness.switch import Call, Switch
from tests.scenarios.daemon import Daemon
from tests.scenarios.plivo import AUTH_ID, AUTH_TOKEN, prepare

PLACES = (
    "PLIVO_API_BASE_URI",
    "API_VOICE_BASE_URI",
    "API_VOICE_BASE_URI_FALLBACK_1",
    "API_VOICE_BASE_URI_FALLBACK_2",
)
WAITS = "<GetDigits timeout='120'/>"
"""It answers, and waits: a Wait in its place would not answer."""
SECONDS = 1.5
"""How long something is recorded."""


@dataclass(slots=True)
class Line:
    """A call that is up, and Plivo's client as an application has it."""

    daemon: Daemon
    caller: Call
    uuid: str
    client: plivo.RestClient

    async def ask(self, verb: Callable[..., Any], *given: Any, **named: Any) -> Any:
        """One request, in a thread: the client blocks."""
        return await asyncio.to_thread(lambda: verb(*given, **named))

    async def record(self, **parameters: Any) -> Any:
        return await self.ask(self.client.calls.record, self.uuid, **parameters)

    async def stop(self) -> Any:
        return await self.ask(self.client.calls.record_stop, self.uuid)

    async def refused(self, kind: type[Exception], verb: Callable[..., Any], *given: Any, **named: Any) -> str:
        """A request that the client raises for; its words."""
        with pytest.raises(kind) as caught:
            await self.ask(verb, *given, **named)
        return str(caught.value)

    async def ready(self, *recordings: str) -> None:
        """Wait until these are listed."""

        def listed() -> set[str]:
            return {one.recording_id for one in self.client.recordings.list()}

        async with asyncio.timeout(20):
            while not set(recordings) <= await asyncio.to_thread(listed):
                await asyncio.sleep(0.05)

    async def made(self) -> str:
        """A recording that was started and stopped, and is ready."""
        recording: str = (await self.record(time_limit=300)).recording_id
        await asyncio.sleep(SECONDS)
        await self.stop()
        await self.ready(recording)
        return recording


@pytest.fixture
def client(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], plivo.RestClient]]:
    """Makes clients of a daemon that runs."""
    with contextlib.ExitStack() as stack:

        def made(token: str = AUTH_TOKEN) -> plivo.RestClient:
            for name in PLACES:
                monkeypatch.setattr(plivo_client, name, f"{daemon.url}/v1/Account")
            return stack.enter_context(plivo.RestClient(AUTH_ID, token))

        yield made


@pytest.fixture
def line(daemon: Daemon, switch: Switch, client: Callable[[], plivo.RestClient]) -> Callable[..., Any]:
    """Starts the daemon and has somebody call, who speaks; returns when the call is answered."""

    async def up(document: str = WAITS, **changes: Any) -> Line:
        prepare(daemon, document, **changes)
        await daemon.start()
        caller = await switch.call(script=(Tone(120.0, 440.0),))
        uuid = ""

        def answered() -> bool:
            nonlocal uuid
            with contextlib.closing(sqlite3.connect(daemon.data / "fsrec.db")) as store:
                row = store.execute("SELECT id FROM calls WHERE leg = ?", (caller.leg,)).fetchone()
            found = daemon.app.desk.find(row[0]) if row and daemon.app else None
            uuid = row[0] if row else ""
            return found is not None and found.info.answered

        await daemon.until(answered)
        return Line(daemon, caller, uuid, client())

    return up


async def test_the_life_of_a_recording(line: Callable[..., Any], switch: Switch, tmp_path: Path) -> None:
    """Started, stopped, told in snake_case, listed, got, downloaded and deleted, each as Plivo's client has it."""
    up = await line()
    url = up.daemon.receiver.url("/cb")
    started = await up.record(time_limit=40, file_format="wav", callback_url=url, record_channel_type="stereo")
    root = f"/v1/Account/{AUTH_ID}/Recording/{started.recording_id}"
    assert started.message == "call recording started"
    assert started.url == f"{up.daemon.url}{root}.wav"
    assert "not ready" in await up.refused(ResourceNotFoundError, up.client.recordings.get, started.recording_id)
    assert "stop it" in await up.refused(InvalidRequestError, up.client.recordings.delete, started.recording_id)
    await asyncio.sleep(SECONDS)
    assert await up.stop() is None
    (told,) = await up.daemon.receiver.wait("/cb")
    assert set(told.form) == {
        *("api_id", "record_url", "call_uuid", "recording_id"),
        *("recording_duration", "recording_duration_ms", "recording_start_ms", "recording_end_ms"),
    }
    assert (told.form["api_id"], told.form["record_url"]) == (started.api_id, started.url)
    assert (told.form["call_uuid"], told.form["recording_id"]) == (up.uuid, started.recording_id)

    got = await up.ask(up.client.recordings.get, started.recording_id)
    assert (got.id, got.call_uuid, got.recording_url) == (started.recording_id, up.uuid, started.url)
    assert (got.from_number, got.to_number, got.resource_uri) == ("15551230000", "1001", f"{root}/")
    assert (got.recording_format, got.recording_type, got.rounded_recording_duration) == ("wav", "call", 60)
    for name in ("duration", "start", "end"):
        assert getattr(got, f"recording_{name}_ms") == told.form[f"recording_{name}_ms"] + ".00000"
    listed = await up.ask(up.client.recordings.list)
    (only,) = listed.objects
    of_one = {"client", "api_id"}
    assert {key: one for key, one in vars(got).items() if key not in of_one} == {
        key: one for key, one in vars(only).items() if key not in of_one
    }
    assert listed.meta.total_count == 1

    path = tmp_path / "got.wav"
    assert await up.daemon.fetch(got.recording_url, path) == 200
    sound = read_wav(path)
    assert sound.channels == 2
    assert abs(sound.seconds * 1000 - float(got.recording_duration_ms)) < 1
    assert await up.daemon.fetch(got.recording_url.replace(".wav", ".mp3"), path) == 200
    assert path.read_bytes()[:3] == b"ID3" or path.read_bytes()[0] == 0xFF

    assert await up.ask(got.delete) is None
    await up.refused(ResourceNotFoundError, up.client.recordings.get, started.recording_id)
    assert await up.daemon.fetch(started.url, path) == 404
    assert list(switch.recordings.glob("*.wav")) == []
    assert up.caller.alive


async def test_time_limit(line: Callable[..., Any]) -> None:
    """A recording ends by itself at its time_limit, and its call goes on."""
    up = await line()
    started = await up.record(time_limit=2, callback_url=up.daemon.receiver.url("/cb"))
    (told,) = await up.daemon.receiver.wait("/cb", timeout=30)
    assert abs(int(told.form["recording_duration_ms"]) - 2000) < 300
    assert told.form["recording_id"] == started.recording_id
    assert up.caller.alive


async def test_lists(line: Callable[..., Any]) -> None:
    """By pages, by cursor, by each filter; the client walks through all of them by itself."""
    up = await line()
    newest = [await up.made() for _ in range(3)][::-1]
    client = up.client

    async def ids(**filters: Any) -> list[str]:
        return [one.recording_id for one in await up.ask(client.recordings.list, **filters)]

    assert await ids() == newest
    first = await up.ask(client.recordings.list, limit=2)
    assert [one.recording_id for one in first] == newest[:2]
    assert (first.meta.total_count, first.meta.previous) == (3, None)
    assert first.meta.next.startswith(f"/v1/Account/{AUTH_ID}/Recording/?limit=2&offset=2&cursor=")
    assert await ids(limit=2, offset=2) == newest[2:]
    assert await ids(limit=2, offset=None, cursor=first.meta.next.rpartition("cursor=")[2]) == newest[2:]
    assert [one.recording_id for one in await up.ask(lambda: list(client.recordings))] == newest

    assert await ids(call_uuid=up.uuid) == newest
    assert await ids(call_uuid=newest[0]) == []
    assert await ids(from_number="+15551230000", to_number="1001") == newest
    assert await ids(from_number="1001") == []
    assert await ids(conference_name="room") == []
    assert await ids(recording_storage_duration=1, recording_storage_duration__lt=2) == newest
    assert await ids(recording_storage_duration__gt=1) == []
    now = datetime.now(UTC).replace(tzinfo=None)
    assert await ids(add_time__gt=now - timedelta(minutes=10), add_time__lte=now + timedelta(minutes=1)) == newest
    assert await ids(add_time__lt=now - timedelta(minutes=10)) == []
    middle = datetime.fromisoformat((await up.ask(client.recordings.get, newest[1])).add_time)
    assert await ids(add_time__gt=middle) == newest[:1]
    assert await ids(add_time__gte=middle) == newest[:2]
    assert await ids(add_time__lt=middle) == newest[2:]
    assert "cursor" in await up.refused(ValidationError, client.recordings.list, cursor="x")


async def test_refusals(line: Callable[..., Any], client: Callable[..., plivo.RestClient]) -> None:
    """What is wrong is raised as Plivo's client raises it, with our words; nothing is recorded for it."""
    up = await line()
    calls = up.client.calls
    assert "call not found" in await up.refused(ResourceNotFoundError, calls.record, "u-1")
    assert "call not found" in await up.refused(ResourceNotFoundError, calls.record_stop, "u-1")
    assert "time_limit" in await up.refused(ValidationError, calls.record, up.uuid, time_limit=-1)
    assert "file_format" in await up.refused(ValidationError, calls.record, up.uuid, file_format="ogg")
    assert "callback_url" in await up.refused(ValidationError, calls.record, up.uuid, callback_url="ftp://x/")
    await up.refused(ResourceNotFoundError, up.client.recordings.get, "c2186400-1c8c-11e4-a664-0026b945b52x")
    stranger = client("wrong")
    await up.refused(AuthenticationError, stranger.calls.record, up.uuid)
    assert up.daemon.unfinished() == []
    await up.caller.hangup()
    await up.caller.ended()
    assert "call not found" in await up.refused(ResourceNotFoundError, calls.record, up.uuid)


async def test_a_document_goes_on_beside(line: Callable[..., Any], switch: Switch) -> None:
    """All of a call's recordings are stopped, what its document began too; what plays on it goes on."""
    up = await line("<Record recordSession='true'/>" + WAITS)
    async with asyncio.timeout(10):
        while not list(switch.recordings.glob("*.wav")):
            await asyncio.sleep(0.05)
    mine = (await up.record()).recording_id
    await asyncio.sleep(SECONDS)
    await up.stop()
    await up.daemon.until(lambda: not up.daemon.unfinished())
    listed = await up.ask(up.client.recordings.list)
    assert (len(listed), listed.meta.total_count) == (2, 2)
    assert mine in {one.recording_id for one in listed}
    assert await up.stop() is None, "that nothing runs is what was wished"
    assert up.caller.alive


# --- the same start again -------------------------------------------------------------------------------------------


async def test_who_was_dialled(line: Callable[..., Any], daemon: Daemon) -> None:
    """Recorded and stopped by DialBLegUUID: what is recorded of the call that dialled goes on."""
    told = daemon.receiver.url("/dial")
    up = await line(f"<Record recordSession='true'/><Dial callbackUrl='{told}'><Number>2000</Number></Dial>")
    [answered] = await daemon.receiver.wait("/dial", 1)
    other = answered.form["DialBLegUUID"]
    started = (await up.ask(up.client.calls.record, other, time_limit=300)).recording_id
    await asyncio.sleep(SECONDS)
    await up.ask(up.client.calls.record_stop, other)
    await up.ready(started)
    assert daemon.app is not None
    [session] = daemon.app.recordings.active(up.uuid)
    assert session.state is State.RECORDING
    await up.stop()
    await up.ready(session.id)


async def test_what_the_client_repeats(line: Callable[..., Any], switch: Switch) -> None:
    """A 5xx is "re-sent at once: 3 requests in total" (spec 3.5): one recording comes of it, which all are told."""
    up = await line()
    asked = {"time_limit": 300, "callback_url": up.daemon.receiver.url("/cb")}
    send, answers = up.client.send_request, []

    def lost(request: Any, **options: Any) -> Any:
        response = send(request, **options)
        answers.append(response.json())
        if len(answers) < 3:  # what stands between them says that it went wrong
            response.status_code = 502
        return response

    up.client.send_request = lost
    started = await up.record(**asked)
    assert len(answers) == 3
    assert {one["recording_id"] for one in answers} == {started.recording_id}
    assert {one["api_id"] for one in answers} == {started.api_id}
    assert [path.stem for path in switch.recordings.glob("*.wav")] == [started.recording_id]
    up.client.send_request = send
    again = await asyncio.gather(*(up.record(**asked) for _ in range(5)))
    assert {one.recording_id for one in again} == {started.recording_id}
    other = await up.record(**{**asked, "time_limit": 301})
    assert other.recording_id != started.recording_id
    at_once = await asyncio.gather(*(up.record(time_limit=302) for _ in range(5)))
    assert len({one.recording_id for one in at_once}) == 1
    assert len(list(switch.recordings.glob("*.wav"))) == 3
    await asyncio.sleep(SECONDS)
    await up.stop()
    await up.ready(started.recording_id, other.recording_id)
    after = await up.record(**asked)
    assert after.recording_id not in {started.recording_id, other.recording_id}, "a start after a stop is a new one"
    assert len(await up.daemon.receiver.wait("/cb", 2)) == 2


async def test_starts_over_a_restart(line: Callable[..., Any], switch: Switch) -> None:
    """The next daemon knows what was started a moment ago."""
    up = await line()
    started = await up.record(time_limit=300)
    up.daemon.port = int(up.daemon.url.rpartition(":")[2])
    await up.daemon.stop()
    await up.daemon.start()
    again = await up.record(time_limit=300)
    assert (again.recording_id, again.api_id) == (started.recording_id, started.api_id)
    assert len(list(switch.recordings.glob("*.wav"))) == 1
    await asyncio.sleep(SECONDS)
    await up.stop()
    await up.ready(started.recording_id)


async def test_while_the_switch_is_away(line: Callable[..., Any], switch: Switch) -> None:
    """A start that cannot be now is a 5xx, which the client repeats in vain; nothing comes of any of them."""
    up = await line()
    await switch.refuse_links()
    await switch.cut_links()
    await up.daemon.until(lambda: bool(up.daemon.problems()))
    assert "503" in await up.refused(PlivoRestError, up.client.calls.record, up.uuid)
    await switch.refuse_links(False)
    await up.daemon.until(lambda: not up.daemon.problems())
    assert up.daemon.unfinished() == []
    up.client.voice_retry_count = 0  # the client never does
    started = await up.record()
    await asyncio.sleep(SECONDS)
    await up.stop()
    await up.ready(started.recording_id)


# --- transcriptions -------------------------------------------------------------------------------------------------


async def test_transcriptions(line: Callable[..., Any], daemon: Daemon) -> None:
    """Wished with the start or asked for afterwards: told, got, deleted; the text is the engine's."""
    heard = "/v1/audio/transcriptions"
    daemon.receiver.plan(heard, Answer(200, b'{"text": "Hello there."}', {"Content-Type": "application/json"}))
    engine = {"engine": "openai", "url": daemon.receiver.url(""), "charge": 0.01, "rate": 0.05}
    up = await line(transcription=engine)
    transcriptions, url = up.client.transcriptions, daemon.receiver.url("/text")
    started = await up.record(transcription_type="auto", transcription_url=url)
    identity = started.recording_id
    await up.refused(ResourceNotFoundError, transcriptions.get_transcription, identity)
    await asyncio.sleep(SECONDS)
    await up.stop()
    (told,) = await daemon.receiver.wait("/text", timeout=30)
    assert (told.form["recording_id"], told.form["transcription"], told.form["error"]) == (
        identity,
        "Hello there.",
        "",
    )
    got = await up.ask(transcriptions.get_transcription, identity)
    assert (got.status, got.transcription, got.rate, got.cost) == ("success", "Hello there.", 0.05, 0.06)
    assert isinstance(got.recording_duration_ms, int)
    assert (await up.ask(transcriptions.delete_transcription, identity)).message == "request accepted"
    await up.refused(ResourceNotFoundError, transcriptions.get_transcription, identity)

    later = daemon.receiver.url("/later")
    asked = await up.ask(transcriptions.create_transcription, identity, transcription_callback_url=later)
    assert asked.message == "transcription in progress"
    (told,) = await daemon.receiver.wait("/later", timeout=30)
    assert told.form["transcription"] == "Hello there."
    await up.refused(ResourceNotFoundError, transcriptions.create_transcription, up.uuid)

"""Plivo's REST API: paths, credentials, bodies, errors; what they ask of the rest, and show of it."""

from __future__ import annotations

import asyncio
import base64
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode

import orjson
import pytest
from plivo import RestClient

from controller.dialects.plivo import rest
from controller.documents.call import Call, CallInfo, CallState
from controller.documents.dialect import Account
from controller.http import plivo
from controller.http.plivo import Fitting, Page
from controller.media.variants import Variant
from controller.recordings.model import (
    Channels,
    EndReason,
    Measured,
    Recording,
    RecordingRequest,
    State,
    StatusTarget,
    Track,
    Transcription,
    TranscriptionState,
    TranscriptionWish,
    Wish,
)
from controller.recordings.ports import LedgerFailed, LegGone, MediaAway, NoRoom, NotPossible, SwitchAway, TooMany
from tests.http.conftest import Answer, Rooms, Serve, ask

MINE = Account("p", "plivo", "MAXXXXXXXXXXXXXXXXXX", token="p-token")
OTHER = Account("q", "plivo", "MAYYYYYYYYYYYYYYYYYY", token="q-token")
TWILIO = Account("t", "twilio", "AC" + "a" * 32, token="t-token")
TOKENLESS = Account("open", "plivo", "MAZZZZZZZZZZZZZZZZZZ")
ACCOUNTS = (MINE, OTHER, TWILIO, TOKENLESS)
CALL = "43bb71ee-553f-4074-bb20-8e2747647cce"
ID = "19e436af-5688-4307-b03b-bdb2b42b8142"
PUBLIC = "https://rec.example.com"
AUDIO = b"RIFF, and what follows"
ON_CALL = f"/Call/{CALL}/Record/"


def call_of(**changes: Any) -> Call:
    info = CallInfo("1001", caller_number="+14155550100", answered=True)
    made = Call(CALL, "fs1", "leg", MINE.name, "plivo", "d", "", info, CallState.RUNNING, 1.0)
    return replace(made, **changes)


def recording_of(identity: str = ID, **changes: Any) -> Recording:
    request = RecordingRequest(Channels.MONO, Track.BOTH, "mp3", "api-id", "PlivoRecordAPI")
    owner = call_of().owner("session")
    made = Recording(identity, owner, request, State.RECORDING, f"/r/{identity}.wav", 100.0, started_at=100.0)
    return replace(made, **changes)


READY: dict[str, Any] = {
    "state": State.COMPLETED,
    "measured": Measured(4.0, len(AUDIO), 1),
    "ended_at": 104.0,
    "finished_at": 105.0,
    "reason": EndReason.API,
}


@dataclass
class Control:
    """One call and what is recorded of it; keeps what was asked, and fails as it is told to."""

    path: Path
    call: Call | None = field(default_factory=call_of)
    recordings: dict[str, Recording] = field(default_factory=dict)
    asked: list[Any] = field(default_factory=list)
    failures: dict[str, Exception] = field(default_factory=dict)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    transcription: Transcription | None = None
    total: int = 0

    def _do(self, *asked: Any) -> None:
        self.asked.append(asked)
        if asked[0] in self.failures:
            raise self.failures[asked[0]]

    @property
    def started(self) -> list[RecordingRequest]:
        return [one[2] for one in self.asked if one[0] == "start"]

    async def call_of(self, account: str, call_id: str) -> Call | None:
        return self.call if self.call is not None and (account, call_id) == (MINE.name, self.call.id) else None

    async def recording_of(self, account: str, recording_id: str) -> Recording | None:
        return self.recordings.get(recording_id) if account == MINE.name else None

    async def added(
        self, account: str, fitting: Fitting, *, limit: int, offset: int, behind: tuple[float, str] | None
    ) -> Page:
        self._do("added", account, fitting, limit, offset, behind)
        rows = list(self.recordings.values())
        if behind is not None:
            offset = [one.id for one in rows].index(behind[1]) + 1
        return Page(rows[offset : offset + limit], self.total or len(rows))

    async def recent(self, call: Call, seconds: float) -> Sequence[Recording]:
        assert seconds == 10.0
        return list(self.recordings.values())

    async def active(self, call_id: str) -> Sequence[Recording]:
        return [one for one in self.recordings.values() if one.state.active and call_id == CALL]

    async def start(
        self, call: Call, request: RecordingRequest, dialect: str, identity: str, *, within: float
    ) -> Recording:
        self._do("start", call.id, request, dialect, within)
        await self.gate.wait()
        self.recordings[identity] = recording_of(identity, request=request)
        return self.recordings[identity]

    async def stop(self, recording_id: str, reason: EndReason) -> Recording:
        self._do("stop", recording_id, reason)
        stopped = replace(self.recordings[recording_id], state=State.STOPPING, reason=reason)
        self.recordings[recording_id] = stopped
        return stopped

    async def delete(self, recording_id: str) -> bool:
        self._do("delete", recording_id)
        return True

    async def variant(self, recording: Recording, form: str, channels: int | None) -> Variant:
        self._do("variant", recording.id, form, channels)
        return Variant(self.path, form, form)

    # Transcriptions

    async def request(self, recording_id: str, account: str, target: StatusTarget | None) -> Transcription:
        self._do("request", recording_id, account, target)
        return Transcription(recording_id, account, TranscriptionState.WAITING, 1.0, target)

    async def get(self, recording_id: str, account: str) -> Transcription | None:
        return self.transcription if account == MINE.name else None

    async def delete_transcription(self, recording_id: str, account: str) -> bool:
        self._do("forget", recording_id, account)
        return self.transcription is not None


@dataclass
class Desk:
    """The transcriptions' own face of the control."""

    control: Control

    async def request(self, recording: str, account: str, target: StatusTarget | None) -> Transcription | None:
        return await self.control.request(recording, account, target)

    async def get(self, recording: str, account: str) -> Transcription | None:
        return await self.control.get(recording, account)

    async def delete(self, recording: str, account: str) -> bool:
        return await self.control.delete_transcription(recording, account)


@dataclass
class Client:
    """A client of one account."""

    control: Control
    port: int
    account: Account = MINE

    async def ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        *,
        auth: bool = True,
        of: Account | None = None,
    ) -> Answer:
        word = base64.b64encode(f"{self.account.identity}:{self.account.token}".encode()).decode()
        sent = {**({"Authorization": f"Basic {word}"} if auth else {}), **(headers or {})}
        return await ask(self.port, method, f"/v1/Account/{(of or self.account).identity}{path}", sent, body)

    async def json(self, method: str, path: str, fields: Any = None) -> Answer:
        body = b"" if fields is None else orjson.dumps(fields)
        return await self.ask(method, path, body, {"Content-Type": "application/json"})


@pytest.fixture
async def client(rooms: Rooms, serve: Serve, tmp_path: Path) -> Client:
    """A client; its call has no recording yet."""
    path = tmp_path / "audio"
    path.write_bytes(AUDIO)
    control = Control(path)
    control.gate.set()

    def register(router: Any, downloads: Any) -> None:
        plivo.register(router, downloads, control, Desk(control), ACCOUNTS, PUBLIC)

    return Client(control, (await serve(register=[register])).port)


def read(answer: Answer) -> Any:
    return orjson.loads(answer.body)


def refused(answer: Answer) -> tuple[int, str]:
    """Status and text of an error in Plivo's shape."""
    body = read(answer)
    assert set(body) == {"api_id", "error"}
    assert len(body["api_id"]) == 36
    return answer.status, body["error"]


# --- paths, credentials, bodies -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [ON_CALL, ON_CALL.removesuffix("/"), ON_CALL.replace(CALL, CALL.upper())])
async def test_both_spellings_of_a_path(client: Client, path: str) -> None:
    """With or without a slash at its end; the letters of an id are the same in either case."""
    assert (await client.json("POST", path, {})).status == 202
    (one,) = client.control.recordings
    assert (await client.json("GET", "/Recording", {})).status == 200
    client.control.recordings[one] = recording_of(one, **READY)
    assert (await client.json("GET", f"/Recording/{one.upper()}")).status == 200


CREDENTIALS = [
    "",
    "Basic",
    "Basic !",
    "Bearer x",
    "Basic " + base64.b64encode(b"x:y").decode(),
    "Basic " + base64.b64encode(f"{MINE.identity}:q-token".encode()).decode(),
    "Basic " + base64.b64encode(f"{TOKENLESS.identity}:".encode()).decode(),
    "Basic " + base64.b64encode(f"{TWILIO.identity}:t-token".encode()).decode(),
]


@pytest.mark.parametrize("credentials", CREDENTIALS)
@pytest.mark.parametrize("path", [ON_CALL, "/Recording/", f"/Recording/{ID}/", f"/Transcription/{ID}/", "/Nowhere/"])
async def test_without_credentials(client: Client, credentials: str, path: str) -> None:
    """401 with a challenge, whether there is anything at the path or not; nothing is asked of the rest."""
    for method in ("GET", "POST", "DELETE"):
        answer = await client.ask(method, path, headers={"Authorization": credentials})
        assert refused(answer)[0] == 401
        assert answer.headers["Www-Authenticate"].startswith("Basic ")
    assert client.control.asked == []


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/Nowhere/",
        "/Call/",
        f"/Call/{CALL}/",
        f"/Call/{CALL}/Record/x/",
        f"/Call//{CALL}/Record/",
        f"/Recording/{ID}/x/",
        "/Recording//",
        "/Recording/x/",
        "/Recording/%2e%2e%2fetc/",
        f"/Recording/{ID}/",
        f"/Recording/{ID[:-1]}/",
        f"/Recording/{ID}//",
        f"/Transcription/{ID}/",
        "/Transcription/",
    ],
)
async def test_what_is_not_there(client: Client, path: str) -> None:
    """404 in Plivo's shape."""
    assert refused(await client.ask("GET", path))[0] == 404


async def test_other_accounts(client: Client) -> None:
    """With good credentials another account's paths, calls and recordings do not exist."""
    client.control.recordings[ID] = recording_of(**READY)
    stranger = replace(client, account=OTHER)
    for method, path in (
        ("POST", ON_CALL),
        ("DELETE", ON_CALL),
        ("GET", f"/Recording/{ID}/"),
        ("DELETE", f"/Recording/{ID}/"),
        ("GET", f"/Recording/{ID}.mp3"),
        ("POST", f"/Transcription/{ID}/"),
        ("GET", f"/Transcription/{ID}/"),
    ):
        assert refused(await stranger.ask(method, path))[0] == 404
    assert refused(await stranger.ask("GET", "/Recording/", of=MINE))[0] == 404
    assert client.control.asked == []


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        (ON_CALL, "POST, DELETE"),
        ("/Recording/", "GET, HEAD"),
        (f"/Recording/{ID}/", "GET, HEAD, DELETE"),
        (f"/Transcription/{ID}/", "POST, GET, HEAD, DELETE"),
    ],
)
async def test_other_methods(client: Client, path: str, allowed: str) -> None:
    """405, and which are allowed."""
    answer = await client.ask("PUT", path)
    assert refused(answer)[0] == 405
    assert answer.headers["Allow"] == allowed


WISHES: dict[str, Any] = {
    "time_limit": 40,
    "file_format": "wav",
    "transcription_type": "auto",
    "transcription_url": "https://app.example/t",
    "transcription_method": "GET",
    "callback_url": "https://app.example/cb?x=1",
    "callback_method": "get",
    "record_channel_type": "stereo",
}


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "form"])
async def test_bodies(client: Client, kind: str) -> None:
    """A form and JSON say the same; what Plivo's clients send beyond, and what nobody knows, is left alone."""
    fields = {"call_uuid": CALL, **WISHES, "unknown": "1"}
    if kind == "form":
        kind, body = "application/x-www-form-urlencoded", urlencode(fields).encode()
    else:
        body = orjson.dumps(fields)
    assert (await client.ask("POST", ON_CALL, body, {"Content-Type": kind})).status == 202
    (request,) = client.control.started
    assert replace(request, reference="") == RecordingRequest(
        Channels.DUAL,
        Track.BOTH,
        "wav",
        "",
        "PlivoRecordAPI",
        max_length=40.0,
        status=StatusTarget("https://app.example/cb?x=1", "GET"),
        transcription=TranscriptionWish(StatusTarget("https://app.example/t", "GET")),
    )


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("application/json", b"[", 400),
        ("application/json", b"[1]", 400),
        ("application/json", b'{"time_limit": {"a": 1}}', 400),
        ("application/json", b'{"time_limit": 40.5}', 400),
        ("application/json", b"{" + b",".join(b'"a%d": 1' % n for n in range(200)) + b"}", 400),
        ("application/x-www-form-urlencoded", b"time_limit=%ff%fe", 400),
        ("multipart/form-data; boundary=x", b"--x--\r\n", 415),
        ("application/json", b'{"a": "' + b"x" * 70_000 + b'"}', 413),
        ("application/json", b'{"time_limit": 0}', 400),
        ("application/json", b'{"callback_url": "file:///etc/passwd"}', 400),
    ],
)
async def test_bodies_that_are_refused(client: Client, kind: str, body: bytes, status: int) -> None:
    """Each in Plivo's shape, and nothing is started or stopped."""
    for method in ("POST", "DELETE") if body[:13] not in {b'{"time_limit"', b'{"callback_ur'} else ("POST",):
        assert refused(await client.ask(method, ON_CALL, body, {"Content-Type": kind}))[0] == status
    assert client.control.asked == []


# --- starting and stopping ------------------------------------------------------------------------------------------


async def test_a_start(client: Client) -> None:
    """202 with all that Plivo tells; the id of the request is the recording's reference, which its callback tells."""
    answer = await client.json("POST", ON_CALL, {"call_uuid": CALL})
    ((_, call, request, dialect, _),) = client.control.asked
    (identity,) = client.control.recordings
    assert (call, dialect) == (CALL, "plivo")
    assert answer.status == 202
    assert read(answer) == {
        "url": f"{PUBLIC}/v1/Account/{MINE.identity}/Recording/{identity}.mp3",
        "message": "call recording started",
        "recording_id": identity,
        "api_id": request.reference,
    }
    assert (request.format, request.max_length, request.channels) == ("mp3", 60.0, Channels.MONO)


@pytest.mark.parametrize(
    "call",
    [None, call_of(state=CallState.ENDED, ended_at=5.0), call_of(cause="NORMAL_CLEARING")],
    ids=["unknown", "ended", "hung up"],
)
async def test_calls_that_are_not_live(client: Client, call: Call | None) -> None:
    """404 and Plivo's words, for a start and for a stop."""
    client.control.call = call
    assert refused(await client.json("POST", ON_CALL, {})) == (404, "call not found")
    assert refused(await client.json("DELETE", ON_CALL, {"call_uuid": CALL})) == (404, "call not found")
    assert refused(await client.json("POST", "/Call/x/Record/", {})) == (404, "call not found")
    assert client.control.asked == []


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (TooMany("10 run"), 422),
        (NotPossible("it is on hold"), 422),
        (NoRoom("the disk is full"), 503),
        (SwitchAway("no link"), 503),
        (LedgerFailed("locked"), 503),
    ],
    ids=lambda one: type(one).__name__,
)
async def test_starts_that_fail(client: Client, failure: Exception, status: int) -> None:
    """Each says why; only what may go better later, and of which nothing has begun, is a 5xx."""
    client.control.failures["start"] = failure
    answer = await client.json("POST", ON_CALL, {})
    assert refused(answer)[0] == status
    assert str(failure) in read(answer)["error"]


async def test_a_call_that_ends_meanwhile(client: Client) -> None:
    """A start that is refused because the call has ended just now is told as any of a call that is not live."""
    client.control.failures["start"] = LegGone("the call has ended")
    assert refused(await client.json("POST", ON_CALL, {})) == (404, "call not found")
    assert len(client.control.started) == 1


async def test_a_start_is_answered_while_its_client_waits(client: Client) -> None:
    """Plivo's client gives up after its time, of a recording that it then would not know: before that it is told."""
    patience = inspect.signature(RestClient).parameters["timeout"].default
    assert (await client.json("POST", ON_CALL, {})).status == 202
    ((*_, within),) = [asked for asked in client.control.asked if asked[0] == "start"]
    assert within <= patience - 1


async def test_the_same_start_again(client: Client) -> None:
    """It answers with the recording that runs, with all that it answered before; other parameters are another."""
    first = read(await client.json("POST", ON_CALL, WISHES))
    assert read(await client.json("POST", ON_CALL, WISHES)) == first
    assert read(await client.json("POST", ON_CALL, {**WISHES, "call_uuid": CALL, "unknown": "x"})) == first
    other = read(await client.json("POST", ON_CALL, {**WISHES, "time_limit": 41}))
    assert other["recording_id"] != first["recording_id"]
    assert len(client.control.started) == 2


async def test_the_same_start_at_once(client: Client) -> None:
    """However many come while the first is under way: there is one recording, and all are told it."""
    client.control.gate.clear()
    asking = [asyncio.create_task(client.json("POST", ON_CALL, WISHES)) for _ in range(20)]
    while not client.control.started:
        await asyncio.sleep(0.002)
    client.control.gate.set()
    answers = [await one for one in asking]
    assert {one.status for one in answers} == {202}
    assert len({one.body for one in answers}) == 1
    assert len(client.control.started) == len(client.control.recordings) == 1


async def test_the_same_start_that_fails_at_once(client: Client) -> None:
    """A failure is told to all who asked for the same; the next one is tried again."""
    client.control.failures["start"] = SwitchAway("no link")
    answers = await asyncio.gather(*(client.json("POST", ON_CALL, WISHES) for _ in range(5)))
    assert {one.status for one in answers} == {503}
    client.control.failures.clear()
    assert (await client.json("POST", ON_CALL, WISHES)).status == 202


async def test_a_start_that_nobody_waits_for(client: Client) -> None:
    """A request that ends before its start leaves that to the next one that asks for the same."""
    control = client.control
    api = plivo.PlivoApi(control, Desk(control), ACCOUNTS, cast("Any", None), PUBLIC)
    control.gate.clear()
    wish = rest.creation({}, MINE, "api-1")
    gone, asking = (asyncio.create_task(api._start(call_of(), wish)) for _ in range(2))
    while not control.started:
        await asyncio.sleep(0.002)
    gone.cancel()
    await asyncio.wait((gone,))
    control.gate.set()
    assert (await asking).request == wish
    assert len(control.started) == 1


SAME = [
    ({}, True),
    ({"state": State.REQUESTED, "started_at": None}, True),
    ({**READY, "reason": EndReason.MAX_LENGTH}, True),
    ({"state": State.STOPPING, "reason": EndReason.API}, False),
    ({"wish": Wish(stop=EndReason.API)}, False),
    (READY, False),
    ({"state": State.FAILED, "reason": EndReason.ERROR}, False),
    ({**READY, "reason": EndReason.SWITCH_LOST}, False),
]


@pytest.mark.parametrize(("changes", "same"), SAME)
async def test_what_is_still_the_same(client: Client, changes: dict[str, Any], same: bool) -> None:
    """A start after a stop, or after a failure, is a new wish; one that reached its length is done, not undone."""
    first = read(await client.json("POST", ON_CALL, WISHES))["recording_id"]
    client.control.recordings[first] = replace(client.control.recordings[first], **changes)
    again = read(await client.json("POST", ON_CALL, WISHES))["recording_id"]
    assert (again == first) is same


async def test_what_a_document_records_is_never_a_starts(client: Client) -> None:
    """A recording of a `<Record>` with just these values is another."""
    first = read(await client.json("POST", ON_CALL, {}))["recording_id"]
    of_api = client.control.recordings[first]
    client.control.recordings[first] = replace(of_api, request=replace(of_api.request, source="PlivoRecordSession"))
    assert read(await client.json("POST", ON_CALL, {}))["recording_id"] != first


SECOND, THIRD = (f"00000000-0000-4000-8000-00000000000{number}" for number in (2, 3))


async def test_a_stop(client: Client) -> None:
    """204 without a body: all that runs on the call is stopped; that nothing runs is no error of who wants that."""
    client.control.recordings = {ID: recording_of(), SECOND: recording_of(SECOND, state=State.PAUSED)}
    client.control.recordings["x"] = recording_of("x", **READY)
    answer = await client.json("DELETE", ON_CALL, {"call_uuid": CALL})
    assert (answer.status, answer.body) == (204, b"")
    assert client.control.asked == [("stop", ID, EndReason.API), ("stop", SECOND, EndReason.API)]
    assert (await client.ask("DELETE", ON_CALL)).status == 204
    assert len(client.control.asked) == 2


@pytest.mark.parametrize(("call", "stopped"), [(CALL, [ID, SECOND]), (THIRD, [SECOND])])
async def test_stopping_at_who_was_dialled(client: Client, call: str, stopped: list[str]) -> None:
    """Those of that leg, though they are told as the dialling call's, whose own go on; its stop is of all."""
    dialled = call_of(id=THIRD, leg=THIRD, parent=CALL)
    client.control.recordings = {ID: recording_of(), SECOND: recording_of(SECOND, owner=dialled.owner("session"))}
    client.control.call = call_of() if call == CALL else dialled
    assert (await client.json("DELETE", f"/Call/{call}/Record/", {})).status == 204
    assert [one[1] for one in client.control.asked] == stopped


@pytest.mark.parametrize("how", ["json", "form", "query"])
@pytest.mark.parametrize("form", ["mp3", "wav"])
async def test_stopping_one(client: Client, how: str, form: str) -> None:
    """By its URL alone, wherever that stands; the others go on."""
    client.control.recordings = {ID: recording_of(), SECOND: recording_of(SECOND)}
    fields = {"URL": f"{PUBLIC}/v1/Account/{MINE.identity}/Recording/{SECOND}.{form}"}
    if how == "json":
        answer = await client.json("DELETE", ON_CALL, fields)
    elif how == "form":
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = await client.ask("DELETE", ON_CALL, urlencode(fields).encode(), kind)
    else:
        answer = await client.ask("DELETE", f"{ON_CALL}?{urlencode(fields)}")
    assert answer.status == 204
    assert client.control.asked == [("stop", SECOND, EndReason.API)]


@pytest.mark.parametrize(
    "url",
    [
        f"{PUBLIC}/v1/Account/{MINE.identity}/Recording/{SECOND}.mp3",
        "https://elsewhere.example/x.mp3",
        "\x00",
        "x" * 10_000,
    ],
)
async def test_stopping_what_does_not_run(client: Client, url: str) -> None:
    """404, and what does run goes on."""
    client.control.recordings = {ID: recording_of()}
    assert refused(await client.json("DELETE", ON_CALL, {"URL": url}))[0] == 404
    assert client.control.asked == []


async def test_stops_that_fail(client: Client) -> None:
    """Each recording is tried; one that ended meanwhile is what was wished, others are told."""
    client.control.recordings = {ID: recording_of(), SECOND: recording_of(SECOND)}
    client.control.failures["stop"] = NotPossible("the recording has ended")
    assert (await client.json("DELETE", ON_CALL, {})).status == 204
    client.control.failures["stop"] = LedgerFailed("locked")
    assert refused(await client.json("DELETE", ON_CALL, {}))[0] == 503
    assert [one[1] for one in client.control.asked] == [ID, SECOND] * 2


# --- recordings -----------------------------------------------------------------------------------------------------


async def test_a_recording(client: Client) -> None:
    """It is there once it is ready; before, and where there is none of it, the answer says so."""
    path = f"/Recording/{ID}/"
    client.control.recordings[ID] = recording_of()
    assert "not ready yet" in refused(await client.json("GET", path))[1]
    client.control.recordings[ID] = recording_of(**{**READY, "state": State.FAILED, "measured": None})
    assert "there is none" in refused(await client.json("GET", path))[1]
    client.control.recordings[ID] = recording_of(**READY)
    answer = await client.json("GET", path)
    shown = read(answer)
    assert (answer.status, len(shown.pop("api_id"))) == (200, 36)
    assert shown["recording_storage_duration"] > 1
    assert {**shown, "recording_storage_duration": 1} == {
        "add_time": "1970-01-01 00:01:45.000000+00:00",
        "call_uuid": CALL,
        "conference_name": "",
        "from_number": "+14155550100",
        "monthly_recording_storage_amount": 0,
        "recording_duration_ms": "4000.00000",
        "recording_end_ms": "104000.00000",
        "recording_format": "mp3",
        "recording_id": ID,
        "recording_start_ms": "100000.00000",
        "recording_storage_duration": 1,
        "recording_storage_rate": 0,
        "recording_type": "call",
        "recording_url": f"{PUBLIC}/v1/Account/{MINE.identity}/Recording/{ID}.mp3",
        "resource_uri": f"/v1/Account/{MINE.identity}/Recording/{ID}/",
        "rounded_recording_duration": 60,
        "to_number": "1001",
    }


async def test_deleting(client: Client) -> None:
    """204; of one that is not over 422, since it would go on; one that is deleted is not there."""
    path = f"/Recording/{ID}/"
    client.control.recordings[ID] = recording_of(**READY)
    answer = await client.json("DELETE", path, {"recording_id": ID})
    assert (answer.status, answer.body, client.control.asked) == (204, b"", [("delete", ID)])
    for failure, status in ((NotPossible("it has not ended yet"), 422), (MediaAway("its disk is away"), 503)):
        client.control.failures["delete"] = failure
        assert refused(await client.json("DELETE", path))[0] == status
    client.control.recordings[ID] = recording_of(**READY, deleted_at=200.0)
    for method, where in (("GET", path), ("DELETE", path), ("GET", f"/Recording/{ID}.mp3")):
        assert refused(await client.json(method, where))[0] == 404


async def test_audio(client: Client) -> None:
    """Anybody gets what is ready in either format, whole or in part; nothing else."""
    path = f"/Recording/{ID}"
    client.control.recordings[ID] = recording_of()
    assert refused(await client.ask("GET", f"{path}.mp3", auth=False))[0] == 404
    client.control.recordings[ID] = recording_of(**READY)
    for form, kind in (("mp3", "audio/mpeg"), ("wav", "audio/wav")):
        got = await client.ask("GET", f"{path}.{form}", auth=False)
        assert (got.status, got.body, got.headers["Content-Type"]) == (200, AUDIO, kind)
        assert client.control.asked[-1] == ("variant", ID, form, None)
    part = await client.ask("GET", f"{path}.wav", headers={"Range": "bytes=0-3"}, auth=False)
    assert (part.status, part.body) == (206, b"RIFF")
    head = await client.ask("HEAD", f"{path}.mp3", auth=False)
    assert (head.status, head.headers["Content-Length"], head.body) == (200, str(len(AUDIO)), b"")
    for other in (".mp4", ".", ".json", ".mp3.mp3"):
        assert refused(await client.ask("GET", f"{path}{other}", auth=False))[0] == 404
    assert refused(await client.ask("DELETE", f"{path}.mp3"))[0] == 405
    assert refused(await client.ask("GET", path, auth=False))[0] == 401


async def test_audio_that_cannot_be_had(client: Client) -> None:
    """A disk that is away is 503, a file that is gone 404."""
    client.control.recordings[ID] = recording_of(**READY)
    path = f"/Recording/{ID}.wav"
    for failure, status in ((MediaAway("no room"), 503), (FileNotFoundError("gone"), 404)):
        client.control.failures["variant"] = failure
        assert refused(await client.ask("GET", path, auth=False))[0] == status
    client.control.failures.clear()
    client.control.path.unlink()
    assert refused(await client.ask("GET", path, auth=False))[0] == 404


IDS = [f"00000000-0000-4000-8000-00000000000{n}" for n in range(5)]


async def test_pages(client: Client) -> None:
    """A page asks for one more than it shows; `next` has an offset, for older clients, and a cursor that stands."""
    client.control.recordings = {one: recording_of(one, **{**READY, "finished_at": 500.0 - n})
                                 for n, one in enumerate(IDS)}  # fmt: skip
    root = f"/v1/Account/{MINE.identity}"
    first = read(await client.json("GET", "/Recording/?limit=2&from_number=14155550100"))
    fitting = Fitting(callers=("14155550100", "+14155550100"))
    assert client.control.asked[-1] == ("added", "p", fitting, 3, 0, None)
    assert [one["recording_id"] for one in first["objects"]] == IDS[:2]
    following = f"{root}/Recording/?from_number=14155550100&limit=2&offset=2&cursor=2-{IDS[1]}"
    assert first["meta"] == {"limit": 2, "next": following, "offset": 0, "previous": None, "total_count": 5}
    second = read(await client.json("GET", following.removeprefix(root)))
    assert client.control.asked[-1] == ("added", "p", fitting, 3, 0, (499.0, IDS[1]))
    assert [one["recording_id"] for one in second["objects"]] == IDS[2:4]
    assert second["meta"]["offset"] == 2
    assert second["meta"]["previous"] == f"{root}/Recording/?from_number=14155550100&limit=2&offset=0"
    last = read(await client.json("GET", "/Recording/?limit=2&offset=4"))
    assert client.control.asked[-1] == ("added", "p", Fitting(), 3, 4, None)
    assert ([one["recording_id"] for one in last["objects"]], last["meta"]["next"]) == (IDS[4:], None)
    beyond = read(await client.json("GET", "/Recording/?offset=400"))
    assert (beyond["objects"], beyond["meta"]["next"], beyond["meta"]["total_count"]) == ([], None, 5)


@pytest.mark.parametrize(
    "query",
    ["limit=21", "limit=0", "limit=x", "offset=-1", "cursor=x", f"cursor=2-{SECOND}", "add_time__gt=yesterday"],
)
async def test_lists_that_are_refused(client: Client, query: str) -> None:
    """400, which Plivo's clients raise as a ValidationError with our words."""
    assert refused(await client.json("GET", f"/Recording/?{query}"))[0] == 400
    assert client.control.asked == []


@pytest.mark.parametrize("query", ["call_uuid=x", "conference_name=room", "subaccount=SA1", "mpc_uuid=1"])
async def test_what_cannot_fit(client: Client, query: str) -> None:
    """An empty list: there are neither conferences nor subaccounts."""
    client.control.recordings[ID] = recording_of(**READY)
    listed = read(await client.json("GET", f"/Recording/?{query}"))
    assert (listed["objects"], listed["meta"]["total_count"], client.control.asked) == ([], 0, [])


# --- transcriptions -------------------------------------------------------------------------------------------------


async def test_a_transcription(client: Client) -> None:
    """Asked for, looked at, deleted: Plivo's words and statuses."""
    path = f"/Transcription/{ID}/"
    client.control.recordings[ID] = recording_of(**READY)
    url = "https://app.example/t"
    made = await client.json("POST", path, {"recording_id": ID, "type": "auto", "transcription_url": url})
    assert made.status == 201
    assert {**read(made), "api_id": ""} == {"api_id": "", "message": "transcription in progress"}
    assert client.control.asked == [("request", ID, "p", StatusTarget(url))]
    assert refused(await client.json("GET", path))[0] == 404
    assert refused(await client.json("DELETE", path))[0] == 404
    client.control.transcription = Transcription(
        ID, "p", TranscriptionState.DONE, 1.0, text="Hello there.", charge=0.05, rate=0.05, seconds=4.0
    )
    shown = read(await client.json("GET", path))
    assert {**shown, "api_id": ""} == {
        "api_id": "",
        "cost": 0.05,
        "rate": 0.05,
        "recording_duration_ms": 4000,
        "recording_start_ms": 100000,
        "status": "success",
        "transcription": "Hello there.",
        "type": "auto",
    }
    gone = await client.json("DELETE", path)
    assert (gone.status, read(gone)["message"]) == (202, "request accepted")


async def test_transcriptions_that_are_refused(client: Client) -> None:
    """Of a recording that is not there, of another type, for a URL that is none; what the desk refuses."""
    path = f"/Transcription/{ID}/"
    assert refused(await client.json("POST", path, {}))[0] == 404
    client.control.recordings[ID] = recording_of(**READY)
    assert refused(await client.json("POST", path, {"type": "human"}))[0] == 400
    assert refused(await client.json("POST", path, {"transcription_url": "ftp://x/"}))[0] == 400
    assert client.control.asked == []
    for failure, status in ((NotPossible("the queue is full"), 422), (LedgerFailed("locked"), 503)):
        client.control.failures["request"] = failure
        assert refused(await client.json("POST", path, {}))[0] == status

"""The Recordings REST API's routes: paths, credentials, bodies, errors; what they ask of the rest, and show of it."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest

from controller.documents.call import Call, CallInfo, CallState
from controller.documents.dialect import Account
from controller.http import recordings
from controller.http.recordings import PREFIXES, Wanted
from controller.media.variants import Variant
from controller.recordings.model import (
    Channels,
    EndReason,
    Measured,
    Owner,
    PauseBehavior,
    Recording,
    RecordingRequest,
    State,
    Track,
)
from controller.recordings.ports import LedgerFailed, MediaAway, NoRoom, NotPossible, SwitchAway, TooMany
from tests.http.conftest import Answer, Rooms, Serve, ask

TWILIO = Account("t", "twilio", "AC" + "a" * 32, token="t-token")
LAML = Account("l", "signalwire", "720796a0-8ee9-4350-83bd-2d07a3121f1e", token="l-tökén:2")
PLIVO = Account("p", "plivo", "MA1", token="p-token")
TOKENLESS = Account("open", "twilio", "AC" + "b" * 32)
ACCOUNTS = (TWILIO, LAML, PLIVO, TOKENLESS)
CALL = "43bb71ee-553f-4074-bb20-8e2747647cce"
ID = "19e436af-5688-4307-b03b-bdb2b42b8142"
PUBLIC = "https://rec.example.com"
AUDIO = b"RIFF, and what follows"


def call_of(account: Account) -> Call:
    info = CallInfo("1001", answered=True)
    return Call(CALL, "fs1", "leg", account.name, "twiml", "d", "", info, CallState.RUNNING, 1.0)


def recording_of(account: Account, identity: str = ID, **changes: Any) -> Recording:
    request = RecordingRequest(Channels.MONO, Track.BOTH, "wav", identity, "StartCallRecordingAPI")
    owner = Owner(account.name, "twiml", CALL, "fs1", "leg")
    made = Recording(identity, owner, request, State.RECORDING, f"/r/{identity}.wav", 100.0, started_at=100.0)
    return replace(made, **changes)


READY: dict[str, Any] = {
    "state": State.COMPLETED,
    "measured": Measured(4.0, len(AUDIO), 1),
    "ended_at": 104.0,
    "finished_at": 105.0,
}


@dataclass
class Control:
    """One call and what is recorded of it; keeps what was asked, and fails as it is told to."""

    account: Account
    path: Path
    recordings: dict[str, Recording] = field(default_factory=dict)
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    failure: Exception | None = None

    def _do(self, *asked: Any) -> None:
        self.asked.append(asked)
        if self.failure is not None:
            raise self.failure

    async def call_of(self, account: str, call_id: str) -> Call | None:
        return call_of(self.account) if (account, call_id) == (self.account.name, CALL) else None

    async def recording_of(self, account: str, recording_id: str) -> Recording | None:
        return self.recordings.get(recording_id) if account == self.account.name else None

    async def page(self, account: str, wanted: Wanted) -> Sequence[Recording]:
        self._do("page", account, wanted)
        rows = list(self.recordings.values())
        return rows[-wanted.limit :] if wanted.after is not None else rows[: wanted.limit]

    async def active(self, call_id: str) -> Sequence[Recording]:
        return [one for one in self.recordings.values() if one.state.active and call_id == CALL]

    async def start(self, call: Call, request: RecordingRequest, dialect: str, identity: str) -> Recording:
        self._do("start", call.id, request, dialect)
        return recording_of(self.account, identity, request=request)

    async def pause(self, recording_id: str, behavior: PauseBehavior) -> Recording:
        self._do("pause", recording_id, behavior)
        return replace(self.recordings[recording_id], state=State.PAUSED)

    async def resume(self, recording_id: str) -> Recording:
        self._do("resume", recording_id)
        return replace(self.recordings[recording_id], state=State.RECORDING)

    async def stop(self, recording_id: str, reason: EndReason) -> Recording:
        self._do("stop", recording_id, reason)
        return replace(self.recordings[recording_id], state=State.STOPPING)

    async def delete(self, recording_id: str) -> bool:
        self._do("delete", recording_id)
        return True

    async def variant(self, recording: Recording, form: str, channels: int | None) -> Variant:
        self._do("variant", recording.id, form, channels)
        return Variant(self.path, form, f"{form}-{channels or 1}")


@dataclass
class Client:
    """A client of one account."""

    account: Account
    control: Control
    port: int = 0

    async def ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        *,
        prefix: str = PREFIXES[0],
        auth: bool = True,
    ) -> Answer:
        word = base64.b64encode(f"{self.account.identity}:{self.account.token}".encode()).decode()
        sent = {**({"Authorization": f"Basic {word}"} if auth else {}), **(headers or {})}
        return await ask(self.port, method, f"{prefix}/Accounts/{self.account.identity}{path}", sent, body)

    async def form(self, path: str, fields: Any, **options: Any) -> Answer:
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return await self.ask("POST", path, urlencode(fields, doseq=True).encode(), kind, **options)

    @property
    def call(self) -> str:
        return CALL if self.account.vendor == "signalwire" else "CA" + CALL.replace("-", "")

    def sid(self, identity: str = ID) -> str:
        return identity if self.account.vendor == "signalwire" else "RE" + identity.replace("-", "")


@pytest.fixture(params=[TWILIO, LAML], ids=lambda one: one.vendor)
async def client(request: pytest.FixtureRequest, rooms: Rooms, serve: Serve, tmp_path: Path) -> Client:
    """A client of an account of each vendor; its call has one recording, which runs."""
    path = tmp_path / "audio"
    path.write_bytes(AUDIO)
    control = Control(request.param, path, {ID: recording_of(request.param)})

    def register(router: Any, downloads: Any) -> None:
        recordings.register(router, downloads, control, ACCOUNTS, PUBLIC)

    return Client(request.param, control, (await serve(register=[register])).port)


def read(answer: Answer) -> Any:
    return orjson.loads(answer.body)


def refused(answer: Answer) -> tuple[int, int]:
    """Status and code of an error in the vendors' shape."""
    body = read(answer)
    assert set(body) == {"code", "message", "more_info", "status"}
    assert body["status"] == answer.status
    return answer.status, body["code"]


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("suffix", ["", ".json"])
async def test_both_prefixes_and_spellings(client: Client, prefix: str, suffix: str) -> None:
    """The prefix and the `.json` change nothing: the account decides what is shown."""
    on_call = f"/Calls/{client.call}/Recordings"
    made = await client.form(f"{on_call}{suffix}", {"RecordingChannels": "dual"}, prefix=prefix)
    twilio = client.account is TWILIO
    assert made.status == (201 if twilio else 200)
    shown = read(made)
    assert shown["uri"].startswith(PREFIXES[0] if twilio else PREFIXES[1])
    assert (shown["call_sid"], shown["channels"]) == (client.call, 2)
    updated = await client.form(f"{on_call}/{client.sid()}{suffix}", {"Status": "stopped"}, prefix=prefix)
    assert (updated.status, read(updated)["status"]) == (200, "stopped")
    for path in ("/Recordings", on_call, f"{on_call}/{client.sid()}"):
        assert (await client.ask("GET", f"{path}{suffix}", prefix=prefix)).status == 200
    assert (await client.ask("DELETE", f"/Recordings/{client.sid()}{suffix}", prefix=prefix)).status == 204
    assert refused(await client.ask("GET", f"/Recordings/{client.sid()}.json.json", prefix=prefix)) == (404, 20404)
    current = await client.form(f"{on_call}/Twilio.CURRENT{suffix}", {"Status": "paused"}, prefix=prefix)
    assert read(current)["status"] == "paused"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (
            "application/x-www-form-urlencoded",
            (
                b"RecordingTrack=inbound&RecordingStatusCallbackEvent=completed"
                b"&RecordingStatusCallbackEvent=absent&RecordingStatusCallback=https%3A%2F%2Fx%2F&Unknown=1"
            ),
        ),
        (
            "application/json",
            (
                b'{"RecordingTrack": "inbound", "RecordingStatusCallbackEvent": ["completed", "absent"],'
                b'"RecordingStatusCallback": "https://x/", "Unknown": 1, "Trim": null}'
            ),
        ),
        (
            "application/json; charset=utf-8",
            (
                b'{"RecordingTrack": "inbound", "RecordingStatusCallback": "https://x/",'
                b'"RecordingStatusCallbackEvent": "completed, absent"}'
            ),
        ),
    ],
)
async def test_bodies(client: Client, kind: str, body: bytes) -> None:
    """A form and JSON say the same; what no row knows is left alone, as the vendors do."""
    made = await client.ask("POST", f"/Calls/{client.call}/Recordings.json", body, {"Content-Type": kind})
    assert made.status in {200, 201}
    ((_, call, request, dialect),) = client.control.asked
    assert (call, dialect, request.track) == (CALL, "twiml", Track.INBOUND)
    assert request.status.events == ("completed", "absent")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b"["),
        ("application/json", b"[1]"),
        ("application/json", b'{"Trim": {"a": 1}}'),
        ("application/json", b'{"Trim": [["a"]]}'),
        ("application/json", b"{" + b",".join(b'"a%d": 1' % n for n in range(200)) + b"}"),
        ("application/x-www-form-urlencoded", b"&".join(b"a%d=1" % n for n in range(200))),
        ("application/x-www-form-urlencoded", b"Trim=\xff\xfe"),
        ("application/x-www-form-urlencoded", b"Trim=%ff%fe"),
    ],
)
async def test_bodies_that_cannot_be_read(client: Client, kind: str, body: bytes) -> None:
    """Each is a 400 in the vendor's shape, and starts nothing."""
    answer = await client.ask("POST", f"/Calls/{client.call}/Recordings.json", body, {"Content-Type": kind})
    assert refused(answer)[0] == 400
    assert client.control.asked == []


async def test_a_body_of_parts(client: Client) -> None:
    """It is refused, not taken for one without parameters."""
    body = b'--x\r\nContent-Disposition: form-data; name="RecordingChannels"\r\n\r\ndual\r\n--x--\r\n'
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = await client.ask("POST", f"/Calls/{client.call}/Recordings.json", body, kind)
    assert refused(answer) == (415, 20001)
    assert client.control.asked == []


async def test_a_body_that_is_too_large(client: Client) -> None:
    """It is refused."""
    answer = await client.form(f"/Calls/{client.call}/Recordings.json", {"Trim": "x" * 70_000})
    assert refused(answer)[0] == 413


@pytest.mark.parametrize(
    "credentials",
    [
        "",
        "Basic",
        "Basic !",
        "Bearer x",
        "Basic " + base64.b64encode(b"x:y").decode(),
        "Basic " + base64.b64encode(f"{TOKENLESS.identity}:".encode()).decode(),
        "Basic " + base64.b64encode(b"MA1:p-token").decode(),
    ],
)
@pytest.mark.parametrize("path", ["/Recordings.json", "/Recordings/RE1.json", "/Calls/CA1/Recordings", "/Nowhere"])
async def test_without_credentials(client: Client, credentials: str, path: str) -> None:
    """401 with a challenge, whether there is anything at the path or not."""
    answer = await client.ask("GET", path, headers={"Authorization": credentials})
    assert refused(answer) == (401, 20003)
    assert answer.headers["Www-Authenticate"].startswith("Basic ")


@pytest.mark.parametrize(
    "path",
    [
        "/Nowhere",
        "/Recordings/x.json",
        "/Recordings/RE" + "0" * 32 + ".json",
        "/Recordings/00000000-0000-4000-8000-000000000000.json",
        f"/Recordings/{ID}/Transcriptions.json",
        "/Calls/CA" + "0" * 32 + "/Recordings.json",
        "/Calls/../Recordings.json",
        "/Calls/x/Recordings/y/z",
        "/Calls",
        "/Recordings/%2e%2e%2fetc.json",
        "/.json",
    ],
)
async def test_what_is_not_there(client: Client, path: str) -> None:
    """404 in the vendor's shape; what a path says is shown, bounded, and means nothing."""
    assert refused(await client.ask("GET", path)) == (404, 20404)


async def test_other_accounts(client: Client) -> None:
    """With good credentials another account's paths do not exist, and its sids are none."""
    other = LAML if client.account is TWILIO else TWILIO
    stranger = replace(client, account=other)
    assert refused(await stranger.ask("GET", f"/Recordings/{stranger.sid()}.json")) == (404, 20404)
    word = base64.b64encode(f"{other.identity}:{other.token}".encode()).decode()
    answer = await client.ask("GET", "/Recordings.json", headers={"Authorization": f"Basic {word}"})
    assert refused(answer) == (404, 20404)
    assert client.control.asked == []


@pytest.mark.parametrize("method", ["PUT", "PATCH", "POST", "DELETE"])
async def test_other_methods(client: Client, method: str) -> None:
    """A list of the account is read, and nothing else."""
    assert refused(await client.ask(method, "/Recordings.json")) == (405, 20004)


CREATES = [
    (TooMany("10 run"), 429, 20429),
    (NoRoom("the disk is full"), 503, 20503),
    (NotPossible("the call has ended"), 400, 21220),
    (SwitchAway("no link"), 503, 20503),
    (LedgerFailed("locked"), 503, 20503),
]


@pytest.mark.parametrize(("failure", "status", "code"), CREATES, ids=lambda one: type(one).__name__)
async def test_creates_that_fail(client: Client, failure: Exception, status: int, code: int) -> None:
    """Each way has its code, and says why."""
    client.control.failure = failure
    answer = await client.form(f"/Calls/{client.call}/Recordings.json", {})
    assert refused(answer) == (status, code)
    assert str(failure) in read(answer)["message"]


@pytest.mark.parametrize("failure", [SwitchAway("its daemon is away"), LedgerFailed("locked")], ids=repr)
async def test_lookups_that_fail(client: Client, monkeypatch: pytest.MonkeyPatch, failure: Exception) -> None:
    """What cannot be looked up now is 503 in the account's shape: neither an error of ours nor missing."""

    async def fails(_: Control, *__: object) -> None:
        raise failure

    monkeypatch.setattr(Control, "call_of", fails)
    monkeypatch.setattr(Control, "recording_of", fails)
    for path in (f"/Calls/{client.call}/Recordings.json", f"/Recordings/{client.sid()}.json"):
        answer = await client.ask("GET", path)
        assert refused(answer) == (503, 20503)
        assert str(failure) in read(answer)["message"]


UPDATES = [
    # status of the recording, what is asked, what is commanded
    (State.RECORDING, {"Status": "paused"}, [("pause", ID, PauseBehavior.SILENCE)]),
    (State.RECORDING, {"Status": "paused", "PauseBehavior": "skip"}, [("pause", ID, PauseBehavior.SKIP)]),
    (State.RECORDING, {"Status": "in-progress"}, []),
    (State.RECORDING, {"Status": "stopped"}, [("stop", ID, EndReason.API)]),
    (State.PAUSED, {"Status": "in-progress"}, [("resume", ID)]),
    (State.PAUSED, {"Status": "stopped"}, [("stop", ID, EndReason.API)]),
]


@pytest.mark.parametrize(("state", "fields", "commanded"), UPDATES)
async def test_updates(
    client: Client, state: State, fields: dict[str, str], commanded: list[tuple[object, ...]]
) -> None:
    """An update commands what it says; one that is true already commands nothing."""
    client.control.recordings[ID] = recording_of(client.account, state=state)
    answer = await client.form(f"/Calls/{client.call}/Recordings/{client.sid()}.json", fields)
    assert (answer.status, client.control.asked) == (200, commanded)


async def test_updates_that_fail(client: Client) -> None:
    """A recording that is over is in no state for it; a switch that does not do it is 408, one that is away 503."""
    path = f"/Calls/{client.call}/Recordings/{client.sid()}.json"
    assert refused(await client.form(path, {})) == (400, 20001)
    client.control.failure = NotPossible("FreeSWITCH did not pause the recording")
    assert refused(await client.form(path, {"Status": "paused"})) == (408, 16114)
    client.control.recordings[ID] = recording_of(client.account, **READY)
    assert refused(await client.form(path, {"Status": "paused"})) == (400, 21220)
    client.control.failure = SwitchAway("no link")
    assert refused(await client.form(path, {"Status": "stopped"})) == (503, 20503)


async def test_the_current_recording(client: Client) -> None:
    """It is the only one that is active; with none there is none, with two nobody is guessed."""
    path = f"/Calls/{client.call}/Recordings/Twilio.CURRENT.json"
    second = "00000000-0000-4000-8000-000000000002"
    client.control.recordings[second] = recording_of(client.account, second)
    answer = await client.form(path, {"Status": "stopped"})
    assert refused(answer) == (400, 20001)
    assert "ambiguous" in read(answer)["message"]
    client.control.recordings.clear()
    assert refused(await client.form(path, {"Status": "stopped"})) == (404, 20404)
    assert refused(await client.ask("GET", path)) == (404, 20404)


async def test_deletes(client: Client) -> None:
    """204 without a body; one that is not over yet is 409; a deleted one is gone, but for who asks for such."""
    path = f"/Recordings/{client.sid()}.json"
    client.control.failure = NotPossible("it runs")
    assert refused(await client.ask("DELETE", path)) == (409, 20009)
    client.control.failure = MediaAway("its disk is away")
    assert refused(await client.ask("DELETE", path)) == (503, 20503)
    client.control.failure = None
    gone = await client.ask("DELETE", f"/Calls/{client.call}{path}")
    assert (gone.status, gone.body) == (204, b"")
    client.control.recordings[ID] = recording_of(client.account, **READY, deleted_at=200.0)
    for method in ("GET", "DELETE"):
        assert refused(await client.ask(method, path)) == (404, 20404)
    assert refused(await client.ask("GET", f"/Recordings/{client.sid()}.wav")) == (404, 20404)
    kept = await client.ask("GET", f"{path}?IncludeSoftDeleted=true")
    assert kept.status == (200 if client.account is TWILIO else 404)


async def test_audio(client: Client) -> None:
    """Anybody gets what is ready, as WAV where the path says nothing; JSON goes to who asks for it by name."""
    path = f"/Recordings/{client.sid()}"
    assert refused(await client.ask("GET", path, auth=False)) == (404, 20404)
    client.control.recordings[ID] = recording_of(client.account, **READY)
    for ending, form, kind in (
        ("", "wav", "audio/x-wav"),
        (".wav", "wav", "audio/x-wav"),
        (".mp3", "mp3", "audio/mpeg"),
    ):
        got = await client.ask("GET", f"{path}{ending}", auth=False)
        assert (got.status, got.body, got.headers["Content-Type"]) == (200, AUDIO, kind)
        assert client.control.asked[-1] == ("variant", ID, form, None)
    part = await client.ask("GET", f"{path}.wav", headers={"Range": "bytes=0-3"}, auth=False)
    assert (part.status, part.body) == (206, b"RIFF")
    known = await client.ask("GET", f"{path}.wav", headers={"If-None-Match": part.headers["Etag"]}, auth=False)
    assert known.status == 304
    head = await client.ask("HEAD", f"{path}.mp3", auth=False)
    assert (head.status, head.headers["Content-Length"], head.body) == (200, str(len(AUDIO)), b"")
    assert refused(await client.ask("GET", path, headers={"Accept": "application/json"}, auth=False)) == (401, 20003)
    shown = await client.ask("GET", path, headers={"Accept": "application/json"})
    assert read(shown)["sid"] == client.sid()
    assert refused(await client.ask("GET", f"{path}.json", auth=False)) == (401, 20003)
    both = await client.ask("GET", path, headers={"Accept": "text/html, */*;q=0.8"}, auth=False)
    assert both.body == AUDIO


@pytest.mark.parametrize("ending", ["", ".wav", ".mp3"])
async def test_absent_audio(client: Client, ending: str) -> None:
    """What is absent is inaccessible, whatever of it is kept; what is without speech is not absent."""
    path = f"/Recordings/{client.sid()}{ending}"
    client.control.recordings[ID] = recording_of(client.account, **{**READY, "state": State.ABSENT})
    assert refused(await client.ask("GET", path, auth=False)) == (404, 20404)
    client.control.recordings[ID] = recording_of(client.account, **{**READY, "state": State.NO_INPUT})
    assert (await client.ask("GET", path, auth=False)).status == 200


async def test_audio_that_cannot_be_had(client: Client) -> None:
    """Two channels of one are 400, a disk that is away 503, a file that is gone 404."""
    client.control.recordings[ID] = recording_of(client.account, **READY)
    path = f"/Recordings/{client.sid()}.wav"
    assert refused(await client.ask("GET", f"{path}?RequestedChannels=3", auth=False)) == (400, 20001)
    for failure, expected in (
        (NotPossible("it has one channel"), (400, 20001)),
        (MediaAway("no room"), (503, 20503)),
        (FileNotFoundError("gone"), (404, 20404)),
    ):
        client.control.failure = failure
        assert refused(await client.ask("GET", f"{path}?RequestedChannels=2", auth=False)) == expected
    client.control.failure = None
    client.control.path.unlink()
    assert refused(await client.ask("GET", path, auth=False)) == (404, 20404)


async def test_lists(client: Client) -> None:
    """A list asks for one more than it shows, and leads on from the last; back from the first."""
    ids = [f"00000000-0000-4000-8000-00000000000{n}" for n in range(5)]
    client.control.recordings = {one: recording_of(client.account, one, requested_at=100.0 - n)
                                 for n, one in enumerate(ids)}  # fmt: skip
    first = read(await client.ask("GET", "/Recordings.json?PageSize=2"))
    assert [one["sid"] for one in first["recordings"]] == [client.sid(one) for one in ids[:2]]
    assert first["previous_page_uri"] is None
    assert client.control.asked == [("page", client.account.name, Wanted(3))]
    root = f"/Accounts/{client.account.identity}"
    following = first["next_page_uri"]
    assert following.startswith((PREFIXES[0] if client.account is TWILIO else PREFIXES[1]) + root)
    second = read(await client.ask("GET", following.partition(root)[2]))
    assert client.control.asked[-1] == ("page", client.account.name, Wanted(3, before=(99.0, ids[1])))
    assert (second["page"], second["uri"]) == (1, following)
    await client.ask("GET", second["previous_page_uri"].partition(root)[2])
    assert client.control.asked[-1] == ("page", client.account.name, Wanted(3, after=(100.0, ids[0])))
    await client.ask("GET", f"/Calls/{client.call}/Recordings.json?DateCreated%3E=1970-01-02")
    assert client.control.asked[-1] == ("page", client.account.name, Wanted(51, call=CALL, since=86400.0))
    nothing = read(await client.ask("GET", "/Recordings.json?CallSid=nonsense"))
    assert (nothing["recordings"], nothing["next_page_uri"]) == ([], None)
    assert refused(await client.ask("GET", "/Recordings.json?PageToken=PA" + client.sid(ID)))[0] == 400

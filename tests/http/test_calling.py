"""Commands to a live call's recordings: who may, what is understood, what is answered."""

import base64
import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer, make_mocked_request
from hypothesis import given
from hypothesis import strategies as st

from controller.documents.call import Call, CallInfo, CallState
from controller.documents.dialect import Account
from controller.http.basic import DOOR, Door
from controller.http.calling import (
    DOCUMENTED,
    MAX_BODY,
    PARAMS,
    PATH,
    Command,
    Refused,
    authenticate,
    call_leg,
    read_command,
    register,
)
from controller.recordings.model import (
    Channels,
    EndReason,
    Owner,
    PauseBehavior,
    Recording,
    RecordingRequest,
    State,
    Track,
)
from controller.recordings.ports import LedgerFailed, NoRoom, NotPossible, SwitchAway

ACME = Account("acme", "signalwire", "project-1", "space-1", token="token-1")
OTHER = Account("other", "signalwire", "project-2", "space-2", token="tökén:2")
TOKENLESS = Account("open", "signalwire", "project-3")
TWILIO = Account("acme-twilio", "twilio", "AC1", token="token-1")
ACCOUNTS = (ACME, OTHER, TOKENLESS, TWILIO)

CALL = Call(
    id="call-1",
    switch="fs1",
    leg="leg-1",
    account="acme",
    dialect="swml",
    document="document.swml.yaml",
    text="",
    info=CallInfo("1001", caller_number="+15550100", answered=True),
    state=CallState.RUNNING,
    started_at=1_640_000_000.25,
)
DIALLED = dataclasses.replace(CALL, id="leg-2", leg="leg-2", parent=CALL.id)
RECORDING = Recording(
    id="recording-1",
    owner=Owner("acme", "swml", "call-1", "fs1", "leg-1"),
    request=RecordingRequest(Channels.MONO, Track.BOTH, "wav", "control-1", "swml.record_call"),
    state=State.RECORDING,
    path="/recordings/recording-1.wav",
    requested_at=1_640_000_000.5,
    started_at=1_640_000_000.5,
)
LEG: dict[str, Any] = {
    "id": "call-1",
    "from": "+15550100",
    "to": "1001",
    "direction": "inbound",
    "status": "answered",
    "duration": None,
    "duration_ms": None,
    "billing_ms": None,
    "source": "realtime_api",
    "type": "relay_sip_call",
    "url": None,
    "parent_id": None,
    "charge": 0,
    "charge_details": [],
    "created_at": "2021-12-20T11:33:20Z",
}


class Control:
    """One call of acme with one recording; it keeps what was commanded, and fails as it is told to."""

    def __init__(self) -> None:
        self.commanded: list[tuple[object, ...]] = []
        self.failure: Exception | None = None

    async def call_of(self, account: str, call_id: str) -> Call | None:
        return {("acme", "call-1"): CALL, ("acme", "leg-2"): DIALLED}.get((account, call_id))

    async def running(self, call_id: str, reference: str) -> Recording | None:
        return RECORDING if (call_id, reference) == ("call-1", "control-1") else None

    async def start(self, call: Call, request: RecordingRequest, dialect: str, identity: str) -> Recording:
        return self._keep("start", call.id, request, dialect)

    async def pause(self, recording_id: str, behavior: PauseBehavior) -> Recording:
        return self._keep("pause", recording_id, behavior)

    async def resume(self, recording_id: str) -> Recording:
        return self._keep("resume", recording_id)

    async def stop(self, recording_id: str, reason: EndReason) -> Recording:
        return self._keep("stop", recording_id, reason)

    def _keep(self, *command: object) -> Recording:
        if self.failure is not None:
            raise self.failure
        self.commanded.append(command)
        return RECORDING


Client = TestClient[web.Request, web.Application]


@pytest.fixture
def control() -> Control:
    return Control()


@pytest.fixture
async def client(control: Control) -> AsyncIterator[Client]:
    app = web.Application()
    app[DOOR] = Door()
    register(app, control, ACCOUNTS)
    async with TestClient(TestServer(app)) as client:
        yield client


def basic(user: str, password: str) -> str:
    """An Authorization header."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


GOOD = basic("project-1", "token-1")


def command(name: str = "calling.record.stop", **params: object) -> dict[str, Any]:
    """A request to the sample's recording."""
    return {"id": "call-1", "command": name, "params": {"control_id": "control-1", **params}}


async def post(client: Client, body: object, authorization: str | None = GOOD) -> ClientResponse:
    """Send a request; bytes as they are, anything else as JSON."""
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    headers = {} if authorization is None else {"Authorization": authorization}
    return await client.post(PATH, data=data, headers=headers)


CARRIED_OUT = [
    (command("calling.record.pause"), ("pause", "recording-1", PauseBehavior.SKIP)),
    (command("calling.record.pause", behavior="skip"), ("pause", "recording-1", PauseBehavior.SKIP)),
    (command("calling.record.pause", behavior="silence"), ("pause", "recording-1", PauseBehavior.SILENCE)),
    (command("calling.record.resume"), ("resume", "recording-1")),
    (command("calling.record.stop"), ("stop", "recording-1", EndReason.API)),
]


@pytest.mark.parametrize(("body", "commanded"), CARRIED_OUT)
async def test_a_command_is_carried_out_and_answered_with_the_call(
    client: Client, control: Control, body: dict[str, Any], commanded: tuple[object, ...]
) -> None:
    """Each command reaches its recording once, with SignalWire's defaults, and the answer is the call leg."""
    response = await post(client, body)
    assert (response.status, response.content_type) == (200, "application/json")
    assert await response.json() == LEG
    assert control.commanded == [commanded]


async def test_a_dialled_legs_recordings_are_its_diallers(client: Client, control: Control) -> None:
    """Whoever recorded the leg that was dialled can stop that under the same id."""
    assert (await post(client, {**command(), "id": DIALLED.id})).status == 200
    assert control.commanded == [("stop", "recording-1", EndReason.API)]


UNAUTHORIZED = [
    None,
    "",
    "Basic",
    "Basic ",
    "Basic !!!",
    "Basic é",
    "Bearer token-1",
    "Basic " + base64.b64encode(b"project-1").decode(),
    "Basic " + base64.b64encode(b"\xff\xfe:\xff").decode(),
    GOOD[:10] + "!" + GOOD[10:],
    basic("project-1", "token-2"),
    basic("project-1", ""),
    basic("project-1", "token-1 "),
    basic("", ""),
    basic("project-2", "token-1"),
    basic("project-3", ""),
    basic("AC1", "token-1"),
    basic("acme", "token-1"),
]


@pytest.mark.parametrize("authorization", UNAUTHORIZED)
async def test_strangers_are_told_nothing(client: Client, control: Control, authorization: str | None) -> None:
    """Without the credentials of a signalwire account that has a token: 401 before anything of the body is read."""
    response = await post(client, b"no json", authorization)
    assert response.status == 401
    assert response.headers["WWW-Authenticate"] == 'Basic realm="fsrec", charset="UTF-8"'
    assert (await response.json())["error"] == "Unauthorized"
    assert control.commanded == []


@pytest.mark.parametrize(
    ("authorization", "account"),
    [(GOOD, ACME), (GOOD.replace("Basic", "bAsIc"), ACME), (basic("project-2", "tökén:2"), OTHER)],
)
def test_credentials_name_their_account(authorization: str, account: Account) -> None:
    """The scheme's case means nothing, a token may hold a colon and any letter."""
    app = web.Application()
    app[DOOR] = Door()
    request = make_mocked_request("GET", "/", {"Authorization": authorization}, app=app)
    assert authenticate(request, (ACME, OTHER)) is account


MISSING, INVALID, UNKNOWN = "missing_required_parameter", "invalid_parameter", "invalid_command_attempted"
SERVED = "served are calling.record, calling.record.pause, calling.record.resume, calling.record.stop"
TEXT = "must be text of 1 to 256 characters"

REFUSED: list[tuple[str, object, int, str, str | None, str]] = [
    ("no JSON", b"command=x", 400, "not_a_valid_json", None, "the body must be a JSON object"),
    ("no body", b"", 400, "not_a_valid_json", None, "the body must be a JSON object"),
    ("no UTF-8", b'{"id": "\xff"}', 400, "not_a_valid_json", None, "the body must be a JSON object"),
    ("too deep", b"[" * 5_000, 400, "not_a_valid_json", None, "the body must be a JSON object"),
    ("a list", [1], 400, "not_a_valid_json", None, "the body must be a JSON object"),
    ("too long", b" " * (MAX_BODY + 1), 413, "body_too_large", None, f"the body has more than {MAX_BODY} bytes"),
    ("empty", {}, 422, MISSING, "command", "command is missing"),
    ("a number", {"command": 1}, 422, UNKNOWN, "command", f"command must be text; {SERVED}"),
    (
        "a typo",
        command("calling.record.puase"),
        422,
        UNKNOWN,
        "command",
        f"unknown command 'calling.record.puase' (did you mean calling.record.pause?); {SERVED}",
    ),
    ("nonsense", command("\r\n"), 422, UNKNOWN, "command", f"unknown command '\\r\\n'; {SERVED}"),
    (
        "not served",
        command("calling.play"),
        422,
        UNKNOWN,
        "command",
        f"the command calling.play is not supported in this version; {SERVED}",
    ),
    ("no id", {"command": "calling.record.stop"}, 422, MISSING, "id", "id is missing"),
    ("id of another type", {**command(), "id": 1}, 422, INVALID, "id", f"id {TEXT}"),
    ("an empty id", {**command(), "id": ""}, 422, INVALID, "id", f"id {TEXT}"),
    ("a long id", {**command(), "id": "x" * 257}, 422, INVALID, "id", f"id {TEXT}"),
    ("another key", {**command(), "x": 1}, 422, INVALID, "x", "x unknown; known are id, command, params"),
    ("no params", {"id": "call-1", "command": "calling.record.stop"}, 422, MISSING, "params", "params is missing"),
    ("params as a list", {**command(), "params": []}, 422, INVALID, "params", "params must be an object"),
    ("no control_id", {**command(), "params": {}}, 422, MISSING, "params.control_id", "params.control_id is missing"),
    (
        "control_id of another type",
        command(control_id=[]),
        422,
        INVALID,
        "params.control_id",
        f"params.control_id {TEXT}",
    ),
    (
        "a behavior that is none",
        command("calling.record.pause", behavior="mute"),
        422,
        INVALID,
        "params.behavior",
        'params.behavior must be "skip" or "silence"',
    ),
    (
        "a behavior of another type",
        command("calling.record.pause", behavior=[]),
        422,
        INVALID,
        "params.behavior",
        'params.behavior must be "skip" or "silence"',
    ),
    (
        "a behavior to stop with",
        command(behavior="skip"),
        422,
        INVALID,
        "params.behavior",
        "params.behavior unknown; known are control_id",
    ),
    ("no such call", {**command(), "id": "call-2"}, 404, "not_found", "id", "there is no such call"),
    (
        "no such recording",
        command(control_id="control-2"),
        404,
        "not_found",
        "params.control_id",
        "no recording of this control_id is running on the call",
    ),
]


@pytest.mark.parametrize(
    ("body", "status", "code", "attribute", "message"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
async def test_a_refusal_names_what_is_wrong(
    client: Client, control: Control, body: object, status: int, code: str, attribute: str | None, message: str
) -> None:
    """Every refusal is SignalWire's error object with its status, code and attribute, and nothing is commanded."""
    response = await post(client, body)
    answer = await response.json()
    assert response.status == status
    assert answer["errors"] == [
        {
            "type": "validation_error" if status == 422 else "request_error",
            "code": code,
            "message": message,
            "attribute": attribute,
            "url": "https://signalwire.com/docs/apis/error-codes",
        }
    ]
    titles = {400: "Bad Request", 404: "Not Found", 413: "Content Too Large"}
    assert answer.get("error") == titles.get(status)
    assert control.commanded == []


async def test_a_start(client: Client, control: Control) -> None:
    """It is commanded as its parameters say, and answered with the call; what refuses it is told."""
    body = command("calling.record", record={"audio": {"format": "wav"}}, status_url="https://x/y")
    response = await post(client, body)
    assert (response.status, await response.json()) == (200, LEG)
    ((_, call, request, dialect),) = control.commanded
    assert isinstance(request, RecordingRequest)
    assert (call, dialect, request.reference, request.format) == ("call-1", "swml", "control-1", "wav")
    control.failure = NotPossible("the call has ended")
    refused = await post(client, body)
    assert (refused.status, (await refused.json())["errors"][0]["message"]) == (422, "the call has ended")
    wrong = await post(client, command("calling.record", record={"audio": {"format": "ogg"}}))
    assert (wrong.status, (await wrong.json())["errors"][0]["attribute"]) == (422, "params.record.audio.format")


async def test_another_accounts_call_does_not_exist(client: Client, control: Control) -> None:
    """The answer is the one of a call that never was, byte for byte."""
    authorization = basic("project-2", "tökén:2")
    theirs = await post(client, command(), authorization)
    nobodys = await post(client, {**command(), "id": "call-9"}, authorization)
    assert (theirs.status, nobodys.status) == (404, 404)
    assert await theirs.read() == await nobodys.read()
    assert control.commanded == []


@pytest.mark.parametrize(
    ("failure", "status", "code", "message"),
    [
        (
            NotPossible("it is paused already; resume it first"),
            422,
            "invalid_command_attempted",
            "it is paused already; resume it first",
        ),
        (
            SwitchAway("fs1"),
            503,
            "switch_unavailable",
            "the call's switch cannot be reached now; try again later",
        ),
        (NoRoom("the disk is full"), 503, "no_room", "no recording can be started now: the disk is full"),
        (LedgerFailed("disk full"), 503, "store_unavailable", "the command could not be stored; try again later"),
    ],
)
@pytest.mark.parametrize("name", PARAMS)
async def test_what_cannot_be_done_is_said(
    client: Client, control: Control, name: str, failure: Exception, status: int, code: str, message: str
) -> None:
    """A state that does not allow it is 422 in the service's words; a switch or a store that fails is 503."""
    control.failure = failure
    response = await post(client, command(name))
    (error,) = (await response.json())["errors"]
    assert (response.status, error["code"], error["message"]) == (status, code, message)


async def test_the_longest_body_is_read(client: Client, control: Control) -> None:
    """The limit is the limit: one byte less than too long is a command."""
    body = orjson.dumps(command())
    response = await post(client, body + b" " * (MAX_BODY - len(body)))
    assert response.status == 200
    assert len(control.commanded) == 1


async def test_an_endless_body_is_cut_off(client: Client) -> None:
    """A body without a length is refused at the limit, not read to its end."""
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 64 * 1_048_576:
            sent += 65_536
            yield b" " * 65_536

    response = await client.post(PATH, data=endless(), headers={"Authorization": GOOD})
    assert response.status == 413
    assert sent < 64 * 1_048_576


async def test_other_methods_are_not_commands(client: Client) -> None:
    """Only POST is served."""
    assert (await client.get(PATH, headers={"Authorization": GOOD})).status == 405


@pytest.mark.parametrize(
    ("changes", "answered", "shown"),
    [
        ({}, True, {}),
        ({}, False, {"status": "created"}),
        ({"state": CallState.RELEASED}, True, {"status": "answered"}),
        (
            {"state": CallState.ENDED, "ended_at": 1_640_000_010.5},
            True,
            {"status": "ended", "duration": 10, "duration_ms": 10_250},
        ),
        ({"ended_at": 1_639_999_999.0}, True, {"duration": 0, "duration_ms": 0}),
    ],
)
def test_a_call_leg(changes: dict[str, Any], answered: bool, shown: dict[str, Any]) -> None:
    """Its fields are the API's, its status what is known of the leg."""
    assert call_leg(dataclasses.replace(CALL, **changes), answered=answered) == LEG | shown


def test_commands_are_signalwires() -> None:
    """Its API has 42; those that are not served are known by name."""
    assert len(DOCUMENTED | PARAMS.keys()) == 42
    assert not DOCUMENTED & PARAMS.keys()


ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.binary(max_size=100)
    | ANY.map(lambda value: orjson.dumps(value, default=str))
    | st.fixed_dictionaries(
        {},
        optional={
            "id": ANY,
            "command": st.sampled_from([*PARAMS, "dial"]) | ANY,
            "params": ANY | st.fixed_dictionaries({}, optional={"control_id": ANY, "behavior": ANY}),
        },
    ).map(orjson.dumps)
)
def test_any_body_is_a_command_or_refused(body: bytes) -> None:
    """No body whatever raises anything but a refusal; what is taken is one of the three commands on bounded texts."""
    try:
        taken = read_command(body)
    except Refused as refused:
        answer = refused.response()
    else:
        assert isinstance(taken, Command)
        assert taken.name in PARAMS
        assert 0 < len(taken.call) <= 256
        assert 0 < len(taken.control_id) <= 256
        return
    assert answer.status in {400, 422}

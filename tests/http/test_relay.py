"""SignalWire's Relay REST API: a project's recordings listed, shown and deleted."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import orjson
import pytest

from controller.dialects.swml.relay import STATUS, shape
from controller.documents.call import CallInfo
from controller.documents.dialect import Account
from controller.http import relay
from controller.recordings.model import State
from controller.recordings.ports import LedgerFailed, NotPossible, SwitchAway
from tests.http.conftest import Answer, Rooms, Serve, ask
from tests.http.test_recordings import ACCOUNTS, CALL, ID, LAML, PUBLIC, READY, TWILIO, Control, call_of, recording_of

KEYS: dict[str, type] = {
    # the properties of SignalWire's own description of a recording
    "id": str,
    "project_id": str,
    "created_at": str,
    "updated_at": str,
    "duration_in_seconds": int,
    "price": float,
    "price_unit": str,
    "status": str,
    "url": str,
    "stereo": bool,
    "track": str,
}
OPTIONAL: dict[str, type] = {"byte_size": int, "error_code": str}


@pytest.fixture
def control(tmp_path: Path) -> Control:
    return Control(LAML, tmp_path / "audio", {ID: recording_of(LAML, **READY)})


@pytest.fixture
async def port(control: Control, serve: Serve, rooms: Rooms) -> int:
    def register(router: Any, _: object) -> None:
        relay.register(router, control, ACCOUNTS, PUBLIC)

    return (await serve(register=[register])).port


async def request(port: int, method: str, path: str = "", account: Account = LAML) -> Answer:
    word = base64.b64encode(f"{account.identity}:{account.token}".encode()).decode()
    return await ask(port, method, f"{relay.PATH}{path}", {"Authorization": f"Basic {word}"})


@pytest.mark.parametrize("state", State)
def test_the_keys(state: State) -> None:
    """In each state the described keys are there, each of its type, and the leg by its kind."""
    recording = recording_of(LAML, **{**(READY if state.final else {}), "state": state})
    shown = shape(recording, call_of(LAML), LAML, PUBLIC)
    assert shown["status"] == STATUS[state]
    leg = shown.pop("relay_pstn_leg_id")
    assert leg == CALL
    for key, kind in KEYS.items():
        assert type(shown[key]) is kind or (kind is float and isinstance(shown[key], (int, float))), key
    assert set(shown) - set(KEYS) <= set(OPTIONAL)


@pytest.mark.parametrize(
    ("info", "key"),
    [
        (CallInfo("1001"), "relay_pstn_leg_id"),
        (CallInfo("alice"), "relay_sip_leg_id"),
        (CallInfo("alice", channel_name="verto.rtc/x"), "relay_webrtc_leg_id"),
    ],
)
def test_legs(info: CallInfo, key: str) -> None:
    """A leg has the key of its kind, and no other."""
    from dataclasses import replace

    shown = shape(recording_of(LAML), replace(call_of(LAML), info=info), LAML, PUBLIC)
    assert [name for name in shown if name.endswith("_leg_id")] == [key]


async def test_one(port: int, control: Control) -> None:
    """A recording is shown by its id and deleted by it; then, and for others, it does not exist."""
    shown = await request(port, "GET", f"/{ID}")
    body = orjson.loads(shown.body)
    assert (shown.status, body["id"], body["status"], body["duration_in_seconds"]) == (200, ID, "completed", 4)
    assert body["url"] == f"{PUBLIC}/api/v1/recordings/{ID}/download"
    assert (await request(port, "GET", f"/{ID}", TWILIO)).status == 401
    assert (await request(port, "DELETE", f"/{ID}")).status == 204
    assert control.asked == [("delete", ID)]
    for path in ("/nonsense", "/00000000-0000-4000-8000-000000000000"):
        missing = await request(port, "GET", path)
        assert (missing.status, orjson.loads(missing.body)["errors"][0]["code"]) == (404, "not_found")
    control.recordings[ID] = recording_of(LAML, **READY, deleted_at=1.0)
    assert (await request(port, "GET", f"/{ID}")).status == 404


@pytest.mark.parametrize(("failure", "status"), [(NotPossible("it runs"), 422), (LedgerFailed("x"), 503)])
async def test_deletes_that_fail(port: int, control: Control, failure: Exception, status: int) -> None:
    """One that has not ended is 422, a store that does not take it 503."""
    control.failure = failure
    assert (await request(port, "DELETE", f"/{ID}")).status == status


@pytest.mark.parametrize("failure", [SwitchAway("x"), LedgerFailed("x")], ids=repr)
async def test_lookups_that_fail(port: int, monkeypatch: pytest.MonkeyPatch, failure: Exception) -> None:
    """What cannot be looked up now is 503, neither an error of ours nor missing."""

    async def fails(_: Control, *__: object) -> None:
        raise failure

    monkeypatch.setattr(Control, "page", fails)
    answer = await request(port, "GET")
    assert (answer.status, orjson.loads(answer.body)["errors"][0]["code"]) == (503, "store_unavailable")


async def test_lists(port: int, control: Control) -> None:
    """Pages lead on and back by tokens."""
    ids = [f"00000000-0000-4000-8000-00000000000{n}" for n in range(3)]
    control.recordings = {one: recording_of(LAML, one) for one in ids}
    first = orjson.loads((await request(port, "GET", "?page_size=2")).body)
    assert [one["id"] for one in first["data"]] == ids[:2]
    assert set(first["links"]) == {"self", "first", "next"}
    second = orjson.loads((await request(port, "GET", first["links"]["next"].removeprefix(relay.PATH))).body)
    assert control.asked[-1][2].before == (100.0, ids[1])
    await request(port, "GET", second["links"]["prev"].removeprefix(relay.PATH))
    assert control.asked[-1][2].after == (100.0, ids[0])


@pytest.mark.parametrize("query", ["?page_size=0", "?page_size=x", "?page_number=-1", "?page_token=PA1"])
async def test_wrong_lists(port: int, query: str) -> None:
    """What cannot be read is told."""
    assert (await request(port, "GET", query)).status == 422

"""SignalWire's `POST /api/calling/calls`: commands that start a recording of a live call, or change one.

Authentication is HTTP Basic, project_id : api_token. Everything that another account owns does not exist here. The
answer to a command that was taken is the call, not the recording (SignalWire's Calling API); what became of the
recording is told by its status callbacks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any, Protocol

import orjson
from aiohttp import web

from controller.dialects.swml import commands
from controller.documents.call import Call, CallState
from controller.documents.dialect import Account
from controller.http.basic import CHALLENGE, Throttled, account_of
from controller.recordings.model import EndReason, PauseBehavior, Recording, RecordingRequest, new_id
from controller.recordings.ports import LedgerFailed, NoRoom, NotPossible, SwitchAway

PATH = "/api/calling/calls"
VENDOR = "signalwire"

MAX_BODY = 65_536
"""Bytes of a request's body; a command of a recording has some two hundred."""

MAX_TEXT = 256
"""Characters of an id in a request."""

ERRORS_URL = "https://signalwire.com/docs/apis/error-codes"
"""Where SignalWire explains its codes; every error of its API carries it."""

_TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    413: "Content Too Large",
    429: "Too Many Requests",
}


class CallControl(Protocol):
    """What the commands need of the rest. The verbs raise NotPossible, SwitchAway and LedgerFailed."""

    async def call_of(self, account: str, call_id: str) -> Call | None:
        """Return the account's call of that id; None for any other account's."""
        ...

    async def running(self, call_id: str, reference: str) -> Recording | None:
        """Return the call's recording of that control_id that has not ended, or None."""
        ...

    async def start(self, call: Call, request: RecordingRequest, dialect: str, identity: str) -> Recording:
        """Start a recording on the call's leg; done when it runs, or is refused. ``identity`` will be its id."""
        ...

    async def pause(self, recording_id: str, behavior: PauseBehavior) -> Recording:
        """Pause it; `silence` keeps the paused time as silence, `skip` leaves it out."""
        ...

    async def resume(self, recording_id: str) -> Recording:
        """Resume a paused one."""
        ...

    async def stop(self, recording_id: str, reason: EndReason) -> Recording:
        """Stop it; its end comes as a callback."""
        ...


@dataclass(frozen=True, slots=True)
class Command:
    """A request that is worth carrying out.

    ``behavior`` is the pause's, ``recording`` the start's; they mean nothing to the others.
    """

    name: str
    call: str
    control_id: str
    behavior: PauseBehavior = PauseBehavior.SKIP
    recording: RecordingRequest | None = None


PARAMS = {
    "calling.record": ("control_id", "record", "audio", "status_url"),
    "calling.record.pause": ("control_id", "behavior"),
    "calling.record.resume": ("control_id",),
    "calling.record.stop": ("control_id",),
}
"""The commands that are served, and what each may be given."""

DOCUMENTED = frozenset(
    {
        *("dial", "update", "calling.end", "calling.transfer", "calling.disconnect", "calling.play"),
        *("calling.play.pause", "calling.play.resume", "calling.play.stop", "calling.play.volume"),
        *("calling.collect", "calling.collect.stop", "calling.collect.start_input_timers", "calling.detect"),
        *("calling.detect.stop", "calling.tap", "calling.tap.stop", "calling.transcribe", "calling.transcribe.stop"),
        *("calling.stream", "calling.stream.stop", "calling.denoise", "calling.denoise.stop", "calling.ai_hold"),
        *("calling.ai_unhold", "calling.ai_message", "calling.ai.stop", "calling.ai_sidecar", "calling.refer"),
        *("calling.ai_sidecar.poke", "calling.ai_sidecar.ask", "calling.ai_sidecar.stop", "calling.user_event"),
        *("calling.ai_sidecar.status", "calling.live_transcribe", "calling.live_translate"),
        *("calling.send_fax.stop", "calling.receive_fax.stop"),
    }
)
"""SignalWire's other commands, so that a refusal can tell what is unknown from what is not served."""


class Refused(Exception):
    """A request that is answered with an error, in SignalWire's shape."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        attribute: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.attribute = attribute
        self.headers = headers or {}

    def response(self) -> web.Response:
        """Return the error as SignalWire writes it; the statuses that it documents with `error` alone have both."""
        kind = "validation_error" if self.status == 422 else "request_error"
        item = {
            "type": kind,
            "code": self.code,
            "message": str(self),
            "attribute": self.attribute,
            "url": ERRORS_URL,
        }
        title = {"error": _TITLES[self.status]} if self.status in _TITLES else {}
        return _json(self.status, {**title, "errors": [item]}, dict(self.headers))


def register(app: web.Application, control: CallControl, accounts: Sequence[Account]) -> None:
    """Add the route to ``app``; only accounts of the vendor signalwire with a token can use it."""
    mine = tuple(account for account in accounts if account.vendor == VENDOR and account.token)

    async def post(request: web.Request) -> web.Response:
        try:
            account = authenticate(request, mine)
            command = read_command(await _body(request))
            return _json(200, await _carry_out(control, account, command))
        except Refused as refused:
            return refused.response()

    app.router.add_post(PATH, post)


def authenticate(request: web.Request, accounts: Sequence[Account]) -> Account:
    """Return whose credentials a request has, in a time that tells nothing. Raises Refused."""
    try:
        found = account_of(request, accounts)
    except Throttled as throttled:
        raise Refused(429, "too_many_requests", str(throttled), headers=throttled.headers) from None
    if found is None:
        words = "these are not the project_id and api_token of an account"
        raise Refused(401, "unauthorized", words, headers={"WWW-Authenticate": CHALLENGE})
    return found


def read_command(body: bytes) -> Command:
    """Read a request's body. Raises Refused, naming the attribute that is wrong and what would be right."""
    try:
        request = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Refused(400, "not_a_valid_json", "the body must be a JSON object") from None
    if not isinstance(request, dict):
        raise Refused(400, "not_a_valid_json", "the body must be a JSON object")
    name = request.get("command")
    if name is None:
        raise _missing("command")
    if not isinstance(name, str) or name not in PARAMS:
        raise Refused(422, "invalid_command_attempted", _unknown_command(name), "command")
    _only(request, ("id", "command", "params"), "")
    call = _text(request, "id")
    params = request.get("params")
    if params is None:
        raise _missing("params")
    if not isinstance(params, dict):
        raise _invalid("params", "must be an object")
    _only(params, PARAMS[name], "params.")
    control_id = _text(params, "control_id", "params.")
    behavior = params.get("behavior", PauseBehavior.SKIP)
    if behavior not in tuple(PauseBehavior):
        raise _invalid("params.behavior", 'must be "skip" or "silence"')
    if name != "calling.record":
        return Command(name, call, control_id, PauseBehavior(behavior))
    try:
        return Command(name, call, control_id, recording=commands.record(params))
    except commands.CommandWrong as wrong:
        raise _invalid(f"params.{wrong.attribute}", str(wrong)) from None


async def _carry_out(control: CallControl, account: Account, command: Command) -> dict[str, Any]:
    call = await control.call_of(account.name, command.call)
    if call is None:
        raise Refused(404, "not_found", "there is no such call", "id")
    try:
        if command.recording is not None:
            recording = await control.start(call, command.recording, "swml", new_id())
        else:
            recording = await _change(control, call, command)
    except NoRoom as reason:
        raise Refused(503, "no_room", f"no recording can be started now: {reason}") from None
    except NotPossible as reason:
        raise Refused(422, "invalid_command_attempted", str(reason), "command") from None
    except SwitchAway:
        raise Refused(503, "switch_unavailable", "the call's switch cannot be reached now; try again later") from None
    except LedgerFailed:
        raise Refused(503, "store_unavailable", "the command could not be stored; try again later") from None
    return call_leg(call, answered=call.info.answered or recording.started_at is not None)


async def _change(control: CallControl, call: Call, command: Command) -> Recording:
    """Pause, resume or stop a recording that runs. Raises Refused, and as ``control`` does."""
    recording = await control.running(call.told_as, command.control_id)
    if recording is None:
        message = "no recording of this control_id is running on the call"
        raise Refused(404, "not_found", message, "params.control_id")
    match command.name:
        case "calling.record.pause":
            return await control.pause(recording.id, command.behavior)
        case "calling.record.resume":
            return await control.resume(recording.id)
        case _:
            return await control.stop(recording.id, EndReason.API)


def call_leg(call: Call, *, answered: bool) -> dict[str, Any]:
    """Return a call as SignalWire shows it. Charges are not ours to know: 0, in no parts."""
    status = "answered" if answered else "created"
    if call.state is CallState.ENDED:
        status = "ended"
    seconds = None if call.ended_at is None else max(0.0, call.ended_at - call.started_at)
    return {
        "id": call.id,
        "from": call.info.caller_number,
        "to": call.info.destination,
        "direction": call.info.direction,
        "status": status,
        "duration": None if seconds is None else int(seconds),
        "duration_ms": None if seconds is None else int(seconds * 1000),
        "billing_ms": None,
        "source": "realtime_api",
        "type": "relay_sip_call",
        "url": None,
        "parent_id": None,
        "charge": 0,
        "charge_details": [],
        "created_at": f"{datetime.fromtimestamp(call.started_at, UTC):%Y-%m-%dT%H:%M:%SZ}",
    }


async def _body(request: web.Request) -> bytes:
    body = await request.read()  # bounded and timed by the application already
    if len(body) > MAX_BODY:
        raise Refused(413, "body_too_large", f"the body has more than {MAX_BODY} bytes")
    return body


def _text(values: dict[str, Any], key: str, prefix: str = "") -> str:
    value = values.get(key)
    if value is None:
        raise _missing(prefix + key)
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT:
        raise _invalid(prefix + key, f"must be text of 1 to {MAX_TEXT} characters")
    return value


def _only(values: dict[str, Any], known: Sequence[str], prefix: str) -> None:
    for key in values:
        if key not in known:
            raise _invalid(prefix + key[:64], f"unknown; known are {', '.join(known)}")


def _missing(attribute: str) -> Refused:
    return Refused(422, "missing_required_parameter", f"{attribute} is missing", attribute)


def _invalid(attribute: str, message: str) -> Refused:
    return Refused(422, "invalid_parameter", f"{attribute} {message}", attribute)


def _unknown_command(name: object) -> str:
    served = f"served are {', '.join(PARAMS)}"
    if not isinstance(name, str):
        return f"command must be text; {served}"
    if name in DOCUMENTED:
        return f"the command {name} is not supported in this version; {served}"
    close = get_close_matches(name[:64].lower(), sorted({*PARAMS, *DOCUMENTED}), n=1)
    hint = f" (did you mean {close[0]}?)" if close else ""
    return f"unknown command {name[:64]!r}{hint}; {served}"


def _json(status: int, payload: dict[str, Any], headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        status=status, body=orjson.dumps(payload), content_type="application/json", headers=headers or {}
    )

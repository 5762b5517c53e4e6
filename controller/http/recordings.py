"""The Recordings REST API of Twilio and of SignalWire's LaML: its paths, who may, and what comes of a request.

Both prefixes are served alike: the account decides the shape (DESIGN section 8). A path may end with one ``.json``.
On an account, a recording's bare path, ``.wav`` and ``.mp3`` are its audio, for whoever knows the sid, unless the
settings want credentials for that too; everything else needs HTTP Basic. What another account owns does not exist.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn, Protocol

from aiohttp import web

from controller.dialects.twiml import rest, shapes, sids
from controller.dialects.twiml.rest import RestError, vendor_of
from controller.documents.call import Call
from controller.documents.dialect import Account
from controller.http.base import json_response
from controller.http.basic import CHALLENGE, Throttled, account_of
from controller.http.media import Downloads, ready
from controller.http.parameters import BadBody, of_body, of_query
from controller.media.variants import Variant
from controller.recordings.model import EndReason, PauseBehavior, Recording, RecordingRequest, State, new_id
from controller.recordings.ports import LedgerFailed, MediaAway, NoRoom, NotPossible, SwitchAway, TooMany

PREFIXES = ("/2010-04-01", "/api/laml/2010-04-01")
MEDIA = ("wav", "mp3")
TYPES = {"wav": "audio/x-wav", "mp3": "audio/mpeg"}
"""As Twilio calls them."""


class RecordingControl(Protocol):
    """What the API needs of the rest. The verbs raise NotPossible, SwitchAway and LedgerFailed."""

    async def call_of(self, account: str, call_id: str) -> Call | None:
        """Return the account's call of that id; None for any other account's."""
        ...

    async def recording_of(self, account: str, recording_id: str) -> Recording | None:
        """Return the account's recording of that id as it is stored; None for any other account's."""
        ...

    async def page(self, account: str, wanted: Wanted) -> Sequence[Recording]:
        """Return recordings of the account, newest first."""
        ...

    def active(self, call_id: str) -> Sequence[Recording]:
        """Return the call's recordings that may still be stopped."""
        ...

    async def start(self, call: Call, request: RecordingRequest, dialect: str, identity: str) -> Recording:
        """Start a recording on the call's leg, whatever it does now; done when it runs, or is refused (NotPossible).

        ``identity`` will be its id. A leg that is not answered, or has ended, is refused.
        """
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

    async def delete(self, recording_id: str) -> bool:
        """Delete one that is final, durably; False where it is deleted already. Raises MediaAway, too."""
        ...

    async def variant(self, recording: Recording, form: str, channels: int | None) -> Variant:
        """Have a ready recording's audio in a format, made where it is not there; None are the file's own channels.

        Raises NotPossible for what cannot be had, MediaAway for what cannot be had now, OSError, KeyError and
        ValueError where its file is gone.
        """
        ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which recordings a page has: as ``store.reader.Reader.recordings`` takes them."""

    limit: int
    before: tuple[float, str] | None = None
    after: tuple[float, str] | None = None
    call: str | None = None
    since: float | None = None
    until: float | None = None
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a path leads: the list or one recording, of an account or one of its calls.

    ``form`` is ``json``, a format of MEDIA, or empty where the path does not say.
    """

    call: str | None
    sid: str | None
    form: str


def register(
    router: web.UrlDispatcher,
    downloads: Downloads,
    control: RecordingControl,
    accounts: Sequence[Account],
    public_url: str,
) -> None:
    """Add the routes; they are for accounts of the vendors that have this API, with a token."""
    mine = tuple(account for account in accounts if account.vendor in rest.VENDORS and account.token)
    api = RecordingsApi(control, mine, downloads, public_url)
    for prefix in PREFIXES:
        router.add_route("*", f"{prefix}/Accounts/{{account}}/{{rest:.*}}", api.answer)


class RecordingsApi:
    """Answers requests."""

    def __init__(
        self, control: RecordingControl, accounts: Sequence[Account], downloads: Downloads, public_url: str
    ) -> None:
        self._control = control
        self._accounts = accounts
        self._downloads = downloads
        self._public_url = public_url

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request; every error has the account's shape."""
        named = next((one for one in self._accounts if one.identity == request.match_info["account"]), None)
        vendor = rest.TWILIO if named is None else vendor_of(named)
        try:
            place = _place(request.match_info["rest"])
            if place is not None and named is not None and self._downloads.public and _is_audio(request, place):
                return await self._media(request, named, place)
            account = self._authenticated(request)
            vendor = vendor_of(account)
            if place is None or account is not named:
                _not_found(request)
            if _is_audio(request, place):
                return await self._media(request, account, place)
            return await self._carry_out(request, account, place)
        except Throttled as throttled:
            refused = RestError(429, rest.BUSY, f"Too Many Requests: {throttled}")
            return json_response(refused.body(vendor), 429, throttled.headers)
        except RestError as error:
            headers = {"WWW-Authenticate": CHALLENGE} if error.status == 401 else error.headers
            return json_response(error.body(vendor), error.status, headers)

    def _authenticated(self, request: web.Request) -> Account:
        account = account_of(request, self._accounts)
        if account is None:
            raise RestError(401, rest.AUTHENTICATE, "Authenticate")
        return account

    async def _carry_out(self, request: web.Request, account: Account, place: _Place) -> web.Response:
        call = None if place.call is None else await self._call(request, account, place.call)
        match request.method, place.sid is None:
            case "POST", True if call is not None:
                return await self._create(account, call, await _parameters(request))
            case "POST", False if call is not None and place.form not in MEDIA:
                return await self._update(request, account, call, place)
            case (("GET" | "HEAD"), True):
                return await self._list(request, account, call)
            case (("GET" | "HEAD"), False):
                recording = await self._recording(request, account, place, call)
                return self._shown(recording, account, of_call=call is not None)
            case "DELETE", False if place.form not in MEDIA:
                return await self._delete(await self._recording(request, account, place, call))
            case _:
                raise _not_allowed(request, place)

    # --- requests --------------------------------------------------------------------------------------------------

    async def _create(self, account: Account, call: Call, parameters: rest.Parameters) -> web.Response:
        identity = new_id()
        asked = rest.creation(parameters, account, identity)
        try:
            recording = await self._control.start(call, asked, "twiml", identity)
        except TooMany as refusal:
            raise RestError(429, rest.BUSY, f"Too many concurrent recordings: {refusal}") from None
        except NoRoom as refusal:
            raise RestError(503, rest.AWAY, f"No recording can be started now: {refusal}") from None
        except NotPossible as refusal:
            raise RestError(
                400, rest.NOT_IN_PROGRESS, f"Requested resource is not eligible for recording: {refusal}"
            ) from None
        except (SwitchAway, LedgerFailed) as failure:
            raise _unavailable(failure) from None
        return self._shown(recording, account, of_call=True, status=vendor_of(account).created)

    async def _update(self, request: web.Request, account: Account, call: Call, place: _Place) -> web.Response:
        asked = rest.update(await _parameters(request))
        if place.sid == rest.CURRENT:
            recording = self._current(request, call)
        else:
            recording = await self._recording(request, account, place, call)
        try:
            updated = await self._updated(recording, asked)
        except NotPossible as refusal:
            over = recording.state is State.PROCESSING or recording.state.final
            status, code = (400, rest.NOT_IN_PROGRESS) if over else (408, rest.WRONG_STATE)
            raise RestError(status, code, f"The recording cannot become {asked.status}: {refusal}") from None
        except (SwitchAway, LedgerFailed) as failure:
            raise _unavailable(failure) from None
        return self._shown(updated, account, of_call=True)

    async def _updated(self, recording: Recording, asked: rest.Update) -> Recording:
        """Carry an update out; one that is true already changes nothing."""
        now = next((one for one in self._control.active(recording.owner.call) if one.id == recording.id), recording)
        match asked.status:
            case "stopped":
                return now if now.state is State.STOPPING else await self._control.stop(now.id, EndReason.API)
            case "paused" if now.state is State.PAUSED and now.paused_behavior is asked.behavior:
                return now
            case "paused":
                return await self._control.pause(now.id, asked.behavior)
            case _ if now.state is State.RECORDING and now.wish.pause is None:
                return now
            case _:
                return await self._control.resume(now.id)

    def _current(self, request: web.Request, call: Call) -> Recording:
        active = self._control.active(call.told_as)
        if not active:
            _not_found(request)
        if len(active) > 1:
            raise RestError(
                400, rest.INVALID, f"{rest.CURRENT} is ambiguous: {len(active)} recordings are active; name one's sid"
            )
        return active[0]

    async def _list(self, request: web.Request, account: Account, call: Call | None) -> web.Response:
        asked = rest.listing(of_query(request), account)
        rows: Sequence[Recording] = ()
        cursor = None
        if asked.cursor is not None:
            last = await self._control.recording_of(account.name, asked.cursor)
            if last is None:
                raise RestError(400, rest.BAD_PAGE_TOKEN, "PageToken names no recording of this account")
            cursor = (last.requested_at, last.id)
        if not asked.nothing and (call is None or asked.call in {None, call.id, call.told_as}):
            wanted = Wanted(
                limit=asked.size + 1,
                before=None if asked.backwards else cursor,
                after=cursor if asked.backwards else None,
                call=asked.call if call is None else call.told_as,
                since=asked.since,
                until=asked.until,
                deleted=asked.deleted,
            )
            rows = await self._control.page(account.name, wanted)
        over = len(rows) > asked.size
        rows = rows[-asked.size :] if asked.backwards else rows[: asked.size]
        path = "/Recordings" if call is None else f"/Calls/{sids.call_sid(account.vendor, call.id)}/Recordings"
        found = [shapes.shape(row, account, self._public_url, of_call=call is not None) for row in rows]
        more, earlier = (True, over) if asked.backwards else (over, cursor is not None)
        return json_response(shapes.page(found, account, path, asked, more=more, earlier=earlier))

    async def _delete(self, recording: Recording) -> web.Response:
        try:
            await self._control.delete(recording.id)
        except NotPossible:
            raise RestError(409, rest.UNFINISHED, "The recording cannot be deleted before it is complete") from None
        except (MediaAway, LedgerFailed) as failure:
            raise _unavailable(failure) from None
        return web.Response(status=204)

    async def _media(self, request: web.Request, account: Account, place: _Place) -> web.StreamResponse:
        recording = await self._recording(request, account, place, None)
        channels = rest.wanted_channels(of_query(request))
        if not ready(recording) or shapes.absent(recording):  # "absent and inaccessible" (seed 004)
            _not_found(request)
        try:
            variant = await self._control.variant(recording, place.form or "wav", channels)
        except NotPossible as refusal:
            raise RestError(400, rest.INVALID, str(refusal)) from None
        except MediaAway as failure:
            raise _unavailable(failure) from None
        except (OSError, KeyError, ValueError):
            _not_found(request)

        def failed(status: int, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
            code = rest.NOT_FOUND if status == 404 else rest.AWAY
            return json_response(RestError(status, code, message).body(vendor_of(account)), status, headers)

        return await self._downloads.serve(
            request, recording, variant, content_type=TYPES[variant.format], failed=failed
        )

    # --- what a path names -----------------------------------------------------------------------------------------

    async def _call(self, request: web.Request, account: Account, sid: str) -> Call:
        identity = sids.call_of(account.vendor, sid)
        call = None if identity is None else await self._control.call_of(account.name, identity)
        if call is None:
            _not_found(request)
        return call

    async def _recording(self, request: web.Request, account: Account, place: _Place, call: Call | None) -> Recording:
        identity = sids.recording_of(account.vendor, place.sid or "")
        recording = None if identity is None else await self._control.recording_of(account.name, identity)
        if recording is None or (call is not None and recording.owner.call != call.told_as):
            _not_found(request)
        if recording.deleted_at is not None and not _of_deleted(request, account):
            _not_found(request)
        return recording

    def _shown(self, recording: Recording, account: Account, *, of_call: bool, status: int = 200) -> web.Response:
        return json_response(shapes.shape(recording, account, self._public_url, of_call=of_call), status)


def _place(path: str) -> _Place | None:
    """Return where a path within an account leads; only its last ``.json`` is taken off (``Twilio.CURRENT.json``)."""
    parts = path.split("/")
    form = ""
    if parts[-1].endswith(".json"):
        parts[-1], form = parts[-1].removesuffix(".json"), "json"
    call = None
    if len(parts) > 2 and parts[0] == "Calls":
        call, parts = parts[1], parts[2:]
    if parts[0] != "Recordings" or len(parts) > 2:
        return None
    if len(parts) == 1:
        return _Place(call, None, form)
    sid, dot, ending = parts[1].rpartition(".")
    if not form and dot and ending in MEDIA:
        return _Place(call, sid, ending)
    return _Place(call, parts[1], form)


def _not_allowed(request: web.Request, place: _Place) -> RestError:
    allowed = ["GET", "HEAD"]
    if place.form not in MEDIA:
        allowed += ["POST"] if place.call is not None else []
        allowed += ["DELETE"] if place.sid is not None else []
    message = f"Method {request.method} not allowed here"
    return RestError(405, rest.METHOD_NOT_ALLOWED, message, {"Allow": ", ".join(allowed)})


def _is_audio(request: web.Request, place: _Place) -> bool:
    """Tell whether a request is for audio, whose unguessable name is its key unless downloads need credentials."""
    if request.method not in {"GET", "HEAD"} or place.sid is None:
        return False
    if place.form in MEDIA:
        return True
    return not place.form and place.call is None and not _wants_json(request.headers.get("Accept", ""))


def _wants_json(accept: str) -> bool:
    """Tell whether an Accept header names JSON, rather than allow it among all else."""
    return any(kind.partition(";")[0].strip().lower() == "application/json" for kind in accept.split(","))


def _of_deleted(request: web.Request, account: Account) -> bool:
    asked = {"IncludeSoftDeleted": request.query.getall("IncludeSoftDeleted", [])}
    return account.vendor == rest.TWILIO.name and request.method == "GET" and rest.flag(asked, "IncludeSoftDeleted")


def _not_found(request: web.Request) -> NoReturn:
    raise RestError(404, rest.NOT_FOUND, f"The requested resource {request.path[:200]} was not found")


def _unavailable(failure: Exception) -> RestError:
    return RestError(503, rest.AWAY, f"Service unavailable, try again later: {failure}")


async def _parameters(request: web.Request) -> rest.Parameters:
    try:
        return await of_body(request)
    except BadBody as bad:
        raise RestError(bad.status, rest.INVALID, str(bad)) from None

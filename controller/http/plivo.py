"""Plivo's REST API of recordings: its paths, who may, and what comes of a request (spec twiml_laml_plivo 3.5, 5.3).

A path may end with a slash. A recording with the ending of a format is its audio, for whoever knows the id;
everything else needs HTTP Basic. What another account owns does not exist. A recording is there once it is ready.

Plivo's clients send a request that is answered with a 5xx twice more, at once. So none is, once a recording has
started; and the same start again, within ten seconds or while the first is under way, is told that recording.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from aiohttp import web

from controller.dialects.plivo import rest, shapes
from controller.dialects.plivo.rest import RestError
from controller.documents.call import Call, CallState
from controller.documents.dialect import Account
from controller.http.base import json_response
from controller.http.basic import CHALLENGE, Throttled, account_of
from controller.http.media import Downloads, ready
from controller.http.parameters import BadBody, Parameters, of_body, of_query
from controller.media.variants import Variant
from controller.recordings.model import (
    EndReason,
    Recording,
    RecordingRequest,
    State,
    StatusTarget,
    Transcription,
    new_id,
)
from controller.recordings.ports import LedgerFailed, LegGone, MediaAway, NoRoom, NotPossible, SwitchAway

PREFIX = "/v1/Account"
VENDOR = DIALECT = "plivo"
SAME_WITHIN = 10.0
"""Seconds in which the same start is taken for the same wish."""
BEGIN_WITHIN = 4.0
"""Seconds that a start waits to begin: Plivo's clients give up after five, and would not know of what is recorded."""
CALL_NOT_FOUND = "call not found"
"""Plivo's words for a call that is not live."""

_Key = tuple[str, RecordingRequest]


@dataclass(frozen=True, slots=True)
class Fitting:
    """Which recordings a list has: as ``dialects.plivo.rest.Listing`` says it."""

    call: str | None = None
    since: float | None = None
    until: float | None = None
    callers: tuple[str, ...] = ()
    callees: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """Recordings of a list, those added last first, and how many fit it in all."""

    recordings: Sequence[Recording]
    total: int


class RecordingControl(Protocol):
    """What the API needs of the rest. The verbs raise NotPossible, SwitchAway and LedgerFailed."""

    async def call_of(self, account: str, call_id: str) -> Call | None:
        """Return the account's call of that id; None for any other account's."""
        ...

    async def recording_of(self, account: str, recording_id: str) -> Recording | None:
        """Return the account's recording of that id as it is stored; None for any other account's."""
        ...

    async def added(
        self, account: str, fitting: Fitting, *, limit: int, offset: int, behind: tuple[float, str] | None
    ) -> Page:
        """Return recordings of the account that have a file.

        The page begins behind ``offset`` of them, or behind the recording of which ``behind`` is when it was added,
        and its id.
        """
        ...

    async def recent(self, call: Call, seconds: float) -> Sequence[Recording]:
        """Return the recordings of the call's leg that were asked for within the last seconds, as they are stored."""
        ...

    def active(self, call_id: str) -> Sequence[Recording]:
        """Return the call's recordings that may still be stopped."""
        ...

    async def start(
        self, call: Call, request: RecordingRequest, dialect: str, identity: str, *, within: float
    ) -> Recording:
        """Start a recording on the call's leg; done when it runs, or is refused (NotPossible; LegGone: it has ended).

        Of one that is durable it is raised only that it did not begin, as far as that is known ``within`` so many
        seconds.
        """
        ...

    async def stop(self, recording_id: str, reason: EndReason) -> Recording:
        """Stop it; its end comes as a callback."""
        ...

    async def delete(self, recording_id: str) -> bool:
        """Delete one that is final, durably; False where it is deleted already. Raises MediaAway, too."""
        ...

    async def variant(self, recording: Recording, form: str, channels: int | None) -> Variant:
        """Have a ready recording's audio in a format, made where it is not there.

        Raises NotPossible, MediaAway, and OSError, KeyError and ValueError where its file is gone.
        """
        ...


class TranscriptionControl(Protocol):
    """Transcriptions by the ids of their recordings. They raise NotPossible and LedgerFailed."""

    async def request(self, recording: str, account: str, target: StatusTarget | None) -> Transcription | None:
        """Have a recording transcribed, durably, and ``target`` told of it; None where there is no such recording.

        One that is under way stays as it is.
        """
        ...

    async def get(self, recording: str, account: str) -> Transcription | None:
        """Return it as it is; None where there is none of the account's."""
        ...

    async def delete(self, recording: str, account: str) -> bool:
        """Delete it, durably; False where there is none of the account's."""
        ...


def register(
    router: web.UrlDispatcher,
    downloads: Downloads,
    control: RecordingControl,
    transcriptions: TranscriptionControl,
    accounts: Sequence[Account],
    public_url: str,
) -> None:
    """Add the routes; they are for Plivo's accounts with a token."""
    mine = tuple(account for account in accounts if account.vendor == VENDOR and account.token)
    api = PlivoApi(control, transcriptions, mine, downloads, public_url)
    router.add_route("*", f"{PREFIX}/{{account}}/{{rest:.*}}", api.answer)


class PlivoApi:
    """Answers requests."""

    def __init__(
        self,
        control: RecordingControl,
        transcriptions: TranscriptionControl,
        accounts: Sequence[Account],
        downloads: Downloads,
        public_url: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._control = control
        self._transcriptions = transcriptions
        self._accounts = accounts
        self._downloads = downloads
        self._public_url = public_url
        self._clock = clock
        self._starting: dict[_Key, asyncio.Task[Recording]] = {}

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request; every error has Plivo's shape."""
        api_id = new_id()
        try:
            return await self._answered(request, api_id)
        except RestError as error:
            return _refusal(api_id, error)
        except Throttled as throttled:
            return _refusal(api_id, RestError(429, str(throttled), throttled.headers))
        except BadBody as bad:
            return _refusal(api_id, RestError(bad.status, str(bad)))
        except (SwitchAway, LedgerFailed, MediaAway, NoRoom) as failure:
            return _refusal(api_id, RestError(503, f"not now, try again later: {failure}"))
        except NotPossible as refusal:
            return _refusal(api_id, RestError(422, str(refusal)))

    async def _answered(self, request: web.Request, api_id: str) -> web.StreamResponse:
        named = next((one for one in self._accounts if one.identity == request.match_info["account"]), None)
        parts = request.match_info["rest"].removesuffix("/").split("/")
        audio = len(parts) == 2 and parts[0] == "Recording" and "." in parts[1]
        if audio and named is not None and self._downloads.public:
            return await self._media(request, named, api_id, *parts[1].rsplit(".", 1))
        account = account_of(request, self._accounts)
        if account is None:
            raise RestError(401, "authentication failed: HTTP Basic with auth_id and auth_token is needed")
        if account is not named:
            raise RestError(404, "resource not found")
        if audio:
            return await self._media(request, account, api_id, *parts[1].rsplit(".", 1))
        match parts:
            case ["Call", call, "Record"]:
                return await self._on_call(request, account, call, api_id)
            case ["Recording"]:
                _allow(request, "GET", "HEAD")
                return await self._list(request, account, api_id)
            case ["Recording", recording]:
                _allow(request, "GET", "HEAD", "DELETE")
                return await self._on_recording(request, account, recording, api_id)
            case ["Transcription", recording]:
                _allow(request, "POST", "GET", "HEAD", "DELETE")
                return await self._on_transcription(request, account, recording, api_id)
        raise RestError(404, "resource not found")

    # --- a call's recordings ---------------------------------------------------------------------------------------

    async def _on_call(self, request: web.Request, account: Account, name: str, api_id: str) -> web.Response:
        _allow(request, "POST", "DELETE")
        parameters = await of_body(request)
        call = await self._live(account, name)
        if request.method == "DELETE":
            await self._stop(call, {**of_query(request), **parameters})
            return web.Response(status=204)
        asked = rest.creation(parameters, account, api_id)
        try:
            recording = await self._start(call, asked)
        except LegGone:
            raise RestError(404, CALL_NOT_FOUND) from None
        return json_response(shapes.started(recording, account, self._public_url), 202)

    async def _live(self, account: Account, name: str) -> Call:
        identity = rest.identity(name)
        call = None if identity is None else await self._control.call_of(account.name, identity)
        if call is None or call.state is CallState.ENDED or call.cause is not None:
            raise RestError(404, CALL_NOT_FOUND)
        return call

    async def _start(self, call: Call, asked: RecordingRequest) -> Recording:
        """Start a recording, or return the one that the same request started just now.

        In a task of its own: whoever hangs up does not leave others without an answer.
        """
        key = call.id, _wish(asked)
        starting = self._starting.get(key)
        if starting is None:
            starting = self._starting[key] = asyncio.create_task(self._begin(call, asked))
            starting.add_done_callback(lambda _: self._starting.pop(key))
        return await asyncio.shield(starting)

    async def _begin(self, call: Call, asked: RecordingRequest) -> Recording:
        for recording in await self._control.recent(call, SAME_WITHIN):
            if _wish(recording.request) == _wish(asked) and _goes_on(recording):
                return recording
        return await self._control.start(call, asked, DIALECT, new_id(), within=BEGIN_WITHIN)

    async def _stop(self, call: Call, parameters: Parameters) -> None:
        """Stop one of the call's recordings or all; that none runs is no error of whoever wants none to run.

        Those of a leg that was dialled are told as the dialling call's, which has others of its own.
        """
        wanted = rest.stopped(parameters, self._public_url)
        active = [
            one
            for one in self._control.active(call.told_as)
            if wanted in {None, one.id} and (not call.parent or one.owner.leg == call.leg)
        ]
        if wanted is not None and not active:
            raise RestError(404, "URL is of no recording that runs on this call")
        failure: Exception | None = None
        for recording in active:
            try:
                await self._control.stop(recording.id, EndReason.API)
            except NotPossible:  # it has ended meanwhile
                continue
            except (SwitchAway, LedgerFailed) as away:
                failure = away
        if failure is not None:
            raise failure

    # --- recordings ------------------------------------------------------------------------------------------------

    async def _list(self, request: web.Request, account: Account, api_id: str) -> web.Response:
        now = self._clock()
        asked = rest.listing(of_query(request), now)
        behind = None
        if asked.cursor is not None:
            last = await self._control.recording_of(account.name, asked.cursor)
            if last is None:
                raise RestError(400, "cursor names no recording of this account; follow meta.next")
            behind = shapes.added_at(last), last.id
        page = Page((), 0)
        if not asked.nothing:
            fitting = Fitting(asked.call, asked.since, asked.until, asked.callers, asked.callees)
            offset = asked.offset if behind is None else 0
            page = await self._control.added(
                account.name, fitting, limit=asked.limit + 1, offset=offset, behind=behind
            )
        rows = page.recordings[: asked.limit]
        found = [shapes.shape(row, account, self._public_url, now) for row in rows]
        more = len(page.recordings) > len(rows)
        return json_response({"api_id": api_id, **shapes.page(found, account, asked, total=page.total, more=more)})

    async def _on_recording(self, request: web.Request, account: Account, name: str, api_id: str) -> web.Response:
        recording = await self._recording(account, name)
        if request.method == "DELETE":
            await self._control.delete(recording.id)
            return web.Response(status=204)
        if not ready(recording):
            why = "there is none of it" if recording.state.final else "it is not ready yet"
            raise RestError(404, f"recording not found: {why}")
        shown = shapes.shape(recording, account, self._public_url, self._clock())
        return json_response({"api_id": api_id, **shown})

    async def _recording(self, account: Account, name: str) -> Recording:
        identity = rest.identity(name)
        found = None if identity is None else await self._control.recording_of(account.name, identity)
        if found is None or found.deleted_at is not None:
            raise RestError(404, "recording not found")
        return found

    async def _media(
        self, request: web.Request, account: Account, api_id: str, name: str, form: str
    ) -> web.StreamResponse:
        _allow(request, "GET", "HEAD")
        recording = await self._recording(account, name)
        if form not in rest.FORMATS or not ready(recording):
            raise RestError(404, "recording not found: it is not ready, or there is none of it in that format")
        try:
            variant = await self._control.variant(recording, form, None)
        except (OSError, KeyError, ValueError):
            raise RestError(404, "recording not found: its file is gone") from None

        def failed(status: int, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
            return json_response({"api_id": api_id, "error": message}, status, headers)

        return await self._downloads.serve(request, recording, variant, failed=failed)

    # --- transcriptions --------------------------------------------------------------------------------------------

    async def _on_transcription(self, request: web.Request, account: Account, name: str, api_id: str) -> web.Response:
        parameters = await of_body(request)
        recording = await self._recording(account, name)
        desk = self._transcriptions
        if request.method == "POST":
            asked = rest.transcription(parameters)
            if await desk.request(recording.id, account.name, asked) is None:
                raise RestError(404, "recording not found")
            return json_response({"api_id": api_id, "message": shapes.TRANSCRIBING}, 201)
        if request.method == "DELETE":
            if not await desk.delete(recording.id, account.name):
                raise RestError(404, "transcription not found")
            return json_response({"api_id": api_id, "message": shapes.ACCEPTED}, 202)
        found = await desk.get(recording.id, account.name)
        if found is None:
            raise RestError(404, "transcription not found")
        return json_response({"api_id": api_id, **shapes.transcribed(found, recording)})


def _refusal(api_id: str, error: RestError) -> web.Response:
    headers = {"WWW-Authenticate": CHALLENGE} if error.status == 401 else dict(error.headers)
    return json_response({"api_id": api_id, "error": str(error)}, error.status, headers)


def _allow(request: web.Request, *methods: str) -> None:
    if request.method not in methods:
        allowed = ", ".join(methods)
        raise RestError(405, f"{request.method} is not allowed here, but {allowed}", {"Allow": allowed})


def _wish(request: RecordingRequest) -> RecordingRequest:
    """Return what is asked for, without the id of who asked."""
    return replace(request, reference="")


def _goes_on(recording: Recording) -> bool:
    """Whether a recording is what was wished still: it runs, or it has reached the length that was asked for.

    After a stop the same wish is a new one.
    """
    over = recording.wish.stop or recording.reason
    return recording.state is not State.FAILED and over in {None, EndReason.MAX_LENGTH}

"""SignalWire's `GET` and `DELETE /api/relay/rest/recordings[/{id}]`: a project's recordings, whatever made them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Protocol
from urllib.parse import urlencode

from aiohttp import web

from controller.dialects.swml import relay
from controller.documents.call import Call
from controller.documents.dialect import Account
from controller.http.base import json_response
from controller.http.calling import VENDOR, Refused, authenticate
from controller.http.recordings import Wanted
from controller.recordings.model import Recording
from controller.recordings.ports import LedgerFailed, MediaAway, NotPossible

PATH = "/api/relay/rest/recordings"
PAGE, LARGEST_PAGE, ANY_NUMBER = 50, 1000, 999_999_999
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")


class RelayControl(Protocol):
    """What these requests need of the rest, as ``http.recordings.RecordingControl`` says it."""

    async def call_of(self, account: str, call_id: str) -> Call | None:
        """Return the account's call of that id."""
        ...

    async def recording_of(self, account: str, recording_id: str) -> Recording | None:
        """Return the account's recording of that id."""
        ...

    async def page(self, account: str, wanted: Wanted) -> Sequence[Recording]:
        """Return recordings of the account, newest first."""
        ...

    async def delete(self, recording_id: str) -> bool:
        """Delete one that is final."""
        ...


def register(router: web.UrlDispatcher, control: RelayControl, accounts: Sequence[Account], public_url: str) -> None:
    """Add the routes; only accounts of the vendor signalwire with a token can use them."""
    mine = tuple(account for account in accounts if account.vendor == VENDOR and account.token)
    api = _Relay(control, mine, public_url)
    router.add_get(PATH, api.answer)
    router.add_get(f"{PATH}/{{id}}", api.answer)
    router.add_delete(f"{PATH}/{{id}}", api.answer)


class _Relay:
    def __init__(self, control: RelayControl, accounts: Sequence[Account], public_url: str) -> None:
        self._control = control
        self._accounts = accounts
        self._public_url = public_url

    async def answer(self, request: web.Request) -> web.Response:
        try:
            account = authenticate(request, self._accounts)
            identity = request.match_info.get("id")
            if identity is None:
                return json_response(await self._list(request, account))
            recording = await self._recording(account, identity)
            if request.method == "DELETE":
                await self._delete(recording)
                return web.Response(status=204)
            return json_response(await self._shown(recording, account))
        except Refused as refused:
            return refused.response()

    async def _recording(self, account: Account, identity: str) -> Recording:
        found = await self._control.recording_of(account.name, identity) if _ID.match(identity) else None
        if found is None or found.deleted_at is not None:
            raise Refused(404, "not_found", "there is no such recording", "id")
        return found

    async def _delete(self, recording: Recording) -> None:
        try:
            await self._control.delete(recording.id)
        except NotPossible as refusal:
            raise Refused(422, "invalid_command_attempted", str(refusal), "id") from None
        except (MediaAway, LedgerFailed):
            raise Refused(503, "store_unavailable", "it could not be deleted now; try again later") from None

    async def _list(self, request: web.Request, account: Account) -> dict[str, Any]:
        size = min(LARGEST_PAGE, _number(request, "page_size", PAGE, 1))
        number = _number(request, "page_number", 0, 0)
        token = request.query.get("page_token", "")
        cursor = await self._cursor(account, token)
        back = token.startswith("PB")
        wanted = Wanted(size + 1, before=None if back else cursor, after=cursor if back else None)
        rows = await self._control.page(account.name, wanted)
        over = len(rows) > size
        rows = rows[-size:] if back else rows[:size]

        def link(page: int, place: str = "") -> str:
            query = {"page_number": page, "page_size": size, **({"page_token": place} if place else {})}
            return f"{PATH}?{urlencode(query)}"

        links = {"self": link(number, token), "first": link(0)}
        if rows and (back or over):
            links["next"] = link(number + 1, f"PA{rows[-1].id}")
        if rows and (over if back else bool(token)):
            links["prev"] = link(max(0, number - 1), f"PB{rows[0].id}")
        return {"links": links, "data": [await self._shown(row, account) for row in rows]}

    async def _cursor(self, account: Account, token: str) -> tuple[float, str] | None:
        if not token:
            return None
        found = None
        if token[:2] in {"PA", "PB"} and _ID.match(token[2:]):
            found = await self._control.recording_of(account.name, token[2:])
        if found is None:
            raise Refused(422, "invalid_parameter", "page_token is none that was given out", "page_token")
        return found.requested_at, found.id

    async def _shown(self, recording: Recording, account: Account) -> dict[str, Any]:
        call = await self._control.call_of(account.name, recording.owner.call)
        return relay.shape(recording, call, account, self._public_url)


def _number(request: web.Request, name: str, default: int, least: int) -> int:
    value = request.query.get(name)
    if not value:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", value) or int(value) < least:
        raise Refused(422, "invalid_parameter", f"{name} must be a whole number from {least} to {ANY_NUMBER}", name)
    return int(value)

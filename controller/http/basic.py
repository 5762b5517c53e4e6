"""HTTP Basic: which account a request's credentials are of, and who may try how often.

Failures are counted for each pair of a client's address and a name that it tries, and, ten times more of them, for
the address: one application with an old token does not lock out its neighbour behind the same address, nor anybody at
another; whoever changes names gains little, and learns nothing of which exist.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import math
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

from aiohttp import web

from controller.documents.dialect import Account
from controller.http.base import error_response
from controller.http.throttle import BURST, INTERVAL, Throttle
from controller.recordings.model import Recording

CHALLENGE = 'Basic realm="fsrec", charset="UTF-8"'
"""What a 401 has as WWW-Authenticate."""
_MOST_NAME = 128
_MOST_HOPS = 32

Network = IPv4Network | IPv6Network


class Throttled(Exception):
    """Too many failures: credentials are not looked at for another ``seconds``, whole ones."""

    def __init__(self, seconds: float) -> None:
        self.seconds = max(1, math.ceil(seconds))
        super().__init__(f"too many failed logins; try again in {self.seconds} s")

    @property
    def headers(self) -> dict[str, str]:
        """Return what tells HTTP's clients when to come again."""
        return {"Retry-After": str(self.seconds)}


@dataclass(frozen=True, slots=True)
class Door:
    """Counts failed logins. ``proxies`` are the networks of those whose X-Forwarded-For is believed."""

    proxies: Sequence[Network] = ()
    logins: Throttle = field(default_factory=Throttle)
    clients: Throttle = field(default_factory=lambda: Throttle(burst=10 * BURST, interval=INTERVAL / 10))

    def enter(self, request: web.Request, name: bytes) -> Callable[[], None]:
        """Return what counts a failure to log in by this name. Raises Throttled."""
        client = client_group(client_of(request, self.proxies))
        login = client, name[:_MOST_NAME]
        seconds = max(self.logins.wait(login), self.clients.wait(client))
        if seconds > 0:
            raise Throttled(seconds)

        def failed() -> None:
            self.logins.failed(login)
            self.clients.failed(client)

        return failed


DOOR = web.AppKey("door", Door)


def client_of(request: web.BaseRequest, proxies: Sequence[Network]) -> str:
    """Return the address that a request comes from: the last one that no trusted proxy speaks for.

    X-Forwarded-For is read from its end, as proxies write it: what stands before the first that is not trusted was
    written by the client itself.
    """
    here = request.remote or ""
    hops = ",".join(request.headers.getall("X-Forwarded-For", [])).split(",")[-_MOST_HOPS:] if proxies else []
    while hops and trusted(here, proxies):
        before = _address(hops.pop().strip())
        if before is None:
            break
        here = before
    return here


def client_group(address: str) -> Hashable:
    """Return what stands for one client: an IPv4 address, or a whole /64 of IPv6, any of which it may choose."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is None:
        return 6, int(parsed) >> 64
    return 4, int(getattr(parsed, "ipv4_mapped", None) or parsed)


def trusted(address: str, networks: Sequence[Network]) -> bool:
    """Tell whether an address is within one of the networks."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address):
        parsed = parsed.ipv4_mapped or parsed
    return any(parsed in network for network in networks)


def _address(hop: str) -> str | None:
    """Return the address of an entry, some of which have a port; None for what is none."""
    host = hop[1:].partition("]")[0] if hop.startswith("[") else hop
    if host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        return str(ip_address(host))
    except ValueError:
        return None


def account_of(request: web.Request, accounts: Sequence[Account]) -> Account | None:
    """Return the account whose id and token a request has, in a time that tells nothing; else None.

    Raises Throttled. A request without credentials is no failure: many clients send them only when asked.
    """
    header = request.headers.get("Authorization")
    if header is None:
        return None
    return account_with(request, _credentials(header), accounts)


def account_with(request: web.Request, credentials: bytes, accounts: Sequence[Account]) -> Account | None:
    """Return the account of an ``id:token`` that a request brought, in whichever way; as ``account_of``."""
    failed = request.config_dict[DOOR].enter(request, credentials.partition(b":")[0])
    found: Account | None = None
    for account in accounts:
        if hmac.compare_digest(credentials, f"{account.identity}:{account.token}".encode()):
            found = account
    if found is None:
        failed()
    return found


def _credentials(header: str) -> bytes:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return b""
    try:
        return base64.b64decode(encoded.strip().encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return b""


Authorize = Callable[[web.Request, Recording | None], Awaitable[web.StreamResponse | None]]


def owners_only(accounts: Sequence[Account]) -> Authorize:
    """Return what refuses downloads to all but the recording's own account; whether it exists is told to no other."""
    able = tuple(account for account in accounts if account.token)

    async def authorize(request: web.Request, recording: Recording | None) -> web.StreamResponse | None:
        try:
            account = account_of(request, able)
        except Throttled as throttled:
            return error_response(429, str(throttled), throttled.headers)
        if account is None:
            words = "this recording needs its account's id and token, by HTTP Basic"
            return error_response(401, words, {"WWW-Authenticate": CHALLENGE})
        if recording is None or recording.owner.account != account.name:
            return error_response(404, "there is no such recording, or it is not ready")
        return None

    return authorize

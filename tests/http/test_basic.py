"""controller/http/basic.py: whose credentials they are, from where they come, and who has failed too often."""

from __future__ import annotations

import base64
import contextlib
import hmac
from ipaddress import ip_network
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from controller.documents.dialect import Account
from controller.http.basic import DOOR, Door, Throttled, account_of, client_group, client_of, trusted
from controller.http.throttle import Throttle

ACME = Account("acme", "signalwire", "project-1", token="token-1")
OTHER = Account("other", "twilio", "AC1", token="token-2")
BOTH = (ACME, OTHER)
NETWORKS = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class Peer:
    """A transport of a client."""

    def __init__(self, address: str) -> None:
        self.address = address

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return (self.address, 4711) if name == "peername" else default

    def is_closing(self) -> bool:
        return False


def door(app: web.Application, **changes: Any) -> web.Application:
    app[DOOR] = Door(**changes)
    return app


def request_of(app: web.Application, authorization: str | None, address: str = "192.0.2.1", *forwarded: str) -> Any:
    headers = [("X-Forwarded-For", one) for one in forwarded]
    if authorization is not None:
        headers.append(("Authorization", authorization))
    from multidict import CIMultiDict

    return make_mocked_request("GET", "/", CIMultiDict(headers), app=app, transport=Peer(address))


def test_every_account_is_compared_whatever_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Right, wrong, unknown and unreadable credentials take the same comparisons, each in constant time."""
    compared: list[int] = []
    real = hmac.compare_digest

    def counting(one: bytes, other: bytes) -> bool:
        compared[-1] += 1
        return real(one, other)

    monkeypatch.setattr("controller.http.basic.hmac.compare_digest", counting)
    tries = [basic("project-1", "token-1"), basic("AC1", "token-2"), basic("project-1", "no"), basic("nobody", "no")]
    app = door(web.Application())
    for authorization in [*tries, "Basic !", "Bearer x", "Basic \x00"]:
        compared.append(0)
        account_of(request_of(app, authorization), BOTH)
    assert set(compared) == {2}


def test_too_many_failures_are_not_looked_at() -> None:
    """After a burst the right credentials are refused as the wrong ones are, so nothing is learnt by trying on."""
    app = door(web.Application(), logins=Throttle(burst=3, clock=lambda: 0.0))
    for _ in range(3):
        assert account_of(request_of(app, basic("project-1", "wrong")), BOTH) is None
    for password in ("wrong", "token-1"):
        with pytest.raises(Throttled) as refused:
            account_of(request_of(app, basic("project-1", password)), BOTH)
        assert refused.value.headers == {"Retry-After": "6"}


def test_nobody_is_locked_out_by_others() -> None:
    """Neither an account at another address, nor all the others at the same one."""
    app = door(web.Application(), logins=Throttle(burst=2, clock=lambda: 0.0))
    for number in range(2):
        account_of(request_of(app, basic("project-1", f"wrong {number}")), BOTH)
    with pytest.raises(Throttled):
        account_of(request_of(app, basic("project-1", "token-1")), BOTH)
    assert account_of(request_of(app, basic("project-1", "token-1"), "192.0.2.2"), BOTH) is ACME
    assert account_of(request_of(app, basic("AC1", "token-2")), BOTH) is OTHER


def test_a_client_that_goes_on_with_an_old_token() -> None:
    """It may try for ever: what it is not let try does not count against its neighbours."""
    now = 0.0
    app = door(web.Application(), logins=Throttle(clock=lambda: now), clients=Throttle(burst=20, clock=lambda: now))
    for _ in range(1000):
        now += 1.0
        with contextlib.suppress(Throttled):
            account_of(request_of(app, basic("project-1", "old")), BOTH)
        assert account_of(request_of(app, basic("AC1", "token-2")), BOTH) is OTHER


def test_a_request_without_credentials_is_no_failure() -> None:
    """Clients that send none until they are asked may do so for ever; what is unreadable counts."""
    app = door(web.Application(), logins=Throttle(burst=1, clock=lambda: 0.0))
    for _ in range(5):
        assert account_of(request_of(app, None), BOTH) is None
    assert account_of(request_of(app, "Basic !"), BOTH) is None
    with pytest.raises(Throttled):
        account_of(request_of(app, "Basic !"), BOTH)


def test_changing_names_gains_little() -> None:
    """Whoever tries a new name each time has a bounded number of tries, not a burst for each."""
    app = door(web.Application(), clients=Throttle(burst=100, clock=lambda: 0.0))
    tried = 0
    for number in range(2000):
        try:
            account_of(request_of(app, basic(f"name-{number}", "x")), BOTH)
            tried += 1
        except Throttled:
            continue
    assert tried == len(app[DOOR].logins) == 100
    assert account_of(request_of(app, basic("AC1", "token-2"), "192.0.2.2"), BOTH) is OTHER


def test_long_names_take_no_room() -> None:
    """Of a name its beginning counts: what is remembered of each of 10,000 is little."""
    app = door(web.Application(), logins=Throttle(burst=2, clock=lambda: 0.0))
    for number in range(2):
        account_of(request_of(app, basic("x" * 200 + str(number), "x")), BOTH)
    assert len(app[DOOR].logins) == 1
    with pytest.raises(Throttled):
        account_of(request_of(app, basic("x" * 5000, "x")), BOTH)


FORWARDED = [
    ("192.0.2.1", ("198.51.100.7",), "192.0.2.1"),  # from nobody that is trusted: not believed
    ("10.0.0.1", (), "10.0.0.1"),
    ("10.0.0.1", ("198.51.100.7",), "198.51.100.7"),
    ("10.0.0.1", ("1.2.3.4, 198.51.100.7",), "198.51.100.7"),  # what the client wrote itself is before it
    ("10.0.0.1", ("1.2.3.4", "198.51.100.7"), "198.51.100.7"),
    ("10.0.0.1", ("198.51.100.7, 10.0.0.2",), "198.51.100.7"),
    ("10.0.0.1", ("10.0.0.3, 10.0.0.2",), "10.0.0.3"),
    ("10.0.0.1", ("198.51.100.7:4711",), "198.51.100.7"),
    ("10.0.0.1", ("[2001:db8::7]:4711",), "2001:db8::7"),
    ("10.0.0.1", ("2001:db8::7",), "2001:db8::7"),
    ("fd00::1", ("198.51.100.7",), "198.51.100.7"),
    ("::ffff:10.0.0.1", ("198.51.100.7",), "198.51.100.7"),
    ("10.0.0.1", ("unknown",), "10.0.0.1"),
    ("10.0.0.1", ("198.51.100.7, x\x1b[2J",), "10.0.0.1"),
    ("10.0.0.1", ("",), "10.0.0.1"),
    ("10.0.0.1", (",".join(["10.0.0.2"] * 10_000),), "10.0.0.2"),
]


@pytest.mark.parametrize(("peer", "forwarded", "client"), FORWARDED)
def test_who_the_client_is(peer: str, forwarded: tuple[str, ...], client: str) -> None:
    """The last address that no trusted proxy speaks for."""
    app = door(web.Application())
    assert client_of(request_of(app, None, peer, *forwarded), NETWORKS) == client
    assert client_of(request_of(app, None, peer, *forwarded), ()) == peer


def test_what_one_client_is() -> None:
    """An IPv4 address however it is written, a /64 of IPv6, and whatever else there may be."""
    assert client_group("192.0.2.1") == client_group("::ffff:192.0.2.1") != client_group("192.0.2.2")
    assert client_group("2001:db8::1") == client_group("2001:db8::ffff") != client_group("2001:db8:0:1::1")
    assert client_group("") == ""
    assert not trusted("", NETWORKS)

"""Which addresses may be connected to, by whatever spelling."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import ip_address, ip_network
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.web.guard import AddressGuard, AddressRefused, GuardedResolver, refusal
from tests.harness.receiver import Receiver

LOOPBACK = [ip_network("127.0.0.0/8")]


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("0.0.0.0", "this network"),
        ("10.1.2.3", "private"),
        ("100.64.0.1", "carrier-grade NAT"),
        ("100.127.255.255", "carrier-grade NAT"),
        ("127.0.0.1", "loopback"),
        ("169.254.169.254", "link-local"),
        ("172.31.0.1", "private"),
        ("192.0.0.8", "protocol assignments"),
        ("192.0.2.1", "documentation"),
        ("192.88.99.1", "6to4 relay"),
        ("192.168.1.1", "private"),
        ("198.19.0.1", "benchmarking"),
        ("198.51.100.1", "documentation"),
        ("203.0.113.1", "documentation"),
        ("239.1.1.1", "multicast"),
        ("240.0.0.1", "reserved"),
        ("255.255.255.255", "reserved"),
        ("::", "unspecified"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:a01:203", "private"),
        ("::127.0.0.1", "not globally routed"),
        ("64:ff9b::7f00:1", "NAT64"),
        ("64:ff9b:1::1", "NAT64"),
        ("2001::1", "Teredo"),
        ("2001:2::1", "benchmarking"),
        ("2001:20::1", "protocol assignments"),
        ("2001:db8::1", "documentation"),
        ("2002:7f00:1::", "6to4"),
        ("3fff::1", "documentation"),
        ("fc00::1", "unique local"),
        ("fdff::1", "unique local"),
        ("fe80::1", "link-local"),
        ("fe80::1%eth0", "scoped"),
        ("fec0::1", "not globally routed"),
        ("ff02::1", "multicast"),
        ("4000::1", "not globally routed"),
        ("2130706433", "canonical"),
        ("127.1", "canonical"),
        ("0x7f.0.0.1", "canonical"),
        ("0177.0.0.1", "canonical"),
        ("localhost", "canonical"),
        ("", "canonical"),
    ],
)
def test_refused(address: str, reason: str) -> None:
    """Everything that is not on the public internet is refused, with the reason."""
    with pytest.raises(AddressRefused, match=reason) as refused:
        AddressGuard().check(address)
    assert refused.value.address == address
    assert "webhooks.allow_networks" in str(refused.value)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700::1", "::ffff:8.8.8.8", "100.128.0.1"])
def test_passed(address: str) -> None:
    """Public addresses pass."""
    AddressGuard().check(address)


def test_allowed_networks_pass_and_nothing_else() -> None:
    """A network of the settings passes in every spelling of its addresses; its neighbours do not."""
    guard = AddressGuard([ip_network("10.0.0.0/8"), ip_network("fd00:1::/32")])
    for address in ("10.9.9.9", "::ffff:10.9.9.9", "fd00:1::5"):
        guard.check(address)
    for address in ("127.0.0.1", "fd00:2::1", "::10.9.9.9", "192.168.0.1"):
        with pytest.raises(AddressRefused):
            guard.check(address)


@given(st.ip_addresses())
def test_what_passes_is_global_to_the_standard_library_too(address: Any) -> None:
    """No address passes that the standard library knows as private, or that is multicast."""
    try:
        AddressGuard().check(str(address))
    except AddressRefused:
        return
    plain = getattr(address, "ipv4_mapped", None) or address
    assert ip_address(plain).is_global
    assert not plain.is_multicast


SPELLINGS = """
127.0.0.1 [::1] [::ffff:127.0.0.1] [::ffff:7f00:1] 2130706433 127.1 0177.0.0.1 0x7f.1 0 0.0.0.0
localhost LOCALHOST. \u2460\u2461\u2466.\u24ea.\u24ea.\u2460
"""


@pytest.mark.parametrize("host", SPELLINGS.split())
async def test_no_spelling_of_this_machine_connects(host: str) -> None:
    """Not one spelling of loopback reaches a receiver that listens there."""
    async with Receiver() as receiver, aiohttp.ClientSession(connector=AddressGuard().connector()) as session:
        with pytest.raises((aiohttp.ClientError, ValueError)):
            await session.get(f"http://{host}:{receiver.port}/")
        assert receiver.requests == []


async def test_an_allowed_network_connects(monkeypatch: pytest.MonkeyPatch) -> None:
    """With its network allowed the same receiver is reached, by address and by name."""
    async with Receiver() as receiver, aiohttp.ClientSession(connector=AddressGuard(LOOPBACK).connector()) as session:
        for host in ("127.0.0.1", "localhost"):
            async with session.get(f"http://{host}:{receiver.port}/") as response:
                assert response.status == 200
        assert len(receiver.requests) == 2


def _answers(monkeypatch: pytest.MonkeyPatch, *turns: list[str]) -> list[str]:
    """Let names resolve to each of ``turns`` in turn; the names that were asked for."""
    asked: list[str] = []

    def look_up(host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        asked.append(host)
        addresses = turns[min(len(asked), len(turns)) - 1]
        return [
            (socket.AF_INET6 if ":" in one else socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port))
            for one in addresses
        ]

    monkeypatch.setattr("controller.web.guard.socket.getaddrinfo", look_up)
    return asked


async def test_only_the_addresses_that_pass_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a name's addresses the refused ones are dropped; none left is a refusal, none at all an error."""
    _answers(monkeypatch, ["10.0.0.1", "8.8.8.8", "::1"], ["10.0.0.1"], [])
    resolver = GuardedResolver(AddressGuard())
    found = await resolver.resolve("a.example", 80)
    assert [(one["hostname"], one["host"], one["port"]) for one in found] == [("a.example", "8.8.8.8", 80)]
    with pytest.raises(AddressRefused, match="private"):
        await resolver.resolve("a.example", 80)
    with pytest.raises(OSError, match="has no address"):
        await resolver.resolve("a.example", 80)
    await resolver.close()


async def test_a_name_that_changes_its_address_is_checked_where_it_connects(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rebinding gains nothing: a name that passed once and now says loopback is refused."""
    guard = AddressGuard()
    asked = _answers(monkeypatch, ["8.8.8.8"], ["127.0.0.1"])
    resolver = GuardedResolver(guard)
    await resolver.resolve("evil.example")
    async with Receiver() as receiver, aiohttp.ClientSession(connector=guard.connector()) as session:
        with pytest.raises(aiohttp.ClientConnectorError) as refused:
            await session.get(f"http://evil.example:{receiver.port}/")
        assert refusal(refused.value) is not None
        assert receiver.requests == []
    assert asked == ["evil.example", "evil.example"]
    await resolver.close()


async def test_a_name_that_is_none_is_an_error_of_the_connection() -> None:
    """A host name that cannot be encoded is an OSError, as any other that is not found."""
    resolver = GuardedResolver(AddressGuard())
    with pytest.raises(OSError, match="not a host name"):
        await resolver.resolve("a" * 70 + ".example")
    await resolver.close()


def test_sockets_are_made_only_for_checked_addresses() -> None:
    """The last check stands where the socket is made."""
    info = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80))
    with pytest.raises(AddressRefused):
        AddressGuard().open_socket(info)
    AddressGuard(LOOPBACK).open_socket(info).close()


def test_the_refusal_is_found_behind_other_errors() -> None:
    """It is found as cause or as aiohttp's os_error, and not where there is none, even in a circle."""
    refused = AddressRefused("127.0.0.1", "loopback")
    outer = ValueError("outer")
    outer.__cause__ = refused
    assert refusal(outer) is refused
    assert refusal(ValueError()) is None
    assert refusal(None) is None
    circle = ValueError()
    circle.__cause__ = circle
    assert refusal(circle) is None


async def test_a_slow_name_server_holds_up_its_own_domain_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many names it has, and though nobody waits any more: others are looked up, the loop's threads are free,
    and once it answers its own names are too."""
    import threading

    over, entered = threading.Event(), threading.Semaphore(0)

    def look_up(host: str, port: int, **_: Any) -> list[Any]:
        if host.lower().rstrip(".").endswith(".slow.example"):
            entered.release()
            over.wait(60)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", port))]

    monkeypatch.setattr("controller.web.guard.socket.getaddrinfo", look_up)
    resolver = GuardedResolver(AddressGuard())
    for _turn in range(2):
        hanging = [asyncio.create_task(resolver.resolve(f"{index}.Slow.example.")) for index in range(100)]
        await asyncio.sleep(0)
        for task in hanging:
            task.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)
    hanging = [asyncio.create_task(resolver.resolve(f"{index}.slow.example")) for index in range(100)]
    try:
        assert await asyncio.to_thread(entered.acquire, True, 10)
        assert len(await asyncio.wait_for(resolver.resolve("other.example"), 10)) == 1
        assert await asyncio.to_thread(lambda: 7) == 7
    finally:
        over.set()
    assert all([await asyncio.wait_for(task, 10) for task in hanging])
    await resolver.close()
    with pytest.raises(OSError, match="not looked up any more"):
        await resolver.resolve("other.example")

"""Which addresses fsrec may connect to on behalf of a document (DESIGN section 7).

A URL from a document may name this machine, its neighbours or a cloud's metadata service. What counts is the address
that is connected to, not the name: the resolver drops refused addresses, and each socket is made for an address
checked just before, so neither a literal, nor an odd spelling, nor a name that changes its address gets through.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from controller.turns import Turns

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

# Of our own, because what the standard library calls global differs between its versions, and includes multicast.
_REFUSED_V4 = tuple(
    (ip_network(text), reason)
    for text, reason in (
        ("0.0.0.0/8", "this network"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "carrier-grade NAT"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "protocol assignments"),
        ("192.0.2.0/24", "documentation"),
        ("192.88.99.0/24", "6to4 relay"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "benchmarking"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
    )
)
_REFUSED_V6 = tuple(
    (ip_network(text), reason)
    for text, reason in (
        ("::1/128", "loopback"),
        ("::/128", "unspecified"),
        ("64:ff9b::/96", "NAT64"),
        ("64:ff9b:1::/48", "NAT64"),
        ("2001::/32", "Teredo"),
        ("2001:2::/48", "benchmarking"),
        ("2001::/23", "protocol assignments"),
        ("2001:db8::/32", "documentation"),
        ("2002::/16", "6to4"),
        ("3fff::/20", "documentation"),
        ("fc00::/7", "unique local"),
        ("fe80::/10", "link-local"),
        ("ff00::/8", "multicast"),
    )
)
_GLOBAL_V6 = ip_network("2000::/3")  # all that is allocated for the public internet
_LOOKUPS = 64
"""Names looked up at once."""
_EACH = 4
"""Of one domain: its name server chooses how long each takes, and how many names it has."""


class AddressRefused(OSError):
    """A connection to this ``address`` is refused for ``reason``; the settings can allow its network."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(f"{address:.100} is refused ({reason}): webhooks.allow_networks does not allow it")
        self.address = address
        self.reason = reason


def refusal(error: BaseException | None) -> AddressRefused | None:
    """Return the refusal behind an aiohttp error, if that is its cause."""
    seen = 0
    while error is not None and seen < 8:
        if isinstance(error, AddressRefused):
            return error
        error = getattr(error, "os_error", None) or error.__cause__
        seen += 1
    return None


class AddressGuard:
    """Refuses every address that is not on the public internet, but for the networks of ``allow``."""

    def __init__(self, allow: Iterable[Network] = ()) -> None:
        self._allow = tuple(allow)

    def check(self, address: str) -> None:
        """Raise AddressRefused unless ``address``, in its canonical spelling, may be connected to."""
        try:
            parsed = ip_address(address)
        except ValueError:
            raise AddressRefused(address, "not an address in canonical form") from None
        if isinstance(parsed, IPv6Address):
            if parsed.scope_id is not None:
                raise AddressRefused(address, "scoped")
            parsed = parsed.ipv4_mapped or parsed
        if any(parsed in network for network in self._allow):  # False, not an error, for the other family
            return
        reason = _reason(parsed)
        if reason is not None:
            raise AddressRefused(address, reason)

    def open_socket(self, info: tuple[Any, ...]) -> socket.socket:
        """Make a socket for an address as ``getaddrinfo`` gives it. Raises AddressRefused."""
        family, kind, protocol, _, where = info
        self.check(where[0])
        return socket.socket(family, kind, protocol)

    def connector(self, *, limit: int = 100, per_host: int = 0, reuse: bool = True) -> aiohttp.TCPConnector:
        """Return a connector that can connect to nothing else; ``limit`` connections, ``per_host`` to one origin.

        With ``reuse`` a connection serves more than one request.
        """
        return aiohttp.TCPConnector(
            limit=limit,
            limit_per_host=per_host,
            resolver=GuardedResolver(self),
            socket_factory=self.open_socket,
            force_close=not reuse,
            # Servers close idle connections after 2 s and more; one that does while we send costs an attempt.
            keepalive_timeout=1.5 if reuse else None,
        )


def _reason(address: Address) -> str | None:
    table = _REFUSED_V4 if address.version == 4 else _REFUSED_V6
    for network, reason in table:
        if address in network:
            return reason
    return "not globally routed" if address.version == 6 and address not in _GLOBAL_V6 else None


class GuardedResolver(AbstractResolver):
    """Looks names up in threads of its own and returns only addresses that the guard lets pass.

    A domain whose name server is slow keeps a few of the threads, for longer than anybody waits; others have theirs.
    """

    def __init__(self, guard: AddressGuard) -> None:
        self._guard = guard
        self._threads = ThreadPoolExecutor(_LOOKUPS, thread_name_prefix="fsrec-lookup")
        self._turns = Turns(_LOOKUPS, _EACH)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of ``host``. Raises AddressRefused when all are refused, OSError when it has none."""
        loop = asyncio.get_running_loop()
        domain = ".".join(host.lower().rstrip(".").rsplit(".", 2)[-2:])

        def look_up() -> list[tuple[Any, ...]]:
            try:
                return _look_up(host, port, family)
            finally:  # by the thread: it goes on when who asked has given up
                with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                    loop.call_soon_threadsafe(self._turns.give, domain)

        await self._turns.take(party=domain)
        try:
            looking = self._threads.submit(look_up)
        except RuntimeError as error:  # closed
            self._turns.give(domain)
            raise OSError(f"{host!r:.100} is not looked up any more") from error
        try:
            found = await asyncio.wrap_future(looking)
        except asyncio.CancelledError:
            if looking.cancel():  # before a thread had it
                self._turns.give(domain)
            raise
        except UnicodeError as error:
            raise OSError(f"{host!r:.100} is not a host name: {error}") from error
        passed: list[ResolveResult] = []
        refused: AddressRefused | None = None
        for found_family, _, protocol, _, where in found:
            address = str(where[0])
            try:
                self._guard.check(address)
            except AddressRefused as error:
                refused = error
                continue
            passed.append(
                ResolveResult(
                    hostname=host, host=address, port=port, family=found_family, proto=protocol, flags=_NUMERIC
                )
            )
        if not passed:
            raise refused or OSError(f"{host!r:.100} has no address")
        return passed

    async def close(self) -> None:
        """Let go of the threads; a lookup that hangs in one is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)


_NUMERIC = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


def _look_up(host: str, port: int, family: socket.AddressFamily) -> list[tuple[Any, ...]]:
    return list(socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG))

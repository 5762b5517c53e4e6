"""Sessions without a table: a signed cookie that says who signed in, until when, and nothing else.

The key of its signature is derived from the very secret that was signed in with. So every daemon with the same
settings takes it, no restart ends it, and changing the secret does.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from controller.console.ports import Viewer

LIFETIME = 12 * 3600.0
"""Seconds that a session lasts."""
_MOST_ENDED = 10_000
_COOKIE = re.compile(r"([A-Za-z0-9_-]{0,128})\.([0-9]{1,12})\.([A-Za-z0-9_-]{22})\.([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that signed in. ``expires`` is in Unix seconds, ``csrf`` what its own forms carry, and no other's."""

    id: str
    viewer: Viewer
    expires: float
    csrf: str


class Sessions:
    """Makes cookies and reads them; ``tokens`` are the accounts' secrets by name, ``operators`` the operators'."""

    def __init__(self, tokens: Mapping[str, str], operators: Sequence[str], clock: Callable[[], float]) -> None:
        self._accounts = {name: _key(token, name) for name, token in tokens.items()}
        self._operators = tuple(_key(secret, "") for secret in operators)
        self._nobody = secrets.token_bytes(32)
        self._clock = clock
        self._ended: dict[str, float] = {}

    def begin(self, viewer: Viewer, secret: str) -> str:
        """Return the cookie of a new session, signed in with ``secret``."""
        who = base64.urlsafe_b64encode((viewer.account or "").encode()).decode().rstrip("=")
        payload = f"{who}.{int(self._clock() + LIFETIME)}.{secrets.token_urlsafe(16)}"
        return f"{payload}.{_mac(_key(secret, viewer.account or ''), 'session', payload)}"

    def read(self, cookie: str) -> Session | None:
        """Return the session that a cookie is of; None where it is none of ours, or over."""
        match = _COOKIE.fullmatch(cookie)
        if match is None:
            return None
        who, expires, identity, mac = match.groups()
        payload = cookie[: -len(mac) - 1]
        account = _decoded(who)
        key: bytes | None = None
        for known in self._keys(account):
            if hmac.compare_digest(mac, _mac(known, "session", payload)):
                key = known
        if key is None or account is None or self._clock() >= int(expires) or identity in self._ended:
            return None
        return Session(identity, Viewer(account or None), float(expires), _mac(key, "csrf", payload))

    def end(self, session: Session) -> None:
        """Take a session's cookie no more. Other daemons learn nothing of it: there the browser forgets it."""
        now = self._clock()
        self._ended = {identity: until for identity, until in self._ended.items() if until > now}
        if len(self._ended) >= _MOST_ENDED:
            del self._ended[next(iter(self._ended))]
        self._ended[session.id] = session.expires

    def _keys(self, account: str | None) -> Iterator[bytes]:
        if account == "":
            yield from self._operators
        yield self._accounts.get(account or "", self._nobody)


def _key(secret: str, account: str) -> bytes:
    return hmac.digest(secret.encode(), b"fsrec console sessions\0" + account.encode(), hashlib.sha256)


def _mac(key: bytes, purpose: str, payload: str) -> str:
    return hmac.new(key, f"{purpose}\0{payload}".encode(), hashlib.sha256).hexdigest()


def _decoded(who: str) -> str | None:
    try:
        return base64.urlsafe_b64decode(who + "=" * (-len(who) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None

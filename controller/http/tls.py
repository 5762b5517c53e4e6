"""The listener's certificate: read, judged as clients will, and read again when its files have changed.

A renewal replaces two files, one after the other: what does not fit together is told, the certificate before it goes
on being shown, and the files are looked at again.
"""

from __future__ import annotations

import contextlib
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_Mark = tuple[tuple[int, int, int], ...]


class TlsError(ValueError):
    """A certificate or key that can't be used; names both files."""


@dataclass(frozen=True, slots=True)
class CertificateChanged:
    """The files have changed, and the new certificate is shown from now on."""

    certificate: str


@dataclass(frozen=True, slots=True)
class CertificateRefused:
    """The files have changed and can't be used; what was there before is still shown."""

    certificate: str
    reason: str


class Certificate:
    """A certificate chain and its key, PEM files. Blocking: to be called in a thread."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self.certificate = certificate
        self.key = key
        self._seen: _Mark = ()
        self._told: tuple[_Mark, str] | None = None

    def load(self) -> ssl.SSLContext:
        """Return a server's context, TLS 1.2 or newer. Raises TlsError."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        try:
            seen = self._mark()
            # Without a password of ours OpenSSL would ask whoever sits at the terminal.
            context.load_cert_chain(self.certificate, self.key, password=lambda: "")
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            both = f"tls_certificate {self.certificate} with tls_key {self.key}"
            raise TlsError(f"{both} can't be used: {words}") from None
        self._seen = seen
        return context

    def reload(self) -> ssl.SSLContext | None:
        """Return a new context where the files are others than when last read, else None.

        Raises TlsError, once for each trouble with the same files; they are tried again each time.
        """
        mark: _Mark = ()
        with contextlib.suppress(OSError):
            mark = self._mark()
        if mark and mark == self._seen:
            return None
        try:
            context = self.load()
        except TlsError as error:
            trouble = mark, str(error)
            if trouble == self._told:
                return None
            self._told = trouble
            raise
        self._told = None
        return context

    def _mark(self) -> _Mark:
        found = [path.stat() for path in (self.certificate, self.key)]
        return tuple((status.st_mtime_ns, status.st_size, status.st_ino) for status in found)


def judged(context: ssl.SSLContext, certificate: Path, host: str) -> tuple[list[str], float | None]:
    """Return what clients that ask for ``host`` will hold against a certificate, and how many days it has left.

    A handshake in memory: once with the authorities that this machine knows, and once with the certificate itself as
    the only one, which tells whether name and dates are right. Days are None where it is not valid today.
    """
    wrong: list[str] = []
    days: float | None = None
    own = ssl.create_default_context(cafile=str(certificate))
    own.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    for trust, known in ((own, True), (ssl.create_default_context(), False)):
        try:
            shown = _handshake(context, trust, host)
        except ssl.SSLCertVerificationError as error:
            if error.verify_message not in wrong:
                wrong.append(error.verify_message)
        else:
            if known:
                days = (ssl.cert_time_to_seconds(str(shown["notAfter"])) - time.time()) / 86_400
    return wrong, days


def _handshake(server: ssl.SSLContext, client: ssl.SSLContext, host: str) -> dict[str, Any]:
    """Return the certificate that a client sees. Raises SSLCertVerificationError where it does not trust it."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = server.wrap_bio(to_server, to_client, server_side=True)
    theirs = client.wrap_bio(to_client, to_server, server_hostname=host)
    for side in (theirs, ours) * 3:
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    return theirs.getpeercert() or {}


def readable(path: Path) -> bool:
    """Tell whether anybody but its owner and group can read a file."""
    return bool(path.stat().st_mode & 0o004)

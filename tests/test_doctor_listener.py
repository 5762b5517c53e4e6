"""What fsrec doctor sees of how clients reach the listener."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from controller.doctor import Level, local
from controller.doctor.listener import console, transport
from controller.http.tls import Certificate
from controller.settings import HttpSettings
from tests.harness import certificates
from tests.harness.certificates import Pair
from tests.test_settings import HEAD, read


def http(**changes: object) -> HttpSettings:
    public = {"listen": "0.0.0.0:8443", "public_url": "https://rec.example.com", **changes}
    return read(HEAD + f"http: {public}").http


def tls(pair: Pair, **changes: object) -> HttpSettings:
    return http(tls_certificate=str(pair.certificate), tls_key=str(pair.key), **changes)


@pytest.mark.parametrize(
    ("changes", "subject", "words"),
    [
        ({}, "http.trusted_proxies", "one client's"),
        ({"trusted_proxies": ["10.0.0.1/32"]}, None, ""),
        ({"public_url": "http://rec.example.com"}, "http.listen", "in clear"),
        ({"public_url": "http://rec.example.com", "listen": "192.0.2.1:80"}, "http.listen", "in clear"),
        ({"public_url": "http://rec.example.com", "listen": "127.0.0.1:80"}, None, ""),
        ({"public_url": "http://rec.example.com", "listen": "localhost:80"}, None, ""),
    ],
)
def test_without_tls(changes: dict[str, object], subject: str | None, words: str) -> None:
    """What is in clear beyond this machine is pointed out, and a proxy that nobody named."""
    found = list(transport(http(**changes)))
    assert [(one.level, one.subject) for one in found] == ([(Level.WARNING, subject)] if subject else [])
    assert all(words in one.what for one in found)


@pytest.mark.parametrize(
    ("token", "level", "words"),
    [
        (None, Level.OK, "operator.key"),
        ("a-token-of-the-console", Level.OK, "signs operators in"),
        ("a-token-of-an-account", Level.PROBLEM, "the token of an account"),
    ],
)
def test_the_consoles_token(token: str | None, level: Level, words: str) -> None:
    """None is fine, and told how to do without; one that an account has would make an operator of it."""
    account = "{name: a, vendor: twilio, account_sid: AC1, auth_token: a-token-of-an-account}"
    http = f"http: {{console_token: {token}}}\n" if token else ""
    (found,) = console(read(f"{HEAD}{http}accounts: [{account}]\n"))
    assert (found.subject, found.level) == ("http.console_token", level)
    assert words in found.what
    assert str(token) not in found.what + found.fix


@pytest.mark.parametrize(
    ("host", "days", "level", "words"),
    [
        ("rec.example.com", 60.0, Level.WARNING, "self-signed"),
        ("other.example.com", 60.0, Level.PROBLEM, "rec.example.com"),
        ("rec.example.com", -0.5, Level.PROBLEM, "expired"),
    ],
)
def test_certificates(tmp_path: Path, host: str, days: float, level: Level, words: str) -> None:
    """A wrong name or an end that has passed is a problem, an authority that is not known here a warning."""
    (found,) = transport(tls(certificates.made(tmp_path, host, days=days)))
    assert (found.subject, found.level) == ("http.tls_certificate", level)
    assert words in found.what


@pytest.mark.parametrize(("days", "level"), [(60.0, Level.OK), (13.0, Level.WARNING)])
def test_days_that_are_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: float, level: Level) -> None:
    """Of an authority that this machine knows, all is well until two weeks before the end."""
    pair = certificates.made(tmp_path, "rec.example.com", days=days)
    monkeypatch.setenv("SSL_CERT_FILE", str(pair.certificate))
    (found,) = transport(tls(pair))
    assert (found.level, f"{days:.0f}" in found.what) == (level, True)


def test_files_that_are_none(tmp_path: Path) -> None:
    """A problem, that names them."""
    pair = certificates.made(tmp_path)
    pair.key.unlink()
    (found,) = transport(tls(pair))
    assert (found.level, str(pair.key) in found.what) == (Level.PROBLEM, True)


def test_what_else_is_told(tmp_path: Path) -> None:
    """A key that everybody can read, and a public URL in clear."""
    pair = certificates.made(tmp_path, "rec.example.com")
    pair.key.chmod(0o644)
    found = {one.subject: one for one in transport(tls(pair, public_url="http://rec.example.com"))}
    assert f"chmod o-r {pair.key}" in found["http.tls_key"].fix
    assert "https://" in found["http.public_url"].fix


async def test_a_daemon_that_speaks_tls_is_known(tmp_path: Path) -> None:
    """Whether the port is taken by fsrec is asked over TLS, whatever the certificate."""
    pair = certificates.made(tmp_path)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await writer.drain()
        writer.close()

    context: ssl.SSLContext = Certificate(pair.certificate, pair.key).load()
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    settings = read(
        HEAD + f"http: {{listen: '127.0.0.1:{port}', tls_certificate: {pair.certificate}, tls_key: {pair.key}}}"
    )
    found = await local.http_port(settings)
    assert (found.level, "running fsrec" in found.what) == (Level.OK, True)
    server.close()

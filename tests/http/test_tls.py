"""controller/http/tls.py: certificates that are good, bad, renewed, and half renewed."""

from __future__ import annotations

import asyncio
import os
import ssl
import stat
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from controller.http.tls import Certificate, CertificateChanged, CertificateRefused, TlsError, judged
from tests.harness import certificates
from tests.harness.certificates import Pair
from tests.http.conftest import Rooms, Serve, ask, until


def trusting(pair: Pair) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(pair.certificate))
    context.check_hostname = False
    return context


async def shown(port: int) -> str:
    """The certificate that a client sees."""
    return await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", port))


def renew(old: Path, new: Path) -> None:
    """Replace a file as a renewal does, at another time than before."""
    os.utime(new, (time.time() + 5, time.time() + 5))
    new.replace(old)


async def test_a_renewed_certificate_is_shown_without_a_restart(serve: Serve, rooms: Rooms, tmp_path: Path) -> None:
    """Once both files are there; meanwhile, and when they are gone, clients see the one before."""
    first = certificates.made(tmp_path, name="live")
    second = certificates.made(tmp_path, name="next")
    before, after = first.certificate.read_text(), second.certificate.read_text()
    trust = trusting(second)
    listener = await serve(listener={**first.files, "reload": 0.02})
    assert await shown(listener.port) == before
    renew(first.certificate, second.certificate)
    await until(lambda: rooms.events_of(CertificateRefused))
    assert await shown(listener.port) == before
    renew(first.key, second.key)
    await until(lambda: rooms.events_of(CertificateChanged))
    assert await shown(listener.port) == after
    assert (await ask(listener.port, "GET", "/healthz", tls=trust)).status == 200
    first.key.unlink()
    told = len(rooms.events_of(CertificateRefused))
    await until(lambda: len(rooms.events_of(CertificateRefused)) > told)
    assert await shown(listener.port) == after
    assert str(first.key) in rooms.events_of(CertificateRefused)[-1].reason


async def test_what_is_wrong_is_told_once(serve: Serve, rooms: Rooms, tmp_path: Path) -> None:
    """Files that stay as they are, good or bad, are looked at and not told of again."""
    pair = certificates.made(tmp_path)
    certificate = Certificate(pair.certificate, pair.key)
    certificate.load()
    assert certificate.reload() is None
    pair.certificate.write_text("nothing")
    with pytest.raises(TlsError, match="can't be used"):
        certificate.reload()
    assert certificate.reload() is None
    pair.certificate.unlink()
    with pytest.raises(TlsError, match="No such file"):
        certificate.reload()
    assert certificate.reload() is None
    again = certificates.made(tmp_path)
    assert again == pair
    assert certificate.reload() is not None


def test_what_passes_by_itself_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without descriptors, a key that may be read only later: told once, and used once it can be."""
    pair = certificates.made(tmp_path)
    certificate = Certificate(pair.certificate, pair.key)
    certificate.load()
    certificates.made(tmp_path)

    def cannot(*_: object, **__: object) -> None:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as short:
        short.setattr(ssl.SSLContext, "load_cert_chain", cannot)
        with pytest.raises(TlsError, match="Too many open files"):
            certificate.reload()
        assert certificate.reload() is None
    assert certificate.reload() is not None
    assert certificate.reload() is None


def with_password(pair: Pair) -> None:
    key = serialization.load_pem_private_key(pair.key.read_bytes(), None)
    pair.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )


def test_a_key_with_a_password_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is asked for it: a daemon that waits at a terminal serves nobody."""
    pair = certificates.made(tmp_path)
    with_password(pair)
    with pytest.raises(TlsError, match=f"tls_key {pair.key} can't be used"):
        Certificate(pair.certificate, pair.key).load()


async def test_old_versions_are_refused(serve: Serve, tmp_path: Path) -> None:
    """TLS 1.2 and 1.3 are spoken; what is older is not."""
    pair = certificates.made(tmp_path)
    listener = await serve(listener=pair.files)
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        trust = trusting(pair)
        trust.minimum_version = trust.maximum_version = version
        assert (await ask(listener.port, "GET", "/healthz", tls=trust)).status == 200
    old = trusting(pair)
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await ask(listener.port, "GET", "/healthz", tls=old)


@pytest.mark.parametrize(
    ("host", "days", "since", "words"),
    [
        ("rec.example.com", 60.0, -1.0, None),
        ("other.example.com", 60.0, -1.0, "not valid for 'rec.example.com'"),
        ("rec.example.com", -1.0, -9.0, "certificate has expired"),
        ("rec.example.com", 60.0, 2.0, "not yet valid"),
    ],
)
def test_what_clients_will_say(tmp_path: Path, host: str, days: float, since: float, words: str | None) -> None:
    """A certificate is judged by a handshake: its name, its days, and whether this machine knows its authority."""
    pair = certificates.made(tmp_path, host, days=days, since=since)
    wrong, left = judged(Certificate(pair.certificate, pair.key).load(), pair.certificate, "rec.example.com")
    assert "self-signed certificate" in " ".join(wrong)
    if words is None:
        assert left == pytest.approx(days, abs=0.1)
    else:
        assert left is None
        assert words in " ".join(wrong)


def test_keys_of_the_tests_are_private(tmp_path: Path) -> None:
    """As those of a daemon should be."""
    assert stat.S_IMODE(certificates.made(tmp_path).key.stat().st_mode) == 0o600

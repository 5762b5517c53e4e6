"""Whether clients can trust the HTTP listener: its certificate, and what stands in front of it."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from controller.doctor.findings import Finding, ok, problem, warning
from controller.http.basic import trusted
from controller.http.listener import LOOPBACK
from controller.http.tls import Certificate, TlsError, judged, readable
from controller.settings import HttpSettings, Settings

SOON = 14.0
"""Days before its end from which a certificate is warned of: whoever renews them does so before that."""


def transport(http: HttpSettings) -> Iterator[Finding]:
    """Look at how requests come: over TLS of our own, over a proxy's, or in clear."""
    base = urlsplit(http.base_url(http.listen.port))
    if http.tls_certificate is not None and http.tls_key is not None:
        yield from _certificate(Certificate(http.tls_certificate, http.tls_key), base.hostname or "")
        if base.scheme != "https":
            what = f"it begins with {base.scheme}://, and the listener speaks TLS"
            yield warning("http.public_url", what, "let it begin with https://")
    elif base.scheme == "https":
        if not http.trusted_proxies:
            what = "there are none, and public_url is of a proxy: all clients' failed logins count as one client's"
            yield warning("http.trusted_proxies", what, "name the proxy's address, if it sets X-Forwarded-For")
    elif not trusted(http.listen.host, LOOPBACK) and http.listen.host != "localhost":
        what = f"{http.listen} is reached in clear: tokens and recordings can be read on the way"
        yield warning("http.listen", what, "set tls_certificate and tls_key, or put a proxy with TLS in front")


def console(settings: Settings) -> Iterator[Finding]:
    """Look at who can sign in to the console as its operator."""
    subject, token = "http.console_token", settings.http.console_token
    if token is None:
        what = "there is none: the console's operators sign in with the key in data_dir/operator.key"
        yield ok(subject, what)
    elif token.get_secret_value() in {account.token for account in settings.accounts_by_name().values()}:
        what = "it is the token of an account as well, which would see all others"
        yield problem(subject, what, "choose another")
    else:
        yield ok(subject, "it signs operators in to the console")


def _certificate(files: Certificate, host: str) -> Iterator[Finding]:
    subject = "http.tls_certificate"
    try:
        wrong, days = judged(files.load(), files.certificate, host)
    except TlsError as error:
        yield problem(subject, str(error), "name a PEM certificate with its chain, and its key without a password")
        return
    if days is None:
        yield problem(subject, f"clients will refuse it for {host}: {'; '.join(wrong)}", "renew it for this name")
    elif wrong:
        fix = "put the authority's intermediate certificates behind it; of an authority of your own, tell the clients"
        yield warning(subject, f"this machine does not trust it: {'; '.join(wrong)}", fix)
    elif days < SOON:
        yield warning(subject, f"it ends in {days:.0f} days", "renew it; fsrec reads it again by itself")
    else:
        yield ok(subject, f"it is {host}'s, for {days:.0f} more days")
    if readable(files.key):
        yield warning("http.tls_key", f"anybody on this machine can read {files.key}", f"chmod o-r {files.key}")

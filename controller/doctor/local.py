"""What can be seen on this machine alone: directories, documents, the HTTP port, who callbacks may go to."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import grp
import ipaddress
import os
import pwd
import shutil
import socket
import ssl
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from controller.calls.source import SourceFailed, read_file
from controller.console.key import NAME, KeyUnusable, key_file, read_key
from controller.doctor.findings import Finding, ok, problem, warning
from controller.documents.dialect import Problem
from controller.documents.fetch import is_url, shown
from controller.media.roots import RATE_DIRECTORIES
from controller.settings import HttpSettings, Listen, Settings, SwitchSettings
from controller.web.guard import AddressGuard, AddressRefused

Checker = Callable[[str, str, str], tuple[Problem, ...]]
"""A check of documents: (text, source, the account's vendor) → problems."""

_LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
_LINK_LOCAL = (ipaddress.ip_network("169.254.0.0/16"), ipaddress.ip_network("fe80::/10"))


def data_directory(settings: Settings) -> Iterator[Finding]:
    """Look whether the embedded store can be written."""
    path, subject = settings.data_dir, "data_dir"
    if path.exists() and not path.is_dir():
        yield problem(subject, f"{path} is no directory", "name a directory in data_dir, or remove the file")
        return
    place = next(place for place in (path, *path.parents) if place.exists())
    why = _unwritable(place)
    if why:
        fix = f"give it to the user that fsrec runs as ({user()}), or name another data_dir"
        yield problem(subject, f"{place} can't be written: {why}", fix)
        return
    yield ok(subject, f"{path} {'can be written' if place == path else 'will be made when fsrec first runs'}")
    yield from _space(subject, place, settings.limits.min_free_disk)


def operators_key(settings: Settings) -> Iterator[Finding]:
    """Look at the key by which the command on this machine is known; before the first start there is none."""
    path, subject = key_file(settings.data_dir), NAME
    try:
        read_key(settings.data_dir)
    except FileNotFoundError:
        return
    except PermissionError:
        what = f"{path} can't be read by {user()}: fsrec recordings, webhooks and switches ask for nothing without it"
        yield warning(subject, what, "run them as the user that fsrec runs as, or with --token")
    except (KeyUnusable, OSError) as error:
        what = str(error) if isinstance(error, KeyUnusable) else f"{path} can't be read: {error.strerror}"
        yield warning(subject, what, "restart fsrec, which makes a new one; a link is to be removed first")
    else:
        yield ok(subject, f"{path} is its owner's alone ({ownership(path)})")


def _unwritable(directory: Path) -> str | None:
    try:
        with tempfile.TemporaryFile(dir=directory):
            return None
    except OSError as error:
        return error.strerror or "no reason given"


def _space(subject: str, path: Path, wanted: int) -> Iterator[Finding]:
    free = shutil.disk_usage(path).free
    if free < wanted:
        what = f"{path} has {_size(free)} free, less than limits.min_free_disk ({_size(wanted)})"
        yield warning(subject, what, "free some space, move the directory to a larger disk, or lower the limit")


def _size(count: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def recordings_directory(settings: Settings, switch: SwitchSettings) -> Iterator[Finding]:
    """Look at a switch's directory of recordings as this machine sees it."""
    path, subject = switch.local_path, f"{switch.name} local_path"
    if not path.exists():
        fix = (
            f"make it where FreeSWITCH runs, owned by FreeSWITCH's user and with a group that {user()} is in "
            f"(install -d -o freeswitch -g freeswitch -m 2770 {switch.switch_path}); "
            f"if that is another machine, mount its {switch.switch_path} here and name that in local_path"
        )
        yield problem(subject, f"{path} does not exist, or may not be seen", fix)
        return
    if not path.is_dir():
        yield problem(subject, f"{path} is no directory", f"name what the switch sees as {switch.switch_path}")
        return
    if not os.access(path, os.R_OK | os.X_OK):
        yield problem(subject, f"{path} can't be read: {ownership(path)}", group_fix(path))
        return
    for name in RATE_DIRECTORIES:
        if (path / name).is_dir():
            what = f"{path / name} exists: FreeSWITCH would record there instead of in {path}"
            yield problem(subject, what, "remove it")
    yield ok(subject, f"{path} can be read ({ownership(path)})")
    yield from _space(subject, path, settings.limits.min_free_disk)


def user() -> str:
    """Return the name of the user that this process runs as."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"uid {os.geteuid()}"


def ownership(path: Path) -> str:
    """Return owner, group and mode of a file in words."""
    status = path.stat()
    return f"{_owner(status)}:{_group(status)}, {stat.filemode(status.st_mode)}"


def group_fix(path: Path) -> str:
    """Return what lets this process read a file of FreeSWITCH's."""
    return (
        f"FreeSWITCH makes directories with mode 0750: add {user()} to their group and start fsrec anew "
        f"(usermod -aG {_group(path.stat())} {user()}), and let {path} have r-x for that group"
    )


def _owner(status: os.stat_result) -> str:
    try:
        return pwd.getpwuid(status.st_uid).pw_name
    except KeyError:
        return str(status.st_uid)


def _group(status: os.stat_result) -> str:
    try:
        return grp.getgrgid(status.st_gid).gr_name
    except KeyError:
        return str(status.st_gid)


def documents(settings: Settings, check: Checker | None) -> Iterator[Finding]:
    """Look whether each route's documents are there and pass the check."""
    vendors = {account.name: account.vendor for account in settings.accounts}
    for index, route in enumerate(settings.routes):
        for key, document in (("document", route.document), ("fallback", route.fallback)):
            if document is not None:
                subject = f"routes[{index}].{key}"
                if is_url(document):
                    yield _at_url(subject, document, route.method, AddressGuard(settings.webhooks.allow_networks))
                else:
                    yield from _document(subject, Path(document), check, vendors.get(route.account, ""))
    if not settings.accounts:
        fix = "add an account, and routes that name it"
        yield warning("accounts", "there is none: nobody can record, and every call is left alone", fix)
    elif not settings.routes:
        what = "there is none: calls run a document only where the dialplan sets fsrec_account and fsrec_document"
        yield warning("routes", what, "add a route, if that is not what you want")


def _at_url(subject: str, url: str, method: str, guard: AddressGuard) -> Finding:
    """Tell of a document that is asked for at each call; asking now would be a call to the application."""
    host = urlsplit(url).hostname or ""
    with contextlib.suppress(ValueError):
        try:
            guard.check(str(ipaddress.ip_address(host)))
        except AddressRefused as refused:
            return problem(subject, f"{shown(url)}: {refused}", "allow its network there, or name a public server")
    return ok(subject, f"{shown(url)} is asked by {method} at each call, and was not asked now")


def _document(subject: str, path: Path, check: Checker | None, vendor: str) -> Iterator[Finding]:
    try:
        text = read_file(path)
    except SourceFailed as failure:
        fix = "name a document (a relative path counts from the settings file); until then its calls are hung up"
        yield problem(subject, str(failure), fix)
        return
    found = check(text, str(path), vendor) if check else ()
    for one in found:
        yield problem(subject, f"{path}: {one}", "correct the document; fsrec check tells the same")
    if not found:
        yield ok(subject, f"{path} {'passes the check' if check else 'is there, unchecked'}")


def callbacks(settings: Settings) -> Iterator[Finding]:
    """Look at which addresses callbacks may go to, and whether receivers can fetch what they are told of."""
    subject = "webhooks.allow_networks"
    wide = "name the receivers' own networks"
    harmless = True
    for network in settings.webhooks.allow_networks:
        if network.prefixlen == 0:
            what = f"{network} allows every address of this network, this machine's own services included"
        elif _within(network, _LINK_LOCAL):
            what = f"{network} allows link-local addresses, where clouds keep their machines' credentials"
        elif _within(network, _LOOPBACK):
            what = f"{network} allows this machine's own services: right for development only"
        else:
            continue
        harmless = False
        yield warning(subject, what, wide)
    if harmless:
        allowed = ", ".join(map(str, settings.webhooks.allow_networks))
        yield ok(subject, f"public addresses{' and ' + allowed if allowed else ' only'}")
    base = settings.http.base_url(settings.http.listen.port)
    host = urlsplit(base).hostname or ""
    if host == "localhost" or _is_loopback(host):
        what = f"URLs of recordings begin with {base}: only this machine can fetch them"
        yield warning("http.public_url", what, "set it to what receivers reach fsrec by")


def _within(
    network: ipaddress.IPv4Network | ipaddress.IPv6Network,
    others: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...],
) -> bool:
    return any(network.version == other.version and network.overlaps(other) for other in others)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def http_port(settings: Settings, *, deadline: float = 2.0) -> Finding:
    """Look whether the listener's port is free, or a daemon of ours has it."""
    listen, subject = settings.http.listen, "http.listen"
    try:
        await asyncio.to_thread(_bind, listen)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            fix = "name an address of this machine, and a port that this user may take (1024 or higher)"
            return problem(subject, f"{listen} can't be listened on: {error.strerror}", fix)
        if await is_alive(settings.http, deadline):
            return ok(subject, f"{listen} is taken, and answers as a running fsrec does")
        return problem(subject, f"{listen} is taken by something else", "end that, or name another port")
    return ok(subject, f"{listen} is free")


def _bind(listen: Listen) -> None:
    family, kind, protocol, _, address = socket.getaddrinfo(
        listen.host, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    with socket.socket(family, kind, protocol) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        trial.bind(address)


async def is_alive(http: HttpSettings, deadline: float) -> bool:
    """Tell whether a daemon answers at the listener's address within so many seconds."""
    listen, context = http.nearby, None
    if http.tls_certificate is not None:  # whether clients trust it is looked at elsewhere
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(deadline):
            reader, writer = await asyncio.open_connection(listen.host, listen.port, ssl=context)
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = await reader.read(4096)
            return answer.startswith(b"HTTP/1.1 200 ")
    except (OSError, TimeoutError):
        return False
    finally:
        if writer is not None:
            writer.close()

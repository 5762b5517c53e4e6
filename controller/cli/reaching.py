"""Which daemon a command speaks to, and as whom.

``--config`` (fsrec.yaml) names the daemon of this machine, whose operator's key is in its data_dir. ``--url`` names
any other; there and here ``--token`` (or FSREC_TOKEN) is an operator's, or with ``--user`` an account's.
"""

from __future__ import annotations

import argparse
import base64
import os
import pwd
from pathlib import Path
from typing import TYPE_CHECKING

from controller.cli.client import Address, Client
from controller.cli.values import WRONG_USE, CommandFailed
from controller.console.key import KeyUnusable, key_file, read_key

if TYPE_CHECKING:
    from controller.settings import Reach

TOKEN = "FSREC_TOKEN"  # noqa: S105 - a name


def client_of(options: argparse.Namespace) -> Client:
    """Return who asks the daemon that the options name. Raises CommandFailed."""
    token = options.token or os.environ.get(TOKEN, "")
    if options.user and not token:
        raise CommandFailed(f"fsrec: --user {options.user} needs its token, by --token or {TOKEN}", WRONG_USE)
    if options.url:
        if not token:
            words = f"fsrec: --url needs a token, by --token or {TOKEN}: the operator's key is for this machine's own"
            raise CommandFailed(words, WRONG_USE)
        address = Address.parse(options.url)
        return Client(address, _authorization(options, token), "is the URL right?", _whose(options))
    from controller.cli.configured import reach_of  # settings take longer to load than all else

    reach = reach_of(options)
    address, mend = near(reach), f"start it: fsrec run --config {options.config}"
    if token:
        return Client(address, _authorization(options, token), mend, _whose(options))
    key = _key(reach.data_dir)
    whose = f"the key of {key_file(reach.data_dir)}: is it another daemon's? --config names this one's settings"
    return Client(address, f"Bearer {key}", mend, whose)


def near(reach: Reach) -> Address:
    """Return where the daemon of these settings listens, from its own machine."""
    found = reach.http.nearby
    return Address(found.host, found.port, reach.http.tls_certificate is not None, own=True)


def _whose(options: argparse.Namespace) -> str:
    if options.user:
        return f"this token of {options.user}: --user is an account's project_id, account_sid or auth_id"
    return "this token: it should be http.console_token of the settings; an account's needs --user, too"


def _authorization(options: argparse.Namespace, token: str) -> str:
    if not (token.isprintable() and token.isascii()):
        raise CommandFailed("fsrec: a token is printable ASCII; this one is not", WRONG_USE)
    if options.user:
        return f"Basic {base64.b64encode(f'{options.user}:{token}'.encode()).decode()}"
    return f"Bearer {token}"


def _key(data_dir: Path) -> str:
    path = key_file(data_dir)
    otherwise = f"name http.console_token by --token or {TOKEN}"
    try:
        return read_key(data_dir)
    except FileNotFoundError:
        why = f"no daemon of these settings has run here yet; start it, or {otherwise}"
        raise CommandFailed(f"fsrec: {path} is not there: {why}") from None
    except PermissionError:
        words = f"fsrec: {path} can't be read by {_user(os.geteuid())}: run this as {_owner(path)}, or {otherwise}"
        raise CommandFailed(words) from None
    except KeyUnusable as error:
        raise CommandFailed(f"fsrec: {error}; a restart of the daemon makes a new one, or {otherwise}") from None


def _owner(path: Path) -> str:
    for place in (path, path.parent):
        try:
            return _user(place.stat().st_uid)
        except OSError:
            continue
    return "the user that fsrec runs as"


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"uid {number}"

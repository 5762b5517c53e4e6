"""Where a recording of a Plivo account is (DESIGN section 8): its URL is made and read here alone."""

from __future__ import annotations

import re

from controller.documents.dialect import Account
from controller.documents.fetch import shown
from controller.recordings.model import Recording

_URL = re.compile(r"/v1/Account/[A-Za-z0-9_.-]+/Recording/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.(?:mp3|wav)")


def media_url(public_url: str, identity: str, recording: str, format_: str) -> str:
    """Return where a recording is, or will be: ``identity`` is the account's auth_id, ``format_`` mp3 or wav."""
    return f"{public_url}/v1/Account/{identity}/Recording/{recording}.{format_}"


def recording_url(public_url: str, account: Account | None, recording: Recording) -> str:
    """Return where a recording is; 404 there until it is ready."""
    identity = recording.owner.account if account is None else account.identity
    return media_url(public_url, identity, recording.id, recording.request.format)


def recording_of(public_url: str, url: str) -> str | None:
    """Return the id of the recording that a URL of ours means, None for others; credentials in it don't matter."""
    bare = shown(url)
    if not bare.startswith(public_url):
        return None
    found = _URL.fullmatch(re.split(r"[?#]", bare.removeprefix(public_url), maxsplit=1)[0])
    return None if found is None else found[1]

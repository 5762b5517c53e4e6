"""Whether the media store takes, gives and removes what the daemon puts there."""

from __future__ import annotations

import contextlib
import os
import uuid

from controller.doctor.findings import Finding, ok, problem
from controller.media.objects import Objects, Patience, Place
from controller.recordings.ports import MediaAway
from controller.settings import MediaSettings

SUBJECT = "media.store"
_PROBE = b"fsrec doctor was here"


async def store(settings: MediaSettings, patience: Patience | None = None) -> list[Finding]:
    """Put an object there, look at it, read a part of it, remove it. Nothing where there is no media store."""
    place = settings.place()
    if not place:
        return []
    name, doing = f"fsrec-doctor-{uuid.uuid4()}", "put"
    try:
        objects = Objects(Place(**place), patience)
        await objects.put(name, _read, len(_PROBE), "text/plain")
        doing = "read"
        try:
            read = b"".join([piece async for piece in objects.pieces(name, 6, 12)])
        except (MediaAway, FileNotFoundError):
            with contextlib.suppress(MediaAway):
                await objects.delete([name])
            raise
        doing = "removed"
        await objects.delete([name])
        if read != _PROBE[6:12]:
            what = f"{objects.place} gives other bytes than those that are asked for: it does not know ranges"
            return [problem(SUBJECT, what, "downloads need GET with Range: name another store")]
        if await _is_there(objects, name):
            what = f"{objects.place} says that it removed {name}, and has it still"
            return [problem(SUBJECT, what, "recordings that are deleted would stay: allow s3:DeleteObject")]
    except (MediaAway, FileNotFoundError, ValueError) as error:
        return [problem(SUBJECT, f"an object can't be {doing}: {error}", _fix(str(error)))]
    return [ok(SUBJECT, f"{objects.place} takes, gives and removes objects")]


async def _is_there(objects: Objects, name: str) -> bool:
    try:
        return await objects.head(name) is not None
    except MediaAway as refused:  # a key without s3:ListBucket is told 403, not 404, of what isn't there
        if "403" in str(refused):
            return False
        raise


async def _read(count: int, offset: int) -> bytes:
    return _PROBE[offset : offset + count]


def _fix(why: str) -> str:
    """Return what to do about what was seen."""
    if "NoSuchBucket" in why:
        return "make the bucket, or correct media.store"
    if any(word in why for word in ("403", "401", "InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied")):
        return (
            "check media.s3.access_key_id, secret_access_key and region; the key needs s3:GetObject, s3:PutObject, "
            "s3:DeleteObject and s3:AbortMultipartUpload on the bucket's prefix"
        )
    if "301" in why or "PermanentRedirect" in why:
        return "correct media.s3.region: the bucket is in another"
    if os.environ.get("AWS_ENDPOINT_URL") or os.environ.get("AWS_ENDPOINT"):
        return (
            "AWS_ENDPOINT_URL is set in the environment: is that the server that is meant? Else say media.s3.endpoint"
        )
    return "check media.s3.endpoint, and that this machine reaches it; recordings are served from here meanwhile"

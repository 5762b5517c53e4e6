"""controller/doctor/media_store.py: what is wrong with the media store, and what to do about it."""

from __future__ import annotations

from typing import Any

import pytest

from controller.doctor.findings import Level
from controller.doctor.media_store import store
from controller.media.objects import Patience
from controller.settings import MediaSettings
from tests.harness.s3 import KEY_ID, SECRET, Bucket, FaultyS3

QUICK = Patience(connect=0.5, answer=0.5, part=0.5, piece=0.5)


def settings(bucket: Bucket, endpoint: str | None = None, **changes: Any) -> MediaSettings:
    """Settings of a bucket."""
    return MediaSettings.model_validate(bucket.settings(endpoint) | changes)


async def test_none() -> None:
    """Without one there is nothing to say."""
    assert await store(MediaSettings()) == []


async def test_a_good_one(bucket: Bucket) -> None:
    """An object is put, looked at, read and removed."""
    (finding,) = await store(settings(bucket))
    assert (finding.level, finding.subject) == (Level.OK, "media.store")
    assert await bucket.names() == []


async def test_no_such_bucket(bucket: Bucket) -> None:
    """It is to be made."""
    (finding,) = await store(settings(bucket, store="s3://fsrec-no-such-bucket"))
    assert (finding.level, finding.fix) == (Level.PROBLEM, "make the bucket, or correct media.store")


@pytest.mark.parametrize(
    ("method", "fault", "what", "fix"),
    [
        ("PUT", "403", "can't be put", "access_key_id"),
        ("GET", "403", "can't be read", "s3:GetObject"),
        ("DELETE", "503", "can't be removed", "media.s3.endpoint"),
        ("PUT", "hang", "does not answer", "media.s3.endpoint"),
    ],
)
async def test_what_it_does_not_do(
    bucket: Bucket, faulty: FaultyS3, method: str, fault: str, what: str, fix: str
) -> None:
    """Each thing that it must do and does not is a problem of its own, told without keys."""
    faulty.rule = lambda asked: fault if asked.method == method else None
    (finding,) = await store(settings(bucket, faulty.url), QUICK)
    assert finding.level is Level.PROBLEM
    assert what in finding.what
    assert fix in finding.fix
    assert KEY_ID not in finding.what + finding.fix
    assert SECRET not in finding.what + finding.fix


async def test_a_key_that_may_not_list(bucket: Bucket, faulty: FaultyS3) -> None:
    """S3 tells it 403 of objects that are not there; the permissions that doctor names are enough for doctor."""
    faulty.rule = lambda asked: (
        "403" if asked.method == "HEAD" and any(one.method == "DELETE" for one in faulty.obeyed) else None
    )
    (finding,) = await store(settings(bucket, faulty.url), QUICK)
    assert finding.level is Level.OK


async def test_a_server_that_is_not_there(bucket: Bucket) -> None:
    """Whether it can be reached is the operator's to see to."""
    (finding,) = await store(settings(bucket, "http://127.0.0.1:9"), QUICK)
    assert finding.level is Level.PROBLEM
    assert "that this machine reaches it" in finding.fix

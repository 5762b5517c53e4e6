"""Recordings, pages and transcriptions in Plivo's JSON: keys, types and values."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from controller.dialects.plivo import shapes
from controller.dialects.plivo.rest import Listing, listing
from controller.recordings.model import (
    EndReason,
    Measured,
    Owner,
    Recording,
    State,
    Transcription,
    TranscriptionState,
)
from tests.dialects.plivo.test_rest import ACCOUNT, CALL, DEFAULT, ID, NOW, PUBLIC

OWNER = Owner(
    "p", "plivo", CALL, "fs1", "leg", caller="+919768368717", called="sip:ajay6121801985815245533110@phone.plivo.com"
)
READY = Recording(
    ID, OWNER, DEFAULT, State.COMPLETED, "/r/a.wav", 1649759922.0, started_at=1649759922.838,
    ended_at=1649759930.398, finished_at=1649759933.523657, reason=EndReason.HANGUP, measured=Measured(7.56, 60_000),
)  # fmt: skip


def test_the_documented_recording() -> None:
    """The object of Plivo's own example (spec 3.5), from a recording of ours: the same keys, types and digits."""
    assert shapes.shape(READY, ACCOUNT, "https://media.plivo.com", 1649759933.6 + 208 * 86400) == {
        "add_time": "2022-04-12 10:38:53.523657+00:00",  # "2022-04-12 16:08:53.523657+05:30"
        "call_uuid": CALL,
        "conference_name": "",
        "from_number": "+919768368717",
        "monthly_recording_storage_amount": 0,
        "recording_duration_ms": "7560.00000",
        "recording_end_ms": "1649759930398.00000",
        "recording_format": "mp3",
        "recording_id": ID,
        "recording_start_ms": "1649759922838.00000",
        "recording_storage_duration": 209,
        "recording_storage_rate": 0,
        "recording_type": "call",
        "recording_url": f"https://media.plivo.com/v1/Account/{ACCOUNT.identity}/Recording/{ID}.mp3",
        "resource_uri": f"/v1/Account/{ACCOUNT.identity}/Recording/{ID}/",
        "rounded_recording_duration": 60,
        "to_number": "sip:ajay6121801985815245533110@phone.plivo.com",
    }


@pytest.mark.parametrize(
    ("seconds", "rounded", "written"),
    [
        (0.0, 0, "0.00000"),
        (0.02, 60, "20.00000"),
        (59.9, 60, "59900.00000"),
        (89.9, 60, "89900.00000"),
        (90.0, 120, "90000.00000"),
        (3600.0, 3600, "3600000.00000"),
    ],
)
def test_lengths(seconds: float, rounded: int, written: str) -> None:
    """Rounded "to the nearest 60-second interval", those "shorter than 60 seconds up to 60"; nothing is nothing."""
    shown = shapes.shape(replace(READY, measured=Measured(seconds, 1)), ACCOUNT, PUBLIC, NOW)
    assert (shown["rounded_recording_duration"], shown["recording_duration_ms"]) == (rounded, written)


def test_what_is_absent() -> None:
    """Its length is 0, as its callback says (DESIGN section 9), whatever there is of it."""
    absent = replace(READY, state=State.ABSENT)
    assert shapes.shape(absent, ACCOUNT, PUBLIC, NOW)["recording_duration_ms"] == "0.00000"


def test_times_that_nobody_saw() -> None:
    """A recording without its switch's times has those that are nearest to them."""
    shown = shapes.shape(replace(READY, started_at=None, ended_at=None), ACCOUNT, PUBLIC, NOW)
    assert (shown["recording_start_ms"], shown["recording_end_ms"]) == ("1649759922000.00000", "1649759929560.00000")


PAGES: list[tuple[dict[str, str], int, bool, str | None, str | None]] = [
    ({}, 20, True, "limit=20&offset=20&cursor=20-ID", None),
    ({}, 3, False, None, None),
    ({"limit": "5", "offset": "5"}, 5, True, "limit=5&offset=10&cursor=10-ID", "limit=5&offset=0"),
    ({"limit": "5", "offset": "3"}, 5, False, None, "limit=5&offset=0"),
    (
        {"add_time__gt": "2026-03-21 11:47", "to_number": "+1"},
        20,
        True,
        "to_number=%2B1&add_time__gt=2026-03-21+11%3A47&limit=20&offset=20&cursor=20-ID",
        None,
    ),
]


@pytest.mark.parametrize(("asked", "found", "more", "following", "previous"), PAGES)
def test_pages(asked: dict[str, str], found: int, more: bool, following: str | None, previous: str | None) -> None:
    """`{"meta": {"limit", "offset", "next", "previous", "total_count"}, "objects"}`; its links keep the filters."""
    rows: list[dict[str, Any]] = [{"recording_id": ID}] * found
    shown = shapes.page(rows, ACCOUNT, listing({key: [one] for key, one in asked.items()}, NOW), total=948, more=more)
    root = f"/v1/Account/{ACCOUNT.identity}/Recording/?"
    assert shown["objects"] == rows
    assert shown["meta"] == {
        "limit": int(asked.get("limit", 20)),
        "next": None if following is None else root + following.replace("ID", ID),
        "offset": int(asked.get("offset", 0)),
        "previous": None if previous is None else root + previous,
        "total_count": 948,
    }


def test_an_empty_page() -> None:
    """There is nothing to go on from."""
    assert shapes.page([], ACCOUNT, Listing(), total=0, more=False)["meta"]["next"] is None


@pytest.mark.parametrize(
    ("state", "status", "text"),
    [
        (TranscriptionState.WAITING, "in-progress", None),
        (TranscriptionState.RUNNING, "in-progress", None),
        (TranscriptionState.DONE, "success", "Hello."),
        (TranscriptionState.FAILED, "failed", None),
    ],
)
def test_transcriptions(state: TranscriptionState, status: str, text: str | None) -> None:
    """Spec 3.5 and plivo-go: "cost, rate, recording_duration_ms(int), recording_start_ms, status, transcription"."""
    error = "too short" if state is TranscriptionState.FAILED else ""
    made = Transcription(ID, "p", state, 1.0, text="Hello.", error=error, charge=0.05, rate=0.04)
    shown = shapes.transcribed(made, READY)
    assert shown.pop("error", "") == error
    assert shown == {
        "cost": 0.05,
        "rate": 0.04,
        "recording_duration_ms": 7560,
        "recording_start_ms": 1649759922838,
        "status": status,
        "transcription": text,
        "type": "auto",
    }

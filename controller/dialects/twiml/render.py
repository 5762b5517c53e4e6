"""Notice → the request that ``recordingStatusCallback`` gets: seed 004's parameters, or LaML's (swml.md 5.8)."""

from __future__ import annotations

import re

from controller.dialects.twiml.fetch import API_VERSION
from controller.dialects.twiml.formats import rfc2822
from controller.dialects.twiml.sids import call_sid, recording_of, recording_sid
from controller.documents.dialect import Account
from controller.documents.fetch import shown
from controller.documents.forms import delivery, whole_seconds
from controller.recordings.model import Absence, Delivery, Notice, NoticeKind, Recording

IN_PROGRESS, COMPLETED, ABSENT = "in-progress", "completed", "absent"

EVENTS = {
    NoticeKind.STARTED: IN_PROGRESS,
    NoticeKind.COMPLETED: COMPLETED,
    NoticeKind.NO_INPUT: COMPLETED,
    NoticeKind.ABSENT: ABSENT,
    NoticeKind.FAILED: ABSENT,
}
"""The core's notices as Twilio's events (DESIGN section 9). Of a pause nobody is told; no_input without a sound left
is absent."""

TOO_SHORT, SILENT, SYSTEM_ERROR = 16101, 16102, 16100
"""ErrorCode of what is absent. The last one is ours: no source has a number for seed 004's "system error"."""

LAML_SOURCES = {
    "StartCallRecordingAPI": "StartCallRecordingApi",
    "OutboundAPI": "OutBoundApi",
    "StartConferenceRecordingAPI": "StartConferenceRecording",
}
"""Sources that SignalWire spells in its own way (seed 002)."""

_TRACKS = {"RecordVerb": "both"}
"""What Twilio tells of recordings that it has no track for: its default (spec 1.2)."""

_TWILIO_URL = re.compile(r"/2010-04-01/Accounts/[A-Za-z0-9_.-]+/Recordings/(RE[0-9a-f]{32})(?:\.(?:wav|mp3))?")
_LAML_URL = re.compile(r"/api/laml/2010-04-01/Accounts/[A-Za-z0-9_.-]+/Recordings/([0-9a-f-]{36})(?:\.(?:wav|mp3))?")


def recording_url(public_url: str, account: Account | None, recording: Recording) -> str:
    """Return where the recording's media is, as its vendor has it (DESIGN section 8); 404 there until it is ready."""
    vendor = "twilio" if account is None else account.vendor
    prefix = "/api/laml" if vendor == "signalwire" else ""
    identity = recording.owner.account if account is None else account.identity
    sid = recording_sid(vendor, recording.id)
    return f"{public_url}{prefix}/{API_VERSION}/Accounts/{identity}/Recordings/{sid}"


def recording_of_url(public_url: str, url: str) -> str | None:
    """Return the id of the recording that a URL of ours means, None for others; credentials in it don't matter."""
    path = re.split(r"[?#]", shown(url).removeprefix(public_url), maxsplit=1)[0]
    found = _TWILIO_URL.fullmatch(path)
    if found is not None:
        return recording_of("twilio", found[1])
    found = _LAML_URL.fullmatch(path)
    return None if found is None else recording_of("signalwire", found[1])


def render(notice: Notice, account: Account, public_url: str, dialect: str) -> Delivery | None:
    """Return the callback of a notice, or None where its receiver did not ask for that event."""
    target = notice.recording.request.status
    event = event_of(notice)
    if target is None or event is None or event not in (target.events or (COMPLETED,)):
        return None
    token = (("I-Twilio-Idempotency-Token", notice.id),) if account.vendor != "signalwire" else ()
    told = parameters(notice, account, event, public_url)
    return delivery(notice.id, account.name, dialect, target, told, token)


def event_of(notice: Notice) -> str | None:
    """Return which event a notice is, None where Twilio has none for it."""
    measured = notice.recording.measured
    if notice.kind is NoticeKind.NO_INPUT and (measured is None or not measured.duration):
        return ABSENT
    return EVENTS.get(notice.kind)


def parameters(notice: Notice, account: Account, event: str, public_url: str) -> dict[str, str]:
    """Return what a callback tells; an account of SignalWire's is told LaML's parameters."""
    recording = notice.recording
    laml = account.vendor == "signalwire"
    source = recording.request.source
    told = {
        "AccountSid": account.identity,
        "CallSid": call_sid(account.vendor, recording.owner.call),
        "RecordingSid": recording_sid(account.vendor, recording.id),
        "RecordingUrl": recording_url(public_url, account, recording),
        "RecordingStatus": event,
        "RecordingChannels": str(channels(recording)),
        "RecordingSource": LAML_SOURCES.get(source, source) if laml else source,
    }
    if event == COMPLETED and recording.measured is not None:
        told["RecordingDuration"] = str(whole_seconds(recording.measured.duration))
    if not laml:
        began = recording.started_at if recording.started_at is not None else recording.requested_at
        told["RecordingStartTime"] = rfc2822(began)
        told["RecordingTrack"] = _TRACKS.get(source, str(recording.request.track))
        told["ErrorCode"] = str(error_code(notice, event))
    return told


def channels(recording: Recording) -> int:
    """Return how many channels a recording's file has, or will have."""
    if recording.state.final and recording.measured is not None:
        return recording.measured.channels
    return recording.request.channel_count


def error_code(notice: Notice, event: str) -> int:
    """Return the ErrorCode of a notice, 0 where nothing went wrong."""
    if event != ABSENT:
        return 0
    if notice.kind is NoticeKind.FAILED:
        return SYSTEM_ERROR
    return SILENT if notice.recording.absence is Absence.SILENT else TOO_SHORT

"""The tables of controller/metrics: every telemetry event counted, or known not to be; names, labels, series."""

from __future__ import annotations

import ast
import math
import re
import time
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import controller
from controller.calls.audio import AudioFetched, AudioRefused
from controller.calls.events import (
    CallEnded,
    CallFailed,
    CallReleased,
    CallResumed,
    CallTaken,
    CallTurnedAway,
    DocumentFetched,
    DocumentRefused,
    LegLeftAlone,
    MessageUnrendered,
    StepFailed,
)
from controller.cluster.events import (
    CommandAsked,
    CommandsStalled,
    CommandTaken,
    CommandUnreadable,
    LeaseEnded,
    LeasesUnreachable,
    LeaseTaken,
)
from controller.documents.events import DocumentWarned
from controller.http.base import DownloadBroken, RequestFailed, RequestRefused, RequestServed
from controller.http.tls import CertificateChanged, CertificateRefused
from controller.media.archive import RecordingStored, UploadFailed
from controller.media.clearing import ClearingFailed
from controller.media.decoders import DecoderLost
from controller.media.encoders import DerivativeFailed, DerivativeMade, EncoderLost
from controller.media.keeper import UploadsStalled
from controller.media.master import MasterExamined
from controller.metrics.registry import Kind, Metrics, Names
from controller.metrics.tables import table
from controller.overload.admission import OverloadBegan, OverloadEnded
from controller.recordings.reconcile import Reconciled
from controller.retention.sweeper import ExpiryFailed, RecordingExpired, RetentionHeld
from controller.store.bell import BellLost
from controller.store.events import GroupCommitted, GroupRetried, NoticeUnrendered, RowUnreadable, WorkFailed
from controller.switch.board import EventForged, EventUnusable, SwitchReady, SwitchRefused
from controller.switch.link import (
    CommandDone,
    CommandLost,
    ConnectFailed,
    EventsRead,
    EventUnreadable,
    FrameIgnored,
    JobDone,
    Lack,
    LinkDown,
    LinkUp,
    ReadingHeld,
)
from controller.telemetry import (
    FactOrphaned,
    FactUnexpected,
    LedgerStalled,
    MediaStalled,
    RecordingChanged,
    RecordingFinished,
    RecordingStarted,
    SwitchRemoved,
)
from controller.transcription.events import (
    EngineRefused,
    TranscriberLost,
    TranscriptionDropped,
    TranscriptionFinished,
    TranscriptionStalled,
    TranscriptionUnrendered,
)
from controller.webhooks.events import DeliveryAttempted, DeliveryGivenUp, DeliverySucceeded, OutboxStalled
from controller.webhooks.schedule import FAILURES, ErrorKind
from tests.harness.prometheus import lint
from tests.metrics.exposed import Key, foreseen, key, samples

FAMILIES = table(Names(("swml", "twiml", "plivo"), ("fs1", "fs2")))
SWML, FS1 = {"dialect": "swml"}, {"switch": "fs1"}
ABOUT = ("delivery", "subject", "acme", "swml")

UNCOUNTED = {
    "EngineUnconfined": "told once in a daemon's life, of how its machine is set up",
    "RingingShortened": "what a setting wants; the log has it",
    "TranscriptionBegun": "transcriptions_running says how many are",
    "TranscriptionProgressed": "how far one is; the log has it",
    "UploadsResumed": "the end of what upload_stalls_total counts",
}
"""Telemetry that is no metric's, and why."""


def failed(status: int | None, error: str | None, reason: str) -> tuple[Any, dict[Key, float]]:
    """An attempt that failed, and what counts it."""
    counted = key("webhook_attempts_total", **SWML), key("webhook_failures_total", **SWML, reason=reason)
    return DeliveryAttempted(*ABOUT, "http://x:80", 1, status, error, 0.2), dict.fromkeys(counted, 1.0)


EVENTS: list[tuple[Any, dict[Key, float]]] = [
    (
        RecordingChanged("id", "call", "swml", "requested", "recording", "Started"),
        {key("recording_changes_total", **SWML, state="recording"): 1},
    ),
    (
        RecordingStarted("id", "call", "swml", 0.02),
        {
            key("recordings_started_total", **SWML): 1,
            key("recording_start_latency_seconds_sum"): 0.02,
            key("recording_start_latency_seconds_bucket", le="0.025"): 1,
        },
    ),
    (
        RecordingFinished("id", "call", "swml", "completed", "hangup", 2.5, 40044, processing=0.3),
        {
            key("recordings_finished_total", **SWML, outcome="completed"): 1,
            key("recordings_ended_total", reason="hangup"): 1,
            key("recording_bytes_total"): 40044,
            key("recording_duration_seconds_sum"): 2.5,
            key("recording_duration_seconds_bucket", le="5.0"): 1,
            key("recording_processing_duration_seconds_sum"): 0.3,
            key("recording_processing_duration_seconds_count"): 1,
        },
    ),
    (
        RecordingFinished("id", "call", "swml", "failed", "error", 0.0, 0),
        {
            key("recordings_finished_total", **SWML, outcome="failed"): 1,
            key("recording_processing_duration_seconds_count"): 0,
        },
    ),
    (FactUnexpected("id", "completed", "Stopped"), {key("facts_unexpected_total", state="completed"): 1}),
    (FactOrphaned("fs1", "leg", "Started"), {key("facts_orphaned_total", **FS1): 1}),
    (LedgerStalled("id", "disk full"), {key("ledger_stalls_total"): 1}),
    (MediaStalled("id", "disk away"), {key("media_stalls_total"): 1}),
    (SwitchRemoved("fs9"), {key("switches_removed_total"): 1}),
    (RecordingExpired("id", "acme"), {key("recordings_expired_total"): 1}),
    (ExpiryFailed("id", "acme", "why"), {key("recordings_expiry_failed_total"): 1}),
    (RetentionHeld("why"), {key("retention_holds_total"): 1}),
    # links
    (
        LinkUp("fs1", "core", None, ""),
        {
            key("esl_connected", **FS1): 1,
            key("esl_reconnects_total", **FS1): 0,
            key("switch_restarts_total", **FS1): 0,
        },
    ),
    (
        LinkUp("fs1", "core", "core", ""),
        {key("esl_reconnects_total", **FS1): 1, key("switch_restarts_total", **FS1): 0},
    ),
    (
        LinkUp("fs1", "core", "another", ""),
        {key("esl_reconnects_total", **FS1): 1, key("switch_restarts_total", **FS1): 1},
    ),
    (LinkDown("fs1", "why", 3.0), {key("esl_connected", **FS1): 0, key("switch_ready", **FS1): 0}),
    (SwitchReady("fs1", 0.1), {key("switch_ready", **FS1): 1}),
    (ConnectFailed("fs1", "why", 1.0), {key("esl_connect_failures_total", **FS1): 1}),
    (SwitchRefused("fs1", "why", "fix"), {key("esl_refusals_total", **FS1): 1}),
    (
        EventsRead("fs1", 3, 9000),
        {key("esl_events_total", **FS1): 3, key("esl_received_bytes_total", **FS1): 9000},
    ),
    (EventUnreadable("fs1", 9, "x"), {key("esl_events_dropped_total", **FS1, reason="unreadable"): 1}),
    (EventUnusable("fs1", "DTMF", "x"), {key("esl_events_dropped_total", **FS1, reason="unusable"): 1}),
    (EventForged("fs1", "DTMF"), {key("esl_events_dropped_total", **FS1, reason="forged"): 1}),
    (FrameIgnored("fs1", "x"), {key("esl_frames_ignored_total", **FS1): 1}),
    (ReadingHeld("fs1", True, 9), {key("esl_reading_held_total", **FS1): 1}),
    (ReadingHeld("fs1", False, 9), {key("esl_reading_held_total", **FS1): 0}),
    (
        CommandDone("fs1", "sendmsg record_session", 0.02, True),
        {
            key("esl_command_duration_seconds_sum", command="record_session"): 0.02,
            key("esl_command_failures_total", command="record_session", reason="refused"): 0,
        },
    ),
    (
        CommandDone("fs1", "api uuid_exists", 0.02, False),
        {
            key("esl_command_duration_seconds_count", command="uuid_exists"): 1,
            key("esl_command_failures_total", command="uuid_exists", reason="refused"): 1,
        },
    ),
    (  # a job is JobDone's
        CommandDone("fs1", "bgapi uuid_record", 0.02, False),
        {
            key("esl_command_duration_seconds_count", command="uuid_record"): 0,
            key("esl_command_failures_total", command="uuid_record", reason="refused"): 0,
        },
    ),
    (
        CommandLost("fs1", "sendmsg playback", Lack.BUSY),
        {key("esl_command_failures_total", command="playback", reason="busy"): 1},
    ),
    (
        CommandLost("fs1", "bgapi uuid_record", Lack.LOST),
        {key("esl_command_failures_total", command="uuid_record", reason="lost"): 0},
    ),
    (
        JobDone("fs1", "bgapi uuid_record", 0.3, True),
        {key("esl_command_duration_seconds_sum", command="uuid_record"): 0.3},
    ),
    (
        JobDone("fs1", "bgapi uuid_record", 0.3, False),
        {
            key("esl_command_duration_seconds_count", command="uuid_record"): 1,
            key("esl_command_failures_total", command="uuid_record", reason="refused"): 1,
        },
    ),
    (
        JobDone("fs1", "bgapi echo", 10.0, None, Lack.TIMEOUT),
        {
            key("esl_command_duration_seconds_count", command="echo"): 0,
            key("esl_command_failures_total", command="echo", reason="timeout"): 1,
        },
    ),
    (
        Reconciled("fs1", 3, 2, 4, 1, 0.5),
        {
            key("reconciles_total", **FS1): 1,
            key("reconcile_duration_seconds_sum"): 0.5,
            key("reconcile_recordings_total", result="running"): 3,
            key("reconcile_recordings_total", result="ended"): 2,
            key("reconcile_recordings_total", result="mended"): 1,
            key("reconcile_recordings_total", result="lost"): 4,
        },
    ),
    # calls
    (CallTaken("id", "fs1", "leg", "acme", "doc"), {key("calls_taken_total", **FS1): 1}),
    (CallEnded("id", "NORMAL_CLEARING"), {key("calls_ended_total"): 1}),
    (CallReleased("id"), {key("calls_released_total"): 1}),
    (CallResumed("id", 3), {key("calls_resumed_total"): 1}),
    (CallFailed("id", "why"), {key("calls_failed_total"): 1}),
    (CallTurnedAway("fs1", "leg", "why"), {key("calls_turned_away_total", **FS1): 1}),
    (LegLeftAlone("fs1", "leg", "1002"), {key("legs_left_alone_total", **FS1): 1}),
    (StepFailed("id", 1, "Play", "why"), {key("steps_failed_total"): 1}),
    (MessageUnrendered("id", "kind", "error"), {key("messages_unrendered_total"): 1}),
    (
        DocumentFetched("id", "http://x", 10, 0.2, "swml"),
        {
            key("documents_fetched_total", **SWML): 1,
            key("document_fetch_duration_seconds_sum"): 0.2,
        },
    ),
    (
        DocumentRefused("id", "http://x", "why", "swml", "timeout"),
        {key("documents_refused_total", **SWML, reason="timeout"): 1},
    ),
    (DocumentWarned("id", "doc", 1, "x", "y", 13621), {key("document_warnings_total"): 1}),
    (
        AudioFetched("call", "https://x/a", 9, 0.7, fresh=False),
        {
            key("audio_fetched_total"): 1,
            key("audio_fetch_duration_seconds_sum"): 0.7,
            key("audio_fetch_duration_seconds_bucket", le="1.0"): 1,
        },
    ),
    (AudioRefused("call", "https://x/a", "x"), {key("audio_refused_total"): 1}),
    # files
    (ClearingFailed("id", "why"), {key("clearings_failed_total"): 1}),
    (
        RecordingStored("id", 5000, 2, 1.5),
        {
            key("recordings_stored_total"): 1,
            key("stored_bytes_total"): 5000,
            key("upload_duration_seconds_sum"): 1.5,
        },
    ),
    (UploadFailed("id", "why"), {key("uploads_failed_total"): 1}),
    (UploadsStalled(9.0, 3), {key("upload_stalls_total"): 1}),
    (
        MasterExamined("id", 2.0, 1, mended=True, cut_seconds=1.5, missed_pauses=2, trimmed_seconds=0.25),
        {
            key("trimmed_seconds_total"): 0.25,
            key("masters_mended_total"): 1,
            key("pauses_cut_seconds_total"): 1.5,
            key("pauses_missed_total"): 2,
        },
    ),
    (
        DerivativeMade("id", "mp3", 9, 2.5),
        {key("derivatives_total", format="mp3"): 1, key("derivative_duration_seconds_sum"): 2.5},
    ),
    (DerivativeFailed("id", "mp4", "x"), {key("derivatives_failed_total", format="mp4"): 1}),
    (EncoderLost("id", 1, "x"), {key("encoders_lost_total"): 1}),
    (DecoderLost("x"), {key("decoders_lost_total"): 1}),
    (
        TranscriptionFinished("id", "acme", "done", 9.0, 80, 4.0, ""),
        {
            key("transcriptions_total", outcome="done"): 1,
            key("transcription_duration_seconds_sum"): 4.0,
            key("transcribed_seconds_total"): 9.0,
        },
    ),
    (TranscriptionDropped("id"), {key("transcriptions_dropped_total"): 1}),
    (TranscriptionStalled("id", "x"), {key("transcription_stalls_total"): 1}),
    (TranscriptionUnrendered("id", "x"), {key("transcriptions_unrendered_total"): 1}),
    (TranscriberLost("id", 1, "x"), {key("transcribers_lost_total"): 1}),
    (EngineRefused("id", "x"), {key("transcription_refusals_total"): 1}),
    # callbacks
    (
        DeliveryAttempted(*ABOUT, "http://x:80", 1, 200, None, 0.2),
        {
            key("webhook_attempts_total", **SWML): 1,
            key("webhook_duration_seconds_sum"): 0.2,
            **{key("webhook_failures_total", **SWML, reason=reason): 0 for reason in FAILURES},
        },
    ),
    *(
        failed(status, error, reason)
        for status, error, reason in (
            (302, None, "3xx"),
            (404, None, "4xx"),
            (410, None, "gone"),
            (503, None, "5xx"),
            *((None, kind.value, kind.value) for kind in ErrorKind),
        )
    ),
    (
        DeliveryAttempted("delivery", "subject", "acme", "plivo", "http://x:80", 1, 201, None, 0.2),
        {key("webhook_failures_total", dialect="plivo", reason="2xx"): 1},
    ),
    (
        DeliverySucceeded(*ABOUT, 1, 3.0),
        {key("webhooks_delivered_total", **SWML): 1, key("webhook_age_seconds_sum"): 3.0},
    ),
    (DeliveryGivenUp(*ABOUT, 8, "why"), {key("webhooks_given_up_total", **SWML): 1}),
    (OutboxStalled("x", 1.0), {key("outbox_stalls_total"): 1}),
    (NoticeUnrendered("notice", "id", "completed", "x"), {key("webhooks_unrendered_total"): 1}),
    # the store
    (
        GroupCommitted(7, 0.02),
        {
            key("store_commit_duration_seconds_sum"): 0.02,
            key("store_commit_writes_sum"): 7,
            key("store_commit_writes_bucket", le="8.0"): 1,
            key("store_commit_writes_bucket", le="4.0"): 0,
        },
    ),
    (GroupRetried(7, "x"), {key("store_retries_total"): 1}),
    (WorkFailed("x"), {key("store_failures_total"): 1}),
    (RowUnreadable("calls", "id", "x"), {key("store_rows_unreadable_total"): 1}),
    (BellLost("x"), {key("store_bells_lost_total"): 1}),
    # daemons
    (LeaseTaken("fs1", 2, ""), {key("leases_taken_total", **FS1): 1}),
    (LeaseEnded("fs1", 2, "x"), {key("leases_ended_total", **FS1): 1}),
    (LeasesUnreachable("x"), {key("lease_failures_total"): 1}),
    (
        CommandAsked("stop", "fs1", "void", 0.02),
        {
            key("commands_asked_total", verb="stop", outcome="void"): 1,
            key("command_asked_duration_seconds_sum"): 0.02,
        },
    ),
    (
        CommandTaken("start", "fs1", "TooMany", 0.01, 0.2),
        {key("commands_taken_total", verb="start", outcome="TooMany"): 1},
    ),
    (CommandUnreadable("id", "x"), {key("commands_unreadable_total"): 1}),
    (CommandsStalled("x"), {key("commands_stalled_total"): 1}),
    (OverloadBegan("loop_lag", "starts", "why"), {key("overloads_total", shed="starts"): 1}),
    (OverloadEnded("loop_lag", 4.0), {key("overload_seconds_total"): 4.0}),
    # HTTP
    (
        RequestServed("GET", "/x/{id}", 206, 0.02),
        {
            key("http_requests_total", method="GET", status="2xx"): 1,
            key("http_request_duration_seconds_sum"): 0.02,
        },
    ),
    (RequestFailed("GET", "/x", ValueError()), {key("http_requests_failed_total"): 1}),
    (RequestRefused(400, "x"), {key("http_requests_refused_total"): 1}),
    (DownloadBroken("id", 1, 2, "x"), {key("downloads_broken_total"): 1}),
    (CertificateChanged("x"), {key("certificates_changed_total"): 1}),
    (CertificateRefused("x", "y"), {key("certificates_refused_total"): 1}),
]


def made() -> Metrics:
    """Metrics of all tables."""
    return Metrics(FAMILIES, version="1.2.3")


@pytest.mark.parametrize(("event", "expected"), EVENTS, ids=[type(row[0]).__name__ for row in EVENTS])
def test_each_event_is_counted(event: Any, expected: dict[Key, float]) -> None:
    """The samples an event adds to exist at zero before it, have its amount after, and no others came."""
    metrics = made()
    before = samples(metrics.exposition())
    assert {one: before[one] for one in expected} == dict.fromkeys(expected, 0)
    metrics.observe(event)
    after = samples(metrics.exposition())
    assert {one: after[one] for one in expected} == expected
    assert not [name for name, _ in after.keys() - before.keys() if name.startswith("fsrec")]


def test_a_link_that_goes_is_told() -> None:
    """The gauges of a switch go back to 0 with its link."""
    metrics = made()
    for event in (LinkUp("fs1", "core", None, ""), SwitchReady("fs1", 0.1), LinkDown("fs1", "why", 1.0)):
        metrics.observe(event)
    found = samples(metrics.exposition())
    assert (found[key("esl_connected", **FS1)], found[key("switch_ready", **FS1)]) == (0, 0)


def test_the_last_event_has_this_machines_time() -> None:
    """Unix seconds, of the switch that sent it alone."""
    metrics = made()
    before = time.time()
    metrics.observe(EventsRead("fs1", 1, 1))
    found = samples(metrics.exposition())
    assert before <= found[key("esl_last_event_timestamp_seconds", **FS1)] <= time.time()
    assert found[key("esl_last_event_timestamp_seconds", switch="fs2")] == 0


def test_all_sources_are_tested() -> None:
    """Every event that a table has, has its row above."""
    assert {source.event for family in FAMILIES for source in family.sources} == {type(event) for event, _ in EVENTS}


@cache
def told() -> frozenset[str]:
    """The names of all classes that rooms give to telemetry: made where it is called, or beside such a place."""
    found = {"Reconciled", "MasterExamined"}  # made by what is awaited, or returned, there
    package = Path(controller.__file__).parent
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and _name(node.func) in {"observe", "_observe", "_tell"}:
                found |= {_name(one.func) for one in node.args if isinstance(one, ast.Call)}
    for path in (package / "telemetry.py", *package.glob("*/events.py")):
        if path.parent.name != "softswitch":
            tree = ast.parse(path.read_text())
            found |= {one.name for one in tree.body if isinstance(one, ast.ClassDef) and one.decorator_list}
    return frozenset(name for name in found if name[:1].isupper())


def _name(called: ast.expr) -> str:
    return called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""


def test_every_event_is_counted_or_known_not_to_be() -> None:
    """What a room tells telemetry is in a table, or in the list of what is not, with its reason."""
    counted = {source.event.__name__ for family in FAMILIES for source in family.sources}
    assert len(told()) > 80
    assert told() - counted == UNCOUNTED.keys()
    assert counted <= told()


def test_every_child_is_there_from_the_start() -> None:
    """Each family has all its foreseen children at zero."""
    found = samples(made().exposition())
    assert {one: found.get(one) for one in foreseen(FAMILIES)} == dict.fromkeys(foreseen(FAMILIES), 0)


def test_promtool_finds_nothing_to_mend() -> None:
    """Prometheus' own rules for names, units and help, of every family with every event in it."""
    metrics = made()
    for event, _ in EVENTS:
        metrics.observe(event)
    assert lint(metrics.exposition()) == ""


def test_promtool_would_find_it() -> None:
    """The check is one: a counter without its suffix and a unit that is no base unit are found."""
    wrong = (
        b"# HELP fsrec_wait_milliseconds Wait.\n# TYPE fsrec_wait_milliseconds counter\nfsrec_wait_milliseconds 1\n"
    )
    said = lint(wrong)
    assert "_total" in said
    assert "seconds" in said


IDS = re.compile(r"[0-9a-f]{8}|://|^\d+(\.\d+)?$|^\+?\d")


def test_labels_hold_no_ids() -> None:
    """Of what is foreseen nothing is a number, a URL or an id, and no label asks for one."""
    for family in FAMILIES:
        assert not {"id", "recording", "call", "leg", "route", "account", "url", "origin"} & family.labels.keys()
        for values in family.labels.values():
            assert len(values) == len(set(values))
            assert not [value for value in values if IDS.search(value) and not re.fullmatch(r"[1-5]xx", value)]


@pytest.mark.parametrize(("switches", "most"), [(1, 1500), (20, 2000)])
def test_the_number_of_series_is_bounded(switches: int, most: int) -> None:
    """A daemon with one switch has less than 1,500 series, each further switch adds some 20, whatever happens."""
    families = table(Names(("swml", "twiml", "plivo"), [f"fs{number}" for number in range(switches)]))
    metrics = Metrics(families, version="1.2.3")
    for event, _ in EVENTS:
        metrics.observe(event)
    assert len(samples(metrics.exposition())) < most
    for family in families:
        own = math.prod(len(values) for label, values in family.labels.items() if label != "switch")
        assert own <= 150, family.name


def test_a_family_is_in_one_room() -> None:
    """No name is given twice."""
    names = [family.name for family in FAMILIES]
    assert len(names) == len(set(names))


def test_help_is_a_sentence() -> None:
    """Each family's text says what it counts, and ends; only histograms have buckets, which rise."""
    for family in FAMILIES:
        assert re.fullmatch(r"[A-Z].*\.", family.help), family.name
        assert bool(family.buckets) is (family.kind is Kind.HISTOGRAM)
        assert list(family.buckets) == sorted(set(family.buckets))

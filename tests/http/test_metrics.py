"""controller/metrics.py: every event counted where the table says, and nothing a caller sends makes a series."""

from __future__ import annotations

import re
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from controller.calls.audio import AudioFetched, AudioRefused
from controller.calls.events import CallTurnedAway
from controller.cluster.events import LeaseEnded, LeasesUnreachable, LeaseTaken
from controller.http.base import DownloadBroken, RequestFailed, RequestRefused, RequestServed
from controller.media.archive import RecordingStored, UploadFailed
from controller.media.clearing import ClearingFailed
from controller.media.decoders import DecoderLost
from controller.media.encoders import DerivativeFailed, DerivativeMade, EncoderLost
from controller.media.master import MasterExamined
from controller.metrics import Metrics, table
from controller.overload.admission import OverloadBegan
from controller.retention.sweeper import ExpiryFailed, RecordingExpired
from controller.telemetry import FactOrphaned, FactUnexpected, LedgerStalled, RecordingChanged, RecordingFinished
from controller.transcription.events import TranscriberLost, TranscriptionFinished

ROWS = table(dialects=["swml", "twiml"], switches=["fs1"])
FINISHED = RecordingFinished("id", "call", "swml", "completed", "hangup", 2.5, 40044)


def samples(metrics: Metrics) -> dict[tuple[str, tuple[str, ...]], float]:
    """What is exposed, by name and values of the labels."""
    families = text_string_to_metric_families(metrics.exposition().decode())
    return {(one.name, tuple(one.labels.values())): one.value for family in families for one in family.samples}


def made() -> Metrics:
    """Metrics of the whole table."""
    return Metrics(ROWS, version="1.2.3")


EVENTS: list[tuple[Any, dict[tuple[str, tuple[str, ...]], float]]] = [
    (
        RecordingChanged("id", "call", "swml", "requested", "recording", "started"),
        {("fsrec_recording_changes_total", ("swml", "recording")): 1},
    ),
    (
        FINISHED,
        {
            ("fsrec_recordings_finished_total", ("swml", "completed")): 1,
            ("fsrec_recordings_ended_total", ("hangup",)): 1,
            ("fsrec_recording_bytes_total", ()): 40044,
            ("fsrec_recording_duration_seconds_sum", ()): 2.5,
            ("fsrec_recording_duration_seconds_count", ()): 1,
            ("fsrec_recording_duration_seconds_bucket", ("5.0",)): 1,
        },
    ),
    (FactUnexpected("id", "completed", "Stopped"), {("fsrec_facts_unexpected_total", ("completed",)): 1}),
    (CallTurnedAway("fs1", "leg", "why"), {("fsrec_calls_turned_away_total", ("fs1",)): 1}),
    (OverloadBegan("loop_lag", "starts", "why"), {("fsrec_overloads_total", ("starts",)): 1}),
    (RecordingExpired("id", "acme"), {("fsrec_recordings_expired_total", ()): 1}),
    (ExpiryFailed("id", "acme", "why"), {("fsrec_recordings_expiry_failed_total", ()): 1}),
    (LedgerStalled("id", "disk full"), {("fsrec_ledger_stalls_total", ()): 1}),
    (FactOrphaned("fs1", "leg", "Started"), {("fsrec_facts_orphaned_total", ("fs1",)): 1}),
    (ClearingFailed("id", "why"), {("fsrec_clearings_failed_total", ()): 1}),
    (
        RecordingStored("id", 5000, 2, 1.5),
        {
            ("fsrec_recordings_stored_total", ()): 1,
            ("fsrec_stored_bytes_total", ()): 5000,
            ("fsrec_upload_duration_seconds_sum", ()): 1.5,
            ("fsrec_upload_duration_seconds_count", ()): 1,
        },
    ),
    (UploadFailed("id", "why"), {("fsrec_uploads_failed_total", ()): 1}),
    (
        MasterExamined("id", 2.0, 1, mended=True, cut_seconds=1.5, missed_pauses=2, trimmed_seconds=0.25),
        {
            ("fsrec_trimmed_seconds_total", ()): 0.25,
            ("fsrec_masters_mended_total", ()): 1,
            ("fsrec_pauses_cut_seconds_total", ()): 1.5,
            ("fsrec_pauses_missed_total", ()): 2,
        },
    ),
    (
        DerivativeMade("id", "mp3", 9, 2.5),
        {
            ("fsrec_derivatives_total", ("mp3",)): 1,
            ("fsrec_derivative_duration_seconds_sum", ()): 2.5,
            ("fsrec_derivative_duration_seconds_count", ()): 1,
        },
    ),
    (DerivativeFailed("id", "mp4", "x"), {("fsrec_derivatives_failed_total", ("mp4",)): 1}),
    (EncoderLost("id", 1, "x"), {("fsrec_encoders_lost_total", ()): 1}),
    (
        AudioFetched("call", "https://x/a", 9, 0.7, fresh=False),
        {
            ("fsrec_audio_fetched_total", ()): 1,
            ("fsrec_audio_fetch_duration_seconds_sum", ()): 0.7,
            ("fsrec_audio_fetch_duration_seconds_bucket", ("1.0",)): 1,
        },
    ),
    (AudioRefused("call", "https://x/a", "x"), {("fsrec_audio_refused_total", ()): 1}),
    (DecoderLost("x"), {("fsrec_decoders_lost_total", ()): 1}),
    (
        TranscriptionFinished("id", "acme", "done", 9.0, 80, 4.0, ""),
        {
            ("fsrec_transcriptions_total", ("done",)): 1,
            ("fsrec_transcription_duration_seconds_sum", ()): 4.0,
            ("fsrec_transcription_duration_seconds_bucket", ("5.0",)): 1,
        },
    ),
    (TranscriberLost("id", 1, "x"), {("fsrec_transcribers_lost_total", ()): 1}),
    (
        RequestServed("GET", "/x/{id}", 206, 0.02),
        {
            ("fsrec_http_requests_total", ("GET", "2xx")): 1,
            ("fsrec_http_request_duration_seconds_sum", ()): 0.02,
        },
    ),
    (LeaseTaken("fs1", 2, ""), {("fsrec_leases_taken_total", ("fs1",)): 1}),
    (LeaseEnded("fs1", 2, "x"), {("fsrec_leases_ended_total", ("fs1",)): 1}),
    (LeasesUnreachable("x"), {("fsrec_lease_failures_total", ()): 1}),
    (RequestFailed("GET", "/x", ValueError()), {("fsrec_http_requests_failed_total", ()): 1}),
    (RequestRefused(400, "x"), {("fsrec_http_requests_refused_total", ()): 1}),
    (DownloadBroken("id", 1, 2, "x"), {("fsrec_downloads_broken_total", ()): 1}),
]


@pytest.mark.parametrize(("event", "expected"), EVENTS, ids=[type(row[0]).__name__ for row in EVENTS])
def test_each_event_is_counted(event: Any, expected: dict[tuple[str, tuple[str, ...]], float]) -> None:
    """The samples an event adds to exist at zero before it, and have its amount after."""
    metrics = made()
    before = samples(metrics)
    assert {key: before[key] for key in expected} == dict.fromkeys(expected, 0)
    metrics.observe(event)
    after = samples(metrics)
    assert {key: after[key] for key in expected} == expected
    assert after.keys() - before.keys() <= {key for key in after if key[0].startswith("process_")}


def test_all_rows_are_tested() -> None:
    """Every type in the table has its event above."""
    assert {row.event for row in ROWS} == {type(event) for event, _ in EVENTS}


def test_what_is_not_foreseen_is_other() -> None:
    """Any number of invented values make one series each metric; an event without a row makes none."""
    metrics = made()
    for number in range(50):
        metrics.observe(RequestServed(f"BREW{number}", "none", 404, 0.0))
        metrics.observe(FactOrphaned(f"fs{number + 2}", "leg", "x"))
    metrics.observe(object())
    found = samples(metrics)
    assert found[("fsrec_http_requests_total", ("other", "4xx"))] == 50
    assert found[("fsrec_facts_orphaned_total", ("other",))] == 50
    assert not [key for key in found if "BREW" in str(key) or "fs7" in str(key)]


def test_gauges_are_read_when_asked() -> None:
    """A gauge shows what its function says now."""
    metrics = made()
    value = [3.0]
    metrics.gauge("calls", "Calls that run.", lambda: value[0])
    assert samples(metrics)[("fsrec_calls", ())] == 3.0
    value[0] = 4.0
    assert samples(metrics)[("fsrec_calls", ())] == 4.0


def test_the_build_and_the_process_are_told() -> None:
    """Version and Python are a label's values; the process's own metrics are there, registries are apart."""
    found = samples(made())
    assert [value for (name, labels), value in found.items() if name == "fsrec_build_info" and "1.2.3" in labels] == [
        1
    ]
    assert ("process_resident_memory_bytes", ()) in found
    assert samples(made()).keys() == found.keys()


def test_names_are_as_prometheus_wants_them() -> None:
    """Names are lower case, counters end in _total, histograms in a base unit, labels hold no ids."""
    for row in ROWS:
        assert re.fullmatch(r"[a-z_]+", row.name)
        assert row.name.endswith("_seconds" if row.buckets else "_total")
        assert not {"id", "recording", "call", "leg", "route"} & row.labels.keys()

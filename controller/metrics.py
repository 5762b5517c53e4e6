"""What is counted: telemetry of every room made into Prometheus metrics by one table.

Only this module knows prometheus_client. Names begin with ``fsrec_`` and end in a base unit, labels hold no ids, and
every child that can be foreseen exists at zero, so that a rate over it is right from the first event on. A label's
value that the table doesn't foresee is counted as ``other``: what a caller sends can't make new series.
"""

from __future__ import annotations

import itertools
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from controller.calls.audio import AudioFetched, AudioRefused
from controller.calls.events import CallTurnedAway
from controller.cluster.events import LeaseEnded, LeasesUnreachable, LeaseTaken
from controller.http.base import DownloadBroken, RequestFailed, RequestRefused, RequestServed
from controller.media.archive import RecordingStored, UploadFailed
from controller.media.clearing import ClearingFailed
from controller.media.copies import FORMATS
from controller.media.decoders import DecoderLost
from controller.media.encoders import DerivativeFailed, DerivativeMade, EncoderLost
from controller.media.master import MasterExamined
from controller.overload.admission import OverloadBegan
from controller.overload.levels import Shed
from controller.recordings.model import FINAL_STATES, EndReason, State, TranscriptionState
from controller.retention.sweeper import ExpiryFailed, RecordingExpired
from controller.telemetry import FactOrphaned, FactUnexpected, LedgerStalled, RecordingChanged, RecordingFinished
from controller.transcription.events import TranscriberLost, TranscriptionFinished

OTHER = "other"
_E = TypeVar("_E")


@dataclass(frozen=True, slots=True)
class Metric(Generic[_E]):
    """One row of the table: what events of a type add to a metric.

    ``labels`` maps each label to the values foreseen, ``values`` gives an event's in that order. ``amount`` is what a
    counter grows by or a histogram observes. With ``buckets`` it is a histogram, else a counter.
    """

    event: type[_E]
    name: str
    help: str
    labels: Mapping[str, Sequence[str]] = field(default_factory=dict)
    values: Callable[[_E], Sequence[str]] = lambda _: ()
    amount: Callable[[_E], float] = lambda _: 1.0
    buckets: tuple[float, ...] | None = None


STATES = tuple(state.value for state in State)
OUTCOMES = tuple(sorted(state.value for state in FINAL_STATES))
REASONS = tuple(reason.value for reason in EndReason)
SHED = tuple(shed.name.lower() for shed in Shed if shed)
TRANSCRIBED = tuple(state.value for state in TranscriptionState if state.final)
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE")
CLASSES = ("2xx", "3xx", "4xx", "5xx")
LENGTHS = (1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)
FETCHES = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
LATENCIES = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


def table(*, dialects: Sequence[str], switches: Sequence[str]) -> tuple[Metric[Any], ...]:
    """Return the rows of core, media and HTTP; ``dialects`` and ``switches`` are the names that may occur."""
    return (
        Metric(
            RecordingChanged,
            "recording_changes_total",
            "Recordings that entered a state.",
            {"dialect": dialects, "state": STATES},
            lambda event: (event.dialect, event.after),
        ),
        Metric(
            RecordingFinished,
            "recordings_finished_total",
            "Recordings that reached their true end.",
            {"dialect": dialects, "outcome": OUTCOMES},
            lambda event: (event.dialect, event.outcome),
        ),
        Metric(
            RecordingFinished,
            "recordings_ended_total",
            "Recordings that reached their true end, by why.",
            {"reason": REASONS},
            lambda event: (event.reason,),
        ),
        Metric(
            RecordingFinished,
            "recording_duration_seconds",
            "Length of recordings as served.",
            amount=lambda event: event.duration,
            buckets=LENGTHS,
        ),
        Metric(
            RecordingFinished,
            "recording_bytes_total",
            "Size of recordings as served.",
            amount=lambda event: event.size,
        ),
        Metric(
            FactUnexpected,
            "facts_unexpected_total",
            "Facts about a recording that no row of the table expects.",
            {"state": STATES},
            lambda event: (event.state,),
        ),
        Metric(
            FactOrphaned,
            "facts_orphaned_total",
            "Facts about recordings that are not fsrec's.",
            {"switch": switches},
            lambda event: (event.switch,),
        ),
        Metric(
            CallTurnedAway,
            "calls_turned_away_total",
            "Calls hung up at once: too many, or too much to do.",
            {"switch": switches},
            lambda event: (event.switch,),
        ),
        Metric(
            LeaseTaken,
            "leases_taken_total",
            "Switches that this daemon began to serve, of those that it shares with others.",
            {"switch": switches},
            lambda event: (event.switch,),
        ),
        Metric(
            OverloadBegan,
            "overloads_total",
            "Times that something became too much, by what was given up.",
            {"shed": SHED},
            lambda event: (event.shed,),
        ),
        Metric(RecordingExpired, "recordings_expired_total", "Recordings deleted for their age."),
        Metric(ExpiryFailed, "recordings_expiry_failed_total", "Deletions for age that are to be tried again."),
        Metric(
            LeaseEnded,
            "leases_ended_total",
            "Switches that it let go again.",
            {"switch": switches},
            lambda event: (event.switch,),
        ),
        Metric(LeasesUnreachable, "lease_failures_total", "Times that leases could not be renewed or looked at."),
        Metric(LedgerStalled, "ledger_stalls_total", "Changes of a recording that had to be made durable again."),
        Metric(
            MasterExamined,
            "masters_mended_total",
            "Masters whose header was not finished; a copy is served.",
            amount=lambda event: float(event.mended),
        ),
        Metric(
            MasterExamined,
            "pauses_cut_seconds_total",
            "Audio of skipped pauses cut from recordings.",
            amount=lambda event: event.cut_seconds,
        ),
        Metric(
            MasterExamined,
            "pauses_missed_total",
            "Skipped pauses that were not found in their recording.",
            amount=lambda event: event.missed_pauses,
        ),
        Metric(
            MasterExamined,
            "trimmed_seconds_total",
            "Silence trimmed from the ends of recordings.",
            amount=lambda event: event.trimmed_seconds,
        ),
        Metric(
            ClearingFailed,
            "clearings_failed_total",
            "Recordings whose files or objects could not be removed; it is tried again.",
        ),
        Metric(RecordingStored, "recordings_stored_total", "Recordings that were put into the media store."),
        Metric(
            RecordingStored,
            "stored_bytes_total",
            "Bytes of recordings that were put into the media store.",
            amount=lambda event: event.size,
        ),
        Metric(
            RecordingStored,
            "upload_duration_seconds",
            "Time that putting a recording into the media store took.",
            amount=lambda event: event.duration,
            buckets=LENGTHS,
        ),
        Metric(UploadFailed, "uploads_failed_total", "Tries to put a recording into the media store that failed."),
        Metric(
            DerivativeMade,
            "derivatives_total",
            "Recordings that were encoded.",
            {"format": FORMATS[1:]},
            lambda event: (event.format,),
        ),
        Metric(
            DerivativeMade,
            "derivative_duration_seconds",
            "Time that encoding a recording took, waiting included.",
            amount=lambda event: event.duration,
            buckets=LENGTHS,
        ),
        Metric(
            DerivativeFailed,
            "derivatives_failed_total",
            "Recordings that are served as WAV because they could not be encoded.",
            {"format": FORMATS[1:]},
            lambda event: (event.format,),
        ),
        Metric(EncoderLost, "encoders_lost_total", "Processes that crashed or hung while they encoded."),
        Metric(AudioFetched, "audio_fetched_total", "Sounds of documents' URLs that were made ready to be played."),
        Metric(
            AudioFetched,
            "audio_fetch_duration_seconds",
            "Time until a URL's sound could be played, fetching and decoding included.",
            amount=lambda event: event.duration,
            buckets=FETCHES,
        ),
        Metric(AudioRefused, "audio_refused_total", "Sounds of documents' URLs that could not be had."),
        Metric(DecoderLost, "decoders_lost_total", "Processes that crashed, hung or met a limit while they decoded."),
        Metric(
            TranscriptionFinished,
            "transcriptions_total",
            "Recordings whose text is known, or never will be.",
            {"outcome": TRANSCRIBED},
            lambda event: (event.outcome,),
        ),
        Metric(
            TranscriptionFinished,
            "transcription_duration_seconds",
            "Time from the wish for a recording's text to its end, waiting included.",
            amount=lambda event: event.duration,
            buckets=LENGTHS,
        ),
        Metric(TranscriberLost, "transcribers_lost_total", "Processes that crashed or hung while they transcribed."),
        Metric(
            RequestServed,
            "http_requests_total",
            "HTTP requests answered.",
            {"method": METHODS, "status": CLASSES},
            lambda event: (event.method, f"{event.status // 100}xx"),
        ),
        Metric(
            RequestServed,
            "http_request_duration_seconds",
            "Time to answer an HTTP request, downloads included.",
            amount=lambda event: event.duration,
            buckets=LATENCIES,
        ),
        Metric(RequestFailed, "http_requests_failed_total", "HTTP requests whose handler raised."),
        Metric(RequestRefused, "http_requests_refused_total", "Connections that sent no readable HTTP request."),
        Metric(DownloadBroken, "downloads_broken_total", "Downloads that ended early or could not be opened."),
    )


class Metrics:
    """A registry of its own, fed by telemetry: subscribe ``observe``. ``version`` is fsrec's."""

    def __init__(self, rows: Iterable[Metric[Any]], *, version: str) -> None:
        self._registry = CollectorRegistry()
        self._by_event: dict[type, list[tuple[Metric[Any], Counter | Histogram]]] = {}
        ProcessCollector(registry=self._registry)
        build = Gauge("fsrec_build_info", "What runs.", ["version", "python"], registry=self._registry)
        build.labels(version, platform.python_version()).set(1)
        for row in rows:
            self._by_event.setdefault(row.event, []).append((row, self._instrument(row)))

    def observe(self, event: object) -> None:
        """Count an event; one that has no row is no metric's."""
        for row, instrument in self._by_event.get(type(event), ()):
            known = zip(row.values(event), row.labels.values(), strict=True)
            values = [value if value in foreseen else OTHER for value, foreseen in known]
            child = instrument.labels(*values) if values else instrument
            amount = row.amount(event)
            if isinstance(child, Histogram):
                child.observe(amount)
            else:
                child.inc(amount)

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """Add a gauge, ``fsrec_`` put before its name, that is read whenever it is asked for."""
        Gauge(f"fsrec_{name}", text, registry=self._registry).set_function(read)

    def exposition(self) -> bytes:
        """Return the text format 0.0.4."""
        return generate_latest(self._registry)

    def _instrument(self, row: Metric[Any]) -> Counter | Histogram:
        name = f"fsrec_{row.name}"
        instrument: Counter | Histogram
        if row.buckets is None:
            instrument = Counter(name, row.help, list(row.labels), registry=self._registry)
        else:
            instrument = Histogram(name, row.help, list(row.labels), buckets=row.buckets, registry=self._registry)
        if row.labels:
            for values in itertools.product(*row.labels.values()):
                instrument.labels(*values)
        return instrument

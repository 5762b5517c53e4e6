"""Files: masters, formats, the media store, disks; and the text of what was said."""

from __future__ import annotations

from controller.media.archive import RecordingStored, UploadFailed
from controller.media.clearing import ClearingFailed
from controller.media.copies import FORMATS
from controller.media.decoders import DecoderLost
from controller.media.encoders import DerivativeFailed, DerivativeMade, EncoderLost
from controller.media.keeper import UploadsStalled
from controller.media.master import MasterExamined
from controller.metrics.registry import LENGTHS, Metric, Names, On, counter, gauge, histogram
from controller.recordings.model import TranscriptionState
from controller.telemetry import MediaStalled
from controller.transcription.events import (
    EngineRefused,
    TranscriberLost,
    TranscriptionDropped,
    TranscriptionFinished,
    TranscriptionStalled,
    TranscriptionUnrendered,
)

TRANSCRIBED = tuple(state.value for state in TranscriptionState if state.final)
_MADE = {"format": FORMATS[1:]}


def media(names: Names) -> tuple[Metric, ...]:
    """Return the families of files."""
    return (
        gauge(
            "recordings_disk_free_bytes",
            "Bytes free on the disk of a switch's recordings; 0 where it can't be looked at.",
            labels={"switch": names.switches},
        ),
        gauge("data_disk_free_bytes", "Bytes free on the disk of data_dir; 0 where it can't be looked at."),
        counter(
            "media_stalls_total",
            "Recordings whose file could not be examined for a reason not its own; it is tried again.",
            On(MediaStalled),
        ),
        counter(
            "masters_mended_total",
            "Masters whose header was not finished; a copy is served.",
            On(MasterExamined, amount=lambda event: float(event.mended)),
        ),
        counter(
            "pauses_cut_seconds_total",
            "Audio of skipped pauses cut from recordings.",
            On(MasterExamined, amount=lambda event: event.cut_seconds),
        ),
        counter(
            "pauses_missed_total",
            "Skipped pauses that were not found in their recording.",
            On(MasterExamined, amount=lambda event: event.missed_pauses),
        ),
        counter(
            "trimmed_seconds_total",
            "Silence trimmed from the ends of recordings.",
            On(MasterExamined, amount=lambda event: event.trimmed_seconds),
        ),
        counter(
            "clearings_failed_total",
            "Recordings whose files or objects could not be removed; it is tried again.",
            On(ClearingFailed),
        ),
        gauge("recordings_unstored", "Recordings that the media store does not have yet."),
        counter("recordings_stored_total", "Recordings that were put into the media store.", On(RecordingStored)),
        counter(
            "stored_bytes_total",
            "Bytes of recordings that were put into the media store.",
            On(RecordingStored, amount=lambda event: event.size),
        ),
        histogram(
            "upload_duration_seconds",
            "Time that putting a recording into the media store took.",
            On(RecordingStored, amount=lambda event: event.duration),
            buckets=LENGTHS,
        ),
        counter(
            "uploads_failed_total", "Tries to put a recording into the media store that failed.", On(UploadFailed)
        ),
        counter("upload_stalls_total", "Times that the media store began to take nothing.", On(UploadsStalled)),
        counter(
            "derivatives_total",
            "Recordings that were encoded.",
            On(DerivativeMade, lambda event: (event.format,)),
            labels=_MADE,
        ),
        histogram(
            "derivative_duration_seconds",
            "Time that encoding a recording took, waiting included.",
            On(DerivativeMade, amount=lambda event: event.duration),
            buckets=LENGTHS,
        ),
        counter(
            "derivatives_failed_total",
            "Recordings that are served as WAV because they could not be encoded.",
            On(DerivativeFailed, lambda event: (event.format,)),
            labels=_MADE,
        ),
        counter("encoders_lost_total", "Processes that crashed or hung while they encoded.", On(EncoderLost)),
        counter(
            "decoders_lost_total", "Processes that crashed, hung or met a limit while they decoded.", On(DecoderLost)
        ),
    )


def transcription(_names: Names) -> tuple[Metric, ...]:
    """Return the families of transcriptions."""
    return (
        gauge("transcriptions_waiting", "Recordings to be transcribed."),
        gauge("transcriptions_running", "Recordings being heard."),
        counter(
            "transcriptions_total",
            "Recordings whose text is known, or never will be.",
            On(TranscriptionFinished, lambda event: (event.outcome,)),
            labels={"outcome": TRANSCRIBED},
        ),
        histogram(
            "transcription_duration_seconds",
            "Time from the wish for a recording's text to its end, waiting included.",
            On(TranscriptionFinished, amount=lambda event: event.duration),
            buckets=LENGTHS,
        ),
        counter(
            "transcribed_seconds_total",
            "Length of the recordings that were heard.",
            On(TranscriptionFinished, amount=lambda event: event.seconds),
        ),
        counter(
            "transcriptions_dropped_total", "Transcriptions deleted before they were over.", On(TranscriptionDropped)
        ),
        counter(
            "transcription_stalls_total",
            "Times that the store did not take or give what is transcribed; it is tried again.",
            On(TranscriptionStalled),
        ),
        counter(
            "transcriptions_unrendered_total",
            "Transcriptions of which nobody could be told, for a fault of fsrec's.",
            On(TranscriptionUnrendered),
        ),
        counter(
            "transcribers_lost_total", "Processes that crashed or hung while they transcribed.", On(TranscriberLost)
        ),
        counter(
            "transcription_refusals_total",
            "Requests that the server of a transcription engine refused.",
            On(EngineRefused),
        ),
    )

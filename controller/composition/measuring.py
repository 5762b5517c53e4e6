"""What Prometheus is told: the tables fed by telemetry, and gauges of what the rooms have now."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from controller import __version__
from controller.calls.desk import CallDesk
from controller.cluster.ports import Cluster
from controller.composition.site import Site
from controller.media.keeper import Keeper
from controller.metrics.registry import Metrics, Names
from controller.metrics.tables import table
from controller.overload.admission import Admission
from controller.overload.disks import Disks
from controller.recordings.model import Recording, State
from controller.recordings.service import RecordingService
from controller.store.store import Store
from controller.store.values import Backlog, StoreError
from controller.transcription.desk import TranscriptionDesk

LOOK = 5.0
"""Seconds between looks at what lies in the outbox."""
SHARE = 50
"""Looks that take long come less often: one part in so many of the time is spent on them at most."""


def metrics(site: Site, dialects: Sequence[str]) -> Metrics:
    """Build the registry, and have it fed."""
    built = Metrics(table(Names(dialects, site.switches)), version=__version__)
    site.subscribe(built.observe)
    return built


@dataclass(slots=True)
class Outlook:
    """What lay in the outbox when it was last looked at: counting it takes a walk along an index.

    Until a look succeeded its figures are NaN: a 0 then would make callbacks that died long ago look new.
    """

    rows: Store
    seen: Backlog | None = None

    async def look(self) -> float:
        """Look once; return the seconds that it took. While the store does not answer, what was seen last stands."""
        began = time.monotonic()
        with contextlib.suppress(StoreError):  # whoever writes says so
            self.seen = await self.rows.read(lambda reader: reader.backlog())
        return time.monotonic() - began

    async def run(self, every: float) -> None:
        """Look until cancelled, after one look that was made."""
        took = 0.0
        while True:
            await asyncio.sleep(max(every, SHARE * took))
            took = await self.look()


@dataclass(frozen=True, slots=True)
class Rooms:
    """Those that are read at each exposition: in memory, at once."""

    cluster: Cluster
    admission: Admission
    store: Store
    keeper: Keeper | None
    transcriptions: TranscriptionDesk
    recordings: RecordingService
    desk: CallDesk
    disks: Disks
    calls: int
    problems: Callable[[], Sequence[str]]
    degraded: Callable[[], Sequence[str]]


async def watch(site: Site, built: Metrics, rooms: Rooms, look: float = LOOK) -> None:
    """Have every gauge read, and look at the outbox, now and each ``look`` seconds."""
    outlook = Outlook(rooms.store)
    await outlook.look()
    site.start(outlook.run(look))
    recordings, keeper, disks = rooms.recordings, rooms.keeper, rooms.disks
    built.watch("ready", lambda: float(not rooms.problems()))
    built.watch("degraded", lambda: float(bool(rooms.degraded())))
    built.watch("shedding", lambda: rooms.admission.level)
    built.watch("switches_held", lambda: dict.fromkeys(rooms.cluster.held, 1.0))
    built.watch("calls_active", rooms.desk.by_switch)
    built.watch("calls_limit", lambda: rooms.calls)
    built.watch("recordings_active", lambda: _by_dialect(recordings, lambda one: one.state is not State.PROCESSING))
    built.watch("recordings_processing", lambda: _by_dialect(recordings, lambda one: one.state is State.PROCESSING))
    built.watch("recordings_disk_free_bytes", disks.free)
    built.watch("data_disk_free_bytes", disks.data_free)
    built.watch("recordings_unstored", lambda: 0 if keeper is None else keeper.waiting)
    built.watch("transcriptions_waiting", lambda: rooms.transcriptions.waiting)
    built.watch("transcriptions_running", lambda: rooms.transcriptions.running)
    built.watch("store_waiting", lambda: rooms.store.waiting)
    built.watch("webhooks_pending", lambda: math.nan if outlook.seen is None else outlook.seen.pending)
    built.watch("webhooks_dead", lambda: math.nan if outlook.seen is None else outlook.seen.dead)
    built.watch(
        "webhooks_oldest_pending_timestamp_seconds",
        lambda: math.nan if outlook.seen is None else outlook.seen.oldest or 0.0,
    )


def _by_dialect(recordings: RecordingService, wanted: Callable[[Recording], bool]) -> Mapping[str, float]:
    return Counter(one.owner.dialect for one in recordings.living() if wanted(one))

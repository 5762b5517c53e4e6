"""The composition root: puts the rooms together, starts and stops them in order. ``composition`` builds each."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

from controller.api_desk import ApiDesk
from controller.calls.desk import CallDesk
from controller.cluster.joining import join, new_daemon_id
from controller.cluster.keeper import LeaseKeeper, LeaseTerms
from controller.cluster.ports import Cluster
from controller.composition import aftermath, measuring, serving, storage
from controller.composition.site import Site
from controller.composition.telephony import telephony
from controller.composition.tenants import Tenants, tenants
from controller.facts_desk import FactsDesk
from controller.http.listener import bound
from controller.lease_desk import LeaseDesk
from controller.media.archive import WAIT
from controller.media.examine import LINGER, DiskMedia
from controller.media.keeper import Keeper
from controller.operator_desk import OperatorDesk
from controller.overload import signals
from controller.overload.admission import Admission
from controller.overload.disks import Disks
from controller.overload.health import Health, health
from controller.overload.levels import Shed
from controller.recordings.service import RecordingService
from controller.retention.sweeper import Sweeper
from controller.settings import Settings
from controller.store.ledger import StoreLedger
from controller.store.store import Store
from controller.switch.board import Switchboard
from controller.switch.facts import Fact
from controller.switch.link import Timings
from controller.telemetry import Telemetry
from controller.transcription.desk import TranscriptionDesk
from controller.web.guard import AddressGuard
from controller.webhooks.outbox import Outbox

LAST_DELIVERIES = 3.0
"""Seconds that deliveries in flight are given at a stop."""


@dataclass(slots=True)
class App:
    """A daemon. ``async with app.running():`` starts it, serves inside, stops it in order.

    ``base`` is where relative documents named by channel variables lie; ``timings`` are the link's, ``watch`` sees
    each fact of a switch, ``clock`` is this machine's. ``look_at_disks`` are the seconds between looks at the
    recording directories: a full or missing one refuses new recordings; ``look_at_age`` those between looks for
    recordings to delete for their age, ``look_at_outbox`` between those at what the metrics tell of it.
    ``store_patience`` are those for which a lock of another process on the store is waited for, or a database server
    that is away, ``linger`` those for which files stay here once the media store has them, ``upload_wait`` those that
    the end of a recording waits for that. ``terms`` are of the leases that daemons on one database have, and
    ``daemon`` is this one's id among them.
    """

    settings: Settings
    telemetry: Telemetry = field(default_factory=Telemetry)
    base: Path = field(default_factory=Path.cwd)
    timings: Timings | None = None
    watch: Callable[[Fact], None] | None = None
    clock: Callable[[], float] = time.time
    look_at_disks: float = 5.0
    look_at_age: float = 60.0
    look_at_outbox: float = measuring.LOOK
    store_patience: float = 5.0
    linger: float = LINGER
    upload_wait: float = WAIT
    terms: LeaseTerms | None = None
    daemon: str = field(default_factory=new_daemon_id)
    base_url: str = ""
    tenants: Tenants = field(init=False)
    store: Store = field(init=False)
    media: DiskMedia = field(init=False)
    disks: Disks = field(init=False)
    admission: Admission = field(init=False)
    outbox: Outbox = field(init=False)
    keeper: Keeper | None = field(init=False)
    board: Switchboard = field(init=False)
    recordings: RecordingService = field(init=False)
    desk: CallDesk = field(init=False)
    facts: FactsDesk = field(init=False)
    cluster: Cluster = field(init=False)
    transcriptions: TranscriptionDesk = field(init=False)
    retention: Sweeper = field(init=False)
    operations: OperatorDesk = field(init=False)
    _work: list[asyncio.Task[None]] = field(init=False)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[App]:
        """Run everything; leaving stops taking new work first, and loses nothing: the store has the truth."""
        http = self.settings.http
        async with contextlib.AsyncExitStack() as stack:
            site = Site(self.settings, self.telemetry, self.clock, self.daemon, stack)
            self._work = site.work
            listening = bound(http.listen.host, http.listen.port)  # at once: URLs of recordings hold the port
            stack.callback(listening.close)
            self.base_url = http.base_url(listening.getsockname()[1])
            self.tenants = tenants(site, self.base, self.base_url)
            metrics = measuring.metrics(site, tuple(self.tenants.dialects))
            await self._build(site)
            local = ApiDesk(self.desk, self.recordings, self.store, self.media, self.board, self.admission)
            desk = serving.federated(site, local, self.store, self.cluster)
            self.operations = serving.operations(
                site,
                desk,
                outbox=self.outbox,
                cluster=self.cluster,
                disks=self.disks,
                problems=self.problems,
                degraded=self.degraded,
            )
            listener = serving.listener(
                site,
                listening,
                base_url=self.base_url,
                accounts=tuple(self.tenants.accounts.values()),
                desk=desk,
                operations=self.operations,
                rows=self.store,
                files=self.media,
                transcriptions=self.transcriptions,
                cluster=self.cluster,
                exposition=metrics.exposition,
                problems=self.problems,
                degraded=self.degraded,
            )
            await self.disks.look()
            await self.cluster.start()
            self.recordings.clear_up()
            await measuring.watch(site, metrics, self._measured(), self.look_at_outbox)  # before anybody scrapes
            await listener.start()
            stack.push_async_callback(listener.stop)
            site.start(self._watch_disks())
            site.start(self.admission.run())
            site.start(signals.probe(self.store))
            if self.retention.keeps:
                site.start(self.retention.run())
            delivering = site.start(self.outbox.run())
            stack.push_async_callback(self._last_deliveries, delivering)
            if self.keeper is not None:
                site.start(self.keeper.run())
            site.start(self.transcriptions.run())
            site.start(self.board.run(self.facts))
            stack.push_async_callback(self.board.close)
            stack.push_async_callback(self.cluster.close)
            site.start(self.cluster.run())
            yield self

    async def wait(self) -> None:
        """Return when the daemon is stopped.

        Raises LinkRefused when every switch refuses us, and whatever else ended a part of the daemon that must not
        end: better no daemon, which a supervisor starts again, than one that serves by halves.
        """
        done, _ = await asyncio.wait(self._work, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    def problems(self) -> list[str]:
        """Say what keeps the daemon from all work, or from all new work; nothing when it is ready."""
        return list(self._health().problems)

    def degraded(self) -> list[str]:
        """Say what keeps the daemon from some of its work: a switch of several, or what can wait."""
        return list(self._health().degraded)

    def _health(self) -> Health:
        return health(
            [switch.name for switch in self.settings.switches],
            unserved={**self.cluster.unserved(), **self.board.unserved()},
            full=self.disks.problems(),
            busy=self.admission.switch_problems(),
            shed=self.admission.problems(),
            calls=(self.desk.count, self.settings.limits.calls),
            held=self.retention.problem,
        )

    async def _build(self, site: Site) -> None:
        """Build every room, each with those that it asks. What one asks of a later one, it asks by a function."""
        settings, observe = self.settings, self.telemetry.observe
        self.store = await storage.store(site, self.store_patience)
        self.media = storage.media(
            site, lambda: self.admission.refusal(Shed.EXTRAS), linger=self.linger, upload_wait=self.upload_wait
        )
        self.disks = storage.disks(site, self.media, lambda switch: self.recordings.writing(switch))  # noqa: PLW0108 - made later
        self.admission = storage.admission(site, self.store, self.disks)
        guard = AddressGuard(settings.webhooks.allow_networks)
        self.outbox = aftermath.outbox(site, self.tenants, guard, self.store)
        ledger = StoreLedger(self.store, self.tenants.render, self.outbox.wake, observe)
        self.keeper = storage.keeper(site, ledger, self.media, self._mine)
        spoken = await telephony(
            site,
            self.tenants,
            guard=guard,
            rows=self.store,
            ledger=ledger,
            due=self.outbox.wake,
            files=self.media,
            space=self.disks,
            admission=self.admission,
            timings=self.timings,
            watch=self.watch,
        )
        self.board, self.recordings, self.desk, self.facts = spoken
        self._join(site)
        self.transcriptions = aftermath.transcriptions(
            site, self.tenants, self.store, self.outbox.wake, self.media, self.admission
        )
        self.retention = aftermath.retention(
            site,
            self.store,
            self.recordings,
            lambda switch: self._mine(switch) and not self.disks.away(switch),
            self.look_at_age,
        )

    def _join(self, site: Site) -> None:
        """Find this daemon's place among those that share its database."""
        duties = LeaseDesk(
            site.switches, self.board, self.recordings, self.desk, self.store, self.outbox, self.telemetry, self.clock
        )
        place = self.settings.store_place()
        self.cluster = join(place, self.daemon, site.switches, duties, site.observe, self.terms)
        if isinstance(self.cluster, LeaseKeeper):
            self.store.fence = self.cluster
        self.board.gate, self.board.refused = self.cluster.refusal, self.cluster.renounce
        site.stack.push_async_callback(self.cluster.leave)

    def _measured(self) -> measuring.Rooms:
        return measuring.Rooms(
            self.cluster,
            self.admission,
            self.store,
            self.keeper,
            self.transcriptions,
            self.recordings,
            self.desk,
            self.disks,
            self.settings.limits.calls,
            self.problems,
            self.degraded,
        )

    def _mine(self, switch: str) -> bool:
        """Tell whether what is to be done for old recordings of a switch is for this daemon."""
        known = any(switch == known.name for known in self.settings.switches)
        return self.cluster.holds(switch) or not (known or self.cluster.foreign(switch))

    async def _last_deliveries(self, delivering: asyncio.Task[None]) -> None:
        """Let what is in flight arrive and be noted: what is cut off is delivered again by the next daemon."""
        self.outbox.stop()
        await asyncio.wait((delivering,), timeout=LAST_DELIVERIES)

    async def _watch_disks(self) -> None:
        while True:
            await asyncio.sleep(self.look_at_disks)
            await self.disks.look()

"""The composition root: builds every part from the settings, starts and stops them. The only file that knows all."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from controller import __version__
from controller.api_desk import ApiDesk
from controller.calls.audio import CallAudio
from controller.calls.desk import CallDesk
from controller.calls.evaluate import Evaluator
from controller.calls.ports import Claim, Languages, ParkedLeg
from controller.calls.rooms import Rooms
from controller.calls.source import Sources
from controller.cluster.commands import Commands
from controller.cluster.joining import join, new_daemon_id
from controller.cluster.keeper import Keeper as LeaseKeeper
from controller.cluster.keeper import LeaseTerms
from controller.cluster.ports import Cluster
from controller.dialects.plivo import PlivoDialect
from controller.dialects.swml import SwmlDialect
from controller.dialects.twiml import TwimlDialect
from controller.documents.dialect import Account, Dialect
from controller.documents.fetch import is_url
from controller.facts_desk import FactsDesk
from controller.federated_desk import FederatedDesk
from controller.http import calling, openapi, plivo, recordings, relay
from controller.http.app import HttpRooms, build_app
from controller.http.basic import owners_only
from controller.http.listener import LOOPBACK, Listener, bound
from controller.lease_desk import LeaseDesk
from controller.media.archive import WAIT, Archive
from controller.media.decoders import Decoders
from controller.media.encoders import Encoders
from controller.media.examine import LINGER, DiskMedia
from controller.media.keeper import Keeper
from controller.media.objects import Objects, Place
from controller.media.played import PlayedSounds
from controller.media.roots import Root
from controller.metrics import Metrics, table
from controller.overload import signals
from controller.overload.admission import Admission, OverloadEnded
from controller.overload.disks import Disks, Volume
from controller.overload.health import Health, health
from controller.overload.levels import Shed
from controller.recordings.model import Delivery, Notice, Recording, Transcription
from controller.recordings.service import RecordingService
from controller.retention.clock import BelievedClock
from controller.retention.sweeper import Sweeper
from controller.settings import Settings
from controller.store.bell import listen
from controller.store.calls import StoreCalls
from controller.store.commands import CHANNEL, StoreCommands
from controller.store.expired import StoreExpired
from controller.store.ledger import StoreLedger
from controller.store.outbox import OwnQueue, SharedQueue
from controller.store.places import database_at
from controller.store.postgres import PostgresDatabase
from controller.store.sole import sole_user
from controller.store.store import Store, open_store
from controller.store.transcriptions import StoreTranscriptions
from controller.switch.board import Listener as SwitchListener
from controller.switch.board import Switchboard
from controller.switch.commands_dial import Templates
from controller.switch.facts import Fact
from controller.switch.legs import EslLegs
from controller.switch.link import SwitchAddress, Timings
from controller.switch.recorder import EslRecorder
from controller.switch.sounds import SpeechSettings
from controller.telemetry import RecordingFinished, Telemetry
from controller.transcription.desk import LOOK, Terms, TranscriptionDesk
from controller.transcription.engines import engine_of
from controller.web.ask import RequestClient
from controller.web.downloads import Downloads
from controller.web.fetch import DocumentClient
from controller.web.guard import AddressGuard
from controller.webhooks.client import CallbackClient
from controller.webhooks.outbox import Outbox
from controller.webhooks.outbox import WebhookSettings as OutboxSettings

TIDY = 600.0
"""Seconds between two looks for copies of recordings that nobody asks for any more."""
LAST_DELIVERIES = 3.0
"""Seconds that deliveries in flight are given at a stop."""


@dataclass(slots=True)
class App:
    """A daemon. ``async with app.running():`` starts it, serves inside, stops it in order.

    ``base`` is where relative documents named by channel variables lie; ``timings`` are the link's, ``watch`` sees
    each fact of a switch, ``clock`` is this machine's. ``look_at_disks`` are the seconds between looks at the
    recording directories: a full or missing one refuses new recordings; ``look_at_age`` those between looks for
    recordings to delete for their age. ``store_patience`` are those for which a lock of another process on the store
    is waited for, or a database server that is away, ``linger`` those for which files stay here once the media store
    has them, ``upload_wait`` those that the end of a recording waits for that. ``terms`` are of the leases
    that daemons on one database have, and ``daemon`` is this one's id among them.
    """

    settings: Settings
    telemetry: Telemetry = field(default_factory=Telemetry)
    base: Path = field(default_factory=Path.cwd)
    timings: Timings | None = None
    watch: Callable[[Fact], None] | None = None
    clock: Callable[[], float] = time.time
    look_at_disks: float = 5.0
    look_at_age: float = 60.0
    store_patience: float = 5.0
    linger: float = LINGER
    upload_wait: float = WAIT
    terms: LeaseTerms | None = None
    daemon: str = field(default_factory=new_daemon_id)
    base_url: str = ""
    store: Store = field(init=False)
    board: Switchboard = field(init=False)
    cluster: Cluster = field(init=False)
    recordings: RecordingService = field(init=False)
    desk: CallDesk = field(init=False)
    outbox: Outbox = field(init=False)
    media: DiskMedia = field(init=False)
    disks: Disks = field(init=False)
    retention: Sweeper = field(init=False)
    admission: Admission = field(init=False)
    audio: CallAudio = field(init=False)
    requests: RequestClient = field(init=False)
    transcriptions: TranscriptionDesk = field(init=False)
    keeper: Keeper | None = field(init=False)
    accounts: Mapping[str, Account] = field(init=False)
    dialects: dict[str, Dialect] = field(init=False)
    listener: SwitchListener = field(init=False)
    _work: list[asyncio.Task[None]] = field(default_factory=list)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[App]:
        """Run everything; leaving stops taking new work first, and loses nothing: the store has the truth."""
        settings = self.settings
        host = settings.http.listen.host
        listening = bound(host, settings.http.listen.port)  # at once: URLs of recordings hold the port
        port = listening.getsockname()[1]
        self.base_url = settings.http.base_url(port)
        self.accounts = settings.accounts_by_name()
        self.dialects = {
            "swml": SwmlDialect(self.base_url),
            "twiml": TwimlDialect(self.base_url, self.accounts, self.telemetry.observe),
            "plivo": PlivoDialect(self.base_url, self.accounts, self.telemetry.observe),
        }
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(listening.close)
            names = [switch.name for switch in settings.switches]
            metrics = Metrics(table(dialects=tuple(self.dialects), switches=names), version=__version__)
            stack.callback(self.telemetry.subscribe(metrics.observe))
            await self._build(stack)
            metrics.gauge(
                "transcriptions_waiting", "Recordings to be transcribed.", lambda: self.transcriptions.waiting
            )
            metrics.gauge(
                "shedding",
                "What is given up now: 1 extras, 2 recordings that APIs ask for, too, 3 new calls, too.",
                lambda: self.admission.level,
            )
            metrics.gauge("store_waiting", "Changes that wait for the store.", lambda: self.store.waiting)
            metrics.gauge(
                "recordings_unstored",
                "Recordings that the media store does not have yet.",
                lambda: 0 if self.keeper is None else self.keeper.waiting,
            )
            metrics.gauge("transcriptions_running", "Recordings being heard.", lambda: self.transcriptions.running)
            metrics.gauge("switches_held", "Switches that this daemon serves.", lambda: len(self.cluster.held))
            desk = await self._api(stack)
            tenants = tuple(self.accounts.values())
            app = build_app(
                HttpRooms(
                    find=self._find,
                    opened=self.media.opened,
                    elsewhere=desk.elsewhere,
                    problems=self.problems,
                    degraded=self.degraded,
                    held_elsewhere=lambda: self.cluster.elsewhere,
                    exposition=metrics.exposition,
                    authorize=owners_only(tenants) if settings.media.require_auth else None,
                    proxies=settings.http.trusted_proxies,
                    observe=self.telemetry.observe,
                    register=(
                        lambda router, files: recordings.register(router, files, desk, tenants, self.base_url),
                        lambda router, _files: relay.register(router, desk, tenants, self.base_url),
                        lambda router, files: plivo.register(
                            router, files, desk, self.transcriptions, tenants, self.base_url
                        ),
                        lambda router, _files: openapi.register(router, __version__),
                    ),
                )
            )
            calling.register(app, desk, tenants)
            listener = Listener(
                app,
                host,
                port,
                certificate=settings.http.tls_certificate,
                key=settings.http.tls_key,
                proxies=(*LOOPBACK, *settings.http.trusted_proxies),
                observe=self.telemetry.observe,
                bound=listening,
            )
            await self.disks.look()
            await self.cluster.start()
            self.recordings.clear_up()
            await listener.start()
            stack.push_async_callback(listener.stop)
            await self._start(stack, self._watch_disks())
            await self._start(stack, self.admission.run())
            await self._start(stack, signals.probe(self.store))
            if self.retention.keeps:
                await self._start(stack, self.retention.run())
            delivering = await self._start(stack, self.outbox.run())
            stack.push_async_callback(self._last_deliveries, delivering)
            if self.keeper is not None:
                await self._start(stack, self.keeper.run())
            await self._start(stack, self.transcriptions.run())
            await self._start(stack, self.board.run(self.listener))
            stack.push_async_callback(self.board.close)
            stack.push_async_callback(self.cluster.close)
            await self._start(stack, self.cluster.run())
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

    async def _api(self, stack: contextlib.AsyncExitStack) -> ApiDesk | FederatedDesk:
        """Return who serves the HTTP APIs; where other daemons share the store, it asks them, and is asked."""
        local = ApiDesk(self.desk, self.recordings, self.store, self.media, self.board, self.admission)
        database = database_at(self.settings.store_place())
        if not isinstance(database, PostgresDatabase):
            return local
        commands = Commands(StoreCommands(self.store, self.daemon), self.telemetry.observe)
        desk = FederatedDesk(local, self.cluster, commands)

        def ring(daemon: str) -> None:
            if daemon in {"", self.daemon}:
                commands.wake()

        await self._start(stack, commands.run(desk.carry_out))
        await self._start(stack, listen(database.connect, CHANNEL, ring, observe=self.telemetry.observe))
        return desk

    # --- building ---------------------------------------------------------------------------------------------

    async def _build(self, stack: contextlib.AsyncExitStack) -> None:
        settings, observe = self.settings, self.telemetry.observe
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        if settings.store == "sqlite":
            await stack.enter_async_context(sole_user(settings.data_dir / "fsrec.db", self.store_patience))
        self.store = await open_store(settings.store_place(), observe=observe, patience=self.store_patience)
        stack.push_async_callback(self.store.close)
        roots = {switch.name: Root(switch.switch_path, switch.local_path) for switch in settings.switches}
        encoders = Encoders(observe=observe)
        stack.push_async_callback(encoders.close)
        on_demand = Encoders(workers=2, observe=observe)  # apart from those that callbacks wait for
        stack.push_async_callback(on_demand.close)
        self.media = DiskMedia(
            roots,
            settings.copies(),
            variants=settings.data_dir / "media" / "variants",  # each daemon's own
            encoders=encoders,
            on_demand=on_demand,
            least_free=settings.limits.min_free_disk,
            keep_untrimmed=settings.media.keep_untrimmed,
            busy=lambda: self.admission.refusal(Shed.EXTRAS),
            archive=self._archive(),
            linger=self.linger,
            observe=observe,
        )
        stack.callback(self.media.close)
        self._build_admission(stack)
        hooks = settings.webhooks
        guard = AddressGuard(hooks.allow_networks)
        client = CallbackClient(guard, per_origin=hooks.per_origin)
        stack.push_async_callback(client.close)
        fetcher = DocumentClient(guard)
        stack.push_async_callback(fetcher.close)
        self.outbox = Outbox(
            SharedQueue(self.store, daemon=self.daemon) if self.store.shared else OwnQueue(self.store),
            client,
            self._sign,
            OutboxSettings(max_attempts=hooks.max_attempts, per_origin=hooks.per_origin),
            observe=observe,
        )
        addresses = [
            SwitchAddress(switch.name, switch.host, switch.port, switch.password.get_secret_value())
            for switch in settings.switches
        ]
        self.board = Switchboard(addresses, self.telemetry, self.timings, self.clock)
        recorder = EslRecorder(self.board)
        ledger = StoreLedger(self.store, self._render, self.outbox.wake, observe)
        self.keeper = self._build_keeper(ledger, stack)
        self.recordings = RecordingService(
            recorder=recorder,
            ledger=ledger,
            media=self.media,
            telemetry=self.telemetry,
            path_of=self.media.master_path,
            admit=self.disks.admit,
            per_call=settings.limits.recordings_per_call,
            clock=self.clock,
        )
        stack.push_async_callback(self.recordings.close)
        await self._build_audio(stack, guard, roots)
        speech = settings.speech
        rooms = Rooms(
            legs=EslLegs(
                self.board,
                SpeechSettings(speech.engine, speech.voice, speech.voices),
                Templates(settings.dial.number, settings.dial.sip),
            ),
            ledger=StoreCalls(self.store, self.outbox.wake),
            recordings=self.recordings,
            clock=self.clock,
            sources=Sources(Languages(self.dialects), self.accounts, fetcher),
            audio=self.audio,
            requests=self.requests,
            evaluator=Evaluator(observe=observe),
            rings=settings.dial.timeout,
        )
        self.desk = CallDesk(
            rooms=rooms,
            claims=self._claim,
            telemetry=self.telemetry,
            limit=settings.limits.calls,
            refuse=lambda switch: self.admission.refusal(Shed.CALLS, switch),
        )
        stack.push_async_callback(self.desk.close)
        self.listener = FactsDesk(self.desk, self.recordings, recorder, observe, self.watch)
        self._join(stack)
        self._build_transcriptions(stack)
        keeps = {one.name: one.retention_days for one in settings.accounts if one.retention_days is not None}
        self.retention = Sweeper(
            keeps,
            StoreExpired(self.store, tuple(keeps)),
            self.recordings.delete,
            BelievedClock(settings.data_dir / "retention", self.clock),
            mine=lambda switch: self._mine(switch) and not self.disks.away(switch),
            observe=observe,
            look=self.look_at_age,
        )

    def _build_admission(self, stack: contextlib.AsyncExitStack) -> None:
        settings, observe = self.settings, self.telemetry.observe
        self.disks = Disks(
            {
                switch.name: Volume(str(switch.local_path), functools.partial(self.media.room, switch.name))
                for switch in settings.switches
            },
            Volume(str(settings.data_dir), self.media.room_for_copies),
            settings.limits.min_free_disk,
            lambda switch: self.recordings.writing(switch),  # noqa: PLW0108 # it is made later
        )
        self.admission, held = signals.admission(self.store, self.disks, list(self.disks.switches), observe)
        for one in held:
            stack.callback(self.telemetry.subscribe(one.observe))

    def _archive(self) -> Archive | None:
        """Return the media store, where there is one."""
        place = self.settings.media.place()
        if not place:
            return None
        return Archive(Objects(Place(**place)), wait=self.upload_wait, observe=self.telemetry.observe)

    def _build_keeper(self, ledger: StoreLedger, stack: contextlib.AsyncExitStack) -> Keeper | None:
        if self.settings.media.store is None:
            return None
        keeper = Keeper(ledger, self.media, mine=self._mine, clock=self.clock, observe=self.telemetry.observe)

        def finished(event: object) -> None:
            if isinstance(event, RecordingFinished):
                keeper.wake()

        stack.callback(self.telemetry.subscribe(finished))
        return keeper

    def _join(self, stack: contextlib.AsyncExitStack) -> None:
        """Find this daemon's place among those that share its database."""
        names = [switch.name for switch in self.settings.switches]
        duties = LeaseDesk(
            names, self.board, self.recordings, self.desk, self.store, self.outbox, self.telemetry, self.clock
        )
        observe = self.telemetry.observe
        self.cluster = join(self.settings.store_place(), self.daemon, names, duties, observe, self.terms)
        if isinstance(self.cluster, LeaseKeeper):
            self.store.fence = self.cluster
        self.board.gate, self.board.refused = self.cluster.refusal, self.cluster.renounce
        stack.push_async_callback(self.cluster.leave)

    def _build_transcriptions(self, stack: contextlib.AsyncExitStack) -> None:
        wanted, observe = self.settings.transcription, self.telemetry.observe
        engine = engine_of(
            wanted.engine,
            url=wanted.url or "",
            key=wanted.api_key.get_secret_value() if wanted.api_key else "",
            model=wanted.model,
            workers=wanted.workers,
            observe=observe,
        )
        if engine is not None:
            stack.push_async_callback(engine.close)
        self.transcriptions = TranscriptionDesk(
            StoreTranscriptions(self.store, self.outbox.wake, self.daemon if self.store.shared else None),
            engine,
            self.media,
            self._transcribed,
            Terms(wanted.workers, wanted.queue, wanted.charge, wanted.rate),
            clock=self.clock,
            observe=observe,
            busy=lambda: self.admission.level >= Shed.EXTRAS,
            look=LOOK if self.store.shared else None,
        )

        def wake(event: object) -> None:
            if isinstance(event, RecordingFinished | OverloadEnded):
                self.transcriptions.wake()

        stack.callback(self.telemetry.subscribe(wake))

    async def _build_audio(
        self, stack: contextlib.AsyncExitStack, guard: AddressGuard, roots: Mapping[str, Root]
    ) -> None:
        """Build what documents' own URLs are asked and played with."""
        settings, observe = self.settings, self.telemetry.observe
        self.requests = RequestClient(guard)
        stack.push_async_callback(self.requests.close)
        downloads = Downloads(guard, settings.data_dir / "fetched", least_free=settings.limits.min_free_disk)
        stack.push_async_callback(downloads.close)
        await downloads.start()
        decoders = Decoders(observe=observe)
        stack.push_async_callback(decoders.close)
        sounds = PlayedSounds(roots, decoders, least_free=settings.limits.min_free_disk)
        stack.push_async_callback(sounds.close)
        await sounds.start()
        await self._start(stack, self._tidy(sounds))
        self.audio = CallAudio(self.dialects, self.recordings, self.media, downloads, sounds, observe)

    async def _last_deliveries(self, delivering: asyncio.Task[None]) -> None:
        """Let what is in flight arrive and be noted: what is cut off is delivered again by the next daemon."""
        self.outbox.stop()
        await asyncio.wait((delivering,), timeout=LAST_DELIVERIES)

    async def _start(self, stack: contextlib.AsyncExitStack, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._work.append(task)

        async def end() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        stack.push_async_callback(end)
        return task

    # --- what the rooms ask of the settings -------------------------------------------------------------------

    def _claim(self, leg: ParkedLeg) -> Claim | None:
        """Channel variables win over routes, first match wins among these; nobody else is touched."""
        if leg.account is not None and leg.document is not None:
            account = self.accounts.get(leg.account)
            document = leg.document if is_url(leg.document) else str(self.base / leg.document)
            return None if account is None else Claim(account, document)
        route = self.settings.route(leg.info.destination)
        if route is None:
            return None
        fallback = None if route.fallback is None else str(route.fallback)
        return Claim(
            self.accounts[route.account],
            str(route.document),
            fallback,
            route.method,
            route.dialect or "",
            route.hangup_url,
        )

    def _render(self, notice: Notice) -> tuple[Delivery, ...]:
        owner = notice.recording.owner
        account = self.accounts.get(owner.account)
        if account is None:
            raise LookupError(f"account {owner.account!r} is no longer in the settings")
        return self.dialects[owner.dialect].render(notice, account)

    def _transcribed(self, transcription: Transcription, recording: Recording) -> Delivery | None:
        account = self.accounts.get(recording.owner.account)
        if account is None:
            raise LookupError(f"account {recording.owner.account!r} is no longer in the settings")
        return self.dialects[recording.owner.dialect].transcribed(transcription, recording, account)

    def _sign(self, delivery: Delivery, now: float) -> Mapping[str, str]:
        account = self.accounts.get(delivery.account)
        if account is None:
            raise LookupError(f"account {delivery.account!r} is no longer in the settings")
        return self.dialects[delivery.dialect].sign(delivery, account, now)

    # --- files and disks --------------------------------------------------------------------------------------

    def _mine(self, switch: str) -> bool:
        """Tell whether what is to be done for old recordings of a switch is for this daemon: nobody serves others."""
        return self.cluster.holds(switch) or all(switch != known.name for known in self.settings.switches)

    async def _find(self, identity: str) -> Recording | None:
        return await self.store.read(lambda reader: reader.recording(identity))

    async def _tidy(self, sounds: PlayedSounds) -> None:
        while True:
            for tidy in (self.media.tidy, sounds.tidy):
                with contextlib.suppress(OSError):  # whoever needs that disk says so
                    await tidy()
            await asyncio.sleep(TIDY)

    async def _watch_disks(self) -> None:
        while True:
            await asyncio.sleep(self.look_at_disks)
            await self.disks.look()

"""What is done for recordings once they have ended: callbacks, transcriptions, deletion by age."""

from __future__ import annotations

from collections.abc import Callable

from controller.composition.site import Site
from controller.composition.tenants import Tenants
from controller.media.examine import DiskMedia
from controller.overload.admission import Admission, OverloadEnded
from controller.overload.levels import Shed
from controller.recordings.service import RecordingService
from controller.retention.clock import BelievedClock
from controller.retention.sweeper import Sweeper
from controller.store.expired import StoreExpired
from controller.store.outbox import OwnQueue, SharedQueue
from controller.store.store import Store
from controller.store.transcriptions import StoreTranscriptions
from controller.telemetry import RecordingFinished
from controller.transcription.desk import LOOK, Terms, TranscriptionDesk
from controller.transcription.engines import engine_of
from controller.web.guard import AddressGuard
from controller.webhooks.client import CallbackClient
from controller.webhooks.outbox import Outbox, WebhookSettings


def outbox(site: Site, tenants: Tenants, guard: AddressGuard, rows: Store) -> Outbox:
    """Build who delivers callbacks; where daemons share the store, each claims what it delivers."""
    hooks = site.settings.webhooks
    client = CallbackClient(guard, per_origin=hooks.per_origin)
    site.stack.push_async_callback(client.close)
    return Outbox(
        SharedQueue(rows, daemon=site.daemon) if rows.shared else OwnQueue(rows),
        client,
        tenants.sign,
        WebhookSettings(max_attempts=hooks.max_attempts, per_origin=hooks.per_origin),
        observe=site.observe,
    )


def transcriptions(
    site: Site, tenants: Tenants, rows: Store, due: Callable[[], None], files: DiskMedia, admission: Admission
) -> TranscriptionDesk:
    """Build who has recordings heard; ``due`` is called when callbacks may be."""
    wanted = site.settings.transcription
    engine = engine_of(
        wanted.engine,
        url=wanted.url or "",
        key=wanted.api_key.get_secret_value() if wanted.api_key else "",
        model=wanted.model,
        workers=wanted.workers,
        observe=site.observe,
    )
    if engine is not None:
        site.stack.push_async_callback(engine.close)
    desk = TranscriptionDesk(
        StoreTranscriptions(rows, due, site.daemon if rows.shared else None),
        engine,
        files,
        tenants.transcribed,
        Terms(wanted.workers, wanted.queue, wanted.charge, wanted.rate),
        clock=site.clock,
        observe=site.observe,
        busy=lambda: admission.level >= Shed.EXTRAS,
        look=LOOK if rows.shared else None,
    )

    def wake(event: object) -> None:
        if isinstance(event, RecordingFinished | OverloadEnded):
            desk.wake()

    site.subscribe(wake)
    return desk


def retention(
    site: Site, rows: Store, recordings: RecordingService, mine: Callable[[str], bool], look: float
) -> Sweeper:
    """Build who deletes what is too old, every ``look`` seconds; ``mine`` says of which switches."""
    settings = site.settings
    keeps = {one.name: one.retention_days for one in settings.accounts if one.retention_days is not None}
    return Sweeper(
        keeps,
        StoreExpired(rows, tuple(keeps)),
        recordings.delete,
        BelievedClock(settings.data_dir / "retention", site.clock),
        mine=mine,
        observe=site.observe,
        look=look,
    )

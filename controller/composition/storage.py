"""Where everything is kept: rows, files, the media store, and who puts files there."""

from __future__ import annotations

import functools
from collections.abc import Callable

from controller.composition.site import Site
from controller.media.archive import Archive
from controller.media.encoders import Encoders
from controller.media.examine import DiskMedia
from controller.media.keeper import Keeper
from controller.media.objects import Objects, Place
from controller.media.roots import Root
from controller.overload import signals
from controller.overload.admission import Admission
from controller.overload.disks import Disks, Volume
from controller.recordings.model import Recording
from controller.store.ledger import StoreLedger
from controller.store.sole import sole_user
from controller.store.store import Store, open_store
from controller.telemetry import RecordingFinished


async def store(site: Site, patience: float) -> Store:
    """Open the store, for this daemon alone where it is SQLite. Raises StoreError after ``patience`` seconds."""
    settings = site.settings
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    if settings.store == "sqlite":
        await site.stack.enter_async_context(sole_user(settings.data_dir / "fsrec.db", patience))
    opened = await open_store(settings.store_place(), observe=site.observe, patience=patience)
    site.stack.push_async_callback(opened.close)
    return opened


def roots(site: Site) -> dict[str, Root]:
    """Return each switch's directory of recordings, as either side sees it."""
    return {switch.name: Root(switch.switch_path, switch.local_path) for switch in site.settings.switches}


def media(site: Site, busy: Callable[[], str | None], linger: float, upload_wait: float) -> DiskMedia:
    """Build what files are read, made, kept and removed with; ``busy`` says why no other formats are made now."""
    settings = site.settings
    encoders = Encoders(ready=True, observe=site.observe)
    site.stack.push_async_callback(encoders.close)
    on_demand = Encoders(workers=2, observe=site.observe)  # apart from those that callbacks wait for
    site.stack.push_async_callback(on_demand.close)
    place = settings.media.place()
    built = DiskMedia(
        roots(site),
        settings.copies(),
        variants=settings.data_dir / "media" / "variants",  # each daemon's own
        encoders=encoders,
        on_demand=on_demand,
        least_free=settings.limits.min_free_disk,
        keep_untrimmed=settings.media.keep_untrimmed,
        busy=busy,
        archive=Archive(Objects(Place(**place)), wait=upload_wait, observe=site.observe) if place else None,
        linger=linger,
        observe=site.observe,
    )
    site.stack.callback(built.close)
    return built


def disks(site: Site, files: DiskMedia, writing: Callable[[str], list[Recording]]) -> Disks:
    """Build what looks at the disks; ``writing`` returns a switch's recordings that may still write."""
    settings = site.settings
    return Disks(
        {
            switch.name: Volume(str(switch.local_path), functools.partial(files.room, switch.name))
            for switch in settings.switches
        },
        Volume(str(settings.data_dir), files.room_for_copies),
        settings.limits.min_free_disk,
        writing,
    )


def admission(site: Site, rows: Store, space: Disks) -> Admission:
    """Build who says what is given up, with its eyes."""
    built, held = signals.admission(rows, space, site.switches, site.observe)
    for one in held:
        site.subscribe(one.observe)
    return built


def keeper(site: Site, ledger: StoreLedger, files: DiskMedia, mine: Callable[[str], bool]) -> Keeper | None:
    """Build who puts files into the media store, where there is one; ``mine`` says of which switches."""
    if site.settings.media.store is None:
        return None
    built = Keeper(ledger, files, mine=mine, clock=site.clock, observe=site.observe)

    def finished(event: object) -> None:
        if isinstance(event, RecordingFinished):
            built.wake()

    site.subscribe(finished)
    return built

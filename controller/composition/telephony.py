"""What speaks with switches: links, calls, recordings, and what documents fetch, ask and play."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import NamedTuple

from controller.calls.audio import CallAudio
from controller.calls.desk import CallDesk
from controller.calls.evaluate import Evaluator
from controller.calls.ports import Languages
from controller.calls.rooms import Rooms
from controller.calls.source import Sources
from controller.composition import storage
from controller.composition.site import Site
from controller.composition.tenants import Tenants
from controller.facts_desk import FactsDesk
from controller.media.decoders import Decoders
from controller.media.examine import DiskMedia
from controller.media.played import PlayedSounds
from controller.overload.admission import Admission
from controller.overload.disks import Disks
from controller.overload.levels import Shed
from controller.recordings.service import RecordingService
from controller.store.calls import StoreCalls
from controller.store.ledger import StoreLedger
from controller.store.store import Store
from controller.switch.board import Switchboard
from controller.switch.commands_dial import Templates
from controller.switch.facts import Fact
from controller.switch.legs import EslLegs
from controller.switch.link import SwitchAddress, Timings
from controller.switch.recorder import EslRecorder
from controller.switch.sounds import SpeechSettings
from controller.web.ask import RequestClient
from controller.web.downloads import Downloads
from controller.web.fetch import DocumentClient
from controller.web.guard import AddressGuard

TIDY = 600.0
"""Seconds between two looks for copies of recordings that nobody asks for any more."""


class Telephony(NamedTuple):
    """``facts`` is what ``board`` tells."""

    board: Switchboard
    recordings: RecordingService
    desk: CallDesk
    facts: FactsDesk


async def telephony(
    site: Site,
    tenants: Tenants,
    *,
    guard: AddressGuard,
    rows: Store,
    ledger: StoreLedger,
    due: Callable[[], None],
    files: DiskMedia,
    space: Disks,
    admission: Admission,
    timings: Timings | None,
    watch: Callable[[Fact], None] | None,
) -> Telephony:
    """Build it all; ``due`` is called when callbacks may be, ``watch`` sees each fact first."""
    settings = site.settings
    addresses = [
        SwitchAddress(switch.name, switch.host, switch.port, switch.password.get_secret_value())
        for switch in settings.switches
    ]
    board = Switchboard(addresses, site.telemetry, timings, site.clock)
    recorder = EslRecorder(board)
    recordings = RecordingService(
        recorder=recorder,
        ledger=ledger,
        media=files,
        telemetry=site.telemetry,
        path_of=files.master_path,
        admit=space.admit,
        per_call=settings.limits.recordings_per_call,
        clock=site.clock,
    )
    site.stack.push_async_callback(recordings.close)
    fetcher = DocumentClient(guard)
    site.stack.push_async_callback(fetcher.close)
    requests = RequestClient(guard)
    site.stack.push_async_callback(requests.close)
    speech = settings.speech
    rooms = Rooms(
        legs=EslLegs(
            board,
            SpeechSettings(speech.engine, speech.voice, speech.voices),
            Templates(settings.dial.number, settings.dial.sip),
        ),
        ledger=StoreCalls(rows, due),
        recordings=recordings,
        clock=site.clock,
        sources=Sources(Languages(tenants.dialects), tenants.accounts, fetcher),
        audio=await _audio(site, tenants, guard, recordings, files),
        requests=requests,
        evaluator=Evaluator(observe=site.observe),
        rings=settings.dial.timeout,
    )
    desk = CallDesk(
        rooms=rooms,
        claims=tenants.claim,
        telemetry=site.telemetry,
        limit=settings.limits.calls,
        refuse=lambda switch: admission.refusal(Shed.CALLS, switch),
    )
    site.stack.push_async_callback(desk.close)
    return Telephony(board, recordings, desk, FactsDesk(desk, recordings, recorder, site.observe, watch))


async def _audio(
    site: Site, tenants: Tenants, guard: AddressGuard, recordings: RecordingService, files: DiskMedia
) -> CallAudio:
    """Build what documents' own sounds are fetched and played with, from what an earlier daemon left."""
    settings = site.settings
    downloads = Downloads(guard, settings.data_dir / "fetched", least_free=settings.limits.min_free_disk)
    site.stack.push_async_callback(downloads.close)
    await downloads.start()
    decoders = Decoders(observe=site.observe)
    site.stack.push_async_callback(decoders.close)
    sounds = PlayedSounds(storage.roots(site), decoders, least_free=settings.limits.min_free_disk)
    site.stack.push_async_callback(sounds.close)
    await sounds.start()
    site.start(_tidy(files, sounds))
    return CallAudio(tenants.dialects, recordings, files, downloads, sounds, site.observe)


async def _tidy(files: DiskMedia, sounds: PlayedSounds) -> None:
    while True:
        for tidy in (files.tidy, sounds.tidy):
            with contextlib.suppress(OSError):  # whoever needs that disk says so
                await tidy()
        await asyncio.sleep(TIDY)

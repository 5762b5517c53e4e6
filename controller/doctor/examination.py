"""``fsrec doctor``: what is wrong between fsrec and its switches, each with its fix.

It needs no daemon and disturbs none: the switch is asked over a connection of its own, a trial recording runs on a
leg that is never parked, and files are looked at, not changed. Only a call (``call=``) is taken by a running daemon.
"""

from __future__ import annotations

import asyncio

from controller.doctor import listener, local, media, media_store, probe, store, switches, transcription
from controller.doctor.findings import Finding, Level, exit_code, ok, problem, render
from controller.doctor.local import Checker
from controller.doctor.probe import Call, Trial
from controller.doctor.switches import Identity, Unreachable
from controller.settings import Settings, SwitchSettings
from controller.switch.commands_text import shown
from controller.switch.facts_replies import ReplyError
from controller.switch.link import JobRefused, JobTimeout, LinkLost, PacketRefused, Timings

__all__ = ["Call", "Checker", "Finding", "Level", "Trial", "examine", "exit_code", "render"]

HEARTBEAT_PATIENCE = 25.0


async def examine(
    settings: Settings,
    *,
    check: Checker | None = None,
    call: Call | None = None,
    heartbeat: float = HEARTBEAT_PATIENCE,
    trial: Trial | None = None,
    timings: Timings | None = None,
) -> list[Finding]:
    """Look at everything and return what was found, this machine first, then each switch. Never raises.

    Args:
        settings: what to examine.
        check: tells what is wrong with a document's text, by its account's vendor.
        call: a number to call through the dialplan of each switch; its document may run.
        heartbeat: seconds to wait for a switch's heartbeat; 0 leaves it out.
        trial: how long trials take.
        timings: of the link.

    """
    found = await asyncio.to_thread(_local, settings, check)
    found += await store.database(settings)
    found.append(await local.http_port(settings))
    found += await media.encoders()
    found += await media_store.store(settings.media)
    found.append(await transcription.engine(settings.transcription))
    examined = await asyncio.gather(
        *(
            _switch(settings, switch, call, heartbeat, trial or Trial(), timings or Timings())
            for switch in settings.switches
        )
    )
    identities = []
    for identity, findings in examined:
        identities += [identity] if identity else []
        found += findings
    return [*found, *switches.doubles(identities)]


def _local(settings: Settings, check: Checker | None) -> list[Finding]:
    return [
        *local.data_directory(settings),
        *local.operators_key(settings),
        *local.documents(settings, check),
        *local.callbacks(settings),
        *listener.transport(settings.http),
        *listener.console(settings),
        *media.voices(settings.speech),
    ]


async def _switch(
    settings: Settings, switch: SwitchSettings, call: Call | None, patience: float, trial: Trial, timings: Timings
) -> tuple[Identity | None, list[Finding]]:
    directory = await asyncio.to_thread(lambda: list(local.recordings_directory(settings, switch)))
    found: list[Finding] = []
    identity: Identity | None = None
    try:
        async with switches.attached(switch, timings) as session:
            identity = Identity(switch.name, session.core_uuid)
            found.append(ok(f"{switch.name} link", f"{switch.host}:{switch.port} lets us in"))
            beat = asyncio.ensure_future(switches.heartbeat(switch, session, patience)) if patience else None
            try:
                found.append(switches.version(switch, session))
                found += await switches.modules(switch, session, settings.speech.engine)
                found += await switches.sip_profiles(switch, session)
                found += await switches.legs(switch, session, settings)
                found += await switches.directory(switch, session)
                if not exit_code(directory):
                    found += await probe.recording(switch, session, trial)
                if call is not None:
                    found += await probe.call(switch, session, call, trial)
                if beat is not None:
                    found.append(await beat)
            finally:
                if beat is not None:
                    beat.cancel()
                    await asyncio.gather(beat, return_exceptions=True)
    except Unreachable as unreachable:
        found.append(unreachable.finding)
    except (LinkLost, JobRefused, JobTimeout, PacketRefused, ReplyError, ValueError) as error:
        fix = "try again; if it stays so, look at FreeSWITCH's log"
        found.append(problem(f"{switch.name} link", f"the examination ended early: {shown(str(error))}", fix))
    return identity, [*directory, *found]

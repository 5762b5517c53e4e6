"""Trials on a switch: a recording of a leg of our own, and, where asked for, a call through the dialplan.

The recording's leg belongs to no dialplan and is never parked, so that a daemon at work takes no notice. A call is
another matter: it is parked, a running daemon takes it over, and its document runs.
"""

from __future__ import annotations

import asyncio
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from controller.doctor.findings import Finding, ok, problem, warning
from controller.doctor.local import group_fix, ownership
from controller.doctor.media import playing
from controller.doctor.switches import dialplan, until
from controller.settings import SwitchSettings
from controller.switch import commands
from controller.switch.commands_text import shown
from controller.switch.facts_replies import BadReplyError, LegSnapshot, NoSuchLegError, parse_dump
from controller.switch.link import JobRefused, JobResult, JobTimeout, LinkLost, Session

JOB_SECONDS = 10.0
WAV_HEADER = 44


@dataclass(frozen=True, slots=True)
class Trial:
    """How long a trial takes: seconds of recording, and seconds to wait for what must come of it."""

    recording: float = 0.4
    patience: float = 3.0


@dataclass(frozen=True, slots=True)
class Call:
    """A number of a dialplan's context to be called."""

    destination: str
    context: str = "fsrec"


async def recording(switch: SwitchSettings, session: Session, trial: Trial) -> list[Finding]:
    """Let the switch record a leg of ours, and play to it, and look at the files; nothing of it stays behind."""
    subject, leg, identity = f"{switch.name} recording", str(uuid.uuid4()), uuid.uuid4().hex
    name = f"fsrec-doctor-{identity}.wav"
    try:
        made = await session.job(commands.Originate(leg), deadline=JOB_SECONDS)
    except JobRefused as refused:
        return [_untried(subject, str(refused))]
    if not made.ok:
        return [_untried(subject, made.text)]
    local = switch.local_path / name
    try:
        found = await _record(switch, session, trial, leg, identity, local)
        found += await playing(switch, session, leg)
    finally:
        with suppress(LinkLost):
            await session.send(commands.UuidKill(leg))
        left = await asyncio.to_thread(_remove, local)
    if left:
        what = f"the trial's file {local} can't be removed from here: {left}"
        found.append(warning(subject, what, f"remove it on the switch: rm {switch.switch_path}/{name}"))
    return found


def _untried(subject: str, said: str) -> Finding:
    what = f"not tried: the switch made no leg for it ({shown(said.strip())})"
    return warning(subject, what, "load mod_loopback on the switch, or record a call and look")


async def _record(
    switch: SwitchSettings, session: Session, trial: Trial, leg: str, identity: str, local: Path
) -> list[Finding]:
    subject, path = f"{switch.name} recording", f"{switch.switch_path}/{local.name}"
    variables = commands.RecordingVariables(identity)
    start = commands.UuidRecord(leg, commands.Action.START, path, variables)
    stop = commands.UuidRecord(leg, commands.Action.STOP, path)
    started = await session.job(start, deadline=JOB_SECONDS)
    if not started.ok:
        fix = (
            f"on the switch, make {switch.switch_path} writable for the user that FreeSWITCH runs as "
            f"(install -d -o freeswitch -g freeswitch -m 2770 {switch.switch_path}); its log says more"
        )
        what = f"FreeSWITCH can't record into {switch.switch_path}: {shown(started.text.strip())}"
        return [problem(subject, what, fix)]
    seen = await until(lambda: _exists(local), trial.patience)
    await asyncio.sleep(trial.recording)
    stopped = await session.job(stop, deadline=JOB_SECONDS)
    if not seen:
        what = f"FreeSWITCH records into {switch.switch_path}, and nothing appears in {switch.local_path}"
        fix = (
            f"make both one directory: correct switch_path or local_path, or mount the one as the other; "
            f"then remove the trial's file on the switch: rm {path}"
        )
        return [problem(subject, what, fix)]
    if not stopped.ok:
        what = f"the recording could not be stopped: {shown(stopped.text.strip())}"
        return [problem(subject, what, "look at FreeSWITCH's log")]
    return [await asyncio.to_thread(_judge, subject, local)]


async def _exists(path: Path) -> bool | None:
    return await asyncio.to_thread(path.exists) or None


def _judge(subject: str, local: Path) -> Finding:
    try:
        raw = local.read_bytes()
    except PermissionError:
        what = f"FreeSWITCH's recordings can't be read here: {ownership(local)}"
        return problem(subject, what, group_fix(local))
    except OSError as error:
        return problem(
            subject, f"a finished recording is gone from {local.parent}: {error.strerror}", "who removes it?"
        )
    if len(raw) <= WAV_HEADER or not raw.startswith(b"RIFF"):
        fix = "is the disk full, or mod_sndfile not loaded? FreeSWITCH's log says more"
        return problem(subject, f"FreeSWITCH wrote {len(raw)} bytes that are no WAV with audio", fix)
    return ok(subject, f"FreeSWITCH wrote {len(raw)} bytes, and they can be read here ({ownership(local)})")


def _remove(local: Path) -> str | None:
    """Remove the trial's file; return why it is still there."""
    try:
        local.unlink(missing_ok=True)
    except OSError as error:
        return error.strerror or "no reason given"
    return None


async def call(switch: SwitchSettings, session: Session, target: Call, trial: Trial) -> list[Finding]:
    """Call a number through the dialplan, see it parked and prepared, and hang up."""
    subject, caller = f"{switch.name} call", str(uuid.uuid4())
    try:
        originate = commands.Originate(caller, target.destination, target.context)
    except ValueError as error:
        return [problem(subject, f"can't be tried: {error}", "name a number, and the context its calls come into")]
    job = asyncio.ensure_future(session.job(originate, deadline=commands.Originate.patience + JOB_SECONDS))
    try:
        leg = await until(lambda: _parked(session, caller, job), trial.patience)
        if leg is None:
            return [_not_parked(subject, target, job)]
        found = await dialplan(switch, session, leg)
        if leg.marker is not None:
            found.append(ok(subject, f"{target.destination} was taken over by a running fsrec"))
        elif not found:
            found.append(ok(subject, f"{target.destination} is parked, prepared as it should be"))
        return found
    finally:
        with suppress(LinkLost):
            await session.send(commands.UuidKill(caller))
        with suppress(LinkLost, JobRefused, JobTimeout):
            await job


async def _parked(session: Session, caller: str, job: asyncio.Task[JobResult]) -> LegSnapshot | None:
    """Return the called leg once it is parked or a daemon's; None while it is not."""
    reply = await session.send(commands.UuidGetvar(caller, "other_loopback_leg_uuid"))
    other = reply.text.strip()
    if job.done() or not commands.is_leg_id(other):
        return None
    try:
        leg = parse_dump((await session.send(commands.UuidDump(other))).text)
    except (NoSuchLegError, BadReplyError):
        return None
    return leg if leg.application == "park" or leg.marker is not None else None


def _not_parked(subject: str, target: Call, job: asyncio.Task[JobResult]) -> Finding:
    said = ""
    if job.done() and not job.cancelled() and job.exception() is None:
        said = f" ({shown(job.result().text.strip())})"
    what = f"{target.destination} was not parked by the dialplan's context {target.context}{said}"
    fix = "include dialplans/fsrec.xml in FreeSWITCH's dialplan, and let calls for fsrec come into its context"
    return problem(subject, what, fix)

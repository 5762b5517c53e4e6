"""What a switch says of itself when fsrec's own link asks: reachable, ours to use, complete, alive."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from controller.doctor.findings import Finding, Level, ok, problem, warning
from controller.settings import Settings, SwitchSettings
from controller.switch import commands
from controller.switch.commands_text import shown
from controller.switch.facts_replies import (
    BadReplyError,
    LegSnapshot,
    NoCoreSqlError,
    NoSuchLegError,
    Refusal,
    parse_channels,
    parse_dump,
    refusal,
)
from controller.switch.facts_sip import parse_rtp_timers
from controller.switch.facts_tasks import parse_armed_hangups
from controller.switch.link import ConnectFailed, Link, LinkRefused, Session, SwitchAddress, Timings

T = TypeVar("T")

OLDEST = (1, 10, 7)
"""The first FreeSWITCH with all that is used here (spec/freeswitch.md, version floor)."""

MODULES = (
    ("mod_commands", Level.PROBLEM, "the API that fsrec commands FreeSWITCH by"),
    ("mod_dptools", Level.PROBLEM, "park, playback, record_session"),
    ("mod_sndfile", Level.PROBLEM, "WAV files: what is recorded, and what is played"),
    ("mod_tone_stream", Level.WARNING, "beeps, silence and ringing"),
    ("mod_loopback", Level.WARNING, "only the trials of fsrec doctor"),
)
NO_ENGINE = "none"
"""What ``speech.engine`` is where nothing can be said."""

LOOK_EVERY = 0.02
TASKS_LAG = 1.0
"""Seconds by which the switch's tables may be late; 0.3 was measured."""

MAX_LEGS = 20
"""Legs that are looked at: enough to see what the dialplan does, and no burden on a busy switch."""

_VERSION = re.compile(r"Version (\d{1,4})\.(\d{1,4})\.(\d{1,4})")


class Unreachable(Exception):
    """There is no session with the switch; ``finding`` says why."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.what)
        self.finding = finding


@asynccontextmanager
async def attached(switch: SwitchSettings, timings: Timings | None = None) -> AsyncIterator[Session]:
    """Connect as the daemon does, once. Raises Unreachable."""
    loop = asyncio.get_running_loop()
    failed: asyncio.Future[str] = loop.create_future()

    def observe(fact: object) -> None:
        if isinstance(fact, ConnectFailed) and not failed.done():
            failed.set_result(fact.reason)

    address = SwitchAddress(switch.name, switch.host, switch.port, switch.password.get_secret_value())
    link = Link(address, events=("HEARTBEAT",), observe=observe, timings=timings)
    sessions = link.sessions()
    first = asyncio.ensure_future(anext(sessions))
    try:
        await asyncio.wait((first, failed), return_when=asyncio.FIRST_COMPLETED)
        if not first.done():
            raise Unreachable(_unreachable(switch, failed.result()))
        try:
            session = first.result()
        except LinkRefused as refused:
            raise Unreachable(problem(f"{switch.name} link", refused.reason, refused.fix)) from None
        yield session
    finally:
        await link.close()
        await asyncio.gather(first, return_exceptions=True)
        await anext(sessions, None)


def _unreachable(switch: SwitchSettings, reason: str) -> Finding:
    fix = (
        f"is FreeSWITCH running there, with mod_event_socket loaded and its listen-ip and listen-port "
        f"(event_socket.conf.xml) reachable as {switch.host}:{switch.port} from here?"
    )
    return problem(f"{switch.name} link", f"no session: {reason}", fix)


def version(switch: SwitchSettings, session: Session) -> Finding:
    """Judge the version."""
    subject, text = f"{switch.name} version", session.version.splitlines()[0] if session.version else ""
    match = _VERSION.search(text)
    if match is None:
        fix = "is it FreeSWITCH, and is mod_commands loaded?"
        return problem(subject, f"it doesn't tell its version: {shown(text)}", fix)
    found = tuple(map(int, match.groups()))
    oldest = ".".join(map(str, OLDEST))
    if found < OLDEST:
        return problem(subject, f"{match[0]} is too old", f"install FreeSWITCH {oldest} or newer")
    return ok(subject, f"{match[0]} ({oldest} or newer is needed)")


def _speech_module(engine: str) -> tuple[tuple[str, Level, str], ...]:
    purpose = f"speech with the engine {engine}: without it nothing that a document says (say:…) is heard"
    return () if engine == NO_ENGINE else ((f"mod_{engine}", Level.WARNING, purpose),)


def _load_fix(name: str, engine: str) -> str:
    fix = f'load it (fs_cli -x "load {name}") and keep it: <load module="{name}"/> in modules.conf.xml'
    if name == f"mod_{engine}":
        package = name.replace("_", "-")
        fix += f"; it comes in the package freeswitch-{package}. Or name another speech.engine, or none"
    return fix


async def modules(switch: SwitchSettings, session: Session, engine: str) -> list[Finding]:
    """Look for the modules that fsrec uses, that of the speech ``engine`` among them."""
    found, present = [], []
    for name, level, purpose in (*MODULES, *_speech_module(engine)):
        reply = await session.send(commands.ModuleExists(name))
        subject = f"{switch.name} {name}"
        fix = _load_fix(name, engine)
        kind = refusal(reply.text)
        if kind is Refusal.NO_SUCH_COMMAND:
            fix = fix.replace(name, "mod_commands")
            return [problem(f"{switch.name} mod_commands", "not loaded: the switch knows no module_exists", fix)]
        if kind is Refusal.NOT_PERMITTED:
            fix = "allow fsrec's event socket user all API commands (esl-allowed-api), or use the socket's password"
            return [problem(f"{switch.name} API", "module_exists is not permitted", fix)]
        if reply.text.strip() == "true":
            present.append(name)
        else:
            found.append(Finding(level, subject, f"not loaded; it is for {purpose}", fix))
    if present:
        found.append(ok(f"{switch.name} modules", ", ".join(present)))
    return found


async def sip_profiles(switch: SwitchSettings, session: Session) -> list[Finding]:
    """Look for SIP profiles whose calls are only read when their packets come."""
    reply = await session.send(commands.SipConfiguration())
    try:
        timers = parse_rtp_timers(reply.text)
    except BadReplyError:
        return []  # no mod_sofia, no right to ask: nothing is known, and nothing is needed
    found = []
    for profile, timer in timers.items():
        if timer is None or timer.lower() == "none":
            what = (
                f"the profile {shown(profile)} has no rtp-timer-name: a caller who sends no audio (muted, "
                "one-way) is recorded with that time missing"
            )
            fix = (
                'if calls for fsrec come by it: <param name="rtp-timer-name" value="soft"/> in its settings, '
                "or rtp_timer_name=soft on the call before its media begins"
            )
            found.append(warning(f"{switch.name} SIP", what, fix))
    return found


async def legs(switch: SwitchSettings, session: Session, settings: Settings) -> list[Finding]:
    """Look whether legs can be listed, and what the dialplan did with those that are parked for us."""
    subject = f"{switch.name} core SQL"
    try:
        rows = parse_channels((await session.send(commands.ShowChannels())).text)
    except NoCoreSqlError:
        fix = "start FreeSWITCH without -nosql: it is how fsrec finds calls that were parked while it was away"
        return [problem(subject, "disabled: the switch can't list its calls", fix)]
    except BadReplyError as error:
        fix = "allow fsrec's event socket user the API command show (esl-allowed-api)"
        return [problem(subject, f"calls can't be listed: {error}", fix)]
    found = [ok(subject, f"calls can be listed ({len(rows)} now)")]
    seen = [await _snapshot(session, row.leg) for row in rows[:MAX_LEGS]]
    parked = [leg for leg in seen if leg is not None and _ours(leg, settings)]
    for leg in parked:
        found += await dialplan(switch, session, leg)
    if parked and len(found) == 1:
        what = f"parked calls are prepared as they should be ({len(parked)} seen)"
        found.append(ok(f"{switch.name} dialplan", what))
    return found


async def _snapshot(session: Session, leg: str) -> LegSnapshot | None:
    try:
        return parse_dump((await session.send(commands.UuidDump(leg))).text)
    except (NoSuchLegError, BadReplyError):
        return None


def _ours(leg: LegSnapshot, settings: Settings) -> bool:
    if leg.hanging_up:
        return False
    if leg.marker is not None:
        return True
    claimed = leg.account is not None or settings.route(leg.info.destination) is not None
    return leg.application == "park" and claimed


async def dialplan(switch: SwitchSettings, session: Session, leg: LegSnapshot) -> list[Finding]:
    """Judge what a dialplan did to a leg before it parked it."""
    found, subject = [], f"{switch.name} dialplan"
    call = f"a call to {leg.info.destination}"
    silence = (await session.send(commands.UuidGetvar(leg.leg, "send_silence_when_idle"))).text.strip()
    if silence != "-1" and refusal(silence) is not Refusal.NO_SUCH_LEG:
        what = f"{call} was parked without send_silence_when_idle=-1: recordings of an idle call have holes"
        fix = 'before park: <action application="set" data="send_silence_when_idle=-1"/>; later it does nothing'
        found.append(warning(subject, what, fix))
    if leg.marker is None and await until(lambda: _armed(session, leg.leg), TASKS_LAG) is None:
        what = f"{call} is parked with no hangup armed: while no fsrec runs it hears silence for ever"
        fix = 'before park: <action application="sched_hangup" data="+20 NORMAL_TEMPORARY_FAILURE"/>'
        found.append(warning(subject, what, fix))
    return found


async def _armed(session: Session, leg: str) -> bool | None:
    """Return True for a leg whose hangup is scheduled, or that needs none (gone, taken over); None for now."""
    try:
        if leg in parse_armed_hangups((await session.send(commands.ShowTasks())).text):
            return True
    except (NoCoreSqlError, BadReplyError):
        return True
    now = await _snapshot(session, leg)
    return True if now is None or now.hanging_up or now.marker is not None else None


async def until(look: Callable[[], Awaitable[T | None]], patience: float) -> T | None:
    """Look again and again until there is something to see, or ``patience`` seconds are over."""
    deadline = time.monotonic() + patience
    # Nobody tells when a table or directory has changed: they are looked at.
    while (seen := await look()) is None and time.monotonic() < deadline:  # noqa: ASYNC110 - see above
        await asyncio.sleep(LOOK_EVERY)
    return seen


async def directory(switch: SwitchSettings, session: Session) -> list[Finding]:
    """Compare switch_path with what the switch's own configuration names, where it is the one shipped with fsrec."""
    reply = await session.send(commands.GlobalGetvar("fsrec_recordings"))
    named = reply.text.strip()
    if not reply.ok or not named or named.rstrip("/") == switch.switch_path:
        return []
    what = f"it is {switch.switch_path}, and the switch's fsrec_recordings is {shown(named)}"
    return [warning(f"{switch.name} switch_path", what, "name one directory in both (vars.xml: FSREC_RECORDINGS)")]


async def heartbeat(switch: SwitchSettings, session: Session, patience: float) -> Finding:
    """Wait for a sign of life, ``patience`` seconds at most."""
    subject = f"{switch.name} heartbeat"
    try:
        async with asyncio.timeout(patience):
            async for events in session.events():
                if any(event.get("Event-Name") == "HEARTBEAT" for event in events):
                    return ok(subject, "comes")
    except TimeoutError:
        fix = 'set <param name="event-heartbeat-interval" value="20"/> in switch.conf.xml: fsrec drops a silent link'
        return warning(subject, f"none within {patience:g} s", fix)
    return problem(subject, f"the link broke meanwhile: {session.closed}", "look at FreeSWITCH's log")


@dataclass(frozen=True, slots=True)
class Identity:
    """Which process a switch is."""

    name: str
    core_uuid: str


def doubles(identities: list[Identity]) -> list[Finding]:
    """Find switches that are the same process under two names: each of its calls would be taken twice."""
    first: dict[str, str] = {}
    found = []
    for one in identities:
        if one.core_uuid in first:
            what = f"it is the same FreeSWITCH as {first[one.core_uuid]}: each call would be taken twice"
            found.append(problem(f"{one.name} link", what, "keep one of the two in switches"))
        first.setdefault(one.core_uuid, one.name)
    return found

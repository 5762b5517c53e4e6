"""The dialplan applications, as mod_dptools has them: what a `sendmsg execute` or a dialplan can run on a leg."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from controller.softswitch import foreground, recorder
from controller.softswitch.audio import RATE, Sound
from controller.softswitch.bridge import bridge
from controller.softswitch.expansion import expand, note_system
from controller.softswitch.sources import VOICES, SourceError, babble, load
from controller.softswitch.text import number, parse_block, split_arguments
from controller.softswitch.waking import Woken

if TYPE_CHECKING:
    from controller.softswitch.leg import Leg

Application = Callable[["Leg", str], Awaitable[None]]

_READ_AHEAD = 16384


def find(name: str) -> tuple[Application, bool] | None:
    """Find an application, and whether it needs media; None when FreeSWITCH would call it invalid."""
    return _APPLICATIONS.get(name)


# -- the call itself


async def _answer(leg: "Leg", _argument: str) -> None:
    leg.answer()


async def _pre_answer(leg: "Leg", _argument: str) -> None:
    leg.pre_answer()


async def _hangup(leg: "Leg", argument: str) -> None:
    leg.hang_up(argument.strip() or "NORMAL_CLEARING")


async def _park(leg: "Leg", _argument: str) -> None:
    if leg.controlled:
        return
    leg.controlled = True
    timeout = leg.variables.get("park_timeout")
    leg.variables.set("park_timeout", None)
    seconds, _, cause = (timeout or "").partition(":")
    deadline = None if timeout is None else leg.switch.now() + number(seconds)
    leg.idle_silence = bool(number(leg.variables.get("send_silence_when_idle")))
    leg.fire("CHANNEL_PARK")
    leg.parked.set()
    leg.keep_line_alive()
    while True:
        remaining = None if deadline is None else max(0.0, deadline - leg.switch.now())
        woken, _ = await leg.wait(remaining, stops=False)
        if woken is Woken.DONE:
            leg.hang_up(cause or "NORMAL_CLEARING")
            break
        if woken in (Woken.HANGUP, Woken.BREAK):
            break
    if leg.hungup:
        await leg.run_leftovers()
    leg.controlled = False
    leg.end_idle()
    leg.fire("CHANNEL_UNPARK")


async def _sched_hangup(leg: "Leg", argument: str) -> None:
    fields = split_arguments(argument, 5)
    if not fields:
        return
    seconds = number(fields[0][1:])
    when = seconds if fields[0].startswith("+") else number(fields[0]) - time.time()
    cause = fields[1] if len(fields) > 1 else "ALLOTTED_TIMEOUT"
    if seconds == 0:
        leg.hang_up(cause)
    else:
        leg.switch.schedule_hangup(leg.uuid, when, cause)


async def _transfer(leg: "Leg", argument: str) -> None:
    fields = split_arguments(argument, 3)
    leg.profile.route()
    leg.transfer(leg.switch.plan(fields[0] if fields else ""))


async def _bridge(leg: "Leg", argument: str) -> None:
    await bridge(leg, argument)


# -- variables


async def _set(leg: "Leg", argument: str) -> None:
    # `set` expands once more whatever the channel says (seen on a real switch)
    name, _, value = argument.partition("=")
    leg.variables.set(name.strip(), expand(leg.switch, leg, value))


async def _multiset(leg: "Leg", argument: str) -> None:
    delimiter, rest = (argument[2], argument[3:]) if argument.startswith("^^") else (" ", argument)
    for pair in split_arguments(rest, 256, delimiter):
        await _set(leg, pair)


async def _unset(leg: "Leg", argument: str) -> None:
    leg.variables.set(argument.strip(), None)


async def _ring_ready(leg: "Leg", _argument: str) -> None:
    for half in (leg, leg.answer_partner):
        if half is not None:
            half.ring_ready = True


async def _send_dtmf(leg: "Leg", argument: str) -> None:
    await leg.send_digits(argument.partition("@")[0])


async def _system(leg: "Leg", argument: str) -> None:
    note_system(leg.switch, leg, argument)


async def _nothing(_leg: "Leg", _argument: str) -> None:
    return


# -- sound


async def _playback(leg: "Leg", argument: str) -> None:
    source, _, seek = argument.partition("@@")
    block, source = parse_block(source)
    leg.variables.set("playback_terminator_used", None)
    try:
        loaded = load(source, leg.switch.sounds)
    except SourceError:
        leg.variables.set("current_application_response", "FILE NOT FOUND")
        return
    about = [("Playback-File-Path", source)]
    if source.startswith("tone_stream:"):
        about.insert(0, ("Playback-File-Type", "tone_stream"))
    leg.fire("PLAYBACK_START", after=[*about, *block.items()])
    sound, begin = loaded.sound, number(seek) * RATE // leg.profile.rate
    woken, played = await _sound(leg, sound, begin)
    # What the file layer had read ahead counts as played, in samples of its own
    rate = loaded.rate or leg.profile.rate
    read = min(len(sound) * rate // RATE, -(-(played * rate // RATE) // _READ_AHEAD) * _READ_AHEAD)
    leg.variables.set("playback_last_offset_pos", str(played * leg.profile.rate // RATE))
    leg.variables.set("playback_seconds", str(read // rate))
    leg.variables.set("playback_ms", str(read // (rate // 1000)))
    leg.variables.set("playback_samples", str(read))
    status = "break" if woken in (Woken.BREAK, Woken.DIGIT) else "done"
    leg.fire("PLAYBACK_STOP", after=[*about, ("Playback-Status", status), *block.items()])
    # Hung up by, or in the time of, a command that ran within it, it does not notice
    failed = woken is Woken.HANGUP and not (leg.hung_up_itself or leg.hung_up_within)
    leg.variables.set("current_application_response", "PLAYBACK ERROR" if failed else "FILE PLAYED")


async def _speak(leg: "Leg", argument: str) -> None:
    fields = argument.split("|", 2)
    if len(fields) == 3:
        engine, voice, text = fields
    else:
        engine, voice = leg.variables.get("tts_engine") or "", leg.variables.get("tts_voice") or ""
        text = fields[-1]
    if voice not in VOICES.get(engine, ()):
        return
    leg.variables.set("playback_terminator_used", None)
    await _sound(leg, Sound(babble(parse_block(text)[1])))


async def _sound(leg: "Leg", sound: Sound, begin: int = 0) -> tuple[Woken, int]:
    """Play to the end, a break, a terminator or the hangup; why it ended, and how many samples were played."""
    length = max(0, len(sound) - begin)
    # By whole frames: a recording that begins behind it has none of it.
    segment = leg.heard.play(sound, leg.written_from(), min(begin, len(sound)))
    leg.begin_output(segment)
    began = leg.switch.now()
    ends = began + length / RATE
    spent = 0.0
    try:
        while True:
            remaining = max(0.0, ends + spent - leg.switch.now())
            before = leg.nested_seconds
            woken, digit = await leg.wait(remaining)
            spent += leg.nested_seconds - before
            if woken is Woken.DIGIT and digit not in terminators(leg):
                continue
            if woken is Woken.DIGIT:
                leg.variables.set("playback_terminator_used", digit)
            played = round((leg.switch.now() - began - spent) * RATE)
            return woken, length if woken is Woken.DONE else min(length, played)
    finally:
        leg.end_output()


def terminators(leg: "Leg") -> str:
    """Tell the digits that end a playback or a foreground recording (dpt:2351)."""
    wanted = leg.variable("playback_terminators") or "*"
    return {"any": "0123456789*#", "none": ""}.get(wanted.lower(), wanted)


async def _gentones(leg: "Leg", argument: str) -> None:
    try:
        loaded = load(f"tone_stream://{argument.split('|', maxsplit=1)[0]}", leg.switch.sounds)
    except SourceError:
        return
    await _sound(leg, loaded.sound)


async def _sleep(leg: "Leg", argument: str) -> None:
    # Without sleep_eat_digits a queued digit ends it and stays queued
    eat = (leg.variables.get("sleep_eat_digits") or "") == "true"
    ends = leg.switch.now() + number(argument) / 1000
    while (remaining := ends - leg.switch.now()) > 0:
        woken, _ = await leg.wait(remaining, take_digits=eat)
        if woken is not Woken.DIGIT or not eat:
            return


# -- recording


async def _record_session(leg: "Leg", argument: str) -> None:
    fields = split_arguments(argument, 3)
    if not fields:
        return
    limit, block = 0, ""
    if len(fields) > 1:
        if fields[1].startswith("+"):
            limit = number(fields[1][1:])
            block = fields[2] if len(fields) > 2 else ""
        else:
            block = " ".join(fields[1:])
    variables, _ = parse_block(block)
    await recorder.start(leg, fields[0], limit, variables)


async def _stop_record_session(leg: "Leg", argument: str) -> None:
    if not argument:
        # strcasecmp(NULL): the whole process dies (async:1926)
        leg.switch.spawn(leg.switch.crash())
        await asyncio.Event().wait()
    await recorder.stop(leg, argument)


def _control(action: str) -> Application:
    async def apply(leg: "Leg", argument: str) -> None:
        recorder.control(leg, action, argument)

    return apply


async def _record(leg: "Leg", argument: str) -> None:
    await foreground.record(leg, argument, terminators)


RUN_WHEN_HUNG_UP = frozenset(("set", "export", "multiset", "unset", "system", "bgsystem", "log", "info", "eval"))
"""SAF_ZOMBIE_EXEC: these are executed on a leg that is hung up, all others are passed over."""

_APPLICATIONS: dict[str, tuple[Application, bool]] = {
    "answer": (_answer, False),
    "pre_answer": (_pre_answer, False),
    "hangup": (_hangup, False),
    "park": (_park, False),
    "sched_hangup": (_sched_hangup, False),
    "transfer": (_transfer, False),
    "bridge": (_bridge, False),
    "set": (_set, False),
    "export": (_set, False),
    "multiset": (_multiset, False),
    "unset": (_unset, False),
    "system": (_system, False),
    "bgsystem": (_system, False),
    "log": (_nothing, False),
    "info": (_nothing, False),
    "eval": (_nothing, False),
    "ring_ready": (_ring_ready, False),
    "send_dtmf": (_send_dtmf, True),
    "flush_dtmf": (_nothing, False),
    "sleep": (_sleep, False),
    "playback": (_playback, True),
    "speak": (_speak, True),
    "gentones": (_gentones, True),
    "record_session": (_record_session, True),
    "stop_record_session": (_stop_record_session, True),
    "record_session_pause": (_control("pause"), True),
    "record_session_resume": (_control("resume"), True),
    "record_session_mask": (_control("mask"), True),
    "record_session_unmask": (_control("unmask"), True),
    "record": (_record, True),
}
"""Name → (application, whether it needs media and so pre-answers an unanswered leg)."""

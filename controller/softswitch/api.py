"""The API commands of mod_commands that a recording controller meets, with their exact replies."""

import json
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from controller.softswitch import recorder
from controller.softswitch.bridge import originate
from controller.softswitch.events import Event, core_headers
from controller.softswitch.expansion import expand, note_system
from controller.softswitch.text import is_true, number, parse_block, split_arguments, url_decode

if TYPE_CHECKING:
    from controller.softswitch.leg import Leg
    from controller.softswitch.switch import Softswitch

_Command = Callable[["Softswitch", str], Awaitable[str]]
_MOST_DIGITS = 99
_NO_CHANNEL = "-ERR No such channel!\n"
_SHOW_USAGE = (
    "-USAGE: codec|endpoint|application|api|dialplan|file|timer|calls [count]|channels [count|like <match string>]"
    "|calls|detailed_calls|bridged_calls|detailed_bridged_calls|aliases|complete|chat|management|modules|nat_map|say"
    "|interfaces|interface_types|tasks|limits|status\n"
)
_RECORD_USAGE = "-USAGE: <uuid> [start|stop|mask|unmask] <path> [<limit>] [<recording_vars>]\n"
_MODULE_NAMES = """
mod_commands mod_dptools mod_dialplan_xml mod_event_socket mod_loopback mod_sofia mod_sndfile mod_native_file
mod_tone_stream mod_flite mod_console mod_logfile mod_hash
"""
_MODULES = frozenset(_MODULE_NAMES.split())


async def execute(switch: "Softswitch", name: str, argument: str) -> str:
    """Run one command; an unknown one says so."""
    command = _COMMANDS.get(name)
    if command is None:
        return f"-ERR {name} Command not found!\n"
    return await command(switch, argument)


def uptime(seconds: float) -> str:
    """FreeSWITCH's way to say how long it has been up."""
    units = (("year", 31536000), ("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))
    rest = int(seconds)
    parts = []
    for unit, size in units:
        count, rest = divmod(rest, size)
        parts.append(f"{count} {unit}{'' if count == 1 else 's'}")
    millis = int(seconds * 1000) % 1000
    return ", ".join([*parts, f"{millis} millisecond{'' if millis == 1 else 's'}", "0 microseconds"])


# -- recording


async def _uuid_record(switch: "Softswitch", argument: str) -> str:
    fields = split_arguments(argument, 5)
    if len(fields) < 3:
        return _RECORD_USAGE
    leg = switch.locate(fields[0])
    if leg is None:
        return "-ERR Cannot locate session!\n"
    action, path = fields[1].lower(), fields[2]
    if action == "start":
        variables, _ = parse_block(url_decode(fields[4]) if len(fields) > 4 else "")
        limit = number(fields[3]) if len(fields) > 3 else 0
        done = await recorder.start(leg, path, limit, variables)
        return "+OK Success\n" if done else "-ERR Cannot record session!\n"
    if action == "stop":
        return "+OK Success\n" if await recorder.stop(leg, path) else "-ERR Cannot stop record session!\n"
    if action in ("pause", "resume", "mask", "unmask"):
        return (
            "+OK Success\n" if recorder.control(leg, action, path) else f"-ERR Cannot {action} recording session!\n"
        )
    return _RECORD_USAGE


async def _uuid_buglist(switch: "Softswitch", argument: str) -> str:
    fields = split_arguments(argument, 2)
    if not fields:
        return "-USAGE: <uuid>\n"
    leg = switch.locate(fields[0])
    if leg is None:
        return ""
    bugs = "".join(
        " <media-bug>\n  <function>session_record</function>\n"
        f"  <target>{bug.key}</target>\n  <thread-locked>0</thread-locked>\n </media-bug>\n"
        for bug in leg.recorders
    )
    return f"<media-bugs>\n{bugs}</media-bugs>\n"


# -- legs


def _on_leg(usage: str, least: int, most: int, missing: str = _NO_CHANNEL) -> "Callable[[_OnLeg], _Command]":
    """Split the arguments, find the leg named by the first, answer usage or `missing` otherwise."""

    def decorate(function: "_OnLeg") -> _Command:
        async def command(switch: "Softswitch", argument: str) -> str:
            fields = split_arguments(argument, most)
            if len(fields) < least:
                return f"-USAGE: {usage}\n"
            leg = switch.locate(fields[0])
            return missing if leg is None else await function(leg, fields[1:])

        return command

    return decorate


_OnLeg = Callable[["Leg", list[str]], Awaitable[str]]


async def _uuid_exists(switch: "Softswitch", argument: str) -> str:
    return "true" if switch.locate(argument) is not None else "false"


@_on_leg("<uuid> <var>", 2, 4)
async def _uuid_getvar(leg: "Leg", fields: list[str]) -> str:
    value = leg.variable(fields[0])
    return "_undef_" if value is None else value


@_on_leg("<uuid> <var> [value]", 2, 3)
async def _uuid_setvar(leg: "Leg", fields: list[str]) -> str:
    leg.variables.set(fields[0], fields[1] if len(fields) > 1 else None)
    return "+OK\n"


async def _uuid_setvar_multi(switch: "Softswitch", argument: str) -> str:
    usage = "-USAGE: <uuid> <var>=<value>;<var>=<value>...\n"
    name, found, pairs = argument.partition(" ")
    if not found:
        return usage
    leg = switch.locate(name)
    if leg is None:
        return _NO_CHANNEL + usage
    output, done = "", 0
    for pair in split_arguments(pairs, 64, ";"):
        key, _, value = pair.partition("=")
        if not key:
            output += "-ERR No variable specified\n"
            continue
        done += 1
        if "${" not in value:
            leg.variables.set(key, value)
    return output + ("+OK\n" if done else usage)


@_on_leg("<uuid> [format]", 1, 2)
async def _uuid_dump(leg: "Leg", fields: list[str]) -> str:
    switch = leg.switch
    core = core_headers("CHANNEL_DATA", core_uuid=switch.core_uuid, hostname=switch.name, sequence=0, now=time.time())
    event = Event("CHANNEL_DATA", [*core, *leg.data()])
    form = fields[0].lower() if fields else "txt"
    if form == "json":
        return event.json()
    if form == "xml":
        return event.xml()
    return event.plain(encode=form != "plain")


@_on_leg("<uuid> [cause]", 1, 2)
async def _uuid_kill(leg: "Leg", fields: list[str]) -> str:
    leg.hang_up(fields[0] if fields else "NORMAL_CLEARING")
    return "+OK\n"


@_on_leg("<uuid> [all]", 1, 2)
async def _uuid_break(leg: "Leg", fields: list[str]) -> str:
    flags = fields[0] if fields else ""
    leg.break_out(everything="all" in flags)
    if "both" in flags and leg.partner is not None:
        leg.partner.break_out(everything="all" in flags)
    return "+OK\n"


@_on_leg("<uuid> <path> [aleg|bleg|holdb|both]", 2, 4, "-ERR invalid uuid\n")
async def _uuid_broadcast(leg: "Leg", fields: list[str]) -> str:
    name, found, argument = fields[0].partition("::")
    if not found:
        name, argument = "playback", fields[0]
    which = fields[1] if len(fields) > 1 else "aleg"
    message = [
        ("call-command", "execute"),
        ("execute-app-name", name),
        ("execute-app-arg", argument),
        ("lead-frames", "5"),
        ("event-lock", "true"),
    ]
    if "aleg" in which or "both" in which:
        leg.queue_message([("Command", f"sendmsg {leg.uuid}"), *message], "")
    if ("bleg" in which or "both" in which) and leg.partner is not None:
        leg.partner.queue_message([("Command", f"sendmsg {leg.partner.uuid}"), *message], "")
    return "+OK Message sent\n"


@_on_leg("<uuid> [-bleg|-both] <dest-exten> [<dialplan>] [<context>]", 2, 5)
async def _uuid_transfer(leg: "Leg", fields: list[str]) -> str:
    legs: list[Leg | None] = [leg]
    if fields[0] in ("-bleg", "-both"):
        legs = [leg.partner] if fields.pop(0) == "-bleg" else [leg, leg.partner]
    if not fields or None in legs:
        return "-ERR\n"
    if legs[0] is not None and legs[0] is leg.partner and is_true(leg.variable("recording_follow_transfer")):
        for following in list(leg.recorders):
            following.follow(legs[0])
    destination, dialplan, context = (*fields, *("", "default")[len(fields) - 1 :])[:3]
    plan = leg.switch.plan(destination, context)
    if dialplan == "inline":  # the destination is the dialplan: application:argument, and the next after a comma
        plan = [(name, argument) for name, _, argument in (item.partition(":") for item in destination.split(","))]
    for each in legs:
        if each is not None:
            each.profile.route()
            each.transfer(plan)
    return "+OK\n"


async def _uuid_park(switch: "Softswitch", argument: str) -> str:
    leg = switch.locate(argument)
    if leg is None:
        return _NO_CHANNEL
    leg.transfer([("park", "")])
    return "+OK\n"


async def _uuid_hold(switch: "Softswitch", argument: str) -> str:
    fields = argument.split()
    if not fields:
        return "-USAGE: [off|toggle] <uuid> [<display>]\n"
    off = fields.pop(0) if fields[0] in ("off", "toggle") else ""
    leg = switch.locate(fields[0]) if fields else None
    if leg is not None:
        leg.hold(not leg.held if off == "toggle" else not off)
    return "+OK Success\n"  # also for a leg that is none


async def _hupall(switch: "Softswitch", argument: str) -> str:
    cause = argument.split(maxsplit=1)[0] if argument.split() else "MANAGER_REQUEST"
    for leg in list(switch.legs.values()):
        leg.hang_up(cause)
    return f"+OK hangup all channels with cause {cause}\n"


async def _uuid_answer(switch: "Softswitch", argument: str) -> str:
    leg = switch.locate(argument)
    if leg is None:
        return "-ERROR\n"
    leg.answer()
    return "+OK\n"


@_on_leg("<uuid> <dtmf_data>", 2, 2, "-ERR Cannot locate session!\n")
async def _uuid_recv_dtmf(leg: "Leg", fields: list[str]) -> str:
    leg.press(fields[0].split("@")[0], "APP")
    return f"+OK {leg.uuid} received DTMF {fields[0]}.\n"


@_on_leg("<uuid> <dtmf_data>", 2, 2, "-ERR Cannot locate session!\n")
async def _uuid_send_dtmf(leg: "Leg", fields: list[str]) -> str:
    digits = fields[0].split("@")[0]
    leg.pre_answer()
    if len(fields[0]) > _MOST_DIGITS or not await leg.send_digits(digits):
        return "-ERR Operation failed\n"
    return f"+OK {leg.uuid} sent DTMF {fields[0]}.\n"


# -- schedule


async def _sched_hangup(switch: "Softswitch", argument: str) -> str:
    fields = split_arguments(argument, 4)
    if not fields:
        return "-USAGE: [+]<time> <uuid> [<cause>]\n"
    leg = switch.locate(fields[1]) if len(fields) > 1 else None
    if leg is None:
        return _NO_CHANNEL
    cause = fields[2] if len(fields) > 2 else "ALLOTTED_TIMEOUT"
    seconds = number(fields[0][1:])
    if seconds == 0:
        leg.hang_up(cause)
    else:
        when = seconds if fields[0].startswith("+") else number(fields[0]) - time.time()
        switch.schedule_hangup(leg.uuid, when, cause)
    return "+OK\n"


async def _sched_del(switch: "Softswitch", argument: str) -> str:
    return f"+OK Deleted: {switch.unschedule(argument.strip())}\n"


# -- the switch


async def _status(switch: "Softswitch", _argument: str) -> str:
    return (
        f"UP {uptime(time.time() - switch.started_at)}\n"
        f"FreeSWITCH (Version {switch.version}) is ready\n"
        f"{switch.sessions} session(s) since startup\n"
        f"{len(switch.legs)} session(s) - peak {len(switch.legs)}, last 5min {len(switch.legs)} \n"
        "0 session(s) per Sec out of max 30, peak 0, last 5min 0 \n1000 session(s) max\n"
        "min idle cpu 0.00/90.00\n"
    )


async def _version(switch: "Softswitch", argument: str) -> str:
    if argument == "short":
        return switch.version + "\n"
    return f"FreeSWITCH Version {switch.version} (softswitch)\n"


async def _show(switch: "Softswitch", argument: str) -> str:
    words = argument.split()
    if not words or words[0] not in ("channels", "calls"):
        return _SHOW_USAGE
    if not switch.core_sql:
        return "-ERR SQL disabled, no data available!\n"
    rows = [_row(leg) for leg in switch.rows.values()]
    if words[-1:] == ["json"]:
        if not rows:
            return '{"row_count": 0}\n'
        return json.dumps({"row_count": len(rows), "rows": rows}, ensure_ascii=False, separators=(",", ":"))
    if words[1:2] == ["count"]:
        return f"\n{len(rows)} total.\n"
    if not rows:
        return "\n0 total.\n"
    lines = [",".join(rows[0]), *(",".join(row.values()) for row in rows)]
    return "\n".join(lines) + f"\n\n{len(rows)} total.\n"


def _row(leg: "Leg") -> dict[str, str]:
    profile = leg.profile
    created = profile.times["Created"] // 1_000_000
    return {
        "uuid": leg.uuid,
        "direction": profile.direction,
        "created": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(created)),
        "created_epoch": str(created),
        "name": profile.channel_name,
        "state": leg.state,
        "cid_name": profile.caller_name,
        "cid_num": profile.caller_number,
        "ip_addr": profile.network,
        "dest": profile.destination,
        "application": leg.variables.get("current_application") or "",
        "application_data": leg.variables.get("current_application_data") or "",
        "dialplan": profile.dialplan,
        "context": profile.context,
        "read_codec": profile.codec,
        "read_rate": str(profile.rate),
        "read_bit_rate": str(profile.bit_rate),
        "write_codec": profile.codec,
        "write_rate": str(profile.rate),
        "write_bit_rate": str(profile.bit_rate),
        "secure": "",
        "hostname": leg.switch.name,
        "presence_id": "",
        "presence_data": "",
        "accountcode": leg.variables.get("accountcode") or "",
        "callstate": leg.call_state,
        "callee_name": profile.callee_name,
        "callee_num": profile.callee_number,
        "callee_direction": "",
        "call_uuid": profile.call_uuid,
        "sent_callee_name": "",
        "sent_callee_num": "",
        "initial_cid_name": profile.caller_name,
        "initial_cid_num": profile.caller_number,
        "initial_ip_addr": profile.network,
        "initial_dest": profile.destination,
        "initial_dialplan": profile.dialplan,
        "initial_context": profile.context,
    }


async def _module_exists(_switch: "Softswitch", argument: str) -> str:
    return ("true" if argument.strip() in _MODULES else "false") if argument else ""


async def _global_getvar(switch: "Softswitch", argument: str) -> str:
    if not argument:
        return "".join(f"{name}={value}\n" for name, value in switch.global_variables.items())
    return switch.global_variables.get(argument) or ""


async def _global_setvar(switch: "Softswitch", argument: str) -> str:
    name, _, value = argument.partition("=")
    if not name:
        return "-USAGE: <var>=<value> [=<value2>]\n"
    switch.global_variables.set(name, value)
    return "+OK"


async def _create_uuid(_switch: "Softswitch", _argument: str) -> str:
    return str(uuid.uuid4())


async def _eval(switch: "Softswitch", argument: str) -> str:
    return expand(switch, None, argument)


async def _expand(switch: "Softswitch", argument: str) -> str:
    name, _, rest = expand(switch, None, argument).partition(" ")
    if name not in _COMMANDS:
        return "INVALID COMMAND!\n-ERR Cannot execute command\n"
    return await _COMMANDS[name](switch, rest)


async def _system(switch: "Softswitch", argument: str) -> str:
    note_system(switch, None, argument)
    return "+OK\n"


async def _reload(switch: "Softswitch", argument: str) -> str:
    if argument.strip() == "mod_event_socket":
        switch.spawn(switch.reload_event_socket())
    return "+OK Reloading XML\n+OK module unloaded\n+OK module loaded\n"


_COMMANDS: dict[str, _Command] = {
    "uuid_record": _uuid_record,
    "uuid_buglist": _uuid_buglist,
    "uuid_exists": _uuid_exists,
    "uuid_getvar": _uuid_getvar,
    "uuid_setvar": _uuid_setvar,
    "uuid_setvar_multi": _uuid_setvar_multi,
    "uuid_dump": _uuid_dump,
    "uuid_kill": _uuid_kill,
    "uuid_break": _uuid_break,
    "uuid_broadcast": _uuid_broadcast,
    "uuid_transfer": _uuid_transfer,
    "uuid_park": _uuid_park,
    "uuid_hold": _uuid_hold,
    "hupall": _hupall,
    "uuid_answer": _uuid_answer,
    "uuid_recv_dtmf": _uuid_recv_dtmf,
    "uuid_send_dtmf": _uuid_send_dtmf,
    "sched_hangup": _sched_hangup,
    "sched_del": _sched_del,
    "status": _status,
    "version": _version,
    "show": _show,
    "module_exists": _module_exists,
    "global_getvar": _global_getvar,
    "global_setvar": _global_setvar,
    "create_uuid": _create_uuid,
    "originate": originate,
    "eval": _eval,
    "expand": _expand,
    "system": _system,
    "bg_system": _system,
    "reload": _reload,
    "unload": _reload,
}

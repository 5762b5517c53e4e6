"""Legs that the switch itself makes: `originate` and `bridge` to loopback endpoints.

`loopback/<extension>/<context>` is a pair: the -a leg is the one dialled, the -b leg runs the extension's dialplan;
what the one says the other hears. Other endpoints are unknown here and fail as an unregistered gateway does.
"""

import asyncio
import re
import uuid
from typing import TYPE_CHECKING

from controller.softswitch.audio import Track
from controller.softswitch.profile import Profile
from controller.softswitch.ringing import Confirmation, Ringback
from controller.softswitch.text import is_true, number, parse_block
from controller.softswitch.waking import Woken

if TYPE_CHECKING:
    from controller.softswitch.leg import Leg
    from controller.softswitch.switch import Softswitch

_DEFAULT_TIMEOUT = 60
_USAGE = (
    "-USAGE: <call url> <exten>|&<application_name>(<app_args>) [<dialplan>] [<context>] [<cid_name>] [<cid_num>] "
    "[<timeout_sec>]\n"
)


class DialError(Exception):
    """A dial string that leads nowhere; its text is the hangup cause."""


async def originate(switch: "Softswitch", argument: str) -> str:
    """Run the API `originate`: wait until the far end has media, answer `+OK <uuid>` or `-ERR <CAUSE>`."""
    variables, rest = parse_block(argument.strip())
    dial, _, target = rest.strip().partition(" ")
    if not dial or not target:
        return _USAGE
    try:
        leg = _pair(switch, dial, variables, None)
    except DialError as error:
        return f"-ERR {error}\n"
    ring(leg)
    timeout = number(variables.get("originate_timeout")) or _DEFAULT_TIMEOUT
    if not await _media(leg, timeout, None):
        cause = leg.hangup_cause if leg.hungup else "NO_ANSWER"
        leg.hang_up(cause)
        switch.start_leg(leg, ())
        return f"-ERR {cause}\n"
    leg.variables.set("endpoint_disposition", "ANSWER" if leg.answered else "EARLY MEDIA")
    leg.variables.set("pre_transfer_caller_id_number", leg.profile.caller_number)
    leg.variables.set("channel_cid_flipped", "yes")
    leg.profile.flip()
    leg.fire("CALL_UPDATE", before=[("Direction", "RECV")])
    leg.profile.hit_dialplan = True
    switch.start_leg(leg, _target(switch, target.strip()))
    return f"+OK {leg.uuid}\n"


def _target(switch: "Softswitch", target: str) -> list[tuple[str, str]]:
    if target.startswith("&"):
        name, _, argument = target[1:].partition("(")
        return [(name, argument.removesuffix(")"))]
    return list(switch.plan(target.split(maxsplit=1)[0]))


def ring(leg: "Leg") -> None:
    """Fire the events of an outbound leg up to where it waits for its far end."""
    leg.state = "CS_NONE"
    if leg.variables.get("origination_uuid") == leg.uuid:
        leg.fire("CHANNEL_UUID", before=[("Old-Unique-ID", str(uuid.uuid4()))])
    leg.fire("CHANNEL_OUTGOING")
    leg.set_state("CS_INIT")
    leg.fire("CHANNEL_CREATE")
    leg.fire("CHANNEL_ORIGINATE")
    leg.set_state("CS_ROUTING")
    leg.set_state("CS_CONSUME_MEDIA")


def _pair(switch: "Softswitch", dial: str, variables: dict[str, str], dialler: "Leg | None") -> "Leg":
    """Make the loopback pair of a dial string, start its -b leg, return its -a leg."""
    kind, _, rest = dial.partition("/")
    extension, _, context = rest.partition("/")
    if kind != "loopback" or not extension:
        raise DialError("SUBSCRIBER_ABSENT" if kind == "user" else "NO_ROUTE_DESTINATION")
    context = context.split("/")[0] or "default"
    first, second = variables.get("origination_uuid") or str(uuid.uuid4()), str(uuid.uuid4())
    to_party, from_party = Track(), Track()
    wideband = variables.get("loopback_initial_codec") == "L16@16000h"
    rate = dialler.profile.rate if dialler else 16000 if wideband else 8000
    number_shown = dialler.profile.caller_number if dialler else "0000000000"

    def make(own: str, other: str, half: str, said: Track, heard: Track) -> "Leg":
        inbound = half == "B"
        leg = switch.new_leg(
            Profile(
                uuid=own,
                channel_name=f"loopback/{extension}-{half.lower()}",
                direction="inbound" if inbound else "outbound",
                destination=extension,
                context=context,
                caller_number=number_shown,
                callee_name="Outbound Call",
                callee_number=context,
                dialplan="xml",
                source="mod_loopback",
                codec="L16",
                bit_rate=16 * rate,
                rate=rate,
                hit_dialplan=inbound,
            ),
            said=said,
            heard=heard,
        )
        leg.variables.set("other_loopback_leg_uuid", other)
        leg.variables.set("loopback_leg", half)
        for name, value in variables.items():
            leg.variables.set(name, value)
        return leg

    a = make(first, second, "A", from_party, to_party)
    b = make(second, first, "B", to_party, from_party)
    if dialler is not None:
        a.peer, a.dialled = dialler, True
    a.variables.set("is_outbound", "true")
    a.variables.set("originate_endpoint", "loopback")
    a.answer_partner, b.answer_partner = b, a
    a.on_hangup = b.on_hangup = _hang_up_other_half
    switch.start_leg(b, switch.plan(extension, context), born=False)
    return a


def _hang_up_other_half(leg: "Leg") -> None:
    other = leg.answer_partner
    if other is not None:
        leg.switch.loop.call_soon(other.hang_up, "NORMAL_CLEARING" if leg.answered else leg.hangup_cause)


async def _media(leg: "Leg", timeout: float, dialler: "Leg | None") -> bool:
    """Wait until `leg` has media; False when it, its dialler or the patience was gone before."""
    return await _first([leg], timeout, dialler, early=True) is not None


async def _first(
    legs: list["Leg"],
    timeout: float,
    dialler: "Leg | None",
    *,
    early: bool,
    ringback: Ringback | None = None,
    confirmation: Confirmation | None = None,
) -> "Leg | None":
    """Wait for the first leg that answers, or has `early` media; None when all, or the dialler, were gone before.

    With a confirmation they are asked, and the first that confirms is waited for.
    """
    switch = legs[0].switch
    waiting: asyncio.Future[None] = switch.loop.create_future()
    for leg in legs:
        leg.on_answer.append(waiting)
    deadline = switch.now() + timeout
    while True:
        up = [leg for leg in legs if not leg.hungup and (leg.answered or (early and leg.early))]
        if confirmation is not None and confirmation.wished:
            for leg in up:
                confirmation.ask(leg)
            up = [leg for leg in up if leg.uuid in confirmation.winners]
        if up:
            return up[0]
        if ringback is not None:
            ringback.look(legs)
        if dialler is not None:
            await dialler.run_queued()
        ended = all(leg.hungup for leg in legs) or switch.now() >= deadline
        if ended or (dialler is not None and (dialler.hungup or dialler.transferred)):
            return None
        if waiting.done():  # who answered is asked: nothing but the next frame can be waited for
            await asyncio.sleep(0.02)
        else:
            await asyncio.wait((waiting,), timeout=0.02)


def _parties(dial: str) -> list[tuple[dict[str, str], str]]:
    """Part a dial string at its commas: each endpoint with the variables in its own `[…]`."""
    found: list[tuple[dict[str, str], str]] = []
    for part in re.findall(r"(?:\[[^\]]*\]|[^,\[])+", dial):
        block, _, endpoint = part[1:].partition("]") if part.startswith("[") else ("", "", part)
        own, _ = parse_block("{" + block + "}")
        found.append((own, endpoint))
    return found


async def bridge(leg: "Leg", argument: str) -> None:
    """Run the application `bridge`, to loopback endpoints: all ring, the first to answer is connected.

    One alone is connected at its early media, unless that is ignored.
    """
    switch = leg.switch
    shared, dial = parse_block(argument.strip())
    leg.set_call_state("RING_WAIT")
    leg.pre_answer()  # mod_loopback does, of whoever dials its endpoints
    leg.variables.set("originate_disposition", "failure")
    leg.variables.set("DIALSTATUS", "INVALIDARGS")
    leg.transferred = False
    callees, cause = [], "NORMAL_TEMPORARY_FAILURE"
    for own, endpoint in _parties(dial):
        try:
            callees.append(_pair(switch, endpoint, {**shared, **own}, leg))
        except DialError as error:
            cause = str(error)
    if not callees:
        _failed(leg, cause)
        return
    for callee in callees:
        ring(callee)
    timeout = number(shared.get("originate_timeout") or leg.variables.get("call_timeout")) or _DEFAULT_TIMEOUT
    ignored = shared.get("ignore_early_media") or leg.variables.get("ignore_early_media")
    ringback, confirmation = Ringback(leg, shared), Confirmation(leg, shared)
    early = not is_true(ignored)
    winner = await _first(callees, timeout, leg, early=early, ringback=ringback, confirmation=confirmation)
    ringback.end()
    if winner is None:
        gone = [callee.hangup_cause for callee in callees if callee.hungup]
        left = leg.hungup or leg.transferred
        cause = "ORIGINATOR_CANCEL" if left else gone[-1] if len(gone) == len(callees) else "NO_ANSWER"
        _let_go(switch, callees, cause)
        _failed(leg, cause)
        return
    _let_go(switch, [callee for callee in callees if callee is not winner], "LOSE_RACE")
    if winner.answered:
        leg.answer()
    leg.peer = winner
    leg.variables.set("originate_disposition", "SUCCESS")
    leg.variables.set("DIALSTATUS", "SUCCESS")
    leg.set_call_state("ACTIVE" if leg.answered else "EARLY")
    await _talk(leg, winner)
    if is_true(leg.variables.get("hangup_after_bridge")) and not leg.hungup:
        leg.hang_up(winner.hangup_cause)


def _let_go(switch: "Softswitch", callees: list["Leg"], cause: str) -> None:
    """Hang up those that rang for nothing."""
    for callee in callees:
        callee.hang_up(cause)
        switch.start_leg(callee, ())


def _failed(leg: "Leg", cause: str) -> None:
    leg.variables.set("originate_disposition", cause)
    status = {"USER_BUSY": "BUSY", "NO_ANSWER": "NOANSWER", "ORIGINATOR_CANCEL": "CANCEL"}
    leg.variables.set("DIALSTATUS", status.get(cause, "CHANUNAVAIL"))
    if leg.hungup:
        return
    leg.variables.set("originate_failed_cause", cause)
    leg.set_call_state("ACTIVE" if leg.answered else "EARLY")
    if not is_true(leg.variables.get("continue_on_fail")) and not leg.transferred:
        leg.hang_up(cause)


async def _talk(leg: "Leg", callee: "Leg") -> None:
    switch = leg.switch
    now = switch.position(switch.now())
    crossed = (leg.heard.play(callee.said, now), callee.heard.play(leg.said, now))
    leg.profile.stamp("Bridged")
    leg.variables.set("bridge_channel", callee.profile.channel_name)
    leg.variables.set("bridge_uuid", callee.uuid)
    leg.variables.set("signal_bond", callee.uuid)
    leg.variables.set("last_bridge_to", callee.uuid)
    about = [("Bridge-A-Unique-ID", leg.uuid), ("Bridge-B-Unique-ID", callee.uuid)]
    leg.set_partner(callee)
    callee.set_partner(leg)
    leg.fire("CHANNEL_BRIDGE", before=about)
    callee.wake_on_hangup = leg
    switch.start_leg(callee, None)
    leg.transferred = callee.transferred = False
    if not callee.answered:
        callee.on_answer_once = leg.answer
    while not (leg.hungup or callee.hungup or leg.transferred or callee.transferred):
        woken, _ = await leg.wait(None)
        if woken is Woken.HANGUP:
            break
    callee.on_answer_once = None
    callee.wake_on_hangup = None
    if not callee.transferred:
        callee.hang_up("NORMAL_CLEARING")
    for segment in crossed:
        Track.cut(segment, switch.position(switch.now()))
    leg.set_partner(None)
    callee.set_partner(None)
    leg.variables.set("bridge_hangup_cause", callee.hangup_cause)
    leg.fire("CHANNEL_UNBRIDGE", before=about)

"""Legs over ESL: which packets, in which order, and what each answer means."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from controller.calls.ports import Callee, Meanwhile, ParkedLeg, Question, Sound, SoundFile
from controller.documents.call import CallInfo
from controller.documents.steps import Beep, Party, PartyKind, Quiet, Ringing, Speech
from controller.recordings.ports import CommandFailed, SwitchAway
from controller.switch.board import Switchboard
from controller.switch.commands import Templates
from controller.switch.facts import LegInfo
from controller.switch.legs import EslLegs, call_info
from controller.switch.link import SwitchAddress
from controller.switch.sounds import SpeechSettings
from controller.telemetry import Telemetry
from tests.switch.answering import LEG, QUICK, SWITCH, Answers, connected, dies, eventually
from tests.switch.peer import CORE, Conn

CALL = "3f0c7b52-9a51-4f6f-8d2c-2d1c6b9a7e10"
HEX = CALL.replace("-", "")
OTHER = "7e0e1c8e-6d1c-4a4b-9f0f-0d2f6a3c7b12"
GONE = "-ERR No such channel!\n"

UNHEARD = Meanwhile()
"""What is heard by a leg that is not answered: nothing of ours."""

HEARD = Meanwhile((Ringing("us"),), question=Question((Speech("press 5"),), "5", 9.5))

Act = Callable[[EslLegs], Awaitable[Any]]


def dialled(
    legs: EslLegs, leg: str, caller: str = "", meanwhile: Meanwhile = UNHEARD, rings: float = 20.0
) -> Awaitable[None]:
    """Have a leg dial one number."""
    callees = [Callee(OTHER, Party(PartyKind.NUMBER, "1000"))]
    return legs.dial(
        *(SWITCH, leg, callees), call=CALL, caller=caller, rings=rings, execution=OTHER, meanwhile=meanwhile
    )


ACTS: dict[str, tuple[Act, list[str]]] = {
    "take_over": (lambda legs: legs.take_over(SWITCH, LEG, CALL), ["api sched_del", "api uuid_setvar_multi"]),
    "release": (lambda legs: legs.release(SWITCH, LEG), ["api uuid_setvar_multi"]),
    "release, limited": (
        lambda legs: legs.release(SWITCH, LEG, limited=True),
        ["api sched_del", "api uuid_setvar_multi"],
    ),
    "limit": (lambda legs: legs.limit(SWITCH, LEG, 59.1), ["api sched_del", "api sched_hangup +60"]),
    "answer": (lambda legs: legs.answer(SWITCH, LEG), ["sendmsg"]),
    "hang_up": (lambda legs: legs.hang_up(SWITCH, LEG, "USER_BUSY"), ["api uuid_kill"]),
    "play": (lambda legs: legs.play(SWITCH, LEG, Beep(), gain=0.0, execution=CALL), ["sendmsg"]),
    "stop_playing": (lambda legs: legs.stop_playing(SWITCH, LEG), ["api uuid_break"]),
    "dial": (lambda legs: dialled(legs, LEG), ["sendmsg"]),
    "dial, heard": (
        lambda legs: dialled(legs, LEG, meanwhile=HEARD),
        ["api uuid_setvar", "api uuid_setvar", "sendmsg"],
    ),
    "forget_ring": (lambda legs: legs.forget_ring(SWITCH, LEG), ["api uuid_setvar_multi"]),
    "send_digits": (lambda legs: legs.send_digits(SWITCH, LEG, "1"), ["bgapi uuid_send_dtmf"]),
}
GONE_IS_FINE = {"hang_up", "stop_playing"}


def dump(leg: str = LEG, **headers: str) -> str:
    known = {
        "Unique-ID": leg,
        "Event-Date-Timestamp": "1795147988000000",
        "Channel-State": "CS_EXECUTE",
        "Answer-State": "answered",
        "Call-Direction": "outbound",
        "Caller-Destination-Number": "1001",
        "Caller-Caller-ID-Name": "Ann",
        "Caller-Caller-ID-Number": "1000",
        "Channel-Name": "sofia/x",
        "Channel-Read-Codec-Rate": "16000",
        "Caller-Channel-Created-Time": "1795147980000000",
        "Caller-Profile-Created-Time": "1795147981000001",
        "variable_current_application": "park",
        "variable_fsrec_call": HEX,
        "variable_fsrec_account": "acme",
        "variable_fsrec_document": "a.yaml",
    }
    return json.dumps({**known, **{name.replace("__", "-"): value for name, value in headers.items()}})


SEEN = ParkedLeg(
    SWITCH,
    LEG,
    1795147988.0,
    CallInfo("1001", "Ann", "1000", "outbound", "sofia/x", True, 16000, 1795147980.0, 1795147981.000001),
    CORE,
    CALL,
    "acme",
    "a.yaml",
)


@pytest.mark.parametrize("name", ACTS)
async def test_the_packets_of_each(name: str) -> None:
    """Each act sends what it should, and is done when the last of it is answered."""
    act, starts = ACTS[name]
    answers = Answers()
    async with connected(answers) as board:
        assert await act(EslLegs(board)) is None
    assert len(answers.lines) == len(starts)
    for line, start in zip(answers.lines, starts, strict=True):
        assert line.startswith(f"{start} {LEG}")


async def test_a_takeover_disarms_before_it_marks() -> None:
    """A marked leg is one whose hangup is disarmed; marker and lock are one command. Release takes them off."""
    answers = Answers()
    async with connected(answers) as board:
        await EslLegs(board).take_over(SWITCH, LEG, CALL)
        await EslLegs(board).release(SWITCH, LEG)
    disarm, mark, free = answers.lines
    assert disarm == f"api sched_del {LEG}"
    assert f"fsrec_call={HEX}" in mark
    assert "app_disable_expand_variables=true" in mark
    assert "fsrec_call=;" in f"{free};"
    assert "app_disable_expand_variables=;" in f"{free};"


async def test_the_packet_of_a_dialling() -> None:
    """Everybody at once, each with its own id and caller; FreeSWITCH gives up later than we do."""
    callees = [
        Callee(OTHER, Party(PartyKind.NUMBER, "1000")),
        Callee(CALL, Party(PartyKind.SIP, "sip:ada@example.com", "+1999", headers=(("X-PH-a", "b"),))),
    ]
    answers = Answers()
    async with connected(answers) as board:
        legs = EslLegs(board, templates=Templates("loopback/{number}/x"))
        await legs.dial(
            *(SWITCH, LEG, callees),
            call=CALL,
            caller="+1555",
            caller_name="Zo\u00eb",
            rings=19.5,
            execution=OTHER,
            meanwhile=UNHEARD,
        )
    [packet] = answers.packets
    assert packet.startswith(f"sendmsg {LEG}")
    assert "execute-app-name: bridge" in packet
    assert f"Event-UUID: {OTHER}" in packet
    assert (
        "execute-app-arg: {ignore_early_media=true,originate_timeout=30}"
        f"[origination_uuid={OTHER},fsrec_dialler={HEX},origination_caller_id_number=+1555,"
        "origination_caller_id_name=Zo\u00eb]loopback/1000/x,"
        f"[origination_uuid={CALL},fsrec_dialler={HEX},origination_caller_id_number=+1999,"
        "origination_caller_id_name=Zo\u00eb,sip_h_X-PH-a=b]sofia/external/sip:ada@example.com"
    ) in packet
    assert "event-lock" not in packet


@pytest.mark.parametrize(
    ("meanwhile", "set_before", "block"),
    [
        (UNHEARD, [], "{ignore_early_media=false,originate_timeout=30}"),
        (
            Meanwhile((Ringing("us"),)),
            ["transfer_ringback %(2000,4000,440,480)"],
            "{ignore_early_media=false,originate_timeout=30,instant_ringback=true}",
        ),
        (
            Meanwhile((), early=False),
            ["transfer_ringback silence:-1"],
            "{ignore_early_media=true,originate_timeout=30,instant_ringback=true}",
        ),
        (
            Meanwhile((SoundFile("/p/a.wav"),), early=False),
            ["transfer_ringback /p/a.wav"],
            "{ignore_early_media=true,originate_timeout=30,instant_ringback=true}",
        ),
        (
            Meanwhile((Speech("It's you"), Quiet(1.0)), early=False),
            [r"transfer_ringback file_string://tts://flite|kal|It\\\\\\\'s you!silence_stream://1000"],
            "{ignore_early_media=true,originate_timeout=30,instant_ringback=true}",
        ),
        (
            Meanwhile(question=Question((Speech("hello"),), "5", 9.5)),
            ["group_confirm_file file_string://tts://flite|kal|hello!silence_stream://20"],
            (
                "{ignore_early_media=true,originate_timeout=45,group_confirm_key=5,"
                "group_confirm_read_timeout=15000,group_confirm_timeout=15,playback_terminators=none}"
            ),
        ),
        (
            Meanwhile(question=Question((), "", 9.5)),
            ["group_confirm_file playback file_string://silence_stream://20"],
            (
                "{ignore_early_media=true,originate_timeout=330,group_confirm_key=exec,"
                "group_confirm_read_timeout=300000,group_confirm_timeout=300,playback_terminators=none}"
            ),
        ),
    ],
    ids=["unanswered", "ring", "nothing", "file", "several", "key", "no key"],
)
async def test_what_is_heard_meanwhile(meanwhile: Meanwhile, set_before: list[str], block: str) -> None:
    """What is heard is set on the leg before its bridge, each time, and said in no dial string."""
    answers = Answers()
    async with connected(answers) as board:
        await dialled(EslLegs(board), LEG, meanwhile=meanwhile)
    assert answers.packets[:-1] == [f"api uuid_setvar {LEG} {pair}" for pair in set_before]
    assert f"execute-app-arg: {block}[" in answers.packets[-1]


@pytest.mark.parametrize(
    ("sounds", "why"),
    [
        ((Ringing("us"), Speech("hello"), SoundFile("/a.wav")), ""),
        ((Ringing("xx"),), "ringing: 'xx' is not known"),
        ((Speech("x " * 5000),), "speech: 9999 characters are too many"),
        ((Quiet(1.0),) * 128, "joined: 129 is out of range"),
    ],
)
async def test_what_can_be_heard(sounds: tuple[Any, ...], why: str) -> None:
    """Nothing is sent to find out."""
    answers = Answers()
    async with connected(answers) as board:
        assert EslLegs(board).unplayable(sounds).startswith(why)
    assert answers.lines == []


@pytest.mark.parametrize("caller", ["a,b=c", "Ada <1>", "]", "{x"])
async def test_a_hostile_caller_is_not_shown(caller: str) -> None:
    """Refused before anything is sent."""
    answers = Answers()
    async with connected(answers) as board:
        with pytest.raises(CommandFailed, match="caller"):
            await dialled(EslLegs(board), LEG, caller)
    assert answers.lines == []


@pytest.mark.parametrize(
    ("party", "why"),
    [
        (Party(PartyKind.NUMBER, "+15551234567"), ""),
        (Party(PartyKind.SIP, "sip:ada@example.com"), ""),
        (Party(PartyKind.NUMBER, "sip:ada@example.com"), "right is an optional +"),
        (Party(PartyKind.SIP, "1000"), "right is sip:user@host"),
        (Party(PartyKind.NUMBER, "1000,loopback/app=system:touch x"), "right is an optional +"),
        (Party(PartyKind.NUMBER, "1000", headers=(("X-PH-a", "b"),)), ""),
        (Party(PartyKind.NUMBER, "1000", headers=(("Route", "b"),)), "right is X-"),
        (Party(PartyKind.SIP, "sip:ada@example.com", headers=(("X-a", "b,c=d"),)), "right is 1 to 256 of"),
    ],
)
async def test_who_can_be_dialled(party: Party, why: str) -> None:
    """An address of its kind's grammar, headers of theirs; for others it is said what would be right."""
    async with connected(Answers()) as board:
        told = EslLegs(board).undialable(party)
    assert bool(told) is bool(why)
    assert why in told


async def test_a_look_tells_of_a_bridge() -> None:
    """Whom the leg was connected with last, and how that ended."""
    bridged = {
        "variable_last_bridge_to": OTHER,
        "variable_originate_disposition": "SUCCESS",
        "variable_bridge_hangup_cause": "NORMAL_CLEARING",
    }
    answers = Answers({"api uuid_dump": dump(**bridged)})
    async with connected(answers) as board:
        seen = await EslLegs(board).look(SWITCH, LEG)
    assert seen == replace(SEEN, bridged=OTHER, bridge_cause="NORMAL_CLEARING")


async def test_the_packet_of_an_answer() -> None:
    """In the leg's own thread, so that what is queued behind it finds it answered."""
    answers = Answers()
    async with connected(answers) as board:
        await EslLegs(board).answer(SWITCH, LEG)
    assert answers.packets[0].startswith(f"sendmsg {LEG}\ncall-command: execute\nexecute-app-name: answer\n")


@pytest.mark.parametrize(
    ("cause", "sent"),
    [("USER_BUSY", "USER_BUSY"), ("reload mod_event_socket", "NORMAL_CLEARING"), ("", "NORMAL_CLEARING")],
)
async def test_causes_are_the_switchs_own(cause: str, sent: str) -> None:
    """A cause that FreeSWITCH does not know is a normal end, never text of ours in a command."""
    answers = Answers()
    async with connected(answers) as board:
        await EslLegs(board).hang_up(SWITCH, LEG, cause)
    assert answers.lines == [f"api uuid_kill {LEG} {sent}"]


async def test_commands_of_one_turn_keep_their_order() -> None:
    """Posted as soon as they are called, before anything is awaited, whatever is awaited first."""
    answers = Answers()
    async with connected(answers) as board:
        legs = EslLegs(board)
        made = [legs.take_over(SWITCH, LEG, CALL), legs.answer(SWITCH, LEG), legs.hang_up(SWITCH, LEG, "USER_BUSY")]
        for one in reversed(made):
            await one
    assert [line.split()[1 if line.startswith("api") else 0] for line in answers.lines] == [
        "sched_del",
        "uuid_setvar_multi",
        "sendmsg",
        "uuid_kill",
    ]


@pytest.mark.parametrize("name", ACTS)
async def test_a_leg_that_is_gone(name: str) -> None:
    """A hangup of it, or an end of what it hears, is no failure; anything else is, with the switch's own words."""
    act, starts = ACTS[name]
    async with connected(Answers({starts[-1]: GONE})) as board:
        if name in GONE_IS_FINE:
            assert await act(EslLegs(board)) is None
        else:
            with pytest.raises(CommandFailed, match=r"^-ERR No such channel!$"):
                await act(EslLegs(board))


async def test_a_refused_hangup() -> None:
    """A refusal for another reason is told."""
    async with connected(Answers({"api uuid_kill": "-USAGE: <uuid> [cause]\n"})) as board:
        with pytest.raises(CommandFailed, match="USAGE"):
            await EslLegs(board).hang_up(SWITCH, LEG, "USER_BUSY")


@pytest.mark.parametrize("name", ACTS)
async def test_a_link_that_is_down_or_breaks(name: str) -> None:
    """Without a session, and when the connection goes before the answer: SwitchAway."""
    act, starts = ACTS[name]
    board = Switchboard([SwitchAddress(SWITCH, "127.0.0.1", 1, "secret")], Telemetry(), QUICK)
    with pytest.raises(SwitchAway, match="not connected"):
        await act(EslLegs(board))
    async with connected(Answers({starts[-1]: dies}), Answers()) as board:
        with pytest.raises(SwitchAway):
            await act(EslLegs(board))


@pytest.mark.parametrize("name", ACTS)
async def test_a_leg_that_no_command_can_name(name: str) -> None:
    """It fails before anything is sent."""
    answers = Answers()
    hostile = "a b\n\nexit"
    legs_of: dict[str, Act] = {
        "take_over": lambda legs: legs.take_over(SWITCH, hostile, CALL),
        "release": lambda legs: legs.release(SWITCH, hostile),
        "release, limited": lambda legs: legs.release(SWITCH, hostile, limited=True),
        "limit": lambda legs: legs.limit(SWITCH, hostile, 60.0),
        "answer": lambda legs: legs.answer(SWITCH, hostile),
        "hang_up": lambda legs: legs.hang_up(SWITCH, hostile, "USER_BUSY"),
        "play": lambda legs: legs.play(SWITCH, hostile, Beep(), gain=0.0, execution=CALL),
        "stop_playing": lambda legs: legs.stop_playing(SWITCH, hostile),
        "send_digits": lambda legs: legs.send_digits(SWITCH, hostile, "1"),
        "dial": lambda legs: dialled(legs, hostile),
        "dial, heard": lambda legs: dialled(legs, hostile, meanwhile=HEARD),
        "forget_ring": lambda legs: legs.forget_ring(SWITCH, hostile),
    }
    async with connected(answers) as board:
        with pytest.raises(CommandFailed, match="no leg id"):
            await legs_of[name](EslLegs(board))
    assert answers.packets == []


async def test_the_packet_of_a_sound() -> None:
    """A playback of our execution's id, event-locked; texts are said by the settings' engine and voice."""
    answers = Answers()
    async with connected(answers) as board:
        legs = EslLegs(board, SpeechSettings("cepstral", "callie", {"female": "allison"}))
        await legs.play(SWITCH, LEG, Speech("Hi.", gender="female"), gain=3.0, execution=CALL)
        await legs.play(SWITCH, LEG, Beep(), gain=-3.0, execution=OTHER)
    head = f"sendmsg {LEG}\ncall-command: execute\nexecute-app-name: playback\nexecute-app-arg: "
    assert answers.packets == [
        f"{head}tts://cepstral|allison|Hi.\nEvent-UUID: {CALL}\nevent-lock: true",
        f"{head}tone_stream://v=-10;%(500,0,1000)\nEvent-UUID: {OTHER}\nevent-lock: true",
    ]


@pytest.mark.parametrize(
    ("sound", "message"),
    [
        (Ringing("xx"), "ringing: 'xx' is not known"),
        (Speech("hello"), "speech: the settings name no engine"),
        (SoundFile("a.wav"), "file: 'a.wav' is no path"),
    ],
)
async def test_a_sound_that_cannot_be_played(sound: Sound, message: str) -> None:
    """It fails in words before anything is sent."""
    answers = Answers()
    async with connected(answers) as board:
        with pytest.raises(CommandFailed, match=message):
            await EslLegs(board, SpeechSettings("none")).play(SWITCH, LEG, sound, gain=0.0, execution=CALL)
    assert answers.packets == []


async def test_many_digits_are_sent_in_parts() -> None:
    """FreeSWITCH takes 99 at once and ignores more; the next part goes when the one before is done."""
    answers = Answers()
    async with connected(answers) as board:
        await EslLegs(board).send_digits(SWITCH, LEG, "1234567890" * 13)
    sent = [line.rsplit(" ", 1)[1] for line in answers.lines]
    assert "".join(sent) == "1234567890" * 13
    assert [len(part) for part in sent] == [64, 64, 2]


@pytest.mark.parametrize("digits", ["12x", "1\n2", "1+2", "~1", "1@9"])
async def test_digits_that_are_none(digits: str) -> None:
    """Nothing but digits and pauses is sent: not a length, not a flag, and no part of the rest."""
    answers = Answers()
    async with connected(answers) as board:
        with pytest.raises(CommandFailed, match="digits: "):
            await EslLegs(board).send_digits(SWITCH, LEG, "1" * 70 + digits)
    assert answers.packets == []


async def test_digits_that_are_not_sent() -> None:
    """The switch's refusal is told."""
    async with connected(Answers({"bgapi uuid_send_dtmf": "-ERR Operation failed\n"})) as board:
        with pytest.raises(CommandFailed, match=r"^-ERR Operation failed$"):
            await EslLegs(board).send_digits(SWITCH, LEG, "1")


async def test_a_busy_leg() -> None:
    """So many commands of a leg are outstanding that an answer's turn does not come: it failed, and was not sent."""
    answers = Answers({"sendmsg": "+OK"})
    async with connected(answers, timings=replace(QUICK, reply=0.3)) as board:
        results = await asyncio.gather(
            *(EslLegs(board).answer(SWITCH, LEG) for _ in range(33)), return_exceptions=True
        )
    assert results[:32] == [None] * 32
    assert isinstance(results[32], CommandFailed)
    assert len(answers.packets) == 32


async def test_who_stops_waiting_disturbs_nobody() -> None:
    """A cancelled command may have happened; its answer is nobody's, the next one's is its own."""
    gate = asyncio.Event()

    async def later(conn: Conn) -> None:
        await gate.wait()
        await conn.send(b"Content-Type: command/reply\nReply-Text: +OK\n\n")

    answers = Answers({"sendmsg": later})
    async with connected(answers) as board:
        waiting = EslLegs(board).answer(SWITCH, LEG)
        await eventually(lambda: answers.packets)
        waiting.cancel()
        gate.set()
        await EslLegs(board).hang_up(SWITCH, LEG, "USER_BUSY")
    assert len(answers.packets) == 2


# --- looking --------------------------------------------------------------------------------------------------------


async def test_a_living_leg() -> None:
    """What uuid_dump tells, in the calls room's terms."""
    answers = Answers({"api uuid_dump": dump()})
    async with connected(answers) as board:
        assert await EslLegs(board).look(SWITCH, LEG) == SEEN
    assert answers.lines == [f"api uuid_dump {LEG} json"]


@pytest.mark.parametrize(
    "reply", [GONE, dump(**{"Answer-State": "hangup"}), dump(**{"Channel-State": "CS_REPORTING"})]
)
async def test_a_leg_that_ends(reply: str) -> None:
    """Gone, or hanging up: None."""
    async with connected(Answers({"api uuid_dump": reply})) as board:
        assert await EslLegs(board).look(SWITCH, LEG) is None


@pytest.mark.parametrize("reply", ["", "-USAGE: x\n", "[]", "{", dump(variable_fsrec_document="a\nb")])
async def test_a_dump_that_cannot_be_read(reply: str) -> None:
    """It is no word of the leg's end."""
    async with connected(Answers({"api uuid_dump": reply})) as board:
        with pytest.raises(CommandFailed, match="uuid_dump"):
            await EslLegs(board).look(SWITCH, LEG)


async def test_a_link_that_breaks_while_looking() -> None:
    """SwitchAway, of a look and of a list."""
    async with connected(Answers({"api": dies})) as board:
        with pytest.raises(SwitchAway):
            await EslLegs(board).look(SWITCH, LEG)
        await eventually(lambda: not board.problems())
        with pytest.raises(SwitchAway):
            await EslLegs(board).waiting(SWITCH)


def rows(*legs: str) -> str:
    return json.dumps({"row_count": len(legs), "rows": [{"uuid": leg, "application": "?"} for leg in legs]})


async def test_parked_legs() -> None:
    """The list says which legs there are, each leg itself whether it is parked; unreadable ones are left alone.

    One that carries our marker is told whatever was executed on it: an answered one stays parked, and says answer.
    """
    legs = [LEG, OTHER, *(f"{n}e0e1c8e-6d1c-4a4b-9f0f-0d2f6a3c7b1{n}" for n in range(4))]
    answers = Answers(
        {
            "api show": rows(*legs),
            f"api uuid_dump {LEG}": dump(),
            f"api uuid_dump {OTHER}": dump(OTHER, variable_current_application="bridge", variable_fsrec_call=""),
            f"api uuid_dump {legs[2]}": GONE,
            f"api uuid_dump {legs[3]}": dump(legs[3], variable_fsrec_account="\x01"),
            f"api uuid_dump {legs[4]}": dump(legs[4], **{"Answer-State": "hangup"}),
            f"api uuid_dump {legs[5]}": dump(legs[5], variable_current_application="answer"),
        }
    )
    async with connected(answers) as board:
        assert await EslLegs(board).waiting(SWITCH) == [SEEN, replace(SEEN, leg=legs[5], parked=False)]
    assert answers.lines == ["api show channels as json", *(f"api uuid_dump {leg} json" for leg in legs)]


@pytest.mark.parametrize("reply", ["-ERR SQL disabled, no data available!\n", '{"row_count": 0}', "odd"])
async def test_no_list_of_legs(reply: str) -> None:
    """Without core SQL, without rows, without sense: none; those that park from now on are seen all the same."""
    async with connected(Answers({"api show": reply})) as board:
        assert list(await EslLegs(board).waiting(SWITCH)) == []


def test_what_calls_keep_of_a_leg() -> None:
    """What is not known of it has the form that calls expect."""
    info = LegInfo("1001", "", "", "", "", "", False, 8000, None, "")
    assert call_info(info) == CallInfo("1001")
    assert call_info(structs.replace(info, ringback=True)) == CallInfo("1001", ringback=True)

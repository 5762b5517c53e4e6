"""Commands: what they print is what FreeSWITCH will read, for any text whatever.

The reader here is modelled on FreeSWITCH's own (mod_event_socket.c read_packet and parse_command, switch_utils.c
switch_separate_string, mod_dptools.c record_session and speak, mod_commands.c); it shares nothing with the code.
"""

from __future__ import annotations

import functools
import re
import string
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.switch import commands, commands_text
from controller.switch.commands import (
    MARKER,
    QUESTION,
    RELEASE_VARIABLES,
    RINGBACK,
    TAKEOVER_VARIABLES,
    Action,
    Answer,
    ApiCommand,
    Bridge,
    Callee,
    Cause,
    Command,
    Execute,
    GlobalGetvar,
    Hangup,
    Joined,
    LocalFile,
    ModuleExists,
    Playback,
    RecordingVariables,
    RecordSession,
    SchedDel,
    SchedHangup,
    ShowChannels,
    SilenceStream,
    Spoken,
    Status,
    StopRecorders,
    Subscribe,
    Tone,
    Track,
    UuidBreak,
    UuidBuglist,
    UuidDump,
    UuidExists,
    UuidGetvar,
    UuidKill,
    UuidRecord,
    UuidSetvars,
    Version,
    silence_threshold,
)

LEG = "50025a09-4c0c-4a8c-800c-88bd3014e327"
EXECUTION = "ee37fb7e-d586-45ed-8f6c-44bc0f5ba9c3"
RECORDING = "0495cc91bd10458ba3b1e67a5c824afe"
PATH = "/var/lib/fsrec/recordings/0495cc91bd10458ba3b1e67a5c824afe.wav"
VARIABLES = RecordingVariables(RECORDING)


# --- FreeSWITCH's reader --------------------------------------------------------------------------


@dataclass
class Read:
    """One packet as FreeSWITCH has read it."""

    command: str
    headers: list[tuple[str, str]]


def read_stream(data: bytes) -> list[Read]:
    """Cut a byte stream into packets as read_packet does, byte by byte; a body is read as raw bytes."""
    packets, buffer, newlines, position = [], bytearray(), 0, 0
    while position < len(data):
        byte = data[position : position + 1]
        position += 1
        buffer += byte
        if buffer.startswith((b"\r", b"\n")):
            buffer.clear()
            continue
        newlines = newlines + 1 if byte == b"\n" else newlines if byte == b"\r" else 0
        if newlines < 2:
            continue
        packet = read_packet(bytes(buffer).split(b"\0")[0].decode("utf-8", "surrogateescape"))
        for name, value in packet.headers:
            if name.lower() == "content-length":
                position += int(re.match(r"-?\d*", value)[0] or 0)  # type: ignore[index]  # it matches always
        packets.append(packet)
        buffer.clear()
        newlines = 0
    assert not buffer, "bytes left over: the connection would wait for the rest"
    return packets


def read_packet(text: str) -> Read:
    """Split a packet into its command and headers; a line ends at CR or LF, a header's name at the first colon."""
    first, *lines = [line for line in re.split(r"[\r\n]+", text) if line]
    headers = []
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            headers.append((name, value.lstrip(" ")))
    low = text.lower()
    if ("reload" in low or "unload" in low) and "mod_event_socket" in low:
        return Read("RELOAD", [])
    return Read(first, headers)


def separate(text: str, delimiter: str, most: int) -> list[str]:
    """switch_separate_string: quotes, backslashes, ^^x for another delimiter; the last part keeps the rest."""
    if text.startswith("^^") and len(text) > 3:
        delimiter, text = text[2], text[3:]
    parts: list[str] = []
    position = 0
    while position < len(text) and len(parts) < most:
        start, quoted = position, False
        if delimiter == " ":
            while text[position : position + 1] == " ":
                position += 1
        if len(parts) == most - 1:
            parts.append(cleaned(text[start:], delimiter))
            break
        while position < len(text):
            char = text[position]
            if char == "\\":
                position += 1
            elif char == "'" and (delimiter == " " or quoted or "'" in text[position + 1 :]):
                quoted = not quoted
            elif char == delimiter and not quoted:
                break
            position += 1
        parts.append(cleaned(text[start:position], delimiter))
        position += 1
        if delimiter == " ":
            while text[position : position + 1] == " ":
                position += 1
    return parts


def cleaned(part: str, delimiter: str) -> str:
    """cleanup_separated_string: quotes and escapes vanish, blanks at the ends are stripped."""
    found, kept, position, quoted = "", 0, 0, False
    part = part.lstrip(" ")
    while position < len(part):
        char, after = part[position], part[position + 1 : position + 2]
        if char == "\\" and after and after in f"'\"\\nrts{delimiter}":
            found += {"n": "\n", "r": "\r", "t": "\t", "s": " "}.get(after, after)
            kept, position = len(found), position + 1
        elif char == "'" and (quoted or "'" in part[position + 1 :]):
            quoted = not quoted
            kept = len(found) if quoted else kept
        else:
            found += char
            kept = len(found) if char != " " or quoted else kept
        position += 1
    return found[:kept] if kept else found


def brackets(text: str) -> dict[str, str]:
    """switch_event_create_brackets after switch_url_decode: {a=b,c=d}, {^^:a=b:c=d}."""
    decoded = unquote(text)
    assert decoded.startswith("{"), decoded
    assert decoded.endswith("}"), decoded
    inner = decoded[1:-1]
    parts = separate(inner, ",", 1024)
    return dict(part.split("=", 1) for part in parts if "=" in part)


def only(command: Command) -> Read:
    """Send a command and one more after it; return what was read of the first, the only one beside the second."""
    packets = read_stream(command.packet().encode() + b"\n\n" + b"api fence\n\n")
    assert len(packets) == 2
    assert packets[1] == Read("api fence", [])
    return packets[0]


def executed(command: Execute) -> tuple[str, str]:
    """Check that a sendmsg is exactly one execute for its leg; return application and argument."""
    read = only(command)
    assert read.command == f"sendmsg {command.leg}"
    names = [name for name, _ in read.headers]
    allowed = ["call-command", "execute-app-name", "execute-app-arg", "Event-UUID", "event-lock"]
    assert names == [name for name in allowed if name in names]
    headers = dict(read.headers)
    assert headers["call-command"] == "execute"
    assert headers["Event-UUID"] == command.event_uuid
    assert headers.get("event-lock", "false") == ("true" if command.event_lock else "false")
    argument = headers.get("execute-app-arg", "")
    assert "${" not in argument, "an expansion"
    assert not re.match(r"%.?\[", argument), "scope variables"
    assert not argument.startswith("ARRAY::")
    return headers["execute-app-name"], argument


def called(command: ApiCommand) -> list[str]:
    """Check that an api packet is exactly one; return its name and arguments, split at blanks."""
    read = only(command)
    assert read.headers == []
    assert read.command == f"api {command.api_text()}"
    name, _, tail = command.api_text().partition(" ")
    return [name, *separate(tail, " ", 5)]


# --- hostile and good texts -----------------------------------------------------------------------

SNIPPETS = [
    "\r\n\r\napi reloadxml",
    "\n",
    "\r",
    "\0",
    "\x1b[2J",
    "\x85",
    "\u2028",
    "\ud800",
    "${system touch /tmp/x}",
    "$${system touch /tmp/x}",
    "\\${hangup}",
    "%[a=b]",
    "{rate=9}",
    "reload",
    "UNLOAD",
    "mod_event_socket",
    "Mod_Event_Socket",
    "|",
    "'",
    '"',
    "\\",
    " ",
    "\t",
    "%20",
    "%2C",
    ",",
    ";",
    "=",
    ":",
    "}",
    "/../",
    "..",
    "//",
    ".wav",
    "^^:",
    "@@",
    "!",
    "ARRAY::a|:b",
    "Content-Length: 9",
    "é",
    "日本",
    "all",
    "+30",
]


def texts(good: str) -> st.SearchStrategy[str]:
    """Anything at all, good texts, and good texts with something hostile put in."""
    spliced = st.tuples(st.integers(0, len(good)), st.lists(st.sampled_from(SNIPPETS), max_size=4)).map(
        lambda at: good[: at[0]] + "".join(at[1]) + good[at[0] :]
    )
    wild = st.one_of(spliced, spliced, st.text(max_size=60), st.lists(st.sampled_from(SNIPPETS)).map("".join))
    return st.one_of(st.just(good), wild)


legs = texts(LEG)
paths = texts(PATH)


def built(make: Any, *arguments: object, **named: object) -> Any:
    """Build a command; None if it was refused, as it may be."""
    try:
        return make(*arguments, **named)
    except ValueError:
        return None


recording_variables = st.builds(
    lambda track, stereo, swap, **rest: RecordingVariables(
        track=track, stereo=stereo and track is Track.BOTH, swap=stereo and swap and track is Track.BOTH, **rest
    ),
    st.sampled_from(Track),
    st.booleans(),
    st.booleans(),
    recording=st.uuids().map(lambda value: value.hex),
    answer_required=st.booleans(),
    bridge_required=st.booleans(),
    initial_timeout_ms=st.integers(0, 86_400_000),
    final_timeout_ms=st.integers(0, 86_400_000),
    silence_threshold=st.integers(1, 196_608),
    append=st.booleans(),
)
uuids = st.uuids().map(str)
hex_ids = st.uuids().map(lambda value: value.hex)
causes = st.sampled_from(Cause)
words = st.text(string.ascii_letters + string.digits + "-@.", min_size=1, max_size=20)
good_legs = st.one_of(uuids, words.map(lambda word: f"1{word}A"))
components = st.text(string.ascii_letters + string.digits + "_-", min_size=1, max_size=12)
good_paths = st.lists(components, min_size=1, max_size=5).map(lambda parts: "/" + "/".join(parts) + ".wav")
texts_said = st.text("ab |{$}\\'!@\n%é", max_size=30).map("a{}".format)
spoken = st.builds(Spoken, st.just("flite"), st.just("kal"), texts_said)
single_sources = st.one_of(
    good_paths.map(LocalFile),
    st.sampled_from(["%(500,0,640)", "v=-7.5;%(100,20,400,450.5);%(1,1,99);loops=30000"]).map(Tone),
    st.integers(1, 86_400_000).map(SilenceStream),
    spoken,
)
sources = single_sources | st.lists(single_sources, min_size=2, max_size=4).map(tuple).map(Joined)
setvars = st.dictionaries(st.sampled_from(sorted(TAKEOVER_VARIABLES)), st.booleans(), min_size=1).map(
    lambda chosen: {name: TAKEOVER_VARIABLES[name] if given_value else None for name, given_value in chosen.items()}
)
callees = st.builds(
    Callee,
    uuids,
    st.from_regex(r"sofia/gateway/x/\+?[0-9*#]{1,32}", fullmatch=True),
    st.from_regex(r"|\+?[0-9*#]{1,32}|[A-Za-z0-9][A-Za-z0-9._-]{0,30}", fullmatch=True),
)


def leg_of(callee: Callee) -> str:
    return callee.leg


event = {"event_uuid": uuids, "event_lock": st.booleans()}
COMMANDS: dict[str, st.SearchStrategy[Command]] = {
    "RecordSession": st.builds(
        RecordSession, good_legs, good_paths, recording_variables, st.integers(1, 86_400), **event
    ),
    "Answer": st.builds(Answer, good_legs, **event),
    "Playback": st.builds(Playback, good_legs, sources, **event),
    "Hangup": st.builds(Hangup, good_legs, causes, **event),
    "Bridge": st.builds(
        Bridge, good_legs, st.lists(callees, min_size=1, max_size=4, unique_by=leg_of).map(tuple), hex_ids, **event
    ),
    "UuidRecord start": st.builds(
        UuidRecord, good_legs, st.just(Action.START), good_paths, recording_variables, st.integers(1, 86_400)
    ),
    "StopRecorders": st.builds(StopRecorders, good_legs),
    "UuidRecord": st.builds(
        UuidRecord, good_legs, st.sampled_from([Action.STOP, Action.MASK, Action.UNMASK]), good_paths
    ),
    "UuidSetvars": st.builds(UuidSetvars.of, good_legs, setvars),
    "UuidSetvars.takeover": st.builds(UuidSetvars.takeover, good_legs, hex_ids),
    "UuidSetvars.release": st.builds(UuidSetvars.release, good_legs),
    "SchedDel": st.builds(SchedDel, good_legs),
    "SchedHangup": st.builds(SchedHangup, good_legs, st.integers(1, 86_400), causes),
    "UuidKill": st.builds(UuidKill, good_legs, causes),
    "UuidBuglist": st.builds(UuidBuglist, good_legs),
    "UuidExists": st.builds(UuidExists, good_legs),
    "UuidDump": st.builds(UuidDump, good_legs),
    "UuidBreak": st.builds(UuidBreak, good_legs),
    "UuidGetvar": st.builds(UuidGetvar, good_legs, st.sampled_from([MARKER, "read_rate"])),
    "ModuleExists": st.sampled_from(["mod_flite", "mod_event_socket"]).map(ModuleExists),
    "GlobalGetvar": st.sampled_from(["sounds_dir", "core_uuid"]).map(GlobalGetvar),
    "ShowChannels": st.just(ShowChannels()),
    "Version": st.just(Version()),
    "Status": st.just(Status()),
    "Subscribe": st.lists(st.sampled_from(["DTMF", "RECORD_STOP"]), min_size=1).map(
        lambda names: Subscribe(tuple(names))
    ),
}


# --- round trip -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", COMMANDS)
@settings(max_examples=20)
@given(st.data())
def test_a_command_parses_back_from_what_it_prints(kind: str, data: st.DataObject) -> None:
    """parse is the inverse of packet for every command there is."""
    command = data.draw(COMMANDS[kind])
    assert commands.parse(command.packet()) == command


@pytest.mark.parametrize("kind", COMMANDS)
@settings(max_examples=20)
@given(st.data())
def test_what_no_command_prints_is_refused(kind: str, data: st.DataObject) -> None:
    """A packet changed by one splice is another command's, letter for letter, or a ValueError, nothing else."""
    command = data.draw(COMMANDS[kind])
    packet = command.packet()
    at = data.draw(st.integers(0, len(packet)))
    cut = data.draw(st.integers(0, 3))
    changed = packet[:at] + data.draw(st.one_of(st.sampled_from(SNIPPETS), st.text(max_size=5))) + packet[at + cut :]
    try:
        parsed = commands.parse(changed)
    except ValueError:
        return
    assert parsed.packet() == changed


@pytest.mark.parametrize(
    "packet",
    [
        "",
        "api",
        "api ",
        "api system touch /tmp/x",
        "api uuid_record",
        f"api uuid_record {LEG} pause {PATH}",
        f"api uuid_record {LEG} mask all",
        f"api uuid_record {LEG} start {PATH} 0 {{RECORD_STEREO=true}}",
        f"api uuid_kill {LEG} NONSENSE",
        f"api uuid_setvar_multi {LEG} api_hangup_hook=system",
        f"api uuid_exists  {LEG}",
        f"api uuid_dump {LEG} xml",
        f"sendmsg {LEG}",
        f"sendmsg {LEG}\ncall-command: execute\nexecute-app-name: system\nEvent-UUID: {EXECUTION}",
        f"sendmsg {LEG}\ncall-command: hangup\nEvent-UUID: {EXECUTION}",
        f"sendmsg {LEG}\ncall-command: execute\nexecute-app-name: answer\nEvent-UUID: {EXECUTION}\nloops: 9",
        f"sendmsg {LEG}\nno colon",
        "event json ALL",
        "event json",
        "event plain DTMF",
        "exit",
    ],
)
def test_a_packet_of_no_command_is_refused(packet: str) -> None:
    """What we never send never parses."""
    with pytest.raises(ValueError, match="packet: "):
        commands.parse(packet)


# --- what FreeSWITCH reads ------------------------------------------------------------------------


def assert_safe_path(path: str) -> None:
    """No component of a path is empty, a dot or two, or of other letters; the last has the extension."""
    assert path.isascii()
    assert re.fullmatch(r"(/[\w.-]+)+\.wav", path)
    assert not {".", "..", ""} & set(path[1:].split("/"))


def assert_whole_block(block: dict[str, str], variables: RecordingVariables) -> None:
    """The variables of DESIGN 4, all of them, each as its field says."""
    assert block == {
        "RECORD_STEREO": str(variables.stereo).lower(),
        "RECORD_STEREO_SWAP": str(variables.swap).lower(),
        "RECORD_READ_ONLY": str(variables.track is Track.READ).lower(),
        "RECORD_WRITE_ONLY": str(variables.track is Track.WRITE).lower(),
        "RECORD_MIN_SEC": "0",
        "RECORD_APPEND": str(variables.append).lower(),
        "RECORD_ANSWER_REQ": str(variables.answer_required).lower(),
        "RECORD_BRIDGE_REQ": str(variables.bridge_required).lower(),
        "RECORD_INITIAL_TIMEOUT_MS": str(variables.initial_timeout_ms),
        "RECORD_FINAL_TIMEOUT_MS": str(variables.final_timeout_ms),
        "RECORD_SILENCE_THRESHOLD": str(variables.silence_threshold),
        "RECORD_HANGUP_ON_ERROR": "false",
        "record_sample_rate": "0",
        "RECORD_USE_THREAD": "true",
        "RECORD_TOGGLE_ON_REPEAT": "false",
        "RECORD_CHECK_BRIDGE": "false",
        "RECORD_PRE_BUFFER_FRAMES": "0",
        "enable_file_write_buffering": "8192",
        "fsrec_recording": variables.recording,
    }


def leg_is_named(leg: str) -> None:
    if (exists := built(UuidExists, leg)) is None:
        return
    assert called(exists) == ["uuid_exists", leg]
    assert called(UuidBuglist(leg)) == ["uuid_buglist", leg]
    assert called(UuidBreak(leg)) == ["uuid_break", leg]
    assert called(UuidDump(leg)) == ["uuid_dump", leg, "json"]
    assert called(UuidKill(leg)) == ["uuid_kill", leg, "NORMAL_CLEARING"]
    assert called(SchedDel(leg)) == ["sched_del", leg]
    assert called(SchedHangup(leg, 60)) == ["sched_hangup", "+60", leg, "ALLOTTED_TIMEOUT"]
    assert called(UuidGetvar(leg, MARKER)) == ["uuid_getvar", leg, "fsrec_call"]
    assert executed(Answer(leg, event_uuid=EXECUTION)) == ("answer", "")
    assert executed(Hangup(leg, Cause.USER_BUSY, event_uuid=EXECUTION)) == ("hangup", "USER_BUSY")
    assert not re.fullmatch(r"[-+]?[\d.]*|[a-z_]*", leg), "a task's number or a group's name"


def record_session_is_read(leg: str, path: str, variables: RecordingVariables, limit: int) -> None:
    if (command := built(RecordSession, leg, path, variables, limit, event_uuid=EXECUTION)) is None:
        return
    application, argument = executed(command)
    assert application == "record_session"
    first, second, third = separate(argument, " ", 5)
    assert (first, second) == (path, f"+{limit}")
    assert_safe_path(first)
    assert_whole_block(brackets(third), variables)


def uuid_record_is_read(leg: str, path: str, variables: RecordingVariables) -> None:
    if (start := built(UuidRecord, leg, Action.START, path, variables, 60)) is None:
        return
    name, *arguments, block = called(start)
    assert [name, *arguments] == ["uuid_record", leg, "start", path, "60"]
    assert_whole_block(brackets(block), variables)
    for action in (Action.STOP, Action.MASK, Action.UNMASK):
        assert called(UuidRecord(leg, action, path)) == ["uuid_record", leg, action.value, path]


def playback_is_read(leg: str, path: str) -> None:
    if (command := built(lambda: Playback(leg, LocalFile(path), event_uuid=EXECUTION))) is None:
        return
    assert executed(command) == ("playback", path)
    assert_safe_path(path)


def speech_is_read(leg: str, engine: str, voice: str, text: str, lock: bool) -> None:
    make = functools.partial(Spoken, engine, voice)
    if (said := built(make, text)) is None:
        return
    if (command := built(Playback, leg, said, event_uuid=EXECUTION, event_lock=lock)) is None:
        return
    application, argument = executed(command)
    assert application == "playback"
    assert "@@" not in argument
    assert separate(argument.removeprefix("tts://"), "|", 3) == [engine, voice, said.text]
    assert not set("{}|\r\n\t\0") & set(said.text)
    assert said.text == " ".join(said.text.split())
    assert make(said.text) == said
    if (joined := built(Playback, leg, Joined((said, SilenceStream(9), said)), event_uuid=EXECUTION)) is not None:
        parts = separate(executed(joined)[1].removeprefix("file_string://"), "!", 128)
        assert parts == [argument, "silence_stream://9", argument]


def tone_is_read(script: str) -> None:
    if (command := built(lambda: Playback(LEG, Tone(script), event_uuid=EXECUTION))) is None:
        return
    assert executed(command) == ("playback", f"tone_stream://{script}")
    assert set(script) <= set("%(),.;=-0123456789vlops")
    assert "path" not in script


def setvars_are_read(leg: str, call: str, others: dict[str, str | None]) -> None:
    if (command := built(UuidSetvars.of, leg, {MARKER: call, **others})) is None:
        return
    name, first, block = called(command)
    assert (name, first) == ("uuid_setvar_multi", leg)
    pairs = [pair.split("=", 1) for pair in separate(block, ";", 64)]
    assert pairs[0] == [MARKER, call]
    assert re.fullmatch("[0-9a-f]{32}", call)
    allowed = {f"{key}={value or ''}" for key, value in [*TAKEOVER_VARIABLES.items(), *RELEASE_VARIABLES.items()]}
    assert {f"{key}={value}" for key, value in pairs[1:]} <= allowed | {f"{key}=" for key in TAKEOVER_VARIABLES}


def getvar_is_read(name: str) -> None:
    if (asked := built(GlobalGetvar, name)) is None:
        return
    assert called(asked) == ["global_getvar", name]
    assert called(UuidGetvar(LEG, name)) == ["uuid_getvar", LEG, name]


def module_is_read(name: str) -> None:
    if (asked := built(ModuleExists, name)) is None:
        return
    assert called(asked) == ["module_exists", name]


def subscription_is_read(events: list[str]) -> None:
    if (command := built(Subscribe, tuple(events))) is None:
        return
    assert only(command) == Read("event json " + " ".join(events), [])
    assert all(re.fullmatch("[A-Z_]+", name) and name not in {"ALL", "CUSTOM"} for name in events)


@given(legs, paths, recording_variables, st.integers(-1, 90_000))
def test_record_session_is_read_as_one_recording(
    leg: str, path: str, variables: RecordingVariables, limit: int
) -> None:
    """Path, limit and variables arrive as three arguments whatever leg and path are; the variables arrive whole."""
    record_session_is_read(leg, path, variables, limit)


@given(legs, paths, recording_variables)
def test_uuid_record_is_read_as_one_action(leg: str, path: str, variables: RecordingVariables) -> None:
    """The same for the API form, whose variables must be the fifth argument."""
    uuid_record_is_read(leg, path, variables)


@given(legs, texts("flite"), texts("kal"), texts("Please leave a message."), st.booleans())
def test_speech_is_read_as_one_text(leg: str, engine: str, voice: str, text: str, lock: bool) -> None:
    """Engine, voice and text arrive as three parts; nothing in the text means anything to FreeSWITCH or an engine."""
    speech_is_read(leg, engine, voice, text, lock)


@given(texts("Please leave a message."))
def test_speaking_keeps_every_letter(text: str) -> None:
    """Making a text fit loses nothing that is heard: letters and digits stay, in their order."""
    if (command := built(Spoken, "flite", "kal", text)) is None:
        return
    assert [c for c in command.text if c.isalnum()] == [c for c in text if c.isalnum()]


@given(legs, paths)
def test_playback_of_a_file_is_read_as_that_file(leg: str, path: str) -> None:
    """A file's path arrives as it stands and cannot become a stream, a seek or a list."""
    playback_is_read(leg, path)


@given(texts("v=-7;%(500,100,640,480);loops=2"))
def test_a_tone_is_nothing_but_tones(script: str) -> None:
    """No script reads a file or runs for ever."""
    tone_is_read(script)


@given(legs)
def test_commands_about_a_leg_name_that_leg(leg: str) -> None:
    """A leg's id is one argument of the right place in each command, whatever the caller chose for it."""
    leg_is_named(leg)


@given(legs, texts(RECORDING), st.dictionaries(texts("continue_on_fail"), st.none() | texts("true"), max_size=3))
def test_variables_are_set_to_closed_values_only(leg: str, call: str, others: dict[str, str | None]) -> None:
    """uuid_setvar_multi carries no name and no value but those of DESIGN 4."""
    setvars_are_read(leg, call, others)


@given(texts("sounds_dir"))
def test_names_of_variables_and_modules_are_one_argument(name: str) -> None:
    """Names given to getvar and module_exists are plain words."""
    getvar_is_read(name)


@given(texts("mod_flite"))
def test_a_module_is_asked_for_by_one_name(name: str) -> None:
    """And nothing that is asked for reloads it."""
    module_is_read(name)


@given(st.lists(texts("CHANNEL_PARK"), max_size=4))
def test_a_subscription_is_a_list_of_names(events: list[str]) -> None:
    """Subscribe prints event json and names, never ALL nor CUSTOM."""
    subscription_is_read(events)


EVERYTHING = [*map(chr, range(0x100)), "\u2028", "\u202e", "\ud800", "\ufeff", "\uff2b", *SNIPPETS]


@pytest.mark.parametrize("at", [0, -4, 999])
@pytest.mark.parametrize(
    ("good", "read_as_meant"),
    [
        (LEG, leg_is_named),
        (
            PATH,
            lambda path: record_session_is_read(LEG, path, VARIABLES, 9),
        ),
        (PATH, lambda path: uuid_record_is_read(LEG, path, VARIABLES)),
        (PATH, lambda path: playback_is_read(LEG, path)),
        (
            "flite",
            lambda engine: speech_is_read(LEG, engine, "kal", "a", False),
        ),
        ("kal", lambda voice: speech_is_read(LEG, "flite", voice, "a", False)),
        (
            "Say this",
            lambda text: speech_is_read(LEG, "flite", "kal", text, True),
        ),
        ("%(500,0,640)", tone_is_read),
        (RECORDING, lambda call: setvars_are_read(LEG, call, {})),
        ("sounds_dir", getvar_is_read),
        ("mod_flite", module_is_read),
        ("DTMF", lambda name: subscription_is_read([name])),
    ],
    ids=[
        "leg",
        "record_session",
        "uuid_record",
        "playback",
        "engine",
        "voice",
        "text",
        "tone",
        "call",
        "name",
        "module",
        "event",
    ],
)
def test_no_character_gets_through_anywhere(good: str, read_as_meant: Any, at: int) -> None:
    """Every character up to U+00FF and each snippet, anywhere in each field, is refused or read as meant."""
    for inserted in EVERYTHING:
        read_as_meant(good[:at] + inserted + good[at:])


# --- tables ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "leg",
    [
        LEG,
        "1-27461@127.0.0.1",
        "a84b4c76e66710@pc33.atlanta.example.com",
        "-xY~q7Jc0R",
        "ZjM0YWFmZjY5NGY..",
        "x1" * 128,
    ],
)
def test_ids_that_phones_choose_are_taken(leg: str) -> None:
    """Call-IDs of common user agents fit as Unique-IDs."""
    assert commands.is_leg_id(leg)
    assert called(UuidExists(leg)) == ["uuid_exists", leg]


@pytest.mark.parametrize(
    "leg",
    ["", "7", "+7.5", "core", "mod_hash", "limit_hash", "a b1", "a1\n", "a1'", "1\\", "1;2a", "é1", "x1" * 129,
     "1{a}", "${x1}", "1mod_event_socketA", "1|2a", "1%20a", None, 7, ["a1"]],
)  # fmt: skip
def test_ids_that_could_do_harm_are_not_taken(leg: object) -> None:
    """What could be split, expanded, or taken for a scheduled task is no leg."""
    assert not commands.is_leg_id(leg)


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        (" Hello,\r\n\tworld ", "Hello, world"),
        ("Please reload the mod_event_socket module", "Please reload the mod event socket module"),
        ("unload Mod_Event_SOCKET", "unload Mod Event SOCKET"),
        ("mod_event_mod_event_socketsocket reload", "mod_event_mod event socketsocket reload"),
        ("${system reboot}", "$ system reboot"),
        ("{rate=9}hello", "rate=9 hello"),
        ("a|b", "a b"),
        ("a@@@b", "a@ @ @b"),
        ("it's 5 % of \\ 'x' \u2028 日本", "it's 5 % of \\ 'x' 日本"),
    ],
)
def test_what_is_spoken(text: str, spoken: str) -> None:
    """Examples of texts made fit; none of them is refused."""
    assert Spoken("flite", "kal", text).text == spoken


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Spoken("flite", "kal", " \n{} "), "text: 0 characters"),
        (lambda: Spoken("flite", "kal", "x" * 8193), "text: 8193 characters"),
        (lambda: Spoken("flite", "kal", "a\0b"), "text: .*control"),
        (lambda: Spoken("flite", "kal", "a\x9bb"), "text: .*control"),
        (lambda: Spoken("flite", "kal", "a\ud800"), "text: .*control"),
        (lambda: Spoken("Flite", "kal", "a"), "engine: 'Flite'"),
        (lambda: Playback(LEG, Spoken("x", "mod_event_socket", "reload"), event_uuid=EXECUTION), "packet: .*reload"),
        (lambda: Playback(LEG, Spoken("flite", "kal", "a"), event_uuid="x"), "event_uuid: 'x'"),
        (lambda: RecordSession(LEG, "a.wav", VARIABLES, event_uuid=EXECUTION), "path: 'a.wav' is no path"),
        (lambda: RecordSession(LEG, "/a/../b.wav", VARIABLES, event_uuid=EXECUTION), "path: .*component"),
        (lambda: RecordSession(LEG, "/a/.wav", VARIABLES, event_uuid=EXECUTION), "path: .*extension"),
        (lambda: RecordSession(LEG, "/a/b.WAV", VARIABLES, event_uuid=EXECUTION), "path: .*extension"),
        (lambda: RecordSession(LEG, "/a/b.mp3", VARIABLES, event_uuid=EXECUTION), "path: .*right is one of wav"),
        (lambda: RecordSession(LEG, PATH, VARIABLES, 0, event_uuid=EXECUTION), "limit: 0 is out of range"),
        (lambda: RecordSession(LEG, PATH, VARIABLES, True, event_uuid=EXECUTION), "limit: True"),
        (lambda: UuidRecord(LEG, Action.START, PATH), "variables: None for a start"),
        (lambda: UuidRecord(LEG, Action.STOP, PATH, VARIABLES), "variables, limit: given for stop"),
        (lambda: UuidRecord(LEG, Action.MASK, PATH, limit=9), "variables, limit: given for mask"),
        (lambda: UuidSetvars(LEG, ()), "variables: none"),
        (lambda: UuidSetvars(LEG, ((MARKER, None), (MARKER, RECORDING))), "variables: none, or one twice"),
        (lambda: UuidSetvars.of(LEG, {"continue_on_fail": "false"}), "variables: 'continue_on_fail'='false'"),
        (lambda: UuidSetvars.takeover(LEG, "x"), "fsrec_call: 'x' is no id of ours"),
        (lambda: RecordingVariables("x"), "recording: 'x'"),
        (lambda: RecordingVariables(RECORDING, track=Track.READ, stereo=True), "stereo: True with track read"),
        (lambda: RecordingVariables(RECORDING, swap=True), "swap: True without stereo"),
        (lambda: RecordingVariables(RECORDING, stereo="x"), "stereo: 'x'"),  # type: ignore[arg-type]  # the point
        (lambda: RecordingVariables(RECORDING, final_timeout_ms=-1, silence_threshold=1), "final_timeout_ms: -1"),
        (lambda: RecordingVariables(RECORDING, initial_timeout_ms=1), "silence_threshold: 0 with"),
        (lambda: RecordingVariables.parse("{RECORD_STEREO=true}"), "recording variables: 'RECORD_READ_ONLY' is m"),
        (lambda: RecordingVariables.parse(str(VARIABLES).replace("MIN_SEC=0", "MIN_SEC=3")), "recording variables: "),
        (lambda: Tone("path=/etc/passwd"), "tone: "),
        (lambda: Tone("%(500,0,640);loops=-1"), "tone: "),
        (lambda: SilenceStream(0), "silence: 0"),
        (lambda: Joined(()), "joined: 0"),
        (lambda: LocalFile("http://a/b.wav"), "file: "),
        (lambda: Subscribe(()), "events: none"),
        (lambda: Subscribe(("ALL",)), "events: ALL"),
        (lambda: UuidGetvar(LEG, "a b"), "name: 'a b'"),
        (lambda: ModuleExists("mod_flite reload"), "name: "),
        (lambda: silence_threshold(101, 8000), "sensitivity: 101"),
        (lambda: silence_threshold(44, 96_000), "rate: 96000"),
        (lambda: commands_text.sealed("api x\n\napi y"), "packet: .*blank line"),
        (lambda: commands_text.sealed("api x\n"), "packet: .*blank line"),
        (lambda: commands_text.sealed("api\rx"), "packet: .*control"),
    ],
)  # fmt: skip
def test_refusals_say_what_where_and_why(make: Any, message: str) -> None:
    """Each refusal is a ValueError that begins with the field and, where there is one, shows the value."""
    with pytest.raises(ValueError, match=f"^{message}") as refused:
        make()
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 1200


PIECES = [
    "a",
    "\n",
    "\r",
    "\0",
    "\x7f",
    "\x85",
    "\u017f",
    "mod_event_",
    "MOD_EVENT_",
    "socket",
    "\u017focket",
    "reload",
    "unload",
    " ",
]


@given(st.lists(st.sampled_from(PIECES)).map("".join) | st.text())
def test_what_is_plainly_harmless_is(packet: str) -> None:
    """The quick look at a packet calls nothing harmless that the thorough one refuses."""
    if commands_text._harmless(packet):
        assert not commands_text._BREAKS.search(packet)
        assert not (commands_text._RELOAD.search(packet) and commands_text._MODULE.search(packet))


@pytest.mark.parametrize(
    ("sensitivity", "rate", "threshold"),
    [(44, 8000, 200), (44, 16_000, 400), (44, 48_000, 1200), (0, 8000, 32_768), (100, 16_000, 2), (22, 8000, 2560)],
)
def test_silence_threshold(sensitivity: float, rate: int, threshold: int) -> None:
    """DESIGN 4's formula: 44 is FreeSWITCH's 200, 0 its full scale, never less than 1 at 8000 Hz."""
    assert silence_threshold(sensitivity, rate) == threshold


def test_a_leg_is_taken_over_in_one_packet() -> None:
    """Marker, lock and the rest are one command, in the words that a real switch was seen to take."""
    assert UuidSetvars.takeover(LEG, RECORDING).packet() == (
        f"api uuid_setvar_multi {LEG} fsrec_call={RECORDING};app_disable_expand_variables=true;"
        "playback_terminators=none;continue_on_fail=true;hangup_after_bridge=false;"
        "park_after_bridge=;transfer_after_bridge="
    )


def test_a_leg_is_let_go_without_marker_and_lock() -> None:
    """All that taking over and dialling set is unset; what taking over unset stays so."""
    set_by_takeover = {MARKER, *(name for name, value in TAKEOVER_VARIABLES.items() if value is not None)}
    assert dict(UuidSetvars.release(LEG).variables) == dict.fromkeys(set_by_takeover | {RINGBACK, QUESTION})


def test_the_model_sees_what_it_should() -> None:
    """The reader of these tests does notice a second packet, a header, a body, a quote and the reload."""
    assert [read.command for read in read_stream(b"\r\napi a\r\n\r\napi b\n\n")] == ["api a", "api b"]
    assert read_stream(b"sendmsg x\nloops:  9\n\n")[0].headers == [("loops", "9")]
    assert len(read_stream(b"x\nContent-Length: 7\n\napi b\n\napi c\n\n")) == 2
    assert read_stream(b"api x\na: please RELOAD the mod_event_SOCKET\n\n")[0].command == "RELOAD"
    assert separate("a 'b c' d\\ e f", " ", 9) == ["a", "b c", "d e", "f"]
    assert separate("^^:a b:c", " ", 9) == ["a b", "c"]
    assert separate("a|b|c|d", "|", 3) == ["a", "b", "c|d"]

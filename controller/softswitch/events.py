"""Events as mod_event_socket writes them: ordered headers that may repeat, in plain, JSON and XML."""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from json.encoder import encode_basestring as quote
from typing import Literal
from xml.sax.saxutils import escape

Format = Literal["plain", "json", "xml"]
Header = tuple[str, str]

_ARRAY = "ARRAY::"

# EVENT_NAMES of switch_event.c
_NAMES = """
CUSTOM CLONE CHANNEL_CREATE CHANNEL_DESTROY CHANNEL_STATE CHANNEL_CALLSTATE CHANNEL_ANSWER CHANNEL_HANGUP
CHANNEL_HANGUP_COMPLETE CHANNEL_EXECUTE CHANNEL_EXECUTE_COMPLETE CHANNEL_HOLD CHANNEL_UNHOLD CHANNEL_BRIDGE
CHANNEL_UNBRIDGE CHANNEL_PROGRESS CHANNEL_PROGRESS_MEDIA CHANNEL_OUTGOING CHANNEL_PARK CHANNEL_UNPARK
CHANNEL_APPLICATION CHANNEL_ORIGINATE CHANNEL_UUID API LOG INBOUND_CHAN OUTBOUND_CHAN STARTUP SHUTDOWN PUBLISH
UNPUBLISH TALK NOTALK SESSION_CRASH MODULE_LOAD MODULE_UNLOAD DTMF MESSAGE PRESENCE_IN NOTIFY_IN PRESENCE_OUT
PRESENCE_PROBE MESSAGE_WAITING MESSAGE_QUERY ROSTER CODEC BACKGROUND_JOB DETECTED_SPEECH DETECTED_TONE
PRIVATE_COMMAND HEARTBEAT TRAP ADD_SCHEDULE DEL_SCHEDULE EXE_SCHEDULE RE_SCHEDULE RELOADXML NOTIFY PHONE_FEATURE
PHONE_FEATURE_SUBSCRIBE SEND_MESSAGE RECV_MESSAGE REQUEST_PARAMS CHANNEL_DATA GENERAL COMMAND SESSION_HEARTBEAT
CLIENT_DISCONNECTED SERVER_DISCONNECTED SEND_INFO RECV_INFO RECV_RTCP_MESSAGE SEND_RTCP_MESSAGE CALL_SECURE NAT
RECORD_START RECORD_STOP PLAYBACK_START PLAYBACK_STOP CALL_UPDATE FAILURE SOCKET_DATA MEDIA_BUG_START
MEDIA_BUG_STOP CONFERENCE_DATA_QUERY CONFERENCE_DATA CALL_SETUP_REQ CALL_SETUP_RESULT CALL_DETAIL DEVICE_STATE
TEXT SHUTDOWN_REQUESTED CERT_RELOAD ALL
"""
NAMES = frozenset(_NAMES.split())

# Where the real switch fires each: Event-Calling-File, -Function, -Line-Number.
_ORIGINS = {
    "CHANNEL_UUID": ("switch_core_session.c", "switch_core_session_set_uuid", "2056"),
    "CHANNEL_OUTGOING": ("switch_core_session.c", "switch_core_session_outgoing_channel", "768"),
    "CHANNEL_STATE": ("switch_channel.c", "switch_channel_perform_set_running_state", "2409"),
    "CHANNEL_CREATE": ("switch_core_state_machine.c", "switch_core_session_run", "626"),
    "CHANNEL_ORIGINATE": ("switch_core_state_machine.c", "switch_core_session_run", "632"),
    "CHANNEL_CALLSTATE": ("switch_channel.c", "switch_channel_perform_set_callstate", "302"),
    "CHANNEL_EXECUTE": ("switch_core_session.c", "switch_core_session_exec", "2949"),
    "CHANNEL_EXECUTE_COMPLETE": ("switch_core_session.c", "switch_core_session_exec", "2972"),
    "CHANNEL_ANSWER": ("switch_channel.c", "switch_channel_perform_mark_answered", "3848"),
    "CHANNEL_PROGRESS_MEDIA": ("switch_channel.c", "switch_channel_perform_mark_pre_answered", "3568"),
    "CALL_UPDATE": ("switch_channel.c", "switch_channel_flip_cid", "3279"),
    "CHANNEL_PARK": ("switch_ivr.c", "switch_ivr_park", "1002"),
    "CHANNEL_UNPARK": ("switch_ivr.c", "switch_ivr_park", "1213"),
    "CHANNEL_HOLD": ("switch_ivr.c", "switch_ivr_hold", "1558"),
    "CHANNEL_UNHOLD": ("switch_ivr.c", "switch_ivr_unhold", "1638"),
    "PLAYBACK_START": ("switch_ivr_play_say.c", "switch_ivr_play_file", "1649"),
    "PLAYBACK_STOP": ("switch_ivr_play_say.c", "switch_ivr_play_file", "2023"),
    "RECORD_START": ("switch_ivr_async.c", "record_callback", "1482"),
    "RECORD_STOP": ("switch_ivr_async.c", "send_record_stop_event", "1241"),
    "MEDIA_BUG_START": ("switch_core_media_bug.c", "switch_core_media_bug_add", "1014"),
    "MEDIA_BUG_STOP": ("switch_core_media_bug.c", "switch_core_media_bug_destroy", "84"),
    "PRIVATE_COMMAND": ("switch_ivr.c", "switch_ivr_parse_next_event", "804"),
    "CHANNEL_BRIDGE": ("switch_ivr_bridge.c", "switch_ivr_multi_threaded_bridge", "1689"),
    "CHANNEL_UNBRIDGE": ("switch_ivr_bridge.c", "switch_ivr_multi_threaded_bridge", "1879"),
    "CHANNEL_HANGUP": ("switch_channel.c", "switch_channel_perform_hangup", "3447"),
    "CHANNEL_HANGUP_COMPLETE": ("switch_core_state_machine.c", "switch_core_session_reporting_state", "943"),
    "CHANNEL_DESTROY": ("switch_core_session.c", "switch_core_session_perform_destroy", "1588"),
    "DTMF": ("switch_channel.c", "switch_channel_dequeue_dtmf", "678"),
    "BACKGROUND_JOB": ("mod_event_socket.c", "api_exec", "1569"),
    "HEARTBEAT": ("switch_core.c", "send_heartbeat", "95"),
    "API": ("switch_loadable_module.c", "switch_api_execute", "2949"),
}
_NOWHERE = ("switch_event.c", "switch_event_create", "1")


class Event:
    """One event; its texts are made once, whoever asks. Header names compare case-insensitively."""

    __slots__ = ("_frames", "body", "headers", "name")

    def __init__(self, name: str, headers: list[Header], body: str | None = None) -> None:
        self.name = name
        self.headers = headers
        self.body = body
        self._frames: dict[Format, bytes] = {}

    def get(self, name: str) -> str | None:
        """Return the first value of a header, None when it is missing."""
        wanted = name.lower()
        for key, value in self.headers:
            if key.lower() == wanted:
                return value
        return None

    def frame(self, form: Format) -> bytes:
        """Render the event as it goes over the wire, outer headers included (Content-Length first: es:1438)."""
        frame = self._frames.get(form)
        if frame is None:
            text = {"plain": self.plain, "json": self.json, "xml": self.xml}[form]()
            payload = to_bytes(text)
            frame = b"Content-Length: %d\nContent-Type: text/event-%s\n\n%s" % (
                len(payload),
                form.encode(),
                payload,
            )
            self._frames[form] = frame
        return frame

    def plain(self, *, encode: bool = True) -> str:
        """Header lines with url-encoded values, blank line, body."""
        lines = [f"{name}: {url_encode(value) if encode else f'[{value}]'}\n" for name, value in self.headers]
        if self.body is None:
            return "".join(lines) + "\n"
        return "".join(lines) + f"Content-Length: {len(to_bytes(self.body))}\n\n{self.body}"

    def json(self) -> str:
        """One object, exact values; headers that repeat are keys that repeat, arrays are lists."""
        headers = list(self.headers)
        if self.body is not None:
            headers += [("Content-Length", str(len(to_bytes(self.body)))), ("_body", self.body)]
        return "{" + ",".join(_json_pairs(headers)) + "}"

    def xml(self) -> str:
        """`<event><headers>…</headers>[<body>]</event>` with url-encoded values."""
        lines = [f"    <{name}>{escape(url_encode(value))}</{name}>\n" for name, value in self.headers]
        body = ""
        if self.body is not None:
            length = len(to_bytes(self.body))
            body = f"  <Content-Length>{length}</Content-Length>\n  <body>{escape(self.body)}</body>\n"
        return "<event>\n  <headers>\n" + "".join(lines) + "  </headers>\n" + body + "</event>"


def _json_pairs(headers: Iterable[Header]) -> Iterator[str]:
    for name, value in headers:
        if value.startswith(_ARRAY):
            items = ",".join(map(quote, value.removeprefix(_ARRAY).split("|:")))
            yield f"{quote(name)}:[{items}]"
        else:
            yield f"{quote(name)}:{quote(value)}"


def core_headers(
    name: str, *, core_uuid: str, hostname: str, sequence: int, now: float, subclass: str | None = None
) -> list[Header]:
    """Make the headers that every event begins with. `now` is Unix time in seconds."""
    moment = datetime.fromtimestamp(now, UTC)
    file, function, line = _ORIGINS.get(name, _NOWHERE)
    headers = [
        ("Event-Name", name),
        ("Core-UUID", core_uuid),
        ("FreeSWITCH-Hostname", hostname),
        ("FreeSWITCH-Switchname", hostname),
        ("FreeSWITCH-IPv4", "127.0.0.1"),
        ("FreeSWITCH-IPv6", "::1"),
        ("Event-Date-Local", moment.strftime("%Y-%m-%d %H:%M:%S")),
        ("Event-Date-GMT", moment.strftime("%a, %d %b %Y %H:%M:%S GMT")),
        ("Event-Date-Timestamp", str(int(now * 1_000_000))),
        ("Event-Calling-File", file),
        ("Event-Calling-Function", function),
        ("Event-Calling-Line-Number", line),
        ("Event-Sequence", str(sequence)),
    ]
    return headers if subclass is None else [("Event-Subclass", subclass), *headers]


_ENCODED = re.compile(rb"%[0-9A-F]{2}|[^!$'()*,\-./0-9A-Z_a-z~]")


def url_encode(value: str) -> str:
    """FreeSWITCH's url encoding, `%XX` passthrough included, which makes it irreversible (spec 3.4)."""
    if value == "":
        return "_undef_"
    return _ENCODED.sub(_encode_match, to_bytes(value)).decode("ascii")


def _encode_match(match: re.Match[bytes]) -> bytes:
    found = match.group()
    return found if len(found) == 3 else b"%%%02X" % found[0]


def to_bytes(text: str) -> bytes:
    """Text as it goes out: bytes that were no UTF-8 travel as surrogates inside and come out as they were."""
    return text.encode("utf-8", "surrogateescape")

"""Value objects that stand in arguments of commands; each prints itself and parses back exactly."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Self

from controller.switch import commands_text as check

if TYPE_CHECKING:
    from collections.abc import Mapping

RECORDING_EXTENSIONS = frozenset({"wav"})
"""The master is always WAV (DESIGN 4)."""

NET_LIMIT = 86_400
"""Seconds that FreeSWITCH gets as a recording's limit: a net; the true limit is kept by the service (DESIGN 4)."""

MARKER = "fsrec_call"
"""Channel variable that says whose a leg is: its value is our call id."""

TAKEOVER_VARIABLES: Mapping[str, str | None] = MappingProxyType(
    {
        "app_disable_expand_variables": "true",
        "playback_terminators": "none",
        "continue_on_fail": "true",
        "hangup_after_bridge": "false",
        "park_after_bridge": None,
        "transfer_after_bridge": None,
    }
)
"""Set (None: unset) beside the marker when a leg is taken over (DESIGN 4). The first is the expansion lock."""

RINGBACK, QUESTION = "transfer_ringback", "group_confirm_file"
"""What is heard while a leg of ours dials: set before each of its bridges, unset after it (commands_heard)."""

RELEASE_VARIABLES: Mapping[str, str | None] = MappingProxyType(
    {
        MARKER: None,
        "app_disable_expand_variables": None,
        "playback_terminators": None,
        "continue_on_fail": None,
        "hangup_after_bridge": None,
        RINGBACK: None,
        QUESTION: None,
    }
)
"""Unset before a leg is let go: with the lock still on, a dialplan ran a literal ``${tone}`` (measured)."""


class Cause(StrEnum):
    """FreeSWITCH's hangup causes (switch_channel.c, CAUSE_CHART) that a command may name."""

    UNALLOCATED_NUMBER = "UNALLOCATED_NUMBER"
    NO_ROUTE_TRANSIT_NET = "NO_ROUTE_TRANSIT_NET"
    NO_ROUTE_DESTINATION = "NO_ROUTE_DESTINATION"
    CHANNEL_UNACCEPTABLE = "CHANNEL_UNACCEPTABLE"
    CALL_AWARDED_DELIVERED = "CALL_AWARDED_DELIVERED"
    NORMAL_CLEARING = "NORMAL_CLEARING"
    USER_BUSY = "USER_BUSY"
    NO_USER_RESPONSE = "NO_USER_RESPONSE"
    NO_ANSWER = "NO_ANSWER"
    SUBSCRIBER_ABSENT = "SUBSCRIBER_ABSENT"
    CALL_REJECTED = "CALL_REJECTED"
    NUMBER_CHANGED = "NUMBER_CHANGED"
    REDIRECTION_TO_NEW_DESTINATION = "REDIRECTION_TO_NEW_DESTINATION"
    EXCHANGE_ROUTING_ERROR = "EXCHANGE_ROUTING_ERROR"
    DESTINATION_OUT_OF_ORDER = "DESTINATION_OUT_OF_ORDER"
    INVALID_NUMBER_FORMAT = "INVALID_NUMBER_FORMAT"
    FACILITY_REJECTED = "FACILITY_REJECTED"
    NORMAL_UNSPECIFIED = "NORMAL_UNSPECIFIED"
    NORMAL_CIRCUIT_CONGESTION = "NORMAL_CIRCUIT_CONGESTION"
    NETWORK_OUT_OF_ORDER = "NETWORK_OUT_OF_ORDER"
    NORMAL_TEMPORARY_FAILURE = "NORMAL_TEMPORARY_FAILURE"
    SWITCH_CONGESTION = "SWITCH_CONGESTION"
    REQUESTED_CHAN_UNAVAIL = "REQUESTED_CHAN_UNAVAIL"
    FACILITY_NOT_SUBSCRIBED = "FACILITY_NOT_SUBSCRIBED"
    OUTGOING_CALL_BARRED = "OUTGOING_CALL_BARRED"
    INCOMING_CALL_BARRED = "INCOMING_CALL_BARRED"
    BEARERCAPABILITY_NOTAUTH = "BEARERCAPABILITY_NOTAUTH"
    BEARERCAPABILITY_NOTAVAIL = "BEARERCAPABILITY_NOTAVAIL"
    SERVICE_UNAVAILABLE = "SERVICE_UNAVAILABLE"
    SERVICE_NOT_IMPLEMENTED = "SERVICE_NOT_IMPLEMENTED"
    INCOMPATIBLE_DESTINATION = "INCOMPATIBLE_DESTINATION"
    RECOVERY_ON_TIMER_EXPIRE = "RECOVERY_ON_TIMER_EXPIRE"
    PROTOCOL_ERROR = "PROTOCOL_ERROR"
    INTERWORKING = "INTERWORKING"
    ORIGINATOR_CANCEL = "ORIGINATOR_CANCEL"
    SYSTEM_SHUTDOWN = "SYSTEM_SHUTDOWN"
    MANAGER_REQUEST = "MANAGER_REQUEST"
    ALLOTTED_TIMEOUT = "ALLOTTED_TIMEOUT"
    MEDIA_TIMEOUT = "MEDIA_TIMEOUT"
    PICKED_OFF = "PICKED_OFF"
    BUSY_EVERYWHERE = "BUSY_EVERYWHERE"
    DECLINE = "DECLINE"
    DOES_NOT_EXIST_ANYWHERE = "DOES_NOT_EXIST_ANYWHERE"
    NOT_ACCEPTABLE = "NOT_ACCEPTABLE"
    UNWANTED = "UNWANTED"


class Track(StrEnum):
    """Which direction of a leg is recorded, in FreeSWITCH's words.

    ``read`` is what the leg's party says, ``write`` what it hears.
    """

    READ = "read"
    WRITE = "write"
    BOTH = "both"


def silence_threshold(sensitivity: float, rate: int) -> int:
    """Turn a sensitivity (0 to 100; 44 is FreeSWITCH's 200) into RECORD_SILENCE_THRESHOLD at a leg's rate in Hz.

    DESIGN 4: max(1, round(32768 * (200/32768)^(s/44))) * rate/8000. FreeSWITCH compares it with the mean of the
    samples' absolute values, itself scaled by rate/8000.
    """
    if not 0 <= sensitivity <= 100:
        raise ValueError(f"sensitivity: {check.shown(sensitivity)} is out of range; right is a number from 0 to 100")
    check.bounded(rate, "rate", 8000, 48_000)
    at_8000 = max(1, round(32768 * math.pow(200 / 32768, sensitivity / 44)))
    return round(at_8000 * rate / 8000)


_PLAIN = ("false", "true")
_FIXED = {
    "RECORD_MIN_SEC": "0",
    "RECORD_APPEND": "false",
    "RECORD_HANGUP_ON_ERROR": "false",
    "RECORD_PRE_BUFFER_FRAMES": "0",
    "enable_file_write_buffering": "8192",
    # Beside DESIGN's list, since a dialplan that sets them on the channel would change our recordings: a rate that
    # FreeSWITCH does not know leaves the leg's; a start that is repeated after a lost link must not stop it.
    "record_sample_rate": "0",
    "RECORD_TOGGLE_ON_REPEAT": "false",
    "RECORD_CHECK_BRIDGE": "false",
}


@dataclass(frozen=True, slots=True)
class RecordingVariables:
    """The whole ``{…}`` block of a recording, every variable every time (DESIGN 4, spec 1.4).

    What it leaves out, FreeSWITCH would take from the channel and from globals: RECORD_MIN_SEC=3 on a channel was
    seen to delete a recording that didn't mention it.

    Attributes:
        recording: our recording's id (32 hex digits); comes back as Recording-Variable-fsrec_recording.
        track: the direction recorded. One direction is always one channel.
        stereo: two channels, left what the party says, right what it hears.
        swap: the channels the other way round.
        answer_required: no audio until the leg is answered.
        bridge_required: no audio while the leg is not bridged.
        initial_timeout_ms: leading silence that ends the recording; 0: none.
        final_timeout_ms: silence after speech that ends it; 0: none.
        silence_threshold: what is silence, as of silence_threshold(); 0: detection off.
        append: continue an existing file.
        threaded: a thread of its own writes the file; else the leg's media thread does.

    """

    recording: str
    track: Track = Track.BOTH
    stereo: bool = False
    swap: bool = False
    answer_required: bool = False
    bridge_required: bool = False
    initial_timeout_ms: int = 0
    final_timeout_ms: int = 0
    silence_threshold: int = 0
    append: bool = False
    threaded: bool = True

    def __post_init__(self) -> None:
        check.hex_id(self.recording, "recording")
        object.__setattr__(self, "track", Track(self.track))
        for name in ("stereo", "swap", "answer_required", "bridge_required", "append", "threaded"):
            if getattr(self, name) not in (True, False):
                raise ValueError(f"{name}: {check.shown(getattr(self, name))} is not allowed; right is True or False")
        if self.stereo and self.track is not Track.BOTH:
            raise ValueError(f"stereo: True with track {self.track}; right is False, one direction is one channel")
        if self.swap and not self.stereo:
            raise ValueError("swap: True without stereo; right is False (FreeSWITCH would record stereo)")
        check.bounded(self.initial_timeout_ms, "initial_timeout_ms", 0, NET_LIMIT * 1000)
        check.bounded(self.final_timeout_ms, "final_timeout_ms", 0, NET_LIMIT * 1000)
        check.bounded(self.silence_threshold, "silence_threshold", 0, 32768 * 6)
        if (self.initial_timeout_ms or self.final_timeout_ms) and not self.silence_threshold:
            raise ValueError("silence_threshold: 0 with a silence timeout; right is one of silence_threshold()")

    def __str__(self) -> str:
        pairs = {
            "RECORD_STEREO": _PLAIN[self.stereo],
            "RECORD_STEREO_SWAP": _PLAIN[self.swap],
            "RECORD_READ_ONLY": _PLAIN[self.track is Track.READ],
            "RECORD_WRITE_ONLY": _PLAIN[self.track is Track.WRITE],
            "RECORD_ANSWER_REQ": _PLAIN[self.answer_required],
            "RECORD_BRIDGE_REQ": _PLAIN[self.bridge_required],
            "RECORD_INITIAL_TIMEOUT_MS": str(self.initial_timeout_ms),
            "RECORD_FINAL_TIMEOUT_MS": str(self.final_timeout_ms),
            "RECORD_SILENCE_THRESHOLD": str(self.silence_threshold),
            **_FIXED,
            "RECORD_APPEND": _PLAIN[self.append],
            "RECORD_USE_THREAD": _PLAIN[self.threaded],
            "fsrec_recording": self.recording,
        }
        return "{" + ",".join(f"{key}={value}" for key, value in pairs.items()) + "}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read back what printing made; ValueError for anything else."""
        try:
            given = dict(pair.split("=", 1) for pair in text.removeprefix("{").removesuffix("}").split(","))
            one = [track for track in (Track.READ, Track.WRITE) if given[f"RECORD_{track.upper()}_ONLY"] == "true"]
            made = cls(
                recording=given["fsrec_recording"],
                track=one[0] if one else Track.BOTH,
                stereo=given["RECORD_STEREO"] == "true",
                swap=given["RECORD_STEREO_SWAP"] == "true",
                answer_required=given["RECORD_ANSWER_REQ"] == "true",
                bridge_required=given["RECORD_BRIDGE_REQ"] == "true",
                initial_timeout_ms=int(given["RECORD_INITIAL_TIMEOUT_MS"]),
                final_timeout_ms=int(given["RECORD_FINAL_TIMEOUT_MS"]),
                silence_threshold=int(given["RECORD_SILENCE_THRESHOLD"]),
                append=given["RECORD_APPEND"] == "true",
                threaded=given["RECORD_USE_THREAD"] == "true",
            )
        except KeyError as missing:
            raise ValueError(f"recording variables: {missing} is missing; right is the whole block") from None
        if str(made) != text:
            raise ValueError(f"recording variables: {check.shown(text)} is not what prints; right is {made}")
        return made

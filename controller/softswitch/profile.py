"""What FreeSWITCH says of a channel in every event: identity, caller profile, and the figures of its end."""

import time
from dataclasses import dataclass, field

from controller.softswitch.events import Header

_STATES = (
    "CS_NEW", "CS_INIT", "CS_ROUTING", "CS_SOFT_EXECUTE", "CS_EXECUTE", "CS_EXCHANGE_MEDIA", "CS_PARK",
    "CS_CONSUME_MEDIA", "CS_HIBERNATE", "CS_RESET", "CS_HANGUP", "CS_REPORTING", "CS_DESTROY", "CS_NONE",
)  # fmt: skip

CAUSES = {
    "NONE": 0, "UNALLOCATED_NUMBER": 1, "NO_ROUTE_TRANSIT_NET": 2, "NO_ROUTE_DESTINATION": 3, "NORMAL_CLEARING": 16,
    "USER_BUSY": 17, "NO_USER_RESPONSE": 18, "NO_ANSWER": 19, "SUBSCRIBER_ABSENT": 20, "CALL_REJECTED": 21,
    "NUMBER_CHANGED": 22, "DESTINATION_OUT_OF_ORDER": 27, "INVALID_NUMBER_FORMAT": 28, "NORMAL_UNSPECIFIED": 31,
    "NORMAL_CIRCUIT_CONGESTION": 34, "NETWORK_OUT_OF_ORDER": 38, "NORMAL_TEMPORARY_FAILURE": 41,
    "SWITCH_CONGESTION": 42, "REQUESTED_CHAN_UNAVAIL": 44, "FACILITY_NOT_SUBSCRIBED": 50,
    "INCOMING_CALL_BARRED": 54, "BEARERCAPABILITY_NOTAVAIL": 58, "INCOMPATIBLE_DESTINATION": 88,
    "INVALID_MSG_UNSPECIFIED": 95, "MANDATORY_IE_MISSING": 96, "RECOVERY_ON_TIMER_EXPIRE": 102,
    "PROTOCOL_ERROR": 111, "INTERWORKING": 127, "ORIGINATOR_CANCEL": 487, "CRASH": 500, "SYSTEM_SHUTDOWN": 501,
    "LOSE_RACE": 502, "MANAGER_REQUEST": 503, "ALLOTTED_TIMEOUT": 602, "USER_NOT_REGISTERED": 606,
    "PICKED_OFF": 605, "MEDIA_TIMEOUT": 604, "UNKNOWN": 0,
}  # fmt: skip
"""The hangup causes that can be asked for by name, with their numbers."""


def number_of_state(state: str) -> str:
    """Channel-State-Number."""
    return str(_STATES.index(state))


@dataclass(slots=True)
class Profile:
    """Who calls whom through which channel. Times are microseconds since 1970, 0 for what did not happen."""

    uuid: str
    channel_name: str
    direction: str
    destination: str
    context: str
    caller_name: str = ""
    caller_number: str = ""
    callee_name: str = ""
    callee_number: str = ""
    username: str = ""
    dialplan: str = "XML"
    source: str = "mod_sofia"
    network: str = ""
    codec: str = "PCMU"
    bit_rate: int = 64000
    rate: int = 8000
    hit_dialplan: bool = True
    call_uuid: str = ""
    times: dict[str, int] = field(default_factory=dict)
    index: int = 1

    def __post_init__(self) -> None:
        self.call_uuid = self.call_uuid or self.uuid
        self.stamp("Created")
        self.times["Profile"] = self.times["Created"]

    @property
    def level_scale(self) -> int:
        """By what levels are multiplied where silence is judged (PCM: its rate over 8000)."""
        return max(1, self.rate // 8000)

    def route(self) -> None:
        """Become another caller profile, as each transfer makes one."""
        self.index += 1
        self.stamp("Profile")

    def stamp(self, what: str) -> None:
        """Note when something happened: Created, Profile, Answered, Progress-Media, Hangup, Bridged."""
        self.times[what] = int(time.time() * 1_000_000)

    def flip(self) -> None:
        """Swap caller and callee, as is done with an originated leg that is sent to the dialplan."""
        self.caller_name, self.callee_name = self.callee_name, self.caller_name
        self.caller_number, self.callee_number = self.callee_number, self.caller_number

    def field(self, name: str) -> str | None:
        """Return a profile field by its variable name."""
        known = {
            "destination_number": self.destination,
            "caller_id_name": self.caller_name,
            "caller_id_number": self.caller_number,
            "context": self.context,
            "uuid": self.uuid,
            "network_addr": self.network,
            "chan_name": self.channel_name,
        }
        return known.get(name.lower()) or None

    def identity(self) -> list[Header]:
        """Channel-Name … Channel-Call-UUID."""
        return [
            ("Channel-Name", self.channel_name),
            ("Unique-ID", self.uuid),
            ("Call-Direction", self.direction),
            ("Presence-Call-Direction", self.direction),
            ("Channel-HIT-Dialplan", "true" if self.hit_dialplan else "false"),
            ("Channel-Call-UUID", self.call_uuid),
        ]

    def caller(self) -> list[Header]:
        """Codecs and the Caller-… block."""
        codec = []
        for way in ("Read", "Write"):
            codec += [
                (f"Channel-{way}-Codec-Name", self.codec),
                (f"Channel-{way}-Codec-Rate", str(self.rate)),
                (f"Channel-{way}-Codec-Bit-Rate", str(self.bit_rate)),
            ]
        return codec + self._block("Caller", self.direction)

    def other(self, *, originator: bool) -> list[Header]:
        """Make the Other-… block that a leg shows of its peer; `originator` says the peer is the one that dialled."""
        return [
            ("Other-Type", "originator" if originator else "originatee"),
            *self._block("Other-Leg", self.direction),
        ]

    def _block(self, prefix: str, direction: str) -> list[Header]:
        pairs = [
            ("Direction", direction),
            ("Logical-Direction", direction),
            ("Username", self.username),
            ("Dialplan", self.dialplan),
            ("Caller-ID-Name", self.caller_name),
            ("Caller-ID-Number", self.caller_number),
            ("Orig-Caller-ID-Name", self.caller_name),
            ("Orig-Caller-ID-Number", self.caller_number),
            ("Callee-ID-Name", self.callee_name),
            ("Callee-ID-Number", self.callee_number),
            ("Network-Addr", self.network),
            ("ANI", self.caller_number),
            ("Destination-Number", self.destination),
            ("Unique-ID", self.uuid),
            ("Source", self.source),
            ("Context", self.context),
            ("Channel-Name", self.channel_name),
            ("Profile-Index", str(self.index)),
            ("Profile-Created-Time", self._time("Profile")),
            ("Channel-Created-Time", self._time("Created")),
            ("Channel-Answered-Time", self._time("Answered")),
            ("Channel-Progress-Time", "0"),
            ("Channel-Progress-Media-Time", self._time("Progress-Media")),
            ("Channel-Hangup-Time", self._time("Hangup")),
            ("Channel-Transfer-Time", "0"),
            ("Channel-Resurrect-Time", "0"),
            ("Channel-Bridged-Time", self._time("Bridged")),
            ("Channel-Last-Hold", "0"),
            ("Channel-Hold-Accum", "0"),
            ("Screen-Bit", "true"),
            ("Privacy-Hide-Name", "false"),
            ("Privacy-Hide-Number", "false"),
        ]
        return [(f"{prefix}-{name}", value) for name, value in pairs if value]

    def _time(self, what: str) -> str:
        return str(self.times.get(what, 0))


def final_variables(profile: Profile, cause: str, digits: str, last: tuple[str, str]) -> list[tuple[str, str]]:
    """List what is set on a channel between CS_REPORTING and CHANNEL_HANGUP_COMPLETE."""
    created, ended = profile.times["Created"], profile.times.get("Hangup", 0)
    answered = profile.times.get("Answered", 0)
    whole = ended - created
    billed = ended - answered if answered else 0
    found = [("hangup_cause", cause), ("hangup_cause_q850", str(CAUSES.get(cause, 0) % 128))]
    found.append(("digits_dialed", digits or "none"))
    stamps = [("start", created), ("profile_start", created), ("answer", answered), ("end", ended)]
    for name, micros in stamps:
        if micros:
            found.append((f"{name}_stamp", time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(micros // 1_000_000))))
    for name, micros in stamps:
        found += [(f"{name}_epoch", str(micros // 1_000_000)), (f"{name}_uepoch", str(micros))]
    if last[0]:
        found.append(("last_app", last[0]))
    if last[1]:
        found.append(("last_arg", last[1]))
    found.append(("caller_id", f'"{profile.caller_name}" <{profile.caller_number}>'))
    for prefix, unit in (("", 1_000_000), ("m", 1000), ("u", 1)):
        suffix = {"": "sec", "m": "msec", "u": "usec"}[prefix]
        found += [(f"{prefix}duration", str(round(whole / unit))), (f"bill{suffix}", str(round(billed / unit)))]
    return found

"""Where calls go: the shipped dialplan, extensions for loopback far ends, and what a SIP call brings along."""

import uuid
from collections.abc import Sequence

Plan = Sequence[tuple[str, str]]
"""Applications with their arguments, in order."""

DIALPLAN: Plan = (
    ("set", "send_silence_when_idle=-1"),
    ("sched_hangup", "+60 NORMAL_TEMPORARY_FAILURE"),
)
"""What the shipped dialplan does with a call before it is parked: the line kept alive, the hangup armed."""

PARKING_CONTEXT = "fsrec"
EXTENSIONS: dict[str, Plan] = {
    "tone": (("answer", ""), ("playback", "tone_stream://%(100000,0,440)")),
    "burst": (("answer", ""), ("playback", "tone_stream://%(1500,0,440)"), ("park", "")),
    "park1": (("answer", ""), ("park", "")),
    "early": (("pre_answer", ""), ("playback", "tone_stream://%(100000,0,440)")),
    "busy": (("hangup", "USER_BUSY"),),
}
NO_ROUTE: Plan = (("hangup", "NO_ROUTE_DESTINATION"),)

SIP_CODECS = {8000: ("PCMU", 64_000), 16000: ("L16", 256_000)}
"""A caller's codec, and its bits a second, by the leg's rate; FreeSWITCH's core has both."""


def sip_variables(user: str, destination: str, rate: int) -> list[tuple[str, str]]:
    """List the channel variables that mod_sofia sets on a call from `user` to `destination`."""
    codec, bits = SIP_CODECS[rate]
    here, there = "127.0.0.1:5099", "127.0.0.1:5080"
    return [
        ("sip_from_user", user),
        ("sip_from_uri", f"{user}@{here}"),
        ("sip_from_host", "127.0.0.1"),
        ("sip_call_id", f"{uuid.uuid4()}@127.0.0.1"),
        ("sip_network_ip", "127.0.0.1"),
        ("sip_network_port", "5099"),
        ("sip_received_ip", "127.0.0.1"),
        ("sip_received_port", "5099"),
        ("sip_via_protocol", "udp"),
        ("sofia_profile_name", "internal"),
        ("sofia_profile_url", f"sip:mod_sofia@{there}"),
        ("sip_full_from", f"<sip:{user}@{here}>;tag=1"),
        ("sip_full_to", f"<sip:{destination}@{there}>"),
        ("sip_req_user", destination),
        ("sip_req_uri", f"{destination}@{there}"),
        ("sip_to_user", destination),
        ("sip_to_uri", f"{destination}@{there}"),
        ("sip_contact_uri", f"{user}@{here}"),
        ("max_forwards", "70"),
        ("ep_codec_string", f"CORE_PCM_MODULE.{codec}@{rate}h@20i@{bits}b"),
        ("rtp_use_codec_name", codec),
        ("rtp_use_codec_rate", str(rate)),
        ("rtp_use_codec_ptime", "20"),
        ("dtmf_type", "rfc2833"),
        ("endpoint_disposition", "RECEIVED"),
    ]

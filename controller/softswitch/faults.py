"""The ways a switch and its network misbehave, switched on by tests.

One object, read where the thing it spoils is done; every default is a healthy switch.
"""

from dataclasses import dataclass


@dataclass(slots=True)
class Faults:
    """Set an attribute at any time; what is done from then on is spoiled. Seconds are floats, sizes are bytes."""

    lose_record_start: bool = False
    """Recordings run, RECORD_START is never told."""
    lose_record_stop: bool = False
    """RECORD_START without RECORD_STOP (FreeSWITCH issues 765, 2067)."""
    refuse_starts: bool = False
    """Every start of a recording fails as if its file could not be opened (uri-failure)."""
    zombie: bool = False
    """At hangup recordings are never closed: CHANNEL_HANGUP_COMPLETE, but no RECORD_STOP and no CHANNEL_DESTROY."""
    job_never: bool = False
    """A bgapi command runs, its BACKGROUND_JOB is never fired."""
    stall_replies: float = 0.0
    """Seconds that every reply is held back."""
    slow_close: float = 0.0
    """Seconds between the end of a recording and its file being closed."""
    disk_full_after: int | None = None
    """Bytes that can still be written to any one recording file."""
    split_bytes: int | None = None
    """Everything sent goes out in segments of this size."""
    drop_after_bytes: int | None = None
    """Each connection is cut, mid-frame, once this many bytes were sent to it."""
    bad_utf8: bool = False
    """Every channel event carries a header whose bytes are no UTF-8."""
    mute: bool = False
    """Connections are accepted and nothing is ever said on them."""
    linger_notice: bool = False
    """A disconnect notice that only announces a linger is sent after authentication; the connection stays."""
    stop_heartbeats: bool = False
    """No HEARTBEAT events."""
    queue_size: int = 100_000
    """Events that may wait for one client; beyond it they are dropped, after 500 misses in a row it is killed."""

"""When a callback is tried again, and when it is given up (DESIGN section 7). Pure: time and chance are arguments.

A URL may say how it wants to be called by its fragment (``documents.fragments``).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import StrEnum

from controller.documents.fragments import Retried, Wishes, rules_of, whole
from controller.store import Attempt, DeliveryState, Verdict

DELAYS = (0.0, 5.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 36000.0)
"""Seconds before each attempt; the last one stands for all later ones."""

JITTER = 0.2


class ErrorKind(StrEnum):
    """Why an attempt got no answer."""

    CONNECT_TIMEOUT = "connect_timeout"
    READ_TIMEOUT = "read_timeout"
    CONNECTION = "connection"
    RESET = "reset"
    TLS = "tls"
    REFUSED = "refused"
    PROTOCOL = "protocol"
    INVALID = "invalid"
    UNSIGNED = "unsigned"
    INTERNAL = "internal"


_POLICY_OF = {
    ErrorKind.CONNECT_TIMEOUT: Retried.CONNECT,
    ErrorKind.CONNECTION: Retried.CONNECT,
    ErrorKind.RESET: Retried.CONNECT,
    ErrorKind.TLS: Retried.CONNECT,
    ErrorKind.REFUSED: Retried.CONNECT,
    ErrorKind.READ_TIMEOUT: Retried.READ,
    ErrorKind.PROTOCOL: Retried.READ,
}


FAILURES = (*(kind.value for kind in ErrorKind), "2xx", "3xx", "4xx", "5xx", "gone")
"""What ``failure`` returns."""


def failure(dialect: str, status: int | None, error: str | None) -> str | None:
    """Return why an attempt failed, in one word: its error's kind, or its status' class; None where it did not.

    ``gone`` is status 410, which ends a delivery. 2xx that is not success is Plivo's, who wants 200.
    """
    if succeeded(dialect, status):
        return None
    if status is None:
        return error or ErrorKind.INTERNAL.value
    return "gone" if status == 410 else f"{status // 100}xx"


def succeeded(dialect: str, status: int | None) -> bool:
    """Whether this answer means that the receiver has it: 2xx, for Plivo only 200."""
    return status in rules_of(dialect).success


def retry_after(value: str | None, now: float) -> float | None:
    """Return the seconds that a Retry-After header asks for (a number or an HTTP date), or None."""
    if value is None:
        return None
    seconds = whole(value.strip())
    if seconds is not None:
        return float(seconds)
    try:
        moment = parsedate_to_datetime(value)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return max(0.0, moment.timestamp() - now)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None


def judge(
    dialect: str,
    attempt: Attempt,
    *,
    tries: int,
    wishes: Wishes,
    max_attempts: int,
    now: float,
    random: Callable[[], float],
) -> Verdict:
    """Return what follows from an attempt that ended at ``now``.

    ``tries`` counts the attempts of this schedule with this one; ``random`` gives a float in [0, 1).
    """
    if succeeded(dialect, attempt.status):
        return Verdict(DeliveryState.DELIVERED)
    what = f"status {attempt.status}" if attempt.status is not None else f"{attempt.error}: {attempt.detail}"
    if attempt.status == 410:
        return _dead("status 410: the receiver wants no more")
    if attempt.error == ErrorKind.INVALID:
        return _dead(f"cannot be sent: {attempt.detail}")
    if wishes.policy is not None and not _retried(attempt, wishes.policy):
        return _dead(f"{what}; rp does not retry that, only {', '.join(sorted(wishes.policy))}")
    if tries >= (max_attempts if wishes.retries is None else wishes.retries + 1):
        return _dead(f"{tries} attempts, the last one: {what}")
    delay = DELAYS[min(tries, len(DELAYS) - 1)] * (1 + JITTER * (2 * random() - 1))
    asked = retry_after(attempt.retry_after, now)
    if asked is not None:
        delay = min(max(delay, asked), 2 * delay)
    return Verdict(DeliveryState.PENDING, due_at=now + delay)


def _dead(reason: str) -> Verdict:
    return Verdict(DeliveryState.DEAD, reason=reason)


def _retried(attempt: Attempt, policy: frozenset[Retried]) -> bool:
    if Retried.ALL in policy:
        return True
    if attempt.status is not None:
        classes = {4: Retried.STATUS_4XX, 5: Retried.STATUS_5XX}
        return classes.get(attempt.status // 100) in policy
    return _POLICY_OF.get(ErrorKind(attempt.error or ErrorKind.INTERNAL)) in policy

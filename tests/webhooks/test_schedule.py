"""When a callback is tried again, and when it is given up."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.documents.fragments import Retried, Timeouts, Wishes, rules_of, split_url
from controller.store import Attempt, DeliveryState, Verdict
from controller.webhooks.schedule import (
    DELAYS,
    FAILURES,
    ErrorKind,
    failure,
    judge,
    retry_after,
    succeeded,
)


def judged(attempt: Attempt, **changes: Any) -> Verdict:
    wishes = changes.pop("wishes", Wishes())
    with_defaults: dict[str, Any] = {"dialect": "swml", "tries": 1, "max_attempts": 8, "now": 1000.0, **changes}
    dialect = with_defaults.pop("dialect")
    return judge(dialect, attempt, wishes=wishes, **{"random": lambda: 0.5, **with_defaults})


def answered(status: int, after: str | None = None) -> Attempt:
    return Attempt(0.0, 0.1, status, retry_after=after)


def failed(kind: ErrorKind) -> Attempt:
    return Attempt(0.0, 0.1, None, kind.value, "words")


@pytest.mark.parametrize(
    ("dialect", "status", "success"),
    [
        ("swml", 200, True),
        ("swml", 204, True),
        ("twiml", 299, True),
        ("swml", 300, False),
        ("swml", 199, False),
        ("twiml", 500, False),
        ("plivo", 200, True),
        ("plivo", 201, False),
        ("swml", None, False),
    ],
)
def test_success(dialect: str, status: int | None, success: bool) -> None:
    """2xx is success, for Plivo 200 alone, no answer never."""
    assert succeeded(dialect, status) == success


def test_the_schedule() -> None:
    """Eight attempts at 0, 5 s, 5 min, 30 min, 2 h, 5 h, 10 h and 10 h, then dead with the last failure."""
    assert list(DELAYS) == [0, 5, 300, 1800, 7200, 18000, 36000, 36000]
    for tries in range(1, 8):
        assert judged(answered(500), tries=tries) == Verdict(DeliveryState.PENDING, 1000.0 + DELAYS[tries])
    assert judged(answered(500), tries=8) == Verdict(
        DeliveryState.DEAD, reason="8 attempts, the last one: status 500"
    )
    assert judged(answered(500), tries=20, max_attempts=30).due_at == 37000.0
    assert judged(answered(500), tries=1, max_attempts=1).state is DeliveryState.DEAD


@given(st.integers(1, 7), st.floats(0, 1, exclude_max=True))
def test_jitter_stays_within_a_fifth(tries: int, chance: float) -> None:
    """Every delay is within 20 % of the schedule's."""
    due = judged(answered(500), tries=tries, random=lambda: chance).due_at
    assert due is not None
    assert 0.8 * DELAYS[tries] - 1e-6 <= due - 1000.0 <= 1.2 * DELAYS[tries] + 1e-6


@pytest.mark.parametrize(
    ("attempt", "state", "reason"),
    [
        (answered(200), DeliveryState.DELIVERED, None),
        (answered(410), DeliveryState.DEAD, "status 410: the receiver wants no more"),
        (failed(ErrorKind.INVALID), DeliveryState.DEAD, "cannot be sent: words"),
        (answered(302), DeliveryState.PENDING, None),
        (answered(404), DeliveryState.PENDING, None),
        *((failed(kind), DeliveryState.PENDING, None) for kind in ErrorKind if kind is not ErrorKind.INVALID),
    ],
)
def test_what_follows(attempt: Attempt, state: DeliveryState, reason: str | None) -> None:
    """Success and 410 end it, so does what can never be sent; everything else is tried again."""
    verdict = judged(attempt)
    assert (verdict.state, verdict.reason) == (state, reason)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("9" * 400, None),
        ("Thu, 01 Jan 1970 00:20:00 GMT", 200.0),
        ("Thu, 01 Jan 1970 00:20:00", 200.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Thu, 99 Jan 1970 00:00:00 GMT", None),
        ("", None),
    ],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    """Seconds and HTTP dates are read, anything else is as if it weren't there."""
    assert retry_after(header, 1000.0) == seconds


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d( GMT| [+-]\d{4})?"))
def test_no_retry_after_raises(header: str) -> None:
    """Whatever a receiver writes there is a number of seconds or nothing."""
    found = retry_after(header, 1000.0)
    assert found is None or found >= 0.0


@pytest.mark.parametrize(("header", "delay"), [("1", 300.0), ("400", 400.0), ("99999", 600.0), ("odd", 300.0)])
def test_retry_after_is_honoured_within_bounds(header: str, delay: float) -> None:
    """It may make the delay longer, up to twice, never shorter."""
    assert judged(answered(503, header), tries=2).due_at == 1000.0 + delay


POLICIES: dict[str, set[int | ErrorKind]] = {
    "4xx": {404},
    "5xx": {500, 503},
    "ct": {ErrorKind.CONNECT_TIMEOUT, ErrorKind.CONNECTION, ErrorKind.RESET, ErrorKind.TLS, ErrorKind.REFUSED},
    "rt": {ErrorKind.READ_TIMEOUT, ErrorKind.PROTOCOL},
}


@pytest.mark.parametrize("named", [("4xx",), ("5xx", "ct"), ("rt",), ("all",)])
def test_a_urls_policy_says_what_is_retried(named: tuple[str, ...]) -> None:
    """Only what rp names is tried again; the rest is dead at once and says why."""
    _, wishes = split_url(f"http://a/#rp={','.join(named)}")
    retried = [cause for name in named for cause in POLICIES.get(name, ())]
    causes: list[int | ErrorKind] = [302, 404, 500, 503, *ErrorKind]
    for cause in causes:
        if cause is ErrorKind.INVALID:
            continue
        attempt = failed(cause) if isinstance(cause, ErrorKind) else answered(cause)
        verdict = judged(attempt, wishes=wishes)
        if named == ("all",) or cause in retried:
            assert verdict.state is DeliveryState.PENDING
        else:
            assert verdict.state is DeliveryState.DEAD
            assert "rp does not retry" in (verdict.reason or "")


RETRIED_BY_PLIVO = {cause for name in ("ct", "rt") for cause in POLICIES[name]}


@pytest.mark.parametrize("cause", [201, 302, 404, 500, 503, *(kind for kind in ErrorKind if kind != "invalid")])
def test_plivos_urls_that_say_how_often_alone(cause: int | ErrorKind) -> None:
    """rc without rp retries ct,rt; without either, and with a word on time alone, our own durable schedule holds."""
    attempt = failed(cause) if isinstance(cause, ErrorKind) else answered(cause)

    def states(fragment: str, tries: int) -> DeliveryState:
        _, wishes = split_url(f"http://a/{fragment}", rules_of("plivo"))
        return judged(attempt, dialect="plivo", wishes=wishes, tries=tries).state

    again = DeliveryState.PENDING if cause in RETRIED_BY_PLIVO else DeliveryState.DEAD
    assert [states("#rc=2", tries) for tries in (1, 2, 3)] == [again, again, DeliveryState.DEAD]
    for fragment in ("", "#ct=500", "#rp=all"):
        assert [states(fragment, tries) for tries in (1, 7, 8)] == [
            DeliveryState.PENDING,
            DeliveryState.PENDING,
            DeliveryState.DEAD,
        ]


def test_what_is_not_retried_says_what_would_be() -> None:
    """The reason names what came, and the policy."""
    _, wishes = split_url("http://a/#rc=2", rules_of("plivo"))
    assert judged(answered(500), dialect="plivo", wishes=wishes).reason == (
        "status 500; rp does not retry that, only ct, rt"
    )


def test_half_an_answer_is_an_answer() -> None:
    """Plivo: success is 200, and a partial response is not retried: what broke off after a 200 is delivered."""
    broken = Attempt(0.0, 0.1, 200, None, "payload is not completed", b"<Resp")
    assert judged(broken, dialect="plivo").state is DeliveryState.DELIVERED


def test_a_urls_count_overrides_the_settings() -> None:
    """rc retries follow the first attempt, whatever the settings' maximum."""
    for url, last in (("http://a/#rc=0", 1), ("http://a/#rc=3", 4), ("http://a/#rc=99", 6)):
        _, wishes = split_url(url)
        states = [
            judged(answered(500), wishes=wishes, max_attempts=3, tries=tries).state for tries in (last - 1, last)
        ]
        assert states == [DeliveryState.PENDING, DeliveryState.DEAD]


@pytest.mark.parametrize(
    ("fragment", "wishes"),
    [
        ("", Wishes()),
        ("section", Wishes()),
        ("rc=3&rp=5xx,ct", Wishes(3, frozenset({Retried.STATUS_5XX, Retried.CONNECT}))),
        ("ct=2000&rt=4000&tt=9000", Wishes(timeouts=Timeouts(2.0, 4.0, 9.0))),
        ("ct=1&rt=1&tt=1", Wishes(timeouts=Timeouts(0.1, 0.1, 0.1))),
        ("ct=99999&rt=99999&tt=99999", Wishes(timeouts=Timeouts(10.0, 15.0, 15.0))),
        ("rc=-1&ct=1e3&rt=&tt=٣", Wishes()),
        ("rp=nonsense&e=dublin&rc", Wishes()),
        ("rp=,5xx,odd", Wishes(policy=frozenset({Retried.STATUS_5XX}))),
        ("rc=1&rc=2", Wishes(2)),
        ("rc=2#rc=3", Wishes()),
    ],
)
def test_fragments(fragment: str, wishes: Wishes) -> None:
    """The fragment's wishes, brought into their bounds; what is not understood is left out."""
    assert split_url(f"http://a/b?c#{fragment}") == ("http://a/b?c", wishes)


@given(st.text() | st.from_regex(r"[^#]*#((rc|rp|ct|rt|tt|e)=[^&]*&?)*", fullmatch=True))
def test_any_url_is_split_within_bounds(url: str) -> None:
    """Whatever the text: no fragment is left, nothing is out of bounds."""
    bare, wishes = split_url(url)
    assert "#" not in bare
    assert url.startswith(bare)
    assert wishes.retries is None or 0 <= wishes.retries <= 5
    assert wishes.policy != frozenset()
    assert 0.1 <= wishes.timeouts.connect <= 10.0
    assert 0.1 <= wishes.timeouts.read <= 15.0
    assert 0.1 <= wishes.timeouts.total <= 15.0


@pytest.mark.parametrize(
    ("dialect", "status", "error", "why"),
    [
        ("swml", 204, None, None),
        ("plivo", 200, None, None),
        ("plivo", 204, None, "2xx"),
        ("swml", 301, None, "3xx"),
        ("twiml", 404, None, "4xx"),
        ("twiml", 410, None, "gone"),
        ("swml", 599, None, "5xx"),
        *(("swml", None, kind.value, kind.value) for kind in ErrorKind),
        ("swml", None, None, "internal"),
    ],
)
def test_failures_in_one_word(dialect: str, status: int | None, error: str | None, why: str | None) -> None:
    """A few words say why an attempt failed: that is what is counted."""
    assert failure(dialect, status, error) == why
    assert why is None or why in FAILURES

"""What a URL of each vendor may wish by its fragment, and what holds where it wishes nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.documents.fetch import Patience, as_wished
from controller.documents.fragments import COMMON, Retried, Rules, Timeouts, Wishes, rules_of, split_url

PLIVO = rules_of("plivo")
USUAL = Timeouts(2.0, 40.0, 55.0)
BOTH = frozenset({Retried.CONNECT, Retried.READ})


def test_only_plivo_has_rules_of_its_own() -> None:
    """All others have what Twilio documents; so has a dialect that nobody knows."""
    assert PLIVO != COMMON
    assert [rules_of(name) for name in ("swml", "twiml", "none")] == [COMMON] * 3


@pytest.mark.parametrize(
    ("fragment", "wishes"),
    [
        ("", Wishes(timeouts=USUAL)),
        ("section", Wishes(timeouts=USUAL)),
        ("ct=3000", Wishes(timeouts=Timeouts(3.0, 40.0, 55.0))),
        ("ct=1&rt=1&tt=1", Wishes(timeouts=Timeouts(0.1, 0.1, 0.1))),
        ("ct=99999&rt=99999&tt=99999", Wishes(timeouts=Timeouts(10.0, 40.0, 55.0))),
        ("ct=10000&rt=40000&tt=55000", Wishes(timeouts=Timeouts(10.0, 40.0, 55.0))),
        ("rc=3", Wishes(3, BOTH, USUAL)),
        ("rc=0", Wishes(0, BOTH, USUAL)),
        ("rc=9&rp=nonsense", Wishes(5, BOTH, USUAL)),
        ("rc=1&rp=5xx", Wishes(1, frozenset({Retried.STATUS_5XX}), USUAL)),
        ("rp=4xx,all", Wishes(None, frozenset({Retried.STATUS_4XX, Retried.ALL}), USUAL)),
    ],
)
def test_plivos_fragments(fragment: str, wishes: Wishes) -> None:
    """Plivo: ct 2000 ms (100-10000), rt 40000 (100-40000), tt 55000 (100-55000), rc 1 (0-5), rp ct,rt (spec 3.6).

    Only who says how often gets its default of what.
    """
    assert split_url(f"http://a/b?c#{fragment}", PLIVO) == ("http://a/b?c", wishes)


@given(
    st.text() | st.from_regex(r"[^#]*#((rc|rp|ct|rt|tt)=[^&]*&?)*", fullmatch=True), st.sampled_from([COMMON, PLIVO])
)
def test_no_wish_is_out_of_bounds(url: str, rules: Rules) -> None:
    """Whatever the text."""
    bare, wishes = split_url(url, rules)
    assert "#" not in bare
    assert wishes.retries is None or 0 <= wishes.retries <= 5
    assert 0.1 <= wishes.timeouts.connect <= rules.most.connect
    assert 0.1 <= wishes.timeouts.read <= rules.most.read
    assert 0.1 <= wishes.timeouts.total <= rules.most.total


@pytest.mark.parametrize(
    ("fragment", "expected"),
    [
        ("", Patience(2.0, 40.0, 55.0, 0, 1, BOTH)),
        ("#rc=0", Patience(2.0, 40.0, 55.0, 0, 0, BOTH)),
        ("#rc=4&rt=99999&tt=1000", Patience(2.0, 40.0, 1.0, 0, 4, BOTH)),
        ("#rp=5xx", Patience(2.0, 40.0, 55.0, 0, 1, frozenset({Retried.STATUS_5XX}))),
    ],
)
def test_plivos_documents(fragment: str, expected: Patience) -> None:
    """DESIGN 7: 2 / 40 / 55 s, 1 + 1 on ct, rt, no redirects, as far as the URL wishes nothing else."""
    usual = Patience(2.0, 40.0, 55.0, 0, 1, BOTH)
    assert as_wished(usual, f"https://a/x{fragment}", PLIVO) == expected


def test_nothing_is_tried_again_for_no_reason() -> None:
    """A vendor that tries nothing again does so after a failure to connect where a URL says how often alone."""
    usual = Patience(2.0, 5.0, 15.0, 3)
    assert as_wished(usual, "https://a/x#rc=2", COMMON).retried == {Retried.CONNECT}
    assert as_wished(usual, "https://a/x", COMMON).retries == 0

"""SIP profiles' timers, read from the configuration that a switch tells."""

from __future__ import annotations

import pytest

from controller.switch.facts_replies import BadReplyError
from controller.switch.facts_sip import MAX_CHARACTERS, parse_rtp_timers

HEAD = '<configuration name="sofia.conf"><global_settings/><profiles>'
TAIL = "</profiles></configuration>"


def profile(name: str, settings: str, more: str = "") -> str:
    return f'<profile name="{name}">{more}<settings>{settings}</settings></profile>'


def test_timers() -> None:
    """Each profile has its own timer or none; a gateway's parameters are no settings of the profile."""
    gateway = '<gateways><gateway name="g"><param name="rtp-timer-name" value="soft"/></gateway></gateways>'
    text = (
        HEAD
        + profile("a", '<param name="sip-port" value="5060"/><param name="rtp-timer-name" value="soft"/>')
        + profile("b", '<param name="sip-port" value="5080"/>', gateway)
        + profile("c", '<param name="RTP-Timer-Name" value="none"/>')
        + profile("d", '<param name="rtp-timer-name" value=""/>')
        + TAIL
    )
    assert parse_rtp_timers(text) == {"a": "soft", "b": None, "c": "none", "d": None}
    assert parse_rtp_timers(HEAD + TAIL) == {}


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "can't find anything\n",
        "-ERR xml_locate Command not found!\n",
        "<configuration>",
        "<a></b>",
        '<!DOCTYPE a [<!ENTITY b "secret">]><a>&b;</a>',
        "<a>\udc80</a>",
        "<" + "a" * MAX_CHARACTERS,
    ],
)
def test_no_configuration(reply: str) -> None:
    """Anything else is refused, without its text: a configuration has secrets."""
    with pytest.raises(BadReplyError) as caught:
        parse_rtp_timers(reply)
    assert "secret" not in str(caught.value)

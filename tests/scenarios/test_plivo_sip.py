"""What the INVITE of Plivo's Dial bears, as a SIP phone of the tests' own gets it from a real switch."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from tests.harness.live import LiveSwitch
from tests.harness.receiver import Answer
from tests.scenarios.daemon import Daemon
from tests.scenarios.plivo import prepare
from tests.scenarios.test_dial import SPEAKING

pytestmark = pytest.mark.live


@pytest.fixture
def switch(live: LiveSwitch) -> LiveSwitch:
    """Only a real one speaks SIP."""
    return live


class _Invited(asyncio.DatagramProtocol):
    """A SIP phone that is busy, and keeps what it was asked."""

    def __init__(self) -> None:
        self.invites: list[str] = []
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        text = data.decode()
        if not text.startswith("INVITE ") or self._transport is None:
            return
        self.invites.append(text)
        kept = re.findall(r"(?m)^(?:Via|From|To|Call-ID|CSeq):.*\r$", text)
        lines = ["SIP/2.0 486 Busy Here", *(line.rstrip("\r") for line in kept), "Content-Length: 0", "", ""]
        self._transport.sendto("\r\n".join(lines).encode(), addr)


async def test_what_an_invite_bears(daemon: Daemon, switch: LiveSwitch) -> None:
    """sipHeaders stand in it as they were written, ``%`` too, and the caller's name beside the number."""
    loop, receiver = asyncio.get_running_loop(), daemon.receiver
    transport, phone = await loop.create_datagram_endpoint(_Invited, local_addr=("127.0.0.1", 0))
    try:
        port = transport.get_extra_info("sockname")[1]
        receiver.plan("/after", Answer(200, b"<Response><Hangup/></Response>", {"Content-Type": "text/xml"}))
        attributes = (
            f"sipHeaders='Order=17%2C4%0D%0A,Who=ada' callerId='15559870000' callerName='Zo\u00eb &amp; Co. (Kyiv)' "
            f"action='{receiver.url('/after')}'"
        )
        prepare(daemon, f"<Dial {attributes}><User>sip:ada@127.0.0.1:{port}</User></Dial>")
        await daemon.start()
        call = await switch.call(script=SPEAKING)
        [after] = await receiver.wait("/after", timeout=20)
        assert after.form["DialHangupCause"] == "USER_BUSY"
        await call.ended()
    finally:
        transport.close()
    invite = phone.invites[0]
    assert "\r\nX-PH-Order: 17%2C4%0D%0A\r\n" in invite
    assert "\r\nX-PH-Who: ada\r\n" in invite
    assert re.search(r'(?m)^From: "Zo\u00eb & Co\. \(Kyiv\)" <sip:15559870000@', invite)

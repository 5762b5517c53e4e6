"""A SIP call with RTP, by sipp (Debian: sip-tester), into a live switch."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import uuid
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from string import Template

import numpy as np

from controller.softswitch.script import Rendered, Script, render
from tests.harness.esl import Event, Watch
from tests.harness.freeswitch import DATA
from tests.harness.live import LiveSwitch

_BYE = """<send retrans="500">
    <![CDATA[
      BYE [next_url] SIP/2.0
      Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]
      [routes]
      Max-Forwards: 70
      From: $from;tag=[call_number]
      [last_To:]
      Call-ID: [call_id]
      CSeq: 2 BYE
      Content-Length: 0

    ]]>
  </send>
  <recv response="200"/>"""
_WAIT_FOR_BYE = """<recv request="BYE"/>
  <send>
    <![CDATA[
      SIP/2.0 200 OK
      [last_Via:]
      [last_From:]
      [last_To:]
      [last_Call-ID:]
      [last_CSeq:]
      Content-Length: 0

    ]]>
  </send>"""


def sipp() -> Path | None:
    """The sipp program, if there is one."""
    found = shutil.which("sipp")
    return Path(found) if found else None


class SipRefused(Exception):
    """The call was not taken; the message is what sipp said."""


@dataclass(frozen=True, slots=True)
class SipCall:
    """`leg` is the parked leg, `parked` its CHANNEL_PARK; `process` is sipp, which exits 0 if all went as planned."""

    leg: str
    parked: Event
    process: asyncio.subprocess.Process

    async def ended(self, timeout: float = 20.0) -> int:
        """Wait for the caller's end; sipp's exit code."""
        async with asyncio.timeout(timeout):
            return await self.process.wait()


@asynccontextmanager
async def sip_call(
    switch: LiveSwitch,
    destination: str = "1001",
    script: Script = (),
    *,
    headers: Sequence[str] = (),
    uri_parameters: str = "",
    from_parameters: str = "",
    contact_parameters: str = "",
    name: str = "",
    number: str = "15551230000",
    source: str = "127.0.0.1",
    timeout: float = 10.0,
) -> AsyncIterator[SipCall]:
    """Call over SIP; entered when the leg is parked, the caller is gone when it is left.

    The script's sound starts at the answer; with a `Hangup` the caller says BYE there, else it waits for a BYE.
    Digits (RFC 2833, which sipp sends by raw socket: root only) go out in one run from the first one's offset, about
    1 s late and 0.4 s each, whatever the script says: sipp's way. `headers` are whole lines of the INVITE, the
    `…_parameters` stand where an attacker would put them. SipRefused when the call ends before it is parked.
    """
    program = sipp()
    if program is None:
        raise FileNotFoundError("sipp is not installed (Debian: apt install sip-tester)")
    call_id, sound = f"{uuid.uuid4()}@fsrec", render(script)
    with tempfile.TemporaryDirectory(prefix="fsrec-sip-") as place:
        scenario, errors = Path(place) / "scenario.xml", Path(place) / "errors"
        caller = f'"{name}" <sip:{number}@[local_ip]:[local_port]{from_parameters}>'
        text = Template((DATA / "uac.xml").read_text()).substitute(
            destination=destination,
            uri=f"sip:{destination}@[remote_ip]:[remote_port]{uri_parameters}",
            contact=f"<sip:{number}@[local_ip]:[local_port]{contact_parameters}>",
            # play_dtmf sends from the media port, rtp_stream from its own; the offer names the port that digits need.
            media="media_port" if sound.digits else "rtpstream_audio_port",
            headers="\n      ".join(["Subject: call", *headers]),
            play=_play(sound, Path(place)),
            ending=_BYE if sound.hangup_at is not None else _WAIT_FOR_BYE,
            **{"from": caller},
        )
        scenario.write_text(text.replace("$from", caller), "latin-1", errors="xmlcharrefreplace")
        with switch.client.watch() as seen:
            process = await asyncio.create_subprocess_exec(
                str(program), f"127.0.0.1:{switch.sip_port}", "-sf", str(scenario), "-i", source, "-mi", source,
                "-m", "1", "-cid_str", call_id, "-nostdin", "-timeout", "300", "-trace_err",
                "-error_file", str(errors),
                stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL,
                cwd=place,
            )  # fmt: skip
            try:
                parked = await _parked(seen, call_id, process, errors, timeout)
                yield SipCall(parked["Unique-ID"], parked, process)
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()


async def _parked(
    seen: Watch, call_id: str, process: asyncio.subprocess.Process, errors: Path, timeout: float
) -> Event:
    """The call's CHANNEL_PARK, or SipRefused when sipp gives up before."""
    park = asyncio.create_task(
        seen.wait(
            lambda e: e.get("Event-Name") == "CHANNEL_PARK" and e.get("variable_sip_call_id") == call_id, timeout
        )
    )
    end = asyncio.create_task(process.wait())
    await asyncio.wait((park, end), return_when=asyncio.FIRST_COMPLETED)
    end.cancel()
    if not park.done():
        park.cancel()
        raise SipRefused(f"sipp ended with {process.returncode}: {_said(errors)}")
    return park.result()


def _said(errors: Path) -> str:
    return errors.read_text(errors="replace") if errors.exists() else "nothing"


def _play(sound: Rendered, place: Path) -> str:
    """The middle of the scenario: µ-law by rtp_stream, digits at their offsets, pauses between."""
    lines: list[str] = []
    if len(sound.samples):
        raw = place / "sound.ul"
        raw.write_bytes(ulaw(sound.samples))
        lines.append(f'<nop><action><exec rtp_stream="{raw},1,0,PCMU/8000"/></action></nop>')
    at = 0.0
    if sound.digits:
        at = sound.digits[0][0]
        lines.append(_pause(at))
        keys = "".join(digit for _, digit in sound.digits)
        lines.append(f'<nop><action><exec play_dtmf="{keys}"/></action></nop>')
    lines.append(_pause(len(sound.samples) / 8000 - at))
    return "\n  ".join(lines)


def _pause(seconds: float) -> str:
    return f'<pause milliseconds="{max(1, round(seconds * 1000))}"/>'


def ulaw(samples: np.ndarray[tuple[int], np.dtype[np.int16]]) -> bytes:
    """G.711 µ-law of 16-bit samples."""
    value = samples.astype(np.int32)
    sign = np.where(value < 0, 0x80, 0)
    magnitude = np.minimum(np.abs(value), 32635) + 0x84
    exponent = np.floor(np.log2(magnitude)).astype(np.int32) - 7
    mantissa = (magnitude >> (exponent + 3)) & 0x0F
    words: bytes = (~(sign | (exponent << 4) | mantissa) & 0xFF).astype(np.uint8).tobytes()
    return words

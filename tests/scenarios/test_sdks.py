"""The vendors' own clients drive the daemon on calls that are up, each in an environment of its own (`make sdks`)."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.harness.switch import Switch
from tests.scenarios.daemon import Daemon
from tests.scenarios.rest import LAML, TWILIO, Tenant, line, prepare

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "tests" / "sdks"


async def run(name: str, script: str, told: dict[str, str]) -> dict[str, Any]:
    """Run a script with the Python of an environment; what it saw. Skipped without one, unless they are required."""
    python = ROOT / ".venvs" / name / "bin" / "python"
    if not python.exists():
        reason = f"there is no {python.relative_to(ROOT)}: make sdks"
        if os.environ.get("FSREC_REQUIRE_SDKS") == "1":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "COV"))}
    process = await asyncio.create_subprocess_exec(
        str(python), "-W", "ignore", str(SCRIPTS / script), json.dumps(told),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=clean,
    )  # fmt: skip
    try:
        output, errors = await asyncio.wait_for(process.communicate(), 90)
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0, errors.decode()
    found: dict[str, Any] = json.loads(output)
    return found


@pytest.mark.parametrize(
    ("name", "script", "tenant"),
    [
        ("twilio-9", "twilio_9.py", TWILIO),
        ("signalwire-2", "signalwire_2.py", LAML),
        ("signalwire-3.0", "signalwire_3_0.py", LAML),
        ("signalwire-3.7", "signalwire_3_7.py", LAML),
    ],
    ids=lambda value: value if isinstance(value, str) and not value.endswith(".py") else "",
)
async def test_a_vendors_client(daemon: Daemon, switch: Switch, name: str, script: str, tenant: Tenant) -> None:
    """It creates, lists by pages, fetches, updates, downloads and deletes as its vendor documents; all ends."""
    prepare(daemon)
    await daemon.start()
    up = await line(daemon, switch, tenant)
    told = {
        "url": daemon.url,
        "account": tenant.identity,
        "token": tenant.token,
        "call": up.sid,
        "status": daemon.receiver.url("/status"),
    }
    seen = await run(name, script, told)
    await daemon.until(lambda: not daemon.unfinished())
    assert up.caller.alive, "recording a call costs it nothing"
    left = {path.stem.replace("-", "") for path in switch.recordings.glob("*.wav")}
    assert seen["first"].removeprefix("RE").replace("-", "") not in left

"""Many recordings at once."""

import asyncio
from pathlib import Path

from controller.softswitch import Script, Silence, Softswitch, Speech
from tests.harness.lateness import lateness
from tests.softswitch.client import connect, eventually

LEGS = 1000


async def test_a_thousand_recordings_at_once(soft_switch: Softswitch, tmp_path: Path) -> None:
    """In real time, each as long as it ran, all ended as they should."""
    script: Script = [Speech(5), Silence(5)]
    legs = await asyncio.gather(*(soft_switch.call("1001", script, answered=True) for _ in range(LEGS)))
    async with lateness() as late, connect(soft_switch, "json RECORD_START RECORD_STOP") as client:
        block = "{RECORD_PRE_BUFFER_FRAMES=0,enable_file_write_buffering=8192}"
        for number, leg in enumerate(legs):
            client.send(
                f"sendmsg {leg.uuid}\ncall-command: execute\nexecute-app-name: record_session\n"
                f"execute-app-arg: {tmp_path}/{number}.wav +3600 {block}"
            )
        await eventually(lambda: sum(event["Event-Name"] == "RECORD_START" for event in client.events) == LEGS)
        await asyncio.sleep(1.0)
        for leg in legs:
            leg.hangup()
        await eventually(lambda: sum(event["Event-Name"] == "RECORD_STOP" for event in client.events) == LEGS)
    entries = soft_switch.journal.recordings
    assert {entry.reason for entry in entries} == {"hangup"}
    for entry in entries:
        assert entry.stopped_at is not None
        ran = entry.stopped_at - entry.started_at
        assert abs(entry.frames_written / 8000 - ran) <= 0.06 + late.worst
        assert Path(entry.path).stat().st_size == 44 + 2 * entry.frames_written

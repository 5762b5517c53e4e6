"""A stock greenswitch InboundESL, in a process of its own, drives the softswitch."""

import asyncio
import json
import sys
from pathlib import Path

from controller.softswitch import Softswitch, Speech

PROGRAM = """
import json, sys
import gevent.monkey
gevent.monkey.patch_all()
import gevent, gevent.event
import greenswitch

port, leg, path = int(sys.argv[1]), sys.argv[2], sys.argv[3]
esl = greenswitch.InboundESL(host="127.0.0.1", port=port, password="ClueCon")
esl.connect()
heard, stopped = [], gevent.event.Event()

def note(event):
    heard.append([event.headers["Event-Name"], event.headers.get("Record-File-Path"),
                  event.headers.get("Recording-Variable-note")])
    if event.headers["Event-Name"] == "RECORD_STOP":
        stopped.set()

started = gevent.event.Event()
esl.register_handle("RECORD_START", lambda event: (note(event), started.set()))
esl.register_handle("RECORD_STOP", note)
replies = [esl.send("events plain RECORD_START RECORD_STOP").headers["Reply-Text"]]
start = esl.send("bgapi uuid_record %s start %s 0 {RECORD_PRE_BUFFER_FRAMES=0,note=a b}" % (leg, path))
replies.append(start.headers["Reply-Text"])
assert started.wait(10), "no RECORD_START"
gevent.sleep(0.1)
replies.append(esl.send("api uuid_record %s stop %s" % (leg, path)).data)
assert stopped.wait(10), "no RECORD_STOP"
print(json.dumps({"replies": replies, "heard": heard}))
esl.stop()
"""


async def test_it_connects_records_and_hears(soft_switch: Softswitch, tmp_path: Path) -> None:
    """Authentication, commands, jobs and plain events work with the library as it comes from its authors."""
    leg = await soft_switch.call("1001", [Speech(9)], answered=True)
    path = str(tmp_path / "a.wav")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "ignore", "-c", PROGRAM, str(soft_switch.port), leg.uuid, path,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    told = json.loads(out.splitlines()[-1])
    assert told["replies"][0] == "+OK event listener enabled plain"
    assert told["replies"][1].startswith("+OK Job-UUID: ")
    assert told["replies"][2] == "+OK Success\n"
    assert told["heard"] == [["RECORD_START", path, "a b"], ["RECORD_STOP", path, "a b"]]
    assert soft_switch.journal.recording(path).frames_written > 0

"""SignalWire's SDK 3.0.2: its compatibility API, which speaks JSON to paths without `.json`, and its Relay API."""

from __future__ import annotations

import time
from collections.abc import Callable

from signalwire.rest import RestClient
from signalwire.rest._base import SignalWireRestError
from told import SECONDS, TOLD, channels, download, tell, until


def refused(work: Callable[[], object]) -> int:
    """The status that a request is refused with."""
    try:
        work()
    except SignalWireRestError as error:
        return int(error.status_code)
    raise AssertionError("nothing was refused")


client = RestClient(project=TOLD["account"], token=TOLD["token"], host=TOLD["url"].partition("//")[2])
client._http._base_url = TOLD["url"]  # it speaks https whatever it is told
compat = client.compat

first = compat.calls.start_recording(
    TOLD["call"],
    RecordingChannels="dual",
    RecordingStatusCallback=TOLD["status"],
    RecordingStatusCallbackEvent=["in-progress", "completed"],
    Trim="do-not-trim",
)
assert (first["status"], first["channels"], first["duration"]) == ("in-progress", 2, None), first
made = [first, *(compat.calls.start_recording(TOLD["call"]) for _ in range(2))]
newest = [one["sid"] for one in reversed(made)]
page = compat.recordings.list(PageSize=2)
assert [one["sid"] for one in page["recordings"]] == newest[:2]
following = client._http.get(page["next_page_uri"])
assert [one["sid"] for one in following["recordings"]] == newest[2:]

for one in made[1:]:
    assert compat.calls.update_recording(TOLD["call"], one["sid"], Status="stopped")["status"] == "stopped"
assert compat.calls.update_recording(TOLD["call"], first["sid"], Status="paused")["status"] == "paused"
time.sleep(SECONDS)
assert refused(lambda: compat.recordings.delete(first["sid"])) == 409
assert compat.calls.update_recording(TOLD["call"], first["sid"], Status="stopped")["status"] == "stopped"
done = until(lambda: (found := compat.recordings.get(first["sid"]))["duration"] and found)
assert done["status"] == "stopped"

listed = client.recordings.list(page_size=2)
assert [one["id"] for one in listed["data"]] == newest[:2]
shown = client.recordings.get(first["sid"])
assert (shown["status"], shown["stereo"], shown["project_id"]) == ("completed", True, TOLD["account"])
assert channels(download(shown["url"])) == 2

assert compat.recordings.delete(first["sid"]) == {}
assert refused(lambda: compat.recordings.get(first["sid"])) == 404
until(lambda: client.recordings.get(made[1]["sid"])["status"] == "absent")
assert client.recordings.delete(made[1]["sid"]) == {}
assert refused(lambda: client.recordings.get(made[1]["sid"])) == 404
assert [one["sid"] for one in compat.recordings.list()["recordings"]] == newest[:1]
tell(first=first["sid"], made=len(made))

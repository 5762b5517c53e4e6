"""SignalWire's SDK 3.7.5: `calling.record` and its commands, and the Relay API's recordings. It has no LaML."""

from __future__ import annotations

from collections.abc import Callable

from signalwire.rest import RestClient, SignalWireRestError
from signalwire.rest._pagination import PaginatedIterator
from told import TOLD, channels, download, tell, until


def refused(work: Callable[[], object]) -> int:
    """The status that a request is refused with."""
    try:
        work()
    except SignalWireRestError as error:
        return int(error.status_code)
    raise AssertionError("nothing was refused")


client = RestClient(project=TOLD["account"], token=TOLD["token"], host=TOLD["url"].partition("//")[2])
call = TOLD["call"]

audio = {"format": "wav", "stereo": True, "direction": "both", "initial_timeout": 0, "end_silence_timeout": 0}
shown = client.calling.record(call, control_id="first", audio=audio, status_url=TOLD["status"])
assert (shown["id"], shown["status"]) == (call, "answered"), shown
assert refused(lambda: client.calling.record(call, control_id="first")) == 422
for name in ("second", "third"):
    client.calling.record(call, control_id=name, audio=audio)
client.calling.record_pause(call, control_id="first", extras={"behavior": "silence"})
client.calling.record_resume(call, control_id="first")
for name in ("first", "second", "third"):
    client.calling.record_stop(call, control_id=name)

everything = list(PaginatedIterator(client._http, "/api/relay/rest/recordings", {"page_size": 2}))
assert len(everything) == 3, everything
first = everything[-1]["id"]
done = until(lambda: (found := client.recordings.get(first))["status"] == "completed" and found)
assert (done["stereo"], done["track"], done["project_id"]) == (True, "both", TOLD["account"])
assert channels(download(done["url"])) == 2
assert not client.recordings.delete(first)
assert refused(lambda: client.recordings.get(first)) == 404
assert len(client.recordings.list()["data"]) == 2
tell(first=first, made=3)

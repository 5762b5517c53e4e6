"""SignalWire's own client 2.1.1 (on Twilio's 6.54.0): LaML, as an application of it does."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from signalwire.rest import Client
from told import SECONDS, TOLD, channels, download, tell, until
from twilio.base.exceptions import TwilioRestException


def refused(work: Callable[[], object]) -> tuple[int, int]:
    """The status and code that a request is refused with."""
    try:
        work()
    except TwilioRestException as error:
        return error.status, error.code
    raise AssertionError("nothing was refused")


client = Client(TOLD["account"], TOLD["token"], signalwire_space_url=TOLD["url"])
client.api.base_url = TOLD["url"]  # it speaks https whatever the URL says
call = client.calls(TOLD["call"])

first = call.recordings.create(
    recording_channels="dual",
    recording_status_callback=TOLD["status"],
    recording_status_callback_event=["in-progress completed"],
    trim="do-not-trim",
)
assert (first.status, first.channels, first.source) == ("in-progress", 2, "StartCallRecordingApi"), first.status
assert (first.call_sid, first.account_sid) == (TOLD["call"], TOLD["account"])
made = [first, *(call.recordings.create() for _ in range(4))]
newest = [one.sid for one in reversed(made)]

assert [one.sid for one in client.recordings.list(page_size=2)] == newest
assert [one.sid for one in call.recordings.list(page_size=3)] == newest
now = datetime.now(UTC)
assert len(client.recordings.list(date_created_after=now - timedelta(days=1))) == 5
assert client.recordings.list(date_created_after=now + timedelta(days=1)) == []

for one in made[1:]:
    assert call.recordings(one.sid).update(status="stopped").status == "stopped"
assert call.recordings(first.sid).update(status="paused", pause_behavior="skip").status == "paused"
assert call.recordings(first.sid).update(status="in-progress").status == "in-progress"
time.sleep(SECONDS)
assert refused(client.recordings(first.sid).delete) == (409, 20009)
assert call.recordings(first.sid).update(status="stopped").status == "stopped"
done = until(lambda: (found := client.recordings(first.sid).fetch()).duration and found)
assert (done.status, done.duration.isdigit(), done.channels) == ("stopped", True, 2)
assert isinstance(done.start_time, datetime)

sound = f"{TOLD['url']}/api/laml/2010-04-01/Accounts/{TOLD['account']}/Recordings/{first.sid}"
assert channels(download(sound)) == 2
assert channels(download(f"{sound}.wav")) == 2

assert client.recordings(first.sid).delete()
assert refused(client.recordings(first.sid).fetch) == (404, 20404)
assert [one.sid for one in client.recordings.list()] == newest[:-1]
stranger = Client(TOLD["account"], "wrong", signalwire_space_url=TOLD["url"])
stranger.api.base_url = TOLD["url"]
assert refused(stranger.recordings(first.sid).fetch) == (401, 20003)
tell(first=first.sid, made=len(made))

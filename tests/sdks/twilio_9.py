"""Twilio's own client 9.13.0: an application whose base URL is all that was changed."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from told import SECONDS, TOLD, channels, download, tell, until
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client


def refused(work: Callable[[], object]) -> tuple[int, int]:
    """The status and code that a request is refused with."""
    try:
        work()
    except TwilioRestException as error:
        return error.status, error.code
    raise AssertionError("nothing was refused")


client = Client(TOLD["account"], TOLD["token"])
client.api.base_url = TOLD["url"]
call = client.calls(TOLD["call"])

first = call.recordings.create(
    recording_channels="dual",
    recording_status_callback=TOLD["status"],
    recording_status_callback_event=["in-progress", "completed"],
)
assert (first.status, first.channels, first.source) == ("in-progress", 2, "StartCallRecordingAPI"), first.status
assert (first.call_sid, first.account_sid, first.track) == (TOLD["call"], TOLD["account"], "both")
assert first.duration is None
assert abs(first.date_created - datetime.now(UTC)) < timedelta(minutes=5)
made = [first, *(call.recordings.create(recording_track="inbound") for _ in range(4))]
newest = [one.sid for one in reversed(made)]

assert [one.sid for one in client.recordings.list(page_size=2)] == newest
assert [one.sid for one in call.recordings.list(page_size=3)] == newest
assert [one.sid for one in client.recordings.list(call_sid=TOLD["call"], limit=3)] == newest[:3]
now = datetime.now(UTC)
recent = {"date_created_after": now - timedelta(days=1), "date_created_before": now + timedelta(days=1)}
assert len(client.recordings.list(**recent)) == 5
assert client.recordings.list(date_created_after=now + timedelta(days=1)) == []
page = client.recordings.page(page_size=2)
following = page.next_page()
assert [one.sid for one in following.previous_page()] == newest[:2]

assert refused(lambda: call.recordings("Twilio.CURRENT").update(status="stopped")) == (400, 20001)
for one in made[1:]:
    assert call.recordings(one.sid).update(status="stopped").status == "stopped"
paused = call.recordings("Twilio.CURRENT").update(status="paused", pause_behavior="skip")
assert (paused.sid, paused.status) == (first.sid, "paused")
assert call.recordings(first.sid).update(status="in-progress").status == "in-progress"
time.sleep(SECONDS)
assert refused(client.recordings(first.sid).delete) == (409, 20009)
assert call.recordings(first.sid).update(status="stopped").status == "stopped"
done = until(lambda: (found := client.recordings(first.sid).fetch()).status == "completed" and found)
assert (int(done.duration) >= 0, done.channels, done.error_code) == (True, 2, None)
assert refused(lambda: call.recordings(first.sid).update(status="paused")) == (400, 21220)

assert done.media_url == f"{TOLD['url']}/2010-04-01/Accounts/{TOLD['account']}/Recordings/{first.sid}", done.media_url
assert channels(download(done.media_url)) == 2
assert channels(download(f"{done.media_url}.wav")) == 2
assert channels(download(f"{done.media_url}.wav?RequestedChannels=1")) == 1
assert download(f"{done.media_url}.mp3?RequestedChannels=2")[:3] in {b"ID3", b"\xff\xfb\x90", b"\xff\xf3\x84"}

assert client.recordings(first.sid).delete()
assert refused(client.recordings(first.sid).fetch) == (404, 20404)
assert client.recordings(first.sid).fetch(include_soft_deleted=True).status == "deleted"
assert [one.sid for one in client.recordings.list()] == newest[:-1]

stranger = Client(TOLD["account"], "wrong")
stranger.api.base_url = TOLD["url"]
assert refused(stranger.recordings(first.sid).fetch) == (401, 20003)
assert refused(client.calls("CA" + "0" * 32).recordings.create) == (404, 20404)
assert refused(lambda: call.recordings.create(trim="some")) == (400, 13699)
tell(first=first.sid, made=len(made))

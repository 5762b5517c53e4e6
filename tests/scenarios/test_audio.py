"""Sounds and requests of documents on whole calls: what lies at a URL is heard, and what a URL answers is known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from controller.calls.audio import AudioFetched, AudioRefused
from tests.harness.audio import read_wav
from tests.harness.receiver import Answer
from tests.harness.sounds import tone
from tests.harness.switch import Switch
from tests.scenarios.daemon import Callbacks, Daemon, record_call, swml
from tests.web.test_fetch import raw, says


async def test_foreign_sounds_and_own_recordings(
    daemon: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path
) -> None:
    """An mp3 and a WAV of a server are heard one after the other, what is missing is left out; then the recording."""
    receiver = daemon.receiver
    receiver.plan("/a.mp3", Answer(200, tone(tmp_path / "a", "mp3", rate=44100, channels=2, hz=1000).read_bytes()))
    receiver.plan("/b.wav", Answer(200, tone(tmp_path / "b", "wav", rate=48000, hz=600).read_bytes()))
    receiver.plan("/none", 404)
    receiver.plan("/ask", Answer(200, json.dumps({"song": "/a.mp3"}).encode(), {"Content-Type": "application/json"}))
    urls = [receiver.url("${request_response.song}"), receiver.url("/none"), "silence:0.5", receiver.url("/b.wav")]
    daemon.document.write_text(
        swml(
            {
                "request": {
                    "url": receiver.url("/ask"),
                    "method": "POST",
                    "save_variables": True,
                    "body": {"who": "me"},
                }
            },
            record_call(receiver, "first", direction="listen"),
            {"play": {"urls": urls}},
            {"stop_record_call": {"control_id": "first"}},
            {"set": {"first_url": "${record_call_url}"}},
            record_call(receiver, "second", direction="listen"),
            {"play": {"url": "${first_url}"}},
            {"play": {"url": "silence:0.5"}},  # else two tones are one, where they are made fast
            {"play": {"url": receiver.url("/b.wav"), "volume": -6}},
            {"stop_record_call": {"control_id": "second"}},
            {"hangup": {}},
        )
    )
    await daemon.start()
    call = await switch.call()
    first, second = await callbacks.ends(2)
    await call.ended()
    [asked] = receiver.to("/ask")
    assert (asked.method, asked.json) == ("POST", {"who": "me"})
    sound = read_wav(switch.recordings / f"{first['recording_id']}.wav")
    low, high = sound.sounding()
    assert (abs(low.seconds - 1.0) < 0.1, abs(high.seconds - 1.0) < 0.1) == (True, True)
    assert (round(sound.hz(0, low), -1), round(sound.hz(0, high), -1)) == (1000, 600)
    again = read_wav(switch.recordings / f"{second['recording_id']}.wav")
    heard = again.sounding()
    assert [round(again.hz(0, one), -1) for one in heard] == [1000, 600, 600]
    assert abs(heard[1].start - heard[0].start - (high.start - low.start)) < 0.1
    softer = again.channel(0)[round((heard[2].start + 0.2) * again.rate) : round((heard[2].end - 0.2) * again.rate)]
    plain = again.channel(0)[round((heard[1].start + 0.2) * again.rate) : round((heard[1].end - 0.2) * again.rate)]
    assert abs(20 * np.log10(np.abs(softer).max() / np.abs(plain).max()) + 6) < 0.7
    fetched = [event.url for event in daemon.seen(AudioFetched)]
    assert fetched == [receiver.url("/a.mp3"), receiver.url("/b.wav"), receiver.url("/b.wav")]
    assert [event.url for event in daemon.seen(AudioRefused)] == [receiver.url("/none")]
    assert daemon.unfinished() == []


async def test_sounds_that_mean_harm(daemon: Daemon, switch: Switch, callbacks: Callbacks) -> None:
    """One that never ends, a playlist of files, a page, a private address: none is heard, and the call goes on."""
    receiver = daemon.receiver
    receiver.plan("/list", Answer(200, b"#EXTM3U\n#EXTINF:9,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"))
    receiver.plan("/page", Answer(200, b"<html>" + b"<p>x</p>" * 999, {"Content-Type": "audio/wav"}))
    receiver.plan("/away", Answer(302, b"", {"Location": "http://10.1.2.3/a.wav"}))
    async with raw(says(b"HTTP/1.1 200 OK\r\n\r\n", again=b"RIFF" * 16384)) as endless:
        urls = [endless, *(receiver.url(path) for path in ("/list", "/page", "/away"))]
        daemon.document.write_text(
            swml(
                record_call(receiver, direction="listen"),
                {"play": {"urls": [*urls, "http://169.254.169.254/latest/a.wav", "http://127.0.0.1:1/a.wav"]}},
                {"hangup": {"reason": "busy"}},
            )
        )
        await daemon.start()
        call = await switch.call()
        (end,) = await callbacks.ends(1)
        assert await call.ended() == "USER_BUSY"
    assert read_wav(switch.recordings / f"{end['recording_id']}.wav").sounding() == []
    whys = [event.why for event in daemon.seen(AudioRefused)]
    words = ["more than 52428800 bytes", "is no audio", "is no audio", "(private)", "(link-local)", "no answer"]
    assert [word in why for word, why in zip(words, whys, strict=True)] == [True] * 6
    assert not list((switch.recordings / "played").glob("*"))

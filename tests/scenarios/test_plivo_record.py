"""Plivo's <Record> in the foreground and what goes with it on whole calls: how it ends, and what comes then.

Seed 003: "timeout | integer | 15 | Seconds of silence before stopping", "maxLength | integer | 60 | Maximum recording
duration in seconds", "finishOnKey | string | # | Key to stop recording (digit, #, *, or none)", "playBeep | boolean |
true | Play beep before recording", "redirect | boolean | true | Redirect to action URL when complete", "callbackUrl |
URL | - | URL notified when recording is ready", "Digits | Key pressed to stop (if any)".
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from plivo import plivoxml

from controller.calls.events import StepFailed
from controller.softswitch.script import Digits, Script, Silence, Tone
from tests.harness.audio import Sound, read_wav
from tests.harness.listen import read_audio
from tests.harness.receiver import Answer
from tests.harness.switch import SWITCH_LOST, Switch
from tests.scenarios.daemon import late
from tests.scenarios.test_plivo_wire import VOICE, Application, app, finished, parameters
from tests.scenarios.test_twiml import PLAYED, tone_file

__all__ = ["app"]  # pytest finds it by its name


def record(app: Application, **attributes: Any) -> plivoxml.RecordElement:
    """A message whose action and callbackUrl are told, and whose file is what the switch wrote."""
    given = {"file_format": "wav", "timeout": 20, "play_beep": False, **attributes}
    return plivoxml.RecordElement(
        action=app.receiver.url("/done/"), callback_url=app.receiver.url("/ready/"), **given
    )


def document(*elements: Any) -> plivoxml.ResponseElement:
    made = plivoxml.ResponseElement()
    for element in elements:
        made.add(element)
    return made


def sound_of(switch: Switch, told: dict[str, str]) -> Sound:
    """What the switch wrote for a recording."""
    return read_wav(switch.recordings / f"{told['RecordingID']}.wav")


def agree(sound: Sound, *told: dict[str, str]) -> None:
    """Whoever is told of a recording is told the length of its file, and the same as everybody."""
    for one in told:
        assert abs(int(one["RecordingDurationMs"]) - 1000 * sound.seconds) <= 1
        assert abs(int(one["RecordingDuration"]) - sound.seconds) <= 0.5
    assert len({(one["RecordingID"], one["RecordUrl"], one["RecordingStartMs"]) for one in told}) == 1


# --- how a message ends ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attributes", "script", "digits", "seconds"),
    [
        pytest.param({}, (Tone(2.0, VOICE), Digits("#"), Tone(30.0, VOICE)), "#", 2.0, id="key-default"),
        pytest.param(
            {"finish_on_key": "159"}, (Tone(1.0, VOICE), Digits("#25"), Tone(30.0, VOICE)), "5", 1.5, id="key-of-many"
        ),
        pytest.param({"timeout": 2}, (Tone(2.0, VOICE),), "", 4.0, id="silence"),
        pytest.param(
            {"timeout": 2, "finish_on_key": "none"},
            (Tone(1.0, VOICE), Digits("#*1"), Tone(1.0, VOICE)),
            *("", 4.6),
            id="no-key",
        ),
        pytest.param({"max_length": 2}, (Tone(30.0, VOICE),), "", 2.0, id="length"),
        pytest.param({"timeout": 2}, (), "", 2.0, id="nobody-speaks"),
    ],
)
async def test_how_a_message_ends(
    app: Application, switch: Switch, attributes: dict[str, Any], script: Script, digits: str, seconds: float
) -> None:
    """By a key, by silence, by its length: the action hears which key it was, and its document replaces the rest."""
    app.answers(
        "/answer/", document(record(app, **attributes), plivoxml.RedirectElement(app.receiver.url("/never/")))
    )
    app.answers("/done/", document(plivoxml.WaitElement(length=1)))
    await app.start()
    call = await switch.call(script=script)
    assert await finished(app, call) == "NORMAL_CLEARING"
    (done,), (ready,) = app.told("/done/"), app.told("/ready/")
    assert (done["Digits"], done["CallStatus"], done["Event"]) == (digits, "in-progress", "Redirect")
    assert app.told("/never/") == []
    sound = sound_of(switch, done)
    agree(sound, done, ready)
    assert sound.channels == 1
    assert sound.seconds == pytest.approx(seconds, abs=0.5 + late(switch))
    spoken = sound.sounding()
    assert bool(spoken) == bool(script)
    if spoken:
        assert spoken[0].start < 0.3 + late(switch) / 10
        assert sound.hz(0, spoken[0]) == pytest.approx(VOICE, abs=5)


async def test_a_hangup_ends_a_message(app: Application, switch: Switch) -> None:
    """What was said until then is kept and told, by action and callbackUrl, once; the document goes no further."""
    rest = plivoxml.RedirectElement(app.receiver.url("/never/"))
    app.answers("/answer/", document(record(app, redirect=False), rest))
    app.answers("/done/", document(rest))
    await app.start(hangup_url=app.receiver.url("/hangup/"))
    call = await switch.call(script=(Tone(30.0, VOICE),))
    await app.receiver.wait("/answer/")
    await asyncio.sleep(2.5)  # of the message
    await call.hangup()
    await app.receiver.wait("/done/", timeout=20)
    await finished(app, call)
    (done,), (ready,), (over,) = app.told("/done/"), app.told("/ready/"), app.told("/hangup/")
    assert (done["Digits"], done["CallStatus"], over["CallStatus"]) == ("", "completed", "completed")
    assert app.told("/never/") == []
    sound = sound_of(switch, ready)
    agree(sound, done, ready)
    assert sound.seconds == pytest.approx(2.2, abs=0.7 + late(switch))
    app.signed()


@pytest.mark.parametrize("fmt", ["mp3", "wav"])
async def test_what_the_action_is_told_of_is_there(
    app: Application, switch: Switch, tmp_path: Path, fmt: str
) -> None:
    """``RecordUrl | URL of the recording file``: whoever asks for it as soon as it is told has the file."""
    app.answers("/answer/", document(record(app, file_format=fmt)))
    app.answers("/done/", document(plivoxml.WaitElement(length=3)))
    await app.start()
    call = await switch.call(script=(Tone(2.0, VOICE), Digits("#")))
    await app.receiver.wait("/done/", timeout=30)
    (done,) = app.told("/done/")
    assert await app.daemon.fetch(done["RecordUrl"], tmp_path / f"message.{fmt}") == 200
    assert done["CallStatus"] == "in-progress"
    await finished(app, call)
    (ready,) = app.told("/ready/")
    assert {name: done[name] for name in ready if name.startswith("Record")} == {
        name: value for name, value in ready.items() if name.startswith("Record")
    }


@pytest.mark.parametrize("redirect", [True, False])
async def test_a_hangup_whose_end_is_told_late(app: Application, switch: Switch, redirect: bool) -> None:
    """A switch that reports a call to a slow server first (mod_xml_cdr) tells its end then: the action hears once."""
    rest = plivoxml.RedirectElement(app.receiver.url("/never/"))
    app.answers("/answer/", document(record(app, redirect=redirect), rest))
    app.answers("/done/", document(rest))
    await app.start(hangup_url=app.receiver.url("/hangup/"))
    call = await switch.call(script=(Tone(30.0, VOICE),), variables={"api_reporting_hook": "msleep 2000"})
    await app.receiver.wait("/answer/")
    await asyncio.sleep(2.5)
    await call.hangup()
    await finished(app, call)
    await app.receiver.wait("/hangup/", timeout=20)
    (over,) = app.told("/hangup/")
    assert (over["HangupCauseCode"], over["HangupSource"]) == ("4000", "Caller")
    (done,), (ready,) = app.told("/done/"), app.told("/ready/")
    assert (done["Digits"], done["CallStatus"], done["RecordingID"]) == ("", "completed", ready["RecordingID"])
    assert app.told("/never/") == []


async def test_the_beep_is_heard_and_not_recorded(app: Application, switch: Switch) -> None:
    """The recording begins when the beep is over; without it, at once. Nothing but the caller is in the file."""
    app.answers("/answer/", document(record(app, play_beep=True, timeout=2)))
    app.answers("/done/", document())
    await app.start()
    call = await switch.call(script=(Tone(3.0, VOICE),))
    assert await finished(app, call) == "NORMAL_CLEARING"
    (done,) = app.told("/done/")
    sound = sound_of(switch, done)
    (spoken,) = sound.sounding()
    assert sound.hz(0, spoken) == pytest.approx(VOICE, abs=5)
    assert 1.5 - late(switch) < spoken.seconds < 2.95, "what was said during the beep is not in it"


# --- what comes then ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_an_action_without_redirect(app: Application, switch: Switch, method: str) -> None:
    """It is told by its method, what it answers means nothing, and the document goes on."""
    on = plivoxml.RedirectElement(app.receiver.url("/on/"))
    app.answers("/answer/", document(record(app, redirect=False, method=method, max_length=1), on))
    app.answers("/done/", document(plivoxml.RedirectElement(app.receiver.url("/never/"))))
    app.answers("/on/", document(plivoxml.WaitElement(length=1)))
    await app.start()
    call = await switch.call(script=(Tone(30.0, VOICE),))
    assert await finished(app, call) == "NORMAL_CLEARING"
    (done,), (ready,) = app.told("/done/"), app.told("/ready/")
    agree(sound_of(switch, done), done, ready)
    assert {request.method for request in app.receiver.to("/done/")} == {method}
    assert len(app.told("/on/")) == 1
    assert app.told("/never/") == []
    app.signed()


async def test_an_action_that_is_away_stops_nobody(app: Application, switch: Switch) -> None:
    """Without redirect it is told in the background, again and again by its rules: the document goes on at once."""
    quick = "#rc=0&rt=300"
    element = plivoxml.RecordElement(
        action=app.receiver.url(f"/done/{quick}"), redirect=False, max_length=1, play_beep=False
    )
    app.answers("/answer/", document(element, plivoxml.RedirectElement(app.receiver.url("/on/"))))
    app.receiver.plan("/done/", Answer(hang=True))
    app.answers("/on/", document())
    await app.start()
    call = await switch.call(script=(Tone(30.0, VOICE),))
    assert await finished(app, call) == "NORMAL_CLEARING"
    assert len(app.told("/on/")) == 1
    assert len(app.told("/done/")) == 1


async def test_a_message_without_an_action(app: Application, switch: Switch, tmp_path: Path) -> None:
    """The document goes on; callbackUrl is told by its method once the mp3 can be had, which it is by default."""
    element = plivoxml.RecordElement(
        max_length=2, play_beep=False, callback_url=app.receiver.url("/ready/?k=v"), callback_method="GET"
    )
    app.answers("/answer/", document(element, plivoxml.RedirectElement(app.receiver.url("/on/"))))
    app.answers("/on/", document(plivoxml.WaitElement(length=1)))
    await app.start()
    call = await switch.call(script=(Tone(30.0, VOICE),))
    (request,) = await app.receiver.wait("/ready/", timeout=20)
    ready = parameters(request)
    assert await app.daemon.fetch(ready["RecordUrl"], tmp_path / "got.mp3") == 200, "announced before it is there"
    assert await finished(app, call) == "NORMAL_CLEARING"
    assert (request.method, ready["k"]) == ("GET", "v")
    assert ready["RecordUrl"].endswith(f"{ready['RecordingID']}.mp3")
    sound = read_audio(tmp_path / "got.mp3")
    assert abs(int(ready["RecordingDurationMs"]) - 1000 * sound.seconds) <= 60
    assert sound.hz() == pytest.approx(VOICE, abs=5)
    assert len(app.told("/on/")) == 1
    app.signed()


async def test_a_hangup_within_a_conversation(app: Application, switch: Switch) -> None:
    """A Dial's action is told of a call that is completed, then the hangup URL is; what they answer means nothing."""
    dial = plivoxml.DialElement(action=app.receiver.url("/dialled/"), method="GET")
    dial.add(plivoxml.NumberElement("2000"))
    app.answers("/answer/", document(dial))
    never = plivoxml.RedirectElement(app.receiver.url("/never/"))
    app.answers("/dialled/", document(never))
    app.daemon.changes["dial"] = {"number": "loopback/{number}/fsrec-harness"}
    await app.start(hangup_url=app.receiver.url("/hangup/"))
    call = await switch.call(script=(Tone(30.0, VOICE),))
    await app.receiver.wait("/answer/")
    await asyncio.sleep(3.0)  # of the conversation
    await call.hangup()
    (over,) = [request.form for request in await app.receiver.wait("/hangup/", timeout=20)]
    await finished(app, call)
    assert [request.path for request in app.receiver.requests] == ["/answer/", "/dialled/", "/hangup/"]
    (dialled,) = app.told("/dialled/")
    assert (dialled["DialStatus"], dialled["CallStatus"], over["CallStatus"]) == ("completed", *["completed"] * 2)
    assert int(over["Duration"]) == pytest.approx(3, abs=1 + late(switch))
    app.signed()


# --- a call's time --------------------------------------------------------------------------------------------------


async def test_a_wait_does_not_answer(app: Application, switch: Switch) -> None:
    """<Wait> as the first element delays the answer, <Hangup> ends the call: nobody is billed for it."""
    hear = plivoxml.RedirectElement(app.receiver.url("/waited/"))
    app.answers("/answer/", document(plivoxml.WaitElement(length=2), hear))
    app.answers("/waited/", document(plivoxml.HangupElement(reason="rejected")))
    await app.start(hangup_url=app.receiver.url("/hangup/"))
    call = await switch.call()
    assert await finished(app, call) == "CALL_REJECTED"
    (first,), (second,) = app.receiver.to("/answer/"), app.receiver.to("/waited/")
    assert second.at - first.at == pytest.approx(2.0, abs=0.3 + late(switch))
    (over,) = app.told("/hangup/")
    assert (second.form["CallStatus"], over["Duration"]) == ("ringing", "0")
    assert "AnswerTime" not in over


async def test_a_scheduled_hangup(app: Application, switch: Switch) -> None:
    """<Hangup schedule> ends the call so many seconds later, whatever it does then; the rest of the document runs."""
    hear = plivoxml.RedirectElement(app.receiver.url("/on/"))
    app.answers("/answer/", document(plivoxml.HangupElement(schedule=30), plivoxml.HangupElement(schedule=3), hear))
    app.answers("/on/", document(record(app)))
    await app.start(hangup_url=app.receiver.url("/hangup/"))
    call = await switch.call(script=(Tone(30.0, VOICE),))
    assert await finished(app, call) == "ALLOTTED_TIMEOUT"
    (begun,), (over,) = app.receiver.to("/on/"), app.receiver.to("/hangup/")
    assert over.at - begun.at == pytest.approx(3.0, abs=1.0 + late(switch))
    assert begun.form["CallStatus"] == "ringing", "the schedule alone answers nothing"
    assert (over.form["CallStatus"], over.form["HangupCause"]) == ("completed", "ALLOTTED_TIMEOUT")
    (done,), (ready,) = app.told("/done/"), app.told("/ready/")
    assert done["CallStatus"] == "completed"
    agree(sound_of(switch, ready), done, ready)


# --- digits ---------------------------------------------------------------------------------------------------------


async def test_digits_while_a_prompt_plays(app: Application, switch: Switch) -> None:
    """<GetDigits> plays what lies in it, a beep behind it; a digit ends both, the action hears all of them."""
    app.receiver.plan("/prompt.wav", tone_file(10.0))
    gather = plivoxml.GetDigitsElement(app.receiver.url("/digits/"), num_digits=3, timeout=20, play_beep=True)
    gather.add(plivoxml.PlayElement(app.receiver.url("/prompt.wav")))
    app.answers("/answer/", document(gather, plivoxml.RedirectElement(app.receiver.url("/never/"))))
    app.answers("/digits/", document(record(app, max_length=1)))
    app.answers("/done/", document())
    await app.start()
    call = await switch.call(script=(Silence(2.0), Digits("427"), Tone(30.0, VOICE)))
    assert await finished(app, call) == "NORMAL_CLEARING"
    (asked,), (pressed,) = app.receiver.to("/answer/"), app.receiver.to("/digits/")
    assert (pressed.form["Digits"], pressed.form["Event"]) == ("427", "Redirect")
    assert pressed.at - asked.at < 8.0, "the prompt ended before its time"
    assert app.told("/never/") == []
    (done,) = app.told("/done/")
    assert sound_of(switch, done).hz() == pytest.approx(VOICE, abs=5)


async def test_digits_that_are_not_taken(app: Application, switch: Switch) -> None:
    """A try whose digits are none that are valid is said so and tried again; then the document goes on."""
    app.receiver.plan("/sorry.wav", tone_file(0.5, PLAYED))
    gather = plivoxml.GetDigitsElement(
        app.receiver.url("/digits/"),
        num_digits=1,
        timeout=2,
        valid_digits="12",
        retries=2,
        invalid_digits_sound=app.receiver.url("/sorry.wav"),
    )
    app.answers("/answer/", document(gather, plivoxml.RedirectElement(app.receiver.url("/on/"))))
    app.answers("/on/", document())
    await app.start()
    call = await switch.call(script=(Silence(0.5), Digits("9")))
    assert await finished(app, call) == "NORMAL_CLEARING"
    assert app.told("/digits/") == []
    assert len(app.told("/on/")) == 1
    assert len(app.receiver.to("/sorry.wav")) >= 1


@pytest.mark.parametrize(("redirect", "heard"), [(True, ["/digits/"]), (False, ["/digits/", "/on/"])])
async def test_what_comes_after_digits(app: Application, switch: Switch, redirect: bool, heard: list[str]) -> None:
    """finishOnKey ends them and is none of them; with redirect the action's document runs, without it the next."""
    gather = plivoxml.GetDigitsElement(app.receiver.url("/digits/"), finish_on_key="*", timeout=9, redirect=redirect)
    app.answers("/answer/", document(gather, plivoxml.RedirectElement(app.receiver.url("/on/"))))
    app.answers("/digits/", document())
    app.answers("/on/", document(plivoxml.WaitElement(length=1)))
    await app.start()
    call = await switch.call(script=(Silence(0.5), Digits("12#*")))
    assert await finished(app, call) == "NORMAL_CLEARING"
    assert [told["Digits"] for told in app.told("/digits/")] == ["12#"]
    assert sorted(request.path for request in app.receiver.requests if request.path != "/answer/") == heard
    assert app.daemon.seen(StepFailed) == []
    app.signed()


# --- nobody there meanwhile -----------------------------------------------------------------------------------------


async def test_a_message_that_outlives_its_daemon(app: Application, switch: Switch) -> None:
    """kill -9 while it records: the same message ends by its key, everybody hears of it, and the call goes on."""
    app.answers("/answer/", document(record(app)))
    app.answers("/done/", document(plivoxml.WaitElement(length=1)))
    app.route(hangup_url=app.receiver.url("/hangup/"))
    await app.daemon.spawn()
    call = await switch.call(script=(Tone(30.0, VOICE),))
    await app.receiver.wait("/answer/")
    await asyncio.sleep(1.5)
    await app.daemon.kill()
    await app.daemon.spawn()
    await call.press("#")
    await app.receiver.wait("/hangup/", timeout=30)
    assert await call.ended() == "NORMAL_CLEARING"
    await app.daemon.until(lambda: app.daemon.unfinished() == [] and app.daemon.quiet(), 20)
    (done,) = app.told("/done/")
    assert (done["Digits"], done["CallStatus"]) == ("#", "in-progress")
    agree(sound_of(switch, done), done, app.told("/ready/")[0])
    assert app.told("/hangup/")[0]["HangupCause"] == "NORMAL_CLEARING"


async def test_an_end_that_no_daemon_saw(app: Application, switch: Switch) -> None:
    """The caller hangs up while no daemon runs: the next one tells action, callbackUrl and hangup URL, each once."""
    app.answers("/answer/", document(record(app)))
    app.route(hangup_url=app.receiver.url("/hangup/"))
    await app.daemon.spawn()
    call = await switch.call(script=(Tone(30.0, VOICE),))
    await app.receiver.wait("/answer/")
    await asyncio.sleep(2.0)
    await app.daemon.kill()
    await call.hangup()
    await call.ended()
    await app.daemon.spawn()
    for path in ("/done/", "/ready/", "/hangup/"):
        await app.receiver.wait(path, timeout=30)
    await app.daemon.until(lambda: app.daemon.unfinished() == [] and app.daemon.quiet(), 20)
    (done,), (ready,), (over,) = app.told("/done/"), app.told("/ready/"), app.told("/hangup/")
    agree(sound_of(switch, ready), done, ready)
    assert done["CallStatus"] == over["CallStatus"] == "completed"


async def test_a_switch_that_dies(app: Application, switch: Switch) -> None:
    """Its calls end with it: the hangup URL hears of each, and what was recorded until then is told."""
    app.answers("/answer/", document(record(app)))
    await app.start(hangup_url=app.receiver.url("/hangup/"))
    call = await switch.call(script=(Tone(30.0, VOICE),))
    await app.receiver.wait("/answer/")
    await asyncio.sleep(3.0)
    await switch.kill()
    assert await call.ended() == SWITCH_LOST
    await switch.restart()
    await app.receiver.wait("/ready/", timeout=30)
    (over,) = [request.form for request in await app.receiver.wait("/hangup/", timeout=30)]
    assert (over["HangupCause"], over["CallStatus"]) == (SWITCH_LOST, "completed")
    await app.daemon.until(lambda: app.daemon.unfinished() == [] and app.daemon.quiet(), 20)
    assert int(app.told("/ready/")[0]["RecordingDurationMs"]) > 500

"""Documents of Plivo XML that lead to others, over the whole daemon: recordings that wait, sounds, refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from plivo import plivoxml

from controller.calls.events import DocumentRefused
from controller.documents.events import DocumentWarned
from tests.harness.audio import read_wav
from tests.harness.receiver import Answer
from tests.harness.switch import Switch
from tests.scenarios.daemon import late
from tests.scenarios.test_dial import CALLEE, CALLER, DIALLING, SPEAKING, loud, near
from tests.scenarios.test_plivo_record import document
from tests.scenarios.test_plivo_wire import Application, app, finished
from tests.scenarios.test_ringing import MUSIC, QUESTION, RING, at, hears

__all__ = ["app"]  # pytest finds it by its name


@pytest.fixture
def dialling(app: Application) -> Application:
    """An application whose calls dial the harness's callees."""
    app.daemon.changes.update(DIALLING)
    return app


def dial(number: str, **attributes: Any) -> plivoxml.DialElement:
    made = plivoxml.DialElement(**attributes)
    made.add(plivoxml.NumberElement(number))
    return made


def session(app: Application, **attributes: Any) -> plivoxml.RecordElement:
    """A recording of the background that is told at ``/ready/``."""
    return plivoxml.RecordElement(file_format="wav", callback_url=app.receiver.url("/ready/"), **attributes)


async def test_a_recording_waits_over_its_actions_document(dialling: Application, switch: Switch) -> None:
    """``redirect="true"``: the action hears of -1 and a URL at once, its document dials, and that is recorded."""
    app = dialling
    waiting = session(app, start_on_dial_answer=True, action=app.receiver.url("/begun/"))
    app.answers("/answer/", document(waiting, plivoxml.RedirectElement(app.receiver.url("/never/"))))
    app.answers("/begun/", document(dial("2003", timeout=1), dial("2004", time_limit=2)))
    await app.start()
    call = await switch.call(script=SPEAKING)
    assert await finished(app, call) == "NORMAL_CLEARING"
    (begun,), (ready,) = app.told("/begun/"), app.told("/ready/")
    assert app.told("/never/") == []
    times = ("RecordingDuration", "RecordingDurationMs", "RecordingStartMs", "RecordingEndMs")
    assert [begun[name] for name in times] == ["-1"] * 4
    assert (begun["CallStatus"], begun["Event"], begun["Digits"]) == ("in-progress", "Redirect", "")
    assert (ready["RecordingID"], ready["RecordUrl"]) == (begun["RecordingID"], begun["RecordUrl"])
    assert begun["RecordFile"] == begun["RecordUrl"]
    sound = read_wav(switch.recordings / f"{ready['RecordingID']}.wav")
    assert abs(int(ready["RecordingDurationMs"]) - 1000 * sound.seconds) <= 1
    assert near(sound.hz(0, loud(sound, 0)), CALLER)
    assert near(sound.hz(1, loud(sound, 1)), CALLEE)
    assert abs(loud(sound, 1).seconds - 2.0) < 0.4 + late(switch)


async def test_sounds_of_a_dial(dialling: Application, switch: Switch, tmp_path: Path) -> None:
    """The caller hears the music's document, who answers the question's: whoever presses the key is connected."""
    app = dialling
    music = at(app.daemon, tmp_path, "music.wav", MUSIC).url
    question = at(app.daemon, tmp_path, "question.wav", QUESTION).url
    app.answers("/music/", document(plivoxml.PlayElement(music, loop=0), plivoxml.HangupElement()))
    app.answers("/question/", document(plivoxml.PlayElement(question)))
    sounds = {"dial_music": app.receiver.url("/music/"), "confirm_sound": app.receiver.url("/question/")}
    asked = dial("2010", confirm_key="5", time_limit=2, action=app.receiver.url("/after/"), redirect=False, **sounds)
    app.answers("/answer/", document(session(app, record_session=True), asked))
    await app.start()
    call = await switch.call(script=SPEAKING)
    assert await finished(app, call) == "NORMAL_CLEARING"
    (after,), (ready,) = app.told("/after/"), app.told("/ready/")
    assert (after["DialStatus"], bool(after["DialBLegUUID"])) == ("completed", True)
    assert [request.method for path in ("/music/", "/question/") for request in app.receiver.to(path)] == ["POST"] * 2
    sound = read_wav(switch.recordings / f"{ready['RecordingID']}.wav")
    assert hears(sound, MUSIC, channel=1)
    assert hears(sound, CALLEE, channel=1)
    assert hears(sound, *RING, channel=1) == hears(sound, QUESTION, channel=1) == []


@pytest.mark.parametrize("redirect", [True, False])
async def test_nobody_is_connected_unasked(dialling: Application, switch: Switch, redirect: bool) -> None:
    """A confirmSound that is away: nobody's phone rings, and the action hears of a dialling that failed."""
    app = dialling
    app.receiver.plan("/question/", *[Answer(500)] * 3)
    asked = dial(
        "2000", confirm_sound=app.receiver.url("/question/"), action=app.receiver.url("/after/"), redirect=redirect
    )
    app.answers("/answer/", document(asked))
    app.answers("/after/", document(plivoxml.HangupElement()))
    await app.start()
    call = await switch.call(script=SPEAKING)
    await finished(app, call)
    (after,) = app.told("/after/")
    assert (after["DialStatus"], after["DialBLegUUID"]) == ("failed", "")
    assert "Dial.confirmSound" in {event.where for event in app.daemon.seen(DocumentWarned)}


async def test_a_document_that_is_refused_in_a_call(app: Application, switch: Switch) -> None:
    """One that a redirect leads to is told of as the first would be, with its URL and its line."""
    app.answers("/answer/", document(plivoxml.RedirectElement(app.receiver.url("/second/"))))
    app.receiver.plan("/second/", Answer(200, b"<Response>\n<Nonsense/></Response>", {"Content-Type": "text/xml"}))
    await app.start()
    await finished(app, await switch.call())
    (refused,) = app.daemon.seen(DocumentRefused)
    assert (refused.document, refused.dialect, refused.trouble) == (app.receiver.url("/second/"), "plivo", "invalid")
    assert refused.why.startswith(f"{app.receiver.url('/second/')}: line 2: ")


async def test_a_refused_document_has_no_effect(app: Application, switch: Switch) -> None:
    """A bad value at its end: nothing of it runs, the fallback does, and what is wrong is told with its line."""
    bad = b"<Response>\n<Record recordSession='true'/>\n<Record fileFormat='ogg'/></Response>"
    app.receiver.plan("/answer/", Answer(200, bad, {"Content-Type": "text/xml"}))
    app.answers("/fallback/", document(plivoxml.HangupElement(reason="busy")))
    await app.start(fallback=app.receiver.url("/fallback/"))
    call = await switch.call()
    assert await finished(app, call) == "USER_BUSY"
    assert list(switch.recordings.glob("*.wav")) == []
    (refused,) = app.daemon.seen(DocumentRefused)
    assert "line 3: Record.fileFormat: must be mp3 or wav" in refused.why

"""The demo's calls: what the document says, what the caller and the world outside do, what must come of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from controller.demo import words
from controller.demo.sound import Sound
from controller.softswitch import Digits, Script, Silence, Speech

STATUS_URL = "STATUS_URL"
"""Stands in a document for where the receiver's URLs begin."""

MOST, LEAST = 0.9, 0.1
"""Shares of loud windows from which on, or up to which, a stretch counts as spoken, or as silent."""

LATE = 0.6
"""Seconds that a recording may be longer than what was said into it: the caller notices its start a little late."""

CLOSE = 0.25
"""Seconds that a length may differ from what two clocks, or two commands one after the other, say."""


class Stage(Protocol):
    """What a part can do and see while its call lasts."""

    def say(self, script: Script) -> None:
        """Let the caller speak, press keys, or hang up."""
        ...

    def hang_up(self) -> None:
        """Let the caller hang up."""
        ...

    async def recording(self) -> None:
        """Wait for the start of the call's recording."""
        ...

    async def told(self, *states: str) -> None:
        """Wait until just these states have been told."""
        ...

    async def command(self, name: str, **params: str) -> None:
        """Send a REST command about the recording."""
        ...


@dataclass(frozen=True, slots=True)
class Part:
    """One call: ``states`` are its callbacks', ``judge`` says what is wrong with its file.

    ``account`` is the demo's, by its vendor's name; it tells the document's language. Where not ``ordered``, the
    callbacks come by ways that know nothing of each other.
    """

    number: str
    title: str
    document: str
    act: Callable[[Stage], Awaitable[None]]
    judge: Callable[[Sound, list[dict[str, Any]]], Iterator[str]]
    states: tuple[str, ...] = ("recording", "finished")
    plays_back: bool = True
    account: str = "signalwire"
    ordered: bool = True


# --- a voicemail: the reference's example of `record`, with a status_url ------------------------------------------

VOICEMAIL = f"""
version: 1.0.0
sections:
  main:
    - play:
        url: 'say:Start speaking after the beep. Press hash to end recording.'
    - record:
        end_silence_timeout: 3
        beep: true
        status_url: '{STATUS_URL}/swml'
    - play:
        url: 'say:Recording ${{record_result}}. Playing back recording:'
    - play:
        url: '${{record_url}}'
"""
MESSAGE, PAUSE = 2.0, 0.4


async def leave_message(stage: Stage) -> None:
    """Speak after the beep, and press hash."""
    await stage.recording()
    stage.say((Speech(MESSAGE), Silence(PAUSE), Digits("#")))


def judge_message(sound: Sound, _told: list[dict[str, Any]]) -> Iterator[str]:
    """Say what is wrong: the message is all there is in it, from its first word to hash."""
    length = MESSAGE + PAUSE
    if not length - CLOSE <= sound.seconds <= length + LATE:
        yield f"{sound.seconds:.2f} s, not the {length:.2f} s until hash"
    late = max(0.0, sound.seconds - length)
    yield from _spoken(sound, late + 0.1, late + MESSAGE - 0.1)
    yield from _silent(sound, sound.seconds - PAUSE + 0.1, sound.seconds)
    if sound.channels != 1:
        yield f"{sound.channels} channels, not 1"


# --- record_call, play, stop, play back: the reference's example, with a status_url ------------------------------

CONVERSATION = f"""
version: 1.0.0
sections:
  main:
    - record_call:
        beep: true
        terminators: '#'
        status_url: '{STATUS_URL}/swml'
    - play:
        urls:
          - 'say:Leave your message now'
          - 'silence:3'
    - stop_record_call: {{}}
    - play:
        urls:
          - 'say:Playing back'
          - '${{record_call_url}}'
"""
ASKED = 1.3
"""Seconds that the softswitch takes to say `Leave your message now`."""

HEARD, ANSWER = 3.0, 2.0


async def answer_question(stage: Stage) -> None:
    """Listen, then speak."""
    await stage.recording()
    stage.say((Silence(ASKED + 0.5), Speech(ANSWER)))


def judge_conversation(sound: Sound, _told: list[dict[str, Any]]) -> Iterator[str]:
    """Say what is wrong: both are in it, the question and the answer."""
    length = ASKED + HEARD
    if not length - CLOSE <= sound.seconds <= length + LATE:
        yield f"{sound.seconds:.2f} s, not the {length:.2f} s of the question and the silence after it"
    yield from _spoken(sound, 0.3, ASKED - 0.1)
    yield from _spoken(sound, ASKED + 0.5 + 0.3, ASKED + 0.5 + ANSWER - 0.1)


# --- a call recorded to its hangup, paused and resumed from outside ------------------------------------------------

WHOLE_CALL = f"""
version: 1.0.0
sections:
  main:
    - record_call:
        control_id: whole-call
        stereo: true
        status_url: '{STATUS_URL}/swml'
    - sleep: -1
"""
STRETCH = 1.5


async def talk_on(stage: Stage) -> None:
    """Speak all the time, while somebody outside pauses the recording and resumes it; then hang up."""
    await stage.recording()
    stage.say((Speech(20 * STRETCH),))
    await stage.told("recording")
    await asyncio.sleep(STRETCH)
    await stage.command("calling.record.pause", behavior="silence")
    await stage.told("recording", "paused")
    await asyncio.sleep(STRETCH)
    await stage.command("calling.record.resume")
    await stage.told("recording", "paused", "recording")
    await asyncio.sleep(STRETCH)
    stage.hang_up()


def judge_whole_call(sound: Sound, told: list[dict[str, Any]]) -> Iterator[str]:
    """Say what is wrong: the caller is on the left, except while it was paused, and nobody is on the right."""
    if sound.channels != 2:
        yield f"{sound.channels} channels, not 2"
        return
    start, end = told[-1]["start_time"], told[-1]["end_time"]
    if abs(sound.seconds - (end - start)) > CLOSE:
        yield f"{sound.seconds:.2f} s, not the {end - start:.2f} s between its start and its end"
    paused, resumed = told[1]["timestamp"] - start, told[2]["timestamp"] - start
    yield from _spoken(sound, 0.4, paused - CLOSE)
    yield from _silent(sound, paused + CLOSE, resumed - CLOSE)
    yield from _spoken(sound, resumed + CLOSE, sound.seconds - 0.1)
    yield from _silent(sound, 0.0, sound.seconds, channel=1)


# --- TwiML: a call recorded from its first word on -----------------------------------------------------------------

GREETED = f"""
<Response>
  <Start>
    <Recording recordingStatusCallback="{STATUS_URL}/twiml" recordingStatusCallbackEvent="in-progress completed"
               trim="do-not-trim"/>
  </Start>
  <Say>Please hold the line</Say>
  <Pause length="3"/>
</Response>
"""


async def hold_the_line(stage: Stage) -> None:
    """Speak when the greeting is over."""
    await stage.recording()
    stage.say((Silence(ASKED + 0.3), Speech(ANSWER)))


def judge_greeted(sound: Sound, _told: list[dict[str, Any]]) -> Iterator[str]:
    """Say what is wrong: the caller is on the left, what the caller heard is on the right."""
    if sound.channels != 2:
        yield f"{sound.channels} channels, not 2"
        return
    yield from _spoken(sound, 0.3, 1.0, channel=1)
    yield from _silent(sound, 0.0, ASKED, channel=0)
    yield from _spoken(sound, ASKED + 0.3 + LATE, ASKED + 0.3 + ANSWER - 0.1, channel=0)
    yield from _silent(sound, sound.seconds - 1.0, sound.seconds, channel=1)


# --- Plivo XML: a voicemail, with its text where there is an engine -----------------------------------------------

PLIVO_VOICEMAIL = f"""
<Response>
  <Speak>Leave your message now</Speak>
  <Record action="{STATUS_URL}/plivo/action" callbackUrl="{STATUS_URL}/plivo/callback" fileFormat="wav"
          timeout="5" maxLength="30" finishOnKey="#"/>
</Response>
"""
PLIVO_TRANSCRIBED = PLIVO_VOICEMAIL.replace(
    'finishOnKey="#"', f'finishOnKey="#" transcriptionType="auto" transcriptionUrl="{STATUS_URL}/plivo/transcription"'
)


async def say_words(stage: Stage) -> None:
    """Say words that are known, and press hash."""
    await stage.recording()
    said = words.sample()
    assert said is not None  # noqa: S101 - else this part is not there
    stage.say((said, Silence(PAUSE), Digits("#")))


def judge_words(sound: Sound, told: list[dict[str, Any]]) -> Iterator[str]:
    """Say what is wrong: the text that was told has the words that were said."""
    length = words.SECONDS + PAUSE
    if not length - CLOSE <= sound.seconds <= length + LATE:
        yield f"{sound.seconds:.2f} s, not the {length:.2f} s until hash"
    text = next((str(one["transcription"]) for one in told if one["state"] == "transcription"), "")
    for known in words.KNOWN:
        if known not in text.lower():
            yield f"the text is {text!r}, without the words {known!r}"


def _spoken(sound: Sound, start: float, end: float, channel: int = 0) -> Iterator[str]:
    if (share := sound.loud(start, end, channel)) < MOST:
        yield f"silent where there was speech, from {start:.2f} s to {end:.2f} s ({share:.0%} is loud)"


def _silent(sound: Sound, start: float, end: float, channel: int = 0) -> Iterator[str]:
    if (share := sound.loud(start, end, channel)) > LEAST:
        yield f"loud where there was silence, from {start:.2f} s to {end:.2f} s ({share:.0%} is loud)"


PARTS = (
    Part("1001", "a voicemail with record", VOICEMAIL, leave_message, judge_message),
    Part("1002", "record_call, play, stop, play back", CONVERSATION, answer_question, judge_conversation),
    Part(
        "1003",
        "recorded to the hangup, paused and resumed over REST",
        WHOLE_CALL,
        talk_on,
        judge_whole_call,
        states=("recording", "paused", "recording", "finished"),
        plays_back=False,
    ),
    Part(
        "1004",
        "<Start><Recording> in TwiML, to the end of the call",
        GREETED,
        hold_the_line,
        judge_greeted,
        states=("in-progress", "completed"),
        plays_back=False,
        account="twilio",
    ),
    Part(
        "1005",
        "a voicemail with Plivo's <Record>",
        PLIVO_VOICEMAIL,
        leave_message,
        judge_message,
        states=("action", "callback"),
        plays_back=False,
        account="plivo",
        ordered=False,
    ),
)
TRANSCRIBED = Part(
    "1006",
    "Plivo's <Record> with its words as text",
    PLIVO_TRANSCRIBED,
    say_words,
    judge_words,
    states=("action", "callback", "transcription"),
    plays_back=False,
    account="plivo",
    ordered=False,
)
"""Runs too where the extra ``fsrec[transcription]`` is installed."""


def shown() -> tuple[Part, ...]:
    """Return the parts that run here; first the one in which people hear words."""
    return PARTS if words.sample() is None else (TRANSCRIBED, *PARTS)

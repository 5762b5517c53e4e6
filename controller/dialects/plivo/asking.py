"""What an instruction asks for: its values → a neutral step, a recording, sounds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from controller.dialects.plivo.document import MOST_HEARD, MOST_NESTED, Instruction, names
from controller.dialects.plivo.sources import DIAL_ANSWER, RECORD, SESSION
from controller.dialects.plivo.values import NONE, REAL
from controller.dialects.plivo.verbs import LONGEST, MOST_DIGITS
from controller.documents.addresses import bare_number
from controller.documents.attributes import Value
from controller.documents.dialect import Account
from controller.documents.steps import (
    AudioAt,
    Beep,
    Confirmation,
    Dial,
    DialRecording,
    Gather,
    Item,
    Party,
    PartyKind,
    Play,
    Quiet,
    Speech,
)
from controller.recordings.model import (
    Channels,
    RecordingRequest,
    StatusTarget,
    Track,
    TranscriptionWish,
)

REASONS = {"rejected": "CALL_REJECTED", "busy": "USER_BUSY"}
"""Hangup's reasons as FreeSWITCH's causes."""

Values = Mapping[str, Value]

_GENDERS = {"man": "male", "woman": "female"}


@dataclass(frozen=True, slots=True)
class Asking:
    """Makes what a call of ``account`` is asked to do."""

    account: Account | None = None

    # --- what is recorded ----------------------------------------------------------------------------------------

    def foreground(self, values: Values, reference: str) -> RecordingRequest:
        """Return the recording of what the caller says, until it ends (spec 3.2)."""
        silence = seconds(values["timeout"])
        return replace(
            self._request(values, RECORD, reference),
            beep=bool(values["playBeep"]),
            terminators=str(values["finishOnKey"]),
            initial_timeout=silence,
            end_silence_timeout=silence,
            max_length=seconds(values["maxLength"]),
            at_hangup=target(values, "action", "method"),
        )

    def background(self, values: Values, source: str, reference: str) -> RecordingRequest:
        """Return the recording of both parties, to the end of the call; timeout, keys and beep mean nothing to it."""
        return replace(
            self._request(values, source, reference),
            channels=Channels.DUAL if values["recordChannelType"] == "stereo" else Channels.MONO,
            track=Track.BOTH,
            max_length=seconds(values["maxLength"]) if "maxLength" in values else None,
        )

    def session(self, values: Values, reference: str) -> RecordingRequest:
        """Return the recording of ``recordSession``."""
        return self.background(values, SESSION, reference)

    def at_answer(self, values: Values, reference: str) -> RecordingRequest:
        """Return the recording of ``startOnDialAnswer``."""
        return self.background(values, DIAL_ANSWER, reference)

    def _request(self, values: Values, source: str, reference: str) -> RecordingRequest:
        told = target(values, "transcriptionUrl", "transcriptionMethod")
        return RecordingRequest(
            channels=Channels.MONO,
            track=Track.INBOUND,
            format=str(values["fileFormat"]),
            reference=reference,
            source=source,
            status=target(values, "callbackUrl", "callbackMethod"),
            absent_when_silent=False if self.account is None else self.account.absent_when_silent,
            transcription=TranscriptionWish(told) if "transcriptionType" in values else None,
        )


# --- what is heard ------------------------------------------------------------------------------------------------


def sound(instruction: Instruction, done: int) -> Play | None:
    """Return the next playing of a Speak or Play that was heard ``done`` times."""
    loop = whole(instruction.values["loop"])
    return Play((_item(instruction),)) if loop == 0 or done < loop else None


def gather(instruction: Instruction) -> Gather:
    """Return one try of a GetDigits."""
    values = instruction.values
    items = _items(instruction.nested)
    return Gather(
        (*items, Beep()) if values["playBeep"] else items,
        most=min(whole(values["numDigits"]), MOST_DIGITS),
        terminators=str(values["finishOnKey"]),
        initial_timeout=seconds(values["timeout"]),
        digit_timeout=seconds(values["digitTimeout"]),
    )


def valid(instruction: Instruction, digits: str) -> bool:
    """Tell whether a GetDigits takes digits."""
    return set(digits) <= set(str(instruction.values["validDigits"]))


def _items(instructions: Iterable[Instruction], most: int = MOST_NESTED) -> tuple[Item, ...]:
    """Return sounds, each as often as it loops; after one that is endless nothing else is heard."""
    items: list[Item] = []
    for inner in instructions:
        loops = whole(inner.values["loop"]) if "loop" in inner.values else 1
        if inner.text or inner.verb.endswith("Wait"):
            items += [_item(inner)] * min(loops or most, most - len(items))
    return tuple(items)


def _music(instructions: Iterable[Instruction]) -> tuple[Item, ...]:
    """Return sounds that are heard over and over: of one that is endless by itself once is enough."""
    items: list[Item] = []
    for inner in instructions:
        items += _items((inner,), 1 if inner.values.get("loop") == 0 else MOST_HEARD)
        if inner.values.get("loop") == 0:
            break
    return tuple(items[:MOST_HEARD])


def _item(instruction: Instruction) -> Item:
    values = instruction.values
    match instruction.verb.rpartition(".")[2]:
        case "Speak":
            voice = str(values.get("voice", ""))
            return Speech(instruction.text, voice, str(values.get("language", "")), _GENDERS.get(voice.lower(), ""))
        case "Play":
            return AudioAt(instruction.text)
        case _:
            return Quiet(seconds(values["length"]))


# --- who is dialled -----------------------------------------------------------------------------------------------


def music_at(instruction: Instruction) -> str:
    """Return the URL of the document of what a Dial's leg hears meanwhile, empty where there is none."""
    written = str(instruction.values.get("dialMusic", REAL))
    return "" if written in {REAL, NONE} else written


def dial(
    instruction: Instruction,
    music: tuple[Instruction, ...],
    sounds: tuple[Instruction, ...],
    recording: DialRecording | None,
) -> Dial:
    """Return a Dial's step; ``music`` and ``sounds`` are what its documents hold, empty where it has none."""
    values = instruction.values
    heard: tuple[Item, ...] | None = _music(music) or None
    if values.get("dialMusic") == NONE:
        heard = ()
    return Dial(
        (tuple(_party(inner, values) for inner in instruction.nested),),
        timeout=seconds(values["timeout"]) if "timeout" in values else math.inf,
        limit=seconds(values["timeLimit"]),
        caller=str(values.get("callerId", "")),
        hangup_on_star=bool(values["hangupOnStar"]),
        recording=recording,
        caller_name=str(values.get("callerName", "")),
        music=heard,
        confirmation=_confirmation(values, _items(sounds, MOST_HEARD)),
        status=target(values, "callbackUrl", "callbackMethod"),
        matches=_texts(values, "digitsMatch"),
        callee_matches=_texts(values, "digitsMatchBLeg"),
    )


def _confirmation(values: Values, items: tuple[Item, ...]) -> Confirmation | None:
    if not items:
        return None
    return Confirmation(items, str(values.get("confirmKey", "")), seconds(values["confirmTimeout"]))


def _party(inner: Instruction, dialled: Values) -> Party:
    own = set(names(inner.values))
    shared = [header for header in _texts(dialled, "sipHeaders") if header.partition("=")[0].lower() not in own]
    headers = tuple(
        (name, value)
        for name, _, value in (one.partition("=") for one in (*shared, *_texts(inner.values, "sipHeaders")))
    )
    digits = str(inner.values.get("sendDigits", ""))
    if inner.verb == "Dial.User":
        return Party(PartyKind.SIP, inner.text, digits=digits, headers=headers)
    return Party(PartyKind.NUMBER, bare_number(inner.text), digits=digits, headers=headers)


# --- values -------------------------------------------------------------------------------------------------------


def target(values: Values, url: str, method: str) -> StatusTarget | None:
    """Return who is told at the URL and by the method of these two attributes, None where no URL is written."""
    return StatusTarget(str(values[url]), str(values[method])) if url in values else None


def seconds(value: Value) -> float:
    """Return a time, of a day at most."""
    return float(min(whole(value), LONGEST))


def whole(value: Value) -> int:
    """Return a whole number's value."""
    assert isinstance(value, int)  # noqa: S101 - as its row says
    return value


def _texts(values: Values, name: str) -> tuple[str, ...]:
    found = values.get(name, ())
    assert isinstance(found, tuple)  # noqa: S101 - as its row says
    return found

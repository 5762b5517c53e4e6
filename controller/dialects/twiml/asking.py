"""What an instruction asks for: its values → a neutral step, or a request for another document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from controller.dialects.twiml.document import MOST_NESTED, Instruction, loops
from controller.dialects.twiml.verbs import MOST_DIGITS
from controller.documents.addresses import bare_number
from controller.documents.attributes import Value
from controller.documents.dialect import Account
from controller.documents.steps import (
    Answer,
    AudioAt,
    Dial,
    DialRecording,
    End,
    Gather,
    Item,
    Party,
    PartyKind,
    Play,
    Quiet,
    Record,
    SendDigits,
    Speech,
    StartRecording,
    Step,
    StopRecording,
    Wait,
)
from controller.documents.urls import BadUrl, resolve
from controller.recordings.model import Channels, RecordingRequest, StatusTarget, Track

START_RECORDING, RECORD_VERB, DIAL_VERB = "StartCallRecordingTwiML", "RecordVerb", "DialVerb"
"""RecordingSource of what a document starts (spec 1.1)."""

REASONS = {"rejected": "CALL_REJECTED", "busy": "USER_BUSY"}
"""Reject's reasons as FreeSWITCH's causes."""

Values = Mapping[str, Value]

_GENDERS = {"man": "male", "woman": "female", "alice": "female"}
_OTHER_URL = "https://invalid/"


@dataclass(frozen=True, slots=True)
class Asking:
    """Makes the steps of one document: ``base`` is its URL, empty for a file; ``account`` whose call it is."""

    base: str = ""
    account: Account | None = None

    def step(self, instruction: Instruction, done: int, reference: str) -> Step | End | None:
        """Return the step that follows ``done`` others of this instruction, None where it is over.

        ``reference`` names a recording that has no name of its own.
        """
        values = instruction.values
        match instruction.verb:
            case "Say" | "Play":
                return self._sound(instruction, done)
            case "Pause":
                return Wait(float(_whole(values["length"]))) if done == 0 else None
            case "Hangup":
                return End()
            case "Reject":
                return End(REASONS[str(values["reason"])])
            case "Start.Recording":
                return StartRecording(self._started(values, reference)) if done == 0 else None
            case "Stop.Recording":
                return StopRecording(str(values["name"])) if done == 0 else None
            case "Gather":
                return self._gather(instruction) if done == 0 else None
            case "Record":
                return Record(self._recorded(values, reference)) if done == 0 else None
            case "Dial":
                return self._dial(instruction, reference) if done == 0 else None
        return None

    def url(self, written: str) -> str:
        """Return a URL of this document's; what the document was checked for holds."""
        try:
            return resolve(self.base, written)
        except BadUrl:  # a document that was not checked: nothing is asked for it
            return _OTHER_URL

    # --- what is heard -------------------------------------------------------------------------------------------

    def _sound(self, instruction: Instruction, done: int) -> Step | None:
        loop = _whole(instruction.values["loop"])
        digits = instruction.values.get("digits")
        if digits is not None:  # an answer goes before them
            if done == 0:
                return Answer()
            return SendDigits(str(digits)) if loop == 0 or done <= loop else None
        return Play((self._item(instruction),)) if loop == 0 or done < loop else None

    def _item(self, instruction: Instruction) -> Item:
        values = instruction.values
        match instruction.verb.rpartition(".")[2]:
            case "Say":
                voice = str(values.get("voice", ""))
                gender = _GENDERS.get(voice.lower(), "")
                return Speech(instruction.text, voice, str(values.get("language", "")), gender)
            case "Play":
                return AudioAt(self.url(instruction.text))
            case _:
                return Quiet(float(_whole(values["length"])))

    def _gather(self, instruction: Instruction) -> Gather:
        values = instruction.values
        items: list[Item] = []
        for inner in instruction.nested:
            if inner.verb == "Gather.Pause":
                items.append(self._item(inner))
            elif inner.text:
                items += [self._item(inner)] * loops(inner)
        timeout = float(_whole(values["timeout"]))
        return Gather(
            tuple(items[:MOST_NESTED]),
            most=_whole(values.get("numDigits", MOST_DIGITS)),
            terminators=str(values["finishOnKey"]),
            initial_timeout=timeout,
            digit_timeout=timeout,
        )

    # --- what is recorded ----------------------------------------------------------------------------------------

    def _request(self, values: Values, source: str, reference: str, track: str) -> RecordingRequest:
        url = values.get("recordingStatusCallback")
        target = None
        if url is not None:
            events = values["recordingStatusCallbackEvent"]
            named = events if isinstance(events, tuple) else ()
            target = StatusTarget(str(url), str(values["recordingStatusCallbackMethod"]), named)
        account = self.account
        return RecordingRequest(
            channels=Channels.MONO,
            track=Track(track),
            format="wav",
            reference=reference,
            source=source,
            trim=values["trim"] == "trim-silence",
            status=target,
            absent_below=0.0 if account is None else account.absent_below,
            absent_when_silent=False if account is None else account.absent_when_silent,
        )

    def _started(self, values: Values, reference: str) -> RecordingRequest:
        name = str(values.get("name", reference))
        request = self._request(values, START_RECORDING, name, str(values["track"]))
        return replace(request, channels=Channels(str(values["channels"])))

    def _recorded(self, values: Values, reference: str) -> RecordingRequest:
        silence = float(_whole(values["timeout"]))
        return replace(
            self._request(values, RECORD_VERB, reference, "inbound"),  # nothing plays meanwhile, and no beep's tail
            beep=bool(values["playBeep"]),
            terminators=str(values["finishOnKey"]),
            initial_timeout=silence,
            end_silence_timeout=silence,
            max_length=float(_whole(values["maxLength"]) or 3600),
        )

    # --- who is dialled ------------------------------------------------------------------------------------------

    def _dial(self, instruction: Instruction, reference: str) -> Dial:
        values = instruction.values
        parties = [_party(inner.verb, inner.text) for inner in instruction.nested if inner.text]
        if not instruction.nested and instruction.text:
            parties = [_party("Dial.Number", instruction.text)]
        groups = (
            tuple((party,) for party in parties) if values["sequential"] else (tuple(parties),) if parties else ()
        )
        return Dial(
            groups,
            timeout=float(_whole(values["timeout"])),
            limit=float(_whole(values["timeLimit"])),
            caller=str(values.get("callerId", "")),
            hangup_on_star=bool(values["hangupOnStar"]),
            recording=self._dialled(values, reference),
        )

    def _dialled(self, values: Values, reference: str) -> DialRecording | None:
        written = str(values["record"])
        record = {"true": "record-from-answer", "false": "do-not-record"}.get(written, written)
        if record == "do-not-record":
            return None
        request = self._request(values, DIAL_VERB, reference, str(values["recordingTrack"]))
        channels = Channels.DUAL if record.endswith("-dual") else Channels.MONO
        return DialRecording(replace(request, channels=channels), early="from-ringing" in record)


def _party(verb: str, text: str) -> Party:
    if verb == "Dial.Sip":
        return Party(PartyKind.SIP, text)
    return Party(PartyKind.NUMBER, bare_number(text))


def _whole(value: Value) -> int:
    assert isinstance(value, int)  # noqa: S101 - as its row says
    return value

"""One run of Plivo XML on a call: instructions → neutral steps; documents that follow are fetched, and then they run.

An action is asked for the next document (``redirect="true"``), or told, and the run goes on. A recording of the
background has its action at once; one of ``startOnDialAnswer`` waits (``pending``) for a Dial that is answered, in
whichever document that is. Where a document cannot be had, or is refused, the call's fallback is asked; where that
fails too, or there is none, the call ends. No elements left ends it as well.

A snapshot may be taken at any time. ``next(None)`` gives the step that is awaited again: a step is made of the state
alone, and nothing of its making changes that.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from controller.dialects.plivo import asking, told
from controller.dialects.plivo.asking import REASONS, Asking
from controller.dialects.plivo.causes import REFUSED
from controller.dialects.plivo.document import Document, Instruction, read, read_sounds
from controller.dialects.plivo.state import BadSnapshot, State, restored
from controller.dialects.plivo.urls import media_url
from controller.documents.call import Call
from controller.documents.dialect import Account, DocumentError, Problem
from controller.documents.fetch import named
from controller.documents.steps import (
    Answer,
    AudioAt,
    Dialled,
    DialRecording,
    DialStatus,
    End,
    Failed,
    Fetch,
    Fetched,
    Gathered,
    Limit,
    Outcome,
    Play,
    Record,
    RecordingEnded,
    RecordingRuns,
    StartRecording,
    Step,
    Tell,
    Wait,
    soundless,
)
from controller.recordings.model import EndReason, StatusTarget, new_id

MOST_FETCHES = 100
"""Documents in a row that nobody hears anything of: a redirect that leads in circles."""

MUSIC, SOUND = "music", "sound"
"""What is awaited beside ``step``, ``fetch`` and ``tell``: the documents of a Dial's dialMusic and confirmSound."""

_SOUND_ATTRIBUTES = {MUSIC: "dialMusic", SOUND: "confirmSound"}
Warn = Callable[[Problem], None]


class PlivoProgram:
    """A document's run on a call."""

    def __init__(self, document: Document, call: Call, account: Account | None, public_url: str, warn: Warn) -> None:
        """``public_url`` is where recordings are fetched from, ``warn`` hears of each warning."""
        self._call = call
        self._account = account
        self._public_url = public_url
        self._warn = warn
        self._document = document
        self._state = State(new_id(), call.id, new_id())
        self._asking = Asking(account)
        self.session = self._state.session
        self.refused = ""

    def next(self, outcome: Outcome | None) -> Step | End:
        """Return what to do next; None as outcome begins, or repeats the step that waits. Never raises."""
        state = self._state
        self.refused = ""
        if state.asked and outcome is not None:
            asked, state.asked = state.asked, ""
            match asked:
                case "fetch":
                    if not self._fetched(outcome):
                        return End(REFUSED)
                case "tell":
                    self._asked_nothing()
                case "music" | "sound":
                    self._heard(asked, outcome)
                case _:
                    self._hear(self._document.instructions[state.at], outcome)
        return self._run()

    def snapshot(self) -> Mapping[str, Any]:
        """Return the state in JSON types."""
        return asdict(self._state)

    @classmethod
    def restored(
        cls,
        document: Document,
        call: Call,
        account: Account | None,
        snapshot: Mapping[str, Any],
        public_url: str,
        warn: Warn,
    ) -> PlivoProgram:
        """Return the program that ``snapshot`` was taken of. Raises BadSnapshot, DocumentError."""
        program = cls(document, call, account, public_url, warn)
        state = program._state = restored(snapshot, call.id)
        program.session = state.session
        if state.text:
            program._document = read(state.text, "a document that came in the call")
        awaits = state.asked in {"step", MUSIC, SOUND}
        if not 0 <= state.at < len(program._document.instructions) + (not awaits and not state.sorry):
            raise BadSnapshot("its place is not in the document")
        if state.sorry and "invalidDigitsSound" not in program._document.instructions[state.at].values:
            raise BadSnapshot("it is sorry where its document has no sound for that")
        try:
            program._pending()
            for kind in (MUSIC, SOUND):
                program._sounds(kind)
        except (AssertionError, AttributeError, KeyError, TypeError, ValueError):
            raise BadSnapshot("its sounds, or the recording that waits for an answer, are none") from None
        return program

    def farewell(self, outcome: Outcome | None) -> Tell | None:
        """Return what an action is still to be told when the leg ended within a step.

        ``outcome`` is what became of that step, None where nothing is known of it. A recording that the leg's end
        broke off tells its action itself (``RecordingRequest.at_hangup``); one that had ended before is told here,
        also where its action was being asked: that may not have heard.
        """
        state = self._state
        if state.asked == "fetch" and "RecordingID" in state.given:
            return Tell(StatusTarget(state.url, state.method), dict(state.given))
        if state.asked not in {"step", MUSIC, SOUND} or state.at >= len(self._document.instructions):
            return None
        instruction = self._document.instructions[state.at]
        told_to = asking.target(instruction.values, "action", "method") if "action" in instruction.values else None
        if told_to is None:
            return None
        match instruction.verb, outcome:
            case "Record", RecordingEnded(reason=reason) if reason is not EndReason.HANGUP and told.is_told(outcome):
                return Tell(told_to, told.recorded(outcome))
            case "Dial", Dialled():
                return Tell(told_to, told.dialled(self._call.id, outcome))
            case "Dial", _:
                return Tell(told_to, told.dialled(self._call.id, Dialled(DialStatus.CANCELED)))
        return None

    # --- what comes next -----------------------------------------------------------------------------------------

    def _run(self) -> Step | End:
        state = self._state
        while True:
            if state.url:
                state.asked = "tell" if state.tells else "fetch"
                if state.tells:
                    return Tell(StatusTarget(state.url, state.method), dict(state.given))
                return Fetch(state.url, dict(state.given), state.method)
            if state.at >= len(self._document.instructions):
                return End(spent=True)
            instruction = self._document.instructions[state.at]
            if instruction.verb == "Redirect":
                self._ask(instruction.text, str(instruction.values["method"]), {})
                continue
            state.asked = "step"
            step = self._step(instruction)
            if step is not None:
                state.asked = "" if isinstance(step, End) else state.asked
                return step
            state.asked = ""
            if not state.url:
                self._advance()

    def _step(self, instruction: Instruction) -> Step | End | None:
        """Return the step that the state is before, None where the instruction is over."""
        state, values = self._state, instruction.values
        match instruction.verb:
            case "Speak" | "Play":
                return asking.sound(instruction, state.done)
            case "GetDigits":
                return self._gather(instruction)
            case "Dial":
                return self._dial(instruction) if state.done == 0 else None
            case "Hangup":
                return self._hangup(instruction)
            case "Wait" if state.done == 0:
                return Wait(asking.seconds(values["length"]))
            case "Record" if state.done == 0:
                return self._record(instruction)
        return None

    def _record(self, instruction: Instruction) -> Step:
        reference = self._made("reference")
        if instruction.at_answer:
            return Answer()
        if instruction.whole_session:
            return StartRecording(self._asking.session(instruction.values, reference))
        return Record(
            self._asking.foreground(instruction.values, reference), fetchable="action" in instruction.values
        )

    def _gather(self, instruction: Instruction) -> Step | None:
        state = self._state
        if state.sorry:
            return Play((AudioAt(str(instruction.values["invalidDigitsSound"])),))
        done = state.done or state.tries >= asking.whole(instruction.values["retries"])
        return None if done else asking.gather(instruction)

    def _hangup(self, instruction: Instruction) -> Limit | End | None:
        state, values = self._state, instruction.values
        if "schedule" in values:
            return Limit(asking.seconds(values["schedule"])) if state.done == 0 else None
        if "reason" in values:
            return End(REASONS[str(values["reason"])])
        # Plivo's page of Hangup: the first element of all, and nobody answered yet.
        unheard = state.at == 0 and not state.text and not self._call.info.answered
        return End(REASONS["rejected"]) if unheard else End()

    def _dial(self, instruction: Instruction) -> Step | None:
        state = self._state
        for kind in (MUSIC, SOUND):
            url = self._sounds_at(instruction, kind)
            if url and kind not in state.sounds:
                state.asked = kind
                return Fetch(url, {}, "POST")
        music, sounds = self._sounds(MUSIC), self._sounds(SOUND)
        if not sounds and self._sounds_at(instruction, SOUND) and self._must_hear(instruction):
            self._dialled(instruction, Dialled(DialStatus.FAILED, reason="confirmSound's document cannot be had"))
            return None
        return asking.dial(instruction, music, sounds, self._pending())

    def _sounds_at(self, instruction: Instruction, kind: str) -> str:
        """Return the URL of a Dial's document of sounds, empty where it has none."""
        if kind == MUSIC:
            return asking.music_at(instruction)
        return str(instruction.values.get(_SOUND_ATTRIBUTES[kind], ""))

    def _sounds(self, kind: str) -> tuple[Instruction, ...]:
        text = self._state.sounds.get(kind, "")
        return read_sounds(text, _SOUND_ATTRIBUTES[kind]).instructions if text else ()

    def _must_hear(self, instruction: Instruction) -> bool:
        """Tell whether nobody is connected without sounds: a key is asked for, or their document could not be had."""
        return "confirmKey" in instruction.values or not self._state.sounds.get(SOUND)

    def _pending(self) -> DialRecording | None:
        pending = self._state.pending
        if not pending:
            return None
        request = self._asking.at_answer(pending["values"], str(pending["reference"]))
        return DialRecording(request, lasting=True, identity=str(pending["identity"]))

    def _advance(self) -> None:
        state = self._state
        state.at, state.done, state.tries, state.sorry = state.at + 1, 0, 0, False
        state.sounds = {}

    # --- what became of it ---------------------------------------------------------------------------------------

    def _hear(self, instruction: Instruction, outcome: Outcome) -> None:
        """Take a step's outcome."""
        state = self._state
        background = instruction.whole_session or instruction.at_answer
        if not soundless(outcome) and not background and instruction.verb != "Hangup":
            state.silent = 0
        match instruction.verb:
            case "Speak" | "Play" if isinstance(outcome, Failed):
                self._advance()
            case "GetDigits":
                self._gathered(instruction, outcome)
            case "Record":
                state.done += 1
                self._recorded(instruction, outcome)
            case "Dial":
                ended = outcome if isinstance(outcome, Dialled) else Dialled(DialStatus.FAILED)
                self._dialled(instruction, ended)
            case _:
                state.done += 1

    def _recorded(self, instruction: Instruction, outcome: Outcome) -> None:
        state = self._state
        given: dict[str, str] | None = None
        if instruction.at_answer:
            identity = self._made("recording")
            state.pending = {
                "identity": identity,
                "reference": self._made("reference"),
                "values": dict(instruction.values),
            }
            given = told.running(identity, self._url_of(identity, str(instruction.values["fileFormat"])))
        elif isinstance(outcome, RecordingRuns):
            given = told.running(outcome.recording, outcome.url)
        elif isinstance(outcome, RecordingEnded) and told.is_told(outcome):
            given = told.recorded(outcome)
        state.started += 1
        self._act(instruction, given)

    def _gathered(self, instruction: Instruction, outcome: Outcome) -> None:
        state = self._state
        if state.sorry:  # it was played
            state.sorry = False
            return
        digits = outcome.digits if isinstance(outcome, Gathered) else ""
        if digits and asking.valid(instruction, digits):
            state.done += 1
            self._act(instruction, {"Digits": digits})
            return
        state.tries += 1
        state.sorry = bool(digits) and "invalidDigitsSound" in instruction.values

    def _dialled(self, instruction: Instruction, outcome: Dialled) -> None:
        state = self._state
        if outcome.recording or outcome.status is DialStatus.ANSWERED:
            state.pending = {}
        state.done += 1
        self._act(instruction, told.dialled(self._call.id, outcome))

    def _act(self, instruction: Instruction, given: dict[str, str] | None) -> None:
        """Ask or tell an instruction's action, where it has one and there is something to tell."""
        values = instruction.values
        if given is None or "action" not in values:
            return
        url, method = str(values["action"]), str(values["method"])
        if values["redirect"]:
            self._ask(url, method, given)
        else:
            state = self._state
            state.url, state.method, state.given, state.tells = url, method, given, True

    # --- documents that follow ------------------------------------------------------------------------------------

    def _ask(self, url: str, method: str, given: dict[str, str]) -> None:
        state = self._state
        state.url, state.method, state.given, state.tells, state.fallen = url, method, given, False, False
        state.silent += 1

    def _asked_nothing(self) -> None:
        state = self._state
        state.url, state.method, state.given, state.tells = "", "", {}, False

    def _fetched(self, outcome: Outcome) -> bool:
        """Take the document that came; whether there is one to go on with, or to ask for."""
        state = self._state
        url, fallen = state.url, state.fallen
        self._asked_nothing()
        if state.silent > MOST_FETCHES:
            self._warn(Problem(0, named(url), f"more than {MOST_FETCHES} documents without a sound"))
            return False
        if not isinstance(outcome, Fetched):
            return self._fall(fallen)
        try:
            document = read(outcome.text, named(url))
        except DocumentError as refused:
            self.refused = str(refused)
            for problem in refused.problems:
                self._warn(problem)
            return self._fall(fallen)
        for warning in document.warnings:
            self._warn(warning)
        self._document = document
        self._advance()
        state.text, state.at, state.fallen = outcome.text, 0, False
        return True

    def _fall(self, fallen: bool) -> bool:
        """Ask for the call's fallback instead of what could not be had; once for each document."""
        fallback = self._call.fallback
        if fallback is None or fallen:
            return False
        self._ask(fallback, self._call.method, {})
        self._state.fallen = True
        return True

    def _heard(self, kind: str, outcome: Outcome) -> None:
        """Take a Dial's document of sounds, or note that there is none."""
        state = self._state
        instruction = self._document.instructions[state.at]
        where = f"Dial.{_SOUND_ATTRIBUTES[kind]}"
        state.sounds[kind] = ""
        if not isinstance(outcome, Fetched):
            self._warn(Problem(instruction.line, where, self._without(kind)))
            return
        try:
            document = read_sounds(outcome.text, where)
        except DocumentError as refused:
            self.refused = str(refused)
            for problem in refused.problems:
                self._warn(problem)
            self._warn(Problem(instruction.line, where, self._without(kind)))
            return
        for warning in document.warnings:
            self._warn(warning)
        state.sounds[kind] = outcome.text

    @staticmethod
    def _without(kind: str) -> str:
        comes = "it rings instead" if kind == MUSIC else "nobody is connected unasked, and the dialling fails"
        return f"its document could not be had, or is refused: {comes}"

    # --- names -----------------------------------------------------------------------------------------------------

    def _url_of(self, recording: str, fmt: str) -> str:
        auth_id = self._call.account if self._account is None else self._account.identity
        return media_url(self._public_url, auth_id, recording, fmt)

    def _made(self, what: str) -> str:
        """Return an id that nobody guesses: of the recording that is next, the same however often one asks."""
        digest = hashlib.sha256(f"{self._state.secret}:{what}:{self._state.started}".encode()).digest()
        return str(uuid.UUID(bytes=digest[:16], version=4))

"""One run of TwiML on a call: instructions → neutral steps; documents that follow are fetched, and are the run then.

What the next document is asked by (Redirect, the actions of Gather, Record and Dial) is a ``Fetch``; its text is part
of the snapshot. Where none can be had, or what came is refused, the call's fallback is asked, told why; where that
fails too, or there is none, the call ends. No verbs left ends it as well. What was recording goes on all the while.

A snapshot may be taken at any time. ``next(None)`` gives the step that is awaited again: a step is made of the state
alone, and nothing of its making changes that.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from controller.dialects.twiml.asking import Asking
from controller.dialects.twiml.codes import BAD_URL, SCHEMA
from controller.dialects.twiml.document import NOWHERE, Document, Instruction, read
from controller.dialects.twiml.sids import call_sid, recording_sid
from controller.documents.call import Call
from controller.documents.dialect import Account, DocumentError, Problem
from controller.documents.fetch import is_url, named, shown
from controller.documents.forms import whole_seconds
from controller.documents.steps import (
    Dialled,
    DialStatus,
    End,
    Failed,
    Fetch,
    Fetched,
    Gathered,
    Outcome,
    RecordingEnded,
    Step,
    soundless,
)
from controller.recordings.model import new_id

REFUSED = "NORMAL_TEMPORARY_FAILURE"
"""Cause of a call whose document cannot be had, and whose fallback cannot either (DESIGN section 9)."""

MOST_FETCHES = 100
"""Documents in a row that nobody hears anything of: a redirect that leads in circles."""

LONGEST_DOCUMENT = 262_144
"""Characters of a document that comes in a call: its text is stored with each step."""

NOT_FETCHED, TOO_LARGE, CIRCLES = 11200, 11750, 11215
"""Twilio's codes: no document came, it is too large, it leads in circles."""

STATUSES = {
    DialStatus.ANSWERED: "completed",
    DialStatus.BUSY: "busy",
    DialStatus.NO_ANSWER: "no-answer",
    DialStatus.FAILED: "failed",
    DialStatus.CANCELED: "canceled",
}
"""DialCallStatus of each end of a dialling."""

_LOOPS = frozenset({"Say", "Play"})
Warn = Callable[[Problem], None]


class BadSnapshot(ValueError):
    """A snapshot that is not one of this document on this call."""


@dataclass(slots=True)
class _State:
    """All that a run is, in JSON types.

    ``text`` and ``base`` are the document that runs, where one came in the call, and its URL; ``at`` is the
    instruction, ``done`` the steps of it that are done. ``asked`` is what is awaited; ``url``, ``method`` and
    ``given`` are the document that is asked for, ``fallen`` says that it is the fallback. ``started`` counts
    recordings, ``silent`` documents in a row without a sound.
    """

    session: str
    call: str
    secret: str
    asked: str = ""
    at: int = 0
    done: int = 0
    started: int = 0
    silent: int = 0
    text: str = ""
    base: str = ""
    url: str = ""
    method: str = ""
    given: dict[str, str] = field(default_factory=dict)
    fallen: bool = False


class TwimlProgram:
    """A document's run on a call."""

    def __init__(self, document: Document, call: Call, account: Account | None, url_of: str, warn: Warn) -> None:
        """``url_of`` is the URL of the call's own document, empty for a file; ``warn`` hears of each warning."""
        self._call = call
        self._account = account
        self._vendor = "twilio" if account is None else account.vendor
        self._warn = warn
        self._document = document
        self._state = _State(new_id(), call.id, new_id(), base=url_of)
        self._asking = Asking(url_of, account)
        self.session = self._state.session
        self.refused = ""

    def next(self, outcome: Outcome | None) -> Step | End:
        """Return what to do next; None as outcome begins, or repeats the step that waits. Never raises."""
        state = self._state
        self.refused = ""
        if state.asked and outcome is not None:
            asked, state.asked = state.asked, ""
            if asked == "fetch":
                if not self._fetched(outcome):
                    return End(REFUSED)
            else:
                end = self._hear(self._document.instructions[state.at], outcome)
                if end is not None:
                    return end
        return self._run()

    def snapshot(self) -> Mapping[str, Any]:
        """Return the state in JSON types."""
        return asdict(self._state)

    @classmethod
    def restored(
        cls, document: Document, call: Call, account: Account | None, snapshot: Mapping[str, Any], warn: Warn
    ) -> TwimlProgram:
        """Return the program that ``snapshot`` was taken of. Raises BadSnapshot, DocumentError."""
        program = cls(document, call, account, "", warn)
        types = {field.name: type(getattr(program._state, field.name)) for field in fields(_State)}
        if any(type(snapshot.get(name)) is not kind for name, kind in types.items()):
            raise BadSnapshot("a field is missing or of another type")
        state = _State(**{name: snapshot[name] for name in types})
        if state.call != call.id:
            raise BadSnapshot("it was taken on another call")
        program._state = replace(state, given=dict(state.given))
        program.session = state.session
        if state.text:
            program._document = read(state.text, shown(state.base), state.base)
        program._asking = Asking(state.base, account)
        if not 0 <= state.at <= len(program._document.instructions):
            raise BadSnapshot("its place is not in the document")
        return program

    def farewell(self, outcome: Outcome | None) -> Fetch | None:
        """Return the request that tells an action that the leg ended within its verb; its answer means nothing.

        ``outcome`` is what became of the step that was awaited, None where nothing is known of it.
        """
        state = self._state
        if state.asked != "step" or state.at >= len(self._document.instructions):
            return None
        instruction = self._document.instructions[state.at]
        given: dict[str, str] | None = None
        match instruction.verb:
            case "Record" if isinstance(outcome, RecordingEnded) and _recorded(outcome):
                given = {**self._recording(outcome), "Digits": "hangup"}
            case "Dial":
                ended = outcome if isinstance(outcome, Dialled) else Dialled(DialStatus.CANCELED)
                given = self._dialled(ended)
            case "Gather" if instruction.values["actionOnEmptyResult"]:
                given = {"Digits": ""}
        url = self._action(instruction, asks_itself=instruction.verb != "Dial")
        return None if given is None or not url else Fetch(url, given, str(instruction.values["method"]))

    # --- what comes next -----------------------------------------------------------------------------------------

    def _run(self) -> Step | End:
        state = self._state
        while True:
            if state.url:
                state.asked = "fetch"
                return Fetch(state.url, dict(state.given), state.method)
            if state.at >= len(self._document.instructions):
                return End()
            instruction = self._document.instructions[state.at]
            if instruction.verb == "Redirect":
                self._ask(self._asking.url(instruction.text), str(instruction.values["method"]), {})
                continue
            step = self._asking.step(instruction, state.done, self._reference())
            if step is None:
                self._advance()
                continue
            state.asked = "" if isinstance(step, End) else "step"
            return step

    def _advance(self) -> None:
        self._state.at, self._state.done = self._state.at + 1, 0

    def _hear(self, instruction: Instruction, outcome: Outcome) -> End | None:
        """Take a step's outcome; returns the end where the instruction has nobody to go on with."""
        state = self._state
        state.done += 1
        if not soundless(outcome) and instruction.verb not in {"Start.Recording", "Stop.Recording"}:
            state.silent = 0
        if instruction.verb in {"Start.Recording", "Record", "Dial"}:
            state.started += 1
        if instruction.verb in _LOOPS and isinstance(outcome, Failed):
            self._advance()
            return None
        match instruction.verb:
            case "Gather":
                return self._gathered(instruction, outcome)
            case "Record":
                if isinstance(outcome, RecordingEnded) and _recorded(outcome):
                    digits = {"Digits": outcome.digit} if outcome.digit else {}
                    return self._act(instruction, {**self._recording(outcome), **digits})
                self._advance()
            case "Dial":
                if "action" in instruction.values:
                    ended = outcome if isinstance(outcome, Dialled) else Dialled(DialStatus.FAILED)
                    return self._act(instruction, self._dialled(ended))
                self._advance()
        return None

    def _gathered(self, instruction: Instruction, outcome: Outcome) -> End | None:
        found = outcome if isinstance(outcome, Gathered) else Gathered("")
        if not found.digits and not instruction.values["actionOnEmptyResult"]:
            self._advance()
            return None
        key = {"FinishedOnKey": found.terminator} if found.terminator else {}
        return self._act(instruction, {"Digits": found.digits, **key})

    def _act(self, instruction: Instruction, given: dict[str, str]) -> End | None:
        """Ask an action, which is the document's own URL where it names none; a file has none, and it ends there.

        One that nobody can ask is a document that cannot be had.
        """
        url = self._action(instruction, asks_itself=True)
        if not url:
            if instruction.values.get("action") != NOWHERE:
                return End()
            where = f"{instruction.verb}.action"
            self._warn(Problem(instruction.line, where, "no URL that can be asked, so it failed", BAD_URL))
            return None if self._fall(self._state.base, self._state.fallen, BAD_URL) else End(REFUSED)
        self._ask(url, str(instruction.values["method"]), given)
        return None

    def _action(self, instruction: Instruction, *, asks_itself: bool) -> str:
        action = instruction.values.get("action")
        return str(action) if action is not None else self._state.base if asks_itself else ""

    # --- documents that follow ------------------------------------------------------------------------------------

    def _ask(self, url: str, method: str, given: dict[str, str]) -> None:
        state = self._state
        state.url, state.method, state.given, state.fallen = url, method, given, False
        state.silent += 1

    def _fetched(self, outcome: Outcome) -> bool:
        """Take the document that came; whether there is one to go on with, or to ask for."""
        state = self._state
        url, fallen = state.url, state.fallen
        state.url, state.method, state.given = "", "", {}
        if state.silent > MOST_FETCHES:
            self._warn(Problem(0, named(url), f"more than {MOST_FETCHES} documents without a sound", CIRCLES))
            return False
        if not isinstance(outcome, Fetched):
            return self._fall(url, fallen, NOT_FETCHED)
        if len(outcome.text) > LONGEST_DOCUMENT:
            message = f"{len(outcome.text)} characters; a document may have {LONGEST_DOCUMENT}"
            self.refused = f"{named(url)}: {message}"
            self._warn(Problem(0, named(url), message, TOO_LARGE))
            return self._fall(url, fallen, TOO_LARGE)
        base = (outcome.url or url) if is_url(url) else ""
        try:
            document = read(outcome.text, named(url), base)
        except DocumentError as refused:
            self.refused = str(refused)
            for problem in refused.problems:
                self._warn(problem)
            return self._fall(url, fallen, refused.problems[0].code or SCHEMA)
        for warning in document.warnings:
            self._warn(warning)
        self._document, self._asking = document, Asking(base, self._account)
        state.text, state.base, state.at, state.done, state.fallen = outcome.text, base, 0, 0, False
        return True

    def _fall(self, url: str, fallen: bool, code: int) -> bool:
        """Ask for the call's fallback instead of what could not be had; once for each document."""
        fallback = self._call.fallback
        if fallback is None or fallen:
            return False
        self._ask(fallback, self._call.method, {"ErrorCode": str(code), "ErrorUrl": shown(url)})
        self._state.fallen = True
        return True

    # --- what actions are told --------------------------------------------------------------------------------------

    def _recording(self, ended: RecordingEnded) -> dict[str, str]:
        return {
            "RecordingUrl": ended.url,
            "RecordingSid": recording_sid(self._vendor, ended.recording),
            "RecordingDuration": str(whole_seconds(ended.seconds or 0.0)),
        }

    def _dialled(self, ended: Dialled) -> dict[str, str]:
        answered = ended.status is DialStatus.ANSWERED
        given = {"DialCallStatus": STATUSES[ended.status], "DialBridged": str(answered).lower()}
        if ended.call:
            given["DialCallSid"] = call_sid(self._vendor, ended.call)
        if answered:
            given["DialCallDuration"] = str(whole_seconds(ended.seconds))
        if ended.url:
            given["RecordingUrl"] = ended.url
        return given

    def _reference(self) -> str:
        """Return the name of a recording that has none of its own: the same however often one asks."""
        digest = hashlib.sha256(f"{self._state.secret}:{self._state.started}".encode()).digest()
        return str(uuid.UUID(bytes=digest[:16], version=4))


def _recorded(ended: RecordingEnded) -> bool:
    """Tell whether there is something on a recording: of an empty one no action hears (spec 1.4)."""
    return ended.good and ended.seconds != 0.0

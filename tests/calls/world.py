"""A switch, a store and a daemon's calls and recordings rooms, in memory and in virtual time.

Every command and commit passes two points, before and after it takes effect. A test may kill the daemon at any of
them: what it has not done by then it never does, and the next daemon has nothing but the store and the switch.
"""

from __future__ import annotations

import asyncio
import functools
import json
import math
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, TypeVar

from controller.calls.desk import CallDesk
from controller.calls.ports import (
    AudioFailed,
    Callee,
    Claim,
    Languages,
    Meanwhile,
    ParkedLeg,
    Question,
    Sound,
    SoundFile,
)
from controller.calls.rooms import Rooms
from controller.calls.sounds import FENCE
from controller.calls.source import LIMIT, Files, SourceFailed, Sources
from controller.documents.call import Call, CallInfo, CallState
from controller.documents.dialect import Account, DocumentError, Problem
from controller.documents.fetch import DocumentRequest, FetchFailed, Patience, Render
from controller.documents.messages import Message
from controller.documents.steps import (
    Answer,
    AudioAt,
    Beep,
    Confirmation,
    Dial,
    Dialled,
    DialRecording,
    End,
    Failed,
    Fetch,
    Fetched,
    Gather,
    Gathered,
    Item,
    Limit,
    Outcome,
    Party,
    PartyKind,
    Play,
    Quiet,
    Record,
    RecordingEnded,
    RecordingRefused,
    Request,
    Response,
    Ringing,
    SendDigits,
    Speech,
    StartRecording,
    Step,
    StopRecording,
    Tell,
    Wait,
)
from controller.recordings.facts import Cause, Started, StartOver, Stopped
from controller.recordings.model import (
    Delivery,
    HistoryEntry,
    Notice,
    Recording,
    StatusTarget,
    Transcription,
    new_id,
)
from controller.recordings.ports import Along, CommandFailed, LedgerFailed, Presence, SwitchAway
from controller.recordings.reconcile import reconcile
from controller.recordings.service import RecordingService
from controller.telemetry import Telemetry
from tests.recordings.fakes import REQUEST, FakeMedia

T = TypeVar("T")

COMMIT, COMMAND, FRAME, FETCH = 0.003, 0.005, 0.02, 0.1
FOR_EVER = 1e9

TOLD = 1.5
"""Seconds that who answers is told something, where nobody has to press a key."""
ACCOUNT = Account("acme", "signalwire", "identity")
SWITCH = "fs1"
PATIENCE = Patience(1.0, 2.0, 3.0, 4)
AUDIO = "http://audio"


@dataclass
class Queued:
    """What a leg's thread has to do, one after the other: a sound of so many seconds, or something at once."""

    name: str = ""
    seconds: float = 0.0
    execution: str = ""
    action: Callable[[], None] | None = None
    began: float = 0.0


@dataclass(frozen=True)
class Behaviour:
    """What somebody who is dialled does: answers after so long (None: never), and talks for so long; or ends so."""

    answers: float | None = None
    talks: float = FOR_EVER
    ends: float = FOR_EVER
    cause: str = "USER_BUSY"
    confirms: float | None = None
    """Seconds after the answer in which they press the key that they are asked for; None: never."""


@dataclass
class Rung:
    """A bridge under way on the switch."""

    leg: Leg
    callees: tuple[Callee, ...]
    execution: str
    question: Question | None = None
    winner: str = ""
    over: bool = False
    began: float = 0.0


@dataclass
class Leg:
    """A leg as the switch has it."""

    id: str
    answered: bool = False
    alive: bool = True
    parked: bool = True
    marker: str | None = None
    armed: bool = True
    limit: float | None = None
    cause: str = ""
    born: float = 1.0
    routed: float = 1.0
    queue: deque[Queued] = field(default_factory=deque)
    playing: Queued | None = None
    bridged: str = ""
    bridge_cause: str = ""
    ringback: bool = False


# --- a dialect of steps -------------------------------------------------------------------------------------------


def item(name: str) -> Item:
    kind, _, rest = name.partition(":")
    match kind:
        case "say":
            return Speech(rest)
        case "silence":
            return Quiet(float(rest))
        case "ring":
            return Ringing(rest)
        case "beep":
            return Beep()
    return AudioAt(f"{AUDIO}/{name}")


def name_of(sound: Sound) -> str:
    match sound:
        case SoundFile(path):
            return path.removeprefix("/")
        case Speech(text):
            return f"say:{text}"
        case Quiet(seconds):
            return "fence" if sound == FENCE else f"silence:{seconds:g}"
        case Ringing(country):
            return f"ring:{country}"
        case Beep():
            return "beep"


def word(outcome: Outcome) -> str:
    """What came of a step, in a word that is the same after a restart."""
    match outcome:
        case Failed(reason) | RecordingRefused(reason):
            return f"{type(outcome).__name__}: {reason}"
        case Gathered(digits, terminator):
            return f"Gathered {digits}/{terminator}"
        case RecordingEnded(reason=reason, good=good, digit=digit):
            return f"RecordingEnded {reason} {good} {digit}"
        case Dialled(status, party, recording=recording):
            return f"Dialled {status} {party.address if party else ''}{' recorded' if recording else ''}"
        case Response(status):
            return f"Response {status}"
        case Fetched(text):
            return f"Fetched {text}"
    return "good"


def party(written: str) -> Party:
    """``number`` or ``number/digits``, which it is sent when it is connected."""
    address, _, digits = written.partition("/")
    return Party(PartyKind.NUMBER, address, digits=digits)


def dialled(
    groups: list[list[str]],
    *,
    record: str = "",
    early: bool = False,
    lasting: str = "",
    status: str = "",
    matches: Sequence[str] = (),
    callee_matches: Sequence[str] = (),
    music: list[str] | None = None,
    asks: list[Any] | None = None,
    **fields: Any,
) -> Dial:
    """A step that dials numbers; ``record`` names its recording, which goes on where ``lasting`` gives it an id.

    ``asks`` are items, key and timeout.
    """
    if music is not None:
        fields["music"] = tuple(map(item, music))
    if asks is not None:
        fields["confirmation"] = Confirmation(tuple(map(item, asks[0])), *asks[1:])
    parties = tuple(tuple(map(party, group)) for group in groups)
    wished = DialRecording(replace(REQUEST, reference=record), early, bool(lasting), lasting) if record else None
    target = StatusTarget(status) if status else None
    told = Dial(parties, recording=wished, status=target)
    return replace(told, matches=tuple(matches), callee_matches=tuple(callee_matches), **fields)


class Script:
    """A program of JSON steps; what came of each is noted in the world, where a test sees it."""

    def __init__(
        self,
        steps: list[list[Any]],
        told: dict[int, str],
        outcomes: list[Outcome],
        position: int = 0,
        waiting: bool = False,
    ) -> None:
        self.session = "session"
        self._steps = steps
        self._told = told
        self._outcomes = outcomes
        self._position = position
        self._waiting = waiting

    def next(self, outcome: Outcome | None) -> Step | End:
        if self._waiting and outcome is not None:
            self._told[self._position] = word(outcome)
            self._outcomes.append(outcome)
            self._position += 1
            self._waiting = False
        if self._position >= len(self._steps) or self._steps[self._position][0] in {"farewell", "bye"}:
            return End()
        verb, *values = self._steps[self._position]
        if verb == "hangup":
            return End(values[0])
        self._waiting = True
        match verb:
            case "answer":
                return Answer(*values)
            case "wait":
                return Wait(values[0])
            case "limit":
                return Limit(values[0])
            case "tell":
                return Tell(StatusTarget(values[0], "POST"), {"number": values[1]})
            case "record":
                return StartRecording(replace(REQUEST, reference=values[0]))
            case "stop":
                return StopRecording(values[0])
            case "play":
                return Play(tuple(map(item, values)))
            case "early":
                return Play(tuple(map(item, values)), gain=3.0, answer=False)
            case "gather":
                return Gather(tuple(map(item, values[0])), **values[1])
            case "digits":
                return SendDigits(values[0])
            case "dial":
                return dialled(values[0], **values[1])
            case "take":
                return Record(replace(REQUEST, reference=values[0], **values[1]))
            case "message":
                return Record(replace(REQUEST, reference=values[0], **values[1]), fetchable=True)
            case "beep":
                return StartRecording(replace(REQUEST, reference=values[0], beep=True))
            case "request":
                return Request("GET", values[0])
            case "fetch":
                return Fetch(values[0], {"vars": {}})
        raise ZeroDivisionError("a program's bug")

    def farewell(self, outcome: Outcome | None) -> Fetch | Tell | None:
        """Ask the URL of a step `farewell`, or tell that of a step `bye`; a run that gets there ends."""
        given = {"outcome": type(outcome).__name__}
        for verb, *values in self._steps:
            if verb == "farewell":
                return Fetch(values[0], given)
            if verb == "bye":
                return Tell(StatusTarget(values[0], "GET"), given)
        return None

    def snapshot(self) -> Mapping[str, Any]:
        return {"position": self._position, "waiting": self._waiting}


@dataclass
class ScriptDialect:
    """Reads JSON lists; ``"bug"`` breaks it, and so does restoring ``"forgetful"``."""

    told: dict[int, str]
    name: str = "swml"
    outcomes: list[Outcome] = field(default_factory=list)

    def patience(self, account: Account, url: str) -> Patience:
        return PATIENCE

    def failed(self, url: str, problems: tuple[Problem, ...]) -> None:
        return None

    def fetch(
        self,
        call: Call,
        account: Account,
        method: str,
        url: str,
        given: Mapping[str, Any] | None = None,
        *,
        turned: bool = False,
    ) -> DocumentRequest:
        headers = (("account", account.name), *(() if given is None else (("given", json.dumps(given)),)))
        return DocumentRequest(method, url, headers, f"{call.id} {call.info.answered}".encode())

    def check(self, text: str, source: str) -> tuple[Problem, ...]:
        return ()

    def start(self, text: str, source: str, call: Call, account: Account) -> Script:
        return self._read(text, source)

    def _read(self, text: str, source: str) -> Script:
        if text == '"bug"':
            raise ZeroDivisionError("a dialect's bug")
        steps = json.loads(text)
        if not isinstance(steps, list):
            raise DocumentError(source, (Problem(1, "top", "no list"),))
        return Script(steps, self.told, self.outcomes)

    def restore(self, text: str, source: str, call: Call, snapshot: Mapping[str, Any]) -> Script:
        script = self._read(text, source)
        return Script(script._steps, self.told, self.outcomes, snapshot["position"], snapshot["waiting"])

    def recording_url(self, recording: Recording) -> str:
        return f"http://127.0.0.1/{recording.id}"

    def recording_of(self, url: str) -> str | None:
        return None

    def render(self, notice: Notice, account: Account) -> tuple[Delivery, ...]:
        return ()

    def tell(self, identity: str, message: Message, call: Call, account: Account) -> Delivery | None:
        """JSON of everything that it could be made of; to `mute` nothing is told, `bug` raises."""
        if message.target.url == "http://bug":
            raise ZeroDivisionError("a message's bug")
        if message.target.url == "http://mute":
            return None
        made = {"message": type(message).__name__, "call": asdict(call), **asdict(message)}
        body = json.dumps(made).encode()
        return Delivery(identity, account.name, self.name, message.target.method, message.target.url, (), body)

    def transcribed(self, transcription: Transcription, recording: Recording, account: Account) -> Delivery | None:
        return None

    def sign(self, delivery: Delivery, account: Account, now: float) -> Mapping[str, str]:
        return {}


@dataclass(slots=True)
class Documents(Files):
    """Documents by name; one that is not there cannot be had."""

    texts: dict[str, str] = field(default_factory=dict)

    async def read(self, source: str) -> str:
        if source not in self.texts:
            raise SourceFailed(f"{source}: no such file")
        return self.texts[source]


@dataclass
class WorldFetcher:
    """`documents.fetch.Fetcher` over the same texts; URLs that were given up are noted."""

    world: World
    daemon: Daemon

    async def fetch(self, method: str, url: str, render: Render, patience: Patience, limit: int) -> bytes:
        assert (patience, limit) == (PATIENCE, LIMIT)
        self.world.asked.append(render(method, url))

        def happen() -> bytes:
            if url not in self.world.texts:
                raise FetchFailed("no answer")
            return self.world.texts[url].encode("utf-8-sig")

        try:
            return await self.world.do(self.daemon, "fetch", FETCH, happen, link=False)
        except asyncio.CancelledError:
            self.world.given_up.append(url)
            raise


@dataclass
class WorldAudio:
    """`calls.ports.Audio`: files named as the URLs' paths; those that are missing cannot be had."""

    world: World
    daemon: Daemon

    async def file(self, call: Call, url: str, gain: float) -> SoundFile:
        self.world.sought.append((url, gain, self.world.now))

        def happen() -> SoundFile:
            name = url.removeprefix(f"{AUDIO}/")
            if name in self.world.missing:
                raise AudioFailed(f"{url}: 404")
            self.world.had[f"/{name}"] += 1
            return SoundFile(f"/{name}")

        return await self.world.do(self.daemon, "audio", FETCH, happen, link=False)

    def over(self, call: Call, sound: SoundFile) -> None:
        assert self.world.had[sound.path] > 0, f"{sound.path} is let go more often than it was had, by {call.id}"
        self.world.had[sound.path] -= 1


@dataclass
class WorldRequests:
    """`calls.ports.Requests`."""

    world: World
    daemon: Daemon

    async def send(self, request: Request) -> Response:
        def happen() -> Response:
            self.world.log.append(f"request {request.url}")
            return Response(404, (), "none")

        return await self.world.do(self.daemon, "request", FETCH, happen, link=False)


# --- the world ------------------------------------------------------------------------------------------------------


@dataclass
class World:
    """What outlives a daemon: legs and recorders on the switch, rows in the store, and what was done to them."""

    document: object = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    claimed: bool = True
    accounts: dict[str, Account] = field(default_factory=lambda: {ACCOUNT.name: ACCOUNT})
    source: str = "main"
    fallback: str | None = None
    method: str = "POST"
    hangup_url: str | None = None
    limit: int = 100
    core: str = "core"
    linked: bool = True
    session: int = 0
    legs: dict[str, Leg] = field(default_factory=dict)
    recorders: dict[str, Recording] = field(default_factory=dict)
    calls: dict[str, Call] = field(default_factory=dict)
    recordings: dict[str, Recording] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    told: dict[int, str] = field(default_factory=dict)
    messages: dict[str, Delivery] = field(default_factory=dict)
    digits: list[tuple[str, str]] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    seen: list[object] = field(default_factory=list)
    asked: list[DocumentRequest] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)
    refusals: dict[str, list[Exception]] = field(default_factory=dict)
    held: dict[str, asyncio.Event] = field(default_factory=dict)
    deaf: set[str] = field(default_factory=set)
    answers: bool = True
    full: str | None = None
    busy: str | None = None
    reports: float = 0.0
    """Seconds from a leg's hangup until its end is told: whoever it is reported to may be slow."""
    media: FakeMedia = field(default_factory=FakeMedia)
    missing: set[str] = field(default_factory=set)
    lengths: dict[str, float] = field(default_factory=dict)
    unheard: dict[str, str] = field(default_factory=dict)
    presses: dict[str, str] = field(default_factory=dict)
    callees: dict[str, Behaviour] = field(default_factory=dict)
    rung: list[Rung] = field(default_factory=list)
    meanwhile: list[Meanwhile] = field(default_factory=list)
    sought: list[tuple[str, float, float]] = field(default_factory=list)
    had: Counter[str] = field(default_factory=Counter)
    heard: list[tuple[str, float, float]] = field(default_factory=list)
    points: int = 0
    kill_at: int | None = None
    killed: asyncio.Event = field(default_factory=asyncio.Event)
    daemon: Daemon | None = None
    dead: Daemon | None = None

    def __post_init__(self) -> None:
        if self.document is not None:
            self.texts[self.source] = json.dumps(self.document)

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def boot(self) -> Daemon:
        """A new daemon, which knows nothing yet."""
        self.daemon = Daemon(self)
        return self.daemon

    async def kill(self) -> None:
        """As kill -9: from now on the daemon does nothing."""
        dead, self.daemon, self.dead = self.daemon or self.dead, None, None
        if dead is not None:
            await dead.desk.close()
            await dead.service.close()

    async def do(self, daemon: Daemon, name: str, delay: float, effect: Callable[[], T], *, link: bool = True) -> T:
        """Carry something out for a daemon, unless it dies or its link goes before or after."""
        session = self.session
        if link and not self.linked:
            raise SwitchAway("no link")
        await self._point(daemon)
        await asyncio.sleep(delay + self.points * 1e-8)  # so those of one breath keep their order
        if name in self.held:
            await self.held[name].wait()
        if link and session != self.session:
            raise SwitchAway("the link went")
        if daemon is not self.daemon:
            await asyncio.sleep(FOR_EVER)
        if self.refusals.get(name):
            raise self.refusals[name].pop(0)
        result = effect()
        await self._point(daemon)
        if link and session != self.session:
            raise SwitchAway("the link went")
        return result

    async def _point(self, daemon: Daemon) -> None:
        self.points += 1
        if self.points == self.kill_at and daemon is self.daemon:
            self.daemon, self.dead = None, daemon
            self.killed.set()
        if daemon is not self.daemon:
            await asyncio.sleep(FOR_EVER)

    def cut(self) -> None:
        """The link is gone."""
        self.linked = False
        self.session += 1

    async def relink(self) -> None:
        """The link is back, and what is true is found out."""
        self.linked = True
        if self.daemon is not None:
            await self.daemon.connected()

    # --- legs: what callers and the switch do

    def park(self, leg: str = "leg", **fields: Any) -> Leg:
        """A call comes in and is parked."""
        made = self.legs[leg] = Leg(leg, **fields)
        self.tell(lambda daemon: daemon.desk.parked(self.parked(made)))
        return made

    def parked(self, leg: Leg) -> ParkedLeg:
        info = CallInfo("1001", answered=leg.answered, created_at=leg.born, profile_at=leg.routed)
        info = replace(info, ringback=leg.ringback)
        return ParkedLeg(
            *(SWITCH, leg.id, self.now, info, self.core),
            marker=leg.marker,
            parked=leg.parked,
            bridged=leg.bridged,
            bridge_cause=leg.bridge_cause,
        )

    def tell(self, what: Callable[[Daemon], object]) -> None:
        """An event: heard by a daemon that has a link, by nobody else."""
        if self.linked and self.daemon is not None:
            what(self.daemon)

    def later(self, seconds: float, what: Callable[[], object]) -> None:
        asyncio.get_running_loop().call_later(seconds, what)

    def hang_up(self, leg: str = "leg", cause: str = "NORMAL_CLEARING") -> None:
        """A leg's end, in the switch's order of events."""
        ended = self.legs[leg]
        if not ended.alive:
            return
        ended.alive, ended.parked, ended.cause = False, False, cause
        ended.queue.clear()
        ended.playing = None
        self.tell(lambda daemon: daemon.desk.hanging_up(SWITCH, leg, cause))
        self.tell(lambda daemon: daemon.desk.unparked(SWITCH, leg))
        for path in [path for path, found in self.recorders.items() if found.owner.leg == leg]:
            self.end_recorder(path, hangup=True)
        if self.reports:
            self.later(self.reports, functools.partial(self._reported, leg, cause))
        else:
            self._reported(leg, cause)
        self._parted(leg, cause)

    def _reported(self, leg: str, cause: str) -> None:
        self.tell(lambda daemon: daemon.service.leg_ended(SWITCH, leg, self.now))
        self.tell(lambda daemon: daemon.desk.gone(SWITCH, leg, cause))

    def ring(self, leg: Leg, callees: tuple[Callee, ...], execution: str, question: Question | None = None) -> None:
        """What `bridge` does: callees ring at once, the first to answer is connected, the others are hung up."""
        rung = Rung(leg, callees, execution, question, began=self.now)
        self.rung.append(rung)
        for callee in callees:
            does = self.callees.get(callee.party.address, Behaviour())
            self.legs[callee.leg] = Leg(callee.leg, parked=False)
            self.later(does.ends, functools.partial(self.hang_up, callee.leg, does.cause))
            if does.answers is not None:
                self.later(does.answers, functools.partial(self._callee_answers, rung, callee.leg, does))

    def _callee_answers(self, rung: Rung, callee: str, does: Behaviour) -> None:
        if rung.over or rung.winner or not self.legs[callee].alive:
            return
        self.legs[callee].answered = True
        self.tell(lambda daemon: daemon.desk.answered(SWITCH, callee, self.now))
        if rung.question is None:
            self._connect(rung, callee, does.talks)
        elif not rung.question.key:
            self.later(TOLD, functools.partial(self._connect, rung, callee, does.talks))
        elif does.confirms is not None:
            self.later(does.confirms, functools.partial(self._connect, rung, callee, does.talks))

    def _connect(self, rung: Rung, callee: str, talks: float) -> None:
        if rung.over or rung.winner or not self.legs[callee].alive:
            return
        rung.winner = rung.leg.bridged = callee
        for other in rung.callees:
            if other.leg != callee:
                self.hang_up(other.leg, "LOSE_RACE")
        if not rung.leg.answered:
            rung.leg.answered = True
            self.tell(lambda daemon: daemon.desk.answered(SWITCH, rung.leg.id, self.now))
        self.tell(lambda daemon: daemon.desk.talking(SWITCH, rung.leg.id, callee, self.now))
        self.later(talks, functools.partial(self.hang_up, callee))

    def _parted(self, leg: str, cause: str) -> None:
        """End the bridges that a leg's end ends."""
        for rung in [rung for rung in self.rung if not rung.over]:
            legs = [self.legs[callee.leg] for callee in rung.callees]
            if rung.leg.id == leg:
                rung.over = True
                for found in legs:
                    self.hang_up(found.id, "ORIGINATOR_CANCEL")
                self.end_bridge(rung, cause)
            elif leg == rung.winner or (not rung.winner and not any(found.alive for found in legs)):
                self.end_bridge(rung, cause)

    def end_bridge(self, rung: Rung, cause: str) -> None:
        """The dialling leg is alone again."""
        rung.over, rung.leg.bridge_cause = True, cause
        if "bridged" not in self.deaf:
            self.tell(lambda daemon: daemon.desk.bridged(SWITCH, rung.leg.id, rung.execution, self.now, cause))

    def enqueue(self, leg: Leg, queued: Queued) -> None:
        """Have a leg do something when it is done with what it was told before."""
        leg.queue.append(queued)
        self._advance(leg)

    def _advance(self, leg: Leg) -> None:
        while leg.alive and leg.playing is None and leg.queue:
            queued = leg.queue.popleft()
            if queued.action is not None:
                queued.action()
                continue
            leg.playing, queued.began = queued, self.now
            self.later(queued.seconds, functools.partial(self.sound_over, leg, queued))
            if queued.name in self.presses:
                self.later(0.3, functools.partial(self._press_all, self.presses[queued.name], leg.id, self.daemon))

    def sound_over(self, leg: Leg, queued: Queued) -> None:
        if leg.playing is not queued:
            return
        leg.playing = None
        self.heard.append((queued.name, queued.began, self.now))
        if not self.deaf & {"executed", f"executed {queued.name}"}:
            problem = self.unheard.get(queued.name, "")
            self.tell(lambda daemon: daemon.desk.executed(SWITCH, leg.id, queued.execution, problem))
        self._advance(leg)

    def _press_all(self, digits: str, leg: str, listener: Daemon | None) -> None:
        """One after the other; who is asked again meanwhile, by another daemon, begins again."""
        if digits and listener is self.daemon:
            self.press(digits[0], leg)
            self.later(0.3, functools.partial(self._press_all, digits[1:], leg, listener))

    def press(self, digit: str, leg: str = "leg") -> None:
        """The leg's party presses a digit."""
        self.tell(lambda daemon: daemon.desk.digit(SWITCH, leg, digit))

    def end_recorder(self, path: str, *, hangup: bool = False) -> None:
        recording = self.recorders.pop(path)
        cause = Cause.SILENCE if hangup else Cause.MAXTIME
        self.tell(lambda daemon: daemon.service.apply(recording.id, Stopped(self.now, cause, hangup)))

    def restart_switch(self) -> None:
        """The switch dies, and another process answers in its place; the link goes with it."""
        self.cut()
        self.core = "another core"
        for leg in self.legs.values():
            leg.alive = False
        self.legs.clear()
        self.recorders.clear()

    # --- what tests look at

    @property
    def call(self) -> Call:
        """The only call of the store."""
        [found] = self.calls.values()
        return found

    @property
    def spoken(self) -> list[tuple[str, str, str]]:
        """What was told of calls, each in its order: the kind, the URL, and what it was given."""
        bodies = [json.loads(delivery.body) for delivery in self.messages.values()]
        return [
            (body["message"], body["target"]["url"], json.dumps(body["given"]) if "given" in body else "")
            for body in bodies
        ]

    @property
    def sounds(self) -> list[str]:
        """What the caller heard, in part or whole."""
        return [name for name, _, _ in self.heard if name != "fence"]

    def of(self, kind: type[T]) -> list[T]:
        return [event for event in self.seen if type(event) is kind]

    async def settle(self, seconds: float = 1.0) -> None:
        await asyncio.sleep(seconds)


class Daemon:
    """The rooms under test, on a world; thrown away when killed."""

    def __init__(self, world: World) -> None:
        self.world = world
        telemetry = Telemetry()
        telemetry.subscribe(world.seen.append)
        self.dialect = ScriptDialect(world.told, outcomes=world.outcomes)
        self.recorder = WorldRecorder(world, self)
        self.service = RecordingService(
            recorder=self.recorder,
            ledger=WorldLedger(world, self),
            media=world.media,
            telemetry=telemetry,
            path_of=lambda _switch, identity: f"/{identity}.wav",
            admit=lambda _switch, _request: world.full,
        )
        claim = Claim(ACCOUNT, world.source, world.fallback, world.method, hangup_url=world.hangup_url)
        self.rooms = Rooms(
            legs=WorldLegs(world, self),
            ledger=WorldCalls(world, self),
            recordings=self.service,
            clock=lambda: world.now,
            sources=Sources(
                Languages({"swml": self.dialect}),
                world.accounts,
                WorldFetcher(world, self),
                Documents(texts=world.texts),
            ),
            audio=WorldAudio(world, self),
            requests=WorldRequests(world, self),
        )
        self.desk = CallDesk(
            rooms=self.rooms,
            claims=lambda _leg: claim if world.claimed else None,
            telemetry=telemetry,
            limit=world.limit,
            refuse=lambda _switch: world.busy,
        )

    async def connected(self) -> None:
        """What a connect does: calls are looked at, recordings reconciled, then documents go on."""
        self.desk.connecting(SWITCH)
        await self.desk.reconnected(SWITCH, self.world.core)
        await reconcile(self.service, self.recorder, SWITCH, self.world.core)
        await self.desk.go_on(SWITCH)


@dataclass
class WorldLegs:
    """`calls.ports.Legs`."""

    world: World
    daemon: Daemon

    def _post(self, name: str, leg: str, effect: Callable[[Leg], T], detail: str = "") -> asyncio.Future[T]:
        def happen() -> T:
            self.world.log.append(f"{name}{detail}")
            found = self.world.legs.get(leg)
            if found is None or not found.alive:
                raise CommandFailed("-ERR No such channel!")
            return effect(found)

        return asyncio.ensure_future(self.world.do(self.daemon, name, COMMAND, happen))

    def take_over(self, switch: str, leg: str, call: str) -> Awaitable[None]:
        def happen(found: Leg) -> None:
            found.armed, found.limit, found.marker = False, None, call

        return self._post("take_over", leg, happen)

    def release(self, switch: str, leg: str, *, limited: bool = False) -> Awaitable[None]:
        def happen(found: Leg) -> None:
            found.marker = None
            found.limit = None if limited else found.limit

        return self._post("release", leg, happen)

    def limit(self, switch: str, leg: str, seconds: float) -> Awaitable[None]:
        def happen(found: Leg) -> None:
            found.limit = max(1, math.ceil(seconds))

        return self._post("limit", leg, happen, f" {max(1, math.ceil(seconds))}")

    def answer(self, switch: str, leg: str) -> Awaitable[None]:
        def answered(found: Leg) -> None:
            if found.alive and not found.answered:
                found.answered = True
                if "answered" not in self.world.deaf:
                    self.world.tell(lambda daemon: daemon.desk.answered(SWITCH, leg, self.world.now))

        def happen(found: Leg) -> None:
            if self.world.answers:
                self.world.later(FRAME, lambda: answered(found))

        return self._post("answer", leg, happen)

    def hang_up(self, switch: str, leg: str, cause: str) -> Awaitable[None]:
        def happen() -> None:
            self.world.log.append(f"hang_up {cause}")
            if leg in self.world.legs:
                self.world.later(0, lambda: self.world.hang_up(leg, cause))

        return asyncio.ensure_future(self.world.do(self.daemon, "hang_up", COMMAND, happen))

    def play(self, switch: str, leg: str, sound: Sound, *, gain: float, execution: str) -> Awaitable[None]:
        name = name_of(sound)
        seconds = sound.seconds if isinstance(sound, Quiet) else self.world.lengths.get(name, 1.0)
        queued = Queued(name, seconds or 1.0, execution)
        verb = "fence" if sound == FENCE else "play"
        return self._post(verb, leg, lambda found: self.world.enqueue(found, queued), f" {name}")

    def stop_playing(self, switch: str, leg: str) -> Awaitable[None]:
        def happen(found: Leg) -> None:
            if found.playing is not None:
                self.world.sound_over(found, found.playing)

        return self._post("stop_playing", leg, happen)

    def forget_ring(self, switch: str, leg: str) -> Awaitable[None]:
        return self._post("forget_ring", leg, lambda found: None)

    def unplayable(self, sounds: Sequence[Sound]) -> str:
        mute = [sound for sound in sounds if isinstance(sound, Speech) and not sound.text.isascii()]
        return "speech: nobody can say that" if mute else ""

    def undialable(self, party: Party) -> str:
        return "" if party.address.isdigit() else f"{party.address} is no number"

    def dial(
        self,
        switch: str,
        leg: str,
        callees: Sequence[Callee],
        *,
        call: str,
        caller: str,
        caller_name: str = "",
        rings: float,
        execution: str,
        meanwhile: Meanwhile,
    ) -> Awaitable[None]:
        self.world.meanwhile.append(meanwhile)
        names = ",".join(callee.party.address for callee in callees)
        return self._post(
            "dial",
            leg,
            lambda found: self.world.ring(found, tuple(callees), execution, meanwhile.question),
            f" {names} {caller} {caller_name}".rstrip(),
        )

    def send_digits(self, switch: str, leg: str, digits: str) -> Awaitable[None]:
        return self._post("send_digits", leg, lambda _: self.world.digits.append((leg, digits)), f" {digits}")

    def look(self, switch: str, leg: str) -> Awaitable[ParkedLeg | None]:
        def happen() -> ParkedLeg | None:
            found = self.world.legs.get(leg)
            return self.world.parked(found) if found is not None and found.alive else None

        return asyncio.ensure_future(self.world.do(self.daemon, "look", COMMAND, happen))

    def waiting(self, switch: str) -> Awaitable[Sequence[ParkedLeg]]:
        def happen() -> list[ParkedLeg]:
            legs = [found for found in self.world.legs.values() if found.alive]
            return [self.world.parked(found) for found in legs if found.parked or found.marker is not None]

        return asyncio.ensure_future(self.world.do(self.daemon, "waiting", COMMAND, happen))


@dataclass
class WorldCalls:
    """`calls.ports.CallLedger`."""

    world: World
    daemon: Daemon

    def save(self, call: Call, told: Sequence[Delivery] = ()) -> Awaitable[None]:
        work = self.along(call, told)
        return asyncio.ensure_future(self.world.do(self.daemon, "save", COMMIT, lambda: work(None), link=False))

    def along(self, call: Call, told: Sequence[Delivery] = ()) -> Along:
        """As the store: no older row after a newer, and what was told is not told again."""

        def work(_transaction: object) -> None:
            known = self.world.calls.get(call.id)
            if known is None or known.revision <= call.revision:
                self.world.calls[call.id] = call
            for delivery in told:
                self.world.messages.setdefault(delivery.id, delivery)

        return work

    async def live(self, switch: str) -> Sequence[Call]:
        found = [call for call in self.world.calls.values() if call.state is not CallState.ENDED]
        if "live" in self.world.held:
            await self.world.held["live"].wait()
        return found


@dataclass
class WorldLedger:
    """`recordings.ports.Ledger`."""

    world: World
    daemon: Daemon

    def commit(
        self,
        recordings: Sequence[Recording],
        notices: Sequence[Notice] = (),
        *,
        history: Sequence[HistoryEntry] = (),
        along: Along | None = None,
    ) -> Awaitable[None]:
        def happen() -> None:
            self.world.recordings.update({recording.id: recording for recording in recordings})
            if along is not None:
                along(None)

        return asyncio.ensure_future(self.world.do(self.daemon, "commit", COMMIT, happen, link=False))

    async def recording(self, identity: str) -> Recording | None:
        return self.world.recordings.get(identity)

    async def unfinished(self, switch: str) -> Sequence[Recording]:
        return [found for found in self.world.recordings.values() if not found.state.final]


@dataclass
class WorldRecorder:
    """`recordings.ports.Recorder`."""

    world: World
    daemon: Daemon

    async def start(self, recording: Recording) -> None:
        def began() -> None:
            leg = self.world.legs.get(recording.owner.leg)
            if leg is None or not leg.alive:
                return
            if recording.path not in self.world.recorders:
                self.world.recorders[recording.path] = recording
                self.world.tell(lambda daemon: daemon.service.apply(recording.id, Started(self.world.now)))
            self.world.tell(lambda daemon: daemon.service.apply(recording.id, StartOver(self.world.now)))

        def happen() -> None:
            self.world.log.append(f"start {recording.request.reference}")
            leg = self.world.legs.get(recording.owner.leg)
            if leg is None or not leg.alive:
                raise CommandFailed("-ERR invalid session id")
            self.world.later(FRAME, lambda: self.world.enqueue(leg, Queued(action=began)))

        await self.world.do(self.daemon, "start", COMMAND, happen)

    async def stop(self, recording: Recording) -> float:
        def happen() -> float:
            self.world.log.append(f"stop {recording.request.reference}")
            if recording.path not in self.world.recorders:
                raise CommandFailed("-ERR Cannot stop record session!")
            self.world.end_recorder(recording.path)
            return self.world.now

        return await self.world.do(self.daemon, "stop", COMMAND, happen)

    async def mask(self, recording: Recording) -> float:
        return self.world.now

    async def unmask(self, recording: Recording) -> float:
        return self.world.now

    async def inquire(self, recording: Recording) -> Presence:
        def happen() -> Presence:
            leg = self.world.legs.get(recording.owner.leg)
            return Presence(recording.path in self.world.recorders, leg is not None and leg.alive)

        return await self.world.do(self.daemon, "inquire", COMMAND, happen)

    def now(self, switch: str) -> float:
        return self.world.now


def running(**fields: Any) -> Call:
    """A call's row as a former daemon left it."""
    info = CallInfo("1001", created_at=1.0, profile_at=1.0)
    known = Call(new_id(), SWITCH, "leg", "acme", "swml", "main", "[]", info, CallState.RUNNING, 1.0)
    return replace(known, core_uuid="core", **fields)


FAILED_LEDGER = LedgerFailed("disk full")

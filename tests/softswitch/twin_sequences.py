"""Command sequences for both switches: the recorded conversations' own, a few more, and their seeded variations."""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass, replace
from pathlib import Path

DATA = Path(__file__).with_name("data")
RECORDED_IN = "/var/lib/fsrec/recordings"
LONGEST_DELAY = 0.6
_RACY = 0.06
"""Seconds within which a leg's thread may or may not have carried out what it was sent (it looks each 20 ms)."""


@dataclass(frozen=True, slots=True)
class Command:
    """`text`, with LEG and DIR for the leg's id and the recordings' directory, sent `delay` seconds after the last
    reply."""

    text: str
    delay: float = 0.0

    @property
    def kind(self) -> str:
        """`api uuid_record mask`, `sendmsg playback`, …"""
        words = self.text.split()
        if words[0] == "sendmsg":
            found = re.search(r"execute-app-name: (\S+)", self.text)
            return f"sendmsg {found[1] if found else '?'}"
        if words[:1] in (["api"], ["bgapi"]) and words[1:2] == ["uuid_record"]:
            return f"api uuid_record {words[3]}"
        return " ".join(words[:2])


@dataclass(frozen=True, slots=True)
class Sequence:
    """What one leg is told, from its originate to its kill."""

    name: str
    commands: tuple[Command, ...]


def recorded() -> list[Sequence]:
    """The commands of every recorded conversation that has any, at the distances that they had then."""
    found = []
    for path in sorted(DATA.glob("*.jsonl")):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        sent = [line for line in lines if "sent" in line and not line["sent"].startswith(("auth", "event"))]
        if not sent:
            continue
        leg = next(line["event"]["Unique-ID"] for line in lines if "event" in line)
        commands, last = [], sent[0]["at"]
        for line in sent:
            text = line["sent"].replace(leg, "LEG").replace(RECORDED_IN, "DIR")
            commands.append(Command(text, line["at"] - last))
            last = line["at"]
        # Then the kill was sent when a recording had ended by itself: now it must not come in the same frame.
        commands[-1] = replace(commands[-1], delay=commands[-1].delay + 0.3)
        found.append(Sequence(path.stem, tuple(commands)))
    return found


def written() -> list[Sequence]:
    """Those of data/twin.json: name → list of [delay in ms, command]."""
    table = json.loads((DATA / "twin.json").read_text())
    return [
        Sequence(name, tuple(Command(text, delay / 1000) for delay, text in commands))
        for name, commands in table.items()
    ]


def vary(base: Sequence, seed: int) -> Sequence:
    """Other times, another order, repetitions, an early end; the same for the same seed. Seed 0 is the base."""
    if seed == 0:
        return base
    chance = random.Random(f"{base.name} {seed}")  # noqa: S311 - variety, not secrets
    first, *middle, kill = base.commands
    for act in chance.sample((_swap, _repeat, _drop, _look, _together), k=chance.randint(1, 3)):
        middle = act(middle, chance)
    if chance.random() < 0.25:
        middle = middle[: chance.randint(1, len(middle))]
    commands = [first]
    for command in (*middle, kill):
        commands.append(replace(command, delay=_delay(commands[-1], chance)))
    return Sequence(f"{base.name}-{seed}", tuple(commands))


def _delay(before: Command, chance: random.Random) -> float:
    """None at all, or long enough that what was sent before has been carried out for certain.

    Never none after a bgapi, which has a thread of its own, nor after a digit, which may be taken between two frames:
    what is first then differs from time to time on a real switch too.
    """
    racing = before.text.startswith(("bgapi", "api uuid_recv_dtmf"))
    at_once = chance.random() < 0.25 and not racing
    return 0.0 if at_once else chance.uniform(_RACY, LONGEST_DELAY)


def _swap(commands: list[Command], chance: random.Random) -> list[Command]:
    if len(commands) < 2:
        return commands
    at = chance.randrange(len(commands) - 1)
    return [*commands[:at], commands[at + 1], commands[at], *commands[at + 2 :]]


def _repeat(commands: list[Command], chance: random.Random) -> list[Command]:
    at = chance.randrange(len(commands))
    again = replace(commands[at], text=re.sub(r"\n(Event|Job)-UUID: \S+", "", commands[at].text))
    return [*commands[: at + 1], again, *commands[at + 1 :]]


def _drop(commands: list[Command], chance: random.Random) -> list[Command]:
    if len(commands) < 3:
        return commands
    at = chance.randrange(1, len(commands))
    return [*commands[:at], *commands[at + 1 :]]


def _look(commands: list[Command], chance: random.Random) -> list[Command]:
    at = chance.randrange(len(commands) + 1)
    return [*commands[:at], Command("api uuid_buglist LEG"), *commands[at:]]


def _together(commands: list[Command], chance: random.Random) -> list[Command]:
    """Control the first recording named, right after its start or later."""
    paths = re.findall(r"DIR/\S+\.wav", " ".join(command.text for command in commands))
    if not paths:
        return commands
    action = chance.choice(("mask", "unmask", "pause", "resume", "stop", "start"))
    at = chance.randrange(len(commands) + 1)
    return [*commands[:at], Command(f"api uuid_record LEG {action} {paths[0]}"), *commands[at:]]

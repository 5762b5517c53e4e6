"""Says what is wrong with a run. Pure: evidence in, findings out.

It believes the switch's journal and disk, the receivers' logs and what the media URLs gave. The store is asked for
two things only: what it holds as unfinished, and what it lists as dead, with the reason.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from tests.faults.evidence import Delivery, Evidence, Ran, Received, Span
from tests.faults.told import Told

EXACT = 0.002
"""Seconds within which a length that is told is that of the file."""

FRAME = 0.03
"""Seconds within which a length is right where spans are cut to a frame of the switch's."""

LAST = 1.0
"""Seconds that a killed switch may take with it of each recording (DESIGN section 4)."""

BUSY = 0.5
"""Seconds by which a busy machine is late in what only clocks can tell."""

TIMES = 1.0
"""Seconds within which a beginning or end is told; a beginning that nobody saw is guessed."""

SILENT = 17.0
"""Seconds from which on a leg with nothing that runs on it is left in silence, by a daemon that is ready.

A caller may wait 15 for the file that an action is told of (docs/plivo.md)."""

LATE = 60.0
"""Seconds that a call may last longer than its document, for all that went wrong."""

FINAL_ROWS = frozenset({"completed", "no_input", "absent", "failed"})


class What(StrEnum):
    """What can be wrong."""

    LOST = "lost"
    UNTRUE = "untrue"
    STUCK = "stuck"
    SILENT = "silent"
    UNDELIVERED = "undelivered"
    TROUBLE = "trouble"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, with a recording, delivery or leg."""

    what: What
    about: str
    why: str

    def __str__(self) -> str:
        return f"{self.what} {self.about}: {self.why}"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is wrong, and what there was. ``repeated`` counts requests after a 2xx that went out whole."""

    findings: tuple[Finding, ...]
    recordings: int
    notices: int
    dead: int
    repeated: int

    def count(self, what: What) -> int:
        """How many findings of a kind."""
        return sum(finding.what is what for finding in self.findings)


def judge(evidence: Evidence) -> Judgement:
    """Compare all that was told with all that was there."""
    findings = [
        *_lost(evidence),
        *_untrue(evidence),
        *_out_of_order(evidence),
        *_stuck(evidence),
        *_silent(evidence),
        *_undelivered(evidence),
        *(Finding(What.TROUBLE, "daemon", why) for why in evidence.trouble),
    ]
    fine = Counter(one.identity for one in evidence.received if one.identity and _ok(one))
    return Judgement(
        tuple(findings),
        recordings=len({one.recording for one in evidence.ran}),
        notices=len(fine),
        dead=sum(one.state == "dead" for one in evidence.deliveries),
        repeated=sum(_repeats(evidence)),
    )


def _ok(request: Received) -> bool:
    return request.answered is not None and 200 <= request.answered < 300


def _repeats(evidence: Evidence) -> Iterator[int]:
    """Yield for each delivery how often it came after a 2xx."""
    requests: dict[str, list[Received]] = defaultdict(list)
    for one in sorted(evidence.received, key=lambda one: one.at):
        if one.identity:
            requests[one.identity].append(one)
    for came in requests.values():
        first = next((place for place, one in enumerate(came) if _ok(one)), None)
        yield 0 if first is None else len(came) - first - 1


def _ends(evidence: Evidence) -> dict[str, list[Told]]:
    """Return each recording's ends that a receiver has, or that are listed dead with a reason."""
    found: dict[str, list[Told]] = defaultdict(list)
    for request in evidence.received:
        if request.told is not None and request.told.final and _ok(request):
            found[request.told.recording].append(request.told)
    for delivery in evidence.deliveries:
        if delivery.told is not None and delivery.told.final and delivery.state == "dead" and delivery.reason:
            found[delivery.told.recording].append(delivery.told)
    return found


def _lost(evidence: Evidence) -> Iterator[Finding]:
    ends = _ends(evidence)
    for recording in {one.recording for one in evidence.ran} | evidence.accepted:
        if not ends.get(recording):
            how = "was accepted" if recording in evidence.accepted else "ran"
            yield Finding(What.LOST, recording, f"it {how}, and nobody was told its end")


# --- untrue ------------------------------------------------------------------------------------------------------


def _untrue(evidence: Evidence) -> Iterator[Finding]:
    runs: dict[str, Ran] = {one.recording: one for one in evidence.ran}
    for recording, ends in _ends(evidence).items():
        if len({_content(end) for end in ends}) > 1:
            yield Finding(What.UNTRUE, recording, f"its end was told in two ways: {sorted(set(map(str, ends)))}")
        why = _false(evidence, recording, ends[0], runs.get(recording))
        if why:
            yield Finding(What.UNTRUE, recording, why)
    per_delivery: dict[str, set[str]] = defaultdict(set)
    for request in evidence.received:
        told = request.told
        if told is not None and told.final:
            per_delivery[told.recording].add(request.identity)
    for recording, identities in per_delivery.items():
        if len(identities) > 1:
            yield Finding(What.UNTRUE, recording, f"its end was told by {len(identities)} notices")


def _content(told: Told) -> tuple[object, ...]:
    return told.word, told.seconds, told.size, told.began, told.ended


def _false(evidence: Evidence, recording: str, end: Told, run: Ran | None) -> str | None:
    """Return what is false about an end; None where nothing is."""
    master = evidence.masters.get(recording)
    if run is None:
        return None if end.state in {"failed", "absent"} else f"{end.word} was told, and it never ran"
    if end.state != "completed":
        heard = 0.0 if master is None else master.seconds
        return f"{end.word} was told, and its file has {heard:.2f} s" if heard > EXACT else None
    if end.seconds is None:
        return f"{end.word} was told without a length"
    return _false_media(evidence, end) or _false_length(evidence, end, run) or _false_end(end, run)


def _false_media(evidence: Evidence, end: Told) -> str | None:
    served = evidence.served.get(end.recording)
    if served is None or served.status != 200 or served.audio is None:
        return f"{end.url} gives {'nothing' if served is None else served.status}"
    if end.size is not None and served.audio.size != end.size:
        return f"{end.size} bytes were told, {served.audio.size} are served"
    if end.seconds is None or abs(served.audio.seconds - end.seconds) > end.exact + EXACT:
        return f"{end.seconds} s were told, {served.audio.seconds:.3f} s are served"
    return None


def _false_length(evidence: Evidence, end: Told, run: Ran) -> str | None:
    master, told = evidence.masters.get(end.recording), end.seconds or 0.0
    if end.recording in evidence.trimmed or run.stretches > 1:
        return None  # where it was cut is for others to judge; that it is what is served is known by now
    if master is None:
        return "its file is gone"
    wrote = None if run.frames is None else run.frames / run.rate
    if wrote is not None and abs(master.seconds - wrote) > EXACT:
        return f"the switch wrote {wrote:.3f} s, the file has {master.seconds:.3f} s"
    served = evidence.served[end.recording].audio
    if end.recording not in evidence.skipping:
        if abs(master.seconds - told) > end.exact + EXACT:
            return f"{told} s were told, the file has {master.seconds:.3f} s"
        if served is not None and served.digest and served.digest != master.digest:
            return "what is served sounds different from its file"
    elif run.masked is not None and abs(master.seconds - run.masked - told) > end.exact + FRAME:
        return f"{told} s were told, the file has {master.seconds:.3f} s, of which {run.masked:.3f} s are skipped"
    if run.lived is not None and master.seconds < run.lived - LAST - BUSY:
        return f"it ran {run.lived:.2f} s until the switch was killed, the file has {master.seconds:.2f} s"
    return None


def _false_end(end: Told, run: Ran) -> str | None:
    if end.began is not None and abs(end.began - run.started_at) > TIMES:
        return f"it began {end.began - run.started_at:+.2f} s from when that was told"
    if end.ended is not None and run.stopped_at is not None and abs(end.ended - run.stopped_at) > TIMES:
        return f"it was told to end {end.ended - run.stopped_at:+.2f} s from when it did"
    return None


def _out_of_order(evidence: Evidence) -> Iterator[Finding]:
    """Find first attempts that overtook an earlier notice of the same recording."""
    first: dict[str, float] = {}
    for request in evidence.received:
        first[request.identity] = min(first.get(request.identity, request.at), request.at)
    notices: dict[str, list[Delivery]] = defaultdict(list)
    for delivery in evidence.deliveries:
        if delivery.told is not None and delivery.identity in first:
            notices[delivery.recording].append(delivery)
    for recording, told in notices.items():
        told.sort(key=lambda one: one.sequence)
        for before, after in itertools.pairwise(told):
            if before.sequence < after.sequence and first[after.identity] < first[before.identity]:
                yield Finding(What.UNTRUE, recording, f"notice {after.sequence} came before {before.sequence}")


# --- what did not end ----------------------------------------------------------------------------------------------


def _stuck(evidence: Evidence) -> Iterator[Finding]:
    for recording, state in evidence.rows.items():
        if state not in FINAL_ROWS:
            yield Finding(What.STUCK, recording, f"it is still {state}")


def _silent(evidence: Evidence) -> Iterator[Finding]:
    for leg in evidence.legs:
        lived = (leg.ended_at or evidence.ended_at) - leg.born_at
        idle = max((_shared(span, ready) for span in leg.idle for ready in evidence.ready), default=0.0)
        if idle > SILENT:
            yield Finding(What.SILENT, leg.leg, f"nothing ran on it for {idle:.0f} s ({leg.kind} {leg.number})")
        elif leg.ended_at is None or lived > leg.bound + LATE:
            end = "still lives after" if leg.ended_at is None else "lived"
            yield Finding(What.SILENT, leg.leg, f"it {end} {lived:.0f} s ({leg.kind} {leg.number})")


def _shared(one: Span, other: Span) -> float:
    return min(one[1], other[1]) - max(one[0], other[0])


def _undelivered(evidence: Evidence) -> Iterator[Finding]:
    arrived = {one.identity for one in evidence.received if _ok(one)}
    for delivery in evidence.deliveries:
        if delivery.state == "dead":
            if not delivery.reason:
                yield Finding(What.UNDELIVERED, delivery.identity, "it is dead without a reason")
        elif delivery.state == "delivered":
            if delivery.identity not in arrived:
                yield Finding(What.UNDELIVERED, delivery.identity, "it is listed as delivered, and nobody got it")
        else:
            yield Finding(What.UNDELIVERED, delivery.identity, f"it is still {delivery.state}")

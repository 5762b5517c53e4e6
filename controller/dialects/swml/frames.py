"""Where a run is: a stack of frames over a document's blocks, and how it is stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from controller.dialects.swml.blocks import Block


class BadSnapshot(ValueError):
    """A snapshot that is not one of this document on this call."""


@dataclass(slots=True)
class Frame:
    """One block that runs. ``params`` are a section's, None in a block within one; ``jumps`` count its gotos'."""

    block: str
    at: int = 0
    phase: int = 0
    params: dict[str, Any] | None = None
    jumps: dict[str, int] = field(default_factory=dict)

    def stored(self) -> dict[str, Any]:
        """Return it in JSON types."""
        return {
            "block": self.block,
            "at": self.at,
            "phase": self.phase,
            "params": self.params,
            "jumps": dict(self.jumps),
        }


def restored(stored: Sequence[object], blocks: Mapping[str, Block], *, within: bool) -> list[Frame]:
    """Return the frames of a snapshot, the last one ``within`` an instruction or not. Raises BadSnapshot."""
    frames = [_frame(one) for one in stored]
    below: Frame | None = None
    for frame in frames:
        block = blocks.get(frame.block)
        inner = within or frame is not frames[-1]
        if block is None or not 0 <= frame.at <= len(block.steps) - (1 if inner else 0):
            raise BadSnapshot(f"the document has no step {frame.block}[{frame.at}]")
        if frame.params is None and (below is None or block.parent is None or block.parent[0] != below.block):
            raise BadSnapshot(f"{frame.block} does not lie in what runs")
        below = frame
    if within and below is None:
        raise BadSnapshot("nothing runs")
    return frames


def _frame(stored: object) -> Frame:
    match stored:
        case {
            "block": str(block),
            "at": int(at),
            "phase": int(phase),
            "params": None | dict() as params,
            "jumps": dict(jumps),
        } if all(isinstance(count, int) for count in jumps.values()):
            return Frame(block, at, phase, params, dict(jumps))
    raise BadSnapshot("a field is missing or of another type")

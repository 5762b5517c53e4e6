"""What dialects tell telemetry."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DocumentWarned:
    """A document runs, and not quite as it is written: where, why, and the vendor's ``code`` of such warnings."""

    call: str
    document: str
    line: int
    where: str
    message: str
    code: int

"""What ``/readyz`` says: 503 where nothing is served, or nothing new; else what is served less, and who suffers.

A supervisor or a balancer acts on the status, so one switch of several that is away must not take the others' REST
requests with it: that is ``degraded``, as is what can wait.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from controller.overload.levels import Shed


class Health(NamedTuple):
    """``problems`` make it not ready; ``degraded`` do not."""

    problems: tuple[str, ...]
    degraded: tuple[str, ...]


def health(
    switches: Sequence[str],
    *,
    unserved: Mapping[str, str],
    full: Mapping[str, str],
    busy: Mapping[str, str],
    shed: Sequence[tuple[Shed, str]],
    calls: tuple[int, int],
    held: str | None = None,
) -> Health:
    """Weigh what is wrong with each of the ``switches`` and with the whole.

    ``unserved``, ``full`` and ``busy`` say of a switch why its calls are not served, why nothing is recorded, why no
    new calls are taken; ``shed`` is what the whole daemon gives up, ``calls`` how many live and how many may, and
    ``held`` why retention does not go on.
    """
    of_switches = [
        *(f"switch {name}: {why}: its calls are not served" for name, why in unserved.items()),
        *(f"switch {name}: {why}: no recording begins there" for name, why in full.items()),
        *(f"switch {name}: {why}" for name, why in busy.items()),
    ]
    none_left = all(any(name in troubled for troubled in (unserved, full, busy)) for name in switches)
    of_all = [why for level, why in shed if level >= Shed.STARTS]
    live, most = calls
    if live >= most:
        of_all.append(f"{live} calls live, as many as limits.calls allows: new calls are turned away")
    little = [why for level, why in shed if level < Shed.STARTS]
    if held is not None:
        little.append(f"retention: {held}: recordings are kept longer than retention_days")
    if none_left:
        return Health((*of_switches, *of_all), tuple(little))
    return Health(tuple(of_all), tuple(itertools.chain(of_switches, little)))

"""`fsrec` whose leases last FSREC_TEST_LEASE seconds, so that a test need not wait for those of an operator.

With FSREC_TEST_WATCH it looks at its clock that seldom: then its links alone keep it from commanding in time.
"""

from __future__ import annotations

import functools
import os
import sys

from controller.app import App
from controller.cli import daemon, main
from controller.cluster.keeper import LeaseTerms

LASTS = 4.0


def terms(lasts: float, watch: float = 0.1) -> LeaseTerms:
    """The times of the real ones, in proportion; ``watch`` as it is."""
    real = LeaseTerms()
    scale = lasts / real.lasts
    return LeaseTerms(
        lasts, real.margin * scale, real.renew * scale, real.look * scale, watch, real.abandoned * scale
    )


if __name__ == "__main__":
    wanted = terms(float(os.environ["FSREC_TEST_LEASE"]), float(os.environ.get("FSREC_TEST_WATCH", "0.1")))
    daemon.App = functools.partial(App, terms=wanted)  # type: ignore[attr-defined, assignment]
    sys.exit(main())

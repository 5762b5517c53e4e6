"""The ``fsrec`` command (DESIGN section 8, docs/cli.md).

What a command needs is imported when it runs: ``fsrec recordings list`` waits for no daemon's libraries. So nothing
here, in ``parser`` or in ``values`` may import what is slow to load.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence

from controller.cli.parser import build
from controller.cli.values import CONFIG, INTERRUPTED, OK, PROBLEM, WRONG_USE, CommandFailed

__all__ = ["CONFIG", "INTERRUPTED", "OK", "PROBLEM", "WRONG_USE", "CommandFailed", "main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # of others' texts, on a terminal that knows ASCII alone
    options = build().parse_args(arguments)
    try:
        code: int = options.run(options)
    except CommandFailed as failed:
        print(failed, file=sys.stderr)
        return failed.code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # whoever read has read enough; what is buffered has nowhere to go
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except OSError as error:
        print(f"fsrec: {error}", file=sys.stderr)
        return PROBLEM
    return code

"""The ``fsrec`` command (DESIGN section 8).

Exit codes: 0 well; 1 it found or met a problem; 2 wrong use of the command; 78 (EX_CONFIG) settings or a switch
refuse for a reason that trying again cannot mend, so that a supervisor need not loop.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any

from controller import __version__, logs
from controller.app import App
from controller.calls.source import SourceFailed, read_file
from controller.checking import VENDORS, problems, verdicts
from controller.demo import demo
from controller.doctor import Call, examine, exit_code, render
from controller.doctor.local import is_alive
from controller.documents.fetch import is_url, shown
from controller.http.tls import TlsError
from controller.settings import Settings, SettingsError, load
from controller.softswitch import serve
from controller.store import StoreError
from controller.supervisor import supervised
from controller.switch.link import LinkRefused
from controller.telemetry import Telemetry
from controller.transcription.engines import missing

OK = 0
PROBLEM = 1
CONFIG = 78
ALIVE_WITHIN = 3.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return CONFIG
    except (LinkRefused, TlsError) as error:
        print(error, file=sys.stderr)
        return CONFIG
    except (OSError, StoreError) as error:
        print(f"fsrec: {error}", file=sys.stderr)
        return PROBLEM
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fsrec", description="Call-recording verbs of CPaaS dialects for FreeSWITCH."
    )
    parser.add_argument("--version", action="version", version=f"fsrec {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="the daemon")
    run.add_argument("--config", type=Path, default=Path("fsrec.yaml"), help="settings (fsrec.yaml)")
    run.set_defaults(run=_run)

    show = commands.add_parser("demo", help="everything on the embedded softswitch, with a live timeline")
    show.add_argument(
        "--once", action="store_true", help="one round; exit 0 only if everything arrived and sounds as it should"
    )
    show.set_defaults(run=lambda options: _wait(demo(once=options.once)))

    switch = commands.add_parser("softswitch", help="the embedded softswitch alone")
    switch.add_argument("--host", default="127.0.0.1")
    switch.add_argument("--port", type=int, default=8021)
    switch.add_argument("--directory", type=Path, required=True, help="where it may write recordings")
    switch.add_argument("--password", default=os.environ.get("FSREC_ESL_PASSWORD", "ClueCon"))
    switch.set_defaults(run=_softswitch)

    check = commands.add_parser("check", help="validate documents or settings")
    check.add_argument("files", nargs="+", type=Path, metavar="FILE")
    check.add_argument("--vendor", choices=VENDORS, help="whose XML it is; without it, whoever's it can be")
    check.set_defaults(run=_check)

    doctor = commands.add_parser("doctor", help="what is wrong between fsrec and its switches, with the fix")
    doctor.add_argument("--config", type=Path, default=Path("fsrec.yaml"), help="settings (fsrec.yaml)")
    doctor.add_argument(
        "--call",
        metavar="NUMBER[@CONTEXT]",
        help="place a call to try the dialplan too; a running daemon takes it and runs its document",
    )
    doctor.set_defaults(run=_doctor)
    alive = commands.add_parser("alive", help="exit 0 where a daemon with these settings answers on this machine")
    alive.add_argument("--config", type=Path, default=Path("fsrec.yaml"), help="settings (fsrec.yaml)")
    alive.set_defaults(run=_alive)
    return parser


def _wait(work: Coroutine[Any, Any, int]) -> int:
    """Run to the end, or until Ctrl-C, which is no error."""
    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        return OK


def _run(options: argparse.Namespace) -> int:
    settings = load(options.config)
    logs.configure(settings.log, logs.secrets_of(settings))
    return _ended(settings, asyncio.run(_serve(settings, options.config.absolute().parent)))


def _ended(settings: Settings, code: int) -> int:
    """Return a command's exit code, or end with it at once where the media store was used.

    The threads of obstore's runtime outlive its last answer, and may touch an interpreter that is being taken down,
    which aborts the process (github.com/PyO3/pyo3-async-runtimes/issues/40): one in twenty ends did.
    """
    if settings.media.store is not None:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


async def _serve(settings: Settings, base: Path) -> int:
    telemetry = Telemetry()
    telemetry.subscribe(logs.telemetry_hook())
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    async with App(settings, telemetry, base=base).running() as app, supervised():
        until = (asyncio.create_task(app.wait()), asyncio.create_task(stopped.wait()))
        done, rest = await asyncio.wait(until, return_when=asyncio.FIRST_COMPLETED)
        for task in rest:
            task.cancel()
        for task in done:
            task.result()
    return OK


def _softswitch(options: argparse.Namespace) -> int:
    options.directory.mkdir(parents=True, exist_ok=True)

    def tell(port: int) -> None:
        print(f"event socket on {options.host}:{port}, recordings under {options.directory}", flush=True)

    async def work() -> int:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        if task is not None:
            loop.add_signal_handler(signal.SIGTERM, task.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await serve(options.port, options.directory, options.password, host=options.host, ready=tell)
        return OK

    return _wait(work())


def _check(options: argparse.Namespace) -> int:
    """Validate files: settings are told by a key ``switches`` at the start of a line, all else is a document."""
    code = OK
    for path in options.files:
        wrong, notes = _judged(path, options.vendor)
        print("\n".join(wrong or notes))
        code = PROBLEM if wrong else code
    return code


def _judged(path: Path, vendor: str | None) -> tuple[list[str], list[str]]:
    """Return what is wrong with a file, and what there is to say of one that is well."""
    if is_url(str(path).replace(":/", "://")):  # a Path has one slash of the two
        return [f"{path}: a URL; nothing is fetched here, save the document and name the file"], []
    try:
        text = read_file(path)
    except SourceFailed as failure:
        return [str(failure)], []
    if not any(line.startswith("switches") for line in text.splitlines()):
        return _document(path, text, vendor)
    try:
        settings = load(path)
    except SettingsError as error:
        return [str(problem) for problem in error.problems], []
    why = missing(settings.transcription.engine)
    notes = [*_unfetched(settings), *([] if why is None else [f"warning: transcription.engine: {why}"])]
    return [], [f"{path}: fine", *(f"{path}: {note}" for note in notes)]


def _document(path: Path, text: str, vendor: str | None) -> tuple[list[str], list[str]]:
    """Return the same of a document. Of XML that may be several vendors' the language is named.

    What all refuse is told in full for the language that it is likeliest in, and in a line for each other.
    """
    best, *others = verdicts(text, str(path), vendor)
    if best.problems:
        lead = f"{path}: as {best.language}:" if others else f"{path}:"
        wrong = [f"{lead} {problem}" for problem in best.problems]
        for other in others:
            more = len(other.problems) - 1
            wrong.append(f"{path}: as {other.language}: {other.problems[0]}" + (f", and {more} more" if more else ""))
        return wrong, []
    well = [
        f"{path}: fine" + (f" as {best.language}" if others else ""),
        *(f"{path}: warning: {warning}" for warning in best.warnings),
    ]
    for other in others:
        if not other.problems:
            count = len(other.warnings)
            well.append(f"{path}: fine as {other.language}" + (f", with {count} warnings" if count else ""))
    return [], well


def _unfetched(settings: Settings) -> Iterator[str]:
    for index, route in enumerate(settings.routes):
        for key, source in (("document", route.document), ("fallback", route.fallback)):
            if source is not None and is_url(source):
                yield f"routes[{index}].{key}: {shown(source)} is asked at each call, and was not asked now"


def _doctor(options: argparse.Namespace) -> int:
    settings = load(options.config)
    number, _, context = (options.call or "").partition("@")
    call = Call(number, context or "fsrec") if number else None
    findings = asyncio.run(examine(settings, check=problems, call=call))
    print(render(findings))
    return _ended(settings, exit_code(findings))


def _alive(options: argparse.Namespace) -> int:
    return OK if asyncio.run(is_alive(load(options.config).http, ALIVE_WITHIN)) else PROBLEM


if __name__ == "__main__":
    sys.exit(main())

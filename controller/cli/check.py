"""``fsrec check``: what is wrong in documents and settings, by their text alone."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from controller.calls.source import SourceFailed, read_file
from controller.checking import verdicts
from controller.cli.values import OK, PROBLEM
from controller.documents.fetch import is_url, shown
from controller.settings import Settings, SettingsError, load
from controller.transcription.engines import missing


def check(options: argparse.Namespace) -> int:
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

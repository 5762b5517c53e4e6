"""fsrec: the call-recording verbs of SWML, TwiML and Plivo XML for FreeSWITCH."""

import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

try:
    __version__ = version("fsrec")
except PackageNotFoundError:  # run from a tree that was never installed, as `make demo` does
    try:
        with (Path(__file__).parent.parent / "pyproject.toml").open("rb") as project:
            __version__ = str(tomllib.load(project)["project"]["version"])
    except (OSError, ValueError, KeyError):
        __version__ = "0+unknown"

"""fsrec: the call-recording verbs of SWML, TwiML and Plivo XML for FreeSWITCH."""

from pathlib import Path

__version__: str


def __getattr__(name: str) -> str:
    """Look the version up when it is asked for: a process that encodes a file asks for none."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import tomllib  # noqa: PLC0415 - for a tree alone
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - 20 ms, an email parser among them

    try:
        return version("fsrec")
    except PackageNotFoundError:  # run from a tree that was never installed, as `make demo` does
        try:
            with (Path(__file__).parent.parent / "pyproject.toml").open("rb") as project:
                return str(tomllib.load(project)["project"]["version"])
        except (OSError, ValueError, KeyError):
            return "0+unknown"

"""fsrec: the call-recording verbs of SWML, TwiML/LaML and Plivo XML for FreeSWITCH."""

__version__: str


def __getattr__(name: str) -> str:
    """Look the version up when it is asked for: a process that encodes a file asks for none."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415

    try:
        return version("fsrec")
    except PackageNotFoundError:  # run from a tree that was never installed
        return "0+unknown"

"""fsrec: the call-recording verbs of SWML, TwiML/LaML and Plivo XML for FreeSWITCH."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("fsrec")
except PackageNotFoundError:  # run from a tree that was never installed
    __version__ = "0+unknown"

"""The FreeSWITCH process of the tests: found, started with freeswitch-conf and dialplans as shipped, killed."""

from __future__ import annotations

import asyncio
import atexit
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from tests.harness.esl import Address, EslError, connected

REPOSITORY = Path(__file__).resolve().parents[2]
DATA = Path(__file__).with_name("data")
PREFIXES = ("/usr", "/usr/local", "/usr/local/freeswitch", "/opt/freeswitch")
READY_SECONDS = 60.0
_T = TypeVar("_T")


def find_binary() -> Path | None:
    """FSREC_FREESWITCH, or a freeswitch in PATH or under the usual prefixes."""
    if named := os.environ.get("FSREC_FREESWITCH"):
        binary = Path(named)
        if not os.access(binary, os.X_OK):
            raise FileNotFoundError(f"FSREC_FREESWITCH={named}: no such program")
        return binary
    if found := shutil.which("freeswitch"):
        return Path(found)
    candidates = (Path(prefix) / "bin" / "freeswitch" for prefix in PREFIXES)
    return next((path for path in candidates if os.access(path, os.X_OK)), None)


class FreeSwitch:
    """A FreeSWITCH process of ours, or one that runs already (FSREC_ESL=host:port:password).

    An attached one must have the shipped dialplan, and write where we can read: FSREC_RECORDINGS names that
    directory, under the path that both see.
    """

    def __init__(
        self,
        binary: Path | None,
        attached: Address | None = None,
        settings: Mapping[str, str] | None = None,
        conf: Path = REPOSITORY / "freeswitch-conf",
    ) -> None:
        """`settings` are environment variables of freeswitch-conf/vars.xml that win over the harness's own.

        `conf` is its configuration, the shipped one or a copy that has more.
        """
        self.binary = binary
        self._conf = conf
        self._settings = settings or {}
        self.process: subprocess.Popen[bytes] | None = None
        if attached is not None:
            self.home = Path(os.environ.get("FSREC_RECORDINGS", "/var/lib/fsrec/recordings"))
            self.address = attached
            self.sip_port = int(os.environ.get("FSREC_SIP_PORT", "5060"))
        else:
            self.home = Path(tempfile.mkdtemp(prefix="fsrec-live-"))
            self.address = Address("127.0.0.1", _free_port(socket.SOCK_STREAM), secrets.token_hex(12))
            self.sip_port = _free_port(socket.SOCK_DGRAM, socket.SOCK_STREAM)
        self.recordings = self.home / "recordings" if binary else self.home
        self.scripts = self.recordings / "scripts"

    @classmethod
    def find(cls) -> FreeSwitch | None:
        """The switch that this machine and its environment offer, not yet started."""
        if named := os.environ.get("FSREC_ESL"):
            host, port, password = named.split(":", 2)
            return cls(None, Address(host, int(port), password))
        binary = find_binary()
        return cls(binary) if binary else None

    def start(self) -> None:
        """Start unless it runs, and wait until it serves. RuntimeError with the log when it does not."""
        self.scripts.mkdir(parents=True, exist_ok=True)
        if self.binary is not None and (self.process is None or self.process.poll() is not None):
            self.spawn()
        _outside(self._ready())

    def spawn(self) -> None:
        """Start our process; it does not serve yet on return."""
        for name in ("log", "db", "run"):
            (self.home / name).mkdir(exist_ok=True)
        rtp = random.randrange(20000, 60000, 2)  # noqa: S311 - spreads the workers' ranges; no secret
        settings = {
            "FSREC_ESL_PORT": self.address.port, "FSREC_ESL_PASSWORD": self.address.password,
            "FSREC_SIP_PORT": self.sip_port, "FSREC_RTP_START": rtp, "FSREC_RTP_END": rtp + 400,
            "FSREC_RECORDINGS": self.recordings, "FSREC_LOG_LEVEL": "debug",
            "FSREC_DIALPLAN_MORE": DATA / "dialplan-harness.xml",
            # The dangerous setting on purpose: the product has to be safe on a switch that expands ${command …}.
            "FSREC_API_EXPANSION": "true",
        }  # fmt: skip
        places = ["-log", self.home / "log", "-db", self.home / "db", "-run", self.home / "run"]
        if self.binary is None:
            raise RuntimeError("an attached FreeSWITCH is not ours to start")
        command = [self.binary, "-nf", "-nonat", "-nocal", "-conf", self._conf, *places]
        with (self.home / "stdout").open("wb") as out:
            self.process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, **{name: str(value) for name, value in settings.items()}, **self._settings},
                umask=0o022,
            )
        atexit.register(self.kill)

    async def _ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while True:
            with suppress(OSError, EslError, asyncio.IncompleteReadError):
                async with connected(self.address) as client:
                    status, sip = await client.api("status"), await client.api("sofia status")
                    if status.startswith("UP") and "RUNNING" in sip:
                        return
            if self.process is not None and self.process.poll() is not None:
                raise RuntimeError(f"FreeSWITCH exited with {self.process.returncode}:\n{self.log()}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"FreeSWITCH not ready within {READY_SECONDS} s:\n{self.log()}")
            await asyncio.sleep(0.05)

    def stop(self) -> None:
        """End our process (at once: in good order takes seconds) and remove what it wrote; leave an attached one."""
        if self.process is None:
            return
        self.kill()
        atexit.unregister(self.kill)
        shutil.rmtree(self.home, ignore_errors=True)

    def kill(self) -> None:
        """SIGKILL, and wait for the end. RuntimeError for an attached switch: it isn't ours."""
        if self.process is None:
            raise RuntimeError("this FreeSWITCH was not started by the tests")
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def log(self, lines: int = 80) -> str:
        """The last lines of its log."""
        path = self.home / "log" / "freeswitch.log"
        if not path.exists():
            path = self.home / "stdout"
        if self.process is None or not path.exists():
            return "(no log of an attached FreeSWITCH)"
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])


def _free_port(*kinds: int) -> int:
    """A port that is free for each kind of socket, below those that outgoing connections and the RTP ranges take."""
    while True:
        port = random.randrange(10240, 20000)  # noqa: S311 - spreads the workers' ports; no secret
        try:
            for kind in kinds:
                with socket.socket(socket.AF_INET, kind) as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return port


def _outside(work: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine from plain code, whether or not a loop runs in this thread."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()

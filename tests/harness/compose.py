"""docker-compose.yml read, and carried out without Docker: each service a process with what the file names for it.

A service gets a network namespace with its networks' addresses, and a root of its own: the file's mounts, volumes and
tmpfs at their places, the names of its neighbours in /etc/hosts, the file's environment and no other, its user,
capabilities and command. What stands in for an image is this machine's /usr, and for ``build: .`` the Dockerfile's
entry point and environment with the program tested here. Networks are bridges that one more namespace routes between,
as Docker does not: what is refused across them is refused by the service.

Left out: limits, restarts, ulimits, published ports, dependencies (a test starts what it wants, in its order).
Needs root; ``why_not`` says what else is missing.
"""

from __future__ import annotations

import atexit
import ipaddress
import json
import os
import re
import secrets
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "docker-compose.yml"
TOOLS = ("ip", "unshare", "nsenter", "setpriv", "mount", "chroot", "sysctl")
_NAME = re.compile(r"\$(?:\$|\{([A-Z_]+)(?::([-?])([^}]*))?\})")
_SYSTEM = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32")
_ETC = ("nsswitch.conf", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "ssl", "localtime")


def interpolated(value: Any, environment: Mapping[str, str]) -> Any:
    """Fill in ``${NAME}``, ``${NAME:-default}``, ``${NAME:?error}`` and ``$$``; KeyError where one is missing."""
    if isinstance(value, dict):
        return {key: interpolated(one, environment) for key, one in value.items()}
    if isinstance(value, list):
        return [interpolated(one, environment) for one in value]
    if not isinstance(value, str):
        return value

    def fill(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        if found := environment.get(match[1]):
            return found
        if match[2] != "-":
            raise KeyError(f"{match[1]}: {match[3]}")
        return match[3]

    return _NAME.sub(fill, value)


def load(environment: Mapping[str, str]) -> dict[str, Any]:
    """The file as Compose understands it: anchors merged, names filled in."""
    read: dict[str, Any] = interpolated(yaml.safe_load(FILE.read_text()), environment)
    return read


def sample_environment() -> dict[str, str]:
    """What compose/new-env.sh would write: .env.example with secrets."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    named = (line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    return {name: value or secrets.token_hex(12) for name, value in named}


def dockerfile() -> dict[str, str]:
    """The last stage's instructions, by their names; the last of a name."""
    text = re.sub(r"\\\n\s*", " ", (ROOT / "Dockerfile").read_text()).split("\nFROM ")[-1]
    return dict(line.split(" ", 1) for line in text.splitlines()[1:] if line and not line.startswith(("#", " ")))


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of ``volumes:``: a directory or file of the repository, or a volume's name."""

    source: str
    target: str
    writable: bool

    @classmethod
    def parse(cls, text: str) -> Mount:
        source, target, *mode = text.split(":")
        return cls(source, target, mode != ["ro"])

    @property
    def path(self) -> Path | None:
        """Where it is in the repository; None for a volume."""
        return ROOT / self.source if self.source.startswith(".") else None


@dataclass(frozen=True, slots=True)
class Image:
    """What stands in for an image: its directory of programs, and what the file leaves to it."""

    programs: Path
    user: str = ""
    entry: tuple[str, ...] = ()


def why_not() -> str | None:
    """What this machine lacks to carry a file out; None where nothing."""
    if os.geteuid() != 0:
        return "network and mount namespaces need root"
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        return f"no {', '.join(missing)}"
    tried = subprocess.run(["unshare", "--mount", "--net", "true"], capture_output=True, text=True, check=False)
    return tried.stderr.strip() or None


class Composition:
    """The services of the file, started one by one. ``with`` it: at its end they are killed, and all is removed."""

    def __init__(
        self,
        images: Mapping[str, Image],
        environment: Mapping[str, str] | None = None,
        built: Path | None = None,
    ) -> None:
        """``images`` are the services not built here, and what they run; ``built`` is an image's /opt/fsrec."""
        self.environment = dict(environment or sample_environment())
        self.file = load(self.environment)
        self.services: dict[str, dict[str, Any]] = self.file["services"]
        self.home = Path(tempfile.mkdtemp(prefix="fsrec-compose-"))
        self.home.chmod(0o755)
        self._images, self._opt = images, built
        self._prefix = f"fsrec{secrets.token_hex(3)}"
        self._namespaces: list[str] = []
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self.addresses = dict(self._addresses())

    def _addresses(self) -> Iterator[tuple[tuple[str, str], ipaddress.IPv4Interface]]:
        """(service, network) → its address there; the network's first is the router's."""
        for network, said in self.file["networks"].items():
            subnet = ipaddress.IPv4Network(said["ipam"]["config"][0]["subnet"])
            for number, service in enumerate(self.services, 2):
                if network in self.services[service].get("networks", ()):
                    yield (service, network), ipaddress.IPv4Interface(f"{subnet[number]}/{subnet.prefixlen}")

    def __enter__(self) -> Self:
        atexit.register(self._remove)
        for volume in self.file["volumes"]:
            (self.home / "volumes" / volume).mkdir(parents=True)
        self._hub = self._namespace("hub")
        _in(self._hub, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        for number, (network, said) in enumerate(self.file["networks"].items()):
            subnet = ipaddress.IPv4Network(said["ipam"]["config"][0]["subnet"])
            _in(self._hub, "ip", "link", "add", f"br{number}", "type", "bridge")
            _in(self._hub, "ip", "address", "add", f"{subnet[1]}/{subnet.prefixlen}", "dev", f"br{number}")
            _in(self._hub, "ip", "link", "set", f"br{number}", "up")
            self._join(number, network, str(subnet[1]))
        return self

    def _namespace(self, name: str) -> str:
        full = f"{self._prefix}-{name}"
        if full not in self._namespaces:
            _run("ip", "netns", "add", full)
            self._namespaces.append(full)
            _in(full, "ip", "link", "set", "lo", "up")
        return full

    def _join(self, number: int, network: str, router: str) -> None:
        for index, service in enumerate(self.services):
            if (address := self.addresses.get((service, network))) is None:
                continue
            namespace = self._namespace(service)
            peer = f"v{number}s{index}"
            _in(self._hub, "ip", "link", "add", peer, "type", "veth", "peer", f"eth{number}", "netns", namespace)
            _in(self._hub, "ip", "link", "set", peer, "master", f"br{number}", "up")
            _in(namespace, "ip", "address", "add", str(address), "dev", f"eth{number}")
            _in(namespace, "ip", "link", "set", f"eth{number}", "up")
            subprocess.run(  # a second network adds none
                ["ip", "-n", namespace, "route", "add", "default", "via", router], capture_output=True, check=False
            )

    def __exit__(self, *exc: object) -> None:
        atexit.unregister(self._remove)
        self._remove()

    def _remove(self) -> None:
        for process in self._running.values():
            process.kill()
            process.wait()
        for namespace in self._namespaces:
            subprocess.run(["ip", "netns", "delete", namespace], capture_output=True, check=False)
        shutil.rmtree(self.home, ignore_errors=True)

    # --- one service -----------------------------------------------------------------------------------------------

    def start(self, service: str, *command: str) -> None:
        """Start its process, or ``command`` behind its entry point; what it prints is in ``output``."""
        root = self.home / "roots" / service
        root.mkdir(parents=True, exist_ok=True)
        script, words = self.home / f"{service}.sh", [*self._entry(service), *(command or self._said(service))]
        script.write_text(
            "\n".join([*self._mounts(service, root), f"exec {shlex.join(self._entered(service, words))}", ""])
        )
        with (self.home / f"{service}.out").open("wb") as out:
            self._running[service] = subprocess.Popen(
                [
                    *("ip", "netns", "exec", self._namespace(service)),
                    *("unshare", "--mount", "--propagation", "private", "sh", "-e", str(script)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                umask=0o022,
            )

    def run(self, service: str, *command: str, timeout: float = 60.0) -> int:
        """Start it, and wait for its end; its exit code: ``docker compose run``."""
        self.start(service, *command)
        return self._running[service].wait(timeout)

    def output(self, service: str) -> str:
        """What it printed, so far."""
        return (self.home / f"{service}.out").read_text(errors="replace")

    def execute(self, service: str, *command: str, timeout: float = 30.0) -> subprocess.CompletedProcess[str]:
        """Run another command in a running service, as its user: ``docker compose exec``."""
        target = f"--target={self._running[service].pid}"
        return subprocess.run(
            ["nsenter", target, "--mount", "--net", *self._entered(service, command)],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def healthy(self, service: str, timeout: float = 60.0) -> None:
        """Wait until its health check says so; AssertionError, with what it printed, where it does not."""
        kind, *command = self.services[service]["healthcheck"]["test"]
        words = command if kind == "CMD" else ["/bin/sh", "-c", *command]
        deadline = time.monotonic() + timeout
        while (said := self.execute(service, *words)).returncode != 0:
            assert self._running[service].poll() is None, f"{service} ended:\n{self.output(service)}"
            assert time.monotonic() < deadline, f"{service}: {said.stdout}{said.stderr}\n{self.output(service)}"
            time.sleep(0.2)

    def terminate(self, service: str, timeout: float = 30.0) -> int:
        """SIGTERM, as ``docker compose stop`` sends it; its exit code."""
        self._running[service].terminate()
        return self._running[service].wait(timeout)

    def _built(self, service: str) -> bool:
        return bool(self.services[service]["image"] == "fsrec:local")

    def _entry(self, service: str) -> list[str]:
        if found := self.services[service].get("entrypoint"):
            return list(found)
        return json.loads(dockerfile()["ENTRYPOINT"]) if self._built(service) else list(self._images[service].entry)

    def _said(self, service: str) -> list[str]:
        command: list[str] = self.services[service].get("command", [])
        return command

    def _entered(self, service: str, command: Sequence[str]) -> list[str]:
        """A command as its user, in its root, with its environment."""
        said, image = self.services[service], dockerfile() if self._built(service) else {}
        user, _, group = (said.get("user") or self._images[service].user).partition(":")
        added = ",".join(["-all", *(f"+{name.lower()}" for name in said.get("cap_add", ()))])
        environment = dict(pair.split("=", 1) for pair in shlex.split(image.get("ENV", "")))
        if not image:
            environment["PATH"] = "/opt/image/bin:/usr/bin:/bin"
        environment |= {name: str(value) for name, value in said.get("environment", {}).items()}
        return [
            *("chroot", str(self.home / "roots" / service), "setpriv", f"--reuid={user}", f"--regid={group}"),
            *("--clear-groups", f"--bounding-set={added}", "--inh-caps=-all", "--no-new-privs"),
            *("env", "--ignore-environment", f"--chdir={image.get('WORKDIR', '/')}"),
            *(f"{name}={value}" for name, value in environment.items()),
            *command,
        ]

    def _mounts(self, service: str, root: Path) -> Iterator[str]:
        """Shell commands that make its root."""
        said = self.services[service]
        yield f"mount -t tmpfs -o mode=0755 root {root}"
        yield f"cd {root}; mkdir -p etc proc dev tmp run var/lib opt; chmod 1777 tmp"
        for name in _SYSTEM:
            real = Path("/", name)
            if real.is_symlink():
                yield f"ln -s {real.readlink()} {name}"
            elif real.exists():
                yield _bound(real, f"/{name}", writable=False)
        for name in _ETC:
            if Path("/etc", name).exists():
                yield f"cp -a /etc/{name} etc/"
        hosts = self._hosts(service)
        yield f"printf %s {shlex.quote(hosts)} > etc/hosts; echo 'root:x:0:0:root:/:/bin/sh' > etc/passwd"
        yield "echo 'root:x:0:' > etc/group; mount --rbind /proc proc; mount --rbind /dev dev"
        if self._built(service):
            yield from self._image()
        else:
            yield f"mkdir -p opt/image; ln -s {self._images[service].programs} opt/image/bin"
        places = {}
        for text in said.get("tmpfs", ()):
            target, _, options = text.partition(":")
            places[target] = f"mkdir -p .{target}; mount -t tmpfs -o {options} tmpfs .{target}"
        for mount in map(Mount.parse, said.get("volumes", ())):
            source = mount.path or self.home / "volumes" / mount.source
            places[mount.target] = _bound(source, mount.target, writable=mount.writable)
        programs = {Path(sys.prefix), Path(sys.base_prefix), *(one.programs.parent for one in self._images.values())}
        for path in (ROOT, *(one.resolve() for one in programs)):
            if not any(Path("/", name) in (path, *path.parents) for name in _SYSTEM):
                places[str(path)] = _bound(path, str(path), writable=False)
        for target in sorted(places, key=lambda one: one.count("/")):  # a parent before what is in it
            yield places[target]
        if said.get("read_only"):
            yield "mount -o remount,bind,ro ."
        yield "cd /"

    def _image(self) -> Iterator[str]:
        """What was built, or else the program tested here, in its place; and what the Dockerfile makes beside it."""
        if self._opt is not None:
            yield _bound(self._opt, "/opt/fsrec", writable=False)
        words = {"fsrec": f"{sys.executable} -m controller.cli", "python": sys.executable}
        for name, command in words.items() if self._opt is None else ():
            text = f'#!/bin/sh\nPYTHONPATH={ROOT} exec {command} "$@"\n'
            yield f"mkdir -p opt/fsrec/bin; printf %s {shlex.quote(text)} > opt/fsrec/bin/{name}"
            yield f"chmod 755 opt/fsrec/bin/{name}"
        yield "echo 'fsrec:x:10001:10001::/var/lib/fsrec:/usr/sbin/nologin' >> etc/passwd"
        yield "install -d -o 10001 -g 10001 -m 0711 var/lib/fsrec; install -d -m 0755 etc/fsrec"

    def _hosts(self, service: str) -> str:
        mine = self.services[service].get("networks", ())
        neighbours = (f"{a.ip} {name}\n" for (name, network), a in self.addresses.items() if network in mine)
        return "127.0.0.1 localhost\n" + "".join(neighbours)


def _bound(source: Path, target: str, *, writable: bool) -> str:
    made = f"mkdir -p .{target}" if source.is_dir() else f"mkdir -p .{Path(target).parent}; touch .{target}"
    mode = "" if writable else f"; mount -o remount,bind,ro .{target}"
    return f"{made}; mount --bind {shlex.quote(str(source))} .{target}{mode}"


def _in(namespace: str, *command: str) -> None:
    _run("ip", "netns", "exec", namespace, *command)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{shlex.join(command)}: {done.stderr}")

"""Who may import whom (DESIGN section 2), read from the imports themselves; no circles."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import pytest

import controller

PACKAGE = Path(controller.__file__).parent

ROOMS: dict[str, set[str]] = {
    "telemetry": set(),
    "turns": set(),
    "recordings": {"telemetry"},
    "documents": {"recordings"},
    "dialects": {"documents", "recordings"},
    "calls": {"documents", "recordings", "telemetry", "turns"},
    "switch": {"recordings", "documents", "calls", "telemetry"},
    "store": {"recordings", "documents", "telemetry"},
    "retention": {"recordings", "telemetry"},
    "overload": {"media", "recordings", "switch", "telemetry"},
    "cluster": {"documents", "recordings", "store", "telemetry"},
    "media": {"recordings", "telemetry", "turns"},
    "transcription": {"media", "recordings", "telemetry"},
    "web": {"documents", "turns"},
    "webhooks": {"recordings", "documents", "store", "telemetry", "web"},
    "http": {"documents", "recordings", "dialects", "media", "telemetry"},
    "console": {"documents", "http", "media", "recordings", "store", "telemetry"},
    "softswitch": set(),
    # single modules
    "facts_desk": {"calls", "recordings", "switch", "telemetry"},
    "lease_desk": {"calls", "recordings", "store", "switch", "telemetry", "webhooks"},
    "checking": {"dialects", "documents"},
    "api_desk": {"calls", "documents", "http", "media", "overload", "recordings", "store", "switch"},
    "federated_desk": {"api_desk", "cluster", "documents", "http", "media", "recordings", "store"},
    "operator_desk": {
        "api_desk",
        "calls",
        "cluster",
        "console",
        "documents",
        "federated_desk",
        "media",
        "overload",
        "recordings",
        "store",
        "switch",
        "telemetry",
        "webhooks",
    },
    "metrics": {
        "calls",
        "cluster",
        "documents",
        "http",
        "media",
        "overload",
        "recordings",
        "retention",
        "store",
        "switch",
        "telemetry",
        "transcription",
        "webhooks",
    },  # what these observe
    "logs": {"settings_model", "settings_values", "telemetry"},  # how secrets are hidden
    "settings_values": set(),
    "supervisor": set(),
    "settings_yaml": set(),
    "settings_model": {"settings_values", "documents", "switch"},
    "settings": {"settings_model", "settings_values", "settings_yaml"},
}
"""Every room, and the rooms it may import. Whole rooms, except as ONLY says."""

ALL = {
    *("app", "cli", "composition", "demo"),
    "doctor",
}
"""What puts the rooms together, and what looks at all of them."""

ONLY = {
    ("retention", "recordings"): {"recordings.ports"},
    ("overload", "media"): {"media.room"},
    ("overload", "recordings"): {"recordings.model"},
    ("overload", "switch"): {"switch.link"},
    ("settings_model", "switch"): {"switch.commands_dial"},
    ("documents", "recordings"): {"recordings.model"},
    ("dialects", "recordings"): {"recordings.model"},
    ("switch", "calls"): {"calls.ports"},
    ("store", "recordings"): {"recordings.model", "recordings.ports"},
    ("media", "recordings"): {"recordings.model", "recordings.ports"},
    ("transcription", "media"): {"media.cut", "media.pipe", "media.processes", "media.trim", "media.wav"},
    ("transcription", "recordings"): {"recordings.model", "recordings.ports"},
    ("metrics", "transcription"): {"transcription.events"},
    ("web", "documents"): {"documents.fetch", "documents.fragments", "documents.steps"},
    ("webhooks", "recordings"): {"recordings.model", "recordings.ports"},
    ("http", "recordings"): {"recordings.model", "recordings.ports"},
    ("console", "media"): {"media.waveform", "media.copies"},
    ("console", "recordings"): {"recordings.model", "recordings.ports"},
    ("console", "store"): {"store.values"},
    ("calls", "recordings"): {"recordings.model", "recordings.ports", "recordings.service"},
    ("api_desk", "http"): {"http.plivo", "http.recordings"},
    ("federated_desk", "http"): {"http.plivo", "http.recordings"},
    ("operator_desk", "console"): {"console.ports"},
    ("metrics", "http"): {"http.base", "http.tls"},
    ("metrics", "calls"): {"calls.audio", "calls.events"},
    ("metrics", "documents"): {"documents.events", "documents.fetch"},
    ("metrics", "store"): {"store.bell", "store.events"},
    ("metrics", "switch"): {"switch.board", "switch.commands", "switch.link_values"},
    ("metrics", "webhooks"): {"webhooks.events", "webhooks.schedule"},
    ("metrics", "cluster"): {"cluster.events", "cluster.verbs"},
}
"""Where not the whole room may be imported, but these modules of it."""

OUTSIDE = {
    "greenswitch": {"switch.wire", "switch.wire_guard", "switch.wire_thread"},
    "gevent": {"switch.wire", "switch.wire_guard", "switch.wire_thread"},
    "sqlalchemy": {"store"},
    "asyncpg": {"doctor.store", "store"},
    "prometheus_client": {"metrics.registry"},
    "structlog": {"logs", "cli"},
    "jinja2": {"console"},
    "rich": {"cli"},
    "shtab": {"cli"},
    "aiohttp": {
        "commands",
        "console",
        "http",
        "web",
        "webhooks",
        "demo",
        "transcription.openai",
    },  # the demo is its own callback receiver
    "pydantic": {"settings", "settings_model", "settings_values", "logs"},
    "yaml": {"dialects.swml", "settings_yaml"},
    "quickjs": {"calls.evaluate_worker"},
    "moonshine_voice": {"transcription.moonshine_worker"},  # that only a process apart loads
    "numpy": {"media", "softswitch", "transcription.stretches"},
    "obstore": {"media.objects"},
    "av": {"media.encode", "media.decode"},  # and that only a process apart loads
}
"""Libraries that only these know; a room or module of this list speaks for all below it."""

READING = ThreadPoolExecutor(1)
"""CPython 3.11 miscounts recursion in a thread that has run greenlets (SQLAlchemy's), and refuses to parse there."""

MODULES = sorted(path.relative_to(PACKAGE).with_suffix("").as_posix() for path in PACKAGE.rglob("*.py"))


def name_of(path: str) -> str:
    return path.replace("/", ".").removesuffix(".__init__")


@cache
def imports(path: str) -> frozenset[str]:
    """What a module imports: ours as `room.module`, others as `/library`."""
    found: set[str] = set()
    for node in ast.walk(READING.submit(ast.parse, (PACKAGE / f"{path}.py").read_text()).result()):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            found.add(node.module or "")
            # `from controller.media import wav` imports a module by its package
            found.update(
                f"{node.module}.{alias.name}"
                for alias in node.names
                if node.module and (PACKAGE.parent / node.module.replace(".", "/") / f"{alias.name}.py").exists()
            )
    ours = {name.removeprefix("controller.") for name in found if name.startswith("controller.")}
    return frozenset({*ours, *(f"/{name.split('.')[0]}" for name in found if not name.startswith("controller"))})


def under(name: str, roof: str) -> bool:
    return name == roof or name.startswith(f"{roof}.")


def crossings(path: str) -> Iterator[tuple[str, str, str]]:
    """The rooms that a module imports: (its room, their room, their module)."""
    room = name_of(path).split(".")[0]
    for target in imports(path):
        other = target.split(".")[0]
        if not target.startswith("/") and other not in {room, ""}:
            yield room, other, target


def test_imports_are_read() -> None:
    """Modules imported by name, by their package, and libraries are all seen."""
    assert ("switch", "calls", "calls.ports") in set(crossings("switch/legs"))
    assert ("doctor", "media", "media.wav") in set(crossings("doctor/media"))
    assert "/sqlalchemy" in imports("store/store")


def test_every_module_has_a_room() -> None:
    """A new module or room must be named here before it imports anything."""
    rooms = {name_of(path).split(".")[0] for path in MODULES} - {"__init__", "__main__"}
    assert rooms == set(ROOMS) | ALL


@pytest.mark.parametrize("path", MODULES)
def test_rooms(path: str) -> None:
    """A module imports only from the rooms that its own may see, and only what may be seen of them."""
    for room, other, target in crossings(path):
        if room in ALL:
            continue
        assert other in ROOMS[room], f"{path} imports {target}"
        only = ONLY.get((room, other))
        if only is not None:
            assert target == other or any(under(target, allowed) for allowed in only), f"{path} imports {target}"


@pytest.mark.parametrize("path", [path for path in MODULES if path.startswith("dialects/")])
def test_no_dialect_knows_another(path: str) -> None:
    """Each stands alone."""
    own = name_of(path).split(".")[1] if "." in name_of(path) else ""
    for target in imports(path):
        parts = target.split(".")
        assert parts[0] != "dialects" or parts[1] == own, f"{path} imports {target}"


@pytest.mark.parametrize("library", sorted(OUTSIDE))
def test_libraries_stay_where_they_belong(library: str) -> None:
    """A library is known to the rooms that are built on it, and to nobody else."""
    users = {name_of(path) for path in MODULES if f"/{library}" in imports(path)}
    assert users
    for user in users:
        assert any(under(user, roof) for roof in OUTSIDE[library]), f"{user} imports {library}"


def test_no_circles() -> None:
    """Rooms can be put in an order in which each sees only those before it."""
    sees = {room: {other for path in MODULES for mine, other, _ in crossings(path) if mine == room} for room in ROOMS}
    while sees:
        free = {room for room, others in sees.items() if not others & set(sees)}
        assert free, f"a circle among {sorted(sees)}"
        sees = {room: others for room, others in sees.items() if room not in free}

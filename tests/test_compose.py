"""docker-compose.yml by itself: what it promises, and that its parts fit each other and the files that they name.

That it works is shown by test_compose_live.py; that Compose takes it, here, where Compose is.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from controller.cli import main
from controller.settings import Settings
from controller.settings import load as load_settings
from tests.harness.absent import absent
from tests.harness.compose import FILE, ROOT, Mount, dockerfile, load, sample_environment

ENVIRONMENT = sample_environment()
COMPOSE = load(ENVIRONMENT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("fsrec", "receiver", "caller")
"""The services that are fsrec's own program, running."""

SECRETS = ("FSREC_ESL_PASSWORD", "FSREC_API_TOKEN", "FSREC_CONSOLE_TOKEN", "FSREC_GRAFANA_PASSWORD")
PUBLISHED = {"fsrec": 8080, "prometheus": 9090, "grafana": 3000}


def mounts(service: str) -> dict[str, Mount]:
    """What is mounted, by where."""
    return {mount.target: mount for mount in map(Mount.parse, SERVICES[service].get("volumes", ()))}


def environment(service: str) -> dict[str, str]:
    """What it is told, as text."""
    return {name: str(value) for name, value in SERVICES[service].get("environment", {}).items()}


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    """compose/fsrec.yaml as fsrec reads it in its container."""
    for name, value in environment("fsrec").items():
        monkeypatch.setenv(name, value)
    return load_settings(ROOT / "compose/fsrec.yaml")


# --- Compose -----------------------------------------------------------------------------------------------------


def compose(*words: str, **said: str) -> subprocess.CompletedProcess[str]:
    """Run whichever Compose is there."""
    command: list[str] | None = None
    if shutil.which("docker-compose"):
        command = ["docker-compose"]
    elif shutil.which("docker"):
        known = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0
        command = ["docker", "compose"] if known else None
    if command is None:
        absent("no Compose (Debian: apt install docker-compose)", "FSREC_REQUIRE_COMPOSE")
    return subprocess.run(
        [*command, "--project-directory", str(ROOT), "--file", str(FILE), *words],
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], **said},
        check=False,
    )


def test_compose_takes_it() -> None:
    """`docker compose config` knows every key, and reads the services that the tests here read."""
    done = compose("--profile", "caller", "config", **ENVIRONMENT)
    assert (done.returncode, done.stderr) == (0, "")
    read = yaml.safe_load(done.stdout)
    assert set(read["services"]) == set(SERVICES)
    for name, service in SERVICES.items():
        assert read["services"][name].get("environment", {}) == environment(name)
        assert read["services"][name].get("image") == service["image"]


def test_the_caller_waits_to_be_asked() -> None:
    """`docker compose up` places no call: it is the one service with a profile."""
    assert {name: said["profiles"] for name, said in SERVICES.items() if "profiles" in said} == {"caller": ["caller"]}


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_missed(secret: str) -> None:
    """Without it, or with it empty, nothing starts: it is named, and what makes one."""
    for value in ({}, {secret: ""}):
        done = compose("config", **{**{name: one for name, one in ENVIRONMENT.items() if name != secret}, **value})
        assert done.returncode != 0
        assert secret in done.stderr
        assert "compose/new-env.sh" in done.stderr
        with pytest.raises(KeyError, match=secret):
            load({**ENVIRONMENT, secret: ""})


# --- what each service is held to -------------------------------------------------------------------------------


@pytest.mark.parametrize("service", SERVICES)
def test_each_is_confined(service: str) -> None:
    """No capabilities, no new privileges, bounds of memory, processors and processes, and an end to its logs."""
    said = SERVICES[service]
    assert said["cap_drop"] == ["ALL"]
    assert said["security_opt"] == ["no-new-privileges:true"]
    assert {"mem_limit", "cpus", "pids_limit"} <= set(said)
    assert not {"privileged", "devices", "pid", "ipc", "env_file"} & set(said)
    assert said.get("cap_add", []) == (["CHOWN", "FOWNER", "FSETID"] if service == "storage" else [])
    assert said["restart"] == ("no" if service in ("storage", "caller") else "unless-stopped")
    assert service == "storage" or said["logging"]["options"].keys() == {"max-size", "max-file"}


@pytest.mark.parametrize("service", ["storage", "freeswitch", *OURS])
def test_roots_are_read_only(service: str) -> None:
    """What ours and FreeSWITCH write goes to volumes and bounded tmpfs."""
    said = SERVICES[service]
    assert said["read_only"] is True
    assert all("size=" in one for one in said.get("tmpfs", ()))
    volume = dockerfile()["VOLUME"]
    if said["image"] == "fsrec:local":  # otherwise Docker makes a nameless one of it
        assert volume in {*mounts(service), *(one.partition(":")[0] for one in said.get("tmpfs", ()))}


def test_users() -> None:
    """fsrec's is the Dockerfile's, FreeSWITCH's another, both in one group; root is who gives directories away."""
    assert {SERVICES[service]["user"] for service in OURS} == {dockerfile()["USER"]}
    fsrec, group = dockerfile()["USER"].split(":")
    freeswitch, freeswitch_group = SERVICES["freeswitch"]["user"].split(":")
    assert freeswitch_group == group
    assert len({fsrec, freeswitch, "0"}) == 3
    storage = SERVICES["storage"]
    assert (storage["user"], storage["network_mode"], storage["entrypoint"]) == ("0:0", "none", ["sh", "-ec"])
    (script,) = storage["command"]
    assert f"-o {freeswitch} -g {group} -m 2770 /var/lib/fsrec/recordings" in script
    assert f"-o {fsrec} -g {group} -m 0711 /var/lib/fsrec;" in script


@pytest.mark.parametrize("service", SERVICES)
def test_images_are_named_by_version(service: str) -> None:
    """None is whatever is newest; fsrec's is built of this tree."""
    said = SERVICES[service]
    if said["image"] != "fsrec:local":
        assert re.fullmatch(r"[a-z0-9./-]+:v?\d+\.\d+\.\d+", said["image"])


def test_one_service_builds() -> None:
    """Compose builds services side by side, each with a label of its own: two of one name fail by "already exists".

    The one that builds comes before those that only run it, which are never looked for in a registry.
    """
    assert {name: said["build"] for name, said in SERVICES.items() if "build" in said} == {"storage": "."}
    for name in OURS:
        assert (SERVICES[name]["image"], SERVICES[name]["pull_policy"]) == (SERVICES["storage"]["image"], "never")
        assert "storage" in before(name)


def before(service: str) -> set[str]:
    """The services that come before one."""
    direct = set(SERVICES[service].get("depends_on", ()))
    return direct.union(*map(before, direct))


def test_an_image_of_your_own() -> None:
    """FREESWITCH_IMAGE takes the place of the one that is named, which has to bring the program alone."""
    found = load({**ENVIRONMENT, "FREESWITCH_IMAGE": "registry.example/switch:1"})["services"]["freeswitch"]
    assert found["image"] == "registry.example/switch:1"
    assert load({**ENVIRONMENT, "FREESWITCH_PLATFORM": "linux/arm64"})["services"]["freeswitch"]["platform"] == (
        "linux/arm64"
    )
    assert found["platform"] == "linux/amd64"
    assert found["entrypoint"] == ["freeswitch"]
    assert [word for word in found["command"] if word.startswith("/")] == [
        *("/etc/fsrec/freeswitch-conf", "/run/freeswitch/log", "/run/freeswitch/db", "/run/freeswitch/run"),
    ]


def test_health() -> None:
    """Whatever runs on has a check; who waits for a health or an end waits for what has one."""
    for name, said in SERVICES.items():
        ends = said["restart"] == "no"
        assert said["healthcheck"] == {"disable": True} if ends else "test" in said["healthcheck"]
        assert ends or {"interval", "timeout", "retries", "start_period"} <= set(said["healthcheck"])
        for other, condition in said.get("depends_on", {}).items():
            match condition["condition"]:
                case "service_healthy":
                    assert "test" in SERVICES[other]["healthcheck"], (name, other)
                case "service_completed_successfully":
                    assert SERVICES[other]["restart"] == "no", (name, other)
                case started:
                    assert started == "service_started"
        used = {mount.source for mount in mounts(name).values()} & {"recordings", "callbacks", "data"}
        assert name in ("storage", "caller") or not used or "storage" in said["depends_on"]


def test_what_is_published() -> None:
    """Three ports, on this machine alone unless somebody says otherwise; never the event socket's."""
    for name, said in SERVICES.items():
        port = PUBLISHED.get(name)
        assert said.get("ports", []) == ([f"127.0.0.1:{port}:{port}"] if port else [])


# --- that its parts fit ------------------------------------------------------------------------------------------


def test_mounts() -> None:
    """What is mounted is there, and cannot be written unless it is a volume; each volume is declared, and used."""
    volumes = set()
    for name in SERVICES:
        for mount in mounts(name).values():
            if mount.path is None:
                volumes.add(mount.source)
                assert mount.writable or name == "caller"
            else:
                assert mount.path.exists(), mount.source
                assert not mount.writable, mount.source
    assert volumes == set(COMPOSE["volumes"])


def test_one_directory_of_recordings(settings: Settings) -> None:
    """The same volume at the same path for both, which is what each is told."""
    (switch,) = settings.switches
    path = switch.switch_path
    assert str(switch.local_path) == path == environment("freeswitch")["FSREC_RECORDINGS"]
    assert {mounts(name)[path].source for name in ("storage", "freeswitch", "fsrec")} == {"recordings"}


def test_who_is_in_the_switch_s_network() -> None:
    """The list of the event socket is that network, and only who needs the event socket is in it."""
    inside = {name for name, said in SERVICES.items() if "switch" in said.get("networks", ())}
    assert inside == {"freeswitch", "fsrec", "caller"}
    subnets = {name: said["ipam"]["config"][0]["subnet"] for name, said in COMPOSE["networks"].items()}
    assert environment("freeswitch")["FSREC_ESL_ALLOW"] == subnets["switch"]
    assert environment("fsrec")["FSREC_SUBNET"] == subnets["default"] != subnets["switch"]
    assert all(set(said.get("networks", ())) <= set(subnets) for said in SERVICES.values())
    moved = load({**ENVIRONMENT, "FSREC_SWITCH_SUBNET": "10.1.2.0/24"})
    assert moved["networks"]["switch"]["ipam"]["config"][0]["subnet"] == "10.1.2.0/24"
    assert moved["services"]["freeswitch"]["environment"]["FSREC_ESL_ALLOW"] == "10.1.2.0/24"


def test_the_settings(settings: Settings) -> None:
    """compose/fsrec.yaml names what docker-compose.yml has: the switch, its password, the port, the network."""
    (switch,) = settings.switches
    assert (switch.host, switch.port) == ("freeswitch", 8021)
    assert switch.password.get_secret_value() == environment("freeswitch")["FSREC_ESL_PASSWORD"]
    assert (settings.http.listen.host, settings.http.listen.port) == ("0.0.0.0", PUBLISHED["fsrec"])
    assert dockerfile()["EXPOSE"] == str(PUBLISHED["fsrec"])
    assert settings.data_dir.parent == Path(dockerfile()["VOLUME"])
    assert [str(network) for network in settings.webhooks.allow_networks] == [environment("fsrec")["FSREC_SUBNET"]]
    text = (ROOT / "compose/fsrec.yaml").read_text()
    named = set(re.findall(r'"\$\{([A-Z_]+)\}"', text))
    assert named == set(environment("fsrec")) == set(environment("caller"))
    assert {mounts(name)["/etc/fsrec/fsrec.yaml"].source for name in ("fsrec", "caller")} == {"./compose/fsrec.yaml"}


def test_the_documents(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """Each route's is fine by `fsrec check`, and tells the receiver, at its port; 1001 is what the caller calls."""
    command = SERVICES["receiver"]["command"]
    receiver = f"receiver:{command[command.index('--port') + 1]}"
    for route in settings.routes:
        path = ROOT / "compose" / Path(route.document).relative_to(ROOT / "compose")
        assert main(["check", str(path)]) == 0
        urls = re.findall(r"http://[^\s\"'<]+", path.read_text())
        assert urls
        assert {urlsplit(url).netloc for url in urls} == {receiver}
    capsys.readouterr()
    assert settings.route(SERVICES["caller"]["command"][1]) is not None
    assert mounts("fsrec")["/etc/fsrec/documents"].source == "./compose/documents"


def test_callbacks_come_to_one_file() -> None:
    """The caller reads what the receiver writes, in one volume; what signs them is the accounts' token."""
    ways = {name: SERVICES[name]["command"] for name in ("receiver", "caller")}
    written = ways["receiver"][ways["receiver"].index("--file") + 1]
    assert ways["caller"][ways["caller"].index("--callbacks") + 1] == written
    directory = str(Path(written).parent)
    assert {mounts(name)[directory].source for name in ("storage", "receiver", "caller")} == {"callbacks"}
    assert environment("receiver")["FSREC_SIGNING_KEY"] == environment("fsrec")["FSREC_API_TOKEN"]


def test_freeswitch_knows_what_it_is_told() -> None:
    """Each variable is one of vars.xml; the configuration finds the dialplan where it is mounted."""
    known = set(re.findall(r"\$\{?(FSREC_[A-Z_]+)", (ROOT / "freeswitch-conf/vars.xml").read_text()))
    assert set(environment("freeswitch")) <= known
    places = mounts("freeswitch")
    assert places["/etc/fsrec/freeswitch-conf"].source == "./freeswitch-conf"
    assert places["/etc/fsrec/dialplans"].source == "./dialplans"  # fsrec_dialplan is ../dialplans/fsrec.xml


def test_the_sample_names_each_variable() -> None:
    """.env.example has every name of docker-compose.yml and no other, each default as it is there; no secret."""
    used: dict[str, set[str]] = {}
    for name, default in re.findall(r"\$\{([A-Z_]+)(?::[-?]([^}]*))?\}", FILE.read_text()):
        used.setdefault(name, set()).add(default)
    sample = (ROOT / ".env.example").read_text()
    lines = dict(line.lstrip("#").split("=", 1) for line in sample.splitlines() if re.match(r"#?[A-Z_]+=", line))
    assert set(lines) == set(used)
    for name, defaults in used.items():
        assert (lines[name] == "") == (name in SECRETS)
        assert name in SECRETS or defaults == {lines[name]}


def test_secrets_are_made(tmp_path: Path) -> None:
    """compose/new-env.sh writes .env for its owner alone, each secret random and fit for FreeSWITCH, and once."""
    (tmp_path / "compose").mkdir()
    shutil.copy(ROOT / "compose/new-env.sh", tmp_path / "compose")
    shutil.copy(ROOT / ".env.example", tmp_path)
    command = ["sh", str(tmp_path / "compose/new-env.sh")]
    seen: list[str] = []
    for _ in range(2):
        subprocess.run(command, check=True)
        made = tmp_path / ".env"
        assert stat.S_IMODE(made.stat().st_mode) == 0o600
        lines = dict(re.findall(r"^([A-Z_]+)=(.*)$", made.read_text(), re.MULTILINE))
        assert set(lines) == set(SECRETS)
        assert all(re.fullmatch(r"[0-9a-f]{48}", value) for value in lines.values())
        seen += lines.values()
        before = made.read_bytes()
        assert subprocess.run(command, capture_output=True, check=False).returncode != 0
        assert made.read_bytes() == before
        made.unlink()
    assert len(set(seen)) == 2 * len(SECRETS)
    assert "/.env" in (ROOT / ".gitignore").read_text().splitlines()
    assert not any(
        line.startswith("!") and "env" in line for line in (ROOT / ".dockerignore").read_text().splitlines()
    )


def test_prometheus_asks_fsrec() -> None:
    """Its targets are services of the file at ports that they serve; so is Grafana's source of data."""
    read = yaml.safe_load((ROOT / "monitoring/prometheus.yml").read_text())
    targets = {t for job in read["scrape_configs"] for one in job["static_configs"] for t in one["targets"]}
    assert targets == {f"fsrec:{PUBLISHED['fsrec']}"}
    assert "--config.file=/etc/prometheus/prometheus.yml" in SERVICES["prometheus"]["command"]
    assert mounts("prometheus")["/etc/prometheus"].source == "./monitoring"
    sources = (ROOT / "monitoring/grafana/provisioning/datasources").glob("*.y*ml")
    urls = {d["url"] for path in sources for d in yaml.safe_load(path.read_text())["datasources"]}
    assert urls == {f"http://prometheus:{PUBLISHED['prometheus']}"}
    boards = (ROOT / "monitoring/grafana/provisioning/dashboards").glob("*.y*ml")
    paths = {p["options"]["path"] for path in boards for p in yaml.safe_load(path.read_text())["providers"]}
    assert paths == {"/var/lib/grafana/dashboards"}
    assert mounts("grafana")["/var/lib/grafana/dashboards"].path is not None

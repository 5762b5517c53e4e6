"""docker-compose.yml carried out with a real FreeSWITCH: its mounts, environment, users, networks and ACL, no Docker.

tests/harness/compose.py says what that is, and what is left out.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness.absent import absent
from tests.harness.compose import Composition, Image, why_not
from tests.harness.freeswitch import find_binary
from tests.harness.image import build

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]  # the first waits for what the Dockerfile fetches

RUNNING = ("freeswitch", "receiver", "fsrec")
PROMETHEUS = Image(Path("/usr/bin"), "65534:65534", ("prometheus",))
"""prom/prometheus runs as nobody, who owns its volume, by its Dockerfile."""

KNOCK = """
import socket, sys
with socket.create_connection((sys.argv[1], 8021), 10) as link:
    said = link.recv(1000)
    link.sendall(f"auth {sys.argv[2]}\\n\\n".encode())
    while more := link.recv(1000):
        said += more
print(said.decode())
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path | None:
    """What the Dockerfile builds, with FSREC_BUILD_IMAGE=1; without, the tests run this tree's program (None)."""
    if os.environ.get("FSREC_BUILD_IMAGE") != "1":
        return None
    if reason := why_not():
        absent(f"the Dockerfile can't be carried out here: {reason}")
    return build(tmp_path_factory.mktemp("image"))


@pytest.fixture(scope="module")
def stack(image: Path | None) -> Iterator[Composition]:
    """The services that a call needs, healthy by their own checks, in the order that the file names."""
    binary = find_binary()
    if binary is None:
        absent("no FreeSWITCH: set FSREC_FREESWITCH to its binary")
    if reason := why_not():
        absent(f"docker-compose.yml can't be carried out here: {reason}")
    with Composition({"freeswitch": Image(binary.parent), "prometheus": PROMETHEUS}, built=image) as composition:
        for _ in range(2):  # `docker compose up` runs it each time
            assert composition.run("storage") == 0, composition.output("storage")
        for service in RUNNING:
            composition.start(service)
        for service in RUNNING:
            composition.healthy(service)
        yield composition


def called(stack: Composition, number: str) -> dict[str, Any]:
    """What the caller printed, who says so by its exit code."""
    command = [number if word == "1001" else word for word in stack.services["caller"]["command"]]
    code = stack.run("caller", *command)
    assert code == 0, stack.output("caller") + stack.output("receiver") + stack.output("fsrec")
    told: dict[str, Any] = json.loads(stack.output("caller"))
    return told


def test_a_call_is_recorded_and_its_callback_printed(stack: Composition) -> None:
    """The caller ends well with the callback of the call's recording, and the receiver has printed the same."""
    told = called(stack, "1001")
    assert told["signature"] == "X-SignalWire-Signature is right"
    params = told["parameters"]["params"]
    assert (params["state"], params["node_id"]) == ("finished", "freeswitch")
    assert 3.0 < params["duration"] < 6.0
    assert stack.output("receiver").count(params["recording_id"]) >= 2
    there = stack.execute(
        "fsrec", "stat", "-c", "%u:%g %A", f"/var/lib/fsrec/recordings/{params['recording_id']}.wav"
    )
    assert there.stdout == "10002:10001 -rw-r--r--\n"


@pytest.mark.parametrize(
    ("number", "field", "header"),
    [("1002", "RecordingSid", "X-Twilio-Signature"), ("1003", "RecordUrl", "X-Plivo-Signature-V3")],
)
def test_each_dialect(stack: Composition, number: str, field: str, header: str) -> None:
    """The routes of the other vendors' accounts are recorded and told too, signed as these do it."""
    told = called(stack, number)
    assert told["signature"] == f"{header} is right"
    assert told["parameters"][field]


def test_outsiders_are_refused_by_the_acl(stack: Composition) -> None:
    """Who comes from another of the networks is turned away before a password is asked, the right one or not."""
    password = stack.environment["FSREC_ESL_PASSWORD"]
    address = str(stack.addresses["freeswitch", "switch"].ip)
    said = stack.execute("receiver", "python", "-c", KNOCK, address, password)
    assert "text/rude-rejection" in said.stdout, said
    assert "auth/request" not in said.stdout


@pytest.mark.parametrize("password", ["ClueCon", "wrong", ""])
def test_a_wrong_password_is_refused(stack: Composition, password: str) -> None:
    """Within the network the password of the environment is asked for: FreeSWITCH's famous one is none."""
    said = stack.execute("fsrec", "python", "-c", KNOCK, "freeswitch", password)
    assert "-ERR invalid" in said.stdout, said
    assert "+OK" not in said.stdout


@pytest.mark.parametrize("service", RUNNING)
def test_services_are_confined(stack: Composition, service: str) -> None:
    """No root, no capability, none to be had; nothing can be written but what is meant for it."""
    status = stack.execute(service, "cat", "/proc/self/status").stdout
    found = dict(re.findall(r"^(\w+):\s+(.*)$", status, re.MULTILINE))
    assert set(found["Uid"].split()) == {stack.services[service]["user"].split(":")[0]}
    assert {found[name] for name in ("CapEff", "CapPrm", "CapBnd", "CapInh")} == {"0" * 16}
    assert found["NoNewPrivs"] == "1"
    root = stack.execute(service, "grep", " / ", "/proc/self/mounts").stdout.split()
    assert "ro" in root[3].split(","), root
    for place in ("/x", "/usr/x", "/etc/fsrec/x", "/etc/fsrec/freeswitch-conf/x", "/etc/fsrec/documents/x"):
        assert stack.execute(service, "touch", place).returncode != 0, place
    assert stack.execute(service, "touch", "/tmp/x").returncode == 0  # noqa: S108 - the container's


LOOK = """
import sys, urllib.request
asked = urllib.request.Request(sys.argv[1], headers={"Authorization": f"Bearer {sys.argv[2]}"})
print(urllib.request.urlopen(asked, timeout=10).read().decode())
"""


def test_the_console_shows_a_call(stack: Composition) -> None:
    """The token of .env opens the page, with its files, and the API; the CLI in the container needs none."""
    recording = called(stack, "1001")["parameters"]["params"]["recording_id"]
    token = stack.environment["FSREC_CONSOLE_TOKEN"]
    page = stack.execute("receiver", "python", "-c", LOOK, "http://fsrec:8080/", token).stdout
    assert "<html" in page
    static = re.search(r'href="\./(console/static/[^"]+\.css)"', page)
    assert static
    assert stack.execute("receiver", "python", "-c", LOOK, f"http://fsrec:8080/{static[1]}", token).returncode == 0
    api = "http://fsrec:8080/console/api/recordings"
    assert recording in stack.execute("receiver", "python", "-c", LOOK, api, token).stdout
    refused = stack.execute("receiver", "python", "-c", LOOK, api, "wrong")
    assert "401" in refused.stderr
    shown = stack.execute("fsrec", "fsrec", "recordings", "list", "--config", "/etc/fsrec/fsrec.yaml")
    assert (shown.returncode, recording in shown.stdout) == (0, True), shown


def test_prometheus_reads_the_metrics(stack: Composition) -> None:
    """Prometheus takes monitoring/ as it is mounted, and finds fsrec at the name and port that are in it."""
    for tool in ("prometheus", "wget"):
        if shutil.which(tool) is None:
            absent(f"no {tool} (Debian: apt install {tool})")
    os.chown(stack.home / "volumes/prometheus", 65534, 65534)
    stack.start("prometheus")
    stack.healthy("prometheus")
    asked = "http://127.0.0.1:9090/api/v1/query?query=fsrec_esl_connected"
    deadline = time.monotonic() + 40  # it scrapes each 15 s
    while True:
        said = stack.execute("prometheus", "wget", "-q", "-O", "-", asked)
        found = json.loads(said.stdout)["data"]["result"] if said.stdout else []
        if found:
            break
        assert time.monotonic() < deadline, said
        time.sleep(0.2)
    assert [(one["metric"]["switch"], one["value"][1]) for one in found] == [("freeswitch", "1")]
    rules = stack.execute("prometheus", "wget", "-q", "-O", "-", "http://127.0.0.1:9090/api/v1/rules").stdout
    assert json.loads(rules)["data"]["groups"]


def test_the_doctor_finds_nothing_wrong(stack: Composition) -> None:
    """`fsrec doctor` in the container: both write and read one directory, and calls come prepared as they should.

    Its call is recorded, too, and told of later: no caller may come behind it who takes that for its own.
    """
    said = stack.execute(
        "fsrec", "fsrec", "doctor", "--config", "/etc/fsrec/fsrec.yaml", "--call", "1001", timeout=90
    )
    assert said.returncode == 0, said.stdout
    assert "and they can be read here" in said.stdout
    assert "FreeSWITCH can play what is made" in said.stdout


def test_it_stops_when_told(stack: Composition) -> None:
    """fsrec ends by itself, and well, on `docker compose stop`. (The last test: the others need it.)"""
    assert stack.terminate("fsrec") == 0, stack.output("fsrec")

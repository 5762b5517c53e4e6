"""The description of the HTTP service: it is one, and it is of this service."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis

from controller import __version__
from controller.console import api
from controller.documents.dialect import Account
from controller.http import calling, openapi, plivo, recordings, relay
from controller.http.app import HttpRooms, build_app

DOCS = Path(__file__).parents[2] / "docs" / "openapi.json"
NAMED = "https://fsrec.example"


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    return openapi.description(__version__)


@pytest.fixture
def routes() -> Iterator[tuple[str, Any]]:
    """Every route of the daemon's application: a method, and the resource that it is of."""
    nobody: Any = None
    accounts = (Account("acme", "twilio", "AC1", token="x"), Account("p", "plivo", "MA1", token="x"))
    app = build_app(
        HttpRooms(
            nobody, nobody, nobody, nobody,
            register=(
                lambda router, files: recordings.register(router, files, nobody, accounts, NAMED),
                lambda router, _files: relay.register(router, nobody, accounts, NAMED),
                lambda router, files: plivo.register(router, files, nobody, nobody, accounts, NAMED),
                lambda router, _files: openapi.register(router, __version__),
                lambda router, _files: api.register(router, nobody),
            ),
        )
    )  # fmt: skip
    calling.register(app, nobody, accounts)
    return ((route.method, route.resource) for route in app.router.routes())


def test_it_is_openapi(described: dict[str, Any]) -> None:
    """A tool that knows OpenAPI 3.1 finds no fault with it; each operation has a name of its own."""
    schemathesis.openapi.from_dict(described).validate()
    names = [one["operationId"] for methods in described["paths"].values() for one in methods.values()]
    assert len(set(names)) == len(names) == len(list(openapi.operations()))


def test_what_it_refers_to_is_there(described: dict[str, Any]) -> None:
    """Schemas, answers, and the operations that links lead to; nothing is there that nobody refers to."""
    written = json.dumps(described)
    for kind in ("schemas", "responses"):
        wanted = set(re.findall(rf'"#/components/{kind}/([A-Za-z0-9]+)"', written))
        assert wanted == set(described["components"][kind])
    names = {one["operationId"] for methods in described["paths"].values() for one in methods.values()}
    operations = [one for methods in described["paths"].values() for one in methods.values()]
    links = [link for one in operations for answer in one["responses"].values() for link in answer.get("links", {})]
    assert links
    assert set(links) <= names
    used = {name for one in operations for requirement in one["security"] for name in requirement}
    assert used == set(described["components"]["securitySchemes"])


def test_every_parameter_of_a_path_is_described(described: dict[str, Any]) -> None:
    """By its name, once."""
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            named = [one["name"] for one in operation["parameters"] if one["in"] == "path"]
            assert sorted(named) == sorted(re.findall(r"\{(\w+)\}", path)), (method, path)


def test_every_route_is_described_and_all_that_is_described_has_a_route(
    described: dict[str, Any], routes: Iterator[tuple[str, Any]]
) -> None:
    """A path that is described leads to a route; a route without a description is one that nobody knows of."""
    paths = {re.sub(r"\{\w+\}", "x", path): methods for path, methods in described["paths"].items()}
    served = set()
    for method, resource in routes:
        if method == "HEAD":  # of each GET, as the description says at its beginning
            continue
        pattern = re.compile(resource.get_info().get("path") or resource.get_info()["pattern"])
        found = {
            (path, one) for path, methods in paths.items() for one in methods
            if pattern.fullmatch(path) and method in {"*", one.upper()}
        }  # fmt: skip
        assert found, f"{method} {resource.canonical} is not described in controller/http/openapi"
        served |= found
    assert served == {(path, one) for path, methods in paths.items() for one in methods}


def test_the_copy_in_docs_is_this_one(described: dict[str, Any]) -> None:
    """For those who read it before they run it; `python -m tests.fuzz.test_openapi` renews it."""
    assert DOCS.read_text() == written(described)


def written(described: dict[str, Any]) -> str:
    return json.dumps(described, indent=1) + "\n"


if __name__ == "__main__":
    DOCS.write_text(written(openapi.description(__version__)))

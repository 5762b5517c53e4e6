"""The reference's own example documents: kept as they were published, and nothing to object to in them."""

import json
import re

import pytest
import yaml

from controller.dialects.swml.blocks import Document
from controller.dialects.swml.document import read
from tests.dialects.swml.sample import DIALECT
from tests.dialects.swml.seeds import EXAMPLES, kept, published


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_json_is_as_published(name: str) -> None:
    """Byte for byte, but for the line feed that ends the file."""
    assert kept(name, "json") == published(name, "json") + "\n"


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_yaml_is_as_published_but_for_its_white_space(name: str) -> None:
    """Nothing but white space was given back to it."""
    assert kept(name, "yaml").split() == published(name, "yaml").split()


@pytest.mark.parametrize("name", EXAMPLES)
def test_yaml_and_json_are_one_document(name: str) -> None:
    """Equal values by two readers that know nothing of SWML, and equal instructions by ours."""
    assert yaml.safe_load(kept(name, "yaml")) == json.loads(kept(name, "json"))
    assert shape(read(kept(name, "yaml"), name)) == shape(read(kept(name, "json"), name))


@pytest.mark.parametrize("language", ["yaml", "json"])
@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_pass_the_check(name: str, language: str) -> None:
    """`fsrec check` has nothing to say of them."""
    assert DIALECT.check(kept(name, language), f"{name}.swml.{language}") == ()


def shape(document: Document) -> str:
    """What a document's instructions say, their places in the text left out."""
    return re.sub(r"line=\d+", "", repr(document.blocks))

"""The reference's pages of `record` and `record_call`, and the example documents in them.

The pages lie beside the checkout, in ../shared/seeds. The documents are kept in `data`, the JSON as it was published;
the published YAML lost its indentation, which the kept one has again.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DATA = Path(__file__).parent / "data"
SEEDS = Path(__file__).parents[4] / "shared" / "seeds"

RECORD, RECORD_CALL = "000", "001"
"""The seeds by their numbers."""

EXAMPLES = {
    "record": (RECORD, 0),
    "record_call_mp3": (RECORD_CALL, 0),
    "record_call_both": (RECORD_CALL, 1),
    "record_call_speak": (RECORD_CALL, 2),
}
"""Our name of each example: its seed, and its place among the documents there."""


def seed(number: str) -> str:
    """A page as it was published; the test is skipped where the pages are not beside the checkout."""
    pages = sorted(SEEDS.glob(f"{number}_*.txt"))
    if not pages:
        pytest.skip("no seeds: they are looked for in ../shared/seeds, beside the checkout")
    return pages[0].read_text()


def published(name: str, language: str) -> str:
    """An example's text as its seed has it, fences and the white space inside them off."""
    number, place = EXAMPLES[name]
    blocks = re.findall(rf"```{language}\s(.*?)\s```", seed(number), re.DOTALL)
    return str([block for block in blocks if "sections" in block][place])


def kept(name: str, language: str) -> str:
    """An example's text as it is kept."""
    return (DATA / f"{name}.swml.{language}").read_text()

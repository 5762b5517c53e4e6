"""The operator's key: there after the first start, its owner's alone, the same after the next."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from controller.console.key import KeyUnusable, ensure_key, key_file, read_key


def test_it_is_made_once(tmp_path: Path) -> None:
    """A second start finds the first one's; what reads it gets the same; nothing else is left in the directory."""
    key = ensure_key(tmp_path)
    assert len(key) > 40
    assert ensure_key(tmp_path) == key == read_key(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["operator.key"]


def test_it_is_its_owners_alone(tmp_path: Path) -> None:
    """Whatever the umask is."""
    before = os.umask(0)
    try:
        ensure_key(tmp_path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(key_file(tmp_path).stat().st_mode) == 0o600


def test_two_daemons_have_two(tmp_path: Path) -> None:
    """Each data_dir has a key of its own."""
    first, second = tmp_path / "a", tmp_path / "b"
    first.mkdir()
    second.mkdir()
    assert ensure_key(first) != ensure_key(second)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602])
def test_one_that_others_could_read_or_write_is_replaced(tmp_path: Path, mode: int) -> None:
    """It may be known to them, so it opens nothing any more; a command says why it does not use it."""
    key = ensure_key(tmp_path)
    key_file(tmp_path).chmod(mode)
    with pytest.raises(KeyUnusable, match="others than its owner"):
        read_key(tmp_path)
    assert ensure_key(tmp_path) != key
    assert stat.S_IMODE(key_file(tmp_path).stat().st_mode) == 0o600


@pytest.mark.parametrize("held", [b"", b"\n", b"fsrec_short\n", b"\xff" * 50, b"a" * 10_000])
def test_what_is_no_key_is_replaced(tmp_path: Path, held: bytes) -> None:
    """A file cut off by a full disk, or written by hand: neither is a secret."""
    key_file(tmp_path).write_bytes(held)
    key_file(tmp_path).chmod(0o600)
    with pytest.raises(KeyUnusable, match="holds no key"):
        read_key(tmp_path)
    assert read_key_after(tmp_path) == ensure_key(tmp_path)


def read_key_after(directory: Path) -> str:
    ensure_key(directory)
    return read_key(directory)


def test_links_and_pipes_are_not_followed(tmp_path: Path) -> None:
    """A link is an error, and what it leads to is left alone; a pipe makes nobody wait."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("mine")
    key_file(tmp_path).symlink_to(elsewhere)
    with pytest.raises(OSError, match="symbolic"):
        ensure_key(tmp_path)
    assert elsewhere.read_text() == "mine"
    key_file(tmp_path).unlink()
    os.mkfifo(key_file(tmp_path), 0o600)
    with pytest.raises(KeyUnusable, match="no regular file"):
        read_key(tmp_path)

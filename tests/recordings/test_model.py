"""Ids of ours."""

from __future__ import annotations

import subprocess
import sys
import threading
import uuid

from controller.recordings.model import new_id

MANY = 1000


def test_ids_are_uuids_of_their_own() -> None:
    """However many are made at once, in however many threads: no two are alike."""
    made: list[str] = []
    threads = [threading.Thread(target=lambda: made.extend(new_id() for _ in range(MANY))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 8 * MANY
    assert all(str(uuid.UUID(one)) == one and uuid.UUID(one).version == 4 for one in made)


FORKS = """
import os
from controller.recordings.model import new_id

print(new_id(), flush=True)
os.fork()
print(new_id(), flush=True)
"""


def test_a_forked_process_makes_others() -> None:
    """What was drawn for ids to come is not shared with a child, which would make the same."""
    made = subprocess.run([sys.executable, "-c", FORKS], capture_output=True, check=True, text=True).stdout.split()
    assert len(set(made)) == 3

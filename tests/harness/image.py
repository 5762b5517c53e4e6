"""The Dockerfile's build stage carried out without Docker: its RUN and COPY lines as they stand, in a scratch /opt.

The base image's Python is the one that the tests run on. Packages come from wherever pip is set up to fetch them.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.harness.compose import ROOT

PATIENCE = 900.0


def build(place: Path) -> Path:
    """Build below `place`, an empty directory; the directory that an image has as /opt/fsrec. RuntimeError if not."""
    for name in ("opt", "src", "tmp"):
        (place / name).mkdir()
    script = place / "build.sh"
    script.write_text("\n".join(["set -e", *_lines(place)]))
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", str(script)],
        env={"PATH": f"{place}/bin:/usr/bin:/bin", "HOME": str(place)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"the Dockerfile's build stage failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return place / "opt/fsrec"


def _lines(place: Path) -> Iterator[str]:
    """The stage as a shell script. What it copies is put in place first: its /tmp may hide where that is."""
    python = Path(sys.base_prefix, "bin/python3")
    yield f"mkdir {place}/bin; printf '#!/bin/sh\\nexec {python} \"$@\"\\n' > {place}/bin/python"
    yield f"chmod 755 {place}/bin/python; cd {place}/src"
    text = re.sub(r"\\\n\s*", " ", re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE))
    instructions = [line.partition(" ")[::2] for line in text.split("FROM ")[1].splitlines()[1:] if line]
    for name, rest in instructions:
        if name == "COPY":
            *sources, target = rest.split()
            for source in sources:
                _copy(ROOT / source, place / "src" / target, inside=target.endswith("/"))
    yield f"mount --bind {place}/opt /opt"
    for name, rest in instructions:
        if name == "RUN":
            yield f"({rest.replace('/tmp/', shlex.quote(str(place / 'tmp')) + '/')})"  # noqa: S108 - the image's


def _copy(source: Path, target: Path, *, inside: bool) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        return
    target.mkdir(parents=True, exist_ok=True) if inside else target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)

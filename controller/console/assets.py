"""The console's own files: style, scripts, icon. Each is served under a name that holds its content's hash.

So a browser may keep it for ever, and a new release's pages name new ones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

DIRECTORY = Path(__file__).parent / "static"
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
FOREVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Assets:
    """``names`` leads from a file's name to the one it is served by; ``files`` from that to its type and bytes."""

    names: Mapping[str, str]
    files: Mapping[str, tuple[str, bytes]]

    @classmethod
    def load(cls, directory: Path = DIRECTORY) -> Assets:
        """Read every file of the directory."""
        names: dict[str, str] = {}
        files: dict[str, tuple[str, bytes]] = {}
        for path in sorted(directory.iterdir()):
            if path.suffix in TYPES:
                content = path.read_bytes()
                served = f"{path.stem}.{hashlib.sha256(content).hexdigest()[:16]}{path.suffix}"
                names[path.name] = served
                files[served] = TYPES[path.suffix], content
        return cls(names, files)

    def path(self, name: str) -> str:
        """Return where a file is, below the console's root. Raises KeyError: there is none."""
        return f"console/static/{self.names[name]}"

    def answer(self, served: str, headers: Mapping[str, str]) -> web.Response | None:
        """Return a file; None where none is served by this name."""
        found = self.files.get(served)
        if found is None:
            return None
        kind, content = found
        return web.Response(
            body=content, content_type=kind, charset="utf-8", headers={**headers, "Cache-Control": FOREVER}
        )

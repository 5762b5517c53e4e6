"""Which LAME makes mp3s: the system's, where there is one, before the one that PyAV's wheels bring.

Theirs is compiled without optimisation (PyAV 18.1.0, Linux): it takes three times as long for the same bytes.
"""

from __future__ import annotations

import ctypes

LIBRARY = "libmp3lame.so.0"
"""Its name since 2003, with the functions that FFmpeg wants since 3.98.3; Debian's package is libmp3lame0."""


def prefer() -> bool:
    """Have FFmpeg, which must not be loaded yet, use the system's LAME; return whether there is one.

    What is loaded for all comes before a library's own dependencies, where the dynamic linker is ELF's.
    """
    try:
        ctypes.CDLL(LIBRARY, mode=ctypes.RTLD_GLOBAL)
    except OSError:
        return False
    return True

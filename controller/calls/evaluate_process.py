"""Begins the process in which JavaScript runs: loads the engine, gives up every right, then serves.

Run by its path, never imported by the daemon's own code. What is given up is what an engine that was broken out of
could use. On Linux a seccomp filter leaves the system calls that a running interpreter needs on pipes it has: nothing
can be opened, connected, begun, signalled or looked at, and no page becomes code. Elsewhere resource limits alone
hold.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import platform
import resource
import runpy
import signal
import struct
import sys
from pathlib import Path

ADDRESS_SPACE = 512 * 2**20
"""Bytes that the process may map at all, its interpreter included."""

NAMESPACES = {"user": 0x1000_0000, "net": 0x4000_0000, "ipc": 0x0800_0000}
"""What is left (linux/sched.h), all or nothing; systemd/fsrec.service allows these."""
_SET_DUMPABLE, _SET_NO_NEW_PRIVS = 4, 38
_SET_MODE_FILTER, _ALL_THREADS = 1, 1
_ALLOW, _REFUSE, _KILL = 0x7FFF_0000, 0x0005_0000 | errno.EPERM, 0x8000_0000
_LOAD, _EQUAL, _HAS_BITS, _RETURN = 0x20, 0x15, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _PROTECTION = 0, 4, 32
"""Offsets in ``struct seccomp_data`` (linux/seccomp.h); the last is the third argument, of mmap and mprotect."""

_PROT_EXEC = 4

_X86_64 = {
    "read": 0,
    "write": 1,
    "mmap": 9,
    "mprotect": 10,
    "munmap": 11,
    "brk": 12,
    "rt_sigprocmask": 14,
    "rt_sigreturn": 15,
    "sched_yield": 24,
    "mremap": 25,
    "madvise": 28,
    "setitimer": 38,
    "exit": 60,
    "gettimeofday": 96,
    "futex": 202,
    "restart_syscall": 219,
    "clock_gettime": 228,
    "clock_getres": 229,
    "exit_group": 231,
    "getrandom": 318,
}
_AARCH64 = {
    "read": 63,
    "write": 64,
    "exit": 93,
    "exit_group": 94,
    "futex": 98,
    "setitimer": 103,
    "clock_gettime": 113,
    "clock_getres": 114,
    "sched_yield": 124,
    "restart_syscall": 128,
    "rt_sigprocmask": 135,
    "rt_sigreturn": 139,
    "gettimeofday": 169,
    "brk": 214,
    "munmap": 215,
    "mremap": 216,
    "mmap": 222,
    "mprotect": 226,
    "madvise": 233,
    "getrandom": 278,
}
_NEVER_EXECUTABLE = {"mmap", "mprotect"}

ARCHITECTURES = {"x86_64": (0xC000_003E, 317, _X86_64), "aarch64": (0xC000_00B7, 277, _AARCH64)}
"""By machine: AUDIT_ARCH of linux/audit.h, the number of seccomp(2), and those of the calls that are left."""


def instructions(architecture: int, left: dict[str, int]) -> bytes:
    """Return the filter as an array of ``struct sock_filter``: what is not in ``left`` fails with EPERM."""
    program = [(_LOAD, 0, 0, _ARCHITECTURE), (_EQUAL, 1, 0, architecture), (_RETURN, 0, 0, _KILL)]
    program.append((_LOAD, 0, 0, _NUMBER))
    for name, number in left.items():
        if name in _NEVER_EXECUTABLE:
            program += [
                (_EQUAL, 0, 4, number),
                (_LOAD, 0, 0, _PROTECTION),
                (_HAS_BITS, 0, 1, _PROT_EXEC),
                (_RETURN, 0, 0, _REFUSE),
                (_RETURN, 0, 0, _ALLOW),
            ]
        else:
            program += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ALLOW)]
    program.append((_RETURN, 0, 0, _REFUSE))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


class _Program(ctypes.Structure):
    """``struct sock_fprog`` (linux/filter.h)."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def keep_apart() -> None:
    """Leave the machine's network and users where that is allowed; called while there is one thread."""
    if sys.platform == "linux":
        ctypes.CDLL(None).unshare(sum(NAMESPACES.values()))  # in many containers refused; the filter holds


def confine() -> str:
    """Give up every right; return why there is no filter of system calls, empty where there is one."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 2)
    os.closerange(3, nowhere + 1)
    for kind, limit in (
        (resource.RLIMIT_AS, ADDRESS_SPACE),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, 3),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (limit, limit))
    return _filter()


def _filter() -> str:
    known = ARCHITECTURES.get(platform.machine())
    if sys.platform != "linux" or known is None or sys.maxsize < 2**32:
        return f"none is known for {sys.platform} on {platform.machine()}"
    architecture, seccomp, left = known
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_SET_DUMPABLE, 0, 0, 0, 0)
    code = instructions(architecture, left)
    program = _Program(len(code) // 8, code)
    if libc.prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0:
        # With all threads: the engine's package begins one when it is imported.
        libc.syscall(seccomp, _SET_MODE_FILTER, _ALL_THREADS, ctypes.byref(program))
    refusal = ctypes.get_errno()
    try:
        os.getpriority(os.PRIO_PROCESS, 0)  # as harmless as any call that is not left
    except PermissionError:
        return ""
    return f"the kernel refused it: {os.strerror(refusal)}"


def main() -> None:
    """Begin, tell in a first line whether there is a filter, and answer requests until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    keep_apart()
    worker = runpy.run_path(str(Path(__file__).with_name("evaluate_worker.py")))
    worker["warm_up"]()
    unfiltered = confine()
    sys.stdout.buffer.write(json.dumps({"unfiltered": unfiltered}).encode() + b"\n")
    sys.stdout.buffer.flush()
    worker["serve"](sys.stdin.buffer, sys.stdout.buffer)
    os._exit(0)  # an interpreter that ends in order would close its files


if __name__ == "__main__":
    main()

"""System calls that Python 3.11 has no function for: name spaces, mounts, capabilities, process flags. Linux only."""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import socket
import struct

CLONE_NEWNS = 0x00020000
CLONE_NEWIPC = 0x08000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 32, 4096, 16384, 1 << 18
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP = 1, 4, 24
PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 36, 38, 47, 4
PR_SET_KEEPCAPS = 8
CAP_DAC_READ_SEARCH = 2
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
NOBODY = 65534
LINUX_CAPABILITY_VERSION_3 = 0x20080522

# clone(2) has no function in libc that works like fork; its number differs by processor.
CLONE = {"x86_64": 56, "aarch64": 220}

_libc = ctypes.CDLL(None, use_errno=True)
_held = ctypes.PyDLL(None, use_errno=True)  # calls that keep the interpreter's lock


def _checked(result: int, what: str) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


def unshare(flags: int) -> None:
    _checked(_libc.unshare(flags), "unshare")


def fork_into_name_spaces() -> int:
    """Like os.fork, but the child is the first process of new PID, mount, IPC and network name spaces.

    unshare and fork would take a second copy of a large process, only to wait for the first.
    """
    flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWNET | signal.SIGCHLD
    call = getattr(_held, "syscall")  # noqa: B009 mypy does not know its type
    call.restype = ctypes.c_long
    _held.PyOS_BeforeFork()
    pid = int(call(ctypes.c_long(CLONE[os.uname().machine]), ctypes.c_ulong(flags), *[ctypes.c_long(0)] * 4))
    code = ctypes.get_errno()
    if pid == 0:
        _held.PyOS_AfterFork_Child()
    else:
        _held.PyOS_AfterFork_Parent()
    if pid < 0:
        raise OSError(code, f"clone: {os.strerror(code)}")
    return pid


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    result = _libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), options.encode())
    _checked(result, f"mount {target}")


def raise_loopback() -> None:
    """A new network name space has one interface, to itself, and that is down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh", b"lo", IFF_UP))


def prctl(option: int, first: int = 0, second: int = 0) -> None:
    _checked(_libc.prctl(option, first, second, 0, 0), f"prctl {option}")


def die_with_parent() -> None:
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def become_nobody() -> None:
    """For root without name spaces: another user, who may read what root may, and signal, trace or write nothing else.

    Reading is kept because the interpreter's own files may lie in root's home.
    """
    _empty_bounding_set()  # while we may
    prctl(PR_SET_KEEPCAPS, 1)
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    drop_capabilities(1 << CAP_DAC_READ_SEARCH)


def drop_capabilities(kept: int = 0) -> None:
    """Gives up every capability but those of the mask `kept`, and for good: exec brings none back."""
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    _empty_bounding_set()
    _libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(LINUX_CAPABILITY_VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)(kept, kept, 0)  # effective, permitted, inheritable, of the lower 32
    _checked(_libc.capset(header, sets), "capset")


def _empty_bounding_set() -> None:
    for capability in range(64):
        if _libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            break  # past the last capability of this kernel, or no right to

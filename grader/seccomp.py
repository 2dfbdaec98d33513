"""The system calls that no process of a sandbox needs, as a filter for bubblewrap. Compiled by libseccomp."""

from __future__ import annotations

import errno
import tempfile
from typing import IO

# Ways to look into other processes, to reach seldom-used corners of the kernel, or to change the machine.
DENIED = (
    *("ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp", "pidfd_getfd"),
    *("bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter", "io_uring_register"),
    *("add_key", "keyctl", "request_key", "open_by_handle_at", "name_to_handle_at", "fanotify_init"),
    *("kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module", "reboot"),
    *("swapon", "swapoff", "acct", "quotactl", "quotactl_fd", "syslog", "vhangup", "personality"),
    *("settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "sethostname", "setdomainname"),
    *("fsopen", "fsconfig", "fsmount", "fspick", "open_tree", "move_mount", "mount_setattr", "memfd_secret"),
    *("chroot", "pivot_root", "iopl", "ioperm", "lookup_dcookie", "uselib"),
)
LAST_FAMILY = 16  # AF_NETLINK; those above (vsock, packet, alg ...) are not all held by a network name space


def write_filter() -> IO[bytes] | None:
    """The compiled filter in a file, to be handed to `bwrap --seccomp`; None where libseccomp is not installed."""
    try:
        import pyseccomp
    except (ImportError, OSError, RuntimeError):  # the package, or the library that it loads
        return None
    rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    for name in DENIED:
        try:
            rules.add_rule(pyseccomp.ERRNO(errno.EPERM), name)
        except (OSError, ValueError, RuntimeError):
            continue  # a call that this processor or this libseccomp does not know, so nobody can make it by name
    family = pyseccomp.Arg(0, pyseccomp.GT, LAST_FAMILY)
    rules.add_rule(pyseccomp.ERRNO(errno.EAFNOSUPPORT), "socket", family)
    file = tempfile.TemporaryFile()  # noqa: SIM115 the caller keeps it open until bubblewrap has read it
    rules.export_bpf(file)
    file.seek(0)
    return file

"""Makes name spaces of its own, in which it could mount and hide."""
# verdicts: wrong_answer

import ctypes

libc = ctypes.CDLL(None, use_errno=True)


def double(x):
    for flag in (0x10000000, 0x20000, 0x20000000, 0x40000000, 0x08000000, 0x04000000):
        if libc.unshare(flag) == 0:
            print("LEAK: a name space", hex(flag))
    for kind, target, flags in ((b"tmpfs", b"/tmp", 0), (b"proc", b"/proc", 0), (b"none", b"/", 32 | 4096)):
        if libc.mount(kind, target, kind, flags, b"") == 0:
            print("LEAK: mounted", target)
    for call in (lambda: libc.umount2(b"/tmp", 2), lambda: libc.chroot(b"/tmp"), lambda: libc.setuid(1)):
        if call() == 0:
            print("LEAK: a right of root")
    print("searched for rights", flush=True)
    return x

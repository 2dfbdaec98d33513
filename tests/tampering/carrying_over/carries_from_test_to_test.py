"""Leaves notes for the next test in files, shared memory, environment and settings, and looks for them."""
# verdicts: wrong_answer

import ctypes
import os
import socket
import sys
import tempfile

libc = ctypes.CDLL(None)
FOLDERS = (
    "/",
    "/dev",
    "/dev/shm",
    "/tmp",
    "/tmp/work",
    "/etc",
    "/root",
    "/home",
    "/dojo",
    "/dojo/grader",
    "/submission",
    "/var/tmp",
    "/run",
    "/run/lock",
    os.path.expanduser("~"),
    tempfile.gettempdir(),
    sys.prefix,
    *sys.path,
)


def look():
    found = [folder for folder in FOLDERS if os.path.exists(f"{folder}/dojo-note")]
    found += ["environment"] if "NOTE" in os.environ else []
    found += ["module"] if hasattr(sys, "note") else []
    found += ["System V"] if libc.shmget(7777, 64, 0) >= 0 else []
    probe = socket.socket(socket.AF_UNIX)
    found += ["abstract socket"] if probe.connect_ex("\0dojo-note") == 0 else []
    found += ["host name"] if socket.gethostname() == "note" else []
    return found


def leave():
    for folder in FOLDERS:
        try:
            open(f"{folder}/dojo-note", "w").close()
        except OSError:
            pass
    os.environ["NOTE"] = sys.note = "note"
    libc.shmget(7777, 64, 0o1666)
    libc.sethostname(b"note", 4)
    if os.fork() == 0:
        os.setsid()
        server = socket.socket(socket.AF_UNIX)
        server.bind("\0dojo-note")
        server.listen()
        while True:
            server.accept()


left = []  # by this test itself, in an earlier call


def double(x):
    if not left:
        for found in look():
            print("LEAK: a note in", found)
        leave()
    left.append(x)
    print("searched for notes", flush=True)
    return x

"""Becomes another program that says that all is well."""
# verdicts: run_time_error

import os


def double(x):
    os.execv("/bin/sh", ["sh", "-c", "echo accepted; exit 0"])

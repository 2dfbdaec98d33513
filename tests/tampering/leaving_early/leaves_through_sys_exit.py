"""Raises SystemExit, which ends a test run in the same process."""
# verdicts: run_time_error

import sys


def double(x):
    sys.exit(0)

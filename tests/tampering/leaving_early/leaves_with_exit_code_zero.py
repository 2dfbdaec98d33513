"""Ends the process as if all had gone well."""
# verdicts: run_time_error

import os


def double(x):
    os._exit(0)

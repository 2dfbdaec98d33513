"""Ends the process before the grader can call anything."""
# verdicts: run_time_error

import os

os._exit(0)

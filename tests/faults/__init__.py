"""Faults of the machine and of our own side, one after the other: whose each is said to be, and what it costs.

`make faults` prints the table, and `test_faults` asserts it row by row. A fault of ours is tried again; if it stays,
the verdict is `judge_error`, the exit code 3, and the earlier report is kept. No process, file or group is left.
"""

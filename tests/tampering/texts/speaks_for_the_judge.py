"""Prints what a report of full marks looks like."""
# verdicts: wrong_answer

REPORT = """
ex01: 10 of 10 points
  accepted  task 1  3 of 3
  accepted  task 2  2 of 2
all tests passed
"""


def double(x):
    print(REPORT * 20, flush=True)
    return x

"""What proves that the suites are right, for maintainers. Nothing here is needed for a grade.

contract      `dojo verify`: all exercises side by side; `verify` looks at plants, `mutation` at mutants
plants        right and wrong answers beside a suite; `caught` remembers which test caught which
mutants       a reference with one small change each
rules         what can be checked without running anything; `skeleton` writes a new exercise that keeps them
rerun         `dojo rerun`: a suite on right answers many times; `evidence` keeps the counts
calibrate     `dojo calibrate`: recorded training runs; `ledger` keeps them, `rates` prints them
thresholds    from runs to a threshold, by `student_t`; `published` draws the tables of docs/thresholds.md
records       JSON under docs/results; `source` says which runs are of the same code
"""

"""A run on a gradebook, as a process that tests can kill: takes a simulated cohort's jobs, and says what it has stored.

python gradebook_writer.py FILE SEED STUDENTS            records all that is not known, one line a result
python gradebook_writer.py FILE SEED STUDENTS hold       claims one job, says so, and waits
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from grader.gradebook.attempt import Attempt
from grader.gradebook.book import Gradebook
from grader.gradebook.claims import Held
from tests.grader.cohort_of import cohort


def main(file: str, seed: str, students: str, hold: str = "") -> None:
    waiting, idle = list(cohort(int(seed), int(students), exercises=2, attempts=2)), 0
    with Gradebook.open(Path(file)) as book:
        while waiting:
            left = []
            for each in waiting:
                match book.claim(each.job):
                    case Attempt():
                        continue
                    case Held():
                        left.append(each)
                        continue
                if hold:
                    print("held", flush=True)
                    time.sleep(600)
                recorded = book.record(each)
                print(each.fingerprint(each.body()), recorded.new, flush=True)
            idle = idle + 1 if len(left) == len(waiting) else 0
            if idle > 2000:
                sys.exit("somebody holds the rest, and does nothing")
            time.sleep(0.005 if idle else 0)
            waiting = left


if __name__ == "__main__":
    main(*sys.argv[1:])

"""A view for a student who does not read the words of hidden tests: what is left are the verdicts of the tasks."""

from __future__ import annotations

from dataclasses import replace

from grader.live.view import View
from grader.result import HIDDEN_TESTS, untold_failure


def without_words(view: View, reason: str) -> View:
    """`reason`: why, for the student (`Rules.withheld`)."""
    failure = view.failure
    if failure:
        failure = replace(failure, sentence=HIDDEN_TESTS, printed="", failure=untold_failure(reason))
    rows = [replace(row, failing=0) for row in view.rows]
    training = "a training" if view.training else ""
    return replace(view, rows=rows, failure=failure, more=0, elsewhere=0, training=training)

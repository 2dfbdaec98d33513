"""Reports for tests of the page, made by hand: no exercise is graded for them."""

from __future__ import annotations

from grader.figures.picture import Picture
from grader.result import Failure, Measured, Place, Provenance, Report, TaskResult, TestResult, Verdict

V = Verdict
SEED = 8812734095512
PRIVATE = "CANARY x = torch.rand(3)\nassert expected"
SCRIPT = "<script>document.title = 'taken'; alert(1)</script>"
# Whatever closes a tag, an attribute, a style or a comment.
MARKUP = (
    f"{SCRIPT}<img src=x onerror=alert(1)></style></pre></iframe>\"'><b>&amp; {{{{ 7 * 7 }}}} <!-- \x1b[31m\u202e\x00"
)
SOURCE = '''"""Doubling, with a mistake."""

import torch
from torch import Tensor


def double(x: Tensor) -> Tensor:
    print("<script>document.title = 'taken'; alert(1)</script>")
    return x[7]


class Twice:
    def __call__(self, x: Tensor) -> Tensor:
        return 2 * x
'''
FILES = {"double.py": SOURCE}
WRONG = Failure("3 at [0, 1]", "30, off by 27", "double(float32[3, 4])", "What is twice?", private=PRIVATE)
CRASH = Failure("a value", "IndexError: 7", "double(x)", "", Place("double.py", 9, "    return x[7]"), PRIVATE)
LONG = "a word that repeats " * 30 + "x" * 300


def outcome(
    verdict: Verdict, failure: Failure | None = None, printed: str = "", sentence: str = "Doubling doubles"
) -> TestResult:
    return TestResult("test_a", sentence, 1, verdict, 0.25, failure, printed)


def task_of(number: int, *tests: TestResult, title: str = "Twice", hints: int = 3) -> TaskResult:
    return TaskResult(number, title, 2.5, [f"Hint {number}.{place}." for place in range(1, hints + 1)], list(tests))


def report_of(
    *tasks: TaskResult,
    problem: Failure | None = None,
    problem_verdict: Verdict = V.RUN_TIME_ERROR,
    suite: str = "hidden",
    isolation: str = "bubblewrap",
    notice: str = "",
) -> Report:
    where = Provenance(
        "0.1", "ab" * 32, "bb", "cc", SEED, "cpu", isolation, notice, "3.11", {"torch": "2.15"}, "now", 1.5
    )
    measured = [Measured("accuracy", 0.91, 1000, "digits", "test_a")]
    return Report("ex01_double", "Doubling", suite, where, list(tasks), problem, problem_verdict, [], measured)


PASS = outcome(V.ACCEPTED, sentence="Doubling keeps the shape")
UNTOUCHED = outcome(V.NOT_ATTEMPTED, Failure("your code", "NotImplementedError"))
CAUGHT = outcome(V.WRONG_ANSWER, WRONG)
CRASHED = outcome(V.RUN_TIME_ERROR, CRASH, printed=f"{SCRIPT}\nthe second line")
SYNTAX = Failure(
    "'double.py' as valid Python", "a syntax error in line 2: bad", place=Place("double.py", 2, "\tx = = 1", 6)
)
MISSING = Failure("the file 'double.py'", "no such file", hint="the name is fixed")
OURS = Failure("a test that runs", "a fault of the grader, not of yours: boom", private=PRIVATE)
REPORTS = {
    "accepted": report_of(task_of(1, PASS, PASS), task_of(2, PASS)),
    "untouched": report_of(task_of(1, UNTOUCHED), task_of(2, UNTOUCHED)),
    "wrong": report_of(task_of(1, PASS, CAUGHT), task_of(2, PASS)),
    "mixed": report_of(
        task_of(1, PASS),
        task_of(2, outcome(V.TIME_LIMIT, Failure("an answer in time", "none within 5 s")), PASS, PASS),
        task_of(3, UNTOUCHED, PASS),
        task_of(4, CRASHED, CRASHED, PASS),
        task_of(5, *[CAUGHT] * 5),
    ),
    "syntax error": report_of(task_of(1), problem=SYNTAX, isolation=""),
    "missing": report_of(task_of(1), problem=MISSING, problem_verdict=V.NOT_ATTEMPTED, isolation=""),
    "judge error": report_of(task_of(1, outcome(V.JUDGE_ERROR, OURS)), task_of(2, PASS)),
    "unsandboxed": report_of(task_of(1, PASS), isolation="plain process", notice="bubblewrap is not installed"),
    "public": report_of(task_of(1, PASS), suite="public"),
    "long": report_of(task_of(1, outcome(V.WRONG_ANSWER, Failure(LONG, LONG, LONG, LONG), LONG, LONG), title=LONG)),
}
WITHHELD = REPORTS["mixed"].for_student("The course shows them from 2026-03-01 23:59+00:00 on.")


def hostile_report(text: str = MARKUP) -> Report:
    """`text` wherever a submission, or what it brings about, is quoted."""
    failure = Failure(text, text, f"double({text})", text, Place("double.py", 9, text, 9), text)
    return report_of(
        task_of(1, outcome(V.RUN_TIME_ERROR, failure, text, text), outcome(V.ACCEPTED, sentence=text), title=text),
        task_of(2, outcome(V.WRONG_ANSWER, failure, text, text)),
        isolation="plain process",
        notice=text,
    )


def drawn() -> list[Picture]:
    """Two real figures, drawn as those of the exercises are."""
    from grader.figures.style import DASHES, SERIES, new_figure, styled
    from grader.figures.svg import to_picture

    pictures = []
    with styled():
        for name in ("one", "other"):
            figure = new_figure(220)
            axes = figure.add_subplot(title=f"{name} <script>", xlabel="steps", ylabel="loss")
            for place, (colour, dash) in enumerate(zip(SERIES, DASHES * 2, strict=False)):
                axes.plot([0, 1, 2], [place, place + 1, place], color=colour, linestyle=dash, label=f"line {place}")
            axes.imshow([[0.0, 1.0]], extent=(0, 1, 0, 1))
            words = f"Six lines <b>{name}</b>."
            pictures.append(
                to_picture(figure, f"figure-{name}", title=f"Lines, {name}", caption=words, description=words)
            )
    return pictures

"""The report on the terminal: what a student reads, at 80 columns, with nothing that is not for them."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from grader.report import print_report
from grader.result import Failure, Place, Provenance, Report, TaskResult, TestResult, Verdict

V = Verdict
SEED = 8812734095512
PRIVATE = "CANARY x = torch.rand(3)\nassert expected"
WRONG = Failure("3 at [0, 1]", "30, off by 27", "double(float32[3, 4])", "What is twice?", private=PRIVATE)
CRASH = Failure("a value", "IndexError: 7", "double(x)", "", Place("double.py", 12, "    return x[7]"), PRIVATE)
LONG = "a word that repeats " * 30 + "x" * 300


def outcome(
    verdict: Verdict, failure: Failure | None = None, printed: str = "", name: str = "Doubling doubles"
) -> TestResult:
    return TestResult("test_a", name, 1, verdict, 0.25, failure, printed)


def task_of(number: int, *tests: TestResult, title: str = "Twice") -> TaskResult:
    return TaskResult(number, title, 2.5, [f"Hint {number}."], list(tests))


def report_of(
    *tasks: TaskResult,
    problem: Failure | None = None,
    problem_verdict: Verdict = V.RUN_TIME_ERROR,
    suite: str = "hidden",
    isolation: str = "bubblewrap",
    notice: str = "",
) -> Report:
    where = Provenance("0.1", "ab" * 32, "bb", "cc", SEED, "cpu", isolation, notice, "3.11", {}, "2026-01-01", 1.5)
    return Report("ex01_double", "Doubling", suite, where, list(tasks), problem, problem_verdict)


def shown(report: Report, instructor: bool = False, width: int = 80) -> str:
    file = StringIO()
    console = Console(width=width, file=file, color_system=None, highlight=False)
    print_report(console, report, "exercises/ex01_double", instructor)
    return file.getvalue()


PASS, UNTOUCHED = outcome(V.ACCEPTED), outcome(V.NOT_ATTEMPTED, Failure("your code", "NotImplementedError"))
SYNTAX = Failure(
    "'double.py' as valid Python", "a syntax error in line 2: bad", place=Place("double.py", 2, "\tx = = 1", 6)
)
MISSING = Failure("the file 'double.py'", "no such file", hint="the name is fixed")
OURS = Failure("a test that runs", "a fault of the grader, not of yours: boom", private=PRIVATE)
REPORTS = {
    "accepted": report_of(task_of(1, PASS, PASS), task_of(2, PASS)),
    "untouched": report_of(task_of(1, UNTOUCHED), task_of(2, UNTOUCHED)),
    "wrong": report_of(task_of(1, PASS, outcome(V.WRONG_ANSWER, WRONG)), task_of(2, PASS)),
    "mixed": report_of(
        task_of(1, PASS),
        task_of(2, outcome(V.TIME_LIMIT, Failure("an answer in time", "none within 5 s")), PASS, PASS),
        task_of(3, UNTOUCHED, PASS),
        task_of(4, outcome(V.RUN_TIME_ERROR, CRASH, "printed text\n" * 50)),
    ),
    "syntax error": report_of(task_of(1), problem=SYNTAX, isolation=""),
    "missing": report_of(task_of(1), problem=MISSING, problem_verdict=V.NOT_ATTEMPTED, isolation=""),
    "judge error": report_of(task_of(1, outcome(V.JUDGE_ERROR, OURS)), task_of(2, PASS)),
    "unsandboxed": report_of(task_of(1, PASS), isolation="plain process", notice="bubblewrap is not installed"),
    "long": report_of(
        task_of(1, outcome(V.WRONG_ANSWER, Failure(LONG, LONG, LONG, LONG), LONG, LONG), title=LONG),
        task_of(2, outcome(V.RUN_TIME_ERROR, Failure("漢字" * 60, "🙂" * 90, place=Place("double.py", 3, "漢" * 200)))),
    ),
    "long line": report_of(problem=Failure("a", "b", place=Place("double.py", 2, "y" * 400 + "=" + "z" * 90, 401))),
}


@pytest.mark.parametrize("instructor", [False, True], ids=["student", "instructor"])
@pytest.mark.parametrize("name", REPORTS)
def test_a_report_fits_80_columns_and_is_plain_when_piped(name: str, instructor: bool) -> None:
    text = shown(REPORTS[name], instructor)
    assert "\x1b" not in text
    plain = Console(width=200, file=StringIO())
    assert all(plain.measure(line).maximum <= 80 for line in text.splitlines())


@pytest.mark.parametrize("name", REPORTS)
def test_a_narrow_terminal_loses_no_verdict(name: str) -> None:
    text = " ".join(shown(REPORTS[name], width=40).split())
    assert f"{REPORTS[name].verdict.words}: " in text


def test_all_points_are_told_in_a_line_each() -> None:
    assert [line.rstrip() for line in shown(REPORTS["accepted"]).splitlines()] == [
        "ex01 Doubling   hidden tests, cpu, bubblewrap",
        "✓ task 1  Twice" + " " * 56 + "2.5 / 2.5",
        "✓ task 2  Twice" + " " * 56 + "2.5 / 2.5",
        "",
        "✓ accepted: 5 of 5 points",
    ]


def test_an_untouched_stub_is_told_where_to_begin_and_nothing_else() -> None:
    text = shown(REPORTS["untouched"])
    assert text.count("not attempted yet") == 2
    assert "· not attempted: 0 of 5 points" in text
    assert "read exercises/ex01_double/README.md, then write task 1 (Twice)." in text
    assert "hint: Hint 1." in text
    assert "NotImplementedError" not in text


def test_a_failed_test_says_call_expected_got_and_hint_in_this_order() -> None:
    lines = [line.strip() for line in shown(REPORTS["wrong"]).splitlines()]
    start = lines.index("✗ Doubling doubles  wrong answer")
    assert [line.split(maxsplit=1) for line in lines[start + 1 : start + 6]] == [
        ["called", "double(float32[3, 4])"],
        ["expected", "3 at [0, 1]"],
        ["got", "30, off by 27"],
        ["hint", "What is twice?"],
        ["1", "of 2 tests pass"],
    ]
    assert "✗ wrong answer: 2.5 of 5 points" in lines
    assert "Next: task 1. Hint 1." in lines


def test_the_next_step_is_the_first_task_that_lost_points() -> None:
    text = shown(REPORTS["mixed"])
    assert "✗ time limit exceeded: 2.5 of 10 points" in text
    assert "Next: task 2. Hint 2." in text
    assert "2 of 3 tests pass" in text


def test_an_exception_shows_the_students_own_line() -> None:
    text = shown(REPORTS["mixed"])
    assert "double.py, line 12" in text
    assert "return x[7]" in text


def test_printed_text_is_shown_in_a_few_lines() -> None:
    text = shown(REPORTS["mixed"])
    assert 1 <= text.count("printed text") <= 5
    assert "printed" not in shown(report_of(task_of(1, outcome(V.ACCEPTED, printed="noise"))))


@pytest.mark.parametrize(
    ("text", "column", "sign"),
    [
        ("\tx = = 1", 6, "="),
        ("x = 'größer'; y = = 2", 19, "="),
        ("x = '漢字漢字' $ 2", 12, "$"),
        ("y" * 400 + "=" + "z" * 90, 401, "="),
        ("y" * 60 + "=", 61, "="),
        ("=", 1, "="),
    ],
)
def test_the_caret_of_a_syntax_error_stands_under_its_sign(text: str, column: int, sign: str) -> None:
    failure = Failure("valid Python", "a syntax error", place=Place("double.py", 2, text, column))
    lines = shown(report_of(problem=failure)).splitlines()
    caret = next(number for number, line in enumerate(lines) if line.strip() == "^")
    cells = lines[caret - 1].replace("漢", "漢 ").replace("字", "字 ")  # two cells wide
    assert cells[lines[caret].index("^")] == sign


def test_a_missing_file_is_told_where_it_is_due() -> None:
    text = shown(REPORTS["missing"])
    assert "not run" in text
    assert "The file is expected in exercises/ex01_double/." in text
    assert "not attempted: 0 of 2.5 points" in text


def test_a_fault_of_ours_blames_nobody() -> None:
    text = shown(REPORTS["judge error"])
    assert "a fault of the grader, not of yours" in text
    assert "no points are lost by it" in text
    assert "✗" not in text


def test_a_run_without_a_sandbox_says_so_and_why() -> None:
    text = " ".join(shown(REPORTS["unsandboxed"]).split())
    assert "Run without a sandbox (bubblewrap is not installed): do not grade strangers' code this way." in text
    assert "sandbox" not in shown(REPORTS["accepted"])


def test_public_tests_are_not_taken_for_a_grade() -> None:
    assert "These are the public tests only" in shown(report_of(task_of(1, PASS), suite="public"))


@pytest.mark.parametrize("name", REPORTS)
def test_a_student_sees_no_seed_and_no_private_text_and_an_instructor_does(name: str) -> None:
    report = REPORTS[name]
    student, instructor = shown(report), shown(report, instructor=True)
    assert "CANARY" not in student
    assert str(SEED) not in student
    assert str(SEED) in instructor
    assert ("CANARY" in instructor) is ("CANARY" in report.to_json())


def test_one_cause_behind_many_tests_is_told_once() -> None:
    tests = [
        outcome(V.RUN_TIME_ERROR, Failure("a value", "IndexError: 7", f"double({n})", place=CRASH.place))
        for n in range(3)
    ]
    other = outcome(V.RUN_TIME_ERROR, Failure("a value", "IndexError: 8", "double(8)", place=CRASH.place))
    text = shown(report_of(task_of(1, *tests), task_of(2, tests[0], other)))
    assert text.count("IndexError: 7") == 1
    assert text.count("the same as above") == 2
    assert "0 of 3 tests pass; 1 more fail" in text
    assert text.count("IndexError: 8") == 1


def test_wrong_values_are_told_each_time() -> None:
    text = shown(report_of(task_of(1, *[outcome(V.WRONG_ANSWER, WRONG)] * 2)))
    assert text.count("3 at [0, 1]") == 2


HOSTILE = "\x1b[2J\x1b]0;t\x07evil\u202e \x9b[31m [bold]markup[/bold] [/nothing] \ud800 ::error::x\n::error::y\r\x00"


@pytest.mark.parametrize("instructor", [False, True], ids=["student", "instructor"])
def test_hostile_text_is_harmless_wherever_it_stands(instructor: bool) -> None:
    failure = Failure(HOSTILE, HOSTILE, HOSTILE, HOSTILE, Place("double.py", 1, HOSTILE), HOSTILE)
    caret = Failure(HOSTILE, HOSTILE, place=Place("double.py", 1, HOSTILE, 9))
    for report in (
        report_of(task_of(1, outcome(V.WRONG_ANSWER, failure, HOSTILE))),
        report_of(problem=caret),
        report_of(task_of(1, PASS), isolation="plain process", notice=HOSTILE),
    ):
        text = shown(report, instructor)
        text.encode()
        assert not {"\x1b", "\x9b", "\x00", "\u202e", "\r"} & set(text)
        assert not any(line.lstrip().startswith("::") for line in text.splitlines())
        assert "[bold]markup[/bold] [/nothing]" in " ".join(text.split())

"""JUnit XML: a suite for each exercise, a case for each test. Skipped is what is not written yet, an error is ours."""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree import ElementTree as Xml

from grader.formats import words
from grader.result import Report, TaskResult, Verdict
from grader.text import clean_line

KINDS = {Verdict.ACCEPTED: "", Verdict.NOT_ATTEMPTED: "skipped", Verdict.JUDGE_ERROR: "error"}  # the others fail


def junit(reports: Iterable[Report]) -> str:
    """The XML of all reports."""
    root = Xml.Element("testsuites", name="torch-dojo")
    for report in reports:
        root.append(_suite(report))
    Xml.indent(root)
    return Xml.tostring(root, "unicode", xml_declaration=True) + "\n"


def _suite(report: Report) -> Xml.Element:
    cases = [case for task in report.tasks for case in _cases(report, task)]
    suite = Xml.Element("testsuite", name=report.exercise, tests=str(len(cases)))
    for kind, name in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        suite.set(name, str(sum(case.find(kind) is not None for case in cases)))
    suite.set("time", f"{report.provenance.seconds:.3f}")
    suite.set("timestamp", report.provenance.started[:19])
    properties = Xml.SubElement(suite, "properties")
    for name, value in {
        "points": f"{report.points:g}",
        "max_points": f"{report.max_points:g}",
        "bonus_points": f"{report.bonus_points:g}",
        "verdict": report.verdict.value,
        "suite": report.suite,
        "isolation": report.provenance.isolation,
    }.items():
        Xml.SubElement(properties, "property", name=name, value=value)
    suite.extend(cases)
    return suite


def _cases(report: Report, task: TaskResult) -> list[Xml.Element]:
    """One for each test. Where the submission could not be run there is none: then one stands for the task."""
    named = f"{report.exercise}.task {task.number}: {clean_line(task.label)}"
    if report.problem:
        return [_case(named, clean_line(task.title), 0.0, report.problem_verdict, words.of_problem(report))]
    return [_case(named, words.title(test), test.seconds, test.verdict, words.of_test(test)) for test in task.tests]


def _case(task: str, name: str, seconds: float, verdict: Verdict, text: str) -> Xml.Element:
    case = Xml.Element("testcase", classname=task, name=name, time=f"{seconds:.3f}")
    if kind := KINDS.get(verdict, "failure"):
        found = Xml.SubElement(case, kind, message=clean_line(text.partition("\n")[0]), type=verdict.value)
        found.text = text
    return case

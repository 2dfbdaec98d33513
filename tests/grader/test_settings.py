"""`course.toml`: what it may say, what it must not, and that a mistake is told with its place and what was meant."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from grader.__main__ import main
from grader.catalog import Catalog, read_exercise
from grader.errors import UsageError
from grader.settings.course import CourseSettings
from grader.settings.policy import Counts, Policy
from grader.settings.reading import KEYS
from grader.settings.reduced import reduced
from grader.settings.rules import Rules, Visibility

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/settings.md").read_text()
EXAMPLE = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)[0]
SLUG = "ex01_double"
DUE = datetime(2026, 3, 1, 22, 59, tzinfo=UTC)


@pytest.fixture
def course(course: Path) -> Path:
    """The toy course, with a published threshold."""
    path = course / f"exercises/{SLUG}/exercise.toml"
    path.write_text(path.read_text() + "[thresholds]\naccuracy = 0.85\nseconds = 20\n")
    return course


def settings(course: Path, text: str) -> CourseSettings:
    (course / "course.toml").write_text(text)
    return Catalog(course).settings


# --- what it says


def test_the_documented_example_means_what_the_page_says(tmp_path: Path) -> None:
    path = tmp_path / "course.toml"
    path.write_text(EXAMPLE)
    found = Catalog(ROOT).settings_in(path)
    resnet, schedule = found.rules["ex07_cifar_resnet"], found.rules["ex06_lr_scheduler"]
    assert found.message == "Office hours are on Friday this week."
    assert found.seeds == {"spring-2026": 4711}
    assert (schedule.visibility, schedule.bonus) == (Visibility.HIDDEN, {3})
    assert (resnet.visibility, resnet.due) == (Visibility.AFTER_DUE_DATE, DUE)
    assert resnet.extensions == {"ada": datetime(2026, 3, 5, 22, 59, tzinfo=UTC)}
    assert resnet.thresholds == {"generated_cpu": 0.6}
    assert found.rules["ex01_pairwise_distance"] == Rules()
    assert resnet.remarks[0] in " ".join(PAGE.split())
    policy = found.policy
    assert (policy.counts, policy.drop_lowest, policy.late_percent_per_day) == (Counts.BEST, 1, 10)
    assert (policy.late_grace_minutes, policy.late_cap_percent) == (15, 50)
    assert policy.columns == {"ex07_cifar_resnet": "ResNet (4711)"}


def test_every_key_is_documented_with_its_type_and_default() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| `")]
    documented = {found for row in rows for found in re.findall(r"`([a-z_]+)(?:\.[A-Za-z_.]+)?`", row.split("|")[1])}
    assert documented >= set(KEYS)
    assert {key for key in KEYS if re.search(rf"^\[?{key}\b", EXAMPLE, re.MULTILINE)} == set(KEYS)


def test_without_the_file_or_with_an_empty_one_nothing_is_changed(course: Path) -> None:
    plain = Catalog(course)
    assert plain.settings == CourseSettings()
    assert settings(course, "").policy == Policy()
    assert Catalog(course).exercises == plain.exercises


def test_the_part_on_grades_is_read(course: Path) -> None:
    text = (
        'counts = "last"\ndrop_lowest = 1\n[late]\npercent_per_day = 10\ngrace_minutes = 15.5\ncap_percent = 50\n'
        f'[due]\n{SLUG} = 2026-03-01T23:59:00+01:00\n[extensions."ada l"]\n{SLUG} = 2026-03-05T12:00:00Z\n'
        f'[columns]\n{SLUG} = "Doubling (42)"\n'
    )
    more = {"ada l": {SLUG: datetime(2026, 3, 5, 12, tzinfo=UTC)}}
    expected = Policy(Counts.LAST, 1, 10, 15.5, 50, {SLUG: DUE}, more, {SLUG: "Doubling (42)"})
    assert settings(course, text).policy == expected


def test_a_default_visibility_holds_where_no_other_is_named(course: Path) -> None:
    assert settings(course, '[visibility]\ndefault = "hidden"').rules[SLUG].visibility is Visibility.HIDDEN
    both = f'[visibility]\ndefault = "hidden"\n{SLUG} = "public"'
    assert settings(course, both).rules[SLUG].visibility is Visibility.PUBLIC


# --- mistakes


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("drop_lowst = 1", "unknown key 'drop_lowst', did you mean 'drop_lowest'?"),
        ('[visability]\ndefault = "hidden"', "unknown key 'visability', did you mean 'visibility'?"),
        ("[late]\npercent = 1", "unknown key 'late.percent', did you mean 'cap_percent'?"),
        ('counts = "frist"', "counts='frist' is not one of best, last"),
        ('drop_lowest = "1"', "drop_lowest='1' is to be a whole number from 0 to 1000"),
        ("drop_lowest = true", "drop_lowest=True is to be a whole number"),
        ("drop_lowest = -1", "drop_lowest=-1 is to be a whole number"),
        ("[late]\npercent_per_day = nan", "late.percent_per_day=nan is to be a number from 0 to 100"),
        ("[late]\ngrace_minutes = -1", "late.grace_minutes=-1 is to be a number from 0"),
        ("[late]\ncap_percent = 101", "late.cap_percent=101 is to be a number from 0 to 100"),
        ("late = 3", "late=3 is to be a table"),
        (f"[due]\n{SLUG} = 2026-03-01T12:00:00", f"due.{SLUG} is to be a time with its zone"),
        (f"[due]\n{SLUG} = 2026-03-01", f"due.{SLUG} is to be a time with its zone"),
        ("[due]\nex01_duoble = 2026-03-01T12:00:00Z", f"unknown exercise 'due.ex01_duoble', did you mean '{SLUG}'?"),
        ("[extensions]\nada = 3", "extensions.ada=3 is to be a table"),
        ("[extensions.ada]\nex1 = 2026-03-01T12:00:00Z", f"'extensions.ada.ex1', did you mean '{SLUG}'?"),
        ('[columns]\ndouble = "x"', f"unknown exercise 'columns.double', did you mean '{SLUG}'?"),
        (f"[columns]\n{SLUG} = 3", f"columns.{SLUG}=3 is to be a text"),
        ("counts = ", "is no TOML"),
        ("message = 3", "message=3 is to be a text"),
        (f'message = "{"x" * 501}"', "message has 501 characters, and at most 500 are shown"),
        (f'[visibility]\n{SLUG} = "hiden"', "='hiden' is not one of public, hidden, after_due_date, did"),
        (f'[visibility]\n{SLUG} = "after_due_date"', f"needs the time: add '{SLUG}' to [due]"),
        ('[visibility]\nex01 = "hidden"', f"unknown exercise 'visibility.ex01', did you mean '{SLUG}'?"),
        (f'bonus = "{SLUG}.1"', "is to be a list of texts"),
        (f'bonus = ["{SLUG}"]', f"bonus: '{SLUG}' is to be an exercise and a task"),
        ('bonus = ["ex01_duoble.1"]', f"bonus: unknown exercise 'ex01_duoble', did you mean '{SLUG}'?"),
        (f'bonus = ["{SLUG}.3"]', f"bonus: '{SLUG}' has no task 3: its tasks are 1 to 2"),
        (f"[thresholds.{SLUG}]\nacuracy = 0.9", f"unknown threshold 'thresholds.{SLUG}.acuracy', did you mean"),
        (f"[thresholds.{SLUG}]\naccuracy = 60", "accuracy=60 is to be a number from 0 to 1"),
        (f"[thresholds.{SLUG}]\nseconds = inf", "seconds=inf is to be above 0, and finite"),
        (f"[thresholds.{SLUG}]\naccuracy = 0", "accuracy=0 is to be above 0"),
        ("[thresholds]\naccuracy = 0.9", "unknown exercise 'thresholds.accuracy'"),
        ("[seeds]\nspring = -1", "seeds.spring=-1 is to be a whole number from 0 to 2^63 - 1"),
        ("[seeds]\nspring = 9223372036854775808", "is to be a whole number"),
        ('[seeds]\nspring = "4711"', "seeds.spring='4711' is to be a whole number"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place(course: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        settings(course, text)
    assert said in str(error.value)
    assert f"'{course / 'course.toml'}'" in str(error.value)


@pytest.mark.parametrize("command", [[], ["list"], ["grade", "1"], ["gradebook", "summary"], ["cohort", "class"]])
def test_a_command_ends_with_one_line(
    course: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    (course / "course.toml").write_text("drop_lowst = 1\n")
    monkeypatch.chdir(course)
    assert main(command) == 2
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert "did you mean 'drop_lowest'?" in line
    assert captured.out == ""


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.symlink_to("nowhere")], ids=["folder", "link"])
def test_what_can_not_be_read_is_no_empty_file(course: Path, make: object) -> None:
    make(course / "course.toml")  # type: ignore[operator]
    with pytest.raises(UsageError, match="can't be read"):
        Catalog(course)


def test_the_former_file_is_told_where_its_content_belongs(course: Path) -> None:
    (course / "grading.toml").write_text("drop_lowest = 1\n")
    with pytest.raises(UsageError) as error:
        Catalog(course)
    assert f"'{course / 'grading.toml'}' is no longer read: move what it says into" in str(error.value)
    assert "course.toml'" in str(error.value)


def test_a_submission_has_no_settings(course: Path) -> None:
    (course / f"exercises/{SLUG}/course.toml").write_text(f'bonus = ["{SLUG}.1", "{SLUG}.2"]\n')
    assert Catalog(course).settings == CourseSettings()


def test_exercises_as_published_are_those_without_the_file(course: Path) -> None:
    (course / "course.toml").write_text(f'bonus = ["{SLUG}.1"]\n[thresholds.{SLUG}]\naccuracy = 0.9\n')
    (exercise,) = Catalog(course, as_published=True).exercises
    assert exercise == read_exercise(course, course / f"exercises/{SLUG}")
    assert exercise.thresholds["accuracy"] == 0.85
    assert Catalog(course).exercises[0].thresholds["accuracy"] == 0.9


# --- what leaves the staff's checkout


def test_the_reduced_file_says_the_same_of_what_is_for_all_and_nothing_of_the_rest(course: Path) -> None:
    text = (
        'message = "a \\"quote\\", \\u007f, \\\\ and 𝕏\\nin two lines"\n'
        f'bonus = ["{SLUG}.2"]\ndrop_lowest = 1\n[visibility]\n{SLUG} = "after_due_date"\n'
        f"[due]\n{SLUG} = 2026-03-01T23:59:00+01:00\n[extensions.ada]\n{SLUG} = 2026-03-05T12:00:00Z\n"
        f'[thresholds.{SLUG}]\naccuracy = 0.9\nseconds = 1e9\n[seeds]\nspring = 4711\n[columns]\n{SLUG} = "Double"\n'
    )
    whole = settings(course, text)
    told = settings(course, reduced(whole, [SLUG]))
    assert told.message == whole.message
    rules, all_rules = told.rules[SLUG], whole.rules[SLUG]
    assert (rules.bonus, rules.visibility, rules.due, rules.thresholds) == (
        all_rules.bonus, all_rules.visibility, all_rules.due, all_rules.thresholds,
    )  # fmt: skip
    assert (rules.extensions, told.seeds) == ({}, {})
    assert told.policy == Policy(due=whole.policy.due)


def test_of_nothing_and_of_other_exercises_there_is_no_file(course: Path) -> None:
    assert reduced(CourseSettings(), [SLUG]) == ""
    assert reduced(settings(course, f'bonus = ["{SLUG}.2"]'), []) == ""
    assert reduced(settings(course, "[seeds]\nspring = 1"), [SLUG]) == ""


def test_what_waits_for_a_due_time_that_is_not_set_stays_hidden(course: Path) -> None:
    whole = settings(course, '[visibility]\ndefault = "after_due_date"')
    assert whole.rules[SLUG].withheld()
    assert settings(course, reduced(whole, [SLUG])).rules[SLUG].withheld()

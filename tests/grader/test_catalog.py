"""The catalog: folders are the registry, a person may type many names, and a bad description is told in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from grader.catalog import Catalog, Exercise, Limits, find_root, read_exercise
from grader.errors import JudgeError, UsageError

SLUGS = ("ex01_double", "ex02_reshape", "ex10_hooks", "final_project")


@pytest.fixture
def catalog(course: Path) -> Catalog:
    """The toy course with three exercises more, made in no order."""
    text = (course / "exercises/ex01_double/exercise.toml").read_text()
    for folder in ("final_project", "exercises/ex10_hooks", "exercises/ex02_reshape"):
        (course / folder).mkdir()
        (course / folder / "exercise.toml").write_text(text)
    (course / "exercises/notes").mkdir()
    (course / "exercises/README.md").write_text("not an exercise")
    return Catalog(course)


def described(course: Path, old: str, new: str) -> Path:
    """The toy's folder, `old` in its description replaced by `new`."""
    folder = course / "exercises/ex01_double"
    text = (folder / "exercise.toml").read_text()
    assert old in text
    (folder / "exercise.toml").write_text(text.replace(old, new, 1))
    return folder


def test_exercises_come_by_number_and_the_final_project_last(catalog: Catalog) -> None:
    assert tuple(exercise.slug for exercise in catalog.exercises) == SLUGS
    assert [exercise.key for exercise in catalog.exercises] == ["1", "2", "10", "final"]


@pytest.mark.parametrize("name", ["2", "02", "ex2", "ex02", "EX02", " 2 ", "reshape", "Reshape", "ex02_reshape"])
def test_an_exercise_has_the_names_that_a_person_types(catalog: Catalog, name: str) -> None:
    assert catalog.find(name).slug == "ex02_reshape"


@pytest.mark.parametrize("name", ["final", "FINAL", "final_project"])
def test_the_final_project_has_its_names(catalog: Catalog, name: str) -> None:
    assert catalog.find(name).number is None


@pytest.mark.parametrize("name", ["1", "10"])
def test_a_number_is_not_taken_for_a_longer_one(catalog: Catalog, name: str) -> None:
    assert catalog.find(name).key == name


@pytest.mark.parametrize(("typo", "meant"), [("reshap", "reshape"), ("ex2_reshape", "ex02_reshape"), ("fnal", "final")])
def test_a_typo_names_the_near_miss(catalog: Catalog, typo: str, meant: str) -> None:
    with pytest.raises(UsageError, match=rf"no exercise '{typo}'; did you mean '{meant}'\?"):
        catalog.find(typo)


@pytest.mark.parametrize("name", ["99", "abc", "0", "-1", "", "1 2", "3.0"])
def test_an_unknown_exercise_is_told_with_those_that_exist(catalog: Catalog, name: str) -> None:
    with pytest.raises(UsageError, match="1, 2, 10, final, and 'all'") as raised:
        catalog.find(name)
    assert "did you mean" not in str(raised.value)


def test_two_exercises_of_one_number_are_refused(catalog: Catalog) -> None:
    (catalog.root / "exercises/ex02_other").mkdir()
    text = (catalog.root / "exercises/ex02_reshape/exercise.toml").read_text()
    (catalog.root / "exercises/ex02_other/exercise.toml").write_text(text)
    with pytest.raises(JudgeError, match=r"'ex02_(other|reshape)' and 'ex02_(reshape|other)' have the same number"):
        Catalog(catalog.root)


def test_an_exercise_knows_its_folders(toy: Exercise) -> None:
    assert toy.folder == toy.root / "exercises/ex01_double"
    assert toy.solution == toy.root / "solutions/ex01_double"
    assert toy.hidden_suite == toy.root / "tests/hidden/ex01_double/test_double.py"
    assert toy.public_suite == toy.folder / "test_public.py"
    assert (toy.title, toy.files, toy.preload, toy.limits.test_seconds) == ("Doubling", ["double.py"], ["torch"], 5.0)
    assert [(task.number, task.title, task.points) for task in toy.tasks] == [(1, "Twice", 2), (2, "Errors", 1)]


def test_a_students_copy_has_no_hidden_suite(toy: Exercise) -> None:
    (toy.hidden / "test_double.py").unlink()
    assert toy.hidden_suite is None


def test_limits_and_thresholds_are_read_and_have_defaults(course: Path) -> None:
    folder = described(course, "test_seconds = 5.0", "memory_mb = 512\n[thresholds]\naccuracy = 0.85\n")
    exercise = read_exercise(course, folder)
    assert exercise.limits == Limits(memory_mb=512)
    assert exercise.thresholds == {"accuracy": 0.85}


@pytest.mark.parametrize(
    ("lines", "device", "required", "exclusive"),
    [
        ("", "any", "", False),
        ('device = "any"\n', "any", "", False),
        ('device = "cpu"\nexclusive = true\n', "cpu", "cpu", True),
        ('device = "cuda"\nexclusive = false\n', "cuda", "cuda", False),
    ],
)
def test_where_it_is_graded_and_whether_alone_is_read_and_has_defaults(
    course: Path, lines: str, device: str, required: str, exclusive: bool
) -> None:
    exercise = read_exercise(course, described(course, 'title = "Doubling"\n', f'title = "Doubling"\n{lines}'))
    assert (exercise.device, exercise.required_device, exercise.exclusive) == (device, required, exclusive)


@pytest.mark.parametrize(
    ("old", "new", "near"),
    [
        ("summary =", "sumary =", "summary"),
        ("summary =", 'devise = "cpu"\nsummary =', "device"),
        ("summary =", "exclusiv = true\nsummary =", "exclusive"),
        ("test_seconds", "test_second", "test_seconds"),
        ("points", "pionts", "points"),
        ("[limits]", "[limit]", "limits"),
    ],
)
def test_an_unknown_key_is_refused_and_the_near_miss_named(course: Path, old: str, new: str, near: str) -> None:
    folder = described(course, old, new)
    with pytest.raises(JudgeError, match=rf"exercise\.toml': unknown key '.*', did you mean '{near}'\?"):
        read_exercise(course, folder)


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ('title = "Doubling"\n', "", "lacks 'title'"),
        ("points = 2\n", "", "lacks 'points'"),
        ('title = "Doubling"', "title = 3", "'title' is to be a str, not 3"),
        ("summary =", 'device = "cdua"\nsummary =', "to be any, cpu or cuda, not 'cdua', did you mean 'cuda'"),
        ("summary =", 'device = "tpu:0"\nsummary =', "to be any, cpu or cuda, not 'tpu:0'"),
        ("summary =", "device = 0\nsummary =", "'device' is to be a str, not 0"),
        ("summary =", 'exclusive = "yes"\nsummary =', "'exclusive' is to be a bool, not 'yes'"),
        ('title = "Doubling"', "title = ", "line 2"),
        ('title = "Doubling"', 'title = "a"\ntitle = "b"', "line 3"),
        ('files = ["double.py"]', 'files = "double.py"', "'files' is to be a list of texts"),
        ('files = ["double.py"]', "files = 3", "'files' is to be a list of texts"),
        ('files = ["double.py"]', "files = []", "plain names of Python files"),
        ('files = ["double.py"]', 'files = ["../double.py"]', "plain names of Python files"),
        ('files = ["double.py"]', 'files = ["double.txt"]', "plain names of Python files"),
        ('files = ["double.py"]', 'files = ["double.py"]\npreload = "torch"', "'preload' is to be a list of texts"),
        ('files = ["double.py"]', 'files = ["double.py"]\nthresholds = 3', "'thresholds' is to be a dict"),
        ("[limits]", "[thresholds]\na = true\n[limits]", "'a' is to be a positive number, not True"),
        ("[limits]\ntest_seconds = 5.0", "limits = 3", "'limits' is to be a dict"),
        ("5.0", "0", "'test_seconds' is to be a positive number, not 0"),
        ("5.0", "-1.5", "positive number"),
        ("5.0", "nan", "positive number"),
        ("5.0", "inf", "positive number"),
        ("5.0", "true", "positive number"),
        ("5.0", '"5"', "positive number"),
        ("points = 2", "points = 0", "'points' is to be a positive number, not 0"),
        ("points = 2", 'points = "2"', "positive number"),
        ("points = 2", "points = true", "positive number"),
        ("number = 1", "number = 2", "task 2 stands where task 1 is due"),
        ("number = 2", "number = 1", "task 1 stands where task 2 is due"),
        ('hints = ["Think of 2."]', "hints = []", "task 1 has no hint"),
        ('hints = ["Think of 2."]', 'hints = "Think of 2."', "'hints' is to be a list of texts"),
    ],
)
def test_a_bad_value_is_one_line_that_names_the_file(course: Path, old: str, new: str, what: str) -> None:
    folder = described(course, old, new)
    with pytest.raises(JudgeError) as raised:
        read_exercise(course, folder)
    message = str(raised.value)
    assert what in message
    assert str(folder / "exercise.toml") in message
    assert "\n" not in message


@pytest.mark.parametrize("tasks", ["tasks = []", "tasks = 3", "tasks = [3]", "[tasks]\nnumber = 1"])
def test_tasks_that_are_no_tables_are_refused(course: Path, tasks: str) -> None:
    folder = course / "exercises/ex01_double"
    (folder / "exercise.toml").write_text(f'title = "a"\nsummary = "b"\nfiles = ["double.py"]\n{tasks}\n')
    with pytest.raises(
        JudgeError, match=r"exercise\.toml': (an exercise has at least one task|'tasks'|a table is due)"
    ):
        read_exercise(course, folder)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"title = '\x00'", b"[" * 10])
def test_a_description_that_is_no_toml_is_refused(course: Path, content: bytes) -> None:
    folder = course / "exercises/ex01_double"
    (folder / "exercise.toml").write_bytes(content)
    with pytest.raises(JudgeError, match=r"exercise\.toml'"):
        read_exercise(course, folder)


def test_a_folder_that_is_named_otherwise_is_refused(course: Path) -> None:
    folder = (course / "exercises/ex01_double").rename(course / "exercises/ex1-double")
    with pytest.raises(JudgeError, match="not named like 'ex03_training_loop'"):
        read_exercise(course, folder)


def test_the_root_is_found_from_anywhere_below_it(course: Path) -> None:
    assert find_root(course) == course
    assert find_root(course / "exercises/ex01_double") == course
    assert find_root(course / "tests/hidden") == course


def test_outside_of_a_course_the_packages_own_is_taken(tmp_path: Path) -> None:
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    root = find_root(outside)
    assert (root / "grader/catalog.py").is_file()
    assert (root / "exercises").is_dir()


def test_without_any_course_the_error_says_where_to_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grader.catalog.__file__", str(tmp_path / "grader/catalog.py"))
    (tmp_path / "exercises").mkdir()
    with pytest.raises(UsageError, match="go to the folder that holds 'exercises'"):
        find_root(tmp_path)

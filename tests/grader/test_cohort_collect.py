"""What was handed in finds its student and its exercise, and what does not is told: folders, exports, hostile zips."""

from __future__ import annotations

import stat
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from grader.catalog import Catalog
from grader.cohort.collect import Collection, Collector
from grader.cohort.roster import Roster, read_roster
from grader.errors import UsageError
from grader.submission import MAX_BYTES, read_submission

SLUG = "ex01_double"
ROSTER = """student,name,email,lms_id,number,path
ada,Ada Lovelace,ada@example.org,71,s-1,
emmy,Emmy Noether,emmy@example.org,72,s-2,
al1,Alan Turing,al1@example.org,,,
al2,Alan Turing,al2@example.org,,,second/alan
"""


def collected(course: Path, path: Path, roster: Roster | None = None) -> Collection:
    spool = course / "spool"
    spool.mkdir()
    return Collector(Catalog(course), roster, spool).collect(path)


@pytest.fixture
def roster(course: Path) -> Roster:
    (course / "class.csv").write_text(ROSTER)
    return read_roster(course / "class.csv")


def texts(found: Collection) -> dict[str, str]:
    """What each student's submission holds, as the grader reads it."""
    read = {each.student: read_submission(each.exercise, each.folder) for each in found.handed}
    return {student: submission.files.get("double.py", submission.problem) for student, submission in read.items()}


def strays(found: Collection) -> dict[str, str]:
    return {Path(each.where).name: each.why for each in found.strays}


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def zipped(path: Path, files: dict[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def test_a_folder_for_each_student_in_every_form_that_occurs(course: Path, tmp_path: Path) -> None:
    place = write(
        tmp_path / "class",
        {
            f"ada/{SLUG}/double.py": "ada = 1\n",
            f"ada/{SLUG}/README.md": "",
            "bob/double.py": "bob = 1\n",
            f"cleo/course/exercises/{SLUG}/double.py": "cleo = 1\n",
            "dan/dubble.py": "",
            "eve/.DS_Store": "",
            "loose.py": "",
        },
    )
    found = collected(course, place)
    assert texts(found) == {name: f"{name} = 1\n" for name in ("ada", "bob", "cleo")}
    assert strays(found) == {
        "dubble.py": "no exercise asks for a file of this name",
        "loose.py": "no name of a student in its path",
    }
    assert found.others == 2


def test_a_name_that_two_exercises_ask_for_needs_its_folder(course: Path, tmp_path: Path) -> None:
    twin = course / "exercises/ex02_twice"
    twin.mkdir()
    (twin / "exercise.toml").write_text((course / "exercises" / SLUG / "exercise.toml").read_text())
    place = write(tmp_path / "class", {"ada/double.py": "", "bob/ex02_twice/double.py": ""})
    found = collected(course, place)
    assert [(each.student, each.exercise.slug) for each in found.handed] == [("bob", "ex02_twice")]
    assert list(strays(found)) == ["double.py"]


def test_links_are_not_followed(course: Path, tmp_path: Path) -> None:
    secret = write(tmp_path / "secret", {"double.py": "secret = 1\n"})
    place = write(tmp_path / "class", {"ada/notes.txt": ""})
    (place / "bob").symlink_to(secret)
    (place / "cleo").mkdir()
    (place / "cleo/double.py").symlink_to(secret / "double.py")
    found = collected(course, place)
    assert strays(found)["bob"] == "a link to a folder"
    assert [each.student for each in found.handed] == ["cleo"]
    assert "link" in texts(found)["cleo"].got


def test_an_export_of_moodle(course: Path, tmp_path: Path, roster: Roster) -> None:
    export = zipped(
        tmp_path / "moodle.zip",
        {
            "Ada Lovelace_12_assignsubmission_file_/double.py": "ada = 1\n",
            "Emmy  Noether_13_assignsubmission_file_double.py": "emmy = 1\n",
            "Alan Turing_14_assignsubmission_file_/double.py": "alan = 1\n",
            "No Body_15_assignsubmission_file_/double.py": "",
        },
    )
    found = collected(course, export, roster)
    assert texts(found) == {"ada": "ada = 1\n", "emmy": "emmy = 1\n"}
    assert sorted(each.why for each in found.strays) == [
        "'Alan Turing': 2 students of the roster may be meant: give one the column 'path'",
        "'No Body': not on the roster",
    ]


def test_an_export_of_canvas_and_the_last_of_several_versions(course: Path, tmp_path: Path, roster: Roster) -> None:
    names = {
        "lovelaceada_71_9001_double.py": "ada = 1\n",
        "lovelaceada_71_9002_double-1.py": "ada = 2\n",
        "noetheremmy_LATE_999_9003_double-2.py": "emmy = 3\n",
    }
    found = collected(course, zipped(tmp_path / "canvas.zip", dict(names)), roster)
    assert texts(found) == {"ada": "ada = 2\n", "emmy": "emmy = 3\n"}
    assert strays(found) == {"lovelaceada_71_9001_double.py": "'lovelaceada_71_9002_double-1.py' came later"}


def test_without_a_roster_canvas_names_students_by_number(course: Path, tmp_path: Path) -> None:
    place = write(tmp_path / "canvas", {"lovelaceada_71_9001_double.py": "ada = 1\n"})
    found = collected(course, place)
    assert texts(found) == {"71": "ada = 1\n"}
    assert (found.students["71"].name, found.students["71"].lms_id) == ("lovelaceada", "71")


def test_an_export_of_gradescope_says_who_and_when(course: Path, tmp_path: Path) -> None:
    metadata = """
submission_5:
  :submitters:
  - :name: Ada Lovelace
    :sid: 's-1'
    :email: ada@example.org
  :created_at: 2026-03-01 12:00:00.000000000 Z
submission_6:
  :submitters: []
"""
    export = zipped(
        tmp_path / "gradescope.zip",
        {
            "assignment_1_export/submission_metadata.yml": metadata,
            "assignment_1_export/submission_5/double.py": "ada = 1\n",
            "assignment_1_export/submission_6/double.py": "nobody = 1\n",
        },
    )
    found = collected(course, export)
    assert texts(found)["ada@example.org"] == "ada = 1\n"
    assert found.handed[0].submitted == datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["[1, 2]", "{", "!!python/object/apply:os.system [id]", "a: {':submitters': [1]}", "\0"]
)
def test_a_list_of_submissions_that_is_none_is_told_and_runs_nothing(course: Path, tmp_path: Path, text: str) -> None:
    place = write(tmp_path / "class", {"ada/double.py": "", "submission_metadata.yml": text})
    found = collected(course, place)
    assert [each.student for each in found.handed] == ["ada"]
    assert "submission_metadata.yml" in strays(found)


def test_a_zip_for_each_student_and_a_path_of_the_roster(course: Path, tmp_path: Path, roster: Roster) -> None:
    place = write(tmp_path / "class", {"second/alan/double.py": "alan = 2\n"})
    zipped(place / "emmy.zip", {"my files/double.py": "emmy = 1\n"})
    assert texts(collected(course, place, roster)) == {"al2": "alan = 2\n", "emmy": "emmy = 1\n"}


def test_a_hostile_zip_writes_nothing_outside_and_hides_nobody_else(course: Path, tmp_path: Path) -> None:
    path = tmp_path / "class" / "hostile.zip"
    path.parent.mkdir()
    link = zipfile.ZipInfo("mallory/double.py")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(link, "/etc/passwd")
        archive.writestr("../../outside/double.py", "x = 1\n")
        archive.writestr("/absolute/double.py", "x = 1\n")
        archive.writestr("back\\..\\..\\slash/double.py", "x = 1\n")
        archive.writestr("/".join(["deep"] * 40) + "/double.py", "x = 1\n")
        archive.writestr("bomb/double.py", b"\0" * (200 << 20))
        archive.writestr("torn/double.py", "".join(map(str, range(5000))))
        archive.writestr("locked/double.py", "x = 1\n")
        archive.writestr("honest/double.py", "honest = 1\n")
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        torn = archive.getinfo("torn/double.py")
    start = torn.header_offset + 30 + len("torn/double.py")
    content[start + 50 : start + 90] = bytes(40)
    central = content.rindex(b"PK\x01\x02", 0, content.rindex(b"locked/double.py"))
    content[central + 8] |= 1  # encrypted
    path.write_bytes(content)
    (path.parent / "damaged.zip").write_bytes(content[: len(content) // 2])
    (path.parent / "not.zip").write_text("no zip")
    before = {each for each in tmp_path.rglob("*") if "spool" not in each.parts}
    found = collected(course, path.parent)
    assert {each for each in tmp_path.rglob("*") if "spool" not in each.parts} == before
    read = texts(found)
    assert set(read) == {"honest", "bomb"}
    assert read["honest"] == "honest = 1\n"
    assert f"{MAX_BYTES:,} bytes" in read["bomb"].expected
    told = {each.where.split("hostile.zip/")[-1]: each.why for each in found.strays}
    assert told["mallory/double.py"] == "a link or a special file"
    assert told["locked/double.py"] == "encrypted"
    assert told["torn/double.py"].startswith("damaged in the zip")
    assert sum("leads out" in why for why in told.values()) == 3
    assert sum("folders deep" in why for why in told.values()) == 1
    assert {"class/damaged.zip", "class/not.zip"} <= set(told)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name,email\nx,y\n", "no column 'student'"),
        ("student\nada\nada\n", "line 3, names 'ada' a second time"),
        ("student,name\n,Ada\n", "line 2, names no student"),
        (b"student\n\xff\n", "not UTF-8"),
        ("", "no column 'student'"),
    ],
)
def test_a_roster_that_can_not_be_used_is_told_with_its_line(tmp_path: Path, text: str | bytes, said: str) -> None:
    path = tmp_path / "class.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UsageError, match=said):
        read_roster(path)


def test_a_roster_as_spreadsheets_write_it(tmp_path: Path) -> None:
    path = tmp_path / "class.csv"
    path.write_bytes('\ufeffStudent;Name\r\nada;"Lovelace; Ada"\r\n\r\n'.encode())
    assert [(each.id, each.name) for each in read_roster(path).students] == [("ada", "Lovelace; Ada")]

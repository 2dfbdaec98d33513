"""What is alike is found behind what is cheap to change; given code, short answers and the solution are not told."""

from __future__ import annotations

import ast
import itertools
import json
import random
import shutil
import sys
import textwrap
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("copydetect", reason="the extra `similar` is not installed")

from copydetect import compare_files

from grader.__main__ import main
from grader.catalog import Catalog, Exercise
from grader.proof.plants import cases
from grader.similar.disguise import Disguise, disguised, half_of
from grader.similar.gather import work_of
from grader.similar.kept import read_kept
from grader.similar.overlaps import overlaps
from grader.similar.pairs import Found, Rule, find_similar
from grader.similar.prints import GRAM, given_to, printed
from grader.similar.tokens import row_of
from grader.similar.view import pair_view

ROOT = Path(__file__).resolve().parents[2]
CATALOG = Catalog(ROOT)
SEED = 5


def answers(key: str) -> dict[str, str]:
    """Right answers, written apart."""
    exercise = CATALOG.find(key)
    names = {each.name: each.files[exercise.files[0]] for each in cases(exercise) if each.name.startswith("accepted/")}
    return {name.removeprefix("accepted/"): text for name, text in names.items()}


def found_in(key: str, handed: dict[str, str], rule: Rule | None = None) -> Found:
    exercise = CATALOG.find(key)
    works = [work_of(student, {exercise.files[0]: text}) for student, text in handed.items()]
    return find_similar(exercise, works, rule or Rule())


def told(found: Found) -> list[tuple[str, str]]:
    return [(pair.left, pair.right) for pair in found.pairs]


@pytest.fixture
def handed_in(tmp_path: Path) -> Path:
    """A class: two copies of one answer, another answer, the solution twice, one that is no Python."""
    first, second, *_ = answers("3").values()
    slug = CATALOG.find("3").slug
    solution = (ROOT / "solutions" / slug / "training_loop.py").read_text("utf-8")
    texts = {
        "ada": first,
        "bob": disguised(first, Disguise.REWRITTEN, SEED),
        "cem": second,
        "dan": solution,
        "eve": solution.replace("losses", "found"),
        "fay": "def train_step(\n",
    }
    for student, text in texts.items():
        folder = tmp_path / "class" / student / slug
        folder.mkdir(parents=True)
        (folder / "training_loop.py").write_text(text, "utf-8")
    return tmp_path / "class"


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["similar", *arguments])
    out = capsys.readouterr()
    return code, out.out, out.err


class TestTokens:
    def test_what_is_cheap_to_change_leaves_no_trace(self) -> None:
        one = 'def mean(rows):\n    """The mean."""\n    return f(rows, "sum")\n'
        other = "def average(\n    items,  # those\n):\n    return g(\n        items,\n        'total',\n    )\n"
        assert row_of(one).symbols == row_of(other).symbols

    def test_what_belongs_to_a_library_stays(self) -> None:
        assert row_of("x.sum()").symbols != row_of("x.mean()").symbols
        assert row_of("self.sum").symbols == row_of("self.total").symbols, "an attribute of one's own has any name"

    def test_each_symbol_knows_its_place(self) -> None:
        text = "\n\nclass Double:\n    def of(self, x):\n        return x * 2.5  # twice\n"
        row = row_of(text)
        assert len(row.symbols) == len(row.places)
        seen = [text[start:end] for start, end in row.places]
        assert seen == ["class", "Double", ":", "def", "of", "(", "self", ",", "x", ")", ":", "return", "x", "*", "2.5"]

    def test_any_text_has_tokens(self) -> None:
        chance = random.Random(SEED)
        for _ in range(200):
            text = "".join(chance.choices("ab('\"\\\n\t #:.=é\x0c{}f@\u202e", k=60))
            row = row_of(text)
            assert len(row.symbols) == len(row.places)
            assert all(0 <= start < end <= len(text) for start, end in row.places)


class TestDisguises:
    @pytest.mark.parametrize("how", Disguise)
    def test_a_disguised_answer_means_the_same_and_looks_different(self, how: Disguise) -> None:
        text = textwrap.dedent('''
            def total(rows, most=3):
                """Adds."""
                sums = [row * 2 for row in rows if row < most]
                found = 0
                for each in sums:
                    found += each
                sign = 1 if found > 4 else -1
                if sign > 0:
                    found = found + 1
                else:
                    found = found - 1
                return found * sign

            def other():
                return 5
        ''')
        for seed in range(10):
            changed = disguised(text, how, seed)
            assert changed == disguised(text, how, seed)
            assert "Adds" not in changed
            assert "found" not in changed
            was, now = {}, {}
            exec(text, was)
            exec(changed, now)
            for rows in ([], [1, 2], [0, 1, 2, 5], [2, 2]):
                assert now["total"](rows) == was["total"](rows)
            assert now["other"]() == 5

    def test_half_of_one_is_in_the_other(self) -> None:
        one = "def a():\n    return 1\ndef b():\n    return 2\n"
        other = "def a():\n    return 3\ndef b():\n    return 4\n"
        mixed = half_of(one, other, SEED)
        assert mixed is not None
        assert sum(number in mixed for number in "12") == sum(number in mixed for number in "34") == 1
        assert half_of("def a():\n    return 1\n", other, SEED) is None


class TestOverlaps:
    def test_the_numbers_are_those_of_the_library(self) -> None:
        handed = [
            *answers("4").values(),
            disguised(next(iter(answers("4").values())), Disguise.REWRITTEN, SEED),
            "",
            "x",
        ]
        given = given_to(CATALOG.find("4"))
        prints = [printed(text, given) for text in handed]
        counted = overlaps(prints)
        assert counted.any()
        for (one, left), (other, right) in itertools.permutations(enumerate(prints), 2):
            assert counted[one, other] == compare_files(left.grams, right.grams)[0]

    def test_nothing_against_nothing(self) -> None:
        assert overlaps([]).shape == (0, 0)
        assert overlaps([printed(""), printed("")]).tolist() == [[0, 0], [0, 0]]

    def test_what_a_file_says_twice_is_its_own(self) -> None:
        line = "x = a + b * c - d / e + f * g\n"
        other = "def f():\n    pass\n"
        twice = printed(line + line, printed(other).grams.hashes)
        assert twice.tokens == len(twice.row.symbols)


class TestPairs:
    @pytest.mark.parametrize("key", ["3", "5"])
    def test_a_disguised_copy_is_told_and_independent_answers_are_not(self, key: str) -> None:
        handed = answers(key)
        original = next(iter(handed))
        found = found_in(key, handed | {"copy": disguised(handed[original], Disguise.REWRITTEN, SEED)})
        assert told(found) in ([(original, "copy")], [("copy", original)])
        assert found.high > found.usual

    def test_what_everybody_was_given_is_nobodys(self) -> None:
        exercise = CATALOG.find("3")
        stub = (exercise.folder / "training_loop.py").read_text("utf-8")
        assert printed(stub).tokens > 100
        assert printed(stub, given_to(exercise)).tokens == 0
        found = found_in("3", {"ada": stub, "bob": stub})
        assert found.pairs == []
        assert set(found.left_out) == {"ada", "bob"}

    def test_a_lesson_and_its_public_tests_are_given_too(self) -> None:
        exercise = CATALOG.find("3")
        public = exercise.public_suite.read_text("utf-8")
        assert printed(public, given_to(exercise)).tokens == 0
        lesson = (exercise.folder / "README.md").read_text("utf-8")
        block = max(lesson.split("```python\n")[1:], key=len).split("```")[0]
        assert printed(block).tokens > 50
        assert printed(block, given_to(exercise)).tokens == 0

    def test_short_answers_are_not_held_against_anybody(self) -> None:
        handed = answers("1")
        found = found_in("1", handed | {"copy": next(iter(handed.values()))})
        assert found.pairs == []
        assert found.students == 0
        assert all("too short to say anything" in why for why in found.left_out.values())

    def test_two_with_the_solution_are_marked_and_come_last(self) -> None:
        solution = (ROOT / "solutions/ex03_training_loop/training_loop.py").read_text("utf-8")
        first, second, *_ = answers("3").values()
        copies = {"ada": first, "bob": disguised(first, Disguise.REWRITTEN, SEED)}
        found = found_in("3", {"x": solution, "y": disguised(solution, Disguise.PLAIN, SEED), **copies, "cem": second})
        assert [pair.like_solution for pair in found.pairs] == [False, True]
        assert found.pairs[0].share < found.pairs[1].share

    def test_versions_of_one_student_are_not_compared_with_each_other(self) -> None:
        exercise = CATALOG.find("3")
        first, second, *_ = answers("3").values()
        works = [
            work_of("ada", {"training_loop.py": second}),
            work_of("ada", {"training_loop.py": first}),
            work_of("ada", {"training_loop.py": first + "\n"}),
            work_of("bob", {"training_loop.py": disguised(first, Disguise.PLAIN, SEED)}),
        ]
        found = find_similar(exercise, works)
        assert told(found) == [("ada", "bob")]
        assert found.works[found.pairs[0].versions[0]].text == works[1].text, "the version that is most alike"

    def test_a_short_version_beside_a_long_one_is_passed_over(self) -> None:
        first, *_ = answers("3").values()
        works = [
            work_of(student, {"training_loop.py": text}) for student in ("ada", "bob") for text in ("x = 1\n", first)
        ]
        found = find_similar(CATALOG.find("3"), [*works, work_of("cem", {"training_loop.py": "x = 2\n"})])
        assert told(found) == [("ada", "bob")]
        assert set(found.left_out) == {"cem"}

    def test_endless_files_are_left_out(self) -> None:
        found = found_in("3", {"ada": "x = 1\n" * 40_000, "bob": "x = 1\n" * 10_000})
        assert set(found.left_out.values()) == {"too long to compare"}

    def test_the_order_of_handing_in_changes_nothing(self) -> None:
        handed = answers("4")
        handed["copy"] = disguised(next(iter(handed.values())), Disguise.REORDERED, SEED)
        one = found_in("4", handed, Rule(least_share=0.1))
        other = found_in("4", dict(reversed(handed.items())), Rule(least_share=0.1))
        assert {frozenset(pair) for pair in told(one)} == {frozenset(pair) for pair in told(other)}
        assert [pair.share for pair in one.pairs] == [pair.share for pair in other.pairs]

    def test_the_record_is_of_the_rule_in_force(self) -> None:
        record = json.loads((ROOT / "docs/results/similar.json").read_text("utf-8"))
        rule = Rule()
        assert record["rule"] == {
            "gram": GRAM,
            "least_share": rule.least_share,
            "least_tokens": rule.least_tokens,
        }


class TestView:
    def test_marks_are_on_what_is_alike_and_on_nothing_else(self) -> None:
        first, second, *_ = answers("5").values()
        changed = "# a remark\n\nunlike = {'a': [1, 2], 'b': ()}\n" + first
        found = found_in("5", {"ada": first, "bob": changed, "cem": second})
        view = pair_view(found, found.pairs[0])
        sides = {side.student: side for side in view.sides}
        for student, text in (("ada", first), ("bob", changed)):
            lines = sides[student].lines
            assert ["".join(piece.text for piece in line.pieces) for line in lines] == text.rstrip("\n").split("\n")
        assert not any(piece.passage for line in sides["bob"].lines[:3] for piece in line.pieces)
        returned = [line for line in sides["bob"].lines if "return" in "".join(piece.text for piece in line.pieces)]
        assert all(any(piece.passage for piece in line.pieces) for line in returned)

    def test_a_passage_leads_to_the_same_on_the_other_side(self) -> None:
        first, *_ = answers("3").values()
        gap = "x.{0}1.{0}2.{0}3.{0}4.{0}5.{0}6.{0}7.{0}8".format  # alike to nothing, so that passages end
        parts = [ast.get_source_segment(first, each) or "" for each in ast.parse(first).body]
        found = found_in("3", {"ada": f"\n{gap('a')}\n".join(parts), "bob": f"\n{gap('b')}\n".join(reversed(parts))})
        left, right = pair_view(found, found.pairs[0]).sides
        assert len(set(left.passages)) > 1
        where = [{piece.text: piece.passage for line in side.lines for piece in line.pieces if "def " in piece.text}
                 for side in (left, right)]  # fmt: skip
        assert len(where[0]) > 4
        assert all(left.passages[passage - 1] == where[1][text] for text, passage in where[0].items())
        assert all(right.passages[passage - 1] == where[0][text] for text, passage in where[1].items())
        numbers = [piece.passage for line in left.lines for piece in line.pieces if piece.first]
        assert numbers == list(range(1, len(left.passages) + 1))


class TestCommand:
    def test_the_table_and_the_page(self, handed_in: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        page = tmp_path / "out" / "similar.html"
        code, out, err = run(capsys, str(handed_in), "--page", str(page))
        assert (code, err) == (0, "")
        lines = [line.split() for line in out.splitlines()]
        rows = [line for line in lines if line and line[0] in ("ada", "dan")]
        assert [row[:2] for row in rows] == [["ada", "bob"], ["dan", "eve"]]
        assert "both like the solution" in out
        kept = read_kept(page)
        assert [[pair.left, pair.right] for pair in kept] == [["ada", "bob"], ["dan", "eve"]]
        assert all(f'id="{pair.anchor}"' in page.read_text() for pair in kept)
        assert "fay" in next(line for line in out.splitlines() if "syntax error" in line)
        assert "cem" not in out
        html = page.read_text("utf-8")
        assert "default-src &#39;none&#39;" in html or "default-src 'none'" in html
        assert "ada and bob" in html
        assert "cheat" not in html.lower()
        assert "plagiar" not in html.lower()

    def test_only_one_student(self, handed_in: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        code, out, _ = run(capsys, str(handed_in), "--ex", "3", "--only", "bob", "--page", str(tmp_path / "page.html"))
        assert code == 0
        assert "ada" in out
        assert "dan" not in out
        code, _, err = run(capsys, str(handed_in), "--only", "bop", "--page", str(tmp_path / "page.html"))
        assert code == 2
        assert "did you mean 'bob'?" in err

    def test_least(self, handed_in: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        page = ["--page", str(tmp_path / "page.html")]
        _, out, _ = run(capsys, str(handed_in), "--least", "0.999", *page)
        assert "ada" not in out
        for wrong in ("0", "1.1", "most", "nan", "-1"):
            code, _, err = run(capsys, str(handed_in), f"--least={wrong}", *page)
            assert code == 2
            assert f"'{wrong}'" in err

    def test_zips_and_links(self, handed_in: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        slug = CATALOG.find("3").slug
        zipped = tmp_path / "class.zip"
        with zipfile.ZipFile(zipped, "w") as archive:
            for path in sorted(handed_in.rglob("*.py")):
                archive.write(path, path.relative_to(handed_in))
        code, out, _ = run(capsys, str(zipped), "--page", str(tmp_path / "page.html"))
        assert code == 0
        assert "ada" in out
        (handed_in / "gil" / slug).mkdir(parents=True)
        (handed_in / "gil" / slug / "training_loop.py").symlink_to(handed_in / "ada" / slug / "training_loop.py")
        code, out, _ = run(capsys, str(handed_in), "--page", str(tmp_path / "page.html"))
        assert code == 0
        assert "a link or a special file: gil" in out

    def test_nothing_that_was_handed_in_runs(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], course: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(course)
        mark = tmp_path / "ran"
        for student in ("ada", "bob"):
            folder = tmp_path / "class" / student / "ex01_double"
            folder.mkdir(parents=True)
            (folder / "double.py").write_text(f"open({str(mark)!r}, 'w').close()\n")
        code, out, _ = run(capsys, str(tmp_path / "class"))
        assert code == 0
        assert "too short to say anything" in out
        assert (course / "reports" / "similar.html").is_file()
        assert not mark.exists()

    def test_hostile_names_and_texts_stay_text(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        first, *_ = answers("3").values()
        for student in ("<script>alert(1)</script>", "bob"):
            folder = tmp_path / "class" / student.replace("/", "∕") / CATALOG.find("3").slug
            folder.mkdir(parents=True)
            (folder / "training_loop.py").write_text(first + "x = '</code><script>alert(2)</script>\x1b[2J'\n", "utf-8")
        page = tmp_path / "page.html"
        code, _, _ = run(capsys, str(tmp_path / "class"), "--page", str(page))
        html = page.read_text("utf-8")
        assert code == 0
        assert "<script" not in html
        assert "&lt;script&gt;" in html
        assert "\x1b" not in html

    def test_without_the_library_one_line_says_what_to_install(
        self, handed_in: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "copydetect", None)
        code, out, err = run(capsys, str(handed_in))
        assert (code, out) == (2, "")
        assert "pip install 'torch-dojo[similar]'" in err
        assert err.count("\n") == 1

    def test_wrong_usage(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(capsys)[0] == 2
        assert run(capsys, str(tmp_path / "nowhere"))[0] == 2
        (tmp_path / "empty").mkdir()
        code, out, _ = run(capsys, str(tmp_path / "empty"), "--page", str(tmp_path / "page.html"))
        assert code == 0
        assert "nothing to compare" in out

    def test_a_page_that_cannot_be_written(
        self, handed_in: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "file").write_text("")
        code, _, err = run(capsys, str(handed_in), "--page", str(tmp_path / "file" / "page.html"))
        assert code == 3
        assert err.count("\n") == 1


def test_a_course_without_solutions_can_compare_too(toy: Exercise) -> None:
    shutil.rmtree(toy.solution)
    body = "\n".join(f"    v{n} = x.roll({n}) * {n} + x.flip({n % 7}) - {n}" for n in range(30))
    works = [work_of(name, {"double.py": f"def double(x):\n{body}\n    return v1\n"}) for name in ("ada", "bob")]
    found = find_similar(toy, works)
    assert told(found) == [("ada", "bob")]
    assert found.pairs[0].solution_left == 0.0
    assert not found.pairs[0].like_solution

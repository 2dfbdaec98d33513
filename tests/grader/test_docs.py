"""The documents: links lead somewhere, commands are ones that there are, the pages can be built."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from grader.commands.group import dojo

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    [
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("exercises/*/README.md"),
        ROOT / "final_project/README.md",
        ROOT / "grader/handout/templates/README.md",
    ]
)
each_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
MAKEFILES = (ROOT / "Makefile").read_text() + (ROOT / "staff.mk").read_text()
TARGETS = set(re.findall(r"^([a-z]+):", MAKEFILES, re.MULTILINE))
EXPORTED = set(" ".join(re.findall(r"^export ([A-Z ]+)$", MAKEFILES, re.MULTILINE)).split()) | {"PYTHON"}


def prose(text: str) -> str:
    return FENCE.sub("", text)


def anchors(path: Path) -> set[str]:
    """As GitHub makes them of headings."""
    heads = re.findall(r"^#+ (.+)$", prose(path.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


@each_document
def test_every_link_leads_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(path.read_text())):
        if target.startswith("https://"):
            continue
        assert not target.startswith(("http:", "/")), target
        name, _, anchor = target.partition("#")
        found = path if not name else (path.parent / name).resolve()
        assert found.exists(), target
        assert found.is_relative_to(ROOT)
        assert not anchor or anchor in anchors(found), target


def commands_in(path: Path) -> Iterator[str]:
    """Lines of code blocks, and code in the text, that begin with `make` or `dojo`."""
    text = path.read_text()
    for language, body in FENCE.findall(text):
        if language in ("", "bash", "sh", "console"):
            yield from (line.strip() for line in body.splitlines())
    yield from re.findall(r"`([^`\n]+)`", prose(text))


def words_of(line: str) -> list[str]:
    line = re.sub(r"\s#.*$|\s{3,}\S.*$", "", line)  # what stands behind a command explains it
    try:
        return shlex.split(line.replace(".venv/bin/", ""))
    except ValueError:
        return []


def test_every_make_target_and_variable_in_them_exists() -> None:
    seen = 0
    for path in DOCUMENTS:
        for line in commands_in(path):
            words = words_of(line)
            if len(words) < 2 or words[0] != "make" or not words[1].isalpha():
                continue
            assert words[1] in TARGETS, f"{path.name}: {line}"
            for word in words[2:]:
                if re.match(r"[A-Z]+=", word):
                    assert word.partition("=")[0] in EXPORTED, f"{path.name}: {line}"
            seen += 1
    assert seen > 60


def test_every_dojo_command_and_option_in_them_exists() -> None:
    seen = 0
    for path in DOCUMENTS:
        for line in commands_in(path):
            words = words_of(line)
            if len(words) < 2 or words[0] != "dojo" or not words[1].isalpha() or "…" in line:
                continue
            command, rest = resolved(words[1:], f"{path.name}: {line}")
            known = {name for each in command.params for name in (*each.opts, *each.secondary_opts)} | {"--help"}
            options = [word.partition("=")[0] for word in rest if word.startswith("--") and word != "--"]
            assert set(options) <= known, f"{path.name}: {line}"
            seen += 1
    assert seen > 30


def resolved(words: list[str], where: str) -> tuple[click.Command, list[str]]:
    """The command that is meant, and what follows it."""
    command: click.Command = dojo
    while isinstance(command, click.Group) and words and words[0].isalpha():
        assert words[0] in command.commands, where
        command, words = command.commands[words[0]], words[1:]
    return command, words


def test_the_pages_can_be_built(tmp_path: Path) -> None:
    pytest.importorskip("sphinx", reason="sphinx is not installed")
    build = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", "docs", str(tmp_path / "site")]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    made = {path.stem for path in (tmp_path / "site").glob("*.html")}
    assert {path.stem for path in (ROOT / "docs").glob("*.md")} <= made
    text = (tmp_path / "site/faq.html").read_text()
    assert "judge error" in text
    loaded = re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="(https?://[^"]+)"', text)
    assert loaded == []  # nothing is fetched from elsewhere

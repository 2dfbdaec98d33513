"""Suites and descriptions of ours that are broken."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator

from grader import recorder
from tests.faults.scene import JUDGE, JUDGE_ERROR, NO_REPORT, ONE, SUITE, TOML, Fault, Scene, play_apart


def edited(old: str, new: str) -> Callable[[Scene], None]:
    def inject(scene: Scene) -> None:
        text = scene.suite.read_text()
        assert text.count(old) == 1
        scene.suite.write_text(text.replace(old, new))

    return inject


def suites() -> Iterator[Fault]:
    head, second, body = "# HEAD", "# SECOND", "# BODY"
    broken = "    pass\n"
    for name, inject in {
        "a syntax error": edited(head, "def ("),
        "an import error": edited(head, "import no_such_module"),
        "sys.exit at import": edited(head, "sys.exit(0)"),
        "pytest.exit at import": edited(head, "pytest.exit('enough', returncode=0)"),
        "a skip at import": edited(head, "pytest.skip('not today', allow_module_level=True)"),
        "no tests": lambda scene: scene.suite.write_text("VALUE = 3\n"),
        "not UTF-8": lambda scene: scene.suite.write_bytes(b"# \xe9\n" + SUITE.encode()),
        "all skipped": edited(head, "pytestmark = pytest.mark.skip"),
        "a skip in a test": edited(body, "pytest.skip('not today')"),
        "an expected failure": edited(second, "@pytest.mark.xfail"),
        "an expected failure that comes": edited(body, "pytest.xfail('a known bug')"),
        "an unexpected pass, strictly": edited(second, "@pytest.mark.xfail(strict=True)"),
        "a fixture that raises": edited(broken, "    raise RuntimeError('a bug')\n"),
        "a plain assert": edited(body, "assert 1 == 2"),
        "a bug": edited(body, "undefined_name"),
        "sys.exit in a test": edited(body, "sys.exit(0)"),
        "pytest.exit in a test": edited(body, "pytest.exit('enough')"),
        "pytest.exit(0) in a test": edited(body, "pytest.exit('enough', returncode=0)"),
        "pytest.fail": edited(body, "pytest.fail('no')"),
        "a test without a task": edited("@pytest.mark.task(2)\n", ""),
        "a test of an unknown task": edited("task(2)", "task(7)"),
        "a task without tests": edited("task(2)", "task(1)"),
        "two tests of one name": edited("test_refuses_what_is_negative", "test_doubles"),
        "a test that yields": edited(body, "yield"),
        "a test that returns a coroutine": edited("def test_refuses", "async def test_refuses"),
        "two suites": lambda scene: shutil.copy(scene.suite, scene.suite.with_name("test_more.py")),
        "missing": lambda scene: scene.suite.unlink(),
    }.items():
        report = NO_REPORT if name in ("two suites", "missing") else JUDGE_ERROR
        yield Fault(f"a corrupt suite: {name}", inject, report, JUDGE, modes=ONE)

    def wrong(scene: Scene) -> None:
        edited(second, "@pytest.mark.xfail")(scene)
        scene.submit("def double(x):\n    return 2 * x\n")

    yield Fault("a corrupt suite: an expected failure, wrong answer", wrong, JUDGE_ERROR, JUDGE, modes=ONE)
    leave = edited(body, "os._exit(0)")
    yield Fault("a corrupt suite: os._exit(0) in a test", leave, JUDGE_ERROR, JUDGE, ONE, play=play_apart)
    leave = edited(head, "os._exit(0)")
    yield Fault("a corrupt suite: os._exit(0) at import", leave, JUDGE_ERROR, JUDGE, ONE, play=play_apart)

    def hanging(where: str) -> Callable[[Scene], None]:
        def inject(scene: Scene) -> None:
            edited(where, "while True: time.sleep(0.01)")(scene)
            scene.patch(recorder, "BACKSTOP", 0.2)

        return inject

    yield Fault("a suite that hangs in a test", hanging(body), JUDGE_ERROR, JUDGE, modes=ONE, tries=2)
    yield Fault("a suite that hangs at import", hanging(head), JUDGE_ERROR, JUDGE, modes=ONE)
    moment = "    if not os.path.exists('x'):\n        os.mkdir('x')\n        raise RuntimeError\n    os.rmdir('x')\n"
    yield Fault("a fixture that raises, for a moment", edited(broken, moment), modes=ONE, tries=2)
    for name, text in {
        "no TOML": "title = ",
        "an unknown key": TOML.replace("title", "titel", 1),
        "a wrong type": TOML.replace("points = 2", 'points = "two"'),
        "no tasks": TOML.partition("[[tasks]]")[0],
        "empty": "",
    }.items():
        inject = lambda scene, text=text: scene.toml.write_text(text)  # noqa: E731
        yield Fault(f"a corrupt exercise.toml: {name}", inject, NO_REPORT, JUDGE, modes=ONE)

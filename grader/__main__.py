"""The command line: `dojo grade 3`, `dojo list`, `dojo stubs`. Nothing heavy is imported before it is needed."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn

from grader import __version__
from grader.catalog import Catalog, Exercise, find_root
from grader.errors import DojoError, JudgeError, UsageError
from grader.text import clean_line

EXIT_CODES = (
    """exit codes: 0 all points, 1 the submission lost points, 2 wrong usage, 3 the judge failed, 130 interrupted"""
)
INTERRUPTED = 130


class Parser(argparse.ArgumentParser):
    """Argparse that says what is wrong in one line, and takes no shortened options."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see `{self.prog} --help`)")


def parser() -> argparse.ArgumentParser:
    main_parser = Parser(prog="dojo", description="Grades PyTorch exercises, honestly.", epilog=EXIT_CODES)
    main_parser.add_argument("--version", action="version", version=f"torch-dojo {__version__}")
    commands = main_parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=Parser)
    grade = commands.add_parser("grade", help="grade an exercise", epilog=EXIT_CODES)
    grade.add_argument("exercise", metavar="EX", nargs="?", default="", help="a number, 'final', or 'all'")
    grade.add_argument(
        "--from", dest="source", metavar="PATH", help="'solutions', or a path to a submission (default: exercises)"
    )
    grade.add_argument("--device", default="auto", help="auto, cpu or cuda (default: auto)")
    grade.add_argument("--seed", help="a whole number, to repeat a run; secret by default")
    grade.add_argument("--sandbox", default="auto", help="auto, require or off (default: auto)")
    grade.add_argument("--suite", default="auto", help="auto, hidden or public (default: hidden where it is there)")
    grade.add_argument(
        "--audience", default="student", help="student or instructor, who sees seeds, inputs and test code"
    )
    grade.add_argument("--report", metavar="FILE", help="where the JSON goes (default: reports/SLUG/report.json)")
    watch = commands.add_parser("watch", help="the verdict after each save, on the screen", epilog=EXIT_CODES)
    watch.add_argument(
        "exercise", metavar="EX", nargs="?", default="", help="a number or 'final' (default: the first not solved)"
    )
    watch.add_argument("--device", default="auto", help="auto, cpu or cuda (default: auto)")
    watch.add_argument("--sandbox", default="auto", help="auto, require or off (default: auto)")
    watch.add_argument("--suite", default="auto", help="auto, hidden or public (default: hidden where it is there)")
    watch.add_argument(
        "--poll", action="store_true", help="look at the file instead of waiting for the system's events"
    )
    commands.add_parser("list", help="list the exercises")
    verify = commands.add_parser("verify", help="check exercises against their planted submissions", epilog=EXIT_CODES)
    verify.add_argument(
        "exercise", metavar="EX", nargs="?", default="all", help="a number, 'final', or 'all' (default)"
    )
    verify.add_argument("--sandbox", default="auto", help="auto, require or off (default: auto)")
    verify.add_argument(
        "--whole", action="store_true", help="every test on every plant, and not only until one has caught it"
    )
    verify.add_argument("--part", default="", help=argparse.SUPPRESS)  # what one of its own processes does
    new = commands.add_parser("new", help="write the skeleton of a new exercise", epilog=EXIT_CODES)
    new.add_argument("exercise", metavar="EX", nargs="?", default="", help="its number")
    new.add_argument("name", metavar="NAME", nargs="?", default="", help="its name, like 'vae' or 'batch_norm'")
    _statistics(commands)
    commands.add_parser("doctor", help="is this machine fit to grade? what is wrong, and what mends it")
    stubs = commands.add_parser("stubs", help="rewrite the stubs from the solutions")
    stubs.add_argument("--check", action="store_true", help="write nothing; exit with 1 if one has drifted")
    return main_parser


def _statistics(commands: Any) -> None:
    """The commands that measure a suite."""
    rerun = commands.add_parser("rerun", help="run a suite on right answers many times, with fresh seeds")
    rerun.add_argument("exercise", metavar="EX", nargs="?", default="", help="a number, 'final', or 'all'")
    rerun.add_argument("--times", default="200", help="how often the quick tests run (default: 200)")
    rerun.add_argument("--training", default="30", help="how often those marked 'training' run (default: 30)")
    rerun.add_argument("--from", dest="source", default="solution", help="solution, accepted (the plants) or all")
    calibrate = commands.add_parser("calibrate", help="derive accuracy thresholds from recorded training runs")
    calibrate.add_argument("exercise", metavar="EX", nargs="?", default="", help="a number, or 'final'")
    calibrate.add_argument("--runs", default="30", help="of each submission, earlier ones included (default: 30)")
    calibrate.add_argument("--plants", default="", help="names, separated by commas (default: accepted and wrong ones)")
    calibrate.add_argument("--data-dir", metavar="PATH", help="where the data sets are looked for first")
    calibrate.add_argument("--report", action="store_true", help="run nothing: print what is recorded")
    for command in (rerun, calibrate):
        command.add_argument("--device", default="auto", help="auto, cpu or cuda (default: auto)")
        command.add_argument("--sandbox", default="auto", help="auto, require or off (default: auto)")


def main(arguments: list[str] | None = None) -> int:
    """Runs a command and returns its exit code. No traceback of ours reaches the terminal."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without ✓ gets a question mark
    _end_in_order()
    code = 0
    try:
        code = _run(arguments)
        sys.stdout.flush()  # a full disk is to be told here, not in the interpreter's last moments
        return code
    except DojoError as error:
        _tell(f"dojo: {clean_line(str(error), 2000)}")
        return error.exit_code
    except KeyboardInterrupt:
        _tell("\ndojo: interrupted; earlier reports are kept")
        return INTERRUPTED
    except BrokenPipeError:
        _drop_output()  # the reader has gone (`dojo list | head`)
        return code
    except OSError as error:
        _drop_output()
        _tell(f"dojo: {clean_line(str(error))}; what was to be printed may be incomplete")
        return JudgeError.exit_code
    except Exception as error:  # noqa: BLE001 - Python would exit with 1, which says that the submission lost points
        place = traceback.extract_tb(error.__traceback__)[-1]
        what = f"{type(error).__name__}: {error} ({Path(place.filename).name}, line {place.lineno})"
        _tell(f"dojo: a fault of the grader: {clean_line(what)}; earlier reports are kept")
        return JudgeError.exit_code


def _tell(text: str) -> None:
    with contextlib.suppress(OSError):  # a full disk or a reader that has gone; the exit code tells too
        print(text, file=sys.stderr)


def _end_in_order() -> None:
    """Signals that end us do so like Ctrl-C, with nothing left behind; one that was ignored (`nohup`) stays so."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)


def _drop_output() -> None:
    """What is left in the buffer has nowhere to go."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(arguments: list[str] | None) -> int:
    options = parser().parse_args(arguments)
    root = find_root(Path.cwd())
    if options.command == "grade":
        return _grade(root, options)
    if options.command == "watch":
        from grader.live.watch import watch

        return watch(root, options)
    if options.command == "verify":
        return _verify(root, options)
    if options.command == "rerun":
        from grader.proof.evidence import rerun_and_report

        return rerun_and_report(_chosen(Catalog(root), options.exercise), options)
    if options.command == "calibrate":
        from grader.proof.rates import calibrate_and_report

        return calibrate_and_report(Catalog(root).find(options.exercise), options)
    if options.command == "new":
        return _new(root, options.exercise, options.name)
    if options.command == "doctor":
        from grader.doctor import report

        return report(root)
    if options.command == "stubs":
        return _stubs(root, options.check)
    return _list(root)


def _grade(root: Path, options: argparse.Namespace) -> int:
    from grader.session import Choices, grade_all

    catalog = Catalog(root)
    chosen = _chosen(catalog, options.exercise)
    choices = Choices.parse(options)
    return grade_all(chosen, choices)


def _verify(root: Path, options: argparse.Namespace) -> int:
    from grader.proof.contract import verify_and_report

    return verify_and_report(_chosen(Catalog(root), options.exercise), options.sandbox, options.whole, options.part)


def _new(root: Path, number: str, name: str) -> int:
    from grader.proof.skeleton import create

    for path in create(root, number, name):
        print(path.relative_to(root))
    print(f"`make verify EX={int(number)}` says what is still missing.")
    return 0


def _chosen(catalog: Catalog, text: str) -> list[Exercise]:
    if not text:
        numbers = ", ".join(each.key for each in catalog.exercises)
        raise UsageError(f"which exercise? Give EX, as in `make grade EX=3`. The exercises are {numbers}, and 'all'.")
    return catalog.exercises if text.strip().lower() == "all" else [catalog.find(text)]


def _list(root: Path) -> int:
    for exercise in Catalog(root).exercises:
        points = sum(task.points for task in exercise.tasks)
        print(f"{exercise.key:>5}  {exercise.slug:<24} {points:>3g} points  {exercise.title}")
    return 0


def _stubs(root: Path, check: bool) -> int:
    from grader.stubs import drifted, rewrite

    changed = False
    for exercise in Catalog(root).exercises:
        for name in drifted(exercise) if check else rewrite(exercise):
            changed = True
            print(f"{exercise.slug}/{name}: {'has drifted, run `make stubs`' if check else 'rewritten'}")
    return int(check and changed)


def command() -> NoReturn:
    """The entry point: runs a command and ends at once, for taking torch down in order costs 0.4 s."""
    for name in ("stdin", "stdout", "stderr"):  # one that is closed gives its number to a file or socket of ours
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r+"))  # noqa: SIM115, PTH123 - for as long as we run
    code = main()
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    command()

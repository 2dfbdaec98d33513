"""The command line's two ends: one line for each mistake, an exit code, no traceback. `commands/` lies between."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import NoReturn

from grader.commands.group import run
from grader.errors import DojoError, JudgeError
from grader.text import clean_line

INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> int:
    """Runs a command and returns its exit code. No traceback of ours reaches the terminal."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without ✓ gets a question mark
    _end_in_order()
    code = 0
    try:
        code = run(sys.argv[1:] if arguments is None else arguments)
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

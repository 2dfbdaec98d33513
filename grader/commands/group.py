"""The root command, click's errors in one line of ours, and the sections of its help."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import click

from grader import __version__
from grader.commands import cohort, gradebook, judging, learning, machine, own_files, results, similar, staff
from grader.commands.options import EXIT_CODES
from grader.errors import UsageError

COMPLETE = "_DOJO_COMPLETE"  # set by the script of `dojo completion` when a shell asks what may follow
SECTIONS: Mapping[str, Sequence[click.Command]] = {
    "Learning": (
        own_files.init,
        learning.start,
        learning.status,
        learning.list_,
        learning.lesson,
        learning.read,
        learning.hint,
    ),
    "Working": (
        judging.watch,
        judging.grade,
        judging.report,
        own_files.diff,
        own_files.reset,
        own_files.solution,
        own_files.update,
    ),
    "A cohort": (cohort.cohort, gradebook.gradebook, gradebook.regrade, similar.similar),
    "Other systems": (results.results, results.gradescope),
    "This machine": (machine.doctor, machine.completion),
    "Staff": (staff.student, staff.verify, staff.new, staff.stubs, staff.rerun, staff.calibrate),
}


class Dojo(click.Group):
    """Lists its commands by what they are for."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's name
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl(
                    [(each.name or "", each.get_short_help_str(formatter.width - 12)) for each in commands]
                )


@click.group(cls=Dojo, name="dojo", invoke_without_command=True, epilog=EXIT_CODES)
@click.version_option(__version__, message=f"torch-dojo {__version__}")
@click.pass_context
def dojo(context: click.Context) -> int:
    """PyTorch exercises that are graded honestly. Alone, it shows where you stand."""
    return 0 if context.invoked_subcommand else learning.show_standing()


for _commands in SECTIONS.values():
    for _command in _commands:
        dojo.add_command(_command)


def run(arguments: Sequence[str]) -> int:
    """Runs a command line; returns its exit code. Raises UsageError, and whatever the command raises.

    Click's own `main` is not used: it turns Ctrl-C and a reader that leaves into exit code 1.
    """
    if os.environ.get(COMPLETE):
        from click.shell_completion import shell_complete

        return shell_complete(dojo, {}, "dojo", COMPLETE, os.environ[COMPLETE])
    try:
        with dojo.make_context("dojo", list(arguments)) as context:
            code = dojo.invoke(context)
    except click.exceptions.Exit as ended:  # --help, --version
        return ended.exit_code
    except click.UsageError as error:
        raise UsageError(in_one_line(error, arguments)) from None
    return code if isinstance(code, int) else 0


def in_one_line(error: click.UsageError, arguments: Sequence[str]) -> str:
    """What click says, as we say it, and where to read on."""
    possible = getattr(error, "possibilities", None)
    said = error.message.rstrip(".") + (f"; did you mean '{possible[0]}'?" if possible else "")
    named = next((argument for argument in arguments if argument in dojo.commands), "")
    return f"{said[:1].lower()}{said[1:]} (see `{f'dojo {named}'.strip()} --help`)"

"""This machine: is it fit, and does its shell know our commands?"""

from __future__ import annotations

import click

from grader.commands.options import course
from grader.errors import UsageError

SHELLS = ("bash", "zsh", "fish")
REMEDIES = {
    "bash": 'eval "$(dojo completion bash)"     # in ~/.bashrc',
    "zsh": 'eval "$(dojo completion zsh)"      # in ~/.zshrc',
    "fish": "dojo completion fish | source      # in ~/.config/fish/config.fish",
}


@click.command()
def doctor() -> int:
    """Is this machine fit to grade? What is wrong, and what mends it."""
    root = course().root
    from grader.doctor import report

    return report(root)


@click.command()
@click.argument("shell", metavar="bash|zsh|fish", required=False, default="")
def completion(shell: str) -> int:
    """The script that completes commands and exercises in a shell."""
    if shell not in SHELLS:
        raise UsageError(
            f"SHELL='{shell}' is not one of {', '.join(SHELLS)}, as in `{REMEDIES['bash'].split(' ' * 5)[0]}`"
        )
    from click.shell_completion import get_completion_class

    from grader.commands.group import COMPLETE, dojo

    kind = get_completion_class(shell)
    assert kind is not None
    print(f"# {REMEDIES[shell]}")
    print(kind(dojo, {}, "dojo", COMPLETE).source())
    return 0

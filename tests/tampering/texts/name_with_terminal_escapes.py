"""Raises an error whose class is named with terminal escapes and markup."""
# verdicts: run_time_error, wrong_answer


def double(x):
    raise type("\x1b[31m\n::error::[bold]owned[/bold]" * 1000, (Exception,), {})("[link=http://example.org]x[/link]")

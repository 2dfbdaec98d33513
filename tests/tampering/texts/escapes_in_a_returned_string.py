"""Returns text that a terminal or a CI runner obeys."""
# verdicts: wrong_answer


def double(x):
    return "\x1b]0;owned\x07\x1b[2J\n::error::owned\n\u202e" * 100

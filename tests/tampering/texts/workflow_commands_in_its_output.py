"""Prints commands to a CI runner, at the start of lines, after returns and in pieces."""
# verdicts: wrong_answer

import sys


def double(x):
    text = "::error file=a::owned\n::set-output name=points::999\r::add-mask::1\n##[command]x\n::stop-commands::y\n"
    for stream in (sys.stdout, sys.stderr):
        stream.write(text + " " * 75 + text + "\x85::error::\u2028::error::\n")
        stream.flush()
    return text

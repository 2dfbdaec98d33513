"""The grader's own errors: one small tree, each with the exit code that the command line ends with."""

from __future__ import annotations


class DojoError(Exception):
    """Something that ends the command with one line on the terminal."""

    exit_code = 3


class UsageError(DojoError):
    """The command was given something it can't work with: a wrong name, path or setting."""

    exit_code = 2


class JudgeError(DojoError):
    """A fault of ours or of the machine; it never costs a student points."""

    exit_code = 3


class WorkerFault(JudgeError):
    """A worker says that it could not read a request: its word alone, which a submission can forge."""

"""Torch Dojo's grader: the judge, and the worker that it never trusts."""

__version__ = "0.1.0"

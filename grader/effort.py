"""How much of a suite a run goes through: a student's run all of it, a proof that a suite notices a mistake less."""

from __future__ import annotations

from enum import StrEnum


class Effort(StrEnum):
    """What a test that has failed means for those after it."""

    WHOLE = "whole"  # nothing: every test runs
    SPARING = "sparing"  # tests marked `training` are not run any more
    FIRST_FAILURE = "first failure"  # none is


class Selection(StrEnum):
    """Which of its tests a run is about, where it is not a grade but a measurement of the suite."""

    ALL = "all"
    QUICK = "quick"  # those that do not train
    TRAINING = "training"

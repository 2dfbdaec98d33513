"""All that `course.toml` says, typed and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from grader.errors import UsageError
from grader.settings.policy import Policy
from grader.settings.rules import Rules
from grader.settings.table import near

NAME = "course.toml"


@dataclass(frozen=True)
class CourseSettings:
    """The defaults are those of a course without the file."""

    message: str = ""  # of the day; may have several lines
    policy: Policy = field(default_factory=Policy)
    rules: Mapping[str, Rules] = field(default_factory=dict)  # of each exercise, by its slug
    seeds: Mapping[str, int] = field(default_factory=dict)  # of a cohort

    def seed_of(self, cohort: str) -> int:
        """Raises UsageError for a cohort that has none."""
        if cohort not in self.seeds:
            known = f"; those that have one are {', '.join(self.seeds)}" if self.seeds else ": it has no [seeds]"
            raise UsageError(f"--cohort '{cohort}' has no seed in '{NAME}'{near(cohort, self.seeds) or known}")
        return self.seeds[cohort]

"""What the names in an export of a learning management system say: whose a file is, and what it was called.

Moodle      Ada Lovelace_12345_assignsubmission_file_/training_loop.py, or without a folder …_file_training_loop.py
Canvas      lovelaceada_LATE_12345_67890_training_loop-1.py: user, then attachment; -1 marks a file handed in again
Gradescope  submission_12345/training_loop.py, and submission_metadata.yml, which says whose that is and when it came
otherwise   ada/…
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from grader.cohort.places import Unreadable

MOODLE = re.compile(r"(?P<name>.+)_(?P<number>\d+)_assignsubmission_(?:file|onlinetext)(?:_(?P<rest>.*))?")
CANVAS = re.compile(r"(?P<name>[^_]+)_(?:LATE_)?(?P<user>\d+)_(?P<attachment>\d+)_(?P<rest>.+)")
AGAIN = re.compile(r"(.+)-(\d+)(\.py)")
GRADESCOPE = re.compile(r"submission_\d+")
METADATA = "submission_metadata.yml"
METADATA_BYTES = 64 << 20


@dataclass(frozen=True)
class Person:
    """Whom an export means, as far as it says."""

    id: str  # what the student is called where there is no roster
    name: str = ""
    email: str = ""
    number: str = ""
    lms_id: str = ""


@dataclass(frozen=True)
class Owned:
    """A file with its owner, below the owner's part of the path."""

    person: Person
    parts: tuple[str, ...]
    version: int = 0  # of several files that were handed in under one name the last counts
    submitted: datetime | None = None


def owned(parts: tuple[str, ...], metadata: Mapping[str, Owned]) -> Owned | None:
    """Whose the file at `parts` is; None where nothing says so. `metadata`: of Gradescope, by its folders."""
    for place, part in enumerate(parts):
        if part in metadata and place + 1 < len(parts):
            known = metadata[part]
            return Owned(known.person, parts[place + 1 :], 0, known.submitted)
        if found := MOODLE.fullmatch(part):
            rest = (*((found["rest"],) if found["rest"] else ()), *parts[place + 1 :])
            # The number is the participant's in this one assignment, and another one in the next.
            return Owned(Person(found["name"], found["name"]), rest) if rest else None
    if len(parts) <= 2 and (found := CANVAS.fullmatch(parts[-1])):
        again = AGAIN.fullmatch(found["rest"])
        name, version = (again[1] + again[3], int(again[2])) if again else (found["rest"], 0)
        return Owned(Person(found["user"], found["name"], lms_id=found["user"]), (name,), version)
    if len(parts) < 2 or GRADESCOPE.fullmatch(parts[0]):
        return None
    return Owned(Person(parts[0]), parts[1:])


def read_metadata(content: bytes) -> dict[str, Owned]:
    """Gradescope's submission_metadata.yml: the owner of each folder. Raises Unreadable."""
    import yaml  # only here is it needed

    try:
        table = yaml.load(content, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        return {str(folder): _owner(row) for folder, row in table.items() if row.get(":submitters")}
    except (yaml.YAMLError, AttributeError, KeyError, IndexError, TypeError, ValueError, RecursionError) as error:
        raise Unreadable(f"it is not Gradescope's list of submissions: {type(error).__name__}") from None


def _owner(row: Mapping[str, Any]) -> Owned:
    """The first of a group; the others are told apart by nobody here."""
    first = {str(key): str(value or "") for key, value in row[":submitters"][0].items()}
    email, number, name = (first.get(key, "") for key in (":email", ":sid", ":name"))
    created = row.get(":created_at")
    if isinstance(created, datetime) and created.tzinfo is None:
        created = created.replace(tzinfo=UTC)
    person = Person(email or number or name, name, email, number)
    if not person.id:
        raise ValueError("a submitter without email, number and name")
    return Owned(person, (), 0, created if isinstance(created, datetime) else None)

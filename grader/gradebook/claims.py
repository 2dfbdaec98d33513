"""Who grades what at this moment. A claim ends with its result, with its process, or when it is not renewed in time.

A claim only saves work: a result that comes twice is recorded once, whoever held the claim.
"""

from __future__ import annotations

import sqlite3
import time
from typing import NamedTuple

from grader.gradebook.attempt import Job
from grader.gradebook.owner import Owner
from grader.summary import now

LEASE_SECONDS = 900.0  # without renewal, of a process that can't be seen to have ended
WHERE = "student = ? AND slug = ? AND submission = ? AND suite = ? AND lock = ? AND device = ?"


class Claim(NamedTuple):
    """The job is yours: grade it, then record it or release it."""

    job: Job


class Held(NamedTuple):
    """Another run has claimed the job, and is alive as far as can be seen: come back later."""

    owner: Owner


def begin(connection: sqlite3.Connection) -> int:
    """Notes this process as one that grades; returns its number."""
    values = (*Owner.this(), now(), time.time())
    cursor = connection.execute(
        "INSERT INTO run (host, boot, space, pid, born, begun, renewed) VALUES (?, ?, ?, ?, ?, ?, ?)", values
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def take(connection: sqlite3.Connection, run: int, job: Job) -> Claim | Held:
    """Inside a transaction."""
    row = connection.execute(
        f"SELECT run.id, host, boot, space, pid, born, renewed FROM claim JOIN run ON run.id = claim.run WHERE {WHERE}",
        named(job),
    ).fetchone()
    if row is not None and row[0] != run:
        owner = Owner(*row[1:6])
        # A clock that was set back makes a renewal lie in the future: that one has run out too.
        if not owner.ended() and abs(time.time() - row[6]) < LEASE_SECONDS:
            return Held(owner)
    connection.execute("INSERT OR REPLACE INTO claim VALUES (?, ?, ?, ?, ?, ?, ?)", (*named(job), run))
    renew(connection, run)
    return Claim(job)


def drop(connection: sqlite3.Connection, run: int, job: Job) -> None:
    connection.execute(f"DELETE FROM claim WHERE {WHERE} AND run = ?", (*named(job), run))


def drop_all(connection: sqlite3.Connection, run: int) -> None:
    connection.execute("DELETE FROM claim WHERE run = ?", (run,))


def renew(connection: sqlite3.Connection, run: int) -> None:
    connection.execute("UPDATE run SET renewed = ? WHERE id = ?", (time.time(), run))


def named(job: Job) -> tuple[str, ...]:
    """The values for WHERE."""
    return (job.student, job.slug, *job.key)

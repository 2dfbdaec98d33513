"""The tables of a gradebook, their version, and the steps that bring an older file up to it.

Attempts, reports and decisions are append-only, and triggers hold that: nothing that was reported is changed or lost.
Reports lie in a table of their own, so that a look at all grades does not read them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

VERSION = 2
APPLICATION = 0x646F6A6F  # "dojo" in the header of the file: whose SQLite file it is

TABLES = """
CREATE TABLE student (
    id TEXT PRIMARY KEY CHECK (id <> ''),
    name TEXT NOT NULL DEFAULT '',
    email TEXT NOT NULL DEFAULT '',
    login TEXT NOT NULL DEFAULT '',
    number TEXT NOT NULL DEFAULT '',
    lms_id TEXT NOT NULL DEFAULT '',
    section TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE TABLE run (
    id INTEGER PRIMARY KEY,
    host TEXT NOT NULL,
    boot TEXT NOT NULL,
    space TEXT NOT NULL,
    pid INTEGER NOT NULL,
    born TEXT NOT NULL,
    begun TEXT NOT NULL,
    renewed REAL NOT NULL
) STRICT;

CREATE TABLE claim (
    student TEXT NOT NULL,
    slug TEXT NOT NULL,
    submission TEXT NOT NULL,
    suite TEXT NOT NULL,
    lock TEXT NOT NULL,
    device TEXT NOT NULL,
    run INTEGER NOT NULL REFERENCES run,
    PRIMARY KEY (student, slug, submission, suite, lock, device)
) STRICT, WITHOUT ROWID;

CREATE TABLE attempt (
    id INTEGER PRIMARY KEY,
    fingerprint TEXT NOT NULL UNIQUE,
    run INTEGER NOT NULL REFERENCES run,
    student TEXT NOT NULL REFERENCES student,
    slug TEXT NOT NULL CHECK (slug <> ''),
    submission TEXT NOT NULL,
    suite TEXT NOT NULL,
    lock TEXT NOT NULL,
    device TEXT NOT NULL,
    kind TEXT NOT NULL,
    isolation TEXT NOT NULL,
    required_device TEXT NOT NULL,
    seed INTEGER,
    grader TEXT NOT NULL,
    python TEXT NOT NULL,
    versions TEXT NOT NULL,
    started TEXT NOT NULL,
    seconds REAL NOT NULL,
    recorded TEXT NOT NULL,
    verdict TEXT NOT NULL,
    points REAL NOT NULL CHECK (points >= 0),
    max_points REAL NOT NULL CHECK (max_points >= points),
    footing INTEGER NOT NULL,
    submitted TEXT,
    late_seconds REAL NOT NULL CHECK (late_seconds >= 0),
    bonus REAL NOT NULL DEFAULT 0 CHECK (bonus >= 0)
) STRICT;
CREATE INDEX attempt_of ON attempt (student, slug, submission, suite, lock, device);

CREATE TABLE hand_in (
    student TEXT NOT NULL REFERENCES student,
    slug TEXT NOT NULL CHECK (slug <> ''),
    submission TEXT NOT NULL,
    submitted TEXT NOT NULL,
    late_seconds REAL NOT NULL CHECK (late_seconds >= 0),
    PRIMARY KEY (student, slug, submission, submitted)
) STRICT, WITHOUT ROWID;

CREATE TABLE report (
    attempt INTEGER PRIMARY KEY REFERENCES attempt,
    body BLOB NOT NULL
) STRICT;

CREATE TABLE decision (
    id INTEGER PRIMARY KEY,
    student TEXT NOT NULL REFERENCES student,
    slug TEXT NOT NULL CHECK (slug <> ''),
    kind TEXT NOT NULL CHECK (kind IN ('override', 'excuse', 'withdraw')),
    points REAL CHECK ((points IS NOT NULL AND points >= 0) = (kind = 'override')),
    reason TEXT NOT NULL CHECK (trim(reason) <> ''),
    author TEXT NOT NULL CHECK (trim(author) <> ''),
    made TEXT NOT NULL
) STRICT;
"""
APPEND_ONLY = ("attempt", "report", "hand_in", "decision")
# From version N to N + 1: MIGRATIONS[N]. Each step runs in the one transaction of the whole migration.
MIGRATIONS: Mapping[int, str] = {
    1: "ALTER TABLE attempt ADD COLUMN bonus REAL NOT NULL DEFAULT 0 CHECK (bonus >= 0);\n",  # beside `points`
}


def create(connection: sqlite3.Connection) -> None:
    """Makes the tables of this version, inside the caller's transaction."""
    run(connection, TABLES)
    for table in APPEND_ONLY:
        for change in ("UPDATE", "DELETE"):
            connection.execute(
                f"CREATE TRIGGER {table}_never_{change.lower()} BEFORE {change} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, 'rows of {table} are never changed'); END"
            )
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
    connection.execute(f"PRAGMA user_version = {VERSION}")


def version_of(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(connection: sqlite3.Connection) -> None:
    """Brings the tables up to this version, inside the caller's transaction: all steps or none."""
    for version in range(version_of(connection), VERSION):
        run(connection, MIGRATIONS[version])
        connection.execute(f"PRAGMA user_version = {version + 1}")


def run(connection: sqlite3.Connection, script: str) -> None:
    """Executes several statements. `executescript` would commit the caller's transaction first."""
    statement = ""
    for line in script.splitlines():
        statement += f"{line}\n"
        if sqlite3.complete_statement(statement):
            connection.execute(statement)
            statement = ""

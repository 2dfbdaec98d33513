"""One attempt a line, as JSON: for other programs, and to keep beside the gradebook."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from grader.gradebook.attempt import Attempt
from grader.gradebook.book import Gradebook

FORMAT = "torch-dojo attempt"
VERSION = 1


def attempt_lines(book: Gradebook, reports: bool = False) -> Iterator[str]:
    """Every attempt in the order of recording, with its report if wanted. Seeds are secret: this is for staff."""
    for attempt in book.attempts():
        body = attempt_body(attempt) | ({"report": book.body(attempt.id)} if reports else {})
        yield json.dumps(body) + "\n"  # ASCII, so that no line moves a cursor


def attempt_body(attempt: Attempt) -> dict[str, Any]:
    body = {"format": FORMAT, "version": VERSION, **asdict(attempt)}
    return body | {"key": attempt.key._asdict(), "footing": attempt.footing._asdict()}

"""From files to submissions: whose each is, and of which exercise. What belongs nowhere is kept for the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from grader.catalog import Catalog, Exercise
from grader.cohort.places import MAX_FILES, Archive, Entry, Folder, Place, Unreadable
from grader.cohort.roster import Roster
from grader.cohort.systems import METADATA, METADATA_BYTES, Owned, Person, owned, read_metadata
from grader.errors import JudgeError, UsageError
from grader.gradebook.book import Student

JUNK = ("__MACOSX", "__pycache__", "Thumbs.db", "desktop.ini")  # of systems and of Python, like names with a dot


@dataclass(frozen=True)
class Handed:
    """A submission. Its files are in `folder`, under their own names."""

    student: str
    exercise: Exercise
    folder: Path
    submitted: datetime | None = None


@dataclass(frozen=True)
class Stray:
    """A file that is not graded, and why."""

    where: str
    why: str


@dataclass(frozen=True)
class Piece:
    """A file that an exercise asks for."""

    entry: Entry
    owned: Owned


@dataclass
class Collection:
    """What was found."""

    handed: list[Handed] = field(default_factory=list)
    strays: list[Stray] = field(default_factory=list)
    students: dict[str, Student] = field(default_factory=dict)
    others: int = 0  # files beside a submission that no exercise asks for, and what systems leave


class Collector:
    """Looks through folders and zips. What has to be copied goes to the folder `spool`, under names of ours."""

    def __init__(self, catalog: Catalog, roster: Roster | None, spool: Path) -> None:
        self._exercises = catalog.exercises
        self._roster, self._spool = roster, spool
        self._copied = 0
        self._unknown: dict[str, list[str]] = {}  # files of a person whom nobody knows
        self._people: dict[str, Person] = {}
        self.found = Collection()
        names = [name for exercise in catalog.exercises for name in exercise.files]
        self._by_name = {
            name: exercise for exercise in catalog.exercises for name in exercise.files if names.count(name) == 1
        }

    def collect(self, path: Path) -> Collection:
        """Everything below a folder, or in a zip. Raises UsageError where there is neither."""
        if path.is_dir():
            self._look(Folder(path), path.name, ())
        elif path.is_file():
            try:
                self._look(Archive(path), path.name, ())
            except Unreadable as error:
                raise UsageError(f"'{path}' is neither a folder nor a zip: {error}") from None
        else:
            raise UsageError(f"there is nothing at '{path}': name a folder of submissions, or a zip")
        for person, files in self._unknown.items():
            more = f" and {len(files) - 1} more" if len(files) > 1 else ""
            self._stray(files[0] + more, person)
        return self.found

    def _stray(self, where: str, why: str) -> None:
        self.found.strays.append(Stray(where, why))

    def _look(self, place: Place, title: str, above: tuple[str, ...]) -> None:
        """`above`: where the place lies below the folder of submissions."""
        pieces: dict[tuple[str, str, tuple[str, ...]], list[Piece]] = {}
        try:
            entries: list[Entry] = []
            for entry in place.entries():
                if len(entries) == MAX_FILES:
                    raise UsageError(f"'{title}' holds more than {MAX_FILES:,} files")
                entries.append(entry)
            metadata = self._metadata(place, title, entries)
            for entry in entries:
                self._sort(place, title, above, entry, metadata, pieces)
            for (student, slug, folder), found in pieces.items():
                self._hand_in(place, title, student, slug, folder, found)
        finally:
            place.close()

    def _metadata(self, place: Place, title: str, entries: Sequence[Entry]) -> dict[str, Owned]:
        found: dict[str, Owned] = {}
        for entry in entries:
            if entry.name == METADATA and not entry.fault:
                try:
                    found |= read_metadata(place.read(entry, METADATA_BYTES))
                except Unreadable as error:
                    self._stray(f"{title}/{entry}", str(error))
        return found

    def _sort(
        self,
        place: Place,
        title: str,
        above: tuple[str, ...],
        entry: Entry,
        metadata: dict[str, Owned],
        pieces: dict[tuple[str, str, tuple[str, ...]], list[Piece]],
    ) -> None:
        """Puts a file to the others of its submission."""
        where = f"{title}/{entry}"
        if any(part in JUNK or (part[:1] == "." and part != "..") for part in entry.parts) or (
            entry.name == METADATA and metadata
        ):
            self.found.others += 1
            return
        if not str(entry).isprintable():
            self._stray(ascii(where), "a name with characters that can't be shown")
            return
        if isinstance(place, Folder) and entry.name.casefold().endswith(".zip") and len(entry.parts) == 1:
            self._open(place.path / entry.name, where, entry)
            return
        belongs = self._whose(above, entry.parts, metadata)
        if belongs is None:
            self._stray(where, entry.fault or "no name of a student in its path")
            return
        student = self._student(belongs.person, where)
        if student is None:
            return
        exercise = self._exercise(belongs.parts)
        if exercise is None and any(part == each.slug for part in belongs.parts for each in self._exercises):
            self.found.others += 1  # a lesson, a picture: what lies beside a stub
        elif exercise is None or entry.fault:
            self._stray(where, entry.fault or "no exercise asks for a file of this name")
        else:
            folder = () if belongs.parts[:-1] == () and entry.name != belongs.parts[-1] else entry.folder
            pieces.setdefault((student, exercise.slug, folder), []).append(Piece(entry, belongs))

    def _open(self, path: Path, where: str, entry: Entry) -> None:
        """A zip in the folder: an export, or one student's, whose name or path it bears."""
        try:
            archive = Archive(path)
        except Unreadable as error:
            self._stray(where, str(error))
            return
        self._look(archive, where, (entry.name,))

    def _whose(self, above: tuple[str, ...], parts: tuple[str, ...], metadata: dict[str, Owned]) -> Owned | None:
        if self._roster and (known := self._roster.owner_of((*above, *parts))):
            student, length = known
            return Owned(Person(student), parts[max(0, length - len(above)) :] or parts[-1:])
        if self._roster and above and any(above[0].removesuffix(".zip") == each.id for each in self._roster.students):
            return Owned(Person(above[0].removesuffix(".zip")), parts)
        return owned(parts, metadata)

    def _student(self, person: Person, where: str) -> str | None:
        """The student's id, noted with what is known; None where the roster has none."""
        student: Student | str
        if self._roster is None:
            student = Student(person.id, person.name, person.email, "", person.number, person.lms_id)
        else:
            student = self._roster.find(person)
        if isinstance(student, str):
            self._unknown.setdefault(f"'{person.name or person.id}': {student}", []).append(where)
            return None
        self.found.students.setdefault(student.id, student)
        return student.id

    def _exercise(self, parts: tuple[str, ...]) -> Exercise | None:
        """By the folder of an exercise in its path, or by a name that one exercise alone has."""
        folders = [each for part in reversed(parts[:-1]) for each in self._exercises if each.slug == part]
        if folders:
            return folders[0] if parts[-1] in folders[0].files else None
        return self._by_name.get(parts[-1])

    def _hand_in(
        self, place: Place, title: str, student: str, slug: str, folder: tuple[str, ...], pieces: list[Piece]
    ) -> None:
        latest: dict[str, Piece] = {}
        for piece in sorted(pieces, key=lambda each: each.owned.version):
            if earlier := latest.get(piece.owned.parts[-1]):
                self._stray(f"{title}/{earlier.entry}", f"'{piece.entry.name}' came later")
            latest[piece.owned.parts[-1]] = piece
        exercise = next(each for each in self._exercises if each.slug == slug)
        submitted = next((each.owned.submitted for each in latest.values()), None)
        if isinstance(place, Folder) and all(name == piece.entry.name for name, piece in latest.items()):
            self.found.handed.append(Handed(student, exercise, place.path.joinpath(*folder), submitted))
        elif copied := self._copy(place, title, latest):
            self.found.handed.append(Handed(student, exercise, copied, submitted))

    def _copy(self, place: Place, title: str, pieces: dict[str, Piece]) -> Path | None:
        """A folder with copies of the files; None where one can't be read, for half a submission is none."""
        self._copied += 1
        target = self._spool / str(self._copied)
        try:
            target.mkdir()
            for name, piece in pieces.items():
                try:
                    content = place.read(piece.entry)
                except Unreadable as error:
                    self._stray(f"{title}/{piece.entry}", str(error))
                    return None
                (target / name).write_bytes(content)
        except OSError as error:
            raise JudgeError(f"there is no room to unpack submissions in '{self._spool}': {error.strerror}") from None
        return target

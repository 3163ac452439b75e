"""Join the rows of all shards into those of one process, in order and one at a time."""

import contextlib
import os
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from utils.common.cli.console import progress
from utils.common.disk.asking import is_there
from utils.common.disk.writing import explain_write_errors, whole_file
from utils.common.errors import MAX_OFFENDERS, SettingsError, shortlist
from utils.prediction.classify import Tally
from utils.prediction.columns import AlteredError, WrittenRow
from utils.prediction.labels import Labels
from utils.prediction.names import Names, match
from utils.prediction.pictures import Pictures, describe_others
from utils.prediction.row_file import locked
from utils.prediction.rows import ENCODING, ERRORS, RowFormat, format_of, read_whole_rows
from utils.prediction.settings import LIST, MOVE_INTO, SHARD, PredictSettings, has_faults
from utils.prediction.shards import Note, Shard, all_shards, note_of, read_note
from utils.prediction.unfinished import beside

RUN_AGAIN = "Run that shard again"
ALL_AGAIN = "Run each shard again with --resume"


@contextlib.contextmanager
def open_joined(settings: PredictSettings) -> Iterator["JoinedRows"]:
    """Yield the rows of all shards of a call.

    Raises:
        OutputError: If nothing can be written where they go, or another process is at it.
        SettingsError: If a shard is missing, or is one of another call.
    """
    named = list(settings.pictures)
    assert settings.join is not None  # who does not say of how many has nothing to join
    with locked(Path(settings.output)):
        yield JoinedRows(settings.output, settings.join, settings.origin(), named)


class JoinedRows:
    """The rows of all shards of one call.

    Args:
        output: Where they go.
        total: Number of shards.
        origin: What decides on the rows of the present call besides the pictures.
        named: The pictures, folders and archives of its command line.

    Attributes:
        tally: What became of the pictures; counted as the rows are published.
        num_unread: Number of archives, or files in them, that had to be left out.

    Raises:
        SettingsError: If a shard is missing, or is one of another call.
    """

    def __init__(self, output: str, total: int, origin: dict[str, Any], named: list[str]) -> None:
        self._target = Path(output)
        self._format = format_of(self._target.suffix, has_faults(origin))
        self._paths = [shard.output(output) for shard in all_shards(total)]
        notes = _read_notes(self._paths)
        _compare(notes, self._paths, origin, named)
        self._counts = [note.stop - note.start for note in notes]
        self._note = notes[0]
        self.num_unread = notes[0].num_unread
        self.tally = Tally(Labels(0))

    def names(self) -> Names:
        """Return the pictures that have rows."""
        return Names(row.file for _, row in self.read())

    def labels_of(self, inputs: Pictures) -> Labels:
        """Return the label of each picture.

        Raises:
            SettingsError: If one has no row.
        """
        labels = match(inputs, (row for _, row in self.read()))
        if missing := labels.without_row(inputs):
            is_begun = is_there(_mark_of(self._target))
            raise SettingsError(
                f"{len(missing):,} of {len(inputs):,} pictures have no row in any shard: "
                f"{shortlist(one.file for one in islice(missing, MAX_OFFENDERS))}",
                expected="the pictures that the shards were made of",
                todo="Others were moved already: put these elsewhere until all of them are"
                if is_begun
                else f"{ALL_AGAIN}, or torchrun without it",
            )
        return labels

    def describe_others(self) -> str:
        """Return one line on the files that were not looked at, "" if there are none."""
        return describe_others(Counter(self._note.passed_over))

    def read(self) -> Iterator[tuple[bytes, WrittenRow]]:
        """Yield each row as it stands in its file, and what it says.

        Raises:
            SettingsError: If a file was altered since its shard was finished.
        """
        for path, count in zip(self._paths, self._counts, strict=True):
            number = 0
            try:
                for line, row in _read_rows(path, self._format):
                    number += 1
                    yield line, row
            except AlteredError:
                raise SettingsError(
                    f"{path} was altered: its row {number + 1:,} says what no row says",
                    todo=RUN_AGAIN,
                ) from None
            if number != count:
                raise SettingsError(
                    f"{path} has {number:,} whole rows", expected=f"{count:,}", todo=RUN_AGAIN
                )

    def begin_moving(self) -> None:
        """Note that pictures are moved from now on: until `publish` only the shards name them."""
        with explain_write_errors(self._target):
            _mark_of(self._target).touch()

    def publish(self) -> None:
        """Put the rows under the target's name, all or none."""
        self.tally = Tally(Labels(0))
        with (
            whole_file(self._target) as partial,
            partial.open("wb") as copy,
            progress(total=sum(self._counts), desc="Join", unit="rows") as bar,
        ):
            copy.write(self._format.header().encode(ENCODING))
            for line, row in self.read():
                copy.write(line)
                self.tally.add(row.label, row.abstained)
                bar.update()
        forget_moving(self._target)

    def remove_shards(self) -> None:
        """Remove the files that were joined."""
        for path in self._paths:
            note_of(path).unlink(missing_ok=True)
            path.unlink(missing_ok=True)


def moved_picture(output: str, total: int) -> str:
    """Return a picture that has a row and was moved before the shards were joined; "" without one.

    Args:
        output: Where the rows of all shards go.
        total: Number of shards.
    """
    if not is_there(_mark_of(Path(output))):
        return ""
    paths = [shard.output(output) for shard in all_shards(total)]
    try:
        notes = _read_notes(paths)
        _compare(notes, paths, notes[0].origin, notes[0].named)
    except SettingsError:  # what cannot be joined was not sorted
        return ""
    rows_format = format_of(paths[0].suffix, has_faults(notes[0].origin))
    with contextlib.suppress(AlteredError):
        for path in paths:
            for _, row in _read_rows(path, rows_format):
                if row.label and _is_gone(row.file):
                    return row.file
    return ""


def forget_moving(target: Path) -> None:
    """Forget that pictures were moved: all rows are in one file, or none is worth keeping."""
    _mark_of(target).unlink(missing_ok=True)


def _mark_of(target: Path) -> Path:
    """Return the file that lies beside the rows while pictures of finished shards are moved."""
    return target.with_name(f"{target.name}.moving")


def _is_gone(file: str) -> bool:
    """Tell whether a picture, and not its whole folder or archive, is no longer there."""
    return not os.path.lexists(file) and os.path.isdir(os.path.dirname(file) or ".")


def is_finished(rows: Path, origin: dict[str, Any], named: list[str]) -> bool:
    """Tell whether a shard of the present call has all of its rows."""
    note = None if is_there(beside(rows)) else read_note(rows)
    return note is not None and not _differing(note, origin, named)


def _read_notes(paths: list[Path]) -> list[Note]:
    notes, missing = [], []
    for path in paths:
        note = None if is_there(beside(path)) else read_note(path)
        if note is None:
            missing.append(path)
        else:
            notes.append(note)
    if missing:
        raise SettingsError(
            f"{len(missing):,} of {len(paths):,} shards are not finished: {shortlist(missing)}",
            todo="Run each with its --shard, and --resume to keep the rows that it has",
        )
    return notes


def _compare(
    notes: list[Note], paths: list[Path], origin: dict[str, Any], named: list[str]
) -> None:
    """Check that all shards are of one call, and that none is there twice.

    Raises:
        SettingsError: If not.
    """
    expected = 0
    for number, (note, path) in enumerate(zip(notes, paths, strict=True), start=1):
        own = {**origin, SHARD: str(Shard(number, len(paths)))}
        differing = _differing(note, own, named)
        if not differing and (note.origin.get(LIST), note.total) != (
            notes[0].origin.get(LIST), notes[0].total,
        ):  # fmt: skip
            raise SettingsError(
                f"{path} cannot be joined with {paths[0]}: the list of pictures was another, since "
                "some came or went in between",
                todo=f"{ALL_AGAIN}; those of today's list stay as they are",
            )
        if differing:
            raise SettingsError(
                f"{path} cannot be joined: its rows were made with another {shortlist(differing)}",
                todo=RUN_AGAIN,
            )
        if note.start != expected:
            raise SettingsError(
                f"{path} begins at picture {note.start + 1:,}", expected=f"{expected + 1:,}",
                todo=RUN_AGAIN,
            )  # fmt: skip
        expected = note.stop
    if expected != notes[0].total:
        raise SettingsError(f"The shards have {expected:,} rows", f"{notes[0].total:,}", RUN_AGAIN)


def _differing(note: Note, origin: dict[str, Any], named: list[str]) -> list[str]:
    """Return in what a shard is not of a call, whose list of pictures is not asked for."""
    differing = [
        name
        for name, value in sorted(origin.items())
        if name != MOVE_INTO and note.origin.get(name) != value
    ]
    return differing + (["PICTURES"] if note.named != named else [])


def _read_rows(path: Path, rows_format: RowFormat) -> Iterator[tuple[bytes, WrittenRow]]:
    """Yield each row of a finished shard as it stands there, and what it says.

    Raises:
        AlteredError: If there is anything else.
    """
    start = 0
    with (
        path.open(encoding=ENCODING, errors=ERRORS, newline="") as text,
        path.open("rb") as checked,
        path.open("rb") as content,
    ):
        for end, row in read_whole_rows(rows_format, text, checked):
            line = content.read(end - start)
            start = end
            if row is not None:
                yield line, row
        if content.read(1):
            raise AlteredError

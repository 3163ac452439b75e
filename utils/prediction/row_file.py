"""A file of rows that outlives its process: rows so far are kept, and gone on with."""

import contextlib
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, TextIO

from filelock import FileLock, Timeout

from utils.common.console import warn
from utils.common.errors import OutputError, SettingsError, shortlist
from utils.common.files import explain_write_errors, refuse_links, whole_file
from utils.common.opening import open_regular
from utils.prediction.rows import (
    ENCODING,
    ERRORS,
    FORMATS,
    AlteredError,
    Row,
    RowFormat,
    WrittenRow,
    read_whole_rows,
    table_writer,
)
from utils.prediction.settings import MOVE_INTO

UNFINISHED = ".unfinished"
"""Ends the name of a file that is being written, or whose process was stopped."""

CHUNK = 2**20


class Rows(Protocol):
    """Where the rows of a call go.

    Attributes:
        kept: What a stopped call has written already, in its order.
    """

    kept: list[WrittenRow]

    def write(self, rows: Iterable[Row]) -> None:
        """Add rows."""

    def publish(self) -> None:
        """Say that nothing is to follow."""


class PrintedRows:
    """Prints rows as a table on stdout.

    Args:
        files: The pictures of this call.
    """

    def __init__(self, files: Iterable[str]) -> None:
        self.kept: list[WrittenRow] = []
        self._write = table_writer(files)

    def write(self, rows: Iterable[Row]) -> None:
        """Print rows."""
        self._write(rows)

    def publish(self) -> None:
        """Set off what is printed after the table."""
        print()


@contextlib.contextmanager
def open_rows(
    output: str, origin: dict[str, Any], files: Sequence[str], is_resumed: bool
) -> Iterator[Rows]:
    """Yield what takes the rows of a call.

    Args:
        output: Path that ends in one of `rows.FORMATS`; "" prints a table.
        origin: What decides on the rows besides the pictures; they go on only under the same.
        files: The pictures of this call.
        is_resumed: Whether to go on with the rows that a stopped call left, if there are any.

    Raises:
        OutputError: If nothing can be written there, or another process is at it.
        SettingsError: If the rows of a stopped call can neither be gone on with nor replaced.
    """
    if not output:
        yield PrintedRows(files)
        return
    target = Path(output)
    with _locked(target), RowFile(target, origin, files, is_resumed) as rows:
        yield rows


def files_with_rows(output: str) -> frozenset[str]:
    """Return the pictures that a stopped call has written rows of; none without such a call.

    Args:
        output: As for `open_rows`.

    Raises:
        OutputError: If something else lies where those rows would be.
        SettingsError: If they were altered.
    """
    target = Path(output)
    unfinished = Unfinished(_beside(target), FORMATS[target.suffix.lower()])
    return frozenset(row.file for _, row in unfinished.rows())


def _beside(target: Path) -> Path:
    return target.with_name(target.name + UNFINISHED)


@contextlib.contextmanager
def _locked(target: Path) -> Iterator[None]:
    path = target.with_name(f".{target.name}.lock")
    refuse_links([path, _beside(target)])
    with explain_write_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(path, timeout=0):
                try:
                    yield
                finally:
                    with contextlib.suppress(OSError):  # Windows has removed it, or will not yet
                        path.unlink()
        except Timeout:
            raise OutputError(
                f"Another predict.py is writing {target}",
                todo="Wait for it to end, or choose another --output",
            ) from None


class Unfinished:
    """The file that a stopped call left, as it lies there.

    Args:
        path: Where it would be.
        rows: Its format.

    Attributes:
        origin: What its rows are of; None if there is no such file, empty if that is not told.

    Raises:
        OutputError: If something else lies there.
    """

    def __init__(self, path: Path, rows: RowFormat) -> None:
        self._path = path
        self._format = rows
        self.first = 0
        self.origin: dict[str, Any] | None = None
        if path.exists() and not path.is_file():
            raise OutputError(
                f"{path} is no file", expected="rows that predict.py wrote", todo="Remove it"
            )
        try:
            with open_regular(path) as stream:
                line = stream.readline(CHUNK)
        except FileNotFoundError:
            return
        self.origin = {}
        with contextlib.suppress(ValueError, RecursionError):
            origin = json.loads(line)
            if isinstance(origin, dict):
                self.origin, self.first = origin, len(line)

    def rows(self) -> Iterator[tuple[int, WrittenRow]]:
        """Yield each whole row with the offset in bytes where it ends.

        Raises:
            SettingsError: If one was altered.
        """
        if not self.origin:
            return
        number = 0
        with (
            self._path.open(encoding=ENCODING, errors=ERRORS, newline="") as text,
            self._path.open("rb") as content,
        ):
            text.readline()
            content.seek(self.first)
            try:
                for end, row in read_whole_rows(self._format, text, content):
                    if row is not None:
                        number += 1
                        yield end, row
            except AlteredError:
                raise SettingsError(
                    f"{self._path} was altered: its row {number + 1:,} says what no row says",
                    todo="Bring the file back as it was, or remove it",
                ) from None


class RowFile:
    """Writes rows that anybody may stop at any time.

    They are written to `<target>.unfinished`, whose first line tells what they are of; when the
    last is in it, all but that line appears under the target's own name, in one step.

    Args:
        target: Ends in one of `rows.FORMATS`.
        origin: What decides on the rows besides the pictures; they go on only under the same.
        files: The pictures of this call.
        is_resumed: Whether to go on with the rows that a stopped call left, if there are any.

    Attributes:
        kept: Those rows, in their order.
    """

    def __init__(
        self, target: Path, origin: dict[str, Any], files: Sequence[str], is_resumed: bool
    ) -> None:
        self._target = target
        self._path = _beside(target)
        self._format: RowFormat = FORMATS[target.suffix.lower()]
        self._before = Unfinished(self._path, self._format)
        self._origin = origin
        self._num_files = len(files)
        self._end = 0
        self.kept: list[WrittenRow] = []
        before = self._before.origin
        if is_resumed and before is not None:
            self._check_origin(before)
            self._read_kept()
        elif before is not None:
            self._check_replaceable(before, files)
        self._num_rows = len(self.kept)
        self._stream = self._open()

    def _open(self) -> TextIO:
        with explain_write_errors(self._path):
            if self._end:
                with self._path.open("rb+") as stream:
                    stream.truncate(self._end)
                return self._path.open("a", encoding=ENCODING, errors=ERRORS, newline="")
            stream = self._path.open("w", encoding=ENCODING, errors=ERRORS, newline="")
            stream.write(json.dumps(self._origin) + "\n" + self._format.header())
            return stream

    def __enter__(self) -> "RowFile":
        return self

    def write(self, rows: Iterable[Row]) -> None:
        """Add rows; they survive the end of the process from here on."""
        lines = [self._format.line(file, answer) for file, answer in rows]
        with explain_write_errors(self._path):
            self._stream.writelines(lines)
            self._stream.flush()
        self._num_rows += len(lines)

    def publish(self) -> None:
        """Put the rows under the target's name: all are there, and nothing is to follow."""
        self._stream.close()
        with (
            whole_file(self._target) as partial,
            self._path.open("rb") as source,
            partial.open("wb") as copy,
        ):
            source.readline()
            while chunk := source.read(CHUNK):
                copy.write(chunk)
        self._path.unlink()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stream.close()
        if not self._path.exists():
            return
        if self._num_rows:
            warn(
                f"{self._num_rows:,} of {max(self._num_files, self._num_rows):,} rows are kept in "
                f"{self._path}. The same command with --resume goes on from there."
            )
        else:
            self._path.unlink()

    def _check_origin(self, before: dict[str, Any]) -> None:
        decisive = self._origin.keys() - {MOVE_INTO}
        differing = sorted(name for name in decisive if before.get(name) != self._origin[name])
        if differing:
            raise SettingsError(
                f"{self._path} cannot be gone on with: its rows were made with another "
                f"{shortlist(differing)}",
                todo="Leave out --resume to begin anew",
            )

    def _read_kept(self) -> None:
        for end, row in self._before.rows():
            self.kept.append(row)
            self._end = end

    def _check_replaceable(self, before: dict[str, Any], files: Sequence[str]) -> None:
        """Refuse to lose rows of pictures that have been moved since they were written.

        Raises:
            SettingsError: If there are any.
        """
        if not before.get(MOVE_INTO):
            return
        self._read_kept()
        gone = {row.file for row in self.kept if row.label} - set(files)
        self.kept, self._end = [], 0
        if gone:
            raise SettingsError(
                f"{self._path} has {len(gone):,} rows of pictures that were moved already",
                todo="Give --resume to go on with it, or remove it",
            )

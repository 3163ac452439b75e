"""A file of rows that outlives its process: rows so far are kept, and gone on with."""

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, TextIO

from filelock import FileLock, Timeout

from utils.common.cli.console import warn
from utils.common.disk.writing import explain_write_errors, refuse_links, whole_file
from utils.common.errors import OutputError, SettingsError, shortlist
from utils.prediction.columns import WrittenRow
from utils.prediction.names import Names
from utils.prediction.printed import table_writer
from utils.prediction.rows import ENCODING, ERRORS, Row, RowFormat, format_of
from utils.prediction.settings import MOVE_INTO, has_faults
from utils.prediction.unfinished import CHUNK, KeptRows, Unfinished, beside


class FileNames(Protocol):
    """What the pictures of a call are called, as a list of them or not."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[str]: ...


class Rows(Protocol):
    """Where the rows of a call go.

    Attributes:
        kept: What a stopped call has written already, in its order; read anew each time.
    """

    kept: Iterable[WrittenRow]

    def write(self, rows: Iterable[Row]) -> None:
        """Add rows."""

    def publish(self, note: Callable[[], None] = lambda: None) -> None:
        """Say that nothing is to follow.

        Args:
            note: Called when all rows lie where they stay, and before it is forgotten that they
                were not finished.
        """


class PrintedRows:
    """Prints rows as a table on stdout.

    Args:
        files: The pictures of this call.
        has_faults: Whether there is a column of the first fault.
    """

    def __init__(self, files: Iterable[str], has_faults: bool) -> None:
        self.kept: Iterable[WrittenRow] = ()
        self._write = table_writer(files, has_faults)

    def write(self, rows: Iterable[Row]) -> None:
        """Print rows."""
        self._write(rows)

    def publish(self, note: Callable[[], None] = lambda: None) -> None:
        """Set off what is printed after the table."""
        print()


@contextlib.contextmanager
def open_rows(
    output: str, origin: dict[str, Any], files: FileNames, is_resumed: bool
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
        yield PrintedRows(files, has_faults(origin))
        return
    target = Path(output)
    with locked(target), RowFile(target, origin, files, is_resumed) as rows:
        yield rows


def files_with_rows(output: str) -> Names:
    """Return the pictures that a stopped call has written rows of; none without such a call.

    Args:
        output: As for `open_rows`.

    Raises:
        OutputError: If something else lies where those rows would be.
        SettingsError: If they were altered.
    """
    return Names(row.file for _, row in Unfinished(Path(output)).rows())


@contextlib.contextmanager
def locked(target: Path) -> Iterator[None]:
    """Keep other processes from writing the same file.

    Raises:
        OutputError: If one does so already, or nothing can be written there.
    """
    path = target.with_name(f".{target.name}.lock")
    refuse_links([path, beside(target)])
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
        kept: Those rows, in their order; read anew each time.
    """

    def __init__(
        self, target: Path, origin: dict[str, Any], files: FileNames, is_resumed: bool
    ) -> None:
        self._target = target
        self._path = beside(target)
        self._format: RowFormat = format_of(target.suffix, has_faults(origin))
        self._before = Unfinished(target)
        self._origin = origin
        self._num_files = len(files)
        self._end = self._num_rows = 0
        before = self._before.origin
        if is_resumed and before is not None:
            self._check_origin(before)
            self._find_end()
        elif before is not None:
            self._check_replaceable(before, files)
        self.kept: Iterable[WrittenRow] = KeptRows(self._before, self._num_rows)
        self._stream = self._open()

    def _open(self) -> TextIO:
        with explain_write_errors(self._path):
            if self._end:
                with self._path.open("rb+") as written:
                    written.truncate(self._end)
                return self._path.open("a", encoding=ENCODING, errors=ERRORS, newline="")
            stream = self._path.open("w", encoding=ENCODING, errors=ERRORS, newline="")
            stream.write(json.dumps(self._origin) + "\n" + self._format.header())
            stream.flush()  # the first batch may take long, and be cut short by a kill
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

    def publish(self, note: Callable[[], None] = lambda: None) -> None:
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
        note()
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
        decisive = (self._origin.keys() | before.keys()) - {MOVE_INTO}
        differing = sorted(name for name in decisive if before.get(name) != self._origin.get(name))
        if differing:
            raise SettingsError(
                f"{self._path} cannot be gone on with: its rows were made with another "
                f"{shortlist(differing)}",
                todo="Leave out --resume to begin anew",
            )

    def _find_end(self) -> None:
        for end, _ in self._before.rows():
            self._end = end
            self._num_rows += 1

    def _check_replaceable(self, before: dict[str, Any], files: FileNames) -> None:
        """Refuse to lose rows of pictures that have been moved since they were written.

        Raises:
            SettingsError: If there are any.
        """
        if not before.get(MOVE_INTO):
            return
        kept = Names(row.file for _, row in self._before.rows() if row.label)
        num_gone = kept.num_without(Names(files))
        if num_gone:
            raise SettingsError(
                f"{self._path} has {num_gone:,} rows of pictures that were moved already",
                todo="Give --resume to go on with it, or remove it",
            )

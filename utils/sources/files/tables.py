"""Read a collection's table (CSV, however a spreadsheet saved it) as rows of plain text."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import overload

from utils.common.disk.location import DamagedError
from utils.common.disk.opening import TooLargeError, read_regular
from utils.common.disk.text import tidy
from utils.common.errors import SourceError, shortlist
from utils.sources.files.dialect import (
    Dialect,
    UnreadableError,
    as_utf_8,
    check_rows,
    find_dialect,
    open_text,
)
from utils.sources.files.ids import MAX_SHOWN, clean
from utils.sources.files.paths import leads_out
from utils.sources.files.tree import FileTree

Row = dict[str, str]

MAX_TABLE_BYTES = 256 * 2**20
"""The largest tables of such collections, of 400,000 pictures and 55 columns, have 240 MB."""


@dataclass(frozen=True, eq=False)
class Table(Sequence[Row]):
    """The rows of a table, each made when it is asked for: there may be very many.

    Attributes:
        path: Where it lies, below ALL_DATA.
        columns: The columns that were asked for and are there, by the names that were asked for.
        cells: Their cells, column by column.
        notes: What the user should know of how it was read.
    """

    path: str
    columns: tuple[str, ...]
    cells: Sequence[Sequence[str]] = ()
    notes: list[str] = field(default_factory=list)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __len__(self) -> int:
        return len(self.cells[0]) if self.cells else 0

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        return {
            name: tidy(cells[index]) for name, cells in zip(self.columns, self.cells, strict=True)
        }

    def column(self, name: str) -> list[str]:
        """Return the cells of one column."""
        return [tidy(cell) for cell in self.cells[self.columns.index(name)]] if self.cells else []

    def __iter__(self) -> Iterator[Row]:
        for row in zip(*self.cells, strict=True):
            yield {name: tidy(cell) for name, cell in zip(self.columns, row, strict=True)}


def read_table(
    tree: FileTree,
    path: str,
    columns: Sequence[str],
    paths: Sequence[str] = (),
    optional: Sequence[str] | None = None,
) -> Table:
    """Read a table as text, cell by cell; an empty cell is "".

    Blanks around a cell do not count, nor does the case of a column's name.

    Args:
        tree: Where the table lies.
        path: Its relative path.
        columns: Columns that it must have.
        paths: Those that name files, of these and the optional ones.
        optional: Other columns that are read where they are there; None for all.

    Raises:
        SourceError: If it is no regular file of bounded size, cannot be parsed, lacks one of the
            columns, or names a file that is not in its folder.
    """
    where = tree.root / path
    content = read_content(tree, path)
    try:
        content, notes = as_utf_8(content)
        wanted = tuple(dict.fromkeys((*columns, *(optional or ()))))
        dialect = find_dialect(content, wanted, do_read_all=optional is None)
        missing = [column for column in columns if column not in dialect.positions]
        if missing:
            raise SourceError(
                f"{where} has no column {', '.join(missing)} "
                f"(found: {shortlist(clean(name)[:MAX_SHOWN] for name in dialect.header)})",
                expected=f"the columns {', '.join(columns)}",
                todo="Download it again, or remove its folder to leave this collection out",
            )
        notes += [*dialect.notes, *check_rows(content, dialect)]
        cells = _parse(content, dialect)
    except UnreadableError as error:
        raise SourceError(
            f"{where} cannot be read as a table ({error})",
            expected=f"the columns {', '.join(columns)}" if columns else "",
            todo="Download it again",
        ) from None
    table = Table(path, tuple(dialect.positions), cells, [f"{path}: {note}" for note in notes])
    for column in filter(table.columns.__contains__, paths):
        for number, cell in enumerate(table.column(column), start=1):
            if leads_out(cell):
                raise SourceError(
                    f"{where} names {cell!r} (row {number}, column {column})",
                    expected="files of the collection itself",
                    todo="Download it again, or remove its folder to leave this collection out",
                )
    return table


def own_tables(tree: FileTree, *names: str) -> list[str]:
    """Return the tables with one of these names that the user laid down, not those in archives.

    What a stranger's archive brings along may be read; nothing that it names is fetched.
    """
    return [path for path in tree.named(*names) if path not in tree.originals.members]


def read_content(tree: FileTree, path: str) -> bytes:
    """Return the bytes of a table, wherever it lies.

    Raises:
        SourceError: If it is no regular file of bounded size, or damaged.
    """
    location = tree.originals.locate(path)
    try:
        if location.packed_size is None:
            return read_regular(location.path, MAX_TABLE_BYTES)
        if max(location.size, location.packed_size) > MAX_TABLE_BYTES:
            raise TooLargeError(f"{location.size:,} bytes, limit {MAX_TABLE_BYTES:,}")
        return location.read()
    except (DamagedError, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SourceError(
            f"{tree.root / path} cannot be read ({reason})", todo="Download it again"
        ) from None


def _parse(content: bytes, dialect: Dialect) -> list[Sequence[str]]:
    """Return the cells of the columns that were asked for, column by column."""
    import pandas as pd  # here, because it takes half a second and many runs read no table

    stream = _Numbered(content, dialect)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", pd.errors.ParserWarning)  # a comma too many in a row
            frame = pd.read_csv(
                stream, sep=dialect.separator, dtype=str, keep_default_na=False, index_col=False,
                usecols=sorted(set(dialect.positions.values())),
            )  # fmt: skip
    except (ValueError, pd.errors.ParserError) as error:
        raise UnreadableError(str(error)) from None
    return [frame[str(position)].to_numpy() for position in dialect.positions.values()]


class _Numbered(Iterator[str]):
    """A table as pandas reads it: its rows, under a header that numbers the columns."""

    def __init__(self, content: bytes, dialect: Dialect) -> None:
        self.header = dialect.separator.join(map(str, range(len(dialect.header)))) + "\n"
        self.stream = open_text(content)
        self.stream.seek(dialect.start)

    def __next__(self) -> str:
        raise NotImplementedError  # pandas asks for blocks, but wants to see that it could

    def read(self, size: int = -1) -> str:
        """Return the header at first, then up to `size` signs of the rows."""
        header, self.header = self.header, ""
        return header or self.stream.read(size)

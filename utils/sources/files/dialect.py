"""Find a table's encoding, separator and columns, and bound its rows before any is kept."""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from utils.common.disk.text import LATIN_1, UTF_8, WINDOWS_1252, decode_text, tidy
from utils.sources.files.ids import word_of

MAX_COLUMNS = 1_000
MAX_ROW_SIGNS = 2**20
"""Signs in one row."""

MAX_ROWS = 1_000_000
"""What lies above one of these is no table of pictures, but costs memory like one."""

SEPARATORS = (",", ";", "\t", "|")
DECLARED = re.compile(r'"?sep=([,;\t|:^~])"?[,;\t|]*', re.IGNORECASE)
"""The first line by which Excel is told the separator."""

WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""What the files of Excel begin with, the new ones and the old ones."""


class UnreadableError(Exception):
    """What was found instead of a table."""


@dataclass(frozen=True)
class Dialect:
    """How a table is written.

    Attributes:
        separator: What stands between its cells.
        header: The names of its columns.
        positions: Where those that were asked for stand, by the names that were asked for.
        start: The position in the stream at which its rows begin.
        notes: What the user should know.
    """

    separator: str
    header: Sequence[str]
    positions: Mapping[str, int]
    start: int
    notes: Sequence[str] = ()


def as_utf_8(content: bytes) -> tuple[bytes, list[str]]:
    """Return a table's text as UTF-8 without a mark, and a note where its encoding was a guess.

    Raises:
        UnreadableError: If it is no text.
    """
    if content.startswith(WORKBOOKS):
        raise UnreadableError("it is a workbook or an archive, not a text; save it as CSV")
    try:
        text, encoding = decode_text(content)
    except UnicodeDecodeError as error:
        raise UnreadableError(f"it is not {error.encoding} as its first bytes say") from None
    if "\0" in text:
        raise UnreadableError("it has zero bytes: it is damaged or no text")
    notes = ["not UTF-8; read as Windows-1252"] if encoding in (WINDOWS_1252, LATIN_1) else []
    return content if encoding == UTF_8 else text.encode("utf-8", "replace"), notes


def open_text(content: bytes) -> io.TextIOWrapper:
    """Return a stream of a text in UTF-8 whose line ends are left as they are."""
    return io.TextIOWrapper(io.BytesIO(content), encoding="utf-8", newline="")


def find_dialect(content: bytes, wanted: Sequence[str], *, do_read_all: bool) -> Dialect:
    """Find out how a table is written: that separator counts which finds the columns wanted.

    Args:
        content: The table's text in UTF-8.
        wanted: Columns.
        do_read_all: Whether the other columns are to be read as well.

    Raises:
        UnreadableError: If it has no header, or one of too many columns.
    """
    stream = open_text(content)
    first = stream.readline(MAX_ROW_SIGNS)
    declared = DECLARED.fullmatch(first.strip(" \r\n"))
    start = stream.tell() if declared else 0
    found = []
    for separator in declared.group(1) if declared else SEPARATORS:
        stream.seek(start)
        header = next((row for row in read_rows(stream, separator) if any(map(tidy, row))), [])
        names = [tidy(name) for name in header]
        while names and not names[-1]:
            names.pop()
        positions, notes = _locate(names, wanted)
        found.append(Dialect(separator, names, positions, stream.tell(), notes))
    best = max(found, key=lambda dialect: (len(dialect.positions), len(dialect.header)))
    if not best.header:
        raise UnreadableError("it is empty")
    if len(best.header) > MAX_COLUMNS:
        raise UnreadableError(f"it has {len(best.header):,} columns, limit {MAX_COLUMNS:,}")
    if not do_read_all:
        return best
    taken = set(best.positions.values())
    others = {
        name: position
        for position, name in reversed(list(enumerate(best.header)))
        if name and position not in taken
    }
    return replace(best, positions={**others, **best.positions})


def _locate(names: Sequence[str], wanted: Sequence[str]) -> tuple[dict[str, int], list[str]]:
    """Return where columns stand, by their exact names or else whatever their case."""
    positions: dict[str, int] = {}
    notes = []
    words = [word_of(name) for name in names[: MAX_COLUMNS + 1]]
    for name in wanted:
        word = word_of(name)
        if word not in words:
            continue
        positions[name] = names.index(name) if name in names else words.index(word)
        if (count := words.count(word)) > 1:
            read = positions[name] + 1
            notes.append(f"{count} columns are named {name}; only column {read} is read")
    return positions, notes


def read_rows(stream: io.TextIOWrapper, separator: str) -> Iterator[list[str]]:
    """Yield the rows of a table from where its stream stands, none of them without bounds.

    Raises:
        UnreadableError: If a row or a cell is too long.
    """
    lines = _BoundedLines(stream)
    try:
        for row in csv.reader(lines, delimiter=separator):
            lines.num_left = MAX_ROW_SIGNS
            yield row
    except csv.Error as error:
        if "field limit" not in str(error):
            raise UnreadableError(str(error)) from None
        raise UnreadableError(
            f"one of its cells has more than {csv.field_size_limit():,} signs, the limit; a "
            "quotation mark may be missing"
        ) from None


class _BoundedLines(Iterator[str]):
    """The lines of a stream, as long as those of one row stay within the limit."""

    def __init__(self, stream: io.TextIOWrapper) -> None:
        self.stream = stream
        self.num_left = MAX_ROW_SIGNS

    def __next__(self) -> str:
        line = self.stream.readline(self.num_left + 1)
        self.num_left -= len(line)
        if not line:
            raise StopIteration
        if self.num_left < 0:
            raise UnreadableError(
                f"one of its rows has more than {MAX_ROW_SIGNS:,} signs, the limit; a quotation "
                "mark may be missing"
            )
        return line


def check_rows(content: bytes, dialect: Dialect) -> list[str]:
    """Look at the length of every row before any is kept; return what the user should know.

    Raises:
        UnreadableError: If one is too long.
    """
    stream = open_text(content)
    stream.seek(dialect.start)
    width, longer, shorter = len(dialect.header), [], []
    for number, row in enumerate(filter(None, read_rows(stream, dialect.separator)), start=1):
        if number > MAX_ROWS:
            raise UnreadableError(f"it has more than {MAX_ROWS:,} rows, the limit")
        if len(row) > width and any(map(tidy, row[width:])):
            longer.append(number)
        elif len(row) <= max(dialect.positions.values(), default=0):
            shorter.append(number)
    notes = []
    if longer:
        notes.append(
            f"{len(longer):,} rows have more cells than there are columns (the first is row "
            f"{longer[0]:,}); what is beyond is not read"
        )
    if shorter:
        notes.append(
            f"{len(shorter):,} rows are too short (the first is row {shorter[0]:,}); what is "
            "missing counts as empty"
        )
    return notes

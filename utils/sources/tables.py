"""A collection's table (CSV, however a spreadsheet saved it) in, rows of plain text out."""

import io
import warnings
from collections.abc import Sequence

from utils.common.errors import SourceError, shortlist
from utils.common.location import DamagedError
from utils.sources.paths import leads_out
from utils.sources.tree import FileTree

Row = dict[str, str]


def read_table(
    tree: FileTree, path: str, columns: Sequence[str], paths: Sequence[str] = ()
) -> list[Row]:
    """Read a table as text, cell by cell; an empty cell is "".

    Args:
        tree: Where the table lies.
        path: Its relative path.
        columns: Columns that it must have.
        paths: Those of them that name files.

    Raises:
        SourceError: If it cannot be parsed, lacks one of the columns, or names a file that is not
            in its folder.
    """
    import pandas as pd  # here, because it takes half a second and many runs read no table

    try:
        content = tree.originals.locate(path).read()
    except (DamagedError, OSError) as error:
        raise SourceError(
            f"{tree.root / path} cannot be read ({error})", todo="Download it again"
        ) from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    header = text.partition("\n")[0]
    separator = max(",;\t", key=header.count)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", pd.errors.ParserWarning)  # a comma too many in a row
            frame = pd.read_csv(
                io.StringIO(text), sep=separator, dtype=str, keep_default_na=False, index_col=False
            )
    except (ValueError, pd.errors.ParserError) as error:
        raise SourceError(
            f"{tree.root / path} cannot be read as a table ({error})",
            expected=f"the columns {', '.join(columns)}",
            todo="Download it again",
        ) from None
    frame.columns = frame.columns.str.strip()
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise SourceError(
            f"{tree.root / path} has no column {', '.join(missing)} "
            f"(found: {shortlist(frame.columns)})",
            expected=f"the columns {', '.join(columns)}",
            todo="Download it again, or remove its folder to leave this collection out",
        )
    rows = [dict(zip(frame.columns, row, strict=True)) for row in frame.to_numpy().tolist()]
    for number, row in enumerate(rows, start=1):
        for column in paths:
            if leads_out(row[column]):
                raise SourceError(
                    f"{tree.root / path} names {row[column]!r} (row {number}, column {column})",
                    expected="files of the collection itself",
                    todo="Download it again, or remove its folder to leave this collection out",
                )
    return rows

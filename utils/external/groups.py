"""Read groups.csv, which tells the pictures that are of one patient or one lesion."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from utils.common.cli.console import warn
from utils.common.disk.opening import read_regular
from utils.common.disk.text import decode_text, tidy
from utils.common.errors import SettingsError, shortlist

GROUPS_NAME = "groups.csv"
FILE, GROUP = "file", "group"
SEPARATORS = ",;\t"
MAX_BYTES = 256 * 2**20
EXPECTED = (
    f"a table with the columns {FILE} (path below the folder, such as DERM/1.jpg) and {GROUP}, and "
    "a row for each picture"
)


def read_groups(folder: Path, files: Sequence[str]) -> dict[str, str] | None:
    """Return the group of each picture; None without a groups.csv.

    Args:
        folder: Folder that may hold the file.
        files: Paths of all pictures below it, with "/".

    Raises:
        SettingsError: If it cannot be read, lacks a column, or does not tell the group of a picture
            or tells two.
    """
    path = folder / GROUPS_NAME
    try:
        text = decode_text(read_regular(path, MAX_BYTES))[0]
        told, twice = _rows(path, text)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, csv.Error) as error:
        detail = getattr(error, "strerror", None) or error
        raise SettingsError(f"{path} cannot be read: {detail}", EXPECTED) from error
    if twice:
        raise SettingsError(f"{path} tells two groups of {shortlist(twice)}", EXPECTED)
    missing = [file for file in files if not told.get(file)]
    if missing:
        raise SettingsError(
            f"{path} tells no group of {len(missing):,} of {len(files):,} pictures: "
            f"{shortlist(missing)}",
            EXPECTED,
            f"Add their rows, or take {GROUPS_NAME} away: then each picture is a group of its own",
        )
    if others := told.keys() - set(files):
        warn(f"{path} has rows for {len(others):,} files that are not among the pictures.")
    return {file: told[file] for file in files}


def _rows(path: Path, text: str) -> tuple[dict[str, str], list[str]]:
    """Return the groups by file, and the files that have two."""
    first = text.partition("\n")[0]
    separator = max(SEPARATORS, key=first.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    columns = {tidy(name).lower(): name for name in reader.fieldnames or ()}
    if lacking := [name for name in (FILE, GROUP) if name not in columns]:
        raise SettingsError(f"{path} has no column {' and no column '.join(lacking)}", EXPECTED)
    told: dict[str, str] = {}
    twice = []
    for row in reader:
        file, group = (tidy(row[columns[name]] or "") for name in (FILE, GROUP))
        file = file.replace("\\", "/").removeprefix("./")
        if file and told.setdefault(file, group) != group:
            twice.append(file)
    return told, twice

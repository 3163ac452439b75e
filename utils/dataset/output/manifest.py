"""Write and read manifest.csv, whose presence means that the data set is complete."""

import csv
import dataclasses
import io
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

from utils.common.disk.escapes import escape, unescape
from utils.common.disk.inside import leading_out
from utils.common.disk.outputs import MANIFEST_NAME as MANIFEST_NAME
from utils.common.disk.writing import sha256_of_file, whole_file
from utils.common.errors import DatasetError, shortlist
from utils.common.values import shown
from utils.dataset.output.cells import INTEGERS, expected_in
from utils.dataset.output.cells import REAL as REAL
from utils.dataset.planning.names import JOURNAL_NAME, STATE_NAME

MAKE_AGAIN = "Make the data set again: python create_dataset.py"
TEXT: dict[str, Any] = {"encoding": "utf-8", "errors": "surrogateescape", "newline": ""}
"""How it is opened; what is no UTF-8 was written by earlier versions, which knew no escapes."""


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """One written picture; paths are relative, with "/".

    Attributes:
        file: Path of the written picture below the data set's folder.
        split: "train", "val" or "test".
        label: One of `labels.CLASSES`.
        source: Short name of the collection.
        original: Path of the file that it was made from, below ALL_DATA; below the folder of
            --other-extra it begins with "other_extra/".
        group: Patient, lesion, case or picture that is in no other split.
        component: The first of the groups that copies, look-alikes or a series join with this one;
            pictures of different components are independent.
        sha256: Of the written file's bytes, 64 hexadecimal digits.
        width: Of the written picture, in pixels.
        height: Of the written picture, in pixels.
        original_sha256: Of the original file's bytes.
        original_format: Pillow's name, such as "JPEG" or "PNG".
        original_width: Of the upright original, in pixels.
        original_height: Of the upright original, in pixels.
        original_frames: Of the original; of an animated or multi-page file the first is used.
        original_tables: Sums of the original's JPEG quantisation tables, such as "592 891"; empty
            if it has none.
        parent: Synthesized LOW_QUALITY only: `file` of the picture that was degraded.
        degradation: LOW_QUALITY only: a kind, or "kind+kind"; "real" for one that nobody degraded.
        severity: Synthesized LOW_QUALITY only: 1 (poor beyond doubt) to 5 (useless).
        parameters: LOW_QUALITY only: JSON from which the picture can be made again; of a real one
            the votes that say it is poor.
    """

    file: str
    split: str
    label: str
    source: str
    original: str
    group: str
    component: str
    sha256: str
    width: int
    height: int
    original_sha256: str
    original_format: str
    original_width: int
    original_height: int
    original_frames: int = 1
    original_tables: str = ""
    parent: str = ""
    degradation: str = ""
    severity: int | None = None
    parameters: str = ""


COLUMNS = tuple(field.name for field in dataclasses.fields(ManifestRow))
STRANGERS = ("original", "group", "component")
"""Columns of names that others gave."""


def write_manifest(folder: Path, rows: Iterable[ManifestRow]) -> Path:
    """Write the manifest in one step and return its path; the rows come in the order of `file`."""
    path = folder / MANIFEST_NAME
    with (
        whole_file(path, durable=True) as partial,
        partial.open("w", **TEXT) as stream,
    ):
        stream.writelines(_lines(rows))
    return path


def is_manifest_of(folder: Path, rows: Iterable[ManifestRow]) -> bool:
    """Tell whether a folder's manifest says exactly this; the rows in the order of `file`."""
    path = folder / MANIFEST_NAME
    if not path.is_file():
        return False
    with path.open(**TEXT) as stream:
        pairs = zip_longest(stream, _lines(rows))
        return all(found == expected for found, expected in pairs)


def _lines(rows: Iterable[ManifestRow]) -> Iterator[str]:
    line = io.StringIO()
    writer = csv.writer(line, lineterminator="\n")
    for values in chain([COLUMNS], map(_values, rows)):
        writer.writerow(values)
        yield line.getvalue()
        line.seek(0)
        line.truncate()


def _values(row: ManifestRow) -> list[object]:
    values = {name: getattr(row, name) for name in COLUMNS}
    values |= {name: escape(values[name]) for name in STRANGERS}
    return ["" if value is None else value for value in values.values()]


def read_manifest(folder: Path) -> list[ManifestRow]:
    """Read the manifest of an assembled data set, which may be a stranger's.

    Every field has its type and range, each file is named once, and no path leads out of the
    folder, neither by its name nor by a link on the way.

    Returns:
        The rows in the order of `file`.

    Raises:
        DatasetError: If there is none, or anything in it cannot be used: with the row's number.
    """
    path = folder / MANIFEST_NAME
    rows = []
    try:
        with path.open(**TEXT) as stream:
            reader = csv.reader(stream, strict=True)
            positions = _positions(next(reader, []), path)
            for cells in reader:
                rows.append(_parse_row(cells, positions, f"{path}, line {reader.line_num}"))
    except FileNotFoundError:
        raise DatasetError(
            f"No {MANIFEST_NAME} in {folder}",
            expected="an assembled data set",
            todo="Make it: python create_dataset.py",
        ) from None
    except (OSError, ValueError, csv.Error) as error:
        words = getattr(error, "strerror", None) or str(error)
        raise DatasetError(f"{path} cannot be read: {words}", todo=MAKE_AGAIN) from None
    repeated = [file for file, count in Counter(row.file for row in rows).items() if count > 1]
    if repeated:
        raise DatasetError(
            f"{path} names {len(repeated)} files more than once: {shortlist(repeated)}",
            todo=MAKE_AGAIN,
        )
    _check_inside(folder, rows)
    return rows


def _positions(header: list[str], path: Path) -> list[int]:
    """Return where each of the columns stands; others may stand between them."""
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        raise DatasetError(f"{path} has no column {', '.join(missing)}", todo=MAKE_AGAIN)
    repeated = [name for name in COLUMNS if header.count(name) > 1]
    if repeated:
        raise DatasetError(
            f"{path} has the column {', '.join(repeated)} more than once", todo=MAKE_AGAIN
        )
    return [header.index(name) for name in COLUMNS]


def _parse_row(cells: list[str], positions: list[int], place: str) -> ManifestRow:
    if len(cells) <= max(positions):
        raise DatasetError(
            f"{place} has {len(cells)} cells", f"{max(positions) + 1} at least", MAKE_AGAIN
        )
    values: dict[str, Any] = {
        name: cells[position] for name, position in zip(COLUMNS, positions, strict=True)
    }
    values |= {name: unescape(values[name]) for name in STRANGERS}
    for name in ("split", "label", *COLUMNS):  # in this order, for a path is to begin with both
        if expected := expected_in(name, values[name], values):
            raise DatasetError(f"{place}: {name} is {shown(values[name])}", expected, MAKE_AGAIN)
    for name in INTEGERS:
        values[name] = int(values[name])
    values["severity"] = int(values["severity"]) if values["severity"] else None
    return ManifestRow(**values)


def _check_inside(folder: Path, rows: Iterable[ManifestRow]) -> None:
    try:
        outside = leading_out(folder, (row.file for row in rows))
    except OSError as error:
        raise DatasetError(f"{error.filename} cannot be listed: {error.strerror}") from None
    if outside:
        raise DatasetError(
            f"{folder / MANIFEST_NAME} names {len(outside)} links that lead out of {folder}: "
            f"{shortlist(outside)}",
            expected="pictures that lie in that folder",
            todo="Put the pictures themselves there, or make the data set again",
        )


def is_unfinished(folder: Path) -> bool:
    """Tell whether an assembly is at work on a folder, or was stopped there."""
    has_begun = (folder / STATE_NAME / JOURNAL_NAME).exists()
    return has_begun and not (folder / MANIFEST_NAME).exists()


def manifest_hash(folder: Path) -> str:
    """Return the SHA-256 of the manifest's bytes, which stands for the whole data set."""
    return sha256_of_file(folder / MANIFEST_NAME)

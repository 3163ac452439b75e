"""Look up the pictures of a data set in its manifest."""

from collections.abc import Container, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from utils.dataset.output.manifest import MANIFEST_NAME, ManifestRow, read_manifest


def read_rows(folder: Path, used: Container[str] | None = None) -> dict[str, ManifestRow]:
    """Return the manifest's rows by file; an empty dictionary without a manifest.

    Args:
        folder: Folder of the data set.
        used: The pictures that are asked about; all of the manifest by default.
    """
    if not (folder / MANIFEST_NAME).is_file():
        return {}
    rows = read_manifest(folder)
    return {row.file: row for row in rows if used is None or row.file in used}


def rows_of(known: Mapping[str, ManifestRow], files: Sequence[str]) -> list[ManifestRow]:
    """Return the row of each picture, in their order.

    Without a manifest each picture is a group of its own and belongs to no collection.
    """
    return [known[file] if known else _unknown(file) for file in files]


def group_codes(rows: Sequence[ManifestRow]) -> NDArray[np.int64]:
    """Return the groups of the bootstrap as numbers from 0 without gaps, N.

    Pictures that copies, look-alikes or a series connect are one group, as in the splits.
    """
    return np.unique([row.component for row in rows], return_inverse=True)[1]


def _unknown(file: str) -> ManifestRow:
    split, label, *_ = file.split("/")
    return ManifestRow(file, split, label, "", "", file, file, "", 0, 0, "", "", 0, 0)

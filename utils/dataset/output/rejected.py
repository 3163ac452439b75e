"""Write rejected.csv: the originals that could not be used."""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from utils.common.disk.escapes import escape
from utils.common.disk.writing import update_bytes
from utils.sources.record import NOT_UNDERSTOOD, LeftOut

REJECTED_NAME = "rejected.csv"
CONTRADICTION = "contradictory"
REJECTED_COLUMNS = ("original", "source", "reason", "detail")


@dataclass(frozen=True, slots=True)
class Rejected:
    """One original that could not be used; its SHA-256 is empty where it could not be read."""

    original: str
    source: str
    reason: str
    detail: str
    sha256: str = ""


def not_understood(left_out: Iterable[LeftOut]) -> list[Rejected]:
    """Return the files that no collection knows what to do with."""
    return [
        Rejected(left.original, left.source, NOT_UNDERSTOOD, "no collection reads it")
        for left in left_out
        if left.rule == NOT_UNDERSTOOD
    ]


def write_rejected(folder: Path, rejected: Iterable[Rejected]) -> None:
    """List the originals that could not be used, with the reasons, in `rejected.csv`."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(REJECTED_COLUMNS)
    for picture in sorted(set(rejected), key=lambda picture: picture.original):
        cells = (picture.original, picture.source, picture.reason, picture.detail)
        writer.writerow(map(escape, cells))
    update_bytes(folder / REJECTED_NAME, stream.getvalue().encode("utf-8"))

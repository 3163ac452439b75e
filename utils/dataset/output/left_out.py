"""Write left_out.csv: the files that a rule leaves out."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from utils.common.disk.escapes import escape
from utils.common.disk.outputs import LEFT_OUT_NAME
from utils.common.disk.writing import update_bytes
from utils.sources.record import NOT_UNDERSTOOD, LeftOut

LEFT_OUT_COLUMNS = ("original", "source", "rule")


def write_left_out(folder: Path, left_out: Iterable[LeftOut]) -> None:
    """List the files that a rule leaves out, with the rule, in `left_out.csv`.

    What nobody understands is in `rejected.csv`, so that each file is in one list.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(LEFT_OUT_COLUMNS)
    for left in sorted(left_out, key=lambda left: (left.original, left.rule)):
        if left.rule != NOT_UNDERSTOOD:
            writer.writerow(map(escape, (left.original, left.source, left.rule)))
    update_bytes(folder / LEFT_OUT_NAME, stream.getvalue().encode("utf-8"))

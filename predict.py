"""A trained model and pictures in, the class of each out: as rows, and as folders if wanted.

python predict.py runs/resnet18-1 photo.jpg                     prints a table
python predict.py runs/resnet18-1 folder/ more.zip --output predictions.csv
python predict.py runs/resnet18-1 inbox/ --move-into sorted/    sorts pictures into class folders
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from utils.common.console import doing
from utils.common.errors import EXIT_OK, run_script
from utils.common.imports import imported_at_once
from utils.common.openmp import share_processors
from utils.common.termination import terminable
from utils.prediction.settings import PredictSettings, read_settings

if TYPE_CHECKING:
    from utils.prediction.inputs import Inputs

EXIT_SOME_FAILED = 3


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script and return its exit code."""
    settings = read_settings(argv)

    # After the flags, so that --help and a mistyped flag are answered at once.
    from utils.prediction.sorting import Sorted, check_movable, sort_pictures

    with terminable():
        inputs = find(settings)
        if settings.move_into:
            check_movable(inputs)

        with doing("Loading PyTorch"), imported_at_once():
            from models import load
            from utils.prediction.classify import classify
            from utils.prediction.row_file import open_rows

        gate = load(settings.run, settings.device, settings.amp)
        files = [one.file for one in inputs]
        with open_rows(settings.output, settings.origin(), files, settings.resume) as rows:
            tally = classify(gate, inputs, rows, settings)
            num_failed = tally.num_errors + inputs.num_unread
            if settings.move_into or settings.copy_into:
                folder = Path(settings.move_into or settings.copy_into)
                placed, is_moving = Sorted(), bool(settings.move_into)
                done = sort_pictures(inputs, tally.labels, folder, is_moving, placed)
                num_failed += len(placed.failed)
            rows.publish()
        print(tally.describe(settings.output))
        if others := inputs.describe_others():
            print(others)
        if settings.move_into or settings.copy_into:
            print(done)
    return EXIT_SOME_FAILED if num_failed else EXIT_OK


def find(settings: PredictSettings) -> "Inputs":
    """List all pictures but those that a stopped call has moved away already."""
    from utils.prediction.inputs import find_inputs

    if not (settings.output and settings.move_into):
        return find_inputs(settings.pictures)
    from utils.prediction.row_file import files_with_rows

    moved = files_with_rows(settings.output)
    if settings.resume:
        return find_inputs(settings.pictures, moved=moved)
    todo = "Give --resume to go on with the call that was stopped while it sorted" if moved else ""
    return find_inputs(settings.pictures, todo=todo)


if __name__ == "__main__":
    share_processors()
    run_script(main, go_on="")

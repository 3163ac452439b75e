"""A trained model and pictures in, the class of each out: as rows, and as folders if wanted.

python predict.py runs/resnet18-1 photo.jpg                     prints a table
python predict.py runs/resnet18-1 folder/ more.zip --output predictions.csv
python predict.py runs/resnet18-1 inbox/ --move-into sorted/    sorts pictures into class folders
"""

from collections.abc import Sequence
from pathlib import Path

from utils.common.errors import EXIT_OK, run_script
from utils.common.imports import imported_at_once
from utils.common.termination import terminable
from utils.prediction.settings import read_settings

EXIT_SOME_FAILED = 3


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script and return its exit code."""
    settings = read_settings(argv)

    # After the flags, so that --help and a mistyped flag are answered at once.
    from utils.prediction.inputs import find_inputs
    from utils.prediction.sorting import check_movable, sort_pictures

    with terminable():
        inputs = find_inputs(settings.pictures)
        if settings.move_into:
            check_movable(inputs)

        with imported_at_once():
            from models import load
            from utils.prediction.classify import classify
            from utils.prediction.row_file import open_rows

        gate = load(settings.run, settings.device, settings.amp)
        files = [one.file for one in inputs]
        with open_rows(settings.output, settings.origin(), files, settings.resume) as rows:
            tally = classify(gate, inputs, rows, settings)
            if settings.move_into or settings.copy_into:
                folder = Path(settings.move_into or settings.copy_into)
                done = sort_pictures(inputs, tally.labels, folder, bool(settings.move_into))
            rows.publish()
        print(tally.describe(settings.output))
        if others := inputs.describe_others():
            print(others)
        if settings.move_into or settings.copy_into:
            print(done)
    return EXIT_SOME_FAILED if tally.num_errors else EXIT_OK


if __name__ == "__main__":
    run_script(main, go_on="")

"""Classify pictures with a trained model: a row for each, and class folders if wanted.

python predict.py runs/resnet18-1 photo.jpg                     prints a table
python predict.py runs/resnet18-1 folder/ more.zip --output predictions.csv
python predict.py runs/resnet18-1 inbox/ --move-into sorted/    sorts pictures into class folders
python predict.py runs/resnet18-1 clinic/ --report clinic-report/
torchrun --nproc-per-node=4 predict.py runs/resnet18-1 inbox/ --output predictions.csv
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from utils.common.cli.console import doing
from utils.common.errors import EXIT_OK, EXIT_SOME_FAILED, SettingsError, run_script
from utils.common.system.imports import imported_at_once
from utils.common.system.openmp import share_processors
from utils.common.system.termination import terminable
from utils.prediction.settings import PredictSettings, read_settings
from utils.training.processes.launch import joined

if TYPE_CHECKING:
    from utils.prediction.names import Names
    from utils.prediction.pictures import Inputs

TIMEOUT = timedelta(days=30)
"""How long one process waits for another, which may have far more to do."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script and return its exit code."""
    with joined(TIMEOUT) as world:
        settings = world.broadcast(lambda: read_settings(argv))
        if settings.report and world.size > 1:
            raise SettingsError("--report is made by one process", todo="Start it without torchrun")
        with terminable():
            if world.size == 1:
                if settings.report:
                    return report(settings)
                if settings.join:
                    return join(settings)
                return answer_shard(settings) if settings.shard else answer(settings)

            with imported_at_once():
                from utils.prediction.together import answer_together

            inputs = answer_together(world, settings, lambda: find(settings))
            if world.is_first:
                join(replace(settings, join=world.size), inputs, are_kept=False)
            return EXIT_OK  # any other code torchrun reports at length, like a crash


def report(settings: PredictSettings) -> int:
    """Test the model on class folders of the user's own, and write the report."""
    with doing("Loading PyTorch and what makes the report"), imported_at_once():
        from utils.external.report import report_on

    return report_on(settings)


def answer(settings: PredictSettings) -> int:
    """Classify all pictures, write or print a row for each, and sort them if wanted."""
    # After the flags, so that --help and a mistyped flag need not wait.
    from utils.prediction.sorting import Sorted, sort_pictures

    inputs = find(settings)

    with doing("Loading PyTorch"), imported_at_once():
        from models import load
        from utils.prediction.classify import classify
        from utils.prediction.pictures import Files
        from utils.prediction.row_file import open_rows

    gate = load(settings.run, settings.device, settings.amp, settings.prior)
    placed, files = Sorted(), Files(inputs)
    with open_rows(settings.output, settings.origin(), files, settings.resume) as rows:
        tally = classify(gate, inputs, rows, settings)
        if folder := settings.sorted_into:
            sort_pictures(inputs, tally.labels, folder, bool(settings.move_into), placed)
        rows.publish()
    print(tally.describe(settings.output))
    if others := inputs.describe_others():
        print(others)
    if folder:
        print(placed.describe(folder, bool(settings.move_into)))
    num_failed = tally.num_errors + inputs.num_unread + len(placed.failed)
    return EXIT_SOME_FAILED if num_failed else EXIT_OK


def answer_shard(settings: PredictSettings) -> int:
    """Classify the pictures of one shard."""
    with doing("Loading PyTorch"), imported_at_once():
        from utils.prediction import sharded

    output = sharded.rows_of(settings)
    inputs = None if sharded.is_being_sorted(settings) else find(settings)
    if inputs is None or sharded.is_done(settings, inputs):
        print(f"All rows of this shard are in {output} already.")
        return EXIT_OK
    tally = sharded.answer_shard(settings, inputs)
    print(tally.describe(str(output)))
    return EXIT_SOME_FAILED if tally.num_errors + inputs.num_unread else EXIT_OK


def join(
    settings: PredictSettings, inputs: "Inputs | None" = None, *, are_kept: bool = True
) -> int:
    """Join the rows of all shards, and sort the pictures if wanted.

    Args:
        settings: Settings of the whole call.
        inputs: All pictures; listed here when left out.
        are_kept: Whether to keep the files of the shards.
    """
    with imported_at_once():
        from utils.prediction.join import open_joined
        from utils.prediction.sorting import Sorted, sort_pictures

    placed = Sorted()
    with open_joined(settings) as rows:
        if folder := settings.sorted_into:
            inputs = inputs or find(settings, rows.names())
            labels = rows.labels_of(inputs)
            if settings.move_into:
                rows.begin_moving()
            sort_pictures(inputs, labels, folder, bool(settings.move_into), placed)
        rows.publish()
        if not are_kept:
            rows.remove_shards()
    print(rows.tally.describe(settings.output))
    if others := rows.describe_others():
        print(others)
    if folder:
        print(placed.describe(folder, bool(settings.move_into)))
    num_failed = rows.tally.num_errors + rows.num_unread + len(placed.failed)
    return EXIT_SOME_FAILED if num_failed else EXIT_OK


def find(settings: PredictSettings, moved: "Names | None" = None) -> "Inputs":
    """List all pictures but those that a stopped call has moved away already.

    Args:
        settings: Settings of the call.
        moved: Pictures that may have been moved; those with rows when left out.

    Raises:
        SettingsError: If they cannot be listed, moved, or told from those that were.
    """
    from utils.prediction.inputs import find_inputs

    target = settings.sorted_into if settings.output else None  # without rows none is doubled
    if not (settings.output and settings.move_into):
        inputs = find_inputs(settings.pictures, sorted_into=target)
    else:
        from utils.prediction.row_file import files_with_rows

        todo, is_resumed = "", settings.resume or moved is not None
        moved = files_with_rows(settings.output) if moved is None else moved
        if moved and not is_resumed:
            todo = "Give --resume to go on with the call that was stopped while it sorted"
        inputs = find_inputs(
            settings.pictures, moved=moved if is_resumed else (), todo=todo, sorted_into=target
        )
    if settings.move_into:
        from utils.prediction.sorting import check_movable

        check_movable(inputs)
    return inputs


if __name__ == "__main__":
    share_processors()
    run_script(main, go_on="")

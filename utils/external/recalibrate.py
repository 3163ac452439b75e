"""Calibrate a trained model anew on labelled pictures of your own; its weights stay as they are.

python -m utils.external.recalibrate runs/resnet18-1 clinic/ --output runs/resnet18-1-clinic

FOLDER holds class folders, and groups.csv if several pictures are of one patient or lesion. Test
the new model on other pictures than these: python predict.py RUN2 OTHERS --report OUT
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from utils.common.cli.command_line import parse, setting
from utils.common.cli.console import doing
from utils.common.disk.writing import explain_write_errors
from utils.common.errors import EXIT_OK, EXIT_SOME_FAILED, run_script
from utils.common.system.imports import imported_at_once
from utils.common.system.openmp import share_processors
from utils.common.system.processors import available_processors
from utils.common.system.termination import terminable
from utils.common.values import at_least, between
from utils.prediction.settings import MAX_WORKERS

if TYPE_CHECKING:
    from utils.external.folder import LabelledFolder

PROGRAM = "-m utils.external.recalibrate"


@dataclass(frozen=True, slots=True)
class RecalibrateSettings:
    """The settings of one call."""

    run: str = setting("", "folder of a finished run", "run", metavar="RUN")
    folder: str = setting("", "folder with your class folders", "folder", metavar="FOLDER")
    output: str = setting(
        "", "new or empty folder for the model with its new calibration", metavar="RUN2",
        required=True,
    )  # fmt: skip
    coverage: float | None = setting(
        None, "share of each class's pictures whose set is to contain their class (default: that "
        "of the run)", type=float, metavar="X", check=between(0.01, 1, with_lowest=True),
    )  # fmt: skip
    refuse: float | None = setting(
        None, "share of good pictures, by yours, that may be refused as out of distribution "
        "(default: that of the run)", type=float, metavar="X",
        check=between(0.001, 0.5, with_lowest=True),
    )  # fmt: skip
    batch_size: int = setting(
        32, "pictures at once; the result is the same for any number",
        "-b", "--batch-size", type=int, metavar="N", check=at_least(1, 10_000),
    )  # fmt: skip
    workers: int | None = setting(
        None, f"processes that read pictures (default: one per processor, at most {MAX_WORKERS})",
        "-j", "--workers", type=int, metavar="N", check=at_least(0, 1_000),
    )  # fmt: skip
    device: str = setting("auto", "auto, cpu, cuda, cuda:N or mps", metavar="NAME")

    @property
    def num_workers(self) -> int:
        """Return the number of processes that read pictures, 0 for the main one."""
        return min(available_processors(), MAX_WORKERS) if self.workers is None else self.workers


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    settings, _ = parse(RecalibrateSettings, argv, __doc__, program=PROGRAM)
    with terminable():
        from utils.external.folder import find_labelled
        from utils.external.places import check_new_folder

        output = Path(settings.output)
        labelled = find_labelled(Path(settings.folder))
        check_new_folder(output, labelled.folder)
        return recalibrate(settings, labelled, output)


def recalibrate(settings: RecalibrateSettings, labelled: "LabelledFolder", output: Path) -> int:
    """Fit the calibration on the pictures, store the model anew, and say what was done.

    Raises:
        ProjectError: If the model or the pictures cannot be used; nothing has been written by then.
    """
    # After the flags, so that --help and a mistyped flag need not wait.
    with doing("Loading PyTorch"), imported_at_once():
        from models import load
        from models.bundle import read_weights, store_bundle
        from models.stored_names import WEIGHTS_NAME
        from utils.external.fitted import fit_anew, told
        from utils.external.predictions import answer

    run = Path(settings.run)
    gate = load(run, settings.device)
    answered = answer(gate, labelled, settings.batch_size, settings.num_workers)
    card = fit_anew(
        gate.card, run.resolve().name, labelled.name, answered, settings.coverage, settings.refuse
    )
    with explain_write_errors(output):
        output.mkdir(parents=True, exist_ok=True)
    store_bundle(output, read_weights(run / WEIGHTS_NAME), card)
    print(told(gate.card, card, labelled, answered, output))
    return EXIT_SOME_FAILED if answered.unread or labelled.inputs.num_unread else EXIT_OK


if __name__ == "__main__":
    share_processors()
    run_script(main, go_on="")

"""Make one model of several finished runs: it averages their answers (a deep ensemble).

python -m utils.ensemble.combine runs/vit-1 runs/vit-2 runs/vit-3 --output runs/vit-ensemble

The runs are of the same model on the same data set and differ by --seed or by flags of training.
Calibrated on val and tested on test as a run is, the folder is used like one:
python predict.py runs/vit-ensemble photo.jpg. Each answer takes as long as those of all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utils.common.cli.command_line import parse, setting
from utils.common.cli.commands import as_typed
from utils.common.cli.console import doing
from utils.common.disk.writing import explain_write_errors
from utils.common.errors import run_script
from utils.common.labels import TEST, TRAIN
from utils.common.system.imports import imported_at_once
from utils.common.system.openmp import share_processors
from utils.common.system.termination import terminable
from utils.common.values import at_least, between

PROGRAM = "-m utils.ensemble.combine"


@dataclass(frozen=True, slots=True)
class CombineSettings:
    """The settings of one call."""

    runs: tuple[str, ...] = setting(
        (), "folders of finished runs, two or more", "runs", nargs="+", metavar="RUN"
    )  # fmt: skip
    output: str = setting(
        "", "new or empty folder for the model of all", metavar="FOLDER", required=True
    )  # fmt: skip
    data_dir: str = setting(
        "", "data set that the runs were trained on (default: where the first run found it)",
        metavar="DIR",
    )  # fmt: skip
    coverage: float | None = setting(
        None, "share of each class's pictures whose set is to contain their class (default: that "
        "of the first run)", type=float, metavar="X", check=between(0.01, 1, with_lowest=True),
    )  # fmt: skip
    refuse: float | None = setting(
        None, "share of the good pictures, by val, that may be refused as out of distribution "
        "(default: that of the first run)", type=float, metavar="X",
        check=between(0.001, 0.5, with_lowest=True),
    )  # fmt: skip
    batch_size: int | None = setting(
        None, "pictures at once (default: that of the first run)",
        "-b", "--batch-size", type=int, metavar="N", check=at_least(1, 10_000),
    )  # fmt: skip
    workers: int | None = setting(
        None, "processes that read pictures (default: that of the first run)",
        "-j", "--workers", type=int, metavar="N", check=at_least(0, 1_000),
    )  # fmt: skip
    device: str = setting("auto", "auto, cpu, cuda, cuda:N or mps", metavar="NAME")


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    settings, given = parse(CombineSettings, argv, __doc__, program=PROGRAM)
    changed = given - {"runs", "output"} | {"device"}
    with terminable():
        combine(
            [Path(run) for run in settings.runs],
            Path(settings.output),
            {name: getattr(settings, name) for name in changed},
        )


def combine(runs: Sequence[Path], output: Path, changes: Mapping[str, Any]) -> None:
    """Store the model of all runs with its calibration and report, and print the report.

    Args:
        runs: Folders of the runs.
        output: Folder of the model of all.
        changes: Settings that are to be others than those of the first run, by name.

    Raises:
        ProjectError: If a run, the data set or the output cannot be used; nothing has been written
            by then.
    """
    # After the flags, so that --help and a mistyped flag need not wait.
    with doing("Loading PyTorch"), imported_at_once():
        from models.bundle import store_bundle
        from models.ensemble import joined_weights
        from utils.ensemble.members import read_members
        from utils.ensemble.predictions import Together
        from utils.evaluation.files import PAGE_NAME, write_report
        from utils.evaluation.judgement import judge
        from utils.evaluation.text import as_text
        from utils.external.places import check_new_folder
        from utils.sources.extra import ALL_SOURCES

    members = read_members(runs)
    together = Together.of(members, changes)
    pictures, settled = together.pictures, together.settings
    check_new_folder(output, pictures.folder)
    with explain_write_errors(output):
        output.mkdir(parents=True, exist_ok=True)
    inputs = together.predict(output)
    report, assessment = judge(
        inputs, pictures.folder, pictures.files, pictures.counts(TRAIN), settled.coverage,
        settled.refuse, together.facts(output), (), ALL_SOURCES,
    )  # fmt: skip
    card = together.card(report.calibration, assessment, report.metrics.headline)
    store_bundle(output, joined_weights([one.network.state_dict() for one in members]), card)
    write_report(output, report, pictures.folder)
    example = pictures.folder / pictures.splits[TEST][0].file
    print(
        f"\n{as_text(report)}\n\nReport: {output / PAGE_NAME}\n"
        "Next, show it pictures of your own (files, folders or zips), or first one of test:\n"
        f"{as_typed('python', 'predict.py', str(output), str(example))}"
    )


if __name__ == "__main__":
    share_processors()
    run_script(main, go_on="")

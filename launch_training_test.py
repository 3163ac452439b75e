"""Train a model on DATASET, test it, and print accuracy and confusion matrix.

python launch_training_test.py                                  asks three things
python launch_training_test.py -b 32 -j 4 --model resnet18      asks nothing
python launch_training_test.py --resume                         goes on with an unfinished run
python launch_training_test.py --test-only --resume runs/resnet18-1
torchrun --nproc-per-node=2 launch_training_test.py -b 32 -j 4 --model resnet18
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from utils.common.cli.commands import as_typed
from utils.common.cli.console import doing
from utils.common.errors import run_script
from utils.common.labels import TEST, TRAIN
from utils.common.system.imports import imported_at_once
from utils.common.system.openmp import share_processors
from utils.training.processes.jobs import Job, this_job
from utils.training.processes.launch import joined
from utils.training.processes.world import World
from utils.training.settings import (
    MAY_CHANGE_ON_RESUME,
    Settings,
    ask_missing,
    check_data_folder,
    read_settings,
)
from utils.training.state.runs import Run, find_run

if TYPE_CHECKING:
    from utils.training.predictions import EvaluationInputs
    from utils.training.session import Session


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script and return its exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    with joined() as world:
        return run(world, *world.broadcast(lambda: choose(arguments)))


def choose(
    arguments: Sequence[str],
) -> tuple[Settings, frozenset[str], Run | None, Job]:
    """Read the command line, find the run to resume, and ask for what is missing."""
    asked, given = read_settings(arguments)
    job = this_job(asked.output_dir, arguments)
    noted = job.recall(asked)
    if noted.resume != asked.resume:  # a run does not contradict the very flags that began it
        given &= MAY_CHANGE_ON_RESUME
    asked = noted
    found = find_run(asked)
    if found is None:
        check_data_folder(asked.data_dir)
        if asked.leave_out:
            # Reading a manifest loads OpenCV, which --help and a wrong flag need not wait for.
            from utils.training.data.leaving_out import check_leaving_out

            check_leaving_out(asked.data_dir, asked.leave_out)
        asked = ask_missing(asked)
        job.keep(asked)
    return asked, given, found, job


def run(world: World, asked: Settings, given: frozenset[str], found: Run | None, job: Job) -> int:
    """Train and test, or do what else was chosen, and return the exit code."""
    # PyTorch takes seconds to import; --help, a wrong flag and the questions need not wait for it.
    with doing("Loading PyTorch"), imported_at_once():
        from utils.training.fit import test, train
        from utils.training.processes.stopping import Stopped, listening
        from utils.training.resume import resume
        from utils.training.start import start

    session = start(asked, world) if found is None else resume(found, asked, given, world)
    if session is None:
        job.forget()
        return 0
    if world.is_first:
        job.keep(asked, session.run.folder)
    folder, stop = session.run.folder, session.trainer.stop
    with session:
        try:
            with listening(stop):
                if not asked.test_only:
                    train(session)
                inputs = test(session)
        except Stopped:
            # At once: torchrun ends the first process as soon as another one has ended.
            said = (
                "Stopped. The same command tests anew."  # its flags may be stored nowhere else
                if asked.test_only
                else f"Stopped. Go on with: python launch_training_test.py --resume {folder}"
            )
            try:
                print(said, flush=True)
            finally:  # the others wait for this one, whoever closed its output
                code = world.all_reduce_max(stop.exit_code)
            return code
        if inputs is None:
            return 0
        session.end_workers()
        told = conclude(session, inputs)
        job.forget()
    print(f"\n{told}\n\n{what_next(session)}")
    return 0


def conclude(session: "Session", inputs: "EvaluationInputs") -> str:
    """Store the model with its calibration, write the report, and return it as text."""
    # Only here, since workers and training need not carry the memory of these packages.
    with doing("Loading what makes the report"), imported_at_once():
        from models.bundle import read_weights, store_bundle
        from utils.evaluation.files import write_report
        from utils.evaluation.judgement import judge
        from utils.evaluation.text import as_text
        from utils.sources.extra import ALL_SOURCES
        from utils.training.summary import model_card, run_summary

    pictures, settings = session.pictures, session.facts.settings
    report, assessment = judge(
        inputs, pictures.folder, pictures.files, pictures.counts(TRAIN), settings.coverage,
        settings.refuse, run_summary(session), session.history, ALL_SOURCES,
    )  # fmt: skip
    card = model_card(session, report.calibration, assessment, report.metrics.headline)
    store_bundle(session.run.folder, read_weights(session.run.best), card)
    write_report(session.run.folder, report, pictures.folder)
    return as_text(report)


def what_next(session: "Session") -> str:
    """Return what was trained, where the report is, and how to use the model."""
    from utils.evaluation.files import PAGE_NAME

    folder, progress = session.run.folder, session.progress
    settings, pictures = session.facts.settings, session.pictures
    num_epochs = f"{progress.epoch} epoch{'s' if progress.epoch > 1 else ''}"
    example = Path(settings.data_dir) / pictures.splits[TEST][0].file
    return (
        f"Trained: {settings.model}, {num_epochs} on {len(pictures.splits[TRAIN]):,} pictures; "
        f"kept and tested are the weights of epoch {progress.best_epoch}, the best on val.\n"
        f"Report: {folder / PAGE_NAME}\n"
        "Next, show it pictures of your own (files, folders or zips), or first one of test:\n"
        f"{as_typed('python', 'predict.py', str(folder), str(example))}"
    )


if __name__ == "__main__":
    share_processors()
    run_script(main, "A run that was begun goes on with --resume.")

"""Resume a run: load its state, check what has changed, and set up its trainer as it was."""

import dataclasses
from pathlib import Path

import torch

from models.preprocessing import Preprocessing
from utils.common.cli.console import warn
from utils.common.errors import DatasetError, ModelError
from utils.common.system.processors import available_processors
from utils.training.data.pictures import PictureFolder, read_folder
from utils.training.engine import Trainer
from utils.training.network import rebuild_network
from utils.training.processes.world import World
from utils.training.session import Session, lock_run, open_session
from utils.training.settings import Settings, check_data_folder, merge
from utils.training.state import checkpoint
from utils.training.state.progress import Progress
from utils.training.state.run_config import Facts
from utils.training.state.runs import Run
from utils.training.step.device import check_precision, own_device
from utils.training.trainer_setup import check_trainable, set_up_trainer


def resume(run: Run, asked: Settings, given: frozenset[str], world: World) -> Session | None:
    """Open a run as it was left; None, and a line that says so, if nothing is left to do.

    Args:
        run: The run that --resume names.
        asked: Settings as given on the command line.
        given: Names of the settings that were given there.
        world: The processes that train together, perhaps more or fewer than before.

    Raises:
        DatasetError: If the data set is not the one that the run was started with.
        ModelError: If the stored state cannot be used.
        OutputError: If another process is at work on the run.
        SettingsError: If a setting contradicts the run's, or the run cannot be trained here.
    """
    with lock_run(run, world) as lock:
        state = world.broadcast(lambda: checkpoint.load(run.last))
        stored = Facts.from_dict(state["facts"])
        facts = dataclasses.replace(stored, settings=merge(stored.settings, asked, given))
        epoch, grows = state["progress"]["epoch"], facts.settings.epochs > stored.settings.epochs
        is_finished = world.broadcast(lambda: run.is_finished)
        if not _has_work(run, stored, epoch, asked.test_only, is_finished, grows):
            return None

        pictures = stored_pictures(run, facts.settings, facts.fingerprint)
        device = own_device(facts.settings, world)
        check_precision(device, facts.precision)
        if world.size == facts.processes:
            keep_threads(facts.threads)
        built = rebuild_network(facts.settings, Preprocessing.from_dict(facts.preprocessing))
        if not asked.test_only:
            check_trainable(built, facts, pictures, device, world, epoch)
        trainer = set_up_trainer(built, facts, pictures, device, world)

        progress = checkpoint.restore(state, trainer)  # before anything of the run is changed
        if is_finished and not asked.test_only:
            world.broadcast(lambda: run.reopen(stored.settings.epochs))
        session = open_session(run, facts, pictures, trainer, progress, lock)
        session.val_logits = checkpoint.val_logits_of(state) if world.is_first else []
        if grows:
            _spread_out(progress, trainer)
        elif epoch > facts.settings.epochs:
            print(
                f"{epoch} epochs are done, and {facts.settings.epochs} were asked for: none is "
                "trained any more, and the best of those that are done is tested."
            )
        session.lock = lock.pop_all()
    return session


def _has_work(
    run: Run, stored: Facts, epoch: int, test_only: bool, is_finished: bool, grows: bool
) -> bool:
    """Return whether there is something left to do; say so where there is not.

    Raises:
        ModelError: If an unfinished run is to be tested.
    """
    if test_only and not is_finished:
        raise ModelError(
            f"{run.folder} is not finished, and only a finished run is tested",
            todo=f"Go on with it: python launch_training_test.py --resume {run.folder}",
        )
    if is_finished and not test_only and not grows:
        whole = stored.settings.epochs - stored.settings.freeze_epochs
        print(
            f"{run.folder} is finished after {epoch} of {stored.settings.epochs} epochs; its "
            f"report is there. More --epochs than {whole} train it further."
        )
        return False
    return True


def stored_pictures(run: Run, settings: Settings, fingerprint: str) -> PictureFolder:
    """Read the data set of a run.

    Args:
        run: The run.
        settings: Its settings, which tell where the data set is and what is left out.
        fingerprint: Hash of the data set that the run was started with.

    Raises:
        DatasetError: If it is not the one that the run was started with.
    """
    folder = Path(settings.data_dir)
    check_data_folder(settings.data_dir)
    pictures = read_folder(folder, settings.leave_out)
    if pictures.fingerprint != fingerprint:
        raise DatasetError(
            f"{folder} is not the data set of {run.folder}: its hash is "
            f"{pictures.fingerprint[:12]}",
            expected=f"the one with {fingerprint[:12]}",
            todo="Say where that one is with --data-dir, or start a new run",
        )
    return pictures


def keep_threads(threads: int) -> None:
    """Compute with as many threads as a run was started with, even where that is slow.

    Args:
        threads: Number of threads; with another number, sums have other last bits.
    """
    usual = max(available_processors(), torch.get_num_threads())
    if threads > usual:
        warn(
            f"this run was started with {threads} threads and keeps them, so that its result is "
            f"the same to the last bit; that is slow here, where {usual} would be usual."
        )
    torch.set_num_threads(threads)


def _spread_out(progress: Progress, trainer: Trainer) -> None:
    """Begin the epochs that more --epochs add."""
    progress.epochs_without_gain = 0
    if progress.best_epoch <= trainer.settings.probe_epochs:  # all were frozen, and now are not
        progress.best_metric, progress.best_epoch = None, 0
    smaller = trainer.smaller_size(progress.epoch)
    if smaller:
        print(
            f"The sizes of --progressive-resizing are spread anew over {trainer.settings.epochs} "
            f"epochs: epoch {progress.epoch + 1} trains at {smaller[1]} x {smaller[0]} pixels."
        )

"""Settings in, a run that is ready to train or to test out: new, or as it was left."""

import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from models.preprocessing import Preprocessing
from models.pretrained import WeightsUnavailableError, build
from models.zoo import Model, resolve
from utils.common import prompts
from utils.common.console import warn
from utils.common.errors import DatasetError, ModelError
from utils.common.files import write_json
from utils.common.labels import CLASSES, SPLITS
from utils.training import checkpoint
from utils.training.checkpoint import Progress
from utils.training.device import (
    Compute,
    check_precision,
    choose_device,
    choose_precision,
    prepare,
)
from utils.training.engine import Trainer
from utils.training.facts import Facts, device_name, versions
from utils.training.loader import PictureLoader
from utils.training.pictures import PictureFolder, read_folder
from utils.training.runs import SETTINGS_NAME, Run, new_run
from utils.training.settings import Settings, check_data_folder, complete, merge


@dataclass(slots=True)
class Session:
    """All that training and testing need.

    Attributes:
        run: Its folder.
        facts: What it was started with.
        pictures: The data set.
        trainer: The model, ready.
        progress: How far it has come.
    """

    run: Run
    facts: Facts
    pictures: PictureFolder
    trainer: Trainer
    progress: Progress

    @property
    def history(self) -> list[dict[str, Any]]:
        """One row per finished epoch."""
        return self.progress.history

    def save(self) -> None:
        """Write everything that a resume needs."""
        checkpoint.save(self.run.last, self.trainer, self.progress, self.facts.to_dict())

    def summary(self) -> dict[str, Any]:
        """Return what the report says beside its figures."""
        return {
            "model": self.facts.settings.model,
            "timm_name": resolve(self.facts.settings.model).timm_name,
            "best_epoch": self.progress.best_epoch,
            "best_val_balanced_accuracy": self.progress.best_metric,
            "epochs": self.progress.epoch,
            "skipped_steps": sum(row["skipped_steps"] for row in self.history),
            "data_hash": self.facts.fingerprint,
            "pictures": {
                split: dict(zip(CLASSES, self.pictures.counts(split), strict=True))
                for split in SPLITS
            },
            **self.facts.to_dict(),
            "device": device_name(self.trainer.compute.device),
            "versions": versions(),
        }


def start(settings: Settings) -> Session:
    """Open a new run; batch size, workers and model are chosen.

    Raises:
        DatasetError: If the data set is not whole.
        ModelError: If its weights cannot be had, and random ones are not wanted.
    """
    pictures = read_folder(Path(settings.data_dir))
    device = choose_device(settings.device)
    model = resolve(settings.model)
    settings, network, preprocessing = _build(settings, model)
    settings = complete(settings, model)
    facts = Facts(
        settings,
        pictures.fingerprint,
        choose_precision(device, settings.amp),
        torch.get_num_threads(),
        preprocessing.to_dict(),
    )
    run = new_run(Path(settings.output_dir), model.folder_name)
    session = _open(run, facts, pictures, device, network)
    session.save()
    return session


def go_on(run: Run, asked: Settings, given: frozenset[str]) -> Session | None:
    """Open a run as it was left; None, and a line that says so, if nothing is left to do.

    Args:
        run: Found by --resume.
        asked: As the command line says.
        given: Names of the settings that it gives.

    Raises:
        DatasetError: If the data set is not the one that it was started with.
    """
    state = checkpoint.load(run.last)
    stored = Facts.from_dict(state["facts"])
    settings = merge(stored.settings, asked, given)
    grows = settings.epochs > stored.settings.epochs
    if asked.test_only and not run.is_finished:
        raise ModelError(
            f"{run.folder} is not finished, and only a finished run is tested",
            todo=f"Go on with it: python launch_training_test.py --resume {run.folder}",
        )
    if run.is_finished and not asked.test_only and not grows:
        print(
            f"{run.folder} is finished after {state['progress']['epoch']} of "
            f"{stored.settings.epochs} epochs; its report is there. More --epochs train it further."
        )
        return None
    folder = Path(settings.data_dir)
    check_data_folder(settings.data_dir)
    pictures = read_folder(folder)
    if pictures.fingerprint != stored.fingerprint:
        raise DatasetError(
            f"{folder} is not the data set of {run.folder}: its hash is "
            f"{pictures.fingerprint[:12]}",
            expected=f"the one with {stored.fingerprint[:12]}",
            todo="Give its place with --data-dir, or start anew without --resume",
        )
    device = choose_device(settings.device)
    check_precision(device, stored.precision)
    torch.set_num_threads(stored.threads)
    network, _ = build(resolve(settings.model), len(CLASSES), pretrained=False)
    facts = dataclasses.replace(stored, settings=settings)
    if run.is_finished and not asked.test_only:
        run.reopen(stored.settings.epochs)
    session = _open(run, facts, pictures, device, network)
    session.progress = checkpoint.restore(state, session.trainer)
    if grows:
        session.progress.epochs_without_gain = 0
    return session


def _open(
    run: Run, facts: Facts, pictures: PictureFolder, device: torch.device, network: nn.Module
) -> Session:
    settings = facts.settings
    prepare(device)
    run.sweep()
    write_json(run.folder / SETTINGS_NAME, facts.to_dict())
    preprocessing = Preprocessing.from_dict(facts.preprocessing)
    loader = PictureLoader(
        pictures,
        preprocessing,
        settings.batch_size,
        settings.workers,
        settings.seed,
        pin_memory=device.type == "cuda",
        cache=settings.cache,
    )
    compute = Compute(device, facts.precision)
    trainer = Trainer(network, preprocessing, compute, settings, loader)
    counts = ", ".join(f"{len(pictures.splits[split])} {split}" for split in SPLITS)
    print(
        f"{run.folder}: {settings.model} on {device.type} in {facts.precision}, "
        f"batches of {settings.batch_size}; pictures: {counts}"
    )
    if device.type == "cpu":
        warn("no GPU is used; on a CPU this will be slow.")
    return Session(run, facts, pictures, trainer, Progress())


def _build(settings: Settings, model: Model) -> tuple[Settings, nn.Module, Preprocessing]:
    """Build the network; where weights cannot be had, never silently train something else."""
    arguments = (settings.pretrained_path, settings.seed)
    try:
        return settings, *build(model, len(CLASSES), settings.pretrained, *arguments)
    except WeightsUnavailableError as error:
        if not sys.stdin.isatty():
            raise
        print(error)
        answers = {"y": True, "n": False}
        if not prompts.ask_choice(
            "Train from random weights instead? [y/n]: ", answers, "--no-pretrained"
        ):
            raise
    settings = dataclasses.replace(settings, pretrained=False)
    return settings, *build(model, len(CLASSES), False, *arguments)

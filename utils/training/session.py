"""Settings in, a run that is ready to train or to test out: new, or as it was left."""

import contextlib
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from models.bundle import Card
from models.calibration import Calibration
from models.device import Compute, choose_precision
from models.preprocessing import Preprocessing
from models.pretrained import WeightsUnavailableError, architecture_of, build
from models.reading import Reading
from models.zoo import Model, resolve
from utils.common.cli import prompts
from utils.common.cli.console import warn
from utils.common.disk.writing import write_json
from utils.common.errors import DatasetError, ModelError, shortlist
from utils.common.labels import CLASSES, SPLITS, TRAIN
from utils.common.system.memory import return_freed_memory
from utils.common.system.processors import available_processors
from utils.training.data.enlarging import warn_of_enlarging
from utils.training.data.frozen_features import check_frozen_epochs
from utils.training.data.loader import PictureLoader
from utils.training.data.pictures import PictureFolder, read_folder
from utils.training.engine import Trainer
from utils.training.processes.world import World
from utils.training.settings import RunSettings, Settings, check_data_folder, complete, merge
from utils.training.state import checkpoint
from utils.training.state.progress import Progress
from utils.training.state.run_config import Facts, device_name, peak_gpu_bytes, versions
from utils.training.state.runs import SETTINGS_NAME, Run, new_run
from utils.training.step.device import check_precision, own_device, prepare, synchronised
from utils.training.step.memory_estimate import check_memory
from utils.training.step.running_statistics import check_batches


@dataclass(slots=True)
class Session:
    """All that training and testing need.

    Attributes:
        run: Its folder.
        facts: What it was started with.
        pictures: The data set.
        trainer: The model, ready.
        progress: How far it has come.
        hold: On the run, let go when the session ends.
        world: The processes that train together.
    """

    run: Run
    facts: Facts
    pictures: PictureFolder
    trainer: Trainer
    progress: Progress
    hold: contextlib.ExitStack
    world: World

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        self.trainer.loader.close()
        self.hold.close()

    def end_workers(self) -> None:
        """Let the workers go, and the memory that training has kept for its next step."""
        self.trainer.loader.close()
        return_freed_memory()

    @property
    def history(self) -> list[dict[str, Any]]:
        """One row per finished epoch."""
        return self.progress.history

    def save(self) -> None:
        """Write everything that a resume needs, unless nothing good could come of it."""
        broken = self.world.broadcast(lambda: self.trainer.broken_weights)
        if broken:
            warn(
                f"weights are NaN or infinite ({shortlist(broken)}): {self.run.last} stays as it "
                "was before."
            )
            return
        checkpoint.save(self.run.last, self.trainer, self.progress, self.facts.to_dict())

    def card(self, calibration: Calibration, metrics: Mapping[str, float | None]) -> Card:
        """Return all that is needed to use the best weights, save the weights themselves."""
        return Card(
            resolve(self.facts.settings.model),
            self.trainer.preprocessing,
            Reading.of_sizes(
                (picture.size for picture in self.pictures.splits[TRAIN]),
                self.pictures.keeps_bytes,
            ),
            calibration,
            "",
            self.facts.fingerprint,
            metrics,
            versions(),
        )

    def summary(self) -> dict[str, Any]:
        """Return what the report says beside its figures."""
        return {
            "model": self.facts.settings.model,
            "timm_name": resolve(self.facts.settings.model).timm_name,
            "best_epoch": self.progress.best_epoch,
            **{
                f"best_{name}": self.history[self.progress.best_epoch - 1][name]
                for name in ("val_calibrated_loss", "val_balanced_accuracy")
            },
            "epochs": self.progress.epoch,
            "parts": self.trainer.parts,
            "processes_at_the_end": self.world.size,
            "skipped_steps": sum(row["skipped_steps"] for row in self.history),
            "looks_at_test": self.run.looks_at_test,
            "data_hash": self.facts.fingerprint,
            "pictures": {
                split: dict(zip(CLASSES, self.pictures.counts(split), strict=True))
                for split in SPLITS
            },
            **self.facts.to_dict(),
            "device": device_name(self.trainer.compute.device),
            "peak_gpu_bytes": peak_gpu_bytes(self.trainer.compute.device),
            "versions": versions(),
        }


def start(asked: Settings, world: World) -> Session:
    """Open a new run.

    Args:
        asked: As the command line says; batch size, workers and model are chosen.
        world: The processes that train together.

    Raises:
        DatasetError: If the data set is not whole.
        ModelError: If its weights cannot be had, and random ones are not wanted.
    """
    check_data_folder(asked.data_dir)
    pictures = read_folder(Path(asked.data_dir))
    if pictures.fingerprint != world.broadcast(lambda: pictures.fingerprint):
        raise DatasetError(
            f"{asked.data_dir} of this computer is not that of the first process",
            expected="the same data set for all",
            todo="Share one folder, or copy it whole",
        )
    device = own_device(asked, world)
    settings, network, preprocessing = _build_in_all(asked, world)
    if settings.input_size is not None:
        warn_of_enlarging(pictures.splits[TRAIN], settings.input_size)
    facts = Facts(
        settings,
        pictures.fingerprint,
        world.broadcast(lambda: choose_precision(device, settings.amp)),
        torch.get_num_threads(),
        preprocessing.to_dict(),
        processes=world.size,
    )
    compute = Compute(device, facts.precision)
    check_batches(network, settings.model, facts.pictures_per_step, len(pictures.splits[TRAIN]))
    check_memory(network, preprocessing, compute, settings, world.local_size)
    check_frozen_epochs(network, preprocessing, settings, pictures, world.local_size)
    trainer = _make_trainer(facts, pictures, device, network, world)
    with contextlib.ExitStack() as hold:
        name = resolve(settings.model).folder_name
        run = world.broadcast(lambda: new_run(Path(settings.output_dir), name))
        _lock(run, hold, world)
        session = _open(run, facts, pictures, trainer)
        session.save()
        session.hold = hold.pop_all()
    return session


def go_on(run: Run, asked: Settings, given: frozenset[str], world: World) -> Session | None:
    """Open a run as it was left; None, and a line that says so, if nothing is left to do.

    Args:
        run: Found by --resume.
        asked: As the command line says.
        given: Names of the settings that it gives.
        world: The processes that train together, more or fewer than before.

    Raises:
        DatasetError: If the data set is not the one that it was started with.
        OutputError: If another process is at work on it.
    """
    with contextlib.ExitStack() as hold:
        _lock(run, hold, world)
        session = _go_on(run, asked, given, world)
        if session is not None:
            session.hold = hold.pop_all()
    return session


def _lock(run: Run, hold: contextlib.ExitStack, world: World) -> None:
    world.broadcast(lambda: hold.enter_context(run.locked()))


def _go_on(run: Run, asked: Settings, given: frozenset[str], world: World) -> Session | None:
    state = world.broadcast(lambda: checkpoint.load(run.last))
    stored = Facts.from_dict(state["facts"])
    settings = merge(stored.settings, asked, given)
    grows = settings.epochs > stored.settings.epochs
    is_finished = world.broadcast(lambda: run.is_finished)
    if asked.test_only and not is_finished:
        raise ModelError(
            f"{run.folder} is not finished, and only a finished run is tested",
            todo=f"Go on with it: python launch_training_test.py --resume {run.folder}",
        )
    if is_finished and not asked.test_only and not grows:
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
    device = own_device(settings, world)
    check_precision(device, stored.precision)
    if world.size == stored.processes:
        keep_threads(stored.threads)
    size = Preprocessing.from_dict(stored.preprocessing).size
    model, grows_in_size = resolve(settings.model), settings.progressive_resizing
    network, preprocessing = build(model, len(CLASSES), False, "", 0, size, grows_in_size)
    if not asked.test_only:
        num_train = len(pictures.splits[TRAIN])
        check_batches(network, settings.model, stored.pictures_per_step, num_train)
        compute = Compute(device, stored.precision)
        check_memory(network, preprocessing, compute, settings, world.local_size)
        if state["progress"]["epoch"] < settings.freeze_epochs:
            check_frozen_epochs(network, preprocessing, settings, pictures, world.local_size)
    facts = dataclasses.replace(stored, settings=settings)
    trainer = _make_trainer(facts, pictures, device, network, world)
    progress = checkpoint.restore(state, trainer)  # before anything of the run is changed
    if is_finished and not asked.test_only:
        world.broadcast(lambda: run.reopen(stored.settings.epochs))
    session = _open(run, facts, pictures, trainer)
    session.progress = progress
    if grows:
        session.progress.epochs_without_gain = 0
        smaller = trainer.smaller_size(progress.epoch)
        if smaller:
            print(
                f"The sizes of --progressive-resizing are dealt out anew over {settings.epochs} "
                f"epochs: epoch {progress.epoch + 1} trains at {smaller[1]} x {smaller[0]} pixels."
            )
    return session


def keep_threads(threads: int) -> None:
    """Compute with as many threads as a run was begun with, even where that is slow.

    Args:
        threads: Sums come out in another order, and so with other last bits, with another number.
    """
    usual = max(available_processors(), torch.get_num_threads())
    if threads > usual:
        warn(
            f"this run was begun with {threads} threads and goes on with as many, for the same "
            f"result to the last bit; that is slow where {usual} would do."
        )
    torch.set_num_threads(threads)


def _make_trainer(
    facts: Facts,
    pictures: PictureFolder,
    device: torch.device,
    network: nn.Module,
    world: World,
) -> Trainer:
    """Get everything ready that takes memory and time, before a folder is made or changed."""
    settings = facts.settings
    prepare(device, settings.deterministic)
    if settings.sync_bn:
        network = synchronised(network, device, world)
    preprocessing = Preprocessing.from_dict(facts.preprocessing)
    compute = Compute(device, facts.precision)
    loader = PictureLoader(
        pictures,
        preprocessing,
        facts.pictures_per_step,
        settings.workers,
        settings.seed,
        pin_memory=device.type == "cuda",
        cache=settings.cache,
        fresh_low_quality=settings.fresh_low_quality,
        rank=world.rank,
        num_processes=world.size,
    )
    return Trainer(network, preprocessing, compute, settings, loader, world, facts.processes)


def _open(run: Run, facts: Facts, pictures: PictureFolder, trainer: Trainer) -> Session:
    settings, device, world = facts.settings, trainer.compute.device, trainer.world
    if world.is_first:
        run.sweep()
        write_json(run.folder / SETTINGS_NAME, facts.to_dict())
    counts = ", ".join(f"{len(pictures.splits[split])} {split}" for split in SPLITS)
    factors = f"{settings.batch_size}" + "".join(
        f" x {number}{unit}"
        for number, unit in ((settings.grad_accum_steps, ""), (facts.processes, " processes"))
        if number > 1
    )
    total = f" = {facts.pictures_per_step}" if " x " in factors else ""
    print(
        f"{run.folder}: {settings.model} on {device.type} in {facts.precision}, batches of "
        f"{factors}{total}; "
        f"pictures: {counts}"
    )
    if device.type == "cpu":
        warn("no GPU is used; on a CPU this will be slow.")
    return Session(run, facts, pictures, trainer, Progress(), contextlib.ExitStack(), world)


def _build_in_all(asked: Settings, world: World) -> tuple[RunSettings, nn.Module, Preprocessing]:
    """Build the network in all processes; the first one alone looks for its weights."""
    assert asked.model is not None
    model = resolve(asked.model)
    size = (asked.size_of_input, asked.progressive_resizing)
    built: list[tuple[nn.Module, Preprocessing]] = []

    def build_first() -> tuple[str, bool]:
        network, preprocessing, pretrained = _build(asked, model)
        built.append((network, preprocessing))
        if not model.is_sourced:
            return model.name, pretrained
        name = architecture_of(network, len(CLASSES), preprocessing.size)
        print(f"{model.name} is a {name}, and its run is called so.")
        return name, pretrained

    name, pretrained = world.broadcast(build_first)
    model = resolve(name)
    network, preprocessing = built[0] if built else build(model, len(CLASSES), False, "", 0, *size)
    world.broadcast_tensors(network.state_dict().values())
    settings = complete(asked, model, pretrained=pretrained)
    return settings, network, world.broadcast(lambda: preprocessing)


def _build(asked: Settings, model: Model) -> tuple[nn.Module, Preprocessing, bool]:
    """Build the network; where weights cannot be had, never silently train something else.

    Returns:
        The network, its preprocessing, and whether it has pretrained weights.
    """
    arguments = (
        *(asked.pretrained_path, asked.seed),
        *(asked.size_of_input, asked.progressive_resizing),
    )
    try:
        return *build(model, len(CLASSES), asked.pretrained, *arguments), asked.pretrained
    except WeightsUnavailableError as error:
        if model.is_sourced or not prompts.can_be_asked():
            raise
        print(error)
        answers = {"y": True, "yes": True, "n": False, "no": False}
        if not prompts.ask_choice(
            "Train from random weights instead? [y/n]: ", answers, "--no-pretrained"
        ):
            raise
        return *build(model, len(CLASSES), False, *arguments), False

"""Check that a run can be trained on this computer, and set up its trainer."""

import torch

from models.device import Compute
from models.preprocessing import Preprocessing
from utils.common.labels import TRAIN
from utils.training.data.frozen_features import check_frozen_epochs
from utils.training.data.loader import PictureLoader
from utils.training.data.pictures import PictureFolder
from utils.training.engine import Trainer
from utils.training.network import Built
from utils.training.processes.world import World
from utils.training.settings import RunSettings
from utils.training.state.run_config import Facts
from utils.training.step.device import prepare, synchronised
from utils.training.step.memory_estimate import check_memory
from utils.training.step.running_statistics import check_batches


def check_trainable(
    built: Built,
    facts: Facts,
    pictures: PictureFolder,
    device: torch.device,
    world: World,
    epoch: int,
) -> None:
    """Refuse what would fail later: batches of one picture, and too little memory.

    Args:
        built: The network, with its preprocessing and settings.
        facts: What the run keeps to.
        pictures: The data set.
        device: Where it is trained.
        world: The processes that train together.
        epoch: The first epoch to train, from 0.

    Raises:
        SettingsError: If it would fail.
    """
    network, preprocessing, settings = built.network, built.preprocessing, built.settings
    num_train = len(pictures.splits[TRAIN])
    check_batches(network, settings.model, facts.pictures_per_step, num_train)
    compute = Compute(device, facts.precision)
    check_memory(network, preprocessing, compute, settings, world.local_size)
    if epoch < settings.freeze_epochs:
        check_frozen_epochs(network, preprocessing, settings, pictures, world.local_size)


def set_up_trainer(
    built: Built, facts: Facts, pictures: PictureFolder, device: torch.device, world: World
) -> Trainer:
    """Set up all that takes memory and time, before a run's folder is made or changed.

    Args:
        built: The network, with its preprocessing and settings.
        facts: What the run keeps to.
        pictures: The data set.
        device: Where it is trained.
        world: The processes that train together.

    Raises:
        DatasetError: If a picture cannot be read into the cache.
        SettingsError: If a flag asks for what cannot be done here.
    """
    settings = built.settings
    prepare(device, settings.deterministic)
    network = synchronised(built.network, device, world) if settings.sync_bn else built.network
    preprocessing = Preprocessing.from_dict(facts.preprocessing)
    loader = open_loader(settings, preprocessing, pictures, facts.pictures_per_step, device, world)
    compute = Compute(device, facts.precision)
    return Trainer(network, preprocessing, compute, settings, loader, world, facts.processes)


def open_loader(
    settings: RunSettings,
    preprocessing: Preprocessing,
    pictures: PictureFolder,
    pictures_per_step: int,
    device: torch.device,
    world: World,
) -> PictureLoader:
    """Return a loader of a data set's pictures, as a run's settings ask for it.

    Args:
        settings: Settings of the run.
        preprocessing: Preprocessing of the network.
        pictures: The data set.
        pictures_per_step: Size of a batch over all processes.
        device: Where the pictures go.
        world: The processes that share them.

    Raises:
        DatasetError: If a picture cannot be read into the cache.
    """
    return PictureLoader(
        pictures,
        preprocessing,
        pictures_per_step,
        settings.workers,
        settings.seed,
        pin_memory=device.type == "cuda",
        cache=settings.cache,
        fresh_low_quality=settings.fresh_low_quality,
        rank=world.rank,
        num_processes=world.size,
    )

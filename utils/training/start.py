"""Start a new run: read the data, build the network, check, set up the trainer, make a folder."""

from pathlib import Path

import torch

from models.device import choose_precision
from models.zoo import resolve
from utils.common.errors import DatasetError
from utils.common.labels import TRAIN
from utils.training.data.enlarging import warn_of_enlarging
from utils.training.data.pictures import PictureFolder, read_folder
from utils.training.network import build_network
from utils.training.processes.world import World
from utils.training.session import Session, lock_run, open_session
from utils.training.settings import Settings, check_data_folder
from utils.training.state.progress import Progress
from utils.training.state.run_config import Facts
from utils.training.state.runs import new_run
from utils.training.step.device import own_device
from utils.training.trainer_setup import check_trainable, set_up_trainer


def start(asked: Settings, world: World) -> Session:
    """Start a new run.

    Args:
        asked: Settings as given, with batch size, workers and model.
        world: The processes that train together.

    Raises:
        DatasetError: If the data set is not complete.
        ModelError: If the weights are not available, and random ones are not wanted.
        OutputError: If no folder can be made.
        SettingsError: If the run cannot be trained here.
    """
    pictures = _same_pictures(asked, world)
    device = own_device(asked, world)
    built = build_network(asked, world)
    settings = built.settings
    if settings.input_size is not None:
        warn_of_enlarging(pictures.splits[TRAIN], settings.input_size)
    facts = Facts(
        settings,
        pictures.fingerprint,
        world.broadcast(lambda: choose_precision(device, settings.amp)),
        torch.get_num_threads(),
        built.preprocessing.to_dict(),
        processes=world.size,
    )
    check_trainable(built, facts, pictures, device, world, epoch=0)
    trainer = set_up_trainer(built, facts, pictures, device, world)

    name = resolve(settings.model).folder_name
    run = world.broadcast(lambda: new_run(Path(settings.output_dir), name))
    lock = lock_run(run, world)
    with lock:
        session = open_session(run, facts, pictures, trainer, Progress(), lock)
        session.save()
        session.lock = lock.pop_all()
    return session


def _same_pictures(asked: Settings, world: World) -> PictureFolder:
    """Read the data set, and make sure that it is the same on all ranks.

    Raises:
        DatasetError: If it is not, or not complete.
        SettingsError: If the collections of --leave-out cannot be left out.
    """
    check_data_folder(asked.data_dir)
    pictures = read_folder(Path(asked.data_dir), asked.leave_out)
    if pictures.fingerprint != world.broadcast(lambda: pictures.fingerprint):
        raise DatasetError(
            f"{asked.data_dir} on this computer is not the data set of the first process",
            expected="the same data set on all computers",
            todo="Share one folder, or copy it completely",
        )
    return pictures

"""Processes of torchrun in, each answers a shard of the pictures; they are listed once for all."""

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Protocol, TypeVar

import torch

from models.device import choose_device, own_gpu
from utils.common.errors import SettingsError
from utils.common.system.processors import available_processors
from utils.prediction.join import is_finished
from utils.prediction.pictures import Inputs
from utils.prediction.settings import MAX_WORKERS, PredictSettings
from utils.prediction.sharded import answer_shard, is_being_sorted, is_done
from utils.prediction.shards import all_shards

Value = TypeVar("Value")

SENT = 10_000
"""Pictures that the first process tells the others at once."""

RESTARTS = "TORCHELASTIC_RESTART_COUNT"


class World(Protocol):
    """All processes of the call, as `utils.training.processes.world` has them."""

    rank: int
    size: int
    local_rank: int
    local_size: int

    @property
    def is_first(self) -> bool: ...
    def broadcast(self, make: Callable[[], Value]) -> Value: ...
    def gather(self, value: Value) -> list[Value]: ...


def answer_together(
    world: World, settings: PredictSettings, find: Callable[[], Inputs]
) -> Inputs | None:
    """Let each process answer one shard, and return to the first when all have.

    All of them must see the pictures and the folder of the output under the same paths.

    Args:
        world: The processes.
        settings: Of the whole call.
        find: Lists all pictures; only the first process does it.

    Returns:
        The pictures; None if all shards were finished before.

    Raises:
        ModelError: If there is no trained model.
        SettingsError: If several processes cannot do this, or rows of pictures that were moved
            would be lost.
    """
    world.broadcast(lambda: _check(world, settings))
    own = of_process(world, settings)
    inputs = None
    if not (own.resume and world.broadcast(lambda: _are_finished(world, own))):
        world.broadcast(lambda: is_being_sorted(own))
        inputs = share_inputs(world, find)
        if not is_done(own, inputs):
            answer_shard(own, inputs)
    world.gather(None)  # all rows are there
    return inputs


def _check(world: World, settings: PredictSettings) -> None:
    if not settings.output:
        raise SettingsError(
            f"{world.size} processes print no table", expected="--output FILE, where they meet"
        )
    if settings.shard or settings.join:
        raise SettingsError(
            "torchrun gives each process a shard by itself", todo="Leave --shard and --join out"
        )
    settings.origin()  # here one process tells for all that there is no model


def of_process(world: World, settings: PredictSettings) -> PredictSettings:
    """Return the settings of one process: its shard, its GPU, and its part of the processors.

    Raises:
        SettingsError: If this computer has no GPU for it.
    """
    share = max(1, available_processors() // world.local_size)
    device = choose_device(settings.device)
    if device.type == "cuda" and device.index is None:
        device = own_gpu(world.local_rank)
    elif device.type == "cpu":
        torch.set_num_threads(share)  # torchrun would have one for each process
    workers = min(share, MAX_WORKERS) if settings.workers is None else settings.workers
    return replace(
        settings, shard=f"{world.rank + 1}/{world.size}", move_into="", copy_into="",
        device=str(device), workers=workers,
        resume=settings.resume or int(os.environ.get(RESTARTS, "0")) > 0,
    )  # fmt: skip


def share_inputs(world: World, find: Callable[[], Inputs]) -> Inputs:
    """Let the first process list the pictures, and tell the others bit by bit.

    Raises:
        SettingsError: If one lies where only the first computer has it.
    """
    found = Inputs()

    def list_all() -> tuple[int, dict[str, int], int]:
        nonlocal found
        found = find()
        if world.size != world.local_size:
            _check_reachable(found)
        return len(found), found.passed_over, found.num_unread

    count, passed_over, num_unread = world.broadcast(list_all)
    for start in range(0, count, SENT):
        stop = min(count, start + SENT)
        records = world.broadcast(partial(_list_part, found, start, stop))
        if not world.is_first:
            for record in records:
                found.add_record(record)
    if not world.is_first:
        found.passed_over.update(passed_over)
        found.num_unread = num_unread
    return found


def _list_part(inputs: Inputs, start: int, stop: int) -> list[tuple[Any, ...]]:
    return list(inputs.records(start, stop))


def _check_reachable(inputs: Inputs) -> None:
    for one in inputs:
        if one.is_member and not one.file.startswith(one.location.path):
            raise SettingsError(
                f"{one.file} lies in an archive that has to be unpacked, and other computers would "
                "not see what this one unpacks",
                todo="Unpack it first, or start a job with --shard on each computer",
            )


def _are_finished(world: World, own: PredictSettings) -> bool:
    named = list(own.pictures)
    return all(
        is_finished(shard.output(own.output), replace(own, shard=str(shard)).origin(), named)
        for shard in all_shards(world.size)
    )

"""Set PyTorch up for training on a device, and explain its errors in plain words."""

import os

import torch
from torch import nn

from models.device import FLOAT16, choose_device, own_gpu
from utils.common.errors import SettingsError
from utils.common.system.memory import keep_large_freed_memory
from utils.training.processes.world import World
from utils.training.settings import Settings

CUBLAS_VARIABLE, CUBLAS_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG", ":4096:8"
"""With separate buffers for each stream, cuBLAS sums in the same order each time."""


def own_device(settings: Settings, world: World) -> torch.device:
    """Return the device of this process; several processes use one GPU each.

    Raises:
        SettingsError: If this computer has none for it.
    """
    device = choose_device(settings.device)
    if world.size == 1 or device.type == "cpu":
        return device
    if device.type != "cuda" or device.index is not None:
        raise SettingsError(
            f"--device {settings.device} is a single device, but there are {world.size} processes",
            expected="auto, cuda or cpu",
        )
    return own_gpu(world.local_rank)


def synchronised(network: nn.Module, device: torch.device, world: World) -> nn.Module:
    """Return the network with batch norm synchronised over all ranks.

    Raises:
        SettingsError: Without CUDA.
    """
    if device.type != "cuda":
        raise SettingsError(
            f"--sync-bn needs CUDA; the device is {device.type}", todo="Leave --sync-bn out"
        )
    return world.with_sync_batch_norm(network)


def check_precision(device: torch.device, precision: str) -> None:
    """Fail before a run is resumed on a device that lacks its precision.

    Raises:
        SettingsError: For float16 without CUDA.
    """
    if precision == FLOAT16 and device.type != "cuda":
        raise SettingsError(
            f"This run computes in {precision}, which needs CUDA; the device is {device.type}",
            todo="Resume it on a computer with a CUDA device",
        )


def prepare(device: torch.device, deterministic: bool) -> None:
    """Switch on fast or, with `deterministic`, reproducible algorithms of a CUDA device.

    A CPU gives the same bits anyway, for the same number of threads.
    """
    if device.type == "cpu":
        keep_large_freed_memory()
    if device.type != "cuda":
        return
    if device.index is not None:
        torch.cuda.set_device(device)
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.benchmark = not deterministic
    if deterministic:
        os.environ[CUBLAS_VARIABLE] = CUBLAS_WORKSPACE  # read when the device is first used
        torch.use_deterministic_algorithms(True)


def blame_flag(error: RuntimeError) -> SettingsError | None:
    """Return one clear line for an error that a flag has caused, None for any other."""
    first = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
    if "does not have a deterministic implementation" in str(error):
        return SettingsError(
            f"--deterministic is not possible with this model: {first.partition(' does not')[0]} "
            "has no such algorithm",
            todo="Start anew without --deterministic, or with another model",
        )
    if type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
        return SettingsError(
            f"--compile does not work here: {first}", todo="Start anew without --compile"
        )
    return None

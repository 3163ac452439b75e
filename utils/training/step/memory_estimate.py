"""Estimate the memory that training takes, and refuse what does not fit on a CPU.

A GPU reports that its memory is full, and smaller micro-batches are tried. Main memory is promised
beyond what there is, and when it runs out the system ends some process without a word.
"""

import torch
from torch import nn

from models.device import Compute
from models.preprocessing import Preprocessing
from utils.common.errors import SettingsError
from utils.common.system.memory import available_memory, byte_size
from utils.training.data.loader import PREFETCH
from utils.training.settings import RunSettings
from utils.training.step.running_statistics import RunningStatistics

FEW, MORE = 2, 4
"""Pictures of two trial batches, whose difference tells the memory of one picture."""

BYTES_PER_WEIGHT = 12
"""Gradient and both moments of AdamW; the weights themselves are in memory already."""


def check_memory(
    network: nn.Module,
    preprocessing: Preprocessing,
    compute: Compute,
    settings: RunSettings,
    processes: int = 1,
) -> None:
    """Refuse a training on a CPU that needs more memory than is left.

    With --grad-checkpointing nothing is estimated, since nobody knows beforehand what it saves.

    Args:
        network: On the CPU.
        preprocessing: Preprocessing of the network.
        compute: Device and precision.
        settings: Settings of the run.
        processes: Processes that share this computer's memory.

    Raises:
        SettingsError: If the estimate is more than is left.
    """
    left = available_memory()
    if compute.device.type != "cpu" or settings.grad_checkpointing or left is None:
        return
    left //= processes
    weights = sum(weight.numel() for weight in network.parameters())
    fixed = weights * (BYTES_PER_WEIGHT + (4 if settings.ema else 0))
    waiting = settings.workers * PREFETCH * settings.grad_accum_steps
    input_bytes = 3 * preprocessing.height * preprocessing.width
    each = activation_bytes(network, preprocessing, compute) + waiting * input_bytes
    needed = fixed + each * settings.batch_size
    if needed <= left:
        return
    each_process = " for each process" if processes > 1 else ""
    most = max(0, int((left - fixed) / each))
    raise SettingsError(
        f"Training {settings.model} with batches of {settings.batch_size} takes about "
        f"{byte_size(needed)} and {byte_size(left)} of memory are left{each_process}",
        expected=f"--batch-size {most} or less" if most else "a smaller model",
        todo="--grad-accum-steps makes one step of several such batches" if most else "",
    )


def activation_bytes(network: nn.Module, preprocessing: Preprocessing, compute: Compute) -> int:
    """Return the bytes that a forward pass keeps per picture for the backward pass.

    Two small batches are tried; they leave the network and the random state as they were.
    """
    statistics = RunningStatistics(network)
    before = statistics.read()
    was_training = network.training
    network.train()
    with torch.random.fork_rng(devices=[]):
        few, more = (_kept_bytes(network, preprocessing, compute, size) for size in (FEW, MORE))
    network.train(was_training)
    statistics.write(before)
    return (more - few) // (MORE - FEW)


def _kept_bytes(
    network: nn.Module, preprocessing: Preprocessing, compute: Compute, size: int
) -> int:
    kept: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    pixels = torch.zeros(size, 3, preprocessing.height, preprocessing.width)
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor), compute.autocast():
        logits = network(pixels)
    assert logits.requires_grad
    return sum(kept.values())

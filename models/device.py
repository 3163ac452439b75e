"""A device's name in, where and in which precision to compute out: by hardware flags."""

import contextlib
import os
from dataclasses import dataclass

import cv2
import torch
from torch import nn

from utils.common.errors import SettingsError

FLOAT32 = "float32"
BFLOAT16 = "bfloat16"
FLOAT16 = "float16"
PRECISIONS = (FLOAT32, BFLOAT16, FLOAT16)

AMPERE = 8
"""CUDA's major version from which bfloat16 is computed in hardware."""

MIN_CONVOLUTIONS = 4
"""A transformer has one, to cut the picture into patches; it gains nothing from channels_last."""


@dataclass(frozen=True, slots=True)
class Compute:
    """Where and how to compute.

    Attributes:
        device: Of the model and its batches.
        precision: "float32", "bfloat16" or "float16" of matrix products and convolutions.
    """

    device: torch.device
    precision: str

    def autocast(self) -> contextlib.AbstractContextManager[object]:
        """Return the context in which a forward pass runs."""
        if self.precision == FLOAT32:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, getattr(torch, self.precision))


_computed_in: int | None = None
"""The process in which `compute_here` was called last; a forked one inherits its parent's."""


def compute_here() -> None:
    """Compute on one thread in a process that was forked from one that has computed.

    The threads of the parent are not there, and what waits for them would wait for ever. To be
    called before anything is computed for who may fork, as web servers do.
    """
    global _computed_in
    if _computed_in not in (None, os.getpid()):
        torch.set_num_threads(1)
        cv2.setNumThreads(0)
    _computed_in = os.getpid()


def choose_device(name: str) -> torch.device:
    """Find the device that --device names.

    Raises:
        SettingsError: If this computer has no such device.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise SettingsError(
            f"--device {name} is no device", expected="auto, cpu, cuda, cuda:N or mps"
        ) from None
    count = {
        "cpu": 1,
        "cuda": torch.cuda.device_count() if torch.cuda.is_available() else 0,
        "mps": int(torch.backends.mps.is_available()),
    }.get(device.type, 0)
    if (device.index or 0) >= count:
        raise SettingsError(
            f"--device {name} is not there: PyTorch finds {count} {device.type} devices",
            todo="Leave --device out to take what is there",
        )
    return device


def choose_precision(device: torch.device, amp: bool | None) -> str:
    """Choose 16-bit arithmetic where the hardware is fast at it, or as --amp/--no-amp says."""
    if amp is False:
        return FLOAT32
    if device.type == "cuda":
        major, _ = torch.cuda.get_device_capability(device)
        return BFLOAT16 if major >= AMPERE else FLOAT16
    if device.type == "cpu":
        return BFLOAT16 if amp or _cpu_computes_bfloat16() else FLOAT32
    return BFLOAT16 if amp else FLOAT32


def _cpu_computes_bfloat16() -> bool:
    """Return whether the processor has avx512_bf16 or AMX; elsewhere bfloat16 is emulated."""
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    # Not yet public in the oldest PyTorch that the requirements allow.
    return any(getattr(torch.cpu, check, lambda: False)() for check in checks)


def memory_format(network: nn.Module) -> torch.memory_format:
    """Return the order of pixels in memory that suits a network."""
    convolutions = sum(isinstance(module, nn.Conv2d) for module in network.modules())
    if convolutions >= MIN_CONVOLUTIONS:
        return torch.channels_last
    return torch.contiguous_format


def own_gpu(local_rank: int) -> torch.device:
    """Return the GPU of one of several processes of this computer, which each have their own.

    Args:
        local_rank: Of the process, from 0.

    Raises:
        SettingsError: If this computer has none for it.
    """
    if local_rank >= torch.cuda.device_count():
        raise SettingsError(
            f"There is no GPU for process {local_rank + 1} of this computer: PyTorch finds "
            f"{torch.cuda.device_count()}",
            todo="Give torchrun --nproc-per-node=gpu",
        )
    return torch.device("cuda", local_rank)

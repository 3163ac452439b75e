"""A device's name in, where and in which precision to compute out: by hardware flags, not timing.

What follows from here is stored with the run and kept when it is resumed.
"""

import contextlib
import os
from dataclasses import dataclass

import torch
from torch import nn

from utils.common.errors import SettingsError

FLOAT32 = "float32"
BFLOAT16 = "bfloat16"
FLOAT16 = "float16"

AMPERE = 8
"""CUDA's major version from which bfloat16 is computed in hardware."""

CUBLAS_VARIABLE, CUBLAS_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG", ":4096:8"
"""With buffers of its own for each stream, cuBLAS adds up in the same order each time."""

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


def check_precision(device: torch.device, precision: str) -> None:
    """Fail before a run goes on elsewhere in a precision that is not to be had there.

    Raises:
        SettingsError: For float16 without CUDA.
    """
    if precision == FLOAT16 and device.type != "cuda":
        raise SettingsError(
            f"This run computes in {precision}, which needs CUDA and not {device.type}",
            todo="Resume it on a computer with a CUDA device",
        )


def _cpu_computes_bfloat16() -> bool:
    """Return whether the processor has avx512_bf16 or AMX; elsewhere bfloat16 is emulated."""
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    # Not yet public in the oldest PyTorch that the requirements allow.
    return any(getattr(torch.cpu, check, lambda: False)() for check in checks)


def prepare(device: torch.device, deterministic: bool) -> None:
    """Switch on what makes a CUDA device fast, or else what makes it give the same bits each time.

    On a CPU the bits are the same anyway, for the same number of threads.
    """
    if device.type != "cuda":
        return
    torch.cuda.set_device(device)
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.benchmark = not deterministic
    if deterministic:
        os.environ[CUBLAS_VARIABLE] = CUBLAS_WORKSPACE  # read when the device is first used
        torch.use_deterministic_algorithms(True)


def is_out_of_memory(error: RuntimeError) -> bool:
    """Tell an error that a smaller batch may cure; libraries below PyTorch have their own words."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    return any(words in str(error) for words in ("out of memory", "STATUS_ALLOC_FAILED"))


def blame_flag(error: RuntimeError) -> SettingsError | None:
    """Return one clear line for an error that a flag has brought about, None for any other."""
    first = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
    if "does not have a deterministic implementation" in str(error):
        return SettingsError(
            f"--deterministic cannot be kept with this model: {first.partition(' does not')[0]} "
            "has no such algorithm",
            todo="Start anew without --deterministic, or with another model",
        )
    if type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
        return SettingsError(
            f"--compile does not work here: {first}", todo="Start anew without --compile"
        )
    return None


def save_activations_memory(network: nn.Module) -> None:
    """Let a network compute activations again where it needs them instead of keeping them.

    Raises:
        SettingsError: If it cannot.
    """
    try:
        network.set_grad_checkpointing(True)
    except (AttributeError, AssertionError, NotImplementedError):
        raise SettingsError(
            f"{type(network).__name__} knows no gradient checkpointing",
            todo="Leave --grad-checkpointing out, or take another model",
        ) from None


def memory_format(network: nn.Module) -> torch.memory_format:
    """Return the order of pixels in memory that suits a network."""
    convolutions = sum(isinstance(module, nn.Conv2d) for module in network.modules())
    if convolutions >= MIN_CONVOLUTIONS:
        return torch.channels_last
    return torch.contiguous_format

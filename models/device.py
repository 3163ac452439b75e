"""Choose the device, the precision and the memory format to compute with."""

import contextlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import torch
from torch import nn

from utils.common.errors import ModelError, SettingsError

FLOAT32 = "float32"
BFLOAT16 = "bfloat16"
FLOAT16 = "float16"
PRECISIONS = (FLOAT32, BFLOAT16, FLOAT16)

AMPERE = 8
"""Major compute capability of CUDA from which bfloat16 is computed in hardware."""

MAX_ISA = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
"""Variables in which oneDNN finds the largest set of instructions that it may use."""

NO_BFLOAT16 = frozenset(
    {"SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX2_VNNI_2", "AVX512_CORE", "AVX512_CORE_VNNI"}
)
NO_AMX = NO_BFLOAT16 | {"AVX512_CORE_BF16", "AVX512_CORE_FP16", "AVX10_1_512"}
UNITS = {
    "avx512_bf16": ("_is_avx512_bf16_supported", NO_BFLOAT16),
    "AMX": ("_is_amx_tile_supported", NO_AMX),
}
"""For each bfloat16 unit PyTorch's check for it, and the sets of instructions without it."""

MIN_CONVOLUTIONS = 4
"""Convolutions from which channels_last pays; a transformer has one, for its patches."""


OUT_OF_MEMORY = ("out of memory", "STATUS_ALLOC_FAILED", "DefaultCPUAllocator")
"""Words of errors that a smaller batch may avoid."""


@dataclass(frozen=True, slots=True)
class Compute:
    """The device and the precision of a computation.

    Attributes:
        device: Device of the model and its batches.
        precision: Precision of matrix products and convolutions, one of `PRECISIONS`.
    """

    device: torch.device
    precision: str

    def autocast(self) -> contextlib.AbstractContextManager[object]:
        """Return the context in which a forward pass of a training runs."""
        if self.precision == FLOAT32:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, getattr(torch, self.precision))

    def answering(self) -> contextlib.AbstractContextManager[object]:
        """Return the context in which a trained model answers, or is calibrated.

        As `autocast`, but float32 is float32 on a GPU, too, whatever a training allows.
        """
        if self.precision == FLOAT32 and self.device.type == "cuda":
            return without_tf32()
        return self.autocast()


_num_without_tf32 = 0
_tf32_lock = threading.Lock()
_tf32_before: tuple[bool, str] | None = None


@contextlib.contextmanager
def without_tf32() -> Iterator[None]:
    """Keep a GPU from computing float32 as TF32, which has 10 bits of its 23.

    By default PyTorch does so in convolutions, on GPUs from Ampere on, and a training lets it do so
    in matrix products. The switches are of the whole process: they are put back when the last of
    the threads that are in here leaves. Who has set them by their newer names, which PyTorch does
    not let anybody mix with these, has decided otherwise.
    """
    global _num_without_tf32, _tf32_before
    with _tf32_lock:
        if not _num_without_tf32:
            _tf32_before = _switches()
            if _tf32_before:
                torch.backends.cudnn.allow_tf32 = False
                torch.set_float32_matmul_precision("highest")
        _num_without_tf32 += 1
    try:
        yield
    finally:
        with _tf32_lock:
            _num_without_tf32 -= 1
            if not _num_without_tf32 and _tf32_before:
                torch.backends.cudnn.allow_tf32, matmul = _tf32_before
                torch.set_float32_matmul_precision(matmul)


def _switches() -> tuple[bool, str] | None:
    """Return how a GPU may compute convolutions and matrix products; None if that is not told."""
    try:
        return torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()
    except RuntimeError:
        return None


_computed_in: int | None = None
"""Id of the process that called `compute_here` last; a forked process inherits its parent's."""


def compute_here() -> None:
    """Compute on one thread in a process that was forked after its parent had computed.

    A fork does not copy the parent's threads, and whatever waits for them would wait for ever. Call
    this before computing anything in a program that may have been forked, such as a web server.
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
            f"--device {name} is not a device", expected="auto, cpu, cuda, cuda:N or mps"
        ) from None
    count = {
        "cpu": 1,
        "cuda": torch.cuda.device_count() if torch.cuda.is_available() else 0,
        "mps": int(torch.backends.mps.is_available()),
    }.get(device.type, 0)
    if (device.index or 0) >= count:
        raise SettingsError(
            f"--device {name} does not exist: PyTorch finds {count} {device.type} devices",
            todo="Leave --device out to use the device that there is",
        )
    return device


def choose_precision(device: torch.device, amp: bool | None) -> str:
    """Choose 16 bits where the hardware is fast at it, unless --amp or --no-amp decides."""
    if amp is False:
        return FLOAT32
    if device.type == "cuda":
        major, _ = torch.cuda.get_device_capability(device)
        return BFLOAT16 if major >= AMPERE else FLOAT16
    if device.type == "cpu":
        return BFLOAT16 if amp or bfloat16_units() else FLOAT32
    return BFLOAT16 if amp else FLOAT32


def bfloat16_units() -> list[str]:
    """Return the processor's bfloat16 units that oneDNN may use; without any it emulates bfloat16.

    The variable ONEDNN_MAX_CPU_ISA may forbid them.
    """
    named = (os.environ.get(variable, "").upper() for variable in MAX_ISA)
    most = next(filter(None, named), "")
    # Not yet public in the oldest PyTorch that the requirements allow.
    return [
        name
        for name, (check, lacking) in UNITS.items()
        if most not in lacking and getattr(torch.cpu, check, lambda: False)()
    ]


def is_out_of_memory(error: RuntimeError) -> bool:
    """Return whether a smaller batch may avoid an error; each library words it differently."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    return any(words in str(error) for words in OUT_OF_MEMORY)


@contextlib.contextmanager
def explain_lack_of_memory(device: torch.device, what: str, *ways_out: str) -> Iterator[None]:
    """Turn a lack of memory into one clear line.

    Args:
        device: What has too little.
        what: What it is too little for.
        ways_out: What takes less of it, each to follow the word "Try".

    Raises:
        ModelError: In place of the errors that mean so.
    """
    try:
        yield
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        others = [] if device.type == "cpu" else ["--device cpu"]
        tries = f"Try {' or '.join([*ways_out, *others])}, or end" if ways_out or others else "End"
        raise ModelError(
            f"{device} has too little memory for {what}",
            todo=f"{tries} what else uses it",
        ) from error


def memory_format(network: nn.Module) -> torch.memory_format:
    """Return the memory format that suits a network."""
    convolutions = sum(isinstance(module, nn.Conv2d) for module in network.modules())
    if convolutions >= MIN_CONVOLUTIONS:
        return torch.channels_last
    return torch.contiguous_format


def own_gpu(local_rank: int) -> torch.device:
    """Return the GPU of one of several processes on this computer, which use one each.

    Args:
        local_rank: Rank of the process among those on this computer, from 0.

    Raises:
        SettingsError: If this computer has no GPU for it.
    """
    if local_rank >= torch.cuda.device_count():
        raise SettingsError(
            f"There is no GPU for process {local_rank + 1} on this computer: PyTorch finds "
            f"{torch.cuda.device_count()}",
            todo="Start torchrun with --nproc-per-node=gpu",
        )
    return torch.device("cuda", local_rank)

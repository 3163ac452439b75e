"""Find the weights of a network in a file, whatever they are wrapped in.

Scripts store weights beside much else, under keys of their own (`model_state_dict`, `model_ema`),
and with prefixes of wrappers before each name (`module.`, `_orig_mod.`, `model.`). So the names of
the network itself decide, not a list of such keys.
"""

import argparse
import logging
import pickle
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from utils.common.errors import ModelError

EXPECTED = "a .safetensors file, or a .pth or .pt file of tensors alone"
WRAPPED = frozenset({"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"})
"""Parts that torch.compile and similar wrappers insert into names, at any depth."""

AVERAGES = ("ema", "swa", "average", "averaged")
MAX_DEPTH = 5
PATCHES = "patch_embed.proj.weight"
"""timm's name of the convolution that turns patches of a picture into tokens."""

Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class Found:
    """Tensors that may be a network's weights, under the network's own names.

    Attributes:
        place: Keys that lead to their dictionary in the file.
        weights: Tensors by name.
        beginning: Prefix of each name in the file.
        others: Names in the same dictionary without that prefix.
        is_renamed: Whether the names were those of an original release, changed to timm's.
    """

    place: tuple[str, ...]
    weights: Tensors
    beginning: str = ""
    others: tuple[str, ...] = ()
    is_renamed: bool = False

    @property
    def is_average(self) -> bool:
        """Whether their name says that they are an average over the steps of a training."""
        words = self.name.lower().replace(".", "_").split("_")
        return not set(words).isdisjoint(AVERAGES)

    @property
    def name(self) -> str:
        """Their name for messages."""
        return ".".join((*self.place, self.beginning)).strip(".") or "those without a name"


def read_weights_file(path: Path) -> Any:
    """Read a file without running anything in it.

    Raises:
        ModelError: If it does not hold tensors and plain values alone.
    """
    try:
        if path.suffix.lower() == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        if _is_program(path):
            raise pickle.UnpicklingError("TorchScript")
        with torch.serialization.safe_globals(_plain_values()):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{path} is not a file of tensors, or would run code when loaded", expected=EXPECTED
        ) from error
    except Exception as error:  # zip, safetensors and system errors have no common base
        raise ModelError(
            f"{path} cannot be read as weights: {first_line(error)}", expected=EXPECTED
        ) from error


def _is_program(path: Path) -> bool:
    """Return whether a file is a TorchScript archive, on which PyTorch gives dangerous advice."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def find_weights(content: Any, network: nn.Module) -> list[Found]:
    """Return all that may be a network's weights in a file, the best match first."""
    own = {name: tensor.shape for name, tensor in network.state_dict().items()}
    found = [
        candidate
        for place, table in _tables(content)
        for candidate in (*_below_prefixes(place, table, own), _as_released(place, table, network))
        if candidate.weights
    ]

    def rank(one: Found) -> tuple[int, bool, bool, int]:
        fitting = sum(tensor.shape == own.get(name) for name, tensor in one.weights.items())
        return -fitting, one.is_renamed, not one.is_average, len(one.place)

    return sorted(found, key=rank)


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, without a full stop."""
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__).rstrip(".")


def _tables(content: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Tensors]]:
    """Yield every dictionary that holds tensors by name, at any depth."""
    if not isinstance(content, Mapping) or len(place) > MAX_DEPTH:
        return
    tensors = {
        name: value
        for name, value in content.items()
        if isinstance(name, str) and torch.is_tensor(value)
    }
    if tensors:
        yield place, tensors
    for name, inner in content.items():
        if isinstance(name, str):
            yield from _tables(inner, (*place, name))


def _below_prefixes(
    place: tuple[str, ...], table: Tensors, own: Mapping[str, torch.Size]
) -> Iterator[Found]:
    """Yield the tensors behind each prefix that leads to names of the network."""
    plain = {_unwrapped(name): tensor for name, tensor in table.items()}
    beginnings = Counter(
        name[: -len(ending)] for name in plain for ending in _endings(name) if ending in own
    )
    for beginning, count in beginnings.items():
        if count * 2 < len(own):  # a short name such as "weight" ends many others
            continue
        weights = {
            name.removeprefix(beginning): tensor
            for name, tensor in plain.items()
            if name.startswith(beginning)
        }
        others = tuple(name for name in plain if not name.startswith(beginning))
        yield Found(place, weights, beginning, others)


def _as_released(place: tuple[str, ...], table: Tensors, network: nn.Module) -> Found:
    """Rename the weights of an original release as timm does for this architecture."""
    plain = {_unwrapped(name): tensor for name, tensor in table.items()}
    while len(beginnings := {name.partition(".")[0] for name in plain}) == 1 and all(
        "." in name for name in plain
    ):
        plain = {name.removeprefix(f"{min(beginnings)}."): plain[name] for name in plain}
    rename = getattr(sys.modules[type(network).__module__], "checkpoint_filter_fn", None)
    if rename is None:
        return Found(place, plain, is_renamed=True)
    try:
        renamed = rename(dict(plain), network)
    except (KeyError, IndexError, RuntimeError, TypeError, ValueError, AttributeError):
        logging.getLogger(__name__).debug("not an original release either", exc_info=True)
        return Found(place, plain, is_renamed=True)
    if not all(map(torch.is_tensor, renamed.values())) or _cuts_other_patches(plain, renamed):
        return Found(place, plain, is_renamed=True)
    return Found(place, dict(renamed), is_renamed=True)


def _cuts_other_patches(released: Tensors, renamed: Tensors) -> bool:
    """Return whether timm has resampled the patches of a model that cuts smaller or larger ones."""
    patches = renamed.get(PATCHES)
    if patches is None:
        return False
    shapes = {tensor.shape for tensor in released.values() if tensor.ndim == 4}
    return patches.shape not in shapes and any(shape[:2] == patches.shape[:2] for shape in shapes)


def _unwrapped(name: str) -> str:
    return ".".join(part for part in name.split(".") if part not in WRAPPED)


def _endings(name: str) -> Iterator[str]:
    """Yield a name, and the rest of it after each of its parts.

    >>> list(_endings("model.fc.bias"))
    ['model.fc.bias', 'fc.bias', 'bias']
    """
    while name:
        yield name
        name = name.partition(".")[2]


def _plain_values() -> list[Any]:
    """Return harmless types that scripts store beside weights: arguments and numbers."""
    core = getattr(np, "_core", None) or np.core
    kinds = {type(np.dtype(code)) for code in "?bhilqBHILQefd"}
    scalar = core.multiarray.scalar
    return [
        argparse.Namespace, np.dtype, *kinds,
        (scalar, "numpy.core.multiarray.scalar"), (scalar, "numpy._core.multiarray.scalar"),
    ]  # fmt: skip

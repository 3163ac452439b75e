"""Find the arguments of timm that build a model for another input size, without memory.

A convolutional network accepts pictures of any size. A transformer is built for one size: timm
supports any size that its patches and windows fit, and resamples pretrained position embeddings.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from models.preprocessing import Preprocessing
from models.weights import first_line
from models.zoo import SIDES, Model
from utils.common.errors import ModelError

ARGUMENT = "img_size"
"""timm's argument for the input size of a network that is built for one."""

DYNAMIC = ("dynamic_img_size",)
"""timm's arguments that let such a network accept smaller pictures as well."""

STEP = 32
"""Multiple of most input sides, in pixels: convolutional networks halve a side five times."""

Create = Callable[..., nn.Module]
Size = tuple[int, int]


class SizeError(ModelError):
    """The network does not support an input size."""


def size_arguments(
    model: Model, create: Create, size: Size, is_growing: bool = False
) -> dict[str, Any]:
    """Return arguments of timm with which a network accepts pictures of another size.

    The network is built and run on the meta device, so that a size that does not fit costs neither
    time nor a download.

    Args:
        model: The model, an entry of the zoo.
        create: Builds the network with such arguments.
        size: Height and width of the input, in pixels.
        is_growing: Whether it has to accept the smaller sizes of `stages_of`, too.

    Raises:
        ModelError: If the network does not support this size, or a smaller one.
    """
    arguments = {} if size == own_size(model) else _sized(model, create, size)
    return _growing(model, create, size, arguments) if is_growing else arguments


def _sized(model: Model, create: Create, size: Size) -> dict[str, Any]:
    with torch.device("meta"):
        try:
            network = create(**{ARGUMENT: size})
            arguments: dict[str, Any] = {ARGUMENT: size}
        except TypeError as error:
            if not is_about_size(error):
                raise
            network, arguments = create(), {}
        except (AssertionError, RuntimeError, ValueError) as error:
            raise _refused(model, size, first_line(error)) from error
        _check_patches(model, network, size)
        _try_size(model, network, size)
    return arguments


def _growing(model: Model, create: Create, size: Size, arguments: dict[str, Any]) -> dict[str, Any]:
    """Add arguments with which a network built for the full size accepts smaller pictures.

    Raises:
        ModelError: If there are none.
    """
    if size[0] != size[1]:
        raise _refused(model, size, "only a square input can grow")
    with torch.device("meta"):
        for more in ({}, *({option: True} for option in DYNAMIC)):
            try:
                network = create(**arguments, **more)
                for side in stages_of(size[0], step_of(network)):
                    _try_size(model, network, (side, side))
            except (TypeError, ModelError):
                continue
            return {**arguments, **more}
    raise ModelError(
        f"{model.name} accepts only pictures of {size[1]} x {size[0]} pixels and cannot train on "
        "smaller ones first",
        expected="a convolutional network, a ViT or a Swin Transformer",
        todo="Leave out --progressive-resizing, or choose another --model",
    )


def stages_of(full: int, step: int) -> tuple[int, ...]:
    """Return the sides of a growing input: multiples of a step from half the full side on.

    >>> stages_of(224, 32), stages_of(160, 32), stages_of(32, 32)
    ((128, 160, 192, 224), (96, 128, 160), (32,))
    """
    first = max(step, (full + step) // (2 * step) * step)
    return (*range(first, full, step), full)


def step_of(network: nn.Module) -> int:
    """Return the step of a growing input's sides: 32, or the multiple of the patches near it.

    >>> step_of(nn.Sequential())
    32
    """
    patch = math.lcm(*patch_of(network))
    return patch * max(1, round(STEP / patch))


def is_about_size(error: Exception) -> bool:
    """Return whether an error is about an argument for the size that a network lacks."""
    return isinstance(error, TypeError) and any(name in str(error) for name in (ARGUMENT, *DYNAMIC))


def own_size(model: Model) -> Size | None:
    """Return height and width of a model's input in timm; None if it is not of timm's list."""
    import timm

    config = None if model.is_sourced else timm.get_pretrained_cfg(model.timm_name)
    return None if config is None else (config.input_size[1], config.input_size[2])


def with_size(preprocessing: Preprocessing, size: Size | None) -> Preprocessing:
    """Return the same preprocessing with another input size, in pixels; None keeps its own."""
    if size is None:
        return preprocessing
    return dataclasses.replace(preprocessing, height=size[0], width=size[1])


def patch_of(network: nn.Module) -> Size:
    """Return height and width of the patches of a network, in pixels.

    Returns:
        1 x 1 for a network without patches, or one that pads incomplete patches.
    """
    for child in network.children():
        first = getattr(child, "proj", None)
        is_padded = getattr(child, "dynamic_img_pad", False)
        if isinstance(first, nn.Conv2d) and first.kernel_size == first.stride and not is_padded:
            height, width = first.stride
            return height, width
    return 1, 1


def _check_patches(model: Model, network: nn.Module, size: Size) -> None:
    """Refuse a size that is not a multiple of the patches: a margin would never be seen."""
    patch = patch_of(network)
    if size[0] % patch[0] or size[1] % patch[1]:
        why = f"it cuts them into patches of {patch[1]} x {patch[0]}"
        raise _refused(model, size, why, math.lcm(*patch))


def _try_size(model: Model, network: nn.Module, size: Size) -> None:
    """Run a network on the meta device on a picture of a size.

    Raises:
        ModelError: If it fails.
    """
    try:
        with torch.inference_mode():
            network.eval()(torch.zeros(1, 3, *size))
    except (AssertionError, RuntimeError, ValueError, IndexError, ZeroDivisionError) as error:
        raise _refused(model, size, first_line(error)) from error


def _refused(model: Model, size: Size, why: str, step: int | None = None) -> SizeError:
    lowest, highest = SIDES
    near: tuple[int, ...] = ()
    if step:
        below = size[0] // step * step
        near = tuple(side for side in (below, below + step) if lowest <= side <= highest)
    own = own_size(model)
    usual = f"such as its own {own[1]} x {own[0]}" if own else "such as its own"
    return SizeError(
        f"{model.name} does not accept pictures of {size[1]} x {size[0]} pixels: {why}",
        expected=f"a size that it supports, {usual}",
        todo=f"Try --input-size {' or '.join(map(str, near))}" if near else
        "Try an --input-size that is a multiple of 32, or leave it out",
    )  # fmt: skip

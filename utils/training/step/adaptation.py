"""Adapt a network to training on a device: memory format, activations, norms, convolutions."""

import torch
from torch import nn

from models.convolution import learn_fast_from_small_maps
from models.device import memory_format
from utils.training.step.activation_checkpointing import (
    checkpoint_activations,
    recompute_hidden_activations,
)
from utils.training.step.norms import narrow_norms


def adapt(network: nn.Module, device: torch.device, checkpoints: bool) -> torch.memory_format:
    """Move a network to a device, and make what it computes there cheaper; return its format.

    Args:
        network: Changed in place.
        device: Where it is trained.
        checkpoints: Whether to recompute activations in the backward pass (--grad-checkpointing).

    Raises:
        SettingsError: If the network does not support activation checkpointing.
    """
    layout = memory_format(network)
    network.to(device).to(memory_format=layout)
    if checkpoints:
        checkpoint_activations(network)
    elif device.type == "cuda":
        recompute_hidden_activations(network)
    if device.type == "cuda":
        narrow_norms(network)
    if device.type == "cpu":
        learn_fast_from_small_maps(network)
    return layout

"""Keep fewer activations for the backward pass and compute them again there."""

from typing import Any

import torch
from timm.layers import Mlp
from timm.models.swin_transformer import SwinTransformer
from torch import nn
from torch.utils.checkpoint import checkpoint

from utils.common.errors import SettingsError


def checkpoint_activations(network: nn.Module) -> None:
    """Switch on activation checkpointing in a network of timm.

    Raises:
        SettingsError: If the network does not support it.
    """
    of_timm: Any = network
    try:
        of_timm.set_grad_checkpointing(True)
    # timm's networks say by an assertion that they cannot; others lack the method.
    except (AttributeError, AssertionError, NotImplementedError):
        raise SettingsError(
            f"{type(network).__name__} does not support activation checkpointing",
            todo="Leave --grad-checkpointing out, or take another model",
        ) from None


def recompute_hidden_activations(network: nn.Module) -> None:
    """Let a Swin Transformer recompute the activations inside its MLPs; others stay as they are.

    They are a quarter of all that it keeps, and recomputing them takes no matrix product.
    """
    if isinstance(network, SwinTransformer):
        for module in network.modules():
            if type(module) is Mlp and not module.drop1.p and not module.drop2.p:
                module.__class__ = RecomputingMlp


class RecomputingMlp(Mlp):
    """timm's Mlp without dropout, which keeps only the input of its activation function."""

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Apply both layers; ... x C in and out."""
        hidden = self.fc1(tokens)
        if not torch.is_grad_enabled():
            return self._second_half(hidden)
        # No state of a generator: nothing is drawn here, and a CUDA graph could not read it.
        output: torch.Tensor = checkpoint(
            self._second_half, hidden, use_reentrant=False, preserve_rng_state=False
        )
        return output

    def _second_half(self, hidden: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = self.fc2(self.norm(self.act(hidden)))
        return output

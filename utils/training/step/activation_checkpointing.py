"""Keep fewer activations for the backward pass and compute them again there."""

from typing import Any

import torch
from timm.layers import Mlp
from timm.models.swin_transformer import SwinTransformer
from torch import nn
from torch.utils.checkpoint import checkpoint

from utils.common.errors import SettingsError


def save_activations_memory(network: nn.Module) -> None:
    """Let a network compute activations again where it needs them instead of keeping them.

    Raises:
        SettingsError: If it cannot.
    """
    of_timm: Any = network
    try:
        of_timm.set_grad_checkpointing(True)
    # timm's networks say by an assertion that they cannot; others lack the method.
    except (AttributeError, AssertionError, NotImplementedError):
        raise SettingsError(
            f"{type(network).__name__} knows no gradient checkpointing",
            todo="Leave --grad-checkpointing out, or take another model",
        ) from None


def recompute_hidden_answers(network: nn.Module) -> None:
    """Let a Swin Transformer compute the answers of its hidden layers again; others stay.

    They are a quarter of all that it keeps, and cost no matrix product.
    """
    if isinstance(network, SwinTransformer):
        for module in network.modules():
            if type(module) is Mlp and not module.drop1.p and not module.drop2.p:
                module.__class__ = SparingMlp


class SparingMlp(Mlp):
    """timm's Mlp without dropout, which keeps what its hidden layer is told, not what it says."""

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Go through both layers, ... x C in and out."""
        told = self.fc1(tokens)
        if not torch.is_grad_enabled():
            return self._answer(told)
        # No state of a generator: nothing is drawn here, and a CUDA graph could not read it.
        answer: torch.Tensor = checkpoint(
            self._answer, told, use_reentrant=False, preserve_rng_state=False
        )
        return answer

    def _answer(self, told: torch.Tensor) -> torch.Tensor:
        answer: torch.Tensor = self.fc2(self.norm(self.act(told)))
        return answer

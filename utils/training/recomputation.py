"""A network in, one that keeps fewer activations for the way back and computes them again out."""

from collections.abc import Iterator

import torch
from timm.layers import DropPath
from timm.models.swin_transformer import SwinTransformer
from torch import nn
from torch.utils.checkpoint import checkpoint

from utils.common.errors import SettingsError

NUM_STAGES = 2
"""Stages of a Swin Transformer that are computed again."""


def save_activations_memory(network: nn.Module) -> None:
    """Let a network compute activations again where it needs them instead of keeping them.

    Raises:
        SettingsError: If it cannot.
    """
    try:
        network.set_grad_checkpointing(True)
    # timm's networks say by an assertion that they cannot; others lack the method.
    except (AttributeError, AssertionError, NotImplementedError):
        raise SettingsError(
            f"{type(network).__name__} knows no gradient checkpointing",
            todo="Leave --grad-checkpointing out, or take another model",
        ) from None


def recompute_first_stages(network: nn.Module) -> None:
    """Let a Swin Transformer compute its first two stages again for the way back; others stay.

    There the picture has the most tokens: of Swin-B's 24 blocks the first four keep almost 40 % of
    all activations, and take no more arithmetic than any other four.
    """
    if isinstance(network, SwinTransformer):
        for stage in network.layers[:NUM_STAGES]:
            stage.blocks = RecomputedBlocks(*stage.blocks)


class RecomputedBlocks(nn.Sequential):
    """Blocks whose input alone is kept.

    Which paths are dropped is drawn before the blocks run, so that the second run needs no state of
    a generator; a CUDA graph could not read it.
    """

    def __init__(self, *blocks: nn.Module) -> None:
        super().__init__(*blocks)
        self._paths = list(_hold_draws(self))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Run all blocks, N x H x W x C in and out."""
        if not (self.training and torch.is_grad_enabled()):
            return super().forward(pixels)
        for path in self._paths:
            path.draw(pixels)
        run = super().forward
        answer: torch.Tensor = checkpoint(
            run, pixels, use_reentrant=False, preserve_rng_state=False
        )
        return answer


class HeldDropPath(nn.Module):
    """timm's DropPath that keeps what it has drawn until it is told to draw anew.

    Args:
        path: Whose place it takes.
    """

    def __init__(self, path: DropPath) -> None:
        super().__init__()
        self._keep = 1 - path.drop_prob
        self._scale = self._keep if path.scale_by_keep and self._keep else 1.0
        self._factors: torch.Tensor | None = None

    def draw(self, like: torch.Tensor) -> None:
        """Draw for each picture of a batch, N x ..., whether it takes this path."""
        drawn = torch.empty(len(like), device=like.device).bernoulli_(self._keep)
        self._factors = drawn / self._scale

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Set the values of pictures that do not take this path to 0."""
        if not self.training or self._factors is None:
            return values
        shape = (-1,) + (1,) * (values.ndim - 1)
        return values * self._factors.to(values.dtype).view(shape)


def _hold_draws(blocks: nn.Module) -> Iterator[HeldDropPath]:
    """Put a HeldDropPath in the place of each DropPath, in the order of the blocks."""
    for parent in list(blocks.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, DropPath):
                held = HeldDropPath(child)
                setattr(parent, name, held)
                yield held

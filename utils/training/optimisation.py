"""A network and its settings in, optimizer, learning rate and loss out: pure functions."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from timm.optim import param_groups_weight_decay
from torch import nn

WARMUP_SHARE = 0.1
"""Part of the steps in which the rate rises; at most one epoch."""

FINAL_SHARE = 0.01
"""The last step's rate as a share of the peak."""


def make_optimizer(network: nn.Module, lr: float, weight_decay: float) -> torch.optim.AdamW:
    """Return fused AdamW that does not decay norms, biases and what the model itself names."""
    spared = network.no_weight_decay() if hasattr(network, "no_weight_decay") else ()
    groups = param_groups_weight_decay(network, weight_decay, no_weight_decay_list=tuple(spared))
    return torch.optim.AdamW(groups, lr=lr, fused=True)


def learning_rate(step: int, steps_per_epoch: int, epochs: int, peak: float) -> float:
    """Rise linearly to the peak, then fall as a cosine.

    Args:
        step: From 0 over the whole training.
        steps_per_epoch: Batches of one epoch.
        epochs: Of the whole training.
        peak: The highest rate.

    >>> [round(learning_rate(step, 10, 2, 1.0), 3) for step in (0, 1, 2, 19)]
    [0.5, 1.0, 1.0, 0.018]
    """
    total = steps_per_epoch * epochs
    warmup = max(1, min(steps_per_epoch, round(WARMUP_SHARE * total)))
    if step < warmup:
        return peak * (step + 1) / warmup
    fallen = (step - warmup) / max(1, total - warmup)
    return peak * (FINAL_SHARE + (1 - FINAL_SHARE) * (1 + math.cos(math.pi * fallen)) / 2)


def class_weights(counts: Sequence[int]) -> list[float]:
    """Weigh each class so that all together count the same; one without pictures weighs 0.

    >>> class_weights([30, 10, 0])
    [0.6666666666666666, 2.0, 0.0]
    """
    present = sum(count > 0 for count in counts)
    return [sum(counts) / (present * count) if count else 0.0 for count in counts]


def balanced_loss(
    logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the weighted sum of cross entropies and the sum of the weights, both scalars.

    Kept apart, because parts of a batch are added up before the one division.

    Args:
        logits: N x classes.
        labels: N, int64.
        weights: One per class, float32.
    """
    losses = F.cross_entropy(logits.float(), labels, weight=weights, reduction="sum")
    return losses, weights[labels].sum()

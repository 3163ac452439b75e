"""Optimizer, learning rate schedule, class weights and loss, as pure functions."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from timm.optim import param_groups_layer_decay, param_groups_weight_decay
from torch import nn

from models.classifier import is_of_assessment

WARMUP_SHARE = 0.1
"""Share of the steps in which the rate rises; at most one epoch."""

FINAL_SHARE = 0.01
"""The last step's rate as a share of the peak."""

CLASSIFIER_RATE = 1e-3
"""Peak learning rate in frozen epochs: of a linear layer on features that are one fixed view of
each picture. At 1e-2 it learns those by heart (docs/measured.md)."""

MOST_SCALED_RATE = 1e-2
"""No multiple of the learning rate takes a layer above it, where the rate itself is below."""

ASSESSMENT_SCALE = 10.0
"""Learning rate of the layer that assesses pictures, as a multiple of the network's. It is new, and
sees each fault in few pictures. On the real set (436 training pictures, 8 epochs) faults had a
macro F1 of 24 % on test with it and of 2 % without, and 82 % of the poor pictures were told their
subject instead of 18 %."""


def make_optimizer(
    network: nn.Module, lr: float, weight_decay: float, layer_decay: float = 1.0
) -> torch.optim.AdamW:
    """Return fused AdamW without decay for norms, biases and weights that the model names.

    The layer that assesses pictures, if there is one, gets groups of its own.

    Args:
        network: On its device.
        lr: Learning rate.
        weight_decay: Weight decay of all other weights.
        layer_decay: Each layer's rate as a share of the next one's; groups then have an "lr_scale".
    """
    of_timm: Any = network
    spared = of_timm.no_weight_decay() if hasattr(network, "no_weight_decay") else ()
    shared: dict[str, Any] = {"no_weight_decay_list": tuple(spared)}
    if layer_decay == 1:
        groups = param_groups_weight_decay(network, weight_decay, **shared)
    else:
        groups = param_groups_layer_decay(network, weight_decay, layer_decay=layer_decay, **shared)
    names = {id(weight): name for name, weight in network.named_parameters()}
    return torch.optim.AdamW(_apart(groups, names), lr=lr, fused=True)


def _apart(groups: Sequence[dict[str, Any]], names: Mapping[int, str]) -> list[dict[str, Any]]:
    """Move the weights of the layer that assesses pictures into groups of their own."""
    parted = []
    for group in groups:
        rest = {**group, "params": []}
        own = {**group, "params": [], "lr_scale": ASSESSMENT_SCALE}
        for weight in group["params"]:
            (own if is_of_assessment(names[id(weight)]) else rest)["params"].append(weight)
        parted += [part for part in (rest, own) if part["params"]]
    return parted


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of all groups, each with its own scale.

    No scale takes a layer above `MOST_SCALED_RATE`, where the rate itself is below that.

    On a CUDA device it is a tensor there, so that a captured step reads the new value.
    """
    for group in optimizer.param_groups:
        own_rate = min(rate * group.get("lr_scale", 1.0), max(rate, MOST_SCALED_RATE))
        device = group["params"][0].device
        if device.type != "cuda":
            group["lr"] = own_rate
        elif isinstance(group["lr"], torch.Tensor) and group["lr"].device == device:
            group["lr"].fill_(own_rate)
        else:
            group["lr"] = torch.full((), own_rate, device=device)


def learning_rate(
    step: int, steps_per_epoch: int, epochs: int, peak: float, frozen_epochs: int = 0
) -> float:
    """Return the learning rate of a step: linear warm-up to the peak, then a cosine.

    Frozen epochs have such a curve of their own, up to `CLASSIFIER_RATE`.

    Args:
        step: Step of the whole training, from 0.
        steps_per_epoch: Steps of one epoch.
        epochs: Epochs of the whole training.
        peak: The highest rate once all weights learn.
        frozen_epochs: Epochs at the beginning in which the classifier alone learns.

    >>> [round(learning_rate(step, 10, 2, 1.0), 3) for step in (0, 1, 2, 19)]
    [0.5, 1.0, 1.0, 0.018]
    >>> [round(learning_rate(step, 10, 3, 1.0, 1), 6) for step in (0, 9, 10, 29)]
    [0.001, 4e-05, 0.5, 0.01752]
    """
    frozen_steps = steps_per_epoch * frozen_epochs
    if step < frozen_steps:
        epochs, peak = frozen_epochs, CLASSIFIER_RATE
    else:
        step, epochs = step - frozen_steps, epochs - frozen_epochs
    total = steps_per_epoch * epochs
    warmup = max(1, min(steps_per_epoch, round(WARMUP_SHARE * total)))
    if step < warmup:
        return peak * (step + 1) / warmup
    fallen = (step - warmup) / max(1, total - warmup)
    return peak * (FINAL_SHARE + (1 - FINAL_SHARE) * (1 + math.cos(math.pi * fallen)) / 2)


def class_weights(counts: Sequence[int]) -> list[float]:
    """Return weights that make all classes count the same; 0 for a class without pictures.

    >>> class_weights([30, 10, 0])
    [0.6666666666666666, 2.0, 0.0]
    """
    present = sum(count > 0 for count in counts)
    return [sum(counts) / (present * count) if count else 0.0 for count in counts]


def balanced_loss(
    logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor, smoothing: float = 0.0
) -> torch.Tensor:
    """Return the weighted sum of cross entropies, a scalar.

    The caller divides it by `weights[labels].sum()` of the whole batch, so that micro-batches may
    have any size.

    Args:
        logits: N x classes.
        labels: N, int64.
        weights: One per class, float32.
        smoothing: Share of each label that is spread evenly over all classes.
    """
    if not smoothing:
        return F.cross_entropy(logits.float(), labels, weight=weights, reduction="sum")
    # With weights PyTorch would spread it by these: mostly over the classes with few pictures.
    losses = F.cross_entropy(logits.float(), labels, reduction="none", label_smoothing=smoothing)
    return (weights[labels.clamp(min=0)] * losses).sum()

"""The classifier of a timm network by itself, and the features that it works on."""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from models.classifier import can_assess, classifiers_of
from models.inference import Prepare
from models.preprocessing import Preprocessing


class Classifier(nn.Module):
    """The last layer of a network with the dropout before it: logits from features.

    Args:
        network: The network, which shares the layer.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.layer = classifiers_of(network)[0]
        self.dropout = _dropout_before_classifier(network)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return logits, N x number of classes.

        Args:
            features: Result of `features_of`, one row for each of N pictures.
        """
        if self.dropout:
            features = F.dropout(features, self.dropout, self.training)
        logits: torch.Tensor = self.layer(features)
        return logits.flatten(1)


def _dropout_before_classifier(network: nn.Module) -> float:
    """Return the rate, which a network of timm keeps in one of three places."""
    places = (network, "head_drop"), (getattr(network, "head", None), "drop")
    for owner, name in places:
        if isinstance(found := getattr(owner, name, None), nn.Dropout):
            return found.p
    return float(getattr(network, "drop_rate", 0.0))


def features_of(network: nn.Module, prepare: Prepare, pixels: torch.Tensor) -> torch.Tensor:
    """Return the inputs of a network's classifier, one row per picture, float32.

    Args:
        network: In evaluation mode, and such that `features_shape` is not None.
        prepare: Applied to the pixels first.
        pixels: N x 3 x H x W, RGB, uint8.
    """
    with _recorded(classifiers_of(network)[0]) as calls:
        network(prepare(pixels))
    features: torch.Tensor = calls[0][0][0]
    return features.float()


def features_shape(network: nn.Module, preprocessing: Preprocessing) -> torch.Size | None:
    """Return the shape of one picture's features; None where no single layer makes the logits.

    The output of the classifier must be that of the network: some networks have two classifiers,
    or apply theirs at each position of the picture.

    Args:
        network: On its device, in any mode.
        preprocessing: Preprocessing of the network, which tells the size of its input.
    """
    layer, *others = classifiers_of(network)
    if others:
        return None
    device = next(network.parameters()).device
    pixels = torch.zeros(2, 3, preprocessing.height, preprocessing.width, device=device)
    modes = {module: module.training for module in network.modules()}
    with _recorded(layer) as calls, torch.no_grad():
        logits = network.eval()(pixels)
    for module, was_training in modes.items():
        module.training = was_training
    if len(calls) != 1 or len(calls[0][0]) != 1:
        return None
    (features,), output = calls[0]
    is_last = output.numel() == logits.numel() and output.data_ptr() == logits.data_ptr()
    return features.shape[1:] if is_last and len(features) == len(pixels) else None


def can_learn_to_assess(network: nn.Module, preprocessing: Preprocessing) -> bool:
    """Return whether a second layer beside the classifier would see what the classifier sees.

    Args:
        network: With the plain classifier, on its device, in any mode.
        preprocessing: Preprocessing of the network, which tells the size of its input.
    """
    if not can_assess(network):
        return False
    shape = features_shape(network, preprocessing)
    return shape is not None and len(shape) == 1


@contextlib.contextmanager
def _recorded(layer: nn.Module) -> Iterator[list[tuple[tuple[Any, ...], Any]]]:
    """Collect the inputs and the output of a layer at each call."""
    calls: list[tuple[tuple[Any, ...], Any]] = []
    hook = layer.register_forward_hook(lambda _, inputs, output: calls.append((inputs, output)))
    try:
        yield calls
    finally:
        hook.remove()

"""The classifier of a network of timm, and beside it the layer that assesses pictures."""

from collections.abc import Iterable
from typing import Any

import torch
from timm.layers import Linear
from torch import nn

from models.ensemble import Ensemble
from models.outputs import NUM_ASSESSMENTS, fault_logits
from utils.common.errors import ModelError

ASSESSMENT = "assessment"
"""Name of the second layer within the classifier."""

FAULT_BIAS = -2.0
"""Initial log-odds of each fault: most pictures have none, so that at 0 the first steps would teach
the whole network nothing but that."""


class AssessingClassifier(nn.Linear):
    """A linear classifier whose outputs are followed by those that assess a picture.

    Weight and bias keep the names and values that they had, so that the classes are those of the
    plain classifier. The second layer begins with zeros: at first it moves no feature.

    Args:
        classifier: The plain classifier, whose weight and bias are shared.
    """

    def __init__(self, classifier: nn.Linear) -> None:
        super().__init__(classifier.in_features, classifier.out_features, device="meta")
        self.weight = classifier.weight
        self.register_parameter("bias", classifier.bias)
        kind: dict[str, Any] = {"device": self.weight.device, "dtype": self.weight.dtype}
        # Its own random weights would be drawn from the global generator.
        self.assessment = nn.utils.skip_init(nn.Linear, self.in_features, NUM_ASSESSMENTS, **kind)
        nn.init.zeros_(self.assessment.weight)
        nn.init.zeros_(self.assessment.bias)
        with torch.no_grad():
            fault_logits(self.assessment.bias[None]).fill_(FAULT_BIAS)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return the columns of `models.outputs`, N x `NUM_OUTPUTS`.

        Args:
            features: N x D.
        """
        return torch.cat((super().forward(features), self.assessment(features)), dim=-1)


def classifiers_of(network: nn.Module) -> tuple[nn.Module, ...]:
    """Return the last layer of a network of timm, two of a distilled one, those of an ensemble."""
    if isinstance(network, Ensemble):
        return tuple(layer for member in network.members for layer in classifiers_of(member))
    of_timm: Any = network
    found = of_timm.get_classifier()
    return found if isinstance(found, tuple) else (found,)


def is_assessing(network: nn.Module) -> bool:
    """Return whether a network assesses pictures as well."""
    return isinstance(classifiers_of(network)[0], AssessingClassifier)


def holds_assessment(names: Iterable[str]) -> bool:
    """Return whether weights of these names are those of a network that assesses pictures."""
    return any(map(is_of_assessment, names))


def is_of_assessment(name: str) -> bool:
    """Return whether a weight of this name belongs to the layer that assesses pictures."""
    return f".{ASSESSMENT}." in name


def can_assess(network: nn.Module) -> bool:
    """Return whether the classifier is a single plain linear layer, beside which fits another."""
    first, *others = classifiers_of(network)
    return type(first) in (nn.Linear, Linear) and not others


def let_assess(network: nn.Module) -> None:
    """Put an `AssessingClassifier` in the place of a network's classifier.

    Args:
        network: Of timm, perhaps without memory; changed in place.

    Raises:
        ModelError: If it has no single linear classifier.
    """
    if not can_assess(network):
        raise ModelError(
            f"{type(network).__name__} has no single linear classifier, beside which a layer could "
            "assess pictures"
        )
    (plain,) = classifiers_of(network)
    assert isinstance(plain, nn.Linear)
    wide = AssessingClassifier(plain)
    named = list(network.named_modules(remove_duplicate=False))
    for name in [name for name, module in named if module is plain]:
        parent, _, last = name.rpartition(".")
        setattr(network.get_submodule(parent), last, wide)

"""Average the answers of several networks of one architecture, as if they were one network.

Lakshminarayanan et al., "Simple and Scalable Predictive Uncertainty Estimation using Deep
Ensembles", NeurIPS 2017.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from models.outputs import (
    assessments,
    class_logits,
    fault_logits,
    severity_logits,
    subject_logits,
)

MAX_MEMBERS = 32
"""Most networks in one: each costs as much time and memory as one alone."""

MEMBERS = "members"
"""Name of the list of networks, with which the name of each of their weights begins."""

RULE = (
    "Logits of classes and of subjects are the logarithms of the mean of the networks' softmax, "
    "those of faults and severities the log-odds of the mean of their sigmoids; the first feature "
    "map is that of the first network, and the embedding holds those of all, one behind the other, "
    "each divided by its length."
)
"""How the answers come together, for people who use a stored model without this program."""


class Ensemble(nn.Module):
    """Several networks with the same columns of outputs, which answer as one.

    Args:
        members: The networks, one at least.

    Attributes:
        members: The networks, in their order.
    """

    def __init__(self, members: Iterable[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the `mean_outputs`, N x columns, float32, of inputs, N x 3 x H x W."""
        return mean_outputs([member(inputs) for member in self.members])


def mean_outputs(each: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return outputs whose probabilities are the means of those of several networks.

    Args:
        each: Outputs of each network, N x columns, as `models.outputs` has them.

    Returns:
        N x columns, float32.
    """
    every = [one.float() for one in each]
    means = [mean_logits([class_logits(one) for one in every])]
    others = [assessments(one) for one in every]
    if others[0].shape[1]:
        means += [
            mean_logits([subject_logits(one) for one in others]),
            mean_log_odds([fault_logits(one) for one in others]),
            mean_log_odds([severity_logits(one) for one in others]),
        ]
    return torch.cat(means, dim=1)


def mean_logits(each: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return the logarithm of the mean of softmaxes, N x C, of logits, N x C each.

    >>> found = mean_logits([torch.tensor([[0.0, 0.0]]), torch.tensor([[0.0, 1e9]])])
    >>> found.exp().tolist()
    [[0.25, 0.75]]
    """
    logs = torch.stack([one.log_softmax(dim=1) for one in each])
    return logs.logsumexp(dim=0) - math.log(len(each))


def mean_log_odds(each: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return the log-odds of the mean of sigmoids, N x C, of logits, N x C each."""
    stacked = torch.stack(tuple(each))
    return F.logsigmoid(stacked).logsumexp(dim=0) - F.logsigmoid(-stacked).logsumexp(dim=0)


def joined_weights(each: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the weights of several networks under the names that they have in an `Ensemble`."""
    return {
        f"{MEMBERS}.{number}.{name}": tensor
        for number, weights in enumerate(each)
        for name, tensor in weights.items()
    }

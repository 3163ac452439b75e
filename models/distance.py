"""A network that also returns the distance of out-of-distribution detection, for export."""

import torch
from torch import nn

from models.calibration import Novelty
from models.texture import describe_at_once


def hypotenuse(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Compute `torch.hypot` with operations that ONNX has."""
    return (one.square() + other.square()).sqrt()


class WithDistance(nn.Module):
    """Returns logits and the distance from the pictures of training.

    Args:
        network: Network from pixels, N x 3 x H x W, uint8, to logits.
        novelty: Detection whose `distances` are computed here with PyTorch.
    """

    projection: torch.Tensor
    centres: torch.Tensor

    def __init__(self, network: nn.Module, novelty: Novelty) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("projection", torch.from_numpy(novelty.projection))
        self.register_buffer("centres", torch.from_numpy(novelty.centres))

    def forward(self, input: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits, N x classes, and distances, N, at least 0."""
        places = describe_at_once(input) @ self.projection
        squared = (places[:, None] - self.centres[None]).square().sum(dim=2)
        return self.network(input), squared.amin(dim=1).sqrt()

"""A network in, one that tells the distance to everything seen in training besides out."""

import torch
from torch import nn

from models.calibration import Novelty
from models.texture import describe_at_once


def hypotenuse(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Return what `torch.hypot` does, in operations that ONNX has."""
    return (one.square() + other.square()).sqrt()


class WithDistance(nn.Module):
    """Gives logits and the distance that tells what is unlike training, for an exported file.

    Args:
        network: From pixels, N x 3 x H x W, uint8, to logits.
        novelty: What `Novelty.distances` computes with numpy.
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

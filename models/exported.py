"""The network that is exported: all that a stored model is made of, by name."""

import torch
import torch.nn.functional as F
from torch import nn

from models.inference import outputs_and_activations
from models.novelty import NUM_NEIGHBOURS, Neighbours, Novelty
from models.outputs import (
    assessments,
    class_logits,
    fault_logits,
    severity_logits,
    subject_logits,
)
from models.texture import describe_at_once

LOGITS, DISTANCE, EMBEDDING = "logits", "distance", "embedding"
"""Names of an exported model's outputs."""

ASSESSED = {
    "subject_logits": subject_logits,
    "fault_logits": fault_logits,
    "severity_logits": severity_logits,
}
"""The outputs that assess pictures, by their names in an exported model."""


def hypotenuse(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Compute `torch.hypot` with operations that ONNX has."""
    return (one.square() + other.square()).sqrt()


class NamedOutputs(nn.Module):
    """Returns by name logits, what is compared with the threshold, embeddings and assessments.

    Args:
        normalise: Turns pixels, N x 3 x H x W, uint8, into the network's input.
        network: In evaluation mode.
        novelty: Detection whose `scores` are computed here with PyTorch; None for no distance.
        has_assessment: Whether to return what assesses pictures, of a network that does; without a
            calibration nobody could read it.
    """

    projection: torch.Tensor
    centres: torch.Tensor
    bank: torch.Tensor

    def __init__(
        self,
        normalise: nn.Module,
        network: nn.Module,
        novelty: Novelty | None = None,
        has_assessment: bool = True,
    ) -> None:
        super().__init__()
        self.normalise, self.network = normalise, network
        self.has_assessment = has_assessment
        self.has_distance = novelty is not None
        self.scales: tuple[tuple[float, float], ...] = ()
        if novelty is None:
            return
        self.register_buffer("projection", torch.from_numpy(novelty.projection))
        self.register_buffer("centres", torch.from_numpy(novelty.centres))
        if (found := novelty.neighbours) is not None:
            self._keep(found)

    def _keep(self, neighbours: Neighbours) -> None:
        self.register_buffer("bank", torch.from_numpy(neighbours.bank))
        both = neighbours.texture, neighbours.embedding
        self.scales = tuple((scale.mean, scale.spread) for scale in both)

    def forward(self, input: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return logits, N x classes, distances, N, at least 0, embeddings, N x E, and `ASSESSED`.

        What a model does not have is left out.
        """
        whole, stem, embeddings = outputs_and_activations(self.network, self.normalise(input))
        outputs = {LOGITS: class_logits(whole)}
        if self.has_distance:
            outputs[DISTANCE] = self._distances(input, stem, embeddings)
        if embeddings.shape[1]:
            outputs[EMBEDDING] = embeddings
        assessed = assessments(whole)
        if self.has_assessment and assessed.shape[1]:
            outputs |= {name: columns(assessed) for name, columns in ASSESSED.items()}
        return outputs

    def _distances(
        self, pixels: torch.Tensor, stem: torch.Tensor, embeddings: torch.Tensor
    ) -> torch.Tensor:
        surface = torch.cat([describe_at_once(pixels), stem], dim=1)
        places = surface[:, : len(self.projection)] @ self.projection
        squared = (places[:, None] - self.centres[None]).square().sum(dim=2)
        surface_distance = squared.amin(dim=1).sqrt()
        if not self.scales:
            return surface_distance
        similar = F.normalize(embeddings, dim=1) @ self.bank.T
        count = min(NUM_NEIGHBOURS, len(self.bank))
        nearest = 1 - similar.topk(count, dim=1).values[:, count - 1]
        parts = (
            ((distance - mean) / spread).relu()
            for distance, (mean, spread) in zip(
                (surface_distance, nearest), self.scales, strict=True
            )
        )
        return hypotenuse(*parts)

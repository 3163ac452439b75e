"""Run a network on a batch of pictures: outputs, and features for out-of-distribution detection."""

from collections.abc import Callable
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import nn

from models.ensemble import Ensemble, mean_outputs
from models.stem import describe_stem, stem_size
from models.texture import NUM_FEATURES, describe

Prepare = Callable[[torch.Tensor], torch.Tensor]
"""Turns pixels, N x 3 x H x W, uint8, into the input of a network; see `Normalisation`."""


def outputs_of(network: nn.Module, prepare: Prepare, pixels: torch.Tensor) -> torch.Tensor:
    """Return the outputs for pictures, float32, N x 5 or the columns of `models.outputs`.

    Args:
        network: In evaluation mode.
        prepare: Applied to the pixels first.
        pixels: N x 3 x H x W, RGB, uint8.
    """
    outputs: torch.Tensor = network(prepare(pixels))
    return outputs.float()


def embedding_size(network: nn.Module) -> int:
    """Return how many numbers the embedding of a picture has; 0 if a network has no embedding.

    An embedding is what the last layer of a network of timm makes logits of. A distilled network
    has two such layers, and one of another library may have anything. An ensemble has the
    embeddings of all its networks.
    """
    if isinstance(network, Ensemble):
        return sum(map(embedding_size, network.members))
    of_timm: Any = network
    if not hasattr(network, "forward_head"):
        return 0
    layer = of_timm.get_classifier()
    if isinstance(layer, nn.Linear):
        return layer.in_features
    return layer.in_channels if isinstance(layer, nn.Conv2d) else 0


def surface_size(network: nn.Module) -> int:
    """Return how many features there are of texture and of the first feature map together.

    Of a network without an embedding there are those of texture alone.
    """
    return NUM_FEATURES + (stem_size(network) if embedding_size(network) else 0)


def outputs_and_activations(
    network: nn.Module, inputs: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return all outputs for pictures, and what the network makes of them on the way.

    All come from one pass, in the two steps that every network of timm has. Where there is no
    embedding, as `embedding_size` tells, neither it nor the stem has numbers; where it is not
    pooled, it has none.

    Args:
        network: In evaluation mode.
        inputs: N x 3 x H x W, float, prepared for the network.

    Returns:
        Outputs in the columns of `models.outputs`; the first feature map as `describe_stem` has it,
        N x `stem_size`; and embeddings, the pooled features before the outputs, N x E. All float32.
    """
    if isinstance(network, Ensemble):
        return _of_members(network, inputs)
    size, of_timm = embedding_size(network), cast("Any", network)
    if not size:
        outputs: torch.Tensor = network(inputs).float()
        return outputs, outputs[:, :0], outputs[:, :0]
    first: list[torch.Tensor] = []
    if stem_size(network):
        features, first = of_timm.forward_intermediates(inputs, indices=[0])
    else:
        features = of_timm.forward_features(inputs)
    embeddings: torch.Tensor = of_timm.forward_head(features, pre_logits=True).flatten(1).float()
    is_pooled = embeddings.shape[1] == size
    outputs = of_timm.forward_head(features).float()
    stem = describe_stem(*first) if first else outputs[:, :0]
    return outputs, stem, embeddings if is_pooled else embeddings[:, :0]


def _of_members(
    ensemble: Ensemble, inputs: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the mean outputs, the first network's stem, and the embeddings of all.

    These have length 1 each, so that the cosine of two is the mean of the networks' cosines.
    """
    each = [outputs_and_activations(member, inputs) for member in ensemble.members]
    outputs, stems, embeddings = zip(*each, strict=True)
    return (
        mean_outputs(outputs),
        stems[0],
        torch.cat([F.normalize(one, dim=1) for one in embeddings], dim=1),
    )


def outputs_and_features(
    network: nn.Module, prepare: Prepare, pixels: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return all outputs for pictures, and the features that tell out-of-distribution ones.

    Args:
        network: In evaluation mode.
        prepare: Applied to the pixels first.
        pixels: N x 3 x H x W, RGB, uint8.

    Returns:
        Outputs in the columns of `models.outputs`; and texture features, those of the first
        feature map (`surface_size` together) and embeddings, N x (D + E). Both float32.
    """
    outputs, stem, embeddings = outputs_and_activations(network, prepare(pixels))
    return outputs, torch.cat([describe(pixels), stem, embeddings], dim=1)

"""Embeddings and the first feature map come with the outputs; where there are none, no numbers."""

import pytest
import timm
import torch
from torch import nn

from models.inference import (
    embedding_size,
    outputs_and_activations,
    outputs_and_features,
    surface_size,
)
from models.stem import FLOOR, describe_stem, stem_size
from models.texture import NUM_FEATURES
from models.zoo import MENU, Model
from utils.common.labels import CLASSES

NAMES = ("test_resnet", "test_vit", "test_convnext", "test_efficientnet", "mobilenetv3_small_050")


def picture(side: int) -> torch.Tensor:
    return torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))


@torch.inference_mode()
@pytest.mark.parametrize("name", NAMES)
def test_the_last_layer_makes_logits_of_embeddings(name: str) -> None:
    network = timm.create_model(name, num_classes=len(CLASSES)).eval()
    inputs = picture(network.pretrained_cfg["input_size"][-1])
    logits, stem, embeddings = outputs_and_activations(network, inputs)
    assert torch.equal(logits, network(inputs))
    assert stem.shape == (2, stem_size(network))
    assert embeddings.shape == (2, embedding_size(network))
    assert torch.equal(network.get_classifier()(embeddings), logits)


class Distilled(nn.Module):
    """Has the methods of a network of timm with two classifiers, or with one that is not pooled."""

    def __init__(self, layers: nn.Module | tuple[nn.Module, ...]) -> None:
        super().__init__()
        self.layers = layers

    def get_classifier(self) -> nn.Module | tuple[nn.Module, ...]:
        return self.layers

    def forward_features(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs

    def forward_head(self, inputs: torch.Tensor, pre_logits: bool = False) -> torch.Tensor:
        return inputs if pre_logits else inputs.mean(dim=(2, 3)) @ torch.ones(3, 5)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.forward_head(self.forward_features(inputs))


@pytest.mark.parametrize(
    "network",
    [
        Distilled((nn.Linear(3, 5), nn.Linear(3, 5))),
        Distilled(nn.Linear(3, 5)),
        Distilled(nn.Identity()),
        nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 5)),
    ],
    ids=["two classifiers", "not pooled", "no classifier", "not of timm"],
)
@torch.inference_mode()
def test_without_embeddings_the_features_are_those_of_texture(network: nn.Module) -> None:
    pixels = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    logits, features = outputs_and_features(network, lambda one: one.float(), pixels)
    assert torch.equal(logits, network(pixels.float()))
    assert features.shape == (2, NUM_FEATURES)


@torch.inference_mode()
def test_the_stem_of_a_residual_network_is_what_its_first_convolution_finds() -> None:
    network = timm.create_model("resnet18", num_classes=len(CLASSES)).eval()
    inputs = picture(64)
    found = network.act1(network.bn1(network.conv1(inputs))).double()
    means, deviations = found.mean(dim=(2, 3)), found.std(dim=(2, 3), unbiased=False)
    stem = outputs_and_activations(network, inputs)[1]
    assert stem.shape == (2, stem_size(network)) == (2, 128)
    assert stem.dtype == torch.float32
    expected = (torch.cat([means.abs(), deviations], dim=1) + FLOOR).log().float()
    assert torch.allclose(stem, expected, atol=1e-5)


def test_a_map_is_described_alike_in_any_batch_and_layout() -> None:
    maps = torch.randn(5, 6, 9, 7, generator=torch.Generator().manual_seed(0)) * 3 + 2
    alone = torch.cat([describe_stem(one[None]) for one in maps])
    assert torch.equal(describe_stem(maps), alone)
    moved = describe_stem(maps.contiguous(memory_format=torch.channels_last))
    assert torch.allclose(moved, alone, atol=1e-6)
    assert torch.allclose(describe_stem(maps.half()), alone, atol=1e-3)
    assert torch.isfinite(describe_stem(torch.zeros(1, 3, 4, 4))).all()


@pytest.mark.parametrize("model", MENU, ids=lambda model: model.name)
def test_a_stem_is_taken_of_residual_networks_and_not_of_wide_maps(model: Model) -> None:
    with torch.device("meta"):
        network = timm.create_model(model.timm_name, num_classes=len(CLASSES))
    assert stem_size(network) == (128 if model.name.startswith("resnet") else 0)
    assert surface_size(network) == NUM_FEATURES + stem_size(network)

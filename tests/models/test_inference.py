"""Embeddings are what a network makes its logits of; where there is no such layer, none."""

import pytest
import timm
import torch
from torch import nn

from models.inference import embedding_size, outputs_and_embeddings, outputs_and_features
from models.texture import NUM_FEATURES
from utils.common.labels import CLASSES

NAMES = ("test_resnet", "test_vit", "test_convnext", "test_efficientnet", "mobilenetv3_small_050")


def picture(side: int) -> torch.Tensor:
    return torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))


@torch.inference_mode()
@pytest.mark.parametrize("name", NAMES)
def test_the_last_layer_makes_logits_of_embeddings(name: str) -> None:
    network = timm.create_model(name, num_classes=len(CLASSES)).eval()
    inputs = picture(network.pretrained_cfg["input_size"][-1])
    logits, embeddings = outputs_and_embeddings(network, inputs)
    assert torch.equal(logits, network(inputs))
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

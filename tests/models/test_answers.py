"""Features come from the pass that gives the logits, and the logits are the network's own."""

import pytest
import timm
import torch

from models.answers import logits_and_features


@pytest.mark.parametrize(
    "name", ["test_resnet", "test_vit", "test_byobnet", "test_efficientnet", "test_convnext"]
)
def test_logits_are_what_the_network_itself_says(name: str) -> None:
    network = timm.create_model(name, num_classes=5).eval()
    pixels = torch.randn(3, 3, 160, 160, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        logits, features = logits_and_features(network, pixels)
        assert torch.equal(logits, network(pixels))
    assert features.shape == (3, network.head_hidden_size)
    assert features.dtype == torch.float32

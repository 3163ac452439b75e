"""Batch norm in a convolution: the same answers, the same network left behind."""

from collections.abc import Callable

import pytest
import timm
import torch
from torch import nn

from models.bundle import read_bundle
from models.device import BFLOAT16, FLOAT32, Compute
from models.fusion import fused
from models.gate import Gate
from models.inference import outputs_and_activations

SIDE = 160
PLAIN = Compute(torch.device("cpu"), FLOAT32)


def norms(network: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())


def lived_in(network: nn.Module) -> nn.Module:
    """Return a network in evaluation mode whose batch norms have seen something."""
    rng = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values, low, high in (
                (module.running_mean, -0.2, 0.2),
                (module.running_var, 0.5, 2),
                (module.weight, 0.5, 1.5),
                (module.bias, -0.2, 0.2),
            ):
                if values is not None:
                    values.data.uniform_(low, high, generator=rng)
    return network.eval()


def pictures(count: int = 3) -> torch.Tensor:
    return torch.randn(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def difference(first: nn.Module, second: nn.Module) -> float:
    """Return the largest difference of what two networks answer as a share of the largest number.

    Answers are their outputs, with what they make of a picture on the way.
    """
    expected, found = (
        torch.cat(outputs_and_activations(one, pictures()), dim=1) for one in (first, second)
    )
    return float((found - expected).abs().max() / expected.abs().max())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "remaining"),
    [
        ("test_resnet", 0),
        ("test_efficientnet", 0),
        ("test_byobnet", 0),
        ("mobilenetv1_100", 0),
        ("tf_efficientnet_lite0", 0),  # its convolutions pad as TensorFlow's
        ("test_coatnet", 2),  # some norms come before their convolution
        ("test_maxvit", 4),
    ],
)
def test_a_fused_network_answers_as_it_did(name: str, remaining: int) -> None:
    network = lived_in(timm.create_model(name, num_classes=5))
    other = fused(network, PLAIN, SIDE, SIDE)
    assert norms(network) > norms(other) == remaining
    assert difference(network, other) < 1e-5
    assert difference(network, lived_in(timm.create_model(name, num_classes=5))) > 1e-5


def test_the_network_itself_is_left_as_it_was() -> None:
    network = lived_in(timm.create_model("test_resnet", num_classes=5))
    before = {name: values.clone() for name, values in network.state_dict().items()}
    modules = list(network.modules())
    other = fused(network, PLAIN, SIDE, SIDE)
    assert list(network.modules()) == modules
    assert all(not module._forward_hooks for module in modules)
    assert all(not module._forward_pre_hooks for module in modules)
    after = network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(values, after[name]) for name, values in before.items())
    network.train()
    assert not any(module.training for module in other.modules())


def test_what_is_not_folded_shares_its_memory() -> None:
    network = lived_in(timm.create_model("test_resnet", num_classes=5))
    other = fused(network, PLAIN, SIDE, SIDE)
    assert other.get_classifier().weight is network.get_classifier().weight
    assert other.conv1[0].weight is not network.conv1[0].weight


def test_fusing_again_changes_nothing() -> None:
    other = fused(lived_in(timm.create_model("test_resnet")), PLAIN, SIDE, SIDE)
    assert fused(other, PLAIN, SIDE, SIDE) is other


@pytest.mark.parametrize(
    "compute", [Compute(torch.device("cpu"), BFLOAT16), Compute(torch.device("cuda"), FLOAT32)]
)
def test_other_arithmetic_is_left_alone(compute: Compute) -> None:
    network = lived_in(timm.create_model("test_resnet"))
    assert fused(network, compute, SIDE, SIDE) is network


def test_a_network_without_batch_norm_is_not_even_asked() -> None:
    network = timm.create_model("test_vit").eval()
    network.register_forward_pre_hook(lambda *_: pytest.fail("asked"))
    assert fused(network, PLAIN, SIDE, SIDE) is network


def test_a_network_in_training_is_left_alone() -> None:
    network = timm.create_model("test_resnet").train()
    assert fused(network, PLAIN, SIDE, SIDE) is network


class Small(nn.Module):
    """A convolution and a batch norm, joined by a function."""

    def __init__(self, joined: Callable[["Small", torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4)
        self.other = nn.Conv2d(4, 4, 1)
        self.joined = joined
        lived_in(self)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.joined(self, pixels).mean(dim=(2, 3))


def taken_twice(net: Small, pixels: torch.Tensor) -> torch.Tensor:
    seen = net.convolution(pixels)
    return net.norm(seen) + seen


def changed_between(net: Small, pixels: torch.Tensor) -> torch.Tensor:
    return net.norm(net.convolution(pixels).relu_())


def called_twice(net: Small, pixels: torch.Tensor) -> torch.Tensor:
    return net.norm(net.convolution(pixels)) + net.convolution(pixels + 1)


def normed_twice(net: Small, pixels: torch.Tensor) -> torch.Tensor:
    return net.norm(net.other(net.norm(net.convolution(pixels))))


def normed_first(net: Small, pixels: torch.Tensor) -> torch.Tensor:
    return net.other(net.norm(nn.functional.pad(pixels, (0, 0, 0, 0, 0, 1))))


@pytest.mark.parametrize(
    "joined", [taken_twice, changed_between, called_twice, normed_twice, normed_first]
)
def test_what_cannot_be_folded_stays(
    joined: Callable[[Small, torch.Tensor], torch.Tensor],
) -> None:
    network = Small(joined)
    assert fused(network, PLAIN, SIDE, SIDE) is network


def test_a_convolution_with_a_bias_is_folded() -> None:
    network = Small(lambda net, pixels: net.norm(net.other(net.convolution(pixels).relu())))
    other = fused(network, PLAIN, SIDE, SIDE)
    assert norms(other) == 0
    assert difference(network, other) < 1e-5


def test_a_fold_that_answers_otherwise_is_not_taken() -> None:
    network = Small(
        lambda net, pixels: (
            net.norm(net.convolution(pixels)) * (1 + isinstance(net.norm, nn.Identity))
        )
    )
    assert fused(network, PLAIN, SIDE, SIDE) is network


def test_the_gate_asks_a_fused_network_and_leaves_the_stored_one(bundle) -> None:
    card, network = read_bundle(bundle)
    state = {name: values.clone() for name, values in network.state_dict().items()}
    gate = Gate(card, network, PLAIN)
    assert norms(gate._network) == 0 < norms(network)
    assert all(torch.equal(values, network.state_dict()[name]) for name, values in state.items())

"""Convolutions that learn faster from small maps learn the same."""

import copy

import pytest
import timm
import torch
from torch import nn

from models.convolution import MAX_SIDE, SmallMapConv2d, learn_fast_from_small_maps
from models.device import FLOAT32, Compute
from models.fusion import fused


@pytest.fixture(autouse=True)
def avx2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    return timm.create_model("test_resnet", num_classes=5)


def replaced(network: nn.Module) -> nn.Module:
    other = copy.deepcopy(network)
    learn_fast_from_small_maps(other)
    return other


@pytest.mark.parametrize("padding", [(0, 0), (1, 1), (2, 1)])
@pytest.mark.parametrize("kernel", [(3, 3), (1, 3), (5, 2)])
def test_its_gradients_are_those_of_differences(
    kernel: tuple[int, int], padding: tuple[int, int]
) -> None:
    torch.manual_seed(0)
    maps = torch.randn(2, 3, 6, 5, dtype=torch.float64, requires_grad=True)
    layer = SmallMapConv2d(nn.Conv2d(3, 4, kernel, padding=padding, bias=False).double())

    def answer(maps: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(layer, {"weight": weight}, maps)

    assert "_SwappedGradient" in str(layer(maps).grad_fn)
    assert torch.autograd.gradcheck(answer, (maps, layer.weight))


def test_a_network_learns_the_same_but_for_rounding(network: nn.Module) -> None:
    other = replaced(network)
    pixels = torch.randn(4, 3, 64, 64)
    for one in (network, other):
        one.train()(pixels).square().sum().backward()
    for (name, weight), (same, fast) in zip(
        network.named_parameters(), other.named_parameters(), strict=True
    ):
        assert name == same
        assert torch.allclose(
            fast.grad, weight.grad, rtol=1e-3, atol=1e-4 * weight.grad.abs().max()
        )


def test_what_is_stored_and_answered_stays_the_same_to_the_last_bit(network: nn.Module) -> None:
    other = replaced(network)
    assert any(type(module) is SmallMapConv2d for module in other.modules())
    stored = network.state_dict()
    assert list(other.state_dict()) == list(stored)
    pixels = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(other.eval()(pixels), network.eval()(pixels))
        plain, fast = (
            fused(one, Compute(torch.device("cpu"), FLOAT32), 64, 64) for one in (network, other)
        )
        assert not any(isinstance(module, nn.BatchNorm2d) for module in fast.modules())
        assert torch.equal(fast(pixels), plain(pixels))


def test_large_maps_and_16_bits_take_the_usual_way() -> None:
    layer = SmallMapConv2d(nn.Conv2d(3, 4, 3, padding=1, bias=False))
    assert "_SwappedGradient" in str(layer(torch.randn(1, 3, MAX_SIDE, MAX_SIDE)).grad_fn)
    assert "_SwappedGradient" not in str(layer(torch.randn(1, 3, MAX_SIDE, MAX_SIDE + 1)).grad_fn)
    with torch.autocast("cpu", torch.bfloat16):
        assert "_SwappedGradient" not in str(layer(torch.randn(1, 3, 7, 7)).grad_fn)


@pytest.mark.parametrize(
    "plain",
    [
        nn.Conv2d(4, 4, 1, bias=False),
        nn.Conv2d(4, 4, 3, stride=2, bias=False),
        nn.Conv2d(4, 4, 3, dilation=2, bias=False),
        nn.Conv2d(4, 4, 3, groups=4, bias=False),
        nn.Conv2d(4, 4, 3),
        nn.Conv2d(4, 4, 3, padding="same", bias=False),
        nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect", bias=False),
    ],
)
def test_others_stay_as_they_are(plain: nn.Conv2d) -> None:
    holder = nn.Sequential(plain, nn.Conv2d(4, 4, 3, padding=1, bias=False))
    learn_fast_from_small_maps(holder)
    assert [type(module) for module in holder] == [nn.Conv2d, SmallMapConv2d]


def test_other_processors_keep_their_own_kernels(
    network: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    learn_fast_from_small_maps(network)
    assert not any(isinstance(module, SmallMapConv2d) for module in network.modules())

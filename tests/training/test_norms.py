"""Norms that keep to 16 bits compute what autocast computes, as far as 16 bits tell."""

import copy

import pytest
import timm
import torch

from utils.training.step.norms import NarrowLayerNorm, narrow_norms


@pytest.fixture
def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return timm.create_model(
        "swin_base_patch4_window7_224", img_size=56, depths=(2, 2), embed_dim=16,
        num_heads=(2, 4), num_classes=5,
    ).eval()  # fmt: skip


def answers(network: torch.nn.Module, dtype: torch.dtype | None) -> torch.Tensor:
    pixels = torch.randn(2, 3, 56, 56, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", dtype, enabled=dtype is not None):
        return network(pixels).float()


def test_all_layer_norms_are_replaced_and_the_weights_keep_their_names(network) -> None:
    narrow = copy.deepcopy(network)
    narrow_norms(narrow)
    kinds = {type(module) for module in narrow.modules() if isinstance(module, torch.nn.LayerNorm)}
    assert kinds == {NarrowLayerNorm}
    stored = network.state_dict()
    assert list(narrow.state_dict()) == list(stored)
    assert all(torch.equal(value, stored[name]) for name, value in narrow.state_dict().items())


def test_in_float32_no_bit_changes(network) -> None:
    expected = answers(network, None)
    narrow_norms(network)
    assert torch.equal(answers(network, None), expected)


def test_in_16_bits_it_is_as_near_to_float32_as_autocast_is(network) -> None:
    exact, usual = answers(network, None), answers(network, torch.bfloat16)
    narrow_norms(network)
    narrow = answers(network, torch.bfloat16)
    assert (narrow - exact).abs().max() < 2 * (usual - exact).abs().max()


def test_a_norm_answers_in_the_kind_of_number_it_is_asked_in() -> None:
    norm = NarrowLayerNorm(torch.nn.LayerNorm(8))
    with torch.autocast("cpu", torch.bfloat16):
        assert norm(torch.randn(4, 8)).dtype == torch.float32
        assert norm(torch.randn(4, 8).bfloat16()).dtype == torch.bfloat16

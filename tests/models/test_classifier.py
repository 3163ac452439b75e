"""A network that assesses pictures says of the classes what it said before, to the last bit."""

import copy
import math

import pytest
import timm
import torch
from torch import nn

from models.classifier import (
    can_assess,
    holds_assessment,
    is_assessing,
    is_of_assessment,
    let_assess,
)
from models.outputs import NUM_ASSESSMENTS, NUM_OUTPUTS, assessments, class_logits, fault_logits
from models.pretrained import build
from models.zoo import resolve
from utils.common.errors import ModelError
from utils.common.labels import CLASSES

FAMILIES = ("test_resnet", "test_vit", "test_convnext", "test_efficientnet", "test_nfnet")
OTHERS = ("resnetv2_18", "deit_tiny_distilled_patch16_224")
"""A convolution as classifier, and two classifiers."""


def make(name: str) -> tuple[nn.Module, torch.Tensor]:
    network, preprocessing = build(resolve(name), len(CLASSES), pretrained=False)
    generator = torch.Generator().manual_seed(1)
    return network.eval(), torch.randn(3, 3, *preprocessing.size, generator=generator)


@pytest.mark.parametrize("name", FAMILIES)
@torch.inference_mode()
def test_the_classes_come_first_and_stay_as_they_were(name: str) -> None:
    network, pixels = make(name)
    before, answers = dict(network.state_dict()), network(pixels)
    state = torch.get_rng_state()
    let_assess(network)
    assert torch.equal(torch.get_rng_state(), state)
    outputs = network(pixels)
    assert outputs.shape == (3, NUM_OUTPUTS)
    assert torch.equal(class_logits(outputs), answers)
    after = network.state_dict()
    assert all(torch.equal(after[kept], tensor) for kept, tensor in before.items())
    assert is_assessing(network)
    assert {new for new in after if is_of_assessment(new)} == after.keys() - before.keys()
    assert holds_assessment(after) and not holds_assessment(before)
    assert torch.equal(copy.deepcopy(network)(pixels), outputs)


def test_at_first_it_says_the_same_of_every_picture() -> None:
    network, pixels = make("test_resnet")
    let_assess(network)
    told = assessments(network(pixels))
    assert torch.equal(told, told[:1].expand(3, NUM_ASSESSMENTS))
    assert (fault_logits(told) < 0).all()
    told.sum().backward()
    body = [weight.grad for name, weight in network.named_parameters() if "fc" not in name]
    assert all(grad is None or not grad.any() for grad in body)
    assert network.get_classifier().assessment.weight.grad.any()


@pytest.mark.parametrize("name", OTHERS)
def test_beside_another_classifier_there_is_no_place(name: str) -> None:
    network = timm.create_model(name, num_classes=len(CLASSES))
    names = set(network.state_dict())
    assert not can_assess(network)
    with pytest.raises(ModelError, match="has no single linear classifier"):
        let_assess(network)
    assert set(network.state_dict()) == names


def test_a_classifier_without_a_bias_stays_without() -> None:
    network = timm.create_model("test_resnet", num_classes=len(CLASSES))
    network.fc = nn.Linear(network.fc.in_features, len(CLASSES), bias=False)
    let_assess(network)
    assert "fc.bias" not in network.state_dict()
    assert network(torch.zeros(1, 3, 64, 64)).shape == (1, NUM_OUTPUTS)


def test_it_is_laid_out_without_memory() -> None:
    with torch.device("meta"):
        network, _ = build(resolve("test_vit"), len(CLASSES), pretrained=False)
        let_assess(network)
    assert all(tensor.is_meta for tensor in network.state_dict().values())
    assert not math.isnan(network.get_classifier().in_features)

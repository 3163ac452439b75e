"""Several networks that answer as one: means of probabilities, stored and read like any model."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from torch import nn

from models import load
from models.bundle import Card, read_bundle, store_bundle
from models.device import FLOAT32, Compute
from models.ensemble import MAX_MEMBERS, MEMBERS, Ensemble, joined_weights, mean_outputs
from models.fusion import fused
from models.gate import Gate
from models.inference import embedding_size, outputs_and_activations, surface_size
from models.outputs import (
    NUM_OUTPUTS,
    assessments,
    class_logits,
    fault_logits,
    severity_logits,
    subject_logits,
)
from models.stem import stem_size
from utils.common.errors import ModelError
from utils.common.labels import CLASSES


def drawn(seed: int, columns: int, spread: float = 3.0) -> torch.Tensor:
    return spread * torch.randn(4, columns, generator=torch.Generator().manual_seed(seed))


def networks(number: int = 3) -> list[nn.Module]:
    made = []
    for seed in range(number):
        torch.manual_seed(seed)
        made.append(timm.create_model("test_resnet", num_classes=len(CLASSES)).eval())
    return made


def test_every_probability_is_the_mean_of_the_networks() -> None:
    each = [drawn(seed, NUM_OUTPUTS) for seed in range(3)]
    found = mean_outputs(each)
    assert found.shape == (4, NUM_OUTPUTS) and found.dtype == torch.float32
    for columns, probabilities in (
        (class_logits, lambda logits: logits.softmax(dim=1)),
        (lambda outputs: subject_logits(assessments(outputs)), lambda logits: logits.softmax(1)),
        (lambda outputs: fault_logits(assessments(outputs)), torch.sigmoid),
        (lambda outputs: severity_logits(assessments(outputs)), torch.sigmoid),
    ):
        expected = torch.stack([probabilities(columns(one)) for one in each]).mean(dim=0)
        assert torch.allclose(probabilities(columns(found)), expected, atol=1e-6)


def test_of_a_network_that_does_not_assess_there_are_classes_alone() -> None:
    assert mean_outputs([drawn(seed, len(CLASSES)) for seed in range(2)]).shape == (4, len(CLASSES))


def test_outputs_that_are_sure_and_contradict_each_other_stay_finite() -> None:
    first = drawn(0, NUM_OUTPUTS, spread=1e4)
    found = mean_outputs([first, -first])
    assert torch.isfinite(found).all()
    assert torch.allclose(fault_logits(assessments(found)), torch.zeros(1), atol=1e-3)


def test_half_precision_is_averaged_in_single() -> None:
    each = [drawn(seed, len(CLASSES)).bfloat16() for seed in range(2)]
    assert torch.equal(mean_outputs(each), mean_outputs([one.float() for one in each]))


@torch.inference_mode()
def test_features_are_the_first_stem_and_all_embeddings() -> None:
    members = networks()
    ensemble, inputs = Ensemble(members).eval(), torch.randn(4, 3, 96, 96)
    outputs, stem, embeddings = outputs_and_activations(ensemble, inputs)
    each = [outputs_and_activations(member, inputs) for member in members]
    assert torch.equal(outputs, ensemble(inputs))
    assert torch.equal(stem, each[0][1]) and stem.shape[1] == stem_size(ensemble)
    assert embeddings.shape[1] == embedding_size(ensemble) == 3 * embedding_size(members[0])
    assert surface_size(ensemble) == surface_size(members[0])

    def cosines(rows: torch.Tensor) -> torch.Tensor:
        lengths = rows / rows.norm(dim=1, keepdim=True)
        return lengths @ lengths.T

    expected = torch.stack([cosines(one[2]) for one in each]).mean(dim=0)
    assert torch.allclose(cosines(embeddings), expected, atol=1e-5)


def test_its_batch_norms_are_folded_like_those_of_one() -> None:
    ensemble = Ensemble(networks(2)).eval()
    faster = fused(ensemble, Compute(torch.device("cpu"), FLOAT32), 96, 96)
    assert not [one for one in faster.modules() if isinstance(one, nn.BatchNorm2d)]
    assert [one for one in ensemble.modules() if isinstance(one, nn.BatchNorm2d)]


@pytest.fixture
def stored(make_bundle, tmp_path: Path) -> Path:
    """Return the folder of an ensemble of two networks, and of each of them beside it."""
    cards, weights = [], []
    for seed in range(2):
        card, network = read_bundle(make_bundle(tmp_path / f"{seed}", calibrated=False, seed=seed))
        cards.append(card)
        weights.append(network.state_dict())
    (tmp_path / "both").mkdir()
    store_bundle(tmp_path / "both", joined_weights(weights), replace(cards[0], members=2))
    return tmp_path / "both"


def test_a_stored_one_is_a_gate_whose_probabilities_are_the_means(
    stored: Path, make_picture
) -> None:
    pictures = [make_picture(seed) for seed in range(5)]
    both, *each = (
        np.array([list(one.probabilities.values()) for one in load(folder)(pictures)])
        for folder in (stored, stored.parent / "0", stored.parent / "1")
    )
    assert not np.allclose(*each, atol=1e-3)
    assert both == pytest.approx(np.mean(each, axis=0), abs=1e-5)


def test_a_stored_one_says_how_to_use_its_weights_without_this_program(stored: Path) -> None:
    assert "those of 2 networks" in json.loads((stored / "best.json").read_text())["how_to_use"]
    alone = json.loads((stored.parent / "0" / "best.json").read_text())
    assert "networks" not in alone["how_to_use"] and MEMBERS not in alone


@pytest.mark.parametrize("members", [0, -1, True, 1.5, "2", MAX_MEMBERS + 1, None])
def test_a_number_of_networks_that_is_none_is_refused(stored: Path, members: object) -> None:
    card = stored / "best.json"
    card.write_text(json.dumps({**json.loads(card.read_text()), MEMBERS: members}))
    with pytest.raises(ModelError, match="members is not a whole number from 1 to 32"):
        read_bundle(stored)


@pytest.mark.parametrize(
    ("members", "fault"),
    [(3, r"3 x test_resnet for 5 classes: members\.2\.\S+ is missing"), (1, "bias is missing")],
)
def test_weights_of_another_number_of_networks_are_refused(
    stored: Path, members: int, fault: str
) -> None:
    card = stored / "best.json"
    card.write_text(json.dumps({**json.loads(card.read_text()), MEMBERS: members}))
    with pytest.raises(ModelError, match=fault):
        read_bundle(stored)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the exporters' own
def test_an_exported_one_answers_as_it_does(make_bundle, tmp_path: Path) -> None:
    from models import export

    read = [
        read_bundle(make_bundle(tmp_path / f"{seed}", assessing=True, seed=seed))
        for seed in range(2)
    ]
    card: Card = replace(read[0][0], members=2, calibration=None)
    ensemble = Ensemble(network for _, network in read).eval()
    line = export.export(card, ensemble, tmp_path / "both.pt2", export.TORCH_EXPORT)
    assert "100 drawn pictures" in line
    if export.importlib.util.find_spec("onnxruntime"):
        assert "opset" in export.export(card, ensemble, tmp_path / "both.onnx", export.ONNX)


def test_its_gate_takes_batches_of_any_size(stored: Path) -> None:
    card, network = read_bundle(stored)
    gate = Gate(card, network, Compute(torch.device("cpu"), FLOAT32))
    side = card.preprocessing.height
    pixels = torch.randint(0, 256, (3, 3, side, side), dtype=torch.uint8)
    whole, alone = (
        gate.forward(pixels)[0],
        torch.cat([gate.forward(one[None])[0] for one in pixels]),
    )
    assert torch.allclose(whole, alone, atol=1e-4)

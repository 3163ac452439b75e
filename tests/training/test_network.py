"""The network of a run assesses pictures where that is wanted and possible, and else is as ever."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from models.classifier import holds_assessment, is_assessing, is_of_assessment
from models.zoo import PROBE, resolve
from tests.training.conftest import TINY
from utils.common.errors import SettingsError
from utils.training import network
from utils.training.network import build_network, rebuild_network
from utils.training.processes.world import World
from utils.training.settings import MANY, Settings, complete, merge

WITHOUT_PLACE = "resnetv2_18"
"""Its classifier is a convolution."""


def asked(model: str = TINY, **more: object) -> Settings:
    given = {"batch_size": 4, "workers": 0, "model": model, "pretrained": False, **more}
    return Settings(**given)  # type: ignore[arg-type]


def test_all_else_begins_with_the_same_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    wide, plain = (
        build_network(asked(assessment_weight=weight, seed=3), World()).network.state_dict()
        for weight in (0.5, 0.0)
    )
    assert holds_assessment(wide) and not holds_assessment(plain)
    assert all(torch.equal(wide[name], tensor) for name, tensor in plain.items())
    assert all(is_of_assessment(name) for name in wide.keys() - plain.keys())
    assert capsys.readouterr().out == ""


class Told(World):
    """A process that hears what the first one said."""

    rank, size = 1, 2

    def __init__(self, said: object) -> None:
        self._said = said

    def broadcast(self, make: Callable[[], object]) -> object:
        return self._said


class Telling(World):
    """The first process, which keeps what it says first."""

    def __init__(self) -> None:
        self.said: list[object] = []

    def broadcast(self, make: Callable[[], object]) -> object:
        self.said.append(make())
        return self.said[-1]


def test_a_described_model_is_the_same_network_resumed_and_in_each_process(tmp_path: Path) -> None:
    small = {"input_size": (3, 96, 96)}
    described = timm.create_model(
        "test_vit", num_classes=5, img_size=96, pretrained_cfg_overlay=small
    )
    timm.models.save_for_hf(described, tmp_path / "x", model_args={"drop_path_rate": 0.5})
    given = asked(f"local-dir:{tmp_path / 'x'}", pretrained=True, freeze_epochs=0)
    first = Telling()
    built = build_network(given, first)
    assert built.settings.model == "test_vit"
    assert built.preprocessing.size == (96, 96)
    weights = built.network.state_dict()
    assert all(torch.equal(weights[name], one) for name, one in described.state_dict().items())
    again = rebuild_network(built.settings, built.preprocessing)
    other = build_network(given, Told(first.said[0]))
    for one in (again.network, other.network):
        assert str(one) == str(built.network)
        one.load_state_dict(weights)


@pytest.mark.parametrize("model", [TINY, WITHOUT_PLACE])
@pytest.mark.parametrize("weight", [0.0, 0.2])
def test_a_resumed_run_gets_the_network_that_it_had(model: str, weight: float) -> None:
    built = build_network(asked(model, assessment_weight=weight), World())
    again = rebuild_network(built.settings, built.preprocessing)
    assert again.network.state_dict().keys() == built.network.state_dict().keys()
    assert is_assessing(again.network) == (model == TINY and weight > 0)


def test_where_there_is_no_place_it_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert not is_assessing(build_network(asked(WITHOUT_PLACE), World()).network)
    assert capsys.readouterr().out == (
        f"{WITHOUT_PLACE} has no single linear classifier, beside which a layer could learn what "
        "is wrong with a picture: it learns the classes alone.\n"
    )


@pytest.mark.parametrize("has_layer", [True, False])
@pytest.mark.parametrize("weight", [0.0, 0.2])
def test_weights_of_a_run_are_taken_as_far_as_they_go(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], has_layer: bool, weight: float
) -> None:
    before = build_network(asked(seed=1), World()).network.state_dict()
    stored = {
        name: tensor + 0.5 if tensor.is_floating_point() else tensor
        for name, tensor in before.items()
        if has_layer or not is_of_assessment(name)
    }
    path = tmp_path / "best.safetensors"
    save_file(stored, path)
    given = asked(pretrained=True, pretrained_path=str(path), assessment_weight=weight)
    found = build_network(given, World()).network.state_dict()
    assert holds_assessment(found) == (weight > 0)
    for name, tensor in found.items():
        if is_of_assessment(name) and not has_layer:
            assert torch.equal(tensor, before[name])
        else:
            assert torch.equal(tensor, stored[name])
    assert capsys.readouterr().out == ""


def test_pretrained_weights_are_probed_first_and_random_ones_are_not() -> None:
    model = resolve("resnet18")
    open_ = Settings(batch_size=4, workers=0)
    usual = complete(open_, model, pretrained=True)
    assert (usual.freeze_epochs, usual.epochs) == (PROBE, PROBE + model.recipe.epochs)
    few = complete(replace(open_, epochs=3), model, pretrained=True)
    assert (few.freeze_epochs, few.epochs) == (PROBE, PROBE + 3)
    own = complete(replace(open_, epochs=3, freeze_epochs=0), model, pretrained=True)
    assert (own.freeze_epochs, own.epochs) == (0, 3)
    probe = complete(replace(open_, epochs=0, freeze_epochs=7), model, pretrained=True)
    assert (probe.freeze_epochs, probe.epochs) == (7, 7)
    for given in ({"pretrained": False}, {"pretrained": True, "has_features": False}):
        random = complete(replace(open_, epochs=3), model, **given)
        assert (random.freeze_epochs, random.epochs) == (0, 3)
    with pytest.raises(SettingsError, match="--epochs 0 after 0 of --freeze-epochs is 0 in all"):
        complete(replace(open_, epochs=0), model, pretrained=False)


@pytest.mark.parametrize("has_features", [True, False])
def test_a_network_without_features_is_fine_tuned_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_features: bool
) -> None:
    weights = tmp_path / "weights.safetensors"
    save_file(build_network(asked(), World()).network.state_dict(), weights)
    if not has_features:
        monkeypatch.setattr(network, "features_shape", lambda *_: None)
    start = {"pretrained": True, "pretrained_path": str(weights)}
    built = build_network(asked(**start), World())
    assert built.settings.freeze_epochs == (PROBE if has_features else 0)


def test_more_epochs_of_a_run_come_after_its_frozen_ones() -> None:
    stored = complete(Settings(batch_size=4, workers=0), resolve("resnet18"), pretrained=True)
    longer = merge(stored, Settings(epochs=40), frozenset({"epochs"}))
    assert longer.epochs == stored.freeze_epochs + 40
    with pytest.raises(SettingsError, match=r"is 65556 in all\. Expected 1 to 65,536"):
        merge(stored, Settings(epochs=MANY), frozenset({"epochs"}))
    with pytest.raises(SettingsError, match="freeze_epochs was 20 and not 3"):
        merge(stored, Settings(freeze_epochs=3), frozenset({"freeze_epochs"}))


def test_frozen_epochs_that_prepare_others_cannot_become_a_run_of_their_own() -> None:
    asked = Settings(batch_size=4, workers=0)
    stored = complete(asked, resolve("resnet18"), pretrained=True)
    with pytest.raises(SettingsError) as raised:
        merge(stored, Settings(epochs=0), frozenset({"epochs"}))
    assert str(raised.value) == (
        f"--epochs 0 leaves this run its {PROBE} frozen epochs alone, and it keeps none of them, "
        "since others were to follow. Expected --epochs 1 or more. To train the classifier alone, "
        "start anew with --epochs 0 and without --resume."
    )
    probe = complete(replace(asked, epochs=0), resolve("resnet18"), pretrained=True)
    assert merge(probe, Settings(epochs=0), frozenset({"epochs"})) == probe

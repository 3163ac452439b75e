"""Weights from a file or from the hub: exactly those asked for, or a clear no."""

import pickle
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from models import pretrained
from models.pretrained import WeightsUnavailableError, build
from models.zoo import resolve
from utils.common.errors import ModelError

TINY = resolve("test_resnet")


@pytest.fixture
def weights() -> dict[str, torch.Tensor]:
    return timm.create_model("test_resnet", num_classes=7).state_dict()


def equal(network: torch.nn.Module, weights: dict[str, torch.Tensor], but: str = "") -> bool:
    own = network.state_dict()
    names = [name for name in own if not but or not name.startswith(but)]
    return all(torch.equal(own[name], weights[name].to(own[name].dtype)) for name in names)


def test_another_class_count_makes_a_new_classifier_and_says_so(
    tmp_path: Path, weights: dict[str, torch.Tensor], capsys: pytest.CaptureFixture[str]
) -> None:
    save_file(weights, tmp_path / "w.safetensors")
    network, _ = build(TINY, 5, True, str(tmp_path / "w.safetensors"))
    assert equal(network, weights, but="fc.")
    assert network.get_classifier().out_features == 5
    assert capsys.readouterr().out == (
        "The classifier in w.safetensors is for other classes; it is trained anew.\n"
    )


def test_a_finished_run_gives_its_weights_to_another(
    tmp_path: Path, weights: dict[str, torch.Tensor]
) -> None:
    stored = {**weights, "novelty.centres": torch.zeros(2, 3)}
    save_file(stored, tmp_path / "best.safetensors")
    network, _ = build(TINY, 7, True, str(tmp_path / "best.safetensors"))
    assert equal(network, weights)


@pytest.mark.parametrize("wrapper", ["", "state_dict", "model"])
def test_files_of_pytorch_are_read_too(
    tmp_path: Path,
    weights: dict[str, torch.Tensor],
    wrapper: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    named = {f"module.{name}": tensor for name, tensor in weights.items()}
    torch.save({wrapper: named, "epoch": 3} if wrapper else named, tmp_path / "w.pth")
    network, _ = build(TINY, 7, True, str(tmp_path / "w.pth"))
    assert equal(network, weights)
    assert capsys.readouterr().out == ""


def test_half_precision_is_widened(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    halves = {k: v.half() if v.is_floating_point() else v for k, v in weights.items()}
    save_file(halves, tmp_path / "w.safetensors")
    network, _ = build(TINY, 7, True, str(tmp_path / "w.safetensors"))
    assert equal(network, halves)
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}


def test_foreign_weights_are_refused_with_five_offenders(
    tmp_path: Path, weights: dict[str, torch.Tensor]
) -> None:
    first, second, third, *_ = [name for name in weights if name.endswith("conv1.weight")]
    del weights[first]
    weights["strange"] = torch.zeros(1)
    weights[second] = torch.zeros(3, 3)
    save_file(weights, tmp_path / "w.safetensors")
    with pytest.raises(ModelError) as raised:
        build(TINY, 5, True, str(tmp_path / "w.safetensors"))
    message = str(raised.value)
    assert f"{first} is missing" in message
    assert "strange is unknown" in message
    assert f"{second} is 3x3 instead of " in message
    assert third not in message
    assert message.endswith("Give the file that belongs to this model, or another --model.")
    save_file({"a": torch.zeros(1)}, tmp_path / "w.safetensors")
    with pytest.raises(ModelError, match=r" is missing and \d+ more"):
        build(TINY, 5, True, str(tmp_path / "w.safetensors"))


class Trap:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("code from a file has run",)


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_no_code_from_a_file_is_run(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_bytes(pickle.dumps({"fc.weight": Trap()}))
    with pytest.raises(ModelError, match=f"{name} "):
        build(TINY, 5, True, str(tmp_path / name))
    torch.save({"fc.weight": Trap()}, tmp_path / "zip.pth")
    with pytest.raises(ModelError, match="would run code when loaded"):
        build(TINY, 5, True, str(tmp_path / "zip.pth"))
    assert "has run" not in capsys.readouterr().out


def test_weights_that_the_hub_does_not_give_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    class Nowhere:
        def head(self, *arguments: object, **more: object) -> None:
            raise ConnectionError("Name or service not known\nand more")

    monkeypatch.setattr(huggingface_hub, "get_session", Nowhere)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: None)
    with pytest.raises(WeightsUnavailableError) as raised:
        build(resolve("resnet18"), 5, True)
    assert str(raised.value) == (
        "The pretrained weights of resnet18 cannot be had: Name or service not known. "
        "Expected an answer from the model hub. Give --pretrained-path FILE with weights for this "
        "model, or --no-pretrained to train from random weights."
    )


def test_weights_in_the_hubs_cache_need_no_network(
    tmp_path: Path, weights: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    own = timm.create_model("test_resnet").state_dict()
    save_file(own, tmp_path / "w.safetensors")
    cached = lambda *_: str(tmp_path / "w.safetensors")  # noqa: E731
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", cached)
    monkeypatch.setattr(huggingface_hub, "get_session", None)
    network, _ = pretrained.build(TINY, 5, True)
    assert equal(network, own, but="fc.")


def test_random_weights_follow_from_the_seed_and_leave_the_generator_alone() -> None:
    before = torch.random.get_rng_state()
    first, second, other = (build(TINY, 5, False, seed=seed)[0] for seed in (1, 1, 2))
    assert equal(first, second.state_dict())
    assert not equal(first, other.state_dict())
    assert torch.equal(before, torch.random.get_rng_state())

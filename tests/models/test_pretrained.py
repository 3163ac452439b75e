"""Weights from a file or from the hub: exactly those asked for, or a clear no."""

import argparse
import json
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from models import pretrained
from models.pretrained import WeightsUnavailableError, architecture_of, build
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


def begins_at_zero(network: torch.nn.Module) -> bool:
    return not any(weight.any() for weight in network.get_classifier().parameters())


def test_another_class_count_makes_a_new_classifier_and_says_so(
    tmp_path: Path, weights: dict[str, torch.Tensor], capsys: pytest.CaptureFixture[str]
) -> None:
    save_file(weights, tmp_path / "w.safetensors")
    network, _ = build(TINY, 5, True, str(tmp_path / "w.safetensors"))
    assert equal(network, weights, but="fc.")
    assert network.get_classifier().out_features == 5
    assert begins_at_zero(network)
    assert capsys.readouterr().out == (
        "The classifier in w.safetensors is for other classes; a new one is trained.\n"
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


PREFIXES = ("", "_orig_mod.", "module.", "model.", "backbone.", "module._orig_mod.model.", "0.")


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("is_pytorch", [True, False])
def test_what_a_network_was_wrapped_in_stands_before_each_name(
    tmp_path: Path, weights: dict[str, torch.Tensor], prefix: str, is_pytorch: bool, capsys
) -> None:
    named = {f"{prefix}{name}": tensor for name, tensor in weights.items()}
    path = tmp_path / ("w.pth" if is_pytorch else "w.safetensors")
    torch.save({"state_dict": named}, path) if is_pytorch else save_file(named, path)
    network, _ = build(TINY, 7, True, str(path))
    assert equal(network, weights)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "place",
    [
        *(
            "model_state_dict",
            "state_dict",
            "model",
            "model_ema",
            "ema",
            "net",
            "network",
            "module",
        ),
        *("state_dict_ema", "anything", "checkpoint/model/state_dict"),
    ],
)
def test_a_table_of_weights_is_found_below_any_name(
    tmp_path: Path, weights: dict[str, torch.Tensor], place: str, capsys
) -> None:
    content: dict[str, object] = weights
    for name in reversed(place.split("/")):
        content = {
            name: content, "epoch": 3, "args": argparse.Namespace(lr=0.1),
            "best": np.float64(0.5), "optimizer": {"state": {0: {"exp_avg": torch.zeros(3)}}},
        }  # fmt: skip
    torch.save(content, tmp_path / "w.ckpt")
    network, _ = build(TINY, 7, True, str(tmp_path / "w.ckpt"))
    assert equal(network, weights)
    assert capsys.readouterr().out == ""


def shifted(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor + 1 for name, tensor in weights.items()}


def below(prefix: str, weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {f"{prefix}{name}": tensor for name, tensor in weights.items()}


@pytest.mark.parametrize("is_flat", [False, True])
def test_of_weights_and_their_average_the_average_is_taken_and_that_is_said(
    tmp_path: Path, weights: dict[str, torch.Tensor], is_flat: bool, capsys
) -> None:
    average = shifted(weights)
    nested = {"model": weights, "model_ema": below("module.", average)}
    flat = {**below("model.", weights), **below("ema.", average)}
    torch.save({"state_dict": flat} if is_flat else nested, tmp_path / "w.pth")
    network, _ = build(TINY, 7, True, str(tmp_path / "w.pth"))
    assert equal(network, average)
    first, second = (
        ("state_dict.ema", "state_dict.model") if is_flat else ("model_ema.module", "model")
    )
    assert capsys.readouterr().out == (
        f"w.pth holds 2 sets of weights for this model ({first}, {second}): {first}, the average "
        "over the steps, is used.\n"
    )


def test_of_several_without_an_average_the_first_is_taken(
    tmp_path: Path, weights: dict[str, torch.Tensor], capsys
) -> None:
    torch.save({"student": weights, "teacher": shifted(weights)}, tmp_path / "w.pth")
    network, _ = build(TINY, 7, True, str(tmp_path / "w.pth"))
    assert equal(network, weights)
    assert capsys.readouterr().out == (
        "w.pth holds 2 sets of weights for this model (student, teacher): student, the first that "
        "fits, is used.\n"
    )


def test_what_stands_beside_the_weights_of_a_model_is_named(
    tmp_path: Path, weights: dict[str, torch.Tensor], capsys
) -> None:
    backbone = {name: tensor for name, tensor in weights.items() if not name.startswith("fc.")}
    named = {**below("backbone.", backbone), "criterion.weight": torch.ones(7)}
    torch.save({"state_dict": named, "hyper_parameters": {"lr": 0.1}}, tmp_path / "w.ckpt")
    network, _ = build(TINY, 7, True, str(tmp_path / "w.ckpt"))
    assert equal(network, weights, but="fc.")
    assert capsys.readouterr().out == (
        "w.ckpt also holds weights that this model does not have: criterion.weight.\n"
        "The classifier in w.ckpt is for other classes; a new one is trained.\n"
    )


def test_weights_that_are_no_numbers_are_refused(
    tmp_path: Path, weights: dict[str, torch.Tensor]
) -> None:
    weights["fc.bias"][0] = torch.nan
    torch.save({"model": weights}, tmp_path / "w.pth")
    with pytest.raises(ModelError, match=r"weights of test_resnet: fc\.bias is NaN or infinite\."):
        build(TINY, 7, True, str(tmp_path / "w.pth"))


def test_weights_are_never_loaded_in_part(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    some = dict(list(weights.items())[: 3 * len(weights) // 4])
    for content in ({"model": some}, {"state_dict": below("module.", some)}):
        torch.save(content, tmp_path / "w.pth")
        with pytest.raises(ModelError, match=r"does not hold the weights of .* is missing"):
            build(TINY, 7, True, str(tmp_path / "w.pth"))


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


@pytest.mark.parametrize("beginning", ["", "model."])
@pytest.mark.parametrize("side", [160, 320])
def test_weights_for_patches_of_another_size_are_refused(
    tmp_path: Path, beginning: str, side: int
) -> None:
    other = timm.create_model("test_vit", patch_size=32, img_size=side).state_dict()
    save_file(below(beginning, other), tmp_path / "w.safetensors")
    with pytest.raises(ModelError) as raised:
        build(resolve("test_vit"), 5, True, str(tmp_path / "w.safetensors"))
    message = str(raised.value)
    assert "does not hold the weights of test_vit: " in message
    assert "patch_embed.proj.weight is 64x3x32x32 instead of 64x3x16x16" in message


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
        "The pretrained weights of resnet18 are not available: Name or service not known. "
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
    assert begins_at_zero(network)
    whole, _ = pretrained.build(TINY, 1000, True)
    assert equal(whole, own)


def test_random_weights_follow_from_the_seed_and_leave_the_generator_alone() -> None:
    before = torch.random.get_rng_state()
    first, second, other = (build(TINY, 5, False, seed=seed)[0] for seed in (1, 1, 2))
    assert equal(first, second.state_dict())
    assert not equal(first, other.state_dict())
    assert not begins_at_zero(first)
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.fixture
def described(tmp_path: Path) -> Path:
    """Return a folder with weights and their description, as timm's hub stores them."""
    folder = tmp_path / "described"
    timm.models.save_for_hf(timm.create_model("test_resnet"), folder)
    return folder


def test_a_model_that_a_folder_describes_is_built_and_known_by_its_architecture(
    described: Path,
) -> None:
    network, preprocessing = build(resolve(f"local-dir:{described}"), 5, True)
    stored = torch.load(described / "pytorch_model.bin", weights_only=True)
    assert equal(network, stored, but="fc.")
    assert begins_at_zero(network)
    assert preprocessing == build(TINY, 5, False)[1]
    assert architecture_of(network, 5) == "test_resnet"


def test_a_described_model_of_as_many_classes_keeps_its_classifier(tmp_path: Path) -> None:
    timm.models.save_for_hf(timm.create_model("test_resnet", num_classes=5), tmp_path / "five")
    network, _ = build(resolve(f"local-dir:{tmp_path / 'five'}"), 5, True)
    assert equal(network, torch.load(tmp_path / "five" / "pytorch_model.bin", weights_only=True))


def test_of_two_classifiers_both_begin_at_zero(tmp_path: Path) -> None:
    model = resolve("deit_tiny_distilled_patch16_224")
    save_file(timm.create_model(model.timm_name).state_dict(), tmp_path / "w.safetensors")
    network, _ = build(model, 5, True, str(tmp_path / "w.safetensors"))
    assert [one.weight.any().item() for one in network.get_classifier()] == [False, False]


@pytest.mark.parametrize(
    "modified", [{"stem_width": 48}, {"global_pool": "max"}, {"act_layer": "gelu"}]
)
def test_a_description_of_another_network_than_its_name_says_is_refused(
    described: Path, modified: dict[str, object]
) -> None:
    config = json.loads((described / "config.json").read_text())
    config["model_args"] = modified
    (described / "config.json").write_text(json.dumps(config))
    network, _ = build(resolve(f"local-dir:{described}"), 5, False)
    with pytest.raises(ModelError, match=r"^This model is a modified test_resnet"):
        architecture_of(network, 5)


def test_what_a_scale_close_to_zero_hides_is_refused_as_well() -> None:
    changed = timm.create_model("test_convnext", num_classes=5, act_layer="relu")
    with pytest.raises(ModelError, match=r"^This model is a modified test_convnext"):
        architecture_of(changed, 5)
    assert architecture_of(timm.create_model("test_convnext", num_classes=5), 5) == "test_convnext"


def test_a_model_that_nobody_describes_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(WeightsUnavailableError) as raised:
        build(resolve(f"local-dir:{tmp_path / 'nowhere'}"), 5, True)
    assert str(raised.value).startswith(f"local-dir:{tmp_path / 'nowhere'} is not available: ")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda one: one.to("meta"), "has no plain numbers (meta)"),
        (lambda one: one.to_sparse(), "has no plain numbers (torch.sparse_coo)"),
        (lambda one: one.to(torch.int8), "is int8 instead of float32"),
        (lambda one: one.to(torch.complex64), "is complex64 instead of float32"),
        (lambda one: one.to(torch.float8_e4m3fn), "is float8_e4m3fn instead of float32"),
        (lambda one: one.to(torch.float8_e5m2), "is float8_e5m2 instead of float32"),
        (
            lambda one: torch.quantize_per_tensor(one, 0.1, 0, torch.qint8),
            "is qint8 instead of float32",
        ),
    ],
    ids=["meta", "sparse", "int8", "complex", "e4m3", "e5m2", "quantized"],
)
def test_weights_that_cannot_be_copied_as_they_are_are_refused(
    tmp_path: Path, weights: dict[str, torch.Tensor], change: Any, words: str
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of PyTorch, on quantization
        weights["fc.weight"] = change(weights["fc.weight"])
        torch.save(weights, tmp_path / "w.pth")
        with pytest.raises(ModelError) as caught:
            build(TINY, 7, True, str(tmp_path / "w.pth"))
    assert f"weights of test_resnet: fc.weight {words}. " in str(caught.value)


def test_a_program_of_torchscript_is_refused_without_advice_to_run_it(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch gives TorchScript up
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), tmp_path / "w.pt")
    with pytest.raises(ModelError, match=r"is not a file of tensors, or would run code"):
        build(TINY, 7, True, str(tmp_path / "w.pt"))

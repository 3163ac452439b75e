"""Networks for inputs of another size: laid out anew, resampled, stored, or refused in one line."""

from pathlib import Path

import pytest
import torch

from models.bundle import Card, read_bundle, save_tensors, store_bundle
from models.pretrained import build
from models.sizes import own_size, patch_of
from models.zoo import resolve
from utils.common.errors import ModelError
from utils.common.labels import CLASSES

NUM = len(CLASSES)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "swin_tiny_patch4_window7_224"])
def test_a_network_for_another_size_answers_and_is_loaded_again(name: str, tmp_path: Path) -> None:
    model = resolve(name)
    network, preprocessing = build(model, NUM, pretrained=False, size=(96, 96))
    assert preprocessing.size == (96, 96) != own_size(model)
    store_bundle(tmp_path, network.state_dict(), Card(model, preprocessing))
    card, loaded = read_bundle(tmp_path)
    assert card.preprocessing == preprocessing
    pixels = torch.randn(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(network.eval()(pixels), loaded(pixels))


def test_all_but_the_size_is_the_models_own() -> None:
    model = resolve("test_vit")
    own, other = (build(model, NUM, False, size=size)[1] for size in (None, (64, 64)))
    own_fields, fields = own.to_dict(), other.to_dict()
    assert fields.pop("height") == fields.pop("width") == 64
    assert fields == {name: own_fields[name] for name in fields}


@pytest.mark.parametrize("name", ["test_resnet", "test_vit"])
def test_the_own_size_changes_no_weight(name: str) -> None:
    model = resolve(name)
    plain, sized = (build(model, NUM, False, size=size)[0] for size in (None, own_size(model)))
    assert all(map(torch.equal, plain.state_dict().values(), sized.state_dict().values()))


def test_positions_of_a_file_are_resampled(tmp_path: Path) -> None:
    model = resolve("test_vit")
    trained, _ = build(model, NUM, pretrained=False, seed=1)
    save_tensors(tmp_path / "w.safetensors", trained.state_dict())
    path = str(tmp_path / "w.safetensors")
    network, _ = build(model, NUM, True, path, size=(96, 96))
    own, given = network.state_dict(), trained.state_dict()
    assert own["pos_embed"].shape[1] == 6 * 6 + 1 != given["pos_embed"].shape[1]
    others = [name for name in own if name != "pos_embed"]
    assert all(torch.equal(own[name], given[name]) for name in others)


@pytest.mark.parametrize(
    ("name", "side", "words"),
    [
        ("test_vit", 100, "it cuts them into patches of 16 x 16"),
        ("test_vit", 100, "Try --input-size 96 or 112."),
        ("mixer_s32_224", 100, "Try --input-size 96 or 128."),
        ("maxvit_tiny_tf_224", 200, "height (50) must be divisible by window (6)"),
        ("nest_tiny", 200, "First level blocks don't fit evenly"),
    ],
)
def test_a_size_that_does_not_fit_is_refused(name: str, side: int, words: str) -> None:
    with pytest.raises(ModelError, match="does not accept pictures of") as raised:
        build(resolve(name), NUM, pretrained=True, size=(side, side))
    assert words in str(raised.value)


def test_what_cuts_no_patches_takes_any_size() -> None:
    assert patch_of(build(resolve("test_resnet"), NUM, pretrained=False)[0]) == (1, 1)

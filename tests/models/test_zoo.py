"""Names of models: those of the menu, any of timm, and what is said of an unknown one."""

import subprocess
import sys
from pathlib import Path

import pytest

from models import zoo
from models.zoo import CONVNET, MENU, TRANSFORMER, Model, pick, resolve
from utils.common.errors import ModelError

ROOT = Path(__file__).parents[2]


SMALL = (
    Model("resnet18", "resnet18", "ResNet-18", CONVNET, "1"),
    Model("vit", "vit_base_patch16_224", "Vision Transformer (ViT)", TRANSFORMER, "2"),
)
MODELS = pytest.mark.parametrize("model", MENU, ids=lambda model: model.name)


@pytest.fixture
def small_menu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a menu of two in place of the real one, whose names would come first, too."""
    monkeypatch.setattr(zoo, "MENU", SMALL)


def test_the_four_that_were_promised_keep_their_numbers_and_names() -> None:
    promised = {
        "1": ("resnet18", "resnet18"),
        "2": ("resnet50", "resnet50"),
        "3": ("vit", "vit_base_patch16_224"),
        "4": ("swin", "swin_base_patch4_window7_224"),
    }
    assert promised.items() <= {one.choice: (one.name, one.timm_name) for one in MENU}.items()


def test_the_menu_counts_its_models_and_tells_them_apart() -> None:
    assert [model.choice for model in MENU] == [str(n) for n in range(1, len(MENU) + 1)]
    for of in (lambda one: {one.name, one.timm_name}, lambda one: {one.title}):
        spellings = [spelling for model in MENU for spelling in of(model)]
        assert len({zoo.plain(spelling) for spelling in spellings}) == len(spellings)


def test_every_model_of_the_menu_is_known_to_timm() -> None:
    import timm

    assert not {model.timm_name for model in MENU} - set(timm.list_models())


@MODELS
def test_a_model_is_found_by_both_names(model) -> None:
    assert resolve(model.name) is model
    assert resolve(model.timm_name) is model


@pytest.mark.parametrize("name", ["test_vit", "resnet18.a1_in1k", "mobilenetv1_100"])
def test_any_timm_name_will_do(name: str) -> None:
    assert resolve(name).timm_name == name


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("hf_hub:timm/resnet18.a1_in1k", "resnet18.a1_in1k"),
        ("hf-hub:timm/resnet18.a1_in1k", "resnet18.a1_in1k"),
        ("HF-HUB:timm/test_vit", "test_vit"),
        ("hf_hub:timm/resnet18.a1_in1k@main", "hf-hub:timm/resnet18.a1_in1k@main"),
        ("hf-hub:somebody/skin@v1.0", "hf-hub:somebody/skin@v1.0"),
        ("hf_hub:somebody/skin", "hf-hub:somebody/skin"),
        ("local-dir:models/mine", "local-dir:models/mine"),
        ("tf_efficientnet_b0_ns", "tf_efficientnet_b0.ns_jft_in1k"),
        ("vit_base_patch16_224_in21k", "vit_base_patch16_224.augreg_in21k"),
        ("resnet50.", "resnet50"),
        ("resnet50...", "resnet50"),
    ],
)
def test_names_that_timm_takes_are_taken(name: str, meant: str) -> None:
    model = resolve(name)
    assert (model.name, model.is_sourced) == (meant, ":" in meant)
    assert resolve(model.name) == model
    assert not set(model.folder_name) & set("/:")


@pytest.mark.slow
def test_every_deprecated_name_of_timm_leads_to_one_of_its_list() -> None:
    import timm

    known = {*timm.list_models(), *timm.list_models(pretrained=True)}
    successors = {k: v for k, v in timm.models.get_deprecated_models().items() if v in known}
    assert len(successors) > 100
    assert all(resolve(name).timm_name == now for name, now in successors.items())


@MODELS
@pytest.mark.parametrize("said", ["{}", "{}.", " {} ", "{})", "0{}", "{} - {title}", "{title}"])
def test_an_answer_to_the_menu_is_a_number_a_line_or_a_title(model: Model, said: str) -> None:
    assert pick(said.format(model.choice, title=model.title)) is model


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("ViT", "vit"), ("vision transformer", "vit"), ("swin transformer", "swin"),
        ("VIT_BASE_PATCH16_224", "vit"), ("'resnet50'", "resnet50"), ("test_vit", "test_vit"),
    ],
)  # fmt: skip
def test_an_answer_to_the_menu_may_be_any_name(said: str, name: str) -> None:
    assert pick(said).name == name


@pytest.mark.parametrize("said", ["", " ", "0", str(len(MENU) + 1), "1.5", "-1", "?"])
def test_other_answers_to_the_menu_mean_nothing(said: str) -> None:
    assert pick(said) is None


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("resnet-50", "resnet50"), ("ResNet50", "resnet50"), ("vit-b16", "vit_base_patch16_224"),
        ("vit_b_16", "vit_base_patch16_224"), ("ViT-B/16", "vit_base_patch16_224"),
        ("efficientnet", "efficientnet_b0"), ("RESNET18.A1_IN1K", "resnet18.a1_in1k"),
        ("timm/resnet18", "resnet18"), ("densnet121", "densenet121"),
        ("vit-base", "vit_base_patch16_224"),
    ],
)  # fmt: skip
def test_the_first_of_the_nearest_names_is_the_one_that_was_meant(
    small_menu: None, name: str, nearest: str
) -> None:
    with pytest.raises(ModelError, match=f"The nearest names are {nearest}[,.]"):
        resolve(name)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("resnet81", "resnet18"), ("vitt", "vit"), ("resnet18.a9_in1k", "resnet18.a1_in1k"),
        ("swin_t", "swin_tiny_patch4_window7_224"), ("dinov2", "vit_base_patch14_dinov2"),
    ],
)  # fmt: skip
def test_an_unknown_name_is_answered_with_the_nearest(
    small_menu: None, name: str, nearest: str
) -> None:
    with pytest.raises(ModelError) as raised:
        resolve(name)
    message = str(raised.value)
    assert message.startswith(
        f"timm knows no model '{name}'. Expected resnet18, vit or any timm name. "
        "The nearest names are "
    )
    names = message.partition("nearest names are ")[2].rstrip(".").split(", ")
    assert nearest in names
    assert len(set(names)) == len(names)


def test_a_revision_does_not_make_an_unknown_name_known() -> None:
    with pytest.raises(ModelError, match=r"^timm knows no model 'resnet18\.a9_in1k'"):
        resolve("hf-hub:timm/resnet18.a9_in1k@main")


def test_a_name_without_neighbours_gets_the_menu() -> None:
    names = ", ".join(model.name for model in MENU)
    with pytest.raises(ModelError, match=rf"Expected {names} or any timm name\.$"):
        resolve("???")


def test_a_name_of_full_stops_alone_is_none() -> None:
    with pytest.raises(ModelError, match=r"^timm knows no model ''"):
        resolve("." * 10_000)


def test_folder_names_are_safe_everywhere() -> None:
    assert resolve("resnet18.a1_in1k").folder_name == "resnet18.a1_in1k"
    assert all("/" not in model.folder_name for model in MENU)


def test_the_zoo_needs_neither_torch_nor_timm() -> None:
    code = (
        "import sys, models.zoo as zoo; zoo.resolve('vit');"
        "sys.exit(any(name in sys.modules for name in ('torch', 'timm')))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0

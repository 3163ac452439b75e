"""Names of models: the four of the menu, any of timm, and what is said of an unknown one."""

import subprocess
import sys
from pathlib import Path

import pytest

from models.zoo import MENU, resolve
from utils.common.errors import ModelError

ROOT = Path(__file__).parents[2]


def test_the_menu_is_the_one_promised() -> None:
    assert [(model.choice, model.name, model.timm_name) for model in MENU] == [
        ("1", "resnet18", "resnet18"),
        ("2", "resnet50", "resnet50"),
        ("3", "vit", "vit_base_patch16_224"),
        ("4", "swin", "swin_base_patch4_window7_224"),
    ]


def test_every_model_of_the_menu_is_known_to_timm() -> None:
    import timm

    assert not {model.timm_name for model in MENU} - set(timm.list_models())


@pytest.mark.parametrize("model", MENU, ids=lambda model: model.name)
def test_a_model_is_found_by_both_names(model) -> None:
    assert resolve(model.name) is model
    assert resolve(model.timm_name) is model


@pytest.mark.parametrize("name", ["test_vit", "resnet18.a1_in1k", "mobilenetv1_100"])
def test_any_timm_name_will_do(name: str) -> None:
    assert resolve(name).timm_name == name


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("resnet81", "resnet18"), ("vitt", "vit"), ("resnet18.a9_in1k", "resnet18.a1_in1k")],
)
def test_an_unknown_name_is_answered_with_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(ModelError) as raised:
        resolve(name)
    message = str(raised.value)
    assert message.startswith(
        f"timm knows no model '{name}'. Expected resnet18, resnet50, vit, swin or any timm name. "
        "The nearest names are "
    )
    names = message.partition("nearest names are ")[2].rstrip(".").split(", ")
    assert nearest in names
    assert len(set(names)) == len(names)


def test_a_name_without_neighbours_gets_the_four() -> None:
    with pytest.raises(ModelError, match=r"swin or any timm name\.$"):
        resolve("???")


def test_folder_names_are_safe_everywhere() -> None:
    assert resolve("resnet18.a1_in1k").folder_name == "resnet18.a1_in1k"
    assert all("/" not in model.folder_name for model in MENU)


def test_the_zoo_needs_neither_torch_nor_timm() -> None:
    code = (
        "import sys, models.zoo as zoo; zoo.resolve('vit');"
        "sys.exit(any(name in sys.modules for name in ('torch', 'timm')))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0

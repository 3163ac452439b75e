"""A model's name in, its row of the table out: the four of the menu, or any other that timm knows.

Importing this file imports neither torch nor timm, so that `--help` answers at once.
"""

import difflib
import re
from dataclasses import dataclass

from utils.common.errors import ModelError, shortlist


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a model is trained when the flags do not say otherwise.

    Attributes:
        epochs: Passes over the training pictures.
        lr: Peak learning rate.
        weight_decay: Of AdamW; norms and biases are left out.
        patience: Epochs without a better val balanced accuracy before training stops.
    """

    epochs: int
    lr: float
    weight_decay: float
    patience: int


CONVNET = Recipe(epochs=15, lr=3e-4, weight_decay=0.05, patience=5)
TRANSFORMER = Recipe(epochs=15, lr=5e-5, weight_decay=0.05, patience=5)
FROM_SCRATCH = Recipe(epochs=30, lr=1e-3, weight_decay=0.05, patience=10)


@dataclass(frozen=True, slots=True)
class Model:
    """One trainable model.

    Attributes:
        name: What --model accepts and what the run's folder is called.
        timm_name: What timm calls it.
        title: What the menu calls it.
        recipe: Defaults for fine-tuning pretrained weights.
        choice: Its number in the menu; empty for a model that is not in it.
    """

    name: str
    timm_name: str
    title: str
    recipe: Recipe
    choice: str = ""

    @property
    def folder_name(self) -> str:
        """The name as part of a folder's name on any file system."""
        return re.sub(r"[^A-Za-z0-9_.]+", "-", self.name).strip("-.")


MENU = (
    Model("resnet18", "resnet18", "ResNet-18", CONVNET, "1"),
    Model("resnet50", "resnet50", "ResNet-50", CONVNET, "2"),
    Model("vit", "vit_base_patch16_224", "Vision Transformer (ViT)", TRANSFORMER, "3"),
    Model("swin", "swin_base_patch4_window7_224", "Swin Transformer", TRANSFORMER, "4"),
)

TRANSFORMER_FAMILIES = re.compile(
    r"vit|deit|swin|beit|eva|cait|xcit|twins|pvt|volo|former|maxxvit|siglip|clip|dino",
    re.IGNORECASE,
)


def resolve(name: str) -> Model:
    """Find a model by its short name or by any timm name, with or without a weights tag.

    Raises:
        ModelError: If timm does not know it; it gives the nearest names.
    """
    for model in MENU:
        if name in (model.name, model.timm_name):
            return model
    import timm

    architecture, _, tag = name.partition(".")
    known = timm.list_models()
    if architecture in known and (not tag or name in timm.list_models(pretrained=True)):
        recipe = TRANSFORMER if TRANSFORMER_FAMILIES.search(architecture) else CONVNET
        return Model(name, name, name, recipe)
    tagged = [full for full in timm.list_models(pretrained=True) if full.startswith(architecture)]
    candidates = {*(model.name for model in MENU), *(tagged if architecture in known else known)}
    nearest = difflib.get_close_matches(name.lower(), sorted(candidates), n=5, cutoff=0.5)
    raise ModelError(
        f"timm knows no model '{name}'",
        expected=f"{', '.join(model.name for model in MENU)} or any timm name",
        todo=f"The nearest names are {shortlist(nearest)}" if nearest else "",
    )

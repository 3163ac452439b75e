"""Find a model by its name: those of the menu, and any other that timm knows.

Importing this file imports neither torch nor timm, so that `--help` answers at once.
"""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from utils.common.errors import ModelError, shortlist


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a model is trained when the flags do not say otherwise.

    Attributes:
        epochs: Passes over the training pictures in which all weights learn.
        lr: Peak learning rate.
        weight_decay: Of AdamW; norms and biases are left out.
        freeze_epochs: Passes before these in which the classifier alone learns.
    """

    epochs: int
    lr: float
    weight_decay: float
    freeze_epochs: int = 0


PROBE = 20
"""Frozen epochs before fine-tuning (LP-FT, Kumar et al. 2022). Two convolutional networks are at
least as good with them on each of two pairs of other origins (docs/measured.md); of transformers,
that paper shows it."""

CONVNET = Recipe(epochs=15, lr=3e-4, weight_decay=0.05, freeze_epochs=PROBE)
TRANSFORMER = Recipe(epochs=15, lr=5e-5, weight_decay=0.05, freeze_epochs=PROBE)
FROM_SCRATCH = Recipe(epochs=30, lr=1e-3, weight_decay=0.05)


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
    def is_sourced(self) -> bool:
        """Whether it is not of timm's own list, but described on the hub or in a folder."""
        return ":" in self.timm_name

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


SOURCED = re.compile(r"(hf[-_]hub|local-dir):(.+)", re.IGNORECASE)
"""How timm is told to look for a model elsewhere than in its own list."""

OWN_HUB = "timm/"
"""Where the hub keeps the weights of timm's own list."""

SIDES = (32, 1024)
"""Shortest and longest side of an input, in pixels; all of timm's are in between."""

SIZES = {
    "t": "tiny", "s": "small", "b": "base", "l": "large", "h": "huge", "g": "giant",
}  # fmt: skip
"""Letters that papers and other libraries write where timm writes words."""

NUM_NEAREST = 5
LONGEST_SPELLING = 200
"""Letters; what is longer is like none of timm's names, and comparing takes the product of both."""
LEAST_LIKENESS = 0.6
FOR_A_PART, FOR_THE_MENU = 0.25, 0.12
"""What a candidate gains on others whose letters are as alike."""


def resolve(name: str) -> Model:
    """Find a model by its short name or by any name that `timm.create_model` takes.

    A name of before is the one that timm gives it now.

    Raises:
        ModelError: If timm does not know it; it gives the nearest names.
    """
    for model in MENU:
        if name in (model.name, model.timm_name):
            return model
    import timm

    sourced = SOURCED.fullmatch(name)
    if sourced:
        source, place = sourced[1].lower().replace("_", "-"), sourced[2]
        tagged = place.removeprefix(OWN_HUB)
        own, _, revision = tagged.partition("@")
        if source == "hf-hub" and tagged != place and timm.is_model(own.partition(".")[0]):
            listed = resolve(own)
            return _row(f"{source}:{place}", own) if revision else listed
        return _row(f"{source}:{place}", place)
    if name.endswith("."):
        return resolve(name.rstrip("."))
    architecture, _, tag = name.partition(".")
    known = timm.list_models()
    if architecture in known and (not tag or name in timm.list_models(pretrained=True)):
        return _row(name, architecture)
    successor = timm.models.get_deprecated_models().get(name)
    if successor:
        return resolve(successor)
    nearest = _nearest(name, known, timm.list_models(pretrained=True))
    raise ModelError(
        f"timm knows no model '{name}'",
        expected=f"{', '.join(model.name for model in MENU)} or any timm name",
        todo=f"The nearest names are {shortlist(nearest)}" if nearest else "",
    )


def pick(answer: str) -> Model | None:
    """Find the model that an answer to the menu means: its number, its line, or any name.

    Returns:
        None if it means none.
    """
    said = answer.strip().strip("\"'`")
    for model in MENU:
        line = f"{model.choice} - {model.title}"
        if re.fullmatch(rf"0*{model.choice}\s*[.):]?", said) or plain(said) in {
            plain(spelling)
            for spelling in (
                *(model.name, model.timm_name, model.title, model.title.partition(" (")[0], line),
            )
        }:
            return model
    if not any(letter.isalpha() for letter in said):
        return None
    return resolve(said)


def plain(name: str) -> str:
    """Return a name without what people write in many ways.

    >>> plain("ResNet-18")
    'resnet18'
    """
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _row(name: str, architecture: str) -> Model:
    recipe = TRANSFORMER if TRANSFORMER_FAMILIES.search(architecture) else CONVNET
    return Model(name, name, name, recipe)


def _nearest(name: str, known: Sequence[str], tagged: Sequence[str]) -> list[str]:
    """Return the names that somebody may have meant, the likeliest first."""
    told = name.lower()
    architecture = told.rpartition("/")[2].partition(".")[0]
    own = [full for full in tagged if full.startswith(f"{architecture}.")] if "." in name else []
    menu = [spelling for model in MENU for spelling in (model.name, model.timm_name)]
    candidates = own or list(dict.fromkeys([*menu, *known]))
    spellings = {plain(told), plain(_spelt_out(told)), plain(told.rpartition("/")[2])}
    spellings = {
        spelling
        for spelling in spellings
        if not spelling.isdigit() and 0 < len(spelling) <= LONGEST_SPELLING
    }

    def likeness(candidate: str) -> float:
        compared = plain(candidate)
        best = max(
            difflib.SequenceMatcher(None, compared, spelling).ratio()
            + FOR_A_PART * (spelling in compared)
            + FOR_A_PART * compared.startswith(spelling)
            for spelling in spellings
        )
        return best + FOR_THE_MENU * (candidate in menu)

    found = {candidate: likeness(candidate) for candidate in candidates} if spellings else {}
    ordered = sorted(found, key=lambda candidate: (-found[candidate], len(candidate), candidate))
    return [one for one in ordered[:NUM_NEAREST] if found[one] >= LEAST_LIKENESS]


def _spelt_out(name: str) -> str:
    """Write the sizes in a name as timm does.

    >>> _spelt_out("ViT-B/16"), _spelt_out("swin_t"), _spelt_out("convnext-large")
    ('vit-base-patch16', 'swin-tiny', 'convnext-large')
    """
    words = [word for word in re.split(r"[^a-z0-9]+", name.lower()) if word]
    told: list[str] = []
    for word in words:
        sized = re.fullmatch(r"([tsblhg])(\d*)", word)
        if sized and told:
            told += [SIZES[sized[1]], *([f"patch{sized[2]}"] if sized[2] else [])]
        elif word.isdigit() and told and told[-1] in SIZES.values():
            told.append(f"patch{word}")
        else:
            told.append(word)
    return "-".join(told)

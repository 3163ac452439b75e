"""Settings of a training: parsed and checked, completed by questions and by the model's recipe."""

import argparse
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Any, TypeVar

from models.zoo import (
    CONVNET,
    FROM_SCRATCH,
    MENU,
    SIDES,
    TRANSFORMER,
    Model,
    pick,
    plain,
    resolve,
)  # fmt: skip
from utils.common.cli import prompts
from utils.common.cli.command_line import check_of, faults, parse, setting
from utils.common.cli.console import warn
from utils.common.disk.asking import is_file, is_folder
from utils.common.errors import DatasetError, ModelError, SettingsError, shortlist
from utils.common.labels import SPLITS
from utils.common.values import above, at_least, between, in_words, shown

AUTO = "auto"
NONE, RAM, PACKED = CACHES = ("none", "ram", "packed")
EMA_DECAY = 0.9998
MANY, MAX_WORKERS, MAX_THREADS = 65_536, 256, 512
"""Upper limits of batch size and epochs, of workers, and of threads; beyond them lie mistakes."""

SEEDS = at_least(-(2**63), 2**63 - 1)
"""Range of PyTorch's seeds."""

LR_SCALES: dict[str, Callable[[int], float]] = {
    "none": lambda _: 1.0,
    "linear": float,
    "sqrt": sqrt,
}
"""Factor of the peak learning rate for a number of processes, by the values of --lr-scaling."""
DESCRIPTION = "Train a model on DATASET, test it, and write a report into runs/<model>-<n>/."
EPILOG = """examples:
  python launch_training_test.py
  python launch_training_test.py -b 32 -j 4 --model resnet18
  python launch_training_test.py --resume
  python launch_training_test.py --test-only --resume runs/resnet18-1"""

OWN_SWITCH = argparse.BooleanOptionalAction
MAY_CHANGE_ON_RESUME = frozenset(
    {
        "epochs",
        "workers",
        "cache",
        "device",
        "output_dir",
        "data_dir",
        "checkpoint_minutes",
        "coverage",
        "refuse",
    }
)
"""Settings that may differ when a run is resumed; of these only `epochs` changes weights. The data
set may be moved: its hash tells whether it is the same one."""

NOT_STORED = frozenset({"resume", "test_only"})

SomeSettings = TypeVar("SomeSettings", bound="Settings")


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings as given; None in a field of `RunSettings` means: not chosen yet."""

    data_dir: str = setting("DATASET", "folder made by create_dataset.py", metavar="DIR")
    batch_size: int | None = setting(
        None, "pictures per step and process; 32-64 suits most GPUs; asked for when not given",
        "-b", "--batch-size", type=int, metavar="N", check=at_least(1, MANY),
    )  # fmt: skip
    workers: int | None = setting(
        None, "processes that load pictures; 2-4 suit most computers, 0 loads in the main "
        "process; asked for when not given; the result is the same for any number",
        "-j", "--workers", "--num-workers", type=int, metavar="N", check=at_least(0, MAX_WORKERS),
    )  # fmt: skip
    model: str | None = setting(
        None, f"{', '.join(model.name for model in MENU)}, or any timm name; asked for when not "
        "given", metavar="NAME",
    )  # fmt: skip
    input_size: int | None = setting(
        None, "height and width of the model's input in pixels (default: the model's own, such as "
        "224): a smaller one is faster and shows less; transformers get their positions resampled",
        "--input-size", "--img-size", type=int, metavar="N", check=at_least(*SIDES),
    )  # fmt: skip
    progressive_resizing: bool = setting(
        False,
        "train on small pictures first, from about half of the input's side, and on full "
        "ones in the last fifth of the epochs; val and test always at full size: faster",
    )
    epochs: int | None = setting(
        None, "passes over the training pictures in which all weights learn; --freeze-epochs come "
        f"before them (default: {CONVNET.epochs}; {FROM_SCRATCH.epochs} from random weights)",
        type=int, metavar="N",
        check=at_least(0, MANY),
    )  # fmt: skip
    lr: float | None = setting(
        None, f"peak learning rate (default: {CONVNET.lr:g} for convolutional networks, "
        f"{TRANSFORMER.lr:g} for transformers, {FROM_SCRATCH.lr:g} from random weights)",
        type=float, metavar="X", check=above(0),
    )  # fmt: skip
    lr_scaling: str = setting(
        "none", "what the peak learning rate is multiplied by where torchrun starts several "
        "processes: none (nothing), linear (their number) or sqrt (its root)", choices=LR_SCALES,
    )  # fmt: skip
    sync_bn: bool = setting(
        False, "let batch norm see the pictures of all processes of torchrun (CUDA only)"
    )
    weight_decay: float | None = setting(
        None, f"weight decay of AdamW, not for norms and biases (default: "
        f"{FROM_SCRATCH.weight_decay:g})",
        type=float, metavar="X", check=at_least(0),
    )  # fmt: skip
    layer_decay: float = setting(
        1.0, "learning rate of each layer as a share of the next one's; 0.65-0.8 is usual for "
        "transformers, 1 is the same rate for all",
        type=float, metavar="X", check=above(0, at_most=1),
    )  # fmt: skip
    freeze_epochs: int | None = setting(
        None, "first train the classifier alone for N epochs, on features that are computed once: "
        f"each of these takes seconds (LP-FT; default: {CONVNET.freeze_epochs}; 0 from random "
        "weights, and for a network without such features)",
        type=int, metavar="N", check=at_least(0, MANY), before=0,
    )  # fmt: skip
    label_smoothing: float = setting(
        0.0, "share of each label that is spread over all classes, below 1", type=float,
        metavar="X", check=between(0, 1, with_lowest=True),
    )  # fmt: skip
    assessment_weight: float = setting(
        0.2, "weight of what the network learns beside the classes, relative to them: what a "
        "picture shows, what is wrong with it, and how badly; 0 leaves that out",
        type=float, metavar="X", check=at_least(0), before=0.0,
    )  # fmt: skip
    ema: float | None = setting(
        None, "also average the weights over the steps with this decay, and validate, test and "
        f"keep the average; {EMA_DECAY} where only --ema is given", nargs="?", const=EMA_DECAY,
        type=float, metavar="DECAY", check=between(0, 1),
    )  # fmt: skip
    grad_accum_steps: int = setting(
        1, "micro-batches whose gradients are accumulated for one optimizer step: N times "
        "--batch-size pictures make one batch, in the memory of one", type=int, metavar="N",
        check=at_least(1, MANY),
    )  # fmt: skip
    grad_checkpointing: bool = setting(
        False,
        "recompute activations in the backward pass instead of keeping them: less memory, slower",
    )
    compile: bool = setting(
        False, "compile the model with torch.compile: slow to start; gains nothing on CPUs"
    )
    deterministic: bool = setting(
        False, "use only GPU algorithms that give the same bits each time: slower"
    )
    cache: str = setting(
        NONE, "keep decoded pictures: none, in ram (shared by all workers), or packed in one file "
        "beside the data set; the result is the same", choices=CACHES,
    )  # fmt: skip
    fresh_low_quality: bool = setting(
        True, "in each epoch draw new degradations for three quarters of the LOW_QUALITY pictures",
        "--fresh-low-quality", action=OWN_SWITCH,
    )  # fmt: skip
    leave_out: tuple[str, ...] = setting(
        (), "train without these collections, by the short names of manifest.csv, and test on them "
        "alone: what to expect of pictures of another origin", nargs="+", metavar="NAME",
    )  # fmt: skip
    output_dir: str = setting("runs", "folder of the runs, <model>-<n>/ each", metavar="DIR")
    seed: int = setting(0, "seed of order, augmentation and random weights", type=int, check=SEEDS)
    device: str = setting(AUTO, "auto, cpu, cuda, cuda:N or mps", metavar="NAME")
    amp: bool | None = setting(
        None, "compute in 16 bits; by default where the hardware is fast at it",
        "--amp", action=OWN_SWITCH,
    )  # fmt: skip
    pretrained: bool = setting(
        True, "start from pretrained weights", "--pretrained", action=OWN_SWITCH
    )
    pretrained_path: str = setting(
        "", "start from this .safetensors, .pth or .pt file", metavar="FILE"
    )
    patience: int = setting(
        0, "stop after N epochs without a better val loss; 0, the default, never, since the "
        "learning rate comes down until the last epoch",
        type=int, metavar="N", check=at_least(0, MANY),
    )  # fmt: skip
    resume: str | None = setting(
        None, "resume a run, given by its folder or its last.pt; alone or 'auto': the newest "
        "unfinished one, if there is one", nargs="?", const=AUTO, metavar="PATH",
    )  # fmt: skip
    test_only: bool = setting(
        False, "with --resume: test a finished run's best weights again and rewrite its report"
    )
    coverage: float = setting(
        0.95, "share of each class's pictures whose set of possible classes is to contain it",
        metavar="X", type=float, check=between(0.01, 1, with_lowest=True),
    )  # fmt: skip
    refuse: float = setting(
        0.02, "share of the good pictures, by val, that may be refused as out of distribution",
        metavar="X", type=float, check=between(0.001, 0.5, with_lowest=True),
    )  # fmt: skip
    checkpoint_minutes: float = setting(
        10.0, "also save the state this often within an epoch", type=float, metavar="N",
        check=at_least(0),
    )  # fmt: skip

    @property
    def size_of_input(self) -> tuple[int, int] | None:
        """Height and width of the model's input; None for its own."""
        return None if self.input_size is None else (self.input_size, self.input_size)


def _settled(name: str) -> Any:
    """Return a field like that of `Settings`, but without a default."""
    return dataclasses.field(kw_only=True, metadata=Settings.__dataclass_fields__[name].metadata)


@dataclass(frozen=True, slots=True)
class RunSettings(Settings):
    """Settings that a run keeps to: all that may be left open is settled.

    Attributes:
        epochs: Of the whole training: `freeze_epochs` and those in which all weights learn.
    """

    batch_size: int = _settled("batch_size")
    workers: int = _settled("workers")
    model: str = _settled("model")
    epochs: int = _settled("epochs")
    freeze_epochs: int = _settled("freeze_epochs")
    lr: float = _settled("lr")
    weight_decay: float = _settled("weight_decay")

    @property
    def probe_epochs(self) -> int:
        """Frozen epochs that others follow: none of them is kept, or ends a run."""
        return self.freeze_epochs if self.freeze_epochs < self.epochs else 0


def read_settings(argv: Sequence[str] | None) -> tuple[Settings, frozenset[str]]:
    """Parse and check the command line; also return the names of the settings given there."""
    settings, given = parse(Settings, argv, DESCRIPTION, EPILOG)
    if settings.pretrained_path:
        if not settings.pretrained:
            raise SettingsError("--pretrained-path and --no-pretrained contradict each other")
        if not is_file(Path(settings.pretrained_path)):
            raise SettingsError(
                f"--pretrained-path {settings.pretrained_path} is not a file",
                expected="a .safetensors, .pth or .pt file",
            )
    if settings.test_only and settings.resume is None:
        raise SettingsError("--test-only tests a finished run", todo="Say which: --resume RUN")
    if settings.test_only and settings.epochs is not None:
        raise SettingsError(
            "--test-only trains no epochs",
            todo="Leave it out to train further, or leave out --epochs",
        )
    if settings.model is not None:
        model = resolve(settings.model)
        if plain(settings.model) not in (plain(model.name), plain(model.timm_name)):
            print(f"--model {settings.model} is taken to mean {model.name}.")
        settings = dataclasses.replace(settings, model=model.name)
    return _in_order(settings), given


def _in_order(settings: SomeSettings) -> SomeSettings:
    """Return settings in which the collections have no order and none stands twice."""
    return dataclasses.replace(settings, leave_out=tuple(sorted(set(settings.leave_out))))


def stored_settings(kind: type[SomeSettings], stored: object) -> tuple[SomeSettings, list[str]]:
    """Read settings that an earlier process stored; also return the names that it did not know.

    Args:
        kind: `RunSettings` where everything was settled by then, else `Settings`.
        stored: Content of the file at their place.

    Raises:
        ValueError: If they cannot be used; its arguments are what was found and what was expected.
    """
    if not isinstance(stored, Mapping):
        raise ValueError(f"settings is {shown(stored)}", "names with values")
    names = [field.name for field in dataclasses.fields(kind)]
    unknown = [shown(name) for name in stored if name not in names]
    if unknown:
        raise ValueError(f"this version does not know its settings {shortlist(unknown)}", "")
    before = {field.name: field.metadata["before"] for field in dataclasses.fields(kind)}
    settings = kind(**{**before, **stored})
    for field, expected in faults(settings):
        raise ValueError(f"{field.name} is {shown(getattr(settings, field.name))}", expected)
    return _in_order(settings), [name for name in names if name not in stored]


def check_data_folder(data_dir: str) -> None:
    """Fail before any question where there cannot be a data set.

    Raises:
        DatasetError: If the folder or one of its splits is missing.
        SettingsError: If the system does not tell.
    """
    folder = Path(data_dir)
    if not is_folder(folder):
        raise DatasetError(
            f"There is no folder {folder}",
            expected="an assembled data set",
            todo="Make it with python create_dataset.py, or say where it is with --data-dir",
        )
    missing = [f"{split}/" for split in SPLITS if not is_folder(folder / split)]
    if missing:
        raise DatasetError(
            f"{folder} has no {', '.join(missing)}",
            expected=f"{', '.join(f'{split}/' for split in SPLITS)} with a folder for each class",
            todo="Make it with python create_dataset.py, or say where it is with --data-dir",
        )


def ask_missing(settings: Settings) -> Settings:
    """Ask for batch size, number of workers and model, in this order, where not given."""
    answers: dict[str, Any] = {}
    if settings.batch_size is None:
        answers["batch_size"] = prompts.ask_positive_integer(
            "Choose batch_size: ", "-b/--batch-size", check_of(Settings, "batch_size")
        )
    if settings.workers is None:
        answers["workers"] = prompts.ask_positive_integer(
            "Choose num_workers: ", "-j/--workers", check_of(Settings, "workers")
        )
    if settings.model is None:
        menu = "\n".join(f"{model.choice} - {model.title}" for model in MENU)
        answers["model"] = prompts.ask_until(
            f"Choose a model:\n{menu}\nYour choice: ", _pick, "--model"
        )
    return dataclasses.replace(settings, **answers)


def _pick(answer: str) -> str | None:
    """Return the name of the model that an answer means; warn of an unknown one."""
    try:
        model = pick(answer)
    except ModelError as error:
        warn(str(error))
        return None
    return model.name if model else None


def complete(
    asked: Settings, model: Model, *, pretrained: bool, has_features: bool = True
) -> RunSettings:
    """Fill in the model's defaults where nothing else was chosen.

    Args:
        asked: Settings as given, with batch size and workers.
        model: The model to train.
        pretrained: Whether it has pretrained weights.
        has_features: Whether frozen epochs can compute each picture's features once. If not, there
            are only those that are asked for.

    Raises:
        SettingsError: If there is nothing to train, or too much.
    """
    recipe = model.recipe if pretrained else FROM_SCRATCH
    if not has_features:
        recipe = dataclasses.replace(recipe, freeze_epochs=0)
    values = {field.name: getattr(asked, field.name) for field in dataclasses.fields(asked)}
    for name in ("epochs", "freeze_epochs", "lr", "weight_decay"):
        if values[name] is None:
            values[name] = getattr(recipe, name)
    values["epochs"] = _all_epochs(values["epochs"], values["freeze_epochs"])
    settled = {"model": model.name, "pretrained": pretrained, "resume": None, "test_only": False}
    return RunSettings(**{**values, **settled})


def _all_epochs(epochs: int, freeze_epochs: int) -> int:
    """Return the epochs of a whole training.

    Raises:
        SettingsError: If there are none, or too many.
    """
    total = epochs + freeze_epochs
    if not 1 <= total <= MANY:
        raise SettingsError(
            f"--epochs {epochs} after {freeze_epochs} of --freeze-epochs is {total} in all",
            expected=f"1 to {MANY:,}",
        )
    return total


def merge(stored: RunSettings, asked: Settings, given: frozenset[str]) -> RunSettings:
    """Return the stored settings of a run, with changes where they are allowed.

    Args:
        stored: Settings that the run keeps to.
        asked: Settings as given on the command line.
        given: Names of the settings that were given there.

    Raises:
        SettingsError: If a given flag contradicts what the run was started with.
    """
    clashes = [
        f"{name} was {in_words(getattr(stored, name))} and not {in_words(getattr(asked, name))}"
        for name in sorted(given - MAY_CHANGE_ON_RESUME - NOT_STORED)
        if getattr(stored, name) != getattr(asked, name)
    ]
    if clashes:
        raise SettingsError(
            f"This run cannot be resumed with other settings: {'; '.join(clashes)}",
            todo="Leave these flags out, or start anew without --resume",
        )
    changed = {name: getattr(asked, name) for name in given & MAY_CHANGE_ON_RESUME}
    if "epochs" in changed:
        changed["epochs"] = _all_epochs(changed["epochs"], stored.freeze_epochs)
    merged = dataclasses.replace(stored, **changed)
    if stored.probe_epochs and not merged.probe_epochs:
        raise SettingsError(
            f"--epochs 0 leaves this run its {stored.probe_epochs} frozen epochs alone, and it "
            "keeps none of them, since others were to follow",
            expected="--epochs 1 or more",
            todo="To train the classifier alone, start anew with --epochs 0 and without --resume",
        )
    return merged

"""Fixtures of the training's tests: a tiny data set whose classes differ by colour."""

import csv
import functools
import hashlib
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from models.classifier import let_assess
from models.device import Compute, without_tf32
from models.preprocessing import Preprocessing
from models.pretrained import build
from models.zoo import resolve
from utils.common.labels import CLASSES, LOW_QUALITY, SPLITS
from utils.common.pictures import write_jpeg
from utils.dataset.output.manifest import ManifestRow, write_manifest
from utils.evaluation import shortcuts
from utils.quality.kinds import KINDS
from utils.sources.record import Record
from utils.training.data.loader import PictureLoader
from utils.training.data.pictures import read_folder
from utils.training.engine import Trainer
from utils.training.settings import RunSettings

TINY = "test_resnet"
"""A network of timm's own tests: trains on a handful of pictures in a second."""

COLOURS = ((200, 40, 40), (40, 200, 40), (40, 40, 200), (180, 180, 40), (40, 180, 180))


def make_tree(folder: Path, counts: tuple[int, int, int]) -> Path:
    rows = []
    for split, count in zip(SPLITS, counts, strict=True):
        for label, colour in zip(CLASSES, COLOURS, strict=True):
            for number in range(count):
                file = f"{split}/{label}/{number}.jpg"
                rng = np.random.default_rng([*colour, number, len(split)])
                pixels = rng.normal(colour, 30, (64, 80, 3)).clip(0, 255).astype(np.uint8)
                content = write_jpeg(Image.fromarray(pixels))
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                (folder / file).write_bytes(content)
                digest = hashlib.sha256(content).hexdigest()
                facts = {"original_sha256": digest, "original_format": "JPEG"}
                if label == LOW_QUALITY:
                    kinds = list(KINDS)[number % len(KINDS)], list(KINDS)[-1]
                    facts |= {"degradation": "+".join(kinds), "severity": 1 + number % 5}
                rows.append(
                    ManifestRow(
                        file, split, label, "fake", file, file, file, digest, 80, 64, **facts,
                        original_width=80, original_height=64,
                    )
                )  # fmt: skip
    write_manifest(folder, rows)
    return folder


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Compute on one thread: on so little, several only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True, scope="module")
def plain_reports() -> Iterator[None]:
    """Lay charts out without painting them, and grow few trees: the rest of a run takes as long.

    `tests/evaluation` and `tests/test_launch_training_test.py` make whole reports.
    """

    def leave_empty(_: Figure, target: Path | io.BytesIO, **settings: object) -> None:
        if isinstance(target, Path):
            target.touch()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", leave_empty)
        patch.setattr(shortcuts, "NUM_TREES", 5)
        yield


@pytest.fixture(autouse=True)
def workers_end_with_their_test(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close the loaders with workers that a test makes; else PyTorch waits seconds for each."""
    made = []
    make = PictureLoader.__init__

    def noting(self: PictureLoader, *given: Any, **more: Any) -> None:
        make(self, *given, **more)
        made.append(self)

    monkeypatch.setattr(PictureLoader, "__init__", noting)
    yield
    for loader in made:
        if loader._workers:
            loader.close()


@pytest.fixture(scope="session")
def tiny_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an assembled data set of 5 x (5 + 2 + 3) pictures; only to be read."""
    return make_tree(tmp_path_factory.mktemp("tiny") / "DATASET", (5, 2, 3))


@pytest.fixture(scope="session")
def degraded_dataset(
    tmp_path_factory: pytest.TempPathFactory, small_all_data: tuple[Path, list[Record]]
) -> Path:
    """Return a data set of 9 small pictures of each class, LOW_QUALITY made from the others."""
    from utils.common.disk.location import Originals
    from utils.dataset.assemble import assemble
    from utils.dataset.output.workspace import Workspace
    from utils.dataset.recipe import Recipe

    root, records = small_all_data
    folder = tmp_path_factory.mktemp("degraded") / "DATASET"
    recipe = Recipe(workers=1, image_size=64, min_size=32, low_quality=3)
    with Workspace(folder) as workspace:
        assemble(records, Originals(root, {}), workspace, recipe)
    return folder


@pytest.fixture(scope="session")
def make_trainer(tiny_dataset: Path) -> Callable[..., Trainer]:
    """Give a function that makes a trainer of a tiny network, the same at every call."""

    def make(
        model: str = TINY, device: str = "cpu", precision: str = "float32", **settings: Any
    ) -> Trainer:
        usual = {"batch_size": 8, "workers": 0, "model": model, "epochs": 2, "freeze_epochs": 0}
        complete = RunSettings(**{**usual, "lr": 1e-3, "weight_decay": 0.05, **settings})
        network, preprocessing = build(resolve(model), len(CLASSES), pretrained=False)
        if complete.assessment_weight:
            let_assess(network)
        batch_size = complete.batch_size * complete.grad_accum_steps
        loader = PictureLoader(read_folder(tiny_dataset), preprocessing, batch_size, 0, 0)
        compute = Compute(torch.device(device), precision)
        return Trainer(network, preprocessing, compute, complete, loader)

    return make


@pytest.fixture
def own_dataset(tmp_path: Path) -> Path:
    """Return a data set of 5 x (2 + 1 + 1) pictures that a test may break."""
    return make_tree(tmp_path / "DATASET", (2, 1, 1))


@pytest.fixture
def small_preprocessing() -> Preprocessing:
    return Preprocessing(32, 32, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), "bicubic", 0.9)


@pytest.fixture(scope="session")
def command_line(tiny_dataset: Path) -> Callable[..., list[str]]:
    """Give a function that completes the command line of a tiny run in float32."""

    def complete(runs: Path, *more: str) -> list[str]:
        given = {
            "--data-dir": str(tiny_dataset), "--output-dir": str(runs), "--model": TINY,
            "-b": "8", "-j": "0", "--epochs": "2", "--device": "cpu",
        }  # fmt: skip
        flat = [part for pair in given.items() for part in pair]
        return [*flat, "--no-pretrained", "--no-amp", *more]

    return complete


@pytest.fixture
def arguments(command_line: Callable[..., list[str]], tmp_path: Path) -> Callable[..., list[str]]:
    """Give a function that completes a command line whose run goes below `tmp_path`."""
    return functools.partial(command_line, tmp_path / "runs")


def outcome(run: Path) -> tuple[dict[str, torch.Tensor], list[dict[str, str]], dict[str, Any]]:
    state = torch.load(run / "last.pt", weights_only=True)
    kept = {
        f"{part}/{name}": tensor
        for part in ("weights", "average")
        for name, tensor in (state[part] or {}).items()
    }
    with (run / "history.csv").open() as stream:
        history = [
            {name: value for name, value in row.items() if name != "seconds"}
            for row in csv.DictReader(stream)
        ]
    report = json.loads((run / "report.json").read_text())
    return kept, history, {name: report[name] for name in ("accuracy", "confusion_matrix")}


def assert_same(one: Path, other: Path) -> None:
    weights, history, figures = outcome(one)
    other_weights, other_history, other_figures = outcome(other)
    assert weights.keys() == other_weights.keys()
    assert all(torch.equal(weights[name], other_weights[name]) for name in weights)
    assert history == other_history
    assert figures == other_figures
    for name in ("best.safetensors", "predictions.csv"):
        assert (one / name).read_bytes() == (other / name).read_bytes()


@pytest.fixture(scope="session")
def assert_same_run() -> Callable[[Path, Path], None]:
    """Give a function that compares two runs' weights, averages, history and figures by bits."""
    return assert_same


@pytest.fixture
def exactness(monkeypatch: pytest.MonkeyPatch) -> Callable[[Trainer], list[bool]]:
    """Give a function whose list gets, as on a GPU, whether a network computes without TF32."""
    monkeypatch.setattr("utils.training.predictor.fused", lambda network, *_: network)
    monkeypatch.setattr(Compute, "answering", lambda _: without_tf32())

    def watch(trainer: Trainer) -> list[bool]:
        exact: list[bool] = []
        layer = next(one for one in trainer.evaluated.modules() if isinstance(one, torch.nn.Conv2d))
        layer.register_forward_pre_hook(
            lambda *_: exact.append(not torch.backends.cudnn.allow_tf32)
        )
        return exact

    return watch

"""Export a stored model for other programs, and compare the file with PyTorch.

python -m models.export runs/resnet18-1 --format onnx
python -m models.export runs/resnet18-1 --format torch-export
"""

import contextlib
import importlib.util
import json
import logging
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utils.common.cli.command_line import parse, setting
from utils.common.disk.asking import is_folder
from utils.common.errors import ModelError, SettingsError, run_script

ONNX, TORCH_EXPORT = "onnx", "torch-export"
ENDINGS = {ONNX: ".onnx", TORCH_EXPORT: ".pt2"}
ONNX_PACKAGES = ("onnx", "onnxruntime", "onnxscript")

MAX_DIFFERENCE = 1e-3
"""Largest difference of two logits; classes whose logits differ by less may change places. Of other
outputs, the largest as a share of a number above 1."""

BATCH_SIZES = (1, 9, 10, 20, 20, 20, 20)
"""Several sizes, because the file must accept any number of pictures."""

CARD_KEY = "skin_picture_gate"
"""Key of the model's card, as JSON, in the metadata of the file."""

INPUT = "pixels"

Forward = Callable[[Any], dict[str, Any]]
"""Computes logits and other outputs by name from pixels, N x 3 x H x W, uint8."""


@dataclass(frozen=True, slots=True)
class ExportSettings:
    """The settings of one export."""

    run: str = setting("", "folder of a finished run", "run", metavar="RUN")
    format: str = setting(ONNX, "format of the file", choices=tuple(ENDINGS))
    output: str = setting(
        "", "file to write (default: RUN/<model> with .onnx or .pt2)", metavar="FILE"
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Export one model and print how far it is from PyTorch."""
    settings, _ = parse(ExportSettings, argv, __doc__, program="-m models.export")
    if settings.format == ONNX:
        check_onnx()
    if settings.output and is_folder(Path(settings.output)):
        raise SettingsError(f"--output {settings.output} is a folder", expected="a file's name")

    # After the flags, so that --help and a mistyped flag need not wait.
    from models.bundle import read_bundle

    card, network = read_bundle(Path(settings.run))
    name = f"{card.model.folder_name}{ENDINGS[settings.format]}"
    target = Path(settings.output) if settings.output else Path(settings.run) / name
    print(export(card, network, target, settings.format))


def check_onnx() -> None:
    """Fail early where the optional packages are missing.

    Raises:
        SettingsError: If one is missing; names the command that installs them.
    """
    if not all(importlib.util.find_spec(name) for name in ONNX_PACKAGES):
        raise SettingsError(
            "--format onnx needs packages that are not installed",
            expected=", ".join(ONNX_PACKAGES),
            todo=f"Install them: pip install {' '.join(ONNX_PACKAGES)}",
        )


def export(card: Any, network: Any, target: Path, file_format: str) -> str:
    """Write a model to a file, compare that with PyTorch, and return the figures as a line.

    A file that fails the comparison is deleted.

    Args:
        card: Card of the model, a `bundle.Card`.
        network: The network, in evaluation mode, on the CPU.
        target: The file to write.
        file_format: One of `ENDINGS`.

    Raises:
        ModelError: If the network cannot be exported, or the file computes something else.
    """
    import torch

    from models.exported import NamedOutputs
    from models.preprocessing import Normalisation
    from utils.common.disk.writing import whole_file

    novelty = card.calibration and card.calibration.novelty
    is_assessed = not isinstance(card.assessment, str)
    whole = NamedOutputs(Normalisation(card.preprocessing), network, novelty, is_assessed).eval()
    facts = json.dumps(card.to_dict())
    write, title = {ONNX: (_write_onnx, "ONNX"), TORCH_EXPORT: (_write_export, "torch.export")}[
        file_format
    ]
    with whole_file(target) as partial:
        try:
            with _quiet():
                version, exported = write(whole, card, partial, facts)
        except Exception as error:  # the exporters raise whatever they like
            lines = str(error).strip().splitlines() or [""]
            raise ModelError(
                f"{card.model.name} cannot be exported as {title}: {type(error).__name__}, "
                f"{lines[0][:200]}",
                todo="Try the other --format",
            ) from error
        with torch.inference_mode():
            figures = compare(whole, exported, card)
    return f"{target}: {title}, {version}; {figures}"


def compare(whole: Forward, exported: Forward, card: Any) -> str:
    """Compare all outputs for the same drawn pictures.

    Args:
        whole: The model in PyTorch.
        exported: The exported model.
        card: Card of the model, which tells the size of its input.

    Returns:
        The result, as part of a sentence.

    Raises:
        ModelError: If an output is missing, has another shape or differs by more than
            `MAX_DIFFERENCE`, or a class changes.
    """
    from models.exported import LOGITS

    batches = list(_draw_batches(card.preprocessing.height, card.preprocessing.width))
    own, theirs = (_all_outputs(run, batches) for run in (whole, exported))
    shapes, found = ({name: tuple(one.shape) for name, one in s.items()} for s in (own, theirs))
    if shapes != found:
        raise ModelError(f"The exported model returns {found} instead of {shapes}")
    differences = {name: _difference(name, own[name], theirs[name]) for name in own}
    worst = max(differences, key=lambda name: _finite_last(differences[name]))
    classes = own[LOGITS]
    first, second = classes.topk(2, dim=1).values.unbind(1)
    same = classes.argmax(1) == theirs[LOGITS].argmax(1)
    num_changed = int((~same & (first - second > MAX_DIFFERENCE)).sum())
    figures = (
        f"{len(classes)} drawn pictures, largest difference of {len(own)} outputs "
        f"{differences[worst]:.1e} ({worst}), same class for {int(same.sum())}"
    )
    if not differences[worst] <= MAX_DIFFERENCE or num_changed:  # written so that NaN fails too
        raise ModelError(
            f"The exported model differs from PyTorch: {figures}",
            expected=f"a difference of at most {MAX_DIFFERENCE:g} and the same classes",
            todo="The file was deleted; try the other --format",
        )
    return figures


def _all_outputs(run: Forward, batches: Sequence[Any]) -> dict[str, Any]:
    """Return what a model gives for all batches, by name."""
    import torch

    outputs = [run(batch) for batch in batches]
    return {name: torch.cat([one[name] for one in outputs]) for name in outputs[0]}


def _difference(name: str, own: Any, theirs: Any) -> float:
    """Return the largest difference of an output; NaN if there is one."""
    from models.exported import LOGITS

    differences = (own - theirs).abs()
    if not name.endswith(LOGITS):
        differences = differences / own.abs().clamp(min=1)
    return float(differences.max())


def _finite_last(difference: float) -> float:
    return math.inf if math.isnan(difference) else difference


def _draw_batches(height: int, width: int) -> Iterator[Any]:
    """Yield pictures with large and small structures, uint8, N x 3 x height x width."""
    import cv2
    import numpy as np
    import torch

    from utils.common.seeds import generator

    number = 0
    for size in BATCH_SIZES:
        pixels = np.empty((size, height, width, 3), dtype=np.float32)
        for position in range(size):
            rng = generator("export", number)
            cells = rng.uniform(-60, 316, (rng.integers(2, 12), rng.integers(2, 12), 3))
            coarse = cv2.resize(
                cells.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC
            )
            pixels[position] = coarse + rng.normal(0, rng.uniform(0, 30), coarse.shape)
            number += 1
        yield torch.from_numpy(pixels.clip(0, 255).astype(np.uint8).transpose(0, 3, 1, 2).copy())


def _write_export(whole: Any, card: Any, path: Path, facts: str) -> tuple[str, Forward]:
    """Write a .pt2 file; return its version and the program as it was read again."""
    import torch

    program = _trace(whole, card)
    torch.export.save(program, path, extra_files={CARD_KEY: facts})
    stored = {CARD_KEY: ""}
    read = torch.export.load(path, extra_files=stored)
    assert stored[CARD_KEY] == facts
    return f"PyTorch {torch.__version__}", read.module()


def _write_onnx(whole: Any, card: Any, path: Path, facts: str) -> tuple[str, Forward]:
    """Write an .onnx file; return its opset and a function that runs it."""
    import onnxruntime
    import torch

    from models.exported import hypotenuse

    with torch.inference_mode():
        outputs = list(whole(_example(card)))
    traced = _trace(whole, card).run_decompositions({torch.ops.aten.hypot.default: hypotenuse})
    program = torch.onnx.export(
        traced, input_names=[INPUT], output_names=outputs, dynamo=True, verbose=False
    )
    assert program is not None
    program.model.metadata_props[CARD_KEY] = facts
    program.model.graph.doc_string = json.loads(facts)["how_to_use"]
    program.save(path, external_data=False)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def run(pixels: Any) -> dict[str, Any]:
        found = session.run(outputs, {INPUT: pixels.numpy()})
        return {name: torch.from_numpy(one) for name, one in zip(outputs, found, strict=True)}

    return f"opset {program.model.opset_imports['']}", run


def _trace(whole: Any, card: Any) -> Any:
    """Return the network as a graph that accepts any number of pictures."""
    import torch

    shapes = {"input": {0: torch.export.Dim("batch")}}
    return torch.export.export(whole, (_example(card),), dynamic_shapes=shapes, strict=False)


def _example(card: Any) -> Any:
    import torch

    size = card.preprocessing.height, card.preprocessing.width
    return torch.zeros((2, 3, *size), dtype=torch.uint8)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence the deprecation warnings of the exporters."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


if __name__ == "__main__":
    run_script(main)

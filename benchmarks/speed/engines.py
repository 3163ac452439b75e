"""What other engines than PyTorch gain on a CPU: pictures/s and the same labels.

    python -m benchmarks.speed.engines RUN FOLDER             a finished run, pictures to answer
    python -m benchmarks.speed.engines RUN FOLDER --batches 4 --rounds 5

Ours is what predict.py computes with: PyTorch, batch norms folded into convolutions. Each other
engine that is installed (onnxruntime; openvino, with nncf in 8-bit integers too) gets what
models.export writes. First all answer for every picture, which counts equal labels; then they take
turns on the same batches. The network alone is timed: reading pictures costs each engine the same.
"""

import argparse
import importlib.util
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from benchmarks.quality.real_quality import find_pictures
from benchmarks.tools.measuring import machine, median_ratio, take_turns
from models import load
from models.bundle import read_bundle
from models.export import INPUT, ONNX, export
from models.exported import LOGITS
from utils.common.cli.console import progress, table
from utils.common.errors import run_script
from utils.common.pictures import PictureError
from utils.common.system.processors import available_processors

WANTED_GAIN, WANTED_EQUAL = 1.5, 0.999
NUM_CALIBRATED = 300
"""Pictures that the range of each 8-bit layer is fitted on."""

Engine = Callable[[torch.Tensor], np.ndarray]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="folder of a finished run")
    parser.add_argument("folder", type=Path, help="pictures to answer")
    parser.add_argument("--batch-size", type=int, default=32, help="default: 32")
    parser.add_argument("--batches", type=int, default=4, help="in a turn (default: 4)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each (default: 5)")
    given = parser.parse_args()
    print(machine(torch.device("cpu")))
    gate = load(given.run, device="cpu")
    batches = samples_of(gate, given.folder, given.batch_size)
    with tempfile.TemporaryDirectory() as scratch:
        card, network = read_bundle(given.run)
        file = Path(scratch) / "model.onnx"
        export(card, network, file, ONNX)
        engines = {"ours": lambda pixels: gate.forward(pixels)[0].numpy(), **others(file, batches)}
        print(compare(engines, batches, given))


def samples_of(gate, folder: Path, batch_size: int) -> list[torch.Tensor]:
    """Return what the model sees of all pictures below a folder, N x 3 x H x W, uint8, each."""
    samples = []
    for path in progress(sorted(find_pictures(folder)), desc="Reading", unit="pictures"):
        try:
            samples.append(torch.from_numpy(gate.sample(path.read_bytes())))
        except PictureError as error:
            print(f"{path}: {error}")
    return list(torch.stack(samples).split(batch_size))


def others(file: Path, batches: list[torch.Tensor]) -> dict[str, Engine]:
    """Return each other engine that is installed, ready with the model."""
    found: dict[str, Engine] = {}
    if importlib.util.find_spec("onnxruntime"):
        found["onnxruntime"] = onnxruntime_engine(file)
    if importlib.util.find_spec("openvino"):
        found["openvino"] = openvino_engine(file)
        if importlib.util.find_spec("nncf"):
            found["openvino, int8"] = openvino_engine(file, batches)
    return found


def onnxruntime_engine(file: Path) -> Engine:
    """Return ONNX Runtime on as many threads as we use."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = available_processors()
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return lambda pixels: session.run([LOGITS], {INPUT: pixels.numpy()})[0]


def openvino_engine(file: Path, batches: list[torch.Tensor] | None = None) -> Engine:
    """Return OpenVINO for throughput; in 8-bit integers where it gets pictures to fit them on."""
    import openvino

    model = openvino.Core().read_model(file)
    if batches is not None:
        import nncf

        pictures = torch.cat(batches)[:: max(1, len(batches) * len(batches[0]) // NUM_CALIBRATED)]
        model = nncf.quantize(
            model, nncf.Dataset(list(pictures.split(1)), lambda one: {INPUT: one.numpy()})
        )
    hints = {"INFERENCE_NUM_THREADS": available_processors(), "PERFORMANCE_HINT": "LATENCY"}
    compiled = openvino.compile_model(model, "CPU", hints)
    output = compiled.output(LOGITS)
    return lambda pixels: compiled({INPUT: pixels.numpy()})[output]


def compare(
    engines: dict[str, Engine], batches: list[torch.Tensor], given: argparse.Namespace
) -> str:
    """Return a table: equal labels over all pictures, then speed by turns."""
    labels = {
        name: np.concatenate([engine(batch).argmax(1) for batch in batches])
        for name, engine in engines.items()
    }
    timed = batches[: given.batches]
    count = sum(map(len, timed))
    turns = {name: lambda engine=engine: seconds(engine, timed) for name, engine in engines.items()}
    found = take_turns(turns, given.rounds)
    rows = []
    for name, took in found.items():
        gain = median_ratio(found["ours"], took)
        equal = float((labels[name] == labels["ours"]).mean())
        is_better = gain >= WANTED_GAIN and equal >= WANTED_EQUAL
        verdict = "yes" if is_better else "no" if name != "ours" else "-"
        rate = f"{count / float(np.median(took)):.1f}"
        rows.append([name, rate, f"{gain:.2f}", f"{equal:.2%}", verdict])
    header = ["engine", "pictures/s", "x ours", f"equal labels of {len(labels['ours'])}"]
    return table([*header, f">= {WANTED_GAIN} x at {WANTED_EQUAL:.1%}"], rows)


def seconds(engine: Engine, batches: list[torch.Tensor]) -> float:
    """Return what an engine takes for some batches."""
    started = time.perf_counter()
    for batch in batches:
        engine(batch)
    return time.perf_counter() - started


if __name__ == "__main__":
    run_script(main)

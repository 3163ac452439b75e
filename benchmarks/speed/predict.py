"""Speed and memory of predict.py, as ratios measured in one run.

    python -m benchmarks.speed.predict             all tables
    python -m benchmarks.speed.predict --quick     fewer pictures

The bound is a bare loop over the same loader and the same network, which describes nothing, judges
nothing and writes nothing. Unfused is predict.py with the network as it was trained, its batch
norms apart. All take turns in one process. Peak memory is that of processes of their own.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from PIL import Image

from models import load
from models.bundle import Card, read_bundle, store_bundle
from models.device import memory_format
from models.fusion import fused
from models.gate import Gate
from models.inference import embedding_size, surface_size
from models.preprocessing import Normalisation
from models.pretrained import build
from models.reading import Reading
from models.zoo import resolve
from utils.common.cli.console import progress, table
from utils.common.errors import run_script
from utils.common.labels import CLASSES
from utils.common.seeds import generator
from utils.evaluation.fitting import fit
from utils.prediction.classify import classify
from utils.prediction.inputs import find_inputs
from utils.prediction.pictures import Input
from utils.prediction.row_file import open_rows
from utils.prediction.settings import PredictSettings
from utils.prediction.stream import stream_samples
from utils.training.predictions import OodFeatures, PredictionsWithFeatures

ROOT = Path(__file__).resolve().parents[2]
NUM_PICTURES = 500
GROWTH, QUICK_GROWTH = (1_000, 20_000), (500, 1_500)
NUM_FILES = 100
"""Different ones; a list names them over and over."""

WIDTH, HEIGHT = 600, 450
TINY = "test_resnet"
"""Of timm's own tests; memory grows with the pictures, not with the model."""

WORKERS = 2
ROUNDS = 6
NUM_FITTED = 500
"""Random answers that an untrained model is calibrated on."""

LIMIT_BOUND, LIMIT_GROWTH = 0.9, 1.1


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer pictures")
    parser.add_argument("--model", default="resnet18", help="untrained (default: resnet18)")
    arguments = parser.parse_args()
    count = NUM_PICTURES // 5 if arguments.quick else NUM_PICTURES
    print(f"{os.cpu_count()} processors, {WORKERS} workers, {arguments.model}")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        store(folder / "run", arguments.model)
        paths = draw(folder / "pictures")
        print(against_bound(folder, paths, count))
        print()
        print(growth(folder, paths, QUICK_GROWTH if arguments.quick else GROWTH))


def store(
    folder: Path, name: str, size: tuple[int, int] | None = None, reading: Reading | None = None
) -> None:
    """Store an untrained model as a run does, calibrated on random answers.

    Args:
        folder: Where to; it is made.
        name: A timm name.
        size: Height and width of its input in pixels, if not its own.
        reading: How it reads pictures, if not as usual.
    """
    folder.mkdir()
    model = resolve(name)
    network, preprocessing = build(model, len(CLASSES), pretrained=False, size=size)
    rng = generator("benchmark", name)
    logits = rng.normal(size=(NUM_FITTED, len(CLASSES))).astype(np.float32)
    surface = surface_size(network)
    width = surface + embedding_size(network)
    features = rng.normal(size=(NUM_FITTED, width)).astype(np.float32)
    pictures = ("",) * NUM_FITTED, np.arange(NUM_FITTED) % len(CLASSES)
    train, val = (
        OodFeatures(*pictures, features, num_surface=surface),
        PredictionsWithFeatures(*pictures, logits, features),
    )
    card = Card(
        model,
        preprocessing,
        reading=reading or Reading(),
        calibration=fit(train, val, [1] * len(CLASSES), coverage=0.95),
    )
    store_bundle(folder, network.state_dict(), card)


def draw(folder: Path, width: int = WIDTH, height: int = HEIGHT) -> list[Path]:
    """Draw JPEGs with detail at all scales."""
    folder.mkdir()
    paths = [folder / f"{number:03}.jpg" for number in range(NUM_FILES)]
    for path in progress(paths, desc="Drawing", unit="pictures"):
        rng = generator("benchmark", path.name)
        coarse = Image.fromarray(rng.integers(40, 216, (6, 8, 3)).astype("uint8"))
        pixels = rng.normal(coarse.resize((width, height)), 8)
        Image.fromarray(pixels.clip(0, 255).astype("uint8")).save(path, quality=92)
    return paths


def against_bound(folder: Path, paths: list[Path], count: int) -> str:
    """Time predict.py's own loop, unfused too, and a bare one in turns, and return a table."""
    gate = load(folder / "run")
    with mock.patch("models.gate.fused", lambda network, *_: network):
        unfused = load(folder / "run")
    bare = make_bare(folder / "run", gate)
    inputs = (list(find_inputs(map(str, paths))) * (count // len(paths) + 1))[:count]
    settings = PredictSettings(output=str(folder / "rows.csv"), workers=WORKERS)
    runs = [
        lambda: bare(inputs, settings),
        lambda: ours(gate, inputs, settings),
        lambda: ours(unfused, inputs, settings),
    ]
    bare(inputs[: 2 * settings.batch_size], settings)  # warms up
    rounds = []
    for number in range(ROUNDS):
        first = number % len(runs)
        order = [*range(first, len(runs)), *range(first)]
        seconds = {position: runs[position]() for position in order}
        rounds.append([seconds[position] for position in range(len(runs))])
    bound, own, before = (statistics.median(column) for column in zip(*rounds, strict=True))
    shares = [one[0] / one[1] for one in rounds]
    gains = [one[2] / one[1] for one in rounds]
    header = [
        "pictures", "bound, pictures/s", "predict.py", f"share (at least {LIMIT_BOUND})", "from-to",
        "unfused", "x unfused", "from-to",
    ]  # fmt: skip
    bound_rate, own_rate, before_rate = (round(count / one, 1) for one in (bound, own, before))
    row = [count, bound_rate, own_rate, *spread(shares), before_rate, *spread(gains)]
    return table(header, [row])


def spread(ratios: list[float]) -> tuple[float, str]:
    """Return the median of ratios, and the least and largest of them."""
    return round(statistics.median(ratios), 3), f"{min(ratios):.2f}-{max(ratios):.2f}"


def make_bare(run: Path, gate: Gate) -> Callable[[list[Input], PredictSettings], float]:
    """Return what loads pictures, lets the network look at them, and returns the seconds."""
    card, network = read_bundle(run)
    device, layout = gate.compute.device, memory_format(network)
    wanted = card.preprocessing
    network = network.to(device=device, memory_format=layout)
    network = fused(network, gate.compute, wanted.height, wanted.width)
    normalise = Normalisation(wanted).to(device)

    @torch.inference_mode()
    def bare(inputs: list[Input], settings: PredictSettings) -> float:
        started = time.perf_counter()
        for samples in stream_samples(gate, inputs, settings.batch_size, settings.num_workers):
            pixels = normalise(samples.pixels.to(device, non_blocking=True))
            with gate.compute.answering():
                network(pixels.contiguous(memory_format=layout))
        if device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - started

    return bare


def ours(gate: Gate, inputs: list[Input], settings: PredictSettings) -> float:
    """Return the seconds of all that predict.py does with pictures that it has found."""
    started = time.perf_counter()
    files = [one.file for one in inputs]
    with open_rows(settings.output, {}, files, False) as rows:
        classify(gate, inputs, rows, settings)
        rows.publish()
    return time.perf_counter() - started


def growth(folder: Path, paths: list[Path], sizes: tuple[int, ...]) -> str:
    """Run the script on ever more pictures with a tiny model, and return a table of peak memory."""
    store(folder / "tiny", TINY)
    rows: list[list[float]] = []
    for count in sizes:
        mib = peak_kib(folder, "\n".join(str(paths[i % len(paths)]) for i in range(count))) / 1024
        rows.append([count, round(mib), round(mib / rows[0][1], 3) if rows else 1.0])
    return table(["pictures", "peak MiB", f"x first row (limit {LIMIT_GROWTH})"], rows)


def peak_kib(folder: Path, names: str) -> int:
    """Run the script on a list; return the largest memory of it and its workers together."""
    command = [sys.executable, str(ROOT / "predict.py"), str(folder / "tiny"), "-"]
    command += ["--output", str(folder / "rows.jsonl"), "--workers", str(WORKERS)]
    (folder / "names.txt").write_text(names)
    with (folder / "names.txt").open() as stdin:
        process = subprocess.Popen(
            command, stdin=stdin, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
    peak = 0
    while process.poll() is None:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        pids = [process.pid, *(children.read_text().split() if children.exists() else [])]
        peak = max(peak, sum(map(pss_kib, pids)))
        time.sleep(0.2)
    if process.returncode:
        raise SystemExit("predict.py failed")
    return peak


def pss_kib(pid: int | str) -> int:
    """Return the memory of a living process, shared parts counted in parts (Linux; 0 elsewhere)."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


if __name__ == "__main__":
    run_script(main)

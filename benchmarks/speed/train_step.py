"""Training speed per model and precision: end to end against synthetic data and a naive loop.

    python -m benchmarks.speed.train_step                        the menu's models, five rounds
    python -m benchmarks.speed.train_step --models resnet18      some models
    python -m benchmarks.speed.train_step --steps 100            longer or shorter rounds
    python -m benchmarks.speed.train_step --data-dir DATASET     on your own pictures
    python -m benchmarks.speed.train_step --compile              ours with torch.compile
    python -m benchmarks.speed.train_step --quick                to see that it works

`synthetic` repeats our step on one batch that lies on the device: no loader can do better. `naive`
is a plain loop over the same pictures: ImageFolder, float tensors, float32, AdamW, a look at
the loss at each step; in a process of its own, because ours tells malloc to keep freed memory. All
three take turns, so that what disturbs one disturbs the others. On a CPU that is shared with others
speed changes within seconds: there each of our steps is followed by a synthetic one, during which
the workers stand still.
"""

import argparse
import os
import signal
import tempfile
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context, get_start_method
from pathlib import Path
from statistics import median
from time import perf_counter

import torch
import torchvision
from torch.utils.data import DataLoader, Subset
from torchvision.transforms import v2

from benchmarks.tools.measuring import draw_dataset, machine, median_ratio, take_turns, verdict
from models.classifier import let_assess
from models.device import FLOAT32, Compute, choose_device, choose_precision
from models.outputs import NUM_TARGETS
from models.preprocessing import Preprocessing
from models.pretrained import build
from models.zoo import MENU, Model, resolve
from utils.common.cli.console import table
from utils.common.errors import run_script
from utils.common.labels import CLASSES, TRAIN
from utils.training.data.batches import Batch, prepare_worker
from utils.training.data.loader import PictureLoader
from utils.training.data.pictures import read_folder
from utils.training.engine import Trainer
from utils.training.settings import CACHES, NONE, Settings, complete
from utils.training.step.device import prepare

SYNTHETIC, END_TO_END, NAIVE = "synthetic", "end to end", "naive"
LIMIT_SHARE = 0.95
LIMIT_NAIVE_ON_CPU = {"resnet18": 2.3, "resnet50": 3.0}
"""With avx512_bf16 or AMX."""

LIMIT_NAIVE_ON_GPU = 3.0
STEPS_ON_CPU, STEPS_ON_GPU = 8, {"resnet18": 400, "resnet50": 120, "vit": 60, "swin": 32}
"""Per round; on a GPU as many as take every model about as long."""

MAX_NAIVE_STEPS = 80
"""Of the naive loop, which takes much longer for each."""

_naive_runs: list[Callable[[], float]] = []
"""In the process that trains as tutorials do: what does so."""


def main() -> None:
    """Print the table."""
    arguments = parse_arguments()
    device = choose_device(arguments.device)
    prepare(device, deterministic=False)
    print(machine(device))
    how = f"batches of {arguments.batch_size}, {arguments.workers} workers, cache {arguments.cache}"
    print(f"Pictures per second, {how}")
    header = [
        "model", "precision", f"{SYNTHETIC}/s", f"{END_TO_END}/s", "share", "asked",
        f"{NAIVE}/s", "x naive", "asked",
    ]  # fmt: skip
    rows = []
    with (
        tempfile.TemporaryDirectory() as scratch,
        ProcessPoolExecutor(1, get_context("spawn")) as own_process,
    ):
        own_process.submit(end_naive)  # it starts while the pictures are drawn
        for name in arguments.models:
            steps = arguments.steps or default_steps(name, device)
            pictures = steps * arguments.batch_size
            folder = arguments.data_dir or draw_dataset(Path(scratch) / name, pictures)
            chosen = choose_precision(device, None)
            precisions = (chosen,) if arguments.chosen_only else (chosen, FLOAT32)
            for precision in dict.fromkeys(precisions):
                compute = Compute(device, precision)
                rows.append(measure(resolve(name), compute, folder, arguments, own_process))
                print(table(header, rows), flush=True)


def default_steps(model: str, device: torch.device) -> int:
    """Return the steps of a round."""
    if device.type != "cuda":
        return STEPS_ON_CPU
    return STEPS_ON_GPU.get(model, min(STEPS_ON_GPU.values()))


def parse_arguments() -> argparse.Namespace:
    """Return the command line's settings."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [model.name for model in MENU]
    parser.add_argument("--models", nargs="+", help=f"default: {' '.join(names)}")
    parser.add_argument("--pairs", type=int, default=5, help="rounds (default: 5)")
    parser.add_argument("--steps", type=int, help="per round (default: by model and device)")
    parser.add_argument("--batch-size", type=int, default=64, help="default: 64")
    parser.add_argument("--workers", type=int, help="default: 2 on a CPU, 4 on a GPU")
    parser.add_argument("--device", default="auto", help="default: auto")
    parser.add_argument("--data-dir", type=Path, help="default: drawn pictures")
    parser.add_argument("--cache", default=NONE, choices=CACHES, help=f"default: {NONE}")
    parser.add_argument("--compile", action="store_true", help="ours goes through torch.compile")
    parser.add_argument("--chosen-only", action="store_true", help="leave out float32")
    parser.add_argument("--quick", action="store_true", help="one round of two small steps")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.pairs, arguments.steps, arguments.batch_size = 1, 2, 8
    arguments.models = arguments.models or (names[:1] if arguments.quick else names)
    if arguments.workers is None:
        arguments.workers = 4 if choose_device(arguments.device).type == "cuda" else 2
    return arguments


def measure(
    model: Model,
    compute: Compute,
    folder: Path,
    arguments: argparse.Namespace,
    own_process: ProcessPoolExecutor,
) -> list[object]:
    """Return one row of the table."""
    asked = Settings(
        batch_size=arguments.batch_size, workers=arguments.workers, model=model.name,
        pretrained=False, compile=arguments.compile,
    )  # fmt: skip
    settings = complete(asked, model, pretrained=asked.pretrained)
    network, preprocessing = build(model, len(CLASSES), pretrained=False)
    let_assess(network)  # as a run does
    pictures = read_folder(folder)
    loader = PictureLoader(
        pictures, preprocessing, settings.batch_size, settings.workers, 0,
        pin_memory=compute.device.type == "cuda", cache=arguments.cache,
        fresh_low_quality=settings.fresh_low_quality,
    )  # fmt: skip
    trainer = Trainer(network, preprocessing, compute, settings, loader)
    plain = (model, preprocessing, compute, settings, folder, get_start_method())
    own_process.submit(naive, *plain).result()
    runs = alternating(trainer) if can_alternate(compute) else one_by_one(trainer)
    runs[NAIVE] = lambda: own_process.submit(run_naive).result()
    found = take_turns(runs, arguments.pairs)
    own_process.submit(end_naive).result()
    share = median_ratio(found[END_TO_END], found[SYNTHETIC])
    gain = median_ratio(found[END_TO_END], found[NAIVE])
    limit = None
    if compute.precision != FLOAT32:
        on_gpu = compute.device.type == "cuda"
        limit = LIMIT_NAIVE_ON_GPU if on_gpu else LIMIT_NAIVE_ON_CPU.get(model.name)
    return [
        model.name,
        compute.precision,
        round(median(found[SYNTHETIC]), 1),
        round(median(found[END_TO_END]), 1),
        round(share, 3),
        verdict(share, LIMIT_SHARE),
        round(median(found[NAIVE]), 1),
        round(gain, 2),
        verdict(gain, limit) if limit else "-",
    ]


def timed(compute: Compute, run: Callable[[], int]) -> Callable[[], float]:
    """Make of a run that returns its number of pictures one that returns pictures per second."""

    def measured() -> float:
        wait(compute)
        started = perf_counter()
        pictures = run()
        wait(compute)
        return pictures / (perf_counter() - started)

    return measured


def wait(compute: Compute) -> None:
    """Wait until the device has done all that it was told to."""
    if compute.device.type == "cuda":
        torch.cuda.synchronize(compute.device)


def one_by_one(trainer: Trainer) -> dict[str, Callable[[], float]]:
    """Return what takes the steps of an epoch on synthetic data, and what then trains one."""
    take, steps = synthetic_step(trainer), trainer.loader.steps(TRAIN)

    def synthetic() -> int:
        trainer.network.train()
        for step in range(steps):
            take(step)
        return steps * trainer.settings.batch_size

    def end_to_end() -> int:
        for _ in trainer.train_epoch(0):
            pass
        return sum(trainer.loader.pictures.counts(TRAIN))

    compute = trainer.compute
    return {SYNTHETIC: timed(compute, synthetic), END_TO_END: timed(compute, end_to_end)}


def can_alternate(compute: Compute) -> bool:
    """Return whether steps end before the next begins, and workers can be told to stand still."""
    return compute.device.type == "cpu" and hasattr(signal, "SIGSTOP")


def alternating(trainer: Trainer) -> dict[str, Callable[[], float]]:
    """Return what trains an epoch, with a synthetic step after each step, and tells both speeds."""
    take, steps = synthetic_step(trainer), trainer.loader.steps(TRAIN)
    pictures = sum(trainer.loader.pictures.counts(TRAIN))
    seconds = dict.fromkeys((SYNTHETIC, END_TO_END), 0.0)

    @contextmanager
    def added_to(name: str) -> Iterator[None]:
        started = perf_counter()
        yield
        seconds[name] += perf_counter() - started

    def end_to_end() -> float:
        seconds.update(dict.fromkeys(seconds, 0.0))
        epoch = trainer.train_epoch(0)
        for step in range(steps):
            with added_to(END_TO_END):
                next(epoch)
            with standing_still(), added_to(SYNTHETIC):
                take(step)
        with added_to(END_TO_END):
            next(epoch, None)
        return pictures / seconds[END_TO_END]

    def synthetic() -> float:
        return steps * trainer.settings.batch_size / seconds[SYNTHETIC]

    return {END_TO_END: end_to_end, SYNTHETIC: synthetic}


@contextmanager
def standing_still() -> Iterator[None]:
    """Let no worker do anything meanwhile."""
    workers = [process.pid for process in active_children() if process.pid]
    for worker in workers:
        os.kill(worker, signal.SIGSTOP)
    try:
        yield
    finally:
        for worker in workers:
            os.kill(worker, signal.SIGCONT)


def synthetic_step(trainer: Trainer) -> Callable[[int], None]:
    """Return what takes a step of an epoch on one batch that is on the device already."""
    settings, preprocessing = trainer.settings, trainer.preprocessing
    generator = torch.Generator().manual_seed(0)
    shape = (settings.batch_size, 3, preprocessing.height, preprocessing.width)
    pixels = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    labels = torch.arange(settings.batch_size) % len(CLASSES)
    targets = torch.ones(settings.batch_size, NUM_TARGETS, dtype=torch.int8)
    device = trainer.compute.device
    batch = Batch(
        pixels.to(device, memory_format=torch.channels_last), labels.to(device), targets.to(device)
    )
    steps = trainer.loader.steps(TRAIN)
    return lambda step: trainer._step(batch, 0, step, steps)


def naive(
    model: Model,
    preprocessing: Preprocessing,
    compute: Compute,
    settings: Settings,
    folder: Path,
    start_method: str,
) -> None:
    """Get ready, in a process of its own, to train as tutorials do; its workers start as ours."""
    device = compute.device
    size = (preprocessing.height, preprocessing.width)
    transform = v2.Compose(
        [
            v2.RandomResizedCrop(size, scale=(0.75, 1.0)),
            v2.RandomHorizontalFlip(),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(list(preprocessing.mean), list(preprocessing.std)),
        ]
    )
    whole = torchvision.datasets.ImageFolder(str(folder / TRAIN), transform)
    pictures = torch.randperm(len(whole))[: MAX_NAIVE_STEPS * settings.batch_size]
    data = Subset(whole, pictures.tolist())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        batches = DataLoader(
            data, settings.batch_size, shuffle=True, num_workers=settings.workers,
            persistent_workers=settings.workers > 0, worker_init_fn=prepare_worker,
            multiprocessing_context=start_method if settings.workers else None,
            pin_memory=device.type == "cuda",
        )  # fmt: skip
    network, _ = build(model, len(CLASSES), pretrained=False)
    network.to(device).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=settings.lr)
    criterion = torch.nn.CrossEntropyLoss()

    def run() -> int:
        seen, total = 0, 0.0
        for pixels, labels in batches:
            optimizer.zero_grad()
            loss = criterion(network(pixels.to(device)), labels.to(device))
            loss.backward()
            optimizer.step()
            total += loss.item()
            seen += len(labels)
        return seen

    _naive_runs.append(timed(compute, run))


def run_naive() -> float:
    """Train one epoch as tutorials do; return pictures per second."""
    return _naive_runs[-1]()


def end_naive() -> None:
    """Let go of the loader: its workers would keep their process from ending."""
    _naive_runs.clear()


if __name__ == "__main__":
    run_script(main)

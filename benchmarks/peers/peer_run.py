"""One training by another project's means, as its own documentation trains; `compare.py` calls it.

    python -m benchmarks.peers.peer_run timm --data-dir DATASET --model resnet18 --epochs 3 \\
        --batch-size 64 --workers 2 --report report.jsonl

Each line of the report is an epoch: its number, its seconds (training and validation), and the
balanced accuracy on val. Transforms, optimizer and learning rate are those of the project's own
examples; folder, network, batch size, epochs, workers and seed are those that all have in common.
"""

import argparse
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

SIDE = 224
FLOAT32, BFLOAT16 = "float32", "bfloat16"
TRAIN, VAL = "train", "val"


class Report:
    """Writes what an epoch came to as soon as it is over."""

    def __init__(self, path: Path, classes: int) -> None:
        self._path = path
        self._classes = classes
        self._epoch = 0
        self._started = time.perf_counter()
        self._confusion = torch.zeros(classes, classes)

    def start(self) -> None:
        """Begin an epoch."""
        self._started = time.perf_counter()

    def note(self, labels: torch.Tensor, answers: torch.Tensor) -> None:
        """Add pictures of val: their classes, and those that the network names."""
        cells = (labels.cpu() * self._classes + answers.cpu()).bincount(minlength=self._classes**2)
        self._confusion += cells.view(self._classes, self._classes)

    def end(self) -> None:
        """End an epoch."""
        counts = self._confusion.sum(dim=1)
        recalls = (self._confusion.diag() / counts)[counts > 0]
        self._confusion.zero_()
        self._epoch += 1
        on_gpu = torch.cuda.is_available() and torch.cuda.is_initialized()
        line = {
            "epoch": self._epoch,
            "seconds": time.perf_counter() - self._started,
            "val_balanced_accuracy": float(recalls.mean()),
            "peak_gpu_bytes": torch.cuda.max_memory_reserved() if on_gpu else 0,
        }
        with self._path.open("a") as stream:
            stream.write(json.dumps(line) + "\n")
        self.start()


def parse_arguments() -> argparse.Namespace:
    """Return the command line's settings."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--report", type=Path, required=True)
    parser.add_argument("--model", default="resnet18", help="a name of timm")
    parser.add_argument("--weights", default="", help="a file to start from")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--precision", default=FLOAT32, choices=(FLOAT32, BFLOAT16))
    return parser.parse_args()


def main() -> None:
    """Train."""
    given = parse_arguments()
    given.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    given.classes = sum(place.is_dir() for place in (given.data_dir / TRAIN).iterdir())
    torch.manual_seed(given.seed)
    PEERS[given.peer](given, Report(given.report, given.classes))


def make_network(given: argparse.Namespace) -> nn.Module:
    """Return the network that all train, from a file or from random weights."""
    import timm

    start = {"pretrained_cfg_overlay": {"file": given.weights}} if given.weights else {}
    network: nn.Module = timm.create_model(
        given.model, pretrained=bool(given.weights), num_classes=given.classes, **start
    )
    return network


def statistics_of(network: nn.Module) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation that a network expects."""
    return network.pretrained_cfg["mean"], network.pretrained_cfg["std"]


def plain_loaders(given: argparse.Namespace, network: nn.Module, shrink: float = 0.08) -> Any:
    """Return torchvision's loaders of train and val, as its reference and most tutorials have."""
    from torch.utils.data import DataLoader
    from torchvision import datasets, transforms

    last = [transforms.ToTensor(), transforms.Normalize(*statistics_of(network))]
    cuts = {
        TRAIN: [
            transforms.RandomResizedCrop(SIDE, scale=(shrink, 1)),
            transforms.RandomHorizontalFlip(),
        ],
        VAL: [transforms.Resize(256), transforms.CenterCrop(SIDE)],
    }
    return [
        DataLoader(
            datasets.ImageFolder(str(given.data_dir / split), transforms.Compose(cut + last)),
            given.batch_size, shuffle=split == TRAIN, num_workers=given.workers,
            pin_memory=given.device.type == "cuda", persistent_workers=given.workers > 0,
        )
        for split, cut in cuts.items()
    ]  # fmt: skip


def narrow(given: argparse.Namespace) -> contextlib.AbstractContextManager[Any]:
    """Return the context of the precision that was asked for."""
    if given.precision == FLOAT32:
        return contextlib.nullcontext()
    return torch.autocast(given.device.type, torch.bfloat16)


def moved(given: argparse.Namespace, batches: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
    """Yield batches on the device, laid out as the precision wants it."""
    layout = torch.channels_last if given.precision != FLOAT32 else torch.contiguous_format
    for pixels, labels in batches:
        yield (
            pixels.to(given.device, memory_format=layout, non_blocking=True),
            labels.to(given.device, non_blocking=True),
        )


def placed(given: argparse.Namespace, network: nn.Module) -> nn.Module:
    """Return a network on the device, laid out as the precision wants it."""
    layout = torch.channels_last if given.precision != FLOAT32 else torch.preserve_format
    return network.to(given.device, memory_format=layout)


def train_by_hand(
    given: argparse.Namespace,
    report: Report,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    loaders: Any,
    after_epoch: Callable[[int], object] = lambda epoch: None,
) -> None:
    """Train by the plain loop that most examples have."""
    criterion = nn.CrossEntropyLoss()
    batches, val_batches = loaders
    for epoch in range(given.epochs):
        report.start()
        network.train()
        for pixels, labels in moved(given, batches):
            with narrow(given):
                loss = criterion(network(pixels), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()  # all of them show it
        after_epoch(epoch)
        network.eval()
        with torch.no_grad(), narrow(given):
            for pixels, labels in moved(given, val_batches):
                report.note(labels, network(pixels).argmax(dim=1))
        report.end()


def train_naive(given: argparse.Namespace, report: Report) -> None:
    """Train as tutorials do: Adam at its own rate."""
    network = placed(given, make_network(given))
    loaders = plain_loaders(given, network, shrink=0.75)
    train_by_hand(given, report, network, torch.optim.Adam(network.parameters()), loaders)


def train_torchvision(given: argparse.Namespace, report: Report) -> None:
    """Train as torchvision's reference: SGD, 0.1 for 32 pictures."""
    network = placed(given, make_network(given))
    optimizer = torch.optim.SGD(network.parameters(), 0.1, momentum=0.9, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 30, 0.1)
    train_by_hand(
        given, report, network, optimizer, plain_loaders(given, network),
        lambda epoch: schedule.step(),
    )  # fmt: skip


def train_timm(given: argparse.Namespace, report: Report) -> None:
    """Train by timm's loader, optimizer and schedule, at the defaults of its train.py."""
    from timm.data import create_dataset, create_loader
    from timm.optim import create_optimizer_v2
    from timm.scheduler import create_scheduler_v2

    network = placed(given, make_network(given))
    mean, std = statistics_of(network)
    loaders = [
        create_loader(
            create_dataset("", root=str(given.data_dir / split)), (3, SIDE, SIDE),
            given.batch_size, is_training=split == TRAIN, num_workers=given.workers, mean=mean,
            std=std, interpolation="random" if split == TRAIN else "bicubic", color_jitter=0.4,
            device=given.device, pin_memory=given.device.type == "cuda",
        )
        for split in (TRAIN, VAL)
    ]  # fmt: skip
    rate = 0.1 * given.batch_size / 256
    optimizer = create_optimizer_v2(network, "sgd", lr=rate, weight_decay=2e-5, momentum=0.9)
    schedule, _ = create_scheduler_v2(optimizer, "cosine", given.epochs, warmup_epochs=0)
    train_by_hand(
        given, report, network, optimizer, loaders, lambda epoch: schedule.step(epoch + 1)
    )


def train_accelerate(given: argparse.Namespace, report: Report) -> None:
    """Train by Hugging Face's Accelerate; it has no rate of its own, so AdamW's."""
    from accelerate import Accelerator

    kind = "no" if given.precision == FLOAT32 else "bf16"
    accelerator = Accelerator(mixed_precision=kind, cpu=given.device.type == "cpu")
    network = placed(given, make_network(given))
    optimizer = torch.optim.AdamW(network.parameters())
    batches, val_batches = plain_loaders(given, network)
    network, optimizer, batches, val_batches = accelerator.prepare(
        network, optimizer, batches, val_batches
    )
    criterion = nn.CrossEntropyLoss()
    for _ in range(given.epochs):
        report.start()
        network.train()
        for pixels, labels in moved(given, batches):
            loss = criterion(network(pixels), labels)
            optimizer.zero_grad()
            accelerator.backward(loss)
            optimizer.step()
        network.eval()
        with torch.no_grad():
            for pixels, labels in moved(given, val_batches):
                answers, known = accelerator.gather_for_metrics(
                    (network(pixels).argmax(dim=1), labels)
                )
                report.note(known, answers)
        report.end()


def train_lightning(given: argparse.Namespace, report: Report) -> None:
    """Train by Lightning, as its first example: Adam at 1e-3."""
    import lightning

    class Classifier(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network = placed(given, make_network(given))
            self.criterion = nn.CrossEntropyLoss()

        def training_step(self, batch: Any, index: int) -> torch.Tensor:
            pixels, labels = next(moved(given, [batch]))
            loss: torch.Tensor = self.criterion(self.network(pixels), labels)
            self.log("train_loss", loss, prog_bar=True)
            return loss

        def validation_step(self, batch: Any, index: int) -> None:
            pixels, labels = next(moved(given, [batch]))
            if not self.trainer.sanity_checking:
                report.note(labels, self.network(pixels).argmax(dim=1))

        def on_train_epoch_start(self) -> None:
            report.start()

        def on_train_epoch_end(self) -> None:  # after validation
            report.end()

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters(), lr=1e-3)

    classifier = Classifier()
    kind = "32-true" if given.precision == FLOAT32 else "bf16-mixed"
    with tempfile.TemporaryDirectory() as folder:
        trainer = lightning.Trainer(
            max_epochs=given.epochs, accelerator=given.device.type.replace("cuda", "gpu"),
            devices=1, precision=kind, default_root_dir=folder,
        )  # fmt: skip
        trainer.fit(classifier, *plain_loaders(given, classifier.network))


def train_fastai(given: argparse.Namespace, report: Report) -> None:
    """Train by fastai: its loaders and augmentation, one cycle at its own rate."""
    from fastai.vision.all import (
        Callback,
        ImageDataLoaders,
        Learner,
        Normalize,
        Resize,
        aug_transforms,
    )

    network = make_network(given)
    loaders = ImageDataLoaders.from_folder(
        given.data_dir, train=TRAIN, valid=VAL, item_tfms=Resize(SIDE), bs=given.batch_size,
        batch_tfms=[*aug_transforms(), Normalize.from_stats(*statistics_of(network))],
        num_workers=given.workers, device=given.device,
    )  # fmt: skip

    class Reporter(Callback):  # type: ignore[misc]
        def before_epoch(self) -> None:
            report.start()

        def after_batch(self) -> None:
            if not self.training:
                report.note(self.yb[0], self.pred.argmax(dim=1))

        def after_epoch(self) -> None:
            report.end()

    learner = Learner(loaders, network, loss_func=nn.CrossEntropyLoss(), cbs=Reporter())
    if given.precision != FLOAT32:
        learner = learner.to_channelslast() if given.device.type == "cuda" else learner
        learner = learner.to_bf16()
    learner.fit_one_cycle(given.epochs)


def train_ultralytics(given: argparse.Namespace, report: Report) -> None:
    """Train by Ultralytics at its defaults, with its own small network."""
    from ultralytics import YOLO

    def note(validator: Any) -> None:
        for labels, answers in zip(validator.targets, validator.pred, strict=True):
            report.note(labels.long(), answers[:, 0].long())

    model = YOLO("yolov8n-cls.yaml")
    model.add_callback("on_train_epoch_start", lambda trainer: report.start())
    model.add_callback("on_val_end", note)
    model.add_callback("on_fit_epoch_end", lambda trainer: report.end())
    with tempfile.TemporaryDirectory() as folder:
        model.train(
            data=str(given.data_dir.resolve()), epochs=given.epochs, imgsz=SIDE,
            batch=given.batch_size, workers=given.workers, seed=given.seed, project=folder,
            device="cpu" if given.device.type == "cpu" else 0, plots=False, pretrained=False,
            amp=given.precision != FLOAT32,
        )  # fmt: skip


PEERS: dict[str, Callable[[argparse.Namespace, Report], None]] = {
    "naive": train_naive,
    "torchvision": train_torchvision,
    "timm": train_timm,
    "lightning": train_lightning,
    "fastai": train_fastai,
    "accelerate": train_accelerate,
    "ultralytics": train_ultralytics,
}

if __name__ == "__main__":
    sys.exit(main())

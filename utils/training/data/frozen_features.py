"""Compute the features of a frozen network once, and serve them for all its frozen epochs.

Training the classifier first, then all, is LP-FT: Kumar et al., "Fine-Tuning can Distort Pretrained
Features and Underperform Out-of-Distribution", ICLR 2022.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import nn

from models.inference import Prepare
from models.outputs import NUM_TARGETS
from models.preprocessing import Preprocessing
from utils.common.cli.console import warn
from utils.common.errors import SettingsError
from utils.common.labels import TRAIN, VAL
from utils.common.system.memory import available_memory, byte_size
from utils.training.data.batches import Batch, Ticket
from utils.training.data.loader import PictureLoader
from utils.training.data.pictures import PictureFolder
from utils.training.processes.stopping import StopRequest
from utils.training.processes.world import World
from utils.training.settings import RunSettings
from utils.training.step.classifier import features_of, features_shape
from utils.training.step.forward import Outputs, forward_batches, noting_targets
from utils.training.step.micro_batches import MicroBatches

VIEWS: dict[str, int | None] = {TRAIN: 0, VAL: None}
"""The epoch whose view of a picture is taken: for train the sample of the first epoch, with its
fresh degradation of a LOW_QUALITY picture; for val, as always, the centre crop."""

BYTES_PER_FEATURE = 4
ROWS_AT_ONCE = 4096
"""Pictures whose features are exchanged at once, so that the exchange takes little memory."""


class FeatureLoader:
    """Serves features in the place of pixels, in the batches of the loader of the pictures.

    Args:
        loader: Loader of the pictures.
        features: Features by split, one row for each of its pictures.
        targets: What these views of the pictures are to be assessed as, likewise.
    """

    def __init__(
        self,
        loader: PictureLoader,
        features: Mapping[str, torch.Tensor],
        targets: Mapping[str, torch.Tensor],
    ) -> None:
        self._loader = loader
        self._features = features
        self._targets = targets

    def __contains__(self, split: str) -> bool:
        return split in self._features

    def training_batches(self, epoch: int, first_step: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch, beginning with any of its steps."""
        for ticket in self._loader.training_tickets(epoch, first_step):
            yield self._batch(ticket)

    def dealt_batches(self, split: str, positions: Sequence[int]) -> Iterator[Batch | None]:
        """Yield this rank's share of these pictures, and None where other ranks have a batch more.

        Args:
            split: One of `labels.SPLITS`.
            positions: Positions of the pictures in the split's list.
        """
        for ticket in self._loader.dealt_tickets(split, positions):
            yield self._batch(ticket) if ticket else None

    def _batch(self, ticket: Ticket) -> Batch:
        chosen = list(ticket.indices)
        features, targets = self._features[ticket.split], self._targets[ticket.split]
        return self._loader.labelled(ticket, features[chosen], targets[chosen])


def compute_features(
    network: nn.Module,
    preprocessing: Preprocessing,
    prepare: Prepare,
    loader: PictureLoader,
    micro_batches: MicroBatches,
    stop: StopRequest,
    num_epochs: int,
    seen: Callable[[int], None] = lambda _: None,
) -> FeatureLoader | None:
    """Run a network once over the pictures of train and val; None if it has no such features.

    Nothing of this is stored: a resumed run computes the same features again.

    Args:
        network: In evaluation mode, on its device.
        preprocessing: Preprocessing of the network.
        prepare: Applied to the pixels first.
        loader: Loader of the pictures.
        micro_batches: How batches are split.
        stop: Looked at after each batch.
        num_epochs: Number of frozen epochs.
        seen: Told after each batch how many pictures it had on all ranks.

    Raises:
        ModelError: If memory does not suffice.
        Stopped: If `stop` was set.
    """
    started = time.monotonic()
    shape = features_shape(network, preprocessing)
    if shape is None:
        return None

    def forward(pixels: torch.Tensor) -> Outputs:
        return (features_of(network, prepare, pixels),)

    features, targets = {}, {}
    for split, epoch in VIEWS.items():
        count = len(loader.pictures.splits[split])
        noted: list[Outputs] = []
        batches = noting_targets(loader.dealt_batches(split, range(count), epoch), noted)
        title = f"Features of {split}"
        outputs = forward_batches(batches, forward, title, count, micro_batches, stop, seen)
        features[split] = gather_features(outputs, count, shape, micro_batches.world)
        drawn = gather_features(noted, count, torch.Size([NUM_TARGETS]), micro_batches.world)
        targets[split] = drawn.to(torch.int8)
    numbers = f"{len(features[TRAIN])} training and {len(features[VAL])} val pictures"
    print(
        f"Features of {numbers} computed once, in {time.monotonic() - started:.0f} s; until epoch "
        f"{num_epochs} only the classifier learns, from these.",
        flush=True,
    )
    return FeatureLoader(loader, features, targets)


def gather_features(
    outputs: list[Outputs], count: int, shape: torch.Size, world: World
) -> torch.Tensor:
    """Return the features of all pictures on every rank, `count` x `shape`, float32, on the CPU.

    Args:
        outputs: Features of this rank's share, which is every n-th picture of n ranks; used up.
        count: Number of all pictures.
        shape: Shape of one picture's features.
        world: The processes that the pictures were dealt out to.
    """
    features = torch.zeros(count, *shape)  # takes memory only where it is written to
    own, done = features[world.rank :: world.size], 0
    outputs.reverse()
    while outputs:
        (part,) = outputs.pop()
        own[done : done + len(part)] = part
        done += len(part)
    if world.size > 1:
        for rows in features.split(ROWS_AT_ONCE):
            rows.copy_(world.all_reduce(rows))
    return features


def check_frozen_epochs(
    network: nn.Module,
    preprocessing: Preprocessing,
    settings: RunSettings,
    pictures: PictureFolder,
    processes: int = 1,
) -> None:
    """Say before training what frozen epochs cannot do here.

    Args:
        network: With its weights.
        preprocessing: Preprocessing of the network.
        settings: Settings of the run.
        pictures: The data set.
        processes: Processes that share this computer's memory.

    Raises:
        SettingsError: If there is no memory for the features.
    """
    if not settings.freeze_epochs:
        return
    if not settings.pretrained:
        warn(
            f"--freeze-epochs {settings.freeze_epochs} teaches little from random weights: "
            "a classifier can only be as good as the features that it works on."
        )
    shape = features_shape(network, preprocessing)
    if shape is None:
        warn(
            f"{settings.model} has no single layer that turns features into its outputs: the whole "
            "network runs in each frozen epoch."
        )
        return
    count = sum(len(pictures.splits[split]) for split in VIEWS)
    needed, left = count * shape.numel() * BYTES_PER_FEATURE, available_memory()
    if left is None or needed <= left // processes:
        return
    each_process = " for each process" if processes > 1 else ""
    raise SettingsError(
        f"--freeze-epochs {settings.freeze_epochs} keeps the features of {count} pictures, "
        f"{byte_size(needed)}, and {byte_size(left // processes)} of memory are left{each_process}",
        todo="Give --freeze-epochs 0, end what else uses memory, or take a smaller --model",
    )

"""A frozen network in, what its classifier is told of each picture out: once, for many epochs.

Training the classifier first, then all, is LP-FT: Kumar et al., "Fine-Tuning can Distort Pretrained
Features and Underperform Out-of-Distribution", ICLR 2022.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from models.answers import Prepare
from models.preprocessing import Preprocessing
from utils.common.cli.console import warn
from utils.common.errors import SettingsError
from utils.common.labels import TRAIN, VAL
from utils.common.system.memory import available_memory, byte_size
from utils.training.data.batches import Batch
from utils.training.data.loader import PictureLoader
from utils.training.data.pictures import PictureFolder
from utils.training.processes.world import World
from utils.training.settings import RunSettings

VIEWS: dict[str, int | None] = {TRAIN: 0, VAL: None}
"""The epoch whose view of a picture is taken: the first one's training sample, with its fresh draw
of a LOW_QUALITY picture; of val, as always, the centre crop."""

BYTES_PER_FEATURE = 4
ROWS_AT_ONCE = 4096
"""Pictures whose features are exchanged at once: so the exchange takes little memory."""


def classifiers_of(network: nn.Module) -> tuple[nn.Module, ...]:
    """Return the last layer of a network of timm, or the two of a distilled one."""
    of_timm: Any = network
    found = of_timm.get_classifier()
    return found if isinstance(found, tuple) else (found,)


class Classifier(nn.Module):
    """The last layer of a network with the dropout before it: features in, logits out.

    Args:
        network: Shares this layer.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.layer = classifiers_of(network)[0]
        self.dropout = _dropout_before_classifier(network)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return N x number of classes.

        Args:
            features: As `features_of` returns them, one row for each of N pictures.
        """
        if self.dropout:
            features = F.dropout(features, self.dropout, self.training)
        answers: torch.Tensor = self.layer(features)
        return answers.flatten(1)


def _dropout_before_classifier(network: nn.Module) -> float:
    """Return the rate, which a network of timm keeps in one of three places."""
    places = (network, "head_drop"), (getattr(network, "head", None), "drop")
    for owner, name in places:
        if isinstance(found := getattr(owner, name, None), nn.Dropout):
            return found.p
    return float(getattr(network, "drop_rate", 0.0))


def features_of(network: nn.Module, prepare: Prepare, pixels: torch.Tensor) -> torch.Tensor:
    """Return what the classifier of a network is told of pictures, one row each, float32.

    Args:
        network: In evaluation mode; `features_shape` has a shape for it.
        prepare: Called first.
        pixels: N x 3 x H x W, RGB, uint8.
    """
    with _heard(classifiers_of(network)[0]) as calls:
        network(prepare(pixels))
    features: torch.Tensor = calls[0][0][0]
    return features.float()


def features_shape(network: nn.Module, preprocessing: Preprocessing) -> torch.Size | None:
    """Return the shape of one picture's features; None where no single layer makes logits of them.

    What the classifier says must be what the network says: there are some with two classifiers,
    or with one for each place of the picture.

    Args:
        network: On its device, in any mode.
        preprocessing: Tells its input.
    """
    layer, *others = classifiers_of(network)
    if others:
        return None
    device = next(network.parameters()).device
    pixels = torch.zeros(2, 3, preprocessing.height, preprocessing.width, device=device)
    modes = {module: module.training for module in network.modules()}
    with _heard(layer) as calls, torch.inference_mode():
        answers = network.eval()(pixels)
    for module, was_training in modes.items():
        module.training = was_training
    if len(calls) != 1 or len(calls[0][0]) != 1:
        return None
    (features,), said = calls[0]
    is_last = said.numel() == answers.numel() and said.data_ptr() == answers.data_ptr()
    return features.shape[1:] if is_last and len(features) == len(pixels) else None


@contextlib.contextmanager
def _heard(layer: nn.Module) -> Iterator[list[tuple[tuple[Any, ...], Any]]]:
    """Collect what a layer is told and what it says at each call."""
    calls: list[tuple[tuple[Any, ...], Any]] = []
    hook = layer.register_forward_hook(lambda _, told, said: calls.append((told, said)))
    try:
        yield calls
    finally:
        hook.remove()


def put_together(
    answers: list[tuple[torch.Tensor, ...]], count: int, shape: torch.Size, world: World
) -> torch.Tensor:
    """Return the features of all pictures, `count` x `shape`, float32, in main memory.

    Args:
        answers: Features of this process's share, which is every so-many-th picture; used up.
        count: Of all pictures.
        shape: Of one picture's features.
        world: The processes that the pictures were dealt out to.
    """
    features = torch.zeros(count, *shape)  # takes memory only where it is written to
    own, done = features[world.rank :: world.size], 0
    answers.reverse()
    while answers:
        (part,) = answers.pop()
        own[done : done + len(part)] = part
        done += len(part)
    if world.size > 1:
        for rows in features.split(ROWS_AT_ONCE):
            rows.copy_(world.all_reduce(rows))
    return features


class FeatureLoader:
    """Serves features in the place of pixels: batches are those of the loader of the pictures.

    Args:
        loader: Of the pictures.
        features: By split, one row for each of its pictures.
    """

    def __init__(self, loader: PictureLoader, features: Mapping[str, torch.Tensor]) -> None:
        self._loader = loader
        self._features = features

    def __contains__(self, split: str) -> bool:
        return split in self._features

    def training_batches(self, epoch: int, first_step: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch, from any step on."""
        for ticket in self._loader.training_tickets(epoch, first_step):
            yield self._loader.labelled(ticket, self._features[TRAIN][list(ticket.indices)])

    def dealt_batches(self, split: str, positions: Sequence[int]) -> Iterator[Batch | None]:
        """Yield this process's share of these pictures, and None as long as others have more."""
        for ticket in self._loader.dealt_tickets(split, positions):
            if ticket is None:
                yield None
            else:
                features = self._features[split][list(ticket.indices)]
                yield self._loader.labelled(ticket, features)


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
        preprocessing: Of the network.
        settings: Complete.
        pictures: The data set.
        processes: That share this computer's memory.

    Raises:
        SettingsError: If there is no memory for the features.
    """
    if not settings.freeze_epochs:
        return
    if not settings.pretrained:
        warn(
            f"--freeze-epochs {settings.freeze_epochs} teaches little from random weights: "
            "a classifier can only be as good as the features that it is told."
        )
    shape = features_shape(network, preprocessing)
    if shape is None:
        warn(
            f"{settings.model} has no single layer that makes its outputs of features: the whole "
            "network runs in each frozen epoch."
        )
        return
    count = sum(len(pictures.splits[split]) for split in VIEWS)
    needed, left = count * shape.numel() * BYTES_PER_FEATURE, available_memory()
    if left is None or needed <= left // processes:
        return
    each_process = " for each process" if processes > 1 else ""
    raise SettingsError(
        f"--freeze-epochs keeps the features of {count} pictures, {byte_size(needed)}, and "
        f"{byte_size(left // processes)} of memory are left{each_process}",
        todo="Leave --freeze-epochs out, end what else uses memory, or take a smaller --model",
    )

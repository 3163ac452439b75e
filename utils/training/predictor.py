"""Run a trained network over the pictures of a split, each picture exactly once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from models.classifier import is_assessing
from models.device import FLOAT32, Compute
from models.fusion import fused
from models.inference import outputs_and_features, outputs_of, surface_size
from models.outputs import assessments, class_logits
from models.preprocessing import Normalisation, Preprocessing
from utils.training.data.frozen_features import FeatureLoader
from utils.training.data.loader import PictureLoader
from utils.training.predictions import (
    Labelled,
    OodFeatures,
    Predictions,
    PredictionsWithFeatures,
    interleave,
    joined,
)
from utils.training.processes.stopping import StopRequest
from utils.training.step.classifier import Classifier
from utils.training.step.forward import Forward, Outputs, forward_batches, noting_targets
from utils.training.step.micro_batches import MicroBatches

Kind = TypeVar("Kind", bound=Labelled)

NUM_DRAWN = 300
"""Newly degraded pictures that calibrate what assesses pictures: whole epochs, until so many."""


@dataclass(frozen=True, slots=True)
class Predictor:
    """Predicts val and test with the network of a training.

    The pictures are dealt out to all ranks and the results gathered on the first one; on the
    others, every method returns None.

    Attributes:
        network: The network that is evaluated; put into evaluation mode.
        preprocessing: Preprocessing of the network.
        normalise: Turns pixels into the network's input.
        compute: Device and precision of the training.
        loader: Loader of the pictures.
        micro_batches: How batches are split.
        stop: Looked at after each batch.
        features: Features of a frozen network, from which its classifier predicts; None elsewhere.
    """

    network: nn.Module
    preprocessing: Preprocessing
    normalise: Normalisation
    compute: Compute
    loader: PictureLoader
    micro_batches: MicroBatches
    stop: StopRequest
    features: FeatureLoader | None = None

    def predict(self, split: str, title: str) -> Predictions | None:
        """Return the logits of each picture of a split, in the precision of the training.

        Args:
            split: One of `labels.SPLITS`.
            title: Title of the progress bar.

        Raises:
            ModelError: If memory does not suffice.
            Stopped: If `stop` was set.
        """
        network, source = self._prepared_network(self.compute), self.features
        prepare: nn.Module = self.normalise
        if source and split in source:
            network, prepare = Classifier(network).eval(), nn.Identity()
        else:
            source = None

        def forward(pixels: torch.Tensor) -> Outputs:
            with self.compute.autocast():
                return _columns(outputs_of(network, prepare, pixels))

        return self._run(_predictions, split, title, forward, source=source)

    def predict_with_features(self, split: str, title: str) -> PredictionsWithFeatures | None:
        """Return logits and features for out-of-distribution detection, as `predict` does.

        In float32 whatever the precision of the training, as `models.gate` computes by default:
        what is fitted on these logits has to hold for those.
        """
        compute = replace(self.compute, precision=FLOAT32)
        network = self._prepared_network(compute)

        def forward(pixels: torch.Tensor) -> Outputs:
            with compute.answering():
                outputs, features = outputs_and_features(network, self.normalise, pixels)
            return *_columns(outputs), features

        return self._run(_predictions_with_features, split, title, forward)

    def predict_drawn(self, split: str, title: str) -> Predictions | None:
        """Return what assesses newly degraded pictures of a split, about `NUM_DRAWN` of them.

        On disk few pictures have a given fault. Each of these is what the training would degrade in
        the place of a LOW_QUALITY picture in some epoch, if it trained on this split; it is not
        augmented.

        Args:
            split: One of `labels.SPLITS`.
            title: Title of the progress bar.

        Returns:
            Predictions with the files of the good pictures that were degraded; None if the network
            assesses nothing, or the training draws none.
        """
        if not is_assessing(self.network):
            return None
        compute = replace(self.compute, precision=FLOAT32)
        network = self._prepared_network(compute)

        def forward(pixels: torch.Tensor) -> Outputs:
            with compute.answering():
                return _columns(outputs_of(network, self.normalise, pixels))

        listed, found = self.loader.pictures.splits[split], []
        for epoch, parents in self.loader.drawn_anew(split, NUM_DRAWN):
            one = self._run(_predictions, split, title, forward, list(parents), epoch=epoch)
            if one is not None:
                files = tuple(listed[parent].file for parent in parents.values())
                found.append(replace(one, files=files))
        return joined(found) if found else None

    def ood_features(self, split: str, title: str, positions: Sequence[int]) -> OodFeatures | None:
        """Return the features of some pictures for out-of-distribution detection.

        Args:
            split: One of `labels.SPLITS`.
            title: Title of the progress bar.
            positions: Positions of the pictures in the split's list.
        """
        compute = replace(self.compute, precision=FLOAT32)
        network = self._prepared_network(compute)

        def forward(pixels: torch.Tensor) -> Outputs:
            with compute.answering():
                return outputs_and_features(network, self.normalise, pixels)[1:]

        make = partial(OodFeatures, num_surface=surface_size(network))
        return self._run(make, split, title, forward, positions)

    def _prepared_network(self, compute: Compute) -> nn.Module:
        # In evaluation mode some networks, such as LeViT, keep what they make of their weights, and
        # with older versions of timm only training mode drops it; by now the weights may be others.
        network = self.network.train().eval()
        # In training each rank has its own statistics of batch norm; the first one's are kept.
        self.micro_batches.world.broadcast_tensors(network.buffers())
        # As `models.gate` runs the stored network, so that its calibration is of the same logits.
        return fused(network, compute, self.preprocessing.height, self.preprocessing.width)

    def _run(
        self,
        make: Callable[..., Kind],
        split: str,
        title: str,
        forward: Forward,
        positions: Sequence[int] | None = None,
        source: FeatureLoader | None = None,
        epoch: int | None = None,
    ) -> Kind | None:
        """Gather the outputs for a split's pictures, all of them by default, in their order.

        With an epoch pictures are degraded anew as in training in that epoch, and then seen as in
        evaluation.

        Returns:
            Result of `make` for files, labels and outputs, with the targets.
        """
        listed = self.loader.pictures.splits[split]
        chosen = range(len(listed)) if positions is None else positions
        seen: list[Outputs] = []
        batches = (
            source.dealt_batches(split, chosen)
            if source
            else self.loader.dealt_batches(split, chosen, epoch, is_augmented=False)
        )
        outputs = forward_batches(
            noting_targets(batches, seen), forward, title, len(chosen), self.micro_batches,
            self.stop,
        )  # fmt: skip
        columns = tuple(
            torch.cat(column).cpu().numpy()
            for results in (outputs, seen)
            for column in zip(*results, strict=True)
        )
        world = self.micro_batches.world
        shares = world.gather(columns)
        if not world.is_first:
            return None
        *gathered, targets = map(interleave, zip(*filter(None, shares), strict=True))
        pictures = [listed[position] for position in chosen]
        files = tuple(picture.file for picture in pictures)
        labels = np.array([picture.label for picture in pictures], dtype=np.int64)
        return make(files, labels, *gathered, targets=targets)


def _columns(outputs: torch.Tensor) -> Outputs:
    """Return the logits of the classes, and the outputs that assess pictures."""
    return class_logits(outputs).contiguous(), assessments(outputs).contiguous()


def _predictions(
    files: tuple[str, ...],
    labels: NDArray[np.int64],
    logits: NDArray[np.float32],
    assessed: NDArray[np.float32],
    targets: NDArray[np.int8],
) -> Predictions:
    return Predictions(files, labels, logits, assessments=assessed, targets=targets)


def _predictions_with_features(
    files: tuple[str, ...],
    labels: NDArray[np.int64],
    logits: NDArray[np.float32],
    assessed: NDArray[np.float32],
    features: NDArray[np.float32],
    targets: NDArray[np.int8],
) -> PredictionsWithFeatures:
    return PredictionsWithFeatures(
        files, labels, logits, features, assessments=assessed, targets=targets
    )

"""Trainers of recipes that launch_training_test.py has no flag for, to compare with those it has.

L2 towards the start: Li et al., "Explicit Inductive Bias for Transfer Learning with Convolutional
Networks", ICML 2018 (L2-SP). Mixup: Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR
2018. CutMix: Yun et al., "CutMix: Regularization Strategy to Train Strong Classifiers with
Localizable Features", ICCV 2019. The stronger augmentation and the exchange of corners are our own.
"""

import dataclasses
from collections.abc import Iterator
from functools import partial
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.modules.batchnorm import _BatchNorm

from benchmarks.tools.corners import CORNERS, exchange_corner
from models.classifier import classifiers_of
from models.outputs import class_logits
from utils.common.labels import CLASSES, LOW_QUALITY
from utils.common.limits import SMALLEST_GOOD
from utils.common.seeds import generator
from utils.quality.sizes import VIEW_SIDE
from utils.training.data.batches import Batch
from utils.training.engine import Trainer
from utils.training.step.cuda_graph import Outcome
from utils.training.step.optimisation import balanced_loss
from utils.training.step.train_step import TrainStep

START_PULL, ZERO_PULL = 0.1, 0.01
"""Weights of the two penalties, for what was pretrained and what is new, as Li et al. take them."""

MIXUP_ALPHA, MIXED_SHARE = 0.2, 0.5
"""Parameter of the Beta distribution that shares are drawn from, and share of the batches that are
mixed: only the others teach what assesses pictures, which has no answer for two at once."""

SHRUNK = 0.5
"""Share of the good pictures that are shown with fewer pixels."""

EXCHANGED = 0.5
"""Share of the pictures that get a corner of another one."""

SMALLEST_CORNER, LARGEST_CORNER = 0.15, 0.45
"""Sides of a corner, as shares of the picture's."""

TURNED, BORDERED, ROUND, GREY, RECOLOURED, COMPRESSED = 0.5, 0.3, 0.1, 0.1, 0.8, 0.3
"""Shares of the pictures that each part of the stronger augmentation changes."""

SMALLEST, MAX_ASPECT = 0.7, 1.25
JPEG_QUALITIES = 60, 95


class PulledTrainer(Trainer):
    """Adds L2 towards the start to the loss: its gradient, wherever a weight gets one."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        new = {id(w) for head in classifiers_of(self.network) for w in head.parameters()}
        for weight in self.network.parameters():
            start = torch.zeros_like(weight) if id(weight) in new else weight.detach().clone()
            pull = ZERO_PULL if id(weight) in new else START_PULL
            if weight.requires_grad:
                weight.register_post_accumulate_grad_hook(partial(pull_towards, start, pull))


def pull_towards(start: torch.Tensor, pull: float, weight: torch.Tensor) -> None:
    """Add the gradient of pull / 2 x |weight - start|^2 to that of a weight."""
    assert weight.grad is not None
    weight.grad.add_(weight.detach() - start, alpha=pull)


class MixupStep(TrainStep):
    """Takes steps on mixed pictures: of the classes' loss alone, and on a single process."""

    mixing: tuple[torch.Tensor, torch.Tensor] | None = None
    """Each picture's partner, and how much is its own: a number, or a mask of H x W."""

    def __call__(self, batch: Batch, seed: int) -> Outcome:
        """Take one step, with the pictures of some batches mixed with each other."""
        rng = generator(seed, "mixup")
        is_mixed = batch.pixels.dtype == torch.uint8 and rng.random() < MIXED_SHARE
        partners = torch.from_numpy(rng.permutation(len(batch.labels)))
        self.mixing = (partners, self.own_share(rng, batch.pixels.shape)) if is_mixed else None
        return super().__call__(batch, seed)

    def own_share(self, rng: np.random.Generator, shape: torch.Size) -> torch.Tensor:
        """Draw how much of each picture stays its own, a scalar."""
        return torch.tensor(rng.beta(MIXUP_ALPHA, MIXUP_ALPHA), dtype=torch.float32)

    def accumulate(
        self, batch: Batch, weight_sum: torch.Tensor, count: int, is_alone: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Run forward and backward on a batch; `TrainStep.accumulate` where nothing is mixed.

        The partners are a permutation of the batch, so the sum of the class weights stays the same.
        """
        if self.mixing is None:
            return super().accumulate(batch, weight_sum, count, is_alone)
        partners, kept = self.mixing
        pixels = self._prepare(batch.pixels)
        kept = kept.to(pixels.device)
        share = kept.mean()
        with self._compute.autocast():
            outputs = self.forward(kept * pixels + (1 - kept) * pixels[partners])
        answers = class_logits(outputs)
        own, other = (
            balanced_loss(answers, labels, self.class_weights)
            for labels in (batch.labels, batch.labels[partners])
        )
        loss = share * own + (1 - share) * other
        self.scaler.scale(loss / weight_sum).backward()
        return answers.detach(), loss.detach()


class CutMixStep(MixupStep):
    """Pastes a rectangle of another picture instead of mixing the whole."""

    def own_share(self, rng: np.random.Generator, shape: torch.Size) -> torch.Tensor:
        """Draw which pixels stay a picture's own: 1 there and 0 elsewhere, H x W, float32."""
        height, width = shape[-2:]
        side = (1 - rng.random()) ** 0.5  # the share of the own picture is uniform, as in the paper
        centre = rng.random(2)
        (top, bottom), (left, right) = (
            (round(max(0, at - side / 2) * size), round(min(1, at + side / 2) * size))
            for at, size in zip(centre, (height, width), strict=True)
        )
        own = torch.ones(height, width)
        own[top:bottom, left:right] = 0
        return own


class MixupTrainer(Trainer):
    """Trains with `MixupStep`."""

    step_kind: type[MixupStep] = MixupStep

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        before = self.train_step
        self.train_step = self.step_kind(
            self.network, before.class_weights, self.compute, self.settings, self.world, 1, None,
            before._assessment,
        )  # fmt: skip
        self.micro_batches = self.train_step.micro_batches
        self._is_frozen = None
        self._freeze(False)


class CutMixTrainer(MixupTrainer):
    """Trains with `CutMixStep`."""

    step_kind = CutMixStep


class StillNormsTrainer(Trainer):
    """Fine-tunes with batch norm in evaluation mode: its running statistics stay as they are."""

    def _freeze(self, is_frozen: bool) -> None:
        super()._freeze(is_frozen)
        for module in self.network.modules():
            if isinstance(module, _BatchNorm):
                module.eval()


class AugmentingTrainer(Trainer):
    """Augments the pictures of each batch more strongly, unless it comes as features."""

    def _batches(self, epoch: int, first_step: int) -> Iterator[Batch]:
        batches = super()._batches(epoch, first_step)
        if self.features:
            yield from batches
            return
        for step, batch in enumerate(batches, first_step):
            rng = generator(self.settings.seed, epoch, step, "stronger augmentation")
            pictures = batch.pixels.permute(0, 2, 3, 1).numpy()
            changed = self.changed(pictures, batch.labels.numpy(), rng)
            pixels = torch.from_numpy(changed).permute(0, 3, 1, 2)
            yield dataclasses.replace(batch, pixels=pixels)

    def changed(
        self, pictures: NDArray[np.uint8], labels: NDArray[np.int64], rng: np.random.Generator
    ) -> NDArray[np.uint8]:
        """Return the pictures of a batch changed, N x H x W x 3."""
        return np.stack([augmented(picture, rng) for picture in pictures])


class FewerPixelsTrainer(AugmentingTrainer):
    """Shows good pictures with fewer pixels, too: as few as the assembly takes for good."""

    def changed(
        self, pictures: NDArray[np.uint8], labels: NDArray[np.int64], rng: np.random.Generator
    ) -> NDArray[np.uint8]:
        """Return the pictures of a batch, some of the good ones shrunk and enlarged again."""
        changed = pictures.copy()
        side = pictures.shape[1]
        for picture, label in zip(changed, labels, strict=True):
            is_shrunk, share = rng.random() < SHRUNK, rng.uniform(SMALLEST_GOOD / VIEW_SIDE, 1)
            if is_shrunk and label != CLASSES.index(LOW_QUALITY):
                small = cv2.resize(picture, [round(share * side)] * 2, interpolation=cv2.INTER_AREA)
                picture[:] = cv2.resize(small, (side, side), interpolation=cv2.INTER_CUBIC)
        return changed


class CornersTrainer(AugmentingTrainer):
    """Exchanges corners, so that no watermark, caption or ruler tells the class by itself."""

    def changed(
        self, pictures: NDArray[np.uint8], labels: NDArray[np.int64], rng: np.random.Generator
    ) -> NDArray[np.uint8]:
        """Return the pictures of a batch, some with a corner of a good one of the batch."""
        donors = np.flatnonzero(labels != CLASSES.index(LOW_QUALITY))
        changed = pictures.copy()
        if not len(donors):
            return changed
        for picture in changed:
            exchanged = rng.random() < EXCHANGED
            sides = rng.uniform(SMALLEST_CORNER, LARGEST_CORNER, 2)
            donor, corner = pictures[rng.choice(donors)], CORNERS[rng.integers(len(CORNERS))]
            if exchanged:
                exchange_corner(picture, donor, corner, *sides)
        return changed


def augmented(picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return a picture as another camera, another frame or another file might show it.

    It is never enlarged and loses no sharpness: what makes a picture poor is a class of its own.

    Args:
        picture: RGB, uint8, square, height x width x 3.
        rng: Draws what is changed, and how.
    """
    turned, bordered, is_round, grey, recoloured, compressed = rng.random(6)
    if turned < TURNED or bordered < BORDERED:
        picture = _framed(picture, rng, turned < TURNED, bordered < BORDERED)
    if recoloured < RECOLOURED:
        picture = _recoloured(picture, rng)
    if grey < GREY:
        picture = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    if is_round < ROUND:
        picture = _in_round_field(picture, rng)
    if compressed < COMPRESSED:
        quality = int(rng.integers(*JPEG_QUALITIES))
        _, content = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
        picture = cv2.imdecode(content, cv2.IMREAD_COLOR)
    return np.asarray(picture, np.uint8)


def _framed(
    picture: NDArray[np.uint8], rng: np.random.Generator, is_turned: bool, is_bordered: bool
) -> NDArray[np.uint8]:
    """Turn a picture by any angle, and shrink it within black borders, each side by itself."""
    side = len(picture)
    angle = rng.uniform(0, 360) if is_turned else 0.0
    scale, aspect = rng.uniform(SMALLEST, 1), MAX_ASPECT ** rng.uniform(-1, 1)
    matrix = cv2.getRotationMatrix2D((side / 2 - 0.5, side / 2 - 0.5), angle, 1)
    if is_bordered:
        factors = np.minimum(1, scale * np.array([aspect, 1 / aspect]))
        matrix = factors[:, None] * matrix
        matrix[:, 2] += (1 - factors) * (side / 2 - 0.5)
    border = cv2.BORDER_CONSTANT if is_bordered else cv2.BORDER_REFLECT_101
    return np.asarray(
        cv2.warpAffine(picture, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=border)
    )


def _recoloured(picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Vary white balance, brightness, contrast and saturation."""
    gains = rng.uniform(0.9, 1.1, 3) * rng.uniform(0.85, 1.15)
    contrast, saturation = rng.uniform(0.85, 1.15), rng.uniform(0.7, 1.3)
    values = picture.astype(np.float32) * gains.astype(np.float32)
    values = (values - values.mean()) * contrast + values.mean()
    greys = values.mean(axis=2, keepdims=True)
    return ((values - greys) * saturation + greys).clip(0, 255).astype(np.uint8)


def _in_round_field(picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Blacken what lies outside of a dermoscope's round field."""
    side = len(picture)
    centre = rng.uniform(0.45, 0.55, 2) * side
    field = np.zeros((side, side), np.uint8)
    at, radius = (round(centre[0]), round(centre[1])), round(rng.uniform(0.48, 0.62) * side)
    cv2.circle(field, at, radius, 255, -1)
    return np.asarray(cv2.bitwise_and(picture, picture, mask=field))

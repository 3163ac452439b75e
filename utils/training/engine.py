"""Batches in, a better model or its predictions out; never waits for the device at each step."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from timm.utils import ModelEmaV3
from torch import nn

from models.answers import logits_and_features
from models.device import FLOAT16, Compute, memory_format
from models.preprocessing import Normalisation, Preprocessing
from utils.common.console import progress, warn
from utils.common.errors import ModelError
from utils.common.labels import TRAIN
from utils.common.seeds import stable_hash
from utils.training.device import blame_flag, is_out_of_memory, save_activations_memory
from utils.training.loader import Batch, PictureLoader
from utils.training.optimisation import (
    balanced_loss,
    class_weights,
    learning_rate,
    make_optimizer,
    set_rate,
)
from utils.training.predictions import Predictions
from utils.training.settings import Settings
from utils.training.statistics import RunningStatistics
from utils.training.sums import MAX_BAD_STEPS, EpochSums

Answer = TypeVar("Answer")

MAX_GRADIENT_NORM = 1.0
CHECK_EVERY = 32
"""Steps between two looks at a GPU's counters: each look waits for the device."""


class Stopped(Exception):
    """The user or the system asked to stop; the state of the moment is to be saved."""


@dataclass(slots=True)
class Trainer:
    """A model in training: all that changes from step to step, and what changes it.

    Attributes:
        network: The model, on its device.
        preprocessing: What it wants to see.
        compute: Device and precision.
        settings: Complete.
        loader: Serves the pictures.
        stop: Set from outside to stop after the step at hand.
        average: Of the weights over the steps, with --ema.
        parts: Into which each batch is cut; the gradients of all are added up for one step.
    """

    network: nn.Module
    preprocessing: Preprocessing
    compute: Compute
    settings: Settings
    loader: PictureLoader
    stop: threading.Event = field(default_factory=threading.Event)
    optimizer: torch.optim.Optimizer = field(init=False)
    scaler: torch.amp.GradScaler = field(init=False)
    sums: EpochSums = field(init=False)
    average: ModelEmaV3 | None = field(init=False)
    parts: int = field(init=False)
    _forward: Callable[[torch.Tensor], torch.Tensor] = field(init=False)
    _normalise: Normalisation = field(init=False)
    _weights: torch.Tensor = field(init=False)
    _layout: torch.memory_format = field(init=False)
    _statistics: RunningStatistics = field(init=False)
    _trainable: list[nn.Parameter] = field(init=False)

    def __post_init__(self) -> None:
        device, settings = self.compute.device, self.settings
        self._layout = memory_format(self.network)
        self.network.to(device=device, memory_format=self._layout)
        if settings.grad_checkpointing:
            save_activations_memory(self.network)
        self.optimizer = make_optimizer(
            self.network, settings.lr, settings.weight_decay, settings.layer_decay
        )
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.compute.precision == FLOAT16)
        self.sums = EpochSums.empty(device)
        self.average = (
            ModelEmaV3(self.network, settings.ema, use_warmup=True) if settings.ema else None
        )
        self.parts = settings.grad_accum_steps
        # One program for each size of batch: which one a resumed run meets first changes nothing.
        self._forward = (
            torch.compile(self.network, dynamic=False) if settings.compile else self.network
        )
        self._normalise = Normalisation(self.preprocessing).to(device)
        counts = self.loader.pictures.counts(TRAIN)
        self._weights = torch.tensor(class_weights(counts), device=device)
        self._statistics = RunningStatistics(self.network)
        self._trainable = [weight for weight in self.network.parameters() if weight.requires_grad]

    @property
    def answering(self) -> nn.Module:
        """The network that is validated, kept and tested: with --ema the average."""
        return self.network if self.average is None else self.average.module

    def train_epoch(self, epoch: int, first_step: int = 0) -> Iterator[int]:
        """Train on the batches of one epoch and yield the number of steps done after each.

        Args:
            epoch: From 0.
            first_step: Steps that an earlier process has already done; `sums` are theirs.

        Raises:
            ModelError: If the loss was no number three times in a row, or memory does not suffice.
            Stopped: If `stop` was set.
        """
        self._freeze(epoch < self.settings.freeze_epochs)
        steps = self.loader.steps(TRAIN)
        batches = self.loader.training_batches(epoch, first_step)
        title = f"Epoch {epoch + 1}/{self.settings.epochs}"
        bar = progress(total=steps, desc=title, unit="batches")
        bar.update(first_step)
        with bar:
            for step, batch in enumerate(batches, first_step):
                self._step(batch, epoch, step, steps)
                bar.update()
                if self.compute.device.type == "cpu" or step % CHECK_EVERY == 0:
                    self._check_loss()
                yield step + 1
                if self.stop.is_set():
                    raise Stopped
        self._check_loss()

    def _freeze(self, is_frozen: bool) -> None:
        """Let all weights learn, or those of the classifier alone."""
        self.network.train(not is_frozen)
        for weight in self._trainable:
            weight.requires_grad_(not is_frozen)
        if is_frozen:
            classifier = self.network.get_classifier()
            heads = classifier if isinstance(classifier, tuple) else (classifier,)
            for head in heads:
                head.train().requires_grad_()

    def _step(self, batch: Batch, epoch: int, step: int, steps: int) -> None:
        done = epoch * steps + step
        rate = learning_rate(done, steps, self.settings.epochs, self.settings.lr)
        set_rate(self.optimizer, rate)
        before = self._statistics.read()

        def attempt() -> tuple[torch.Tensor, torch.Tensor]:
            # Dropout draws from the global generator; seeded by the step, it needs no saving.
            torch.manual_seed(stable_hash(self.settings.seed, epoch, step, "dropout") >> 1)
            self.optimizer.zero_grad(set_to_none=True)
            return self._add_up_gradients(pixels, labels, weight_sum)

        pixels, labels = self._to_device(batch)
        weight_sum = self._weights[labels].sum()
        logits, loss_sum = self._within_memory(
            len(labels), attempt, undo=lambda: self._statistics.write(before)
        )
        self.scaler.unscale_(self.optimizer)
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), MAX_GRADIENT_NORM)
        good = torch.isfinite(loss_sum)
        if not self.scaler.is_enabled():
            good &= torch.isfinite(norm)
            # The fused optimizer's own way to leave out a step without asking the device.
            self.optimizer.grad_scale = None
            self.optimizer.found_inf = (~good).float()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self._statistics.keep_if(good, before)
        if self.average is not None:
            self.average.update(self.network, step=done)
        self.sums.add(logits, labels, loss_sum, weight_sum, good)

    def _add_up_gradients(
        self, pixels: torch.Tensor, labels: torch.Tensor, weight_sum: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Send a batch through the network, forth and back; return logits and the loss's sum."""
        logits, losses = [], []
        count = self._num_parts(len(labels))
        for part, part_labels in zip(
            pixels.tensor_split(count), labels.tensor_split(count), strict=True
        ):
            with self.compute.autocast():
                answers = self._forward(self._normalised(part))
            loss = balanced_loss(answers, part_labels, self._weights, self.settings.label_smoothing)
            # Checkpointing computes parts of the forward pass again; batch norm is to see it once.
            seen = self._statistics.read() if self.settings.grad_checkpointing else None
            self.scaler.scale(loss / weight_sum).backward()
            if seen is not None:
                self._statistics.write(seen)
            logits.append(answers.detach())
            losses.append(loss.detach())
        return torch.cat(logits), torch.stack(losses).sum()

    def _within_memory(
        self, size: int, attempt: Callable[[], Answer], undo: Callable[[], None] = lambda: None
    ) -> Answer:
        """Try until it fits, with batches of `size` cut into ever smaller parts.

        Raises:
            ModelError: If the smallest part does not fit either.
            SettingsError: If a flag asks for what cannot be had here.
        """
        while True:
            try:
                return attempt()
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    blamed = blame_flag(error)
                    if blamed is None:
                        raise
                    raise blamed from error
            # Not before here, where the error's traceback is gone, is the attempt's memory free.
            undo()
            self._cut_smaller(size)

    def _num_parts(self, size: int) -> int:
        # Batch norm cannot learn from one picture alone.
        smallest = 2 if self._statistics else 1
        return max(1, min(self.parts, size // smallest))

    def _cut_smaller(self, size: int) -> None:
        parts = self._num_parts(size)
        self.parts = 2 * parts
        if self._num_parts(size) == parts:
            raise ModelError(
                f"{self.compute.device} has too little memory even for {-(-size // parts)} "
                "pictures at a time",
                todo="Try --grad-checkpointing, a smaller model, or end what else uses the device",
            )
        if self.compute.device.type == "cuda":
            torch.cuda.empty_cache()
        norm = "; batch norm sees one part at a time" if self._statistics else ""
        warn(
            f"out of memory: each batch now goes through the model in {self.parts} parts and still "
            f"makes one step{norm}."
        )

    def _check_loss(self) -> None:
        if self.sums.is_diverging():
            raise ModelError(
                f"The loss was no number {MAX_BAD_STEPS} steps in a row",
                expected="a loss that falls",
                todo=f"Try a lower --lr than {self.settings.lr:g}, or --no-amp",
            )

    def _to_device(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        pixels = batch.pixels.to(self.compute.device, non_blocking=True)
        return pixels, batch.labels.to(self.compute.device, non_blocking=True)

    def _normalised(self, pixels: torch.Tensor) -> torch.Tensor:
        return self._normalise(pixels).contiguous(memory_format=self._layout)

    def predict(
        self, split: str, title: str, positions: Sequence[int] | None = None
    ) -> Predictions:
        """Let the model say what each picture of a split is, each exactly once.

        Args:
            split: Of `labels.SPLITS`.
            title: Of the progress bar.
            positions: Of the pictures in the split's list; all of them by default.

        Raises:
            ModelError: If memory does not suffice.
            Stopped: If `stop` was set.
        """
        network = self.answering.eval()
        every = self.loader.pictures.splits[split]
        chosen = range(len(every)) if positions is None else positions
        answers = []
        bar = progress(total=len(chosen), desc=title, unit="pictures")
        with torch.inference_mode(), bar:
            for batch in self.loader.evaluation_batches(split, chosen):
                pixels, _ = self._to_device(batch)
                answers += self._within_memory(len(pixels), partial(self._answer, network, pixels))
                bar.update(len(pixels))
                if self.stop.is_set():
                    raise Stopped
        logits, features = (torch.cat(parts).cpu().numpy() for parts in zip(*answers, strict=True))
        pictures = [every[position] for position in chosen]
        return Predictions(
            tuple(picture.file for picture in pictures),
            np.array([picture.label for picture in pictures], dtype=np.int64),
            logits,
            features,
        )

    def _answer(
        self, network: nn.Module, pixels: torch.Tensor
    ) -> list[tuple[torch.Tensor, torch.Tensor]]:
        with self.compute.autocast():
            return [
                logits_and_features(network, self._normalised(part))
                for part in pixels.tensor_split(self._num_parts(len(pixels)))
            ]

"""Batches in, a better model or its predictions out; never waits for the device at each step."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

from models.preprocessing import Normalisation, Preprocessing
from utils.common.console import progress
from utils.common.errors import ModelError
from utils.common.labels import TRAIN
from utils.common.seeds import stable_hash
from utils.training.device import FLOAT16, Compute, memory_format
from utils.training.loader import Batch, PictureLoader
from utils.training.optimisation import (
    balanced_loss,
    class_weights,
    learning_rate,
    make_optimizer,
)
from utils.training.predictions import Predictions
from utils.training.settings import Settings
from utils.training.sums import MAX_BAD_STEPS, EpochSums

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
    _normalise: Normalisation = field(init=False)
    _weights: torch.Tensor = field(init=False)
    _layout: torch.memory_format = field(init=False)
    _running: list[torch.Tensor] = field(init=False)

    def __post_init__(self) -> None:
        device = self.compute.device
        self._layout = memory_format(self.network)
        self.network.to(device=device, memory_format=self._layout)
        self.optimizer = make_optimizer(self.network, self.settings.lr, self.settings.weight_decay)
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.compute.precision == FLOAT16)
        self.sums = EpochSums.empty(device)
        self._normalise = Normalisation(self.preprocessing).to(device)
        counts = self.loader.pictures.counts(TRAIN)
        self._weights = torch.tensor(class_weights(counts), device=device)
        self._running = [
            buffer
            for name, buffer in self.network.named_buffers()
            if name.endswith(("running_mean", "running_var"))
        ]

    def train_epoch(self, epoch: int, first_step: int = 0) -> Iterator[int]:
        """Train on the batches of one epoch and yield the number of steps done after each.

        Args:
            epoch: From 0.
            first_step: Steps that an earlier process has already done; `sums` are theirs.

        Raises:
            ModelError: If the loss was no number three times in a row.
            Stopped: If `stop` was set.
        """
        self.network.train()
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

    def _step(self, batch: Batch, epoch: int, step: int, steps: int) -> None:
        # Dropout draws from the global generator; seeded by the step, it needs no saving.
        torch.manual_seed(stable_hash(self.settings.seed, epoch, step, "dropout") >> 1)
        rate = learning_rate(epoch * steps + step, steps, self.settings.epochs, self.settings.lr)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        before = [buffer.clone() for buffer in self._running]
        pixels, labels = self._to_device(batch)
        with self.compute.autocast():
            logits = self.network(pixels)
        loss_sum, weight_sum = balanced_loss(logits, labels, self._weights)
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss_sum / weight_sum).backward()
        self.scaler.unscale_(self.optimizer)
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), MAX_GRADIENT_NORM)
        good = torch.isfinite(loss_sum.detach())
        if not self.scaler.is_enabled():
            good &= torch.isfinite(norm)
            # The fused optimizer's own way to leave out a step without asking the device.
            self.optimizer.grad_scale = None
            self.optimizer.found_inf = (~good).float()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        for buffer, old in zip(self._running, before, strict=True):
            buffer.copy_(torch.where(good, buffer, old))
        self.sums.add(logits.detach(), labels, loss_sum.detach(), weight_sum, good)

    def _check_loss(self) -> None:
        if self.sums.is_diverging():
            raise ModelError(
                f"The loss was no number {MAX_BAD_STEPS} steps in a row",
                expected="a loss that falls",
                todo=f"Try a lower --lr than {self.settings.lr:g}, or --no-amp",
            )

    def _to_device(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        pixels = batch.pixels.to(self.compute.device, non_blocking=True)
        labels = batch.labels.to(self.compute.device, non_blocking=True)
        return self._normalise(pixels).contiguous(memory_format=self._layout), labels

    def predict(self, split: str, title: str) -> Predictions:
        """Let the model say what each picture of a split is, each exactly once.

        Raises:
            Stopped: If `stop` was set.
        """
        self.network.eval()
        logits = []
        bar = progress(total=self.loader.steps(split), desc=title, unit="batches")
        with torch.inference_mode(), bar:
            for batch in self.loader.evaluation_batches(split):
                with self.compute.autocast():
                    logits.append(self.network(self._to_device(batch)[0]).float())
                bar.update()
                if self.stop.is_set():
                    raise Stopped
        pictures = self.loader.pictures.splits[split]
        return Predictions(
            tuple(picture.file for picture in pictures),
            np.array([picture.label for picture in pictures], dtype=np.int64),
            torch.cat(logits).cpu().numpy(),
        )

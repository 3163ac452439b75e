"""Batches in, a better model or its predictions out; never waits for the device at each step."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np
import torch
from timm.utils import ModelEmaV3
from torch import nn

from models.answers import logits_and_features, logits_of
from models.device import FLOAT16, FLOAT32, Compute, memory_format
from models.fusion import fused
from models.preprocessing import Normalisation, Preprocessing
from models.sizes import Size, step_of
from models.texture import describe
from utils.common.cli.console import progress, warn
from utils.common.errors import ModelError
from utils.common.labels import TRAIN, VAL
from utils.common.seeds import stable_hash
from utils.training.data.batches import Batch
from utils.training.data.frozen_features import (
    VIEWS,
    Classifier,
    FeatureLoader,
    classifiers_of,
    features_of,
    features_shape,
    put_together,
)
from utils.training.data.loader import PictureLoader, smallest_share
from utils.training.data.prefetch import copied_ahead
from utils.training.data.progressive import Schedule
from utils.training.predictions import Asked, Examined, Looks, Predictions, interleave
from utils.training.processes.world import AnyRank, World
from utils.training.settings import LR_SCALES, RunSettings
from utils.training.step.activation_checkpointing import (
    recompute_hidden_answers,
    save_activations_memory,
)
from utils.training.step.cuda_graph import Outcome, Recorder
from utils.training.step.device import blame_flag, is_out_of_memory
from utils.training.step.norms import narrow_norms
from utils.training.step.optimisation import (
    balanced_loss,
    class_weights,
    learning_rate,
    make_optimizer,
    set_rate,
)
from utils.training.step.running_statistics import RunningStatistics, has_batch_norm
from utils.training.step.settling import Settling, settle_average
from utils.training.step.sums import MAX_BAD_STEPS, EpochSums

Answer = TypeVar("Answer")
Kind = TypeVar("Kind", bound=Asked)
Columns = tuple[torch.Tensor, ...]

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
        world: The processes that train together.
        processes: That the run was started with.
        stop: Set from outside to stop after the step at hand.
        average: Of the weights over the steps, with --ema.
        parts_of_all: Into which a batch is cut over all processes; the gradients of all are added
            up for one step.
    """

    network: nn.Module
    preprocessing: Preprocessing
    compute: Compute
    settings: RunSettings
    loader: PictureLoader
    world: World = field(default_factory=World)
    processes: int = 1
    stop: threading.Event = field(default_factory=threading.Event)
    optimizer: torch.optim.Optimizer = field(init=False)
    scaler: torch.amp.GradScaler = field(init=False)
    sums: EpochSums = field(init=False)
    average: ModelEmaV3 | None = field(init=False)
    parts_of_all: int = field(init=False)
    _forward: Callable[[torch.Tensor], torch.Tensor] = field(init=False)
    _replica: nn.Module = field(init=False)
    _is_frozen: bool | None = field(init=False, default=None)
    _features: FeatureLoader | None = field(init=False, default=None)
    _any_rank: AnyRank = field(init=False)
    _probed: set[tuple[int, int]] = field(init=False, default_factory=set)
    _normalise: Normalisation = field(init=False)
    _weights: torch.Tensor = field(init=False)
    _layout: torch.memory_format = field(init=False)
    _statistics: RunningStatistics = field(init=False)
    _has_batch_norm: bool = field(init=False)
    _recorder: Recorder | None = field(init=False)
    _trainable: list[nn.Parameter] = field(init=False)
    _schedule: Schedule | None = field(init=False, default=None)
    _settling: Settling | None = field(init=False, default=None)
    _since_change: int | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        device, settings = self.compute.device, self.settings
        self._layout = memory_format(self.network)
        self.network.to(device).to(memory_format=self._layout)
        if settings.grad_checkpointing:
            save_activations_memory(self.network)
        elif device.type == "cuda":
            recompute_hidden_answers(self.network)
        if device.type == "cuda":
            narrow_norms(self.network)
        self.optimizer = make_optimizer(
            self.network, settings.lr, settings.weight_decay, settings.layer_decay
        )
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.compute.precision == FLOAT16)
        self.sums = EpochSums.empty(device)
        self.average = (
            ModelEmaV3(self.network, settings.ema, use_warmup=True) if settings.ema else None
        )
        self.parts_of_all = settings.grad_accum_steps * self.processes
        self._any_rank = self.world.any_rank()
        self._normalise = Normalisation(self.preprocessing).to(device)
        counts = self.loader.pictures.counts(TRAIN)
        self._weights = torch.tensor(class_weights(counts), device=device)
        self._statistics = RunningStatistics(self.network)
        self._has_batch_norm = has_batch_norm(self.network)
        self._trainable = [weight for weight in self.network.parameters() if weight.requires_grad]
        self._recorder = self._make_recorder()
        if settings.progressive_resizing:
            step = step_of(self.network)
            full, frozen = self.preprocessing.size, settings.freeze_epochs
            self._schedule = Schedule(settings.epochs, full, step, frozen)
            self._settling = Settling(self.network)
        self._freeze(False)

    @property
    def answering(self) -> nn.Module:
        """The network that is validated, kept and tested: with --ema the average."""
        return self.network if self.average is None else self.average.module

    @property
    def broken_weights(self) -> list[str]:
        """Names of weights and running statistics that are NaN or infinite; asks the device."""
        kept = [self.network.state_dict()]
        if self.average is not None:
            kept.append(self.average.module.state_dict())
        broken = (
            name
            for state in kept
            for name, tensor in state.items()
            if not torch.isfinite(tensor).all()
        )
        return list(dict.fromkeys(broken))

    @property
    def parts(self) -> int:
        """Into which each process cuts its share of a batch."""
        return -(-self.parts_of_all // self.world.size)

    @parts.setter
    def parts(self, number: int) -> None:
        self.parts_of_all = number * self.world.size

    def rate(self, step: int) -> float:
        """Return the learning rate of a step, from 0 over the whole training."""
        peak = self.settings.lr * LR_SCALES[self.settings.lr_scaling](self.processes)
        return learning_rate(step, self.loader.steps(TRAIN), self.settings.epochs, peak)

    def smaller_size(self, epoch: int) -> Size | None:
        """Return height and width of an epoch's training pictures; None where they are full."""
        if self._schedule is None or self._schedule.is_full(epoch):
            return None
        return self._schedule.size(epoch)

    def train_epoch(self, epoch: int, first_step: int = 0) -> Iterator[int]:
        """Train on the batches of one epoch and yield the number of steps done after each.

        Args:
            epoch: From 0.
            first_step: Steps that an earlier process has already done; `sums` are theirs.

        Raises:
            ModelError: If the loss was NaN or infinite three times in a row, or memory is short.
            Stopped: If `stop` was set.
        """
        is_frozen = epoch < self.settings.freeze_epochs
        if is_frozen and not self._is_frozen:
            self._features = self._look_once()
        self._freeze(is_frozen)
        if self._recorder and self._schedule and self._schedule.epochs_since_change(epoch) == 0:
            self._recorder.forget()  # of a size that does not come again
        steps = self.loader.steps(TRAIN)
        if self._features:
            given = self._features.training_batches(epoch, first_step)
        else:
            given = self.loader.training_batches(epoch, first_step, self.smaller_size(epoch))
        batches = copied_ahead(given, self.compute.device)
        title = f"Epoch {epoch + 1}/{self.settings.epochs}"
        bar = progress(total=steps, desc=title, unit="batches")
        bar.update(first_step)
        with bar:
            for step, batch in enumerate(batches, first_step):
                assert batch is not None  # each process has a share of each
                self._step(batch, epoch, step, steps)
                bar.update()
                if self.waits_after(step):
                    self._check_loss()
                yield step + 1
                self._stop_if_asked()
        self._check_loss()

    def waits_after(self, step: int) -> bool:
        """Return whether the device has done all its work after a step (from 0) of an epoch."""
        return self.compute.device.type == "cpu" or step % CHECK_EVERY == 0

    def _stop_if_asked(self) -> None:
        """Stop where any process was asked to."""
        if self._any_rank.wishes(self.stop.is_set()):
            raise Stopped

    def _freeze(self, is_frozen: bool) -> None:
        """Let all weights learn, or those of the classifier alone."""
        self.network.train(not is_frozen)
        for weight in self._trainable:
            weight.requires_grad_(not is_frozen)
        if is_frozen:
            for head in classifiers_of(self.network):
                head.train().requires_grad_()
        if is_frozen == self._is_frozen:
            return
        # Which gradients are exchanged is settled when the replica is made.
        self._is_frozen = is_frozen
        if not is_frozen:
            self._features = None
        if self._recorder:
            self._recorder.forget()
            # The weights that now learn get their moments in an issued step: a recorded one would
            # begin them anew at each replay.
            self._recorder = self._make_recorder()
        learning = Classifier(self.network).train() if self._features else self.network
        self._replica = self.world.replicate(learning)
        is_compiled = self.settings.compile and not self._features
        # One program for each size of batch: which one a resumed run meets first changes nothing.
        self._forward = (
            torch.compile(self._replica, dynamic=False) if is_compiled else self._replica
        )

    def _look_once(self) -> FeatureLoader | None:
        """Let the network describe each picture, for as long as it is frozen; None if it cannot.

        Nothing is stored of it: a resumed run looks anew, and sees the same.
        """
        started = time.monotonic()
        network = self.network.eval()
        shape = features_shape(network, self.preprocessing)
        if shape is None:
            return None

        def answer(pixels: torch.Tensor) -> Columns:
            return (features_of(network, self._normalised, pixels),)

        features = {}
        for split, epoch in VIEWS.items():
            positions = range(len(self.loader.pictures.splits[split]))
            dealt = self.loader.dealt_batches(split, positions, epoch)
            answers = self._answers(dealt, f"Features of {split}", len(positions), answer)
            features[split] = put_together(answers, len(positions), shape, self.world)
        numbers = f"{len(features[TRAIN])} training and {len(features[VAL])} val pictures"
        print(
            f"Features of {numbers} computed once, in {time.monotonic() - started:.0f} s; until "
            f"epoch {self.settings.freeze_epochs} the classifier alone learns, from them.",
            flush=True,
        )
        return FeatureLoader(self.loader, features)

    def _step(self, batch: Batch, epoch: int, step: int, steps: int) -> None:
        done = epoch * steps + step
        set_rate(self.optimizer, self.rate(done))
        self._start_settling(epoch, step, steps)
        batch = batch.to(self.compute.device)
        # Dropout draws from the global generator; seeded by the step, it needs no saving.
        seed = stable_hash(self.settings.seed, epoch, step, "dropout", self.world.rank) >> 1
        torch.manual_seed(seed)
        outcome = self._recorder.replay(batch, self._issue) if self._recorder else None
        if outcome is None:
            outcome = self._issue_within_memory(batch, seed)
        if self.average is not None:
            self._update_average(self.average, done)
        self.sums.add(
            outcome.logits, batch.labels, outcome.loss_sum, outcome.weight_sum, outcome.good
        )

    def _start_settling(self, epoch: int, step: int, steps: int) -> None:
        """Settle how much this step counts in batch norm's statistics after a change of size."""
        if self._schedule and self._settling:
            since = self._schedule.epochs_since_change(epoch)
            self._since_change = None if since is None else since * steps + step
            self._settling.start_step(self._since_change)

    def _update_average(self, average: ModelEmaV3, done: int) -> None:
        statistics = RunningStatistics(average.module) if self._schedule else None
        before = statistics.read() if statistics else []
        average.update(self.network, step=done)
        if statistics:
            decay = average.get_decay(done)
            settle_average(statistics, before, self._statistics, decay, self._since_change)

    def _make_recorder(self) -> Recorder | None:
        """Return what replays a step, where it asks neither the device nor other processes."""
        asks = self.scaler.is_enabled() or self.world.size > 1 or self.settings.grad_checkpointing
        return Recorder(self.optimizer) if self.compute.device.type == "cuda" and not asks else None

    def _issue(self, batch: Batch) -> Outcome:
        """Take a step with the memory there is, from the seed that is set."""
        before = self._statistics.read()
        self.optimizer.zero_grad(set_to_none=True)
        weight_sum = self._weights[batch.labels].sum()
        count = self._num_parts(len(batch.labels))
        logits, loss_sum = self._add_up_gradients(batch.pixels, batch.labels, weight_sum, count)
        self._settle(before, count)
        return self._take_step(logits, self._judged(loss_sum), weight_sum, before)

    def _issue_within_memory(self, batch: Batch, seed: int) -> Outcome:
        """Take a step in as many parts as memory asks for."""
        before = self._statistics.read()

        def attempt(is_alone: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
            torch.manual_seed(seed)
            self.optimizer.zero_grad(set_to_none=True)
            return self._add_up_gradients(
                pixels, labels, weight_sum, self._num_parts(share), is_alone
            )

        def undo() -> None:
            self._statistics.write(before)

        pixels, labels = batch.pixels, batch.labels
        all_labels = labels if batch.all_labels is None else batch.all_labels
        weight_sum = self._weights[all_labels].sum()
        size = len(all_labels)
        # All processes cut into as many parts, for batch norm may meet at each.
        share = smallest_share(size, self.world.size)
        probe = (size, pixels.shape[-1])
        if self.world.size > 1 and probe not in self._probed:
            self._within_memory(share, partial(attempt, is_alone=True), undo)
            undo()
            self.parts_of_all = self.world.all_reduce_max(self.parts_of_all)
            self._probed.add(probe)
        may_cut = self.world.size == 1  # several would wait for each other
        logits, loss_sum = self._within_memory(share, attempt, undo, may_cut)
        self._settle(before, self._num_parts(share))
        loss_sum = self.world.all_reduce(self._judged(loss_sum))
        return self._take_step(logits, loss_sum, weight_sum, before)

    def _settle(self, before: Sequence[torch.Tensor], updates: int) -> None:
        if self._settling and self.network.training:
            self._settling.settle(before, updates)

    def _judged(self, loss_sum: torch.Tensor) -> torch.Tensor:
        """Return a loss, NaN if batch norm's running statistics no longer are numbers after it."""
        for values in self._statistics.read():
            loss_sum = torch.where(torch.isfinite(values).all(), loss_sum, torch.nan)
        return loss_sum

    def _take_step(
        self,
        logits: torch.Tensor,
        loss_sum: torch.Tensor,
        weight_sum: torch.Tensor,
        before: Sequence[torch.Tensor],
    ) -> Outcome:
        """Change the weights by the gradients, unless these or the loss are no numbers."""
        self.scaler.unscale_(self.optimizer)
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), MAX_GRADIENT_NORM)
        good = torch.isfinite(loss_sum)
        if not self.scaler.is_enabled():
            good &= torch.isfinite(norm)
            # The fused optimizer's own way to leave out a step without asking the device.
            optimizer: Any = self.optimizer
            optimizer.grad_scale, optimizer.found_inf = None, (~good).float()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self._statistics.keep_if(good, before)
        return Outcome(logits, loss_sum, weight_sum, good)

    def _add_up_gradients(
        self,
        pixels: torch.Tensor,
        labels: torch.Tensor,
        weight_sum: torch.Tensor,
        count: int,
        is_alone: bool = False,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Send a batch through the network in `count` parts; return logits and the loss's sum.

        With the last part the gradients of all processes are averaged, unless `is_alone`.
        """
        logits, losses = [], []
        for number, (part, part_labels) in enumerate(
            zip(pixels.tensor_split(count), labels.tensor_split(count), strict=True), 1
        ):
            with contextlib.ExitStack() as around:
                if is_alone or number < count:
                    around.enter_context(self.world.no_sync(self._replica))
                with self.compute.autocast():
                    answers = self._forward(self._normalised(part))
                loss = balanced_loss(
                    answers, part_labels, self._weights, self.settings.label_smoothing
                )
                # Checkpointing computes parts of the forward pass again; batch norm is to see it
                # once.
                seen = self._statistics.read() if self.settings.grad_checkpointing else None
                # The mean over the processes is to be the sum.
                self.scaler.scale(loss * self.world.size / weight_sum).backward()
            if seen is not None:
                self._statistics.write(seen)
            logits.append(answers.detach())
            losses.append(loss.detach())
        return torch.cat(logits), torch.stack(losses).sum()

    def _within_memory(
        self,
        size: int,
        attempt: Callable[[], Answer],
        undo: Callable[[], None] = lambda: None,
        may_cut: bool = True,
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
            if not (self._recorder and self._recorder.forget()):
                self._cut_smaller(size, may_cut)

    def _num_parts(self, size: int) -> int:
        # Batch norm cannot learn from one picture alone.
        smallest = 2 if self._has_batch_norm else 1
        return max(1, min(self.parts, size // smallest))

    def _cut_smaller(self, size: int, may_cut: bool) -> None:
        parts = self._num_parts(size)
        self.parts = 2 * parts
        if self._num_parts(size) == parts or not may_cut:
            raise ModelError(
                f"{self.compute.device} has too little memory even for {-(-size // parts)} "
                "pictures at a time",
                todo="Try --grad-checkpointing, a smaller model, or end what else uses the device",
            )
        if self.compute.device.type == "cuda":
            torch.cuda.empty_cache()
        norm = "; batch norm sees one part at a time" if self._has_batch_norm else ""
        warn(
            f"out of memory: each batch now goes through the model in {self.parts} parts and still "
            f"makes one step{norm}."
        )

    def _check_loss(self) -> None:
        if self.sums.is_diverging():
            raise ModelError(
                f"The loss was NaN or infinite {MAX_BAD_STEPS} steps in a row",
                expected="a loss that falls",
                todo=f"Try a lower --lr than {self.settings.lr:g}, or --no-amp",
            )

    def _normalised(self, pixels: torch.Tensor) -> torch.Tensor:
        if pixels.is_floating_point():  # features are served in their place
            return pixels
        normalised: torch.Tensor = self._normalise(pixels)
        return normalised.contiguous(memory_format=self._layout)

    def predict(self, split: str, title: str) -> Predictions | None:
        """Let the model say what each picture of a split is, each exactly once.

        The pictures are dealt out to all processes; the answers come together in the first one,
        and the others return None.

        Args:
            split: Of `labels.SPLITS`.
            title: Of the progress bar.

        Raises:
            ModelError: If memory does not suffice.
            Stopped: If `stop` was set.
        """
        network = self._network_to_ask(self.compute)
        source: PictureLoader | FeatureLoader = self.loader
        if self._features and split in self._features:
            network, source = Classifier(network).eval(), self._features

        def answer(pixels: torch.Tensor) -> Columns:
            with self.compute.autocast():
                return (logits_of(network, self._normalised, pixels),)

        return self._ask(Predictions, split, title, answer, source=source)

    def examine(self, split: str, title: str) -> Examined | None:
        """Let the model say what each picture is, as `predict` does, and describe how it looks.

        In float32 whatever it was trained in, as `models.gate` asks it: what is fitted on its
        answers is promised for them.
        """
        network = self._network_to_ask(replace(self.compute, precision=FLOAT32))
        answer = partial(logits_and_features, network, self._normalised)
        return self._ask(Examined, split, title, answer)

    def describe(self, split: str, title: str, positions: Sequence[int]) -> Looks | None:
        """Describe how some pictures look; only the first process returns it, as in `predict`.

        Args:
            split: Of `labels.SPLITS`.
            title: Of the progress bar.
            positions: Of the pictures in the split's list.
        """
        return self._ask(Looks, split, title, lambda pixels: (describe(pixels),), positions)

    def _network_to_ask(self, compute: Compute) -> nn.Module:
        network = self.answering.eval()
        # In training each process has its own statistics of batch norm; the first one's are kept.
        self.world.broadcast_tensors(network.buffers())
        # As `models.gate` asks the stored one, so that its calibration is of the same answers.
        return fused(network, compute, self.preprocessing.height, self.preprocessing.width)

    def _ask(
        self,
        kind: type[Kind],
        split: str,
        title: str,
        answer: Callable[[torch.Tensor], Columns],
        positions: Sequence[int] | None = None,
        source: PictureLoader | FeatureLoader | None = None,
    ) -> Kind | None:
        """Collect the answers of a split's pictures, all of them by default, in their order."""
        every = self.loader.pictures.splits[split]
        chosen = range(len(every)) if positions is None else positions
        dealt = (source or self.loader).dealt_batches(split, chosen)
        answers = self._answers(dealt, title, len(chosen), answer)
        parts = self.world.gather(
            tuple(torch.cat(column).cpu().numpy() for column in zip(*answers, strict=True))
        )
        if not self.world.is_first:
            return None
        columns = map(interleave, zip(*filter(None, parts), strict=True))
        pictures = [every[position] for position in chosen]
        files = tuple(picture.file for picture in pictures)
        labels = np.array([picture.label for picture in pictures], dtype=np.int64)
        return kind(files, labels, *columns)

    def _answers(
        self,
        dealt: Iterable[Batch | None],
        title: str,
        total: int,
        answer: Callable[[torch.Tensor], Columns],
    ) -> list[Columns]:
        """Return what is answered to this process's share of the pictures, on the device."""
        answers: list[Columns] = []
        bar = progress(total=total, desc=title, unit="pictures")
        with torch.inference_mode(), bar:
            for batch in copied_ahead(dealt, self.compute.device):
                if batch is not None:
                    attempt = partial(self._answer_in_parts, answer, batch.pixels)
                    answers += self._within_memory(len(batch.labels), attempt)
                    bar.update(len(batch.labels) * self.world.size)
                self._stop_if_asked()
        self.parts_of_all = self.world.all_reduce_max(self.parts_of_all)
        return answers

    def _answer_in_parts(
        self, answer: Callable[[torch.Tensor], Columns], pixels: torch.Tensor
    ) -> list[Columns]:
        parts = pixels.tensor_split(self._num_parts(len(pixels)))
        return [answer(part) for part in parts]

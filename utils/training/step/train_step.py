"""Take one optimizer step on a batch: forward and backward in micro-batches, clip, update."""

import contextlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import nn

from models.device import FLOAT16, Compute
from models.inference import Prepare
from models.outputs import class_logits
from utils.training.data.batches import Batch
from utils.training.data.loader import smallest_share
from utils.training.processes.world import World
from utils.training.settings import RunSettings
from utils.training.step.assessment import AssessmentLoss
from utils.training.step.cuda_graph import Outcome, Recorder
from utils.training.step.micro_batches import MicroBatches
from utils.training.step.optimisation import balanced_loss, make_optimizer
from utils.training.step.running_statistics import RunningStatistics, has_batch_norm
from utils.training.step.settling import Settling

MAX_GRADIENT_NORM = 1.0

AssessmentOf = Callable[[torch.Tensor], torch.Tensor]


class TrainStep:
    """Takes optimizer steps; call it with a batch and the seed of dropout.

    No step waits for the device: a step whose loss is NaN or infinite is left out on the device.
    On one GPU a step is captured as a CUDA graph and replayed (`Recorder`).

    Args:
        network: The network, on its device.
        class_weights: Weight of each class in the loss, float32, on the device.
        compute: Device and precision.
        settings: Settings of the run.
        world: The processes that train together.
        num_micro_batches: Micro-batches per optimizer step, over all ranks.
        settling: Settles batch norm after a change of the input's size; None where it never
            changes.
        assessment: Loss of what the network says beside the classes, on the device; None where it
            says nothing else.

    Attributes:
        optimizer: Fused AdamW.
        scaler: Scales gradients in float16; idle in other precisions.
        micro_batches: How batches are split.
        class_weights: Weight of each class in the loss.
        recorder: Captures and replays steps; None where that is not possible.
        forward: The module that learns, compiled with --compile.
    """

    forward: Callable[[torch.Tensor], torch.Tensor]

    def __init__(
        self,
        network: nn.Module,
        class_weights: torch.Tensor,
        compute: Compute,
        settings: RunSettings,
        world: World,
        num_micro_batches: int,
        settling: Settling | None = None,
        assessment: AssessmentLoss | None = None,
    ) -> None:
        self.optimizer = make_optimizer(
            network, settings.lr, settings.weight_decay, settings.layer_decay
        )
        device = compute.device
        self.scaler = torch.amp.GradScaler(device.type, enabled=compute.precision == FLOAT16)
        self.micro_batches = MicroBatches(
            device, world, has_batch_norm(network), num_micro_batches, self._forget_graphs
        )
        self.class_weights = class_weights
        self.recorder = self._make_recorder(compute, settings, world)
        self._network, self._compute, self._settings = network, compute, settings
        self._world, self._settling, self._assessment = world, settling, assessment
        self._statistics = RunningStatistics(network)
        self._tried_shapes: set[tuple[int, int]] = set()

    def learn(self, module: nn.Module, prepare: Prepare, is_compiled: bool = False) -> None:
        """Set what learns from now on.

        Args:
            module: The network, or its classifier alone; requires gradients where it learns.
            prepare: Applied to the pixels of a batch first.
            is_compiled: Whether to compile the module.
        """
        if self.recorder:
            self.recorder.forget()
            # Weights that begin to learn get their moments in an eager step: a captured one would
            # begin them anew at each replay.
            self.recorder = self._make_recorder(self._compute, self._settings, self._world)
        self._tried_shapes.clear()
        self._prepare = prepare
        # The replica settles which gradients are exchanged, so it is made anew.
        self._replica = self._world.replicate(module)
        self._is_unused = self._world.size > 1
        # One program for each size of batch: which one a resumed run meets first changes nothing.
        self.forward = torch.compile(self._replica, dynamic=False) if is_compiled else self._replica

    def __call__(self, batch: Batch, seed: int) -> Outcome:
        """Take one step.

        Args:
            batch: This rank's share, on the device.
            seed: Seed of dropout, which draws from PyTorch's default generator.
        """
        torch.manual_seed(seed)
        outcome = self.recorder.replay(batch, self._run) if self.recorder else None
        return self._run_within_memory(batch, seed) if outcome is None else outcome

    def _make_recorder(
        self, compute: Compute, settings: RunSettings, world: World
    ) -> Recorder | None:
        """Return what captures steps, where a step asks neither the device nor other ranks."""
        asks = self.scaler.is_enabled() or world.size > 1 or settings.grad_checkpointing
        return Recorder(self.optimizer) if compute.device.type == "cuda" and not asks else None

    def _forget_graphs(self) -> bool:
        return self.recorder is not None and self.recorder.start_anew()

    def _run(self, batch: Batch) -> Outcome:
        """Take a step as a CUDA graph captures it: on one rank, without asking the device."""
        before = self._statistics.read()
        self.optimizer.zero_grad(set_to_none=True)
        weight_sum = self.class_weights[batch.labels].sum()
        count = self.micro_batches.count(len(batch.labels))
        logits, loss_sum = self.accumulate(batch, weight_sum, count)
        self._settle(before, count)
        return self._update(logits, self._checked(loss_sum), weight_sum, before)

    def _run_within_memory(self, batch: Batch, seed: int) -> Outcome:
        """Take a step, with more micro-batches as long as memory runs out."""
        before, micro_batches = self._statistics.read(), self.micro_batches
        all_labels = batch.labels if batch.all_labels is None else batch.all_labels
        weight_sum = self.class_weights[all_labels].sum()
        # The same number of micro-batches on all ranks: synchronised batch norm meets in each.
        share = smallest_share(len(all_labels), self._world.size)

        def attempt(is_alone: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
            torch.manual_seed(seed)
            self.optimizer.zero_grad(set_to_none=True)
            return self.accumulate(batch, weight_sum, micro_batches.count(share), is_alone)

        def undo() -> None:
            self._statistics.write(before)

        shape = (len(all_labels), batch.pixels.shape[-1])
        if self._may_try_alone() and shape not in self._tried_shapes:
            # Several ranks cannot split further in the middle of a step, where they wait for each
            # other: each first tries by itself what fits.
            micro_batches.retry(share, partial(attempt, is_alone=True), undo)
            undo()
            micro_batches.agree()
            if self._has_moments():
                self._tried_shapes.add(shape)
        may_split = self._world.size == 1
        if self._is_unused:
            # Its first exchange finds the order in which gradients are ready, and all after it take
            # them in that order: sums over ranks would have other last bits in a resumed run.
            micro_batches.retry(share, attempt, undo, may_split)
            undo()
            self._is_unused = False
        logits, loss_sum = micro_batches.retry(share, attempt, undo, may_split)
        self._settle(before, micro_batches.count(share))
        loss_sum = self._world.all_reduce(self._checked(loss_sum))
        return self._update(logits, loss_sum, weight_sum, before)

    def _may_try_alone(self) -> bool:
        """Return whether there are other ranks, and a rank can run without them."""
        return self._world.size > 1 and not self._settings.sync_bn

    def _has_moments(self) -> bool:
        """Return whether the optimizer holds its moments of all weights that have gradients.

        They are made at the end of a step, and from then on leave less memory for the next.
        """
        weights = (weight for group in self.optimizer.param_groups for weight in group["params"])
        return all(weight in self.optimizer.state for weight in weights if weight.grad is not None)

    def accumulate(
        self, batch: Batch, weight_sum: torch.Tensor, count: int, is_alone: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Run forward and backward on each micro-batch, and accumulate the gradients.

        Args:
            batch: This rank's share, on the device.
            weight_sum: Sum of the class weights of the whole batch, over all ranks, a scalar.
            count: Number of micro-batches.
            is_alone: Whether to exchange no gradients; else the last micro-batch averages those of
                all ranks.

        Returns:
            Logits, N x classes, and the weighted sum of the losses, a scalar.
        """
        logits, losses = [], []
        assess = self._assessed(batch, count)
        micro_batches = zip(
            batch.pixels.tensor_split(count), batch.labels.tensor_split(count), assess, strict=True
        )
        for number, (pixels, labels, assessment_of) in enumerate(micro_batches, 1):
            is_synced = number == count and not is_alone
            with contextlib.nullcontext() if is_synced else self._world.no_sync(self._replica):
                with self._compute.autocast():
                    outputs = self.forward(self._prepare(pixels))
                smoothing = self._settings.label_smoothing
                answers = class_logits(outputs)
                loss = balanced_loss(answers, labels, self.class_weights, smoothing)
                # The exchange takes the mean over the ranks; wanted is the sum.
                whole = loss * self._world.size / weight_sum
                if assessment_of:
                    assessed = assessment_of(outputs)
                    whole = whole + assessed * self._world.size
                    loss = loss + 0 * assessed.detach()  # is NaN where that is not finite
                # Checkpointing runs parts of the forward pass again, and batch norm would count
                # them twice.
                seen = self._statistics.read() if self._settings.grad_checkpointing else None
                self.scaler.scale(whole).backward()
            if seen is not None:
                self._statistics.write(seen)
            logits.append(answers.detach())
            losses.append(loss.detach())
        return torch.cat(logits), torch.stack(losses).sum()

    def _assessed(self, batch: Batch, count: int) -> Sequence[AssessmentOf | None]:
        """Return for each micro-batch what computes the loss of all but the classes of its outputs.

        Args:
            batch: This rank's share, on the device.
            count: Number of micro-batches.
        """
        assessment = self._assessment
        if assessment is None:
            return [None] * count
        assert batch.targets is not None  # the loader of the training knows them
        whole = batch.targets if batch.all_targets is None else batch.all_targets
        totals = assessment.totals(whole)
        return [
            partial(assessment, targets=targets, totals=totals)
            for targets in batch.targets.tensor_split(count)
        ]

    def _settle(self, before: Sequence[torch.Tensor], updates: int) -> None:
        if self._settling and self._network.training:
            self._settling.settle(before, updates)

    def _checked(self, loss_sum: torch.Tensor) -> torch.Tensor:
        """Return the loss, or NaN if batch norm's running statistics are not finite after it."""
        for values in self._statistics.read():
            loss_sum = torch.where(torch.isfinite(values).all(), loss_sum, torch.nan)
        return loss_sum

    def _update(
        self,
        logits: torch.Tensor,
        loss_sum: torch.Tensor,
        weight_sum: torch.Tensor,
        before: Sequence[torch.Tensor],
    ) -> Outcome:
        """Clip the gradients and update the weights, unless gradients or loss are not finite."""
        self.scaler.unscale_(self.optimizer)
        norm = nn.utils.clip_grad_norm_(self._network.parameters(), MAX_GRADIENT_NORM)
        good = torch.isfinite(loss_sum)
        if not self.scaler.is_enabled():
            good &= torch.isfinite(norm)
            # The fused optimizer's own way to skip a step without asking the device.
            optimizer: Any = self.optimizer
            optimizer.grad_scale, optimizer.found_inf = None, (~good).float()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self._statistics.keep_if(good, before)
        return Outcome(logits, loss_sum, weight_sum, good)

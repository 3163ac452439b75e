"""Train a model epoch by epoch: learning rate, optimizer steps, average of the weights, sums."""

from collections.abc import Callable, Iterator

import torch
from torch import nn

from models.classifier import classifiers_of, is_assessing, is_of_assessment
from models.device import Compute
from models.preprocessing import Normalisation, Preprocessing
from models.sizes import Size, step_of
from utils.common.cli.console import progress
from utils.common.errors import ModelError
from utils.common.labels import TRAIN
from utils.common.seeds import stable_hash
from utils.training.data.batches import Batch
from utils.training.data.frozen_features import FeatureLoader, compute_features
from utils.training.data.loader import PictureLoader
from utils.training.data.prefetch import prefetched
from utils.training.data.progressive import Schedule
from utils.training.predictor import Predictor
from utils.training.processes.stopping import StopRequest
from utils.training.processes.world import World
from utils.training.settings import LR_SCALES, RunSettings
from utils.training.step.adaptation import adapt
from utils.training.step.assessment import AssessmentLoss
from utils.training.step.classifier import Classifier
from utils.training.step.ema import WeightAverage
from utils.training.step.optimisation import class_weights, learning_rate, set_rate
from utils.training.step.settling import Settling
from utils.training.step.sums import MAX_BAD_STEPS, EpochSums
from utils.training.step.train_step import TrainStep

CHECK_EVERY = 32
"""Steps between two checks of the loss on a GPU: each check waits for the device."""


class Trainer:
    """A model in training: all that changes from step to step.

    Args:
        network: The network; moved to the device and adapted to it.
        preprocessing: Preprocessing of the network.
        compute: Device and precision.
        settings: Settings of the run.
        loader: Loader of the pictures.
        world: The processes that train together; alone when left out.
        processes: Number of processes that the run was started with.

    Attributes:
        stop: Set from outside to stop after the step at hand.
        train_step: Takes the optimizer steps.
        micro_batches: How batches are split.
        average: Average of the weights over the steps, with --ema.
        sums: Losses and confusion of the epoch at hand.
        features: Features that the classifier learns from in frozen epochs; None in others, and for
            a network without such features.
    """

    def __init__(
        self,
        network: nn.Module,
        preprocessing: Preprocessing,
        compute: Compute,
        settings: RunSettings,
        loader: PictureLoader,
        world: World | None = None,
        processes: int = 1,
    ) -> None:
        device = compute.device
        self.network, self.preprocessing, self.compute = network, preprocessing, compute
        self.settings, self.loader, self.world = settings, loader, world or World()
        self.processes = processes
        self.stop = StopRequest(self.world)
        layout = adapt(network, device, settings.grad_checkpointing)
        self.normalise = Normalisation(preprocessing, layout).to(device)
        self._schedule: Schedule | None = None
        self._settling: Settling | None = None
        if settings.progressive_resizing:
            step, frozen = step_of(network), settings.freeze_epochs
            self._schedule = Schedule(settings.epochs, preprocessing.size, step, frozen)
            self._settling = Settling(network)
        weights = torch.tensor(class_weights(loader.pictures.counts(TRAIN)), device=device)
        assessment = None
        if is_assessing(network):
            of_train = loader.targets(TRAIN)
            assessment = AssessmentLoss(of_train, settings.assessment_weight).to(device)
        self.train_step = TrainStep(
            network, weights, compute, settings, self.world,
            settings.grad_accum_steps * processes, self._settling, assessment,
        )  # fmt: skip
        self.micro_batches = self.train_step.micro_batches
        self.average = (
            WeightAverage(network, settings.ema, self._settling) if settings.ema else None
        )
        self.sums = EpochSums.empty(device)
        self.features: FeatureLoader | None = None
        self._trainable = [weight for weight in network.parameters() if weight.requires_grad]
        self._is_frozen: bool | None = None
        self._freeze(False)

    @property
    def evaluated(self) -> nn.Module:
        """The network that is validated, stored and tested: with --ema the average."""
        return self.network if self.average is None else self.average.module

    def predictor(self) -> Predictor:
        """Return what runs the evaluated network over val and test."""
        return Predictor(
            self.evaluated, self.preprocessing, self.normalise, self.compute, self.loader,
            self.micro_batches, self.stop, self.features,
        )  # fmt: skip

    def rate(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0 over the whole training."""
        settings, num_steps = self.settings, self.loader.steps(TRAIN)
        scale = LR_SCALES[settings.lr_scaling](self.processes)
        frozen_epochs = min(settings.freeze_epochs, settings.epochs)
        rate = learning_rate(step, num_steps, settings.epochs, settings.lr, frozen_epochs)
        return scale * rate

    def smaller_size(self, epoch: int) -> Size | None:
        """Return height and width of an epoch's training pictures; None for the full size."""
        if self._schedule is None or self._schedule.is_full(epoch):
            return None
        return self._schedule.size(epoch)

    def train_epoch(
        self,
        epoch: int,
        first_step: int = 0,
        features_seen: Callable[[int], None] = lambda _: None,
    ) -> Iterator[int]:
        """Train on the batches of one epoch and yield the number of steps done after each.

        Args:
            epoch: Counted from 0.
            first_step: Steps that an earlier process has done already; they are in `sums`.
            features_seen: Where this epoch is the first frozen one: told, batch by batch, the
                number of pictures whose features are computed.

        Raises:
            ModelError: If the loss was NaN or infinite three times in a row, or memory is short.
            Stopped: If `stop` was set on any rank.
        """
        self._begin(epoch, features_seen)
        num_steps = self.loader.steps(TRAIN)
        bar = progress(
            total=num_steps, desc=f"Epoch {epoch + 1}/{self.settings.epochs}", unit="batches"
        )
        bar.update(first_step)
        batches = prefetched(self._batches(epoch, first_step), self.compute.device)
        with bar:
            for step, batch in enumerate(batches, first_step):
                assert batch is not None  # every rank has a share of every batch
                self._step(batch, epoch, step, num_steps)
                bar.update()
                if self.waits_after(step):
                    self._check_loss()
                yield step + 1
                self.stop.check()
        self._check_loss()

    def waits_after(self, step: int) -> bool:
        """Return whether the device has done all its work after a step (from 0) of an epoch."""
        return self.compute.device.type == "cpu" or step % CHECK_EVERY == 0

    def _begin(self, epoch: int, features_seen: Callable[[int], None]) -> None:
        """Freeze or thaw the network, and forget CUDA graphs that are of no more use."""
        is_frozen = epoch < self.settings.freeze_epochs
        if is_frozen and not self._is_frozen:
            self.features = self._frozen_features(features_seen)
        self._freeze(is_frozen)
        recorder = self.train_step.recorder
        if recorder and self._schedule and self._schedule.epochs_since_change(epoch) == 0:
            recorder.forget()  # graphs of a size that does not come again

    def _batches(self, epoch: int, first_step: int) -> Iterator[Batch]:
        if self.features:
            return self.features.training_batches(epoch, first_step)
        return self.loader.training_batches(epoch, first_step, self.smaller_size(epoch))

    def _step(self, batch: Batch, epoch: int, step: int, num_steps: int) -> None:
        """Take one step, in the order of timm's loop: rate, step, average, sums."""
        done = epoch * num_steps + step
        set_rate(self.train_step.optimizer, self.rate(done))
        if self._schedule and self._settling:
            since = self._schedule.epochs_since_change(epoch)
            self._settling.start_step(None if since is None else since * num_steps + step)
        batch = batch.to(self.compute.device)
        # Dropout follows from the step, so that a checkpoint stores no state of a generator.
        seed = stable_hash(self.settings.seed, epoch, step, "dropout", self.world.rank) >> 1
        outcome = self.train_step(batch, seed)
        if self.average is not None:
            self.average.update(done)
        self.sums.add(
            outcome.logits, batch.labels, outcome.loss_sum, outcome.weight_sum, outcome.good
        )

    def _freeze(self, is_frozen: bool) -> None:
        """Let all weights learn, or those of the classifier alone.

        What assesses pictures waits until all weights learn, where they ever do: the features of
        frozen epochs hold one draw of each picture's faults, which it would learn by heart.
        """
        self.network.train(not is_frozen)
        for weight in self._trainable:
            weight.requires_grad_(not is_frozen)
        if is_frozen:
            for head in classifiers_of(self.network):
                head.train().requires_grad_()
            if self.settings.probe_epochs:
                for name, weight in self.network.named_parameters():
                    if is_of_assessment(name):
                        weight.requires_grad_(False)
        if is_frozen == self._is_frozen:
            return
        self._is_frozen = is_frozen
        if not is_frozen:
            self.features = None
        if self.features:
            self.train_step.learn(Classifier(self.network).train(), nn.Identity())
        else:
            self.train_step.learn(self.network, self.normalise, self.settings.compile)

    def _frozen_features(self, seen: Callable[[int], None]) -> FeatureLoader | None:
        """Compute what the classifier learns from while the rest is frozen."""
        return compute_features(
            self.network.eval(), self.preprocessing, self.normalise, self.loader,
            self.micro_batches, self.stop, self.settings.freeze_epochs, seen,
        )  # fmt: skip

    def _check_loss(self) -> None:
        if self.sums.is_diverging():
            raise ModelError(
                f"The loss was NaN or infinite {MAX_BAD_STEPS} steps in a row",
                expected="a loss that falls",
                todo=f"Try a lower --lr than {self.settings.lr:g}, or --no-amp",
            )

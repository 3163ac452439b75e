"""Run the networks of an ensemble as one over the pictures of their data set."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from models.assessment import Assessment
from models.bundle import Card
from models.calibration import Calibration
from models.device import (
    FLOAT32,
    Compute,
    choose_device,
    explain_lack_of_memory,
    memory_format,
)
from models.ensemble import Ensemble
from models.preprocessing import Normalisation
from utils.common.errors import ModelError
from utils.common.labels import VAL
from utils.ensemble.members import Member, shared_settings
from utils.training.data.pictures import PictureFolder
from utils.training.fit import predict_splits
from utils.training.predictions import EvaluationInputs
from utils.training.predictor import Predictor
from utils.training.processes.stopping import StopRequest
from utils.training.processes.world import World
from utils.training.resume import stored_pictures
from utils.training.settings import RunSettings
from utils.training.state.run_config import device_name, peak_gpu_bytes, versions
from utils.training.state.runs import Run
from utils.training.step.micro_batches import MicroBatches
from utils.training.summary import pictures_summary
from utils.training.trainer_setup import open_loader


@dataclass(frozen=True, slots=True)
class Together:
    """Several runs with the pictures that they are to be calibrated and tested on.

    Attributes:
        members: The runs.
        settings: Settings of the first run, changed as was asked.
        pictures: Their data set.
        device: Where the networks run.
    """

    members: Sequence[Member]
    settings: RunSettings
    pictures: PictureFolder
    device: torch.device

    @classmethod
    def of(cls, members: Sequence[Member], changes: Mapping[str, Any]) -> "Together":
        """Find the data set of the runs.

        Args:
            members: The runs.
            changes: Settings that are to be others than those of the first run, by name.

        Raises:
            DatasetError: If it is missing, or not the one that they were trained on.
            ModelError: If what a run says of val is of other pictures.
            SettingsError: If there is no such device.
        """
        first = members[0]
        promised: dict[str, Any] = {}
        if calibration := first.card.calibration:  # another test may have changed the settings
            promised = {"coverage": calibration.coverage, "refuse": calibration.novelty.refused}
        settings = replace(first.settings, **{**promised, **changes})
        pictures = stored_pictures(first.run, settings, first.card.data_hash)
        num_val = len(pictures.splits[VAL])
        for member in members:
            if any(len(logits) != num_val for logits in member.val_logits):
                raise ModelError(
                    f"{member.run.last} is of other val pictures",
                    expected=f"the {num_val:,} of {pictures.folder}",
                    todo="Copy the run's folder again, or leave it out",
                )
        return cls(members, settings, pictures, choose_device(settings.device))

    def predict(self, output: Path) -> EvaluationInputs:
        """Return the predictions on val and test; the look at test is noted in `output` before.

        Raises:
            ModelError: If memory does not suffice, or a logit is NaN or infinite.
        """
        world, settings = World(), self.settings
        preprocessing = self.members[0].card.preprocessing
        network = Ensemble(member.network for member in self.members)
        layout = memory_format(network)
        loader = open_loader(
            settings, preprocessing, self.pictures, settings.batch_size, self.device, world
        )
        with (
            contextlib.closing(loader),
            explain_lack_of_memory(self.device, f"{len(self.members)} networks"),
        ):
            predictor = Predictor(
                network.to(self.device).to(memory_format=layout),
                preprocessing,
                Normalisation(preprocessing, layout).to(self.device),
                Compute(self.device, FLOAT32),
                loader,
                MicroBatches(self.device, world, has_batch_norm=False, total=1),
                StopRequest(world),
            )
            inputs = predict_splits(
                predictor, self.pictures, settings.seed, world,
                lambda: Run(output).note_look(f"the mean answers of {self._names}"),
            )  # fmt: skip
        assert inputs is not None  # a single process has all
        return replace(inputs, val_by_epoch=[member.val_logits for member in self.members])

    def facts(self, output: Path) -> dict[str, Any]:
        """Return what the report says beside its figures, as plain values."""
        card = self.members[0].card
        return {
            "model": card.model.name,
            "timm_name": card.model.timm_name,
            "networks": len(self.members),
            "members": [member.to_dict() for member in self.members],
            "looks_at_test": Run(output).looks_at_test,
            "data_hash": card.data_hash,
            **pictures_summary(self.pictures),
            "settings": shared_settings(self.members)
            | {name: getattr(self.settings, name) for name in ("coverage", "refuse")},
            "precision": FLOAT32,
            "device": device_name(self.device),
            "peak_gpu_bytes": peak_gpu_bytes(self.device),
            "versions": versions(),
        }

    def card(
        self,
        calibration: Calibration,
        assessment: Assessment | str,
        metrics: Mapping[str, float | None],
    ) -> Card:
        """Return what is stored with the weights of all."""
        return replace(
            self.members[0].card,
            calibration=calibration,
            uncalibrated="",
            assessment=assessment,
            metrics=metrics,
            versions=versions(),
            recalibration=None,
            members=len(self.members),
        )

    @property
    def _names(self) -> str:
        return ", ".join(
            f"{member.run.folder.resolve().name} (seed {member.settings.seed})"
            for member in self.members
        )

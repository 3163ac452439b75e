"""Read the runs of an ensemble, and refuse those that cannot answer together."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from models.bundle import Card, read_bundle
from models.classifier import is_assessing
from models.ensemble import MAX_MEMBERS
from utils.common.disk.asking import is_file
from utils.common.errors import ModelError, SettingsError
from utils.common.values import in_words
from utils.training.settings import RunSettings
from utils.training.state import checkpoint
from utils.training.state.run_config import Facts
from utils.training.state.runs import LAST_NAME, Run


@dataclass(frozen=True, slots=True)
class Member:
    """One run of an ensemble.

    Attributes:
        run: The run's folder.
        settings: What it was trained with.
        card: Card of its best weights.
        network: Network with these weights, in evaluation mode, on the CPU.
        best_epoch: Epoch of these weights, from 1.
        val_logits: Logits of all val pictures after each epoch of which one was to be kept, N x
            number of classes each, float32.
    """

    run: Run
    settings: RunSettings
    card: Card
    network: nn.Module
    best_epoch: int
    val_logits: Sequence[NDArray[np.float32]]

    def to_dict(self) -> dict[str, Any]:
        """Return what a report says of it, as plain values."""
        return {
            "run": self.run.folder.resolve().name,
            "best_epoch": self.best_epoch,
            "seed": self.settings.seed,
            "looks_at_test": len(self.run.looks_at_test),
        }


def read_members(folders: Sequence[Path]) -> list[Member]:
    """Return the runs, in their order.

    Raises:
        ModelError: If one is not finished or cannot be used, or they differ in what they were
            trained for.
        SettingsError: If there are too few or too many, or two are the same.
    """
    if not 2 <= len(folders) <= MAX_MEMBERS:
        raise SettingsError(
            f"{len(folders)} run{'s' if len(folders) != 1 else ''} to average",
            expected=f"2 to {MAX_MEMBERS} finished runs of the same model on the same data set",
        )
    members: list[Member] = []
    for folder in folders:
        member = _read(folder)
        for other in members:
            _check_alike(other, member)
        members.append(member)
    return members


def shared_settings(members: Sequence[Member]) -> dict[str, Any]:
    """Return the settings that are the same in all runs."""
    first, *others = (asdict(member.settings) for member in members)
    return {
        name: value
        for name, value in first.items()
        if all(other[name] == value for other in others)
    }


def _read(folder: Path) -> Member:
    run = Run(folder)
    if not is_file(run.last):
        raise ModelError(
            f"There is no {LAST_NAME} in {folder}",
            expected="the folder of a finished run, with all its files",
        )
    try:
        state = checkpoint.load(run.last)
    except ModelError as error:  # it says how to train, but the run is perhaps only copied badly
        raise ModelError(
            f"{run.last} cannot be used",
            expected="the state of a finished run, whose network is that of the others",
            todo="Copy the run's folder again, or leave it out",
        ) from error
    if not run.is_finished:
        raise ModelError(
            f"{folder} is not finished",
            expected="finished runs",
            todo=f"Go on with it: python launch_training_test.py --resume {folder}",
        )
    settings = Facts.from_dict(state["facts"]).settings
    card, network = read_bundle(folder)
    return Member(
        run,
        settings,
        card,
        network,
        state["progress"]["best_epoch"],
        checkpoint.val_logits_of(state)[settings.probe_epochs :],
    )


def _check_alike(one: Member, other: Member) -> None:
    """Compare two runs.

    Raises:
        ModelError: If one was trained for something else.
        SettingsError: If both are the same.
    """
    both = one.run.folder, other.run.folder
    for what, (first, second) in {
        "the model": (one.card.model.name, other.card.model.name),
        "the input": (one.card.preprocessing.to_dict(), other.card.preprocessing.to_dict()),
        "the hash of the data set": (one.card.data_hash[:12], other.card.data_hash[:12]),
        "what is left out": tuple(in_words(each.settings.leave_out) for each in (one, other)),
        "how pictures are read": (one.card.reading, other.card.reading),
        "whether pictures are assessed": (is_assessing(one.network), is_assessing(other.network)),
    }.items():
        if first != second:
            raise ModelError(
                f"{both[0]} and {both[1]} cannot answer together: {what} is {first} and {second}",
                expected="runs of the same model on the same data set, with other seeds or flags "
                "of training",
            )
    weights = one.network.state_dict(), other.network.state_dict()
    if all(torch.equal(tensor, weights[1][name]) for name, tensor in weights[0].items()):
        raise SettingsError(
            f"{both[0]} and {both[1]} have the same weights",
            expected="runs that differ, such as by --seed",
        )

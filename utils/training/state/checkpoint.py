"""Write and read last.pt: everything that a resume needs, in one place."""

import dataclasses
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.bundle import build_untrained, read_weights
from models.preprocessing import Preprocessing
from models.sizes import SizeError
from models.zoo import resolve
from utils.common.disk.writing import whole_file
from utils.common.errors import ModelError, OutputError
from utils.common.labels import CLASSES
from utils.common.values import shown
from utils.training.engine import Trainer
from utils.training.state.progress import Progress, check_progress
from utils.training.state.run_config import Facts, refuse
from utils.training.state.soundness import UnusableError, check_tensors
from utils.training.step.sums import EpochSums

VERSION = 4
KEYS = (
    *("facts", "progress", "weights", "optimizer", "scaler", "average", "parts", "sums"),
    "val_logits",
)


def save(
    path: Path,
    trainer: Trainer,
    progress: Progress,
    facts: dict[str, Any],
    val_logits: Sequence[NDArray[np.float32]],
) -> None:
    """Let rank 0 write the state; the file before stays until this one is complete.

    The learning rate follows from the step, order and augmentation from seed and epoch, dropout
    from seed, epoch and step: so no schedule and no generator has a state of its own.

    Args:
        path: Path of last.pt.
        trainer: Gives weights, their average, optimizer, number of micro-batches over all ranks,
            and the sums of the epoch at hand.
        progress: How far the run has come.
        facts: What the run was started with and keeps to, as plain values.
        val_logits: Logits of all val pictures after each finished epoch; rank 0 has them.
    """
    sums = trainer.sums.over_all_ranks(trainer.world)
    if not trainer.world.is_first:
        return
    state = {
        "version": VERSION,
        "facts": facts,
        "progress": dataclasses.asdict(progress),
        "weights": trainer.network.state_dict(),
        "optimizer": trainer.train_step.optimizer.state_dict(),
        "scaler": trainer.train_step.scaler.state_dict(),
        "average": trainer.average.module.state_dict() if trainer.average else None,
        "parts": trainer.micro_batches.total,
        "sums": {"totals": sums.totals, "confusion": sums.confusion},
        "val_logits": [torch.from_numpy(logits) for logits in val_logits],
    }
    with whole_file(path, durable=True) as partial:
        try:
            torch.save(state, partial)
        except RuntimeError as error:
            if "inline_container" not in str(error):  # the file of PyTorch that writes
                raise
            raise OutputError(
                f"{path} could not be written, perhaps because the disk is full",
                todo="Free some space; --resume continues from the state that was saved last",
            ) from error


def load(path: Path) -> dict[str, Any]:
    """Read a state into main memory; no code from the file is run, and its values are checked.

    Checks that need the network and its optimizer are left to `restore`.

    Raises:
        ModelError: If it is missing, damaged, something else, or has a value that cannot be used.
    """
    if not path.is_file():
        raise ModelError(
            f"There is no {path}", expected="a run's folder or its last.pt",
            todo="Start anew without --resume",
        )  # fmt: skip
    try:
        _check_archive(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
        version = state["version"]
    except Exception as error:  # zip, pickle and system errors have no common base
        raise ModelError(
            f"{path} is damaged or is not the state of a run",
            todo="Delete the run's folder and start anew without --resume",
        ) from error
    if version != VERSION:
        raise ModelError(
            f"{path} has version {shown(version)}",
            expected=f"version {VERSION}, which this program writes",
        )
    if missing := [name for name in KEYS if name not in state]:
        refuse(path, f"{', '.join(missing)} is missing")
    facts = Facts.from_dict(state["facts"], path)
    check_progress(state["progress"], path, facts.settings.probe_epochs)
    _check_size(path, facts, state["weights"])
    return dict(state)


def _check_size(path: Path, facts: Facts, weights: Any) -> None:
    """Compare the weights with those of the model, which is built without memory for them.

    Raises:
        ModelError: If they differ; otherwise a file could make us build a far larger model.
    """
    model = resolve(facts.settings.model)
    wanted = Preprocessing.from_dict(facts.preprocessing)
    try:
        with torch.device("meta"):
            own = build_untrained(model, wanted, weights.keys()).state_dict()
        fits = weights.keys() == own.keys() and all(
            weights[name].shape == expected.shape for name, expected in own.items()
        )
    except (AttributeError, TypeError, SizeError):
        fits = False
    except ModelError:
        return  # a few networks cannot be built without memory
    if not fits:
        refuse(path, f"its weights are not those of {model.name} for {len(CLASSES)} classes")


def _check_archive(path: Path) -> None:
    """Refuse a file that would take more memory than space on the disk.

    Raises:
        ValueError: If it was not written by `save`.
    """
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise ValueError("it is compressed")
    if sum(member.file_size for member in members) > path.stat().st_size:
        raise ValueError("its parts overlap")


def restore(state: dict[str, Any], trainer: Trainer) -> Progress:
    """Put a loaded state into a trainer and return how far the run has come.

    Raises:
        ModelError: If the state is that of another network, or has a value that cannot be used.
    """
    try:
        check_tensors(state, trainer)
        trainer.network.load_state_dict(state["weights"])
        trainer.train_step.optimizer.load_state_dict(state["optimizer"])
        if trainer.train_step.scaler.is_enabled():
            trainer.train_step.scaler.load_state_dict(state["scaler"])
        if trainer.average is not None:
            trainer.average.module.load_state_dict(state["average"])
        trainer.micro_batches.total = state["parts"]
        device = trainer.compute.device
        sums = {name: state["sums"][name].to(device) for name in ("totals", "confusion")}
        if not trainer.world.is_first:
            sums["confusion"].zero_()
        trainer.sums = EpochSums(**sums)
        return Progress(**state["progress"])
    except (
        *(KeyError, TypeError, ValueError, RuntimeError, AttributeError, IndexError),
        *(OverflowError, AssertionError),
    ) as error:
        why = f": {error}" if isinstance(error, UnusableError) else ""
        raise ModelError(
            f"The stored state does not fit this network{why}",
            todo="Start anew without --resume",
        ) from error


def val_logits_of(state: dict[str, Any]) -> list[NDArray[np.float32]]:
    """Return the logits of all val pictures after each finished epoch from a checked state."""
    return [logits.numpy() for logits in state["val_logits"]]


def load_weights(path: Path, network: torch.nn.Module) -> None:
    """Read the weights of a run's best epoch.

    Raises:
        ModelError: If the file is missing, damaged or of another network.
    """
    try:
        network.load_state_dict(read_weights(path))
    except (ModelError, RuntimeError) as error:
        raise ModelError(
            f"{path} does not hold this run's best weights",
            todo="Train again, or restore the file",
        ) from error

"""Write and read last.pt: everything that a resume needs, in one place."""

import dataclasses
import zipfile
from pathlib import Path
from typing import Any

import torch

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

VERSION = 3
PARTS = ("facts", "progress", "weights", "optimizer", "scaler", "average", "parts", "sums")


def save(path: Path, trainer: Trainer, progress: Progress, facts: dict[str, Any]) -> None:
    """Let the first process write the state; the file before is there until this one is whole.

    The learning rate follows from the step, order and augmentation from seed and epoch, dropout
    from seed, epoch and step: so no schedule and no generator has a state of its own.

    Args:
        path: Of last.pt.
        trainer: Gives weights, their average, optimizer, the parts that batches are cut into over
            all processes, and the sums of the epoch at hand.
        progress: Where the run is.
        facts: What the run was started with and keeps to, as plain values.
    """
    sums = trainer.sums.of_all(trainer.world)
    if not trainer.world.is_first:
        return
    state = {
        "version": VERSION,
        "facts": facts,
        "progress": dataclasses.asdict(progress),
        "weights": trainer.network.state_dict(),
        "optimizer": trainer.optimizer.state_dict(),
        "scaler": trainer.scaler.state_dict(),
        "average": trainer.average.module.state_dict() if trainer.average else None,
        "parts": trainer.parts_of_all,
        "sums": {"totals": sums.totals, "confusion": sums.confusion},
    }
    with whole_file(path, durable=True) as partial:
        try:
            torch.save(state, partial)
        except RuntimeError as error:
            if "inline_container" not in str(error):  # the file of PyTorch that writes
                raise
            raise OutputError(
                f"{path} could not be written, perhaps for lack of room on the disk",
                todo="Free some space; --resume goes on from the last state that was saved",
            ) from error


def load(path: Path) -> dict[str, Any]:
    """Read a state into main memory; no code from the file is run, and what it says is checked.

    What only the network and its optimizer can tell is left to `restore`.

    Raises:
        ModelError: If it is missing, torn, something else, or has a value that cannot be used.
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
            f"{path} is torn or is no state of a run",
            todo="Delete the run's folder and start anew without --resume",
        ) from error
    if version != VERSION:
        raise ModelError(
            f"{path} has version {shown(version)}",
            expected=f"version {VERSION}, which this suite writes",
        )
    if missing := [name for name in PARTS if name not in state]:
        refuse(path, f"{', '.join(missing)} is missing")
    facts = Facts.from_dict(state["facts"], path)
    check_progress(state["progress"], path)
    _check_size(path, facts, state["weights"])
    return dict(state)


def _check_size(path: Path, facts: Facts, weights: Any) -> None:
    """Compare the weights with those of the model, laid out without memory for a single one.

    Raises:
        ModelError: If they are not its own; a far larger model would be built otherwise.
    """
    model = resolve(facts.settings.model)
    wanted = Preprocessing.from_dict(facts.preprocessing)
    try:
        with torch.device("meta"):
            own = build_untrained(model, wanted).state_dict()
        fits = weights.keys() == own.keys() and all(
            weights[name].shape == expected.shape for name, expected in own.items()
        )
    except (AttributeError, SizeError):
        fits = False
    except ModelError:
        return  # a few networks cannot be laid out so
    if not fits:
        refuse(path, f"its weights are not those of {model.name} for {len(CLASSES)} classes")


def _check_archive(path: Path) -> None:
    """Refuse what would take more memory than it takes room on the disk.

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
        ModelError: If the state is of another network, or has a number that cannot be used.
    """
    try:
        check_tensors(state, trainer)
        trainer.network.load_state_dict(state["weights"])
        trainer.optimizer.load_state_dict(state["optimizer"])
        if trainer.scaler.is_enabled():
            trainer.scaler.load_state_dict(state["scaler"])
        if trainer.average is not None:
            trainer.average.module.load_state_dict(state["average"])
        trainer.parts_of_all = state["parts"]
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


def load_weights(path: Path, network: torch.nn.Module) -> None:
    """Read the weights of a run's best epoch.

    Raises:
        ModelError: If the file is missing, torn or of another network.
    """
    try:
        network.load_state_dict(read_weights(path))
    except (ModelError, RuntimeError) as error:
        raise ModelError(
            f"{path} does not hold this run's best weights",
            todo="Train again, or bring the file back",
        ) from error

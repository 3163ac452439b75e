"""Describe a finished run: in its report, and on the card of its stored model."""

from collections.abc import Mapping
from typing import Any

from models.assessment import Assessment
from models.bundle import Card
from models.calibration import Calibration
from models.reading import Reading
from models.zoo import resolve
from utils.common.labels import CLASSES, SPLITS, TRAIN
from utils.training.data.pictures import PictureFolder
from utils.training.session import Session
from utils.training.state.run_config import device_name, peak_gpu_bytes, versions


def model_card(
    session: Session,
    calibration: Calibration,
    assessment: Assessment | str,
    metrics: Mapping[str, float | None],
) -> Card:
    """Return what is stored with the best weights, so that they can be used.

    Args:
        session: A finished run.
        calibration: Fitted on val.
        assessment: Fitted on val, or why there is none.
        metrics: Figures of the test.
    """
    pictures = session.pictures
    sizes = (picture.size for picture in pictures.splits[TRAIN])
    return Card(
        resolve(session.facts.settings.model),
        session.trainer.preprocessing,
        Reading.of_sizes(sizes, pictures.keeps_bytes),
        calibration,
        "",
        session.facts.fingerprint,
        metrics,
        versions(),
        assessment=assessment,
    )


def run_summary(session: Session) -> dict[str, Any]:
    """Return what the report says of a run beside its figures, as plain values."""
    facts, progress, trainer = session.facts, session.progress, session.trainer
    device, best = trainer.compute.device, session.history[progress.best_epoch - 1]
    return {
        "model": facts.settings.model,
        "timm_name": resolve(facts.settings.model).timm_name,
        "best_epoch": progress.best_epoch,
        "best_val_calibrated_loss": best["val_calibrated_loss"],
        "best_val_balanced_accuracy": best["val_balanced_accuracy"],
        "epochs": progress.epoch,
        "parts": trainer.micro_batches.per_rank,
        "processes_at_the_end": session.world.size,
        "skipped_steps": sum(row["skipped_steps"] for row in session.history),
        "looks_at_test": session.run.looks_at_test,
        "data_hash": facts.fingerprint,
        **pictures_summary(session.pictures),
        **facts.to_dict(),
        "device": device_name(device),
        "peak_gpu_bytes": peak_gpu_bytes(device),
        "versions": versions(),
    }


def pictures_summary(pictures: PictureFolder) -> dict[str, Any]:
    """Return what the report says of a data set, as plain values."""
    left_out = pictures.left_out
    return {
        "pictures": {
            split: dict(zip(CLASSES, pictures.counts(split), strict=True)) for split in SPLITS
        },
        **({"left_out": left_out.to_dict()} if left_out else {}),
    }

"""Facts that a run was started with and keeps to, as they are stored and read again."""

import dataclasses
import platform
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import cv2
import numpy as np
import simplejpeg
import timm
import torch

from models.bundle import read_preprocessing
from models.device import PRECISIONS
from utils.common.cli.console import warn
from utils.common.errors import ModelError, shortlist
from utils.common.labels import CLASSES
from utils.common.values import at_least, expected_of, in_words, shown
from utils.common.version import __version__
from utils.training.settings import MANY, MAX_THREADS, RunSettings, stored_settings

THREADS, PROCESSES = at_least(1, MAX_THREADS), at_least(1, MANY)
RESTORE = "Restore the file as it was, or start anew without --resume"


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts that a run was started with and keeps to, stored with every state.

    Attributes:
        settings: Settings of the run.
        fingerprint: Hash of the data set.
        precision: Precision of the computation, one of `models.device.PRECISIONS`.
        threads: Threads that compute on a CPU; another number changes the last bits of sums.
        preprocessing: Preprocessing of the model, as plain values.
        classes: Names of the classes, in the order of the model's outputs.
        processes: Processes that it was started with; they determine the size of a batch.
    """

    settings: RunSettings
    fingerprint: str
    precision: str
    threads: int
    preprocessing: dict[str, Any]
    classes: tuple[str, ...] = CLASSES
    processes: int = 1

    @property
    def pictures_per_step(self) -> int:
        """Size of a batch over all processes, however many there are now."""
        return self.settings.batch_size * self.settings.grad_accum_steps * self.processes

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON and for a checkpoint."""
        return {**dataclasses.asdict(self), "classes": list(self.classes)}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any], place: object = "The stored state") -> "Facts":
        """Rebuild the result of `to_dict`; settings are checked as their flags are.

        A missing setting did not exist yet when the run was started: it gets its flag's default,
        with a warning. An unknown one may have changed the weights, so such a run is refused.

        Args:
            stored: Content of a file that may come from a stranger.
            place: The file, for error messages.

        Raises:
            ModelError: If a value is missing, unknown or cannot be used.
        """
        known = {field.name: field for field in dataclasses.fields(cls)}
        _check_names(stored, known, place)
        settings = _read_settings(stored["settings"], place)
        for name, expected in (
            ("fingerprint", _expected_hash(stored["fingerprint"])),
            ("precision", expected_of(stored["precision"], str, choices=PRECISIONS)),
            ("threads", expected_of(stored["threads"], int, check=THREADS)),
            ("processes", expected_of(stored["processes"], int, check=PROCESSES)),
            ("classes", "" if _is_classes(stored["classes"]) else ", ".join(CLASSES)),
        ):
            if expected:
                refuse(place, f"{name} is {shown(stored[name])}", expected)
        if not isinstance(stored["preprocessing"], Mapping):
            refuse(place, f"preprocessing is {shown(stored['preprocessing'])}", "names with values")
        try:
            preprocessing = read_preprocessing(stored["preprocessing"]).to_dict()
        except (
            *(LookupError, TypeError, ValueError, AttributeError),
            *(ArithmeticError, RuntimeError),
        ) as error:
            what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            refuse(place, f"preprocessing cannot be used ({shown(what)})")
        return cls(
            **{**stored, "settings": settings, "preprocessing": preprocessing, "classes": CLASSES}
        )


def refuse(place: object, found: str, expected: str = "") -> NoReturn:
    """Refuse a stored state.

    Raises:
        ModelError: Always.
    """
    raise ModelError(f"{place} cannot be resumed: {found}", expected, RESTORE)


def _read_settings(stored: object, place: object) -> RunSettings:
    try:
        settings, missing = stored_settings(RunSettings, stored)
    except ValueError as error:
        refuse(place, *error.args)
    if missing:
        values = ((name, getattr(settings, name)) for name in missing)
        defaults = (
            f"{name} {in_words(value) if isinstance(value, tuple) else shown(value)}"
            for name, value in values
        )
        warn(f"{place} lacks some settings; their defaults are used: {shortlist(defaults)}")
    return settings


def _check_names(stored: object, known: Collection[str], place: object) -> None:
    if not isinstance(stored, Mapping):
        refuse(place, f"its facts are {shown(stored)}", "names with values")
    unknown = [shown(name) for name in stored if name not in known]
    missing = [name for name in known if name not in stored]
    if unknown or missing:
        words = "does not know" if unknown else "needs"
        refuse(place, f"this version {words} {shortlist(unknown or missing)} in it")


def _expected_hash(value: object) -> str:
    is_hash = isinstance(value, str) and re.fullmatch(r"[0-9a-f]{64}", value)
    return "" if is_hash else "64 hexadecimal digits"


def _is_classes(value: object) -> bool:
    return isinstance(value, tuple | list) and list(value) == list(CLASSES)


def device_name(device: torch.device) -> str:
    """Return the name of a device for the report."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return device.type


def peak_gpu_bytes(device: torch.device) -> int | None:
    """Return the most memory that this process has reserved on a CUDA device; None elsewhere."""
    return torch.cuda.max_memory_reserved(device) if device.type == "cuda" else None


def versions() -> dict[str, str]:
    """Return the versions of the software that the figures depend on."""
    return {
        "skin-picture-gate": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "timm": timm.__version__,
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "simplejpeg": simplejpeg.__version__,
    }

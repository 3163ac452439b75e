"""What a run was started with in, the plain values that are stored with it out, and back."""

import dataclasses
import platform
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import simplejpeg
import timm
import torch

from utils.common.errors import ModelError
from utils.common.labels import CLASSES
from utils.training.settings import Settings


@dataclass(frozen=True, slots=True)
class Facts:
    """What a run was started with and keeps to, stored with every state.

    Attributes:
        settings: Complete.
        fingerprint: Hash that stands for the data set.
        precision: Of the computation.
        threads: That compute on a CPU; sums come out in another order with another number.
        preprocessing: Of the model, as a dictionary.
        classes: In the order of the model's outputs.
        processes: That it was started with; with it the size of a batch is settled.
    """

    settings: Settings
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
    def from_dict(cls, stored: dict[str, Any]) -> "Facts":
        """Rebuild what `to_dict` gave.

        Raises:
            ModelError: If the run is of another version of the suite.
        """
        try:
            return cls(
                **{
                    **stored,
                    "settings": Settings(**stored["settings"]),
                    "classes": tuple(stored["classes"]),
                }
            )
        except (KeyError, TypeError) as error:
            raise ModelError(
                "The stored settings are of another version of this suite",
                todo="Start anew without --resume",
            ) from error


def device_name(device: torch.device) -> str:
    """Return what a device is called in a report."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return device.type


def peak_gpu_bytes(device: torch.device) -> int | None:
    """Return the most memory that this process has reserved on a CUDA device; None elsewhere."""
    return torch.cuda.max_memory_reserved(device) if device.type == "cuda" else None


def versions() -> dict[str, str]:
    """Return the versions of what the figures depend on."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "timm": timm.__version__,
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "simplejpeg": simplejpeg.__version__,
    }

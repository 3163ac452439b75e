"""Crop, resize and normalise RGB pixels of any size to the input of a model."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

INTERPOLATIONS = {"bicubic": cv2.INTER_CUBIC, "bilinear": cv2.INTER_LINEAR}

MAX_SHRINK = 1.5
"""Shrinking factor above which areas are averaged: cubic and linear interpolation skip pixels."""


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """The preprocessing of a model, from its pretrained configuration.

    Attributes:
        height: Height of the input, in pixels.
        width: Width of the input, in pixels.
        mean: Mean of each RGB channel, in the range 0-1.
        std: Standard deviation of each RGB channel, in the range 0-1.
        interpolation: "bicubic" or "bilinear".
        crop_pct: Share of the picture's shorter side that the centre crop shows.
    """

    height: int
    width: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: str
    crop_pct: float

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the input, in pixels."""
        return self.height, self.width

    @classmethod
    def of_model(cls, model: nn.Module) -> "Preprocessing":
        """Read the preprocessing from a timm model's own pretrained configuration.

        A share above 1, for which timm pads the picture, becomes the whole picture.
        """
        from timm.data import resolve_model_data_config

        config = resolve_model_data_config(model)
        _, height, width = config["input_size"]
        interpolation = config["interpolation"]
        return cls(
            height,
            width,
            tuple(config["mean"]),
            tuple(config["std"]),
            interpolation if interpolation in INTERPOLATIONS else "bicubic",
            min(float(config["crop_pct"]), 1.0),
        )

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "Preprocessing":
        """Rebuild the result of `to_dict`, also after storing it as JSON or in a checkpoint."""
        return cls(**{**fields, "mean": tuple(fields["mean"]), "std": tuple(fields["std"])})

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain values."""
        return {**asdict(self), "mean": list(self.mean), "std": list(self.std)}

    def largest_window(self, image_height: int, image_width: int) -> tuple[float, float]:
        """Return (height, width) of the largest window with the input's aspect ratio, in pixels."""
        scale = min(image_height / self.height, image_width / self.width)
        return self.height * scale, self.width * scale

    def centre_crop(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Crop the centre and resize it, as in every evaluation.

        Args:
            image: RGB, uint8, height x width x 3, any size.

        Returns:
            RGB, uint8, 3 x `height` x `width`, stored with the channels last.
        """
        height, width = self.largest_window(*image.shape[:2])
        window_height, window_width = round(height * self.crop_pct), round(width * self.crop_pct)
        top = (image.shape[0] - window_height) // 2
        left = (image.shape[1] - window_width) // 2
        return self.resize(image[top : top + window_height, left : left + window_width])

    def resize(self, window: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Resize a part of a picture to the input's size.

        Args:
            window: RGB, uint8, height x width x 3.

        Returns:
            RGB, uint8, 3 x `height` x `width`, stored with the channels last.
        """
        shrinks = window.shape[0] > MAX_SHRINK * self.height
        method = cv2.INTER_AREA if shrinks else INTERPOLATIONS[self.interpolation]
        resized = cv2.resize(window, (self.width, self.height), interpolation=method)
        return np.asarray(resized, np.uint8).transpose(2, 0, 1)


class Normalisation(nn.Module):
    """Normalises batches on their device, to which they travel as uint8: a quarter of the bytes.

    Args:
        preprocessing: Preprocessing with mean and standard deviation of the channels.
        memory_format: Memory format of the output; that of the input when left out.
    """

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(
        self, preprocessing: Preprocessing, memory_format: torch.memory_format | None = None
    ) -> None:
        super().__init__()
        mean = torch.tensor(preprocessing.mean).view(1, 3, 1, 1) * 255
        scale = 1 / (torch.tensor(preprocessing.std).view(1, 3, 1, 1) * 255)
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("scale", scale, persistent=False)
        self.memory_format = memory_format

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Scale pixels, N x 3 x H x W, from uint8 0-255 to float32 around 0."""
        normalised = (pixels.float() - self.mean) * self.scale
        if self.memory_format is None:
            return normalised
        return normalised.contiguous(memory_format=self.memory_format)

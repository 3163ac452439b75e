"""Out-of-distribution detection: how little a picture is like those that a model was trained on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.numbers import number, optional_number
from models.texture import NUM_FEATURES

PREFIX = "novelty."
"""How the names of its arrays begin, which are stored beside the weights."""

REFUSED = 0.02
"""Share of the good pictures that a threshold may refuse, unless another is asked for; also that of
models that were stored before the share was."""

NUM_NEIGHBOURS = 10
LEAST_SPREAD = 1e-6

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Scale:
    """Where a distance lies among those of val pictures.

    Attributes:
        mean: Mean over the good pictures of val.
        spread: Their standard deviation, above 0.
    """

    mean: float
    spread: float

    @classmethod
    def of(cls, distances: Array) -> "Scale":
        """Return the scale of these distances, N."""
        values = distances.astype(np.float64)
        return cls(float(values.mean()), max(float(values.std()), LEAST_SPREAD))

    def excess(self, distances: Array) -> Array:
        """Return by how many standard deviations distances exceed the mean, at least 0."""
        excess: Array = np.maximum(0, (distances - self.mean) / self.spread)
        return excess


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Distances to the nearest training pictures in a network's embeddings.

    Attributes:
        bank: Embeddings of training pictures, M x E, float32, each of length 1 and rounded to
            float16, as it is stored.
        texture: Scale of the distances of texture and the first feature map.
        embedding: Scale of the distances to neighbours.
    """

    bank: Array
    texture: Scale
    embedding: Scale

    def embeddings_in(self, features: Array) -> Array:
        """Return the embeddings of pictures, N x E, which are the last of their features."""
        return features[:, features.shape[1] - self.bank.shape[1] :]

    def distances(self, embeddings: Array) -> Array:
        """Return the cosine distances to the tenth nearest picture of the bank, N, 0-2."""
        # By the threads of PyTorch, which run anyway: those of NumPy would first have to wake up.
        similar = torch.from_numpy(unit(embeddings)) @ torch.from_numpy(self.bank).T
        count = min(NUM_NEIGHBOURS, len(self.bank))
        nearest: Array = 1 - similar.topk(count, dim=1).values[:, -1].numpy()
        return nearest

    def scores(self, texture: Array, embeddings: Array) -> Array:
        """Combine the other distances, N, with those of embeddings, N x E; return N, at least 0.

        What is below the mean of val counts as 0: to be very like training in one respect makes up
        for nothing in the other.
        """
        parts = self.texture.excess(texture), self.embedding.excess(self.distances(embeddings))
        scores: Array = np.hypot(*parts)
        return scores


@dataclass(frozen=True, slots=True)
class Novelty:
    """Out-of-distribution detection by the distance from the pictures seen in training.

    Of texture and the network's first feature map, it is the Mahalanobis distance to the nearest
    class centre, which is Euclidean after `projection` (Lee et al. 2018, "A Simple Unified
    Framework for Detecting Out-of-Distribution Samples"). Of embeddings, it is the cosine distance
    to the tenth nearest training picture (Sun et al. 2022, "Out-of-Distribution Detection with Deep
    Nearest Neighbors").

    Attributes:
        threshold: Largest score of a picture like those of training; None if there were too few
            good val pictures.
        reason: Why no threshold was fitted; empty if one was.
        projection: Matrix to the space of distances from texture features and, behind them, those
            of the first feature map, D x K, float32. A model that was stored before these told
            anything has rows for texture alone, as has one of a network of which none are taken.
        centres: Class centres in that space, C x K, float32.
        neighbours: Neighbours by embeddings; None where texture alone decides, as in a model that
            was stored before there were any.
        refused: Share of the good pictures that the threshold may refuse, above 0 and below 1.
    """

    threshold: float | None
    reason: str
    projection: Array
    centres: Array
    neighbours: Neighbours | None = None
    refused: float = REFUSED

    def distances(self, features: Array) -> Array:
        """Return the distances of texture and the first feature map, N, at least 0.

        Args:
            features: As in `scores`; what is beyond the first D columns is left out.
        """
        places = features[:, : len(self.projection)] @ self.projection
        squared = [np.square(places - centre).sum(axis=1) for centre in self.centres]
        nearest: Array = np.sqrt(np.min(squared, axis=0))
        return nearest

    def scores(self, features: Array) -> Array:
        """Return what is compared with the threshold, N, at least 0.

        Args:
            features: Texture features, those of the first feature map, and embeddings, as
                `models.inference.outputs_and_features` returns them, float32. The first D and the
                last E columns count; between them are those that a model does not know yet.
        """
        texture = self.distances(features)
        if self.neighbours is None:
            return texture
        return self.neighbours.scores(texture, self.neighbours.embeddings_in(features))

    def is_unlike(self, features: Array) -> NDArray[np.bool_]:
        """Return which pictures are out of distribution, N; features are as in `scores`.

        A picture whose features are NaN is.
        """
        if self.threshold is None:
            return np.zeros(len(features), dtype=bool)
        return ~(self.scores(features) <= self.threshold)

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the arrays, as plain values."""
        stem = max(0, len(self.projection) - NUM_FEATURES)
        maps = f" and of {stem} statistics of the network's first feature map" if stem else ""
        fields: dict[str, Any] = {
            "method": f"Mahalanobis distance of the picture's texture{maps} to the nearest class",
            "stem": stem,
            "threshold": self.threshold,
            "reason": self.reason,
            "refused": self.refused,
        }
        if self.neighbours:
            fields["method"] += (
                f", and cosine distance of its embedding to training picture number "
                f"{NUM_NEIGHBOURS} by nearness"
            )
            fields["scales"] = {
                name: {"mean": scale.mean, "spread": scale.spread}
                for name, scale in (
                    ("texture", self.neighbours.texture), ("embedding", self.neighbours.embedding),
                )
            }  # fmt: skip
        return fields

    def arrays(self) -> dict[str, NDArray[np.floating]]:
        """Return the arrays by name, which are stored as safetensors beside the weights."""
        arrays: dict[str, NDArray[np.floating]] = {
            f"{PREFIX}projection": self.projection,
            f"{PREFIX}centres": self.centres,
        }
        if self.neighbours:
            arrays[f"{PREFIX}bank"] = self.neighbours.bank.astype(np.float16)
        return arrays

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any], arrays: Mapping[str, Any]) -> "Novelty":
        """Rebuild a detection from the results of `to_dict` and `arrays`.

        Raises:
            KeyError: If a value or an array is missing.
            ValueError: If one cannot be used.
        """
        projection, centres = (
            matrix(arrays[f"{PREFIX}{name}"]) for name in ("projection", "centres")
        )
        if projection.shape[1] != centres.shape[1]:
            raise ValueError("its arrays have shapes that do not match")
        neighbours = None
        if "scales" in fields:
            texture, embedding = (
                _scale(fields["scales"][name]) for name in ("texture", "embedding")
            )
            neighbours = Neighbours(matrix(arrays[f"{PREFIX}bank"]), texture, embedding)
        threshold = optional_number(fields["threshold"])
        refused = number(fields.get("refused", REFUSED))
        if not 0 < refused < 1:
            raise ValueError("the share that may be refused is not between 0 and 1")
        reason = str(fields["reason"])
        return cls(threshold, reason, projection, centres, neighbours, refused)


def unit(embeddings: NDArray[np.floating]) -> Array:
    """Return rows divided by their lengths, N x E, float32; a row of zeros stays one."""
    with np.errstate(invalid="ignore"):  # an infinite row becomes NaN
        lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
        rows: Array = (embeddings / np.maximum(lengths, 1e-12)).astype(np.float32)
    return rows


def matrix(array: NDArray[Any]) -> Array:
    """Return a two-dimensional array of finite numbers as float32; refuse anything else.

    Raises:
        ValueError: If it is not of floating-point numbers, has other dimensions, is empty, or holds
            NaN, infinity or what is infinite as float32.
    """
    if array.dtype.kind != "f":
        raise ValueError(f"an array of {array.dtype} is not of floating-point numbers")
    with np.errstate(over="ignore"):
        rows: Array = array.astype(np.float32, copy=False)
    if rows.ndim != 2 or not rows.size or not np.isfinite(rows).all():
        raise ValueError(f"an array of shape {array.shape} is not a matrix of finite numbers")
    return rows


def _scale(fields: Mapping[str, Any]) -> Scale:
    scale = Scale(number(fields["mean"]), number(fields["spread"]))
    if scale.spread < LEAST_SPREAD:
        raise ValueError("a spread is not above 0")
    return scale

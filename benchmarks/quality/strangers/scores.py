"""Scores of out-of-distribution detection: the larger, the less a picture is like training's.

Each is fitted on what a network says of training pictures. The names are those of OpenOOD (Yang et
al. 2022), whose protocol `benchmarks.quality.out_of_distribution` follows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, softmax

from models.novelty import Novelty
from utils.common.labels import CLASSES
from utils.evaluation.novelty_fitting import (
    SHRINKAGE,
    SHRINKAGE_WITH_STEM,
    fit_novelty,
    whitened,
)

NEIGHBOURS = 10
COVARIANCE_SHRINKAGE = 0.01
"""Of a covariance towards a multiple of the identity, since there are fewer pictures than features.
"""

KEPT_VARIANCE = 0.9
"""Share of the variance in the principal space of ViM; the rest is the residual."""

SKIN = [CLASSES.index(name) for name in ("DERM", "DERM_CLINIC")]

Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a network and the texture features say of some pictures.

    Attributes:
        logits: N x number of classes, float32.
        embeddings: Inputs of the classifier, N x D, float32.
        texture: Features of `models.texture`, N x number of them, float32.
        stem: Features of the network's first feature map, `models.stem`, N x number of them,
            float32.
        labels: True classes, N; -1 for strangers.
        groups: N; pictures of one group are not independent.
        probabilities: Of the classes, calibrated, N x number of classes.
        is_sure: Whether the prediction set has no other class, N.
        frozen: Embeddings of a network that was never fine-tuned, N x D, float32.
    """

    logits: NDArray[np.float32]
    embeddings: NDArray[np.float32]
    texture: NDArray[np.float32]
    stem: NDArray[np.float32]
    labels: NDArray[np.int64]
    groups: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    is_sure: NDArray[np.bool_]
    frozen: NDArray[np.float32] | None = None

    def __getitem__(self, chosen: NDArray[np.bool_]) -> "Seen":
        """Return some of the pictures."""
        rows = [getattr(self, one.name) for one in fields(self)]
        return Seen(*(None if array is None else array[chosen] for array in rows))

    @property
    def surface(self) -> NDArray[np.float32]:
        """Return the features of texture and of the first feature map, N x number of them."""
        return np.hstack([self.texture, self.stem])

    @property
    def is_skin(self) -> NDArray[np.bool_]:
        """Return whether the likeliest class is DERM or DERM_CLINIC, N."""
        return np.isin(self.probabilities.argmax(axis=1), SKIN)

    def likeliest_of(self, classes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the likeliest one of some classes, N."""
        likeliest: NDArray[np.int64] = classes[self.probabilities[:, classes].argmax(axis=1)]
        return likeliest


Score = Callable[[Seen], Scores]


def max_softmax(_: Seen) -> Score:
    """One minus the largest probability (Hendrycks and Gimpel 2017)."""
    return lambda seen: 1 - softmax(seen.logits.astype(np.float64), axis=1).max(axis=1)


def energy(_: Seen) -> Score:
    """Energy of the logits (Liu et al. 2020)."""
    return lambda seen: -logsumexp(seen.logits.astype(np.float64), axis=1)


def mahalanobis(train: Seen) -> Score:
    """Squared distance to the nearest class centre, one covariance for all (Lee et al. 2018)."""
    centres, codes = _centres(train)
    whiten = _whitening(train.embeddings - centres[codes])

    def score(seen: Seen) -> Scores:
        gaps = [np.square((seen.embeddings - centre) @ whiten).sum(axis=1) for centre in centres]
        return np.min(gaps, axis=0).astype(np.float64)

    return score


def relative_mahalanobis(train: Seen) -> Score:
    """The same less the squared distance to the centre of all pictures (Ren et al. 2021)."""
    nearest, centre = mahalanobis(train), train.embeddings.mean(axis=0)
    whiten = _whitening(train.embeddings - centre)
    return lambda seen: (
        nearest(seen) - np.square((seen.embeddings - centre) @ whiten).sum(axis=1)
    ).astype(np.float64)


def nearest_neighbours(train: Seen) -> Score:
    """Cosine distance to the tenth nearest training picture (Sun et al. 2022)."""
    bank = _unit(train.embeddings)

    def score(seen: Seen) -> Scores:
        similar = np.sort(_unit(seen.embeddings) @ bank.T, axis=1)
        return 1 - similar[:, -min(NEIGHBOURS, len(bank))].astype(np.float64)

    return score


def neighbours_of_class(train: Seen) -> Score:
    """The same among the training pictures of the likeliest class alone."""
    scores = {
        label: nearest_neighbours(train[train.labels == label]) for label in np.unique(train.labels)
    }

    def score(seen: Seen) -> Scores:
        likeliest, found = seen.likeliest_of(np.array(list(scores))), np.zeros(len(seen.labels))
        for label, of_class in scores.items():
            found[likeliest == label] = of_class(seen[likeliest == label])
        return found

    return score


def residual(train: Seen) -> Score:
    """Length of what lies outside the principal space of the embeddings (Wang et al. 2022)."""
    centre = train.embeddings.mean(axis=0)
    _, lengths, axes = np.linalg.svd(train.embeddings - centre, full_matrices=False)
    shares = np.cumsum(np.square(lengths)) / np.square(lengths).sum()
    axes = axes[: int(np.searchsorted(shares, KEPT_VARIANCE)) + 1]

    def score(seen: Seen) -> Scores:
        places = seen.embeddings - centre
        return np.linalg.norm(places - places @ axes.T @ axes, axis=1).astype(np.float64)

    return score


def vim(train: Seen) -> Score:
    """ViM: the residual as one more logit, less the energy (Wang et al. 2022)."""
    outside, inside = residual(train), energy(train)
    alpha = train.logits.max(axis=1).mean() / outside(train).mean()
    return lambda seen: alpha * outside(seen) + inside(seen)


def texture(train: Seen, shrinkage: float = SHRINKAGE) -> Score:
    """Mahalanobis distance of texture features to the nearest class (Lee et al. 2018)."""
    projection, centres = whitened(train.texture, train.labels, shrinkage)
    novelty = Novelty(None, "", projection, centres)
    return lambda seen: novelty.distances(seen.texture).astype(np.float64)


def shrunk_texture(train: Seen) -> Score:
    """The same with the shrinkage that is taken with the first feature map."""
    return texture(train, SHRINKAGE_WITH_STEM)


def texture_of_class(train: Seen) -> Score:
    """The distance of `texture` to the centre of the likeliest class."""
    projection, every = whitened(train.texture, train.labels, SHRINKAGE)
    classes = np.unique(train.labels)

    def score(seen: Seen) -> Scores:
        likeliest = np.searchsorted(classes, seen.likeliest_of(classes))
        gaps = seen.texture @ projection - every[likeliest]
        return np.linalg.norm(gaps, axis=1).astype(np.float64)

    return score


def texture_and_stem(train: Seen) -> Score:
    """The distance of texture and of the first feature map, as it is taken."""
    novelty = Novelty(None, "", *whitened(train.surface, train.labels, SHRINKAGE_WITH_STEM))
    return lambda seen: novelty.distances(seen.surface).astype(np.float64)


def as_taken(train: Seen, val: Seen) -> Score:
    """What a model compares with its threshold."""
    novelty = fit_novelty(
        _features(train), train.labels, _features(val), num_surface=train.surface.shape[1]
    )
    return lambda seen: novelty.scores(_features(seen)).astype(np.float64)


METHODS: dict[str, Callable[[Seen], Score]] = {
    "max softmax": max_softmax,
    "energy": energy,
    "Mahalanobis": mahalanobis,
    "relative Mahalanobis": relative_mahalanobis,
    "residual": residual,
    "ViM": vim,
    "kNN": nearest_neighbours,
    "kNN of class": neighbours_of_class,
    "texture": texture,
    "texture of class": texture_of_class,
    "texture, shrunk": shrunk_texture,
    "texture and stem": texture_and_stem,
}


def excess(scored: Sequence[Score], val: Seen) -> Score:
    """Combine scores: how many standard deviations of val each exceeds its mean on val.

    What is below the mean counts as 0, so that being very like training in one respect makes up for
    nothing in another; the excesses are the sides of a right angle.
    """
    scales = [(float(score(val).mean()), float(score(val).std())) for score in scored]

    def score(seen: Seen) -> Scores:
        parts = [
            np.maximum(0, (part(seen) - mean) / spread)
            for part, (mean, spread) in zip(scored, scales, strict=True)
        ]
        both: Scores = np.sqrt(np.square(parts).sum(axis=0))
        return both

    return score


def total(scored: Sequence[Score], val: Seen) -> Score:
    """Sum scores in standard deviations of val."""
    spreads = [float(score(val).std()) for score in scored]
    return lambda seen: np.sum(
        [score(seen) / spread for score, spread in zip(scored, spreads, strict=True)], axis=0
    )


def larger(scored: Sequence[Score], val: Seen) -> Score:
    """Take the largest of scores, each divided by what 95 % of val stay below."""
    scales = [float(np.quantile(score(val), 0.95)) for score in scored]
    return lambda seen: np.max(
        [score(seen) / scale for score, scale in zip(scored, scales, strict=True)], axis=0
    )


def ranks(scored: Sequence[Score], val: Seen) -> Score:
    """Sum the ranks of scores among those of val."""
    known = [np.sort(score(val)) for score in scored]

    def score(seen: Seen) -> Scores:
        shares = [
            np.searchsorted(values, part(seen)) / len(values)
            for values, part in zip(known, scored, strict=True)
        ]
        return np.sum(shares, axis=0)

    return score


COMBINATIONS: dict[str, Callable[[Sequence[Score], Seen], Score]] = {
    "excess": excess,
    "sum": total,
    "larger": larger,
    "ranks": ranks,
}
"""Ways of putting scores on one scale."""


def _unit(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    unit: NDArray[np.float32] = embeddings / np.maximum(lengths, 1e-12)
    return unit


def _features(seen: Seen) -> NDArray[np.float32]:
    return np.hstack([seen.surface, seen.embeddings])


def _centres(train: Seen) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    occurring, codes = np.unique(train.labels, return_inverse=True)
    rows = [train.embeddings[codes == code].mean(axis=0) for code in range(len(occurring))]
    return np.stack(rows), codes


def _whitening(scattered: NDArray[np.float32]) -> NDArray[np.float64]:
    covariance = np.cov(scattered.astype(np.float64), rowvar=False)
    scale = float(np.trace(covariance)) / len(covariance)
    shrunk = (1 - COVARIANCE_SHRINKAGE) * covariance + COVARIANCE_SHRINKAGE * scale * np.eye(
        len(covariance)
    )
    variances, axes = np.linalg.eigh(shrunk)
    whiten: NDArray[np.float64] = axes / np.sqrt(variances)
    return whiten

"""Thumbnails of pictures in, the pairs of them that show the same picture out.

Three steps, so that the search is not quadratic and two plain skins are not called one: codes of
windows meet in a table (`candidates`), the thumbnails are laid over each other and their finest
details compared (`alignment`), and of the pairs left those are told apart that show the same view,
neither turned, cropped nor edited.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from utils.dataset.alignment import agreement, detail
from utils.dataset.candidates import find_candidates
from utils.dataset.thumbnails import SIDE, grey
from utils.dataset.thumbnails import thumbnail as thumbnail
from utils.dataset.turns import turned_each

MIN_AGREEMENT = 0.58
"""Least median over the blocks of the correlation between the details of two copies."""

MIN_STRUCTURE = 0.6
"""Median over the blocks of a thumbnail's detail, in grey levels; below it a copy is not told."""

SEARCH = (
    "Copies are told by their looks in all eight orientations, in other brightness, contrast and "
    "proportions, with up to a tenth of width and height cropped off or added as a border, and "
    "with a caption on a strip of up to a tenth; not those turned by other angles, cropped further "
    "or painted over elsewhere, nor other photographs of the same lesion."
)
"""What the certificate says was looked for."""

SMALL = 16
LOW_FREQUENCIES = 5
RADIUS = 2.0
"""Largest distance between the low frequencies of two copies of one view, in grey levels."""

BLOCKS = 4
MIN_CORRELATION = 0.9
"""Least median over the blocks of the correlation between two copies of one view."""

MAX_OF_STRANGERS = 0.5
"""Correlation below which two pictures hardly show the same, even if one of them was cut."""

NOISE = 0.5
"""Standard deviation in grey levels of what a re-encode adds to 16 x 16 pixels."""

CHUNK = 1000
"""Pairs compared at a time, which bounds the memory."""


def find_copies(thumbnails: Sequence[bytes]) -> np.ndarray:
    """Return the pairs of thumbnails that show the same picture.

    Found are all eight orientations, other brightness and contrast, crops and borders that take up
    to a tenth of width and height, other proportions, and captions on a strip of up to a tenth.

    Args:
        thumbnails: As `thumbnail` makes them.

    Returns:
        int64, shape (pairs, 2): positions, the smaller first, in ascending order. Of thumbnails
        that are equal to the byte each is paired with the first only. None of those that are too
        plain to be told by, see `is_plain`.
    """
    first: dict[bytes, int] = {}
    repeated = [
        (known, position)
        for position, pixels in enumerate(thumbnails)
        if (known := first.setdefault(pixels, position)) != position
    ]
    telling = ~is_plain(list(first))
    different = np.fromiter(first.values(), np.int64, len(first))[telling]
    pictures = grey([pixels for pixels, tells in zip(first, telling, strict=True) if tells])
    first.clear()
    alike = different[_confirmed(pictures)]
    same = np.array(repeated, np.int64).reshape(-1, 2)
    same = same[np.isin(same[:, 0], different)]
    return np.unique(np.sort(np.concatenate([alike, same]), axis=1), axis=0)


def _confirmed(pictures: np.ndarray) -> np.ndarray:
    """Return the pairs of pictures whose details agree, int64 of shape (pairs, 2)."""
    found = find_candidates(pictures)
    pairs = np.stack([found.outer, found.inner], axis=1)
    kept = np.zeros(len(pairs), bool)
    for start in range(0, len(pairs), CHUNK):
        some = slice(start, start + CHUNK)
        inner = turned_each(pictures[found.inner[some]], found.turn[some])
        agreeing = agreement(pictures[found.outer[some]], inner, found.frame[some])
        kept[some] = agreeing >= MIN_AGREEMENT
    return pairs[kept]


def is_plain(thumbnails: Sequence[bytes]) -> np.ndarray:
    """Tell which thumbnails hold too little detail to be recognised by, bool of shape (n,)."""
    plain = [np.empty(0, bool)]
    for start in range(0, len(thumbnails), CHUNK):
        plain.append(structure(grey(thumbnails[start : start + CHUNK])) < MIN_STRUCTURE)
    return np.concatenate(plain)


def structure(pictures: np.ndarray) -> np.ndarray:
    """Return how much detail pictures hold: its median over the blocks, in grey levels.

    Args:
        pictures: Uint8, shape (n, 32, 32).
    """
    every = np.ones((1, SIDE, SIDE), np.float32)
    blocks = _blocks(detail(pictures.astype(np.float32), every))
    levels: np.ndarray = np.median(np.sqrt((blocks**2).mean(axis=2)), axis=1)
    return levels


def is_one_view(thumbnails: Sequence[bytes], pairs: np.ndarray) -> np.ndarray:
    """Tell which pairs show the same without any change but of size and quality, shape (pairs,).

    Args:
        thumbnails: As `thumbnail` makes them.
        pairs: int64, shape (pairs, 2): positions.
    """
    near = [np.empty(0, bool)]
    for start in range(0, len(pairs), CHUNK):
        one, other = (
            _low_frequencies([thumbnails[end] for end in ends])
            for ends in pairs[start : start + CHUNK].T
        )
        near.append(np.linalg.norm(one - other, axis=1) <= RADIUS)
    return np.concatenate(near) & (correlation(thumbnails, pairs) >= MIN_CORRELATION)


def _low_frequencies(thumbnails: Sequence[bytes]) -> np.ndarray:
    """Return the cosine transform's lowest terms but the mean, in grey levels: shape (n, 24)."""
    terms = np.empty((len(thumbnails), LOW_FREQUENCIES**2 - 1), np.float32)
    for position, pixels in enumerate(_halved(thumbnails)):
        terms[position] = cv2.dct(pixels)[:LOW_FREQUENCIES, :LOW_FREQUENCIES].ravel()[1:] / SMALL
    return terms


def correlation(thumbnails: Sequence[bytes], pairs: np.ndarray) -> np.ndarray:
    """Return for each pair, laid as it is, the median over the blocks of their correlation.

    Args:
        thumbnails: As `thumbnail` makes them.
        pairs: int64, shape (pairs, 2): positions.
    """
    medians = [np.empty(0)]
    for start in range(0, len(pairs), CHUNK):
        one, other = (
            _blocks(_halved([thumbnails[end] for end in ends]))
            for ends in pairs[start : start + CHUNK].T
        )
        one, other = (blocks - blocks.mean(axis=2, keepdims=True) for blocks in (one, other))
        shared = (one * other).sum(axis=2)
        energy = (one**2).sum(axis=2) * (other**2).sum(axis=2)
        medians.append(np.median(shared / (np.sqrt(energy) + one.shape[2] * NOISE**2), axis=1))
    return np.concatenate(medians)


def _halved(thumbnails: Sequence[bytes]) -> np.ndarray:
    """Return the thumbnails at half their size, float32 of shape (n, 16, 16)."""
    fine = grey(thumbnails).reshape(-1, SMALL, SIDE // SMALL, SMALL, SIDE // SMALL)
    return fine.mean(axis=(2, 4), dtype=np.float32)


def _blocks(pictures: np.ndarray) -> np.ndarray:
    """Cut pictures into 4 x 4 blocks, float32 of shape (n, 16, pixels)."""
    side = pictures.shape[1] // BLOCKS
    blocks = pictures.reshape(-1, BLOCKS, side, BLOCKS, side).transpose(0, 1, 3, 2, 4)
    return blocks.reshape(len(pictures), BLOCKS**2, side**2).astype(np.float32)

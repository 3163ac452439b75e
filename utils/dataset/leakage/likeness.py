"""Decide which pictures are copies of one another, by their thumbnails.

Steps, so that the search is not quadratic and two plain skins are not called one: codes of windows
meet in a table (`candidates`), the thumbnails are laid over each other and their finest details
compared (`alignment`), and those of the pairs left that do not simply show the same view are
compared once more in close views, for which these few pictures are read again.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import cv2
import numpy as np

from utils.dataset.leakage.alignment import FLAT, MIN_BLOCKS, MIN_SHARE, detail, lay_over, tells_of
from utils.dataset.leakage.candidates import Candidates, find_candidates
from utils.dataset.leakage.orientations import turned_each
from utils.dataset.leakage.thumbnails import CLOSE_SIDE, SIDE, grey
from utils.dataset.leakage.thumbnails import thumbnail as thumbnail

MIN_AGREEMENT, MIN_CLOSE_AGREEMENT = 0.5, 0.45
"""Least median over the blocks of the correlation between the details of two copies.

At 32 x 32 pixels, where of different moles the most alike come to 0.7, and at 64 x 64, where they
come to 0.3.
"""

MIN_STRUCTURE = 0.7
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

CHUNK = 256
"""Pairs compared at a time, which bounds the memory."""


Look = Callable[[Sequence[int]], Sequence[bytes]]
"""Returns the close views of the pictures at some positions, as `thumbnails.close_view` does."""


def find_copies(thumbnails: Sequence[bytes], look: Look | None = None) -> np.ndarray:
    """Return the pairs of thumbnails that show the same picture.

    Found are all eight orientations, other brightness and contrast, crops and borders that take up
    to a tenth of width and height, other proportions, and captions on a strip of up to a tenth.

    Args:
        thumbnails: As `thumbnail` makes them.
        look: Asked for those pictures alone of which one seems to be altered; without it a few
            strangers are taken for copies among very many pictures.

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
    found = _laid_over([thumbnails[position] for position in different])
    alike = different[np.stack([found.outer, found.inner], axis=1)]
    if look is not None:
        is_sure = is_one_view(thumbnails, alike)
        is_sure[~is_sure] = _agree_closely(alike[~is_sure], found.some(~is_sure), look)
        alike = alike[is_sure]
    same = np.array(repeated, np.int64).reshape(-1, 2)
    same = same[np.isin(same[:, 0], different)]
    return np.unique(np.sort(np.concatenate([alike, same]), axis=1), axis=0)


def _laid_over(thumbnails: Sequence[bytes]) -> Candidates:
    """Return the candidates whose details agree, with the exact frames."""
    found = find_candidates(thumbnails)
    agreeing, frames = _lay_each(thumbnails, SIDE, found.outer, found.inner, found)
    exact = replace(found, frame=frames)
    return exact.some(agreeing >= MIN_AGREEMENT)


def _agree_closely(pairs: np.ndarray, found: Candidates, look: Look) -> np.ndarray:
    """Tell whether candidates agree in a close view, too."""
    needed, places = np.unique(pairs, return_inverse=True)
    places = places.reshape(pairs.shape)
    views = look(needed.tolist())
    agreeing, _ = _lay_each(views, CLOSE_SIDE, places[:, 0], places[:, 1], found)
    result: np.ndarray = agreeing >= MIN_CLOSE_AGREEMENT
    return result


def _lay_each(
    views: Sequence[bytes], side: int, outer: np.ndarray, inner: np.ndarray, found: Candidates
) -> tuple[np.ndarray, np.ndarray]:
    """Lay pictures over each other as candidates were found, not too many at a time."""
    agreeing, frames = np.empty(len(outer), np.float32), np.empty((len(outer), 4), np.float32)
    for start in range(0, len(outer), CHUNK):
        some = slice(start, start + CHUNK)
        one, other = (grey([views[place] for place in ends[some]], side) for ends in (outer, inner))
        other = turned_each(other, found.turn[some])
        agreeing[some], frames[some] = lay_over(one, other, found.frame[some])
    return agreeing, frames


def is_plain(thumbnails: Sequence[bytes]) -> np.ndarray:
    """Tell which thumbnails hold too little detail to be recognised by, bool of shape (n,)."""
    plain = [np.empty(0, bool)]
    for start in range(0, len(thumbnails), CHUNK):
        plain.append(structure(grey(thumbnails[start : start + CHUNK])) < MIN_STRUCTURE)
    return np.concatenate(plain)


def structure(pictures: np.ndarray) -> np.ndarray:
    """Return how much detail pictures hold: its median over the blocks that show any.

    Args:
        pictures: Uint8, shape (n, 32, 32).
    """
    tells = tells_of(pictures)
    blocks = _blocks(detail(pictures.astype(np.float32), tells))
    area = _blocks(tells).sum(axis=2)
    levels = np.sqrt((blocks**2).sum(axis=2) / np.maximum(area, 1))
    levels[(area < MIN_SHARE * blocks.shape[2]) | (levels < FLAT)] = np.nan
    is_enough = np.isfinite(levels).sum(axis=1) >= MIN_BLOCKS
    medians = np.zeros(len(pictures), np.float32)
    medians[is_enough] = np.nanmedian(levels[is_enough], axis=1)
    return medians


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
    coarse: np.ndarray = fine.mean(axis=(2, 4), dtype=np.float32)
    return coarse


def _blocks(pictures: np.ndarray) -> np.ndarray:
    """Cut pictures into 4 x 4 blocks, float32 of shape (n, 16, pixels)."""
    side = pictures.shape[1] // BLOCKS
    blocks = pictures.reshape(-1, BLOCKS, side, BLOCKS, side).transpose(0, 1, 3, 2, 4)
    return blocks.reshape(len(pictures), BLOCKS**2, side**2).astype(np.float32)

"""Thumbnails of pictures in, the pairs of them that show the same picture out.

Two steps, so that the search is not quadratic and two plain skins are not called one: the low
frequencies of a thumbnail (a perceptual hash of real numbers, after Zauner 2010, "Implementation
and benchmarking of perceptual image hash functions") must lie within a radius, found by a k-d
tree; then the thumbnails themselves must agree block by block, whatever their brightness.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image

SIDE = 16
"""Width and height of a thumbnail in pixels."""

LOW_FREQUENCIES = 5
SEARCH_TERMS = 6
RADIUS = 2.0
"""Largest distance between the low frequencies of two copies, in grey levels."""

BLOCKS = 4
MIN_CORRELATION = 0.9
"""Least median over the blocks of the correlation between two copies."""

MAX_OF_STRANGERS = 0.5
"""Correlation below which two pictures hardly show the same, even if one of them was cut."""

NOISE = 0.5
"""Standard deviation in grey levels of what a re-encode adds to a thumbnail."""

CHUNK = 10_000
"""Pairs compared at a time, which bounds the memory."""

MIN_STRUCTURE = 1.0
"""A thumbnail that varies less, in grey levels, shows too little to be recognised by."""


def thumbnail(picture: Image.Image) -> bytes:
    """Shrink an RGB picture to 16 x 16 grey pixels, 256 bytes row by row."""
    small = picture.resize((SIDE, SIDE), Image.Resampling.BOX, reducing_gap=1.0)
    return small.convert("L").tobytes()


def find_copies(thumbnails: Sequence[bytes]) -> np.ndarray:
    """Return the pairs of thumbnails that show the same picture.

    Args:
        thumbnails: As `thumbnail` makes them.

    Returns:
        int64, shape (pairs, 2): positions, the smaller first, in ascending order. Of thumbnails
        that are equal to the byte each is paired with the first only.
    """
    first: dict[bytes, int] = {}
    repeated = [
        (known, position)
        for position, pixels in enumerate(thumbnails)
        if (known := first.setdefault(pixels, position)) != position
    ]
    different = np.fromiter(first.values(), np.int64, len(first))
    terms, has_structure = _low_frequencies(list(first))
    first.clear()  # the search takes the most memory of the whole assembly
    telling, terms = np.flatnonzero(has_structure), terms[has_structure]
    candidates = different[telling[_near(terms)]]
    alike = candidates[correlation(thumbnails, candidates) >= MIN_CORRELATION]
    same = np.array(repeated, np.int64).reshape(-1, 2)
    same = same[np.isin(same[:, 0], different[telling])]
    return np.unique(np.sort(np.concatenate([alike, same]), axis=1), axis=0)


def _near(terms: np.ndarray) -> np.ndarray:
    """Return the pairs whose low frequencies lie within the radius, int64 of shape (pairs, 2).

    The tree searches the few terms that vary most, where it can still leave out whole branches;
    in all 24 it would compare almost everything with everything.
    """
    from scipy.spatial import KDTree  # see links.py

    if len(terms) < 2:
        return np.empty((0, 2), np.int64)
    widest = np.argsort(-terms.std(axis=0), kind="stable")[:SEARCH_TERMS]
    pairs = KDTree(terms[:, widest]).query_pairs(RADIUS, output_type="ndarray")
    within = [
        np.linalg.norm(terms[some[:, 0]] - terms[some[:, 1]], axis=1) <= RADIUS
        for some in np.array_split(pairs, len(pairs) // CHUNK + 1)
    ]
    return pairs[np.concatenate(within)]


def _low_frequencies(thumbnails: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """Transform thumbnails to what the search compares.

    Returns:
        The cosine transform's lowest terms but the mean, float32 of shape (n, 24), in grey levels;
        and whether each thumbnail has structure to be recognised by, bool of shape (n,).
    """
    terms = np.empty((len(thumbnails), LOW_FREQUENCIES**2 - 1), np.float32)
    has_structure = np.empty(len(thumbnails), bool)
    for position, pixels in enumerate(thumbnails):
        grey = _grey([pixels])[0].astype(np.float32)
        lowest = cv2.dct(grey)[:LOW_FREQUENCIES, :LOW_FREQUENCIES]
        terms[position] = lowest.ravel()[1:] / SIDE
        has_structure[position] = grey.std() >= MIN_STRUCTURE
    return terms, has_structure


def correlation(thumbnails: Sequence[bytes], pairs: np.ndarray) -> np.ndarray:
    """Return for each pair the median over the blocks of their correlation, shape (pairs,).

    Args:
        thumbnails: As `thumbnail` makes them.
        pairs: int64, shape (pairs, 2): positions.
    """
    medians = [np.empty(0)]
    for start in range(0, len(pairs), CHUNK):
        one, other = (
            _blocks(_grey([thumbnails[end] for end in ends]))
            for ends in pairs[start : start + CHUNK].T
        )
        shared = (one * other).sum(axis=2)
        energy = (one**2).sum(axis=2) * (other**2).sum(axis=2)
        medians.append(np.median(shared / (np.sqrt(energy) + one.shape[2] * NOISE**2), axis=1))
    return np.concatenate(medians)


def _grey(thumbnails: Sequence[bytes]) -> np.ndarray:
    """Return the thumbnails' grey values, uint8 of shape (n, 16, 16)."""
    return np.frombuffer(b"".join(thumbnails), np.uint8).reshape(-1, SIDE, SIDE)


def _blocks(grey: np.ndarray) -> np.ndarray:
    """Cut pictures into 4 x 4 blocks less their means: float32, shape (n, 16, 16)."""
    side = SIDE // BLOCKS
    blocks = grey.reshape(-1, BLOCKS, side, BLOCKS, side).transpose(0, 1, 3, 2, 4)
    blocks = blocks.reshape(len(grey), BLOCKS**2, side**2).astype(np.float32)
    return blocks - blocks.mean(axis=2, keepdims=True)

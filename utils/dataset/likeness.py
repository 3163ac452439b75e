"""Thumbnails of pictures in, the pairs of them that show the same picture out.

Two steps, so that the search is not quadratic and two plain skins are not called one: the low
frequencies of a thumbnail (a perceptual hash of real numbers, after Zauner 2010, "Implementation
and benchmarking of perceptual image hash functions") must lie within a radius, found by a k-d
tree; then the thumbnails themselves must agree block by block, whatever their brightness.
"""

import base64
from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image
from scipy.spatial import KDTree

SIDE = 16
"""Width and height of a thumbnail in pixels."""

LOW_FREQUENCIES = 5
SEARCH_TERMS = 6
RADIUS = 2.0
"""Largest distance between the low frequencies of two copies, in grey levels."""

BLOCKS = 4
MIN_CORRELATION = 0.9
"""Least median over the blocks of the correlation between two copies."""

NOISE = 0.5
"""Standard deviation in grey levels of what a re-encode adds to a thumbnail."""

MIN_STRUCTURE = 1.0
"""A thumbnail that varies less, in grey levels, shows too little to be recognised by."""


def thumbnail(picture: Image.Image) -> str:
    """Shrink an RGB picture to 16 x 16 grey pixels, row by row in Base64."""
    small = cv2.resize(np.asarray(picture), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return base64.b64encode(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)).decode()


def find_copies(thumbnails: Sequence[str]) -> np.ndarray:
    """Return the pairs of thumbnails that show the same picture.

    Args:
        thumbnails: As `thumbnail` makes them.

    Returns:
        int64, shape (pairs, 2): positions, the smaller first, in ascending order. Of thumbnails
        that are equal to the byte each is paired with the first only.
    """
    unique, first, inverse = np.unique(
        _pixels(thumbnails).reshape(-1, SIDE**2),
        axis=0, return_index=True, return_inverse=True,
    )  # fmt: skip
    grey = unique.reshape(-1, SIDE, SIDE).astype(np.float32)
    telling = np.flatnonzero(grey.std(axis=(1, 2)) >= MIN_STRUCTURE)
    near = _near(grey[telling])
    alike = near[_correlation(grey[telling], near) >= MIN_CORRELATION]
    pairs = [first[telling[alike]]]
    repeated = np.flatnonzero(first[inverse] != np.arange(len(inverse)))
    repeated = repeated[np.isin(inverse[repeated], telling)]
    pairs.append(np.stack([first[inverse[repeated]], repeated], axis=1))
    return np.unique(np.sort(np.concatenate(pairs).astype(np.int64), axis=1), axis=0)


def _pixels(thumbnails: Sequence[str]) -> np.ndarray:
    """Return the thumbnails' grey values, uint8, one after the other."""
    return np.frombuffer(b"".join(map(base64.b64decode, thumbnails)), np.uint8)


def _near(grey: np.ndarray) -> np.ndarray:
    """Return the pairs whose low frequencies lie within the radius, shape (pairs, 2).

    The tree searches the few terms that vary most, where it can still leave out whole branches;
    in all 24 it would compare almost everything with everything.
    """
    if len(grey) < 2:
        return np.empty((0, 2), np.int64)
    terms = _low_frequencies(grey)
    widest = np.argsort(-terms.std(axis=0), kind="stable")[:SEARCH_TERMS]
    pairs = KDTree(terms[:, widest]).query_pairs(RADIUS, output_type="ndarray")
    within = [
        np.linalg.norm(terms[some[:, 0]] - terms[some[:, 1]], axis=1) <= RADIUS
        for some in np.array_split(pairs, max(1, len(pairs) // 100_000))
    ]
    return pairs[np.concatenate(within)]


def _low_frequencies(grey: np.ndarray) -> np.ndarray:
    """Return the cosine transform's lowest terms but the mean, shape (n, 24), in grey levels."""
    terms = np.stack([cv2.dct(picture)[:LOW_FREQUENCIES, :LOW_FREQUENCIES] for picture in grey])
    return terms.reshape(len(grey), -1)[:, 1:] / SIDE


def _correlation(grey: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Return for each pair the median over the blocks of their correlation, shape (pairs,)."""
    if not len(pairs):
        return np.empty(0)
    side = SIDE // BLOCKS
    blocks = grey.reshape(-1, BLOCKS, side, BLOCKS, side).transpose(0, 1, 3, 2, 4)
    blocks = blocks.reshape(len(grey), BLOCKS**2, side**2)
    blocks = blocks - blocks.mean(axis=2, keepdims=True)
    energy = (blocks**2).sum(axis=2)
    medians = []
    for start in range(0, len(pairs), 10_000):  # bounds the memory where there are many pairs
        one, other = pairs[start : start + 10_000].T
        shared = (blocks[one] * blocks[other]).sum(axis=2)
        scale = np.sqrt(energy[one] * energy[other]) + side**2 * NOISE**2
        medians.append(np.median(shared / scale, axis=1))
    return np.concatenate(medians)

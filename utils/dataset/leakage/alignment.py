"""Lays one thumbnail over another as exactly as can be, and tells how well their details agree.

Position and size along each axis are found by Gauss-Newton steps (Baker and Matthews 2004,
"Lucas-Kanade 20 years on") with weights that pass over captions. What then counts is the finest
detail that thumbnails hold, block by block: shapes and shades that two moles or two plain skins
have in common are taken out before.
"""

import numpy as np

from utils.dataset.leakage.thumbnails import surroundings

STEPS = 4
RIM = 2
"""Pixels at the edge of the inner picture that do not count, for a border may shine into them."""

COARSE, FINE = 2.0, 0.8
"""Standard deviation in pixels of the blur that is taken out, to lay over and to compare."""

BLOCKS = 4
MIN_SHARE, MIN_BLOCKS = 0.3, 4
"""Of a block's pixels, that must count for it to have a say; and how many blocks must have one."""

FLAT = 0.1
"""Detail in grey levels below which a block shows nothing at all, as where it is black."""

MIN_TELLING = 0.3

ALL_TELL = 0.99

NOISE = 0.3
"""Standard deviation in grey levels of what rounding and encoding add to a thumbnail's detail."""

MAX_STEP, MIN_SIZE = 0.03, 0.5
"""Of a frame, as shares of the outer picture."""


def _blur(deviation: float, side: int) -> np.ndarray:
    """Return the matrix that blurs the rows of a picture, not normalised."""
    apart = np.arange(side)[:, None] - np.arange(side)
    return np.exp(-(apart**2) / (2 * deviation**2)).astype(np.float32)


def _centres(side: int) -> np.ndarray:
    """Return where the pixels of a row lie, as shares of its length."""
    return ((np.arange(side) + 0.5) / side).astype(np.float32)


def detail(pictures: np.ndarray, counts: np.ndarray, deviation: float = FINE) -> np.ndarray:
    """Return pictures less their blur, where they count, else 0.

    Args:
        pictures: Float32, shape (n, 32, 32).
        counts: Which pixels count, 0 or 1 of the same shape; others leave no trace.
        deviation: Of the blur, in pixels.
    """
    blur = _blur(deviation, pictures.shape[1])
    near = blur @ counts @ blur
    result: np.ndarray = (pictures - blur @ (pictures * counts) @ blur / np.maximum(near, 1e-3)) * (
        counts
    )
    return result


def lay_over(
    outer: np.ndarray, inner: np.ndarray, frames: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Find where pictures lie in other ones, and how well their details agree there.

    Args:
        outer: Uint8, shape (n, side, side): pictures that may show all of the other ones.
        inner: Uint8, of the same shape: the other ones, laid the same way.
        frames: Where in the outer they roughly lie: left, width, top, height as shares, (n, 4).

    Returns:
        The agreement, -1 to 1, of shape (n,): 1 for copies without loss; and the exact frames.
    """
    tells = tells_of(outer), tells_of(inner)
    outer, inner = outer.astype(np.float32), inner.astype(np.float32)
    frames = frames.astype(np.float32)
    for _ in range(STEPS):
        frames = frames + _step(outer, inner, tells, frames)
        frames[:, 1::2] = np.maximum(frames[:, 1::2], MIN_SIZE)
    window, counts = _cut_out(outer, tells, frames)
    one, other = detail(window, counts), detail(inner, counts)
    one, other, counts = _blocks(one), _blocks(other), _blocks(counts)
    area = counts.sum(axis=2)
    energy = np.sqrt((one**2).sum(axis=2) * (other**2).sum(axis=2)) + area * NOISE**2
    agreeing = (one * other).sum(axis=2) / np.maximum(energy, 1e-6)
    is_flat = np.minimum((one**2).sum(axis=2), (other**2).sum(axis=2)) < area * FLAT**2
    has_say = (area >= MIN_SHARE * one.shape[2]) & ~is_flat
    agreeing[~has_say] = np.nan
    is_enough = has_say.sum(axis=1) >= MIN_BLOCKS
    medians = np.full(len(outer), -1.0, np.float32)
    medians[is_enough] = np.nanmedian(agreeing[is_enough], axis=1)
    return medians, frames


def tells_of(pictures: np.ndarray) -> np.ndarray:
    """Return which pixels tell something: not the surroundings, nor what these shine into.

    Where these are nearly all, as before a black background, they are part of the picture.

    Args:
        pictures: Uint8, shape (n, 32, 32).

    Returns:
        0 or 1, float32 of the same shape.
    """
    outside = surroundings(pictures)
    for axis in (1, 2):
        wider = outside.copy()
        before, after = (np.moveaxis(some, axis, 0) for some in (outside, wider))
        after[1:] |= before[:-1]
        after[:-1] |= before[1:]
        outside = wider
    outside[(~outside).mean(axis=(1, 2)) < MIN_TELLING] = False
    return (~outside).astype(np.float32)


def _cut_out(
    outer: np.ndarray, tells: tuple[np.ndarray, np.ndarray], frames: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return what each frame shows of its picture, and which pixels count there."""
    side = outer.shape[1]
    columns = (frames[:, 0:1] + frames[:, 1:2] * _centres(side)) * side - 0.5
    rows = (frames[:, 2:3] + frames[:, 3:4] * _centres(side)) * side - 0.5
    down, across = _between(rows), _between(columns).transpose(0, 2, 1)
    counts = (down @ tells[0] @ across > ALL_TELL) * tells[1]
    counts *= _is_inside(rows)[:, :, None] * _is_inside(columns)[:, None, :]
    return down @ outer @ across, counts


def _between(places: np.ndarray) -> np.ndarray:
    """Return the weights of pixels at places between them, shape (n, side, side)."""
    pixels = np.arange(places.shape[1], dtype=np.float32)
    weights: np.ndarray = np.maximum(0, 1 - np.abs(places[:, :, None] - pixels))
    return weights


def _is_inside(places: np.ndarray) -> np.ndarray:
    inside: np.ndarray = ((places > -0.5) & (places < places.shape[1] - 0.5)).astype(np.float32)
    inside[:, :RIM] = inside[:, -RIM:] = 0
    return inside


def _step(
    outer: np.ndarray,
    inner: np.ndarray,
    tells: tuple[np.ndarray, np.ndarray],
    frames: np.ndarray,
) -> np.ndarray:
    """Return by how much to change frames, one step nearer to the least squares."""
    window, counts = _cut_out(outer, tells, frames)
    one, other = detail(window, counts, COARSE), detail(inner, counts, COARSE)
    side, centres = one.shape[1], _centres(one.shape[1])
    across, down = np.zeros_like(one), np.zeros_like(one)
    across[:, :, 1:-1] = (one[:, :, 2:] - one[:, :, :-2]) * (side / 2)
    down[:, 1:-1] = (one[:, 2:] - one[:, :-2]) * (side / 2)
    counts = counts * np.roll(counts, 1, 1) * np.roll(counts, -1, 1)
    counts = counts * np.roll(counts, 1, 2) * np.roll(counts, -1, 2)
    shared = (counts * one * other).sum(axis=(1, 2))
    gain = np.clip(shared / ((counts * one * one).sum(axis=(1, 2)) + 1e-6), 0.3, 3)
    apart = other - gain[:, None, None] * one
    spread = (counts * apart**2).sum(axis=(1, 2)) / (counts.sum(axis=(1, 2)) + 1)
    weights = counts / (1 + apart**2 / (spread[:, None, None] + 1e-6))
    across = across * (gain / frames[:, 1])[:, None, None]
    down = down * (gain / frames[:, 3])[:, None, None]
    slopes = np.stack([across, across * centres, down, down * centres[:, None]], axis=1)
    slopes = slopes.reshape(len(one), 4, -1)
    weighed = slopes * weights.reshape(len(one), 1, -1)
    normal = weighed @ slopes.transpose(0, 2, 1)
    scale = np.trace(normal, axis1=1, axis2=2)[:, None, None]
    normal = normal + np.eye(4, dtype=np.float32) * (2.5e-4 * scale + 1e-9)
    change = np.linalg.solve(normal, weighed @ apart.reshape(len(one), -1, 1))[:, :, 0]
    limited: np.ndarray = np.clip(change, -MAX_STEP, MAX_STEP).astype(np.float32)
    return limited


def _blocks(pictures: np.ndarray) -> np.ndarray:
    """Cut pictures into 4 x 4 blocks: shape (n, 16, 64)."""
    side = pictures.shape[1] // BLOCKS
    blocks = pictures.reshape(-1, BLOCKS, side, BLOCKS, side).transpose(0, 1, 3, 2, 4)
    return blocks.reshape(len(pictures), BLOCKS**2, side**2)

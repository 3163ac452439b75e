"""Write the ICC profile of an RGB colour space from its primaries and curve."""

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Point = tuple[float, float]

D65: Point = (0.3127, 0.329)
D50_XYZ = np.array([0.9642, 1.0, 0.8249])
"""The white of every ICC profile."""

BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
"""Lam, K. M., 1985: how the eye adapts from one white to another."""

CURVE_POINTS = 4096


@dataclass(frozen=True, slots=True)
class Primaries:
    """Chromaticities (x, y) of an RGB space."""

    red: Point
    green: Point
    blue: Point
    white: Point = D65

    def is_near(self, other: "Primaries", tolerance: float) -> bool:
        """Whether no coordinate differs by more."""
        own, theirs = (
            np.array([space.red, space.green, space.blue, space.white]) for space in (self, other)
        )
        return bool(np.abs(own - theirs).max() <= tolerance)


SRGB = Primaries((0.64, 0.33), (0.3, 0.6), (0.15, 0.06))
DISPLAY_P3 = Primaries((0.68, 0.32), (0.265, 0.69), (0.15, 0.06))
ADOBE_RGB = Primaries((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))

Curve = float | Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""A gamma, or what makes light of 0-1 from values of 0-1."""


def srgb_curve(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the light of values as IEC 61966-2-1 defines it."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def rgb_profile(primaries: Primaries, curve: Curve) -> bytes:
    """Make a version 4 profile of an RGB space, as ICC.1:2010 lays it out.

    Raises:
        ValueError: If these are no primaries of a colour space.
    """
    matrix = _to_d50(primaries)
    shape = _curve(curve)
    tags = [
        (b"desc", _text("RGB")),
        (b"cprt", _text("none")),
        (b"wtpt", _xyz(D50_XYZ)),
        *(
            (name + b"XYZ", _xyz(column))
            for name, column in zip((b"r", b"g", b"b"), matrix.T, strict=True)
        ),
        *((name + b"TRC", shape) for name in (b"r", b"g", b"b")),
    ]
    table, body = struct.pack(">I", len(tags)), b""
    start = 132 + 12 * len(tags)
    places: dict[bytes, int] = {}
    for name, value in tags:
        if value not in places:  # one curve serves all three channels
            places[value] = start + len(body)
            body += value + bytes(-len(value) % 4)
        table += name + struct.pack(">II", places[value], len(value))
    head = struct.pack(">I4xI", start + len(body), 0x04300000) + b"mntrRGB XYZ "
    head += struct.pack(">6H", 2020, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + _fixed(D50_XYZ)
    return head + bytes(128 - len(head)) + table + body


def _to_d50(primaries: Primaries) -> NDArray[np.float64]:
    """Return the matrix from linear RGB to XYZ, its white adapted to that of ICC profiles."""
    if not all(y > 0 for _, y in (primaries.red, primaries.green, primaries.blue, primaries.white)):
        raise ValueError("primaries without a y")
    columns = [_tristimulus(point) for point in (primaries.red, primaries.green, primaries.blue)]
    matrix, white = np.stack(columns, axis=1), _tristimulus(primaries.white)
    try:
        matrix = matrix * np.linalg.solve(matrix, white)
    except np.linalg.LinAlgError as error:
        raise ValueError("primaries on one line") from error
    gain = np.diag((BRADFORD @ D50_XYZ) / (BRADFORD @ white))
    adapted: NDArray[np.float64] = np.linalg.inv(BRADFORD) @ gain @ BRADFORD @ matrix
    if not np.abs(adapted).max() < 100:  # so written, NaN is refused too
        raise ValueError("primaries on one line")
    return adapted


def _tristimulus(point: Point) -> NDArray[np.float64]:
    x, y = point
    return np.array([x / y, 1.0, (1 - x - y) / y])


def _curve(curve: Curve) -> bytes:
    if not callable(curve):
        return b"para\0\0\0\0\0\0\0\0" + _fixed([curve])
    light = np.clip(curve(np.linspace(0, 1, CURVE_POINTS)), 0, 1)
    points = np.rint(light * 65535).astype(">u2").tobytes()
    return b"curv\0\0\0\0" + struct.pack(">I", CURVE_POINTS) + points


def _fixed(values: Iterable[float]) -> bytes:
    return b"".join(struct.pack(">i", round(float(value) * 65536)) for value in values)


def _xyz(values: NDArray[np.float64]) -> bytes:
    return b"XYZ \0\0\0\0" + _fixed(values)


def _text(text: str) -> bytes:
    letters = text.encode("utf-16-be")
    return (
        b"mluc\0\0\0\0"
        + struct.pack(">II", 1, 12)
        + b"enUS"
        + struct.pack(">II", len(letters), 28)
        + letters
    )

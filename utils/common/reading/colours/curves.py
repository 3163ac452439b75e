"""The code points of ITU-T H.273 that PNG, AVIF and HEIC name their colours by."""

import numpy as np
from numpy.typing import NDArray

from utils.common.reading.colours.icc import D65, DISPLAY_P3, SRGB, Curve, Primaries, srgb_curve

WHITE_NITS = 203
"""What is as bright as paper in HDR pictures (ITU-R BT.2408); brighter parts come out white."""

HLG_WHITE = 0.75
"""The value of the same brightness in HLG."""


def pq_curve(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return light of 0-1 for values of SMPTE ST 2084 (PQ), cut off where paper is white."""
    m1, m2 = 2610 / 16384, 2523 / 4096 * 128
    c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    root = values ** (1 / m2)
    nits = 10_000 * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)
    return np.minimum(nits / WHITE_NITS, 1)


def hlg_curve(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return light of 0-1 for values of HLG (ITU-R BT.2100), cut off where paper is white."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073

    def scene(value: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(value <= 0.5, value**2 / 3, (np.exp((value - c) / a) + b) / 12)

    return np.minimum(scene(values) / scene(np.array(HLG_WHITE)), 1)


BT_2020 = Primaries((0.708, 0.292), (0.17, 0.797), (0.131, 0.046))

PRIMARIES: dict[int, tuple[Primaries, str]] = {
    1: (SRGB, "sRGB"),
    4: (Primaries((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), (0.31, 0.316)), "BT.470 M"),
    5: (Primaries((0.64, 0.33), (0.29, 0.6), (0.15, 0.06)), "BT.601 625"),
    6: (Primaries((0.63, 0.34), (0.31, 0.595), (0.155, 0.07)), "BT.601 525"),
    7: (Primaries((0.63, 0.34), (0.31, 0.595), (0.155, 0.07)), "BT.601 525"),
    9: (BT_2020, "BT.2020"),
    11: (Primaries((0.68, 0.32), (0.265, 0.69), (0.15, 0.06), (0.314, 0.351)), "DCI P3"),
    12: (DISPLAY_P3, "Display P3"),
    22: (Primaries((0.63, 0.34), (0.295, 0.605), (0.155, 0.077), D65), "EBU 3213"),
}

TRANSFERS: dict[int, tuple[Curve, str]] = {
    1: (srgb_curve, ""),  # the curves of video are those of cameras; displays show them as sRGB
    4: (2.2, "gamma 2.2"),
    5: (2.8, "gamma 2.8"),
    6: (srgb_curve, ""),
    8: (1.0, "linear"),
    13: (srgb_curve, ""),
    14: (srgb_curve, ""),
    15: (srgb_curve, ""),
    16: (pq_curve, "PQ"),
    18: (hlg_curve, "HLG"),
}

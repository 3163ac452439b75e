"""Draw something flat: printed paper, boards, checks, stones."""

import string

import cv2
import numpy as np
from numpy.typing import NDArray

from utils.standins.sketches.backdrop import CLOTHES, WOODS, cloth, shade, table_top, wood
from utils.standins.sketches.fields import (
    Field,
    blurred,
    coordinates,
    fractal,
    lay,
    plain,
    polygon,
    ramp,
)
from utils.standins.sketches.shelf import GLAZES

PAPERS = ((0.95, 0.94, 0.92), (0.93, 0.88, 0.76), (0.96, 0.84, 0.80))
INKS = ((0.10, 0.10, 0.12), (0.12, 0.15, 0.40))
MORTARS = ((0.35, 0.33, 0.32), (0.75, 0.72, 0.68))
PAGE_HEIGHT = 460
RECEIPT_WIDTH = 330
"""In pixels; what is wider is a page without prices."""


def page(rng: np.random.Generator, width: int, height: int) -> Field:
    """Draw a receipt or a printed page on a table."""
    canvas = table_top(rng, width, height)
    ink = _print(rng, int(rng.choice((230, 320, 360, 600))))
    size = np.array(ink.shape[::-1])
    turn, zoom = rng.normal(0, 0.25), rng.uniform(0.8, 1.25) * height / PAGE_HEIGHT
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * size * zoom / 2
    corners = corners @ np.array([(np.cos(turn), np.sin(turn)), (-np.sin(turn), np.cos(turn))])
    corners += np.array([width, height]) * rng.normal(0.5, 0.06, 2)
    corners += rng.normal(0, 0.025 * width, (4, 2))
    flat = (np.array([(0, 0), (1, 0), (1, 1), (0, 1)]) * size).astype(np.float32)
    view = cv2.getPerspectiveTransform(flat, corners.astype(np.float32))
    written = cv2.warpPerspective(ink, view, (width, height), flags=cv2.INTER_LINEAR)
    sheet = plain(width, height, shade(rng, PAPERS) * np.float32(0.96))
    sheet *= 1 + fractal(rng, width, height, 3, 3) * np.float32(0.04)
    lay(sheet, shade(rng, INKS), written / np.float32(255))
    shadow = blurred(polygon(width, height, corners + 6), 6)
    canvas *= 1 - shadow * np.float32(0.5)
    lay(canvas, sheet, polygon(width, height, corners))
    return canvas


def _print(rng: np.random.Generator, width: int) -> NDArray[np.uint8]:
    """Return lines of print, 255 where there is ink; a receipt has prices, some a bar code."""
    ink = np.zeros((PAGE_HEIGHT, width), np.uint8)
    letters = np.array(list(string.ascii_letters + string.digits + "....,,      "))
    size = rng.uniform(0.38, 0.6)
    font = cv2.FONT_HERSHEY_SIMPLEX
    for y in np.arange(30, PAGE_HEIGHT - 70, 34 * size).astype(int).tolist():
        if rng.random() < 0.12:
            continue
        text = "".join(rng.choice(letters, int(rng.uniform(0.3, 0.8) * width / (19 * size))))
        cv2.putText(ink, text, (16, y), font, size, 255, 1, cv2.LINE_AA)
        if width < RECEIPT_WIDTH:
            price = f"{rng.uniform(1, 99):.2f}"
            cv2.rectangle(ink, (width - 75, y - 14), (width, y + 5), 0, cv2.FILLED)
            cv2.putText(ink, price, (width - 62, y), font, 0.4, 255, 1, cv2.LINE_AA)
    if rng.random() < 0.5:
        widths = rng.integers(1, 5, (width - 60) // 5)
        starts = 24 + np.cumsum(widths + rng.integers(1, 5, len(widths)))
        for x, bar in zip(starts.tolist(), widths.tolist(), strict=True):
            ink[PAGE_HEIGHT - 60 : PAGE_HEIGHT - 22, x : min(x + bar, width - 30)] = 255
    return ink


def pattern(rng: np.random.Generator, width: int, height: int) -> Field:
    """Draw a surface that fills the picture: boards, a checked cloth, a wall of stones, tiles."""
    kind = rng.integers(4)
    if kind == 0:
        return wood(rng, width, height, shade(rng, WOODS))
    if kind == 1:
        return _checks(rng, width, height)
    return _stones(rng, width, height, WOODS if kind == 2 else (*WOODS, *GLAZES))


def _checks(rng: np.random.Generator, width: int, height: int) -> Field:
    canvas = cloth(rng, width, height, shade(rng, CLOTHES))
    step = np.float32(2 * np.pi / rng.uniform(20, 70))
    bent = fractal(rng, width, height, 2, 2) * np.float32(0.5)
    for along in coordinates(width, height):
        lay(canvas, shade(rng, CLOTHES), ramp(np.cos(along * step + bent), 0.3, 0.4) * 0.5)
    return canvas


def _stones(
    rng: np.random.Generator, width: int, height: int, colours: tuple[tuple[float, ...], ...]
) -> Field:
    number = int(rng.integers(60, 400))
    elsewhere = np.ones((height, width), np.uint8)
    elsewhere[rng.integers(0, height, number), rng.integers(0, width, number)] = 0
    away, stone = cv2.distanceTransformWithLabels(elsewhere, cv2.DIST_L2, 5)
    palette = np.stack([shade(rng, colours) for _ in range(number + 1)], axis=1)
    canvas = palette[:, stone]
    size = np.float32(np.sqrt(width * height / number))
    canvas *= 1.15 - 0.5 * (away / size) ** 2
    canvas *= 1 + fractal(rng, width, height, 40, 3) * np.float32(0.08)
    edges = cv2.morphologyEx(stone.astype(np.float32), cv2.MORPH_GRADIENT, np.ones((3, 3))) > 0
    joints = blurred(edges.astype(np.float32), 1.0)
    lay(canvas, shade(rng, MORTARS), joints)
    return canvas

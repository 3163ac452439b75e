"""Draw a contact sheet of every kind of degradation at every severity.

    python -m benchmarks.tools.degradation_sheet FOLDER sheet.png
    python -m benchmarks.tools.degradation_sheet FOLDER haze.png --kinds haze --columns 4

Rows are kinds, columns severities from 0 (the parent) to 5. Each cell shows the same few parents,
degraded at their own size and then brought to 224 pixels, as a network sees them.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from utils.common.errors import SettingsError, run_script
from utils.common.pictures import SUFFIXES, read_picture
from utils.common.seeds import generator
from utils.quality.kind import SEVERITIES, Kind
from utils.quality.kinds import KINDS
from utils.quality.sizes import resize, shape_at

TILE = 224
TITLE_HEIGHT = 24


def main() -> None:
    """Draw the sheet."""
    arguments = parse_arguments()
    parents = read_parents(arguments.folder, arguments.pictures, arguments.side)
    kinds = [KINDS[name] for name in arguments.kinds]
    rows = [draw_row(kind, parents, arguments.columns, arguments.seed) for kind in kinds]
    sheet = cv2.cvtColor(np.concatenate(rows), cv2.COLOR_RGB2BGR)
    if not cv2.imwrite(str(arguments.output), sheet):
        raise SettingsError(f"Could not write {arguments.output}", expected="a PNG or JPEG name")
    print(f"{arguments.output}: {len(rows)} kinds, severities 0-5, {len(parents)} parents")


def parse_arguments() -> argparse.Namespace:
    """Return the command line's settings."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="pictures, looked for in all its subfolders")
    parser.add_argument("output", type=Path, help="the sheet, a PNG")
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--pictures", type=int, default=4, help="parents in each cell")
    parser.add_argument("--columns", type=int, default=2, help="parents side by side in a cell")
    parser.add_argument("--side", type=int, default=0, help="shorter side; 0 keeps the size")
    parser.add_argument("--seed", type=int, default=0, help="of all parameters but the strength")
    return parser.parse_args()


def read_parents(folder: Path, count: int, side: int) -> list[np.ndarray]:
    """Read pictures spread evenly over the folder, sorted by name."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise SettingsError(f"No pictures in {folder}", expected=f"files ending in {SUFFIXES[0]}")
    picked = [paths[i * len(paths) // count] for i in range(min(count, len(paths)))]
    return [np.array(read_picture(path.read_bytes(), side)[0]) for path in picked]


def draw_row(kind: Kind, parents: list[np.ndarray], columns: int, seed: int) -> np.ndarray:
    """Draw one kind from severity 0 to 5, its other parameters fixed for each parent."""
    cells = [draw_cell(parents, columns)]
    for severity in SEVERITIES:
        degraded = [
            kind.apply(parent, **kind.draw(generator(seed, kind.name, i), severity))
            for i, parent in enumerate(parents)
        ]
        cells.append(draw_cell(degraded, columns))
    row = np.concatenate(cells, axis=1)
    title = np.full((TITLE_HEIGHT, row.shape[1], 3), 255, np.uint8)
    place = (4, TITLE_HEIGHT - 7)
    cv2.putText(title, kind.title, place, cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 0, 0))
    return np.concatenate([title, row])


def draw_cell(pictures: list[np.ndarray], columns: int) -> np.ndarray:
    """Place the middles of pictures, shorter side 224 pixels, in rows of `columns`."""
    lines = -(-len(pictures) // columns)
    cell = np.full((lines * TILE + 2, columns * TILE + 2, 3), 255, np.uint8)
    for i, picture in enumerate(pictures):
        small = resize(picture, shape_at(picture.shape, TILE), cv2.INTER_CUBIC)
        top, left = (small.shape[0] - TILE) // 2, (small.shape[1] - TILE) // 2
        y, x = i // columns * TILE, i % columns * TILE
        cell[y : y + TILE, x : x + TILE] = small[top : top + TILE, left : left + TILE]
    return cell


if __name__ == "__main__":
    run_script(main)

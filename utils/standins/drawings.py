"""Draw small stand-ins for the collections into a folder, in their real layouts.

They let the whole suite run before anything is downloaded, and they are what the tests read.
"""

import contextlib
import functools
import multiprocessing
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import cv2

from utils.common.cli.console import progress
from utils.common.disk.writing import is_clutter, write_bytes, write_text
from utils.common.errors import SettingsError, shortlist
from utils.common.system.processors import pool_size
from utils.standins.layouts import STAND_INS
from utils.standins.layouts.drawing import Drawing, draw_file
from utils.standins.layouts.plan import Plan
from utils.standins.sharing import share_out

MARK = "DRAWINGS.txt"
"""Says of a folder that all in it is drawn."""

NUM_PICTURES = 360
"""About how many different pictures of each class are drawn, over all collections."""


def draw_all_data(
    all_data: Path,
    pictures: int = NUM_PICTURES,
    seed: int = 0,
    workers: int = 0,
    only: Collection[str] = (),
) -> dict[str, int]:
    """Draw the collections below `all_data`; pictures that are there already are kept.

    A file's content follows from the seed and its name alone, so neither the number of workers
    nor that of pictures changes it, nor what else is drawn.

    Args:
        all_data: Folder to fill.
        pictures: About how many different pictures of each class to draw, over all collections
            that there are.
        seed: Another seed gives other pictures under the same names.
        workers: Processes to draw with, 0 for one per core.
        only: Short names of the collections to draw, all of them if it is empty.

    Returns:
        Number of picture files by the collection's short name.

    Raises:
        SettingsError: If other things than drawings lie there.
    """
    _claim(all_data)
    numbers = share_out(STAND_INS, pictures)
    plans = {
        name: stand_in.plan(numbers[name])
        for name, stand_in in STAND_INS.items()
        if not only or name in only
    }
    return _draw(plans, all_data, seed, pool_size(workers))


def _claim(all_data: Path) -> None:
    """Mark a folder as one of drawings, so that these never mix with what somebody downloaded."""
    mark = all_data / MARK
    if mark.exists():
        return
    found = sorted(path.name for path in all_data.glob("*") if not is_clutter(path.name))
    if found:
        raise SettingsError(
            f"{all_data} holds {shortlist(found)} and no {MARK}, so it may be more than drawings",
            expected="an empty folder, or none, for --demo",
            todo="Remove it (make clean), or name another with --all-data",
        )
    write_text(mark, "All pictures and tables in this folder are drawn: nobody's skin.\n")


def _draw(plans: Mapping[str, Plan], all_data: Path, seed: int, workers: int) -> dict[str, int]:
    paths = {name: path for plan in plans.values() for name, path in plan.drawn(all_data).items()}
    planned = _merged(drawing for plan in plans.values() for drawing in plan.drawings)
    missing = [drawing for drawing in planned if drawing.name not in paths]
    work = functools.partial(draw_file, all_data=all_data, seed=seed)
    with _mapping(workers) as map_over:
        done = progress(
            map_over(work, missing), total=len(missing), desc="Drawing", unit="pictures"
        )
        paths |= {drawing.name: path for drawing, path in zip(missing, done, strict=True)}
    for plan in plans.values():
        tables = plan.tables([paths[drawing.name] for drawing in plan.drawings])
        for path, text in tables.items():
            write_bytes(all_data / path, text.encode("utf-8"))
    return {
        name: sum(len(drawing.paths) for drawing in plan.drawings) for name, plan in plans.items()
    }


def _merged(drawings: Iterable[Drawing]) -> list[Drawing]:
    """Join the drawings of one name, so that what two collections share is drawn once."""
    by_name: dict[str, Drawing] = {}
    for drawing in drawings:
        known = by_name.get(drawing.name)
        paths = (*known.paths, *drawing.paths) if known else drawing.paths
        by_name[drawing.name] = replace(drawing, paths=paths)
    return list(by_name.values())


@contextlib.contextmanager
def _mapping(workers: int) -> Iterator[Callable[..., Iterable[str]]]:
    """Yield a `map` that works in as many processes as asked for."""
    if workers == 1:
        yield map
        return
    # Spawned, not forked: the same on every system, and safe beside OpenCV's threads, of which
    # each process needs just the one.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, cv2.setNumThreads, (1,)) as pool:
        yield functools.partial(pool.map, chunksize=8)

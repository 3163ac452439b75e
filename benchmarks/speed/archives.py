"""Time of reading published archives, as a multiple of that of reading unpacked folders.

    python -m benchmarks.speed.archives                 about 500 drawn pictures of each class
    python -m benchmarks.speed.archives --quick         about 150

What is timed, in turns, is what an assembly does before it writes: list everything and read, check
and shrink each picture, in processes that run already. Where the zips inside the zip of PAD-UFES-20
are compressed, and for compressed tars, that includes unpacking them, which only a first run does.
"""

import argparse
import hashlib
import statistics
import tempfile
import time
from pathlib import Path

from utils.common.cli.console import table
from utils.common.errors import run_script
from utils.common.limits import MAX_PIXELS
from utils.dataset.images.pool import ProcessPool
from utils.dataset.images.prepare import PictureJob, prepare_picture
from utils.sources.files.tree import FileTree, is_picture
from utils.standins.drawings import draw_all_data
from utils.standins.packing import DEFLATED, STORED, pack_all_data

WORKERS = 2
SIDE = 256
LIMIT = 1.2


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a third of the pictures")
    is_quick = parser.parse_args().quick
    num_pairs = 5 if is_quick else 9
    with tempfile.TemporaryDirectory() as name, ProcessPool(WORKERS) as pool:
        folder = Path(name)
        num_files = sum(draw_all_data(folder / "folders", 150 if is_quick else 500).values())
        rows = []
        for title, method in (("stored", STORED), ("deflated", DEFLATED)):
            pack_all_data(folder / "folders", folder / title, method)
            row = compare(pool, folder / "folders", folder / title, num_pairs)
            rows.append([f"zips in a zip {title}", *row])
    print(f"{num_files:,} files, {WORKERS} workers, medians of {num_pairs} pairs in turns")
    header = ["archives", "folders s", "archives s", "ratio", "least", "most", f"limit {LIMIT}"]
    print(table(header, rows))


def compare(pool: ProcessPool, folders: Path, archives: Path, num_pairs: int) -> list[object]:
    """Read both in turns and return seconds, ratios and the verdict."""
    pairs = [(read(pool, folders), read(pool, archives)) for _ in range(num_pairs + 1)]
    assert len({found for pair in pairs for _, found in pair}) == 1, "the pictures differ"
    seconds = [(of_folders[0], of_archives[0]) for of_folders, of_archives in pairs[1:]]
    ratios = sorted(of_archives / of_folders for of_folders, of_archives in seconds)
    ratio = statistics.median(ratios)
    medians = [round(statistics.median(times), 2) for times in zip(*seconds, strict=True)]
    verdict = "within" if ratio <= LIMIT else "ABOVE"
    return [*medians, *(round(value, 3) for value in (ratio, ratios[0], ratios[-1])), verdict]


def read(pool: ProcessPool, all_data: Path) -> tuple[float, str]:
    """Read all pictures; return the seconds and a hash of what they were found to be."""
    with tempfile.TemporaryDirectory() as state:
        started = time.perf_counter()
        tree = FileTree.scan(all_data, Path(state))
        paths = [path for path in tree.files if is_picture(path)]
        jobs = [
            PictureJob(0, tree.originals.locate(path), None, SIDE, "", 1, MAX_PIXELS)
            for path in paths
        ]
        batches = pool.run(prepare_picture, jobs, len(jobs), "Reading")
        found = sorted(result.sha256 for batch in batches for result in batch)
        seconds = time.perf_counter() - started
    return seconds, hashlib.sha256(b"".join(found)).hexdigest()


if __name__ == "__main__":
    run_script(main)

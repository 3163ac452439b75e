"""Speed and memory of the assembly, as ratios measured in one run.

    python -m benchmarks.speed.create_dataset                 all tables
    python -m benchmarks.speed.create_dataset --quick         a tenth of the pictures
    python -m benchmarks.speed.create_dataset --only pyvips   one table alone
    python -m benchmarks.speed.create_dataset --scale 100000  so many of 600 x 450, nothing else:
                                                        half an hour, and 15 GB below --folder

Against pyvips (pip install pyvips pyvips-binary), which only shrinks and saves: ours also hashes,
checks, looks for copies, notes and certifies.
"""

import argparse
import importlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from utils.common.cli.console import progress, table
from utils.common.disk.location import Location
from utils.common.errors import SettingsError, run_script
from utils.common.pictures import JPEG_QUALITY, fit_shorter_side
from utils.common.seeds import generator
from utils.dataset.images.pool import ProcessPool
from utils.dataset.images.prepare import PictureJob, prepare_picture
from utils.dataset.leakage.likeness import SIDE, find_copies

ROOT = Path(__file__).resolve().parents[2]
SIZES = {
    "JPEG 600 x 450": (600, 450, "JPEG", 1200),
    "JPEG 1024 x 1024": (1024, 1024, "JPEG", 600),
    "JPEG 4000 x 3000": (4000, 3000, "JPEG", 100),
    "PNG 2000 x 1500": (2000, 1500, "PNG", 100),
}
"""Width, height, format and number of pictures."""

GROWTH = (5_000, 20_000, 80_000)
SMALL = (160, 120, "JPEG")
WORKERS = 2
REPEATS = 3
SHORTER_SIDE = 256
SEARCHED = (25_000, 50_000, 100_000)
BLOCK_BYTES = 512
"""In which st_blocks counts."""

SCALED = (
    "imagenet-mini/train/n01440764/n01440764_{}.jpg",
    "hospital_varese/train/{}.jpg",
    "ISIC_2019_Training_Input/ISIC_{:07}.jpg",
)
"""Pictures that need no table, of three classes."""

PARTS = ("pyvips", "growth", "search")
LIMIT_VIPS, LIMIT_GROWTH, LIMIT_SECOND, LIMIT_KIB, LIMIT_DOUBLING = 1.5, 1.2, 0.05, 2.0, 2.3


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the pictures")
    parser.add_argument("--only", choices=PARTS, help="one table alone")
    parser.add_argument("--scale", type=int, help="assemble so many pictures, and nothing else")
    parser.add_argument("--folder", type=Path, help="of temporary files (default: the system's)")
    given = parser.parse_args()
    share = 10 if given.quick else 1
    print(f"{os.cpu_count()} processors, {WORKERS} workers")
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        if given.scale:
            print(scale(Path(folder), given.scale))
            return
        tables = {
            "pyvips": lambda: against_vips(Path(folder), share),
            "growth": lambda: growth(Path(folder), share),
            "search": lambda: search(share),
        }
        for name in [given.only] if given.only else PARTS:
            print(f"{tables[name]()}\n")


def against_vips(folder: Path, share: int) -> str:
    """Time our worker function against pyvips, taking turns, and return a table."""
    try:
        importlib.import_module("pyvips")
    except ImportError:
        raise SettingsError(
            "pyvips is not installed", todo="Install it: pip install pyvips pyvips-binary"
        ) from None
    rows = []
    with ProcessPool(WORKERS) as own, ProcessPoolExecutor(WORKERS, get_context("spawn")) as theirs:
        for title, (width, height, file_format, count) in SIZES.items():
            source = folder / title.replace(" ", "")
            paths = draw_many(source, max(8, count // share), width, height, file_format)
            run_ours(own, paths[:8], folder)  # starts the processes
            run_vips(theirs, paths[:8], folder)
            pairs = [
                (run_ours(own, paths, folder), run_vips(theirs, paths, folder))
                for _ in range(REPEATS)
            ]
            ratio = statistics.median(ours / vips for ours, vips in pairs)
            ours, vips = (1000 * min(times) / len(paths) for times in zip(*pairs, strict=True))
            verdict = "within" if ratio <= LIMIT_VIPS else "ABOVE"
            rows.append(
                [title, len(paths), round(ours, 2), round(vips, 2), round(ratio, 2), verdict]
            )
    header = ["originals", "files", "ours ms", "pyvips ms", "ratio", f"limit {LIMIT_VIPS}"]
    return table(header, rows)


def run_ours(pool: ProcessPool, paths: list[Path], folder: Path) -> float:
    """Prepare pictures as the assembly does and return the seconds."""
    jobs = []
    for number, path in enumerate(paths):
        target = folder / f"ours/{number % 64}/{number}.jpg"
        jobs.append(PictureJob(number, Location(str(path)), target, SHORTER_SIDE, "", 1, 10**9))
    started = time.perf_counter()
    for _ in pool.run(prepare_picture, jobs, len(jobs), "ours"):
        pass
    return time.perf_counter() - started


def run_vips(pool: ProcessPoolExecutor, paths: list[Path], folder: Path) -> float:
    """Let pyvips make thumbnails of the same size and quality and return the seconds."""
    jobs = [(path, folder / f"vips{number}.jpg") for number, path in enumerate(paths)]
    started = time.perf_counter()
    for _ in pool.map(shrink_by_vips, jobs, chunksize=8):
        pass
    return time.perf_counter() - started


def shrink_by_vips(job: tuple[Path, Path]) -> None:
    """Shrink and save one picture by pyvips, one thread."""
    os.environ["VIPS_CONCURRENCY"] = "1"
    import pyvips

    source, target = job
    with Image.open(source) as image:
        width, height = fit_shorter_side(image.size, SHORTER_SIDE)
    thumbnail = pyvips.Image.thumbnail(str(source), width, height=height, size="force")
    thumbnail.jpegsave(str(target), Q=JPEG_QUALITY)


def growth(folder: Path, share: int) -> str:
    """Assemble ever more small files, twice each, and return a table."""
    rows = []
    for count in (size // share for size in GROWTH):
        all_data, output = folder / f"in{count}", folder / f"out{count}"
        draw_many(all_data / "hospital_varese" / "train", count, *SMALL)
        first, kib = assemble(all_data, output, "--low-quality", "0")
        second, _ = assemble(all_data, output, "--low-quality", "0")
        rows.append([count, first, second, kib])
    base = rows[0][1] / rows[0][0]
    shown = [
        [
            count,
            round(1000 * first / count, 2),
            round(first / count / base, 2),
            f"{second / first:.1%}",
            round(kib / 1024),
            round((kib - rows[0][3]) / (count - rows[0][0]), 2) if count > rows[0][0] else 0.0,
        ]
        for count, first, second, kib in rows
    ]
    header = [
        "files", "ms each", f"x first row (limit {LIMIT_GROWTH})",
        f"second run (limit {LIMIT_SECOND:.0%})", "peak MiB",
        f"KiB more each (limit {LIMIT_KIB:g})",
    ]  # fmt: skip
    return table(header, shown)


def scale(folder: Path, count: int) -> str:
    """Assemble many pictures of a usual size as a user would, twice, and return a table."""
    from benchmarks.speed.memory import (
        proportional_bytes,  # and PyTorch with it, which the workers do without
    )

    all_data, output = folder / "ALL_DATA", folder / "DATASET"
    jobs = []
    for number in range(count):
        form = SCALED[number % len(SCALED)]
        jobs.append(all_data / form.format(number // len(SCALED)))
        jobs[-1].parent.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(WORKERS) as pool:
        drawn = pool.map(
            partial(draw, width=600, height=450, file_format="JPEG"), jobs, chunksize=64
        )
        for _ in progress(drawn, total=count, desc="Drawing", unit="pictures"):
            pass
    first, kib = assemble(
        all_data, output, look=lambda pid: proportional_bytes(pid) // 1024, pause_s=1.0
    )
    second, _ = assemble(all_data, output)
    written = sum(1 for _ in output.rglob("*.jpg"))
    header = ["originals", "GB", "minutes", "ms each", "written", "GB", "peak MiB", "second run"]
    row = [
        count, gigabytes(all_data), round(first / 60, 1), round(1000 * first / count, 2), written,
        gigabytes(output), round(kib / 1024), f"{second / first:.1%}",
    ]  # fmt: skip
    return table(header, [row])


def gigabytes(folder: Path) -> float:
    """Return what all files below a folder take of the disk, in whole blocks where it tells."""
    found = (path.stat() for path in folder.rglob("*") if path.is_file())
    taken = sum(getattr(file, "st_blocks", 0) * BLOCK_BYTES or file.st_size for file in found)
    return round(taken / 1e9, 2)


def assemble(
    all_data: Path,
    output: Path,
    *flags: str,
    look: Callable[[int], int] | None = None,
    pause_s: float = 0.02,
) -> tuple[float, int]:
    """Run the script; return its seconds and its peak memory in KiB.

    Args:
        all_data: Its sources.
        output: Its data set.
        *flags: More flags.
        look: Tells the memory by the process's id; by default that of the main process.
        pause_s: Between two looks.
    """
    look = look or read_peak_kib
    command = [sys.executable, str(ROOT / "create_dataset.py"), "--no-download", "--allow-empty"]
    command += ["--all-data", str(all_data), "--output", str(output), *flags]
    started = time.perf_counter()
    process = subprocess.Popen([*command, "--workers", str(WORKERS)], stdout=subprocess.DEVNULL)
    peak_kib = 0
    while process.poll() is None:
        peak_kib = max(peak_kib, look(process.pid))
        time.sleep(pause_s)
    if process.returncode:
        raise SystemExit("create_dataset.py failed")
    return time.perf_counter() - started, peak_kib


def read_peak_kib(pid: int) -> int:
    """Return a living process's own peak memory (Linux; 0 elsewhere).

    What `wait4` tells would be no less than the memory of the process that started it.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    lines = dict(line.split(":", 1) for line in status.splitlines())
    return int(lines.get("VmHWM", "0 kB").split()[0])


def search(share: int) -> str:
    """Search ever more thumbnails for copies and return a table."""
    thumbnails = draw_thumbnails(max(SEARCHED) // share)
    find_copies(thumbnails[:1000])  # loads what is loaded late
    rows: list[list[object]] = []
    before = 0.0
    for count in (size // share for size in SEARCHED):
        started = time.perf_counter()
        pairs = find_copies(thumbnails[:count])
        seconds = time.perf_counter() - started
        ratio = round(seconds / before, 2) if before else 1.0
        rows.append([count, round(1e6 * seconds / count, 1), ratio, len(pairs)])
        before = seconds
    header = ["thumbnails", "us each", f"x row above (limit {LIMIT_DOUBLING})", "pairs found"]
    return table(header, rows)


def draw_thumbnails(count: int) -> list[bytes]:
    """Draw what dermoscopy comes to at 32 x 32 pixels: the same spread of low frequencies.

    Of 140 pictures of HAM10000 the terms of the cosine transform have standard deviations of
    about 10 grey levels over their distance from the mean; some pictures are plainer than others.
    """
    rng = generator("benchmark thumbnails", count)
    row = np.arange(SIDE, dtype=np.float32)
    distance = np.maximum(1, np.hypot(row[:, None], row))
    terms = rng.standard_normal((count, SIDE, SIDE), np.float32) * (10 * SIDE / distance)
    terms *= rng.gamma(4, 0.25, (count, 1, 1)).astype(np.float32)
    terms[:, 0, 0] = 160 * SIDE
    grey = (cv2.idct(picture) for picture in terms)
    return [np.clip(pixels, 0, 255).astype(np.uint8).tobytes() for pixels in grey]


def draw_many(folder: Path, count: int, width: int, height: int, file_format: str) -> list[Path]:
    """Draw pictures with detail at all scales, another one for each file name."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:06}.{file_format.lower()}" for number in range(count)]
    for path in progress(paths, desc="Drawing", unit="pictures"):
        draw(path, width, height, file_format)
    return paths


def draw(path: Path, width: int, height: int, file_format: str) -> None:
    """Draw a picture with detail at all scales, another one for each file name."""
    rng = generator("benchmark", path.name)
    grid = rng.integers(40, 216, (6, 8, 3)).astype(np.uint8)
    pixels = cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.int16)
    tile = rng.integers(-9, 10, (256, 256, 1), np.int16)
    tiles = np.tile(tile, (height // 256 + 1, width // 256 + 1, 1))[:height, :width]
    picture = Image.fromarray(np.clip(pixels + tiles, 0, 255).astype(np.uint8))
    picture.save(path, file_format, **({"quality": 92} if file_format == "JPEG" else {}))


if __name__ == "__main__":
    run_script(main)

"""Whatever lies in a folder, both scripts end well, and each file of it is accounted for."""

import csv
import os
import re
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.oddities import drawn, encode, write_oddities
from tests.preloaded import Preloaded
from utils.common.labels import LOW_QUALITY

ROOT = Path(__file__).parent.parent
MEMBERS = {"backslashes.zip": 2, "inner.zip": 2, "plain.tar.gz": 1}
"""Archives that can be read, and how many files are in them; of zips in zips, those in these."""

MOST_KIB = 3 * 2**20
"""Of memory, for one process: libraries and one large picture, not eight gigabytes."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a collection's folder with one file of every oddity; only to be read."""
    place = tmp_path_factory.mktemp("odd") / "ALL_DATA/imagenet-mini/train/n01440764"
    place.mkdir(parents=True)
    write_oddities(place)
    return place


def files_below(folder: Path) -> list[str]:
    """Return the paths of all files, those of readable archives in place of these."""
    found = []
    for path in folder.rglob("*"):
        if path.is_symlink() or not path.is_dir():
            name = path.relative_to(folder).as_posix()
            found += [f"{name}/{number}" for number in range(MEMBERS.get(name, 0))] or [name]
    return found


def run(preloaded: Preloaded, *arguments: object) -> SimpleNamespace:
    """Run a script and tell its end, what it said, and the most memory that any process took."""
    before = time.monotonic()
    code = "\n".join(
        (
            "import resource, runpy, sys",
            f"sys.argv = {[str(argument) for argument in arguments]!r}",
            "try: runpy.run_path(sys.argv[0], run_name='__main__')",
            "finally:",
            "    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)",
            "    most = max(resource.getrusage(kind).ru_maxrss for kind in kinds)",
            "    print('PEAK', most, file=sys.stderr)",
        )
    )
    done = preloaded.run(*(arguments if os.name == "nt" else ("-c", code)))
    peak = re.search(r"^PEAK (\d+)$", done.stderr, re.MULTILINE)
    seconds = time.monotonic() - before
    print(f"{arguments[0]}: {seconds:.1f} s, {int(peak[1]) / 1024 if peak else 0:.0f} MiB")
    return SimpleNamespace(
        code=done.returncode, out=done.stdout, err=done.stderr, peak=int(peak[1]) if peak else 0
    )


def test_the_assembly_accounts_for_each(preloaded: Preloaded, folder: Path, tmp_path: Path) -> None:
    all_data, output = folder.parents[2], tmp_path / "DATASET"
    done = run(
        preloaded,
        *("create_dataset.py", "--all-data", all_data, "--output", output),
        *("--no-download", "--allow-empty", "--workers", 2),
    )
    assert done.code == 0
    assert "Traceback" not in done.out + done.err
    assert "\x1b" not in done.out + done.err
    assert not any(line.startswith("Error: forged") for line in done.out.splitlines())
    assert done.peak < MOST_KIB

    told = re.search(
        r"^(\d+) files in .* = (\d+) pictures \+ (\d+) left out by a rule \+ (\d+) tables and "
        r"texts \+ (\d+) not understood$",
        done.out, re.MULTILINE,
    )  # fmt: skip
    assert told is not None, done.out
    total, pictures, left_out, texts, strangers = map(int, told.groups())
    assert total == len(files_below(folder)) == pictures + left_out + texts + strangers

    def rows(name: str) -> list[dict[str, str]]:
        with (output / name).open(newline="", encoding="utf-8") as stream:
            return list(csv.DictReader(stream))

    kept = [row for row in rows("manifest.csv") if row["label"] != LOW_QUALITY]
    rejected = rows("rejected.csv")
    assert len(rows("left_out.csv")) == left_out
    assert sum(row["reason"] == "not understood" for row in rejected) == strangers
    assert len(kept) + len(rejected) == pictures + strangers
    assert re.search(rf"^imagenet_mini +\d+ +{len(kept)} ", done.out, re.MULTILINE)


def test_predict_gives_each_a_row_or_counts_it(
    preloaded: Preloaded, folder: Path, bundle: Path, tmp_path: Path
) -> None:
    target = tmp_path / "rows.csv"
    done = run(
        preloaded, "predict.py", bundle, folder, "--output", target, "--device", "cpu", "-j", 2
    )
    assert done.code == 3
    assert "Traceback" not in done.out + done.err
    assert "\x1b" not in done.out + done.err
    assert done.peak < MOST_KIB
    with target.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    others = re.search(r"(\d+) files were not looked at: (.*)", done.out + done.err)
    assert others is not None
    assert len(rows) + int(others[1]) == len(files_below(folder))
    readable = {Path(row["file"]).name for row in rows if not row["error"]}
    assert {"plain.jpg", "plain.avif", "no_ending", "a.jpg", "c.jpg", "e.jpg"} <= readable
    broken = {Path(row["file"]).name for row in rows if row["error"]}
    assert {"cut.jpg", "zeroed.jpg", "scans.jpg", "postscript.jpg", "sparse.jpg"} <= broken


def test_a_picture_reads_the_same_in_a_folder_and_in_an_archive(
    preloaded: Preloaded, bundle: Path, tmp_path: Path, encode_all: Callable[[], dict[str, bytes]]
) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for name, content in encode_all().items():
            archive.writestr(name, content)
    (tmp_path / "all").mkdir()
    for name, content in encode_all().items():
        (tmp_path / "all" / name).write_bytes(content)
    answers = []
    for given in ("all", "all.zip"):
        target = tmp_path / f"{given}.csv"
        flags = ("--output", target, "--device", "cpu", "-j", 0)
        run(preloaded, "predict.py", bundle, tmp_path / given, *flags)
        with target.open(newline="", encoding="utf-8") as stream:
            answers.append([list(row.values())[1:] for row in csv.DictReader(stream)])
    assert answers[0] == answers[1]


@pytest.fixture
def encode_all() -> Callable[[], dict[str, bytes]]:
    kinds = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP", "tif": "TIFF", "avif": "AVIF"}
    return lambda: {
        f"{ending}.{ending}": encode(drawn(number, (300, 220)), kind)
        for number, (ending, kind) in enumerate(kinds.items())
    }

"""Collections as they were published and the same unpacked by hand give one data set."""

import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

import create_dataset
from utils.common.errors import run_script
from utils.dataset.output.manifest import MANIFEST_NAME, read_manifest
from utils.sources.catalog import NAMES
from utils.sources.files.archives.names import stem_of
from utils.standins.layouts import STAND_INS
from utils.standins.packing import DEFLATED, STORED, pack_all_data

ROOT = Path(__file__).resolve().parents[1]
NUM_KILLS = int(os.environ.get("SKIN_NUM_KILLS", "2"))
ARCHIVES = {name: entry.archive.name for name, entry in STAND_INS.items() if entry.archive}
FLAGS = ("--no-download", "--image-size", "64", "--workers")


def unpack_by_hand(packed: Path, target: Path) -> None:
    """Unpack archives as a user would: in place, several things into a folder."""
    target.mkdir()
    for path in sorted(packed.iterdir()):
        if tarfile.is_tarfile(path):
            with tarfile.open(path) as archive:
                archive.extractall(target, filter="data")
        elif zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                tops = {name.partition("/")[0] for name in archive.namelist()}
                folder = target / path.stem if len(tops) > 1 else target
                archive.extractall(folder)
            for inner in folder.rglob("*.zip"):
                with zipfile.ZipFile(inner) as archive:
                    archive.extractall(inner.parent)
                inner.unlink()
        else:
            (target / path.name).write_bytes(path.read_bytes())


def create(all_data: Path, output: Path, *flags: str, workers: int = 1) -> None:
    folders = ["--all-data", str(all_data), "--output", str(output)]
    create_dataset.main([*folders, *FLAGS, str(workers), *flags])


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory, drawn_all_data: Path) -> Path:
    folder = tmp_path_factory.mktemp("packed") / "ALL_DATA"
    pack_all_data(drawn_all_data, folder)
    return folder


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory: pytest.TempPathFactory, packed: Path) -> Path:
    folder = tmp_path_factory.mktemp("by_hand") / "ALL_DATA"
    unpack_by_hand(packed, folder)
    return folder


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory, by_hand: Path, snapshot) -> dict[str, bytes]:
    output = tmp_path_factory.mktemp("expected") / "DATASET"
    create(by_hand, output)
    assert {row.source for row in read_manifest(output)} == set(NAMES)
    return snapshot(output)


@pytest.mark.slow
@pytest.mark.parametrize(("method", "workers"), [(DEFLATED, 1), (STORED, 2)])
def test_published_archives_give_what_unpacked_folders_give(
    drawn_all_data: Path, expected, tmp_path: Path, snapshot, capsys, method: int, workers: int
) -> None:
    all_data, output = tmp_path / "ALL_DATA", tmp_path / "DATASET"
    pack_all_data(drawn_all_data, all_data, method)
    before = snapshot(all_data)
    create(all_data, output, workers=workers)
    found = snapshot(output)
    assert found[MANIFEST_NAME] == expected[MANIFEST_NAME]
    assert found == expected
    assert snapshot(all_data) == before
    create(all_data, output)
    assert "No picture written: " in capsys.readouterr().out


@pytest.mark.slow
def test_each_collection_alone_is_known_by_its_archive(
    packed: Path, by_hand: Path, tmp_path: Path, snapshot
) -> None:
    for name in NAMES:
        flags = ("--only", name, "--allow-empty", "--low-quality", "0")
        create(packed, tmp_path / "archives", *flags, "--fresh")
        create(by_hand, tmp_path / "folders", *flags, "--fresh")
        found = snapshot(tmp_path / "archives")
        assert found == snapshot(tmp_path / "folders")
        assert len(found) > 5, name


@pytest.mark.slow
def test_archives_may_lie_in_folders_under_any_name(
    packed: Path, expected, tmp_path: Path, snapshot
) -> None:
    """Where they lie, and their names, stand in the column of originals and nowhere else."""
    all_data = tmp_path / "ALL_DATA"
    for number, path in enumerate(sorted(packed.iterdir())):
        archive = path.suffix in (".zip", ".tar", ".gz")
        is_loose = path.name == ARCHIVES["hiba"]
        target = all_data / (f"hospital_buenos_aires/{number}" if is_loose else "got")
        target = target / (f"download {number}" if archive else path.name)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    create(all_data, tmp_path / "DATASET")
    found = snapshot(tmp_path / "DATASET")
    changing = (MANIFEST_NAME, "rejected.csv", "leak_report.json")
    assert {path for path in found if path not in changing} == {
        path for path in expected if path not in changing
    }
    assert all(found[path] == expected[path] for path in found if path.endswith(".jpg"))


def test_a_dry_run_counts_the_same_and_leaves_nothing(
    packed: Path, by_hand: Path, tmp_path: Path, capsys
) -> None:
    create(packed, tmp_path / "DATASET", "--dry-run")
    of_archives = capsys.readouterr().out
    create(by_hand, tmp_path / "DATASET", "--dry-run")
    assert capsys.readouterr().out == of_archives.replace(str(packed), str(by_hand))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_changed_archive_is_noticed(
    drawn_all_data: Path, tmp_path: Path, snapshot, encode, make_picture
) -> None:
    all_data = tmp_path / "ALL_DATA"
    pack_all_data(drawn_all_data, all_data)
    create(all_data, tmp_path / "DATASET")
    num_unpacked = len(list((tmp_path / "DATASET/.state/unpacked").iterdir()))
    with zipfile.ZipFile(all_data / ARCHIVES["imagenet_mini"], "a") as archive:
        content = encode(make_picture(9, 300, 200))
        archive.writestr("imagenet-mini/train/n01440764/n01440764_31000.JPEG", content)
    pad = ARCHIVES["pad_ufes_20"]
    with zipfile.ZipFile(io.BytesIO((all_data / pad).read_bytes())) as before:
        names = before.namelist()
        kept = {name: before.read(name) for name in names if not name.endswith("_3.zip")}
    with zipfile.ZipFile(all_data / pad, "w", DEFLATED) as archive:
        for name, content in kept.items():
            archive.writestr(name, content)
    create(all_data, tmp_path / "DATASET")
    originals = {row.original for row in read_manifest(tmp_path / "DATASET")}
    assert any("n01440764_31000" in original for original in originals)
    assert not any("imgs_part_3" in original for original in originals)
    assert any(f"{stem_of(pad)}/images/imgs_part_1" in original for original in originals)
    create(all_data, tmp_path / "FRESH")
    assert snapshot(tmp_path / "DATASET") == snapshot(tmp_path / "FRESH")
    unpacked = [
        len(list((tmp_path / n / ".state/unpacked").iterdir())) for n in ("DATASET", "FRESH")
    ]
    assert unpacked[0] == unpacked[1] == num_unpacked - 1  # one part of PAD-UFES-20 is gone


@pytest.mark.slow
def test_a_damaged_member_is_a_damaged_picture(
    drawn_all_data: Path, tmp_path: Path, capsys
) -> None:
    all_data = tmp_path / "ALL_DATA"
    pack_all_data(drawn_all_data, all_data)
    path = all_data / ARCHIVES["imagenet_mini"]
    with zipfile.ZipFile(path) as archive:
        victim = archive.infolist()[2]
    content = bytearray(path.read_bytes())
    content[victim.header_offset + 30 + len(victim.filename) + victim.compress_size // 2] ^= 255
    path.write_bytes(content)
    create(all_data, tmp_path / "DATASET")
    rows = (tmp_path / "DATASET/rejected.csv").read_text().splitlines()[1:]
    assert [row.split(",")[:3] for row in rows] == [[victim.filename, "imagenet_mini", "damaged"]]
    found = re.search(r"^imagenet_mini +(\d+) +(\d+) +0 +1 +0 +0$", capsys.readouterr().out, re.M)
    assert found
    assert int(found[1]) == int(found[2]) + 1


HOSTILE_ROWS = {
    "hospital_buenos_aires/metadata.csv": 0,
    "release_v0/meta/meta.csv": 15,
    "fitzpatrick17k/fitzpatrick17k.csv": 0,
    "ISIC_2019_Training_Metadata.csv": 0,
}
"""Tables, and which of their columns names pictures."""


@pytest.mark.parametrize("name", ["../../x.jpg", "..\\..\\x.jpg", "/etc/x.jpg", "C:\\x.jpg"])
@pytest.mark.parametrize("table", HOSTILE_ROWS)
def test_a_table_that_names_files_elsewhere_is_refused_in_one_line(
    drawn_all_data: Path, tmp_path: Path, snapshot, capsys, table: str, name: str
) -> None:
    all_data = tmp_path / "ALL_DATA"
    shutil.copytree(drawn_all_data, all_data)
    header, row, *rows = (all_data / table).read_text().splitlines()
    cells = row.split(",")
    cells[HOSTILE_ROWS[table]] = name
    (all_data / table).write_text("\n".join([header, *rows, ",".join(cells), ""]))
    (tmp_path / "x.jpg").write_bytes(b"secret")
    before = snapshot(tmp_path)
    with pytest.raises(SystemExit) as left:
        run_script(lambda: create(all_data, tmp_path / "DATASET"))
    error = capsys.readouterr().err
    assert (left.value.code, error.count("\n")) == (2, 1)
    column = header.split(",")[HOSTILE_ROWS[table]]
    place = f"(row {len(rows) + 1}, column {column})"
    assert error.startswith(f"Error: {all_data / table} names {name!r} {place}. Expected ")
    assert snapshot(tmp_path) == before


@pytest.mark.slow
def test_killed_while_it_reads_archives_it_ends_the_same(
    packed: Path, tmp_path: Path, snapshot
) -> None:
    def command(output: Path) -> list[str]:
        folders = ["--all-data", str(packed), "--output", str(output)]
        return [sys.executable, str(ROOT / "create_dataset.py"), *folders, *FLAGS, "2"]

    started = time.monotonic()
    subprocess.run(command(tmp_path / "whole"), check=True, capture_output=True)
    seconds = time.monotonic() - started
    expected = snapshot(tmp_path / "whole")
    unpacked = sorted(path.name for path in (tmp_path / "whole/.state/unpacked").iterdir())
    rng = np.random.default_rng(1)
    killed = 0
    for number in range(NUM_KILLS):
        output = tmp_path / f"killed_{number}"
        process = subprocess.Popen(
            command(output), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            process.wait(timeout=seconds * rng.uniform(0.15, 0.6))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            killed += not (output / MANIFEST_NAME).exists()
        subprocess.run(command(output), check=True, capture_output=True)
        assert snapshot(output) == expected
        assert sorted(path.name for path in (output / ".state/unpacked").iterdir()) == unpacked
    print(f"\n{killed} of {NUM_KILLS} kills came before the end; all ended the same")
    assert killed

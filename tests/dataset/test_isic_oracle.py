"""All 45,096 ids of the real ISIC tables, with stub pictures, through a whole assembly."""

import csv
import json
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import cv2
import pytest
import simplejpeg

from utils.common.seeds import generator
from utils.dataset.output.manifest import read_manifest

ROOT = Path(__file__).resolve().parents[2]
TABLES = {
    "ISIC2018_Task3_Training": "ISIC2018",
    "ISIC2018_Task3_Test": "ISIC2018",
    "ISIC_2019_Training": "ISIC2019",
    "ISIC_2019_Test": "ISIC2019",
}
LESIONS = "ISIC_2019_Training_Metadata.csv"
SYNTHETIC = "ISIC_0035068"


def stub(picture: str) -> bytes:
    """Return a small JPEG, another one for each id, the same for both years."""
    grid = generator("stub", picture).integers(0, 256, (6, 8, 3), "uint8")
    return simplejpeg.encode_jpeg(cv2.resize(grid, (48, 36)), 90, fastdct=True)


def read_table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.slow
def test_the_years_collapse_and_no_lesion_is_in_two_splits(
    real_tables: Path, tmp_path: Path
) -> None:
    all_data, output = tmp_path / "ALL_DATA", tmp_path / "DATASET"
    ids: dict[str, set[str]] = {}
    for name, folder in TABLES.items():
        table = real_tables / folder / f"{name}_GroundTruth.csv"
        (all_data / f"{name}_Input").mkdir(parents=True)
        shutil.copy(table, all_data)
        ids[name] = {row["image"] for row in read_table(table)}
        for picture in ids[name]:
            (all_data / f"{name}_Input" / f"{picture}.jpg").write_bytes(stub(picture))
    shutil.copy(real_tables / "ISIC2019" / LESIONS, all_data)
    train_2018, test_2018, train_2019, test_2019 = ids.values()
    assert [len(some) for some in ids.values()] == [10_015, 1_512, 25_331, 8_238]

    flags = ["--no-download", "--allow-empty", "--image-size", "0", "--low-quality", "0"]
    flags += ["--min-size", "32", "--keep-poor"]  # for the stubs
    places = ["--all-data", str(all_data), "--output", str(output)]
    command = [sys.executable, str(ROOT / "create_dataset.py"), *flags, *places]
    print(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    # ISIC_0035068 is in both test sets, and left out of both: it is no photograph.
    report = json.loads((output / "leak_report.json").read_text())
    collapsed = sum(figures["collapsed"] for figures in report["rules"].values())
    assert collapsed == len(train_2018 & train_2019) + len(test_2018 & test_2019) - 1
    assert collapsed == 10_015 + 1_512 - 1
    rows = read_manifest(output)
    kept = Counter(Path(row.original).stem for row in rows)
    assert set(kept.values()) == {1}
    assert kept.keys() == (train_2019 | test_2019) - {SYNTHETIC}
    split_of = {Path(row.original).stem: row.split for row in rows}
    assert {split_of[picture] for picture in test_2019 - {SYNTHETIC}} == {"test"}
    splits: dict[str, set[str]] = defaultdict(set)
    for row in read_table(real_tables / "ISIC2019" / LESIONS):
        splits[row["lesion_id"] or row["image"]].add(split_of[row["image"]])
    assert Counter(len(found) for found in splits.values()).keys() == {1}
    assert {split for found in splits.values() for split in found} == {"train", "val"}
    assert all(figures["cross_split_edges_left"] == 0 for figures in report["rules"].values())

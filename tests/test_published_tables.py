"""From the published tables with made-up pictures, a data set has the counts that they promise."""

import csv
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

import create_dataset
from utils.common.labels import DERM, DERM_CLINIC, LOW_QUALITY, OTHER, PAN, TEST
from utils.common.seeds import generator
from utils.dataset.output.manifest import REAL, ManifestRow, read_manifest
from utils.dataset.planning.real_low_quality import TRAINING
from utils.sources.catalog import NAMES, SOURCES
from utils.sources.files.tree import FileTree
from utils.sources.readers.labelled import LabelledTable

pytestmark = pytest.mark.slow

SMALL = ("--image-size", "32", "--min-size", "32", "--keep-poor", "--low-quality", "0.001")
Made = Callable[..., tuple[list[ManifestRow], Counter[str]]]


def draw_stubs(root: Path, paths: Iterable[str]) -> None:
    """Write a small picture of its own for each path."""
    for path in paths:
        noise = generator("stub", path).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        pixels = cv2.resize(noise, (64, 64), interpolation=cv2.INTER_CUBIC)
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(cv2.imencode(".jpg", pixels)[1].tobytes())


def copied(tables: Path, root: Path, *places: str) -> None:
    """Copy tables to where they belong."""
    for place in places:
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_bytes((tables / Path(place).name).read_bytes())


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Give a function that assembles one collection; it returns rows, and files by rule."""

    def make(name: str, *flags: str) -> tuple[list[ManifestRow], Counter[str]]:
        folders = ("--all-data", str(tmp_path / "ALL_DATA"), "--output", str(tmp_path / "DATASET"))
        chosen = ("--only", name, "--allow-empty", "--no-download")
        create_dataset.main([*folders, *chosen, *SMALL, *flags])
        rows = list(read_manifest(tmp_path / "DATASET"))
        collected = [row for row in rows if not row.parent]
        rules = Counter(row["rule"] for row in rows_of(tmp_path / "DATASET/left_out.csv"))
        assert rows_of(tmp_path / "DATASET/rejected.csv") == []
        assert {row.source for row in collected} == {name}
        return collected, rules

    return make


def splits_of_groups(rows: Iterable[ManifestRow]) -> dict[str, set[str]]:
    splits: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        splits[row.component].add(row.split)
    return splits


def test_scin(real_tables: Path, tmp_path: Path, made: Made) -> None:
    root = tmp_path / "ALL_DATA"
    copied(
        real_tables / "SCIN", root, "scin/dataset/scin_cases.csv", "scin/dataset/scin_labels.csv"
    )
    cases = rows_of(root / "scin/dataset/scin_cases.csv")
    paths = {case[f"image_{n}_path"] for case in cases for n in (1, 2, 3)} - {""}
    assert len(paths) == 10_380
    draw_stubs(root, (f"scin/{path}" for path in paths))
    rows, rules = made("scin")
    # Of the close-ups, two are shared by a case that raters left out and one that they did not.
    assert Counter(row.label for row in rows) == {PAN: 1_272, DERM_CLINIC: 2_806}
    assert rules == {
        "image_shot_type is AT_AN_ANGLE": 3_009,
        "a rater found its case of too low quality": 10_380 - 3_009 - 1_272 - 2_806,
    }
    assert all(len(splits) == 1 for splits in splits_of_groups(rows).values())

    reader = SOURCES[NAMES.index("scin")].reader
    assert isinstance(reader, LabelledTable)
    every = replace(reader, labels={**reader.labels, "at_an_angle": PAN}, side_table=None)
    reading = every("scin", FileTree.scan(root))
    assert reading is not None
    assert len(reading.records) == 10_380
    sizes = Counter(record.group for record in reading.records)
    assert len(sizes) == 5_013


def test_milk10k(real_tables: Path, tmp_path: Path, made: Made) -> None:
    root = tmp_path / "ALL_DATA"
    tables = {side: f"MILK10k_{side}_Metadata.csv" for side in ("Training", "Test")}
    copied(real_tables / "MILK10k", root, *tables.values())
    listed = {side: rows_of(root / table) for side, table in tables.items()}
    for side, pictures in listed.items():
        folder = f"MILK10k_{side}_Input"
        draw_stubs(root, (f"{folder}/{row['lesion_id']}/{row['isic_id']}.jpg" for row in pictures))
    rows, rules = made("milk10k")
    lesions = {side: {row["lesion_id"] for row in pictures} for side, pictures in listed.items()}
    assert {side: len(found) for side, found in lesions.items()} == {"Training": 5_240, "Test": 479}
    altered = {"Training": 327 + 8, "Test": 28 + 1}
    assert rules == {"altered by its publisher": sum(altered.values())}
    for side, found in lesions.items():
        of_side = [row for row in rows if row.original.startswith(f"MILK10k_{side}_")]
        assert len(of_side) == len(listed[side]) - altered[side]
        assert {row.group.removeprefix("milk10k/") for row in of_side} <= found
        assert all((row.split == TEST) == (side == "Test") for row in of_side)
    assert len({row.group for row in rows}) == 5_236 + 478  # of five lesions both views are altered
    assert {row.label for row in rows} == {DERM, DERM_CLINIC}
    assert all(len(splits) == 1 for splits in splits_of_groups(rows).values())


def test_vizwiz(real_tables: Path, tmp_path: Path, made: Made) -> None:
    root = tmp_path / "ALL_DATA"
    lists = ("vizwiz/train.json", "vizwiz/val.json")
    copied(real_tables / "VizWiz-QualityIssues", root, *lists)
    for name in lists:
        listed = json.loads((root / name).read_text())
        draw_stubs(root, (f"{name.removesuffix('.json')}/{entry['image']}" for entry in listed))
    rows, rules = made("vizwiz", "--real-low-quality")
    counts = Counter((row.label, row.split == TEST) for row in rows)
    assert counts == {
        (LOW_QUALITY, False): 1_792,
        (LOW_QUALITY, True): 673,
        (OTHER, False): 4_005,
        (OTHER, True): 1_217,
    }
    assert {row.degradation for row in rows if row.label == LOW_QUALITY} == {REAL}
    assert len(rows) + rules.total() == 31_181
    rows, rules = made("vizwiz")
    assert Counter((row.label, row.split == TEST) for row in rows) == {
        place: count for place, count in counts.items() if place != (LOW_QUALITY, False)
    }
    assert rules[TRAINING] == 1_792
    assert len(rows) + rules.total() == 31_181

"""A changed degradation makes exactly the LOW_QUALITY pictures again that it concerns."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from utils.common.labels import LOW_QUALITY
from utils.dataset.images import low_quality
from utils.dataset.images.prepare import LowQualityJob, Prepared, prepare_low_quality
from utils.dataset.output.manifest import read_manifest
from utils.dataset.report import DRY_RUN
from utils.dataset.settings import DatasetSettings
from utils.dataset.update import update_dataset
from utils.quality.kinds import KINDS
from utils.sources.record import Record

Made = tuple[DatasetSettings, list[Record]]


def fogged(picture: np.ndarray, *, fog: float) -> np.ndarray:
    return np.full_like(picture, round(255 * fog))


def plan_a_kind() -> None:
    kind = next(iter(KINDS.values()))
    KINDS["fog"] = replace(
        kind, name="fog", strength="fog", levels=(0.5, 0.6, 0.7, 0.8, 0.9), apply=fogged,
        draw_others=lambda rng: {}, limit=None, instead="nothing can be seen", weight=3.0,
    )  # fmt: skip


def plan_other_levels() -> None:
    kind = KINDS["low_resolution"]
    KINDS[kind.name] = replace(kind, levels=(0.4, 0.3, 0.2, 0.15, 0.1))


@pytest.fixture
def made(tmp_path: Path, small_all_data: tuple[Path, list[Record]]) -> Made:
    """Return the settings and the records of a data set that was assembled."""
    root, records = small_all_data
    settings = DatasetSettings(
        str(root), str(tmp_path / "DATASET"), workers=1, image_size=64, min_size=32,
        low_quality=4.0,
    )  # fmt: skip
    update_dataset(records, [], settings)
    return settings, records


@pytest.fixture
def degraded(monkeypatch: pytest.MonkeyPatch) -> list[Prepared]:
    """Return a list that fills with what is degraded from now on."""
    results: list[Prepared] = []

    def note(job: LowQualityJob) -> Prepared:
        results.append(prepare_low_quality(job))
        return results[-1]

    monkeypatch.setattr(low_quality, "prepare_low_quality", note)
    return results


@pytest.fixture
def table() -> Iterator[None]:
    """Put the table of kinds back afterwards."""
    before = dict(KINDS)
    yield
    KINDS.clear()
    KINDS.update(before)


@pytest.mark.slow
@pytest.mark.parametrize("change", [plan_a_kind, plan_other_levels])
def test_those_and_only_those_are_made_again_that_a_change_concerns(
    change: Callable[[], None],
    made: Made,
    degraded: list[Prepared],
    snapshot: Callable[[Path], dict[str, bytes]],
    table: None,
) -> None:
    settings, records = made
    output = Path(settings.output)
    before = {row.file: row for row in read_manifest(output)}
    change()
    told = update_dataset(records, [], replace(settings, dry_run=True)).splitlines()[-2:]
    assert not degraded
    said = update_dataset(records, [], settings).splitlines()[-2:]
    after = {row.file: row for row in read_manifest(output)}
    other = [file for file, row in after.items() if row != before[file]]
    assert after.keys() == before.keys()
    assert 0 < len(other) < sum(row.label == LOW_QUALITY for row in after.values())
    assert {after[file].label for file in other} == {LOW_QUALITY}
    assert sorted(one.sha256.hex() for one in degraded) == sorted(after[f].sha256 for f in other)
    total = sum(row.label == LOW_QUALITY for row in after.values())
    start = f"Degraded anew: {len(other)} of {total} LOW_QUALITY pictures"
    assert told[0].startswith(f"{start} would be made again: {other[0]}")
    assert told[1] == DRY_RUN
    assert said[0].startswith(f"{start} were made again: {other[0]}")
    assert said[1] == f"{len(other)} pictures written to {output}."
    again = update_dataset(records, [], replace(settings, output_dir=str(output.parent / "ANEW")))
    assert "Degraded anew" not in again
    assert snapshot(output) == snapshot(output.parent / "ANEW")


def test_nothing_is_degraded_again_without_a_change(made: Made, degraded: list[Prepared]) -> None:
    settings, records = made
    (Path(settings.output) / ".state" / "build_state.json").unlink()
    outcome = update_dataset(records, [], settings).splitlines()[-1]
    assert outcome.startswith("No picture written")
    assert not degraded


def test_of_another_seed_no_change_of_the_degradations_is_told(made: Made) -> None:
    settings, records = made
    said = update_dataset(records, [], replace(settings, seed=1)).splitlines()[-2]
    assert said.startswith("Degraded anew: ")
    assert " LOW_QUALITY pictures were made again: " in said


def test_another_way_to_the_same_bytes_replaces_nothing(
    made: Made, degraded: list[Prepared], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, records = made
    monkeypatch.setattr(low_quality, "fingerprints_by_turn", lambda *seed: iter([1] * 9))
    (Path(settings.output) / ".state" / "build_state.json").unlink()
    said: Any = update_dataset(records, [], settings)
    assert said.splitlines()[-1].startswith("No picture written")
    assert "Degraded anew" not in said
    assert degraded

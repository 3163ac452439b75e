"""The page shows what it says, the same pictures each time, and hands on the rows so far."""

import json
import re
from pathlib import Path

import pytest

from utils.common.disk.location import Originals
from utils.common.labels import DERM, PAN
from utils.dataset.review import page
from utils.dataset.review.page import MOST, draw, write_review
from utils.dataset.settings import DatasetSettings
from utils.sources.record import Record


def record(name: str, label: str = PAN, source: str = "s") -> Record:
    return Record(source, name, f"{source}/{name}", label, name)


@pytest.fixture
def settings(tmp_path: Path) -> DatasetSettings:
    return DatasetSettings(output_dir=str(tmp_path / "out"), workers=1)


def shown(path: Path) -> list[tuple[str, str]]:
    """Return path and class of the pictures of a page."""
    text = path.read_text(encoding="utf-8")
    return re.findall(r'data-original="(.*?)" data-label="(.*?)"', text)


def test_the_pictures_of_a_larger_collection_are_drawn_by_hash() -> None:
    records = [record(f"{number}.jpg") for number in range(2 * MOST)]
    drawn = draw(records)
    assert len(drawn) == MOST
    assert draw(records[::-1]) == drawn
    assert draw(drawn) == drawn
    assert drawn != records[:MOST]


def test_a_picture_that_lies_in_two_places_is_shown_once(tmp_path: Path, settings) -> None:
    copy = Record("s", "copy/a.jpg", "s/a.jpg", PAN, "a.jpg")
    assert len(draw([record("a.jpg"), copy])) == 1
    review = write_review([record("a.jpg"), copy], PAN, Originals(tmp_path), settings)
    assert " shows s 1 of 1 pictures" in review.describe()
    assert "drawn by hash" not in review.path.read_text(encoding="utf-8")


def test_the_page_shows_the_class_and_names_what_cannot_be_read(
    tmp_path: Path, settings: DatasetSettings, make_picture, encode
) -> None:
    (tmp_path / "a<b.jpg").write_bytes(encode(make_picture(0)))
    (tmp_path / "broken.jpg").write_bytes(encode(make_picture(1))[:200])
    records = [record("a<b.jpg"), record("broken.jpg"), record("gone.jpg"), record("d.jpg", DERM)]
    review = write_review(records, PAN, Originals(tmp_path), settings)
    names = {"a&lt;b.jpg", "broken.jpg", "gone.jpg"}
    assert set(shown(review.path)) == {(name, PAN) for name in names}
    text = review.path.read_text(encoding="utf-8")
    assert text.count("data:image/jpeg;base64,") == 1
    assert text.count("cannot be read: ") == 2
    assert "http" not in text
    assert review.describe() == (
        f"PAN: {review.path} shows s 3 of 3 pictures; 2 of them cannot be read and are named"
    )


def test_the_rows_so_far_are_handed_on(tmp_path: Path, settings, make_picture, encode) -> None:
    (tmp_path / "a.jpg").write_bytes(encode(make_picture(0)))
    rows = [("s", "=x.jpg", "leave out"), ("s", "</script>.jpg", DERM)]
    review = write_review([record("a.jpg")], PAN, Originals(tmp_path), settings, rows)
    found = re.search(r"known = (\[.*?\]), leaveOut", review.path.read_text(encoding="utf-8"))
    assert json.loads(found[1]) == [
        ["s", "\\x{3d}x.jpg", "leave out"],
        ["s", "</script>.jpg", DERM],
    ]
    assert "</script>.jpg" not in review.path.read_text(encoding="utf-8")


def test_a_class_without_pictures_writes_nothing(tmp_path: Path, settings) -> None:
    review = write_review([record("d.jpg", DERM)], PAN, Originals(tmp_path), settings)
    assert not review.path.exists()
    assert review.describe() == (
        "PAN: no collection that is there has such pictures; no page written."
    )


def test_the_template_is_there_where_the_package_is_installed() -> None:
    assert Path(page.__file__).with_name(page.TEMPLATE).is_file()

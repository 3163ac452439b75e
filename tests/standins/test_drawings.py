"""The drawn collections: in their real layouts, the same whoever draws them and how."""

import csv
import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from utils.common.errors import SettingsError
from utils.common.labels import CLASSES, COLLECTED_CLASSES, LOW_QUALITY
from utils.standins.drawings import NUM_PICTURES, draw_all_data
from utils.standins.layouts import STAND_INS, drawing
from utils.standins.sharing import share_out

FEW = 8
PICTURES = (".jpg", ".jpeg", ".png", ".bmp")

REAL_SIZES = drawing.SIZES


@pytest.fixture(scope="module", autouse=True)
def small_sizes() -> Iterator[None]:
    """Draw in a few small sizes: layouts do not depend on them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawing, "SIZES", ((96, 72), (72, 96), (80, 80)))
        yield


@pytest.fixture(scope="module")
def all_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("all_data")
    draw_all_data(folder, FEW, workers=1)
    return folder


def pictures(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in PICTURES
    }


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def stems(folder: Path) -> set[str]:
    return {path.stem for path in folder.rglob("*.jpg")}


def kind_of(path: Path) -> tuple[str | None, str]:
    with Image.open(path) as image:
        return image.format, image.mode


def numbers(folder: Path) -> list[int]:
    names = [re.fullmatch(r"ISIC_(\d{7})(_downsampled)?", stem) for stem in stems(folder)]
    assert all(names)
    return [int(name.group(1)) for name in names if name]


def test_counts_are_those_of_the_files(all_data: Path) -> None:
    counts = draw_all_data(all_data, FEW, workers=1)
    assert list(counts) == list(STAND_INS)
    assert sum(counts.values()) == len(pictures(all_data))


@pytest.mark.parametrize("name", STAND_INS)
def test_one_collection_drawn_alone_has_the_same_files(
    tmp_path: Path, all_data: Path, name: str
) -> None:
    (count,) = draw_all_data(tmp_path, FEW, workers=1, only=[name]).values()
    alone, together = pictures(tmp_path), pictures(all_data)
    assert count == len(alone) > 0
    folders = STAND_INS[name].folders
    assert alone == {
        path: content for path, content in together.items() if path.split("/")[0] in folders
    }


def test_more_pictures_leave_the_first_ones_as_they_are(tmp_path: Path) -> None:
    few, more = tmp_path / "few", tmp_path / "more"
    names = ("hiba", "hospital_varese", "fitzpatrick17k")
    draw_all_data(few, FEW, workers=1, only=names)
    draw_all_data(more, 5 * FEW, workers=1, only=names)
    drawn = pictures(more)
    assert all(drawn[path] == content for path, content in pictures(few).items())
    assert len(drawn) > len(pictures(few))


def test_another_seed_gives_other_pictures(tmp_path: Path, all_data: Path) -> None:
    draw_all_data(tmp_path, FEW, seed=1, workers=1, only=["isic_2018"])
    drawn = pictures(all_data)
    assert all(drawn[path] != content for path, content in pictures(tmp_path).items())


@pytest.mark.slow
def test_what_is_there_is_not_drawn_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_all_data(tmp_path, FEW, workers=1)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    before = {path: path.read_bytes() for path in files}
    lost = [
        next(tmp_path.glob("ISIC2018*Training*/*.jpg")),
        next(tmp_path.glob("fitzpatrick17k/*.jpg")),
        next(tmp_path.glob("imgs_part_2/*.png")),
    ]
    for path in lost:
        path.unlink()
    encoded = []
    encode = drawing.encode
    monkeypatch.setattr(
        drawing, "encode", lambda *given: encoded.append(given[0].name) or encode(*given)
    )
    draw_all_data(tmp_path, FEW, workers=1)
    assert len(encoded) == 2  # the lost ISIC picture has a twin in the folder of 2019
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_no_picture_is_like_another_but_for_the_isic_copies(all_data: Path) -> None:
    by_content = defaultdict(list)
    for path, content in pictures(all_data).items():
        by_content[content].append(path)
    for paths in by_content.values():
        assert len(paths) == 1 or sorted(path[:9] for path in paths) == ["ISIC2018_", "ISIC_2019"]


def test_every_class_has_about_as_many_pictures_as_asked_for() -> None:
    numbers = share_out(STAND_INS, NUM_PICTURES)
    planned = [STAND_INS[name].plan(number).drawings for name, number in numbers.items()]
    names = {drawn.name: drawn.label for drawings in planned for drawn in drawings}
    counts = Counter(names.values())
    for label in COLLECTED_CLASSES:
        assert 0.9 * NUM_PICTURES < counts[label] < 1.1 * NUM_PICTURES
    assert counts[LOW_QUALITY] < 0.3 * NUM_PICTURES  # the others are made


def test_isic_2018(all_data: Path) -> None:
    train = all_data / "ISIC2018_Task3_Training_Input"
    test = all_data / "ISIC2018_Task3_Test_Input"
    assert all(24306 <= number <= 34320 for number in numbers(train))
    assert all(34524 <= number <= 36064 for number in numbers(test))
    assert (test / "ISIC_0035068.jpg").is_file()
    for folder in (train, test):
        assert "drawings" in (folder / "ATTRIBUTION.txt").read_text(encoding="utf-8")
        assert "drawings" in (folder / "LICENSE.txt").read_text(encoding="utf-8")


def test_isic_2019_holds_the_pictures_of_2018_and_more(all_data: Path) -> None:
    for side in ("Training", "Test"):
        old = pictures(all_data / f"ISIC2018_Task3_{side}_Input")
        new = pictures(all_data / f"ISIC_2019_{side}_Input")
        assert len(new) > len(old)
        assert all(new[name] == content for name, content in old.items())
    train = set(numbers(all_data / "ISIC_2019_Training_Input"))
    test = set(numbers(all_data / "ISIC_2019_Test_Input"))
    assert not train & test
    assert not any(34320 < number < 53454 for number in train)
    assert any(number <= 24305 for number in train)
    assert any(34321 <= number <= 34523 for number in test)
    assert max(train) >= 53454 <= max(test)
    downsampled = [stem for stem in stems(all_data / "ISIC_2019_Training_Input") if "_down" in stem]
    assert downsampled
    assert all(int(stem[5:12]) <= 24305 for stem in downsampled)


def test_isic_2019_tables(all_data: Path) -> None:
    truth = all_data / "ISIC_2019_Training_GroundTruth.csv"
    header = b"image,MEL,NV,BCC,AK,BKL,DF,VASC,SCC,UNK\r\n"
    assert truth.read_bytes().startswith(header)
    for table, folder in ((truth.name, "Training"), ("ISIC_2019_Test_GroundTruth.csv", "Test")):
        listed = rows(all_data / table)
        assert {row["image"] for row in listed} == stems(all_data / f"ISIC_2019_{folder}_Input")
        assert all(list(row.values())[1:10].count("1.0") == 1 for row in listed)
    assert list(listed[0])[-2:] == ["score_weight", "validation_weight"]
    metadata = rows(all_data / "ISIC_2019_Training_Metadata.csv")
    assert list(metadata[0]) == ["image", "age_approx", "anatom_site_general", "lesion_id", "sex"]
    lesions = Counter(row["lesion_id"] for row in metadata)
    assert {lesion.split("_")[0] for lesion in lesions} == {"", "HAM", "BCN", "MSK4"}
    assert max(count for lesion, count in lesions.items() if lesion) > 1


def test_pad_ufes_20(all_data: Path) -> None:
    found = [path for path in pictures(all_data) if path.startswith("imgs_part_")]
    assert {path.split("/")[0] for path in found} == {f"imgs_part_{part}" for part in (1, 2, 3)}
    names = [re.fullmatch(r"(PAT_\d+)_\d+_\d+\.png", path.split("/")[1]) for path in found]
    assert all(names)
    assert max(Counter(name.group(1) for name in names if name).values()) > 1
    assert {kind_of(all_data / path) for path in found} == {("PNG", "RGB"), ("PNG", "RGBA")}


def test_hiba(all_data: Path) -> None:
    folder = all_data / "hospital_buenos_aires"
    listed = rows(folder / "metadata.csv")
    assert list(listed[0])[:3] == ["isic_id", "attribution", "copyright_license"]
    assert list(listed[0])[3:] == sorted(list(listed[0])[3:])
    assert {row["isic_id"] for row in listed} == stems(folder / "images")
    assert min(numbers(folder / "images")) >= 6_000_000
    kinds = {"dermoscopic", "clinical: overview", "clinical: close-up"}
    assert {row["image_type"] for row in listed} == kinds
    assert all(re.fullmatch(r"IP_\d{7}", row["patient_id"]) for row in listed)
    assert all(re.fullmatch(r"IL_\d{7}", row["lesion_id"]) for row in listed)
    of_patient = defaultdict(set)
    for row in listed:
        of_patient[row["patient_id"]].add(row["image_type"])
    assert any("dermoscopic" in kinds and len(kinds) > 1 for kinds in of_patient.values())


def test_derm7pt(all_data: Path) -> None:
    folder = all_data / "release_v0"
    cases = rows(folder / "meta" / "meta.csv")
    assert len(cases[0]) == 19
    assert [int(case["case_num"]) for case in cases] == list(range(1, len(cases) + 1))
    listed = {case[column] for case in cases for column in ("clinic", "derm")}
    assert listed == set(pictures(folder / "images"))
    assert len({path.lower() for path in listed}) == len(listed)
    assert {Path(path).suffix for path in listed} == {".jpg", ".JPG"}
    splits = {
        split: [int(row["indexes"]) for row in rows(folder / "meta" / f"{split}_indexes.csv")]
        for split in ("train", "valid", "test")
    }
    members = sorted(member for split in splits.values() for member in split)
    assert members == list(range(len(cases)))
    for split in splits.values():
        assert any(cases[member]["clinic"] == cases[member]["derm"] for member in split)


def test_hospital_varese(all_data: Path) -> None:
    found = list(pictures(all_data / "hospital_varese"))
    assert {path.split("/")[0] for path in found} == {"train", "test"}
    assert {Path(path).suffix for path in found} == {".jpg", ".JPG", ".jpeg", ".png", ".bmp"}


def test_fitzpatrick17k(all_data: Path) -> None:
    folder = all_data / "fitzpatrick17k"
    listed = rows(folder / "fitzpatrick17k.csv")
    found = pictures(folder)
    assert {f"{row['md5hash']}.jpg" for row in listed} == set(found)
    for name, content in found.items():
        assert hashlib.md5(content, usedforsecurity=False).hexdigest() == Path(name).stem
    hosts = {row["url"].split("/")[2] for row in listed}
    assert hosts == {"www.dermaamin.com", "atlasdermatologico.com.br"}
    assert len({row["url"] for row in listed}) == len(listed)


def test_imagenet_mini(all_data: Path) -> None:
    folder = all_data / "imagenet-mini"
    found = list(pictures(folder))
    for path in found:
        assert re.fullmatch(
            r"train/(n\d{8})/\1_\d+\.JPEG|val/n\d{8}/ILSVRC2012_val_\d{8}\.JPEG", path
        )
    assert {path.split("/")[0] for path in found} == {"train", "val"}
    kinds = Counter(kind_of(folder / path) for path in found)
    odd = {("JPEG", "CMYK"): 1, ("JPEG", "L"): 1, ("PNG", "RGB"): 1}
    assert kinds == {("JPEG", "RGB"): len(found) - 3} | odd


def test_two_processes_draw_the_same_bytes_as_one(tmp_path: Path) -> None:
    # The other processes know nothing of the small sizes, so neither may this one.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawing, "SIZES", REAL_SIZES)
        for workers in (1, 2):
            folder = tmp_path / str(workers)
            draw_all_data(folder, FEW, workers=workers, only=["hospital_varese"])
    one, two = (pictures(tmp_path / str(workers)) for workers in (1, 2))
    assert one == two


def test_sizes_do_not_tell_the_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "SIZES", REAL_SIZES)
    sizes: dict[str, Counter[tuple[int, int]]] = defaultdict(Counter)
    for stand_in in STAND_INS.values():
        for drawn in stand_in.plan(NUM_PICTURES).drawings:
            sizes[drawn.label][drawing.size_of(drawn, seed=0)] += 1
    assert set(sizes) == set(CLASSES)
    for label in COLLECTED_CLASSES:
        counts = sizes[label]
        shares = {size: count / counts.total() for size, count in counts.items()}
        assert sum(share for size, share in shares.items() if size[0] > size[1]) > 0.7
        assert 0 < shares[(1024, 1024)] < 0.1
        assert max(shares.values()) < 0.4


def test_what_somebody_downloaded_is_never_mixed_with_drawings(tmp_path: Path) -> None:
    table = tmp_path / "ISIC_2019_Training_Metadata.csv"
    table.write_text("image,lesion_id\n")
    with pytest.raises(SettingsError, match=r"holds ISIC_2019_Training_Metadata.csv and no DRAW"):
        draw_all_data(tmp_path, FEW, workers=1)
    assert list(tmp_path.iterdir()) == [table]
    assert table.read_text() == "image,lesion_id\n"

"""Planted copies, twins, patients and series are found; look-alikes that are none are let be."""

import io
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from utils.common.disk.location import Originals
from utils.common.labels import DERM, DERM_CLINIC, OTHER, PAN
from utils.common.seeds import generator
from utils.dataset.assemble import assemble
from utils.dataset.leakage.likeness import find_copies
from utils.dataset.leakage.thumbnails import thumbnail
from utils.dataset.output.manifest import read_manifest
from utils.dataset.output.workspace import Workspace
from utils.dataset.recipe import Recipe
from utils.sources.catalog import SOURCES
from utils.sources.collect import read_all
from utils.sources.files.tree import FileTree
from utils.standins.sketches import SKETCHES

NUM_EACH = 12
NUM_PLAIN = 120
ALTERATIONS = (
    lambda picture: picture.transpose(Image.Transpose.TRANSVERSE),
    lambda picture: picture.crop((20, 5, 350, 262)),
    lambda picture: ImageOps.expand(picture.point(lambda level: 0.8 * level), 20, "black"),
)
NUM_ALTERED = len(ALTERATIONS)


def sketch(label: str, number: int) -> Image.Image:
    subject = generator("leak subject", label, number)
    pixels = SKETCHES[label](generator("leak", label, number), 360, 270, subject)
    return Image.fromarray(pixels)


def plain_skin(number: int) -> Image.Image:
    """Draw skin without a lesion: hardly anything but a tone, a shade and pores."""
    rng = generator("plain skin", number)
    tone = np.array([214, 176, 158]) + rng.normal(0, 3, 3)
    shade = cv2.resize(rng.normal(0, 3, (3, 4)).astype(np.float32), (360, 270))
    pores = cv2.GaussianBlur(rng.normal(0, 14, (270, 360)).astype(np.float32), (0, 0), 1.2)
    pixels = tone + (shade + pores)[..., None]
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def save(picture: Image.Image, path: Path, scale: float = 1.0, quality: int = 92) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if scale != 1:
        size = (round(picture.width * scale), round(picture.height * scale))
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    picture.save(path, "JPEG", quality=quality)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ALL_DATA in which each rule has something to find across published splits."""
    root = tmp_path_factory.mktemp("leaks") / "ALL_DATA"
    varese, mini = root / "hospital_varese", root / "imagenet-mini"
    for number in range(NUM_EACH):
        body = sketch(PAN, number)
        save(body, varese / f"train/{number:03}.jpg")
        if number < 4:  # the same bytes
            content = (varese / f"train/{number:03}.jpg").read_bytes()
            (varese / "test").mkdir(exist_ok=True)
            (varese / f"test/copy_{number:03}.jpg").write_bytes(content)
        elif number < 8:  # encoded anew
            save(body, varese / f"test/again_{number:03}.jpg", quality=55)
        else:  # made smaller
            save(body, varese / f"test/small_{number:03}.jpg", scale=0.6, quality=80)
    for number in range(3):
        save(sketch(PAN, 100 + number), varese / f"test/own_{number:03}.jpg")
    for number in range(NUM_ALTERED):
        body = sketch(PAN, 200 + 30 * (number + 1))
        save(body, varese / f"train/altered_{number}.jpg")
        save(ALTERATIONS[number](body), varese / f"test/altered_{number}.jpg")
    for number in range(20):
        save(sketch(PAN, 300 + number), varese / f"train/own_{number:03}.jpg")
    for number in range(NUM_EACH):
        folder = "train" if number < 9 else "val"
        save(sketch(OTHER, number), mini / folder / "n01440764" / f"n01440764_{number}.JPEG")
    for number in range(NUM_PLAIN):
        patient = 1000 + number
        part = root / f"imgs_part_{1 + number % 3}"
        save(plain_skin(number), part / f"PAT_{patient}_{number}_{number}.png")
    for number in range(6):  # one patient, three pictures
        for view in range(3):
            save(
                sketch(DERM_CLINIC, 10 * number + view),
                root / "imgs_part_1" / f"PAT_{number}_{number}_{view}.png",
            )
    lesions = ["image,lesion_id"]
    for number in range(6):
        ids = [f"ISIC_{24306 + 10 * number + view:07}" for view in range(3)]
        for view, name in enumerate(ids):
            save(
                sketch(DERM, 10 * number + view),
                root / "ISIC_2019_Training_Input" / f"{name}.jpg",
            )
            lesions.append(f"{name},HAM_{number:07}")
    (root / "ISIC_2019_Training_Metadata.csv").write_text("\n".join(lesions) + "\n")
    twin = sketch(DERM, 900)
    save(twin, root / "ISIC_2019_Training_Input/ISIC_0012653.jpg")
    save(twin, root / "ISIC_2019_Training_Input/ISIC_0012653_downsampled.jpg", scale=0.5)
    for number in range(3):
        save(
            sketch(DERM, 950 + number),
            root / f"ISIC_2019_Test_Input/ISIC_{34524 + number:07}.jpg",
        )
    from utils.sources.readers.gallery import name_from_url

    urls = [f"https://example.org/a/abcess/abcess{number}.jpg" for number in (11, 12, 13)]
    for number, url in enumerate(urls):
        save(sketch(PAN, 200 + number), root / "fitzpatrick17k" / f"{name_from_url(url)}.jpg")
    (root / "fitzpatrick.csv").write_text(f"train_url,test_url\n{urls[0]},{urls[2]}\n{urls[1]},\n")
    return root


@pytest.fixture(scope="module")
def output(planted: Path) -> Path:
    collected = read_all(SOURCES, FileTree.scan(planted))
    folder = planted.parent / "DATASET"
    with Workspace(folder) as workspace:
        assemble(
            collected.records, Originals(planted), workspace, Recipe(workers=1, low_quality=0.2)
        )
    return folder


def report(output: Path) -> dict:
    return json.loads((output / "leak_report.json").read_text())


@pytest.mark.slow
def test_every_planted_leak_is_found_and_none_is_left(output: Path) -> None:
    rules = report(output)["rules"]
    print()
    for rule, figures in rules.items():
        print(f"{rule}: {figures}")
    assert rules["same original bytes"]["edges"] == 4
    assert rules["alike to the eye"]["edges"] >= NUM_EACH + 1  # and the two twins
    assert rules["same id"]["edges"] == 1
    assert rules["same patient, lesion or case"]["edges"] >= 6 * 2 + 6 * 2
    assert rules["neighbours in a numbered series"]["edges"] == 1
    assert sum(figures["collapsed"] for figures in rules.values()) == NUM_EACH + 1
    assert all(figures["cross_split_edges_left"] == 0 for figures in rules.values())
    assert report(output)["low_quality_across_splits"] == 0


@pytest.mark.slow
def test_an_altered_copy_is_kept_beside_its_picture_in_one_split(output: Path) -> None:
    figures = report(output)["rules"]["alike but turned, cropped or edited"]
    assert (figures["edges"], figures["collapsed"]) == (NUM_ALTERED, 0)
    assert len(report(output)["alike_but_altered"]) == NUM_ALTERED
    rows = {row.original: row for row in read_manifest(output) if not row.parent}
    for number in range(NUM_ALTERED):
        both = [rows[f"hospital_varese/{s}/altered_{number}.jpg"] for s in ("train", "test")]
        assert {row.split for row in both} == {"test"}
        assert len({row.component for row in both}) == 1


@pytest.mark.slow
def test_look_alikes_are_not_called_one(output: Path) -> None:
    kept = [row for row in read_manifest(output) if row.original.startswith("imgs_part_")]
    plain = [row for row in kept if row.group >= "pad_ufes_20/PAT_1000" and not row.parent]
    plain = [row for row in plain if len(row.group) == len("pad_ufes_20/PAT_1000")]
    print(f"\n{NUM_PLAIN - len(plain)} of {NUM_PLAIN} plain skins joined")
    assert NUM_PLAIN - len(plain) <= 0.01 * NUM_PLAIN


@pytest.mark.slow
def test_a_copy_is_kept_with_the_most_pixels_in_the_strictest_split(output: Path) -> None:
    rows = {row.original: row for row in read_manifest(output) if not row.parent}
    for number in range(8, NUM_EACH):
        assert rows[f"hospital_varese/train/{number:03}.jpg"].split == "test"
        assert f"hospital_varese/test/small_{number:03}.jpg" not in rows
    splits = {
        name[len("fitzpatrick17k/abcess") :][:2]: row.split
        for name, row in rows.items()
        if name.startswith("fitzpatrick17k/abcess")
    }
    assert splits["11"] == splits["12"] != "test", "neighbours that the user's list calls train"
    assert splits["13"] == "test", "as the list says, and it draws none of them along"
    moved = report(output)["moves"]
    assert sum(move["rule"] == "alike to the eye" for move in moved) == 4


def test_a_re_encoded_or_resized_picture_is_found_among_others() -> None:
    pictures = [sketch(label, number) for label in SKETCHES for number in range(6)]
    copies = []
    for number, picture in enumerate(pictures):
        stream = io.BytesIO()
        scale = 0.4 + 0.1 * (number % 5)
        small = picture.resize((round(360 * scale), round(270 * scale)))
        small.save(stream, "JPEG", quality=45 + number)
        copies.append(Image.open(stream).convert("RGB").resize((341, 256)))
    large = [picture.resize((341, 256)) for picture in pictures]
    found = find_copies([thumbnail(picture) for picture in [*large, *copies]])
    assert found.tolist() == [[number, number + len(large)] for number in range(len(large))]


def test_equal_thumbnails_are_paired_with_the_first_and_plain_ones_never() -> None:
    picture, plain = thumbnail(sketch(DERM, 0)), thumbnail(Image.new("RGB", (64, 64), "tan"))
    assert find_copies([picture, plain, picture, plain, picture]).tolist() == [[0, 2], [0, 4]]
    assert find_copies([]).tolist() == []

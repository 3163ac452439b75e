"""Written files have names that every file system keeps apart."""

import random
import string

from utils.dataset.planning.names import file_name, is_ours, low_quality_name
from utils.sources.record import Record

SIGNS = string.ascii_letters + string.digits + " ._-()%:*?\"<>|\\'\u00e4\u00e9\u4e2d\U0001f600~$&"


def named(original: str, identity: str | None = None, source: str = "pad_ufes_20") -> str:
    return file_name(Record(source, original, identity or f"{source}/{original}", "PAN", "g"))


def test_names_are_safe_and_recognised() -> None:
    rng = random.Random(0)
    for _ in range(500):
        stem = "".join(rng.choices(SIGNS, k=rng.randrange(1, 200)))
        name = named(f"folder/{stem}.JPG")
        assert name.isascii()
        assert len(name) <= 120
        assert not set(name) & set(' \\/:*?"<>|%')
        assert name.endswith(".jpg")
        assert is_ours(name)
        assert is_ours(low_quality_name(name, rng.randrange(5)))


def test_names_differ_even_without_regard_to_case() -> None:
    stems = ["Fal065", "FAL065", "fal065", "fal 065", "fal_065", "f/al065", "x" * 80, "x" * 81]
    originals = [
        f"{folder}/{stem}.{ending}"
        for folder in "ab"
        for stem in stems
        for ending in ("jpg", "JPG", "png")
    ]
    names = [named(original) for original in originals]
    degraded = [low_quality_name(name, variant) for name in names for variant in range(3)]
    assert len({name.casefold() for name in [*names, *degraded]}) == 4 * len(originals)


def test_the_name_follows_the_identity_and_not_the_folder() -> None:
    here, there = "imgs_part_1/PAT_1_2_3.png", "deep/img_part_1/PAT_1_2_3.png"
    assert named(here, "pad/PAT_1_2_3") == named(there, "pad/PAT_1_2_3")


def test_the_name_shows_where_a_picture_comes_from() -> None:
    assert named("imgs_part_1/PAT_1_2_3.png").startswith("pad_ufes_20-PAT_1_2_3-")
    assert low_quality_name(named("a/PAT_1.png"), 0).startswith("low_quality-pad_ufes_20-PAT_1-")


def test_a_known_name_has_not_changed() -> None:
    assert (
        named("imgs_part_1/PAT_46_881_939.png", "pad_ufes_20/PAT_46_881_939.png")
        == "pad_ufes_20-PAT_46_881_939-20f66ac78f528177.jpg"
    )


def test_other_files_are_not_taken_for_ours() -> None:
    ours = named("a/b.png")
    for name in (
        "holiday.jpg",
        "ISIC_0024306.jpg",
        ours.upper(),
        f"{ours}.bak",
        f"copy of {ours}",
        ours[:-4] + ".png",
    ):
        assert not is_ours(name)

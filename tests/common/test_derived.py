"""Masks and the like are known by the end of their names, pictures never taken for them."""

import pytest

from utils.common.disk.derived import is_derived

BESIDE = frozenset(("a/p_1", "a/isic_0000001", "a/v"))


def derived(path: str, folder: str = "") -> bool:
    return is_derived(path, folder, lambda start: start.casefold() in BESIDE)


@pytest.mark.parametrize(
    "path",
    [
        *(
            "a/PAT_1_2_3_mask.png",
            "a/ISIC_0000000_segmentation.png",
            "a/x-Mask.PNG",
            "a/x mask.png",
        ),
        *("a/ISIC_0000000_superpixels.png", "a/ISIC_0000000_attribute_milia_like_cyst.png"),
        *("a/x_mask_2.png", "masks/x.png", "a/Segmentation/x.png", "a/thumbnails/x.jpg"),
        *("GroundTruth/x.png", "a/ground_truth/x.png"),
        *("a/P_1_seg.png", "a/p_1_gt.png", "a/v-150x150.jpg", "a/V_thumb.jpg", "a/p_1.overlay.png"),
    ],
)
def test_what_was_made_from_a_picture(path: str) -> None:
    assert derived(path)


@pytest.mark.parametrize(
    "path",
    [
        *("a/PAT_1_2_3.png", "a/ISIC_0000000.jpg", "a/ISIC_0012653_downsampled.jpg", "a/mask.jpg"),
        *(
            "a/n03724870_123.JPEG",
            "a/unmasked.jpg",
            "a/q_seg.png",
            "a/q-150x150.jpg",
            "a/_mask.png",
        ),
        *("a/masquerade_1.jpg", "a/maskers/x.jpg", "a/P_1.png", "v.jpg"),
    ],
)
def test_what_is_a_picture_of_its_own(path: str) -> None:
    assert not derived(path)


def test_the_folders_above_the_collection_say_nothing() -> None:
    assert not derived("masks/hospital_varese/train/a.jpg", "masks/hospital_varese")
    assert derived("masks/hospital_varese/masks/a.jpg", "masks/hospital_varese")

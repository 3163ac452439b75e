"""Plan the stand-ins of the two ISIC challenges, which share files."""

from collections.abc import Iterable, Sequence

from utils.common.labels import DERM
from utils.common.seeds import stable_hash
from utils.standins.layouts.drawing import Drawing
from utils.standins.layouts.plan import NOTE, Plan, Row, csv_text, pick, share, spread

TRAIN_2018, TEST_2018 = "ISIC2018_Task3_Training_Input", "ISIC2018_Task3_Test_Input"
TRAIN_2019, TEST_2019 = "ISIC_2019_Training_Input", "ISIC_2019_Test_Input"

SYNTHETIC = 35068
"""The one picture of the 2018 test set that is synthetic in reality, too."""

DIAGNOSES = ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC", "UNK")
SITES = ("anterior torso", "posterior torso", "lower extremity", "head/neck", "")

LESION_OF_FIVE = (0, 0, 1, 2, 2)
"""Of five pictures in a row, which of three lesions each shows."""


def plan_isic_2018(pictures: int) -> Plan:
    """Plan the challenge of 2018: two folders of HAM10000 pictures."""
    drawings = [*_ham_training(pictures, TRAIN_2018), *_ham_test(pictures, TEST_2018)]
    texts = {
        f"{folder}/{name}.txt": NOTE
        for folder in (TRAIN_2018, TEST_2018)
        for name in ("ATTRIBUTION", "LICENSE")
    }
    return Plan(drawings, lambda _: texts)


def plan_isic_2019(pictures: int) -> Plan:
    """Plan the challenge of 2019: the pictures of 2018 once more, two more sources, tables."""
    bcn_train = _bcn(share(pictures, 0.10, at_least=5), 53454, TRAIN_2019)
    train = [*_msk(pictures), *_ham_training(pictures, TRAIN_2019), *bcn_train]
    validation = [
        _drawing(f"ISIC_{34321 + spread(index, 193):07d}", TEST_2019)
        for index in range(share(pictures, 0.03, at_least=2))
    ]
    bcn_test = _bcn(share(pictures, 0.08, at_least=3), 53455, TEST_2019)
    test = [*validation, *_ham_test(pictures, TEST_2019), *bcn_test]
    texts = {
        f"{TRAIN_2019}/ATTRIBUTION.txt": NOTE,
        f"{TRAIN_2019}/LICENSE.txt": NOTE,
        "ISIC_2019_Training_GroundTruth.csv": csv_text(_truth(train), line_end="\r\n"),
        "ISIC_2019_Training_Metadata.csv": csv_text(_metadata(train)),
        "ISIC_2019_Test_GroundTruth.csv": csv_text(_truth_with_weights(test)),
    }
    return Plan([*train, *test], lambda _: texts)


def _drawing(image: str, folder: str, lesion: str = "") -> Drawing:
    return Drawing(f"{image}.jpg", DERM, (f"{folder}/{image}.jpg",), subject=lesion)


def _lesion(prefix: str, index: int) -> str:
    lesion = 3 * (index // 5) + LESION_OF_FIVE[index % 5]
    return f"{prefix}_{spread(lesion, 7470):07d}"


def _ham_training(pictures: int, folder: str) -> list[Drawing]:
    return [
        _drawing(f"ISIC_{24306 + spread(index, 10015):07d}", folder, _lesion("HAM", index))
        for index in range(share(pictures, 0.34, at_least=10))
    ]


def _ham_test(pictures: int, folder: str) -> list[Drawing]:
    others = (34524 + spread(index, 1541) for index in range(share(pictures, 0.14, at_least=4)))
    numbers = [SYNTHETIC, *(number for number in others if number != SYNTHETIC)]
    return [_drawing(f"ISIC_{number:07d}", folder) for number in numbers]


def _msk(pictures: int) -> list[Drawing]:
    drawings = []
    for index in range(share(pictures, 0.06, at_least=5)):
        ending = "_downsampled" if index % 3 else ""
        lesion = _lesion("MSK4", index) if index % 5 in (1, 3, 4) else ""
        drawings.append(_drawing(f"ISIC_{spread(index, 24306):07d}{ending}", TRAIN_2019, lesion))
    return drawings


def _bcn(num_pictures: int, first: int, folder: str) -> list[Drawing]:
    """Plan pictures of Barcelona; training has the even steps from `first`, the test the odd."""
    return [
        _drawing(
            f"ISIC_{first + 2 * spread(index, 9900):07d}",
            folder,
            _lesion(f"BCN_{first % 2}", index),
        )
        for index in range(num_pictures)
    ]


def _image(drawing: Drawing) -> str:
    return drawing.name.removesuffix(".jpg")


def _truth(drawings: Sequence[Drawing]) -> list[Row]:
    rows: list[Row] = []
    for drawing in sorted(drawings, key=_image):
        truth = pick(DIAGNOSES[:8], drawing.subject or drawing.name)
        rows.append({"image": _image(drawing)} | {name: float(name == truth) for name in DIAGNOSES})
    return rows


def _truth_with_weights(drawings: Sequence[Drawing]) -> Iterable[Row]:
    for row in _truth(drawings):
        validation = str(row["image"]) < "ISIC_0034524"
        yield {**row, "score_weight": float(not validation), "validation_weight": float(validation)}


def _metadata(drawings: Sequence[Drawing]) -> list[Row]:
    return [
        {
            "image": _image(drawing),
            "age_approx": 15 + 5 * (stable_hash("age", drawing.subject or drawing.name) % 14),
            "anatom_site_general": pick(SITES, "site", drawing.subject or drawing.name),
            "lesion_id": drawing.subject,
            "sex": pick(("male", "female", ""), "sex", drawing.subject or drawing.name),
        }
        for drawing in sorted(drawings, key=_image)
    ]

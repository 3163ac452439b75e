"""The plan of the drawn MILK10k: lesions, each with a close-up and a dermoscopic picture."""

from utils.common.labels import DERM, DERM_CLINIC
from utils.common.seeds import stable_hash
from utils.standins.layouts.drawing import Drawing
from utils.standins.layouts.plan import Plan, Row, csv_text, pick, share, spread

VIEWS = {"clinical: close-up": DERM_CLINIC, "dermoscopic": DERM}
SIDES = ("Training", "Training", "Test", "Training")
"""Sides of four lesions in a row."""

ALTERED = 6
"""Of so many lesions one has an altered close-up."""


def plan_milk10k(pictures: int) -> Plan:
    """Plan folders of lesions on two sides, and a table of each side."""
    drawings: list[Drawing] = []
    rows: dict[str, list[Row]] = {side: [] for side in SIDES}
    for lesion in range(share(pictures, 0.15, at_least=8)):
        lesion_id, side = f"IL_{spread(lesion, 999_983):07d}", SIDES[lesion % len(SIDES)]
        for view, (kind, label) in enumerate(VIEWS.items()):
            isic_id = f"ISIC_{4_000_000 + spread(2 * lesion + view, 1_999_993)}"
            path = f"MILK10k_{side}_Input/{lesion_id}/{isic_id}.jpg"
            drawings.append(Drawing(f"{isic_id}.jpg", label, (path,), lesion_id))
            is_altered = label == DERM_CLINIC and lesion % ALTERED == 1
            rows[side].append(_row(lesion_id, kind, isic_id, is_altered))
    texts = {f"MILK10k_{side}_Metadata.csv": csv_text(listed) for side, listed in rows.items()}
    return Plan(drawings, lambda _: texts)


def _row(lesion_id: str, kind: str, isic_id: str, is_altered: bool) -> Row:
    return {
        "lesion_id": lesion_id,
        "image_type": kind,
        "isic_id": isic_id,
        "attribution": "Drawn stand-in",
        "copyright_license": "CC-BY-NC",
        "image_manipulation": "altered" if is_altered else "instrument only",
        "age_approx": 15 + 5 * (stable_hash("age", lesion_id) % 14),
        "sex": pick(("male", "female"), "sex", lesion_id),
        "skin_tone_class": stable_hash("skin tone", lesion_id) % 6,
        "site": pick(("head_neck_face", "trunk", "lower_extremity"), "site", lesion_id),
    }

"""The plan of the drawn ISIC collection 217: backs, each seen at several times."""

from utils.common.labels import PAN
from utils.standins.layouts.drawing import Drawing
from utils.standins.layouts.plan import NOTE, Plan, Row, csv_text, share, spread

FOLDER = "isic_217"
VISITS = (2, 3, 1)
"""Pictures of three patients in a row."""


def plan_isic_217(pictures: int) -> Plan:
    """Plan overviews of backs under ISIC ids, and their table as the archive exports it."""
    drawings: list[Drawing] = []
    rows: list[Row] = []
    for patient in range(share(pictures, 0.025, at_least=3)):
        patient_id = f"IP_{1_000_000 + spread(patient, 8_999_999)}"
        for visit in range(VISITS[patient % len(VISITS)]):
            isic_id = f"ISIC_{3_000_000 + spread(3 * patient + visit, 999_983)}"
            path = f"{FOLDER}/{isic_id}.jpg"
            drawings.append(Drawing(f"{isic_id}.jpg", PAN, (path,), patient_id))
            rows.append(
                {
                    "isic_id": isic_id,
                    "attribution": "Drawn stand-in",
                    "copyright_license": "CC-BY",
                    "image_type": "clinical: overview",
                    "patient_id": patient_id,
                }
            )
    texts = {f"{FOLDER}/metadata.csv": csv_text(rows), f"{FOLDER}/attribution.txt": NOTE}
    return Plan(drawings, lambda _: texts)

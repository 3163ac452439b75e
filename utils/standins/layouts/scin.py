"""The plan of the drawn SCIN: cases of up to three pictures, with columns of how each was taken."""

from utils.common.labels import DERM_CLINIC, PAN
from utils.common.seeds import stable_hash
from utils.standins.layouts.drawing import Drawing
from utils.standins.layouts.plan import Plan, Row, csv_text, pick, share

FOLDER = "scin/dataset"
SHOTS = {"CLOSE_UP": DERM_CLINIC, "AT_DISTANCE": PAN, "AT_AN_ANGLE": DERM_CLINIC}
"""How a picture was taken, and what it is drawn like."""

TAKEN = (
    *(("AT_DISTANCE", "CLOSE_UP"), ("CLOSE_UP", "AT_AN_ANGLE", "AT_DISTANCE"), ("CLOSE_UP",)),
    *(("CLOSE_UP", "AT_DISTANCE"), ("AT_DISTANCE",)),
)
"""What five cases in a row have, in the order of their columns."""

PLACES = ("body_parts_head_or_neck", "body_parts_arm", "body_parts_torso_back", "body_parts_leg")
YES = "DEFAULT_YES_IMAGE_QUALITY_SUFFICIENT"
NO = "NO_IMAGE_QUALITY_INSUFFICIENT"
VOTES = ((YES, "", ""), (YES, YES, YES), (YES, "", ""), (NO, YES, YES), (YES, "", ""))
"""What the raters say of five cases in a row."""

SHARED = 8
"""Of so many cases the last has the first picture of the one before, too."""


def plan_scin(pictures: int) -> Plan:
    """Plan cases with their pictures, a table of the cases and one of what raters say of them."""
    drawings: list[Drawing] = []
    cases: list[Row] = []
    labels: list[Row] = []
    before = ""
    for case in range(share(pictures, 0.12, at_least=12)):
        case_id, shots = _number("case", case), TAKEN[case % len(TAKEN)]
        paths = []
        for shot in shots:
            path = f"{FOLDER}/images/{_number(shot, case)}.png"
            paths.append(path)
            drawings.append(Drawing(path, SHOTS[shot], (path,), f"scin {case}", "PNG"))
        if case % SHARED == SHARED - 1 and shots[0] == TAKEN[(case - 1) % len(TAKEN)][0]:
            drawings = [drawing for drawing in drawings if drawing.name != paths[0]]
            paths[0] = before
        before = paths[0]
        cases.append(_case_row(case_id, paths, shots))
        labels.append(_label_row(case_id, VOTES[case % len(VOTES)]))
    texts = {
        f"{FOLDER}/scin_cases.csv": csv_text(cases),
        f"{FOLDER}/scin_labels.csv": csv_text(labels),
    }
    return Plan(drawings, lambda _: texts)


def _number(*parts: object) -> int:
    """Return a number of 64 bits with its sign, as SCIN numbers everything."""
    return stable_hash("scin", *parts) - 2**63


def _case_row(case_id: int, paths: list[str], shots: tuple[str, ...]) -> Row:
    row: dict[str, object] = {
        "case_id": case_id,
        "source": "SCIN",
        "release": "1.0.0",
        "year": 2023,
        "age_group": pick(("AGE_18_TO_29", "AGE_30_TO_39", "AGE_UNKNOWN"), "age", case_id),
        "sex_at_birth": pick(("FEMALE", "MALE", "OTHER_OR_UNSPECIFIED"), "sex", case_id),
        "fitzpatrick_skin_type": pick(("FST1", "FST3", "FST5", ""), "skin", case_id),
    }
    row |= dict.fromkeys(PLACES, "") | {pick(PLACES, "place", case_id): "YES"}
    for number in range(3):
        there = number < len(paths)
        path = paths[number].removeprefix("scin/") if there else ""
        row |= {
            f"image_{number + 1}_path": path,
            f"image_{number + 1}_shot_type": shots[number] if there else "",
        }
    return row


def _label_row(case_id: int, votes: tuple[str, ...]) -> Row:
    columns = (f"dermatologist_gradable_for_skin_condition_{number}" for number in (1, 2, 3))
    return {"case_id": case_id, **dict(zip(columns, votes, strict=True))}

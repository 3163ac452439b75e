"""Plan the stand-ins of collections that come with their own table."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from utils.common.labels import DERM, DERM_CLINIC, PAN
from utils.common.seeds import stable_hash, uniform
from utils.standins.layouts.drawing import MD5, Drawing
from utils.standins.layouts.plan import NOTE, Plan, Row, csv_text, pick, share, spread

HIBA = "hospital_buenos_aires"
HIBA_KINDS = ("clinical: overview", "dermoscopic", "clinical: close-up", "clinical: overview")
"""Kinds of a patient's pictures, in order; the first two show one lesion."""

DERM7PT_COLUMNS = (
    *("case_num", "diagnosis", "seven_point_score", "pigment_network", "streaks", "pigmentation"),
    *("regression_structures", "dots_and_globules", "blue_whitish_veil", "vascular_structures"),
    *("level_of_diagnostic_difficulty", "elevation", "location", "sex", "management", "clinic"),
    *("derm", "case_id", "notes"),
)
DERM7PT_FOLDERS = ("FAL", "FCL", "GHL", "NAL", "NEL", "NLL")
DERM7PT_SPLITS = ("train", "test", "valid", "train", "test")
"""Splits of five cases in a row."""

FITZPATRICK17K = "fitzpatrick17k/fitzpatrick17k.csv"
DISEASES = (
    *("acne-vulgaris", "drug-eruption", "erythema-multiforme", "granuloma-annulare"),
    *("lichen-planus", "pityriasis-rosea", "psoriasis", "tinea-corporis", "vitiligo"),
)


def plan_hiba(pictures: int) -> Plan:
    """Plan patients with dermoscopic and clinical pictures, and their table."""
    rows: list[Row] = []
    drawings: list[Drawing] = []
    patient = 0
    while len(rows) < share(pictures, 0.3, at_least=9):
        patient += 1
        patient_id = f"IP_{1_000_000 + spread(patient, 8_999_999)}"
        for image, kind in enumerate(HIBA_KINDS[: 1 + patient % 4]):
            lesion_id = f"IL_{1_000_000 + spread(2 * patient + image // 2, 8_999_999)}"
            isic_id = f"ISIC_{6_000_000 + spread(4 * patient + image, 3_999_999)}"
            label = DERM if kind == "dermoscopic" else DERM_CLINIC
            path = f"{HIBA}/images/{isic_id}.jpg"
            rows.append(_hiba_row(isic_id, kind, lesion_id, patient_id))
            drawings.append(Drawing(f"{isic_id}.jpg", label, (path,), lesion_id))
    table = csv_text(rows)
    return Plan(drawings, lambda _: {f"{HIBA}/metadata.csv": table})


def _hiba_row(isic_id: str, kind: str, lesion_id: str, patient_id: str) -> Row:
    malignant = uniform("malignant", lesion_id) < 0.3
    return {
        "isic_id": isic_id,
        "attribution": "Drawn stand-in",
        "copyright_license": "CC-BY",
        "age_approx": f"{15 + 5 * (stable_hash('age', patient_id) % 14)}.0",
        "anatom_site_general": pick(("anterior torso", "head/neck", "lower extremity"), lesion_id),
        "benign_malignant": "malignant" if malignant else "benign",
        "dermoscopic_type": "contact polarized" if kind == "dermoscopic" else "",
        "diagnosis": "melanoma" if malignant else "nevus",
        "diagnosis_confirm_type": "histopathology" if malignant else "",
        "family_hx_mm": pick(("True", "False", ""), "family", patient_id),
        "image_type": kind,
        "lesion_id": lesion_id,
        "patient_id": patient_id,
        "personal_hx_mm": pick(("True", "False", ""), "personal", patient_id),
        "pixels_x": 640,
        "pixels_y": 480,
        "sex": pick(("male", "female"), "sex", patient_id),
    }


def plan_derm7pt(pictures: int) -> Plan:
    """Plan cases with a clinical and a dermoscopic picture, their table and their three splits."""
    rows: list[Row] = []
    drawings: list[Drawing] = []
    splits: dict[str, list[Row]] = {split: [] for split in DERM7PT_SPLITS}
    for case in range(share(pictures, 0.16, at_least=10)):
        folder = pick(DERM7PT_FOLDERS, "folder", case)
        ending = pick(("jpg", "jpg", "jpg", "JPG"), "ending", case)
        stem = pick((folder, folder.title()), "stem", case)
        derm = f"{folder}/{stem}{2 * case + 1:03d}.{ending}"
        clinic = f"{folder}/{pick((folder, folder.lower()), 'clinic', case)}{2 * case:03d}.jpg"
        if case % 40 in (1, 2, 3):  # one case of each split has lost its clinical picture
            clinic = derm
        for name, label in {clinic: DERM_CLINIC, derm: DERM}.items():
            path = f"release_v0/images/{name}"
            drawings.append(Drawing(f"derm7pt {name}", label, (path,), f"derm7pt {case}"))
        rows.append(_derm7pt_row(case, clinic, derm))
        splits[DERM7PT_SPLITS[case % 5]].append({"indexes": case})
    page = f"<html><body>{NOTE.strip()}</body></html>\n"
    texts = {
        "release_v0/README.txt": NOTE,
        "release_v0/clinic.html": page,
        "release_v0/derm.html": page,
        "release_v0/meta/meta.csv": csv_text(rows),
    }
    texts |= {f"release_v0/meta/{split}_indexes.csv": csv_text(at) for split, at in splits.items()}
    return Plan(drawings, lambda _: texts)


def _derm7pt_row(case: int, clinic: str, derm: str) -> Row:
    row: dict[str, object] = dict.fromkeys(DERM7PT_COLUMNS, "absent")
    return row | {
        "case_num": case + 1,
        "diagnosis": pick(("clark nevus", "basal cell carcinoma", "melanoma"), "diagnosis", case),
        "seven_point_score": stable_hash("score", case) % 8,
        "level_of_diagnostic_difficulty": pick(("low", "medium", "high"), "difficulty", case),
        "elevation": pick(("flat", "palpable", "nodular"), "elevation", case),
        "location": pick(("back", "abdomen", "lower limbs", "upper limbs"), "location", case),
        "sex": pick(("female", "male"), "sex", case),
        "management": pick(("excision", "clinical follow up"), "management", case),
        "clinic": clinic,
        "derm": derm,
        "case_id": "",
        "notes": "Clinical missing and replaced with derm" if clinic == derm else "",
    }


def plan_fitzpatrick17k(pictures: int) -> Plan:
    """Plan pictures that are named by the MD5 of their bytes, and the table that lists them."""
    urls = [_url(index) for index in range(share(pictures, 0.7, at_least=8))]
    drawings = [Drawing(url, PAN, (f"fitzpatrick17k/{MD5}.jpg",)) for url in urls]

    def tables(paths: Sequence[str]) -> Mapping[str, str]:
        rows = [
            _gallery_row(PurePosixPath(path).stem, url)
            for path, url in zip(paths, urls, strict=True)
        ]
        return {FITZPATRICK17K: csv_text(rows)}

    return Plan(drawings, tables, _drawn_gallery)


def _url(index: int) -> str:
    if index % 7 == 5:
        return f"http://atlasdermatologico.com.br/img?imageId={1 + spread(index, 9_000)}"
    disease = DISEASES[index % len(DISEASES)]
    page = f"https://www.dermaamin.com/site/images/clinical-pic/{disease[0]}/{disease}"
    return f"{page}/{disease}{1 + index // len(DISEASES)}.jpg"


def _gallery_row(md5: str, url: str) -> Row:
    disease = PurePosixPath(url).parent.name if url.endswith(".jpg") else pick(DISEASES, url)
    skin_type = 1 + stable_hash("skin type", url) % 6
    return {
        "md5hash": md5,
        "fitzpatrick_scale": skin_type,
        "fitzpatrick_centaur": skin_type,
        "label": disease.replace("-", " "),
        "nine_partition_label": "inflammatory",
        "three_partition_label": "non-neoplastic",
        "qc": "",
        "url": url,
        "url_alphanum": "".join(sign for sign in url if sign.isalnum()) + ".jpg",
    }


def _drawn_gallery(all_data: Path) -> Mapping[str, str]:
    table = all_data / FITZPATRICK17K
    if not table.is_file():
        return {}
    with table.open(encoding="utf-8", newline="") as stream:
        listed = {
            row["url"]: f"fitzpatrick17k/{row['md5hash']}.jpg" for row in csv.DictReader(stream)
        }
    return {url: path for url, path in listed.items() if (all_data / path).is_file()}

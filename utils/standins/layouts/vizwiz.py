"""The plan of the drawn VizWiz-QualityIssues: photographs, and two lists of votes on them."""

import json
from collections.abc import Mapping

from utils.common.labels import LOW_QUALITY, OTHER
from utils.common.seeds import stable_hash
from utils.standins.layouts.drawing import Drawing
from utils.standins.layouts.plan import Plan, pick, share, spread

FOLDER = "vizwiz"
SIDES = ("train", "val", "train")
FLAWS = ("FRM", "BLR", "DRK", "BRT", "OBS", "OTH", "NON", "ROT")
KINDS = ("good", "good", "poor", "good", "between", "good", "good", "poor")
"""What eight pictures of a side in a row are by their votes."""


def plan_vizwiz(pictures: int) -> Plan:
    """Plan good pictures, poor ones and some between, and a list of each side."""
    drawings: list[Drawing] = []
    lists: dict[str, list[Mapping[str, object]]] = {side: [] for side in SIDES}
    for index in range(share(pictures, 0.25, at_least=15)):
        side = SIDES[index % len(SIDES)]
        kind = KINDS[len(lists[side]) % len(KINDS)]
        name = f"VizWiz_{side}_{spread(index, 23_431):08d}.jpg"
        label = LOW_QUALITY if kind == "poor" else OTHER
        drawings.append(Drawing(name, label, (f"{FOLDER}/{side}/{name}",)))
        lists[side].append({"image": name, **_votes(name, kind)})
    texts = {f"{FOLDER}/{side}.json": json.dumps(entries) for side, entries in lists.items()}
    return Plan(drawings, lambda _: texts)


def _votes(name: str, kind: str) -> Mapping[str, object]:
    """Return five people's votes."""
    votes = {flaw: stable_hash("votes", flaw, name) % 2 for flaw in FLAWS}
    if kind == "good":
        return {"flaws": votes | {"NON": 4 + votes["NON"]}, "unrecognizable": 0}
    if kind == "poor":
        flaw = pick(("BLR", "BLR", "DRK", "BRT"), "flaw", name)
        return {"flaws": votes | {flaw: 4 + votes[flaw]}, "unrecognizable": 2 + votes["OTH"]}
    return {"flaws": votes, "unrecognizable": 1}

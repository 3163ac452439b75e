"""The plans of the drawn collections that are folders of pictures, without a table."""

from utils.common.labels import DERM_CLINIC, OTHER, PAN
from utils.common.seeds import stable_hash
from utils.standins.layouts.drawing import PLAIN, Drawing
from utils.standins.layouts.plan import Plan, pick, share, spread

WNIDS = (
    *("n01440764", "n01531178", "n01665541", "n02086240", "n02099601", "n02123045", "n02504458"),
    *("n02701002", "n02814533", "n02870880", "n02966193", "n03063599", "n03598930", "n03770439"),
    *("n04328186", "n06359193", "n07747607", "n07753592", "n09193705", "n09428293"),
)
"""Folders of imagenet-mini, one kind of thing each."""


def plan_pad_ufes_20(pictures: int) -> Plan:
    """Plan phone pictures of which several show one patient, in three folders."""
    drawings: list[Drawing] = []
    patient = 0
    while len(drawings) < share(pictures, 0.62, at_least=9):
        patient += 1
        number = 4 + spread(patient, 2_000)
        for image in range(1 + stable_hash("images of", number) % 3):
            lesion = 1 + spread(2 * patient + image // 2, 4_999)
            name = f"PAT_{number}_{lesion}_{spread(3 * patient + image, 9_999)}.png"
            path = f"imgs_part_{1 + patient % 3}/{name}"
            file_format = pick(("PNG", "PNG", "PNG RGBA"), name)
            subject = f"PAT_{number}_{lesion}"
            drawings.append(Drawing(name, DERM_CLINIC, (path,), subject, file_format))
    return Plan(drawings)


def plan_hospital_varese(pictures: int) -> Plan:
    """Plan pictures of body parts in two flat folders, with all sorts of file name endings."""
    endings = (".jpg", ".JPG", ".jpeg", ".png", ".bmp")
    formats = {".png": "PNG", ".bmp": "BMP"}
    drawings = []
    for index in range(share(pictures, 0.3, at_least=10)):
        ending = endings[index % 5 if index % 10 < 5 else 0]
        name = f"varese_{index:04d}{ending}"
        folder = "test" if index % 7 in (3, 5) else "train"
        path = f"hospital_varese/{folder}/{name}"
        drawings.append(Drawing(name, PAN, (path,), format=formats.get(ending, PLAIN)))
    return Plan(drawings)


THINGS = ("001.ak47", "024.butterfly", "056.dog", "101.head-phones", "212.teapot", "257.clutter")


def plan_caltech256(pictures: int) -> Plan:
    """Plan things in one folder per kind, one of them a folder of people."""
    drawings = []
    for index in range(share(pictures, 0.15, at_least=8)):
        kind = "159.people" if index % 9 == 7 else THINGS[index % len(THINGS)]
        name = f"{kind[:3]}_{1 + index // len(THINGS):04d}.jpg"
        path = f"256_ObjectCategories/{kind}/{name}"
        drawings.append(Drawing(f"caltech256 {name}", OTHER, (path,), kind))
    return Plan(drawings)


def plan_imagenet_mini(pictures: int) -> Plan:
    """Plan things, animals and places in one folder per kind, with ImageNet's own odd files."""
    odd = {3: "JPEG CMYK", 6: "JPEG grey", 9: "PNG"}
    drawings = []
    for index in range(share(pictures, 1.0, at_least=12)):
        wnid = WNIDS[index % len(WNIDS)]
        name = f"{wnid}_{spread(index, 29_999)}.JPEG"
        path = f"imagenet-mini/train/{wnid}/{name}"
        if (index + index // len(WNIDS)) % 8 == 7:
            name = f"ILSVRC2012_val_{1 + spread(index, 50_000):08d}.JPEG"
            path = f"imagenet-mini/val/{wnid}/{name}"
        drawings.append(Drawing(name, OTHER, (path,), wnid, odd.get(index, PLAIN)))
    return Plan(drawings)

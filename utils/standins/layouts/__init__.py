"""The stand-in of each collection: how it is laid out, and in which archives it is published."""

from collections.abc import Mapping

from utils.standins.layouts.folders import (
    plan_caltech256,
    plan_hospital_varese,
    plan_imagenet_mini,
    plan_pad_ufes_20,
)
from utils.standins.layouts.isic import plan_isic_2018, plan_isic_2019
from utils.standins.layouts.isic_217 import plan_isic_217
from utils.standins.layouts.milk10k import plan_milk10k
from utils.standins.layouts.scin import plan_scin
from utils.standins.layouts.stand_in import Archive, StandIn
from utils.standins.layouts.table import plan_derm7pt, plan_fitzpatrick17k, plan_hiba
from utils.standins.layouts.vizwiz import plan_vizwiz

STAND_INS: Mapping[str, StandIn] = {
    "isic_2018": StandIn(plan_isic_2018),
    "isic_2019": StandIn(plan_isic_2019),
    "pad_ufes_20": StandIn(
        plan_pad_ufes_20,
        Archive(
            "zr7vgbcyr2-1.zip",
            inner="images/{}.zip",
            beside={"metadata.csv": "patient_id,lesion_id,img_id\n"},
        ),
    ),
    "hiba": StandIn(
        plan_hiba,
        Archive(
            "hospital-italiano-de-buenos-aires-skin-lesions-images-2019-2022.zip", is_loose=True
        ),
    ),
    "milk10k": StandIn(plan_milk10k),
    "scin": StandIn(plan_scin),
    "derm7pt": StandIn(plan_derm7pt),
    "hospital_varese": StandIn(plan_hospital_varese, Archive("hospital_varese.tar.gz")),
    "isic_217": StandIn(plan_isic_217),
    "fitzpatrick17k": StandIn(plan_fitzpatrick17k, Archive("fitzpatrick17k.tar")),
    "vizwiz": StandIn(plan_vizwiz),
    "caltech256": StandIn(plan_caltech256, Archive("256_ObjectCategories.tar")),
    "imagenet_mini": StandIn(plan_imagenet_mini, Archive("archive.zip")),
}
"""One entry for each collection of the catalog, by its short name.

What nobody publishes as an archive is packed as a tar, so that all formats are tried.
"""

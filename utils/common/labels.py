"""The five classes and the three splits, in the order in which every file and table shows them."""

DERM = "DERM"
DERM_CLINIC = "DERM_CLINIC"
LOW_QUALITY = "LOW_QUALITY"
OTHER = "OTHER"
PAN = "PAN"

CLASSES = (DERM, DERM_CLINIC, LOW_QUALITY, OTHER, PAN)
"""Alphabetical, so that an index here equals torchvision's `ImageFolder` index."""

COLLECTED_CLASSES = (DERM, DERM_CLINIC, OTHER, PAN)
"""The classes that every data set is collected for; LOW_QUALITY is made from them, and only some of
it is collected as well."""

CLINIC_OR_PAN = (
    f"{DERM_CLINIC}: the lesion or rash is the subject, and no outline of a body part larger than "
    f"a hand's is needed to see it. {PAN}: a body part or a person is in view, whose lesions would "
    "be cropped first."
)
"""The border between the two clinical classes."""

TRAIN = "train"
VAL = "val"
TEST = "test"

SPLITS = (TRAIN, VAL, TEST)

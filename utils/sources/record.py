"""What a collection offers, picture by picture: the type that the assembly works on."""

from dataclasses import dataclass

from utils.common.labels import TEST, TRAIN, VAL

ANY_SPLIT = (TRAIN, VAL, TEST)
"""The publisher says nothing: the picture may be drawn into any split."""

TRAIN_OR_VAL = (TRAIN, VAL)
"""Published as training, and no validation split was published beside it."""

TRAIN_ONLY = (TRAIN,)
VAL_ONLY = (VAL,)
TEST_ONLY = (TEST,)

NO_COLLECTION = "no collection"
"""In place of a collection's name, for files that belong to none."""

NOT_UNDERSTOOD = "not understood"
"""The rule that leaves out what no other rule knows."""


@dataclass(frozen=True, slots=True)
class Record:
    """One picture that a collection offers.

    Attributes:
        source: Short name of the collection.
        original: Path of the file below ALL_DATA, with "/"; of a file in a folder of the user's
            own, the path that it would have there.
        identity: Name of the picture that no other picture has; two records with the same
            identity are the same picture, found twice.
        label: One of `labels.CLASSES`; LOW_QUALITY if people voted that it is poor.
        group: Patient, else lesion, else case, else the picture; never in two splits.
        splits: The splits that the publisher leaves open.
        md5: MD5 that the file's bytes must have, "" where none is published.
        series: Name and number of a numbered series, in which neighbours often are one patient.
        votes: LOW_QUALITY only: the votes that say so, a JSON object.
        is_corrected: Whether a person gave it its class, whatever the collection says.
    """

    source: str
    original: str
    identity: str
    label: str
    group: str
    splits: tuple[str, ...] = ANY_SPLIT
    md5: str = ""
    series: tuple[str, int] | None = None
    votes: str = ""
    is_corrected: bool = False


@dataclass(frozen=True, slots=True)
class LeftOut:
    """One file of a collection that a rule leaves out."""

    source: str
    original: str
    rule: str

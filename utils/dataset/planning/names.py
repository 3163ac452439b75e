"""Name a written picture after its identity: stable, unique, safe on every file system."""

import re
from pathlib import PurePosixPath

from utils.common.disk.outputs import JOURNAL_NAME as JOURNAL_NAME
from utils.common.disk.outputs import STATE_NAME as STATE_NAME
from utils.common.labels import LOW_QUALITY
from utils.common.seeds import stable_hash
from utils.sources.record import Record

MAX_STEM = 60


def file_name(record: Record) -> str:
    """Return the written file's name: collection, original stem, hash of the identity.

    The hash keeps names apart where the file system does not tell case, or stems repeat.
    """
    return _name(record.source, PurePosixPath(record.original).stem, record.identity)


def low_quality_name(parent: str, variant: int) -> str:
    """Return the name of the picture made from the written file named `parent`."""
    stem = PurePosixPath(parent).stem
    return _name(LOW_QUALITY.lower(), stem, f"{parent} {variant}")


def _name(prefix: str, stem: str, identity: str) -> str:
    readable = re.sub(r"[^A-Za-z0-9_-]+", "_", stem)[:MAX_STEM]
    return f"{prefix}-{readable}-{stable_hash(identity):016x}.jpg"


def is_ours(name: str) -> bool:
    """Tell whether a file's name has the form that this module gives.

    >>> is_ours("pad_ufes_20-PAT_1_2_3-0123456789abcdef.jpg"), is_ours("holiday.jpg")
    (True, False)
    """
    return re.fullmatch(r"[a-z0-9_]+-[A-Za-z0-9_-]*-[0-9a-f]{16}\.jpg", name) is not None

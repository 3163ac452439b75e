"""Which real LOW_QUALITY pictures a data set takes: test ones, and training ones if asked for."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from utils.common.labels import LOW_QUALITY, TEST
from utils.dataset.recipe import Recipe
from utils.sources.record import TEST_ONLY, LeftOut, Record

TRAINING = "real LOW_QUALITY picture of training, which --real-low-quality takes"
NONE_WANTED = "LOW_QUALITY picture, and --low-quality is 0"


def hold_back(
    records: Sequence[Record], recipe: Recipe
) -> tuple[list[Record], list[LeftOut], list[str]]:
    """Leave out the real LOW_QUALITY pictures that are not wanted.

    Without `recipe.real_low_quality` they are test pictures, whatever else the publisher leaves
    open, so that synthesized training pictures are measured on real ones.

    Returns:
        The records to use, what is left out, and what the user should know.
    """
    kept, left_out = [], []
    for record in records:
        if record.label != LOW_QUALITY:
            kept.append(record)
        elif not recipe.low_quality:
            left_out.append(LeftOut(record.source, record.original, NONE_WANTED))
        elif recipe.real_low_quality:
            kept.append(record)
        elif TEST in record.splits:
            kept.append(replace(record, splits=TEST_ONLY))
        else:
            left_out.append(LeftOut(record.source, record.original, TRAINING))
    counts = Counter((left.source, left.rule) for left in left_out)
    notes = [f"{source}: {count:,} left out ({rule})" for (source, rule), count in counts.items()]
    return kept, left_out, notes

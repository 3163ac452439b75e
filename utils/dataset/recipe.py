"""What decides on a data set besides its records, and nothing that does not."""

from dataclasses import dataclass

from utils.common.limits import MAX_PIXELS, SMALLEST_GOOD


@dataclass(frozen=True, slots=True)
class Recipe:
    """What decides on the data set besides the records.

    Attributes:
        seed: Of splits, order and degradations.
        image_size: Shorter side of the written pictures in pixels; 0 keeps each one's size.
        min_size: Originals with a shorter side below this many pixels are left out.
        keep_poor: Whether originals that are too blurred or too dark to be good ones stay.
        max_pixels: Originals with more pixels are left out.
        limit: Most pictures per class and split, None for all.
        low_quality: Synthesized LOW_QUALITY pictures as a multiple of the mean of the others.
        real_low_quality: Whether real LOW_QUALITY pictures are training and val pictures, too.
        allow_empty: Whether a class may stay empty.
        workers: Number of processes, 0 for one per processor; changes nothing in the result.
    """

    seed: int = 0
    image_size: int = 256
    min_size: int = SMALLEST_GOOD
    keep_poor: bool = False
    max_pixels: int = MAX_PIXELS
    limit: int | None = None
    low_quality: float = 1.0
    real_low_quality: bool = False
    allow_empty: bool = False
    workers: int = 0

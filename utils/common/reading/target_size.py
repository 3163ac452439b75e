"""How large a picture becomes when it is resized."""

REDUCING_GAP = 2.0
"""Average whole blocks first as long as twice the pixels wanted are left: twice as fast."""


def fit_shorter_side(size: tuple[int, int], shorter_side: int) -> tuple[int, int]:
    """Scale (width, height) so that the shorter of them is `shorter_side`.

    >>> fit_shorter_side((600, 450), 256)
    (341, 256)
    """
    scale = shorter_side / min(size)
    width, height = (max(1, round(length * scale)) for length in size)
    return width, height


def reduction(size: tuple[int, int], shorter_side: int) -> int:
    """Return the divisor of the scale that a JPEG is decoded at: 1, 2, 4 or 8.

    The largest that leaves twice the wanted size, as `Image.thumbnail` of Pillow chooses it with
    its `reducing_gap` of 2.0.

    Args:
        size: (width, height) of the JPEG.
        shorter_side: Wanted, 0 to keep the size.

    >>> [reduction(size, 256) for size in ((600, 450), (1200, 1024), (4000, 3000), (6000, 5000))]
    [1, 2, 4, 8]
    """
    if not shorter_side:
        return 1
    width, height = fit_shorter_side(size, shorter_side)
    scale = min(size[0] // int(width * REDUCING_GAP), size[1] // int(height * REDUCING_GAP))
    return next(divisor for divisor in (8, 4, 2, 1) if divisor <= max(scale, 1))


def averaged(size: tuple[int, int], shorter_side: int) -> tuple[int, int]:
    """Return width and height of the blocks of pixels that are averaged before resizing.

    As `Image.resize` of Pillow chooses them with the `reducing_gap` used here.

    >>> averaged((2000, 1500), 256)
    (2, 2)
    """
    if not shorter_side:
        return 1, 1
    width, height = fit_shorter_side(size, shorter_side)
    return int(size[0] / width / REDUCING_GAP) or 1, int(size[1] / height / REDUCING_GAP) or 1


def reduced(size: tuple[int, int], divisor: int) -> tuple[int, int]:
    """Return (width, height) of a JPEG that is decoded at a part of its size."""
    width, height = (-(-length // divisor) for length in size)
    return width, height

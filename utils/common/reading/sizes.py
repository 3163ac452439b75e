"""How large a picture becomes when it is resized."""


def fit_shorter_side(size: tuple[int, int], shorter_side: int) -> tuple[int, int]:
    """Scale (width, height) so that the shorter of them is `shorter_side`.

    >>> fit_shorter_side((600, 450), 256)
    (341, 256)
    """
    scale = shorter_side / min(size)
    width, height = (max(1, round(length * scale)) for length in size)
    return width, height

"""Choose backgrounds, and colours of text that are readable on them."""

LEAST_CONTRAST = 4.5
"""Least contrast of text of usual size (WCAG 2.2, success criterion 1.4.3)."""

INK = "#1f2933"
CHOICES = (INK, "#ffffff", "#000000")
"""Colours of text; on any background at least one of the last two is readable."""

LIGHT, FULL = (255, 255, 255), (12, 58, 116)
"""Background of a cell with nothing of its row, and of a cell with all of it."""


def shade(share: float) -> str:
    """Return the background of a cell, from white to blue.

    >>> shade(0), shade(1)
    ('#ffffff', '#0c3a74')
    """
    mixed = (round(low + share * (high - low)) for low, high in zip(LIGHT, FULL, strict=True))
    return "#" + "".join(f"{value:02x}" for value in mixed)


def readable_on(background: str) -> str:
    """Return the first colour of text that is readable on a background.

    >>> readable_on("#ffffff"), readable_on("#0c3a74"), readable_on("#818181")
    ('#1f2933', '#ffffff', '#000000')
    """
    return next(choice for choice in CHOICES if contrast(choice, background) >= LEAST_CONTRAST)


def contrast(first: str, second: str) -> float:
    """Return the contrast ratio of two colours, from 1 to 21 (WCAG 2.2).

    >>> round(contrast("#000000", "#ffffff"), 3)
    21.0
    """
    darker, lighter = sorted((_luminance(first), _luminance(second)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    red, green, blue = (_linear(int(colour[i : i + 2], 16) / 255) for i in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4

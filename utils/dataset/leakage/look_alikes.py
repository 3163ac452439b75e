"""Draw the pairs of originals that count as one picture by their looks, for a human to judge."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

from utils.common.disk.location import DamagedError
from utils.common.disk.writing import update_bytes
from utils.common.limits import ACCEPTED
from utils.common.pictures import PictureError, read_picture
from utils.common.seeds import stable_hash

LOOK_ALIKES_NAME = "look_alikes.png"
MAX_PAIRS = 24
PAIRS_PER_LINE = 3
TILE = 160
GAP = 2
MARGIN = 12
HEAD = 40
CAPTION = 16

Pair = tuple[str, str]


def draw_look_alikes(
    folder: Path, only_alike: Sequence[Pair], alike: Sequence[Pair], read: Callable[[str], bytes]
) -> None:
    """Draw pairs side by side, those first that nothing but their looks tells to be one picture.

    Args:
        folder: Where `look_alikes.png` goes.
        only_alike: Pairs of originals joined by their looks alone.
        alike: All pairs joined by their looks, those among them.
        read: Returns the bytes of an original.
    """
    known = set(only_alike)
    shown = _pick(only_alike, MAX_PAIRS)
    shown += _pick([pair for pair in alike if pair not in known], MAX_PAIRS - len(shown))
    lines = -(-len(shown) // PAIRS_PER_LINE)
    width, height = 2 * (TILE + GAP) + MARGIN, TILE + CAPTION + MARGIN
    sheet = Image.new("RGB", (MARGIN + PAIRS_PER_LINE * width, HEAD + lines * height), "white")
    draw = ImageDraw.Draw(sheet)
    heading = (
        f"{len(alike):,} pairs alike to the eye, {len(only_alike):,} of them joined by nothing "
        f"else (red); {len(shown)} are shown"
    )
    draw.text((MARGIN, 12), heading, "black", ImageFont.load_default(15))
    for number, pair in enumerate(shown):
        line, column = divmod(number, PAIRS_PER_LINE)
        left, top = MARGIN + column * width, HEAD + line * height
        for position, original in enumerate(pair):
            corner = left + position * (TILE + GAP), top
            sheet.paste(_tile(original, read), corner)
            caption = original if len(original) <= 30 else f"{original[:11]}...{original[-16:]}"
            colour = "firebrick" if pair in known else "dimgray"
            draw.text((corner[0], top + TILE + 2), caption, colour, ImageFont.load_default(9))
    stream = io.BytesIO()
    sheet.save(stream, "PNG")
    update_bytes(folder / LOOK_ALIKES_NAME, stream.getvalue())


def _tile(original: str, read: Callable[[str], bytes]) -> Image.Image:
    """Return a picture within a square, which stays grey and says so where it cannot be read."""
    try:
        picture, _ = read_picture(read(original), TILE, ACCEPTED)
    except (PictureError, DamagedError, OSError):
        tile = Image.new("RGB", (TILE, TILE), "lightgray")
        words = "cannot be read any more"
        ImageDraw.Draw(tile).text((8, TILE // 2), words, "black", ImageFont.load_default(12))
        return tile
    return ImageOps.pad(picture, (TILE, TILE), color="lightgray")


def _pick(pairs: Sequence[Pair], most: int) -> list[Pair]:
    """Pick some pairs by hash, in their own order."""
    picked = set(sorted(pairs, key=lambda pair: stable_hash("look alikes", *pair))[:most])
    return [pair for pair in pairs if pair in picked]

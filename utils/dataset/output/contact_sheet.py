"""Draw a few pictures of every class and split on one sheet."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

from utils.common.disk.writing import whole_file
from utils.common.labels import CLASSES, SPLITS
from utils.common.limits import ACCEPTED
from utils.common.pictures import read_picture
from utils.common.seeds import stable_hash
from utils.dataset.output.manifest import ManifestRow

CONTACT_SHEET_NAME = "contact_sheet.png"
COLUMNS_PER_SPLIT = 6
TILE = 112
GAP = 2
MARGIN_LEFT = 128
MARGIN_TOP = 32
CAPTION = 14


def draw_contact_sheet(folder: Path, rows: Iterable[ManifestRow]) -> Path:
    """Draw classes as rows and splits as blocks of columns; the pictures are picked by hash.

    Below each synthesized picture stand its degradation and severity, below others the source.
    """
    places = _lowest_hashes(rows)
    block = COLUMNS_PER_SPLIT * (TILE + GAP) + 5 * GAP
    line = TILE + CAPTION + GAP
    sheet = Image.new(
        "RGB", (MARGIN_LEFT + len(SPLITS) * block, MARGIN_TOP + len(CLASSES) * line), "white"
    )
    draw = ImageDraw.Draw(sheet)
    title, small = ImageFont.load_default(15), ImageFont.load_default(9)
    for column, split in enumerate(SPLITS):
        draw.text((MARGIN_LEFT + column * block, 8), split, "black", title)
    for line_number, label in enumerate(CLASSES):
        top = MARGIN_TOP + line_number * line
        draw.text((8, top + TILE // 2 - 8), label, "black", title)
        for column, split in enumerate(SPLITS):
            for position, row in enumerate(places[label, split]):
                left = MARGIN_LEFT + column * block + position * (TILE + GAP)
                content = (folder / row.file).read_bytes()
                image, _ = read_picture(content, max_pixels=ACCEPTED)
                sheet.paste(ImageOps.fit(image, (TILE, TILE)), (left, top))
                caption = f"{row.degradation} {row.severity}" if row.parent else row.source
                draw.text((left + 1, top + TILE + 1), _shorten(caption), "dimgray", small)
    path = folder / CONTACT_SHEET_NAME
    with whole_file(path) as partial:
        sheet.save(partial, "PNG", compress_level=1)  # smaller ones take longer than the rest
    return path


def _lowest_hashes(rows: Iterable[ManifestRow]) -> dict[tuple[str, str], list[ManifestRow]]:
    """Pick a few pictures of each class and split, without keeping all rows in memory."""
    places: dict[tuple[str, str], list[ManifestRow]] = defaultdict(list)
    for row in rows:
        picked = places[row.label, row.split]
        picked.append(row)
        if len(picked) > COLUMNS_PER_SPLIT:
            picked.sort(key=lambda row: stable_hash("contact sheet", row.file))
            picked.pop()
    return places


def _shorten(caption: str, most: int = 24) -> str:
    return caption if len(caption) <= most else f"{caption[: most - 3]}..."

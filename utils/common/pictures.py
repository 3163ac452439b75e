"""Read a picture file of any format as upright 8-bit RGB, and write RGB as JPEG."""

import functools
import io
import struct
import warnings
from dataclasses import dataclass, replace

from PIL import Image, ImageFile

from utils.common.limits import MAX_PIXELS
from utils.common.reading.bounds import check_memory, check_size, has_slow_decoder
from utils.common.reading.colours.conversion import Meaning, convert, meaning_of
from utils.common.reading.damage import check_messages, decoding, look_into
from utils.common.reading.decoders import check_format, open_picture, read_exif
from utils.common.reading.formats import SUFFIXES as SUFFIXES
from utils.common.reading.isolation import clock
from utils.common.reading.isolation.process import (
    ElsewhereError,
    is_needed,
    leave_to_child,
    read_in_child,
)
from utils.common.reading.isolation.turns import one_at_a_time
from utils.common.reading.jpeg_pixels import check_cmyk, check_other_kind, decode_jpeg
from utils.common.reading.messages import heard
from utils.common.reading.picture_error import PictureError as PictureError
from utils.common.reading.png_pixels import decode_png
from utils.common.reading.target_size import REDUCING_GAP, averaged, reduction
from utils.common.reading.target_size import fit_shorter_side as fit_shorter_side

JPEG_QUALITY = 92
JPEG_SIDE = 65_500
"""Most pixels along a side of a JPEG that libjpeg writes."""

ORIENTATION_TAG = 0x0112
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What turns a picture of this EXIF orientation upright (1 already is)."""

TRANSPOSING = (5, 6, 7, 8)

NO_EXIF = (SyntaxError, ValueError, TypeError, LookupError, OverflowError, struct.error)
"""What Pillow raises where EXIF data are cut or of another form."""

ONE_COLOUR = "of one colour only"
JPEGS = ("JPEG", "MPO")
WHOLE = (1, 1)


@dataclass(frozen=True, slots=True)
class Original:
    """Facts about a picture file as it was found; width and height are of the upright picture."""

    format: str
    width: int
    height: int
    num_frames: int
    """More than one in an animated or multi-page file, of which the first is read."""
    table_sums: tuple[int, ...]
    """As `table_sums` gives them."""
    is_plain: bool
    """Whether it already is an upright 8-bit sRGB JPEG, so that its bytes can be kept."""
    notes: tuple[str, ...] = ()
    """What was done to its pixels or is odd about them, in fixed phrases to count by."""


def read_picture(
    content: bytes, shorter_side: int = 0, max_pixels: int = MAX_PIXELS
) -> tuple[Image.Image, Original]:
    """Decode a picture file to upright 8-bit sRGB.

    Transparent parts come out white, values of more than 8 bit are scaled to 8, EXIF rotation is
    applied, and colours are converted from the space that the file names.

    Args:
        content: The file's bytes.
        shorter_side: Wanted length of the shorter side in pixels, smaller pictures are enlarged;
            0 keeps the size.
        max_pixels: A larger picture is refused before it is decoded, whatever Pillow's own limit.

    Raises:
        PictureError: If there is no whole picture in these bytes.
    """
    if not content:
        raise PictureError("empty", "the file has no bytes")
    check_format(content)  # first, for what is not read needs no other process
    try:
        if is_needed(content):
            raise ElsewhereError
        return _read(content, shorter_side, max_pixels)
    except ElsewhereError:
        image, facts = read_in_child(content, shorter_side, max_pixels)
        lists = {name: tuple(value) for name, value in facts.items() if isinstance(value, list)}
        return image, Original(**facts | lists)


def _read(content: bytes, shorter_side: int, max_pixels: int) -> tuple[Image.Image, Original]:
    """Do what `read_picture` does in this process.

    Raises:
        ElsewhereError: If the decoder's work is bounded by no header.
        PictureError: If there is no whole picture in these bytes.
    """
    with warnings.catch_warnings(), heard() as messages, decoding(content):
        warnings.simplefilter("ignore")
        container = look_into(content, max_pixels)
        with open_picture(container.content, max_pixels) as image:
            check_size(image.size, max_pixels)
            if container.flaw:
                raise container.flaw
            if has_slow_decoder(image):
                leave_to_child()
            with one_at_a_time(check_memory(image, shorter_side, max_pixels)):
                clock.start(clock.limit_s(image.width * image.height, len(content)))
                meaning = meaning_of(image, container.content)
                orientation = _orientation(image)
                original = _look_at(image, orientation, meaning, container.num_frames)
                is_free = meaning.is_plain and orientation not in TURNS  # to be averaged at once
                blocks = averaged(image.size, shorter_side) if is_free else WHOLE
                decoded, blocks = _decode(image, container.content, shorter_side, blocks)
                picture, notes = convert(decoded, meaning, container.content)
                finished = _finish(picture, notes, original, orientation, shorter_side, blocks)
    check_messages(messages)
    return finished


def read_image(
    image: Image.Image, shorter_side: int = 0, max_pixels: int = MAX_PIXELS
) -> tuple[Image.Image, Original]:
    """Bring a picture that Pillow holds to upright 8-bit sRGB, by the steps of `read_picture`.

    One that Pillow has opened from a file and not decoded is read from the bytes of that file.

    Raises:
        PictureError: If it cannot be decoded, is too large or too narrow.
    """
    if not all(image.size):
        raise PictureError("too narrow", f"{image.width} x {image.height} pixels")
    check_size(image.size, max_pixels)
    if (content := bytes_behind(image)) is not None:
        return read_picture(content, shorter_side, max_pixels)
    with warnings.catch_warnings(), decoding(b""):
        warnings.simplefilter("ignore")
        meaning = meaning_of(image)
        orientation = _orientation(image)
        original = _look_at(image, orientation, meaning)
        return _finish(*convert(image, meaning), original, orientation, shorter_side)


def bytes_behind(image: Image.Image) -> bytes | None:
    """Return the file of a picture that Pillow has opened and not decoded, None for any other."""
    stream = getattr(image, "fp", None)
    is_untouched = (
        isinstance(image, ImageFile.ImageFile)
        and image._im is None  # private, but the one sign that nothing is decoded yet
        and not getattr(image, "decoderconfig", ())
        and image.tell() == 0
    )
    if not is_untouched or stream is None or stream.closed:
        return None
    place = stream.tell()
    try:
        stream.seek(0)
        content: bytes = stream.read()
    finally:
        stream.seek(place)
    return content


def _decode(
    image: Image.Image, content: bytes, shorter_side: int, blocks: tuple[int, int]
) -> tuple[Image.Image, tuple[int, int]]:
    """Decode a JPEG at the scale that its wanted size allows, a PNG too; leave others for later.

    Args:
        image: Opened.
        content: Of its file.
        shorter_side: Wanted.
        blocks: Width and height of those that may be averaged at once.

    Returns:
        The picture, and the blocks that were averaged.
    """
    is_open = bool(getattr(image, "tile", None))  # and not decoded yet
    if image.format == "PNG" and is_open and image.mode in ("RGB", "RGBA"):
        pixels = decode_png(content, blocks)
        return (image, WHOLE) if pixels is None else (pixels, blocks)
    if image.format in JPEGS:
        image = _decode_jpeg(image, content, shorter_side)
    return image, WHOLE


def _decode_jpeg(image: Image.Image, content: bytes, shorter_side: int) -> Image.Image:
    if image.mode in ("RGB", "L"):
        pixels = decode_jpeg(content, image.size, shorter_side)
        if pixels is not None:
            return pixels.getchannel(0) if image.mode == "L" else pixels
        check_other_kind(content)
    else:
        check_cmyk(content)
    divisor = reduction(image.size, shorter_side)
    image.draft(None, (image.width // divisor, image.height // divisor))
    return image


def _finish(
    picture: Image.Image,
    notes: tuple[str, ...],
    original: Original,
    orientation: int,
    shorter_side: int,
    blocks: tuple[int, int] = WHOLE,
) -> tuple[Image.Image, Original]:
    """Turn a picture upright and resize it; complete the facts about it.

    Blocks that were averaged already may reach over the right and the lower edge.
    """
    if orientation in TURNS:
        picture = picture.transpose(TURNS[orientation])
    if shorter_side:
        size = fit_shorter_side((original.width, original.height), shorter_side)
        box = None
        if blocks != WHOLE:
            box = (0, 0, original.width / blocks[0], original.height / blocks[1])
        picture = picture.resize(size, Image.Resampling.BICUBIC, box, REDUCING_GAP)
    if _is_of_one_colour(picture):
        notes = (*notes, ONE_COLOUR)
    return picture, replace(original, notes=notes) if notes else original


def _is_of_one_colour(picture: Image.Image) -> bool:
    """Ask a few pixels first: asking all of them of every picture would take its time."""
    width, height = picture.size
    pixels = picture.im  # each of Image's own calls asks first whether the picture is loaded
    first = pixels.getpixel((0, 0))
    for spot in ((width // 2, height // 2), (width - 1, height - 1), (width // 3, 2 * height // 3)):
        if pixels.getpixel(spot) != first:
            return False
    bands = (picture.getchannel(band).getextrema() for band in "RGB")
    return all(low == high for low, high in bands)


def _look_at(
    image: Image.Image, orientation: int, meaning: Meaning, num_frames: int | None = None
) -> Original:
    """Return the facts about a picture file."""
    width, height = image.size
    if orientation in TRANSPOSING:
        width, height = height, width
    is_upright_rgb = image.format == "JPEG" and image.mode == "RGB" and orientation not in TURNS
    if num_frames is None:
        num_frames = int(getattr(image, "n_frames", 1))
    return Original(
        image.format or "",
        width,
        height,
        num_frames,
        table_sums(image),
        is_upright_rgb and meaning.is_plain,
    )


def table_sums(image: Image.Image) -> tuple[int, ...]:
    """Return the sum of each of a JPEG's quantisation tables: the coarser, the larger.

    Usually one for brightness and one for colour; other formats have none.
    """
    tables: dict[int, list[int]] = getattr(image, "quantization", {})
    return tuple(sum(table) for _, table in sorted(tables.items()))


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation that is still to be undone; unreadable EXIF counts as none."""
    if image.format == "TIFF":
        return 1  # Pillow turns these by itself while it loads them
    try:
        return int(read_exif(image).get(ORIENTATION_TAG, 1))
    except NO_EXIF:
        return 1


def is_as_written(original: Original) -> bool:
    """Whether a picture is as `write_jpeg` writes one, by what its JPEG tables tell."""
    return original.is_plain and original.table_sums == _written_tables()


@functools.cache
def _written_tables() -> tuple[int, ...]:
    return read_picture(write_jpeg(Image.new("RGB", (16, 16))))[1].table_sums


def write_jpeg(image: Image.Image) -> bytes:
    """Encode an RGB picture as JPEG, the same bytes at every call.

    Raises:
        PictureError: If a side is longer than that of any JPEG.
    """
    if max(image.size) > JPEG_SIDE:
        size = f"{image.width} x {image.height} pixels"
        raise PictureError("too large", f"{size}, and no side of a JPEG has over {JPEG_SIDE:,}")
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=JPEG_QUALITY)
    return stream.getvalue()

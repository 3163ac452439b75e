"""A corpus of broken and of odd but good files: the broken are found, the odd are not refused."""

import functools
import io
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
import simplejpeg
from PIL import Image

from tests.common.corpus import PLAIN_PIXELS, WHOLE, draw, encode
from utils.common.pictures import PictureError, read_picture

SIDE = 256


def reason(content: bytes) -> str:
    try:
        read_picture(content, SIDE)
    except PictureError as error:
        return error.reason
    return ""


def passes_verify(content: bytes) -> bool:
    """Tell what PIL's own `verify` says, for comparison."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            image.verify()
    except Exception:
        return False
    return True


def broken_files() -> dict[str, list[bytes]]:
    rng = np.random.default_rng(0)
    corpus: dict[str, list[bytes]] = {"HTML": [], "empty": [b""], "random bytes": []}
    for name, make in WHOLE.items():
        content = make()
        cuts = [max(1, len(content) * percent // 100) for percent in range(1, 100, 7)]
        corpus[f"{name} cut"] = [content[:cut] for cut in cuts]
        if name not in PLAIN_PIXELS:  # zeros are pixels there, like any other
            corpus[f"{name} zero tail"] = [
                content[:cut] + bytes(len(content) - cut) for cut in cuts
            ]
    corpus["HTML"] = [b"<!DOCTYPE html><html><body>404 Not Found</body></html>" + bytes(600)]
    corpus["random bytes"] = [rng.bytes(int(rng.integers(1, 5000))) for _ in range(100)]
    return corpus


@pytest.mark.slow
def test_cut_zeroed_and_foreign_files_are_found() -> None:
    found, missed, verified = 0, Counter[str](), 0
    for kind, files in broken_files().items():
        for content in files:
            found += bool(reason(content))
            missed[kind] += not reason(content)
            verified += passes_verify(content)
    total = found + missed.total()
    print(
        f"\n{found} of {total} broken files found; verify() alone finds {total - verified}; "
        f"missed: {dict(+missed)}"
    )
    assert found >= 0.99 * total


@pytest.mark.slow
def test_bit_flips_that_the_decoder_warns_of_are_found() -> None:
    rng = np.random.default_rng(1)
    warned = found = visible = visible_found = 0
    for number in range(8):
        content = encode(draw(number), "JPEG", quality=90)
        whole = np.asarray(read_picture(content)[0], float)
        start = content.rindex(b"\xff\xda") + 14
        for _ in range(60):
            flipped = bytearray(content)
            flipped[int(rng.integers(start, len(content) - 2))] ^= 1 << int(rng.integers(8))
            try:
                simplejpeg.decode_jpeg(bytes(flipped), strict=True)
                warns = False
            except ValueError:
                warns = True
            shown = simplejpeg.decode_jpeg(bytes(flipped), strict=False).astype(float)
            error = np.mean((shown - whole) ** 2)
            looks_bad = error > 255**2 / 10**3  # PSNR below 30 dB
            is_found = bool(reason(bytes(flipped)))
            warned, found = warned + warns, found + (warns and is_found)
            visible, visible_found = visible + looks_bad, visible_found + (looks_bad and is_found)
    print(
        f"\nBit flips: {found} of {warned} that make libjpeg warn found; "
        f"{visible_found} of {visible} visible ones (PSNR below 30 dB)"
    )
    assert warned > 50
    assert found >= 0.99 * warned


def turned_by_exif(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encode(draw(28), "JPEG", exif=exif)


def deep_grey() -> Image.Image:
    return Image.fromarray(np.arange(64 * 48, dtype=np.uint16).reshape(48, 64) * 21)


ODD: dict[str, Callable[[], bytes]] = {
    "PNG named .JPEG": lambda: encode(draw(20), "PNG"),
    "16-bit grey": lambda: encode(deep_grey(), "PNG"),
    "RGBA": lambda: encode(draw(21).convert("RGBA"), "PNG"),
    "grey with alpha": lambda: encode(draw(22).convert("LA"), "PNG"),
    "one bit": lambda: encode(draw(23).convert("1"), "PNG"),
    "MPO": lambda: encode(draw(24), "MPO", save_all=True, append_images=[draw(25)]),
    "GIF": lambda: encode(draw(26), "GIF", save_all=True, append_images=[draw(27)]),
    **{f"orientation {one}": functools.partial(turned_by_exif, one) for one in range(1, 9)},
}


@pytest.mark.parametrize("name", ODD)
def test_odd_but_good_files_are_not_refused(name: str) -> None:
    assert reason(ODD[name]()) == ""

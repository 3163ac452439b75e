"""One file of every format and oddity that people send, written into a folder."""

import io
import os
import struct
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms

SIZE = (96, 72)
SPARSE_BYTES = 8 * 2**30


def drawn(seed: int, size: tuple[int, int] = SIZE) -> Image.Image:
    """Return a picture with coarse and fine structures, another one for each seed."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    pixels = np.asarray(coarse.resize(size, Image.Resampling.BICUBIC)).astype(int)
    pixels = (pixels + rng.integers(-20, 21, pixels.shape)).clip(0, 255)
    return Image.fromarray(pixels.astype(np.uint8))


def encode(image: Image.Image, kind: str, **how: Any) -> bytes:
    """Return a picture as the bytes of a file."""
    stream = io.BytesIO()
    image.save(stream, kind, **how)
    return stream.getvalue()


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """Return one chunk of a PNG."""
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def with_chunk(png: bytes, kind: bytes, content: bytes) -> bytes:
    """Return a PNG with one more chunk behind its header."""
    return png[:33] + png_chunk(kind, content) + png[33:]


def empty_png(side: int, depth: int, colour: int, *chunks: bytes) -> bytes:
    """Return a PNG of zeros that is small as a file however large it is."""
    channels = {0: 1, 2: 3, 3: 1, 6: 4}[colour]
    row = bytes(1 + side * channels * depth // 8)
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, depth, colour, 0, 0, 0)
    parts = (png_chunk(b"IHDR", header), *chunks, png_chunk(b"IDAT", packed))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + png_chunk(b"IEND", b"")


def many_scans(count: int) -> bytes:
    """Return a progressive JPEG whose last scan is repeated `count` times."""
    content = encode(drawn(90), "JPEG", progressive=True)
    start = content.rindex(b"\xff\xda")
    return content[:start] + content[start:-2] * count + b"\xff\xd9"


def good_pictures() -> Iterator[tuple[str, bytes]]:
    """Yield names and contents of pictures that every viewer shows."""
    seed = iter(range(1000))
    for name, how in {
        "plain": {}, "progressive": {"progressive": True}, "444": {"subsampling": 0},
        "with_icc": {"icc_profile": ImageCms.ImageCmsProfile(
            ImageCms.createProfile("sRGB")).tobytes()},
        "broken_icc": {"icc_profile": b"no profile" * 20},
        "cut_exif": {"exif": b"Exif\0\0II*\0\x08\0\0\0\xff\xff"},
    }.items():  # fmt: skip
        yield f"{name}.jpg", encode(drawn(next(seed)), "JPEG", **how)
    turned = Image.Exif()
    turned[0x0112] = 6
    yield "turned.jpg", encode(drawn(next(seed)), "JPEG", exif=turned)
    yield "grey.jpg", encode(drawn(next(seed)).convert("L"), "JPEG")
    yield "cmyk.jpg", encode(drawn(next(seed)).convert("CMYK"), "JPEG")
    plain = encode(drawn(next(seed)), "JPEG")
    yield "padding_before_the_end.jpg", plain[:-2] + bytes(20) + plain[-2:]
    plain = encode(drawn(next(seed)), "JPEG")
    yield "more_behind_the_end.jpg", plain + b"made by a camera" * 99
    plain = encode(drawn(next(seed)), "JPEG")
    start = plain.index(b"\xff\xda")
    end = start + 2 + int.from_bytes(plain[start + 2 : start + 4], "big")
    yield "phone.jpg", plain[: end - 2] + b"\0" + plain[end - 1 :]
    plain = encode(drawn(next(seed)), "JPEG")
    start = plain.index(b"JFIF\0") + 5
    yield "jfif_2_01.jpg", plain[:start] + b"\x02\x01" + plain[start + 2 :]

    yield "plain.png", encode(drawn(next(seed)), "PNG")
    yield "palette.png", encode(drawn(next(seed)).quantize(64), "PNG", transparency=3)
    with_alpha = drawn(next(seed)).convert("RGBA")
    with_alpha.putalpha(Image.linear_gradient("L").resize(SIZE))
    yield "alpha.png", encode(with_alpha, "PNG")
    no_alpha = drawn(next(seed)).convert("RGBA")
    no_alpha.putalpha(0)
    yield "zero_alpha.png", encode(no_alpha, "PNG")
    yield "zero_alpha.bmp", encode(no_alpha.rotate(180), "BMP")
    deep = np.asarray(drawn(next(seed)).convert("L")).astype(np.uint16)
    yield "16_bit.png", encode(Image.fromarray(deep * 257), "PNG")
    twelve = encode(Image.fromarray(deep[::-1] * 16), "PNG")
    yield "12_of_16_bit.png", with_chunk(twelve, b"sBIT", b"\x0c")
    plain = encode(drawn(next(seed)), "PNG")
    yield "gamma.png", with_chunk(plain, b"gAMA", struct.pack(">I", 45455))
    plain = encode(drawn(next(seed)), "PNG")
    yield "display_p3.png", with_chunk(plain, b"cICP", bytes((12, 13, 0, 1)))
    yield "more_behind_the_end.png", encode(drawn(next(seed)), "PNG") + bytes(70_000)

    for compression in ("raw", "tiff_adobe_deflate", "tiff_lzw", "jpeg"):
        yield f"{compression}.tif", encode(drawn(next(seed)), "TIFF", compression=compression)
    pages = [drawn(next(seed)) for _ in range(3)]
    yield "pages.tiff", encode(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    frames = [drawn(next(seed)).quantize(64) for _ in range(3)]
    animated = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    yield "animated.gif", animated
    yield "zeros_behind.gif", encode(drawn(next(seed)).quantize(64), "GIF") + bytes(64)
    yield "plain.webp", encode(drawn(next(seed)), "WEBP")
    yield "lossless.webp", encode(drawn(next(seed)), "WEBP", lossless=True)
    exif = b"Exif\0\0" + turned.tobytes()[6:] + bytes(40)
    yield "zeros_in_exif.webp", encode(drawn(next(seed)), "WEBP", exif=exif)
    yield "plain.bmp", encode(drawn(next(seed)), "BMP")
    yield "plain.ppm", encode(drawn(next(seed)), "PPM")
    yield "plain.pgm", encode(drawn(next(seed)).convert("L"), "PPM")
    yield "plain.jp2", encode(drawn(next(seed)), "JPEG2000")
    yield "plain.avif", encode(drawn(next(seed)), "AVIF")
    yield "avif_called.jpg", encode(drawn(next(seed)), "AVIF")
    yield "png_called.jpeg", encode(drawn(next(seed)), "PNG")
    yield "no_ending", encode(drawn(next(seed)), "JPEG")
    yield "CAPITALS.JPG", encode(drawn(next(seed)), "JPEG")
    yield "=1+1.jpg", encode(drawn(next(seed)), "JPEG")
    yield "ü" * 60 + ".jpg", encode(drawn(next(seed)), "JPEG")
    if os.name != "nt":
        yield "\x1b[31mred\nError: forged.jpg", encode(drawn(next(seed)), "JPEG")


def bad_pictures() -> Iterator[tuple[str, bytes]]:
    """Yield what looks like a picture and cannot be read, or must not be."""
    plain = encode(drawn(2000), "JPEG")
    yield "cut.jpg", plain[: len(plain) // 2]
    middle = len(plain) // 2
    yield "zeroed.jpg", plain[:middle] + bytes(512) + plain[middle + 512 :]
    yield "empty.jpg", b""
    yield "text.jpg", b"no picture at all"
    yield "scans.jpg", many_scans(1500)
    page = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n%%EndComments\n"
    yield "postscript.jpg", page + b"(any) show {} loop\n%%EOF\n"
    yield "portable_document.png", b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\n%%EOF\n"
    yield "vectors.svg.jpg", b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>'
    avif = encode(drawn(2001), "AVIF")
    yield "zero_tail.avif", avif[: len(avif) // 2] + bytes(len(avif) - len(avif) // 2)
    webp = encode(drawn(2002), "WEBP")
    yield "cut.webp", webp[: len(webp) // 2]
    tiff = encode(drawn(2003), "TIFF", compression="tiff_adobe_deflate")
    yield "cut.tif", tiff[: len(tiff) // 3]
    png = encode(drawn(2004), "PNG")
    yield "cut.png", png[:-300]
    yield "large_16_bit.png", empty_png(15_000, 16, 0)
    palette = (png_chunk(b"PLTE", bytes(768)), png_chunk(b"tRNS", bytes(256)))
    yield "large_palette.png", empty_png(15_000, 8, 3, *palette)
    yield "DDS_.jpg", b"DDS " + struct.pack("<I", 124) + bytes(200)
    for kind, ending in (("ICO", "jpg"), ("TGA", "png"), ("PCX", "bmp"), ("SGI", "tif")):
        yield f"{kind.lower()}.{ending}", encode(drawn(2010), kind)
    yield "unreadable.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(500)
    yield "unreadable.jxl", b"\xff\x0a" + bytes(500)
    yield "unreadable.dcm", bytes(128) + b"DICM" + bytes(500)
    yield "one_pixel_wide.png", encode(drawn(2005, (1, 60)), "PNG")


def odd_archives() -> Iterator[tuple[str, bytes]]:
    """Yield archives that are unusual but harmless, and some that cannot be read."""

    def zipped(files: dict[str, bytes]) -> bytes:
        stream = io.BytesIO()
        with warnings.catch_warnings(), zipfile.ZipFile(stream, "w") as archive:
            warnings.simplefilter("ignore")
            for name, content in files.items():
                info = zipfile.ZipInfo()
                info.filename = name  # as it is: ZipInfo(name) would mend backslashes
                archive.writestr(info, content)
        return stream.getvalue()

    pictures = [encode(drawn(3000 + number), "JPEG") for number in range(6)]
    yield "backslashes.zip", zipped({"folder\\a.jpg": pictures[0], "folder\\b.jpg": pictures[1]})
    yield "inner.zip", zipped({"inner/c.zip": zipped({"c.jpg": pictures[2]}), "notes.txt": b""})
    whole = zipped({"d.jpg": pictures[3]})
    yield "cut.zip", whole[: len(whole) // 2]
    end = whole.rindex(b"PK\5\6")
    forged = whole[: end + 8] + bytes(4) + whole[end + 12 :]
    yield "forged.zip", forged
    yield "part.zip.001", whole[: len(whole) // 2]
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        info = tarfile.TarInfo("e.jpg")
        info.size = len(pictures[4])
        archive.addfile(info, io.BytesIO(pictures[4]))
    yield "plain.tar.gz", stream.getvalue()
    yield "archive.rar", b"Rar!\x1a\x07\x01\0" + bytes(100)


def clutter() -> Iterator[tuple[str, bytes]]:
    """Yield what systems and programs leave beside pictures."""
    picture = encode(drawn(4000), "JPEG")
    for name in (
        "._plain.jpg", ".hidden/x.jpg", "@eaDir/x.jpg", "#recycle/x.jpg", "__MACOSX/._x.jpg",
        ".ipynb_checkpoints/x-checkpoint.jpg", ".Trash-1000/files/x.jpg",
    ):  # fmt: skip
        yield name, picture
    yield "Thumbs.db", b"\xd0\xcf\x11\xe0" + bytes(100)
    yield ".DS_Store", b"\0\0\0\1Bud1"
    yield "plain_mask.png", encode(drawn(4001).convert("1"), "PNG")
    yield "notes.txt", b"about these pictures"
    yield "clip.mp4", b"\0\0\0\x18ftypmp42" + bytes(100)


def special_files(folder: Path) -> int:
    """Make what is no regular file, where the system has such; return how many."""
    made = 0
    with (folder / "sparse.jpg").open("wb") as stream:
        stream.truncate(SPARSE_BYTES)
    made += 1
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "pipe.jpg")
        (folder / "zero.jpg").symlink_to("/dev/zero")
        (folder / "dangling.jpg").symlink_to("nowhere.jpg")
        made += 3
    return made


def write_oddities(folder: Path) -> dict[str, int]:
    """Write them all; return how many there are of each sort."""
    counts = {}
    for sort in (good_pictures, bad_pictures, odd_archives, clutter):
        count = 0
        for name, content in sort():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            count += 1
        counts[sort.__name__] = count
    counts["special_files"] = special_files(folder)
    return counts

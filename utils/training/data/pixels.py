"""Get decoded pictures from their files, from shared memory, or from one packed file.

All three give the same pixels. "packed" is one file beside the data set, made if it is missing or,
according to the fingerprint of the data set, holds other pictures; it holds all of them, so that
trainings which leave out collections share it. "ram" is one block of memory that all workers share.
A picture whose file has changed gets into neither, and each picture of a pack has a checksum.
"""

import contextlib
import json
import os
import shutil
import weakref
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
import simplejpeg
import torch
from filelock import FileLock
from numpy.typing import NDArray

from utils.common.cli.console import progress
from utils.common.disk.writing import explain_write_errors, refuse_links, whole_file
from utils.common.errors import OutputError, SettingsError
from utils.common.labels import SPLITS
from utils.common.pictures import PictureError
from utils.common.system.memory import available_memory, byte_size
from utils.common.system.processors import available_processors
from utils.training.data.decoding import decoded_size, read_pixels
from utils.training.data.pictures import (
    CHANGED,
    PACK_DAMAGED,
    Picture,
    PictureFolder,
    read_folder,
    unreadable,
)
from utils.training.data.shared_memory import share_memory
from utils.training.settings import PACKED, RAM

PACKED_NAME = Path(".state", "pixels.packed")
"""Relative to the data set's folder; create_dataset.py keeps its own state there, too."""

VERSION = 2
HEADER_BYTES = 512
CHANNELS = 3
CHECKSUM_BYTES = 8
DECODED_AT_ONCE = 256


class PixelReader(Protocol):
    """Reads decoded pictures; lives in every worker process."""

    def read(self, split: str, index: int) -> NDArray[np.uint8]:
        """Return one picture, upright RGB, uint8, height x width x 3.

        Raises:
            PictureError: If it is not a complete picture, or not the one that was listed.
        """


def open_pixels(pictures: PictureFolder, cache: str) -> PixelReader:
    """Return the reader of a data set's pixels.

    Args:
        pictures: The data set.
        cache: One of `settings.CACHES`.

    Raises:
        DatasetError: If a picture cannot be read.
        OutputError: If the packed file cannot be written.
        SettingsError: If the pixels do not fit into memory.
    """
    if cache == RAM:
        return _load(Layout(pictures), pictures)
    if cache == PACKED:
        whole = read_folder(pictures.folder) if pictures.left_out else pictures
        packed = _pack(Layout(whole), whole)
        return PartOfPixels(packed, whole, pictures) if pictures.left_out else packed
    return FilePixels(pictures)


class FilePixels:
    """Decodes each picture's file anew."""

    def __init__(self, pictures: PictureFolder) -> None:
        self._pictures = pictures

    def read(self, split: str, index: int) -> NDArray[np.uint8]:
        """Decode one picture."""
        return read_pixels(self._pictures.folder, self._pictures.splits[split][index])


class Layout:
    """The place of each picture's pixels when all are stored one after the other.

    Each keeps its own height and width, so that nothing is cropped, padded or resized.

    Args:
        pictures: The data set; pictures without a size in a manifest are decoded to find it.

    Attributes:
        table: N x 3, int64: first byte, height and width of each picture, split after split.
        num_bytes: Number of bytes of all pixels.
    """

    def __init__(self, pictures: PictureFolder) -> None:
        listed = [picture for found in pictures.splits.values() for picture in found]
        sizes = [decoded_size(picture) for picture in listed]
        unknown = [picture for picture, size in zip(listed, sizes, strict=True) if size is None]
        found = (pixels.shape[1::-1] for pixels in _decode(pictures, unknown, "Measuring"))
        table = np.zeros((len(listed), 3), dtype=np.int64)
        table[:, 2:0:-1] = [next(found) if size is None else size for size in sizes]
        ends = (table[:, 1] * table[:, 2] * CHANNELS).cumsum()
        table[1:, 0] = ends[:-1]
        self.table = table
        self.num_bytes = int(ends[-1])
        self._starts = {}
        start = 0
        for split, pictures_of_split in pictures.splits.items():
            self._starts[split] = start
            start += len(pictures_of_split)

    def number(self, split: str, index: int) -> int:
        """Return a picture's row of the table."""
        return self._starts[split] + index

    def find(self, split: str, index: int) -> tuple[int, int, tuple[int, int, int]]:
        """Return a picture's first byte, its number of bytes and its shape."""
        start, height, width = self.table[self.number(split, index)].tolist()
        return start, height * width * CHANNELS, (height, width, CHANNELS)


class SharedPixels:
    """Holds all pictures in memory that workers share, however they are started."""

    def __init__(self, layout: Layout, content: torch.Tensor) -> None:
        self._layout = layout
        self._content = content

    def read(self, split: str, index: int) -> NDArray[np.uint8]:
        """Return one picture without copying it."""
        start, length, shape = self._layout.find(split, index)
        return self._content[start : start + length].numpy().reshape(shape)


class PackedPixels:
    """Reads each picture from its place in one file.

    Each read asks for the whole picture at once. A memory map would do as well for a file in the
    system's cache, but reads others in small pieces. The first read of each picture in each process
    is compared with its checksum.

    Args:
        layout: Layout of the file.
        path: The file.
        header: Header that it must have.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it has another header, or is damaged.
    """

    def __init__(self, layout: Layout, path: Path, header: bytes) -> None:
        self._layout = layout
        self._path = path
        self._header = header
        self._is_checked = bytearray(len(layout.table))
        self._checksums: NDArray[np.int64] = np.zeros(0, np.int64)
        self._stream = self._open()

    def _open(self) -> BinaryIO:
        stream = self._path.open("rb", buffering=0)
        weakref.finalize(self, stream.close)
        layout = self._layout
        is_own = stream.read(HEADER_BYTES) == self._header
        if not is_own or self._path.stat().st_size != _size_of_pack(layout):
            stream.close()
            raise ValueError(f"{self._path} holds other pictures")
        stream.seek(HEADER_BYTES + layout.num_bytes)
        end = stream.read()
        table = np.frombuffer(end[:-CHECKSUM_BYTES], np.int64).reshape(-1, 4)
        if _end_of_pack(layout, table[:, 3]) != end:
            stream.close()
            raise ValueError(f"{self._path} is damaged")
        self._checksums = table[:, 3]
        return stream

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the open file, which a spawned worker opens itself."""
        return {**self.__dict__, "_stream": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._stream = self._open()

    def read(self, split: str, index: int) -> NDArray[np.uint8]:
        """Read one picture."""
        start, length, shape = self._layout.find(split, index)
        if hasattr(os, "pread"):  # forked workers share one position in the file
            content = os.pread(self._stream.fileno(), length, HEADER_BYTES + start)
        else:
            self._stream.seek(HEADER_BYTES + start)
            content = self._stream.read(length)
        if len(content) != length:
            raise PictureError(PACK_DAMAGED, f"{self._path} ends before its pixels")
        number = self._layout.number(split, index)
        if not self._is_checked[number]:
            if zlib.crc32(content) != self._checksums[number]:
                raise PictureError(PACK_DAMAGED, f"its checksum in {self._path} differs")
            self._is_checked[number] = True
        return np.frombuffer(content, np.uint8).reshape(shape)


class PartOfPixels:
    """Reads the pictures that a training uses from the pixels of a whole data set.

    Args:
        pixels: Reader of the whole.
        whole: The whole data set.
        part: Some of its pictures, in other splits.
    """

    def __init__(self, pixels: PixelReader, whole: PictureFolder, part: PictureFolder) -> None:
        self._pixels = pixels
        places = {
            picture.file: (SPLITS.index(split), index)
            for split, listed in whole.splits.items()
            for index, picture in enumerate(listed)
        }
        # Arrays, since counting references to Python numbers would copy memory in each worker.
        self._places = {
            split: np.array([places[picture.file] for picture in listed]).reshape(-1, 2)
            for split, listed in part.splits.items()
        }

    def read(self, split: str, index: int) -> NDArray[np.uint8]:
        """Read one picture."""
        own_split, own_index = self._places[split][index].tolist()
        return self._pixels.read(SPLITS[own_split], own_index)


def _load(layout: Layout, pictures: PictureFolder) -> SharedPixels:
    free = available_memory()
    if free is not None and layout.num_bytes > free:
        needed = byte_size(layout.num_bytes)
        raise SettingsError(
            f"--cache {RAM} needs {needed} of memory, and {byte_size(free)} are free",
            todo=f"Leave it out, or give --cache {PACKED}, which needs as much disk space",
        )
    content = share_memory(layout.num_bytes, f"--cache {RAM}", f"give --cache {PACKED}")
    end = 0
    for pixels in _decode_all(layout, pictures, "Loading"):
        start, end = end, end + pixels.size
        content.numpy()[start:end] = pixels.reshape(-1)
    return SharedPixels(layout, content)


def _pack(layout: Layout, pictures: PictureFolder) -> PackedPixels:
    path = pictures.folder / PACKED_NAME
    header = _header(pictures)
    with contextlib.suppress(OSError, ValueError):
        return PackedPixels(layout, path, header)
    with explain_write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        refuse_links([path.parent, path.with_suffix(".lock")])
        with FileLock(path.with_suffix(".lock")):  # another run that starts now waits for the file
            with contextlib.suppress(OSError, ValueError):
                return PackedPixels(layout, path, header)
            _write_pack(layout, pictures, path, header)
    return PackedPixels(layout, path, header)


def _write_pack(layout: Layout, pictures: PictureFolder, path: Path, header: bytes) -> None:
    for old in (path, *path.parent.glob(f".{path.name}.*.partial")):
        old.unlink(missing_ok=True)
    free = shutil.disk_usage(path.parent).free
    size = _size_of_pack(layout)
    if size > free:
        needed, left = byte_size(size), byte_size(free)
        raise OutputError(
            f"--cache {PACKED} needs {needed} in {path.parent} and {left} are free",
            todo="Free some space, or leave it out",
        )
    with whole_file(path, durable=True) as partial, partial.open("wb") as stream:
        stream.write(header)
        checksums = np.zeros(len(layout.table), np.int64)
        for number, pixels in enumerate(_decode_all(layout, pictures, "Packing")):
            stream.write(pixels.data)
            checksums[number] = zlib.crc32(pixels.data)
        stream.write(_end_of_pack(layout, checksums))
    print(f"{path}: {len(layout.table):,} pictures, {byte_size(size)}")


def _size_of_pack(layout: Layout) -> int:
    return HEADER_BYTES + layout.num_bytes + 4 * len(layout.table) * 8 + CHECKSUM_BYTES


def _end_of_pack(layout: Layout, checksums: NDArray[np.int64]) -> bytes:
    """Return the layout with the checksum of each picture, and a checksum of that table."""
    table = np.column_stack([layout.table, checksums]).tobytes()
    return table + zlib.crc32(table).to_bytes(CHECKSUM_BYTES, "little")


def _header(pictures: PictureFolder) -> bytes:
    """Return the header of a pack of exactly these pixels."""
    facts = {
        "version": VERSION,
        "data": pictures.fingerprint,
        "pictures": sum(map(len, pictures.splits.values())),
        "decoder": simplejpeg.__version__,
    }
    return json.dumps(facts).encode().ljust(HEADER_BYTES)


def _decode_all(layout: Layout, pictures: PictureFolder, title: str) -> Iterator[NDArray[np.uint8]]:
    """Decode every picture in the order of the layout, and check its size."""
    listed = [picture for found in pictures.splits.values() for picture in found]
    decoded = _decode(pictures, listed, title)
    for picture, pixels, row in zip(listed, decoded, layout.table, strict=True):
        if pixels.shape[:2] != tuple(row[1:]):
            error = PictureError(CHANGED, "another size than when it was made")
            raise unreadable(pictures.folder, picture.file, error)
        yield np.ascontiguousarray(pixels)


def _decode(
    pictures: PictureFolder, listed: list[Picture], title: str
) -> Iterator[NDArray[np.uint8]]:
    """Decode on all cores, in order, a few at a time.

    Raises:
        DatasetError: If a picture cannot be read.
    """

    def read(picture: Picture) -> NDArray[np.uint8]:
        try:
            return read_pixels(pictures.folder, picture)
        except PictureError as error:
            raise unreadable(pictures.folder, picture.file, error) from None

    with (
        ThreadPoolExecutor(available_processors()) as pool,
        progress(total=len(listed), desc=title, unit="pictures") as bar,
    ):
        for start in range(0, len(listed), DECODED_AT_ONCE):
            for pixels in pool.map(read, listed[start : start + DECODED_AT_ONCE]):
                bar.update()
                yield pixels

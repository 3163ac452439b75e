"""Archives written by code, good and bad, for the tests of this room."""

import io
import os
import struct
import tarfile
import warnings
import zipfile
from collections.abc import Mapping
from typing import Any

from utils.sources.files.tree import FileTree

STORED, DEFLATED = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED
CENTRAL = b"PK\x01\x02"


def zipped(files: Mapping[str, bytes], method: int = DEFLATED, mode: int = 0) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, content, method)
    return stream.getvalue()


def zip64(files: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", DEFLATED) as archive:
        for name, content in files.items():
            with archive.open(name, "w", force_zip64=True) as member:
                member.write(content)
    return stream.getvalue()


def tarred(files: Mapping[str, bytes], mode: str = "w", **attributes: Any) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for attribute, value in attributes.items():
                setattr(info, attribute, value)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def patched(content: bytes, offset: int, layout: str, value: int, mark: bytes = CENTRAL) -> bytes:
    """Overwrite a number behind the first mark."""
    changed = bytearray(content)
    struct.pack_into(layout, changed, content.index(mark) + offset, value)
    return bytes(changed)


def twice(content: bytes) -> bytes:
    """Give two members of equal length one name."""
    return content.replace(b"b.jpg", b"a.jpg")


def nested(depth: int, method: int = STORED) -> bytes:
    content = zipped({"x.jpg": b"x"})
    for _ in range(depth - 1):
        content = zipped({"inner.zip": content}, method)
    return content


def giant_header() -> bytes:
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, 2**34
    return info.tobuf(tarfile.GNU_FORMAT) + bytes(20 * 512)


ZEROS = bytes(80 * 2**20)
FILES = {"a.jpg": b"a" * 500, "b.jpg": os.urandom(3_000), "c.jpg": b"c" * 500}


def contents(tree: FileTree) -> dict[str, bytes]:
    return {path: tree.originals.locate(path).read() for path in tree.files}


def linked(files: Mapping[str, bytes], links: Mapping[str, str], method: int = DEFLATED) -> bytes:
    """Zip files and symbolic links."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
        for name, target in links.items():
            info = zipfile.ZipInfo(name)
            info.create_system = 3
            info.external_attr = 0o120777 << 16
            archive.writestr(info, target, method)
    return stream.getvalue()

"""Pack drawn collections into the archives in which their publishers deliver them."""

import io
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

from utils.common.disk.writing import write_bytes
from utils.standins.drawings import MARK
from utils.standins.layouts import STAND_INS
from utils.standins.layouts.stand_in import Archive

STORED, DEFLATED = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED

Files = list[tuple[str, bytes]]
"""The files of an archive: path inside it and content."""


def pack_all_data(all_data: Path, target: Path, method: int = DEFLATED) -> None:
    """Pack drawn collections as they are published, and copy what is published unpacked.

    Args:
        all_data: Where `draw_all_data` drew them.
        target: The folder to fill. Unpacking its archives where they lie, those that hold several
            things in folders of their names, gives the same collections.
        method: How a zip holds the zips inside it, stored or deflated.
    """
    for stand_in in STAND_INS.values():
        if stand_in.archive:
            content = _pack(stand_in.archive, stand_in.folders, all_data, method)
            write_bytes(target / stand_in.archive.name, content)
            continue
        for folder in stand_in.folders:
            files = _files(all_data / folder, all_data)
            write_bytes(target / f"{folder}.zip", zip_bytes(files, DEFLATED))
    for path in all_data.iterdir():
        if path.is_file() and path.name != MARK:
            write_bytes(target / path.name, path.read_bytes())


def _pack(archive: Archive, folders: list[str], all_data: Path, method: int) -> bytes:
    files: Files = [(name, text.encode()) for name, text in archive.beside.items()]
    for folder in folders:
        root = all_data / folder if archive.is_loose else all_data
        found = _files(all_data / folder, root)
        if archive.inner:
            files.append((archive.inner.format(folder), zip_bytes(found, DEFLATED)))
        else:
            files += found
    if archive.name.endswith(".zip"):
        return zip_bytes(files, method if archive.inner else DEFLATED)
    return tar_bytes(files, archive.name.endswith(".gz"))


def zip_bytes(files: Iterable[tuple[str, bytes]], method: int) -> bytes:
    """Return a zip of these files, the same bytes whenever it is made."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for path, content in files:
            archive.writestr(zipfile.ZipInfo(path), content, method)
    return stream.getvalue()


def tar_bytes(files: Iterable[tuple[str, bytes]], is_compressed: bool) -> bytes:
    """Return a tar of these files, compressed by gzip or not."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz" if is_compressed else "w") as archive:
        for path, content in files:
            info = tarfile.TarInfo(path)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def _files(folder: Path, root: Path) -> Files:
    """Return the files below a folder, by their paths from `root`."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return [(path.relative_to(root).as_posix(), path.read_bytes()) for path in paths]

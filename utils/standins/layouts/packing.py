"""Drawn collections in, the archives in which their publishers deliver them out."""

import io
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

from utils.common.disk.writing import write_bytes

STORED, DEFLATED = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED

FOLDERS = {
    "ISIC2018_Task3_Training_Input": "ISIC2018_Task3_Training_Input.zip",
    "ISIC2018_Task3_Test_Input": "ISIC2018_Task3_Test_Input.zip",
    "ISIC_2019_Training_Input": "ISIC_2019_Training_Input.zip",
    "ISIC_2019_Test_Input": "ISIC_2019_Test_Input.zip",
    "release_v0": "release_v0.zip",
    "hospital_varese": "hospital_varese.tar.gz",
    "fitzpatrick17k": "fitzpatrick17k.tar",
    "imagenet-mini": "archive.zip",
}
"""Archives that hold one folder; those that nobody publishes show the other formats."""

HIBA_FOLDER = "hospital_buenos_aires"
HIBA = "hospital-italiano-de-buenos-aires-skin-lesions-images-2019-2022.zip"
PAD = "zr7vgbcyr2-1.zip"
PAD_PARTS = ("imgs_part_1", "imgs_part_2", "imgs_part_3")


def pack_all_data(all_data: Path, target: Path, method: int = DEFLATED) -> None:
    """Pack drawn collections as they are published, and copy what is published unpacked.

    Args:
        all_data: Where `draw_all_data` drew them.
        target: The folder to fill; unpacking its archives where they lie, PAD-UFES-20 and Buenos
            Aires in folders of their archives' names, gives the same collections.
        method: How the zip of PAD-UFES-20 holds the zips inside it, stored or deflated.
    """
    for folder, archive in FOLDERS.items():
        if archive.endswith(".zip"):
            content = zip_bytes(_files(all_data / folder, all_data), DEFLATED)
        else:
            content = tar_bytes(_files(all_data / folder, all_data), archive.endswith(".gz"))
        write_bytes(target / archive, content)
    bundle = zip_bytes(_files(all_data / HIBA_FOLDER, all_data / HIBA_FOLDER), DEFLATED)
    write_bytes(target / HIBA, bundle)
    parts = [
        (f"images/{part}.zip", zip_bytes(_files(all_data / part, all_data), DEFLATED))
        for part in PAD_PARTS
    ]
    table = ("metadata.csv", b"patient_id,lesion_id,img_id\n")
    write_bytes(target / PAD, zip_bytes([table, *parts], method))
    for path in all_data.glob("*.csv"):
        write_bytes(target / path.name, path.read_bytes())


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


def _files(folder: Path, root: Path) -> list[tuple[str, bytes]]:
    """Return the files below a folder, by their paths from `root`."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return [(path.relative_to(root).as_posix(), path.read_bytes()) for path in paths]

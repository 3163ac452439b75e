"""Caches: the same pixels from each, made once, made again for other pictures, refused in time."""

import os
import shutil
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from utils.common.errors import DatasetError, OutputError, SettingsError
from utils.common.labels import SPLITS
from utils.common.pictures import PictureError
from utils.training.data import pixels
from utils.training.data.pictures import read_folder, unreadable
from utils.training.data.pixels import PACKED_NAME, open_pixels
from utils.training.settings import CACHES, NONE, PACKED, RAM


def everything(folder: Path, cache: str) -> list[np.ndarray]:
    pictures = read_folder(folder)
    reader = open_pixels(pictures, cache)
    return [
        np.array(reader.read(split, index))
        for split in SPLITS
        for index in range(len(pictures.splits[split]))
    ]


def assert_same_from_all(folder: Path) -> list[np.ndarray]:
    first, *others = (everything(folder, cache) for cache in CACHES)
    for other in others:
        assert all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))
    return first


def test_each_picture_keeps_its_own_height_and_width(own_dataset: Path) -> None:
    (own_dataset / "manifest.csv").unlink()
    for number, size in enumerate([(300, 256), (256, 700), (600, 600)]):
        Image.effect_noise(size, 80).save(own_dataset / "val" / "PAN" / f"new{number}.png")
    shapes = {read.shape for read in assert_same_from_all(own_dataset)}
    assert {(256, 300, 3), (700, 256, 3), (256, 256, 3)} < shapes


def test_a_packed_file_is_made_once(own_dataset: Path, capsys, monkeypatch) -> None:
    before = everything(own_dataset, PACKED)
    assert "pixels.packed: 20 pictures, " in capsys.readouterr().out
    written = (own_dataset / PACKED_NAME).stat()
    for split in SPLITS:
        for picture in (own_dataset / split).rglob("*.jpg"):
            picture.write_bytes(b"")  # nothing but the packed file is read any more
    again = everything(own_dataset, PACKED)
    assert all(np.array_equal(a, b) for a, b in zip(before, again, strict=True))
    assert (own_dataset / PACKED_NAME).stat() == written
    assert capsys.readouterr().out == ""


def test_it_is_made_again_for_other_pictures_or_if_it_is_torn(own_dataset: Path) -> None:
    everything(own_dataset, PACKED)
    packed = own_dataset / PACKED_NAME
    whole = packed.read_bytes()
    manifest = own_dataset / "manifest.csv"
    manifest.write_text(manifest.read_text().replace("fake", "made"))
    assert_same_from_all(own_dataset)
    assert packed.read_bytes()[:512] != whole[:512]
    assert packed.read_bytes()[512:] == whole[512:]
    packed.write_bytes(packed.read_bytes()[:-1])
    (packed.parent / f".{packed.name}.1.partial").write_bytes(b"cut")
    assert_same_from_all(own_dataset)
    assert sorted(path.name for path in packed.parent.iterdir()) == [
        "pixels.lock", "pixels.packed",
    ]  # fmt: skip


def test_it_leaves_the_assembly_alone(small_all_data, tmp_path: Path, build, snapshot) -> None:
    all_data, records = small_all_data
    output = tmp_path / "DATASET"
    build(output, all_data, records)
    everything(output, PACKED)
    packed = (output / PACKED_NAME).stat()
    before = snapshot(output)
    assert build(output, all_data, records).num_moved == 0
    assert snapshot(output) == before
    assert (output / PACKED_NAME).stat() == packed


def test_it_is_made_again_for_pictures_of_the_same_names_and_sizes(own_dataset: Path) -> None:
    (own_dataset / "manifest.csv").unlink()
    picture = own_dataset / "val" / "PAN" / "0.bmp"
    times = (10**18, 10**18)
    for colour in ("red", "green"):
        Image.new("RGB", (300, 256), colour).save(picture)
        os.utime(picture, ns=times)
        before = assert_same_from_all(own_dataset)
    assert any((pixels == (0, 128, 0)).all() for pixels in before)


def test_a_copied_data_set_keeps_its_pack(own_dataset: Path, tmp_path: Path, capsys) -> None:
    everything(own_dataset, PACKED)
    copy = shutil.copytree(own_dataset, tmp_path / "elsewhere", copy_function=shutil.copyfile)
    capsys.readouterr()
    everything(copy, PACKED)
    assert capsys.readouterr().out == ""


def test_damaged_pixels_of_a_pack_are_told(own_dataset: Path) -> None:
    everything(own_dataset, PACKED)
    packed = own_dataset / PACKED_NAME
    content = bytearray(packed.read_bytes())
    content[pixels.HEADER_BYTES + 5] ^= 1
    packed.write_bytes(content)
    picture = read_folder(own_dataset).splits[SPLITS[0]][0]
    with pytest.raises(PictureError) as caught:
        everything(own_dataset, PACKED)
    assert str(unreadable(own_dataset, picture.file, caught.value)) == (
        f"{own_dataset / picture.file} cannot be read: damaged in the pack, its checksum in "
        f"{packed} differs. Delete the pack: it is made again."
    )


@pytest.mark.parametrize("position", [-1, -9, -200])
def test_a_damaged_table_of_a_pack_makes_it_anew(own_dataset: Path, position: int) -> None:
    everything(own_dataset, PACKED)
    packed = own_dataset / PACKED_NAME
    whole = packed.read_bytes()
    content = bytearray(whole)
    content[position] ^= 1
    packed.write_bytes(content)
    assert_same_from_all(own_dataset)
    assert packed.read_bytes() == whole


@pytest.mark.parametrize("cache", CACHES)
def test_a_changed_or_broken_picture_is_never_packed(own_dataset: Path, cache: str) -> None:
    broken = own_dataset / "val" / "PAN" / "0.jpg"
    Image.new("RGB", (90, 64)).save(broken)
    if cache != NONE:
        with pytest.raises(DatasetError, match=f"{broken} cannot be read: changed, its SHA"):
            everything(own_dataset, cache)
        assert not (own_dataset / PACKED_NAME).exists()


def test_too_little_disk_is_one_line(own_dataset: Path, monkeypatch) -> None:
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(pixels.shutil, "disk_usage", lambda _: usage(10_000))
    with pytest.raises(OutputError) as raised:
        everything(own_dataset, PACKED)
    assert str(raised.value) == (
        f"--cache packed needs 0.3 MiB in {own_dataset / '.state'} and 0.0 MiB are free. "
        "Free some space, or leave it out."
    )


def test_too_little_memory_is_one_line(own_dataset: Path, monkeypatch) -> None:
    monkeypatch.setattr(pixels, "available_memory", lambda: 1000)
    with pytest.raises(SettingsError, match=r"ram needs 0\.\d MiB of memory, and 0\.0 MiB are"):
        everything(own_dataset, RAM)

    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("unable to allocate shared memory(shm)")

    monkeypatch.setattr(pixels, "available_memory", lambda: None)
    monkeypatch.setattr(torch.UntypedStorage, "_new_shared", refuse)
    with pytest.raises(SettingsError, match=r"memory for --cache ram are not available\. Make"):
        everything(own_dataset, RAM)


def test_a_folder_that_may_not_be_written_is_one_line(own_dataset: Path) -> None:
    (own_dataset / ".state").write_text("a file")
    with pytest.raises(OutputError, match=r"a file is where a folder should be"):
        everything(own_dataset, PACKED)
    shutil.rmtree(own_dataset)


@pytest.mark.slow
def test_all_workers_look_at_the_same_memory(own_dataset: Path) -> None:
    pictures = read_folder(own_dataset)
    reader = open_pixels(pictures, RAM)
    context = torch.multiprocessing.get_context("spawn")
    answers = context.SimpleQueue()
    worker = context.Process(target=whiten, args=(reader, answers))
    worker.start()
    assert answers.get() != 255
    worker.join()
    assert (reader.read(SPLITS[0], 3) == 255).all()


def whiten(reader: pixels.PixelReader, answers) -> None:
    answers.put(int(reader.read(SPLITS[0], 3).min()))
    reader.read(SPLITS[0], 3)[:] = 255

"""Fixtures of the tests on a user's own pictures: small class folders, some with subfolders."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

import predict
from utils.external import recalibrate


@pytest.fixture
def own(
    tmp_path: Path, make_picture: Callable[..., Image.Image], encode: Callable[..., bytes]
) -> Callable[..., Path]:
    """Give a function that makes a folder with so many pictures below each path."""

    def make(counts: dict[str, int], name: str = "clinic") -> Path:
        folder = tmp_path / name
        for number, (path, count) in enumerate(counts.items()):
            (folder / path).mkdir(parents=True, exist_ok=True)
            for one in range(count):
                content = encode(make_picture(1000 * number + one, 48, 40))
                (folder / path / f"{one:02}.jpg").write_bytes(content)
        return folder

    return make


@pytest.fixture
def test_on(bundle: Path, tmp_path: Path, capsys) -> Callable[..., SimpleNamespace]:
    """Give a function that calls `predict.py RUN FOLDER --report OUT`."""

    def call(folder: Path, run: Path = bundle, output: str = "out") -> SimpleNamespace:
        place = tmp_path / output
        flags = ("--report", str(place), "-j", "0", "--device", "cpu")
        code = predict.main([str(run), str(folder), *flags])
        told = capsys.readouterr()
        return SimpleNamespace(code=code, place=place, out=told.out, err=told.err)

    return call


@pytest.fixture
def calibrate_on(bundle: Path, tmp_path: Path, capsys) -> Callable[..., SimpleNamespace]:
    """Give a function that calls `python -m utils.external.recalibrate RUN FOLDER --output`."""

    def call(folder: Path, *more: str, run: Path = bundle, output: str = "run2") -> SimpleNamespace:
        place = tmp_path / output
        flags = ("--output", str(place), "-j", "0", "--device", "cpu", *more)
        code = recalibrate.main([str(run), str(folder), *flags])
        told = capsys.readouterr()
        return SimpleNamespace(code=code, place=place, out=told.out, err=told.err)

    return call

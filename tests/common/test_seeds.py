"""Hashes and random numbers that may never change: published splits depend on them."""

import subprocess
import sys
from pathlib import Path

import numpy as np

from utils.common.seeds import generator, stable_hash, uniform

ROOT = Path(__file__).parent.parent.parent


def test_known_values_have_not_changed() -> None:
    assert stable_hash() == 14620488971855052096
    assert stable_hash(0, "pad_ufes_20/PAT_46") == 9415780107202652378
    assert stable_hash("n\u00e4vus", 1, None) == 17086847026717670360
    assert uniform(0, "isic/HAM_0000118", "test") == 0.5981703646372055
    assert generator(0, 1, "a.jpg").integers(1000, size=4).tolist() == [818, 93, 57, 968]


def test_another_process_finds_the_same() -> None:
    program = "from utils.common.seeds import stable_hash; print(stable_hash(0, 'a', 1.5))"
    found = {
        subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True,
            env={"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert found == {f"{stable_hash(0, 'a', 1.5)}\n".encode()}


def test_where_one_part_ends_matters() -> None:
    parts = [("ab",), ("a", "b"), ("", "ab"), ("ab", ""), ("b", "a"), (0, "ab"), ("0ab",)]
    assert len({stable_hash(*part) for part in parts}) == len(parts)


def test_hashes_are_64_bits_and_uniform_numbers_are_even() -> None:
    hashes = [stable_hash(0, number) for number in range(20_000)]
    assert all(0 <= value < 2**64 for value in hashes)
    assert len(set(hashes)) == len(hashes)
    numbers = np.array([uniform(0, number) for number in range(20_000)])
    assert numbers.min() >= 0
    assert numbers.max() < 1
    shares, _ = np.histogram(numbers, bins=20, range=(0, 1))
    assert abs(shares / 20_000 - 0.05).max() < 0.01


def test_a_generator_belongs_to_its_parts_and_leaves_the_global_ones_alone() -> None:
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first = generator(0, 1, "a.jpg").random(5)
    assert (first == generator(0, 1, "a.jpg").random(5)).all()
    assert (first != generator(0, 2, "a.jpg").random(5)).all()
    assert (first != generator(0, 1, "b.jpg").random(5)).all()
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


def test_every_name_that_a_system_takes_has_a_hash() -> None:
    """Bytes that are no UTF-8, as on Linux, and half of a character, as on Windows."""
    names = ("a\udce4.jpg", "a\ud83d.jpg", "a\ud83d\udce4.jpg", "a.jpg")
    assert len({stable_hash(0, name) for name in names}) == len(names)

"""How common classes are: names, numbers and files that say so, and what says nothing of it."""

import codecs
import json
from pathlib import Path

import numpy as np
import pytest

from models import load
from models.prior import EXPECTED, prior_of, read_prior
from utils.common.errors import ModelError, SettingsError
from utils.common.labels import CLASSES

NUMBERS = dict(zip(CLASSES, (6, 2.5, 1, 0, 0.5), strict=True))


def test_names_numbers_texts_and_files_say_the_same(tmp_path: Path, bundle: Path) -> None:
    path = tmp_path / "prior.json"
    path.write_bytes(codecs.BOM_UTF8 + json.dumps(dict(reversed(NUMBERS.items()))).encode())
    card = load(bundle).card
    for given in (NUMBERS, json.dumps(NUMBERS), path, str(path)):
        assert read_prior(read_prior(given)) == read_prior(given)
        assert prior_of(read_prior(given), card).tolist() == list(NUMBERS.values())
    assert prior_of(read_prior("equal"), card) is None
    train = prior_of(read_prior("train"), card)
    assert train.tolist() == list(card.calibration.scaling.class_shares)


def test_a_gate_answers_under_its_prior(bundle: Path, make_picture) -> None:
    picture = make_picture(0, 341, 256)
    equal, other = (load(bundle, "cpu", prior=prior)(picture) for prior in ("equal", NUMBERS))
    scaled = np.array(list(equal.probabilities.values())) * list(NUMBERS.values())
    assert list(other.probabilities.values()) == pytest.approx(scaled / scaled.sum())
    assert other.probabilities["OTHER"] == 0


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("{", "is not JSON: "),
        ("[1, 2]", "has no DERM, no DERM_CLINIC, no LOW_QUALITY, no OTHER, no PAN"),
        ('{"DERM": 1}', "has no DERM_CLINIC, no LOW_QUALITY, no OTHER, no PAN"),
        (json.dumps({**NUMBERS, "CAT": 1}), "has 'CAT', which is not a class"),
        (json.dumps({**NUMBERS, "PAN": "1"}), "cannot be used: '1' is not a finite number"),
        (
            json.dumps({**NUMBERS, "PAN": float("nan")}),
            "cannot be used: nan is not a finite number",
        ),
        (
            json.dumps({**NUMBERS, "PAN": 10**400}),
            f"cannot be used: 1{'0' * 59} is not a finite number",
        ),
        (json.dumps({**NUMBERS, "PAN": -1}), "has a number below 0, or no number above it"),
        (json.dumps(dict.fromkeys(CLASSES, 0)), "has a number below 0, or no number above it"),
        (json.dumps(dict.fromkeys(CLASSES, 1e308)), "has a number below 0, or no number above it"),
    ],
)
def test_what_is_no_prior_is_one_line(tmp_path: Path, content: str, found: str) -> None:
    path = tmp_path / "prior.json"
    path.write_text(content)
    with pytest.raises(SettingsError) as raised:
        read_prior(path)
    told = str(raised.value)
    assert told.startswith(f"The prior {path} {found}")
    assert EXPECTED in told
    assert "\n" not in told


@pytest.mark.parametrize("name", ["absent.json", "train ", "."])
def test_a_prior_that_is_not_there_is_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match="cannot be read: "):
        read_prior(tmp_path / name)


def test_a_model_that_was_not_calibrated_does_not_know_that_of_training(
    make_bundle, tmp_path: Path
) -> None:
    folder = make_bundle(tmp_path / "run", calibrated=False)
    with pytest.raises(ModelError, match="was in training: this model was not"):
        load(folder, prior="train")
    assert load(folder, prior=NUMBERS)

"""Whoever follows the text of a stored model with Pillow and numpy sees what the model sees."""

import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from models.assessment import severities
from models.bundle import read_bundle
from models.gate import sample
from models.instructions import how_to_use
from models.outputs import (
    NUM_ASSESSMENTS,
    SUBJECTS,
    fault_logits,
    severity_logits,
    subject_logits,
)
from models.preprocessing import Preprocessing
from models.reading import Reading
from models.scaling import softmax
from models.stored_names import CARD_NAME
from models.texture import NUM_FEATURES
from utils.common.faults import FAULT_NAMES
from utils.common.labels import CLASSES

Encode = Callable[..., bytes]
Make = Callable[..., Image.Image]

SIZES = [(600, 450), (450, 700), (1300, 1100), (300, 200), (64, 300), (50, 60)]


def steps(text: str) -> list[str]:
    return [step for step in re.split(r"(?:^| )\(\d+\) ", text) if step]


def number(text: str, pattern: str) -> float:
    found = re.search(pattern, text)
    assert found, f"{pattern!r} is not in {text!r}"
    return float(found[1])


def resized(content: bytes, side: int, gap: float) -> Image.Image:
    """Do what the text says of opening and resizing, for pictures in sRGB."""
    image = Image.open(io.BytesIO(content))
    width, height = (max(1, round(length * side / min(image.size))) for length in image.size)
    turned = image.getexif().get(0x0112, 1) >= 5
    if image.format == "JPEG":
        image.draft(None, (int(gap * width), int(gap * height)))
    upright = ImageOps.exif_transpose(image).convert("RGB")
    size = (height, width) if turned else (width, height)
    return upright.resize(size, Image.Resampling.BICUBIC, reducing_gap=gap)


def followed(content: bytes, text: str) -> Image.Image:
    """Follow a text to the picture that is cropped."""
    told = steps(text)
    side = int(number(told[1], r"^Resize it to a shorter side of (\d+)"))
    gap = number(told[1], r"reducing_gap=([\d.]+)")
    picture = resized(content, side, gap)
    quality = int(number(told[2], r"Image\.save, quality=(\d+)"))
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=quality)
    if told[3].startswith("If its shorter side is above"):
        least = number(told[3], r"above (\d+)")
        if min(picture.size) > least:
            return resized(stream.getvalue(), int(number(told[3], r"one of (\d+)")), gap)
    return Image.open(stream)


@pytest.mark.parametrize("side", [64, 600])  # the latter is decoded to 256
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "grey JPEG"])
def test_the_text_leads_to_the_very_pixels(
    encode: Encode, make_picture: Make, side: int, size: tuple[int, int], kind: str
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    mode = "L" if "grey" in kind else "RGB"
    content = encode(make_picture(1, *size).convert(mode), kind.split()[-1], exif=exif)
    length = 56 if side == 64 else 224
    wanted = Preprocessing(length, length, (0.5,) * 3, (0.5,) * 3, "bicubic", 0.875)
    reading = Reading(side)
    text = how_to_use(
        {"reading": reading.to_dict(), "preprocessing": wanted.to_dict(), "calibration": None}
    )
    picture = followed(content, text)
    assert np.array_equal(np.asarray(picture), reading.pixels(content))

    assert f"min(picture height / {length}, picture width / {length})" in text
    assert f"round({length} * scale * 0.875)" in text
    window = round(length * min(picture.height / length, picture.width / length) * 0.875)
    top, left = (picture.height - window) // 2, (picture.width - window) // 2
    cut = np.asarray(picture)[top : top + window, left : left + window]
    assert window == length  # so nothing is to be resized
    assert np.array_equal(cut.transpose(2, 0, 1), wanted.centre_crop(reading.pixels(content)))


def cubic(window: np.ndarray, size: int) -> np.ndarray:
    """Resize rows by cubic interpolation with a = -0.75 and no antialiasing, as the text says."""
    place = (np.arange(size) + 0.5) * (len(window) / size) - 0.5
    first = np.floor(place).astype(int)
    shown = np.zeros((size, *window.shape[1:]))
    for step in (-1, 0, 1, 2):
        away = np.abs(place - first - step)
        a = -0.75
        near = ((a + 2) * away - (a + 3)) * away**2 + 1
        far = ((away - 5) * away + 8) * away * a - 4 * a
        rows = window[np.clip(first + step, 0, len(window) - 1)]
        shown += np.where(away <= 1, near, far)[:, None, None] * rows
    return shown


def test_a_window_of_another_size_is_resized_as_the_text_says(make_picture: Make) -> None:
    wanted = Preprocessing(160, 160, (0.5,) * 3, (0.5,) * 3, "bicubic", 0.9)
    picture = np.asarray(make_picture(2, 300, 256).resize((300, 256)))
    text = how_to_use(
        {"reading": Reading().to_dict(), "preprocessing": wanted.to_dict(), "calibration": None}
    )
    assert (
        "INTER_AREA where the window is higher than 1.5 * 160, else INTER_CUBIC (a = -0.75" in text
    )
    window = picture[13:243, 35:265].astype(float)
    assert 1.5 * 160 > len(window) == round(160 * (256 / 160) * 0.9)
    shown = cubic(cubic(window, 160).transpose(1, 0, 2), 160).transpose(1, 0, 2)
    found = wanted.centre_crop(picture).transpose(1, 2, 0)
    assert np.abs(np.rint(shown).clip(0, 255) - found).max() <= 1
    assert np.array_equal(
        found, cv2.resize(picture[13:243, 35:265], (160, 160), interpolation=cv2.INTER_CUBIC)
    )


def test_each_way_of_reading_has_its_own_steps() -> None:
    wanted = Preprocessing(224, 224, (0.5,) * 3, (0.5,) * 3, "bilinear", 1.0).to_dict()

    def text(reading: Reading) -> str:
        return how_to_use(
            {"reading": reading.to_dict(), "preprocessing": wanted, "calibration": None}
        )

    stored, own, direct = text(Reading(256)), text(Reading(0)), text(Reading(256, False))
    assert "unless the file was a JPEG with a shorter side of 256 and the quantisation" in stored
    assert "Resize it to a shorter side" not in own
    assert "unless the file was an upright sRGB JPEG, which is taken as it is" in own
    assert "If its shorter side is above 512, resize that JPEG to one of 256" in own
    assert "Save it as JPEG" not in direct
    assert "Resize it to a shorter side of 256" in direct
    assert all("else INTER_LINEAR" in one for one in (stored, own, direct))


def by_class(text: str, mark: str) -> list[float | None]:
    """Return the number of each class that a list after a mark tells."""
    told = dict(re.findall(r"([A-Z_]+) (null|[\d.e+-]+)(?=[,.;])", text.split(mark)[1])[:5])
    assert list(told) == list(CLASSES)
    return [None if value == "null" else float(value) for value in told.values()]


def test_a_stored_model_says_how_its_answers_are_made(bundle: Path) -> None:
    fields = json.loads((bundle / CARD_NAME).read_text())
    card, _ = read_bundle(bundle)
    text = fields["how_to_use"]
    assert text == card.to_dict()["how_to_use"]
    temperature = number(text, r"softmax\(logits / ([\d.e+-]+) \+ biases\)")
    biases, shares, quantiles = (
        by_class(text, mark) for mark in ("biases), biases ", "in training as ", "the likeliest: ")
    )
    logits = np.random.default_rng(0).normal(size=(20, 5)).astype(np.float32)
    equal = softmax(logits.astype(np.float64) / temperature + np.array(biases))
    scaling = card.calibration.scaling
    assert equal == pytest.approx(scaling.probabilities(logits))
    as_in_training = equal * np.array(shares)
    as_in_training /= as_in_training.sum(axis=1, keepdims=True)
    assert as_in_training == pytest.approx(scaling.probabilities(logits, scaling.train_prior))
    assert quantiles == list(card.calibration.quantiles)
    assert number(text, r"distance is above ([\d.e+-]+):") == card.calibration.novelty.threshold
    stem = number(
        text,
        r"and (\d+) of the network's first feature map, which .* gives: log\(\|mean\| \+ 0.01\)",
    )
    assert stem == len(card.calibration.novelty.projection) - NUM_FEATURES > 0


def test_what_a_model_sees_is_what_the_text_says(
    bundle: Path, encode: Encode, make_picture: Make
) -> None:
    card, _ = read_bundle(bundle)
    content = encode(make_picture(3, 500, 400), "JPEG")
    picture = np.asarray(followed(content, card.to_dict()["how_to_use"]))
    assert np.array_equal(card.preprocessing.centre_crop(picture), sample(card, content))


def test_a_stored_model_says_how_pictures_are_assessed(
    bundle: Path, assessing_bundle: Path
) -> None:
    assert "subject_logits" not in json.loads((bundle / CARD_NAME).read_text())["how_to_use"]
    fields = json.loads((assessing_bundle / CARD_NAME).read_text())
    card, _ = read_bundle(assessing_bundle)
    text, stored = fields["how_to_use"], fields["assessment"]
    assessed = np.random.default_rng(0).normal(size=(9, NUM_ASSESSMENTS)).astype(np.float32) * 3
    subjects = softmax(
        subject_logits(assessed).astype(np.float64) / number(text, r"Temperature ([\d.e+-]+),")
    )
    assert subjects == pytest.approx(card.assessment.subject_probabilities(assessed))
    assert number(text, r"threshold ([\d.]+\d)\.") == card.assessment.threshold
    scales = list(stored["faults"]["outputs"].values())
    slopes, biases = (np.array([one[name] for one in scales]) for name in ("slope", "bias"))
    faults = 1 / (1 + np.exp(-(slopes * fault_logits(assessed) + biases)))
    assert faults == pytest.approx(card.assessment.fault_probabilities(assessed))
    at_least = 1 / (1 + np.exp(-severity_logits(assessed)))
    running = np.minimum.accumulate(at_least, axis=1)
    assert running.sum(axis=1) == pytest.approx(severities(assessed))
    for name in (*FAULT_NAMES, *SUBJECTS, "sigmoid(slope * logit + bias)", "running minimum"):
        assert name in text

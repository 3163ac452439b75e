"""Store a trained model as two files that are safe to load, and load it again.

`best.safetensors` holds the tensors, `best.json` (the card) all else. Both may come from a
stranger: every value is checked before it is used, and no name in them leads to a file or an
address.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from models.assessment import Assessment
from models.calibration import Calibration
from models.classifier import can_assess, holds_assessment, let_assess
from models.device import compute_here
from models.ensemble import MAX_MEMBERS, MEMBERS, Ensemble
from models.inference import outputs_and_features, surface_size
from models.instructions import how_to_use
from models.novelty import PREFIX, Novelty
from models.numbers import number, text
from models.outputs import NUM_OUTPUTS, class_logits
from models.preprocessing import INTERPOLATIONS, Normalisation, Preprocessing
from models.pretrained import build
from models.reading import OWN_SIZE, Reading
from models.recalibration import Recalibration
from models.stored_names import CARD_NAME, WEIGHTS_NAME, stored_file
from models.texture import NUM_FEATURES
from models.zoo import SIDES, Model, resolve
from utils.common.disk.opening import open_regular
from utils.common.disk.writing import sha256_of_file, whole_file, write_json
from utils.common.errors import ModelError, shortlist
from utils.common.labels import CLASSES

FORMAT = 4
"""Version of the card; rises when an older program would misread it."""

READABLE = (3, FORMAT)
"""Versions that can be read; in 3, texture alone told out-of-distribution pictures."""

MAX_CARD_BYTES = 2**20
MIN_SIDE, MAX_SIDE = SIDES

MAX_STORED_SIDE = 4096
"""Longest shorter side of a data set's pictures, in pixels: the limit of --image-size."""

DTYPES = {torch.float32: "F32", torch.int64: "I64"}
"""Names of safetensors for the dtypes of networks."""

UNTESTED = "this model was not calibrated"
UNASSESSED = "this model does not assess pictures"
BEFORE_ASSESSMENTS = "it was stored by an earlier version, and only training it again adds them"


@dataclass(frozen=True, slots=True)
class Card:
    """All that is needed to use a stored model besides its weights.

    Attributes:
        model: The model, an entry of the zoo.
        preprocessing: Preprocessing of the network.
        reading: Steps from a picture file to the pixels that are preprocessed.
        calibration: Calibration of the outputs; None without one.
        uncalibrated: Why there is none; empty if there is one.
        data_hash: Hash of the data set that it was trained on.
        metrics: Figures of its test, for people to read.
        versions: Versions of the software that it was made with, for people to read.
        recalibration: What the calibration was fitted on, if not in the training.
        assessment: Calibration of what assesses a picture, or why there is none.
        members: Number of networks of this model whose answers are averaged; 1 for one alone.
    """

    model: Model
    preprocessing: Preprocessing
    reading: Reading = field(default_factory=Reading)
    calibration: Calibration | None = None
    uncalibrated: str = UNTESTED
    data_hash: str = ""
    metrics: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    recalibration: Recalibration | None = None
    assessment: Assessment | str = UNASSESSED
    members: int = 1

    def to_dict(self) -> dict[str, Any]:
        """Return all but the arrays of the calibration, as plain values."""
        calibration = self.calibration.to_dict() if self.calibration else None
        fields = {
            "format": FORMAT,
            "model": self.model.name,
            "timm_name": self.model.timm_name,
            **({MEMBERS: self.members} if self.members > 1 else {}),
            "classes": list(CLASSES),
            "preprocessing": self.preprocessing.to_dict(),
            "reading": self.reading.to_dict(),
            "calibration": calibration,
            "uncalibrated": "" if calibration else self.uncalibrated,
            "assessment": {"reason": self.assessment}
            if isinstance(self.assessment, str)
            else self.assessment.to_dict(),
            "data_hash": self.data_hash,
            "metrics": dict(self.metrics),
            "versions": dict(self.versions),
        }
        if self.recalibration:
            fields["recalibration"] = self.recalibration.to_dict()
        return {**fields, "how_to_use": how_to_use(fields)}


def store_bundle(folder: Path, weights: Mapping[str, torch.Tensor], card: Card) -> None:
    """Write both files, the card last, with a hash that ties it to these weights."""
    arrays = card.calibration.arrays() if card.calibration else {}
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    save_tensors(folder / WEIGHTS_NAME, {**weights, **tensors})
    digest = sha256_of_file(folder / WEIGHTS_NAME)
    write_json(folder / CARD_NAME, {**card.to_dict(), "weights_sha256": digest})


def save_tensors(path: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    """Write tensors as a safetensors file, those that share memory each for itself."""
    from safetensors.torch import save as serialise

    whole: dict[str, torch.Tensor] = {}
    places = set()
    for name, tensor in tensors.items():
        own = tensor.contiguous()
        place = own.device, own.untyped_storage().data_ptr()
        whole[name] = own.clone() if place in places else own
        places.add(place)
    with whole_file(path, durable=True) as partial:
        partial.write_bytes(serialise(whole))  # its save_file makes a file that others cannot read


def read_bundle(folder: Path) -> tuple[Card, nn.Module]:
    """Load a stored model and run it on an empty picture, to see that it works.

    Raises:
        ModelError: If a file is missing, unreadable, damaged, or does not match the other one.
    """
    compute_here()
    place, weights_place = (stored_file(folder, name) for name in (CARD_NAME, WEIGHTS_NAME))
    fields = _read_json(place)
    try:
        model, digest = _model(fields), fields["weights_sha256"]
        wanted, members = read_preprocessing(fields["preprocessing"]), _members(fields)
        _check_weights(weights_place, model, wanted, members)
        card = _card(fields, model, _calibration_arrays(weights_place))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise ModelError(
            f"{place} does not describe a model: {what[:200]}",
            expected="a file written by launch_training_test.py",
            todo="Copy it again; that of an older run is rewritten by "
            "python launch_training_test.py --test-only --resume RUN",
        ) from error
    if sha256_of_file(weights_place) != digest:
        raise ModelError(
            f"{weights_place} is not the file that {place} describes",
            expected=f"the SHA-256 {str(digest)[:12]}...",
            todo="Copy both from the same folder"
            if members > 1
            else "Copy both from the same run; python launch_training_test.py --test-only "
            "--resume RUN rewrites them",
        )
    network = _network(weights_place, model, wanted, members)
    _try(network, card, place)
    return card, network


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Return the weights of a network, without the arrays of its calibration.

    Raises:
        ModelError: If there is no such file, or it is damaged or something else.
    """
    try:
        open_regular(path).close()  # a pipe would be waited for
        with safe_open(path, "pt") as stored:
            return {
                # A copy, since Windows does not replace a file that is still mapped into memory.
                name: stored.get_tensor(name).clone()
                for name in stored.keys()  # noqa: SIM118 - it is not a dictionary
                if not name.startswith(PREFIX)
            }
    except (OSError, SafetensorError) as error:
        _refuse_file(path, error)


def _read_json(path: Path) -> dict[str, Any]:
    with path.open("rb") as stream:
        content = stream.read(MAX_CARD_BYTES + 1)
    try:
        if len(content) > MAX_CARD_BYTES:
            raise ValueError(f"more than {MAX_CARD_BYTES:,} bytes")
        fields = json.loads(content, parse_constant=_refuse_constant)
        if not isinstance(fields, dict):
            raise ValueError(f"a {type(fields).__name__} instead of an object")
    except (ValueError, RecursionError) as error:
        raise ModelError(
            f"{path} is damaged or not JSON: {error}",
            expected="a file written by launch_training_test.py",
        ) from error
    return fields


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a finite number")


def _refuse_file(path: Path, error: Exception) -> NoReturn:
    raise ModelError(
        f"{path} is damaged or not a safetensors file: {str(error).splitlines()[0]}",
        expected="a complete safetensors file; nothing else is loaded",
        todo="Copy the file again",
    ) from error


def _model(fields: Mapping[str, Any]) -> Model:
    """Return the model of a card; only names of timm's own list are accepted."""
    if fields["format"] not in READABLE:
        known = " or ".join(map(str, READABLE))
        raise ValueError(f"format {fields['format']!r} instead of {known}")
    name = fields["model"]
    if fields["classes"] != list(CLASSES):
        raise ValueError(f"classes other than {', '.join(CLASSES)}")
    try:
        model = resolve(text(name))
    except ModelError:
        model = None
    if model is None or model.is_sourced:
        raise ValueError(f"timm knows no model {name[:60]!r}")
    return model


def _card(fields: Mapping[str, Any], model: Model, arrays: Mapping[str, Any]) -> Card:
    calibration = fields["calibration"]
    if calibration is None and arrays:
        raise ValueError("a calibration is stored but not described")
    reading = fields["reading"]
    if not isinstance(reading["is_written"], bool):
        raise ValueError("reading.is_written is neither true nor false")
    return Card(
        model,
        read_preprocessing(fields["preprocessing"]),
        Reading(_stored_side(reading["shorter_side"]), reading["is_written"]),
        None if calibration is None else Calibration.from_dict(calibration, arrays),
        text(fields["uncalibrated"]),
        text(fields["data_hash"]),
        dict(fields["metrics"]),
        dict(fields["versions"]),
        Recalibration.from_dict(fields["recalibration"]) if "recalibration" in fields else None,
        _assessment(fields),
        _members(fields),
    )


def _members(fields: Mapping[str, Any]) -> int:
    """Return the number of networks of a card; one stored before there were several has one."""
    count = fields.get(MEMBERS, 1)
    if type(count) is not int or not 1 <= count <= MAX_MEMBERS:
        raise ValueError(f"{MEMBERS} is not a whole number from 1 to {MAX_MEMBERS}")
    return count


def _assessment(fields: Mapping[str, Any]) -> Assessment | str:
    """Return the assessment of a card, or why there is none."""
    if "assessment" not in fields:
        return BEFORE_ASSESSMENTS
    stored = fields["assessment"]
    return text(stored["reason"]) if "reason" in stored else Assessment.from_dict(stored)


def read_preprocessing(fields: Mapping[str, Any]) -> Preprocessing:
    """Read the preprocessing of a file that may come from a stranger.

    Raises:
        KeyError: If a value is missing.
        ValueError: If a value is out of range.
    """
    numbers = {name: [number(value) for value in fields[name]] for name in ("mean", "std")}
    crop_pct = number(fields["crop_pct"])
    mean = _channels("mean", numbers["mean"], 0)
    std = _channels("std", numbers["std"], 1e-3)
    if fields["interpolation"] not in INTERPOLATIONS:
        raise ValueError(f"preprocessing.interpolation is not {' or '.join(INTERPOLATIONS)}")
    if not 0.1 <= crop_pct <= 1:
        raise ValueError("preprocessing.crop_pct is not from 0.1 to 1")
    height, width = (_whole(name, fields[name]) for name in ("height", "width"))
    return Preprocessing(height, width, mean, std, fields["interpolation"], crop_pct)


def _channels(name: str, numbers: Sequence[float], lowest: float) -> tuple[float, float, float]:
    if len(numbers) != 3 or not all(lowest <= value <= 1 for value in numbers):
        raise ValueError(f"preprocessing.{name} is not three numbers from {lowest} to 1")
    red, green, blue = numbers
    return red, green, blue


def _whole(name: str, value: Any) -> int:
    if type(value) is not int or not MIN_SIDE <= value <= MAX_SIDE:
        raise ValueError(f"{name} is not a whole number from {MIN_SIDE} to {MAX_SIDE}")
    return value


def _stored_side(value: Any) -> int:
    if value == OWN_SIZE and type(value) is int:
        return OWN_SIZE
    if type(value) is not int or not MIN_SIDE <= value <= MAX_STORED_SIDE:
        raise ValueError(
            f"reading.shorter_side is neither 0 nor from {MIN_SIDE} to {MAX_STORED_SIDE}"
        )
    return value


def _check_weights(path: Path, model: Model, wanted: Preprocessing, members: int) -> None:
    """Compare names, shapes and dtypes before any tensor is loaded.

    Raises:
        ModelError: If the file does not hold the weights of this model.
    """
    try:
        with safe_open(path, "pt") as stored:
            slices = {name: stored.get_slice(name) for name in stored.keys()}  # noqa: SIM118
            found = {
                name: (tuple(part.get_shape()), part.get_dtype())
                for name, part in slices.items()
                if not name.startswith(PREFIX)
            }
    except (OSError, SafetensorError) as error:
        _refuse_file(path, error)
    with torch.device("meta"):
        own = build_untrained(model, wanted, found, members).state_dict()
    expected = {name: (tuple(one.shape), DTYPES.get(one.dtype, "")) for name, one in own.items()}
    faults = [
        *(f"{name} is missing" for name in sorted(expected.keys() - found.keys())),
        *(f"{name[:80]!r} is unknown" for name in sorted(found.keys() - expected.keys())),
        *(
            f"{name} is {_shape(found[name])} instead of {_shape(expected[name])}"
            for name in sorted(expected.keys() & found.keys())
            if found[name] != expected[name]
        ),
    ]
    if faults:
        raise ModelError(
            f"{path} does not hold the weights of {_times(members)}{model.name} for "
            f"{len(CLASSES)} classes: {shortlist(faults)}",
            todo="Copy both files from the same run",
        )


def _times(members: int) -> str:
    return f"{members} x " if members > 1 else ""


def _shape(kind: tuple[tuple[int, ...], str]) -> str:
    shape, dtype = kind
    return f"{'x'.join(map(str, shape)) or 'one number'} {dtype}"


def _calibration_arrays(path: Path) -> dict[str, Any]:
    with safe_open(path, "numpy") as stored:
        names = [name for name in stored.keys() if name.startswith(PREFIX)]  # noqa: SIM118
        return {name: stored.get_tensor(name) for name in names}


def _network(path: Path, model: Model, wanted: Preprocessing, members: int) -> nn.Module:
    weights = read_weights(path)
    network = build_untrained(model, wanted, weights, members)
    network.load_state_dict(weights)
    return network.eval()


def build_untrained(
    model: Model, wanted: Preprocessing, names: Iterable[str], members: int = 1
) -> nn.Module:
    """Build a network for our classes, whose weights are still to be loaded.

    Args:
        model: The model, an entry of the zoo.
        wanted: Preprocessing of the network, which tells the size of its input.
        names: Of the weights, which tell whether it assesses pictures, too.
        members: Number of such networks; with several they are an `Ensemble`.

    Raises:
        ModelError: If timm cannot build it.
    """
    if members > 1:
        named = list(names)
        return Ensemble(build_untrained(model, wanted, named) for _ in range(members))
    try:
        network, _ = build(model, len(CLASSES), pretrained=False, size=wanted.size)
    except ModelError:  # about an input size that it does not support
        raise
    except Exception as error:  # timm's models raise whatever they like
        raise ModelError(
            f"timm cannot build {model.name} for {len(CLASSES)} classes: {type(error).__name__}",
            expected="a model that launch_training_test.py has trained",
        ) from error
    if holds_assessment(names) and can_assess(network):  # else the names say that they do not fit
        let_assess(network)
    return network


def _try(network: nn.Module, card: Card, path: Path) -> None:
    """Run a network on one empty picture.

    Raises:
        ModelError: If it fails, or its outputs are not finite or do not fit the card.
    """
    wanted = card.preprocessing
    todo = "Copy both files from the same run"
    try:
        with torch.inference_mode():
            empty = torch.zeros(1, 3, wanted.height, wanted.width, dtype=torch.uint8)
            outputs, features = outputs_and_features(network, Normalisation(wanted), empty)
    except (RuntimeError, AssertionError, AttributeError, ValueError, TypeError) as error:
        raise ModelError(
            f"{card.model.name} does not accept a picture of {wanted.width} x {wanted.height} "
            f"pixels, the size that {path} names",
            todo=todo,
        ) from error
    if class_logits(outputs).shape != (1, len(CLASSES)) or not torch.isfinite(outputs).all():
        raise ModelError(
            f"{card.model.name} with the weights beside {path} does not give finite outputs",
            todo=todo,
        )
    if not isinstance(card.assessment, str) and outputs.shape[1] != NUM_OUTPUTS:
        raise ModelError(
            f"The assessment in {path} is of outputs that {card.model.name} with the weights "
            "beside it does not have",
            todo=todo,
        )
    if card.calibration:
        own = surface_size(network)
        _check_features(card.calibration.novelty, own, features.shape[1] - own, card, path)


def _check_features(novelty: Novelty, surface: int, embedding: int, card: Card, path: Path) -> None:
    """Compare the features of a detection with those of the network.

    Raises:
        ModelError: If there are more or fewer.
    """
    # Models that were stored before the first feature map told anything know texture alone.
    rows = len(novelty.projection)
    known = NUM_FEATURES if rows == NUM_FEATURES else surface
    wanted = [("features of texture and the first feature map", rows, known)]
    if novelty.neighbours:
        wanted.append(("numbers of an embedding", novelty.neighbours.bank.shape[1], embedding))
    for what, stored, expected in wanted:
        if stored != expected:
            raise ModelError(
                f"The calibration in {path} is for {stored} {what}",
                expected=f"the {expected} of {card.model.name}",
                todo="Copy both files from the same run",
            )

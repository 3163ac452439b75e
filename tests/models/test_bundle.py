"""Stored models: they come back as they were, and a stranger's can do no harm."""

import errno
import json
import os
import pickle
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from models import load
from models.assessment import Assessment
from models.bundle import (
    BEFORE_ASSESSMENTS,
    FORMAT,
    MAX_CARD_BYTES,
    READABLE,
    UNASSESSED,
    Card,
    read_bundle,
    read_weights,
    save_tensors,
    store_bundle,
)
from models.classifier import is_assessing, let_assess
from models.exported import NamedOutputs
from models.inference import outputs_and_features, surface_size
from models.preprocessing import Normalisation
from models.pretrained import build
from models.stored_names import CARD_NAME, EXPECTED, WEIGHTS_NAME
from models.texture import NUM_FEATURES, describe
from models.zoo import resolve
from tests.preloaded import Preloaded
from utils.common.disk.opening import open_regular
from utils.common.disk.writing import sha256_of_file
from utils.common.errors import ModelError
from utils.common.labels import CLASSES

ROOT = Path(__file__).parents[2]
Change = Callable[[dict[str, Any]], object]


class Dangerous:
    """Runs code when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.trace,))


@pytest.fixture
def own(bundle: Path, tmp_path: Path) -> Path:
    """Return a bundle that a test may break."""
    return shutil.copytree(bundle, tmp_path / "run")


def rewrite_card(folder: Path, change: Change) -> None:
    fields = json.loads((folder / CARD_NAME).read_text())
    change(fields)
    (folder / CARD_NAME).write_text(json.dumps(fields))


def rewrite_weights(folder: Path, change: Change) -> None:
    """Do what a stranger would: the card agrees with the changed file."""
    tensors = load_file(folder / WEIGHTS_NAME)
    change(tensors)
    save_file(tensors, folder / WEIGHTS_NAME)
    agree(folder)


def agree(folder: Path) -> None:
    digest = sha256_of_file(folder / WEIGHTS_NAME)
    rewrite_card(folder, lambda fields: fields.update(weights_sha256=digest))


def complaint(folder: Path) -> str:
    with pytest.raises(ModelError) as caught:
        read_bundle(folder)
    line = str(caught.value)
    assert "\n" not in line and len(line) < 700
    return line


def test_a_stored_model_comes_back_as_it_was(bundle: Path, tmp_path: Path) -> None:
    card, network = read_bundle(bundle)
    assert card.calibration is not None and card.model.name == "test_resnet"
    assert not network.training
    store_bundle(tmp_path, network.state_dict(), card)
    again, copy = read_bundle(tmp_path)
    assert again.to_dict() == card.to_dict()
    pixels = torch.rand(2, 3, 160, 160)
    with torch.inference_mode():
        assert torch.equal(network(pixels), copy(pixels))
    stored, kept = card.calibration.arrays(), again.calibration.arrays()
    assert all(np.array_equal(stored[name], kept[name]) for name in stored)
    assert {path.name for path in tmp_path.iterdir()} == {WEIGHTS_NAME, CARD_NAME}


def test_weights_that_layers_share_are_stored_under_each_name(tmp_path: Path) -> None:
    layer = torch.nn.Linear(3, 2)
    network = torch.nn.ModuleDict({"first": layer, "second": layer, "part": torch.nn.Linear(3, 1)})
    network["part"].weight = torch.nn.Parameter(layer.weight.data[:1])
    weights = network.state_dict()
    save_tensors(tmp_path / WEIGHTS_NAME, weights)
    stored = read_weights(tmp_path / WEIGHTS_NAME)
    assert stored.keys() == weights.keys()
    assert all(torch.equal(stored[name], weights[name]) for name in weights)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="only Linux tells")
def test_weights_that_were_read_do_not_rest_on_the_file(own: Path) -> None:
    weights = read_weights(own / WEIGHTS_NAME)
    assert weights and str(own / WEIGHTS_NAME) not in Path("/proc/self/maps").read_text()


def test_nothing_is_fetched_and_the_two_files_are_all_it_takes(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert load(bundle, "cpu").card.model.name == "test_resnet"


@pytest.mark.parametrize("name", [WEIGHTS_NAME, CARD_NAME])
def test_a_missing_file_is_named(own: Path, name: str) -> None:
    (own / name).unlink()
    assert complaint(own).startswith(f"There is no {own / name}. Expected a folder with")


@pytest.mark.parametrize("name", [WEIGHTS_NAME, CARD_NAME])
def test_a_file_that_may_not_be_read_is_named(
    own: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def refuse(path: Path, *_: object) -> BinaryIO:
        if path == own / name:  # as of a closed folder, even in asking whether it is there
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return open_regular(path)

    monkeypatch.setattr("models.stored_names.open_regular", refuse)
    assert complaint(own) == (
        f"{own / name} cannot be read: Permission denied. Expected {EXPECTED}. "
        "Name such a folder, or change the permissions of this one."
    )


def test_a_pickle_in_place_of_the_weights_runs_nothing(own: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    for write in (pickle.dumps, None):
        if write:
            (own / WEIGHTS_NAME).write_bytes(write(Dangerous(trace)))
        else:
            torch.save(Dangerous(trace), own / WEIGHTS_NAME)
        agree(own)
        assert "is damaged or not a safetensors file" in complaint(own)
        assert not trace.exists()
    pickle.loads(pickle.dumps(Dangerous(trace)))
    assert trace.exists()  # the trap itself works


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_cut_weights(own: Path, share: float) -> None:
    content = (own / WEIGHTS_NAME).read_bytes()
    (own / WEIGHTS_NAME).write_bytes(content[: int(share * len(content))])
    agree(own)
    assert "is damaged or not a safetensors file" in complaint(own)


def test_a_huge_header_is_not_believed(own: Path) -> None:
    (own / WEIGHTS_NAME).write_bytes((2**62).to_bytes(8, "little") + b"{}")
    agree(own)
    assert "is damaged or not a safetensors file" in complaint(own)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.pop("fc.bias"), "fc.bias is missing"),
        (lambda t: t.update(more=torch.zeros(1)), "'more' is unknown"),
        (lambda t: t.update({"fc.bias": torch.zeros(6)}), "fc.bias is 6 F32 instead of 5 F32"),
        (
            lambda t: t.update({"fc.bias": torch.zeros(5, dtype=torch.float64)}),
            "fc.bias is 5 F64 instead of 5 F32",
        ),
        (lambda t: t.update({"fc.bias": torch.full((5,), torch.nan)}), "not give finite outputs"),
        (lambda t: t.pop("novelty.centres"), "The calibration cannot be used: KeyError"),
        (lambda t: t.update({"novelty.centres": torch.zeros(3)}), "is not a matrix of finite"),
        (lambda t: t.update({"novelty.projection": torch.ones(7, 4)}), "is for 7 features"),
        (lambda t: t.pop("novelty.bank"), "The calibration cannot be used: KeyError"),
        (lambda t: t.update({"novelty.bank": torch.ones(3)}), "is not a matrix of finite"),
        (
            lambda t: t.update({"novelty.bank": torch.ones(3, 7)}),
            "is for 7 numbers of an embedding",
        ),
    ],
)
def test_weights_that_do_not_fit(own: Path, change: Change, words: str) -> None:
    rewrite_weights(own, change)
    assert words in complaint(own)


def know_texture_alone(tensors: dict[str, torch.Tensor]) -> None:
    """Make a detection what it was before the first feature map was described."""
    tensors["novelty.projection"] = tensors["novelty.projection"][:NUM_FEATURES].clone()


def test_a_model_stored_before_there_were_neighbours_loads(own: Path) -> None:
    card, _ = read_bundle(own)

    def before(fields: dict) -> None:
        fields["format"] = 3
        del fields["calibration"]["unlike"]["scales"]

    rewrite_weights(own, lambda tensors: tensors.pop("novelty.bank"))
    rewrite_weights(own, know_texture_alone)
    rewrite_card(own, before)
    loaded, network = read_bundle(own)
    novelty = loaded.calibration.novelty
    kept = card.calibration.novelty
    assert (novelty.neighbours, novelty.threshold, novelty.refused) == (
        None, kept.threshold, kept.refused,
    )  # fmt: skip
    wanted = loaded.preprocessing
    pixels = torch.randint(0, 256, (3, 3, *wanted.size), dtype=torch.uint8)
    with torch.inference_mode():
        _, features = outputs_and_features(network, Normalisation(wanted), pixels)
    distances = novelty.distances(describe(pixels).numpy())
    assert np.array_equal(novelty.scores(features.numpy()), distances)


def test_a_model_stored_before_the_first_map_was_described_answers_as_it_did(own: Path) -> None:
    rewrite_weights(own, know_texture_alone)
    rewrite_card(own, lambda fields: fields["calibration"]["unlike"].pop("stem"))
    card, network = read_bundle(own)
    novelty = card.calibration.novelty
    pixels = torch.randint(0, 256, (3, 3, *card.preprocessing.size), dtype=torch.uint8)
    normalise = Normalisation(card.preprocessing)
    with torch.inference_mode():
        _, features = outputs_and_features(network, normalise, pixels)
        embeddings = network.forward_head(
            network.forward_features(normalise(pixels)), pre_logits=True
        )
        exported = NamedOutputs(normalise, network, novelty)(pixels)["distance"]
    before = novelty.neighbours.scores(
        novelty.distances(describe(pixels).numpy()), embeddings.numpy()
    )
    assert features.shape[1] == surface_size(network) + embeddings.shape[1]
    assert np.array_equal(novelty.scores(features.numpy()), before)
    assert exported.numpy() == pytest.approx(before, rel=1e-4)
    assert "first feature map" not in novelty.to_dict()["method"] + card.to_dict()["how_to_use"]


def test_weights_of_another_run(own: Path, make_bundle, tmp_path: Path) -> None:
    other = make_bundle(tmp_path / "other", seed=1)
    shutil.copy(other / WEIGHTS_NAME, own)
    assert f"{own / WEIGHTS_NAME} is not the file that {own / CARD_NAME} describes" in (
        complaint(own)
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is damaged or not JSON"),
        (b'{"format": 1, "mod', "is damaged or not JSON"),
        (b"\xff\xfe", "is damaged or not JSON"),
        (b"[1, 2]", "a list instead of an object"),
        (b'{"format": NaN}', "NaN is not a finite number"),
        (b"[" * 200_000, "is damaged or not JSON"),
        (b" " * (MAX_CARD_BYTES + 1), "more than 1,048,576 bytes"),
        (pickle.dumps({"format": 1}), "is damaged or not JSON"),
    ],
    ids=["empty", "cut", "no text", "list", "NaN", "deep", "long", "pickle"],
)
def test_a_card_that_is_no_card(own: Path, content: bytes, words: str) -> None:
    (own / CARD_NAME).write_bytes(content)
    assert words in complaint(own)


def within(name: str, **fields: Any) -> Change:
    return lambda card: card[name].update(fields)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c.pop("classes"), "'classes' is missing"),
        (lambda c: c.pop("reading"), "'reading' is missing"),
        (
            lambda c: c.update(format=READABLE[0] - 1),
            f"format {READABLE[0] - 1} instead of 3 or {FORMAT}",
        ),
        (lambda c: c.update(classes=["CAT", "DOG"]), "classes other than DERM"),
        (lambda c: c.update(model="no_such_net"), "timm knows no model 'no_such_net'"),
        (lambda c: c.update(model=["resnet18"]), "a list where a text should be"),
        (lambda c: c.update(model="hf-hub:stranger/model"), "timm knows no model 'hf-hub:"),
        (lambda c: c.update(model="local-dir:/etc"), "timm knows no model 'local-dir:"),
        (lambda c: c.update(model="x" * 10**5), "timm knows no model 'xxx"),
        (lambda c: c.update(model="." * 10**5), "timm knows no model '...."),
        (lambda c: c.update(model="test_vit"), "does not hold the weights of test_vit"),
        (lambda c: c.update(model="vit_giant_patch16_gap_224"), "does not hold the weights of"),
        (lambda c: c.update(model="vit_giant_patch14_224"), "not accept pictures of 160 x 160"),
        (lambda c: c.update(preprocessing=None), "does not describe a model"),
        (within("preprocessing", height=10**9), "height is not a whole number from 32 to 1024"),
        (within("preprocessing", width="224"), "width is not a whole number"),
        (within("preprocessing", height=True), "height is not a whole number"),
        (within("preprocessing", height=1), "height is not a whole number from 32 to 1024"),
        (within("preprocessing", mean=[0.5] * 4), "mean is not three numbers"),
        (within("preprocessing", std=[0, 1, 1]), "std is not three numbers"),
        (within("preprocessing", std=["a", 1, 1]), "'a' is not a finite number"),
        (within("preprocessing", interpolation="magic"), "interpolation is not bicubic or"),
        (within("preprocessing", crop_pct=0), "crop_pct is not from 0.1 to 1"),
        (within("preprocessing", crop_pct=10**400), "does not describe a model"),
        (
            within("reading", shorter_side=10**7),
            "reading.shorter_side is neither 0 nor from 32 to 4096",
        ),
        (within("reading", is_written="yes"), "is_written is neither true nor false"),
        (within("calibration", temperature=0), "The calibration cannot be used"),
        (within("calibration", temperature="hot"), "The calibration cannot be used"),
        (within("calibration", quantiles={}), "The calibration cannot be used"),
        (lambda c: c.update(calibration=None), "a calibration is stored but not described"),
        (lambda c: c.update(metrics=[1]), "does not describe a model"),
        (lambda c: c.update(weights_sha256=7), "is not the file that"),
    ],
)
def test_a_card_with_wrong_values(own: Path, change: Change, words: str) -> None:
    rewrite_card(own, change)
    assert words in complaint(own)


def test_an_input_that_the_weights_are_not_for(tmp_path: Path) -> None:
    model = resolve("test_vit3")
    network, preprocessing = build(model, len(CLASSES), pretrained=False)
    store_bundle(tmp_path, network.state_dict(), Card(model, preprocessing))
    read_bundle(tmp_path)
    rewrite_card(tmp_path, lambda card: card["preprocessing"].update(height=96))
    assert "pos_embed is 1x101x96 F32 instead of 1x61x96 F32" in complaint(tmp_path)


@pytest.mark.slow
def test_a_model_far_too_large_takes_no_memory(own: Path, preloaded: Preloaded) -> None:
    rewrite_card(own, lambda card: card.update(model="vit_giant_patch14_224"))
    lines = [
        "import resource, sys, torch, timm",
        "from pathlib import Path",
        "from models.bundle import read_bundle",
        "from utils.common.errors import ModelError",
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss",
        "before = peak()",
        f"try: read_bundle(Path({str(own)!r}))",
        "except ModelError: print((peak() - before) // 1024)",
    ]
    pytest.importorskip("resource")
    done = preloaded.run("-c", "\n".join(lines))
    assert int(done.stdout) < 500  # MiB; its weights alone are 3.8 GiB


def test_the_package_itself_does_not_load_torch() -> None:
    code = "import sys, models; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_a_card_without_calibration_says_why(make_bundle, tmp_path: Path) -> None:
    card, _ = read_bundle(make_bundle(tmp_path / "run", calibrated=False))
    assert card.calibration is None and card.uncalibrated == "this model was not calibrated"
    assert isinstance(card, Card)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system knows no named pipes")
def test_a_pipe_in_the_place_of_weights_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "best.safetensors")
    with pytest.raises(ModelError, match="not a safetensors file: a named pipe, not a reg"):
        read_weights(tmp_path / "best.safetensors")


@pytest.fixture
def assessing(tmp_path: Path) -> Path:
    """Return a bundle of a network that assesses pictures, which a test may break."""
    network, preprocessing = build(resolve("test_resnet"), len(CLASSES), pretrained=False)
    let_assess(network)
    store_bundle(tmp_path, network.state_dict(), Card(resolve("test_resnet"), preprocessing))
    return tmp_path


def test_a_network_that_assesses_comes_back_as_one(assessing: Path) -> None:
    weights = read_weights(assessing / WEIGHTS_NAME)
    _, network = read_bundle(assessing)
    assert is_assessing(network)
    found = network.state_dict()
    assert found.keys() == weights.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in weights.items())


def test_one_of_before_comes_back_without(bundle: Path) -> None:
    assert not is_assessing(read_bundle(bundle)[1])


@pytest.mark.parametrize("name", ["fc.assessment.bias", "fc.assessment.weight"])
def test_half_a_layer_is_refused(assessing: Path, name: str) -> None:
    rewrite_weights(assessing, lambda tensors: tensors.pop(name))
    assert "does not hold the weights of test_resnet for 5 classes: " in complaint(assessing)


def test_the_layer_of_another_place_is_refused(assessing: Path) -> None:
    def move(tensors: dict[str, Any]) -> None:
        tensors["layer1.assessment.weight"] = tensors.pop("fc.assessment.weight")

    rewrite_weights(assessing, move)
    assert "'layer1.assessment.weight' is unknown" in complaint(assessing)


@pytest.fixture
def assessed(assessing_bundle: Path, tmp_path: Path) -> Path:
    """Return a bundle with a calibration of what assesses pictures, which a test may break."""
    return shutil.copytree(assessing_bundle, tmp_path / "assessed")


def test_how_pictures_are_assessed_comes_back(assessed: Path, tmp_path: Path) -> None:
    card, network = read_bundle(assessed)
    assert isinstance(card.assessment, Assessment)
    (tmp_path / "again").mkdir()
    store_bundle(tmp_path / "again", network.state_dict(), card)
    assert read_bundle(tmp_path / "again")[0].assessment == card.assessment


def test_a_card_without_an_assessment_says_why(own: Path) -> None:
    assert read_bundle(own)[0].assessment == UNASSESSED
    rewrite_card(own, lambda card: card.pop("assessment"))
    assert read_bundle(own)[0].assessment == BEFORE_ASSESSMENTS


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (within("assessment", subject={}), "The assessment cannot be used: KeyError"),
        (lambda card: card.update(assessment={}), "The assessment cannot be used: KeyError"),
        (lambda card: card.update(assessment=None), "does not describe a model"),
        (lambda card: card.update(assessment={"reason": 1}), "a int where a text should be"),
    ],
)
def test_an_assessment_with_wrong_values(assessed: Path, change: Change, words: str) -> None:
    rewrite_card(assessed, change)
    assert words in complaint(assessed)


def test_an_assessment_of_outputs_that_there_are_not(own: Path, assessed: Path) -> None:
    stored = json.loads((assessed / CARD_NAME).read_text())["assessment"]
    rewrite_card(own, lambda card: card.update(assessment=stored))
    assert "The assessment in " in complaint(own)

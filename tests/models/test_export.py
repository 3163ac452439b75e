"""Exported models: they answer as PyTorch does, or are not left behind."""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models import export
from models.bundle import read_bundle
from models.exported import ASSESSED, NamedOutputs
from models.inference import outputs_and_features
from models.outputs import SUBJECTS, assessments, class_logits
from models.preprocessing import Normalisation
from utils.common.errors import ModelError, SettingsError, run_script
from utils.common.faults import FAULTS, MAX_SEVERITY
from utils.common.labels import CLASSES

HAS_ONNX = all(importlib.util.find_spec(name) for name in export.ONNX_PACKAGES)
FORMATS = [
    export.TORCH_EXPORT,
    pytest.param(export.ONNX, marks=pytest.mark.skipif(not HAS_ONNX, reason="without onnx")),
]


@pytest.mark.slow
@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.filterwarnings("ignore")  # the exporters' own
def test_an_exported_model_answers_as_pytorch_does(
    assessing_bundle: Path, tmp_path: Path, capsys, file_format: str
) -> None:
    bundle = assessing_bundle  # the outputs of another one are the first of these
    target = tmp_path / f"model{export.ENDINGS[file_format]}"
    export.main([str(bundle), "--format", file_format, "--output", str(target)])
    line = capsys.readouterr().out
    assert line.startswith(f"{target}: ") and line.count("\n") == 1
    assert "; 100 drawn pictures, largest difference of " in line
    assert [path.name for path in tmp_path.iterdir()] == [target.name]
    pixels = torch.randint(0, 256, (3, 3, 160, 160), dtype=torch.uint8)
    if file_format == export.ONNX:
        import onnx
        import onnxruntime

        assert ", opset " in line
        properties = {one.key: one.value for one in onnx.load(target).metadata_props}
        session = onnxruntime.InferenceSession(target)
        names = [one.name for one in session.get_outputs()]
        found = dict(zip(names, session.run(names, {"pixels": pixels.numpy()}), strict=True))
    else:
        stored = {export.CARD_KEY: ""}
        program = torch.export.load(target, extra_files=stored)
        properties = stored
        found = {name: one.detach().numpy() for name, one in program.module()(pixels).items()}
    facts = json.loads(properties[export.CARD_KEY])
    assert facts["classes"] == list(CLASSES)
    assert {"preprocessing", "reading", "calibration", "assessment", "how_to_use"} <= set(facts)
    assert all(name in facts["how_to_use"] for name in found)
    card, network = read_bundle(bundle)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (
        card.preprocessing.mean, card.preprocessing.std
    ))  # fmt: skip
    with torch.inference_mode():
        inputs = (pixels / 255 - mean) / std
        expected = network(inputs)
        embeddings = network.forward_head(network.forward_features(inputs), pre_logits=True)
        features = outputs_and_features(network, Normalisation(card.preprocessing), pixels)[1]
    assert list(found) == ["logits", "distance", "embedding", *ASSESSED]
    assert found["logits"] == pytest.approx(class_logits(expected).numpy(), abs=1e-4)
    assert found["embedding"] == pytest.approx(embeddings.numpy(), abs=1e-4)
    columns = [found[name] for name in ASSESSED]
    assert np.hstack(columns) == pytest.approx(assessments(expected).numpy(), abs=1e-4)
    assert [column.shape[1] for column in columns] == [
        len(SUBJECTS), len(FAULTS), MAX_SEVERITY,
    ]  # fmt: skip
    distances = card.calibration.novelty.scores(features.numpy())
    assert found["distance"] == pytest.approx(distances, rel=1e-3)


def test_the_logits_of_the_classes_come_first_and_what_there_is_not_is_left_out(
    bundle: Path, assessing_bundle: Path
) -> None:
    found = []
    for folder in (bundle, assessing_bundle):
        card, network = read_bundle(folder)
        whole = NamedOutputs(Normalisation(card.preprocessing), network).eval()
        with torch.inference_mode():
            found.append(whole(torch.zeros((2, 3, 160, 160), dtype=torch.uint8)))
    plain, wide = found
    assert list(plain) == ["logits", "embedding"]
    assert list(wide) == ["logits", "embedding", *ASSESSED]
    assert wide["logits"].shape == (2, len(CLASSES))
    assert torch.allclose(plain["logits"], wide["logits"], atol=1e-6)


def test_what_nobody_could_read_is_not_exported(
    assessing_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []

    def write(whole, card, path, facts):
        found.append(list(whole(torch.zeros((2, 3, 160, 160), dtype=torch.uint8))))
        path.write_bytes(b"something")
        return "made up", whole

    monkeypatch.setattr(export, "_write_export", write)
    monkeypatch.setattr(export, "compare", lambda *_: "not compared")
    card, network = read_bundle(assessing_bundle)
    for one in (card, replace(card, assessment="nobody taught it")):
        export.export(one, network, tmp_path / "model.pt2", export.TORCH_EXPORT)
    assert found == [["logits", "distance", "embedding", *ASSESSED][:count] for count in (6, 3)]


@pytest.fixture
def few_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare on few pictures, for what is wrong with each of them."""
    monkeypatch.setattr(export, "BATCH_SIZES", (1, 3))


@pytest.mark.usefixtures("few_drawn")
@pytest.mark.parametrize("name", ["logits", "distance", "embedding", *ASSESSED])
@pytest.mark.parametrize("error", [1.01, float("nan")])
def test_no_output_escapes_the_comparison(assessing_bundle: Path, name: str, error: float) -> None:
    card, network = read_bundle(assessing_bundle)
    novelty = card.calibration.novelty
    whole = NamedOutputs(Normalisation(card.preprocessing), network, novelty).eval()

    def other(pixels: torch.Tensor) -> dict[str, torch.Tensor]:
        outputs = dict(whole(pixels))
        return {**outputs, name: outputs[name] * error + 0.01}

    told = rf"differs from PyTorch: .* \({name}\)"
    with torch.inference_mode(), pytest.raises(ModelError, match=told):
        export.compare(whole, other, card)


@pytest.mark.usefixtures("few_drawn")
def test_an_output_that_is_missing_is_named(assessing_bundle: Path) -> None:
    card, network = read_bundle(assessing_bundle)
    whole = NamedOutputs(Normalisation(card.preprocessing), network).eval()

    def other(pixels: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"logits": whole(pixels)["logits"]}

    with torch.inference_mode(), pytest.raises(ModelError, match=r"instead of .*embedding"):
        export.compare(whole, other, card)


def test_a_folder_is_no_file_to_export_to(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(bundle.parent)
    for place in (".", "..", bundle.name):
        with pytest.raises(SettingsError, match=r"^--output \S+ is a folder"):
            export.main([str(bundle), "--format", "torch-export", "--output", place])


@pytest.mark.usefixtures("few_drawn")
def test_what_answers_otherwise_is_not_left_behind(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card, network = read_bundle(bundle)

    def write(whole, card, path, facts):
        path.write_bytes(b"something")
        return "made up", lambda pixels: {name: one + 0.01 for name, one in whole(pixels).items()}

    monkeypatch.setattr(export, "_write_export", write)
    target = tmp_path / "model.pt2"
    target.write_bytes(b"from before")
    with pytest.raises(ModelError, match=r"differs from PyTorch.* outputs 1\.0e-02") as caught:
        export.export(card, network, target, export.TORCH_EXPORT)
    assert "\n" not in str(caught.value)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"from before"]


@pytest.mark.parametrize(
    ("error", "passes"), [(0.0, True), (5e-4, True), (2e-3, False), (float("nan"), False)]
)
def test_the_check_knows_its_limit(bundle: Path, error: float, passes: bool) -> None:
    card, _ = read_bundle(bundle)

    def whole(pixels: torch.Tensor) -> dict[str, torch.Tensor]:
        means = pixels.float().mean(dim=(2, 3))
        return {"logits": torch.cat([means, means[:, :2] / 2], dim=1)}

    def look(pixels: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"logits": whole(pixels)["logits"] + error * torch.tensor([1.0, 0, 0, 0, 0])}

    if passes:
        assert export.compare(whole, look, card).startswith("100 drawn pictures, ")
    else:
        with pytest.raises(ModelError, match="differs from PyTorch"):
            export.compare(whole, look, card)


def test_a_network_that_cannot_be_exported_is_one_line(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card, network = read_bundle(bundle)

    def fail(*_: object) -> None:
        raise RuntimeError("no such operator\nand a long story")

    monkeypatch.setattr(export, "_write_export", fail)
    with pytest.raises(ModelError, match=r"cannot be exported as .*no such operator\. Try"):
        export.export(card, network, tmp_path / "model.pt2", export.TORCH_EXPORT)
    assert not list(tmp_path.iterdir())


def test_without_the_optional_packages_the_command_is_told(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SettingsError, match="pip install onnx onnxruntime onnxscript"):
        export.main([str(bundle), "--format", "onnx"])
    with pytest.raises(SystemExit) as caught:
        run_script(lambda: export.main([str(bundle), "--format", "gif"]))
    assert caught.value.code == 2
    assert "See: python -m models.export --help" in capsys.readouterr().err

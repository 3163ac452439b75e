"""The library: three lines, any kind of picture, the same answers however they are grouped."""

import os
import signal
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from models import load
from models.bundle import UNASSESSED
from models.calibration import UNSURE
from models.device import Compute, without_tf32
from models.gate import Answer, Gate
from models.outputs import NUM_ASSESSMENTS, SUBJECTS
from utils.common.errors import ModelError, SettingsError
from utils.common.faults import FAULT_NAMES, FAULTS, MAX_SEVERITY
from utils.common.labels import CLASSES

ADVICE = {fault.name: fault.advice for fault in FAULTS}


@pytest.fixture(scope="module")
def gate(bundle: Path) -> Gate:
    return load(bundle, "cpu")


@pytest.fixture
def photos(
    tmp_path: Path, make_picture: Callable[..., Image.Image], encode: Callable[..., bytes]
) -> list[Path]:
    paths = [tmp_path / f"{number}.png" for number in range(5)]
    for number, path in enumerate(paths):
        path.write_bytes(encode(make_picture(number, 90 + number, 70), "PNG"))
    return paths


def close(first: Answer, second: Answer) -> bool:
    return first.label == second.label and list(first.probabilities.values()) == pytest.approx(
        list(second.probabilities.values()), abs=1e-5
    )


def test_an_answer_says_all_that_is_known(gate: Gate, photos: list[Path]) -> None:
    answer = gate(photos[0])
    assert answer.label in CLASSES
    assert list(answer.probabilities) == list(CLASSES)
    assert sum(answer.probabilities.values()) == pytest.approx(1)
    assert answer.probability == max(answer.probabilities.values())
    assert answer.probability == answer.probabilities[answer.label]
    assert answer.abstained == ("" if len(answer.possible) == 1 else "ambiguous")
    assert answer.error == ""


def test_paths_texts_and_open_pictures_get_the_same_answer(gate: Gate, photos: list[Path]) -> None:
    with Image.open(photos[0]) as image:
        answers = gate([photos[0], str(photos[0]), image])
    assert all(close(answers[0], other) for other in answers)


def test_the_bytes_of_a_file_are_a_picture(gate: Gate, photos: list[Path]) -> None:
    content = photos[0].read_bytes()
    assert gate(content) == gate(photos[0])
    assert close(gate([content, photos[1]])[0], gate(photos[0]))


def test_what_is_no_picture_is_told_and_no_open_file_is_touched(
    gate: Gate, photos: list[Path]
) -> None:
    with photos[0].open("rb") as stream:
        for wrong, told in (
            ([stream.fileno()], "int"),
            (stream, "BufferedReader"),
            (np.zeros((4, 4, 3), np.uint8), "ndarray"),
            (bytearray(b"123"), "int"),
            (None, "NoneType"),
        ):
            with pytest.raises(TypeError, match=f"takes paths, the bytes of .*, not {told}$"):
                gate(wrong)
        assert stream.read() == photos[0].read_bytes()


def test_answers_do_not_depend_on_the_other_pictures(
    gate: Gate, photos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    together = gate(photos)
    assert all(close(gate(path), answer) for path, answer in zip(photos, together, strict=True))
    monkeypatch.setattr("models.gate.BATCH_SIZE", 2)
    assert all(map(close, gate(iter(photos)), together))
    assert not close(together[0], together[1]) or together[0] != together[1]
    assert gate([]) == []


def test_a_broken_picture_gets_its_reason_and_stops_nothing(
    gate: Gate, photos: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "text.jpg").write_text("no picture")
    answers = gate([tmp_path / "gone.jpg", photos[0], tmp_path / "text.jpg"])
    assert answers[0] == Answer(error="unreadable, No such file or directory")
    assert answers[1].label
    assert answers[2].error.startswith("not an image, 10 bytes")
    assert gate(tmp_path / "gone.jpg").label == ""


def test_what_is_unlike_anything_seen_is_unsure(bundle: Path, photos: list[Path]) -> None:
    gate = load(bundle, "cpu")
    novelty = gate.card.calibration.novelty
    object.__setattr__(novelty, "threshold", 0.0)
    answer = gate(photos[0])
    assert (answer.label, answer.abstained) == (UNSURE, "unlike")


def test_a_model_without_calibration_excludes_no_class(
    make_bundle, tmp_path: Path, gate: Gate, photos: list[Path]
) -> None:
    plain = load(make_bundle(tmp_path / "run", calibrated=False), "cpu")
    answer, calibrated = plain(photos[0]), gate(photos[0])
    assert answer.label == calibrated.label
    assert (answer.possible, answer.abstained) == (CLASSES, "ambiguous")
    assert answer.probability < calibrated.probability  # its temperature is 0.5


def test_outputs_that_are_no_numbers_are_an_error(gate: Gate, monkeypatch) -> None:
    novelty = gate.card.calibration.novelty
    width = len(novelty.projection) + novelty.neighbours.bank.shape[1]
    monkeypatch.setattr(
        gate,
        "forward",
        lambda _: (torch.full((1, 5), torch.nan), torch.zeros(1, width), torch.zeros(1, 0)),
    )
    with np.errstate(invalid="ignore"):
        [answer] = gate.answer(torch.zeros((1, 3, 160, 160), dtype=torch.uint8))
    assert answer.label == ""
    assert answer.error == "no answer, the model's outputs are NaN or infinite"


def test_an_answer_says_what_is_wrong_with_a_picture(
    assessing_bundle: Path, photos: list[Path]
) -> None:
    gate = load(assessing_bundle, "cpu")
    for answer in gate(photos):
        assert list(answer.fault_probabilities) == list(FAULT_NAMES)
        probabilities = [answer.fault_probabilities[name] for name in answer.faults]
        assert probabilities == sorted(probabilities, reverse=True)
        assert answer.advice == (ADVICE[answer.faults[0]] if answer.faults else "")
        assert (answer.subject in SUBJECTS) == (answer.untold == "")
        assert 0 < answer.subject_probability <= 1
        assert 0 <= answer.severity <= MAX_SEVERITY
    assert gate([photos[0].with_name("gone.jpg")])[0].severity is None


def test_a_model_that_assesses_nothing_leaves_it_empty(gate: Gate, photos: list[Path]) -> None:
    answer = gate(photos[0])
    assert (answer.subject, answer.subject_probability, answer.untold) == ("", None, "")
    assert (answer.faults, answer.fault_probabilities) == ((), {})
    assert (answer.severity, answer.advice) == (None, "")
    assert gate.card.assessment == UNASSESSED


def test_classes_are_the_same_with_what_assesses_and_without(
    gate: Gate, assessing_bundle: Path, photos: list[Path]
) -> None:
    for one, other in zip(gate(photos), load(assessing_bundle, "cpu")(photos), strict=True):
        assert close(one, other)
        assert (one.possible, one.abstained) == (other.possible, other.abstained)


@pytest.mark.parametrize("column", [0, 4, -1])
def test_assessments_that_are_no_numbers_are_an_error(
    assessing_bundle: Path, monkeypatch: pytest.MonkeyPatch, column: int
) -> None:
    gate = load(assessing_bundle, "cpu")
    assessed = torch.zeros(2, NUM_ASSESSMENTS)
    assessed[0, column] = torch.nan
    novelty = gate.card.calibration.novelty
    features = torch.zeros(2, len(novelty.projection) + novelty.neighbours.bank.shape[1])
    monkeypatch.setattr(gate, "forward", lambda _: (torch.zeros(2, 5), features, assessed))
    broken, whole = gate.answer(torch.zeros((2, 3, 160, 160), dtype=torch.uint8))
    assert broken == Answer(error="no answer, the model's outputs are NaN or infinite")
    assert whole.error == "" and whole.severity is not None


def test_what_cannot_be_loaded_is_said(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="There is no"):
        load(tmp_path / "nowhere")
    with pytest.raises(SettingsError, match="--device abacus is not a device"):
        load(bundle, "abacus")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows forks nothing")
@pytest.mark.parametrize("loads_anew", [False, True])
def test_a_forked_process_answers(
    gate: Gate, bundle: Path, photos: list[Path], loads_anew: bool
) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        expected = gate(photos[0])

        def answers_alike() -> bool:
            own = load(bundle, "cpu") if loads_anew else gate
            return close(own(photos[0]), expected) and torch.get_num_threads() == 1

        assert Forked(answers_alike).is_happy()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


class Forked:
    """A process that ends with 0 if a function returns true there, and at last in any case."""

    def __init__(self, function: Callable[[], bool]) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            self.pid = os.fork()
        if not self.pid:
            signal.alarm(60)  # what hangs is ended by the system
            os._exit(0 if function() else 1)

    def is_happy(self) -> bool:
        return os.waitpid(self.pid, 0)[1] == 0


def test_it_answers_without_tf32(
    bundle: Path, photos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, exact = load(bundle, "cpu"), []
    layer = next(one for one in gate._network.modules() if isinstance(one, torch.nn.Conv2d))
    layer.register_forward_pre_hook(lambda *_: exact.append(not torch.backends.cudnn.allow_tf32))
    monkeypatch.setattr(Compute, "answering", lambda _: without_tf32())  # as on a GPU
    gate(photos[0])
    assert exact == [True] and torch.backends.cudnn.allow_tf32


@pytest.mark.parametrize("words", ["CUDA out of memory. Tried to allocate 2.00 GiB", ""])
@pytest.mark.parametrize(
    ("count", "told"),
    [
        (1, "cpu has too little memory for a picture. End what else uses it."),
        (3, "cpu has too little memory for 3 pictures at a time. Try a smaller --batch-size, or "
         "end what else uses it."),
    ],
)  # fmt: skip
def test_a_lack_of_memory_is_one_line(
    bundle: Path, photos: list[Path], words: str, count: int, told: str
) -> None:
    gate = load(bundle, "cpu")

    def starve(*_: object) -> None:
        raise torch.OutOfMemoryError(words)

    next(gate._network.children()).register_forward_pre_hook(starve)
    with pytest.raises(ModelError) as caught:
        gate(photos[:count])
    assert str(caught.value) == told


def test_a_model_that_does_not_fit_is_one_line(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def starve(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch.nn.Module, "to", starve)
    with pytest.raises(ModelError, match=r"^cpu has too little memory for "):
        load(bundle, "cpu")


def test_other_errors_are_not_taken_for_a_lack_of_memory(bundle: Path, photos: list[Path]) -> None:
    gate = load(bundle, "cpu")

    def fail(*_: object) -> None:
        raise RuntimeError("shapes do not match")

    next(gate._network.children()).register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        gate(photos)


def test_a_forked_process_cannot_use_a_gpu_and_says_so(
    bundle: Path, photos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = load(bundle, "cpu")
    gate.compute = Compute(torch.device("cuda"), "float32")
    monkeypatch.setattr(gate, "_process", os.getpid() + 1)
    with pytest.raises(ModelError) as raised:
        gate(photos[0])
    assert str(raised.value) == (
        "This model was loaded on cuda before the process was forked, and a forked process cannot "
        "use it there. Load it in each process, after the fork."
    )


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system knows no named pipes")
def test_what_is_no_file_is_an_error_and_not_waited_for(gate: Gate, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.jpg")
    found = gate([tmp_path / "x.jpg", tmp_path, "a\0.jpg", "/dev/zero"])
    assert [one.error for one in found] == [
        "unreadable, a named pipe, not a regular file",
        "unreadable, a folder, not a regular file",
        "unreadable, embedded null byte",
        "unreadable, a device, not a regular file",
    ]

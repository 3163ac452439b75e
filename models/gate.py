"""Classify pictures with a trained model: each gets its class, or the reason why not."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import overload

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from models.bundle import Card
from models.calibration import Calibration, Verdicts
from models.device import Compute, compute_here, explain_lack_of_memory, memory_format
from models.findings import Findings
from models.fusion import fused
from models.inference import outputs_and_features
from models.novelty import Novelty
from models.outputs import assessments, class_logits
from models.preprocessing import Normalisation
from models.scaling import Prior, Scaling
from utils.common.disk.opening import read_regular
from utils.common.errors import ModelError
from utils.common.faults import FAULT_NAMES
from utils.common.labels import CLASSES
from utils.common.limits import MAX_FILE_BYTES
from utils.common.pictures import PictureError

Picture = str | os.PathLike[str] | bytes | Image.Image

BATCH_SIZE = 32
NO_ANSWER = "no answer, the model's outputs are NaN or infinite"


@dataclass(frozen=True, slots=True)
class Answer:
    """A model's answer for one picture.

    Attributes:
        label: The picture's class; UNSURE if it is out of distribution, empty after an error.
        probability: Calibrated probability of the likeliest class under the gate's prior; None
            after an error.
        possible: Prediction set, at the coverage that the model was calibrated for.
        abstained: "ambiguous" if the set has several classes, "unlike" if the picture is out of
            distribution, else empty.
        probabilities: Probability of each class, by its name.
        error: Why the picture could not be read; empty if it could.
        subject: What the picture shows, one of `outputs.SUBJECTS`: its class, or what that would be
            if it were good; empty where that cannot be told, and in all answers of a model that
            does not assess pictures.
        subject_probability: Calibrated probability of the likeliest subject, told or not; None of a
            model that does not assess pictures.
        untold: Why no subject is told: "unlike", "unsure", or "not the label" where the label is a
            good class other than the likeliest subject; empty if one is.
        faults: Names of what is wrong with the picture, the likeliest first.
        fault_probabilities: Calibrated probability of each fault, by its name, told or not.
        severity: Expected severity from 0 (good) to 5 (useless); None of a model that does not
            assess pictures.
        advice: What to do about the first fault; empty without one.
    """

    label: str = ""
    probability: float | None = None
    possible: tuple[str, ...] = ()
    abstained: str = ""
    probabilities: dict[str, float] = field(default_factory=dict)
    error: str = ""
    subject: str = ""
    subject_probability: float | None = None
    untold: str = ""
    faults: tuple[str, ...] = ()
    fault_probabilities: dict[str, float] = field(default_factory=dict)
    severity: float | None = None
    advice: str = ""


class Gate:
    """A trained model, ready to classify.

    Args:
        card: Card of the model.
        network: Its network with weights, in evaluation mode.
        compute: Device and precision.
        prior: How common each class is where the pictures come from, relative to one another; all
            are equally common when left out.

    Raises:
        ModelError: If the device has too little memory for it.
    """

    def __init__(
        self, card: Card, network: nn.Module, compute: Compute, prior: Prior | None = None
    ) -> None:
        self.card = card
        self._prior = prior
        self.compute = compute
        self._process = os.getpid()
        self._calibration = card.calibration or _no_calibration(card.uncalibrated)
        wanted, layout = card.preprocessing, memory_format(network)
        with explain_lack_of_memory(compute.device, card.model.title):
            network = network.to(compute.device).to(memory_format=layout)
            self._network = fused(network, compute, wanted.height, wanted.width)
            self._normalise = Normalisation(wanted, layout).to(compute.device)

    # A string is an iterable of strings, too: the first overload that fits is taken.
    @overload
    def __call__(self, pictures: Picture) -> Answer: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, pictures: Iterable[Picture]) -> list[Answer]: ...
    def __call__(self, pictures: Picture | Iterable[Picture]) -> Answer | list[Answer]:
        """Classify one picture, or each of several.

        A picture that cannot be read gets an answer with the reason in `error`.

        Args:
            pictures: A path, the bytes of a file or a Pillow image, or any number of these.

        Raises:
            TypeError: If something else is among them.
        """
        if isinstance(pictures, str | os.PathLike | bytes | Image.Image):
            return self([pictures])[0]
        if hasattr(pictures, "read") or not isinstance(pictures, Iterable):
            raise _no_picture(pictures)  # of an open file the lines are bytes
        answers: list[Answer] = []
        batch: list[NDArray[np.uint8] | str] = []
        for picture in pictures:
            batch.append(self._sample(picture))
            if len(batch) == BATCH_SIZE:
                answers += self._answer_mixed(batch)
                batch = []
        return answers + self._answer_mixed(batch)

    def sample(self, content: bytes | Image.Image) -> NDArray[np.uint8]:
        """Return the model's input for a picture, uint8, 3 x height x width.

        Raises:
            PictureError: If it cannot be read.
            ModelError: In a forked process, if the model is not on the CPU.
        """
        self._notice_fork()
        return sample(self.card, content)

    def answer(self, pixels: torch.Tensor) -> list[Answer]:
        """Classify pictures of which the inputs, N x 3 x H x W, uint8, are ready."""
        verdicts, findings = self._judge(pixels)
        columns = (
            verdicts.labels, verdicts.possible, verdicts.abstained, verdicts.probabilities.tolist()
        )  # fmt: skip
        answers = [
            Answer(label, max(row), possible, abstained, dict(zip(CLASSES, row, strict=True)))
            if np.isfinite(row).all()
            else Answer(error=NO_ANSWER)
            for label, possible, abstained, row in zip(*columns, strict=True)
        ]
        return answers if findings is None else _with_findings(answers, findings)

    def judge(self, pixels: torch.Tensor) -> Verdicts:
        """Return what `answer` says of the classes, as arrays."""
        return self._judge(pixels)[0]

    def _judge(self, pixels: torch.Tensor) -> tuple[Verdicts, Findings | None]:
        logits, features, assessed = (one.cpu().numpy() for one in self.forward(pixels))
        verdicts = self._calibration.judge(logits, features, self._prior)
        assessment = self.card.assessment
        if isinstance(assessment, str):
            return verdicts, None
        return verdicts, assessment.judge(assessed, verdicts)

    @torch.inference_mode()
    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return logits, features and assessments of inputs, on the gate's device.

        Args:
            pixels: N x 3 x H x W, uint8.

        Returns:
            Logits of the classes, features for out-of-distribution detection, and the outputs that
            assess pictures, N x 0 of a network without.

        Raises:
            ModelError: If memory does not suffice, and in a forked process if the model is not on
                the CPU.
        """
        self._notice_fork()
        device, size = self.compute.device, len(pixels)
        what = f"{size} pictures at a time" if size > 1 else "a picture"
        ways_out = ["a smaller --batch-size"] if size > 1 else []
        with explain_lack_of_memory(device, what, *ways_out), self.compute.answering():
            moved = pixels.to(device, non_blocking=True)
            outputs, features = outputs_and_features(self._network, self._normalise, moved)
        return class_logits(outputs), features, assessments(outputs)

    def _notice_fork(self) -> None:
        """Do without the parent's threads in a forked process, or say why that is impossible."""
        compute_here()
        if os.getpid() == self._process:
            return
        if self.compute.device.type != "cpu":
            raise ModelError(
                f"This model was loaded on {self.compute.device.type} before the process was "
                "forked, and a forked process cannot use it there",
                todo="Load it in each process, after the fork",
            )
        self._process = os.getpid()

    def _sample(self, picture: Picture) -> NDArray[np.uint8] | str:
        try:
            if isinstance(picture, bytes | Image.Image):
                return self.sample(picture)
            if not isinstance(picture, str | os.PathLike):
                raise _no_picture(picture)  # a number would be read as an open file
            return self.sample(read_regular(picture, MAX_FILE_BYTES))
        except PictureError as error:
            return f"{error.reason}, {error.detail}"
        except OSError as error:
            return f"unreadable, {error.strerror or error}"
        except ValueError as error:  # a path with a zero byte
            return f"unreadable, {error}"

    def _answer_mixed(self, batch: Sequence[NDArray[np.uint8] | str]) -> list[Answer]:
        """Classify inputs; where a reason stands in place of one, return that as an error."""
        samples = [one for one in batch if not isinstance(one, str)]
        answers = iter(self.answer(torch.from_numpy(np.stack(samples))) if samples else [])
        return [Answer(error=one) if isinstance(one, str) else next(answers) for one in batch]


def _no_picture(found: object) -> TypeError:
    return TypeError(
        f"A gate takes paths, the bytes of files and Pillow images, not {type(found).__name__}"
    )


def _with_findings(answers: list[Answer], findings: Findings) -> list[Answer]:
    """Return answers with what is said of the same pictures beside their classes."""
    columns = (
        findings.subjects, findings.subject_probabilities.max(axis=1).tolist(), findings.untold,
        findings.faults, findings.fault_probabilities.tolist(), findings.severities.tolist(),
        findings.advice,
    )  # fmt: skip
    return [
        answer
        if answer.error
        else replace(
            answer, subject=subject, subject_probability=probability, untold=untold, faults=faults,
            fault_probabilities=dict(zip(FAULT_NAMES, row, strict=True)), severity=severity,
            advice=advice,
        )
        if np.isfinite([probability, *row, severity]).all()
        else Answer(error=NO_ANSWER)
        for answer, subject, probability, untold, faults, row, severity, advice in zip(
            answers, *columns, strict=True
        )
    ]  # fmt: skip


def sample(card: Card, content: bytes | Image.Image) -> NDArray[np.uint8]:
    """Return a model's input for a picture, uint8, 3 x height x width.

    Raises:
        PictureError: If it cannot be read.
    """
    return card.preprocessing.centre_crop(card.reading.pixels(content))


def _no_calibration(reason: str) -> Calibration:
    """Return a calibration that promises nothing: all classes are possible for all pictures."""
    empty = np.zeros((0, 0), dtype=np.float32)
    without = (None,) * len(CLASSES)
    reasons = dict.fromkeys(CLASSES, reason)
    return Calibration(Scaling(), 0.0, without, reasons, Novelty(None, reason, empty, empty))

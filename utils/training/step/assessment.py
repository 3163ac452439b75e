"""The loss of what a network says of a picture beside its class: subject, faults and severity."""

import torch
import torch.nn.functional as F
from torch import nn

from models.outputs import (
    SUBJECTS,
    UNKNOWN,
    assessments,
    fault_logits,
    fault_targets,
    severity_logits,
    severity_targets,
    subject_logits,
    subject_targets,
)
from utils.common.faults import FAULTS, MAX_SEVERITY
from utils.training.step.optimisation import class_weights

BALANCE = 0.5
"""How far rare answers are made up for: with 1 yes and no would count the same for each fault, and
a few pictures move the whole network; with 0 each picture, and a rare fault would hardly count."""

NUM_PARTS = 3
"""Subject, faults and severity; the loss is their mean."""


class AssessmentLoss(nn.Module):
    """Cross entropy of the subject, and binary ones of each fault and of severities of 1, 2, ...

    What nobody knows counts nowhere. Every sum is divided by what is known in the whole batch, so
    that micro-batches and shares may have any size. A fault counts the same however many there are;
    the severities count as one.

    Args:
        targets: What the training pictures on disk are to be assessed as, N x `NUM_TARGETS`, int8.
        weight: Weight of this loss.
    """

    subject_weights: torch.Tensor
    answer_weights: torch.Tensor
    shares: torch.Tensor

    def __init__(self, targets: torch.Tensor, weight: float) -> None:
        super().__init__()
        self.weight = weight / NUM_PARTS
        subjects = subject_targets(targets).tolist()
        counts = [subjects.count(subject) for subject in range(len(SUBJECTS))]
        self.register_buffer("subject_weights", torch.tensor(class_weights(counts)))
        self.register_buffer("answer_weights", _answer_weights(*_answers(targets)))
        shares = [1.0] * len(FAULTS) + [1 / MAX_SEVERITY] * MAX_SEVERITY
        self.register_buffer("shares", torch.tensor(shares))

    def totals(self, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the divisors of the sums over a whole batch.

        Args:
            targets: Of the whole batch, over all ranks, N x `NUM_TARGETS`, int8. Only what is known
                matters, and the subjects.

        Returns:
            The sum of the subjects' weights, a scalar, and the known answers to each question, 17.
        """
        subjects = subject_targets(targets).long()
        weights = self.subject_weights[subjects.clamp(min=0)] * (subjects != UNKNOWN)
        known, _ = _answers(targets)
        return weights.sum().clamp(min=1e-6), known.sum(dim=0).clamp(min=1)

    def forward(
        self,
        outputs: torch.Tensor,
        targets: torch.Tensor,
        totals: tuple[torch.Tensor, torch.Tensor],
    ) -> torch.Tensor:
        """Return the weighted loss of some pictures of a batch, a scalar.

        Args:
            outputs: N x `NUM_OUTPUTS`.
            targets: N x `NUM_TARGETS`, int8.
            totals: Result of `totals` for the whole batch.
        """
        told = assessments(outputs).float()
        of_subjects, of_answers = totals
        subject = F.cross_entropy(
            subject_logits(told), subject_targets(targets).long(), self.subject_weights,
            ignore_index=UNKNOWN, reduction="sum",
        )  # fmt: skip
        known, answers = _answers(targets)
        no, yes = self.answer_weights
        losses = F.binary_cross_entropy_with_logits(
            torch.cat((fault_logits(told), severity_logits(told)), dim=1), answers,
            weight=known * torch.where(answers > 0, yes, no), reduction="none",
        )  # fmt: skip
        answered = (losses.sum(dim=0) / of_answers * self.shares).sum()
        return self.weight * (subject / of_subjects + answered)


def _answers(targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return which questions are answered, and the answers: each fault, then severities of 1 to 5.

    Args:
        targets: N x `NUM_TARGETS`, int8.

    Returns:
        N x 17 each, float32: 1 for known, and 1 for yes; 0 elsewhere.
    """
    levels = torch.arange(1, MAX_SEVERITY + 1, device=targets.device, dtype=targets.dtype)
    severities, faults = severity_targets(targets)[:, None], fault_targets(targets)
    known = torch.cat((faults != UNKNOWN, (severities != UNKNOWN).expand(-1, MAX_SEVERITY)), dim=1)
    answers = torch.cat((faults > 0, severities >= levels), dim=1)
    return known.float(), answers.float()


def _answer_weights(known: torch.Tensor, answers: torch.Tensor) -> torch.Tensor:
    """Return the weights of no and yes for each question, 2 x 17; their mean over all answers is 1.

    A question that no training picture on disk answers with yes, as may be drawn anew, counts as
    one that a single picture does.
    """
    counts = known.sum(dim=0).clamp(min=2)
    share = (answers.sum(dim=0) / counts).clamp(1 / counts, 1 - 1 / counts)
    shares = torch.stack((1 - share, share))
    weights = shares**-BALANCE
    return weights / (shares * weights).sum(dim=0)

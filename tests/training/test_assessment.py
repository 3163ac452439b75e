"""The loss of subject, faults and severity: masked, balanced, the same in parts of any size."""

import copy
import math

import pytest
import timm
import torch
import torch.nn.functional as F

from models.outputs import (
    NUM_OUTPUTS,
    NUM_TARGETS,
    SUBJECTS,
    UNKNOWN,
    assessments,
    class_logits,
    fault_logits,
    severity_logits,
    subject_logits,
)
from utils.common.faults import FAULTS, MAX_SEVERITY
from utils.training.data.targets import NOTHING_KNOWN, of_degraded, of_good
from utils.training.step.assessment import AssessmentLoss
from utils.training.step.classifier import can_learn_to_assess

GOOD = [of_good(name) for name in SUBJECTS]
POOR = [
    of_degraded("PAN", "messenger", 4),
    of_degraded("DERM", "haze+motion_blur", 1),
    of_degraded("OTHER", "defocus_blur", 5),
    of_degraded("", "sensor_noise", 2),
    NOTHING_KNOWN,
]
TARGETS = torch.tensor([*GOOD, *GOOD, *POOR], dtype=torch.int8)
COUNT = len(TARGETS)


def outputs() -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randn(COUNT, NUM_OUTPUTS, generator=generator, requires_grad=True)


def gradient(loss: AssessmentLoss, targets: torch.Tensor, num_parts: int = 1) -> torch.Tensor:
    """Return the gradient of the outputs, computed in so many parts."""
    given = outputs()
    totals = loss.totals(targets)
    parts = zip(given.tensor_split(num_parts), targets.tensor_split(num_parts), strict=True)
    sum(loss(*part, totals) for part in parts).backward()
    assert given.grad is not None
    return given.grad


@pytest.mark.parametrize("num_parts", [2, 3, 5, COUNT])
def test_parts_of_any_size_have_the_gradient_of_the_whole(num_parts: int) -> None:
    loss = AssessmentLoss(TARGETS, 0.5)
    whole = gradient(loss, TARGETS)
    torch.testing.assert_close(gradient(loss, TARGETS, num_parts), whole)
    assert class_logits(whole).count_nonzero() == 0
    assert assessments(whole).count_nonzero() > 0


def test_what_nobody_knows_moves_nothing_and_counts_nowhere() -> None:
    loss = AssessmentLoss(TARGETS, 1.0)
    whole = gradient(loss, TARGETS)
    assert whole[-1].count_nonzero() == 0
    assert subject_logits(assessments(whole))[-2].count_nonzero() == 0
    assert fault_logits(assessments(whole))[-2].all()
    given, known = outputs(), TARGETS[:-1]
    alone = loss(given[:-1], known, loss.totals(known))
    torch.testing.assert_close(alone, loss(given, TARGETS, loss.totals(TARGETS)))
    nothing = torch.full((COUNT, NUM_TARGETS), UNKNOWN, dtype=torch.int8)
    lost = loss(given, nothing, loss.totals(nothing))
    assert float(lost.detach()) == 0
    lost.backward()
    assert given.grad is not None
    assert given.grad.count_nonzero() == 0


def test_totals_ask_what_is_known_and_not_what_was_drawn() -> None:
    """For other ranks' pictures, drawn anew, only that is known without asking them."""
    loss = AssessmentLoss(TARGETS, 1.0)
    drawn = TARGETS.clone()
    drawn[len(GOOD) * 2] = torch.tensor(of_degraded("PAN", "glare", 1))
    assert not torch.equal(drawn, TARGETS)
    for one, other in zip(loss.totals(drawn), loss.totals(TARGETS), strict=True):
        assert torch.equal(one, other)


def test_it_is_the_mean_of_three_ordinary_losses_where_all_is_balanced() -> None:
    """Each fault in half of the pictures, each subject and severity boundary equally often."""
    faults = torch.eye(2, dtype=torch.int8).repeat(4, len(FAULTS) // 2)
    subjects = torch.arange(8, dtype=torch.int8)[:, None] % len(SUBJECTS)
    severities = torch.tensor([0, MAX_SEVERITY] * 4, dtype=torch.int8)[:, None]
    targets = torch.cat((subjects, faults, severities), dim=1)
    given = outputs()[:8]
    told = assessments(given)
    loss = AssessmentLoss(targets, 0.9)
    binary = F.binary_cross_entropy_with_logits
    severe = (severities > 0).float().expand(-1, MAX_SEVERITY)
    parts = (
        F.cross_entropy(subject_logits(told), subjects[:, 0].long()),
        binary(fault_logits(told), faults.float()) * len(FAULTS),
        binary(severity_logits(told), severe),
    )
    expected = 0.9 * torch.stack(parts).mean()
    torch.testing.assert_close(loss(given, targets, loss.totals(targets)), expected)


def test_rare_answers_weigh_more_and_the_mean_weight_is_one() -> None:
    targets = torch.tensor([*GOOD * 10, *POOR[:3]], dtype=torch.int8)
    no, yes = AssessmentLoss(targets, 1.0).answer_weights
    assert (yes > no).all()
    shares = torch.tensor([[fault > 0 for fault in row[1:-1]] for row in targets.tolist()])
    share = shares.float().mean(dim=0).clamp(min=1 / len(targets))
    faults = len(FAULTS)
    torch.testing.assert_close(yes[:faults] * share + no[:faults] * (1 - share), torch.ones(faults))
    assert torch.isfinite(torch.stack((no, yes))).all()


def test_a_severity_of_more_is_one_of_less_as_well() -> None:
    loss = AssessmentLoss(TARGETS, 1.0)
    found = gradient(loss, torch.tensor([POOR[0]], dtype=torch.int8).expand(COUNT, -1))
    signs = severity_logits(assessments(found)).sign().unique(dim=0).tolist()
    assert signs == [[-1, -1, -1, -1, 1]]  # a step against the gradient raises the first four


@pytest.mark.slow
def test_assessing_is_learnt(make_trainer) -> None:
    trainer = make_trainer(assessment_weight=1.0)
    batch = next(trainer.loader.training_batches(0))
    loss = trainer.train_step._assessment

    @torch.no_grad()
    def reached() -> float:
        found = trainer.network(trainer.normalise(batch.pixels))
        return float(loss(found, batch.targets, loss.totals(batch.targets)))

    before = reached()
    for step in range(30):
        trainer.train_step(batch, step)
    assert reached() < 0.6 * before


def test_without_a_weight_the_classes_learn_as_a_plain_network_does(make_trainer) -> None:
    """The gradient of the classes is untouched, as a weight of next to nothing shows."""
    plain, wide = make_trainer(assessment_weight=0.0), make_trainer(assessment_weight=1e-30)
    for trainer in (plain, wide):
        list(trainer.train_epoch(0))
    learnt = wide.network.state_dict()
    for name, tensor in plain.network.state_dict().items():
        torch.testing.assert_close(learnt[name], tensor, rtol=1e-4, atol=1e-6)
    assert plain.predictor().predict("val", "Validation").assessments.shape == (10, 0)
    assert wide.predictor().predict("val", "Validation").assessments.shape[1] > 0


def test_an_assessment_that_is_no_number_leaves_the_step_out(make_trainer) -> None:
    trainer = make_trainer()
    batch = next(trainer.loader.training_batches(0))
    before = copy.deepcopy(trainer.network.state_dict())
    trainer.train_step._assessment.subject_weights.fill_(math.nan)
    trainer._step(batch, 0, 0, 3)
    assert trainer.sums.totals[2:].tolist() == [1, 1]
    for name, tensor in trainer.network.state_dict().items():
        assert torch.equal(before[name], tensor), name


def test_what_sees_other_features_than_the_classes_is_refused(small_preprocessing) -> None:
    for name, expected in (("test_resnet", True), ("resnetv2_18", False)):
        network = timm.create_model(name, num_classes=5)
        assert can_learn_to_assess(network, small_preprocessing) == expected

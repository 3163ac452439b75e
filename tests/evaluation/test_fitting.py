"""What is fitted on val keeps what it promises on pictures of the same kind."""

from dataclasses import replace

import numpy as np
import pytest

from models.calibration import Calibration
from models.novelty import Novelty
from models.scaling import softmax
from models.texture import NUM_FEATURES
from utils.common.labels import CLASSES
from utils.evaluation.conformal import fit_quantiles, quantile_by_group, rank_of
from utils.evaluation.fitting import fit, refit
from utils.evaluation.novelty_fitting import SHRINKAGE, SHRINKAGE_WITH_STEM, fit_novelty, whitened
from utils.evaluation.temperature_scaling import fit_scaling, fit_temperature
from utils.training.predictions import EvaluationInputs

NUM_CLASSES = len(CLASSES)


def calibrated(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return logits of a perfectly calibrated model, and labels drawn from its probabilities."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (count, NUM_CLASSES)).astype(np.float32)
    cumulated = softmax(logits).cumsum(axis=1)
    return logits, (rng.random((count, 1)) > cumulated).sum(axis=1).clip(0, NUM_CLASSES - 1)


@pytest.mark.parametrize("stretch", [0.5, 1.0, 3.0])
def test_the_temperature_undoes_a_stretch(stretch: float) -> None:
    logits, labels = calibrated(0, 20_000)
    found = fit_temperature(logits * np.float32(stretch), labels)
    assert found.temperature == pytest.approx(stretch, rel=0.05)
    assert set(found.biases) == {0}


def test_perfect_answers_leave_a_finite_temperature() -> None:
    labels = np.arange(NUM_CLASSES)
    logits = np.eye(NUM_CLASSES, dtype=np.float32) * 50
    found = fit_scaling(logits, labels, [3] * NUM_CLASSES)
    assert 0 < found.temperature < 21
    assert np.isfinite(found.probabilities(logits)).all()


def test_few_pictures_that_are_all_right_leave_the_temperature_near_one() -> None:
    """A calibrated model that is right 95 times in 100, on val sets where it is always right."""

    def draw(count: int) -> tuple[np.ndarray, np.ndarray]:
        labels = rng.integers(0, NUM_CLASSES, count)
        logits = rng.normal(size=(count, NUM_CLASSES))
        logits[np.arange(count), labels] += 3
        return (3 * logits).astype(np.float32), labels

    rng = np.random.default_rng(0)
    logits, labels = draw(5000)
    right = logits.argmax(axis=1) == labels
    others, truth = draw(5000)
    for first in range(0, 1000, 71):
        chosen = np.flatnonzero(right)[first : first + 71]
        found = fit_scaling(logits[chosen], labels[chosen], [1] * NUM_CLASSES)
        assert 0.5 < found.temperature < 1.3
        given = found.probabilities(others)
        wrong = given.argmax(axis=1) != truth
        assert (given[wrong].max(axis=1) > 0.99).mean() < 0.25  # without the prior all of them


def as_trained(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return logits of a model that was trained as if its rare classes were common, and labels."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(NUM_CLASSES, count, p=RARE)
    logits = rng.normal(size=(count, NUM_CLASSES))
    logits[np.arange(count), labels] += 1.5  # log-odds between two classes: 1.5 * difference
    return (1.5 * logits * 2.0 + SHIFT).astype(np.float32), labels


RARE = np.array([0.6, 0.25, 0.1, 0.03, 0.02])
SHIFT = np.array([0.0, 0.8, -0.6, 0.4, 0.0])


def test_biases_and_prior_make_each_class_right_as_often_as_it_is_said() -> None:
    """A temperature alone misses the classes whose logits are shifted, which the total hides."""
    logits, labels = as_trained(0, 20_000)
    found = fit_scaling(logits, labels, (RARE * 1000).astype(int).tolist())
    assert found.class_shares == pytest.approx(RARE)
    assert found.temperature == pytest.approx(2, rel=0.1)
    expected = -SHIFT / 2
    assert np.array(found.biases) - np.mean(found.biases) == pytest.approx(
        expected - expected.mean(), abs=0.15
    )
    others, truth = as_trained(1, 100_000)
    alone, biased = (
        [
            given[is_called, label].mean() - (truth[is_called] == label).mean()
            for label in range(NUM_CLASSES)
            if (is_called := given.argmax(axis=1) == label).any()
        ]
        for given in (
            fit_temperature(logits, labels).probabilities(others, found.train_prior),
            found.probabilities(others, found.train_prior),
        )
    )
    assert np.abs(biased).max() < 0.05
    assert min(alone) < -0.1 and max(alone) > 0.05


def test_a_temperature_alone_is_not_moved_by_how_common_the_classes_are() -> None:
    logits, labels = as_trained(0, 20_000)
    assert fit_temperature(logits - SHIFT.astype(np.float32), labels).temperature == pytest.approx(
        2, rel=0.05
    )


def test_few_pictures_move_biases_little() -> None:
    logits, labels = as_trained(2, 40)
    found = fit_scaling(logits, labels, [1] * NUM_CLASSES)
    assert max(map(abs, found.biases)) < 0.5


def test_equal_classes_make_the_prior_of_training_that_of_equal_ones() -> None:
    logits, labels = calibrated(0, 200)
    found = fit_scaling(logits, labels, [7] * NUM_CLASSES)
    given = found.probabilities(logits, found.train_prior)
    assert given == pytest.approx(found.probabilities(logits))


def test_the_quantiles_cover_as_many_as_promised() -> None:
    logits, labels = calibrated(1, 20_000)
    quantiles, reasons = fit_quantiles(softmax(logits[:10_000]), labels[:10_000], 0.9)
    assert not reasons
    probabilities, truth = softmax(logits[10_000:]), labels[10_000:]
    for label in range(NUM_CLASSES):
        chosen = truth == label
        covered = (1 - probabilities[chosen, label] <= quantiles[label]).mean()
        assert covered == pytest.approx(0.9, abs=0.03)


@pytest.mark.parametrize(
    ("share", "count", "rank"),
    [(0.95, 18, None), (0.95, 19, 19), (0.95, 39, 38), (0.98, 48, None), (0.98, 49, 49)],
)
def test_the_rank_is_that_of_split_conformal(share: float, count: int, rank: int | None) -> None:
    assert rank_of(share, count) == rank


def test_a_class_with_too_few_val_pictures_has_no_quantile() -> None:
    labels = np.array([0] * 19 + [1] * 18)
    quantiles, reasons = fit_quantiles(np.full((37, NUM_CLASSES), 0.2), labels, 0.95)
    assert [quantile is None for quantile in quantiles] == [False, True, True, True, True]
    assert set(reasons) == set(CLASSES[1:])
    assert reasons["DERM_CLINIC"] == "18 val pictures; 95% takes at least 19"


def test_pictures_of_one_patient_are_one() -> None:
    """As many pictures as are enough, of too few patients; and patients of many pictures."""
    rng = np.random.default_rng(0)
    labels = np.zeros(40, np.int64)
    quantiles, reasons = fit_quantiles(rng.random((40, 5)), labels, 0.95, np.arange(40) // 10)
    assert quantiles[0] is None
    assert reasons["DERM"] == "40 val pictures of 4 groups; 95% takes at least 19 groups"
    covered = []
    for _ in range(400):  # a patient's pictures are hard or easy together
        sizes = rng.choice([1, 10], 60)
        groups = np.repeat(np.arange(60), sizes)
        scores = rng.random(60)[groups] + 0.1 * rng.random(len(groups))
        quantile = quantile_by_group(scores, groups, 0.9)
        covered.append((rng.random(200) + 0.1 * rng.random(200) <= quantile).mean())
    assert 0.9 <= np.mean(covered) <= 0.93
    assert np.quantile(covered, 0.1) > 0.83


def test_alone_each_picture_counts_as_ever() -> None:
    scores = np.random.default_rng(0).random(57)
    for share in (0.5, 0.9, 0.95, 0.98):  # 57 are enough for all
        rank = rank_of(share, len(scores))
        assert quantile_by_group(scores, np.arange(57), share) == np.sort(scores)[rank - 1]


def test_what_lies_far_from_training_is_unlike() -> None:
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(6, 6))
    centres = rng.normal(0, 8, (NUM_CLASSES, 6))

    def like(count: int) -> tuple[np.ndarray, np.ndarray]:
        labels = rng.integers(0, NUM_CLASSES, count)
        return (centres[labels] + rng.normal(size=(count, 6)) @ mixing).astype(np.float32), labels

    novelty = fit_novelty(*like(1000), like(500)[0])
    assert novelty.is_unlike(like(2000)[0]).mean() == pytest.approx(0.02, abs=0.02)
    strange = (rng.normal(0, 30, (200, 6)) @ mixing).astype(np.float32)
    assert novelty.is_unlike(strange).mean() > 0.9


@pytest.mark.parametrize("shrinkage", [0, SHRINKAGE, SHRINKAGE_WITH_STEM])
def test_the_distance_is_mahalanobis_with_more_variance(shrinkage: float) -> None:
    rng = np.random.default_rng(0)
    mixing = np.eye(3) + 0.3 * rng.normal(size=(3, 3))
    features = (rng.normal(size=(20_000, 3)) @ mixing).astype(np.float32)
    novelty = Novelty(None, "", *whitened(features, np.zeros(len(features), int), shrinkage))
    covariance = np.cov(features.T)
    inverse = np.linalg.inv(covariance + shrinkage * np.diag(np.diag(covariance)))
    off = features[:50] - features.mean(axis=0)
    expected = np.sqrt(np.einsum("nd,de,ne->n", off, inverse, off))
    assert novelty.distances(features[:50]) == pytest.approx(expected, rel=1e-3)


def test_a_constant_feature_does_no_harm() -> None:
    features = np.ones((60, 3), np.float32)
    features[:, 0] = np.random.default_rng(0).normal(size=60)
    novelty = fit_novelty(features, np.zeros(60, int), features)
    assert np.isfinite(novelty.distances(features)).all()


def test_embeddings_tell_what_texture_does_not() -> None:
    rng = np.random.default_rng(0)
    centres = rng.normal(0, 3, (NUM_CLASSES, 20))

    def like(count: int) -> tuple[np.ndarray, np.ndarray]:
        labels = rng.integers(0, NUM_CLASSES, count)
        texture = rng.normal(size=(count, NUM_FEATURES))
        embeddings = centres[labels] + rng.normal(size=(count, 20))
        return np.hstack([texture, embeddings]).astype(np.float32), labels

    train, labels = like(1000)
    val, (good, _) = like(500)[0], like(2000)
    strange = good.copy()
    strange[:, NUM_FEATURES:] = rng.normal(0, 3, (len(good), 20))
    for refused in (0.02, 0.1):
        novelty = fit_novelty(train, labels, val, refused=refused)
        assert novelty.is_unlike(good).mean() == pytest.approx(refused, abs=0.025)
        assert novelty.is_unlike(strange).mean() > 0.8
    alone = fit_novelty(train[:, :NUM_FEATURES], labels, val[:, :NUM_FEATURES])
    assert alone.neighbours is None
    assert alone.is_unlike(strange).mean() < 0.1


def test_the_surface_may_be_wider_than_texture() -> None:
    rng = np.random.default_rng(0)
    width = NUM_FEATURES + 6
    train = rng.normal(size=(300, width + 8)).astype(np.float32)
    val, labels = rng.normal(size=(200, width + 8)).astype(np.float32), np.arange(300) % NUM_CLASSES
    novelty = fit_novelty(train, labels, val, num_surface=width)
    assert len(novelty.projection) == width
    assert novelty.neighbours.bank.shape == (300, 8)
    strange = val.copy()
    strange[:, NUM_FEATURES:width] += 20
    assert novelty.is_unlike(val).mean() < 0.05
    assert novelty.is_unlike(strange).all()
    blind = fit_novelty(np.delete(train, np.s_[NUM_FEATURES:width], 1), labels,
                        np.delete(val, np.s_[NUM_FEATURES:width], 1))  # fmt: skip
    assert blind.is_unlike(strange).mean() < 0.05


def test_a_training_picture_without_numbers_is_left_out() -> None:
    rng = np.random.default_rng(0)
    train = rng.normal(size=(60, NUM_FEATURES + 8)).astype(np.float32)
    val, labels = train[:50] + 0.1, np.arange(60) % NUM_CLASSES
    whole = fit_novelty(train[:55], labels[:55], val)
    train[55:, NUM_FEATURES + 3] = np.nan
    train[57, 0] = np.inf
    novelty = fit_novelty(train, labels, val)
    assert np.isfinite(novelty.neighbours.bank).all()
    assert np.array_equal(novelty.scores(val), whole.scores(val))
    assert novelty.threshold == whole.threshold


def test_too_few_val_pictures_give_no_threshold(inputs: EvaluationInputs) -> None:
    features = inputs.val.features[:48]
    novelty = fit_novelty(inputs.train.features, inputs.train.labels, features)
    assert novelty.threshold is None
    assert novelty.reason == "48 good val pictures; to refuse 2% takes at least 49"
    more = fit_novelty(inputs.train.features, inputs.train.labels, features, refused=0.025)
    assert more.threshold is not None


def test_poor_val_pictures_move_no_threshold(inputs: EvaluationInputs) -> None:
    poor = inputs.val.labels == CLASSES.index("LOW_QUALITY")
    strange = np.where(poor[:, None], 1e3, inputs.val.features).astype(np.float32)
    plain, moved = (
        fit(
            inputs.train,
            replace(inputs.val, features=features),
            [8] * NUM_CLASSES,
            0.9,
            refused=0.1,
        ).novelty
        for features in (inputs.val.features, strange)
    )
    assert plain.threshold is not None
    assert plain.threshold == moved.threshold


def test_a_val_set_of_poor_pictures_alone_gives_no_threshold() -> None:
    rng = np.random.default_rng(0)
    train = rng.normal(size=(60, NUM_FEATURES + 8)).astype(np.float32)
    novelty = fit_novelty(train, np.arange(60) % NUM_CLASSES, train[:0])
    assert novelty.threshold is None
    assert novelty.reason == "0 good val pictures; to refuse 2% takes at least 49"
    stored = Novelty.from_dict(novelty.to_dict(), novelty.arrays())
    assert not stored.is_unlike(train).any()


def test_a_calibration_is_fitted_anew_without_touching_the_distance(
    inputs: EvaluationInputs, calibration: Calibration
) -> None:
    test = inputs.test
    anew = refit(calibration, test, 0.8, np.arange(len(test.labels)))
    assert anew.scaling.class_shares == calibration.scaling.class_shares
    assert anew.novelty.centres is calibration.novelty.centres
    # 32 good pictures are too few to refuse 2 %: the threshold stays, and the reason is told.
    assert anew.novelty.threshold == calibration.novelty.threshold
    assert anew.novelty.reason == "32 good pictures; to refuse 2% takes at least 49"
    assert anew.unpromised == ()
    sets = anew.judge(test.logits, test.features).sets
    assert sets[np.arange(len(test.labels)), test.labels].mean() >= 0.8
    more = refit(calibration, test, 0.8, np.arange(len(test.labels)), refused=0.1).novelty
    assert (more.refused, more.reason) == (0.1, "")
    good = test.labels != CLASSES.index("LOW_QUALITY")
    assert more.is_unlike(test.features[good]).sum() == 2  # of 32 the 30th is the limit
    none = refit(calibration, test, 0.95, np.arange(len(test.labels)))
    assert none.reasons == dict.fromkeys(CLASSES, "8 pictures; 95% takes at least 19")

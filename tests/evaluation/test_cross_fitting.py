"""A val picture's score comes from what others chose and fitted, so quantiles keep their word."""

import numpy as np
import pytest

from utils.common.labels import CLASSES
from utils.evaluation.conformal import fit_quantiles
from utils.evaluation.cross_fitting import (
    NUM_FOLDS,
    cross_fitted_probabilities,
    epochs_without,
    folds_of,
    losses_without,
)
from utils.evaluation.temperature_scaling import fit_scaling
from utils.training.predictions import Predictions, best_epoch, calibrated_log_loss

NUM_CLASSES = len(CLASSES)
COUNTS = [1] * NUM_CLASSES


def run(seed: int, num_pictures: int, num_epochs: int = 4) -> tuple[list[np.ndarray], np.ndarray]:
    """Return logits after each epoch, all as good and partly by chance, and labels."""
    rng = np.random.default_rng(seed)
    labels = np.arange(num_pictures) % NUM_CLASSES
    shared = rng.normal(size=(num_pictures, NUM_CLASSES))
    shared[np.arange(num_pictures), labels] += 2
    noises = rng.normal(size=(num_epochs, *shared.shape))
    return [(1.4 * shared + 0.6 * noise).astype(np.float32) for noise in noises], labels


def predictions(logits: np.ndarray, labels: np.ndarray) -> Predictions:
    return Predictions(tuple(f"{row:04}.jpg" for row in range(len(labels))), labels, logits)


def chosen(val_by_epoch: list[np.ndarray], labels: np.ndarray, rows: np.ndarray) -> int:
    """Return the epoch that some pictures choose, as training does it."""
    losses = [
        calibrated_log_loss(predictions(logits[rows], labels[rows])) for logits in val_by_epoch
    ]
    found = best_epoch(losses)
    assert found is not None
    return found


def test_the_loss_without_a_fold_is_that_of_all_other_pictures() -> None:
    (logits,), labels = run(0, 37, num_epochs=1)
    folds = np.arange(37) % 3
    for fold, loss in losses_without(logits, labels, folds).items():
        others = folds != fold
        expected = calibrated_log_loss(predictions(logits[others], labels[others]))
        assert loss == pytest.approx(expected, rel=1e-12)


def test_a_class_that_only_one_fold_has_does_not_count_without_it() -> None:
    (logits,), labels = run(0, 20, num_epochs=1)
    labels = np.where(np.arange(20) < 10, 0, 1)
    folds = np.arange(20) // 10
    losses = losses_without(logits, labels, folds)
    assert losses[0] == pytest.approx(calibrated_log_loss(predictions(logits[10:], labels[10:])))


def test_each_fold_gets_the_epoch_that_the_others_choose() -> None:
    val_by_epoch, labels = run(1, 40, num_epochs=8)
    folds = np.arange(40) // NUM_CLASSES % NUM_FOLDS
    found = epochs_without(val_by_epoch, labels, folds)
    assert found == {fold: chosen(val_by_epoch, labels, folds != fold) for fold in range(8)}
    assert len(set(found.values())) > 1


def test_an_epoch_that_is_not_finite_is_never_chosen() -> None:
    val_by_epoch, labels = run(1, 40, num_epochs=3)
    best = epochs_without(val_by_epoch, labels, np.arange(40) % 2)[0]
    val_by_epoch[best] = np.full_like(val_by_epoch[best], np.nan)
    assert best not in epochs_without(val_by_epoch, labels, np.arange(40) % 2).values()


def test_a_picture_has_no_say_in_its_own_probabilities() -> None:
    val_by_epoch, labels = run(2, 60)
    val, groups = predictions(val_by_epoch[0], labels), np.arange(60)
    before = cross_fitted_probabilities([val_by_epoch], val, groups, COUNTS)
    folds = folds_of(val.files, labels, groups)
    for fold in range(3):
        own = folds == fold
        epoch = epochs_without(val_by_epoch, labels, folds)[fold]
        scaling = fit_scaling(val_by_epoch[epoch][~own], labels[~own], COUNTS)
        assert np.array_equal(before[own], scaling.probabilities(val_by_epoch[epoch][own]))


def test_folds_are_whole_groups_spread_evenly_over_each_class() -> None:
    labels = np.repeat(np.arange(NUM_CLASSES), 40)
    groups = np.arange(len(labels)) // 2
    files = [f"{row}.jpg" for row in range(len(labels))]
    folds = folds_of(files, labels, groups)
    assert all(len(set(folds[groups == group])) == 1 for group in groups)
    for label in range(NUM_CLASSES):
        counts = np.bincount(folds[labels == label], minlength=NUM_FOLDS)
        assert counts.max() - counts.min() <= 2
    order = np.random.default_rng(0).permutation(len(labels))
    shuffled = folds_of([files[row] for row in order], labels[order], groups[order])
    assert np.array_equal(shuffled, folds[order])


def test_a_single_group_is_calibrated_on_itself() -> None:
    val_by_epoch, labels = run(3, 5)
    val = predictions(val_by_epoch[-1], labels)
    found = cross_fitted_probabilities([val_by_epoch], val, np.zeros(5, np.int64), COUNTS)
    expected = fit_scaling(val.logits, labels, COUNTS).probabilities(val.logits)
    assert np.array_equal(found, expected)


@pytest.mark.slow
def test_quantiles_cover_new_pictures_as_often_as_promised_though_val_chose_the_epoch() -> None:
    """Twenty runs of 8 epochs on 100 val pictures each."""
    shares = []
    for seed in range(20):
        both, labels = run(seed, 1100, num_epochs=8)
        val_by_epoch, val_labels = [logits[:100] for logits in both], labels[:100]
        epoch = chosen(val_by_epoch, val_labels, np.arange(100))
        val = predictions(val_by_epoch[epoch], val_labels)
        given = cross_fitted_probabilities([val_by_epoch], val, np.arange(100), COUNTS)
        quantiles, _ = fit_quantiles(given, val_labels, 0.9)
        scaling = fit_scaling(val.logits, val_labels, COUNTS)
        new = scaling.probabilities(both[epoch][100:])[np.arange(1000), labels[100:]]
        bounds = np.array(quantiles, dtype=np.float64)[labels[100:]]
        shares.append((1 - new <= bounds).mean())
    error = np.std(shares) / np.sqrt(len(shares))
    assert np.mean(shares) > 0.9 - 2 * error
    assert np.mean(shares) < 0.93

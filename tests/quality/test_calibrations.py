"""Ways of calibrating are judged under one prior, so that none gains by the prior alone."""

import numpy as np

from benchmarks.quality.calibration import SPREADS, calibrations, judge, summary
from models.scaling import Scaling
from utils.common.labels import CLASSES
from utils.evaluation import temperature_scaling


def answers(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return logits that are calibrated among equally common classes, and labels that are not."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(len(CLASSES), 400, p=[0.6, 0.2, 0.1, 0.07, 0.03])
    logits = rng.normal(size=(400, len(CLASSES))).astype(np.float32)
    logits[np.arange(400), labels] += 1  # the log-likelihood ratio of a shift by 1 is the value
    return logits, labels


def test_each_way_has_a_row_of_figures_and_the_spreads_are_left_as_they_were() -> None:
    logits, labels = answers(0)
    before = temperature_scaling.SPREADS.copy()
    names = [name for name, _ in calibrations(logits, labels, [100] * len(CLASSES))]
    assert names[:2] == ["none", "temperature"]
    assert len(names) == 2 + len(SPREADS)
    assert (before == temperature_scaling.SPREADS).all()
    means, errors = summary([judge(Scaling(), *answers(seed)) for seed in range(4)])
    assert means.shape == errors.shape == (4,)


def test_what_is_calibrated_already_gains_nothing() -> None:
    fitted, judged = answers(1), answers(2)
    gaps = {
        name: judge(scaling, *judged)[1]
        for name, scaling in calibrations(*fitted, [100] * len(CLASSES))
    }
    assert gaps["none"] < 0.05
    assert abs(gaps["none"] - gaps["temperature"]) < 0.02

"""Origins are held out whole, recipes change what they say, and the table counts pairs."""

import dataclasses
import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.quality.recipes import (
    PLAIN,
    Result,
    as_table,
    logits_of,
    mixed,
    pixels_of,
    recipes,
    with_error,
)
from benchmarks.quality.soups import (
    ADAPTED,
    EACH,
    ENSEMBLE,
    MIRRORED,
    MIRRORS,
    SHARES,
    SOUP,
    adapt_norms,
    average_norms,
    mean_answers,
    mean_weights,
)
from benchmarks.tools.corners import CORNERS, Corner, exchange_corner
from benchmarks.tools.holding_out import Origin, hold_out, judged_pictures, link_data_set
from benchmarks.tools.recipe_trainers import (
    START_PULL,
    CornersTrainer,
    CutMixStep,
    FewerPixelsTrainer,
    MixupStep,
    augmented,
    pull_towards,
)
from models.inference import outputs_of
from tests.preloaded import Preloaded
from tests.training.conftest import TINY, make_tree
from utils.common.errors import SettingsError
from utils.common.labels import CLASSES, DERM, LOW_QUALITY, OTHER, TEST, TRAIN
from utils.dataset.output.manifest import ManifestRow, read_manifest, write_manifest
from utils.training.data.batches import Batch
from utils.training.data.pictures import read_folder
from utils.training.engine import Trainer

ELSEWHERE = "elsewhere"


def row(name: str, label: str = DERM, **changed: object) -> ManifestRow:
    file = f"train/{label}/{name}.jpg"
    plain = ManifestRow(
        file, TRAIN, label, "here", name, name, name, "0" * 64, 80, 64, "1" * 64, "JPEG", 300, 300
    )
    return dataclasses.replace(plain, **changed)


@pytest.fixture(scope="module")
def of_two_origins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data set whose first picture of each class and split is from elsewhere."""
    folder = make_tree(tmp_path_factory.mktemp("origins") / "DATASET", (4, 2, 2))
    rows = [
        dataclasses.replace(one, source=ELSEWHERE) if one.file.endswith("/0.jpg") else one
        for one in read_manifest(folder)
    ]
    write_manifest(folder, rows)
    return folder


@pytest.mark.parametrize(
    ("text", "belongs"),
    [
        ("here", True), ("elsewhere", False), ("her", False),
        ("here:300x300", True), ("here:300x301", False),
        ("here:!300x300", False), ("here:!300x301", True), ("elsewhere:!300x301", False),
    ],
)  # fmt: skip
def test_an_origin_is_a_collection_and_perhaps_a_size(text: str, belongs: bool) -> None:
    assert (row("a") in Origin(text)) is belongs


def test_nothing_made_of_a_held_out_picture_is_kept() -> None:
    far = row("far", source=ELSEWHERE, component="both")
    copy = row("copy", component="both")
    poor = row("poor", LOW_QUALITY, source=ELSEWHERE, component="both", parent=far.file)
    kept = [row(f"kept-{label}", label) for label in CLASSES]
    parts = hold_out([far, copy, poor, *kept], [Origin(ELSEWHERE)])
    assert parts.kept == tuple(kept)
    assert parts.held == (far,)


def test_what_cannot_be_held_out_is_refused() -> None:
    rows = [row(label, label) for label in CLASSES]
    with pytest.raises(SettingsError, match="no pictures of nowhere"):
        hold_out(rows, [Origin("nowhere")])
    rows.append(row("more"))
    rows[CLASSES.index(OTHER)] = row("far", OTHER, source=ELSEWHERE)
    with pytest.raises(SettingsError, match="Without elsewhere train has no OTHER"):
        hold_out(rows, [Origin(ELSEWHERE)])


def test_a_training_finds_the_kept_pictures_alone(of_two_origins: Path, tmp_path: Path) -> None:
    parts = hold_out(read_manifest(of_two_origins), [Origin(ELSEWHERE)])
    folder = link_data_set(parts.kept, of_two_origins, tmp_path / "kept")
    assert read_folder(folder).counts(TRAIN) == [3] * len(CLASSES)
    before = (folder / "manifest.csv").stat().st_mtime_ns
    assert link_data_set(parts.kept, of_two_origins, folder) == folder
    assert (folder / "manifest.csv").stat().st_mtime_ns == before
    judged = judged_pictures(of_two_origins, parts)
    assert len(judged["own"]) == len(CLASSES)
    assert all(f"/{TEST}/" in path.as_posix() for path in judged["own"])
    held = [label for label in CLASSES if label != LOW_QUALITY for _ in range(3)]
    assert sorted(judged["held"].values()) == sorted(held)


def result(recipe: str, seed: int, right: int, held: str = "one") -> Result:
    """Return one that tells so many of ten held-out DERM right, and all else."""
    derm, other = CLASSES.index(DERM), CLASSES.index(OTHER)
    said = {
        "own": {label: [CLASSES.index(label)] * 4 for label in CLASSES},
        "held": {DERM: [derm] * right + [other] * (10 - right)},
        "poor": {LOW_QUALITY: [CLASSES.index(LOW_QUALITY)]},
    }
    return Result("net", held, recipe, seed, 8, 112, said, math.nan, 1, 60.0)


def test_other_origins_are_the_mean_over_classes_each_elsewhere_where_it_can_be() -> None:
    one = result(PLAIN, 0, 5)
    assert one.other_origins == pytest.approx((0.5 + 4) / 5)
    assert one.own_test == 1
    without = dataclasses.replace(one, said={**one.said, "poor": {}})
    assert without.elsewhere(LOW_QUALITY) == 1  # of test


def test_differences_are_of_the_same_seed_and_origins() -> None:
    results = [result(PLAIN, seed, right) for seed, right in enumerate((2, 8))]
    results += [result("new", seed, right) for seed, right in enumerate((4, 10))]
    results += [result(PLAIN, 0, 6, "two"), result("new", 0, 7, "two")]
    results.append(result("new", 5, 0))  # has no partner
    lines = as_table(results).splitlines()
    (new,) = (line for line in lines if line.startswith("new "))
    # +4, +4 and +2 points of the mean over five classes
    assert new.split()[:7] == ["new", "3", "94.0%", "+3.3", "+-", "0.7", "100.0%"]
    assert lines[-1] == "Of the origins that were trained on: DERM_CLINIC, OTHER, PAN."


def test_a_standard_error_takes_two() -> None:
    assert with_error([0.01, 0.03]) == "+2.0 +- 1.0"
    assert with_error([0.01]) == "+1.0 +- ?"
    assert with_error([math.nan]) == "-"


def test_weights_are_mixed_on_the_line_between_them_and_counts_are_not() -> None:
    end = {"weight": torch.tensor([2.0, 4.0]), "num_batches_tracked": torch.tensor(7)}
    start = {"weight": torch.tensor([0.0, 8.0]), "num_batches_tracked": torch.tensor(3)}
    assert mixed(end, start, 0.25)["weight"].tolist() == [1.5, 5.0]
    assert mixed(end, start, 0.25)["num_batches_tracked"] == 7


def test_a_soup_is_the_mean_of_all_weights_and_keeps_counts() -> None:
    first = {"weight": torch.tensor([2.0, 4.0]), "num_batches_tracked": torch.tensor(7)}
    second = {"weight": torch.tensor([0.0, 8.0]), "num_batches_tracked": torch.tensor(3)}
    soup = mean_weights([first, second])
    assert soup["weight"].tolist() == [1.0, 6.0]
    assert soup["num_batches_tracked"] == 7


def test_an_ensemble_answers_with_the_mean_probability() -> None:
    sure, other = (np.log(np.array([row], np.float32)) for row in ([0.9, 0.1], [0.2, 0.8]))
    labels, logits = mean_answers([{"own": (["PAN"], sure)}, {"own": (["PAN"], other)}])["own"]
    assert labels == ["PAN"]
    np.testing.assert_allclose(np.exp(logits), [[0.55, 0.45]], rtol=1e-5)


def test_a_soup_gets_the_statistics_of_the_training_pictures(
    make_trainer: Callable[..., Trainer],
) -> None:
    trainer = make_trainer()
    norm = next(m for m in trainer.network.modules() if isinstance(m, torch.nn.BatchNorm2d))
    means: list[torch.Tensor] = []
    norm.register_forward_pre_hook(lambda _, given: means.append(given[0].mean(dim=(0, 2, 3))))
    norm.running_mean.fill_(1e6)
    average_norms(trainer)
    torch.testing.assert_close(norm.running_mean, torch.stack(means).mean(dim=0))
    assert not trainer.network.training


def test_statistics_move_towards_those_of_other_pictures(
    make_trainer: Callable[..., Trainer], tiny_dataset: Path
) -> None:
    trainer = make_trainer()
    norm = next(m for m in trainer.network.modules() if isinstance(m, torch.nn.BatchNorm2d))
    paths = sorted(tiny_dataset.glob("test/*/*.jpg"))
    own = norm.running_mean.fill_(3.0).clone()
    adapt_norms(trainer, paths, 0.0)
    torch.testing.assert_close(norm.running_mean, own)
    adapt_norms(trainer, paths, 1.0)
    theirs = norm.running_mean.clone()
    assert (theirs != own).any()
    norm.running_mean.copy_(own)
    adapt_norms(trainer, paths, 0.25)
    torch.testing.assert_close(norm.running_mean, 0.75 * own + 0.25 * theirs)


def test_mirror_images_answer_together(
    make_trainer: Callable[..., Trainer], tiny_dataset: Path
) -> None:
    trainer = make_trainer()
    paths = sorted(tiny_dataset.glob("test/*/*.jpg"))[:3]
    (pixels,) = pixels_of(trainer, paths)
    turned = [pixels, pixels.flip(2), pixels.flip(3), pixels.flip(2).flip(3)]
    with torch.inference_mode():
        logits = [outputs_of(trainer.network.eval(), trainer.normalise, one) for one in turned]
    wanted = torch.stack(logits)[..., : len(CLASSES)].softmax(dim=2).mean(dim=0).log()
    assert np.allclose(logits_of(trainer, paths, MIRRORS), wanted.numpy(), atol=1e-5)
    assert np.allclose(logits_of(trainer, paths), logits[0][:, : len(CLASSES)].numpy(), atol=1e-5)


def test_the_pull_is_the_gradient_of_the_penalty() -> None:
    weight = torch.tensor([1.0, 2.0], requires_grad=True)
    start = torch.tensor([0.0, 2.0])
    loss = 3 * weight.sum() + START_PULL / 2 * (weight - start).square().sum()
    (expected,) = torch.autograd.grad(loss, weight)
    weight.grad = torch.full((2,), 3.0)
    pull_towards(start, START_PULL, weight)
    torch.testing.assert_close(weight.grad, expected)


@pytest.fixture(scope="module")
def plainly_learned(make_trainer: Callable[..., Trainer]) -> torch.Tensor:
    return learned(make_trainer())


def learned(trainer: Trainer) -> torch.Tensor:
    """Return all weights after two epochs."""
    for epoch in range(2):
        for _ in trainer.train_epoch(epoch):
            pass
    return torch.cat([weight.detach().flatten() for weight in trainer.network.parameters()])


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "LP-FT, L2 towards the start", "LP-FT, still norms", "LP-FT, mixup", "LP-FT, CutMix",
        "LP-FT, stronger augmentation", "LP-FT, exchanged corners", "LP-FT, fewer pixels",
    ],
)  # fmt: skip
def test_a_recipe_changes_what_is_learned(
    make_trainer: Callable[..., Trainer],
    plainly_learned: torch.Tensor,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    monkeypatch.setattr("benchmarks.tools.recipe_trainers.MIXED_SHARE", 1.0)
    changed = learned(recipes(8, 1e-3)[name].kind(*_parts(make_trainer())))
    assert torch.isfinite(changed).all()
    assert (changed - plainly_learned).abs().max() > 1e-4


def test_without_a_recipe_the_same_is_learned_twice(
    make_trainer: Callable[..., Trainer], plainly_learned: torch.Tensor
) -> None:
    torch.testing.assert_close(learned(make_trainer()), plainly_learned, rtol=0, atol=0)


def test_mixed_with_itself_a_batch_teaches_what_it_did(
    make_trainer: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = recipes(8, 1e-3)["LP-FT, mixup"].kind(*_parts(make_trainer()))
    step = trainer.train_step
    assert isinstance(step, MixupStep)
    monkeypatch.setattr(step, "_assessment", None)
    batch = next(trainer.loader.training_batches(0))
    own = torch.arange(len(batch.labels))
    mixed = _gradients(trainer, batch, (own, torch.tensor(0.3)))
    torch.testing.assert_close(mixed, _gradients(trainer, batch, None), rtol=1e-4, atol=1e-5)
    assert (mixed - _gradients(trainer, batch, (own.flip(0), torch.tensor(0.3)))).abs().max() > 1e-3


def test_cutmix_keeps_a_uniform_share_of_each_picture_around_a_rectangle(
    make_trainer: Callable[..., Trainer],
) -> None:
    step = recipes(8, 1e-3)["LP-FT, CutMix"].kind(*_parts(make_trainer())).train_step
    assert isinstance(step, CutMixStep)
    rng = np.random.default_rng(0)
    drawn = [step.own_share(rng, torch.Size((4, 3, 40, 60))) for _ in range(300)]
    for own in drawn:
        pasted = (own == 0).numpy()
        assert own.shape == (40, 60)
        assert set(own.unique().tolist()) <= {0.0, 1.0}
        assert pasted.sum() == pasted.any(axis=0).sum() * pasted.any(axis=1).sum()
    shares = torch.stack([own.mean() for own in drawn])
    # Rectangles that reach over the edge are cut there: less is pasted than the half of a uniform.
    assert 0.55 < shares.mean() < 0.8
    assert shares.min() < 0.2
    assert shares.max() > 0.98


@pytest.mark.parametrize("corner", CORNERS)
def test_an_exchanged_corner_is_the_donors_and_nothing_else_is(corner: Corner) -> None:
    picture, donor = np.zeros((10, 20, 3), np.uint8), np.full((10, 20, 3), 255, np.uint8)
    exchange_corner(picture, donor, corner, 0.3, 0.25)
    changed = picture.any(axis=2)
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    assert changed.sum() == 3 * 5
    assert rows.tolist() == ([7, 8, 9] if corner.is_lower else [0, 1, 2])
    assert columns.tolist() == list(range(15, 20) if corner.is_right else range(5))


def test_corners_come_from_good_pictures_alone(make_trainer: Callable[..., Trainer]) -> None:
    trainer = recipes(8, 1e-3)["LP-FT, exchanged corners"].kind(*_parts(make_trainer()))
    assert isinstance(trainer, CornersTrainer)
    pictures = np.repeat(np.array([0, 100, 200], np.uint8), 16 * 16 * 3).reshape(3, 16, 16, 3)
    labels = np.array([CLASSES.index(name) for name in (DERM, OTHER, LOW_QUALITY)])
    rng, before = np.random.default_rng(0), pictures.copy()
    seen = [{*np.unique(one).tolist()} for _ in range(40) for one in trainer.changed(
        pictures, labels, rng)]  # fmt: skip
    assert (pictures == before).all()
    assert {200} in seen[2::3]
    assert {0, 200} in seen[2::3]
    assert all(200 not in one for one in seen[0::3] + seen[1::3])
    poor_alone = trainer.changed(pictures[2:], labels[2:], rng)
    assert (poor_alone == 200).all()


def test_only_good_pictures_lose_pixels(make_trainer: Callable[..., Trainer]) -> None:
    trainer = recipes(8, 1e-3)["LP-FT, fewer pixels"].kind(*_parts(make_trainer()))
    assert isinstance(trainer, FewerPixelsTrainer)
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (40, 32, 32, 3), np.uint8)
    labels = np.array([CLASSES.index(name) for name in (DERM, LOW_QUALITY)] * 20)
    before = pictures.copy()
    changed = trainer.changed(pictures, labels, rng)
    assert (pictures == before).all()
    is_changed = (changed != before).any(axis=(1, 2, 3))
    assert not is_changed[1::2].any()
    assert 4 <= is_changed[0::2].sum() <= 16
    smooth = changed[0::2][is_changed[0::2]].astype(float).std(axis=(1, 2, 3))
    assert (smooth < before.astype(float).std()).all()


def _parts(plain: Trainer) -> tuple[object, ...]:
    return plain.network, plain.preprocessing, plain.compute, plain.settings, plain.loader


def _gradients(
    trainer: Trainer, batch: Batch, mixing: tuple[torch.Tensor, torch.Tensor] | None
) -> torch.Tensor:
    step = trainer.train_step
    assert isinstance(step, MixupStep)
    step.mixing = mixing
    step.optimizer.zero_grad()
    weight_sum = step.class_weights[batch.labels].sum()
    step.accumulate(batch, weight_sum, 1)
    found = [w.grad.flatten() for w in trainer.network.parameters() if w.grad is not None]
    return torch.cat(found).clone()


def test_augmented_pictures_keep_their_shape_and_differ() -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (32, 32, 3)).astype(np.uint8)
    before = picture.copy()
    made = [augmented(picture, np.random.default_rng(seed)) for seed in range(50)]
    assert all(one.shape == picture.shape and one.dtype == np.uint8 for one in made)
    assert (picture == before).all()
    assert len({one.tobytes() for one in made}) > 40
    again = [augmented(picture, np.random.default_rng(seed)) for seed in range(50)]
    assert all((one == other).all() for one, other in zip(made, again, strict=True))


@pytest.mark.slow
def test_the_table_goes_on_where_it_was_left(
    preloaded: Preloaded, of_two_origins: Path, tmp_path: Path
) -> None:
    flags = ["--data-dir", str(of_two_origins), "--output", str(tmp_path), "--model", TINY]
    flags += ["--epochs", "2", "--batch-size", "8", "--input-size", "64", "--hold-out", ELSEWHERE]

    def run(*more: str) -> str:
        done = preloaded.run("-m", "benchmarks.quality.recipes", *flags, *more)
        assert done.returncode == 0, done.stderr
        return done.stdout

    first = run("--seeds", "0", "--recipes", PLAIN)
    assert f"{TINY} without {ELSEWHERE}: plain, seed 0" in first
    both = run("--seeds", "0", "--recipes", PLAIN, "linear probe")
    assert ": plain, seed 0" not in both
    assert re.search(r"\nlinear probe +1 ", both)
    assert len((tmp_path / "results.jsonl").read_text().splitlines()) == 2
    longer = run("--seeds", "0", "--recipes", "linear probe", "--epochs", "3")
    assert ": linear probe, seed 0" in longer  # no answer for another number of epochs
    assert not re.search(r"\nlinear probe +2 ", longer)
    assert run("--only", "table") == both[both.index("recipe ") :]


@pytest.mark.slow
def test_each_kind_of_mean_has_a_row(
    preloaded: Preloaded, of_two_origins: Path, tmp_path: Path
) -> None:
    flags = ["--data-dir", str(of_two_origins), "--output", str(tmp_path), "--model", TINY]
    flags += ["--epochs", "1", "--batch-size", "8", "--input-size", "64", "--hold-out", ELSEWHERE]
    done = preloaded.run(
        "-m", "benchmarks.quality.soups", *flags, "--seeds", "0", "1", "--recipe", PLAIN
    )
    assert done.returncode == 0, done.stderr
    adapted = [ADAPTED.format(share) for share in SHARES]
    for name in (EACH, MIRRORED, *adapted, SOUP, ENSEMBLE):
        assert re.search(rf"^{re.escape(name)} +\d+\.\d% +\d+\.\d%", done.stdout, re.M), name


@pytest.mark.slow
def test_a_whole_run_takes_the_recipes_trainer(
    preloaded: Preloaded, tiny_dataset: Path, tmp_path: Path
) -> None:
    flags = ["--data-dir", str(tiny_dataset), "--output", str(tmp_path), "--model", TINY]
    flags += ["--epochs", "1", "--batch-size", "8", "--input-size", "64", "--seeds", "0"]
    weights = []
    for name in ("LP-FT", "LP-FT, L2 towards the start"):
        done = preloaded.run("-m", "benchmarks.quality.recipes", *flags, "--whole", name)
        assert done.returncode == 0, done.stderr
        (report,) = tmp_path.glob(f"{name.replace(' ', '-')}-0/*/report.json")
        weights.append((report.parent / "best.safetensors").read_bytes())
    assert weights[0] != weights[1]


def test_an_unknown_recipe_is_one_line(preloaded: Preloaded, tmp_path: Path) -> None:
    done = preloaded.run(
        "-m", "benchmarks.quality.recipes", "--data-dir", "x", "--output", str(tmp_path),
        "--recipes", "magic",
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("Error: There is no recipe magic. Expected plain; linear probe; ")

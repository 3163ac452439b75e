"""Whatever stands in the file of a stored run is checked as strictly as what a user types."""

import copy
import dataclasses
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import NoneType
from typing import Any, get_origin

import numpy as np
import pytest
import torch

from launch_training_test import main
from utils.common.errors import ModelError
from utils.common.labels import CLASSES, VAL
from utils.common.values import expected_of
from utils.training.engine import Trainer
from utils.training.processes.jobs import Job
from utils.training.settings import RunSettings, Settings
from utils.training.state import checkpoint
from utils.training.state.progress import FIGURES, Progress
from utils.training.state.run_config import Facts

NAN, INFINITY, HUGE = float("nan"), float("inf"), 10**400
NONSENSE: tuple[Any, ...] = (
    *(None, True, 0, -1, 2, 10**9, HUGE, NAN, INFINITY, -INFINITY, "", "x\ny", "1", "a\0b", b"x"),
    *([], [[[]]], {}, {"a": {"b": []}}, (1, "2"), "x" * 100_000, torch.zeros(2)),
)
GOOD = RunSettings(
    batch_size=8, workers=0, model="test_resnet", epochs=2, freeze_epochs=0, lr=1e-3,
    weight_decay=0.05, patience=5,
)  # fmt: skip


def row(epoch: int = 1, reached: float = 0.5) -> dict[str, Any]:
    shares = {name: 0.5 for name in FIGURES if name.endswith("accuracy")}
    return {
        **dict.fromkeys(FIGURES, 1.5),
        **shares,
        "epoch": epoch,
        "skipped_steps": 0,
        "val_calibrated_loss": reached,
    }


@pytest.fixture(scope="module")
def stored(
    make_trainer: Callable[..., Trainer], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """Return a state as a file gives it, after one epoch; not to be changed."""
    trainer = make_trainer()
    list(trainer.train_epoch(0))
    path = tmp_path_factory.mktemp("stored") / "last.pt"
    facts = facts_of(preprocessing=trainer.preprocessing.to_dict())
    num_val = len(trainer.loader.pictures.splits[VAL])
    logits = np.full((num_val, len(CLASSES)), np.nan, np.float32)  # 16 bits may overflow
    checkpoint.save(path, trainer, Progress(1, 0, 0.5, 1, 0, [row()]), facts, [logits])
    return checkpoint.load(path)


@pytest.fixture
def refused(tmp_path: Path) -> Callable[..., str]:
    """Give a function that alters a state and returns the one line that loading it ends in."""

    def read(alter: Callable[[dict[str, Any]], object]) -> str:
        progress = dataclasses.asdict(Progress(1, 0, 0.5, 1, 0, [row()]))
        state: dict[str, Any] = {
            **dict.fromkeys(checkpoint.KEYS, 0),
            "version": checkpoint.VERSION,
            "facts": facts_of(),
            "progress": progress,
        }
        alter(state)
        torch.save(state, tmp_path / "last.pt")
        with pytest.raises(ModelError) as caught:
            checkpoint.load(tmp_path / "last.pt")
        line = str(caught.value)
        assert line.isprintable()
        assert len(line) < 700
        return line

    return read


def facts_of(**changes: Any) -> dict[str, Any]:
    preprocessing = {
        "height": 160, "width": 160, "mean": [0.5] * 3, "std": [0.5] * 3,
        "interpolation": "bicubic", "crop_pct": 0.95,
    }  # fmt: skip
    return {**Facts(GOOD, "0" * 64, "float32", 2, preprocessing).to_dict(), **changes}


class TestSettings:
    @pytest.mark.parametrize("field", dataclasses.fields(RunSettings), ids=lambda field: field.name)
    def test_a_flag_that_has_a_range_has_it_when_stored_and_all_have_types(self, field) -> None:
        facts = facts_of()
        taken = []
        for value in NONSENSE:
            facts["settings"] = {**dataclasses.asdict(GOOD), field.name: value}
            try:
                settings = Facts.from_dict(facts, "runs/x/last.pt").settings
            except ModelError as error:
                line = str(error)
                assert line.startswith(f"runs/x/last.pt cannot be resumed: {field.name} is ")
                assert ". Expected " in line
                assert line.isprintable()
            else:
                assert not expected_of(getattr(settings, field.name), field.type)
                taken.append(value)
        allowed = (list,) if get_origin(field.type) is tuple else (str, float, int, bool, NoneType)
        assert all(type(value) in allowed for value in taken)
        numbers = [value for value in taken if type(value) in (int, float)]
        assert all(abs(value) < 2**63 for value in numbers)

    @pytest.mark.parametrize(
        ("name", "value", "words"),
        [
            ("lr", NAN, "lr is nan. Expected a number above 0."),
            ("lr", None, "lr is None. Expected a number above 0."),
            ("batch_size", 0, "batch_size is 0. Expected a number of at least 1."),
            ("batch_size", 2.0, "batch_size is 2.0. Expected a whole number of at least 1."),
            ("workers", "2", "workers is '2'. Expected a whole number of at least 0."),
            ("workers", 10**6, "workers is 1000000. Expected a number of at most 256."),
            ("model", None, "model is None. Expected a text."),
            ("cache", "disk", "cache is 'disk'. Expected one of none, ram, packed."),
            ("sync_bn", 1, "sync_bn is 1. Expected true or false."),
            ("ema", 1.0, "ema is 1.0. Expected a number between 0 and 1."),
        ],
    )
    def test_the_line_says_what_was_found_and_expected(
        self, refused, tmp_path: Path, name: str, value: Any, words: str
    ) -> None:
        line = refused(lambda state: state["facts"]["settings"].update({name: value}))
        assert line == (
            f"{tmp_path / 'last.pt'} cannot be resumed: {words} "
            "Restore the file as it was, or start anew without --resume."
        )

    def test_an_unknown_setting_may_have_changed_the_weights(self) -> None:
        facts = facts_of(settings={**dataclasses.asdict(GOOD), "mixup": 0.2})
        with pytest.raises(ModelError, match="this version does not know its settings 'mixup'"):
            Facts.from_dict(facts)

    def test_one_that_was_not_there_yet_is_taken_as_by_default_and_named(self, capsys) -> None:
        settings = dataclasses.asdict(GOOD)
        del settings["deterministic"]
        assert Facts.from_dict(facts_of(settings=settings), "last.pt").settings == GOOD
        assert capsys.readouterr().err == (
            "Warning: last.pt lacks some settings; it goes on with: deterministic False\n"
        )

    def test_what_was_done_before_there_was_a_setting_is_kept(self) -> None:
        settings = dataclasses.asdict(GOOD)
        del settings["assessment_weight"]
        found = Facts.from_dict(facts_of(settings=settings)).settings
        assert found == dataclasses.replace(GOOD, assessment_weight=0.0) != GOOD


class TestFacts:
    @pytest.mark.parametrize("field", dataclasses.fields(Facts), ids=lambda field: field.name)
    def test_none_of_them_is_taken_unchecked(self, field) -> None:
        for value in NONSENSE:
            if field.name in ("threads", "processes") and type(value) is int and value == 2:
                continue
            with pytest.raises(ModelError) as caught:
                Facts.from_dict(facts_of(**{field.name: value}))
            assert str(caught.value).isprintable()

    @pytest.mark.parametrize("name", list(facts_of()["preprocessing"]))
    def test_the_preprocessing_is_that_of_a_model(self, name: str) -> None:
        for value in NONSENSE:
            facts = facts_of()
            facts["preprocessing"][name] = value
            with pytest.raises(ModelError, match="cannot be resumed: preprocessing cannot be used"):
                Facts.from_dict(facts)

    @pytest.mark.parametrize("field", dataclasses.fields(Facts), ids=lambda field: field.name)
    def test_all_are_needed_and_no_other_is_known(self, field) -> None:
        facts = facts_of()
        del facts[field.name]
        with pytest.raises(ModelError, match=f"this version needs {field.name} in it"):
            Facts.from_dict(facts)
        with pytest.raises(ModelError, match="this version does not know 'more' in it"):
            Facts.from_dict(facts_of(more=1))

    @pytest.mark.parametrize("value", NONSENSE)
    def test_in_their_place_stands_nothing_else(self, value: Any, refused) -> None:
        refused(lambda state: state.update(facts=value))
        refused(lambda state: state["facts"].update(settings=value))

    def test_a_million_threads_are_never_started(self, refused) -> None:
        line = refused(lambda state: state["facts"].update(threads=10**6))
        assert "threads is 1000000. Expected a number of at most 512." in line


class TestProgress:
    @pytest.mark.parametrize("field", dataclasses.fields(Progress), ids=lambda field: field.name)
    def test_no_field_takes_nonsense(self, refused, field) -> None:
        for value in NONSENSE:
            if field.name == "step" and type(value) is int and 0 <= value <= 2**53:
                continue  # only the data set tells how many there are
            if type(value) is int and value == 0:
                continue
            refused(lambda state, value=value: state["progress"].update({field.name: value}))

    @pytest.mark.parametrize("name", FIGURES)
    def test_no_figure_of_the_history_does(self, refused, name: str) -> None:
        for value in (NAN, INFINITY, HUGE, -1, "1", [], {}, True, b"1"):
            refused(lambda state, v=value: state["progress"]["history"][0].update({name: v}))
        refused(lambda state: state["progress"]["history"][0].pop(name))

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"epoch": 2}, "its history is 1 rows. Expected one row for each of 2 epochs"),
            ({"history": []}, "its history is 0 rows. Expected one row for each of 1 epochs"),
            ({"best_epoch": 2}, "best_epoch is 2 after 1 epochs"),
            ({"best_metric": 0.75}, "best_metric is 0.75. Expected 0.5, which epoch 1 reached"),
            (
                {"epoch": 3, "history": [row(1), row(2), row(3)]},
                "best_epoch is 1. Expected 2, by its val losses",
            ),
            ({"history": [row(2)]}, "row 1 of its history is of epoch 2. Expected 1"),
        ],
    )
    def test_what_contradicts_itself_is_refused(self, refused, changes, words: str) -> None:
        assert words in refused(lambda state: state["progress"].update(changes))


def altered(state: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(state)
    place = changed
    for step in path[:-1]:
        place = place[step]
    if isinstance(place, torch.Tensor):
        place.view(-1)[path[-1]] = value
    else:
        place[path[-1]] = value
    return changed


WEIGHT = "fc.weight"
GROUP = ("optimizer", "param_groups", 0)
MOMENTS = ("optimizer", "state", 0)


class TestTensors:
    @pytest.mark.parametrize(
        "part", ["weights", "optimizer", "sums", "parts", "val_logits"], ids=lambda part: part
    )
    def test_nothing_else_stands_in_the_place_of_a_part(
        self, stored, make_trainer, part: str
    ) -> None:
        trainer = make_trainer()
        for value in NONSENSE:
            if part == "parts" and type(value) is int and 1 <= value <= 2**32:
                continue
            with pytest.raises(ModelError, match="does not fit this network"):
                checkpoint.restore({**stored, part: value}, trainer)

    @pytest.mark.parametrize(
        ("path", "values"),
        [
            (("weights", WEIGHT), (None, 1.0, torch.zeros(1), [])),
            (("weights", WEIGHT, 0), (NAN, INFINITY)),
            (("weights", "more"), (torch.zeros(1),)),
            ((*GROUP, "weight_decay"), (NAN, 0.5, "0.05", None, True)),
            ((*GROUP, "betas"), ((0.9, 0.5), (2.0, 2.0), None, "ab")),
            ((*GROUP, "eps"), (0.5, -1.0, None)),
            ((*GROUP, "maximize"), (True, 1, None)),
            ((*GROUP, "lr"), (NAN, INFINITY * -1, "1", None)),
            ((*GROUP, "params"), ([], [10**9], None, "x")),
            ((*GROUP, "more"), (1,)),
            ((*MOMENTS, "exp_avg"), (None, torch.zeros(1), 1.0)),
            ((*MOMENTS, "exp_avg", 0), (NAN, INFINITY)),
            ((*MOMENTS, "exp_avg_sq", 0), (NAN, -1.0)),
            ((*MOMENTS, "step"), (None, "1", 1, torch.tensor(-1.0), torch.tensor(NAN))),
            ((*MOMENTS, "more"), (torch.zeros(1),)),
            (("optimizer", "state", 10**9), ({},)),
            (("optimizer", "state", "x"), ({},)),
            (("optimizer", "param_groups"), ([], None, [{}], [None, None])),
            (("sums", "totals"), (None, torch.zeros(3), torch.zeros(4, dtype=torch.int64))),
            (("sums", "totals", 1), (NAN, -1.0)),
            (("sums", "confusion", 3), (-1,)),
            (("val_logits",), ([torch.zeros(3, 5)] * 2, (torch.zeros(3, 5),))),
            (("val_logits", 0), (None, [], torch.zeros(1, 5), torch.zeros(3, 5).double())),
            (("progress", "step"), (4, 10**9)),
        ],
        ids=lambda part: "/".join(map(str, part)) if isinstance(part, tuple) else None,
    )
    def test_each_is_of_this_network_and_a_number(
        self, stored, make_trainer, path: tuple[Any, ...], values: tuple[Any, ...]
    ) -> None:
        trainer = make_trainer()
        for value in values:
            with pytest.raises(ModelError, match="does not fit this network") as caught:
                checkpoint.restore(altered(stored, path, value), trainer)
            assert str(caught.value).isprintable()

    def test_an_average_is_checked_like_the_weights(self, make_trainer, tmp_path: Path) -> None:
        trainer = make_trainer(ema=0.9)
        facts = facts_of(preprocessing=trainer.preprocessing.to_dict())
        checkpoint.save(tmp_path / "last.pt", trainer, Progress(), facts, [])
        state = checkpoint.load(tmp_path / "last.pt")
        for average in (None, {}, altered(state, ("average", WEIGHT, 0), NAN)["average"]):
            with pytest.raises(ModelError, match="does not fit this network: average"):
                checkpoint.restore({**state, "average": average}, trainer)
        assert checkpoint.restore(state, trainer) == Progress()

    def test_what_was_stored_goes_on(self, stored, make_trainer) -> None:
        trainer = make_trainer()
        assert checkpoint.restore(copy.deepcopy(stored), trainer).epoch == 1
        list(trainer.train_epoch(1))
        (logits,) = checkpoint.val_logits_of(stored)
        assert np.isnan(logits).all()


class TestFile:
    def test_a_model_that_is_not_that_of_the_weights_is_never_built(self, stored, refused) -> None:
        def alter(state: dict[str, Any]) -> None:
            state["facts"]["settings"]["model"] = "vit_giant_patch14_dinov2"
            state["weights"] = stored["weights"]

        assert "its weights are not those of vit_giant_patch14_dinov2" in refused(alter)
        for weights in (0, None, [], {}, {"fc.weight": 1}, {1: 1}):
            line = refused(lambda state, weights=weights: state.update(weights=weights))
            assert "its weights are not those of test_resnet for 5 classes" in line

    @pytest.mark.parametrize("key", checkpoint.KEYS)
    def test_a_missing_key_is_named(self, refused, key: str) -> None:
        assert f"{key} is missing" in refused(lambda state: state.pop(key))

    @pytest.mark.parametrize(
        "value", [checkpoint.VERSION - 1, checkpoint.VERSION + 1, None, "2", NAN, [], HUGE]
    )
    def test_another_version_is_named(self, refused, value: Any) -> None:
        line = refused(lambda state: state.update(version=value))
        assert f"Expected version {checkpoint.VERSION}, which this program writes" in line

    def test_what_grows_when_it_is_unpacked_is_not(self, tmp_path: Path) -> None:
        torch.save({"version": 2, "facts": torch.zeros(10**6)}, tmp_path / "good.pt")
        with (
            zipfile.ZipFile(tmp_path / "good.pt") as plain,
            zipfile.ZipFile(tmp_path / "last.pt", "w", zipfile.ZIP_DEFLATED) as packed,
        ):
            for name in plain.namelist():
                packed.writestr(name, plain.read(name))
        with pytest.raises(ModelError, match="is damaged or is not the state of a run"):
            checkpoint.load(tmp_path / "last.pt")

    def test_the_script_ends_in_the_same_line(self, stored, tmp_path: Path) -> None:
        state = altered(stored, ("facts", "settings", "lr"), NAN)
        torch.save(state, tmp_path / "last.pt")
        with pytest.raises(ModelError, match=r"last\.pt cannot be resumed: lr is nan\. Expected"):
            main(["--resume", str(tmp_path)])


class TestJob:
    @pytest.fixture
    def job(self, tmp_path: Path) -> Job:
        return Job(tmp_path / "note.json", ("-b", "8"))

    def test_its_answers_are_recalled(self, job: Job) -> None:
        job.keep(GOOD)
        assert dataclasses.asdict(job.recall(Settings())) == dataclasses.asdict(GOOD)

    @pytest.mark.parametrize(
        "content",
        [
            *("", "{", "[]", "null", "[" * 100_000, '{"arguments": ["-b", "8"]}', "\udcff"),
            '{"arguments": ["-b", "8"], "settings": {"lr": NaN}, "run": ""}',
            '{"arguments": ["-b", "8"], "settings": {"workers": 1000000}, "run": ""}',
            '{"arguments": ["-b", "8"], "settings": {"more": 1}, "run": ""}',
            '{"arguments": ["-b", "8"], "settings": [], "run": ""}',
            '{"arguments": ["-b", "8"], "settings": {}, "run": 7}',
        ],
    )
    def test_a_damaged_note_is_one_line(self, job: Job, content: str) -> None:
        job.note.write_bytes(content.encode("utf-8", "surrogateescape"))
        with pytest.raises(ModelError) as caught:
            job.recall(Settings())
        line = str(caught.value)
        assert line.startswith(f"{job.note}, which notes the run of this job, is damaged (")
        assert line.endswith(". Delete it, and name the run with --resume.")

    def test_the_note_of_another_command_line_is_not_recalled(self, job: Job) -> None:
        job.note.write_text(json.dumps({"arguments": [], "settings": 7, "run": 7}))
        assert job.recall(Settings()) == Settings()

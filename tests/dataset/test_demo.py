"""The command that trains on the demo: the same wherever it stands."""

from pathlib import Path

import pytest

import create_dataset
from utils.dataset.demo import describe_demo, training_command
from utils.dataset.settings import DatasetSettings
from utils.training.settings import read_settings

ROOT = Path(create_dataset.__file__).parent
COMMAND = training_command(DatasetSettings(demo=True).output)


def test_the_makefile_types_what_the_demo_says() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    typed = [" ".join(line.split()) for line in text.splitlines() if "launch_training" in line]
    assert [line.removeprefix("@").removeprefix("$(BIN)/") for line in typed] == [COMMAND]


def test_the_readme_types_what_the_demo_says() -> None:
    assert f"`{COMMAND}`" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_training_understands_it() -> None:
    words = COMMAND.split()
    assert words[:2] == ["python", "launch_training_test.py"]
    settings, _ = read_settings(words[2:])
    assert Path(settings.data_dir) == Path("demo/DATASET")
    assert Path(settings.output_dir) == Path("demo/runs")
    assert None not in (settings.batch_size, settings.workers, settings.model)  # asks nothing


@pytest.mark.parametrize("folder", ["my demo/DATASET", "b/c"])
def test_other_folders_are_named_as_they_are(folder: str) -> None:
    told = describe_demo(["One", "Two"], Path("a"), Path(folder))
    drawn, *_, last = told.strip().splitlines()
    assert drawn == "Drawn in a: small stand-ins of One, Two."
    assert last == f"Next: {training_command(Path(folder))}"
    quoted = f"'{folder}'" if " " in folder else folder
    assert f" --data-dir {quoted} " in last

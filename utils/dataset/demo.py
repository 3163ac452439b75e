"""Say what the demo has assembled, and which command trains on it."""

from collections.abc import Sequence
from pathlib import Path

from utils.common.cli.commands import as_typed
from utils.dataset.output.contact_sheet import CONTACT_SHEET_NAME

TRAINING_FLAGS = (
    "--model", "resnet18", "--no-pretrained", "--batch-size", "16", "--workers", "2",
    "--epochs", "6", "--input-size", "96",
)  # fmt: skip
"""What `make demo` trains; the Makefile and README.md say the same."""


def training_command(output: Path) -> str:
    """Return the command that trains on the demo's data set.

    Args:
        output: Its folder; the runs go beside it.
    """
    folders = ("--data-dir", str(output), "--output-dir", str(output.parent / "runs"))
    return as_typed("python", "launch_training_test.py", *folders, *TRAINING_FLAGS)


def describe_demo(titles: Sequence[str], all_data: Path, output: Path) -> str:
    """Say what was drawn, where it lies, and what to do next.

    Args:
        titles: Of the collections.
        all_data: Folder of the drawn collections.
        output: The data set's folder.
    """
    return (
        f"\nDrawn in {all_data}: small stand-ins of {', '.join(titles)}.\n"
        "Accuracy on drawings says nothing of real pictures.\n"
        f"Look at some: {output / CONTACT_SHEET_NAME}\n"
        f"Next: {training_command(output)}"
    )

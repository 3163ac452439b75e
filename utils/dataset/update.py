"""Bring a data set up to date, and say what it holds and what was written."""

from collections.abc import Sequence

from utils.common.disk.location import Originals
from utils.dataset.assemble import assemble
from utils.dataset.output.build_state import BuildState
from utils.dataset.output.contact_sheet import CONTACT_SHEET_NAME
from utils.dataset.output.verification import Verification
from utils.dataset.output.workspace import Workspace
from utils.dataset.report import DRY_RUN, describe, describe_outcome
from utils.dataset.settings import DatasetSettings
from utils.sources.record import LeftOut, Record


def update_dataset(
    records: Sequence[Record],
    left_out: Sequence[LeftOut],
    settings: DatasetSettings,
    originals: Originals | None = None,
) -> str:
    """Assemble the data set where anything changed; return the tables and what was written.

    Args:
        records: The pictures offered.
        left_out: Files that a rule leaves out.
        settings: What the user asks for.
        originals: Where the pictures lie; by default each is a file of its own.

    Raises:
        TooFewGroupsError: If a class cannot be filled.
        OutputError: If the output cannot be written, or somebody else is writing to it.
    """
    output, recipe = settings.output, settings.recipe
    originals = originals or Originals(settings.all_data)
    state = BuildState(records, left_out, originals, recipe)
    verification = Verification() if settings.verify else None
    with Workspace(output, read_only=settings.dry_run, is_verifying=settings.verify) as workspace:
        if settings.fresh and not settings.dry_run:
            workspace.clear()
        changed = state.changed_tables(workspace)
        if verification is not None:
            verification.tables = changed
        if CONTACT_SHEET_NAME in changed and not settings.dry_run:
            (output / CONTACT_SHEET_NAME).unlink(missing_ok=True)  # it is only drawn anew
        summary = None if verification else state.summary_if_unchanged(workspace)
        outcome = DRY_RUN if settings.dry_run else f"No picture written: {output} is up to date."
        if summary is None:
            assembled = assemble(records, originals, workspace, recipe, left_out, verification)
            summary = describe(assembled)
            outcome = describe_outcome(assembled, output, is_dry=settings.dry_run)
            if not settings.dry_run:
                state.store(workspace, summary, assembled.rejected, may_change=assembled.may_change)
    if verification is not None:
        summary = f"{summary}\n{verification.describe(is_dry=settings.dry_run)}"
    return f"{summary}\n{outcome}"

"""Public collections under ALL_DATA in, the five-class data set DATASET/{train,val,test} out.

    python create_dataset.py                   assemble DATASET from what is under ALL_DATA
    python create_dataset.py --dry-run         read and check everything, write nothing
    python create_dataset.py --demo            draw small stand-ins and assemble demo/DATASET
    python create_dataset.py --limit 500       at most 500 pictures per class and split

Run it again at any time: what is in place already is not written again.
"""

from collections.abc import Sequence
from pathlib import Path

from utils.common.errors import run_script
from utils.common.settings import parse
from utils.dataset.settings import DatasetSettings


def main(argv: Sequence[str] | None = None) -> None:
    """Assemble the data set in four stages: fetch, read, write, report."""
    settings, _ = parse(DatasetSettings, argv, __doc__)

    # After the flags, so that --help and a mistyped flag are answered at once.
    from utils.dataset import report
    from utils.dataset.assemble import assemble
    from utils.dataset.seal import Seal
    from utils.dataset.split import TooFewGroupsError
    from utils.dataset.workspace import Workspace
    from utils.sources import collect
    from utils.sources.drawings import draw_all_data
    from utils.sources.tree import FileTree

    sources = collect.choose_sources(settings.only)
    all_data, output = Path(settings.all_data_folder), Path(settings.output_folder)
    if settings.demo and not settings.dry_run:
        print(f"Demo: these are drawings, not patients; they go to {all_data}.")
        draw_all_data(all_data, seed=settings.seed, workers=settings.workers)

    tree = FileTree.scan(all_data)
    if not (settings.no_download or settings.dry_run or settings.demo):
        tree, notes = collect.fetch(sources, tree)
        print(*notes, sep="\n")

    collected = collect.read_all(sources, tree)
    print(collected.describe(all_data))

    records, recipe = collected.records, settings.recipe
    seal = Seal(records, collected.left_out, all_data, recipe)
    with Workspace(output, read_only=settings.dry_run) as workspace:
        if settings.fresh and not settings.dry_run:
            workspace.clear()
        summary = seal.unbroken(workspace)
        outcome = f"No picture written: {output} is up to date."
        if summary is None:
            try:
                assembled = assemble(records, all_data, workspace, recipe, collected.left_out)
            except TooFewGroupsError as error:
                raise error.with_remedy(collect.remedy(error.label, all_data)) from None
            summary, outcome = (
                report.describe(assembled),
                report.describe_outcome(assembled, output),
            )
            if not settings.dry_run:
                seal.put(workspace, summary)
    print(summary)
    print("Dry run: nothing was written." if settings.dry_run else outcome)


if __name__ == "__main__":
    run_script(main)

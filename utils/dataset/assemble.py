"""Assemble a data set on disk: plan, prepare, place the pictures, and sign off."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from utils.common.disk.location import Originals
from utils.common.labels import LOW_QUALITY
from utils.dataset.accounting import Accounts, account
from utils.dataset.images.collected import Pictures
from utils.dataset.images.low_quality import LowQuality
from utils.dataset.images.notes import Notes, collect_notes
from utils.dataset.images.pool import ProcessPool
from utils.dataset.images.prepare import Prepared, may_pass
from utils.dataset.leakage.leaks import LeakReport, report_leaks, write_leak_report
from utils.dataset.leakage.look_alikes import draw_look_alikes
from utils.dataset.output.contact_sheet import CONTACT_SHEET_NAME, draw_contact_sheet
from utils.dataset.output.left_out import write_left_out
from utils.dataset.output.manifest import REAL, ManifestRow, is_manifest_of, write_manifest
from utils.dataset.output.rejected import CONTRADICTION, Rejected, not_understood, write_rejected
from utils.dataset.output.verification import Verification, verify_pictures
from utils.dataset.output.workspace import Workspace
from utils.dataset.planning.plan import Planned
from utils.dataset.planning.real_low_quality import hold_back
from utils.dataset.recipe import Recipe
from utils.sources.record import LeftOut, Record


@dataclass(frozen=True, slots=True)
class Assembled:
    """What came of an assembly.

    Attributes:
        plan: The pictures of the data set, LOW_QUALITY among them.
        rejected: Originals that could not be used.
        leaks: What was found to belong together, and that no split cuts through it.
        accounts: What became of every file, by collection.
        num_unfit: Pictures that could not be degraded; they stay in their own class.
        num_moved: Pictures put into place.
        num_removed: Pictures of an earlier run taken away.
        changed: LOW_QUALITY pictures that were there and are made in another way, by `file`.
        notes: What was done to pixels or is odd about them, with the originals.
        held_back: What real LOW_QUALITY pictures are not taken, and why.
    """

    plan: list[Planned]
    rejected: list[Rejected]
    leaks: LeakReport
    accounts: Accounts
    num_unfit: int = 0
    num_moved: int = 0
    num_removed: int = 0
    changed: Sequence[str] = ()
    notes: Notes = field(default_factory=dict)
    held_back: Sequence[str] = ()

    @property
    def may_change(self) -> bool:
        """Whether another run may find more, though nothing is changed."""
        return any(may_pass(picture.reason) for picture in self.rejected)

    @property
    def is_unchanged(self) -> bool:
        """Whether everything was in its place already."""
        return not (self.num_moved or self.num_removed)


def assemble(
    records: Sequence[Record],
    originals: Originals,
    workspace: Workspace,
    recipe: Recipe,
    left_out: Sequence[LeftOut] = (),
    verification: Verification | None = None,
) -> Assembled:
    """Write the data set, or with a read-only workspace find out what would be written.

    Pictures are prepared in the staging folder first. Only when every class is known to be filled
    does anything appear under train, val or test, and the manifest comes last.

    With a `verification`, which is filled in, originals and written pictures are hashed before, and
    what is another than noted is made again.

    Raises:
        DatasetError: If a class cannot be filled.
        OutputError: If the output cannot be written.
    """
    records, not_taken, held_back = hold_back(records, recipe)
    left_out = [*left_out, *not_taken]
    with ProcessPool(recipe.workers) as pool:
        pictures = Pictures(records, originals, workspace, recipe)
        if verification is not None:
            verify_pictures(workspace, verification)
            verification.num_originals, verification.originals = pictures.verify()
        collected = pictures.prepare(pool)
        low_quality = LowQuality(collected, pictures, workspace, recipe)
        degraded = low_quality.prepare(pool)
    plan = sorted([*collected, *degraded], key=lambda planned: planned.file)
    leaks = report_leaks(pictures.looked_at, pictures.links, plan, pictures.drawn())
    rejected = _rejected(records, pictures)
    accounts = account(
        records,
        left_out,
        kept={planned.record.original for planned in collected},
        copies=pictures.links.kept_instead,
        unusable={picture.original for picture in rejected},
        has_limit=recipe.limit is not None,
    )
    notes = collect_notes(
        (planned.record.original, pictures.result(planned.record)) for planned in collected
    )
    assembled = Assembled(
        plan, rejected, leaks, accounts, changed=low_quality.changed(plan), notes=notes,
        held_back=held_back,
    )  # fmt: skip
    if workspace.read_only:
        return assembled
    moved, removed = _write(assembled, left_out, workspace, pictures, low_quality)
    num_unfit = len(low_quality.failed)
    return replace(assembled, num_unfit=num_unfit, num_moved=moved, num_removed=removed)


def _write(
    assembled: Assembled,
    left_out: Sequence[LeftOut],
    workspace: Workspace,
    pictures: Pictures,
    low_quality: LowQuality,
) -> tuple[int, int]:
    """Put the pictures into place, write what is said of them, the manifest last, and tidy up.

    Returns:
        Numbers of pictures put into place and taken away.
    """
    plan, leaks, output = assembled.plan, assembled.leaks, workspace.output

    def facts(planned: Planned) -> Prepared:
        return low_quality.result(planned) if planned.parent else pictures.result(planned.record)

    def rows() -> Iterator[ManifestRow]:
        return (_row(planned, facts(planned), pictures) for planned in plan)

    moved, removed = workspace.place((planned, facts(planned)) for planned in plan)
    write_leak_report(output, leaks)
    write_rejected(output, [*assembled.rejected, *not_understood(left_out)])
    write_left_out(output, left_out)
    draw_look_alikes(output, leaks.only_alike, leaks.alike, pictures.read)
    has_sheet = (output / CONTACT_SHEET_NAME).exists()
    if moved or removed or not has_sheet or not is_manifest_of(output, rows()):
        draw_contact_sheet(output, rows())
        write_manifest(output, rows())
    used = {facts(planned).key for planned in plan} | pictures.keys() | low_quality.failed_keys()
    workspace.tidy(used)
    return moved, removed


def _rejected(records: Iterable[Record], pictures: Pictures) -> list[Rejected]:
    """Return the originals that cannot be used, each once, however many rows name it."""
    rejected = []
    for record in records:
        if failed := pictures.failed.get(record.original):
            reason, detail = failed.reason, failed.detail
        elif labels := pictures.links.contradictions.get(record.original):
            reason, detail = CONTRADICTION, f"one picture offered as {labels}"
        else:
            continue
        sha256 = pictures.result(record).original_sha256.hex()
        rejected.append(Rejected(record.original, record.source, reason, detail, sha256))
    return list(dict.fromkeys(rejected))


def _row(planned: Planned, result: Prepared, pictures: Pictures) -> ManifestRow:
    original, group = pictures.result(planned.record), planned.record.group
    is_real = planned.label == LOW_QUALITY and planned.parent is None
    return ManifestRow(
        file=planned.file,
        split=planned.split,
        label=planned.label,
        source=planned.record.source,
        original=planned.record.original,
        group=group,
        component=pictures.links.component_of.get(group, group),
        sha256=result.sha256.hex(),
        width=result.width,
        height=result.height,
        original_sha256=original.original_sha256.hex(),
        original_format=original.original_format,
        original_width=original.original_width,
        original_height=original.original_height,
        original_frames=original.original_frames,
        original_tables=original.original_tables,
        parent=planned.parent.file if planned.parent else "",
        degradation=REAL if is_real else result.degradation,
        severity=result.severity,
        parameters=planned.record.votes if is_real else result.parameters,
    )

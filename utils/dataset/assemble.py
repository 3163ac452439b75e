"""Records and settings in, a finished data set on disk out: plan, prepare, place, and sign off."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from utils.common.errors import DatasetError
from utils.common.seeds import stable_hash
from utils.dataset.contact_sheet import draw_contact_sheet
from utils.dataset.crew import Crew
from utils.dataset.manifest import ManifestRow, read_manifest, write_manifest
from utils.dataset.plan import Planned, plan_low_quality, plan_pictures
from utils.dataset.prepare import (
    VERSION,
    LowQualityJob,
    PictureJob,
    Prepared,
    prepare_low_quality,
    prepare_picture,
)
from utils.dataset.recipe import Recipe
from utils.dataset.rejected import Rejected, write_rejected
from utils.dataset.workspace import Workspace
from utils.sources.record import Record


@dataclass(frozen=True, slots=True)
class Assembled:
    """What came of an assembly.

    Attributes:
        plan: The pictures of the data set, LOW_QUALITY among them.
        rejected: Originals that could not be used.
        num_copies: Records of a picture that another record already offered.
        num_unfit: Pictures that could not be degraded; they stay in their own class.
        num_moved: Pictures put into place.
        num_removed: Pictures of an earlier run taken away.
    """

    plan: list[Planned]
    rejected: list[Rejected]
    num_copies: int = 0
    num_unfit: int = 0
    num_moved: int = 0
    num_removed: int = 0

    @property
    def is_unchanged(self) -> bool:
        """Whether everything was in its place already."""
        return not (self.num_moved or self.num_removed)


def assemble(
    records: Sequence[Record], all_data: Path, workspace: Workspace, recipe: Recipe
) -> Assembled:
    """Write the data set, or with a read-only workspace find out what would be written.

    Pictures are prepared in the staging folder first. Only when every class is known to be filled
    does anything appear under train, val or test, and the manifest comes last.

    Raises:
        DatasetError: If a class cannot be filled.
        OutputError: If the output cannot be written.
    """
    with Crew(recipe.workers) as crew:
        pictures = _Pictures(records, all_data, workspace, recipe)
        plan = pictures.prepare(crew)
        low_quality = _LowQuality(plan, pictures, workspace, recipe)
        plan = [*plan, *low_quality.prepare(crew)]
    rejected = [
        Rejected(record.original, record.source, failed.reason, failed.detail)
        for record in records
        if (failed := pictures.failed.get(record.original))
    ]
    num_copies = len(records) - len({record.identity for record in records})
    if workspace.read_only:
        return Assembled(plan, rejected, num_copies)
    results = {planned.file: _result(planned, pictures, low_quality) for planned in plan}
    wanted = {
        planned.file: workspace.require(results[planned.file], planned.label, planned.name)
        for planned in plan
    }
    moved, removed = workspace.place(wanted)
    rows = [_row(planned, results[planned.file], pictures) for planned in plan]
    write_rejected(workspace.output, rejected)
    if moved or removed or not _is_signed_off(workspace.output, rows):
        draw_contact_sheet(workspace.output, rows)
        write_manifest(workspace.output, rows)
    workspace.tidy([*results.values(), *pictures.failed.values(), *low_quality.failed.values()])
    return Assembled(plan, rejected, num_copies, len(low_quality.failed), moved, removed)


class _Pictures:
    """Prepares the collected pictures, planning anew where one turns out unusable."""

    def __init__(
        self, records: Sequence[Record], all_data: Path, workspace: Workspace, recipe: Recipe
    ) -> None:
        self.failed: dict[str, Prepared] = {}
        self._records = records
        self._all_data = all_data
        self._workspace = workspace
        self._recipe = recipe
        self._keys: dict[str, str] = {}

    def prepare(self, crew: Crew) -> list[Planned]:
        """Return a plan whose pictures are all prepared."""
        recipe = self._recipe
        while True:
            plan = plan_pictures(
                self._records, self.failed, recipe.seed, recipe.limit,
                allow_empty=recipe.allow_empty,
            )  # fmt: skip
            jobs = [self._job(planned) for planned in plan if not self._is_done(planned)]
            for results in crew.run(prepare_picture, jobs, "Reading pictures"):
                self._workspace.note(results)
            failed = {
                planned.record.original: self.result(planned)
                for planned in plan
                if self.result(planned).reason
            }
            if not failed:
                return plan
            self.failed |= failed

    def result(self, planned: Planned) -> Prepared:
        """Return the facts about a prepared picture."""
        return self._workspace.prepared[self._key(planned.record)]

    def _is_done(self, planned: Planned) -> bool:
        return self._workspace.is_done(self._key(planned.record), planned.label, planned.name)

    def _job(self, planned: Planned) -> PictureJob:
        record, workspace = planned.record, self._workspace
        key = self._key(record)
        target = None if workspace.read_only else workspace.staged(key)
        original = self._all_data / record.original
        return PictureJob(key, original, target, self._recipe.image_size, record.md5)

    def _key(self, record: Record) -> str:
        """Return what the result is kept under: another one once the original is changed."""
        if record.original not in self._keys:
            try:
                found = (self._all_data / record.original).stat()
                facts = (found.st_size, found.st_mtime_ns)
            except OSError:
                facts = (0, 0)
            key = stable_hash(record.original, *facts, record.md5, self._recipe.image_size, VERSION)
            self._keys[record.original] = f"{key:016x}"
        return self._keys[record.original]


class _LowQuality:
    """Prepares the degraded pictures, taking another parent where one cannot be degraded."""

    def __init__(
        self,
        parents: Sequence[Planned],
        pictures: _Pictures,
        workspace: Workspace,
        recipe: Recipe,
    ) -> None:
        self.failed: dict[str, Prepared] = {}
        self._parents = parents
        self._pictures = pictures
        self._workspace = workspace
        self._recipe = recipe

    def prepare(self, crew: Crew) -> list[Planned]:
        """Return a plan whose pictures are all prepared; on a dry run nothing is."""
        recipe, workspace = self._recipe, self._workspace
        while True:
            plan = plan_low_quality(
                self._parents, self.failed, recipe.seed, recipe.low_quality, recipe.limit
            )
            if workspace.read_only:
                return plan
            jobs = [
                self._job(planned)
                for planned in plan
                if not workspace.is_done(self._key(planned), planned.label, planned.name)
            ]
            for results in crew.run(prepare_low_quality, jobs, "Degrading pictures"):
                workspace.note(results)
            failed = {
                parent_of(planned).name: self.result(planned)
                for planned in plan
                if self.result(planned).reason
            }
            if not failed:
                return plan
            self.failed |= failed

    def result(self, planned: Planned) -> Prepared:
        """Return the facts about a prepared picture."""
        return self._workspace.prepared[self._key(planned)]

    def _job(self, planned: Planned) -> LowQualityJob:
        parent, key = parent_of(planned), self._key(planned)
        path = self._workspace.require(self._pictures.result(parent), parent.label, parent.name)
        return LowQualityJob(key, path, self._workspace.staged(key), self._seed(planned))

    def _seed(self, planned: Planned) -> tuple[object, ...]:
        return self._recipe.seed, parent_of(planned).name, planned.variant

    def _key(self, planned: Planned) -> str:
        parent = self._pictures.result(parent_of(planned))
        return f"{stable_hash('low quality', *self._seed(planned), parent.sha256, VERSION):016x}"


def parent_of(planned: Planned) -> Planned:
    """Return the picture that a LOW_QUALITY picture is made from."""
    assert planned.parent is not None
    return planned.parent


def _result(planned: Planned, pictures: _Pictures, low_quality: _LowQuality) -> Prepared:
    return low_quality.result(planned) if planned.parent else pictures.result(planned)


def _row(planned: Planned, result: Prepared, pictures: _Pictures) -> ManifestRow:
    original = pictures.result(planned.parent) if planned.parent else result
    return ManifestRow(
        file=planned.file,
        split=planned.split,
        label=planned.label,
        source=planned.record.source,
        original=planned.record.original,
        group=planned.record.group,
        sha256=result.sha256,
        width=result.width,
        height=result.height,
        original_sha256=original.original_sha256,
        original_format=original.original_format,
        original_width=original.original_width,
        original_height=original.original_height,
        parent=planned.parent.file if planned.parent else "",
        degradation=result.degradation,
        severity=result.severity,
        parameters=result.parameters,
    )


def _is_signed_off(output: Path, rows: Iterable[ManifestRow]) -> bool:
    """Tell whether the manifest in place says exactly this."""
    try:
        return read_manifest(output) == sorted(rows, key=lambda row: row.file)
    except DatasetError:
        return False

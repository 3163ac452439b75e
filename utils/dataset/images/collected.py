"""Prepare the pictures of the collections, each read once, and plan anew where one is unusable."""

from collections.abc import Sequence
from functools import partial

from utils.common.disk.location import Originals
from utils.common.labels import LOW_QUALITY
from utils.common.pictures import PictureError
from utils.common.seeds import stable_hash
from utils.common.system.processors import in_threads
from utils.dataset.images.pool import ProcessPool
from utils.dataset.images.prepare import (
    VERSION,
    PictureJob,
    Prepared,
    look_closely,
    prepare_picture,
)  # fmt: skip
from utils.dataset.leakage.links import Linkable, Links, find_links
from utils.dataset.leakage.thumbnails import CLOSE_SIDE
from utils.dataset.output.workspace import Workspace
from utils.dataset.planning.plan import Planned, plan_pictures
from utils.dataset.planning.split import draw_splits
from utils.dataset.recipe import Recipe
from utils.sources.record import Record

NO_VIEW = bytes(CLOSE_SIDE**2)
"""In place of the close view of what cannot be read; the links found with it are found anew."""


class Pictures:
    """Prepares the collected pictures, planning anew where one turns out unusable or a copy."""

    def __init__(
        self, records: Sequence[Record], originals: Originals, workspace: Workspace, recipe: Recipe
    ) -> None:
        self.failed: dict[str, Prepared] = {}
        self.links = Links()
        self.looked_at: list[Linkable] = []
        self._records = records
        self._originals = originals
        self._workspace = workspace
        self._recipe = recipe
        self._keys: dict[str, int] = {}
        self._is_seen = bytearray(len(records))  # a byte each, for there may be very many

    def prepare(self, pool: ProcessPool) -> list[Planned]:
        """Return a plan whose pictures are all prepared, and of which none is another's copy."""
        while True:
            plan = self._plan()
            identities = {planned.record.identity for planned in plan}
            fresh = [
                (position, record)
                for position, record in enumerate(self._records)
                if record.identity in identities and not self._is_seen[position]
            ]
            if fresh:
                wanted = [record for _, record in fresh]
                self._run(pool, [record for record in wanted if not self._is_known(record)])
                for position, _ in fresh:
                    self._is_seen[position] = True
            else:
                wanted = [planned.record for planned in plan if not self._is_there(planned)]
                self._run(pool, wanted)
            for record in wanted:
                result = self.result(record)
                self._keys[record.original] = result.key  # the same number, in one place
                if result.reason:
                    self.failed[record.original] = result
            if not fresh and not any(record.original in self.failed for record in wanted):
                return plan
            self._link(pool)

    def _link(self, pool: ProcessPool) -> None:
        """Find what belongs together, anew without what can no longer be read for a close look."""
        num_failed = -1
        while num_failed != len(self.failed):
            num_failed = len(self.failed)
            self.looked_at = [
                Linkable(record, self.result(record))
                for record, is_seen in zip(self._records, self._is_seen, strict=True)
                if is_seen and record.original not in self.failed
            ]
            self.looked_at.sort(key=lambda picture: picture.record.original)
            self.links = find_links(self.looked_at, partial(self._look_closely, pool))

    def _is_known(self, record: Record) -> bool:
        """Tell whether an original need not be read.

        One that was unusable may be repaired, and another version of a decoder see it otherwise.
        """
        noted = self._workspace.prepared.get(self._key(record))
        return noted is not None and not noted.reason and not noted.is_outdated

    def verify(self) -> tuple[int, list[str]]:
        """Hash the originals that were read before, and forget what is noted of changed ones.

        Returns:
            How many were hashed, and which were changed.
        """
        noted = {
            record.original: self._workspace.prepared[self._key(record)]
            for record in self._records
            if self._is_known(record)
        }

        def is_changed(original: str) -> bool:
            found = self._originals.locate(original).content_hash()
            return found != noted[original].original_sha256

        originals = sorted(noted)
        answers = in_threads(is_changed, originals, "Verifying originals")
        changed = [one for one, answer in zip(originals, answers, strict=True) if answer]
        self._workspace.forget(noted[original].key for original in changed)
        return len(originals), changed

    def _plan(self) -> list[Planned]:
        recipe, links = self._recipe, self.links
        return plan_pictures(
            self._records, self._unusable(), recipe.seed, recipe.limit, links.component_of,
            links.kept_instead,
            allow_empty=recipe.allow_empty,
        )  # fmt: skip

    def _unusable(self) -> set[str]:
        return self.failed.keys() | self.links.contradictions.keys()

    def drawn(self) -> dict[str, str]:
        """Return the split of each group alone, drawn as the plan draws it."""
        unusable = self._unusable()
        usable = (record for record in self._records if record.original not in unusable)
        return draw_splits(usable, self._recipe.seed)

    def result(self, record: Record) -> Prepared:
        """Return the facts about a prepared picture."""
        return self._workspace.prepared[self._key(record)]

    def read(self, original: str) -> bytes:
        """Return the bytes of an original."""
        return self._originals.locate(original).read()

    def keys(self) -> set[int]:
        """Return the keys of everything that was looked at, copies and failures among it."""
        return {
            self._key(record)
            for record, is_seen in zip(self._records, self._is_seen, strict=True)
            if is_seen
        }

    def _run(self, pool: ProcessPool, records: Sequence[Record]) -> None:
        jobs = map(self._job, records)
        for results in pool.run(prepare_picture, jobs, len(records), "Reading pictures"):
            self._workspace.note(results)

    def _look_closely(self, pool: ProcessPool, records: Sequence[Record]) -> list[bytes]:
        """Return close views, an empty one of what cannot be read a second time and so fails."""
        originals = (self._originals.locate(record.original) for record in records)
        views: list[bytes | PictureError] = []
        for some in pool.run(look_closely, originals, len(records), "Looking closely"):
            views += some
        for record, view in zip(records, views, strict=True):
            if isinstance(view, PictureError):
                self._fail(record, view)
        return [NO_VIEW if isinstance(view, PictureError) else view for view in views]

    def _fail(self, record: Record, error: PictureError) -> None:
        """Note that a picture which was prepared cannot be used after all."""
        known = self.result(record)
        failed = Prepared(
            known.key,
            original_sha256=known.original_sha256,
            reason=error.reason,
            detail=error.detail,
        )
        self._workspace.note([failed])
        self.failed[record.original] = failed

    def _is_there(self, planned: Planned) -> bool:
        return self._workspace.is_done(self._key(planned.record), planned.label, planned.name)

    def _job(self, record: Record) -> PictureJob:
        workspace, recipe, key = self._workspace, self._recipe, self._key(record)
        target = None if workspace.read_only else workspace.staged(key)
        original = self._originals.locate(record.original)
        min_size, keep_poor = self._demands(record)
        return PictureJob(
            key, original, target, recipe.image_size, record.md5, min_size, recipe.max_pixels,
            keep_poor,
        )  # fmt: skip

    def _demands(self, record: Record) -> tuple[int, bool]:
        """Return the least shorter side, and whether a picture may be poor, as LOW_QUALITY is."""
        if record.label == LOW_QUALITY:
            return 1, True
        return self._recipe.min_size, self._recipe.keep_poor

    def _key(self, record: Record) -> int:
        """Return what the result is kept under: another one once the original is changed."""
        if record.original not in self._keys:
            facts = self._originals.locate(record.original).facts()
            recipe, (min_size, keep_poor) = self._recipe, self._demands(record)
            limits = recipe.image_size, min_size, recipe.max_pixels, keep_poor
            self._keys[record.original] = stable_hash(
                record.original, *facts, record.md5, *limits, VERSION
            )
        return self._keys[record.original]

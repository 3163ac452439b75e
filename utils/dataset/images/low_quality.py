"""Prepare the LOW_QUALITY pictures, and make those again whose degradation has changed."""

from collections.abc import Iterable, Iterator, Sequence

from utils.common.seeds import stable_hash
from utils.dataset.images.collected import Pictures
from utils.dataset.images.pool import ProcessPool
from utils.dataset.images.prepare import VERSION, LowQualityJob, Prepared, prepare_low_quality
from utils.dataset.output.workspace import Workspace
from utils.dataset.planning.plan import Planned, plan_low_quality
from utils.dataset.recipe import Recipe
from utils.quality.fingerprint import fingerprints_by_turn


class LowQuality:
    """Prepares the degraded pictures, taking another parent where one cannot be degraded."""

    def __init__(
        self,
        parents: Sequence[Planned],
        pictures: Pictures,
        workspace: Workspace,
        recipe: Recipe,
    ) -> None:
        self.failed: dict[str, Prepared] = {}
        self._parents = parents
        self._pictures = pictures
        self._workspace = workspace
        self._recipe = recipe
        self._found: dict[str, int] = {}
        self._changed: set[str] = set()

    def prepare(self, pool: ProcessPool) -> list[Planned]:
        """Return a plan whose pictures are all prepared; on a dry run nothing is."""
        recipe, workspace = self._recipe, self._workspace
        while True:
            plan = plan_low_quality(
                self._parents, self.failed, recipe.seed, recipe.low_quality, recipe.limit
            )
            todo = [planned for planned in plan if not self._is_there(planned)]
            self._changed.update(planned.file for planned in todo if self._is_changed(planned))
            if workspace.read_only:
                return plan
            jobs = map(self._job, todo)
            for results in pool.run(prepare_low_quality, jobs, len(todo), "Degrading pictures"):
                workspace.note(results)
            failed = {
                parent_of(planned).name: self.result(planned)
                for planned in plan
                if self.result(planned).reason
            }
            if not failed:
                return plan
            self.failed |= failed

    def changed(self, plan: Iterable[Planned]) -> list[str]:
        """Return which pictures are replaced, as their parents are degraded in another way now.

        Args:
            plan: The pictures of which to tell; on a dry run nobody knows if the bytes change.
        """
        read_only = self._workspace.read_only
        return [
            planned.file
            for planned in plan
            if planned.file in self._changed and (read_only or self._is_staged(planned))
        ]

    def result(self, planned: Planned) -> Prepared:
        """Return the facts about a prepared picture."""
        key = self._noted_key(planned)
        assert key is not None
        return self._workspace.prepared[key]

    def failed_keys(self) -> set[int]:
        """Return the keys of what could not be degraded."""
        return {result.key for result in self.failed.values()}

    def _is_there(self, planned: Planned) -> bool:
        key = self._noted_key(planned)
        return key is not None and self._workspace.is_done(key, planned.label, planned.name)

    def _is_changed(self, planned: Planned) -> bool:
        """Tell whether a picture to make is there, and its parent as it was, but not its note."""
        parent, listing = parent_of(planned), self._workspace.listing
        if self._noted_key(planned) is not None or planned.file not in listing:
            return False
        path = self._workspace.locate(
            self._pictures.result(parent.record), parent.label, parent.name
        )
        return path == self._workspace.output / parent.file

    def _is_staged(self, planned: Planned) -> bool:
        path = self._workspace.locate(self.result(planned), planned.label, planned.name)
        return path != self._workspace.output / planned.file

    def _job(self, planned: Planned) -> LowQualityJob:
        parent = parent_of(planned)
        path = self._workspace.require(
            self._pictures.result(parent.record), parent.label, parent.name
        )
        places = [(key, self._workspace.staged(key)) for key in self._keys(planned)]
        return LowQualityJob(path, self._seed(planned), places)

    def _seed(self, planned: Planned) -> tuple[object, ...]:
        return self._recipe.seed, parent_of(planned).name, planned.variant

    def _noted_key(self, planned: Planned) -> int | None:
        """Return what the result is kept under, None if there is none yet."""
        if planned.name not in self._found:
            for key in self._keys(planned):
                if key in self._workspace.prepared:
                    self._found[planned.name] = key
                    break
        return self._found.get(planned.name)

    def _keys(self, planned: Planned) -> Iterator[int]:
        """Yield for each turn of `degrade` what a result of that turn is kept under."""
        seed, parent = self._seed(planned), self._pictures.result(planned.record).sha256.hex()
        for made_by in fingerprints_by_turn(*seed):
            yield stable_hash("low quality", *seed, parent, VERSION, made_by)


def parent_of(planned: Planned) -> Planned:
    """Return the picture that a LOW_QUALITY picture is made from."""
    assert planned.parent is not None
    return planned.parent

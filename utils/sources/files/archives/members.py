"""Turn an archive's member names into paths that a folder could have."""

import re
from bisect import bisect_left
from collections import deque
from dataclasses import dataclass
from pathlib import PurePosixPath

from utils.common.disk.location import Location
from utils.common.limits import MAX_FOLDERS, MAX_PATH_LENGTH
from utils.sources.files.archives.allowance import Allowance
from utils.sources.files.archives.findings import Finding, judge, shown
from utils.sources.files.paths import is_absolute, leads_out

UNTIDY = re.compile(r"//|(^|/)\.(/|$)|/$|^$")
"""In a path that has shorter ways to be written."""

MAX_HOPS = 8
"""Links that a link may lead over."""


@dataclass(frozen=True, slots=True)
class Link:
    """A member that is another name of a file or a folder.

    Attributes:
        target: As the archive writes it.
        is_hard: Whether it is written from the archive's own folder on, as hard links of a tar are.
    """

    target: str
    is_hard: bool = False


class Members:
    """The files of one archive.

    Of several members of one path the last one counts, as for those who unpack it. Names that
    differ in capitals only stay apart. Links lead to the file or the folder that they name.

    Args:
        title: What to call the archive.
        allowance: What it may hold.
    """

    def __init__(self, title: str, allowance: Allowance) -> None:
        self.files: dict[str, Location] = {}
        self.left_out: list[tuple[str, Finding]] = []
        self.findings: list[tuple[Finding, int]] = []
        self._title = title
        self._allowance = allowance
        self._links: dict[str, Link] = {}
        self._targets: dict[str, str | Finding] = {}
        self._num_repeated = 0

    def note(self, finding: Finding, number: int) -> None:
        """Keep what is worth a line."""
        self.findings.append((finding, number))

    def check(self, name: str) -> None:
        """Look at the name of a member.

        Raises:
            SourceError: If it leads out.
        """
        if leads_out(name):
            judge(Finding.PATH_OUT, self._title, shown(name))

    def add_folder(self, name: str) -> None:
        """Take a folder, which is as good as not listed: its files tell that it is there.

        Raises:
            SourceError: If its name leads out.
            LeftOutError: If there are too many members.
        """
        self.check(name)
        self._allowance.take("")

    def leave_out(self, name: str, finding: Finding) -> None:
        """Keep what is left out, and why.

        Raises:
            SourceError: If its name leads out.
            LeftOutError: If there are too many members.
        """
        self.check(name)
        short = name if len(name) <= MAX_PATH_LENGTH else f"{name[:MAX_PATH_LENGTH]}..."
        self._allowance.take(short)
        self.left_out.append((short, finding))

    def add(self, name: str, place: Location) -> None:
        """Take a file.

        Raises:
            SourceError: If its name leads out, or it unpacks to very much.
            LeftOutError: If there are too many files.
        """
        if path := self._path_of(name):
            self._allowance.take(path, place.size, place.packed_size)
            self._drop(path)
            self.files[path] = place

    def add_link(self, name: str, link: Link) -> None:
        """Take a link.

        Raises:
            SourceError: If its name leads out.
            LeftOutError: If there are too many files.
        """
        if len(link.target) > MAX_PATH_LENGTH or link.target.count("/") > 2 * MAX_FOLDERS:
            self.leave_out(name, Finding.LINK_ASTRAY)
        elif path := self._path_of(name):
            self._allowance.take(path)
            self._drop(path)
            self._links[path] = link

    def finish(self) -> None:
        """Follow the links, when all members are known.

        Raises:
            SourceError: If one leads out.
            LeftOutError: If there are too many files.
        """
        if self._num_repeated:
            self.note(Finding.REPEATED, self._num_repeated)
        self._drop_folders()
        found = {path: self._target_of(path) for path in self._links}
        folders: dict[str, str] = {}
        for path, target in found.items():
            if isinstance(target, Finding):
                self.leave_out(path, target)
            elif target in self.files:
                found_place = self.files[target]
                self._allowance.take(path, found_place.size, found_place.packed_size)
                self.files[path] = found_place
            else:
                folders[path] = target
        if folders:
            self._follow(folders)

    def _path_of(self, name: str) -> str | None:
        """Return the path that a member is listed under, None if it is not."""
        self.check(name)
        if len(name) > MAX_PATH_LENGTH or name.count("/") > MAX_FOLDERS:
            self.leave_out(name, Finding.LONG_PATH)
            return None
        path = PurePosixPath(name).as_posix() if UNTIDY.search(name) else name
        if path == ".":
            self.leave_out(name, Finding.NO_NAME)
            return None
        return path

    def _drop(self, path: str) -> None:
        """Forget an earlier member of this path."""
        if self.files.pop(path, None) or self._links.pop(path, None):
            self._num_repeated += 1

    def _drop_folders(self) -> None:
        """Leave out files that are folders, too; empty ones are another way to write a folder."""
        folders: set[str] = set()
        for path in (*self.files, *self._links):
            while (path := path.rpartition("/")[0]) and path not in folders:
                folders.add(path)
        for path in folders & self.files.keys():
            if self.files.pop(path).size:
                self.leave_out(path, Finding.ALSO_FOLDER)
        for path in folders & self._links.keys():
            del self._links[path]
            self.leave_out(path, Finding.ALSO_FOLDER)

    def _target_of(self, path: str) -> str | Finding:
        """Return where a link leads in the end, or why it leads nowhere.

        Raises:
            SourceError: If it leads out of the archive.
        """
        at: list[str] = []
        ahead = deque(path.split("/"))
        passed: list[str] = []
        while ahead:
            part = ahead.popleft()
            if part == "..":
                if not at:
                    judge(Finding.LINK_OUT, self._title, shown(path), self._shown_target(path))
                at.pop()
            elif part not in ("", "."):
                at.append(part)
                here = "/".join(at)
                known = self._targets.get(here)
                if isinstance(known, Finding):
                    return self._remember(passed, known)
                if known is not None:
                    at = known.split("/") if known else []
                elif link := self._links.get(here):
                    passed.append(here)
                    if len(passed) > MAX_HOPS:
                        return self._remember(passed, Finding.LINK_CIRCLE)
                    if is_absolute(link.target) or "\0" in link.target:
                        judge(Finding.LINK_OUT, self._title, shown(path), self._shown_target(here))
                    if len(at) + len(ahead) > 2 * MAX_FOLDERS:
                        return self._remember(passed, Finding.LINK_ASTRAY)
                    at = [] if link.is_hard else at[:-1]
                    ahead.extendleft(reversed(link.target.split("/")))
        target = "/".join(at)
        self._targets[path] = target
        return target

    def _remember(self, passed: list[str], finding: Finding) -> Finding:
        self._targets.update(dict.fromkeys(passed, finding))
        return finding

    def _shown_target(self, path: str) -> str:
        return shown(self._links[path].target)

    def _follow(self, folders: dict[str, str]) -> None:
        """List the files of folders under the names of links to them; links in these are not."""
        own = sorted(self.files)
        for path, target in folders.items():
            if f"{path}/".startswith(f"{target}/" if target else ""):
                self.leave_out(path, Finding.LINK_CIRCLE)
                continue
            below = own[bisect_left(own, f"{target}/") : bisect_left(own, f"{target}0")]
            if not below:
                self.leave_out(path, Finding.LINK_ASTRAY)
            for file in below:
                place = self.files[file]
                if name := self._path_of(path + file[len(target) :]):
                    self._allowance.take(name, place.size, place.packed_size)
                    self.files.setdefault(name, place)

"""Whatever stands in the way of one picture, the others are sorted, and none is lost."""

import errno
import os
import stat
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from utils.common.errors import SettingsError
from utils.prediction import placing, sorting
from utils.prediction.inputs import find_inputs
from utils.prediction.placing import target_name
from utils.prediction.sorting import check_movable, sort_pictures


def sort(*named: Path, into: Path, is_moving: bool) -> str:
    inputs = find_inputs([str(path) for path in named])
    return sort_pictures(inputs, ["DERM"] * len(inputs), into, is_moving)


def below(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / f"{name}.jpg").write_bytes(name.encode())
    return folder


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """Return a folder beside the inbox that nobody named."""
    folder = tmp_path / "private"
    folder.mkdir()
    (folder / "mine.jpg").write_bytes(b"mine")
    return folder


@pytest.mark.parametrize("name", ["é" * 200 + ".jpg", "a" * 300 + ".jpg", "x." + "y" * 300])
def test_a_name_that_is_too_long_is_shortened_and_told(
    tmp_path: Path, inbox: Path, name: str
) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for member in (f"deep/{name}", "c.jpg"):
            archive.writestr(member if name.endswith(".jpg") else f"{member}.jpg", member)
    told = sort(tmp_path / "x.zip", into=tmp_path / "out", is_moving=False)
    found = below(tmp_path / "out/DERM")
    assert len(found) == 2 and all(file.endswith(".jpg") for file in found)
    assert "1 got another name, because theirs was taken or too long: " in told
    assert all(len(file.encode()) <= 255 for file in found)
    assert sort(tmp_path / "x.zip", into=tmp_path / "out", is_moving=False).endswith(
        "2 lay there already."
    )


def test_two_long_names_that_differ_at_their_ends_stay_two(tmp_path: Path) -> None:
    names = [target_name("a" * 290 + end, tmp_path) for end in ("1.jpg", "2.jpg")]
    assert names[0] != names[1]


@pytest.mark.parametrize(
    ("name", "on_windows"),
    [
        ("aux.jpg", "_aux.jpg"), ("NUL", "_NUL"), ("Com1 .tar.jpg", "_Com1 .tar.jpg"),
        ("lpt\u00b2.png", "_lpt\u00b2.png"), ("conus.jpg", "conus.jpg"), ("com.jpg", "com.jpg"),
        ("a\x07b?.jpg", "a_b_.jpg"), ("...", "_"),
    ],
)  # fmt: skip
def test_a_name_that_no_file_of_windows_has_is_another_there_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, on_windows: str
) -> None:
    assert target_name(f"x.zip/{name}", tmp_path) == name
    monkeypatch.setattr(placing, "WINDOWS", True)
    assert target_name(f"x.zip/{name}", tmp_path) == on_windows


@pytest.mark.parametrize("is_moving", [True, False])
def test_links_out_of_the_folder_take_nothing_along(
    tmp_path: Path, inbox: Path, private: Path, is_moving: bool
) -> None:
    (inbox / "folder").symlink_to("../private")
    (inbox / "file.jpg").symlink_to("../private/mine.jpg")
    told = sort(inbox, into=tmp_path / "out", is_moving=is_moving)
    assert below(tmp_path / "out") == {"DERM/a.jpg": b"a", "DERM/b.jpg": b"b"}
    assert below(private) == {"mine.jpg": b"mine"}
    assert "2 stayed behind their links, because " in told
    assert (inbox / "file.jpg").is_symlink() and (inbox / "folder").is_symlink()


def test_an_archive_behind_a_link_that_leads_out_is_not_copied_from(
    tmp_path: Path, inbox: Path, private: Path
) -> None:
    with zipfile.ZipFile(private / "x.zip", "w") as archive:
        archive.writestr("secret.jpg", b"secret")
    (inbox / "y.zip").symlink_to("../private/x.zip")
    sort(inbox, into=tmp_path / "out", is_moving=False)
    assert below(tmp_path / "out") == {"DERM/a.jpg": b"a", "DERM/b.jpg": b"b"}


def test_links_inside_the_folder_are_copied_and_not_moved(tmp_path: Path, inbox: Path) -> None:
    (inbox / "again.jpg").symlink_to("a.jpg")
    sort(inbox, into=tmp_path / "copied", is_moving=False)
    assert below(tmp_path / "copied/DERM") == {"a.jpg": b"a", "again.jpg": b"a", "b.jpg": b"b"}
    told = sort(inbox, into=tmp_path / "moved", is_moving=True)
    assert below(tmp_path / "moved/DERM") == {"a.jpg": b"a", "b.jpg": b"b"}
    assert f"because moving follows no links: {inbox / 'again.jpg'}." in told


def test_a_linked_folder_that_is_named_itself_is_the_users_word(
    tmp_path: Path, private: Path
) -> None:
    (tmp_path / "link").symlink_to(private)
    sort(tmp_path / "link", into=tmp_path / "out", is_moving=True)
    assert below(private) == {} and below(tmp_path / "out") == {"DERM/mine.jpg": b"mine"}


def test_a_move_that_was_cut_between_its_two_steps_is_finished(tmp_path: Path, inbox: Path) -> None:
    (tmp_path / "out/DERM").mkdir(parents=True)
    os.link(inbox / "a.jpg", tmp_path / "out/DERM/a.jpg")
    told = sort(inbox, into=tmp_path / "out", is_moving=True)
    assert below(inbox) == {}
    assert below(tmp_path / "out/DERM") == {"a.jpg": b"a", "b.jpg": b"b"}
    assert "1 lay there already." in told


def test_a_move_to_another_disk_that_was_cut_is_finished(
    tmp_path: Path, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, "another disk")

    def stop(_: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(placing, "_give_name", refuse)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(placing, "_take_away", stop)
        sort(inbox, into=tmp_path / "out", is_moving=True)
    assert below(inbox) == {"a.jpg": b"a", "b.jpg": b"b"}
    assert below(tmp_path / "out/DERM") == {"a.jpg": b"a"}
    sort(inbox, into=tmp_path / "out", is_moving=True)
    assert below(inbox) == {}
    assert below(tmp_path / "out") == {"DERM/a.jpg": b"a", "DERM/b.jpg": b"b"}


def test_what_a_killed_copy_left_is_gone_over(
    tmp_path: Path, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(placing, "_claim", die)
        patch.setattr(Path, "unlink", lambda *_, **__: None)
        sort(inbox / "a.jpg", into=tmp_path / "out", is_moving=False)
    assert len(list((tmp_path / "out").glob(".*.partial"))) == 1
    sort(inbox / "a.jpg", into=tmp_path / "out", is_moving=False)
    assert below(tmp_path / "out") == {"DERM/a.jpg": b"a"}


def test_pictures_of_one_name_and_other_content_are_never_taken_for_a_cut_move(
    tmp_path: Path, inbox: Path
) -> None:
    (tmp_path / "out/DERM").mkdir(parents=True)
    (tmp_path / "out/DERM/a.jpg").write_bytes(b"A")
    found = (inbox / "a.jpg").stat()
    os.utime(tmp_path / "out/DERM/a.jpg", ns=(found.st_mtime_ns, found.st_mtime_ns))
    sort(inbox, into=tmp_path / "out", is_moving=True)
    assert below(tmp_path / "out/DERM") == {"a.jpg": b"A", "a-2.jpg": b"a", "b.jpg": b"b"}


def test_twins_in_the_folder_itself_both_stay(tmp_path: Path, inbox: Path) -> None:
    (tmp_path / "out").mkdir()
    inbox.rename(tmp_path / "out/DERM")
    os.link(tmp_path / "out/DERM/a.jpg", tmp_path / "out/DERM/twin.jpg")
    sort(tmp_path / "out", into=tmp_path / "out", is_moving=True)
    assert below(tmp_path / "out/DERM") == {"a.jpg": b"a", "b.jpg": b"b", "twin.jpg": b"a"}


def test_a_read_only_inbox_is_called_that_before_anything_is_done(
    inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sorting.os, "access", lambda path, _: Path(path) != inbox)
    with pytest.raises(SettingsError) as caught:
        check_movable(find_inputs([str(inbox)]))
    assert str(caught.value) == (
        f"No picture can be moved out of a read-only folder: {inbox}. "
        "Use --copy-into, or change its permissions."
    )


def test_a_list_may_name_a_picture_whose_folder_is_gone(
    tmp_path: Path, inbox: Path, capsys
) -> None:
    listed = BytesIO(f"{inbox / 'a.jpg'}\n{tmp_path / 'gone/c.jpg'}\n".encode())
    inputs = find_inputs(["-"], listed)
    check_movable(inputs)
    sort_pictures(inputs, ["DERM", ""], tmp_path / "out", is_moving=True)
    assert below(tmp_path / "out") == {"DERM/a.jpg": b"a"}


def test_a_picture_that_cannot_be_taken_away_is_told_and_not_doubled(
    tmp_path: Path, inbox: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    unlink, rename = os.unlink, os.rename

    def refuse(path: str | Path) -> None:
        if Path(path) == inbox / "a.jpg":
            raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(placing.os, "unlink", lambda path: refuse(path) or unlink(path))
    monkeypatch.setattr(placing.os, "rename", lambda *paths: refuse(paths[0]) or rename(*paths))
    sort(inbox, into=tmp_path / "out", is_moving=True)
    assert below(inbox) == {"a.jpg": b"a"}
    assert below(tmp_path / "out/DERM") == {"b.jpg": b"b"}
    assert capsys.readouterr().err == (
        f"Warning: 1 could not be sorted: {inbox / 'a.jpg'} "
        "(cannot be taken out of its folder: Permission denied)\n"
    )


class TestReadOnlyPicturesOnWindows:
    """There a file that is read-only cannot be removed, and no name of it."""

    @pytest.fixture(autouse=True)
    def windows(self, inbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Do as Windows does."""
        unlink, rename = os.unlink, os.rename

        def remove(path: Path) -> None:
            if os.path.exists(path) and not os.stat(path).st_mode & stat.S_IWRITE:
                raise PermissionError(errno.EACCES, "Access is denied")
            unlink(path)

        def rename_unless_taken(source: Path, name: Path) -> None:
            if os.path.lexists(name):
                raise FileExistsError(errno.EEXIST, "Cannot create a file that already exists")
            rename(source, name)

        monkeypatch.setattr(placing, "WINDOWS", True)
        monkeypatch.setattr(placing.os, "unlink", remove)
        monkeypatch.setattr(placing.os, "rename", rename_unless_taken)
        for name in ("a", "b"):
            (inbox / f"{name}.jpg").chmod(stat.S_IREAD)

    @pytest.fixture(params=["free", "taken"])
    def out(self, request: pytest.FixtureRequest, tmp_path: Path) -> Path:
        """Return where pictures go, with another under the name of one or without."""
        folder = tmp_path / "out"
        (folder / "DERM").mkdir(parents=True)
        if request.param == "taken":
            (folder / "DERM/a.jpg").write_bytes(b"mine")
        return folder

    def placed(self, out: Path) -> dict[str, bytes]:
        """Return what lies there but for what is the user's own."""
        found = below(out)
        if found.get("DERM/a.jpg") == b"mine":
            found["DERM/a.jpg"] = found.pop("DERM/a-2.jpg")
        return found

    def test_they_are_copied(self, inbox: Path, out: Path) -> None:
        for _ in range(2):
            sort(inbox, into=out, is_moving=False)
            assert self.placed(out) == {"DERM/a.jpg": b"a", "DERM/b.jpg": b"b"}
        assert below(inbox) == {"a.jpg": b"a", "b.jpg": b"b"}

    @pytest.mark.parametrize("is_other_disk", [False, True])
    def test_they_are_moved(
        self, inbox: Path, out: Path, monkeypatch: pytest.MonkeyPatch, is_other_disk: bool
    ) -> None:
        rename = os.rename

        def rename_here(source: Path, name: Path) -> None:
            if Path(source).parent == inbox:
                raise OSError(errno.EXDEV, "another disk")
            rename(source, name)

        if is_other_disk:
            monkeypatch.setattr(placing.os, "rename", rename_here)
        sort(inbox, into=out, is_moving=True)
        assert below(inbox) == {}
        assert self.placed(out) == {"DERM/a.jpg": b"a", "DERM/b.jpg": b"b"}

    def test_one_that_is_in_use_stays_and_is_not_doubled(
        self, inbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
    ) -> None:
        rename, unlink = os.rename, os.unlink

        def refuse(path: Path) -> None:
            if Path(path) == inbox / "a.jpg":
                raise PermissionError(errno.EACCES, "in use")

        monkeypatch.setattr(placing.os, "rename", lambda *paths: refuse(paths[0]) or rename(*paths))
        monkeypatch.setattr(placing.os, "unlink", lambda path: refuse(path) or unlink(path))
        sort(inbox, into=tmp_path / "out", is_moving=True)
        assert below(inbox) == {"a.jpg": b"a"}
        assert below(tmp_path / "out") == {"DERM/b.jpg": b"b"}
        assert "(cannot be taken out of its folder: in use)" in capsys.readouterr().err


def test_a_picture_that_is_gone_does_not_end_the_sorting(
    tmp_path: Path, inbox: Path, capsys
) -> None:
    inputs = find_inputs([str(inbox)])
    (inbox / "a.jpg").unlink()
    sort_pictures(inputs, ["DERM"] * 2, tmp_path / "out", is_moving=True)
    assert below(tmp_path / "out") == {"DERM/b.jpg": b"b"}
    assert "1 could not be sorted: " in capsys.readouterr().err

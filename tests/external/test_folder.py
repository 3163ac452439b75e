"""Class folders are found, and whatever else is there is named with what was probably meant."""

import errno
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from utils.common.errors import OutputError, SettingsError, SourceError
from utils.common.labels import CLASSES
from utils.external.folder import find_labelled, label_of, near_class
from utils.external.places import check_new_folder, check_report_folder


@pytest.mark.parametrize("label", CLASSES)
@pytest.mark.parametrize("change", [str.lower, str.title, lambda name: name.replace("_", "-")])
def test_a_class_in_other_letters_is_near(label: str, change: Callable[[str], str]) -> None:
    assert near_class(change(label)) == label


@pytest.mark.parametrize("name", ["moles", "2024", "", "melanoma"])
def test_no_class_is_near_to_any_other_name(name: str) -> None:
    assert near_class(name) == ""


def test_pictures_have_the_class_of_the_first_folder(own) -> None:
    folder = own({"DERM": 1, "PAN/a/b": 2, "OTHER": 0})
    (folder / "__MACOSX").mkdir()
    (folder / "readme.txt").write_text("ours")
    labelled = find_labelled(folder)
    names = [labelled.name_of(one) for one in labelled.inputs]
    assert names == ["DERM/00.jpg", "PAN/a/b/00.jpg", "PAN/a/b/01.jpg"]
    assert [label_of(name) for name in names] == ["DERM", "PAN", "PAN"]
    assert labelled.inputs.describe_others() == "1 file was not looked at: 1 .txt."
    assert labelled.group_of(names[0]) == names[0]


@pytest.mark.skipif(os.name == "nt", reason="there both are one name")
def test_a_groups_file_in_other_capitals_is_refused_by_name(own) -> None:
    folder = own({"DERM": 1})
    (folder / "Groups.csv").write_text("file,group\nDERM/00.jpg,a\n")
    if (folder / "groups.csv").exists():
        pytest.skip("the disk tells no capitals apart")
    with pytest.raises(
        SettingsError, match=r"has a Groups\.csv\. Expected groups\.csv\. Rename it"
    ):
        find_labelled(folder)


@pytest.mark.skipif(os.name == "nt", reason="links take rights there")
def test_a_groups_file_that_leads_nowhere_is_none(own) -> None:
    folder = own({"DERM": 1})
    (folder / "groups.csv").symlink_to(folder / "gone.csv")
    assert find_labelled(folder).groups is None


@pytest.mark.skipif(os.name == "nt", reason="links take rights there")
def test_a_link_to_itself_beside_the_class_folders_is_no_folder(own) -> None:
    folder = own({"DERM": 1})
    (folder / "round").symlink_to(folder / "round")
    assert (
        find_labelled(folder).inputs.describe_others()
        == "1 file was not looked at: 1 without an ending."
    )


def test_a_picture_in_an_archive_of_a_class_folder_counts(own, zipped) -> None:
    folder = own({"DERM": 1, "PAN": 1})
    content = (folder / "DERM/00.jpg").read_bytes()
    (folder / "PAN/more.zip").write_bytes(zipped({"in/1.jpg": content}))
    labelled = find_labelled(folder)
    assert "PAN/more.zip/in/1.jpg" in [labelled.name_of(one) for one in labelled.inputs]


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        ({"PAN": 1, "derm-clinic": 1}, r"no class: derm-clinic\. .* derm-clinic to DERM_CLINIC\.$"),
        ({"PAN": 1, "moles": 1}, r"no class: moles\. Expected .*DERM.* Move them elsewhere\.$"),
        ({"test/DERM": 1}, r"no class: test\. .* such as .*clinic.test\.$"),
        ({"DERM": 0, "PAN": 0}, r"^No pictures in "),
        ({"": 2}, r"clinic has no class folder\. Expected a folder with one or more of DERM, "),
    ],
)
def test_a_wrong_folder_is_one_line(own, counts: dict[str, int], told: str) -> None:
    with pytest.raises(SettingsError, match=told) as caught:
        find_labelled(own(counts))
    assert len(str(caught.value).splitlines()) == 1


def test_a_folder_that_may_not_be_listed_is_told(own, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = own({"DERM": 1})

    def refuse(path: str) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    monkeypatch.setattr("utils.common.disk.listing.os.scandir", refuse)
    with pytest.raises(SourceError) as caught:
        find_labelled(folder)
    assert str(caught.value).startswith(f"{folder} cannot be listed (Permission denied). ")


@pytest.mark.parametrize("check", [check_new_folder, check_report_folder])
def test_a_place_that_may_not_be_asked_for_is_told(
    own, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, check: Callable[[Path, Path], None]
) -> None:
    folder, closed = own({"DERM": 1}), tmp_path / "closed/out"

    def refuse(path: Path) -> bool:  # as Python 3.11 does, where others say False
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    monkeypatch.setattr(Path, "exists", refuse)
    with pytest.raises(OutputError, match=f"^No permission to write {re.escape(str(closed))}"):
        check(closed, folder)


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="There is no "):
        find_labelled(tmp_path / "gone")
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="is a file"):
        find_labelled(tmp_path / "file")

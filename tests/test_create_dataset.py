"""The script as the user meets it: one command, plain words, exit code 2 for what is wrong."""

import errno
import functools
import io
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import create_dataset
from utils.common.disk.location import Location
from utils.common.errors import run_script
from utils.common.labels import CLASSES, COLLECTED_CLASSES, SPLITS
from utils.dataset.demo import training_command
from utils.dataset.output.manifest import MANIFEST_NAME, read_manifest
from utils.sources.catalog import FOLDERS, NAMES, SOURCES, sources_for
from utils.sources.files.tree import FileTree
from utils.standins import drawings

ROOT = Path(__file__).parent.parent


class Outcome:
    """What a run left behind."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def line(self) -> str:
        """The one line of the error."""
        assert self.code == 2
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        return lines[0]


@pytest.fixture
def create(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Give a function that runs the script's main in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*argv: object) -> Outcome:
        with pytest.raises(SystemExit) as left:
            run_script(functools.partial(create_dataset.main, [str(word) for word in argv]))
        captured = capfd.readouterr()
        return Outcome(int(left.value.code or 0), captured.out, captured.err)

    return run


def pictures(folder: Path) -> list[Path]:
    return [path for split in SPLITS for path in (folder / split).rglob("*.*")]


def original_of(all_data: Path, original: str) -> bytes:
    """Return the bytes of an original, wherever it lies."""
    return FileTree.scan(all_data, homes=FOLDERS).originals.locate(original).read()


class TestWrongInput:
    def test_no_all_data(self, create, tmp_path: Path) -> None:
        assert create("--no-download").line.startswith("Error: No folder ALL_DATA. Expected ")
        assert list(tmp_path.iterdir()) == []

    def test_as_a_process_of_its_own(self, tmp_path: Path) -> None:
        done = subprocess.run(
            [sys.executable, str(ROOT / "create_dataset.py"), "--all-data", "nowhere"],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("Error: No folder nowhere. ")
        assert done.stderr.count("\n") == 1

    @pytest.mark.parametrize("label", COLLECTED_CLASSES)
    def test_an_empty_class_names_what_would_fill_it(
        self, create, drawn_all_data: Path, label: str
    ) -> None:
        others = [source for source in SOURCES if label not in source.labels]
        filled = {filled for source in others for filled in source.labels}
        empty = next(one for one in COLLECTED_CLASSES if one not in filled)
        only = [source.name for source in others]
        outcome = create("--all-data", drawn_all_data, "--no-download", "--only", *only)
        assert outcome.line.startswith(f"Error: No usable picture for {empty}. ")
        for source in sources_for(empty):
            assert source.title in outcome.line
            assert source.place in outcome.line
        assert "--allow-empty" in outcome.line
        assert pictures(Path("DATASET")) == []
        assert not Path("DATASET", MANIFEST_NAME).exists()

    def test_an_empty_folder(self, create, tmp_path: Path) -> None:
        (tmp_path / "ALL_DATA").mkdir()
        outcome = create("--no-download")
        assert outcome.line.startswith("Error: No usable picture for DERM. ")
        assert outcome.out.count("Not there: ") == len(NAMES)

    def test_what_was_unpacked_of_own_pictures_goes_with_the_flag(
        self, create, tmp_path: Path, encode, make_picture
    ) -> None:
        (tmp_path / "ALL_DATA").mkdir()
        (tmp_path / "own").mkdir()
        with tarfile.open("own/more.tar.gz", "w:gz") as archive:
            member = tarfile.TarInfo("a.png")
            content = encode(make_picture(1), "PNG")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        kept = Path("DATASET/.state/other_extra/unpacked")
        for flags, is_kept in (
            (("--other-extra", "own"), True), (("--dry-run",), True), ((), False),
        ):  # fmt: skip
            assert create("--no-download", *flags).code == 2
            assert kept.exists() == is_kept

    def test_a_table_without_its_columns(self, create, plant) -> None:
        plant(
            {
                "hospital_buenos_aires/metadata.csv": "isic_id,patient_id\nISIC_1,IP_1\n",
                "hospital_buenos_aires/images/ISIC_1.jpg": "",
            }
        )
        line = create("--no-download").line
        assert "metadata.csv has no column image_type (found: isic_id, patient_id)." in line

    @pytest.mark.parametrize(
        ("argv", "words"),
        [
            (["--only", "isic2018"], "--only does not know isic2018. Expected some of isic_2018, "),
            (["--limit", "0"], "--limit is 0. Expected 1 or more."),
            (["--limit", "many"], "argument --limit: invalid int value: 'many'."),
            (["--image-size", "-5"], "--image-size is -5. Expected 0, or 32 to 4096 pixels."),
            (["--workers", "-1"], "--workers is -1. Expected 0 or more."),
            (["--low-quality", "nan"], "--low-quality is nan. Expected 0 to 100."),
            (["--download"], "argument --download: expected at least one argument."),
            (["--download", "hiba"], "--download and --no-download contradict each other. "),
            (["--retry-failed"], "--retry-failed and --no-download contradict each other. "),
            (
                ["--other-extra", "mine"],
                "--other-extra: there is no folder mine. Expected a folder ",
            ),
            (["--other-extra", "ALL_DATA"], "--other-extra: ALL_DATA lies in the folder of the co"),
            (["--lim", "3"], "unrecognized arguments: --lim 3."),
        ],
    )
    def test_a_wrong_flag(self, create, tmp_path: Path, argv: list[str], words: str) -> None:
        (tmp_path / "ALL_DATA").mkdir()
        assert create("--no-download", *argv).line.startswith(f"Error: {words}")
        assert [path.name for path in tmp_path.iterdir()] == ["ALL_DATA"]

    @pytest.mark.parametrize("output", ["file", "file/DATASET"])
    def test_an_output_that_is_no_folder(
        self, create, drawn_all_data: Path, tmp_path: Path, output: str
    ) -> None:
        (tmp_path / "file").write_text("mine")
        outcome = create("--all-data", drawn_all_data, "--no-download", "--output", output)
        assert "file" in outcome.line
        assert (tmp_path / "file").read_text() == "mine"


class TestDownload:
    @pytest.fixture(autouse=True)
    def no_network(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let no test reach the internet."""
        monkeypatch.setattr("socket.socket.connect", None)

    def test_a_dry_run_shows_licences_and_files_and_writes_nothing(
        self, create, tmp_path: Path
    ) -> None:
        outcome = create("--download", "pad_ufes_20", "isic_2019", "--dry-run")
        assert (outcome.code, outcome.err) == (0, "")
        assert outcome.out.count("Licence: ") == outcome.out.count("Cite: ") == 2
        assert "isic_2019/ISIC_2019_Training_Metadata.csv" in outcome.out
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        ("names", "words"),
        [
            (
                ["isic"],
                "Error: --download does not know isic. Expected 'open', 'starter', or some of isic",
            ),
            (["all", "derm7pt"], "Error: --download cannot fetch derm7pt. Derm7pt. Get it: "),
        ],
    )
    def test_what_cannot_be_fetched_is_one_line(
        self, create, tmp_path: Path, names: list[str], words: str
    ) -> None:
        assert create("--download", *names).line.startswith(words)
        assert list(tmp_path.iterdir()) == []

    def test_it_fetches_and_stops(self, create, tmp_path: Path, monkeypatch) -> None:
        fetched = []

        def fetch(file, all_data: Path, manners) -> None:
            (all_data / file.path).parent.mkdir()
            (all_data / file.path).write_text("")
            fetched.append(file.name)

        monkeypatch.setattr("utils.sources.web.delivery.fetch_file", fetch)
        outcome = create("--download", "hiba")
        assert outcome.code == 0
        assert outcome.out.splitlines()[0] == "Hospital Italiano de Buenos Aires"
        assert outcome.out.endswith("Now run: python create_dataset.py\n")
        assert len(fetched) == 1
        assert [path.name for path in tmp_path.iterdir()] == ["ALL_DATA"]
        assert Path("ALL_DATA/hospital_buenos_aires/LICENCE.txt").is_file()

    def test_the_demo_downloads_nothing(self, create) -> None:
        assert "Drop --demo or --download" in create("--demo", "--download", "hiba").line

    def test_own_pictures_are_not_downloaded(self, create) -> None:
        line = create("--other-extra", "mine", "--download", "hiba").line
        assert line == (
            "Error: --download fetches and stops, so --other-extra has no use. Drop one."
        )


class TestAssembly:
    @pytest.fixture
    def assembled(self, create, drawn_all_data: Path):
        def run(*argv: object) -> Outcome:
            base = ["--all-data", drawn_all_data, "--no-download", "--workers", 1]
            if "--image-size" not in argv:
                base += ["--image-size", 64]
            return create(*base, *argv)

        return run

    def test_the_second_run_writes_no_picture_and_says_so(self, assembled, snapshot) -> None:
        first = assembled()
        assert first.code == 0
        before = snapshot(Path("DATASET"))
        num_pictures = len(pictures(Path("DATASET")))
        assert f"{num_pictures:,} pictures written to DATASET." in first.out
        second = assembled()
        assert second.code == 0
        assert "No picture written: DATASET is up to date" in second.out
        assert snapshot(Path("DATASET")) == before

    @pytest.mark.parametrize(
        "harm", ["change", "same length", "remove", "no manifest", "torn manifest", "no journal"]
    )
    def test_what_was_harmed_since_is_made_good(self, assembled, snapshot, harm: str) -> None:
        assembled("--limit", 2)
        before = snapshot(Path("DATASET"))
        victim = sorted(pictures(Path("DATASET")))[3]
        content = victim.read_bytes()
        if harm == "change":
            victim.write_bytes(content + b"x")
        elif harm == "same length":
            victim.write_bytes(bytes(len(content)))
        elif harm == "remove":
            victim.unlink()
        elif harm == "no manifest":
            Path("DATASET", MANIFEST_NAME).unlink()
        elif harm == "torn manifest":
            Path("DATASET", MANIFEST_NAME).write_bytes(before[MANIFEST_NAME][:-100])
        else:
            for journal in Path("DATASET/.state").glob("*.jsonl"):
                journal.unlink()
        assert assembled("--limit", 2).code == 0
        assert snapshot(Path("DATASET")) == before

    @pytest.mark.slow
    def test_a_flag_that_changes_the_data_set_is_heeded_on_the_second_run(
        self, assembled, snapshot
    ) -> None:
        for flags in (
            ("--limit", 2),
            ("--seed", 3, "--limit", 2),
            ("--limit", 2, "--low-quality", 0),
        ):
            assembled(*flags)
            assembled(*flags, "--output", "fresh", "--fresh")
            assert snapshot(Path("DATASET")) == snapshot(Path("fresh"))

    @pytest.mark.slow
    def test_an_original_that_changes_or_comes_is_noticed(
        self, create, drawn_all_data: Path, encode, make_picture, snapshot
    ) -> None:
        shutil.copytree(drawn_all_data, "ALL_DATA")
        flags = ("--no-download", "--workers", 1, "--image-size", 64)
        create(*flags)
        victim = next(Path("ALL_DATA/imgs_part_1").glob("*.png"))
        victim.write_bytes(encode(make_picture(7, 400, 300), "PNG"))
        (victim.parent / "PAT_99999_1_1.png").write_bytes(encode(make_picture(8, 400, 300), "PNG"))
        create(*flags)
        rows = list(read_manifest(Path("DATASET")))
        assert any(row.original.endswith("PAT_99999_1_1.png") for row in rows)
        create(*flags, "--output", "fresh")
        assert snapshot(Path("DATASET")) == snapshot(Path("fresh"))

    @pytest.mark.slow
    def test_own_pictures_are_a_collection_of_other_for_as_long_as_they_are_named(
        self, assembled, drawn_all_data: Path, encode, make_picture, snapshot
    ) -> None:
        assembled()
        before = snapshot(Path("DATASET"))
        own = Path("own/screens")
        own.mkdir(parents=True)
        for number in range(24):
            picture = make_picture(1000 + number, 300, 200)
            (own / f"{number}.png").write_bytes(encode(picture, "PNG"))
        copied = next(row for row in read_manifest(Path("DATASET")) if row.source == "caltech256")
        with zipfile.ZipFile("own/copies.zip", "w") as archive:
            archive.writestr("again.jpg", original_of(drawn_all_data, copied.original))
        outcome = assembled("--other-extra", "own", "--dry-run")
        assert (outcome.code, snapshot(Path("DATASET"))) == (0, before)
        outcome = assembled("--other-extra", "own")
        lines = [line.split() for line in outcome.out.splitlines() if line.startswith("other_ext")]
        assert lines == [["other_extra", "25", "0", "0"], ["other_extra", "25", "24", "1", *"000"]]
        rows = read_manifest(Path("DATASET"))
        added = [row for row in rows if row.source == "other_extra"]
        assert {row.original for row in added if row.label == "OTHER"} == {
            f"other_extra/screens/{number}.png" for number in range(24)
        }
        assert {row.label for row in added} == {"OTHER", "LOW_QUALITY"}
        assert {row.split for row in added} == set(SPLITS)
        splits_of = {row.component: {one.split for one in rows if one.component == row.component}
                     for row in added}  # fmt: skip
        assert all(len(splits) == 1 for splits in splits_of.values())
        assert "No picture written" in assembled("--other-extra", "own").out
        assert "old ones removed" in assembled().out
        assert snapshot(Path("DATASET")) == before

    @pytest.mark.slow
    def test_what_could_not_be_read_for_a_while_is_tried_again(
        self, assembled, snapshot, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assembled("--output", "whole")
        victim = next(
            row.original for row in read_manifest(Path("whole")) if row.source == "pad_ufes_20"
        )
        read = Location.read

        def refuse(location: Location) -> bytes:
            if Path(location.path).as_posix().endswith(victim):
                raise PermissionError(errno.EACCES, "Permission denied")
            return read(location)

        with monkeypatch.context() as patch:
            patch.setattr(Location, "read", refuse)
            for _ in range(2):
                assembled()
                rejected = Path("DATASET/rejected.csv").read_text()
                assert f"{victim},pad_ufes_20,unreadable,Permission denied" in rejected
        assembled()
        assert snapshot(Path("DATASET")) == snapshot(Path("whole"))

    def test_the_table_shows_what_is_on_disk(self, assembled) -> None:
        out = assembled().out
        assert out.isascii()
        rows = list(read_manifest(Path("DATASET")))
        for label in CLASSES:
            counts = [sum(r.label == label and r.split == s for r in rows) for s in SPLITS]
            assert [label, *map(str, counts), str(sum(counts))] in map(str.split, out.splitlines())

    @pytest.mark.slow
    def test_a_fresh_output_with_other_workers_is_the_same(self, assembled, snapshot) -> None:
        assembled("--output", "one")
        assembled("--output", "two", "--workers", 2)
        assert snapshot(Path("one")) == snapshot(Path("two"))

    def test_fresh_makes_everything_anew(self, assembled, snapshot) -> None:
        assembled("--limit", 3)
        before = snapshot(Path("DATASET"))
        outcome = assembled("--limit", 3, "--fresh")
        assert f"{len(pictures(Path('DATASET'))):,} pictures written to DATASET." in outcome.out
        assert snapshot(Path("DATASET")) == before

    @pytest.mark.slow
    def test_a_dry_run_writes_nothing_and_counts_the_same(self, assembled, tmp_path: Path) -> None:
        dry = assembled("--dry-run")
        assert dry.code == 0
        assert dry.out.endswith("Dry run: nothing was written.\n")
        assert list(tmp_path.iterdir()) == []
        wet = assembled()
        tables = [out.partition("\nclass ")[2].partition("\nall ")[0] for out in (dry.out, wet.out)]
        assert tables[0] == tables[1] != ""

    def test_allow_empty_goes_on_without_the_class(self, assembled) -> None:
        outcome = assembled("--allow-empty", "--only", "pad_ufes_20", "imagenet_mini")
        assert outcome.code == 0
        found = {row.label for row in read_manifest(Path("DATASET"))}
        assert found == {"DERM_CLINIC", "OTHER", "LOW_QUALITY"}

    def test_low_quality_may_be_left_out(self, assembled) -> None:
        assembled("--low-quality", 0)
        assert "LOW_QUALITY" not in {row.label for row in read_manifest(Path("DATASET"))}

    def test_nothing_is_fetched_without_being_allowed(self, assembled, monkeypatch) -> None:
        monkeypatch.setattr("utils.sources.collect.fetch", None)
        assert assembled("--dry-run").code == 0

    @pytest.mark.slow
    def test_image_folder_reads_it_unchanged(self, assembled) -> None:
        datasets = pytest.importorskip("torchvision.datasets")
        assembled()
        rows = list(read_manifest(Path("DATASET")))
        for split in SPLITS:
            found = datasets.ImageFolder(f"DATASET/{split}")
            assert found.classes == list(CLASSES)
            assert len(found) == sum(row.split == split for row in rows)
            assert found[0][0].mode == "RGB"


class TestFiles:
    """Every file under ALL_DATA stands in the manifest, in rejected.csv or in left_out.csv."""

    FLAGS = ("--no-download", "--workers", 1, "--image-size", 64)

    @pytest.fixture(autouse=True)
    def copied(self, drawn_all_data: Path, create) -> None:
        shutil.copytree(drawn_all_data, "ALL_DATA")

    def test_each_file_stands_in_one_list(self, create) -> None:
        shutil.copy(next(Path("ALL_DATA/imgs_part_1").glob("*.png")), "ALL_DATA/no ending")
        places = ("hospital_varese/train/a.heic", "stuff/x.npy", ".cache/y", "imgs_part_1/z.xyz")
        for place in places:
            Path("ALL_DATA", place).parent.mkdir(exist_ok=True)
            Path("ALL_DATA", place).write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99))
        outcome = create(*self.FLAGS)
        assert (outcome.code, outcome.err) == (0, "")
        lists = {
            name: Path("DATASET", f"{name}.csv").read_text() for name in ("rejected", "left_out")
        }
        rejected = [row.split(",")[:3] for row in lists["rejected"].splitlines()[1:]]
        assert rejected[-1] == ["stuff/x.npy", "no collection", "not understood"]
        assert [row[:2] for row in rejected] == [
            ["hospital_varese/train/a.heic", "hospital_varese"],
            ["no ending", "no collection"],
            ["stuff/x.npy", "no collection"],
        ]
        assert lists["left_out"].splitlines()[:2] == [
            "original,source,rule",
            '.cache/y,no collection,"hidden files, recycle bins and previews"',
        ]
        assert "imgs_part_1/z.xyz,pad_ufes_20,name of another form" in lists["left_out"]
        num_files = sum(path.is_file() for path in Path("ALL_DATA").rglob("*"))
        assert f"\n{num_files:,} files in ALL_DATA, those in archives among them = " in outcome.out
        again = create(*self.FLAGS)
        assert "No picture written: DATASET is up to date." in again.out
        Path("DATASET/left_out.csv").unlink()
        create(*self.FLAGS)
        assert Path("DATASET/left_out.csv").read_text() == lists["left_out"]

    @pytest.mark.parametrize("output", ["ALL_DATA/imagenet-mini/OUT", "ALL_DATA", "."])
    def test_an_output_among_the_collections_is_one_line_before_anything_is_read(
        self, create, output: str, monkeypatch
    ) -> None:
        monkeypatch.setattr("utils.sources.files.tree.list_folder", None)
        before = sorted(Path().rglob("*"))
        outcome = create(*self.FLAGS, "--output", output)
        assert outcome.line.endswith(
            "Expected a folder of its own for the data set. Choose another --output."
        )
        assert outcome.out == ""
        assert sorted(Path().rglob("*")) == before

    @pytest.mark.slow
    def test_an_output_beside_the_collections_is_not_read(self, create, snapshot) -> None:
        create(*self.FLAGS)
        for _ in range(2):
            again = create(*self.FLAGS, "--output", "ALL_DATA/DATASET")
            assert again.code == 0
            assert snapshot(Path("ALL_DATA/DATASET")) == snapshot(Path("DATASET"))
        assert "No picture written: ALL_DATA/DATASET is up to date." in again.out
        told = "ALL_DATA/DATASET holds an assembled data set; its "
        assert told in again.out
        assert told in create(*self.FLAGS, "--output", "third").out
        assert snapshot(Path("third")) == snapshot(Path("DATASET"))


class TestDemo:
    @pytest.fixture(autouse=True)
    def few_drawings(self, monkeypatch: pytest.MonkeyPatch, drawn_all_data: Path) -> None:
        """Take the drawings that are there already for those that the script asks for."""

        def draw(all_data: Path, seed: int, workers: int, only: tuple[str, ...]) -> None:
            assert (seed, workers, only) == (0, 1, ())
            shutil.copytree(drawn_all_data, all_data, dirs_exist_ok=True)

        monkeypatch.setattr(drawings, "draw_all_data", draw)

    def test_it_draws_says_so_and_builds(self, create, tmp_path: Path) -> None:
        outcome = create("--demo", "--workers", 1, "--image-size", 64)
        assert outcome.code == 0
        assert "drawings, not patients" in outcome.out
        assert sorted(path.name for path in tmp_path.iterdir()) == ["demo"]
        rows = list(read_manifest(Path("demo/DATASET")))
        assert {(row.split, row.label) for row in rows} == {
            (split, label) for split in SPLITS for label in CLASSES
        }
        assert {row.source for row in rows} >= {"pad_ufes_20", "hiba", "derm7pt", "imagenet_mini"}
        again = create("--demo", "--workers", 1, "--image-size", 64)
        assert "No picture written: " in again.out
        for told in (outcome.out, again.out):
            *_, drawn, warning, sheet, following = told.splitlines()
            assert drawn.startswith("Drawn in demo/ALL_DATA: small stand-ins of ")
            assert all(source.title in drawn for source in SOURCES)
            assert warning == "Accuracy on drawings says nothing of real pictures."
            assert Path(sheet.removeprefix("Look at some: ")).is_file()
            assert following == f"Next: {training_command(Path('demo/DATASET'))}"

    @pytest.mark.slow
    def test_flags_say_otherwise(self, create, tmp_path: Path) -> None:
        outcome = create(
            "--demo", "--workers", 1, "--image-size", 64, "--all-data", "a", "--output", "b/c"
        )  # fmt: skip
        assert "\nDrawn in a: " in outcome.out
        assert f"\nNext: {training_command(Path('b/c'))}\n" in outcome.out
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
        assert (tmp_path / "b" / "c" / MANIFEST_NAME).is_file()

    def test_a_dry_run_announces_no_download(self, create, drawn_all_data: Path) -> None:
        shutil.copytree(drawn_all_data, "demo/ALL_DATA")
        Path("demo/ALL_DATA/ISIC_2019_Training_Metadata.csv").unlink()
        flags = ("--only", "isic_2018", "--allow-empty", "--image-size", 32, "--workers", 1)
        outcome = create("--demo", "--dry-run", *flags)
        assert outcome.code == 0
        assert "to be downloaded" not in outcome.out

    def test_a_dry_run_draws_nothing_that_was_not_there(self, create, tmp_path: Path) -> None:
        assert "Next: " not in create("--demo", "--workers", 1, "--dry-run").out
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


class TestReview:
    def test_corrections_saved_from_the_page_are_obeyed(
        self, create, tmp_path: Path, make_picture, encode
    ) -> None:
        folder = tmp_path / "ALL_DATA" / "hospital_varese" / "train"
        folder.mkdir(parents=True)
        for number in range(6):
            (folder / f"{number}.jpg").write_bytes(encode(make_picture(number, 160, 120)))
        seen = create("--no-download", "--review", "PAN")
        page = tmp_path / "DATASET" / "review_PAN.html"
        assert seen.code == 0
        assert f"PAN: {page.relative_to(tmp_path)} shows " in seen.out
        assert not (tmp_path / "DATASET" / MANIFEST_NAME).exists()
        name = "hospital_varese/train/0.jpg"
        row = f"source,original,label\nhospital_varese,{name},leave out\n"
        (tmp_path / "ALL_DATA" / "corrections.csv").write_text(row)
        made = create("--no-download", "--allow-empty", "--workers", 1)
        assert made.code == 0, made.err
        rows = read_manifest(tmp_path / "DATASET")
        originals = {row.original for row in rows}
        assert len(originals) == 5
        assert name not in originals
        assert "hospital_varese: 1 left out (left out by corrections.csv)" in made.out

    def test_a_class_that_is_none_is_one_line(self, create) -> None:
        assert create("--review", "PANORAMA").line == (
            "Error: --review does not know PANORAMA. "
            "Expected some of DERM, DERM_CLINIC, OTHER, PAN."
        )

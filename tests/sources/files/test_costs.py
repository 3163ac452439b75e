"""However much an archive says, few files are open and little is kept at a time."""

import io
import os
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from tests.sources.files.conftest import DEFLATED, STORED, contents, zipped
from utils.sources.files.archives import streams, zip_tables
from utils.sources.files.archives.listing import list_archive
from utils.sources.files.archives.unpacked import Unpacked
from utils.sources.files.tree import FileTree

ROOT = Path(__file__).resolve().parents[3]

FEW_FILES = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
from pathlib import Path
from utils.sources.files.tree import FileTree
tree = FileTree.scan(Path(sys.argv[1]))
print(len(tree.files), tree.notes)
"""


@pytest.mark.parametrize("method", [STORED, DEFLATED])
def test_a_zip_for_each_patient_needs_few_open_files(tmp_path: Path, method: int) -> None:
    pytest.importorskip("resource")
    inner = {f"p{n}.zip": zipped({f"{n}.jpg": b"x"}) for n in range(100)}
    inner["deep.zip"] = zipped({f"q{n}.zip": zipped({f"q{n}.jpg": b"x"}) for n in range(50)})
    (tmp_path / "x.zip").write_bytes(zipped(inner, method))
    done = subprocess.run(
        [sys.executable, "-c", FEW_FILES, str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "150 []\n"


def test_no_file_stays_open(plant, tmp_path: Path) -> None:
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("Linux tells it")
    plant({"x.zip": zipped({"i.zip": zipped({"a.jpg": b""})}), "y.zip.001": zipped({"b.jpg": b""})})
    before = len(os.listdir("/proc/self/fd"))
    tree = FileTree.scan(tmp_path / "ALL_DATA", tmp_path / ".state")
    assert len(os.listdir("/proc/self/fd")) == before
    assert len(contents(tree)) == 2


def test_the_table_is_read_twice_and_members_once(plant, monkeypatch) -> None:
    """Each file without an ending is asked for its beginning, by one look at one place."""
    calls = {"entries": 0, "windows": 0}
    unpack, window = zip_tables.ENTRY.unpack, streams.Window.__init__

    class Entry:
        size = zip_tables.ENTRY.size

        @staticmethod
        def unpack(header: bytes) -> tuple[int, ...]:
            calls["entries"] += 1
            return unpack(header)

    def counted(self: streams.Window, *place: object) -> None:
        calls["windows"] += 1
        window(self, *place)  # type: ignore[arg-type]

    monkeypatch.setattr(zip_tables, "ENTRY", Entry)
    monkeypatch.setattr(streams.Window, "__init__", counted)
    plant({"x.zip": zipped({f"IM{n}": b"x" * 30 for n in range(500)})})
    assert calls["entries"] == 1_000  # there is no stroke, which is looked for first
    assert calls["windows"] <= 502


def test_deep_names_are_not_kept(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for n in range(20):
            archive.writestr(f"{n}/" + "a/" * 30_000 + "b.jpg", b"")
    (tmp_path / "x.zip").write_bytes(stream.getvalue())
    tracemalloc.start()
    found = list_archive(tmp_path / "x.zip", "x.zip", Unpacked())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found is not None
    assert len(found.left_out) == 20
    assert peak < 2 * 2**20


def test_a_compressed_archive_is_never_whole_in_memory(tmp_path: Path) -> None:
    large = {f"{n}.bmp": os.urandom(2**20) * 20 for n in range(2)}
    (tmp_path / "x.zip").write_bytes(zipped({"i.zip": zipped(large, STORED)}))
    tracemalloc.start()
    found = list_archive(tmp_path / "x.zip", "x.zip", Unpacked(tmp_path / ".state"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found is not None
    assert len(found.files) == 2
    assert peak < 8 * 2**20

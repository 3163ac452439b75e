"""Fixtures that several rooms share: pictures, trees, a local server, drawn collections."""

import contextlib
import functools
import io
import multiprocessing
import os
import shutil
import socket
import threading
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

from tests.preloaded import Preloaded
from utils.common.disk.location import Originals
from utils.common.labels import CLASSES, COLLECTED_CLASSES
from utils.common.system.processors import available_processors
from utils.dataset.assemble import assemble
from utils.dataset.output.workspace import Workspace
from utils.dataset.recipe import Recipe
from utils.sources import collect
from utils.sources.catalog import FOLDERS, SOURCES
from utils.sources.files.tree import FileTree
from utils.sources.record import Record
from utils.sources.web.manners import Manners

NUM_DRAWN = 12
"""Small, yet every class fills every split."""


def pytest_configure(config: pytest.Config) -> None:
    """Let each of pytest-xdist's processes compute on one thread, as there is one for each core.

    More of them would only wait for each other. What loads OpenMP or OpenBLAS reads the variable,
    so it is set before these processes are started.
    """
    if getattr(config.option, "numprocesses", None):
        os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Start one process more than there are cores: a third of the time tests wait for others."""
    return available_processors() + 1


def textured(seed: int, width: int = 96, height: int = 64) -> Image.Image:
    """Return a picture with large and small structures, another one for each seed."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    pixels = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)).astype(int)
    pixels = pixels + rng.integers(-20, 21, pixels.shape)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def encoded(image: Image.Image, file_format: str = "JPEG", **settings: Any) -> bytes:
    """Return a picture as the bytes of a file."""
    stream = io.BytesIO()
    image.save(stream, file_format, **settings)
    return stream.getvalue()


@pytest.fixture(scope="session", autouse=True)
def one_opencv_thread() -> None:
    """Keep OpenCV from starting threads in the process of the tests, from which others fork."""
    cv2.setNumThreads(1)


@pytest.fixture(autouse=True)
def nothing_started_outlives_a_test(request: pytest.FixtureRequest) -> Iterator[None]:
    """Kill what a test has started with `preloaded` and not seen to its end."""
    yield
    if "preloaded" in request.fixturenames:
        request.getfixturevalue("preloaded").end_all()


@pytest.fixture(scope="session")
def preloaded() -> Iterator[Preloaded]:
    """Run programs as forks of a process that has loaded torch."""
    programs = Preloaded()
    yield programs
    programs.close()


@pytest.fixture(scope="session")
def make_picture() -> Callable[..., Image.Image]:
    """Give `textured(seed, width, height)`."""
    return textured


@pytest.fixture(scope="session")
def encode() -> Callable[..., bytes]:
    """Give `encoded(image, file_format, **settings)`."""
    return encoded


def growth_of_worker(batches: Iterable[object]) -> int:
    """Return by how many KiB of its own the only worker behind batches grew after a quarter."""
    others = {child.pid for child in multiprocessing.active_children()}
    private = []
    for _ in batches:
        children = multiprocessing.active_children()
        (pid,) = (child.pid for child in children if child.pid not in others)
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
        private.append({line.split()[0]: int(line.split()[1]) for line in rollup}["Private_Dirty:"])
    return private[-2] - private[len(private) // 4]  # at the last batch it may have ended


@pytest.fixture(scope="session")
def worker_growth_kib() -> Callable[[Iterable[object]], int]:
    """Give `growth_of_worker(batches)`, or skip where the system does not tell it."""
    if not Path("/proc/self/smaps_rollup").exists():
        pytest.skip("Linux tells it")
    return growth_of_worker


def zip_of(files: Mapping[str, bytes]) -> bytes:
    """Return a zip of these files."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


@pytest.fixture(scope="session")
def zipped() -> Callable[[Mapping[str, bytes]], bytes]:
    """Give `zip_of(files)`."""
    return zip_of


@pytest.fixture
def plant(tmp_path: Path) -> Callable[[Mapping[str, str | bytes]], FileTree]:
    """Give a function that writes files below `tmp_path`/ALL_DATA and returns their tree."""

    def write(files: Mapping[str, str | bytes]) -> FileTree:
        root = tmp_path / "ALL_DATA"
        root.mkdir(exist_ok=True)
        for path, content in files.items():
            target = root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content.encode() if isinstance(content, str) else content)
        return FileTree.scan(root, homes=FOLDERS)

    return write


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Give a function that lets one of pytest-xdist's processes make a folder for all of them."""
    own = tmp_path_factory.getbasetemp()
    base = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own

    def find_or_make(name: str, make: Callable[[Path], object]) -> Path:
        place, unfinished = base / name, base / f"{name}.unfinished"
        with FileLock(base / f"{name}.lock"):
            if not place.exists():
                shutil.rmtree(unfinished, ignore_errors=True)
                unfinished.mkdir()
                make(unfinished)
                unfinished.rename(place)
        return place

    return find_or_make


@pytest.fixture(scope="session")
def drawn_all_data(made_once: Callable[..., Path]) -> Path:
    """Return a folder with small drawings of all collections; only to be read."""
    from utils.standins.drawings import draw_all_data

    def draw(folder: Path) -> None:
        draw_all_data(folder / "ALL_DATA", pictures=NUM_DRAWN, seed=0, workers=1)

    return made_once("drawn", draw) / "ALL_DATA"


@pytest.fixture(scope="session")
def drawn_records(drawn_all_data: Path) -> list[Record]:
    """Return the records of the drawn collections."""
    return collect.read_all(SOURCES, FileTree.scan(drawn_all_data)).records


@pytest.fixture(scope="session")
def drawn_dataset(
    made_once: Callable[..., Path], drawn_all_data: Path, drawn_records: list[Record]
) -> Path:
    """Return a data set assembled from the drawn collections; only to be read."""

    def make(folder: Path) -> None:
        with Workspace(folder / "DATASET") as workspace:
            assemble(drawn_records, Originals(drawn_all_data), workspace, Recipe(workers=1))

    return made_once("assembled", make) / "DATASET"


@pytest.fixture
def real_data() -> Path:
    """Return the folder with real pictures and, beside it, real tables; skip without it."""
    if not os.environ.get("SKIN_REAL_DATA"):
        pytest.skip("SKIN_REAL_DATA names no folder of real pictures")
    return Path(os.environ["SKIN_REAL_DATA"])


@pytest.fixture
def real_tables(real_data: Path) -> Path:
    """Return the folder with the collections' real tables; skip without it."""
    folder = real_data.parent / "metadata"
    if not folder.is_dir():
        pytest.skip("no real tables beside SKIN_REAL_DATA")
    return folder


@dataclass
class Reply:
    """What the local server answers.

    Attributes:
        body: All of it.
        status: Its status.
        content_type: What it claims to be.
        announced: Promised length, where it is a lie; negative: none is promised.
        headers: More headers.
        etag: Validator; with it ranges are honoured, as long as `If-Range` names it.
        cut: The connection ends after so many bytes of this answer's body.
        drip_s: Seconds between single bytes of the body.
        slow_headers: Whether header lines drip, too, without end.
    """

    body: bytes = b""
    status: int = 200
    content_type: str = "image/jpeg"
    announced: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    etag: str = ""
    cut: int | None = None
    drip_s: float = 0.0
    slow_headers: bool = False


@dataclass
class LocalServer:
    """A web server on 127.0.0.1 that answers from a table and counts what it was asked for.

    Of several replies to one path each serves one request, the last one all that follow.

    Attributes:
        url: Its address.
        replies: Its answers by path.
        asked: Number of requests by path.
        ranges: The headers `Range` and `If-Range` of every request, in order.
        sent: Bytes of bodies handed to the network, by path.
        stopping: Set when the test is over.
    """

    url: str = ""
    replies: dict[str, list[Reply]] = field(default_factory=lambda: defaultdict(list))
    asked: Counter[str] = field(default_factory=Counter)
    ranges: list[tuple[str | None, str | None]] = field(default_factory=list)
    sent: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)
    stopping: threading.Event = field(default_factory=threading.Event)

    def serve(self, path: str, *replies: bytes | Reply) -> str:
        """Answer a path so; return its URL."""
        self.replies[path] = [
            Reply(reply) if isinstance(reply, bytes) else reply for reply in replies
        ]
        return self.url + path

    def next_reply(self, path: str) -> Reply:
        """Count a request and return its answer."""
        with self.lock:
            self.asked[path] += 1
            known = self.replies.get(path)
            if not known:
                return Reply(b"nothing here", 404, "text/plain")
            return known.pop(0) if len(known) > 1 else known[0]


class Handler(BaseHTTPRequestHandler):
    """Answers one connection of a `LocalServer`."""

    local: LocalServer

    def do_GET(self) -> None:
        """Answer, as honestly as the table has it."""
        reply = self.local.next_reply(self.path)
        span, condition = self.headers.get("Range"), self.headers.get("If-Range")
        with self.local.lock:
            self.local.ranges.append((span, condition))
        body, status, headers = reply.body, reply.status, dict(reply.headers)
        if reply.etag and span and condition == reply.etag:
            start, end = int(span.removeprefix("bytes=").removesuffix("-")), len(body)
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{end}"
            body, status = body[start:], 206
        with contextlib.suppress(ConnectionError, TimeoutError):
            self.send_response(status)
            self.send_header("Content-Type", reply.content_type)
            if (reply.announced or 0) >= 0:
                length = len(body) if reply.announced is None else reply.announced
                self.send_header("Content-Length", str(length))
            self.send_header("Connection", "close")
            if reply.etag:
                self.send_header("ETag", reply.etag)
            for name, value in headers.items():
                self.send_header(name, value)
            self.flush_headers()
            while reply.slow_headers and not self.local.stopping.wait(0.05):
                self.wfile.write(b"X-Slow: 1\r\n")
            self.end_headers()
            self._send(body[: reply.cut], reply.drip_s)

    def _send(self, body: bytes, drip_s: float) -> None:
        step = 1 if drip_s else 2**16
        for start in range(0, len(body), step):
            sent = self.wfile.write(body[start : start + step])
            with self.local.lock:
                self.local.sent[self.path] += sent
            if drip_s and self.local.stopping.wait(drip_s):
                return

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalServer]:
    """Run a local web server while the test lasts; no proxy stands before it."""
    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(variable, "127.0.0.1,localhost")
    local = LocalServer()
    handler = type("LocalHandler", (Handler,), {"local": local})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        local.url = f"http://127.0.0.1:{running.server_port}"
        thread = threading.Thread(target=functools.partial(running.serve_forever, 0.01))
        thread.start()
        yield local
        local.stopping.set()
        running.shutdown()
        thread.join()


@pytest.fixture
def reply() -> type[Reply]:
    """Give the class `Reply`."""
    return Reply


@pytest.fixture
def dead_url() -> Iterator[str]:
    """Return the URL of a port at which nobody answers, and which nobody else can take."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture
def quick() -> Manners:
    """Return manners without pauses, which put up with a computer that stands still for a while."""
    return Manners(
        connect_s=90, read_s=90, file_s=90, backoff_s=0, max_retry_after_s=2, pause_s=0,
        note_s=0.05, private_hosts=True,
    )  # fmt: skip


@pytest.fixture(scope="session")
def small_all_data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Record]]:
    """Return a folder with nine small pictures of each class, and their records; to be read."""
    root = tmp_path_factory.mktemp("small") / "ALL_DATA"
    records = []
    for class_number, label in enumerate(COLLECTED_CLASSES):
        for number in range(9):
            original = f"{label.lower()}/{number}.{'png' if number % 3 == 0 else 'jpg'}"
            target = root / original
            target.parent.mkdir(parents=True, exist_ok=True)
            picture = textured(100 * class_number + number, *((96, 64), (64, 80))[number % 2])
            target.write_bytes(encoded(picture, "PNG" if number % 3 == 0 else "JPEG"))
            group = f"made/{label}/{number // 2}"
            records.append(Record("made", original, f"made/{original}", label, group))
    return root, records


@pytest.fixture
def build() -> Callable[..., Any]:
    """Give a function that assembles a data set of small pictures."""

    def run(output: Path, all_data: Path, records: list[Record], **recipe: Any) -> Any:
        dry = recipe.pop("dry", False)
        with Workspace(output, read_only=dry) as workspace:
            settings = {"workers": 1, "image_size": 64, "min_size": 32, **recipe}
            return assemble(records, Originals(all_data), workspace, Recipe(**settings))

    return run


@pytest.fixture(scope="session")
def snapshot() -> Callable[[Path], dict[str, bytes]]:
    """Give a function that reads a data set: bytes by path, without its working state."""

    def read(folder: Path) -> dict[str, bytes]:
        return {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file() and ".state" not in path.parts
        }

    return read


@pytest.fixture(scope="session")
def make_bundle() -> Callable[..., Path]:
    """Give a function that stores an untrained network of timm's own tests as a run does."""

    def store(
        folder: Path, *, calibrated: bool = True, assessing: bool = False, seed: int = 0
    ) -> Path:
        from models.bundle import Card, store_bundle
        from models.calibration import Calibration
        from models.inference import surface_size
        from models.novelty import Neighbours, Novelty, Scale, unit
        from models.pretrained import build
        from models.scaling import Scaling
        from models.zoo import resolve

        folder.mkdir(parents=True)
        model = resolve("test_resnet")
        network, preprocessing = build(model, len(CLASSES), pretrained=False, seed=seed)
        rng = np.random.default_rng(0)
        shapes = ((surface_size(network), 4), (5, 4))
        arrays = (rng.normal(size=shape).astype(np.float32) for shape in shapes)
        matrices = [next(arrays), next(arrays)]
        rows = unit(rng.normal(size=(20, network.num_features))).astype(np.float16)
        neighbours = Neighbours(rows.astype(np.float32), Scale(9.0, 4.0), Scale(0.5, 0.25))
        novelty = Novelty(1e6, "", *matrices, neighbours)
        calibration = Calibration(
            Scaling(0.5, (0.1, -0.2, 0.0, 0.3, -0.1), (0.5, 0.1, 0.1, 0.2, 0.1)),
            0.95,
            (0.75,) * 4 + (None,),
            {"PAN": "3 val pictures"},
            novelty,
        )
        card = Card(model, preprocessing, calibration=calibration if calibrated else None)
        if assessing:
            card = replace(card, assessment=let_assess(network))
        store_bundle(folder, network.state_dict(), card)
        return folder

    return store


def let_assess(network: Any) -> Any:
    """Let a network assess pictures, by drawn weights, and return a calibration of that."""
    import torch

    from models import classifier
    from models.assessment import Assessment, FaultScale
    from utils.common.faults import FAULTS

    classifier.let_assess(network)
    (wide,) = classifier.classifiers_of(network)
    rng = np.random.default_rng(1)
    with torch.no_grad():
        for values in wide.assessment.parameters():
            drawn = rng.normal(0, 0.5, size=tuple(values.shape)).astype(np.float32)
            values.copy_(torch.from_numpy(drawn))
        wide.assessment.bias[0] += 5  # of the subject that is also the network's usual class
    scales = tuple(FaultScale(1 + n / 10, n / 20 - 1, 0.4 + n / 100) for n in range(len(FAULTS)))
    return Assessment(0.8, 0.3, 0.9, scales, {"veiled": "3 groups of val pictures have it"})


@pytest.fixture(scope="session")
def bundle(make_bundle: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a stored, calibrated, tiny model; only to be read."""
    return make_bundle(tmp_path_factory.mktemp("bundle") / "test_resnet-1")


@pytest.fixture(scope="session")
def assessing_bundle(
    make_bundle: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return the same of a model that also assesses pictures."""
    return make_bundle(tmp_path_factory.mktemp("assessing") / "test_resnet-1", assessing=True)

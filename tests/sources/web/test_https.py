"""A secure connection is made for the name that was asked for, and what is secure stays so."""

import functools
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from utils.common.errors import DownloadError
from utils.sources.web.download import fetch_file
from utils.sources.web.manners import Manners
from utils.sources.web.remote import RemoteFile

NAME = "files.example.org"
CONTENT = b"content" * 1000


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a certificate for the name, and its key."""
    if not shutil.which("openssl"):
        pytest.skip("no openssl to make a certificate with")
    folder = tmp_path_factory.mktemp("certificate")
    command = (
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
        *("-keyout", str(folder / "key"), "-out", str(folder / "cert")),
        *("-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}"),
    )
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.fixture
def secure_port(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Run a secure server that every name leads to; /away leads to plain http."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate / "cert"))
    monkeypatch.setenv("NO_PROXY", "*")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302 if self.path == "/away" else 200)
            if self.path == "/away":
                self.send_header("Location", f"http://{NAME}/x")
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert", certificate / "key")
    look_up = socket.getaddrinfo

    def at_home(host: str, port: int, *rest: int, **settings: int) -> list:
        return look_up("127.0.0.1", port, *rest, **settings)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.socket = context.wrap_socket(running.socket, server_side=True)
        running.handle_error = lambda *_: None  # a client that hangs up
        thread = threading.Thread(target=functools.partial(running.serve_forever, 0.01))
        thread.start()
        monkeypatch.setattr(socket, "getaddrinfo", at_home)
        yield running.server_port
        running.shutdown()
        thread.join()


def test_a_file_comes_from_a_host_whose_certificate_is_for_its_name(
    secure_port: int, tmp_path: Path, quick: Manners
) -> None:
    file = RemoteFile("a.bin", (f"https://{NAME}:{secure_port}/a",), size=len(CONTENT))
    fetch_file(file, tmp_path, quick)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("host", "path", "reason"),
    [
        ("other.example.org", "a", "no trusted certificate"),
        ("127.0.0.1", "a", "no trusted certificate"),
        (NAME, "away", "leads from https to http"),
    ],
)
def test_it_does_not_come_from_elsewhere(
    secure_port: int, tmp_path: Path, quick: Manners, host: str, path: str, reason: str
) -> None:
    file = RemoteFile("a.bin", (f"https://{host}:{secure_port}/{path}",))
    with pytest.raises(DownloadError) as caught:
        fetch_file(file, tmp_path, quick)
    assert str(caught.value) == (f"a.bin could not be downloaded ({host}:{secure_port}: {reason}).")
    assert not (tmp_path / "a.bin").exists()

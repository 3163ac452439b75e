"""Where an answer leads is looked at before anybody is asked; secrets stay where they are."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from utils.sources.web.failures import INWARD, NO_ADDRESS, FetchError
from utils.sources.web.guard.redirects import check_address, target_of
from utils.sources.web.hosts import FAILED, OK, Job, Outcome, fetch_all
from utils.sources.web.manners import POLITE, Manners

PASSWORD = "a password in its address"
BODY = b"x" * 600


def leading_to(location: str, status: int = 302) -> requests.Response:
    reply = requests.Response()
    reply.status_code = status
    reply.headers["Location"] = location
    return reply


@pytest.mark.parametrize(
    ("url", "location", "target"),
    [
        ("https://a.org/x/y", "https://b.org/z", "https://b.org/z"),
        ("https://a.org/x/y", "z", "https://a.org/x/z"),
        ("https://a.org/x/y", "/z?b=c", "https://a.org/z?b=c"),
        ("https://a.org/x/y", "//b.org/z", "https://b.org/z"),
        ("http://a.org/", "https://a.org/", "https://a.org/"),
        ("http://a.org/", "http://b.org/", "http://b.org/"),
        ("http://a.org/", "http://b.org/\u00c3\u00a4", "http://b.org/\u00e4"),
    ],
)
def test_a_redirect_that_weakens_nothing_is_followed(url: str, location: str, target: str) -> None:
    assert target_of(leading_to(location), url, POLITE) == target


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("http://a.org/x", "leads from https to http"),
        ("HTTP://a.org/x", "leads from https to http"),
        *((f"{scheme}://a.org/x", NO_ADDRESS) for scheme in ("ftp", "file", "gopher", "ws")),
        ("file:///etc/passwd", NO_ADDRESS),
        ("data:image/png;base64,AAAA", NO_ADDRESS),
        ("https://[::1", NO_ADDRESS),
        ("https://a.org:99999/", NO_ADDRESS),
        ("https://a.org/\0", NO_ADDRESS),
        ("https://a.org/\x7f", NO_ADDRESS),
        ("https://a.org/\u0142", NO_ADDRESS),
        ("https://a.org/\xff", NO_ADDRESS),
        ("https://me:secret@a.org/", PASSWORD),
        ("https://me@a.org/", PASSWORD),
        *(
            (f"https://{host}/", INWARD)
            for host in ("127.0.0.1", "10.1.1.1:8080", "169.254.169.254", "[::1]", "[fe80::1]")
        ),
        *((f"https://{host}/", INWARD) for host in ("localhost", "2130706433", "0x7f.1", "nas")),
        ("https://[::ffff:192.168.0.1]/", INWARD),
    ],
)
@pytest.mark.parametrize("private_hosts", [False, True])
def test_one_that_weakens_what_was_asked_for_is_refused(
    location: str, reason: str, private_hosts: bool
) -> None:
    manners = POLITE.towards(private_hosts)
    with pytest.raises(FetchError) as caught:
        target_of(leading_to(location), "https://a.org/x", manners)
    assert (str(caught.value), caught.value.final) == (reason, True)


@pytest.mark.parametrize("status", [200, 206, 300, 304, 404])
def test_another_answer_leads_nowhere_whatever_its_headers_say(status: int) -> None:
    assert target_of(leading_to("http://b.org/", status), "https://a.org/", POLITE) == ""


def test_an_address_that_holds_a_password_is_not_asked_at_all() -> None:
    with pytest.raises(FetchError, match=PASSWORD):
        check_address("https://me:secret@example.org/a.jpg", POLITE)


@pytest.fixture
def fetch(tmp_path: Path, quick: Manners) -> Callable[..., Outcome]:
    """Give a function that fetches one address."""

    def one(url: str, **manners: float) -> Outcome:
        job = Job(url, tmp_path / "a.jpg")
        return fetch_all([job], replace(quick, **manners))[job]

    return one


def answer(status: str, *headers: str, body: bytes = b"") -> list[bytes]:
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", ""]
    return ["\r\n".join(lines).encode() + body]


class TestSecrets:
    @pytest.fixture(autouse=True)
    def netrc(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Lay a `.netrc` that knows this machine."""
        path = tmp_path / "netrc"
        path.write_text("machine 127.0.0.1 login me password secret\n")
        monkeypatch.setenv("NETRC", str(path))

    def test_no_password_of_netrc_is_sent_even_where_it_is_asked_for(
        self, raw_server, fetch
    ) -> None:
        demand = ("401 No", 'WWW-Authenticate: Basic realm="x"')
        raw_server.speak = lambda request: (
            answer("302 Go", "Location: /b") if "/a.jpg" in request else answer(*demand)
        )
        assert fetch(raw_server.url()) == Outcome(FAILED, "HTTP 401", 1)
        assert len(raw_server.heard) == 2
        assert not any("authorization" in request.lower() for request in raw_server.heard)

    def test_cookies_live_no_longer_than_a_request_and_stay_with_their_host(
        self, raw_server, fetch
    ) -> None:
        other = raw_server.url("/c").replace("127.0.0.1", "localhost")
        steps = {"/a.jpg": "/b", "/b": other, "/c": ""}

        def speak(request: str) -> list[bytes]:
            path = request.split()[1]
            if not steps[path]:
                return answer("404 No")
            return answer("302 Go", f"Location: {steps[path]}", "Set-Cookie: id=1; Path=/")

        raw_server.speak = speak
        for _ in range(2):
            assert fetch(raw_server.url()) == Outcome(FAILED, "HTTP 404", 1)
        cookies = ["cookie: id=1" in request.lower() for request in raw_server.heard]
        assert cookies == [False, True, False] * 2

    def test_what_a_server_calls_its_file_is_not_heeded(
        self, raw_server, tmp_path: Path, quick: Manners
    ) -> None:
        raw_server.speak = lambda request: answer(
            "200 OK", 'Content-Disposition: attachment; filename="../../evil.jpg"', body=BODY
        )
        digest = hashlib.md5(BODY, usedforsecurity=False).hexdigest()
        job = Job(raw_server.url(), tmp_path / "deep" / "a.jpg", digest)
        assert fetch_all([job], quick)[job].status == OK
        assert [path.name for path in tmp_path.rglob("*.jpg")] == ["a.jpg"]


NO_HTTP = "an answer that is no HTTP"


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ([f"X-Long: {'x' * 2**17}"], NO_HTTP),
        ([f"X-{number}: 1" for number in range(300)], NO_HTTP),
        (["Content-Length: 5", "Content-Length: 7"], "no request possible (InvalidHeader)"),
        ([f"Content-Length: {'9' * 5000}"], "too small"),
        (["Transfer-Encoding: gzip, chunked"], "sent compressed, unasked"),
        (["Content-Encoding: identity, gzip"], "sent compressed, unasked"),
        (["Content-Encoding: br"], "sent compressed, unasked"),
        (["Content-Encoding: Identity"], "too small"),
        ([f"Content-Range: bytes 0-{'9' * 5000}/*"], "too small"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_headers_that_make_no_sense_are_an_outcome(
    raw_server, fetch, headers: list[str], reason: str
) -> None:
    raw_server.speak = lambda request: answer("200 OK", *headers, body=b"short")
    outcome = fetch(raw_server.url(), max_retries=0)
    assert (outcome.status != OK, outcome.detail) == (True, reason)


@pytest.mark.parametrize(
    ("start", "reason"),
    [
        (b"", "host does not answer"),
        (b"\0" * 99, NO_HTTP),
        (b"SSH-2.0-x\r\n", NO_HTTP),
        (b"HTTP/9.9 200 OK\r\n\r\n", NO_HTTP),
        (b"<html>", NO_HTTP),
        (b"HTTP/1.1 999 No\r\n\r\n", "HTTP 999"),
    ],
)
def test_what_speaks_no_http_is_an_outcome(raw_server, fetch, start: bytes, reason: str) -> None:
    raw_server.speak = lambda request: [start]
    assert fetch(raw_server.url(), max_retries=0).detail == reason

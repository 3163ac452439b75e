"""Only hosts of the internet at large are asked, whatever name or spelling leads elsewhere."""

import socket
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from utils.sources.web.failures import INWARD, NO_ADDRESS, NOT_PUBLIC, FetchError
from utils.sources.web.guard.addresses import MAX_PER_FAMILY, is_public, look_up, names_inner
from utils.sources.web.hosts import FAILED, MISSED, Job, Outcome, fetch_all
from utils.sources.web.manners import Manners

INNER = (
    *("127.0.0.1", "127.255.255.254", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1"),
    *("169.254.169.254", "100.64.0.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255"),
    *("192.0.2.1", "198.18.0.1", "203.0.113.1"),
    *("::", "::1", "fe80::1", "fe80::1%1", "fc00::1", "fd12::1", "fec0::1", "ff02::1", "100::1"),
    *("2001:db8::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:a9fe:a9fe", "::127.0.0.1"),
    *("2002:7f00:1::", "2002:a00:1::1", "64:ff9b::7f00:1", "64:ff9b::10.0.0.1", "64:ff9b:1::1"),
)
OUTER = ("8.8.8.8", "151.101.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8")


@pytest.mark.parametrize("address", INNER)
def test_what_is_not_of_the_internet_is_known(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", OUTER)
def test_what_is_of_the_internet_is_known(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "LOCALHOST.", "a.localhost", "router", "nas.local", "db.internal", ""),
        *("127.1", "2130706433", "0x7f000001", "0177.0.0.1", "[::1]", "[::ffff:127.0.0.1]"),
        *("\uff11\uff12\uff17.0.0.1", "127\u30020\u30020\u30021", "\u24db\u24de\u24d2alhost"),
    ],
)
def test_some_names_tell_it_themselves(host: str) -> None:
    assert names_inner(host)


@pytest.mark.parametrize(
    "host", ["example.org", "8.8.8.8", "xn--mnchen-3ya.de", "m\u00fcnchen.de", "a.localhost.org"]
)
def test_others_do_not(host: str) -> None:
    assert not names_inner(host)


def test_of_many_addresses_a_few_of_each_family_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        (family, socket.SOCK_STREAM, 0, "", (address.format(number), 80))
        for number in range(1, 9)
        for family, address in ((socket.AF_INET6, "2606:4700::{}"), (socket.AF_INET, "8.8.8.{}"))
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    assert look_up("example.org", 80) == ["2606:4700::1", "8.8.8.1", "2606:4700::2", "8.8.8.2"]
    assert MAX_PER_FAMILY == 2


@pytest.mark.parametrize("host", ["a" * 64 + ".org", "a..org"])
def test_what_cannot_be_a_name_is_none(host: str) -> None:
    with pytest.raises(FetchError, match=NO_ADDRESS):
        look_up(host, 80)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, list[str]], Counter[str]]:
    """Return the addresses that names have, to be filled, and how often each was looked up."""
    known: dict[str, list[str]] = {}
    asked: Counter[str] = Counter()

    def lookup(host: str, port: int, *_: object, **__: object) -> list:
        asked[host] += 1
        return [
            (
                socket.AF_INET6 if ":" in address else socket.AF_INET,
                *(socket.SOCK_STREAM, 0, "", (address, port)),
            )
            for address in known.get(host, [host])
        ]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    monkeypatch.setenv("NO_PROXY", "*")
    return known, asked


@pytest.fixture
def fetch(tmp_path: Path, quick: Manners) -> Callable[..., Outcome]:
    """Give a function that fetches one address, from public hosts alone unless told otherwise."""

    def one(url: str, private_hosts: bool = False) -> Outcome:
        job = Job(url, tmp_path / "a.jpg")
        return fetch_all([job], replace(quick, private_hosts=private_hosts))[job]

    return one


class TestAsking:
    @pytest.mark.parametrize("path", ["", "/a.jpg", "/a.jpg?b=http://example.org"])
    def test_this_machine_is_not_asked_unless_that_is_wanted(self, server, fetch, path) -> None:
        assert fetch(server.url + path) == Outcome(MISSED, NOT_PUBLIC, 1)
        assert not server.asked
        assert fetch(server.url + path, True) == Outcome(FAILED, "HTTP 404", 1)

    def test_nor_by_a_name_that_leads_to_it(self, server, fetch, names) -> None:
        names[0]["files.example.org"] = ["127.0.0.1"]
        url = server.url.replace("127.0.0.1", "files.example.org")
        assert fetch(f"{url}/a.jpg") == Outcome(MISSED, NOT_PUBLIC, 1)
        assert not server.asked

    def test_nor_by_one_that_leads_there_among_others(self, server, fetch, names) -> None:
        names[0]["files.example.org"] = ["8.8.8.8", "127.0.0.1"]
        url = server.url.replace("127.0.0.1", "files.example.org")
        assert fetch(f"{url}/a.jpg").detail == NOT_PUBLIC

    def test_the_address_that_was_looked_at_is_the_one_that_is_asked(
        self, server, fetch, names
    ) -> None:
        names[0]["files.example.org"] = ["127.0.0.1"]
        url = server.url.replace("127.0.0.1", "files.example.org")
        assert fetch(f"{url}/a.jpg", True) == Outcome(FAILED, "HTTP 404", 1)
        assert (server.asked["/a.jpg"], names[1]["files.example.org"]) == (1, 1)

    def test_its_other_pictures_are_asked_for_in_another_run(
        self, server, quick: Manners, tmp_path: Path
    ) -> None:
        jobs = [Job(f"{server.url}/{number}", tmp_path / f"{number}") for number in range(9)]
        outcomes = fetch_all(jobs, replace(quick, private_hosts=False)).values()
        assert {(outcome.status, outcome.detail) for outcome in outcomes} == {(MISSED, NOT_PUBLIC)}

    @pytest.mark.parametrize("private_hosts", [False, True])
    def test_no_public_host_leads_to_it(
        self, server, reply, fetch, monkeypatch: pytest.MonkeyPatch, names, private_hosts: bool
    ) -> None:
        names[0].update({"outer.example.org": ["127.0.0.1"], "inner.example.org": ["127.0.0.2"]})
        for module in ("addresses", "connections"):
            monkeypatch.setattr(
                f"utils.sources.web.guard.{module}.is_public",
                lambda address: address != "127.0.0.2",
            )
        outer = server.url.replace("127.0.0.1", "outer.example.org")
        for target in ("127.0.0.2", "inner.example.org"):
            location = server.url.replace("127.0.0.1", target)
            server.serve("/a.jpg", reply(b"", 302, headers={"Location": f"{location}/secret"}))
            assert fetch(f"{outer}/a.jpg", private_hosts) == Outcome(FAILED, INWARD, 1)
        assert set(server.asked) == {"/a.jpg"}

    def test_through_a_proxy_names_are_the_proxy_s_affair_but_for_those_that_tell(
        self, raw_server, fetch, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for variable in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(variable)
        monkeypatch.setenv("http_proxy", f"http://me:secret@{raw_server.host}")
        raw_server.speak = lambda request: [b"HTTP/1.1 404 Gone\r\nContent-Length: 0\r\n\r\n"]
        assert fetch("http://example.org/a.jpg") == Outcome(FAILED, "HTTP 404", 1)
        assert fetch("http://10.0.0.1/a.jpg") == Outcome(MISSED, NOT_PUBLIC, 1)
        (heard,) = raw_server.heard
        assert heard.startswith("GET http://example.org/a.jpg HTTP/1.1\r\n")
        assert "Proxy-Authorization: Basic " in heard

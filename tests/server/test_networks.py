"""What people name is reached on the internet, and nowhere else, whatever names are made to say."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phospho_server.checked_connections import CheckedBackend, PrivateAddressError
from phospho_server.networks import is_public, resolve
from phospho_server.webhooks.outcomes import is_private_allowed
from phospho_server.webhooks.sending import post
from tests.loopback import serve_phospho
from tests.waiting import HELD_S, PATIENCE_S

PRIVATE = [
    *("127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1"),
    *("169.254.169.254", "100.64.0.1", "100.100.100.200", "192.0.0.192", "168.63.129.16"),
    *("224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "198.18.0.1"),
    *("::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::a00:1"),
    *("2002:7f00:1::", "2001:0:4136:e378:8000:63bf:3fff:fdd2"),
]


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_known(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.215.14", "2606:4700:4700::1111"])
def test_addresses_of_the_internet_are_known(address: str) -> None:
    assert is_public(address)


@given(ip=st.ip_addresses())
def test_what_is_sent_to_is_at_least_what_python_takes_for_the_internet(ip: Any) -> None:
    assert not is_public(str(ip)) or (ip.is_global and not ip.is_private)


@given(ip=st.ip_addresses(v=4))
def test_an_ipv4_address_is_as_public_when_written_as_ipv6(ip: Any) -> None:
    assert is_public(f"::ffff:{ip}") == is_public(str(ip))


def answer_with(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Let names have these addresses, one answer after the other; return what was asked."""
    left, asked = list(answers), []

    def look_up(host: str, port: int, *_: object, **__: object) -> list[Any]:
        # An address that is connected to is looked up as well.
        if host[0].isdigit():
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))]
        asked.append(host)
        now = left.pop(0) if len(left) > 1 else left[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in now]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return asked


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/",
        "http://localhost:{port}/",
        "http://[::1]:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://2130706433:{port}/",
        "http://0x7f.1:{port}/",
        "http://127.1:{port}/",
        "http://0:{port}/",
    ],
)
def test_nothing_is_sent_to_this_machine(url: str) -> None:
    with serve_phospho() as server:
        port = server.url.rpartition(":")[2]
        outcome = post(url.format(port=port), {}, b"{}", allow_private=False)
        assert outcome.error is not None
        assert server.requests == []


def test_a_name_with_one_private_address_among_others_leads_nowhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer_with(monkeypatch, ["8.8.8.8", "10.0.0.1"])
    backend = CheckedBackend(time.monotonic() + PATIENCE_S, allow_private=False)
    with pytest.raises(PrivateAddressError):
        backend.connect_tcp("example.com", 80)


def test_a_name_is_resolved_once_and_what_was_checked_is_connected_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = answer_with(monkeypatch, ["93.184.215.14"], ["127.0.0.1"])
    reached: list[tuple[str, int]] = []

    def connect(address: tuple[str, int], *_: object, **__: object) -> socket.socket:
        reached.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", connect)
    outcome = post("http://rebinding.example/", {}, b"{}", allow_private=False)
    assert outcome.error is not None
    assert "could not be sent" in outcome.error
    assert asked == ["rebinding.example"]
    assert reached == [("93.184.215.14", 80)]


def test_the_name_is_still_that_of_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve_phospho() as server:
        port = server.url.rpartition(":")[2]
        answer_with(monkeypatch, ["127.0.0.1"])
        outcome = post(f"http://hooks.example:{port}/a?b=c", {}, b"{}", allow_private=True)
        assert outcome.error is None
        (request,) = server.requests
        assert request.headers["Host"] == f"hooks.example:{port}"
        assert request.path == "/a?b=c"


def test_a_name_that_nobody_answers_for_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    answers, answered = threading.Event(), threading.Event()

    def look_up(*_: object, **__: object) -> list[object]:
        answers.wait(HELD_S)
        answered.set()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with pytest.raises(TimeoutError):
        resolve("slow.example", 80, timeout_s=0.1)
    assert not answered.is_set()
    answers.set()


@pytest.mark.parametrize(
    ("environ", "allowed"),
    [({}, False), ({"PHOSPHO_ALLOW_PRIVATE_WEBHOOKS": "1"}, True),
     ({"PHOSPHO_ALLOW_PRIVATE_WEBHOOKS": "0"}, False)],
    ids=["unset", "one", "zero"],
)  # fmt: skip
def test_private_addresses_are_allowed_by_the_environment(
    environ: dict[str, str], allowed: bool
) -> None:
    assert is_private_allowed(environ) == allowed

"""The way to the server: TLS, proxies, several addresses, and out of sight of instrumentation."""

from __future__ import annotations

import base64
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpcore
import pytest
import trustme

from phospho import Client, connection
from tests.conftest import ClientFactory
from tests.loopback import Loopback, serve_phospho
from tests.waiting import PATIENCE_S, wait_until

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def test_a_server_with_a_certificate_is_trusted_by_its_authority(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with serve_phospho(tls=context) as loopback:
        client = Client("key", "proj", base_url=loopback.url, tick=0.01)
        client.log("i")
        wait_until(lambda: "certificate verify failed" in str(client.stats().last_error))
        assert client.flush(0.05) is False
        client.close(0)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        with Client("key", "proj", base_url=loopback.url, tick=0.01) as client:
            client.log("i")
            assert client.flush()
    assert [event["input"] for event in loopback.events] == ["i"]


def test_a_proxy_of_the_environment_is_used(
    make_client: ClientFactory, loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", loopback.url.replace("//", "//name:pass%20word@"))
    client = make_client(base_url="http://phospho.example")
    client.log("i")
    assert client.flush()
    assert loopback.requests[0].path == "http://phospho.example/v2/log/proj"
    sent = loopback.requests[0].headers["Proxy-Authorization"]
    assert sent == "Basic " + base64.b64encode(b"name:pass word").decode()


@pytest.mark.parametrize(
    ("base_url", "environ", "proxy"),
    [
        pytest.param("http://host", {}, None, id="none"),
        pytest.param("http://host", {"HTTP_PROXY": "proxy:1"}, "http://proxy:1", id="no-scheme"),
        pytest.param("https://host", {"HTTP_PROXY": "http://proxy"}, None, id="other-scheme"),
        pytest.param("https://host", {"ALL_PROXY": "http://p"}, "http://p", id="for-all"),
        pytest.param(
            "http://host", {"HTTP_PROXY": "http://proxy", "NO_PROXY": "host"}, None, id="excepted"
        ),
        pytest.param(
            "http://host:81", {"HTTP_PROXY": "p", "NO_PROXY": "host:81"}, None, id="with-its-port"
        ),
        pytest.param("http://127.0.0.1:8", {"HTTP_PROXY": "http://proxy"}, None, id="this-machine"),
    ],
)
def test_the_proxy_is_found_as_everywhere_else(
    base_url: str, environ: dict[str, str], proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert connection.find_proxy(base_url) == proxy


def test_a_proxy_may_have_an_ipv6_address_and_tls() -> None:
    proxy = connection._read_proxy("https://[::1]:3128")
    assert (proxy.url.host, proxy.url.port) == (b"::1", 3128)
    assert proxy.ssl_context is not None


@pytest.fixture
def silent_neighbour(loopback: Loopback) -> Iterator[tuple[str, int]]:
    """An address beside the loopback server's whose full queue lets no connection through."""
    port = int(loopback.url.rsplit(":", 1)[1])
    with ExitStack() as stack:
        silent = stack.enter_context(socket.socket())
        silent.bind(("127.0.0.2", port))
        silent.listen(0)
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.2", port))
        yield "127.0.0.2", port


def test_an_address_that_does_not_answer_leaves_time_for_the_next(
    make_client: ClientFactory,
    silent_neighbour: tuple[str, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address, port = silent_neighbour
    resolve = socket.getaddrinfo

    def find(host: str, port: int, *args: Any, **kwargs: Any) -> list[Any]:
        if host != "two.addresses":
            return resolve(host, port, *args, **kwargs)
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (found, port))
            for found in (address, "127.0.0.1")
        ]

    monkeypatch.setattr(socket, "getaddrinfo", find)
    monkeypatch.setattr(connection, "CONNECT_TIMEOUT_S", 1.0)
    client = make_client(base_url=f"http://two.addresses:{port}")
    client.log("i")
    started = time.monotonic()
    assert client.flush(PATIENCE_S)
    assert time.monotonic() - started > 0.4
    assert client.stats().last_error is None


def test_a_server_that_reads_slowly_does_not_get_more_time(make_client: ClientFactory) -> None:
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        server.bind(("127.0.0.1", 0))
        server.listen()
        sizes: list[int] = []

        def read() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                while part := connection.recv(8192):
                    sizes.append(len(part))
                    time.sleep(0.02)

        reader = threading.Thread(target=read)
        reader.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        sender = connection.Connections(url)
        # Of a writing, or of the request in all.
        with pytest.raises(httpcore.TimeoutException), sender.post(url, {}, b"x" * 8_000_000, 0.5):
            pass
        sender.close()
        reader.join()
        assert sum(sizes) < 4_000_000


def test_a_host_without_an_address_is_an_outage(
    make_client: ClientFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: [])
    client = make_client(base_url="http://nowhere.example")
    client.log("i")
    wait_until(lambda: "has no address" in str(client.stats().last_error))
    assert client.flush(0.05) is False


def test_a_host_that_instruments_its_http_sees_nothing_of_ours(
    make_client: ClientFactory, loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    import http.client
    import urllib.request

    import httpx

    seen: list[str] = []
    for owner, name in (
        (httpx.Client, "send"),
        (httpx.HTTPTransport, "handle_request"),
        (http.client.HTTPConnection, "request"),
        (urllib.request.OpenerDirector, "open"),
    ):
        monkeypatch.setattr(owner, name, lambda *args, **kwargs: seen.append("ours"))
    client = make_client()
    client.log("i")
    assert client.flush()
    assert seen == []

"""HTTP connections of our own: pooled, and bound by one deadline for a whole request.

They are made with httpcore, which httpx is built on and brings along. A host that instruments its
HTTP does so above it (httpx, urllib3, http.client), so what phospho sends is in no trace of the
host's, and the backend is where a deadline for all reads of an answer can be kept.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import httpcore

if TYPE_CHECKING:
    import ssl

# For finding the server, all of its addresses together.
CONNECT_TIMEOUT_S = 3.0

# As much as a socket usually takes at once.
_SLICE_BYTES = 16 * 1024


class Connections:
    """Kept-alive connections to one server, for one thread at a time.

    Args:
        base_url: Where the server answers; `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`,
            `SSL_CERT_FILE` and `SSL_CERT_DIR` are heeded.
    """

    def __init__(self, base_url: str) -> None:
        self._deadline = _Deadline()
        self._pool = _make_pool(base_url, _BoundBackend(self._deadline))
        _keep_out_of_the_hosts_logs()

    @contextmanager
    def post(
        self, url: str, headers: Mapping[bytes | str, bytes | str], body: bytes, timeout_s: float
    ) -> Iterator[httpcore.Response]:
        """Send a request and yield its answer; both must be over within `timeout_s`.

        Only the system's resolver is not bound by that: it takes the time it is set up for.

        Raises:
            Exception: Of httpcore, the system, or a proxy's package, where no answer comes or the
                deadline passes.
        """
        self._deadline.at = time.monotonic() + timeout_s
        connect_s = min(CONNECT_TIMEOUT_S, timeout_s)
        timeout = {"connect": connect_s, "read": timeout_s, "write": timeout_s, "pool": timeout_s}
        with (
            _unheard(),
            self._pool.stream(
                "POST", url, headers=headers, content=body, extensions={"timeout": timeout}
            ) as response,
        ):
            yield response

    def close(self) -> None:
        """Close the connections."""
        with _unheard():
            self._pool.close()


def _make_pool(base_url: str, backend: httpcore.NetworkBackend) -> httpcore.ConnectionPool:
    scheme = urlsplit(base_url).scheme
    proxy_url = find_proxy(base_url)
    # Making a TLS context takes longer than a hundred requests.
    context = _make_tls_context() if scheme == "https" else None
    return httpcore.ConnectionPool(
        ssl_context=context,
        proxy=_read_proxy(proxy_url) if proxy_url else None,
        max_connections=1,
        network_backend=backend,
    )


def _make_tls_context() -> ssl.SSLContext:
    import httpx

    return httpx.create_ssl_context()


def find_proxy(base_url: str) -> str | None:
    """Return the URL of the proxy that the environment, or the system, names for this server.

    A server on this machine is asked directly: no proxy reaches it.
    """
    from urllib.request import getproxies, proxy_bypass

    url = urlsplit(base_url)
    host = url.hostname or ""
    proxies = getproxies()
    found = proxies.get(url.scheme) or proxies.get("all")
    is_here = host in {"localhost", "::1"} or host.startswith("127.")
    if not found or is_here or proxy_bypass(url.netloc):
        return None
    return found if "://" in found else f"http://{found}"


def _read_proxy(url: str) -> httpcore.Proxy:
    parts = urlsplit(url)
    host = parts.hostname or ""
    address = f"[{host}]" if ":" in host else host
    auth = None
    if parts.username is not None:
        auth = (unquote(parts.username), unquote(parts.password or ""))
    port = f":{parts.port}" if parts.port else ""
    return httpcore.Proxy(
        f"{parts.scheme}://{address}{port}",
        auth=auth,
        ssl_context=_make_tls_context() if parts.scheme == "https" else None,
    )


class _Deadline:
    """When the request under way must be over, on the monotonic clock."""

    __slots__ = ("at",)

    def __init__(self) -> None:
        self.at = float("inf")

    def limit(self, timeout: float | None) -> float:
        left_s = self.at - time.monotonic()
        if left_s <= 0:
            raise httpcore.ReadTimeout("the request took too long in all")
        return left_s if timeout is None else min(timeout, left_s)


class _BoundStream(httpcore.NetworkStream):
    """A connection whose single reads and writes share the deadline of the whole request."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: _Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.limit(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        # In slices: a peer that reads slowly has its time for each part that it takes.
        for start in range(0, len(buffer), _SLICE_BYTES):
            part = buffer[start : start + _SLICE_BYTES]
            self._stream.write(part, self._deadline.limit(timeout))

    def start_tls(self, *args: Any, **kwargs: Any) -> httpcore.NetworkStream:
        return _BoundStream(self._stream.start_tls(*args, **kwargs), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    def close(self) -> None:
        self._stream.close()


class _BoundBackend(httpcore.SyncBackend):
    """Opens connections that keep to the deadline."""

    def __init__(self, deadline: _Deadline) -> None:
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Try each address of the host, with an equal share of the time that is left.

        `socket.create_connection` gives each of them the whole of it.
        """
        until = time.monotonic() + self._deadline.limit(timeout)
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(info[4][0]) for info in found))
        for left in range(len(addresses), 0, -1):
            share_s = max(0.001, (until - time.monotonic()) / left)
            try:
                stream = super().connect_tcp(
                    addresses[-left], port, share_s, local_address, socket_options
                )
            except (httpcore.NetworkError, httpcore.TimeoutException):
                if left == 1:
                    raise
            else:
                return _BoundStream(stream, self._deadline)
        raise httpcore.ConnectError(f"{host} has no address")


# The threads that work with our own connections.
_at_work: set[int] = set()


@contextmanager
def _unheard() -> Iterator[None]:
    """Keep what this thread's connections log out of the host's handlers.

    A handler that logs to phospho would otherwise feed itself for ever.
    """
    thread = threading.get_ident()
    _at_work.add(thread)
    try:
        yield
    finally:
        _at_work.discard(thread)


class _NotOurs(logging.Filter):
    """Lets all records pass but those about our own connections."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Drop what a thread logs while it works with them."""
        return record.thread not in _at_work


_not_ours = _NotOurs()

_LOGGERS = (
    "httpcore.connection",
    "httpcore.http11",
    "httpcore.proxy",
    "httpcore.socks",
)


def _keep_out_of_the_hosts_logs() -> None:
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_not_ours)

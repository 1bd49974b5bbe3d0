"""Reaches the LLM of somebody who does not own the server: at an address of the internet.

The address is checked where the connection is made (`checked_connections.py`), so no proxy of the
environment stands between. What is answered may be meant to do harm: it has to come in time, and is
neither compressed nor endless. Each call has a connection of its own, which is broken off at its
deadline.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Mapping

import httpcore
import httpx

from phospho.errors import LlmPausedError
from phospho_server.checked_connections import (
    CheckedBackend,
    PrivateAddressError,
    trusted_certificates,
)
from phospho_server.llm.private_networks import IS_PRIVATE

_HOLDS_SECRETS = (
    "The base URL leads to where clouds keep secrets of their machines and no LLM is. Correct it."
)

# More than any answer of an LLM: OpenAI's package reads refusals whole.
_MAX_BYTES = 8_000_000

# For resolving the name, connecting, sending and reading together, where no time is given.
_CALL_S = 60.0

_ENCODING = b"content-encoding"

# What httpx calls the failures of httpcore; the first that fits.
_FAILURES: Mapping[type[Exception], type[httpx.TransportError]] = {
    httpcore.ConnectTimeout: httpx.ConnectTimeout,
    httpcore.PoolTimeout: httpx.PoolTimeout,
    httpcore.WriteTimeout: httpx.WriteTimeout,
    httpcore.TimeoutException: httpx.ReadTimeout,
    httpcore.ConnectError: httpx.ConnectError,
    httpcore.WriteError: httpx.WriteError,
    httpcore.NetworkError: httpx.ReadError,
    httpcore.LocalProtocolError: httpx.LocalProtocolError,
    httpcore.UnsupportedProtocol: httpx.UnsupportedProtocol,
    httpcore.ProtocolError: httpx.RemoteProtocolError,
}


def make_checked_client(*, allow_private: bool) -> httpx.Client:
    """Return what reaches addresses that are checked, and follows no redirects."""
    transport = CheckedTransport(allow_private=allow_private)
    return httpx.Client(transport=transport, follow_redirects=False)


class CheckedTransport(httpx.BaseTransport):
    """Sends requests of httpx to addresses that are checked.

    Args:
        allow_private: Also to those of private networks, but never to where clouds keep secrets.
    """

    def __init__(self, *, allow_private: bool) -> None:
        self._allow_private = allow_private

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; the time it may wait for an answer is that of all of it.

        Raises:
            LlmPausedError: Its address is one that is not reached.
        """
        request.headers["Accept-Encoding"] = "identity"
        request.headers["Connection"] = "close"
        assert isinstance(request.stream, httpx.SyncByteStream)  # noqa: S101 - of a sync client
        url = httpcore.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        )
        limits = request.extensions.get("timeout", {})
        call = _Call(url, limits.get("read") or _CALL_S, allow_private=self._allow_private)
        try:
            answer = call.ask(
                httpcore.Request(
                    request.method,
                    url,
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions={"timeout": limits},
                )
            )
        except PrivateAddressError:
            call.close()
            refusal = _HOLDS_SECRETS if self._allow_private else IS_PRIVATE
            raise LlmPausedError(refusal) from None
        except BaseException:
            call.close()
            raise
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(call, answer))


class _Call:
    """One call, with a connection of its own.

    Args:
        url: Where to.
        limit_s: For all of it.
        allow_private: As for `CheckedTransport`.
    """

    def __init__(self, url: httpcore.URL, limit_s: float, *, allow_private: bool) -> None:
        self._backend = CheckedBackend(time.monotonic() + limit_s, allow_private=allow_private)
        self._connection = httpcore.HTTPConnection(
            url.origin,
            ssl_context=trusted_certificates() if url.scheme == b"https" else None,
            network_backend=self._backend,
        )
        # Timeouts of sockets begin anew with each byte; this one does not.
        self._alarm = threading.Timer(limit_s, self._backend.cut)
        self._alarm.daemon = True
        self._alarm.start()

    def ask(self, request: httpcore.Request) -> httpcore.Response:
        """Return the answer, whose body is still to be read."""
        with self._translated():
            return self._connection.handle_request(request)

    def read(self, answer: httpcore.Response) -> Iterator[bytes]:
        """Yield the body of the answer."""
        size = 0
        with self._translated():
            for part in answer.iter_stream():
                size += len(part)
                if size > _MAX_BYTES:
                    raise httpx.ReadError("the answer has no end")
                yield part

    def close(self) -> None:
        """Give everything back."""
        self._alarm.cancel()
        self._connection.close()
        self._backend.close()

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        """Raise what httpx calls a failure of httpcore."""
        try:
            yield
        except tuple(_FAILURES) as exc:
            if self._backend.is_cut:
                raise httpx.ReadTimeout("the time is over") from exc
            raise next(to for of, to in _FAILURES.items() if isinstance(exc, of))(str(exc)) from exc


class _Body(httpx.SyncByteStream):
    """The body of an answer."""

    def __init__(self, call: _Call, answer: httpcore.Response) -> None:
        self._call = call
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        encodings = {value for name, value in self._answer.headers if name.lower() == _ENCODING}
        try:
            if encodings - {b"", b"identity"}:
                raise httpx.DecodingError("the answer is compressed, which was not asked for")
            yield from self._call.read(self._answer)
        finally:
            # Who reads a refusal that breaks off does not close it.
            self.close()

    def close(self) -> None:
        """Give everything back."""
        self._call.close()

"""Sends one request of a webhook: five seconds for all of it, no redirects, short answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

import httpcore
import httpx

from phospho_server.checked_connections import (
    CheckedBackend,
    PrivateAddressError,
    trusted_certificates,
)
from phospho_server.webhooks.outcomes import ALLOW_PRIVATE, TIMEOUT_S, Outcome

MAX_ANSWER_BYTES = 1024 * 1024

# Of an answer that refuses, as much is shown.
_SHOWN_CHARS = 200


def post(
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    allow_private: bool,
    timeout_s: float = TIMEOUT_S,
) -> Outcome:
    """Send a request and return what came of it; only 2xx is a success.

    Args:
        url: An http or https address.
        headers: Besides those that HTTP needs.
        body: JSON.
        allow_private: Also to addresses that are not of the internet, but never to where clouds
            keep secrets of their machines.
        timeout_s: For all of it.
    """
    started_s = time.monotonic()
    backend = CheckedBackend(started_s + timeout_s, allow_private=allow_private)
    # Timeouts of sockets begin anew with each byte; this one does not.
    alarm = threading.Timer(timeout_s, backend.cut)
    alarm.daemon = True
    alarm.start()
    status, error = None, None
    try:
        status, error = _ask(url, headers, body, backend)
    except PrivateAddressError:
        error = (
            "Clouds keep secrets of their machines at this address, where nothing is sent. "
            "Make the webhook again with another."
            if allow_private
            else "The address is one of a private network, where nothing is sent. Set "
            f"{ALLOW_PRIVATE}=1 for the server if it may."
        )
    except Exception as exc:  # noqa: BLE001 - whatever a stranger's server does is an outcome
        is_late = backend.is_cut or isinstance(exc, httpcore.TimeoutException)
        error = (
            f"There was no answer within {timeout_s:g} seconds."
            if is_late
            else f"It could not be sent: {exc or type(exc).__name__}"
        )
    finally:
        alarm.cancel()
        backend.close()
    return Outcome(status, round((time.monotonic() - started_s) * 1000), error)


def _ask(
    url: str, headers: Mapping[str, str], body: bytes, backend: CheckedBackend
) -> tuple[int, str | None]:
    """Return the status of the answer, and why it is no success."""
    left_s = max(backend.until_s - time.monotonic(), 0.001)
    target = httpcore.URL(url)
    connection = httpcore.HTTPConnection(
        target.origin,
        ssl_context=trusted_certificates() if target.scheme == b"https" else None,
        network_backend=backend,
    )
    limits = {"connect": left_s, "read": left_s, "write": left_s, "pool": left_s}
    try:
        with connection.stream(
            "POST",
            target,
            headers=[
                (b"Host", _host_of(url)),
                (b"Connection", b"close"),
                *((name.encode(), value.encode()) for name, value in headers.items()),
                (b"Content-Length", str(len(body)).encode()),
            ],
            content=body,
            extensions={"timeout": limits},
        ) as response:
            return response.status, _refusal(response)
    finally:
        connection.close()


def _refusal(response: httpcore.Response) -> str | None:
    """Return why an answer is no success, with the beginning of what it says; None if it is."""
    if 200 <= response.status < 300:  # noqa: PLR2004 - a success, whatever comes after its headers
        return None
    if 300 <= response.status < 400:  # noqa: PLR2004 - a redirect
        return f"The answer was {response.status}, a redirect, which is not followed."
    said = b""
    for part in response.iter_stream():
        said += part
        if len(said) > MAX_ANSWER_BYTES:
            return f"The answer was {response.status}, and longer than 1 MB."
    text = " ".join(said.decode("utf-8", "replace").split())[:_SHOWN_CHARS]
    return f"The answer was {response.status}{': ' + text if text else '.'}"


def _host_of(url: str) -> bytes:
    """Return the header `Host` of an address, whatever is connected to."""
    return httpx.URL(url).netloc

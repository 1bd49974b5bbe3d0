"""One HTTP request for one batch, and what its answer means. Loaded by the sender, for httpx.

The protocol is that of existing phospho clients: `POST /v2/log/{project_id}` and
`POST /v2/tasks/{task_id}/human-eval`.
"""

from __future__ import annotations

import encodings.idna  # noqa: F401 - the first request would load it: see `lifecycle.loading`
import json
import logging
import time
from collections.abc import Iterable, Sequence
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

import httpcore
import httpx

from phospho import version
from phospho.lifecycle import SENDER_NAME

if TYPE_CHECKING:
    from phospho.backlog import Item
    from phospho.config import Settings

CONNECT_TIMEOUT_S = 3.0

# For the whole request: an answer that trickles in must not hold up what waits.
REQUEST_TIMEOUT_S = 10.0

# A server may ask for patience, but a typing error in its header must not mean days.
MAX_RETRY_AFTER_S = 300.0

# An answer to 100 interactions is far smaller; what is larger is not from a phospho server.
MAX_ANSWER_BYTES = 64 * 1024 * 1024

_LATER = frozenset({408, 425, 429})

# ASCII only and no NaN: any JSON parser reads it. Snapshots hold no cycles.
_encode = json.JSONEncoder(
    ensure_ascii=True, allow_nan=False, check_circular=False, separators=(",", ":")
).encode


class Verdict(Enum):
    """What to do with a batch after an attempt."""

    SENT = "sent"
    LATER = "try again soon"
    REFUSED = "keep it, and try again slowly: somebody has to repair a setting"
    REJECTED = "something in it cannot be accepted: find it by halving"
    TOO_LARGE = "halve it"


_VERDICTS = {400: Verdict.REJECTED, 422: Verdict.REJECTED, 413: Verdict.TOO_LARGE}


class Answer(NamedTuple):
    """The outcome of an attempt.

    Args:
        verdict: What to do.
        reason: Why, for people; it never contains the key.
        retry_after_s: What the server asked for, or None.
        errors: Positions in the batch the server could not take, with its reason.
    """

    verdict: Verdict
    reason: str = ""
    retry_after_s: float | None = None
    errors: dict[int, str] | None = None


class Transport:
    """Sends batches over kept-alive connections; used by one thread at a time."""

    def __init__(self, settings: Settings) -> None:
        self._deadline = _Deadline()
        self._base_url = settings.base_url
        self._log_url = f"{settings.base_url}/v2/log/{quote(settings.project_id, safe='')}"
        self._http = httpx.Client(
            headers={
                "Authorization": f"Bearer {settings.api_key}",
                "Content-Type": "application/json",
                "User-Agent": f"phospho-python/{version.__version__}",
            },
            # Making a TLS context takes longer than a hundred requests.
            verify=settings.base_url.startswith("https"),
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=1),
        )
        _bound_by(self._deadline, self._http)
        _keep_out_of_the_hosts_logs()

    def send(self, batch: Sequence[Item], timeout_s: float = REQUEST_TIMEOUT_S) -> Answer:
        """Make one attempt; never raises for anything the network or the server does."""
        first = batch[0]
        try:
            if first.task_id is None:
                url = self._log_url
                body = _encode({"batched_log_events": [item.body for item in batch]})
            else:
                url = f"{self._base_url}/v2/tasks/{quote(first.task_id, safe='')}/human-eval"
                body = _encode(first.body)
        except (ValueError, TypeError, RecursionError) as exc:
            return Answer(Verdict.REJECTED, f"not JSON: {exc}")
        try:
            status, headers, content = self._post(url, body.encode("ascii"), timeout_s)
        except (httpx.HTTPError, httpcore.TimeoutException, OSError) as exc:
            return Answer(Verdict.LATER, f"{type(exc).__name__}: {exc}".rstrip(": "))
        return _read_answer(status, headers, content)

    def _post(self, url: str, body: bytes, timeout_s: float) -> tuple[int, httpx.Headers, bytes]:
        self._deadline.at = time.monotonic() + timeout_s
        timeout = httpx.Timeout(timeout_s, connect=min(CONNECT_TIMEOUT_S, timeout_s))
        with self._http.stream("POST", url, content=body, timeout=timeout) as response:
            content = bytearray()
            for chunk in response.iter_bytes():
                content += chunk
                if len(content) > MAX_ANSWER_BYTES:
                    break
            return response.status_code, response.headers, bytes(content)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


def _read_answer(status: int, headers: httpx.Headers, content: bytes) -> Answer:
    reason = f"HTTP {status}"
    if 200 <= status < 300:  # noqa: PLR2004 - the class of answers that mean success
        if "html" in headers.get("content-type", "") and content.lstrip()[:1] == b"<":
            return Answer(Verdict.REFUSED, f"{reason} with a web page, not a phospho server")
        return Answer(Verdict.SENT, errors=_read_errors(content))
    if status >= 500 or status in _LATER:  # noqa: PLR2004 - the server's own failures
        return Answer(Verdict.LATER, reason, read_retry_after(headers.get("retry-after")))
    verdict = _VERDICTS.get(status, Verdict.REFUSED)
    return Answer(verdict, reason, read_retry_after(headers.get("retry-after")))


def _read_errors(content: bytes) -> dict[int, str]:
    """Return what could not be stored, of `{"logged_events": [{"error_in_log": "why"}, {}]}`."""
    if b'"error_in_log"' not in content:
        return {}
    try:
        events = json.loads(content)["logged_events"]
        return {
            position: str(event["error_in_log"])
            for position, event in enumerate(events)
            if isinstance(event, dict) and event.get("error_in_log")
        }
    except (ValueError, KeyError, TypeError):
        return {}


def read_retry_after(value: str | None) -> float | None:
    """Return the seconds a `Retry-After` header asks for, at most 300; None if it says nothing."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            return None
    # NaN is neither.
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S) if seconds == seconds else None  # noqa: PLR0124


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
        self._stream.write(buffer, self._deadline.limit(timeout))

    def start_tls(self, *args: Any, **kwargs: Any) -> httpcore.NetworkStream:
        return _BoundStream(self._stream.start_tls(*args, **kwargs), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    def close(self) -> None:
        self._stream.close()


class _BoundBackend(httpcore.NetworkBackend):
    """Opens connections that keep to the deadline."""

    def __init__(self, backend: httpcore.NetworkBackend, deadline: _Deadline) -> None:
        self._backend = backend
        self._deadline = deadline

    def connect_tcp(self, *args: Any, **kwargs: Any) -> httpcore.NetworkStream:
        return _BoundStream(self._backend.connect_tcp(*args, **kwargs), self._deadline)

    def connect_unix_socket(self, *args: Any, **kwargs: Any) -> httpcore.NetworkStream:
        return _BoundStream(self._backend.connect_unix_socket(*args, **kwargs), self._deadline)


def _bound_by(deadline: _Deadline, http: httpx.Client) -> None:
    """Give the client's connections a deadline for the whole request.

    httpx only limits each read, and has no public way to say more: without these attributes
    requests work the same, limited read by read. A test with a trickling server watches over it.
    """
    for transport in (http._transport, *http._mounts.values()):  # noqa: SLF001 - see above
        pool = getattr(transport, "_pool", None)
        backend = getattr(pool, "_network_backend", None)
        if pool is not None and backend is not None:
            pool._network_backend = _BoundBackend(backend, deadline)  # noqa: SLF001 - see above


class _NotOurs(logging.Filter):
    """Keeps records about our own requests out of the host's handlers; all others pass.

    A handler that logs to phospho would otherwise feed itself for ever.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Drop what a phospho sender thread logs."""
        return not (record.threadName or "").startswith(SENDER_NAME)


_not_ours = _NotOurs()


def _keep_out_of_the_hosts_logs(
    names: Iterable[str] = ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.proxy"),
) -> None:
    for name in names:
        logging.getLogger(name).addFilter(_not_ours)

"""One HTTP request for one batch, and what its answer means. Loaded by the sender, for httpcore.

The protocol is that of existing phospho clients: `POST /v2/log/{project_id}` and
`POST /v2/tasks/{task_id}/human-eval`.
"""

from __future__ import annotations

import encodings.idna  # noqa: F401 - the first request would load it: see `lifecycle.loading`
import json
import time
import zlib
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from phospho import guard, version
from phospho.connection import Connections
from phospho.encoding import NOT_JSON

if TYPE_CHECKING:
    from phospho.backlog import Item
    from phospho.config import Settings

# For the whole request: an answer that trickles in must not hold up what waits.
REQUEST_TIMEOUT_S = 10.0

# A server may ask for patience, but a typing error in its header must not mean days.
MAX_RETRY_AFTER_S = 300.0

# A tenth of a millisecond of work, in which no other thread of the host can run.
ENCODED_AT_ONCE = 16

# A refusal of ours is a sentence or two.
MAX_MESSAGE_CHARS = 300

# An answer to 100 interactions is far smaller; what is larger is not from a phospho server.
MAX_ANSWER_BYTES = 64 * 1024 * 1024

_LATER = frozenset({408, 425, 429})


class Verdict(Enum):
    """What to do with a batch after an attempt."""

    SENT = "sent"
    LATER = "try again soon"
    REFUSED = "keep it, and try again slowly: somebody has to repair a setting"
    REJECTED = "something in it cannot be accepted: find it by halving"
    TOO_LARGE = "halve it"


_VERDICTS = {400: Verdict.REJECTED, 422: Verdict.REJECTED, 413: Verdict.TOO_LARGE}

# A feedback has an address of its own, so these are about it, not about all that wait behind it.
_VERDICTS_ON_FEEDBACK = _VERDICTS | dict.fromkeys((404, 405, 409, 410, 415), Verdict.REJECTED)


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
        self._base_url = settings.base_url
        self._api_key = settings.api_key
        self._log_url = f"{settings.base_url}/v2/log/{quote(settings.project_id, safe='')}"
        self._headers: dict[bytes | str, bytes | str] = {
            "Authorization": f"Bearer {settings.api_key}",
            "Content-Type": "application/json",
            "User-Agent": f"phospho-python/{version.__version__}",
        }
        self._connections = Connections(settings.base_url)

    def send(self, batch: Sequence[Item], timeout_s: float = REQUEST_TIMEOUT_S) -> Answer:
        """Make one attempt; never raises for anything the network or the server does."""
        first = batch[0]
        try:
            if first.task_id is None:
                url = self._log_url
                body = _encode_events(batch)
            else:
                url = f"{self._base_url}/v2/tasks/{quote(first.task_id, safe='')}/human-eval"
                body = first.text
        except NOT_JSON as exc:
            return Answer(Verdict.REJECTED, f"not JSON: {exc}")
        try:
            status, headers, content = self._post(url, body.encode("ascii"), timeout_s)
        except Exception as exc:  # noqa: BLE001 - whatever it is, it may work the next time
            return Answer(
                Verdict.LATER, f"{type(exc).__name__}: {guard.words_of(exc)}".rstrip(": ")
            )
        verdicts = _VERDICTS if first.task_id is None else _VERDICTS_ON_FEEDBACK
        answer = _read_answer(status, headers, content, verdicts)
        # Whatever stands at this address may say back what it was sent.
        return answer._replace(reason=answer.reason.replace(self._api_key, "..."))

    def _post(self, url: str, body: bytes, timeout_s: float) -> tuple[int, dict[str, str], bytes]:
        with self._connections.post(url, self._headers, body, timeout_s) as response:
            headers = {name.lower(): value for name, value in response.headers}
            content = bytearray()
            for chunk in response.iter_stream():
                content += chunk
                if len(content) > MAX_ANSWER_BYTES:
                    break
            told = {
                name: headers.get(name.encode(), b"").decode("latin-1")
                for name in ("content-type", "retry-after")
            }
            return response.status, told, bytes(content)

    def close(self) -> None:
        """Close the connections."""
        self._connections.close()


def _encode_events(batch: Sequence[Item]) -> str:
    events = []
    for item in batch:
        events.append(item.text)
        if not len(events) % ENCODED_AT_ONCE:
            # The host's threads need not wait until the interpreter takes its lock away.
            time.sleep(0)
    return f'{{"batched_log_events":[{",".join(events)}]}}'


def _read_answer(
    status: int,
    headers: Mapping[str, str],
    content: bytes,
    verdicts: Mapping[int, Verdict],
) -> Answer:
    reason = f"HTTP {status}"
    if 200 <= status < 300:  # noqa: PLR2004 - the class of answers that mean success
        if "html" in headers.get("content-type", "") or _is_markup(content):
            return Answer(Verdict.REFUSED, f"{reason} with a web page, not a phospho server")
        return Answer(Verdict.SENT, errors=_read_errors(content))
    if message := _read_message(content):
        reason = f"{reason}: {message}"
    if status >= 500 or status in _LATER:  # noqa: PLR2004 - the server's own failures
        return Answer(Verdict.LATER, reason, read_retry_after(headers.get("retry-after")))
    verdict = verdicts.get(status, Verdict.REFUSED)
    return Answer(verdict, reason, read_retry_after(headers.get("retry-after")))


def _is_markup(content: bytes) -> bool:
    """Tell a web page, as of a hotel's network, in any encoding and also compressed."""
    if content.startswith(b"\x1f\x8b"):
        try:
            content = zlib.decompressobj(wbits=31).decompress(content, 1000)
        except zlib.error:
            return False
    return content.lstrip(b"\xef\xbb\xbf\xff\xfe\0 \t\r\n").startswith(b"<")


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


def _read_message(content: bytes) -> str:
    """Return why a phospho server refused, of `{"error": {"message": "why"}}`."""
    try:
        message = json.loads(content)["error"]["message"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    said = " ".join(message.split()) if isinstance(message, str) else ""
    return said[:MAX_MESSAGE_CHARS].rstrip(". ")


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

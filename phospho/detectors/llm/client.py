"""One call of chat completions, through OpenAI's own package, with every failure sorted.

A failure is worth another try (`TryAgainError`), is the request's own (`BadRequestError`), or is
one that a person has to look at (`LlmPausedError`). Answers are read in pieces up to a deadline and
a size, as a server that sends a byte a second would never time out. Redirects are not followed:
texts go to the address that was set, and nowhere else.
Source: openai 3.57, _base_client.py, _response.py.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from phospho import guard
from phospho.detectors.llm.cost import MAX_TOKENS, Usage, count_tokens
from phospho.detectors.llm.settings import check_address
from phospho.errors import (
    ConfigurationError,
    LlmError,
    LlmPausedError,
    LlmUnusableError,
    MissingDependencyError,
)
from phospho.underway import Underway, inside

if TYPE_CHECKING:
    import httpx
    import openai

    from phospho.detectors.llm.settings import Endpoint

# A server that says nothing for so long is taken to be stuck.
_SILENCE_S = 60.0

_MAX_BYTES = 4_000_000
_MAX_WORDS = 300

_AGAIN = frozenset({408, 409, 425, 429})
_NO_MONEY = (
    "insufficient_quota", "billing", "credit balance", "payment required",
    "exceeded your current quota",
)  # fmt: skip


class TryAgainError(LlmError):
    """The call failed in a way that may pass.

    Args:
        message: For people.
        headers: Of the answer, if there was one.
        is_billed: Whether the provider may have worked on it all the same.
        is_timeout: Whether it was waited for as long as one may.
    """

    def __init__(
        self,
        message: str,
        headers: Mapping[str, str] | None = None,
        *,
        is_billed: bool = False,
        is_timeout: bool = False,
    ) -> None:
        super().__init__(message)
        self.headers = headers or {}
        self.is_billed = is_billed
        self.is_timeout = is_timeout


class BadRequestError(LlmUnusableError):
    """The server refuses this request: a parameter it does not know, or a text it does not take.

    Args:
        message: For people.
        said: What the server said, also where nobody is to read it.
    """

    def __init__(self, message: str, said: str = "") -> None:
        super().__init__(message)
        self.said = said


@dataclass(frozen=True)
class Reply:
    """What came back.

    Args:
        text: What the model wrote; empty where it refused.
        usage: Tokens, as the server counted them, else estimated.
        is_cut: Whether the answer ended at its greatest length.
        headers: Of the answer, names in lower case.
    """

    text: str
    usage: Usage
    is_cut: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)


class ChatClient:
    """Asks one endpoint.

    Args:
        endpoint: Where, and which model.
        http_client: What reaches an endpoint that was named by somebody who may not reach just any
            address: it checks where it leads, and of what is answered there nothing but the status
            is told. None: OpenAI's own reaches it.

    Raises:
        MissingDependencyError: OpenAI's package is not installed.
    """

    def __init__(self, endpoint: Endpoint, http_client: httpx.Client | None = None) -> None:
        try:
            import openai
        except ImportError as exc:
            raise MissingDependencyError("openai", extra="llm") from exc
        self.endpoint = endpoint
        self._headers = {} if endpoint.api_key else {"Authorization": openai.Omit()}
        self._is_trusted = http_client is None
        # Before its version 3, OpenAI's package took clients of httpx alone, and still takes them.
        reaching: Any = http_client or openai.DefaultHttpxClient(follow_redirects=False)
        self._openai = openai.OpenAI(
            base_url=endpoint.base_url,
            api_key=endpoint.api_key or "none",
            max_retries=0,
            http_client=reaching,
        )
        # Of the environment's OpenAI account, which is another one than this endpoint's.
        self._openai.organization = self._openai.project = None

    def close(self) -> None:
        """Close its connections."""
        self._openai.close()

    def send(self, request: Mapping[str, Any], *, until_s: float) -> Reply:
        """Make one call.

        Args:
            request: The body, but for the model.
            until_s: When to give up, on the clock of `time.monotonic`.

        Raises:
            TryAgainError: It failed and may go well the next time.
            BadRequestError: The server refuses it.
            LlmPausedError: The server refuses us.
        """
        import openai

        if self._is_trusted:
            try:
                check_address(self.endpoint.base_url)
            except ConfigurationError as exc:
                raise LlmPausedError(str(exc)) from None
        # What listens to OpenAI in this process takes it for a part of something it need not log.
        with inside(Underway(None, None, {})):
            try:
                body, headers = self._send(request, until_s)
            except openai.APIStatusError as exc:
                raise self._sorted(exc) from None
            except openai.APIConnectionError as exc:
                if isinstance(exc.__cause__, LlmError):
                    raise exc.__cause__ from None
                raise _broken(exc, self.endpoint.host) from None
            except openai.OpenAIError as exc:
                raise TryAgainError(f"The LLM could not be asked: {guard.words_of(exc)}") from exc
            except LlmError:
                raise
            except Exception as exc:  # noqa: BLE001 - a refusal that breaks off while it is read
                raise _broken_off(exc) from None
        return self._read(body, headers, request)

    def _send(self, request: Mapping[str, Any], until_s: float) -> tuple[bytes, dict[str, str]]:
        """Return the body of an answer and its headers."""
        left_s = max(until_s - time.monotonic(), 0.1)
        create: Any = self._openai.chat.completions.with_streaming_response.create
        with create(
            model=self.endpoint.model,
            timeout=min(left_s, _SILENCE_S),
            extra_headers=self._headers,
            **request,
        ) as response:
            headers = {name.lower(): value for name, value in response.headers.items()}
            return _read_pieces(response.iter_bytes(), until_s), headers

    def _read(self, body: bytes, headers: dict[str, str], request: Mapping[str, Any]) -> Reply:
        try:
            given = json.loads(body)
            choice = given["choices"][0]
            message = choice["message"]
            text = message.get("content") or ""
            if not isinstance(text, str):
                text = "".join(part.get("text", "") for part in text)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            raise TryAgainError(
                f"{self.endpoint.host} did not answer as chat completions do. Check the base URL "
                "in Settings: mostly it ends in /v1.",
                headers,
                is_billed=True,
            ) from None
        said = "".join(str(message["content"]) for message in request["messages"])
        return Reply(
            text=text,
            usage=_read_usage(given.get("usage")) or Usage(count_tokens(said), count_tokens(text)),
            is_cut=choice.get("finish_reason") == "length",
            headers=headers,
        )

    def _sorted(self, exc: openai.APIStatusError) -> LlmError:
        """Return what a refusal means."""
        status, headers = exc.status_code, dict(exc.response.headers.items())
        said = self._words(exc)
        words = said if self._is_trusted else f"status {status}."
        host, model = self.endpoint.host, self.endpoint.model
        told = str(exc.body).casefold() if exc.body else ""
        if status == 402 or (status in {403, 429} and any(w in told for w in _NO_MONEY)):  # noqa: PLR2004
            return LlmPausedError(f"{host} wants to be paid: {words} Look at the bill there.")
        if status in {401, 403}:
            return LlmPausedError(
                f"{host} refuses the API key: {words} Set another key, or what it may do."
            )
        if status == 404 or "model_not_found" in told:  # noqa: PLR2004
            return LlmPausedError(
                f"{host} does not know the model {model!r}, or the base URL is wrong: {words} "
                "Correct them."
            )
        if 300 <= status < 400:  # noqa: PLR2004
            return LlmPausedError(
                f"{host} sends us elsewhere, which we do not follow. Set the base URL to the "
                "address that it means."
            )
        if status in _AGAIN or status >= 500:  # noqa: PLR2004
            return TryAgainError(f"{host} answered {status}: {words}", headers)
        return BadRequestError(f"{host} refused a request ({status}): {words}", said)

    def _words(self, exc: openai.APIStatusError) -> str:
        """Return what the server said, short and without our key, as a sentence."""
        body: Any = exc.body
        said = body.get("message") if isinstance(body, Mapping) else None
        words = " ".join(str(said or f"status {exc.status_code}").split())
        if self.endpoint.api_key:
            words = words.replace(self.endpoint.api_key, "(key)")
        # Cut last: of a key at the edge a part would be left.
        words = words[:_MAX_WORDS].rstrip()
        return words if words.endswith((".", "!", "?")) else f"{words}."


def _read_pieces(pieces: Iterator[bytes], until_s: float) -> bytes:
    """Return a body that ends in time and is not endless."""
    body = bytearray()
    while piece := _next_piece(pieces):
        body += piece
        if len(body) > _MAX_BYTES:
            raise TryAgainError("The LLM's answer has no end.", is_billed=True)
        if time.monotonic() > until_s:
            raise TryAgainError("The LLM took too long to answer.", is_billed=True, is_timeout=True)
    return bytes(body)


def _next_piece(pieces: Iterator[bytes]) -> bytes:
    """Return what comes next, empty at the end."""
    try:
        return next(pieces, b"")
    except Exception as exc:  # noqa: BLE001 - of httpx or of httpx2, as OpenAI's package is
        raise _broken_off(exc) from None


def _broken_off(exc: Exception) -> TryAgainError:
    name = type(exc).__name__
    return TryAgainError(
        f"The LLM's answer broke off ({name}).", is_billed=True, is_timeout="Timeout" in name
    )


def _broken(exc: openai.APIConnectionError, host: str) -> TryAgainError:
    cause = type(exc.__cause__).__name__
    # Before there is a connection, nothing can be billed.
    is_billed = not cause.startswith(("Connect", "UnsupportedProtocol", "Pool"))
    is_timeout = "Timeout" in cause
    what = "took too long to answer" if is_timeout else "cannot be reached"
    words = guard.words_of(exc.__cause__ or exc, _MAX_WORDS) if not is_billed else cause
    return TryAgainError(f"{host} {what} ({words}).", is_billed=is_billed, is_timeout=is_timeout)


def _read_usage(given: Any) -> Usage | None:
    """Return what a server counted, or None where it cannot be so."""
    if not isinstance(given, Mapping):
        return None
    details = given.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, Mapping) else None
    counts: list[Any] = [given.get("prompt_tokens"), given.get("completion_tokens"), cached or 0]
    if not all(type(n) is int and 0 <= n <= MAX_TOKENS for n in counts) or not counts[0]:
        return None
    return Usage(*counts)

"""Calls of the JSON API: one HTTP client, what is tried again, and errors that say what to do.

Unlike `phospho.log`, a call raises: whoever reads needs the answer.
"""

from __future__ import annotations

import json
import os
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError

from phospho import lifecycle, version
from phospho.api import answers
from phospho.connection import CONNECT_TIMEOUT_S, find_proxy
from phospho.encoding import NOT_JSON
from phospho.errors import (
    AccessRefusedError,
    AnswerError,
    ApiError,
    ConfigurationError,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    ServerAwayError,
)
from phospho.transport import read_retry_after

if TYPE_CHECKING:
    from phospho.config import Settings

Answer = TypeVar("Answer", bound=BaseModel)
Query = Sequence[tuple[str, str]]

# A preview of an event reads thousands of interactions.
TIMEOUT_S = 60.0

# Between tries: a server that is started again is back within that.
PAUSES_S = (0.5, 1.0, 2.0, 4.0)

# Whoever waits for an answer would not wait longer.
MAX_PAUSE_S = 20.0

# A refusal of ours is a sentence or two.
_MAX_MESSAGE_CHARS = 500

# The server did nothing of it, and says so.
_BUSY = frozenset({429, 503})
# What stands before the server could not reach it, or not in time.
_AWAY = frozenset({502, 503, 504})

_ERRORS: Mapping[int, type[ApiError]] = {
    400: InvalidRequestError,
    401: AccessRefusedError,
    403: AccessRefusedError,
    404: NotFoundError,
    409: ConflictError,
    413: InvalidRequestError,
    415: InvalidRequestError,
    422: InvalidRequestError,
    429: ServerAwayError,
    502: ServerAwayError,
    503: ServerAwayError,
    504: ServerAwayError,
    507: ServerAwayError,
}


class Calls:
    """Calls the API of one project, from any thread.

    Args:
        settings: Whose key is sent, and where the server answers.
        transport: Takes requests instead of the network, for tests.

    Raises:
        ConfigurationError: There is no key or no project.
    """

    def __init__(self, settings: Settings, transport: httpx.BaseTransport | None = None) -> None:
        if not settings.api_key or not settings.project_id:
            raise ConfigurationError(
                "Reading needs a project and a key of it. Set PHOSPHO_PROJECT_ID and "
                "PHOSPHO_API_KEY, or hand them over as project_id and api_key."
            )
        self._settings = settings
        self._transport = transport
        self._root = f"/api/projects/{quote(settings.project_id, safe='')}"
        self._http: httpx.Client | None = None
        self._pid = 0

    def get(self, path: str, answer: type[Answer], query: Query = ()) -> Answer:
        """Return what stands under a path of the project, which begins with `/` or is empty.

        Raises:
            ApiError: The server refuses, is away, or answers with something else.
        """
        return _read(self._request("GET", path, query), answer)

    def send(self, method: str, path: str, body: Mapping[str, Any], answer: type[Answer]) -> Answer:
        """Send a change and return what came of it; raises as `get` does."""
        return _read(self._request(method, path, body=body), answer)

    def delete(self, path: str) -> None:
        """Delete what stands under a path; raises as `get` does."""
        self._request("DELETE", path)

    def take_back(self, path: str, query: Query, answer: type[Answer]) -> Answer:
        """Delete what a query names and return what is left; raises as `get` does."""
        return _read(self._request("DELETE", path, query), answer)

    @contextmanager
    def stream(self, path: str, query: Query) -> Iterator[Iterator[bytes]]:
        """Yield a file in parts as it arrives; raises as `get` does, also while it is read."""
        with self._telling():
            response = self._try("GET", path, query, stream=True)
            try:
                yield response.iter_bytes()
            finally:
                response.close()

    def close(self) -> None:
        """Close the connections; a later call opens new ones."""
        if self._http is not None:
            self._http.close()
            self._http = None

    def _connected(self) -> httpx.Client:
        """Return the HTTP client of this process; a child leaves its parent's connections alone.

        Raises:
            ConfigurationError: The environment names a proxy or certificates that are none.
        """
        # No child is forked while a TLS context is made: see `lifecycle.loading`.
        with lifecycle.loading:
            if self._http is None or self._pid != os.getpid():
                self._http, self._pid = self._connect(), os.getpid()
                weakref.finalize(self, self._http.close)
            return self._http

    def _connect(self) -> httpx.Client:
        settings = self._settings
        is_https = settings.base_url.startswith("https")
        try:
            return httpx.Client(
                base_url=settings.base_url,
                headers={
                    "Authorization": f"Bearer {settings.api_key}",
                    "User-Agent": f"phospho-python/{version.__version__}",
                },
                timeout=httpx.Timeout(TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
                transport=self._transport,
                proxy=None if self._transport else find_proxy(settings.base_url),
                # Its proxies are found above, where a server on this machine is asked directly.
                trust_env=False,
                verify=httpx.create_ssl_context() if is_https else True,
            )
        except (httpx.InvalidURL, ValueError, ImportError, OSError) as error:
            # What is wrong with a proxy may be a part of its password.
            raise ConfigurationError(
                "What the environment says of proxies or certificates cannot be used to reach "
                f"{settings.base_url}. Check HTTP_PROXY, HTTPS_PROXY, ALL_PROXY (for SOCKS, "
                "install httpx[socks]), SSL_CERT_FILE and SSL_CERT_DIR."
            ) from error

    def _request(
        self, method: str, path: str, query: Query = (), body: Mapping[str, Any] | None = None
    ) -> httpx.Response:
        with self._telling():
            return self._try(method, path, query, body)

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Turn what the network does into an error that says what to do."""
        try:
            yield
        except httpx.TransportError as error:
            said = str(error) or type(error).__name__
            raise ServerAwayError(
                f"{self._settings.base_url} does not answer: {said}. Check that a phospho server "
                "runs there, and base_url (PHOSPHO_BASE_URL)."
            ) from error
        except httpx.DecodingError as error:
            raise _other_answer(self._settings.base_url) from error

    def _try(
        self,
        method: str,
        path: str,
        query: Query,
        body: Mapping[str, Any] | None = None,
        *,
        stream: bool = False,
    ) -> httpx.Response:
        """Send a request, and again where that can help; return an answer that is no refusal."""
        http = self._connected()
        request = self._build(http, method, path, query, body)
        for pause_s in (*PAUSES_S, None):
            try:
                response = http.send(request, stream=stream)
            except httpx.TransportError as error:
                if pause_s is None or not _is_harmless(method, error):
                    raise
                time.sleep(pause_s)
                continue
            if response.is_success:
                return response
            response.read()
            asked_s = read_retry_after(response.headers.get("Retry-After")) or 0.0
            if pause_s is None or asked_s > MAX_PAUSE_S or not _may_repeat(method, response):
                self._refuse(response)
            time.sleep(max(pause_s, asked_s))
        raise AssertionError("the last try answers or raises")

    def _build(
        self,
        http: httpx.Client,
        method: str,
        path: str,
        query: Query,
        body: Mapping[str, Any] | None,
    ) -> httpx.Request:
        try:
            return http.build_request(
                method,
                self._root + path,
                params=list(query),
                content=None if body is None else json.dumps(body, allow_nan=False),
                headers=None if body is None else {"Content-Type": "application/json"},
            )
        except (httpx.InvalidURL, UnicodeError, *NOT_JSON) as error:
            raise InvalidRequestError(
                f"This cannot be sent: {error}. Leave out what is too long for an address, half a "
                "character, or not JSON."
            ) from error

    def _refuse(self, response: httpx.Response) -> NoReturn:
        """Raise what a refusal means, in the server's words."""
        try:
            problem = answers.Error.model_validate_json(response.content).error
        except ValidationError as error:
            if response.status_code in _AWAY:
                raise ServerAwayError(
                    f"{self._settings.base_url} answered HTTP {response.status_code}. Check that "
                    "the phospho server behind it runs.",
                    status=response.status_code,
                ) from error
            raise _other_answer(self._settings.base_url, response.status_code) from error
        # Whatever stands at this address may say back what it was sent.
        said = problem.message.replace(self._settings.api_key, "...")[:_MAX_MESSAGE_CHARS]
        kind = _ERRORS.get(response.status_code, AnswerError)
        raise kind(said, status=response.status_code, code=problem.code)


def _is_harmless(method: str, error: httpx.TransportError) -> bool:
    """Tell whether a request may be sent again: it changes nothing, or was never sent.

    What a server has had no time for, it would have none for again.
    """
    if isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout)):
        return True
    return method == "GET" and not isinstance(error, httpx.TimeoutException)


def _may_repeat(method: str, response: httpx.Response) -> bool:
    status = response.status_code
    return status in _BUSY or (method == "GET" and status in _AWAY)


def _read(response: httpx.Response, answer: type[Answer]) -> Answer:
    try:
        return answer.model_validate_json(response.content)
    except ValidationError as error:
        raise _other_answer(
            str(response.url.copy_with(query=None)), response.status_code
        ) from error


def _other_answer(where: str, status: int | None = None) -> AnswerError:
    told = "" if status is None else f" (HTTP {status})"
    return AnswerError(
        f"{where} did not answer as a phospho server does{told}. Check base_url "
        "(PHOSPHO_BASE_URL), and that this client and the server there are of the same version.",
        status=status,
    )

"""`/healthz`, `/readyz` and `/metrics` of a process that serves no pages: a `phospho worker`.

They are as those of the server (`api/health.py`), over a socket of their own and without what
pages need.
"""

from __future__ import annotations

import hmac
import json
import socket
import threading
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from phospho.errors import ConfigurationError
from phospho_server.connections import HttpServer
from phospho_server.lanes import Bounds, Lanes
from phospho_server.metrics.exposition import CONTENT_TYPE
from phospho_server.metrics.gathering import METRICS_VARIABLE, Metrics
from phospho_server.running import OK, Running
from phospho_server.same_machine import is_same_machine

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_FEW = Bounds(threads=1, most_requests=16, most_bytes=1024 * 1024)

_JSON = "application/json"

# Of an answer: its status, its type, and its body.
_Answer = tuple[str, str, str]


class Probes:
    """Answers from threads of its own, until `stop`.

    Args:
        running: What of the process runs.
        token: Who shows it may read the metrics from elsewhere; None where nobody may.
        host: Where to listen.
        port: 0 takes any that is free.

    Raises:
        ConfigurationError: The address cannot be used.
    """

    def __init__(self, running: Running, *, token: str | None, host: str, port: int) -> None:
        self._running = running
        self._metrics = Metrics(running, token)
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            listening = socket.create_server((host, port), family=family)
        except OSError as exc:
            raise ConfigurationError(
                f"Port {port} of {host} cannot be used: {exc.strerror}. Choose another with --port."
            ) from exc
        self.port: int = listening.getsockname()[1]
        self._server = HttpServer(
            self.answer,
            Lanes(storing=_FEW, looking=_FEW),
            sockets=[listening],
            connection_limit=50,
            ident=None,
            # Kept for `is_same_machine`, which must see that a proxy is in front.
            clear_untrusted_proxy_headers=False,
        )

    def start(self) -> None:
        """Begin to answer."""
        threading.Thread(target=self._server.run, name="phospho-probes", daemon=True).start()

    def stop(self) -> None:
        """Take no more requests."""
        self._server.close()

    def answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        status, content_type, text = self._find_answer(environ)
        start_response(status, [("Content-Type", content_type), ("Cache-Control", "no-store")])
        return [text.encode()]

    def _find_answer(self, environ: WSGIEnvironment) -> _Answer:
        path = environ.get("PATH_INFO", "")
        if path == "/healthz":
            return _tell(self._running.check_alive())
        if path == "/readyz":
            return _tell(self._running.check_ready())
        if path == "/metrics":
            return self._tell_metrics(environ)
        text = "There are /healthz, /readyz and /metrics here."
        return _refuse("404 Not Found", "not_found", text)

    def _tell_metrics(self, environ: WSGIEnvironment) -> _Answer:
        if not (_is_at_the_machine(environ) or self._shows_token(environ)):
            text = (
                "This is for the worker's own machine. From elsewhere, send 'Authorization: Bearer "
                f"<token>' with the token that {METRICS_VARIABLE} names where the worker runs."
            )
            return _refuse("401 Unauthorized", "unauthorized", text)
        return "200 OK", CONTENT_TYPE, self._metrics.write()

    def _shows_token(self, environ: WSGIEnvironment) -> bool:
        scheme, _, shown = str(environ.get("HTTP_AUTHORIZATION", "")).partition(" ")
        expected = self._metrics.token
        is_it = expected is not None and hmac.compare_digest(
            shown.strip().encode("latin-1"), expected.encode()
        )
        return is_it and scheme.lower() == "bearer"


def _is_at_the_machine(environ: WSGIEnvironment) -> bool:
    names = {
        name.removeprefix("HTTP_").replace("_", "-").title()
        for name in environ
        if name.startswith("HTTP_")
    }
    return is_same_machine(environ["REMOTE_ADDR"], environ.get("HTTP_HOST", ""), names)


def _tell(parts: Mapping[str, str]) -> _Answer:
    is_well = all(part == OK for part in parts.values())
    said: dict[str, Any] = {"status": OK if is_well else "failing", "checks": dict(parts)}
    return "200 OK" if is_well else "503 Service Unavailable", _JSON, json.dumps(said)


def _refuse(status: str, code: str, message: str) -> _Answer:
    return status, _JSON, json.dumps({"error": {"code": code, "message": message}})

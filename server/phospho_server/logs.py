"""What the server writes to its log: problems, or with JSON logs also a line for each request."""

from __future__ import annotations

import json
import logging
import time

from flask import Flask, Response, g, request

logger = logging.getLogger("phospho_server.requests")


class JsonFormatter(logging.Formatter):
    """One JSON object a line, so that text from strangers cannot forge lines."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as `{"time", "level", "logger", "message", ...}`."""
        entry = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "request", {}),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry)


def configure(*, as_json: bool) -> None:
    """Send the log to standard error."""
    handler = logging.StreamHandler()
    if as_json:
        handler.setFormatter(JsonFormatter())
    else:
        handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    if as_json:
        logger.setLevel(logging.INFO)


def log_requests(app: Flask) -> None:
    """Log each request where the log is at INFO; never a body, a key, a cookie or a query."""
    if not logger.isEnabledFor(logging.INFO):
        return

    @app.before_request
    def _start() -> None:
        g.started = time.perf_counter()

    @app.after_request
    def _log(response: Response) -> Response:
        facts = {
            "method": request.method,
            "path": request.path,
            "status": response.status_code,
            "duration_ms": round((time.perf_counter() - g.pop("started", 0.0)) * 1000, 1),
        }
        logger.info("request", extra={"request": facts})
        return response

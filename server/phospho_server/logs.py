"""What the server writes to its log: problems, or with JSON logs also a line for each request."""

from __future__ import annotations

import json
import logging
import time

from flask import g, has_request_context

# Its level says whether requests are logged.
requests_logger = logging.getLogger("phospho_server.requests")


class JsonFormatter(logging.Formatter):
    """One JSON object a line, so that text from strangers cannot forge lines."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as `{"time", "level", "logger", "message", ...}`."""
        entry = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "request", {}),
        }
        if has_request_context() and "request_id" in g:
            entry["request_id"] = g.request_id
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
    # It has a line for each request that waits for a thread; `/metrics` has their number.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    if as_json:
        requests_logger.setLevel(logging.INFO)

"""What the server writes to its log: problems, or with JSON logs also a line for each request."""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import threading
import time
from collections.abc import Iterator
from types import TracebackType

from flask import g, has_request_context

from phospho.errors import PhosphoError

logger = logging.getLogger("phospho_server")

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
        # What Python would write to standard error by itself.
        logging.captureWarnings(True)
        sys.excepthook = _tell_of_process
        threading.excepthook = _tell_of_thread


@contextlib.contextmanager
def errors_told(*, as_json: bool) -> Iterator[None]:
    """Let an expected error that ends the process be the last line of a log of JSON."""
    try:
        yield
    except PhosphoError as exc:
        if not as_json:
            raise
        logger.critical("%s", exc)
        sys.exit(1)


def _tell_of_process(
    kind: type[BaseException], exc: BaseException, traceback: TracebackType | None
) -> None:
    logger.critical("An unexpected error ends the process", exc_info=(kind, exc, traceback))


def _tell_of_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and args.exc_type is not SystemExit:
        name = args.thread.name if args.thread else "that has ended"
        logger.error(
            "An unexpected error ends the thread %s",
            name,
            exc_info=(args.exc_type, args.exc_value, args.exc_traceback),
        )

"""JSON that is put together from texts: what the database has as JSON is copied as it is.

An answer has a thousand things. To read their JSON, make objects of them, and write the objects as
JSON again takes three times as long.
"""

from __future__ import annotations

from collections.abc import Iterable

# Not in the manual, but there in every version; `json.dumps` takes six times as long to call it.
from json.encoder import encode_basestring_ascii as quote

from flask import Response, current_app

__all__ = ["NULL", "answer", "answer_list", "quote", "quote_or_null", "truth"]

NULL = "null"


def quote_or_null(text: str | None) -> str:
    """Return a text as JSON, or null."""
    return NULL if text is None else quote(text)


def truth(value: bool) -> str:
    """Return true or false as JSON."""
    return "true" if value else "false"


def answer(text: str) -> Response:
    """Return JSON as the answer to a request."""
    return _answer(f"{text}\n".encode())


def answer_list(name: str, texts: Iterable[str]) -> Response:
    """Return `{name: [...]}` as the answer to a request."""
    parts = [each.encode() for each in texts] or [b""]
    # All that there is may be megabytes: it is copied once.
    parts[0] = b'{"%b":[%b' % (name.encode(), parts[0])
    parts[-1] += b"]}\n"
    return _answer(b",".join(parts))


def _answer(body: bytes) -> Response:
    return current_app.response_class(body, mimetype="application/json")

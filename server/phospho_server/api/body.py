"""Read a JSON body from a stranger: compressed or not, within limits, never a 500."""

from __future__ import annotations

import zlib
from typing import Any

from flask import request
from werkzeug.exceptions import RequestEntityTooLarge

from phospho.snapshot import clean_text
from phospho_server.errors import BadRequestError, TooLargeError, UnsupportedError
from phospho_server.incoming import parse_json
from phospho_server.limits import MAX_BODY_BYTES, MAX_VALUES


def read_object() -> dict[str, Any]:
    """Return the request's JSON object.

    Raises:
        BadRequestError: The body is not a JSON object.
        TooLargeError: It is larger than 32 MiB, also after decompression, or has too many values.
        UnsupportedError: It is compressed in a way that is not known.
    """
    data = read_bytes()
    _refuse_many_values(data)
    try:
        value = parse_json(data)
    except (ValueError, RecursionError) as exc:
        reason = "it is nested too deeply" if isinstance(exc, RecursionError) else str(exc)
        raise BadRequestError(f"The body cannot be read as JSON: {reason}.") from exc
    if not isinstance(value, dict):
        raise BadRequestError("The body must be a JSON object, as in {...}.")
    return value


def read_clean_object() -> dict[str, Any]:
    """Return the request's JSON object with texts that every database can hold: see `clean_text`.

    Raises:
        BadRequestError: The body is not a JSON object.
        TooLargeError: It is larger than 32 MiB, also after decompression.
    """
    try:
        return {clean_text(name): _clean(value) for name, value in read_object().items()}
    except RecursionError as exc:
        raise BadRequestError("The body is nested too deeply. Flatten it.") from exc


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, list):
        return [_clean(each) for each in value]
    if isinstance(value, dict):
        return {clean_text(name): _clean(each) for name, each in value.items()}
    return value


def read_bytes() -> bytes:
    """Return the request's body, decompressed.

    Raises:
        BadRequestError: It cannot be decompressed.
        TooLargeError: It is larger than 32 MiB, also after decompression.
    """
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in {"", "identity", "gzip"}:
        raise UnsupportedError("The Content-Encoding is not known. Send gzip, or none.")
    try:
        data = request.get_data(cache=False)
    except RequestEntityTooLarge:
        raise _too_large() from None
    return _gunzip(data) if encoding == "gzip" else data


def _refuse_many_values(data: bytes) -> None:
    """Refuse a body that would take much more memory than it has bytes."""
    # A value is a byte at least, and to count them takes as long as to read some.
    if len(data) > MAX_VALUES and sum(map(data.count, (b",", b"[", b"{"))) > MAX_VALUES:
        raise TooLargeError(
            f"The body has more than {MAX_VALUES:,} values. Send it in several requests."
        )


def _too_large(when: str = "") -> TooLargeError:
    return TooLargeError(
        f"The body is larger than {MAX_BODY_BYTES // 1024**2} MiB{when}. "
        "Send it in several requests."
    )


def _gunzip(data: bytes) -> bytes:
    """Decompress, giving up where a bomb would go on."""
    stream = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        text = stream.decompress(data, MAX_BODY_BYTES)
    except zlib.error as exc:
        raise BadRequestError(f"The body is not valid gzip: {exc}.") from exc
    if stream.unconsumed_tail:
        raise _too_large(" when decompressed")
    if not stream.eof:
        raise BadRequestError("The gzip body ends too early. Send it again, whole.")
    if stream.unused_data:
        raise BadRequestError("The gzip body goes on after its end. Compress all of it at once.")
    return text

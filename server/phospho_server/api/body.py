"""Read a JSON body from a stranger: compressed or not, within limits, never a 500."""

from __future__ import annotations

import zlib
from typing import Any

from flask import request

from phospho.snapshot import clean_text
from phospho_server.errors import BadRequestError, TooLargeError
from phospho_server.incoming import parse_json
from phospho_server.limits import MAX_BODY_BYTES


def read_object() -> dict[str, Any]:
    """Return the request's JSON object.

    Raises:
        BadRequestError: The body is not a JSON object.
        TooLargeError: It is larger than 32 MiB, also after decompression.
    """
    try:
        value = parse_json(_read_bytes())
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


def _read_bytes() -> bytes:
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding in {"", "identity"}:
        return request.get_data(cache=False)
    if encoding != "gzip":
        raise BadRequestError(
            f"The Content-Encoding {encoding[:40]!r} is not known. Send gzip, or none."
        )
    return _gunzip(request.get_data(cache=False))


def _gunzip(data: bytes) -> bytes:
    """Decompress, giving up where a bomb would go on."""
    stream = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        text = stream.decompress(data, MAX_BODY_BYTES)
    except zlib.error as exc:
        raise BadRequestError(f"The body is not valid gzip: {exc}.") from exc
    if stream.unconsumed_tail:
        raise TooLargeError(
            f"The body is larger than {MAX_BODY_BYTES // 1024**2} MiB when decompressed. "
            "Send it in several requests."
        )
    if not stream.eof:
        raise BadRequestError("The gzip body ends too early. Send it again, whole.")
    if stream.unused_data:
        raise BadRequestError("The gzip body goes on after its end. Compress all of it at once.")
    return text

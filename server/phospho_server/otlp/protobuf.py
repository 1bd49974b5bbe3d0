"""Protobuf as OTLP uses it, read into the form of OTLP's JSON, and the two answers written.

The few messages needed are a table here, so that no library has to be installed for them; tests
compare with `opentelemetry-proto`. Source: opentelemetry-proto 1.45 (common, resource, trace and
logs, v1), protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from phospho_server.limits import MAX_DEPTH

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5

# A varint of 64 bits has ten groups of seven.
_MAX_SHIFT = 63

# Read, each takes some hundred bytes, where the body had two; exporters send some ten thousand.
MAX_MESSAGES = 500_000

Wire = int | memoryview


@dataclass(frozen=True)
class _Field:
    """A field of a message.

    Args:
        name: As OTLP's JSON calls it.
        wire_type: How it is encoded; of another type it is passed over.
        read: Makes a value of what stands there; None for a message, which `of` names.
        of: The message inside.
        is_many: Whether there may be several.
    """

    name: str
    wire_type: int = _LENGTH
    read: Callable[[Wire], object] | None = None
    of: str = ""
    is_many: bool = False


def _text(value: Wire) -> str:
    return bytes(value).decode("utf-8", "replace")


def _hex(value: Wire) -> str:
    return bytes(value).hex()


def _signed(value: Wire) -> int:
    number = int(value)
    return number - 2**64 if number >= 2**63 else number


def _double(value: Wire) -> float:
    found: tuple[float] = struct.unpack("<d", int(value).to_bytes(8, "little"))
    return found[0]


def _string(name: str) -> _Field:
    return _Field(name, read=_text)


def _message(name: str, of: str) -> _Field:
    return _Field(name, of=of)


def _list(name: str, of: str) -> _Field:
    return _Field(name, of=of, is_many=True)


def _number(name: str, wire_type: int) -> _Field:
    return _Field(name, wire_type, read=_signed)


_ATTRIBUTES = "KeyValue"

_MESSAGES: Mapping[str, Mapping[int, _Field]] = {
    "traces": {1: _list("resourceSpans", "ResourceSpans")},
    "logs": {1: _list("resourceLogs", "ResourceLogs")},
    "ResourceSpans": {1: _message("resource", "Resource"), 2: _list("scopeSpans", "ScopeSpans")},
    "ResourceLogs": {1: _message("resource", "Resource"), 2: _list("scopeLogs", "ScopeLogs")},
    "Resource": {1: _list("attributes", _ATTRIBUTES)},
    "ScopeSpans": {1: _message("scope", "Scope"), 2: _list("spans", "Span")},
    "ScopeLogs": {1: _message("scope", "Scope"), 2: _list("logRecords", "LogRecord")},
    "Scope": {1: _string("name")},
    "Span": {
        1: _Field("traceId", read=_hex),
        2: _Field("spanId", read=_hex),
        4: _Field("parentSpanId", read=_hex),
        5: _string("name"),
        7: _number("startTimeUnixNano", _FIXED64),
        8: _number("endTimeUnixNano", _FIXED64),
        9: _list("attributes", _ATTRIBUTES),
        11: _list("events", "Event"),
        15: _message("status", "Status"),
        16: _number("flags", _FIXED32),
    },
    "Event": {
        1: _number("timeUnixNano", _FIXED64),
        2: _string("name"),
        3: _list("attributes", _ATTRIBUTES),
    },
    "Status": {2: _string("message"), 3: _number("code", _VARINT)},
    "LogRecord": {
        1: _number("timeUnixNano", _FIXED64),
        5: _message("body", "AnyValue"),
        6: _list("attributes", _ATTRIBUTES),
        9: _Field("traceId", read=_hex),
        10: _Field("spanId", read=_hex),
        11: _number("observedTimeUnixNano", _FIXED64),
        12: _string("eventName"),
    },
    _ATTRIBUTES: {1: _string("key"), 2: _message("value", "AnyValue")},
    "AnyValue": {
        1: _string("stringValue"),
        2: _Field("boolValue", _VARINT, read=bool),
        3: _number("intValue", _VARINT),
        4: _Field("doubleValue", _FIXED64, read=_double),
        5: _message("arrayValue", "ArrayValue"),
        6: _message("kvlistValue", "KeyValueList"),
        7: _Field("bytesValue", read=_hex),
    },
    "ArrayValue": {1: _list("values", "AnyValue")},
    "KeyValueList": {1: _list("values", _ATTRIBUTES)},
}


def read_request(body: bytes, kind: str) -> dict[str, object]:
    """Return a request as OTLP's JSON would have it.

    Args:
        body: The encoded message.
        kind: `traces` or `logs`.

    Raises:
        ValueError: It is no protobuf, or it ends too early.
    """
    return _read_message(memoryview(body), kind, 0, iter(range(MAX_MESSAGES)))


def _read_message(
    data: memoryview, kind: str, depth: int, budget: Iterator[int]
) -> dict[str, object]:
    if depth > 2 * MAX_DEPTH:
        raise ValueError("it is nested too deeply")
    if next(budget, None) is None:
        raise ValueError(f"it has more than {MAX_MESSAGES:,} values")
    fields = _MESSAGES[kind]
    message: dict[str, object] = {}
    for number, wire_type, found in _each_field(data):
        field = fields.get(number)
        if field is None or field.wire_type != wire_type:
            continue
        value = (
            field.read(found) if field.read else _read_message(found, field.of, depth + 1, budget)  # type: ignore[arg-type]
        )
        if field.is_many:
            message.setdefault(field.name, []).append(value)  # type: ignore[attr-defined]
        else:
            message[field.name] = value
    return message


def _each_field(data: memoryview) -> Iterator[tuple[int, int, Wire]]:
    at = 0
    while at < len(data):
        tag, at = _read_varint(data, at)
        number, wire_type = tag >> 3, tag & 7
        if number == 0:
            raise ValueError("it has a field with the number 0")
        value: Wire
        if wire_type == _VARINT:
            value, at = _read_varint(data, at)
        else:
            size, at = _size_of(data, at, wire_type)
            piece = data[at : at + size]
            at += size
            if at > len(data):
                raise ValueError("it ends in the middle of a field")
            value = piece if wire_type == _LENGTH else int.from_bytes(piece, "little")
        yield number, wire_type, value


def _size_of(data: memoryview, at: int, wire_type: int) -> tuple[int, int]:
    if wire_type == _LENGTH:
        return _read_varint(data, at)
    if wire_type == _FIXED64:
        return 8, at
    if wire_type == _FIXED32:
        return 4, at
    raise ValueError(f"it has a field of the unknown type {wire_type}")


def _read_varint(data: memoryview, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        if at >= len(data):
            raise ValueError("it ends in the middle of a field")
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the bit that says that more follows
            return number & (2**64 - 1), at
        shift += 7
        if shift > _MAX_SHIFT:
            raise ValueError("it has a number of more than 64 bits")


def write_answer(rejected: int, message: str) -> bytes:
    """Return an `Export…ServiceResponse`: empty where everything was kept."""
    if not rejected and not message:
        return b""
    partial = (b"\x08" + _varint(rejected) if rejected else b"") + _write_text(2, message)
    return b"\x0a" + _varint(len(partial)) + partial


def write_status(message: str) -> bytes:
    """Return a `google.rpc.Status`, with which OTLP refuses a request."""
    return _write_text(2, message)


def _write_text(number: int, text: str) -> bytes:
    data = text.encode()
    return bytes([number << 3 | _LENGTH]) + _varint(len(data)) + data if data else b""


def _varint(number: int) -> bytes:
    written = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - what fits a byte beside the bit that says more follows
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)

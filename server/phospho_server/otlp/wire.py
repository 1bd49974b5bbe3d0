"""Spans and log records of an OTLP request, as plain Python values.

Source: opentelemetry.io/docs/specs/otlp, "JSON Protobuf Encoding": names in lowerCamelCase, ids in
hex, whole numbers of 64 bits as text. `protobuf.py` gives the same form.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from phospho.snapshot import clean_text
from phospho_server.limits import MAX_DEPTH

# A long conversation fits; what is longer is cut, and its JSON then read as a text.
MAX_VALUE_CHARS = 4_000_000

MAX_ATTRIBUTES = 2_000

MAX_EVENTS = 1_000

_TRACE_ID_CHARS, _SPAN_ID_CHARS = 32, 16

_ERROR = 2

# W3C: bit 8 says that bit 9 is known, bit 9 that the parent is in another process.
_REMOTE = 0x300

_MAX_NS = 2**63 - 1

Attributes = Mapping[str, object]


@dataclass(frozen=True)
class SpanEvent:
    """Something that happened in a span, or a log record that belongs to it."""

    name: str
    at_ns: int = 0
    attributes: Attributes = field(default_factory=dict)
    body: object = None


@dataclass(frozen=True)
class Span:
    """A span, whichever way it arrived.

    Args:
        trace_id: 32 hex digits.
        span_id: 16 hex digits.
        parent_id: The span it is part of; None for the root.
        is_entry: Whether its parent, if any, is in another process.
        ended_at_ns: 0 where it is not known.
        attributes: Values are texts, numbers, booleans, lists and dicts.
        error: What its status says where that is an error; may be empty. None where it is none.
        resource: Attributes of the process.
        scope: The instrumentation that made it.
    """

    trace_id: str
    span_id: str
    parent_id: str | None = None
    is_entry: bool = False
    name: str = ""
    started_at_ns: int = 0
    ended_at_ns: int = 0
    attributes: Attributes = field(default_factory=dict)
    events: Sequence[SpanEvent] = ()
    error: str | None = None
    resource: Attributes = field(default_factory=dict)
    scope: str = ""

    @property
    def is_root(self) -> bool:
        """Whether all that belongs to it here has begun after it."""
        return self.parent_id is None or self.is_entry


@dataclass(frozen=True)
class LogRecord:
    """A log record that says to which span it belongs."""

    trace_id: str
    span_id: str
    event: SpanEvent


@dataclass(frozen=True)
class Read:
    """What of a request can be kept.

    Args:
        rejected: How many spans, or records, cannot.
        reason: Why not, of the first of them.
    """

    spans: Sequence[Span] = ()
    records: Sequence[LogRecord] = ()
    rejected: int = 0
    reason: str = ""


def read_traces(request: Mapping[str, object]) -> Read:
    """Return the spans of an `ExportTraceServiceRequest`."""
    spans: list[Span] = []
    rejected = 0
    for resource, scope, each in _each(request, "resourceSpans", "scopeSpans", "spans"):
        span = _read_span(each)
        if span is None:
            rejected += 1
        else:
            spans.append(replace(span, resource=resource, scope=scope))
    return Read(spans=spans, rejected=rejected, reason=_say("spans", rejected))


def read_logs(request: Mapping[str, object]) -> Read:
    """Return the records of an `ExportLogsServiceRequest` that belong to a span.

    Others are logs of an app, which nobody asked phospho to keep; they are no mistake.
    """
    records = []
    for _resource, _scope, each in _each(request, "resourceLogs", "scopeLogs", "logRecords"):
        ids = _ids_of(each)
        if ids is not None:
            attributes = _read_attributes(each.get("attributes"))
            name = _as_text(each.get("eventName")) or _as_text(attributes.get("event.name"))
            at_ns = _as_ns(each.get("timeUnixNano")) or _as_ns(each.get("observedTimeUnixNano"))
            event = SpanEvent(name, at_ns, attributes, _read_value(each.get("body"), 0))
            records.append(LogRecord(*ids, event))
    return Read(records=records)


def _say(what: str, rejected: int) -> str:
    if not rejected:
        return ""
    return (
        f"{rejected} {what} have no traceId of {_TRACE_ID_CHARS} and spanId of {_SPAN_ID_CHARS} "
        "hex digits that are not all 0. Send them with both."
    )


def _each(
    request: Mapping[str, object], outer: str, inner: str, items: str
) -> Iterator[tuple[Attributes, str, Mapping[str, object]]]:
    for of_resource in _dicts(request.get(outer)):
        resource = _read_attributes(_as_dict(of_resource.get("resource")).get("attributes"))
        for of_scope in _dicts(of_resource.get(inner)):
            scope = _as_text(_as_dict(of_scope.get("scope")).get("name"))
            # Entries that are no objects are counted among the refused.
            for each in _as_list(of_scope.get(items)):
                yield resource, scope, _as_dict(each)


def _read_span(value: Mapping[str, object]) -> Span | None:
    ids = _ids_of(value)
    if ids is None:
        return None
    parent_id = _as_id(value.get("parentSpanId"), _SPAN_ID_CHARS)
    flags = _as_int(value.get("flags")) or 0
    status = _as_dict(value.get("status"))
    is_error = _as_int(status.get("code")) == _ERROR or status.get("code") == "STATUS_CODE_ERROR"
    return Span(
        *ids,
        parent_id=parent_id,
        is_entry=parent_id is not None and flags & _REMOTE == _REMOTE,
        name=_as_text(value.get("name")),
        started_at_ns=_as_ns(value.get("startTimeUnixNano")),
        ended_at_ns=_as_ns(value.get("endTimeUnixNano")),
        attributes=_read_attributes(value.get("attributes")),
        events=[_read_event(each) for each in _dicts(value.get("events"))[:MAX_EVENTS]],
        error=_as_text(status.get("message")) if is_error else None,
    )


def _read_event(value: Mapping[str, object]) -> SpanEvent:
    return SpanEvent(
        _as_text(value.get("name")),
        _as_ns(value.get("timeUnixNano")),
        _read_attributes(value.get("attributes")),
    )


def _ids_of(value: Mapping[str, object]) -> tuple[str, str] | None:
    trace_id = _as_id(value.get("traceId"), _TRACE_ID_CHARS)
    span_id = _as_id(value.get("spanId"), _SPAN_ID_CHARS)
    return (trace_id, span_id) if trace_id and span_id else None


def _as_id(value: object, chars: int) -> str | None:
    text = value.lower() if isinstance(value, str) else ""
    is_id = len(text) == chars and text.isascii() and set(text) <= set("0123456789abcdef")
    return text if is_id and text.strip("0") else None


def _read_attributes(value: object) -> dict[str, object]:
    return {
        _as_text(each.get("key")): _read_value(each.get("value"), 0)
        for each in _dicts(value)[:MAX_ATTRIBUTES]
    }


def _read_value(value: object, depth: int) -> object:
    """Return an `AnyValue` as a plain value; what is none is None."""
    if not isinstance(value, dict) or depth > MAX_DEPTH:
        return None
    for name, found in value.items():
        if name in _SCALARS:
            return _SCALARS[name](found)
        if name == "arrayValue":
            values = _as_list(_as_dict(found).get("values"))
            return [_read_value(each, depth + 1) for each in values]
        if name == "kvlistValue":
            return {
                _as_text(each.get("key")): _read_value(each.get("value"), depth + 1)
                for each in _dicts(_as_dict(found).get("values"))
            }
    return None


def _as_text(value: object) -> str:
    return clean_text(value, MAX_VALUE_CHARS) if isinstance(value, str) else ""


def _as_int(value: object) -> int | None:
    if isinstance(value, str) and len(value) <= len(str(-(2**63))):
        try:
            value = int(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if -(2**63) <= value < 2**63 else None


def _as_float(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _as_ns(value: object) -> int:
    number = _as_int(value) or 0
    return number if 0 <= number <= _MAX_NS else 0


def _as_dict(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _as_list(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else ()


def _dicts(value: object) -> list[Mapping[str, object]]:
    return [each for each in _as_list(value) if isinstance(each, dict)]


_SCALARS: Mapping[str, Callable[[object], object]] = {
    "stringValue": _as_text,
    "boolValue": lambda value: value is True,
    "intValue": _as_int,
    "doubleValue": _as_float,
    "bytesValue": _as_text,
}

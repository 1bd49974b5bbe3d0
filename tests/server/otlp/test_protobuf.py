"""Our decoder against OpenTelemetry's own messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import (
    AnyValue,
    ArrayValue,
    InstrumentationScope,
    KeyValue,
    KeyValueList,
)
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from phospho_server.otlp import protobuf, wire

_TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
_SCALARS = st.one_of(
    _TEXTS.map(lambda text: (text, AnyValue(string_value=text))),
    st.booleans().map(lambda each: (each, AnyValue(bool_value=each))),
    st.integers(-(2**63), 2**63 - 1).map(lambda each: (each, AnyValue(int_value=each))),
    st.floats(allow_nan=False, allow_infinity=False).map(
        lambda each: (each, AnyValue(double_value=each))
    ),
    st.binary(max_size=9).map(lambda each: (each.hex(), AnyValue(bytes_value=each))),
    st.just((None, AnyValue())),
)


def _as_list(values: list[tuple[object, AnyValue]]) -> tuple[object, AnyValue]:
    return (
        [plain for plain, _ in values],
        AnyValue(array_value=ArrayValue(values=[each for _, each in values])),
    )


def _as_dict(values: dict[str, tuple[object, AnyValue]]) -> tuple[object, AnyValue]:
    pairs = [KeyValue(key=key, value=each) for key, (_, each) in values.items()]
    return (
        {key: plain for key, (plain, _) in values.items()},
        AnyValue(kvlist_value=KeyValueList(values=pairs)),
    )


_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(_as_list),
        st.dictionaries(_TEXTS, inner, max_size=3).map(_as_dict),
    ),
    max_leaves=8,
)
_TIMES = st.integers(0, 2**63 - 1)
_ATTRIBUTES = st.dictionaries(_TEXTS, _VALUES, max_size=4)


def _pairs(attributes: dict[str, tuple[object, AnyValue]]) -> list[KeyValue]:
    return [KeyValue(key=key, value=value) for key, (_, value) in attributes.items()]


def _plain(attributes: dict[str, tuple[object, AnyValue]]) -> dict[str, object]:
    return {key: plain for key, (plain, _) in attributes.items()}


@given(
    name=_TEXTS,
    times=st.tuples(_TIMES, _TIMES),
    attributes=_ATTRIBUTES,
    of_event=_ATTRIBUTES,
    of_resource=_ATTRIBUTES,
    is_entry=st.booleans(),
    error=st.none() | _TEXTS,
)
def test_a_span_is_read_as_it_was_written(
    *,
    name: str,
    times: tuple[int, int],
    attributes: dict[str, tuple[object, AnyValue]],
    of_event: dict[str, tuple[object, AnyValue]],
    of_resource: dict[str, tuple[object, AnyValue]],
    is_entry: bool,
    error: str | None,
) -> None:
    written = Span(
        trace_id=b"\x01" * 16,
        span_id=b"\x02" * 8,
        parent_span_id=b"\x03" * 8,
        trace_state="a=b",
        flags=0x300 if is_entry else 0x100,
        name=name,
        kind=Span.SPAN_KIND_CLIENT,
        start_time_unix_nano=times[0],
        end_time_unix_nano=times[1],
        attributes=_pairs(attributes),
        dropped_attributes_count=3,
        events=[Span.Event(time_unix_nano=times[0], name=name, attributes=_pairs(of_event))],
        links=[Span.Link(trace_id=b"\x01" * 16, span_id=b"\x02" * 8)],
        status=None if error is None else Status(code=Status.STATUS_CODE_ERROR, message=error),
    )
    request = ExportTraceServiceRequest(
        resource_spans=[
            ResourceSpans(
                resource=Resource(attributes=_pairs(of_resource)),
                scope_spans=[
                    ScopeSpans(scope=InstrumentationScope(name="s", version="1"), spans=[written])
                ],
                schema_url="https://opentelemetry.io/schemas/1.40.0",
            )
        ]
    )
    body = request.SerializeToString()
    (read,) = wire.read_traces(protobuf.read_request(body, "traces")).spans
    assert read == wire.Span(
        "01" * 16,
        "02" * 8,
        parent_id="03" * 8,
        is_entry=is_entry,
        name=name,
        started_at_ns=times[0],
        ended_at_ns=times[1],
        attributes=_plain(attributes),
        events=[wire.SpanEvent(name, times[0], _plain(of_event))],
        error=error,
        resource=_plain(of_resource),
        scope="s",
    )


@given(body=_VALUES, attributes=_ATTRIBUTES)
def test_a_log_record_is_read_as_it_was_written(
    body: tuple[object, AnyValue], attributes: dict[str, tuple[object, AnyValue]]
) -> None:
    record = LogRecord(
        observed_time_unix_nano=7,
        event_name="gen_ai.choice",
        severity_text="INFO",
        body=body[1],
        attributes=_pairs(attributes),
        trace_id=b"\x01" * 16,
        span_id=b"\x02" * 8,
        flags=1,
    )
    logs = ResourceLogs(scope_logs=[ScopeLogs(log_records=[record, LogRecord(body=body[1])])])
    request = ExportLogsServiceRequest(resource_logs=[logs]).SerializeToString()
    (read,) = wire.read_logs(protobuf.read_request(request, "logs")).records
    event = wire.SpanEvent("gen_ai.choice", 7, _plain(attributes), body[0])
    assert read == wire.LogRecord("01" * 16, "02" * 8, event)


@given(st.binary(max_size=200), st.sampled_from(["traces", "logs"]))
def test_any_bytes_are_read_or_refused(body: bytes, kind: str) -> None:
    try:
        request = protobuf.read_request(body, kind)
    except ValueError as exc:
        assert str(exc).startswith("it ")
    else:
        assert wire.read_traces(request).spans == []


@pytest.mark.parametrize(
    ("body", "says"),
    [
        pytest.param(b"\x0a\x05\x01", "ends in the middle", id="short-message"),
        pytest.param(b"\x80", "ends in the middle", id="short-number"),
        pytest.param(b"\x08" + b"\xff" * 11, "more than 64 bits", id="long-number"),
        pytest.param(b"\x0b", "unknown type 3", id="group"),
        pytest.param(b"\x02\x00", "number 0", id="field-0"),
        pytest.param(b"{}", "unknown type 3", id="json"),
    ],
)
def test_what_is_no_protobuf_is_refused(body: bytes, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        protobuf.read_request(body, "traces")


def test_what_is_nested_without_end_is_refused() -> None:
    """OpenTelemetry's own library cannot even write it."""

    def inside(field: int, inner: bytes) -> bytes:
        size = bytes([len(inner) & 0x7F | 0x80, len(inner) >> 7 & 0x7F | 0x80, len(inner) >> 14])
        return bytes([field << 3 | 2]) + size + inner

    value = b""
    for _ in range(300):
        value = inside(5, inside(1, value))  # AnyValue.array_value, ArrayValue.values
    attribute = inside(9, inside(2, value))  # Span.attributes, KeyValue.value
    body = inside(1, inside(2, inside(2, attribute)))
    with pytest.raises(ValueError, match="nested too deeply"):
        protobuf.read_request(body, "traces")


def test_a_small_body_of_very_many_values_is_refused() -> None:
    body = b"\x0a\x00" * (protobuf.MAX_MESSAGES + 1)
    with pytest.raises(ValueError, match="more than 500,000 values"):
        protobuf.read_request(body, "traces")


@given(st.integers(0, 2**63 - 1), _TEXTS)
def test_the_answer_is_a_message_of_opentelemetry(rejected: int, reason: str) -> None:
    answer = ExportTraceServiceResponse.FromString(protobuf.write_answer(rejected, reason))
    assert answer.partial_success.rejected_spans == rejected
    assert answer.partial_success.error_message == reason

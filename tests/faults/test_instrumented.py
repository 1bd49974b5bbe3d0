"""Hosts that watch their own HTTP and logging: phospho's traffic is no part of what they see."""

from __future__ import annotations

import json

from tests.faults.hosts import check, run_host
from tests.loopback import Loopback, Reply, serve_openai
from tests.waiting import GIVEN_UP_S


def test_a_host_that_logs_its_http_and_all_log_records_to_phospho_does_not_feed_itself(
    loopback: Loopback,
) -> None:
    loopback.replies.extend([Reply(500), Reply(401)])
    with serve_openai() as other:
        ended = run_host(
            f"""
            import functools, http.client, json, logging, threading, urllib.request
            import httpx, urllib3
            import phospho

            def watch(owner, name):
                method = getattr(owner, name)
                @functools.wraps(method)
                def watched(*args, **kwargs):
                    note(owner.__name__ + "." + name)
                    return method(*args, **kwargs)
                setattr(owner, name, watched)

            def note(text):
                # What the app does itself belongs to its log.
                if threading.current_thread() is threading.main_thread():
                    log(text)
                else:
                    tell("meanwhile", text)
                    phospho.log(text)

            class ToPhospho(logging.Handler):
                def emit(self, record):
                    note("log record: " + record.getMessage())

            watch(httpx.Client, "send")
            watch(httpx.HTTPTransport, "handle_request")
            watch(http.client.HTTPConnection, "request")
            watch(urllib3.HTTPConnectionPool, "urlopen")
            logging.basicConfig(level=logging.DEBUG, handlers=[ToPhospho()])

            phospho.init()
            body = {{"model": "m", "messages": []}}
            httpx.post("{other}/chat/completions", json=body)
            urllib3.PoolManager().request("POST", "{other}/chat/completions", json=body)
            with urllib.request.urlopen("{other}/chat/completions", json.dumps(body).encode()):
                pass
            logging.getLogger("app").warning("of the app")
            log_many(300)
            live_until_sent()
            log("last")
            end()
            """,
            loopback.url,
        )
    check(ended, loopback, len(ended.logged))
    assert len(loopback.faults) == 2
    inputs = {event["input"] for event in loopback.events}
    assert inputs >= {
        "Client.send",
        "HTTPTransport.handle_request",
        "HTTPConnectionPool.urlopen",
        "HTTPConnection.request",
        "log record: of the app",
        *(f"i {number}" for number in range(300)),
    }
    assert not any("/v2/log" in text or "phospho" in text for text in inputs)
    assert ended.exit_s < GIVEN_UP_S


def test_opentelemetry_sees_nothing_of_phosphos_traffic(loopback: Loopback) -> None:
    with serve_openai() as other:
        ended = run_host(
            f"""
            import json, logging
            import httpx
            from opentelemetry import trace, _logs
            from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
            from opentelemetry.instrumentation.logging import LoggingInstrumentor
            from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor
            from opentelemetry.sdk import trace as sdk_trace
            from opentelemetry.sdk import _logs as sdk_logs
            from opentelemetry.sdk._logs.export import (
                InMemoryLogRecordExporter, SimpleLogRecordProcessor,
            )
            from opentelemetry.sdk.trace.export import SimpleSpanProcessor
            from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

            spans, records = InMemorySpanExporter(), InMemoryLogRecordExporter()
            tracers, loggers = sdk_trace.TracerProvider(), sdk_logs.LoggerProvider()
            tracers.add_span_processor(SimpleSpanProcessor(spans))
            loggers.add_log_record_processor(SimpleLogRecordProcessor(records))
            trace.set_tracer_provider(tracers)
            _logs.set_logger_provider(loggers)
            logging.getLogger().setLevel(logging.DEBUG)
            LoggingInstrumentor().instrument()
            HTTPXClientInstrumentor().instrument()
            URLLib3Instrumentor().instrument()

            import phospho
            phospho.init()
            body = {{"model": "m", "messages": []}}
            httpx.post("{other}/chat/completions", json=body)
            before = len(records.get_finished_logs())
            with trace.get_tracer("app").start_as_current_span("of the app"):
                log_many(300)
                live_until_sent()
            log("last")
            phospho.flush()
            tell("spans", json.dumps([span.name for span in spans.get_finished_spans()]))
            tell("before", before)
            later = records.get_finished_logs()[before:]
            tell("records", json.dumps([str(record.log_record.body) for record in later]))
            """,
            loopback.url,
        )
    check(ended, loopback, 301)
    assert int(ended.values("before")[0]) > 0, "the host's own request was to be recorded"
    assert json.loads(ended.values("records")[0]) == []
    assert json.loads(ended.values("spans")[0]) == ["POST", "of the app"]
    assert not any("traceparent" in request.headers for request in loopback.requests)

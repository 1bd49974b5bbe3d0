"""What all apps share: the exporter, and the way through the scenarios."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
from collections.abc import Callable, Mapping

from opentelemetry import trace
from opentelemetry._logs import set_logger_provider
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

VENDOR = os.environ.get("VENDOR_URL", "")

# What a scenario says to the model; the vendor's answer is an echo of it.
QUESTIONS = {
    name: f"What about {name}, number 7?"
    for name in ("plain", "streaming", "tools", "error", "session")
}

SESSION, USER = "session-1", "user-1"

TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Tell the weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


def export() -> TracerProvider:
    """Send spans and log records where `OTEL_EXPORTER_OTLP_*` says."""
    resource = Resource.create({"service.name": "an-app"})
    logs = LoggerProvider(resource=resource)
    logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
    set_logger_provider(logs)
    atexit.register(logs.shutdown)
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return provider


@contextlib.contextmanager
def request(**attributes: str):
    """Be within a span of the app's own, such as that of a request it answers."""
    with trace.get_tracer("app").start_as_current_span("POST /chat", attributes=attributes):
        yield


def run(scenarios: Mapping[str, Callable[[str], None]], flush: Callable[[], object]) -> None:
    """Go through the scenarios, each with its question, and send all spans."""
    for name, scenario in scenarios.items():
        with contextlib.suppress(Exception) if name == "error" else contextlib.nullcontext():
            scenario(QUESTIONS[name])
    flush()
    sys.stdout.write(" ".join(scenarios))

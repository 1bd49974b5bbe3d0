"""The libraries that are compared, each used as its manual says, with its defaults.

    PYTHON benchmarks/libraries.py

Prints which of them this interpreter has, as JSON. Each is imported when it is opened: the former
phospho has the same import name as this one, and lives in an environment of its own.
"""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata as packages
from pathlib import Path
from typing import Any

FORMER = "0.3.45"

_SENTENCE = """
Which is the best way to get from Paris to Rome in spring by train or should I book a flight with
two changes and what would my bank say if I paid for it all from another account today
"""
_TEXT = " ".join(random.Random(1).choices(_SENTENCE.split(), k=400))

# Takes input, output, session, user and metadata.
Log = Callable[[str, str, str, str, "dict[str, Any]"], object]


def interaction(number: int) -> tuple[str, str, str, str, dict[str, Any]]:
    """Return what is logged: 200 and 600 characters, session, user and three metadata keys.

    Args:
        number: Below a million; the sink finds it in what reaches it.
    """
    at = number % 997
    return (
        f"mark-{number:06d}; {_TEXT[at : at + 187]}",
        _TEXT[at : at + 600],
        f"session-{number // 5}",
        f"user-{number % 100}",
        {"plan": "pro", "turn": number, "mobile": True},
    )


@dataclass(frozen=True)
class Opened:
    """A library, ready to log.

    Args:
        log: Logs one interaction.
        flush: Delivers what was logged, and goes on.
        close: Delivers what was logged, as at the end of an app.
    """

    log: Log
    flush: Callable[[], object]
    close: Callable[[], object]


def open_phospho(url: str, **settings: Any) -> Opened:
    """Return this phospho."""
    import phospho

    phospho.init("key", "bench", base_url=url, **settings)

    def log(
        input: str, output: str, session_id: str, user_id: str, metadata: dict[str, Any]
    ) -> None:
        phospho.log(input, output, session_id=session_id, user_id=user_id, metadata=metadata)

    return Opened(log, lambda: phospho.flush(60), lambda: phospho.shutdown(60))


def open_phospho_spool(url: str) -> Opened:
    """Return this phospho, which keeps what waits on disk, in the working directory."""
    return open_phospho(url, spool_dir=Path("spool").absolute())


def open_opentelemetry(url: str) -> Opened:
    """Return the OpenTelemetry SDK as its documentation shows it.

    That is the current span, attribute by attribute; the names are those of OpenInference.
    """
    tracer, opened = _open_tracer(url)

    def log(
        input: str, output: str, session_id: str, user_id: str, metadata: dict[str, Any]
    ) -> None:
        with tracer.start_as_current_span("chat") as span:
            span.set_attribute("input.value", input)
            span.set_attribute("output.value", output)
            span.set_attribute("session.id", session_id)
            span.set_attribute("user.id", user_id)
            for key, value in metadata.items():
                span.set_attribute(f"metadata.{key}", value)

    return opened(log)


def open_opentelemetry_at_once(url: str) -> Opened:
    """Return the OpenTelemetry SDK in its cheapest form: a span made in one call, and ended."""
    tracer, opened = _open_tracer(url)

    def log(
        input: str, output: str, session_id: str, user_id: str, metadata: dict[str, Any]
    ) -> None:
        tracer.start_span(
            "chat",
            attributes={
                "input.value": input,
                "output.value": output,
                "session.id": session_id,
                "user.id": user_id,
                **{f"metadata.{key}": value for key, value in metadata.items()},
            },
        ).end()

    return opened(log)


def _open_tracer(url: str) -> tuple[Any, Callable[[Log], Opened]]:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider()
    exporter = OTLPSpanExporter(endpoint=f"{url}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return (
        provider.get_tracer("bench"),
        lambda log: Opened(log, provider.force_flush, provider.shutdown),
    )


def open_langfuse(url: str) -> Opened:
    """Return Langfuse: a generation an interaction."""
    from langfuse import Langfuse, propagate_attributes

    client = Langfuse(public_key="key", secret_key="key", base_url=url)

    def log(
        input: str, output: str, session_id: str, user_id: str, metadata: dict[str, Any]
    ) -> None:
        with propagate_attributes(session_id=session_id, user_id=user_id):
            client.start_observation(
                name="chat", as_type="generation", input=input, output=output, metadata=metadata
            ).end()

    return Opened(log, client.flush, client.shutdown)


def open_posthog(url: str) -> Opened:
    """Return PostHog: an `$ai_generation` event an interaction."""
    from posthog import Posthog

    client = Posthog("key", host=url)

    def log(
        input: str, output: str, session_id: str, user_id: str, metadata: dict[str, Any]
    ) -> None:
        client.capture(
            "$ai_generation",
            distinct_id=user_id,
            properties={
                "$ai_input": input,
                "$ai_output_choices": output,
                "$ai_session_id": session_id,
                **metadata,
            },
        )

    return Opened(log, client.flush, client.shutdown)


def open_former_phospho(url: str) -> Opened:
    """Return the phospho that was published before."""
    import phospho

    phospho.init("key", "bench", base_url=url)

    def log(
        input: str, output: str, session_id: str, user_id: str, metadata: dict[str, Any]
    ) -> None:
        phospho.log(input, output, session_id=session_id, user_id=user_id, metadata=metadata)

    # `flush` does not wait for a batch under way; ending the consumer does.
    return Opened(log, phospho.flush, phospho.consumer.stop)


def _is_former(version: str) -> bool:
    return version == FORMER


def _is_this(version: str) -> bool:
    return not _is_former(version)


def _can_spool(version: str) -> bool:
    if _is_former(version):
        return False
    import phospho
    from phospho.errors import ConfigurationError

    with tempfile.TemporaryDirectory() as folder:
        try:
            phospho.init("key", "bench", spool_dir=folder)
        except ConfigurationError:
            return False
        phospho.shutdown(0)
        return True


@dataclass(frozen=True)
class Library:
    """One that is compared.

    Args:
        package: Its distribution.
        modules: What an app imports to use it.
        also: Other distributions that it takes.
        open: Makes it ready to log to a URL.
        fits: Whether an installed version is the one meant.
        is_ours: Whether it is this phospho, which has to deliver everything.
        how_to_get: What to do where it is absent.
    """

    package: str
    modules: tuple[str, ...]
    open: Callable[[str], Opened]
    fits: Callable[[str], bool] = lambda _: True
    is_ours: bool = False
    how_to_get: str = "pip install --group bench"
    also: tuple[str, ...] = ()


PHOSPHO = "phospho"
FORMER_PHOSPHO = f"phospho {FORMER}"

LIBRARIES = {
    PHOSPHO: Library(
        "phospho",
        ("phospho",),
        open_phospho,
        _is_this,
        is_ours=True,
        how_to_get="pip install -e .",
    ),
    "phospho, spool": Library(
        "phospho",
        ("phospho",),
        open_phospho_spool,
        _can_spool,
        is_ours=True,
        how_to_get="a phospho that takes spool_dir",
    ),
    "OpenTelemetry": Library(
        "opentelemetry-sdk",
        ("opentelemetry.sdk.trace.export", "opentelemetry.exporter.otlp.proto.http.trace_exporter"),
        open_opentelemetry,
        also=("opentelemetry-exporter-otlp-proto-http",),
    ),
    "OpenTelemetry, cheapest": Library(
        "opentelemetry-sdk",
        ("opentelemetry.sdk.trace.export", "opentelemetry.exporter.otlp.proto.http.trace_exporter"),
        open_opentelemetry_at_once,
        also=("opentelemetry-exporter-otlp-proto-http",),
    ),
    "Langfuse": Library("langfuse", ("langfuse",), open_langfuse),
    "PostHog": Library("posthog", ("posthog",), open_posthog),
    FORMER_PHOSPHO: Library(
        "phospho",
        ("phospho",),
        open_former_phospho,
        _is_former,
        how_to_get=f"--old-phospho PYTHON, an interpreter that has phospho=={FORMER}",
    ),
}


def find_versions() -> dict[str, str]:
    """Return the versions of the libraries this interpreter has, by name."""
    found = {}
    for name, library in LIBRARIES.items():
        try:
            version = packages.version(library.package)
            for package in library.also:
                packages.version(package)
        except packages.PackageNotFoundError:
            continue
        if library.fits(version):
            found[name] = version
    return found


if __name__ == "__main__":
    print(json.dumps(find_versions()))

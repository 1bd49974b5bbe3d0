"""Arize Phoenix beside phospho: the same interactions as spans, until they are in its database.

It answers before it stores, so what counts is when the last span is there.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from report import print_table
from served import Process, free_port, wait_for
from traffic import Interaction, interactions, send

# One interaction takes it about 15 ms of CPU.
COUNTS = {(1, 8): 400, (100, 8): 2_000}

_GIVE_UP_S = 300

# What its spans are sent with.
_PROTOCOL = "opentelemetry-proto"


def find_version(python: str) -> str:
    """Return the version of Phoenix in an environment; ends where it, or its protocol, is missing.

    Before anything is measured, which takes minutes.
    """
    try:
        importlib.import_module("opentelemetry.proto")
    except ImportError:
        raise SystemExit(
            f"Install its protocol: {sys.executable} -m pip install {_PROTOCOL}"
        ) from None
    asked = "from importlib.metadata import version; print(version('arize-phoenix'))"
    done = subprocess.run([python, "-c", asked], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{python} has no Phoenix: {done.stderr.strip().splitlines()[-1]}")
    return done.stdout.strip()


def measure(python: str, version: str, folder: Path) -> None:
    """Start Phoenix, send spans, and print a row for each size of batch."""
    rows = []
    with _serving(python, folder) as (server, port, database):
        print(f"\nPhoenix {version}: start {server.cpu_s():.1f} s of CPU", end="", flush=True)
        server.settle()
        print(f", idle: {server.memory_mb():.0f} MB resident")
        first = 0
        for (batch, connections), number in COUNTS.items():
            sent = list(interactions(first, number))
            first += number
            rows.append(_run(server, port, database, sent, batch, connections))
    header = ("batch x connections", "acknowledged/s", "stored/s", "stored/s of CPU", "p99 ms")
    print_table(f"Phoenix {version}, until all is in its database", header, rows)


@contextlib.contextmanager
def _serving(python: str, folder: Path) -> Iterator[tuple[Process, int, Path]]:
    with tempfile.TemporaryDirectory(dir=folder) as place:
        port = free_port()
        server = Process(
            [python, "-m", "phoenix.server.main", "serve"],
            PHOENIX_PORT=str(port),
            PHOENIX_GRPC_PORT=str(free_port()),
            PHOENIX_HOST="127.0.0.1",
            PHOENIX_WORKING_DIR=place,
            PHOENIX_TELEMETRY_ENABLED="false",
        )
        try:
            wait_for(f"http://127.0.0.1:{port}/healthz")
            yield server, port, Path(place, "phoenix.db")
        finally:
            server.stop()


def _run(
    server: Process,
    port: int,
    database: Path,
    sent: Sequence[Interaction],
    batch: int,
    connections: int,
) -> list[str]:
    requests = [_request(sent[at : at + batch]) for at in range(0, len(sent), batch)]
    before, cpu_s, started_s = _count(database), server.cpu_s(), time.monotonic()
    headers = {"Content-Type": "application/x-protobuf"}
    answered = send(port, "/v1/traces", requests, connections, **headers)
    while (stored := _count(database) - before) < len(sent):
        if time.monotonic() - started_s > _GIVE_UP_S:
            break
        time.sleep(0.2)
    wall_s, cpu_s = time.monotonic() - started_s, server.cpu_s() - cpu_s
    return [
        f"{batch:>3} x {connections}",
        f"{answered.acknowledged * batch / answered.wall_s:,.0f}",
        f"{stored / wall_s:,.0f}",
        f"{stored / cpu_s:,.0f}",
        f"{answered.percentile_ms(0.99):,.1f}",
    ]


def _count(database: Path) -> int:
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
        return int(db.execute("select count(*) from spans").fetchone()[0])


def _request(sent: Sequence[Interaction]) -> bytes:
    """Return an export request of OTLP with a span for each interaction, in a trace of its own."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add().spans
    for one in sent:
        now_ns = time.time_ns()
        span = spans.add(
            trace_id=(one.number + 1).to_bytes(16, "big"),
            span_id=(one.number + 1).to_bytes(8, "big"),
            name="chat",
            start_time_unix_nano=now_ns - 10**9,
            end_time_unix_nano=now_ns,
        )
        values = {
            "openinference.span.kind": "LLM",
            "input.value": one.input,
            "output.value": one.output,
            "session.id": one.session_id,
            "user.id": one.user_id,
            "metadata": json.dumps(one.metadata),
        }
        for name, value in values.items():
            span.attributes.add(key=name).value.string_value = value
    return request.SerializeToString()

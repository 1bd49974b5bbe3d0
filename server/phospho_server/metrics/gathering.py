"""All that the server tells of itself, put together when somebody asks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from phospho_server.attempts import Attempt
from phospho_server.errors import ServerError
from phospho_server.lanes import Lane
from phospho_server.metrics.exposition import Family, Sample, gauge, write
from phospho_server.metrics.instruments import ALL
from phospho_server.metrics.process import read_process
from phospho_server.running import OK, Running
from phospho_server.store import Store, queues

METRICS_VARIABLE = "PHOSPHO_METRICS_TOKEN"

# Several may ask at once, and what the database says stays true for a while.
_KEEP_S = 5.0

# Prometheus gives up after ten seconds, and has all else then that stands here.
_PATIENCE_S = 6.0


@dataclass
class Metrics:
    """What a server tells of itself.

    Args:
        running: What of it runs.
        token: Who shows it may read this from elsewhere; None where nobody may.
    """

    running: Running
    token: str | None = None

    def __post_init__(self) -> None:
        self._stored = Attempt(
            lambda: list(_read_store(self.running.store)),
            "phospho-metrics",
            late="The database has not counted what waits",
            patience_s=_PATIENCE_S,
            keep_s=_KEEP_S,
        )

    def write(self) -> str:
        """Return everything in Prometheus' text format."""
        return write(
            [
                *(each.read() for each in ALL),
                *self._read_running(),
                *self._read_stored(),
                *read_process(),
            ]
        )

    def _read_running(self) -> Iterable[Family]:
        store, lanes = self.running.store, self.running.lanes
        yield gauge(
            "phospho_writer_queue_length",
            "Changes that wait for the writer.",
            store.changes_waiting,
        )
        yield gauge("phospho_writer_up", "Whether the writer's thread lives.", store.is_writing)
        if self.running.workers:
            alive = [Sample(w.is_running, {"worker": w.name}) for w in self.running.workers]
            yield Family("phospho_worker_up", "gauge", "Whether a worker's thread lives.", alive)
        if lanes is not None:
            yield from _read_lanes(lanes.all)

    def _read_stored(self) -> Sequence[Family]:
        """Return what the database says; what a process knows by itself is told without it."""
        is_up = self.running.check_database() == OK
        up = gauge("phospho_database_up", "Whether the database answers.", is_up)
        try:
            return [up, *(self._stored.result() if is_up else ())]
        except (ServerError, FileNotFoundError):
            return [up]


def _read_lanes(lanes: Iterable[Lane]) -> Iterable[Family]:
    named = [({"lane": lane.name}, lane) for lane in lanes]
    yield Family(
        "phospho_http_in_flight_requests",
        "gauge",
        "Requests that wait for a thread or are worked at; `storing` are those that programs send "
        "to be stored, `probing` ask how the server is, `looking` are all others.",
        [Sample(lane.requests, labels) for labels, lane in named],
    )
    yield Family(
        "phospho_http_in_flight_bytes",
        "gauge",
        "Bytes of their bodies.",
        [Sample(lane.bytes, labels) for labels, lane in named],
    )
    yield Family(
        "phospho_http_waiting_requests",
        "gauge",
        "Requests that wait for a thread.",
        [Sample(lane.waiting, labels) for labels, lane in named],
    )
    yield Family(
        "phospho_http_overload_refusals_total",
        "counter",
        "Requests that were refused because too many were there.",
        [Sample(lane.refused, labels) for labels, lane in named],
    )


def _read_store(store: Store) -> Iterable[Family]:
    with store.read() as db:
        found = queues.list_queues(db)
        parked = queues.count_parked(db)
        deliveries = queues.count_deliveries(db)
    yield Family(
        "phospho_jobs",
        "gauge",
        f"Jobs by kind and state; {queues.MOST} means so many, or more.",
        [
            Sample(count, {"kind": queue.kind, "state": state})
            for queue in found
            for state, count in (
                ("waiting", queue.waiting),
                ("resting", queue.resting),
                ("working", queue.working),
                ("parked", parked.get(queue.kind, 0)),
            )
        ],
    )
    yield Family(
        "phospho_jobs_interactions",
        "gauge",
        "Interactions of the jobs that are not parked.",
        [Sample(queue.interactions, {"kind": queue.kind}) for queue in found],
    )
    yield Family(
        "phospho_jobs_oldest_waiting_seconds",
        "gauge",
        "How long the job waits that has waited longest: of kind detect, how far detection is "
        "behind.",
        [Sample(queue.oldest_ms / 1000, {"kind": queue.kind}) for queue in found],
    )
    yield Family(
        "phospho_webhook_messages",
        "gauge",
        "Messages of webhooks that are not sent yet.",
        [Sample(deliveries.get(state, 0), {"state": state}) for state in ("waiting", "parked")],
    )
    for name, size in store.sizes().items():
        yield gauge(f"phospho_{name}_bytes", f"Size of the {name}.", size)

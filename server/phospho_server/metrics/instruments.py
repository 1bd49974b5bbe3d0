"""Counters and histograms of this process. Labels have few values: never what a stranger says."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Sequence

from phospho_server.metrics.exposition import Family, Sample


class Counter:
    """Counts what happens.

    Args:
        name: Ends with `_total`.
        text: What is counted.
        labels: Names of its labels.
    """

    def __init__(self, name: str, text: str, *labels: str) -> None:
        self.name, self.text, self.labels = name, text, labels
        self._values: dict[tuple[str, ...], float] = {} if labels else {(): 0}
        self._lock = threading.Lock()

    def add(self, *labels: str, by: float = 1) -> None:
        """Count on."""
        with self._lock:
            self._values[labels] = self._values.get(labels, 0) + by

    def value(self, *labels: str) -> float:
        """Return what was counted."""
        return self._values.get(labels, 0)

    def read(self) -> Family:
        """Return all values."""
        with self._lock:
            values = sorted(self._values.items())
        samples = [Sample(value, dict(zip(self.labels, key, strict=True))) for key, value in values]
        return Family(self.name, "counter", self.text, samples)


class Histogram:
    """Counts values by their size.

    Args:
        name: With its unit.
        text: What is measured.
        bounds: The upper ends of its buckets, ascending.
        labels: Names of its labels.
    """

    def __init__(self, name: str, text: str, bounds: Sequence[float], *labels: str) -> None:
        self.name, self.text, self.bounds, self.labels = name, text, bounds, labels
        # The sum, then the number of values in each bucket, the last of which has no upper end.
        self._values: dict[tuple[str, ...], list[float]] = {}
        self._lock = threading.Lock()

    def observe(self, value: float, *labels: str) -> None:
        """Count a value."""
        place = 1 + bisect_left(self.bounds, value)
        with self._lock:
            counts = self._values.get(labels)
            if counts is None:
                counts = self._values[labels] = [0.0] * (len(self.bounds) + 2)
            counts[0] += value
            counts[place] += 1

    def read(self) -> Family:
        """Return all buckets, sums and numbers."""
        with self._lock:
            values = sorted((key, list(counts)) for key, counts in self._values.items())
        samples: list[Sample] = []
        for key, (total, *counts) in values:
            labels = dict(zip(self.labels, key, strict=True))
            number = 0.0
            for bound, count in zip((*self.bounds, float("inf")), counts, strict=True):
                number += count
                end = "+Inf" if bound == float("inf") else f"{bound:g}"
                samples.append(Sample(number, {**labels, "le": end}, "_bucket"))
            samples += [Sample(total, labels, "_sum"), Sample(number, labels, "_count")]
        return Family(self.name, "histogram", self.text, samples)


REQUESTS = Counter(
    "phospho_http_requests_total",
    "Requests answered by the application, by route and class of status.",
    *("method", "route", "status"),
)
DURATIONS = Histogram(
    "phospho_http_request_duration_seconds",
    "How long the application took for an answer, without the wait for a thread.",
    (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
    "route",
)
REFUSALS = Counter(
    "phospho_http_refusals_total",
    "Requests of programs that were refused, by the code of the error.",
    "code",
)
INTERACTIONS = Counter(
    "phospho_ingest_interactions_total",
    "Interactions that programs sent: stored, repeated (known already), or invalid.",
    *("route", "result"),
)
GROUPS = Histogram(
    "phospho_writer_group_changes",
    "Changes that shared one transaction.",
    (1, 2, 4, 8, 16, 32, 64),
)
TRANSACTIONS = Histogram(
    "phospho_writer_transaction_seconds",
    "How long a group of changes took, from its begin until it was durable.",
    (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
)
COMMITS = Histogram(
    "phospho_writer_commit_seconds",
    "How long the COMMIT of a group took, with its sync to disk.",
    (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
)
FAILURES = Counter(
    "phospho_writer_failures_total",
    "Groups of changes that could not be stored, by reason.",
    "reason",
)
EVENTS = Counter(
    "phospho_events_detected_total",
    "Events that this process has found.",
)
DELIVERIES = Counter(
    "phospho_webhook_deliveries_total",
    "Messages that this process has sent to webhooks: sent, failed (tried again, or parked after "
    "the last attempt), or dropped.",
    "result",
)

ALL: tuple[Counter | Histogram, ...] = (
    *(REQUESTS, DURATIONS, REFUSALS, INTERACTIONS, GROUPS, TRANSACTIONS, COMMITS, FAILURES),
    *(EVENTS, DELIVERIES),
)

"""What the server tells Prometheus of itself, read by Prometheus' own parser."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import pytest
from flask import Flask
from prometheus_client.parser import text_string_to_metric_families

from phospho_server import create_app
from phospho_server.clock import now_ms
from phospho_server.errors import BusyError
from phospho_server.lanes import Lanes
from phospho_server.metrics.exposition import Family, Sample, write
from phospho_server.metrics.instruments import ALL, Histogram
from phospho_server.running import Running
from phospho_server.store import jobs, leases, queues
from phospho_server.store.projects import create_key, create_project
from phospho_server.store.sqlite import SqliteStore
from phospho_server.working import Worker

Values = dict[tuple[str, tuple[tuple[str, str], ...]], float]


class Idle(Worker):
    name = "idle"

    def run_once(self) -> int:
        return 0


def read(text: str) -> Values:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def ask(app: Flask) -> Values:
    app.extensions["phospho"].metrics._stored._keep_s = 0.0
    answer = app.test_client().get("/metrics")
    assert answer.status_code == 200
    assert answer.content_type == "text/plain; version=0.0.4; charset=utf-8"
    return read(answer.get_data(as_text=True))


def value(values: Values, name: str, **labels: str) -> float:
    return values.get((name, tuple(sorted(labels.items()))), 0)


@pytest.fixture
def now() -> int:
    return now_ms()


def test_what_a_program_sends_is_counted_by_what_became_of_it(store: SqliteStore) -> None:
    project = store.write(lambda db: create_project(db, "Bot"))
    _, key = store.write(lambda db: create_key(db, project.id, "key"))
    app = create_app(store, detectors={})
    before = ask(app)
    client, route = app.test_client(), "/v2/log/<project_id>"
    sent = {"batched_log_events": [{"input": "hi", "task_id": "t1"}, {"input": 1}]}
    for _ in range(2):
        client.post(f"/v2/log/{project.id}", json=sent, headers={"Authorization": f"Bearer {key}"})
    client.post(f"/v2/log/{project.id}", json=sent)
    client.get("/nowhere/a-secret")
    after = ask(app)

    def grown(name: str, **labels: str) -> float:
        return value(after, name, **labels) - value(before, name, **labels)

    ingest = "phospho_ingest_interactions_total"
    assert [grown(ingest, route=route, result=r) for r in ("stored", "repeated", "invalid")] == [
        *(1, 1, 2)
    ]
    requests = "phospho_http_requests_total"
    assert grown(requests, method="POST", route=route, status="2xx") == 2
    assert grown(requests, method="POST", route=route, status="4xx") == 1
    assert grown(requests, method="GET", route="none", status="4xx") == 1
    assert grown("phospho_http_refusals_total", code="unauthorized") == 1
    assert grown("phospho_http_request_duration_seconds_count", route=route) == 3
    assert grown("phospho_http_request_duration_seconds_bucket", route=route, le="+Inf") == 3
    assert grown("phospho_writer_commit_seconds_count") > 0
    assert not any("a-secret" in str(key) or project.id in str(key) for key in after)


def test_jobs_are_counted_by_kind_and_state_and_the_oldest_tells_the_lag(
    store: SqliteStore,
) -> None:
    project = store.write(lambda db: create_project(db, "Bot"))
    for n in range(5):
        store.write(partial(jobs.add_detect, project_id=project.id, interaction_ids=[n]))
    claimed = store.write(lambda db: leases.claim(db, most=2))
    assert len(claimed) == 2
    store.write(
        lambda db: db.execute(
            "update jobs set run_at_ms = run_at_ms - 90000 where leased_until_ms = 0"
        )
    )
    store.write(lambda db: jobs.insert(db, project.id, "purge", {}, size=1))
    store.write(lambda db: db.execute("update jobs set parked_at_ms = 1 where kind = 'purge'"))
    values = ask(create_app(store, detectors={}))

    def count(kind: str, state: str) -> float:
        return value(values, "phospho_jobs", kind=kind, state=state)

    assert [count("detect", each) for each in ("waiting", "working", "resting", "parked")] == [
        *(3, 2, 0, 0)
    ]
    assert count("purge", "parked") == 1
    assert value(values, "phospho_jobs_interactions", kind="detect") == 5
    assert 90 <= value(values, "phospho_jobs_oldest_waiting_seconds", kind="detect") < 150
    assert value(values, "phospho_jobs_oldest_waiting_seconds", kind="purge") == 0


def test_asking_costs_the_same_however_far_behind_the_server_is(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = store.write(lambda db: create_project(db, "Bot"))
    monkeypatch.setattr(queues, "MOST", 3)
    for n in range(5):
        store.write(partial(jobs.add_detect, project_id=project.id, interaction_ids=[n]))
    values = ask(create_app(store, detectors={}))
    assert value(values, "phospho_jobs", kind="detect", state="waiting") == 3


def test_what_runs_is_told(store: SqliteStore) -> None:
    lanes, worker = Lanes(), Idle()
    app = create_app(store, detectors={}, running=Running(store, [worker], lanes))
    assert lanes.storing.enter(1000)
    values = ask(app)
    assert value(values, "phospho_http_in_flight_requests", lane="storing") == 1
    assert value(values, "phospho_http_in_flight_bytes", lane="storing") == 1000
    assert value(values, "phospho_worker_up", worker="idle") == 0
    assert value(values, "phospho_writer_up") == 1
    assert value(values, "phospho_database_bytes") > 4096
    assert value(values, "process_resident_memory_bytes") > 10_000_000
    assert value(values, "process_cpu_seconds_total") > 0
    assert any(name == "phospho_info" for name, _ in values)
    lanes.shutdown()


def test_what_a_process_knows_is_told_while_its_database_fails(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise BusyError("The database cannot be had.")

    app = create_app(store, detectors={})
    with monkeypatch.context() as failing:
        failing.setattr(store, "read", fail)
        values = ask(app)
    assert value(values, "phospho_database_up") == 0
    assert value(values, "phospho_writer_up") == 1
    assert not any(name == "phospho_jobs" for name, _ in values)
    assert value(ask(app), "phospho_database_up") == 1


def test_every_family_is_as_prometheus_expects_it(app: Flask) -> None:
    text = app.test_client().get("/metrics").get_data(as_text=True)
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert all(family.documentation.endswith(".") for family in families.values())
    for each in ALL:
        assert families[each.name.removesuffix("_total")].type == each.read().kind


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param({"a": 'with "quotes"'}, id="quotes"),
        pytest.param({"a": "back\\slash"}, id="backslash"),
        pytest.param({"a": "two\nlines"}, id="lines"),
        pytest.param({"a": "ü{}=,", "b": ""}, id="signs"),
    ],
)
def test_labels_come_back_as_they_were(labels: Mapping[str, str]) -> None:
    family = Family("name", "gauge", "Two\nlines \\ of help.", [Sample(1.5, labels)])
    assert read(write([family])) == {("name", tuple(sorted(labels.items()))): 1.5}


def test_a_histogram_counts_each_value_in_all_buckets_that_hold_it() -> None:
    sizes = Histogram("sizes", "Sizes.", (1, 2.5))
    for size in (1, 2, 2.5, 3):
        sizes.observe(size)
    values = read(write([sizes.read()]))
    assert [value(values, "sizes_bucket", le=end) for end in ("1", "2.5", "+Inf")] == [1, 3, 4]
    assert value(values, "sizes_sum") == 8.5
    assert value(values, "sizes_count") == 4

"""What a worker answers about itself, over a socket of its own."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from phospho.errors import ConfigurationError
from phospho_server.errors import BusyError
from phospho_server.probes import Probes
from phospho_server.running import Running
from phospho_server.store.sqlite import SqliteStore
from tests.server.test_health import Ended, Idle
from tests.waiting import PATIENCE_S

_TOKEN = {"Authorization": "Bearer token"}
_BY_A_PROXY = {"X-Forwarded-For": "192.0.2.1"}


@pytest.fixture
def idle() -> Iterator[Idle]:
    worker = Idle()
    worker.start()
    yield worker
    worker.stop()


@pytest.fixture
def probes(store: SqliteStore, idle: Idle) -> Iterator[Probes]:
    probes = Probes(Running(store, [idle]), token="token", host="127.0.0.1", port=0)
    probes.start()
    yield probes
    probes.stop()


def ask(probes: Probes, path: str, **headers: str) -> httpx.Response:
    return httpx.get(f"http://127.0.0.1:{probes.port}{path}", headers=headers, timeout=PATIENCE_S)


def test_a_worker_that_is_well_says_so_and_what_it_measures(probes: Probes) -> None:
    for path in ("/healthz", "/readyz"):
        answer = ask(probes, path)
        assert answer.status_code == 200
        assert answer.json()["checks"]["idle worker"] == "ok"
    metrics = ask(probes, "/metrics")
    assert metrics.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'phospho_worker_up{worker="idle"} 1\n' in metrics.text
    assert ask(probes, "/elsewhere").status_code == 404


def test_a_worker_whose_thread_has_ended_is_to_be_restarted(store: SqliteStore) -> None:
    probes = Probes(Running(store, [Ended()]), token=None, host="127.0.0.1", port=0)
    probes.start()
    answer = ask(probes, "/healthz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["ended worker"] == "has ended"
    probes.stop()


def test_a_database_that_cannot_be_read_is_told(
    probes: Probes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise BusyError("It is away.")

    monkeypatch.setattr(SqliteStore, "read", refuse)
    answer = ask(probes, "/healthz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["database"] == "It is away."
    answer = ask(probes, "/metrics")
    assert answer.status_code == 200
    assert "phospho_database_up 0" in answer.text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        (_BY_A_PROXY, 401),
        ({"Host": "evil.example"}, 401),
        (_BY_A_PROXY | _TOKEN, 200),
        (_BY_A_PROXY | {"Authorization": "Basic token"}, 401),
        (_BY_A_PROXY | {"Authorization": "Bearer other"}, 401),
        (_BY_A_PROXY | {"Authorization": "Bearer t\xf6ken"}, 401),
    ],
)
def test_metrics_are_for_the_machine_or_for_who_has_the_token(
    probes: Probes, headers: dict[str, str], status: int
) -> None:
    url = f"http://127.0.0.1:{probes.port}/metrics"
    encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    assert httpx.get(url, headers=encoded, timeout=PATIENCE_S).status_code == status


def test_a_port_that_is_in_use_is_said(probes: Probes, store: SqliteStore) -> None:
    with pytest.raises(ConfigurationError, match="--port"):
        Probes(Running(store), token=None, host="127.0.0.1", port=probes.port)

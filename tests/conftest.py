"""Fixtures for tests of the SDK: a loopback server, clients with quick pauses, clean globals."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from phospho import Client, collecting, default, guard, implementation, worker
from tests.loopback import Loopback, serve_phospho

pytest_plugins = ["phospho.testing"]

# Hundreds of processes begin in half the time where the first leaves its bytecode to the others.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# numpy reads it when it is first imported. As in `phospho`: a second thread burns a core in vain.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# A busy machine is no failure.
hypothesis.settings.register_profile(
    "phospho", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("phospho")

ClientFactory = Callable[..., Client]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep the garbage collector from what is imported and collected: a million objects that stay.

    It would go through them again and again, also each time that a test calls it.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have every worker begin with slow tests: while the last one runs, the others are idle."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    slow = [item for item in items if item.get_closest_marker("slow")]
    others = [item for item in items if not item.get_closest_marker("slow")]
    dealt: list[pytest.Item] = []
    for worker_number in range(workers):
        # What `--dist worksteal` sends a worker: a like share of those that are not yet sent.
        share = (len(items) - len(dealt)) // (workers - worker_number)
        first = slow[worker_number::workers]
        rest = max(0, share - len(first))
        dealt += first + others[:rest]
        others = others[rest:]
    items[:] = dealt


@pytest.fixture(scope="session", autouse=True)
def _on_a_busy_machine() -> Iterator[None]:
    """Count no plugin as slow, and cut no stream, because the machine stood still for a moment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(implementation, "MAX_CALL_S", float("inf"))
        patch.setattr(collecting, "_MAX_READING_S", float("inf"))
        yield


@pytest.fixture(autouse=True)
def clean_process(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Start each test without settings, without a client, and with nothing reported yet."""
    if "server" in request.node.path.relative_to(Path(__file__).parent).parts:
        yield
        return
    for name in [name for name in os.environ if name.startswith("PHOSPHO_")]:
        monkeypatch.delenv(name)
    guard.forget_reports()
    yield
    if default._client is not None:
        default._client.close(0.2)
    default._client = default._stand_in = None
    guard.forget_reports()


@pytest.fixture
def loopback() -> Iterator[Loopback]:
    with serve_phospho() as server:
        yield server


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make pauses a hundred times shorter."""
    for name in ("FIRST_PAUSE_S", "MAX_PAUSE_S", "FIRST_REFUSED_PAUSE_S", "MAX_REFUSED_PAUSE_S"):
        monkeypatch.setattr(worker, name, getattr(worker, name) / 100)


@pytest.fixture
def make_client(loopback: Loopback) -> Iterator[ClientFactory]:
    clients: list[Client] = []

    def make(**settings: Any) -> Client:
        settings = {"base_url": loopback.url, "tick": 0.01, **settings}
        clients.append(Client("key", "proj", **settings))
        return clients[-1]

    yield make
    loopback.released.set()
    for client in clients:
        client.close(0.5)


@pytest.fixture
def client(make_client: ClientFactory) -> Client:
    return make_client()

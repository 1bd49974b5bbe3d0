"""The published phospho 0.3.45, in an environment of its own, and a server for it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from phospho_server.store.projects import create_key, create_project
from phospho_server.store.sqlite import SqliteStore
from tests.server.processes import ServerProcess, serving
from tests.waiting import PATIENCE_S

ROOT = Path(__file__).parent.parent.parent
ENVIRONMENT = ROOT / ".venv-old-phospho"
SCENARIOS = Path(__file__).parent / "scenarios.py"


@dataclass(frozen=True)
class Home:
    """A project of its own for a scenario, on a running server."""

    store: SqliteStore
    url: str
    project_id: str
    api_key: str

    def command(self, scenario: str) -> list[str]:
        """Return how to run a scenario with the old client."""
        python = ENVIRONMENT / "bin" / "python"
        return [str(python), str(SCENARIOS), scenario, self.url, self.api_key, self.project_id]

    def environment(self, *, more: bool = False) -> dict[str, str]:
        """Return the variables of its process: those of this one say nothing to it.

        Args:
            more: Whether it has openai and pandas too.
        """
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PHOSPHO_", "PYTHON", "COV_"))
        }
        return {**kept, "PYTHONPATH": str(ENVIRONMENT / "more") if more else ""}

    def run(self, scenario: str, *, more: bool = False) -> Any:
        """Run a scenario to its end, and return what the old client got.

        Args:
            scenario: A function of `scenarios.py`.
            more: Whether it has openai and pandas too.
        """
        ended = subprocess.run(
            self.command(scenario),
            capture_output=True,
            text=True,
            env=self.environment(more=more),
            timeout=2 * PATIENCE_S,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout.splitlines()[-1])


@pytest.fixture(scope="session", autouse=True)
def old_client() -> None:
    """Fail, and never skip, where the old client is not there."""
    assert (ENVIRONMENT / ".test").exists(), "Set the old client up: make .venv-old-phospho/.test"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with serving(tmp_path_factory.mktemp("old client") / "phospho.db") as running:
        yield running


def make_home(server: ServerProcess, database: Path) -> tuple[SqliteStore, Home]:
    store = SqliteStore(database)
    project = store.write(lambda db: create_project(db, "Old client"))
    _, secret = store.write(lambda db: create_key(db, project.id, "a key"))
    return store, Home(store, server.url, project.id, secret)


@pytest.fixture
def home(server: ServerProcess, database_of: Callable[[ServerProcess], Path]) -> Iterator[Home]:
    store, found = make_home(server, database_of(server))
    yield found
    store.close()


@pytest.fixture(scope="session")
def database_of() -> Callable[[ServerProcess], Path]:
    """Return where a server keeps its data, as its command says."""

    def find(server: ServerProcess) -> Path:
        arguments = server.process.args
        assert isinstance(arguments, list)
        return Path(arguments[arguments.index("--database") + 1])

    return find

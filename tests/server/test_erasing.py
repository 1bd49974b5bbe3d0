"""A person who is erased: no row, no word and no byte of them is left, and a receipt says so."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner
from flask import Flask
from flask.testing import FlaskClient

from phospho.models import Embedded
from phospho_server import receipts
from phospho_server.assembling import Assembler
from phospho_server.clock import now_ms
from phospho_server.commands import phospho
from phospho_server.errors import NotFoundError
from phospho_server.housekeeping import Housekeeping
from phospho_server.store import (
    Connection,
    Store,
    deleting,
    detections,
    erasures,
    llm,
    reviews,
    session_details,
    vectors,
)
from phospho_server.store.erasures import Erasure, Kind
from phospho_server.store.filters import Filter
from phospho_server.store.projects import create_project
from phospho_server.store.rows import Project
from phospho_server.store.saved_views import save_view
from phospho_server.store.sessions import list_sessions
from phospho_server.store.sqlite import SqliteStore
from tests.server.api.test_otlp import SPAN, export
from tests.server.builders import add, define, interaction, verdict
from tests.server.databases import on_each_database, on_sqlite
from tests.server.processes import serving
from tests.waiting import HELD_S, PATIENCE_S, wait_until

# Stands in all that is erased, each time with a word of its own behind it.
CANARY = "zqxcanary"

USER, SESSION = f"{CANARY}User", f"{CANARY}Session"


@pytest.fixture
def client(app: Flask, api_key: str) -> FlaskClient:
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {api_key}"
    return client


def ask(store: Store, project: Project, kind: Kind, target: str) -> Erasure:
    return store.write(lambda db: erasures.ask(db, project.id, kind, target, who="a test"))


def receipt(store: Store, erasure: Erasure) -> Erasure:
    with store.read() as db:
        return erasures.get_erasure(db, erasure.project_id, erasure.id)


def traces_of(folder: Path) -> dict[str, int]:
    """Return how often the canary stands in each file of a folder, in any case."""
    found = {
        file.name: file.read_bytes().lower().count(CANARY.encode()) for file in folder.iterdir()
    }
    return {name: n for name, n in found.items() if n}


def change_everything(store: SqliteStore) -> None:
    """Have every page written again: what a connection remembers of one must bring nothing back."""

    changes = {
        "interactions": "received_at_ms",
        "sessions": "successes",
        "session_facts": "interactions",
        "users": "tokens",
        "counters": "value",
        "interaction_days": "last_id",
    }

    def change(db: Connection) -> None:
        for table, column in changes.items():
            db.execute(f"update {table} set {column} = {column} + 1")

    store.write(change)


def fill(client: FlaskClient, store: Store, project: Project) -> None:
    """Log what others say around a person all of whose fields have a canary of their own."""
    for part in range(20):
        others = [
            {
                "input": f"What does order {part} {n} cost? " + "More of it. " * (n * 9),
                "output": "Twelve.",
                "session_id": f"s{part}-{n // 3}",
                "user_id": f"u{n}",
                "metadata": {"plan": f"plan {n % 4}"},
            }
            for n in range(30)
        ]
        theirs = {
            "input": f"{CANARY}In{part} and {CANARY.upper()}Folded",
            "output": f"{CANARY}Out " + f"{CANARY}Long{part} " * (900 if part % 5 == 0 else 1),
            "task_id": f"{CANARY}Task{part}",
            "session_id": f"{SESSION}{part % 3}",
            # Of some turns an app did not say whose they are.
            "user_id": USER if part % 4 else None,
            "version_id": f"{CANARY}Version",
            "metadata": {f"{CANARY}Key": f"{CANARY}Value", "user": {"name": f"{CANARY}Nested"}},
            "raw_input": {"messages": [f"{CANARY}RawIn"]},
            "raw_output": {"choices": [f"{CANARY}RawOut"]},
            "steps": [{"name": "search", "kind": "tool", "input": f"{CANARY}Step"}],
        }
        body = {"batched_log_events": [*others[:part], theirs, *others[part:]]}
        assert client.post(f"/v2/log/{project.id}", json=body).status_code == 200
    # Of a session in which others go on.
    last = {**theirs, "task_id": f"{CANARY}Task20", "session_id": "s0-0", "user_id": USER}
    last_body = {"batched_log_events": [last]}
    assert client.post(f"/v2/log/{project.id}", json=last_body).status_code == 200
    span = {
        **SPAN,
        "attributes": [
            *SPAN["attributes"],  # type: ignore[misc]
            {"key": "user.id", "value": {"stringValue": USER}},
            {"key": "note", "value": {"stringValue": f"{CANARY}Span"}},
        ],
    }
    # One that has become interactions, and one that still waits for more.
    waiting = {**span, "traceId": "1" * 32, "spanId": "2" * 16, "parentSpanId": "3" * 16}
    assert client.post("/v1/traces", json=export(span)).status_code == 200
    assert Assembler(store).run_once() == 1
    assert client.post("/v1/traces", json=export(waiting)).status_code == 200
    for part in range(0, 20, 3):
        given = {"task_id": f"{CANARY}Task{part}", "flag": "failure", "notes": f"{CANARY}Notes"}
        assert client.post(f"/api/projects/{project.id}/feedback", json=given).status_code == 201
    event = define(store, project)
    theirs_too = interaction(f"{CANARY}Task1", session_id=f"{SESSION}1")
    evidence = json.dumps({"side": "input", "quote": f"{CANARY}In1", "reason": f"{CANARY}Reason"})
    found = verdict(store, project, theirs_too, detected=True, evidence=evidence)

    def tell_more(db: Connection) -> None:
        detections.record(db, project.id, event, [found])
        reviews.review(
            db, project.id, event.id, found.interaction_id, occurred=True, source="audit"
        )
        embedded = Embedded(made_by="m", input=CANARY.encode(), output=b"o")
        vectors.keep(
            db,
            project.id,
            {found.interaction_id: embedded},
            {found.interaction_id: f"{CANARY}Out {CANARY}Long1 "},
        )
        llm.keep_answers(db, project.id, {"key": json.dumps({"quote": f"{CANARY}Answer"})})
        session_details.say_of_session(
            db,
            project.id,
            f"{SESSION}1",
            metadata={"m": f"{CANARY}SessionMetadata"},
            notes=f"{CANARY}SessionNotes",
        )
        save_view(db, project.id, page="sessions", name="of them", query=f"user={USER}")

    store.write(tell_more)


@on_sqlite
def test_no_byte_of_a_user_is_left_and_all_of_the_others(
    client: FlaskClient, store: SqliteStore, project: Project, tmp_path: Path
) -> None:
    fill(client, store, project)
    # The last two are of a restore and an upgrade that were killed.
    copies = ["phospho.db.before-m001", "phospho.db.before-m002.0123abcd.part",
              "phospho.db.0123abcd.part"]  # fmt: skip
    for name in copies:
        (tmp_path / name).write_text(CANARY)
    assert traces_of(tmp_path)
    erasure = ask(store, project, "user", USER)
    Housekeeping(store).run_until_done()
    done = receipt(store, erasure)
    assert (done.state, done.target) == ("verified", None)
    assert done.target_hash == erasures.hash_target(erasure.id, "user", USER)
    assert done.removed["interactions"] == 22
    assert done.removed["sessions"] == 4
    for table in ("detections", "reviews", "vectors", "feedback", "spans", "trace_turns",
                  "session_details", "llm_answers", "saved_views"):  # fmt: skip
        assert done.removed[table], table
    assert done.checked is not None
    assert done.checked.pages > 0
    assert done.checked.copies == copies
    change_everything(store)
    assert traces_of(tmp_path) == {}
    with store.read() as db:
        assert db.row("select count(*) as n from interactions")["n"] == 600  # type: ignore[index]
        assert list_sessions(db, project.id, Filter(text=f"{CANARY}In1")).sessions == []
        assert len(list_sessions(db, project.id, Filter(text="order 7 29")).sessions) == 1
        assert [dict(row) for row in db.rows("pragma integrity_check")] == [
            {"integrity_check": "ok"}
        ]
    store.write(
        lambda db: db.execute(
            "insert into interactions_fts (interactions_fts, rank) values ('integrity-check', 1)"
        )
    )


def test_a_session_is_erased_and_other_sessions_of_its_user_stay(
    client: FlaskClient, store: SqliteStore, project: Project, tmp_path: Path
) -> None:
    new = [
        interaction("a", session_id=SESSION, user_id="u", input=f"{CANARY} one"),
        interaction("b", session_id="s2", user_id="u", input="two"),
    ]
    add(store, project, *new)
    erasure = ask(store, project, "session", SESSION)
    Housekeeping(store).run_until_done()
    assert receipt(store, erasure).state == "verified"
    assert traces_of(tmp_path) == {}
    with store.read() as db:
        assert [row["task_id"] for row in db.rows("select task_id from interactions")] == ["b"]
        assert [row["interactions"] for row in db.rows("select interactions from users")] == [1]


@on_each_database
def test_what_others_said_in_the_same_session_stays_and_quotes_nobody(
    store: SqliteStore, project: Project
) -> None:
    event = define(store, project)
    theirs = interaction("t1", user_id="gone", input="I live in Rome")
    unnamed = interaction("t2", user_id=None, input="Hello all")
    other = interaction("t3", user_id="other", input="So do I")
    add(store, project, theirs, unnamed, other)
    quotes = {"t2": "Hello", "t3": "live in Rome"}
    found = [
        verdict(store, project, new, detected=True,
                evidence=json.dumps({"side": "input", "quote": quotes[new.task_id]}))
        for new in (unnamed, other)
    ]  # fmt: skip
    store.write(lambda db: detections.record(db, project.id, event, found))
    ask(store, project, "user", "gone")
    Housekeeping(store).run_until_done()
    with store.read() as db:
        left = [row["task_id"] for row in db.rows("select task_id from interactions order by id")]
        kept = [row["evidence"] for row in db.rows("select evidence from detections")]
    # Whose the unnamed one is cannot be told: two people spoke in this session.
    assert left == ["t2", "t3"]
    assert [text is None for text in kept] == [False, True]


@on_sqlite
def test_a_receipt_is_pending_until_the_last_reader_has_ended(
    store: SqliteStore, project: Project, tmp_path: Path
) -> None:
    add(store, project, interaction(user_id=USER, input=CANARY))
    reading, end = threading.Event(), threading.Event()

    def read() -> None:
        with store.read() as db:
            db.rows("select * from interactions")
            reading.set()
            end.wait(HELD_S)

    reader = threading.Thread(target=read)
    reader.start()
    reading.wait(PATIENCE_S)
    erasure = ask(store, project, "user", USER)
    Housekeeping(store).run_until_done()
    assert receipt(store, erasure).state == "pending"
    # Nobody is kept from storing anything meanwhile.
    add(store, project, interaction("t2", session_id="s2"))
    end.set()
    reader.join()
    # As after a restart: nothing is known of what was done before.
    Housekeeping(store).run_until_done()
    assert receipt(store, erasure).state == "verified"
    assert traces_of(tmp_path) == {}


@on_each_database
def test_no_row_of_a_user_is_left_on_either_database(
    client: FlaskClient, store: Store, project: Project
) -> None:
    fill(client, store, project)
    erasure = ask(store, project, "user", USER)
    Housekeeping(store).run_until_done()
    done = receipt(store, erasure)
    assert done.state == "verified"
    # Of the bytes of a PostgreSQL nobody has looked at any.
    is_file = isinstance(store, SqliteStore)
    text = "\n".join(receipts.to_lines(done))
    assert ("no byte is left" in text) == is_file
    assert ("pages read" in text) == is_file
    with store.read() as db:
        for owned in deleting.OWNED:
            if owned.has_project and owned.table not in {"traces", "event_definitions"}:
                rows = db.rows(f"select * from {owned.table}")
                assert CANARY not in repr([dict(row) for row in rows]).lower(), owned.table


def test_an_erasure_goes_on_after_a_crash(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "phospho.db")
    project = store.write(lambda db: create_project(db, "p"))
    add(store, project, *(
        interaction(f"t{n}", session_id=f"s{n}", user_id=USER, input=f"{CANARY}{n}")
        for n in range(120)
    ))  # fmt: skip
    erasure = ask(store, project, "user", USER)
    worker = Housekeeping(store)
    for _ in range(2):
        worker.run_once()
    assert receipt(store, erasure).state == "removing"
    store.close()
    store = SqliteStore(tmp_path / "phospho.db")
    Housekeeping(store).run_until_done()
    assert receipt(store, erasure).removed["interactions"] == 120
    assert receipt(store, erasure).state == "verified"
    assert traces_of(tmp_path) == {}
    store.close()


def test_no_byte_of_a_deleted_project_is_left(
    client: FlaskClient, store: SqliteStore, project: Project, tmp_path: Path
) -> None:
    fill(client, store, project)
    other = store.write(lambda db: create_project(db, "Other"))
    for n in range(300):
        add(store, other, interaction(f"t{n}", session_id=f"s{n}"))
    store.write(lambda db: deleting.delete_project(db, project.id, typed_name=project.name))
    Housekeeping(store).run_until_done()
    change_everything(store)
    assert traces_of(tmp_path) == {}


@on_each_database
def test_who_is_not_there_cannot_be_erased(store: SqliteStore, project: Project) -> None:
    with pytest.raises(NotFoundError, match="nothing was erased"):
        ask(store, project, "user", "misspelt")


@on_each_database
def test_asking_twice_is_one_erasure(store: SqliteStore, project: Project) -> None:
    add(store, project, interaction(user_id="u"))
    assert ask(store, project, "user", "u").id == ask(store, project, "user", "u").id


@on_each_database
def test_an_answer_that_an_llm_gives_meanwhile_is_not_remembered(
    store: SqliteStore, project: Project
) -> None:
    add(store, project, interaction(user_id="u"))
    with store.read() as db:
        assert not erasures.was_asked_lately(db, project.id)
    ask(store, project, "user", "u")
    Housekeeping(store).run_until_done()
    with store.read() as db:
        assert erasures.was_asked_lately(db, project.id)
    store.write(
        lambda db: db.execute(
            "update erasures set asked_at_ms = :past", {"past": now_ms() - 3_600_000}
        )
    )
    with store.read() as db:
        assert not erasures.was_asked_lately(db, project.id)


@pytest.mark.slow
def test_a_command_erases_while_the_server_runs_and_others_log(tmp_path: Path) -> None:
    path = tmp_path / "phospho.db"
    end = threading.Event()
    with serving(path) as server, httpx.Client(timeout=PATIENCE_S) as client:
        key, project_id = server.setting("PHOSPHO_API_KEY"), server.setting("PHOSPHO_PROJECT_ID")
        headers = {"Authorization": f"Bearer {key}"}
        address = f"{server.url}/v2/log/{project_id}"
        client.headers.update(headers)
        definition = {"name": "e", "description": "The user says 'plum'"}
        definitions = f"{server.url}/api/projects/{project_id}/definitions"
        assert client.post(definitions, json=definition).status_code == 201
        theirs = [
            {"input": f"plum {CANARY} {n} " * 40, "task_id": f"{CANARY}{n}", "user_id": USER}
            for n in range(50)
        ]
        assert client.post(address, json={"batched_log_events": theirs}).status_code == 200

        is_logged = threading.Event()

        def keep_logging() -> None:
            n = 0
            with httpx.Client(headers=headers, timeout=PATIENCE_S) as other:
                while not end.wait(0.02):
                    n += 1
                    event = {"input": f"Order {n}", "task_id": f"t{n}", "user_id": "other"}
                    other.post(address, json={"batched_log_events": [event]}).raise_for_status()
                    is_logged.set()

        logging = threading.Thread(target=keep_logging)
        logging.start()
        assert is_logged.wait(PATIENCE_S)
        arguments = ["erase", "--project", project_id, "--user", USER, "--database", str(path)]
        result = CliRunner().invoke(phospho, [*arguments, "--json"])
        end.set()
        logging.join()
        assert result.exit_code == 0, result.output
        asked = json.loads(result.output)
        assert asked["removed"]["interactions"] == 50
        address = f"{server.url}/api/projects/{project_id}/erasures/{asked['id']}"
        wait_until(lambda: client.get(address).json()["state"] == "verified", what="verified")
        left = client.get(f"{server.url}/api/projects/{project_id}/users").json()["data"]
        assert [user["user_id"] for user in left] == ["other"]
        # Also while it runs.
        assert traces_of(tmp_path) == {}
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("pragma integrity_check").fetchall() == [("ok",)]
    assert traces_of(tmp_path) == {}

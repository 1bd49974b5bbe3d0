"""The commands: what they print, and that a mistake gets a message instead of a traceback."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from phospho_server.commands import phospho
from phospho_server.store.definitions import list_definitions
from phospho_server.store.projects import find_key
from phospho_server.store.sqlite import SqliteStore


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "phospho.db"
    monkeypatch.setenv("PHOSPHO_DATABASE_URL", str(path))
    return path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(phospho, arguments)


def run_json(*arguments: str) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture
def project(database: Path) -> str:
    return str(run_json("projects", "create", "Support bot")["project_id"])


def test_a_project_comes_with_a_key_that_works(database: Path) -> None:
    made = run_json("projects", "create", "Support bot")
    assert run_json("projects", "list") == [
        {"project_id": made["project_id"], "name": "Support bot"}
    ]
    store = SqliteStore(database)
    with store.read() as db:
        key = find_key(db, made["api_key"])
        assert key is not None
        assert key.project_id == made["project_id"]
    store.close()


def test_keys_are_made_listed_and_revoked(database: Path, project: str) -> None:
    made = run_json("keys", "create", project, "--name", "ci")
    assert made["api_key"].startswith("ph_")
    listed = {row["name"]: row for row in run_json("keys", "list", project)}
    assert listed["ci"]["revoked"] is None
    assert made["api_key"].startswith(listed["ci"]["starts_with"])
    assert run_json("keys", "revoke", made["key_id"])["revoked"] is True
    listed = {row["name"]: row for row in run_json("keys", "list", project)}
    assert listed["ci"]["revoked"].endswith("+00:00")


def test_events_are_defined_and_listed(database: Path, project: str) -> None:
    run_json("events", "create", project, "refund", "The user said 'refund'", "--keyword", "refund")
    assert run_json("events", "list", project) == [
        {
            "name": "refund",
            "description": "The user said 'refund'",
            "detector": "auto",
            "events": 0,
            "pending": 0,
        }
    ]


def test_alert_rules_are_made_listed_and_deleted(database: Path, project: str) -> None:
    assert "phospho alerts create" in run("alerts", "list", project).output
    run("events", "create", project, "refund", "The user said 'refund'")
    made = run_json("alerts", "create", project, "refund", "--at-least", "5", "--times-usual", "3")
    assert run_json("alerts", "list", project) == [
        {
            "rule_id": made["rule_id"],
            "event": "refund",
            "fires_at": "5 or more in an hour, and 3 times the usual number",
            "state": "on",
        }
    ]
    assert "refund" in run("alerts", "create", project, "refund", "--window", "7d").output
    assert "5 or more" in run("alerts", "list", project).output
    assert run_json("alerts", "delete", project, made["rule_id"])["deleted"] is True
    (left,) = run_json("alerts", "list", project)
    assert "is deleted" in run("alerts", "delete", project, left["rule_id"]).output
    store = SqliteStore(database)
    with store.read() as db:
        noted = [row["action"] for row in db.rows("select action from audit_log order by id")]
    store.close()
    assert noted[-4:] == ["alert rule created"] * 2 + ["alert rule deleted"] * 2


def test_an_event_takes_any_number_of_examples(database: Path, project: str) -> None:
    options = ["--example", "fly me home", "--example", "a plane, please", "--json"]
    run("events", "create", project, "fly", "The user wants to fly", *options)
    store = SqliteStore(database)
    with store.read() as db:
        (row,) = list_definitions(db, project)
    store.close()
    assert [e.input for e in row.definition.examples] == ["fly me home", "a plane, please"]


def test_what_people_read_is_a_table_or_says_what_to_do(database: Path, project: str) -> None:
    assert "phospho events create" in run("events", "list", project).output
    for line in (
        ("events", "create", project, "refund", "The user said 'refund'"),
        (
            "keys",
            "create",
            project,
        ),
    ):
        assert run(*line).exit_code == 0
    assert "refund" in run("events", "list", project).output
    assert "first key" in run("keys", "list", project).output
    assert project in run("projects", "list").output
    assert "PHOSPHO_API_KEY=ph_" in run("projects", "create", "other").output
    key_id = run_json("keys", "list", project)[0]["key_id"]
    assert "is revoked" in run("keys", "revoke", key_id).output


def test_without_a_project_the_list_says_how_to_make_one(database: Path) -> None:
    assert "phospho projects create NAME" in run("projects", "list").output


def test_a_file_is_imported_once(database: Path, project: str, tmp_path: Path) -> None:
    file = tmp_path / "talk.jsonl"
    file.write_text('{"input": "hi", "output": "hello"}\nnot json\n{"input": "bye"}\n')
    report = run_json("import", str(file), "--project", project)
    assert (report["read"], report["added"]) == (2, 2)
    assert report["problems"][0]["line"] == 2
    result = run("import", str(file), "--project", project)
    assert "0 interactions added, 2 were there already" in result.output
    assert "Line 2 was left out" in result.output


def test_a_file_in_which_nothing_can_be_read_is_an_error(
    database: Path, project: str, tmp_path: Path
) -> None:
    file = tmp_path / "bad.jsonl"
    file.write_text("\n".join("not json" for _ in range(20)))
    result = run("import", str(file), "--project", project)
    assert result.exit_code == 1
    assert "20 rows were left out" in result.output
    assert "Nothing in" in result.output


def test_events_are_detected_in_files_without_a_server(tmp_path: Path) -> None:
    definitions, interactions, out = (tmp_path / n for n in ("d.json", "i.jsonl", "o.jsonl"))
    definitions.write_text(
        json.dumps([{"name": "sorry", "description": "The assistant said 'sorry'"}])
    )
    rows = [
        {"id": "1", "session_id": "s", "input": "help", "output": "Sorry, no."},
        {"id": "2", "session_id": "s", "input": "sorry", "output": "Fine."},
    ]
    interactions.write_text("\n".join(json.dumps(row) for row in rows))
    result = run(
        *("detect", "--definitions", str(definitions), "--interactions", str(interactions)),
        *("--predictions", str(out)),
    )
    assert result.exit_code == 0, result.output
    assert [json.loads(line) for line in out.read_text().splitlines()] == [
        {"id": "1", "event": "sorry", "detected": True, "score": 1.0},
        {"id": "2", "event": "sorry", "detected": False, "score": 0.0},
    ]


def test_plugins_lists_the_built_in_ones(database: Path) -> None:
    names = [row["name"] for row in run_json("plugins")]
    assert "phospho.detectors.builtin" in names
    assert "phospho.extractors.openai" in run("plugins").output


def test_routes_lists_every_url_with_who_may_call_it() -> None:
    routes = {(row["rule"], *row["methods"]): row["access"] for row in run_json("routes")}
    assert routes["/v2/log/<project_id>", "POST"] == "api key"
    assert routes["/healthz", "GET"] == "public"
    assert routes["/metrics", "GET"] == "this machine or metrics token"
    assert routes["/projects/<project_id>/sessions", "GET"] == "viewer"
    assert routes["/projects/<project_id>/reviews", "POST"] == "editor"
    assert routes["/projects/<project_id>/settings/keys", "POST"] == "owner"
    assert set(routes.values()) == {
        *("public", "api key", "signed in", "server owner", "viewer", "editor", "owner"),
        *("api key or named web page", "this machine or metrics token"),
    }
    assert "/healthz" in run("routes").output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(["projects", "create", ""], "is empty", id="empty-name"),
        pytest.param(["projects", "create", "x" * 101], "at most 100", id="long-name"),
        pytest.param(["projects", "create"], "Missing argument", id="no-name"),
        pytest.param(["keys", "create", "proj_none"], "phospho projects list", id="no-project"),
        pytest.param(["keys", "list", "proj_none"], "phospho projects list", id="list-none"),
        pytest.param(["keys", "revoke", "key_none"], "phospho keys list", id="no-key"),
        pytest.param(["keys", "create", "PROJECT", "--name", " "], "is empty", id="blank-key"),
        pytest.param(["events", "list", "proj_none"], "phospho projects list", id="no-events"),
        pytest.param(["events", "create", "proj_none", "a", "b"], "projects list", id="into-none"),
        pytest.param(["alerts", "list", "proj_none"], "phospho projects list", id="no-alerts"),
        pytest.param(["alerts", "create", "PROJECT", "none"], "phospho events list", id="no-event"),
        pytest.param(["alerts", "delete", "PROJECT", "none"], "does not exist", id="no-alert"),
        pytest.param(["events", "create", "PROJECT", "", "The user"], "name", id="no-event-name"),
        pytest.param(["events", "create", "PROJECT", "a", ""], "description", id="no-description"),
        pytest.param(
            ["events", "create", "PROJECT", "a", "b", "--answer", "category", "--category", "c"],
            "at least two categories",
            id="one-category",
        ),
        pytest.param(
            ["events", "create", "PROJECT", "a", "b", "--answer", "score", "--lowest", "9"],
            "below the highest",
            id="upside-down",
        ),
        pytest.param(
            ["events", "create", "PROJECT", "a", "b", "--scope", "mars"], "'mars'", id="no-scope"
        ),
        pytest.param(
            ["events", "create", "PROJECT", "a", "b", "--pattern", "("], "pattern", id="bad-pattern"
        ),
        pytest.param(
            ["events", "create", "PROJECT", "a", "b", "--detector", "x"],
            "no detector",
            id="detector",
        ),
        pytest.param(["import", "/no/such/file", "--project", "x"], "does not exist", id="no-file"),
        pytest.param(["import", "FOLDER", "--project", "x"], "is a directory", id="folder"),
        pytest.param(["import", "EMPTY"], "Missing option '--project'", id="no-project-option"),
        pytest.param(["import", "EMPTY", "--project", "x"], "projects list", id="import-none"),
        pytest.param(["detect"], "Give three files", id="detect-nothing"),
        pytest.param(["no-such-command"], "No such command", id="unknown-command"),
        pytest.param(["projects", "list", "--database", ""], "is not named", id="no-database"),
        pytest.param(
            ["projects", "list", "--database", "postgresql://h/d"],
            "cannot be used",
            id="postgresql",
        ),
        pytest.param(["projects", "list", "--database", "EMPTY"], "", id="empty-file-is-made"),
    ],
)
def test_a_mistake_gets_a_message(
    database: Path, project: str, tmp_path: Path, arguments: list[str], says: str
) -> None:
    (tmp_path / "empty").touch()
    places = {"PROJECT": project, "FOLDER": str(tmp_path), "EMPTY": str(tmp_path / "empty")}
    result = run(*(places.get(word, word) for word in arguments))
    assert says in result.output
    assert result.exit_code == (0 if not says else result.exit_code)
    assert (result.exit_code in {1, 2}) == bool(says)
    assert isinstance(result.exception, SystemExit | None)


def test_the_same_event_name_twice_is_refused(database: Path, project: str) -> None:
    for code in (0, 1):
        result = run("events", "create", project, "a", "The user said 'a'")
        assert result.exit_code == code
    assert "already" in result.output


def test_help_names_every_command() -> None:
    shown = run("--help").output
    for command in ("serve", "demo", "link", "projects", "keys", "events", "import", "detect"):
        assert command in shown
    assert "version" in run("--version").output

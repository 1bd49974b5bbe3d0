"""`phospho detect` over a project: verdicts in a file, or kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from phospho.errors import DetectorError
from phospho.models import Detection, EventDefinition, Turn
from phospho_server.commands import detect as detect_command
from phospho_server.commands import phospho
from phospho_server.store import Store
from phospho_server.store.projects import create_project
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from phospho_server.store.turns import load_all_turns, load_turns_of
from tests.server.builders import NOON_MS, add, define, interaction
from tests.server.databases import address_of

TALK = [
    interaction("t1", input="I want a refund", output="Sorry."),
    interaction("t2", input="hello", output="Hi", session_id="s2"),
    interaction("t3", input="refund!", output="Done.", session_id="s2", created_at_ms=NOON_MS + 9),
]


@pytest.fixture(autouse=True)
def database(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands use the database of the fixture `store`."""
    monkeypatch.setenv("PHOSPHO_DATABASE_URL", address_of(store))


@pytest.fixture
def talk(store: SqliteStore, project: Project) -> Project:
    """A project with three interactions that looks for two events."""
    define(store, project, name="refund", description="The user said 'refund'")
    define(store, project, name="sorry", description="The assistant said 'sorry'")
    add(store, project, *TALK)
    return project


def run(*arguments: str) -> Result:
    return CliRunner().invoke(phospho, ["detect", *arguments])


def events(project: Project) -> dict[str, tuple[int, int]]:
    """Return how many events there are of each definition, and what is still to do."""
    result = CliRunner().invoke(phospho, ["events", "list", project.id, "--json"])
    return {row["name"]: (row["events"], row["pending"]) for row in json.loads(result.stdout)}


def written(path: Path) -> set[tuple[str, str]]:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {(row["id"], row["event"]) for row in rows if row["detected"]}


def test_a_project_is_judged_into_a_file_and_nothing_is_kept(talk: Project, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    result = run("--project", talk.id, "--predictions", str(out))
    assert result.exit_code == 0, result.output
    assert "Verdicts on 3 interactions" in result.output
    assert written(out) == {("t1", "refund"), ("t1", "sorry"), ("t3", "refund")}
    assert len(out.read_text().splitlines()) == 6
    assert events(talk) == {"refund": (0, 3), "sorry": (0, 3)}


def test_one_event_is_written_where_one_is_named(talk: Project, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    result = run("--project", talk.id, "--predictions", str(out), "--definition", "sorry")
    assert result.exit_code == 0, result.output
    assert written(out) == {("t1", "sorry")}
    assert len(out.read_text().splitlines()) == 3


def test_an_event_of_a_session_is_in_the_first_by_time_whatever_arrived_first(
    store: SqliteStore, project: Project, tmp_path: Path
) -> None:
    define(store, project, name="refund", description="The user said 'refund'", scope="session")
    late = interaction("t2", input="refund!", created_at_ms=NOON_MS + 9)
    add(store, project, late, interaction("t1", input="a refund"))
    out = tmp_path / "out.jsonl"
    result = run("--project", project.id, "--predictions", str(out))
    assert result.exit_code == 0, result.output
    assert written(out) == {("t1", "refund")}


def test_what_waits_is_done_and_kept(store: SqliteStore, talk: Project) -> None:
    other = store.write(lambda db: create_project(db, "Other"))
    define(store, other, name="greeting", description="The user said 'hello'")
    add(store, other, *TALK)
    result = run("--project", talk.id, "--store")
    assert result.exit_code == 0, result.output
    assert "Everything is looked at." in result.output
    assert events(talk) == {"refund": (2, 0), "sorry": (1, 0)}
    assert events(other) == {"greeting": (0, 3)}


def test_again_judges_anew_what_has_verdicts(store: SqliteStore, talk: Project) -> None:
    assert run("--project", talk.id, "--store").exit_code == 0
    store.write(lambda db: db.execute("update detections set detected = 0, score = 0"))
    assert run("--project", talk.id, "--store").exit_code == 0
    assert detected(store) == 0
    assert run("--project", talk.id, "--store", "--again", "--definition", "sorry").exit_code == 0
    assert detected(store) == 1
    assert run("--project", talk.id, "--store", "--again").exit_code == 0
    assert detected(store) == 3


def detected(store: SqliteStore) -> int:
    with store.read() as db:
        row = db.row("select sum(detected) as n from detections")
    assert row is not None
    return int(row["n"])


class Refuses:
    """A detector that cannot judge today."""

    name = "rules"

    def detect(self, batch: Sequence[Turn], events: Sequence[EventDefinition]) -> list[Detection]:
        raise DetectorError("The model is being moved.")


def test_what_a_detector_cannot_judge_is_said(
    talk: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detect_command, "load_detectors", lambda *_: {"rules": Refuses()})
    result = run("--project", talk.id, "--store")
    assert result.exit_code == 1
    assert "could not be given: The model is being moved." in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param([], "Give three files", id="nothing"),
        pytest.param(["--store"], "about a project", id="store-without-project"),
        pytest.param(["--project", "ID"], "Say where the verdicts go", id="no-place"),
        pytest.param(
            ["--project", "ID", "--store", "--predictions", "x"], "one of the two", id="two-places"
        ),
        pytest.param(["--project", "ID", "--examples", "3"], "its own", id="examples"),
        pytest.param(
            ["--project", "ID", "--predictions", "x", "--again"], "verdicts that are kept",
            id="again",
        ),
        pytest.param(
            ["--project", "ID", "--store", "--detector", "rules"], "in Settings", id="detector"
        ),
        pytest.param(
            ["--project", "ID", "--store", "--definition", "sorry"], "Add --again", id="definition"
        ),
        pytest.param(
            ["--project", "ID", "--predictions", "x", "--definition", "joy"],
            "It looks for: refund, sorry", id="unknown-event",
        ),
        pytest.param(
            ["--project", "ID", "--predictions", "x", "--detector", "joy"], "no detector 'joy'",
            id="unknown-detector",
        ),
        pytest.param(["--project", "nope", "--store"], "project", id="unknown-project"),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_refused_in_a_sentence(
    talk: Project,
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(*[talk.id if each == "ID" else each for each in arguments])
    assert not Path("x").exists()
    assert result.exit_code == 1
    assert message in result.output
    assert result.output.rstrip().endswith(".")


def test_a_project_without_events_says_how_to_define_one(project: Project) -> None:
    result = run("--project", project.id, "--predictions", "x")
    assert "phospho events create" in result.output


def test_all_turns_are_those_that_the_worker_loads_one_by_one(
    store: SqliteStore, project: Project
) -> None:
    """But in one query, and history shares memory with what it is the history of."""
    long = "x" * 5_000
    add(
        store,
        project,
        *TALK,
        *(interaction(f"n{i}", created_at_ms=NOON_MS + i % 7, input=long) for i in range(30)),
    )
    with store.read() as db:
        ids = [row["id"] for row in db.rows("select id from interactions")]
        assert load_all_turns(db, project.id) == load_turns_of(db, project.id, ids)

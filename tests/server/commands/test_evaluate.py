"""`phospho evaluate`: against suites, files of predictions, and what people reviewed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from phospho.models import Detection, EventDefinition, Turn
from phospho_server.commands import evaluate as evaluate_command
from phospho_server.commands import phospho
from phospho_server.store import detections, reviews
from phospho_server.store.interactions import find_ids
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from tests.server.builders import add, define, interaction, verdict
from tests.server.databases import address_of
from tests.server.evaluating.builders import write_suite

SORRY = {"name": "sorry", "description": "The assistant said 'sorry'"}
ROWS: list[dict[str, Any]] = [
    {"id": "1", "input": "help", "output": "Sorry, no.", "events": ["sorry"]},
    {"id": "2", "input": "help", "output": "I apologise.", "events": ["sorry"]},
    {"id": "3", "input": "sorry", "output": "Fine.", "events": []},
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_suite(tmp_path / "small", [SORRY], ROWS)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(phospho, ["evaluate", *arguments])


def run_json(*arguments: str) -> list[dict[str, Any]]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    runs: list[dict[str, Any]] = json.loads(result.stdout)["runs"]
    return runs


def test_a_suite_is_judged_and_scored(folder: Path) -> None:
    (only,) = run_json(str(folder))
    figures = only["suites"]["small"]["events"]["sorry"]
    assert (figures["tp"], figures["fp"], figures["fn"]) == (1, 0, 1)
    assert figures["f1"] == pytest.approx(2 / 3, abs=1e-6)
    assert figures["f1_interval"][0] < 2 / 3 < figures["f1_interval"][1]
    assert only["interactions_per_cpu_s"] > 0
    assert only["peak_mb"] > 10


def test_people_read_a_table_and_the_surest_errors(folder: Path) -> None:
    result = run(str(folder), "--show", "1")
    assert result.exit_code == 0, result.output
    assert "as defined, 0 examples" in result.output
    assert "sorry: a wrong no (0.000) on 2" in result.output
    assert "assistant: I apologise." in result.output


def test_what_phospho_detect_writes_scores_as_what_it_judges(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    written = CliRunner().invoke(
        phospho,
        [
            *("detect", "--definitions", str(folder / "events.json")),
            *("--interactions", str(folder / "interactions.jsonl"), "--predictions", str(out)),
        ],
    )
    assert written.exit_code == 0, written.output
    (judged,) = run_json(str(folder))
    first, second = run_json(str(folder), "--predictions", str(out), "--predictions", str(out))
    assert first["suites"] == judged["suites"]
    assert first["interactions_per_cpu_s"] is None
    assert second["versus"] == str(out)
    assert second["difference"]["mean_of_suites"] == {"f1": 0.0, "interval": [0.0, 0.0]}


def test_each_suite_is_judged_by_weights_of_the_others(tmp_path: Path) -> None:
    """The suite about wording is neither fitted on nor changed by it."""
    said = {"thanks": "Thank you so much", "refund": "I want my money back", "rain": "Will it rain"}
    for suite, names in (("one", ["thanks", "refund"]), ("two", ["rain", "thanks"])):
        events = [
            {
                "name": name,
                "description": f"The user talks about {name}",
                "examples": [{"input": said[name], "output": ""}],
            }
            for name in names
        ]
        rows = [{"id": name, "input": said[name], "events": [name]} for name in names]
        write_suite(tmp_path / "all" / suite, events, rows)
    write_suite(tmp_path / "all" / "wording", [SORRY], ROWS)
    folder = str(tmp_path / "all")
    shipped, refitted = (run_json(folder, *options) for options in ((), ("--leave-one-out",)))
    assert refitted[0]["suites"]["wording"] == shipped[0]["suites"]["wording"]
    briers = [found[0]["suites"]["one"]["brier"] for found in (shipped, refitted)]
    assert briers[0] != briers[1]
    assert refitted[0]["interactions_per_cpu_s"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param([], "Give one of the two", id="nothing"),
        pytest.param(["FOLDER", "--project", "x"], "Give one of the two", id="both"),
        pytest.param(["EMPTY"], "holds no labelled suite", id="no-suite"),
        pytest.param(["FOLDER", "--detector", "joy"], "no detector 'joy'", id="unknown-detector"),
        pytest.param(
            ["FOLDER", "--predictions", "p", "--detector", "x"], "no detector is asked", id="asked"
        ),
        pytest.param(["--project", "x", "--predictions", "p"], "not --project", id="project"),
        pytest.param(["FOLDER", "--predictions", "nowhere"], "Cannot read", id="no-predictions"),
        pytest.param(["FOLDER", "--leave-one-out"], "at least two suites", id="one-suite"),
        pytest.param(["--project", "x", "--leave-one-out"], "nothing to leave out", id="loo"),
        pytest.param(["--project", "x"], "phospho projects list", id="no-project"),
    ],
)  # fmt: skip
def test_what_cannot_be_scored_is_refused_in_a_sentence(
    folder: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    (tmp_path / "empty").mkdir()
    places = {"FOLDER": str(folder), "EMPTY": str(tmp_path / "empty")}
    words = [places.get(word, word) for word in arguments]
    result = run(*words, "--database", str(tmp_path / "phospho.db"))
    assert result.exit_code == 1, result.output
    assert message in result.output


def review(
    store: SqliteStore,
    project: Project,
    definition: EventDefinition,
    text: str,
    *,
    occurred: bool,
    judged: bool | None = True,
    score: float = 0.9,
) -> None:
    """Let a person speak about a verdict, or about an interaction that has none yet."""
    new = interaction(text, input=text, session_id=text)
    if judged is not None:
        said = verdict(store, project, new, detected=judged, score=score)
        store.write(lambda db: detections.record(db, project.id, definition, [said]))
    at = row_id(store, project, text)
    store.write(
        lambda db: reviews.review(
            db, project.id, definition.id, at, occurred=occurred, source="audit"
        )
    )


def row_id(store: SqliteStore, project: Project, task_id: str) -> int:
    with store.read() as db:
        return find_ids(db, project.id, [task_id])[task_id]


def test_a_project_is_scored_against_what_people_last_said(
    store: SqliteStore, project: Project, tmp_path: Path
) -> None:
    refund = define(store, project, name="refund", description="The user said 'refund'")
    define(store, project, name="unreviewed", description="The user said 'hello'")
    texts = ["refund", "it was fine", "money back", "hello", "not reviewed: refund"]
    add(store, project, *(interaction(text, input=text, session_id=text) for text in texts))
    review(store, project, refund, "refund", occurred=True, judged=False, score=0.2)
    review(store, project, refund, "it was fine", occurred=True)
    review(store, project, refund, "it was fine", occurred=False)
    review(store, project, refund, "money back", occurred=True, judged=None)
    review(store, project, refund, "hello", occurred=True)
    at = row_id(store, project, "hello")
    store.write(lambda db: reviews.undo(db, project.id, refund.id, at))
    then, now = run_json("--project", project.id, "--database", address_of(store))
    assert then["label"] == "as it was when reviewed"
    assert list(now["suites"]["Support bot"]["events"]) == ["refund"]
    before, after = (r["suites"]["Support bot"]["events"]["refund"] for r in (then, now))
    assert [before[k] for k in ("tp", "fp", "fn")] == [0, 1, 2]
    assert [after[k] for k in ("tp", "fp", "fn")] == [1, 0, 1]
    assert now["versus"] == then["label"]


class Learns:
    """Says what it was told in reviews, as no honest score may."""

    name = "semantic"

    def detect(self, batch: Sequence[Turn], events: Sequence[EventDefinition]) -> list[Detection]:
        return [
            Detection(
                event_id=e.id,
                task_id=t.interaction.task_id,
                detected=any(r.occurred and r.input == t.interaction.input for r in e.reviews),
                score=0.5,
            )
            for t in batch
            for e in events
        ]


def test_no_detector_is_told_the_reviews_it_is_scored_against(
    store: SqliteStore, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluate_command, "load_detectors", lambda *_: {"semantic": Learns()})
    refund = define(store, project, name="refund", description="The user wants a refund")
    add(store, project, interaction("t1"))
    review(store, project, refund, "t1", occurred=True)
    found = run_json("--project", project.id, "--database", address_of(store))
    assert found[1]["suites"]["Support bot"]["events"]["refund"]["tp"] == 0


def test_a_project_without_reviews_says_what_to_do(
    store: SqliteStore, project: Project, tmp_path: Path
) -> None:
    define(store, project)
    result = run("--project", project.id, "--database", address_of(store))
    assert result.exit_code == 1
    assert "Nobody has reviewed an event of 'Support bot' yet" in result.output

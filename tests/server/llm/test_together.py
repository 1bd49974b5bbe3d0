"""What an LLM says, beside people's words, events of sessions, versions, scores and commands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from phospho.detectors.llm.cost import Usage
from phospho.detectors.llm.detector import LlmDetector
from phospho.detectors.llm.ledger import Call
from phospho.errors import BudgetSpentError
from phospho_server.commands import phospho
from phospho_server.errors import InvalidError
from phospho_server.llm.lending import lent_detector
from phospho_server.previewing import preview
from phospho_server.store import llm, llm_usage, reviews
from phospho_server.store.definitions import edit_definition, get_definition
from phospho_server.store.interactions import find_ids
from phospho_server.store.llm import LlmSettings
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from phospho_server.store.versions import VerdictCount, list_verdict_counts
from tests.detectors.builders import turn
from tests.judges import LoopbackJudge
from tests.server.builders import NOON_MS, add, define, definition, interaction, totals
from tests.server.databases import address_of
from tests.server.llm.conftest import Workers, verdicts

BANANA = "The user mentions a banana"


@pytest.mark.parametrize("detector", ["auto", "llm"])
def test_an_event_of_a_session_stands_once_whoever_decides(
    store: SqliteStore, project: Project, workers: Workers, detector: str
) -> None:
    define(store, project, name="fruit", description=BANANA, detector=detector, scope="session")
    texts = ("0.7 apple", "0.3 banana", "0.6 banana")
    add(
        store,
        project,
        *(interaction(f"t{n}", input=t, created_at_ms=NOON_MS + n) for n, t in enumerate(texts)),
    )
    workers.run()
    assert {task: found for (task, _), found in verdicts(store, project).items()} == {
        "t0": (False, "llm"),
        "t1": (True, "llm"),
        "t2": (False, "llm"),
    }
    assert totals(store, project).events == 1


def test_an_llm_overwrites_no_persons_word_and_is_counted(
    store: SqliteStore, project: Project, workers: Workers
) -> None:
    event = define(store, project, name="fruit", description=BANANA)
    add(store, project, interaction("t1", input="0.6 banana"))
    workers.local.run_until_done()
    with store.read() as db:
        row_id = find_ids(db, project.id, ["t1"])["t1"]
    store.write(
        lambda db: reviews.review(
            db, project.id, event.id, row_id, occurred=False, source="transcript"
        )
    )
    workers.llm.run_until_done()
    assert verdicts(store, project) == {("t1", "fruit"): (False, "llm")}
    assert totals(store, project).events == 0
    with store.read() as db:
        (row,) = db.rows("select judged, reviewed from detections")
        counts = list_verdict_counts(db, project.id)
    assert (row["judged"], row["reviewed"]) == (1, 0)
    assert counts == {event.id: [VerdictCount(1, "llm", "", 1)]}


def test_what_was_planned_for_an_older_version_is_not_kept(
    store: SqliteStore, project: Project, workers: Workers, judge: LoopbackJudge
) -> None:
    event = define(store, project, name="fruit", description=BANANA)
    add(store, project, interaction("t1", input="0.6 banana"))
    workers.local.run_until_done()
    edited = event.model_copy(update={"description": "The user mentions an apple"})
    store.write(lambda db: edit_definition(db, project.id, edited, to_past=False))
    workers.llm.run_until_done()
    assert judge.asked == []
    with store.read() as db:
        counts = list_verdict_counts(db, project.id)
        assert get_definition(db, project.id, event.id).version == 2
    assert counts == {event.id: [VerdictCount(1, "semantic", "", 1)]}


@pytest.mark.parametrize(
    ("value", "occurred"), [pytest.param(4.5, True, id="high"), pytest.param(2, False, id="low")]
)
def test_a_score_is_an_event_at_or_above_the_middle(
    store: SqliteStore,
    project: Project,
    workers: Workers,
    judge: LoopbackJudge,
    value: float,
    occurred: bool,
) -> None:
    judge.answer = lambda asked: {
        key: {"evidence": "banana", "occurred": True, "value": value, "confidence": 90}
        for key in asked.events
    }
    define(store, project, name="fruit", description=BANANA, detector="llm", answer="score")
    add(store, project, interaction("t1", input="0.6 banana"))
    workers.run()
    assert verdicts(store, project) == {("t1", "fruit"): (occurred, "llm")}
    with store.read() as db:
        (row,) = db.rows("select value from detections")
    assert json.loads(row["value"]) == value


def detect(store: SqliteStore, project: Project, *more: str) -> str:
    arguments = ["detect", "--project", project.id, "--database", address_of(store), *more]
    return CliRunner().invoke(phospho, arguments).output


def test_a_command_asks_the_llm_of_a_project_unless_that_is_off(
    store: SqliteStore,
    project: Project,
    judge: LoopbackJudge,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PHOSPHO_LLM_BASE_URL", judge.url)
    monkeypatch.setenv("PHOSPHO_LLM_MODEL", "gpt-x")
    define(store, project, name="fruit", description=BANANA, detector="llm")
    add(store, project, interaction("t1", input="a banana"))
    out = tmp_path / "out.jsonl"
    detect(store, project, "--predictions", str(out))
    assert json.loads(out.read_text())["detected"]
    assert len(judge.asked) == 1
    said = detect(store, project, "--store")
    assert "1 verdicts are left to the LLM, which a running server asks." in said
    off = LlmSettings(is_off=True)
    store.write(lambda db: llm.save_settings(db, project.id, off))
    assert "No LLM is configured" in detect(store, project, "--predictions", str(out))
    assert len(judge.asked) == 1


def test_a_preview_asks_no_llm(store: SqliteStore, project: Project) -> None:
    draft = definition(name="fruit", description=BANANA, detector="llm")
    with pytest.raises(InvalidError, match="Save it to see"):
        preview(store, {"llm": LlmDetector(None)}, project.id, draft)


def test_a_command_keeps_to_what_a_server_has_left_of_the_budget_meanwhile(
    store: SqliteStore, project: Project, judge: LoopbackJudge
) -> None:
    settings = LlmSettings(base_url=judge.url, model="gpt-x", daily_tokens=3_500, is_trusted=True)
    store.write(lambda db: llm.save_settings(db, project.id, settings))
    fruit = definition("fruit", description=BANANA, detector="llm")
    with lent_detector(store, project.id, {}) as lent:
        assert lent.detect([turn("banana 1", task_id="t1")], [fruit])
        elsewhere = Call(["other"], Usage(2_000, 0))
        store.write(lambda db: llm_usage.add_call(db, project.id, elsewhere))
        with pytest.raises(BudgetSpentError):
            lent.detect([turn("banana 2", task_id="t2")], [fruit])
    assert len(judge.asked) == 1

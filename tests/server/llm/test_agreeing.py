"""Where the LLM never says anything else it is no longer asked, until it does."""

from __future__ import annotations

from collections.abc import Sequence

from phospho.detectors.llm.band import Answered, Band
from phospho_server.llm.agreeing import load_band
from phospho_server.store import llm_agreement
from phospho_server.store.definitions import edit_definition, list_enabled
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from tests.judges import LoopbackJudge
from tests.server.builders import add, define, interaction
from tests.server.llm.conftest import MakeWorkers, Workers

BANANA = "The user mentions a banana"


def add_texts(store: SqliteStore, project: Project, texts: Sequence[str]) -> None:
    news = [interaction(text, input=text, session_id=text) for text in texts]
    add(store, project, *news)


def band(store: SqliteStore, project: Project) -> Band:
    with store.read() as db:
        (event,) = list_enabled(db, project.id)
        return load_band(db, project.id, event)


def agree(store: SqliteStore, project: Project, workers: Workers) -> None:
    """Let the LLM say what was said already of 60 verdicts at the lower edge of the band."""
    add_texts(store, project, [f"0.06 apple {n}" for n in range(60)])
    workers.run()


def test_where_the_llm_always_agrees_it_is_hardly_asked_any_more(
    store: SqliteStore, project: Project, workers: Workers, judge: LoopbackJudge
) -> None:
    define(store, project, name="banana", description=BANANA)
    agree(store, project, workers)
    assert len(judge.asked) == 60
    assert (band(store, project).low, band(store, project).high) == (-2.5, 3.0)
    add_texts(store, project, [f"0.06 pear {n}" for n in range(100)])
    add_texts(store, project, ["0.3 plum"])
    workers.run()
    later = judge.texts[60:]
    assert "0.3 plum" in later
    assert 1 <= len(later) - 1 <= 15


def test_a_part_opens_again_when_the_llm_begins_to_differ(
    store: SqliteStore, project: Project, workers: Workers, judge: LoopbackJudge
) -> None:
    define(store, project, name="banana", description=BANANA)
    agree(store, project, workers)
    add_texts(store, project, [f"0.06 banana {n}" for n in range(100)])
    workers.run()
    assert band(store, project).low == -3.0
    before = len(judge.asked)
    add_texts(store, project, ["0.06 another banana"])
    workers.run()
    assert len(judge.asked) == before + 1


def test_where_the_llm_differs_it_goes_on_being_asked(
    store: SqliteStore, project: Project, workers: Workers
) -> None:
    define(store, project, name="banana", description=BANANA)
    add_texts(store, project, [f"0.06 {'banana' if n % 20 else 'apple'} {n}" for n in range(80)])
    workers.run()
    assert not band(store, project).is_narrowed


def test_the_same_question_answered_from_memory_tells_nothing_more(
    store: SqliteStore, project: Project, workers: Workers
) -> None:
    define(store, project, name="banana", description=BANANA)
    add(
        store,
        project,
        *(interaction(f"t{n}", input="0.06 apple", session_id=f"s{n}") for n in range(60)),
    )
    workers.run()
    assert not band(store, project).is_narrowed


def test_another_version_of_the_event_begins_anew(
    store: SqliteStore, project: Project, workers: Workers
) -> None:
    event = define(store, project, name="banana", description=BANANA)
    agree(store, project, workers)
    changed = event.model_copy(update={"description": "The user mentions a plum"})
    store.write(lambda db: edit_definition(db, project.id, changed, to_past=False))
    assert not band(store, project).is_narrowed


def test_another_model_begins_anew(
    store: SqliteStore, project: Project, make_workers: MakeWorkers
) -> None:
    event = define(store, project, name="banana", description=BANANA)
    agree(store, project, make_workers())
    add_texts(store, project, ["0.3 plum"])
    make_workers(PHOSPHO_LLM_MODEL="gpt-y").run()
    with store.read() as db:
        answered = llm_agreement.load(db, project.id, event.id, 1)
    assert [each.asked for each in answered.values()] == [1]


def test_an_event_with_a_score_asks_in_the_whole_band(
    store: SqliteStore, project: Project, workers: Workers, judge: LoopbackJudge
) -> None:
    judge.answer = lambda asked: {
        key: {"evidence": "apple", "occurred": True, "value": 2, "confidence": 90}
        for key in asked.events
    }
    define(store, project, name="banana", description=BANANA, answer="score", score_range=(1, 5))
    agree(store, project, workers)
    assert len(judge.asked) == 60
    assert not band(store, project).is_narrowed


def test_old_answers_of_a_part_count_for_less(store: SqliteStore, project: Project) -> None:
    event = define(store, project)
    for _ in range(30):
        each = Answered(10, 1)
        store.write(lambda db, each=each: llm_agreement.note(db, project.id, event, "m", {0: each}))  # type: ignore[misc]
    with store.read() as db:
        (answered,) = llm_agreement.load(db, project.id, event.id, 1).values()
    assert answered.asked < 200
    assert answered.differed * 10 == answered.asked

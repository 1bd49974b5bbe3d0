"""Which clicks count, and that verdicts are drawn evenly without looking at all of them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence

import pytest

from phospho.models import EventDefinition
from phospho_server.clock import DAY_MS
from phospho_server.correcting import Step
from phospho_server.estimating import Estimate
from phospho_server.store import Connection, Store, detections, drawing, reviews
from phospho_server.store.definitions import edit_definition, enable_definition
from phospho_server.store.interactions import find_ids
from phospho_server.store.jobs import finish
from phospho_server.store.leases import claim
from phospho_server.store.matches import list_matches
from phospho_server.store.projects import create_project
from phospho_server.store.quality import Quality, add_words, measure, measure_precision
from phospho_server.store.reviews import Source
from phospho_server.store.rows import Project, StoredDetection
from phospho_server.store.sqlite import SqliteConnection, SqliteStore
from phospho_server.store.time_steps import TimeSteps
from phospho_server.store.turns import load_turns
from tests.server.builders import HOUR_MS, NOON_MS, add, define, interaction
from tests.server.databases import on_each_database, on_sqlite

pytestmark = on_each_database


def fill(
    store: Store, project: Project, event: EventDefinition, scores: Sequence[float]
) -> list[int]:
    """Add an interaction for each score; from 0.5 on the detector says yes."""
    new = [interaction(f"{event.name}-{n}") for n in range(len(scores))]
    add(store, project, *new)
    with store.read() as db:
        ids = sorted(find_ids(db, project.id, [i.task_id for i in new]).values())
    judge(store, project, event, ids, scores)
    store.write(_finish_all_jobs)
    return ids


def _finish_all_jobs(db: Connection) -> None:
    while claimed := claim(db, most=10_000):
        for job in claimed:
            finish(db, job)


def judge(
    store: Store,
    project: Project,
    event: EventDefinition,
    ids: Sequence[int],
    scores: Sequence[float],
    detector: str = "semantic",
) -> None:
    said = [
        StoredDetection(
            interaction_id=at,
            session_id="s1",
            created_at_ms=NOON_MS,
            detected=score >= 0.5,
            score=score,
            detector=detector,
            evidence=None,
        )
        for at, score in zip(ids, scores, strict=True)
    ]
    store.write(lambda db: detections.record(db, project.id, event, said))


def click(
    store: Store,
    project: Project,
    event: EventDefinition,
    ids: Sequence[int],
    *,
    occurred: bool,
    source: Source = "audit",
) -> None:
    def change(db: Connection) -> None:
        for at in ids:
            reviews.review(db, project.id, event.id, at, occurred=occurred, source=source)

    store.write(change)


def measured(store: Store, project: Project, event: EventDefinition, day: int = 0) -> Quality:
    with store.read() as db:
        return measure(db, project.id, event, at_ms=NOON_MS + day * DAY_MS)


def known(store: Store, project: Project, event: EventDefinition) -> Estimate:
    return measured(store, project, event).known


@pytest.fixture
def event(store: Store, project: Project) -> EventDefinition:
    return define(store, project)


def test_what_came_while_an_event_was_off_counts_for_neither_number(
    store: Store, project: Project, event: EventDefinition
) -> None:
    ids = fill(store, project, event, [0.9] * 20 + [0.1] * 80)
    click(store, project, event, ids[:10], occurred=True)
    click(store, project, event, ids[20:38], occurred=False)
    click(store, project, event, ids[38:40], occurred=True)
    before = known(store, project, event)
    store.write(lambda db: enable_definition(db, project.id, event.id, enabled=False))
    add(store, project, *(interaction(f"off{n}") for n in range(900)))
    store.write(_finish_all_jobs)
    assert known(store, project, event) == before


def test_clicks_on_both_sides_of_the_cut_tell_precision_and_recall(
    store: Store, project: Project, event: EventDefinition
) -> None:
    ids = fill(store, project, event, [0.9] * 20 + [0.1] * 80)
    click(store, project, event, ids[:8], occurred=True)
    click(store, project, event, ids[8:10], occurred=False)
    click(store, project, event, ids[20:38], occurred=False)
    click(store, project, event, ids[38:40], occurred=True)
    found = known(store, project, event)
    assert (found.found, found.confirmed, found.looked_at) == (20, 8, 10)
    assert (found.missed, found.passed_over) == (2, 20)
    assert found.precision is not None
    assert found.recall is not None
    assert found.precision.value == pytest.approx(0.8)
    # 16 of 20 found, 8 of 80 missed.
    assert found.recall.value == pytest.approx(16 / 24)
    with store.read() as db:
        listed = measure_precision(db, project.id, event, at_ms=NOON_MS)
    assert listed.precision == found.precision


def test_a_missed_event_added_in_a_transcript_does_not_stand_for_others(
    store: Store, project: Project, event: EventDefinition
) -> None:
    ids = fill(store, project, event, [0.9] * 10 + [0.1] * 30)
    click(store, project, event, ids[10:20], occurred=True, source="transcript")
    found = known(store, project, event)
    assert (found.passed_over, found.added) == (0, 10)


def test_clicks_on_another_version_do_not_count(
    store: Store, project: Project, event: EventDefinition
) -> None:
    ids = fill(store, project, event, [0.9] * 10)
    click(store, project, event, ids[:6], occurred=True)
    edited = store.write(
        lambda db: edit_definition(
            db, project.id, event.model_copy(update={"description": "Other"})
        )
    )
    judge(store, project, edited, ids, [0.8] * 10)
    assert known(store, project, edited).looked_at == 0
    click(store, project, edited, ids[6:], occurred=False)
    assert known(store, project, edited).looked_at == 4


@pytest.mark.parametrize("occurred", [True, False], ids=["confirmed", "rejected"])
def test_clicks_on_verdicts_of_a_detector_that_is_gone_do_not_count(
    store: Store, project: Project, event: EventDefinition, *, occurred: bool
) -> None:
    ids = fill(store, project, event, [0.9] * 10)
    click(store, project, event, ids[:6], occurred=occurred)
    judge(store, project, event, ids, [0.9] * 10, detector="llm")
    assert known(store, project, event).looked_at == 0


def test_a_click_counts_with_the_verdict_it_was_about(
    store: Store, project: Project, event: EventDefinition
) -> None:
    """What learned from a click would be measured by what it was told."""
    ids = fill(store, project, event, [0.9] * 10)
    click(store, project, event, ids[:6], occurred=False)
    judge(store, project, event, ids[:6], [0.1] * 6)
    found = known(store, project, event)
    assert (found.confirmed, found.looked_at, found.passed_over) == (0, 6, 0)
    assert found.found == 4


def test_clicks_of_another_event_or_project_do_not_count(
    store: Store, project: Project, event: EventDefinition
) -> None:
    fill(store, project, event, [0.9] * 10)
    second = define(store, project, name="second")
    ids = fill(store, project, second, [0.9] * 10)
    other = store.write(lambda db: create_project(db, "other"))
    third = define(store, other, name="third")
    theirs = fill(store, other, third, [0.9] * 10)
    click(store, project, second, ids, occurred=False)
    click(store, other, third, theirs, occurred=False)
    assert known(store, project, event) == Estimate(found=10)


def test_clicks_on_a_method_count_however_rarely_it_is_drawn(
    store: Store, project: Project, event: EventDefinition
) -> None:
    ids = fill(store, project, event, [0.9] * 600)
    judge(store, project, event, ids[:1], [0.9], detector="llm")
    click(store, project, event, ids[:1], occurred=True)
    days = [measured(store, project, event, day).known.looked_at for day in range(20)]
    assert days == [1] * 20


def test_nothing_is_known_where_nothing_was_looked_at(
    store: Store, project: Project, event: EventDefinition
) -> None:
    assert measured(store, project, event) == Quality([], Estimate())
    add(store, project, interaction())
    assert measured(store, project, event) == Quality([], Estimate())


def test_a_draw_is_the_same_all_day_and_another_tomorrow(
    store: Store, project: Project, event: EventDefinition
) -> None:
    fill(store, project, event, [0.9] * 400 + [0.1] * 1_000)
    today, again, tomorrow = (measured(store, project, event, day).drawn for day in (0, 0, 1))
    assert today == again
    assert today != tomorrow


def test_every_verdict_of_a_word_has_the_same_chance(
    store: Store, project: Project, event: EventDefinition
) -> None:
    """In a burst of yes, and among yes that stand alone; and beside another project's rows."""
    burst, alone = [0.9] * 300, ([0.6] + [0.1] * 9) * 100
    fill(store, project, event, burst)
    other = store.write(lambda db: create_project(db, "other"))
    fill(store, other, define(store, other, name="theirs"), [0.9] * 700)
    second_half = define(store, project, name="x")  # only lends its name to the tasks
    ids = fill(store, project, second_half.model_copy(update={"id": event.id}), alone)
    days = [measured(store, project, event, day).drawn for day in range(120)]
    yes = [each for drawn in days for each in drawn if each.said]
    no = [each for drawn in days for each in drawn if not each.said]
    assert 120 * 75 < len(yes) < 120 * 200
    assert sum(each.score < 0.8 for each in yes) / len(yes) == pytest.approx(0.25, abs=0.06)
    first_half = sum(each.interaction_id < ids[500] for each in no) / len(no)
    assert first_half == pytest.approx(0.5, abs=0.02)


def test_ids_have_the_same_chance_at_the_ends_as_in_the_middle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(drawing, "_MANY", 0)
    chance, span = random.Random(0), range(7, 57)
    draws = [drawing._draw_ids(span, 10, chance) for _ in range(4_000)]
    drawn = Counter(each for draw in draws for each in draw)
    assert set(drawn) == set(span)
    usual = drawn.total() / len(span)
    assert all(count == pytest.approx(usual, rel=0.15) for count in drawn.values())
    # In pairs, which the ends cut and chance joins.
    assert all(len(draw) <= 10 for draw in draws)
    assert sum(len(draw) for draw in draws) > 9 * len(draws)


def test_of_few_ids_each_is_drawn_and_of_more_each_by_itself() -> None:
    chance = random.Random(0)
    assert list(drawing._draw_ids(range(5, 15), 10, chance)) == list(range(5, 15))
    draws = [set(drawing._draw_ids(range(1_000), 10, chance)) for _ in range(200)]
    assert {len(draw) for draw in draws} == {10}
    assert sum(each + 1 in draw for draw in draws for each in draw) < 60


def test_rejected_yes_stay_among_the_drawn_as_reviewed(
    store: Store, project: Project, event: EventDefinition
) -> None:
    ids = fill(store, project, event, [0.9] * 10)
    click(store, project, event, ids[:4], occurred=False)
    drawn = measured(store, project, event).drawn
    assert sorted(each.interaction_id for each in drawn if each.said) == ids
    assert sum(each.is_reviewed for each in drawn) == 4


def test_a_chart_is_told_what_people_said_of_each_step(
    store: Store, project: Project, event: EventDefinition
) -> None:
    ids = fill(store, project, event, [0.9] * 3)
    click(store, project, event, ids[:2], occurred=True)
    click(store, project, event, ids[2:], occurred=False)
    steps = [Step(0, 0), Step(2, 3), Step(0, 0)]
    with store.read() as db:
        of = TimeSteps(NOON_MS - HOUR_MS, NOON_MS + 2 * HOUR_MS, HOUR_MS)
        told = add_words(db, project.id, event.id, steps, of)
    assert told == [Step(0, 0), Step(2, 3, known=2, refuted=1), Step(0, 0)]


_FILL = """
with recursive n(n) as (select 1 union all select n + 1 from n where n < :size)
insert into interactions (project_id, task_id, session_id, created_at_ms, received_at_ms, input)
select :project_id, 't' || n, 's' || n / 3, :noon + n, 1, 'x' from n
"""
_JUDGE = """
insert into detections (project_id, definition_id, interaction_id, definition_version, detected,
    score, detector, created_at_ms)
select :project_id, :definition_id, id, 1, id % 10 = 0, 0.5, 'semantic', 1 from interactions
"""


def count_steps(store: Store, look: Callable[[Connection], object]) -> int:
    """Return how many hundreds of steps SQLite takes."""
    steps = [0]

    def count() -> None:
        steps[0] += 1

    with store.read() as db:
        assert isinstance(db, SqliteConnection)
        db.raw.set_progress_handler(count, 100)
        look(db)
        db.raw.set_progress_handler(None, 0)
    return steps[0]


@pytest.mark.parametrize(
    "look",
    [
        pytest.param(lambda db, p, e: measure(db, p, e, at_ms=NOON_MS), id="measure"),
        pytest.param(lambda db, p, e: measure_precision(db, p, e, at_ms=NOON_MS), id="precision"),
        pytest.param(lambda db, p, e: list_matches(db, p, e.id), id="matches"),
        pytest.param(lambda db, p, e: load_turns(db, p, range(200, 300)), id="turns"),
    ],
)
@on_sqlite
def test_no_page_looks_at_all_there_is(
    store: SqliteStore,
    look: Callable[[Connection, str, EventDefinition], object],
) -> None:
    """Eight times as many interactions, the same work."""
    steps = []
    for size in (3_000, 24_000):
        project = store.write(lambda db: create_project(db, "one"))
        event = define(store, project)
        fields = {"project_id": project.id, "definition_id": event.id}

        def fill_in(db: Connection, fields: dict[str, str] = fields, size: int = size) -> None:
            db.execute("delete from interactions")
            db.execute("delete from detections")
            db.execute(_FILL, {**fields, "size": size, "noon": NOON_MS})
            db.execute(_JUDGE, fields)
            db.execute(
                "insert into day_counters values (:project_id, 'events', :definition_id, 0, :n)",
                {**fields, "n": size // 10},
            )

        store.write(fill_in)
        steps.append(count_steps(store, lambda db, p=project, e=event: look(db, p.id, e)))  # type: ignore[misc]
    assert steps[0] > 0
    assert steps[1] < 2 * steps[0]

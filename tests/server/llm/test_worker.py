"""The LLM's worker: what it overrules, what waits, what it costs, what stops it."""

from __future__ import annotations

import json

import pytest

from phospho_server.clock import DAY_MS, day_of, now_ms
from phospho_server.llm.worker import LlmWorker
from phospho_server.store import jobs, llm, llm_usage
from phospho_server.store.definitions import delete_definition, edit_definition, list_definitions
from phospho_server.store.llm import LlmSettings
from phospho_server.store.llm_usage import LlmUse
from phospho_server.store.projects import create_project
from phospho_server.store.rows import DefinitionRow, Project
from phospho_server.store.sqlite import SqliteStore
from tests.judges import LoopbackJudge, honest, refused
from tests.server.builders import add, define, interaction, totals
from tests.server.llm.conftest import MakeWorkers, Workers, verdicts

BANANA = "The user mentions a banana"
CHERRY = "The assistant offers a cherry"


def uses(store: SqliteStore, project: Project) -> dict[str, LlmUse]:
    with store.read() as db:
        listed = {use.name: use for use in llm_usage.list_uses(db, project.id, since_ms=0)}
        return {**listed, "": llm_usage.use_of_today(db, project.id)}


def waiting(store: SqliteStore) -> int:
    with store.read() as db:
        row = db.row("select coalesce(sum(size), 0) as n from jobs where kind = 'llm'")
    assert row is not None
    return int(row["n"])


def row_of(store: SqliteStore, project: Project, name: str = "banana") -> DefinitionRow:
    with store.read() as db:
        return {row.definition.name: row for row in list_definitions(db, project.id)}[name]


def paused(store: SqliteStore, project: Project) -> str | None:
    with store.read() as db:
        return llm.find_pause(db, project.id)


def configure(store: SqliteStore, project: Project, **settings: object) -> None:
    store.write(lambda db: llm.save_settings(db, project.id, LlmSettings(**settings)))  # type: ignore[arg-type]


def test_local_verdicts_appear_at_once_and_the_llm_overrules_the_uncertain(
    store: SqliteStore, project: Project, workers: Workers, judge: LoopbackJudge
) -> None:
    define(store, project, name="banana", description=BANANA)
    add(
        store,
        project,
        interaction("missed", input="0.3 banana"),
        interaction("false", input="0.7 apple"),
        interaction("sure", input="0.99 apple"),
        interaction("never", input="0.0 banana"),
    )
    workers.local.run_until_done()
    assert verdicts(store, project) == {
        ("missed", "banana"): (False, "semantic"),
        ("false", "banana"): (True, "semantic"),
        ("sure", "banana"): (True, "semantic"),
        ("never", "banana"): (False, "semantic"),
    }
    assert totals(store, project).events == 2
    workers.llm.run_until_done()
    assert verdicts(store, project) == {
        ("missed", "banana"): (True, "llm"),
        ("false", "banana"): (False, "llm"),
        ("sure", "banana"): (True, "semantic"),
        ("never", "banana"): (False, "semantic"),
    }
    assert totals(store, project).events == 2
    assert sorted(judge.texts) == ["0.3 banana", "0.7 apple"]
    assert waiting(store) == 0


def test_one_call_asks_about_all_events_of_an_interaction(
    store: SqliteStore, project: Project, workers: Workers, judge: LoopbackJudge
) -> None:
    define(store, project, name="banana", description=BANANA)
    define(store, project, name="cherry", description=CHERRY, detector="llm")
    define(store, project, name="apple", description="The user mentions an apple")
    for n in range(120):
        add(store, project, interaction(f"t{n}", input=f"0.5 {n} banana", output="cherry"))
    workers.run()
    assert len(judge.asked) == 120
    assert {len(asked.events) for asked in judge.asked} == {3}
    found = verdicts(store, project)
    assert len(found) == 360
    assert {detector for _, detector in found.values()} == {"llm"}


def test_an_event_that_names_the_llm_waits_until_there_is_one(
    store: SqliteStore, project: Project, make_workers: MakeWorkers
) -> None:
    define(store, project, name="banana", description=BANANA, detector="llm")
    define(store, project, name="local", description=BANANA)
    add(store, project, interaction("t1", input="0.5 banana"))
    make_workers(PHOSPHO_LLM_BASE_URL="", PHOSPHO_LLM_MODEL="").run()
    assert verdicts(store, project) == {("t1", "local"): (True, "semantic")}
    assert row_of(store, project).pending == 1
    make_workers().run()
    assert verdicts(store, project)["t1", "banana"] == (True, "llm")
    # What was decided locally when there was no LLM is asked about later.
    assert verdicts(store, project)["t1", "local"] == (True, "llm")


def test_the_past_is_looked_at_too(
    store: SqliteStore, project: Project, workers: Workers, judge: LoopbackJudge
) -> None:
    many = [
        interaction(f"t{n}", input=f"0.5 {n % 10} banana", session_id=f"s{n}") for n in range(450)
    ]
    add(store, project, *many)
    workers.run()
    define(store, project, name="banana", description=BANANA, detector="llm")
    assert row_of(store, project).pending == 450
    workers.run()
    assert (row_of(store, project).events, row_of(store, project).pending) == (450, 0)
    assert len(judge.asked) == 10  # the same text costs once


def test_costs_are_booked_to_the_cent_and_shared_evenly(
    store: SqliteStore, project: Project, workers: Workers, judge: LoopbackJudge
) -> None:
    configure(store, project, price_in="0.40", price_out="1.60", price_cached="0.1", currency="$")
    judge.usage = {
        "prompt_tokens": 1001,
        "completion_tokens": 100,
        "prompt_tokens_details": {"cached_tokens": 600},
    }
    for name in ("banana", "apple", "plum"):
        define(store, project, name=name, description=f"The user mentions a {name}")
    add(
        store,
        project,
        *(interaction(f"t{n}", input=f"0.5 {n}") for n in range(3)),
        *(interaction(f"s{n}", input=f"0.999 {n}") for n in range(7)),
    )
    workers.run()
    used = uses(store, project)
    one = 401 * 400 + 600 * 100 + 100 * 1600
    assert used[""] == LlmUse("", "", 30, 9, 3, 3003, 300, 1800, 3 * one)
    assert [used[name].cost_nanos for name in ("banana", "apple", "plum")] == [
        pytest.approx(one, abs=3)
    ] * 3
    assert sum(used[name].cost_nanos for name in ("banana", "apple", "plum")) == 3 * one
    assert sum(used[name].tokens for name in ("banana", "apple", "plum")) == used[""].tokens
    assert (used["banana"].verdicts, used["banana"].asked, used["banana"].share) == (10, 3, 0.3)
    saved_nanos, _ = used["banana"].saved(used[""])
    assert saved_nanos == pytest.approx(7 * one / 3, rel=0.01)


def test_the_second_run_over_the_same_past_costs_nothing(
    store: SqliteStore, project: Project, workers: Workers, judge: LoopbackJudge
) -> None:
    event = define(store, project, name="banana", description=BANANA)
    add(store, project, *(interaction(f"t{n}", input=f"0.5 {n} banana") for n in range(5)))
    workers.run()
    judge.asked.clear()
    changed = event.model_copy(update={"description": "The user mentions a plum"})
    store.write(lambda db: edit_definition(db, project.id, changed))
    workers.run()
    assert len(judge.asked) == 5
    store.write(lambda db: edit_definition(db, project.id, event.model_copy(update={"version": 2})))
    workers.run()
    assert len(judge.asked) == 5
    assert set(verdicts(store, project).values()) == {(True, "llm")}


def test_the_budget_is_kept_and_local_verdicts_stand(
    store: SqliteStore, project: Project, workers: Workers, judge: LoopbackJudge
) -> None:
    configure(store, project, daily_tokens=5_000)
    define(store, project, name="banana", description=BANANA)
    define(store, project, name="cherry", description=CHERRY, detector="llm")
    add(store, project, *(interaction(f"t{n}", input=f"0.6 {n} apple") for n in range(40)))
    workers.run()
    assert len(judge.asked) == 4
    assert uses(store, project)[""].tokens == 4_400
    found = verdicts(store, project)
    assert sum(found[f"t{n}", "banana"] == (True, "semantic") for n in range(40)) == 36
    # What only the LLM decides about waits for midnight, and the reason is shown.
    row = row_of(store, project, "cherry")
    assert row.pending == 36
    assert "budget of today is spent" in (row.problem or "")
    with store.read() as db:
        times = {row["run_at_ms"] for row in db.rows("select run_at_ms from jobs")}
    assert times == {day_of(now_ms()) + DAY_MS}
    # Another interaction of the day is not asked about.
    add(store, project, interaction("late", input="0.6 late apple"))
    workers.run()
    assert len(judge.asked) == 4
    assert verdicts(store, project)["late", "banana"] == (True, "semantic")


def test_a_budget_in_money_is_kept(
    store: SqliteStore, project: Project, workers: Workers, judge: LoopbackJudge
) -> None:
    # A call costs 1000 * 1 + 100 * 4 = 0.0014.
    configure(store, project, price_in="1", price_out="4", daily_budget="0.01")
    define(store, project, name="banana", description=BANANA)
    add(store, project, *(interaction(f"t{n}", input=f"0.6 {n} apple") for n in range(40)))
    workers.run()
    assert len(judge.asked) == 7
    assert uses(store, project)[""].cost_nanos == 9_800_000


def test_a_raised_budget_goes_on_at_once(
    store: SqliteStore, project: Project, workers: Workers, judge: LoopbackJudge
) -> None:
    configure(store, project, daily_tokens=1_200)
    define(store, project, name="banana", description=BANANA, detector="llm")
    add(store, project, *(interaction(f"t{n}", input=f"0.6 {n}") for n in range(5)))
    workers.run()
    assert len(judge.asked) == 1
    configure(store, project, daily_tokens=100_000)
    workers.run()
    assert len(judge.asked) == 5
    assert row_of(store, project).problem is None


@pytest.mark.parametrize(
    ("status", "words"), [(401, "API key"), (402, "paid"), (403, "API key"), (404, "model")]
)
def test_what_a_person_has_to_look_at_pauses_until_they_say_so(
    store: SqliteStore,
    project: Project,
    workers: Workers,
    judge: LoopbackJudge,
    status: int,
    words: str,
) -> None:
    judge.answer = lambda asked: refused(status)
    define(store, project, name="banana", description=BANANA)
    define(store, project, name="cherry", description=CHERRY, detector="llm")
    add(store, project, *(interaction(f"t{n}", input=f"0.6 {n} banana") for n in range(9)))
    workers.run()
    assert words in (paused(store, project) or "")
    assert len(judge.asked) == 1
    add(store, project, interaction("more", input="0.6 banana"))
    workers.run()
    assert len(judge.asked) == 1
    judge.answer = honest
    store.write(lambda db: llm.resume(db, project.id))
    workers.run()
    found = verdicts(store, project)
    assert len(found) == 20
    # What waited is asked, and so is what was judged during the pause.
    assert found["more", "banana"] == (True, "llm")
    assert found["t1", "banana"] == (True, "llm")
    assert found["more", "cherry"][1] == "llm"


def test_an_outage_loses_nothing_and_costs_no_attempt(
    store: SqliteStore, project: Project, workers: Workers, judge: LoopbackJudge
) -> None:
    judge.answer = lambda asked: refused(503)
    define(store, project, name="banana", description=BANANA, detector="llm")
    add(store, project, *(interaction(f"t{n}", input=f"0.6 {n} banana") for n in range(30)))
    workers.local.run_until_done()
    for _ in range(jobs.MAX_ATTEMPTS["llm"] + 2):
        workers.llm.run_once()
    assert waiting(store) == 30
    assert "503" in (row_of(store, project).problem or "")
    judge.answer = honest
    workers.run()
    assert row_of(store, project).events == 30
    assert waiting(store) == 0


def test_an_outage_that_a_single_interaction_meets_costs_no_attempt_either(
    store: SqliteStore, project: Project, workers: Workers, judge: LoopbackJudge
) -> None:
    judge.answer = lambda asked: refused(503)
    define(store, project, name="banana", description=BANANA)
    define(store, project, name="cherry", description=CHERRY, detector="llm")
    add(store, project, interaction("t1", input="0.4 banana", output="a cherry"))
    workers.local.run_until_done()
    for _ in range(jobs.MAX_ATTEMPTS["llm"] + 2):
        workers.llm.run_once()
    assert waiting(store) == 2
    judge.answer = honest
    workers.run()
    assert set(verdicts(store, project).values()) == {(True, "llm")}


def test_a_judge_that_is_away_is_left_alone_for_a_while(
    store: SqliteStore,
    project: Project,
    workers: Workers,
    judge: LoopbackJudge,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("phospho_server.llm.worker._FIRST_REST_S", 60.0)
    judge.answer = lambda asked: refused(503)
    define(store, project, name="banana", description=BANANA)
    add(store, project, interaction("t1", input="0.5 banana"), interaction("t2", input="0.5"))
    workers.run()
    asked = len(judge.asked)
    workers.run()
    assert len(judge.asked) == asked


def test_junk_ends_the_matter_where_a_local_verdict_stands_and_is_parked_where_none_does(
    store: SqliteStore, project: Project, workers: Workers, judge: LoopbackJudge
) -> None:
    judge.answer = lambda asked: "What a lovely day!"
    define(store, project, name="banana", description=BANANA)
    add(store, project, interaction("t1", input="0.6 apple"))
    workers.run()
    assert verdicts(store, project) == {("t1", "banana"): (True, "semantic")}
    assert (len(judge.asked), waiting(store)) == (2, 0)
    define(store, project, name="cherry", description=CHERRY, detector="llm")
    for _ in range(jobs.MAX_ATTEMPTS["llm"] + 2):
        workers.run()
        store.write(lambda db: db.execute("update jobs set run_at_ms = 0"))
    assert len(judge.asked) == 2 + 2 * jobs.MAX_ATTEMPTS["llm"]
    row = row_of(store, project, "cherry")
    assert (row.pending, "no answer that can be used" in (row.problem or "")) == (1, True)
    judge.answer = honest
    store.write(lambda db: jobs.retry_parked(db, project.id, row.definition.id))
    workers.run()
    assert row_of(store, project, "cherry").pending == 0


def test_lies_make_no_event(
    store: SqliteStore, project: Project, workers: Workers, judge: LoopbackJudge
) -> None:
    judge.answer = lambda asked: {
        key: {"evidence": "I adore bananas", "occurred": True, "confidence": 100}
        for key in asked.events
    }
    define(store, project, name="local", description=BANANA)
    define(store, project, name="llm", description=BANANA, detector="llm")
    add(store, project, interaction("low", input="0.4 x"), interaction("high", input="0.6 x"))
    workers.run()
    assert verdicts(store, project) == {
        ("low", "local"): (False, "semantic"),
        ("high", "local"): (True, "semantic"),
        ("low", "llm"): (False, "llm"),
        ("high", "llm"): (False, "llm"),
    }


def test_a_definition_that_changed_or_went_meanwhile_gets_no_old_verdict(
    store: SqliteStore, project: Project, workers: Workers, judge: LoopbackJudge
) -> None:
    event = define(store, project, name="banana", description=BANANA, detector="llm")
    gone = define(store, project, name="gone", description=CHERRY, detector="llm")
    add(store, project, interaction("t1", input="0.5 banana"))
    workers.local.run_until_done()

    def change() -> None:
        if len(judge.asked) == 1:
            changed = event.model_copy(update={"description": "The user mentions a plum"})
            store.write(lambda db: edit_definition(db, project.id, changed))
            store.write(lambda db: delete_definition(db, project.id, gone.id))

    judge.before = change
    workers.run()
    workers.run()
    assert verdicts(store, project) == {("t1", "banana"): (False, "llm")}


@pytest.mark.parametrize("is_older_first", [True, False])
def test_jobs_of_two_versions_that_wait_together_are_each_taken_for_their_own(
    store: SqliteStore,
    project: Project,
    workers: Workers,
    judge: LoopbackJudge,
    *,
    is_older_first: bool,
) -> None:
    event = define(store, project, name="banana", description=BANANA)
    add(store, project, interaction("old", input="0.4 a plum", session_id="s1"))
    workers.local.run_until_done()
    changed = event.model_copy(update={"description": "The user mentions a plum"})
    store.write(lambda db: edit_definition(db, project.id, changed, to_past=False))
    add(store, project, interaction("new", input="0.4 another plum", session_id="s2"))
    workers.local.run_until_done()
    later = 1 if is_older_first else -1
    with store.read() as db:
        waiting = db.rows("select id, payload from jobs")
    moves = [
        {"id": job["id"], "by": later * json.loads(job["payload"])["version"] - 10}
        for job in waiting
    ]
    store.write(
        lambda db: db.execute_many(
            "update jobs set run_at_ms = run_at_ms + :by where id = :id", moves
        )
    )
    workers.llm.run_until_done()
    assert verdicts(store, project) == {
        ("old", "banana"): (False, "semantic"),
        ("new", "banana"): (True, "llm"),
    }
    assert judge.texts == ["0.4 another plum"]


@pytest.mark.parametrize("is_under_way", [False, True])
def test_what_waits_for_the_llm_alone_is_asked_about_as_the_event_is_edited(
    store: SqliteStore,
    project: Project,
    workers: Workers,
    judge: LoopbackJudge,
    *,
    is_under_way: bool,
) -> None:
    event = define(store, project, name="fruit", description=BANANA, detector="llm")
    add(store, project, interaction("t1", input="a plum"))
    workers.local.run_until_done()

    def edit() -> None:
        judge.before = lambda: None
        changed = event.model_copy(update={"description": "The user mentions a plum"})
        store.write(lambda db: edit_definition(db, project.id, changed, to_past=False))

    if is_under_way:
        judge.before = edit
        workers.llm.run_once()
    else:
        edit()
    workers.run()
    assert verdicts(store, project) == {("t1", "fruit"): (True, "llm")}


def test_projects_have_their_own_llm_or_none(
    store: SqliteStore, project: Project, workers: Workers, judge: LoopbackJudge
) -> None:
    private = store.write(lambda db: create_project(db, "private"))
    configure(store, private, is_off=True)
    for each in (project, private):
        define(store, each, name="banana", description=BANANA)
        add(store, each, interaction("t1", input=f"0.6 {each.name} apple"))
    workers.run()
    assert judge.texts == ["0.6 Support bot apple"]
    assert verdicts(store, private) == {("t1", "banana"): (True, "semantic")}


def test_no_further_call_is_begun_once_nothing_is_to_be_sent(
    store: SqliteStore, project: Project, workers: Workers, judge: LoopbackJudge
) -> None:
    define(store, project, name="banana", description=BANANA)
    add(store, project, *(interaction(f"t{n}", input=f"0.6 {n} apple") for n in range(100)))
    judge.before = lambda: configure(store, project, is_off=True)
    workers.run()
    # Those that were under way when somebody said so; the others wait, in case it is set again.
    assert 1 <= len(judge.asked) <= 16
    assert waiting(store) == 100 - len(judge.asked)
    judge.before = lambda: None
    configure(store, project)
    workers.run()
    assert (len(judge.asked), waiting(store)) == (100, 0)


def test_a_project_with_much_to_ask_lets_others_have_their_turn(
    store: SqliteStore, project: Project, workers: Workers, judge: LoopbackJudge
) -> None:
    other = store.write(lambda db: create_project(db, "other"))
    for each in (project, other):
        define(store, each, name="banana", description=BANANA, detector="llm")
    many = [interaction(f"t{n}", input=f"0.6 {n}", session_id=f"s{n}") for n in range(450)]
    add(store, project, *many)
    add(store, other, interaction("t1", input="0.6 of the other"))
    workers.local.run_until_done()
    workers.llm.run_once()
    workers.llm.run_once()
    assert "0.6 of the other" in judge.texts
    assert len(judge.asked) < 450
    # The newest is asked about first.
    assert "0.6 449" in judge.texts
    assert "0.6 0" not in judge.texts


def test_an_error_of_one_project_lets_others_have_their_turn(
    store: SqliteStore,
    project: Project,
    workers: Workers,
    judge: LoopbackJudge,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = store.write(lambda db: create_project(db, "other"))
    for each in (project, other):
        define(store, each, name="banana", description=BANANA)
        add(store, each, interaction("t1", input=f"0.6 {each.name} apple"))
    workers.local.run_until_done()
    broken = min(project.id, other.id)
    find_judge = LlmWorker._find_judge

    def find_or_break(worker: LlmWorker, project_id: str) -> object:
        if project_id == broken:
            raise RuntimeError
        return find_judge(worker, project_id)

    monkeypatch.setattr(LlmWorker, "_find_judge", find_or_break)
    with pytest.raises(RuntimeError):
        workers.llm.run_once()
    assert workers.llm.run_once() == 1
    assert len(judge.asked) == 1


def test_a_key_that_was_replaced_while_it_was_refused_pauses_nothing(
    store: SqliteStore, project: Project, workers: Workers, judge: LoopbackJudge
) -> None:
    define(store, project, name="banana", description=BANANA)
    add(store, project, interaction("t1", input="0.6 apple"))
    judge.replies.append(refused(401))
    named = {"base_url": judge.url, "model": "gpt-x", "is_trusted": True}
    judge.before = lambda: configure(store, project, **named, daily_tokens=10_000)
    workers.run()
    assert paused(store, project) is None
    workers.run()
    assert verdicts(store, project) == {("t1", "banana"): (False, "llm")}


def test_old_answers_are_forgotten(store: SqliteStore, project: Project) -> None:
    for n in range(30):
        answers = {f"k{n}": "{}"}
        store.write(lambda db, answers=answers: llm.keep_answers(db, project.id, answers))  # type: ignore[misc]
        store.write(
            lambda db, n=n: db.execute(  # type: ignore[misc]
                "update llm_answers set created_at_ms = :n where key = :key",
                {"n": n, "key": f"k{n}"},
            )
        )
    assert store.write(lambda db: llm.forget_old_answers(db, project.id, most=10)) == 20
    with store.read() as db:
        assert set(llm.find_answers(db, project.id, ["k19", "k20", "k29"])) == {"k20", "k29"}

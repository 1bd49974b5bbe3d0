"""Projects that use the LLM of the environment have one budget together."""

from __future__ import annotations

import pytest

from phospho.detectors.llm.cost import Usage
from phospho.detectors.llm.ledger import Call
from phospho.errors import BudgetSpentError
from phospho_server.llm.ledger import StoreLedger
from phospho_server.llm.lending import lent_detector
from phospho_server.store import llm, llm_usage
from phospho_server.store.deleting import delete_project
from phospho_server.store.llm import LlmSettings
from phospho_server.store.projects import create_project
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from tests.detectors.builders import turn
from tests.judges import LoopbackJudge
from tests.server.builders import add, define, definition, interaction
from tests.server.llm.conftest import MakeWorkers

BANANA = "The user mentions a banana"

# Of each call of the judge.
TOKENS = 1_100


@pytest.fixture
def projects(store: SqliteStore, project: Project) -> list[Project]:
    """Projects of one account, each with much to ask."""
    made = [project, *(store.write(lambda db: create_project(db, "more")) for _ in range(4))]
    for one in made:
        fill(store, one)
    return made


def fill(store: SqliteStore, project: Project) -> None:
    define(store, project, name="banana", description=BANANA, detector="llm")
    add(store, project, *(interaction(f"t{n}", input=f"{n} bananas") for n in range(5)))


def spent(store: SqliteStore) -> int:
    with store.read() as db:
        return llm_usage.shared_tokens_of_today(db)


@pytest.mark.usefixtures("projects")
def test_many_projects_spend_no_more_than_one(
    store: SqliteStore, make_workers: MakeWorkers, judge: LoopbackJudge
) -> None:
    make_workers(PHOSPHO_LLM_DAILY_TOKENS="3_500").run()
    assert spent(store) == len(judge.asked) * TOKENS
    assert 0 < spent(store) <= 3_500


def test_what_a_project_spent_stays_spent_when_it_is_deleted_or_names_an_llm_of_its_own(
    store: SqliteStore, projects: list[Project], make_workers: MakeWorkers, judge: LoopbackJudge
) -> None:
    workers = make_workers(PHOSPHO_LLM_DAILY_TOKENS="3_500")
    workers.run()
    asked, before = len(judge.asked), spent(store)
    gone, own, *_ = projects
    store.write(lambda db: delete_project(db, gone.id, typed_name=gone.name))
    elsewhere = LlmSettings(base_url="http://127.0.0.1:1/v1", model="m")
    store.write(lambda db: llm.save_settings(db, own.id, elsewhere))
    fill(store, store.write(lambda db: create_project(db, "new")))
    workers.run()
    assert (len(judge.asked), spent(store)) == (asked, before)


def test_a_project_with_an_llm_of_its_own_pays_for_itself(
    store: SqliteStore, projects: list[Project], make_workers: MakeWorkers, judge: LoopbackJudge
) -> None:
    own = LlmSettings(base_url=judge.url, model="own", daily_tokens=100_000, is_trusted=True)
    store.write(lambda db: llm.save_settings(db, projects[0].id, own))
    make_workers(PHOSPHO_LLM_DAILY_TOKENS="0").run()
    assert {asked.body["model"] for asked in judge.asked} == {"own"}
    assert spent(store) == 0


def test_a_project_may_have_a_smaller_budget_of_its_own_and_no_greater_one(
    store: SqliteStore, projects: list[Project], make_workers: MakeWorkers
) -> None:
    for project, tokens in zip(projects, (1_500, *[10**9] * 4), strict=True):
        mine = LlmSettings(daily_tokens=tokens)
        store.write(lambda db, p=project, mine=mine: llm.save_settings(db, p.id, mine))  # type: ignore[misc]
    make_workers(PHOSPHO_LLM_DAILY_TOKENS="9_000").run()
    with store.read() as db:
        first = llm_usage.use_of_today(db, projects[0].id)
    assert first.tokens <= 1_500
    assert 1_500 < spent(store) <= 9_000


def test_a_command_keeps_to_what_all_projects_have_left(
    store: SqliteStore, project: Project, judge: LoopbackJudge
) -> None:
    environment = {
        "PHOSPHO_LLM_BASE_URL": judge.url,
        "PHOSPHO_LLM_MODEL": "gpt-x",
        "PHOSPHO_LLM_DAILY_TOKENS": "3_500",
    }
    fruit = definition("fruit", description=BANANA, detector="llm")
    with lent_detector(store, project.id, environment) as lent:
        assert lent.detect([turn("banana 1", task_id="t1")], [fruit])
        store.write(lambda db: llm_usage.add_shared(db, Usage(2_000, 0)))
        with pytest.raises(BudgetSpentError, match="all projects together"):
            lent.detect([turn("banana 2", task_id="t2")], [fruit])
    assert spent(store) == 2_000 + TOKENS


def test_a_call_for_a_project_that_was_deleted_meanwhile_is_paid_for(store: SqliteStore) -> None:
    ledger = StoreLedger(store, "gone", is_shared=True)
    ledger.keep(Call(["e"], Usage(700, 50), 0))
    assert spent(store) == 750
    with store.read() as db:
        assert llm_usage.use_of_today(db, "gone").tokens == 0

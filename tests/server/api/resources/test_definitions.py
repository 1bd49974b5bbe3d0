"""Event definitions through the JSON API: made, changed, deleted, noted."""

from __future__ import annotations

from typing import Any

import pytest

from phospho.models import EventDefinition
from phospho_server.api.resources import definitions
from phospho_server.defining import make_definition
from phospho_server.store.audit_log import list_entries
from phospho_server.store.definitions import edit_definition, get_definition
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from tests.server.api.resources.conftest import Program
from tests.server.builders import add, define, interaction

NEW = {"name": "refund", "description": "The user says 'refund'"}


def create(program: Program, **changes: Any) -> dict[str, Any]:
    answer = program.call("POST", "/definitions", json={**NEW, **changes})
    assert answer.status_code == 201, answer.get_json()
    made: dict[str, Any] = answer.get_json()
    return made


def change(program: Program, definition_id: str, **changes: Any) -> Any:
    return program.call("PATCH", f"/definitions/{definition_id}", json=changes)


def test_an_event_is_defined_and_read_back(
    program: Program, store: SqliteStore, project: Project
) -> None:
    add(store, project, interaction("t1"))
    made = create(program, keywords=["money back"], examples=[{"input": "I want it back"}])
    assert (made["version"], made["enabled"], made["pending"]) == (1, True, 2)
    assert made["examples"] == [{"input": "I want it back", "output": ""}]
    assert program.read(f"/definitions/{made['id']}") == made
    assert program.read("/definitions")["data"] == [made]


def test_a_change_makes_a_version_and_leaves_the_rest(program: Program) -> None:
    made = create(program, keywords=["money back"])
    changed = change(program, made["id"], description="The user asks for money").get_json()
    assert (changed["version"], changed["keywords"]) == (2, ["money back"])
    renamed = change(program, made["id"], name="money").get_json()
    assert (renamed["version"], renamed["name"]) == (2, "money")


def test_an_event_is_switched_off_and_on(
    program: Program, store: SqliteStore, project: Project
) -> None:
    add(store, project, interaction("t1"))
    made = create(program)
    off = change(program, made["id"], enabled=False).get_json()
    assert (off["enabled"], off["pending"], off["version"]) == (False, 0, 1)
    on = change(program, made["id"], enabled=True).get_json()
    assert (on["enabled"], on["pending"]) == (True, 2)


def test_past_interactions_are_left_alone_if_asked(
    program: Program, store: SqliteStore, project: Project
) -> None:
    add(store, project, interaction("t1"))
    made = create(program)
    changed = change(program, made["id"], keywords=["cash"], to_past=False).get_json()
    assert (changed["version"], changed["pending"]) == (2, 1)
    # It is on already.
    assert change(program, made["id"], enabled=True).get_json()["pending"] == 1


def test_what_somebody_changed_meanwhile_is_not_replaced(program: Program) -> None:
    made = create(program)
    change(program, made["id"], keywords=["cash"])
    late = change(program, made["id"], description="Something else", version=1)
    assert (late.status_code, late.get_json()["error"]["code"]) == (409, "conflict")
    assert program.read(f"/definitions/{made['id']}")["description"] == NEW["description"]


def test_a_name_that_somebody_gives_meanwhile_stays(
    program: Program, store: SqliteStore, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = create(program)

    def rename_then_make(*arguments: Any) -> EventDefinition:
        with store.read() as db:
            current = get_definition(db, project.id, made["id"])
        renamed = current.model_copy(update={"name": "theirs"})
        store.write(lambda db: edit_definition(db, project.id, renamed))
        return make_definition(*arguments)

    monkeypatch.setattr(definitions, "make_definition", rename_then_make)
    changed = change(program, made["id"], keywords=["cash"]).get_json()
    assert (changed["name"], changed["keywords"], changed["version"]) == ("theirs", ["cash"], 2)


def test_what_is_left_out_undoes_no_change_that_was_made_meanwhile(
    program: Program, store: SqliteStore, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = create(program)

    def edit_then_make(*arguments: Any) -> EventDefinition:
        with store.read() as db:
            current = get_definition(db, project.id, made["id"])
        edited = current.model_copy(update={"keywords": ("theirs",)})
        store.write(lambda db: edit_definition(db, project.id, edited))
        return make_definition(*arguments)

    monkeypatch.setattr(definitions, "make_definition", edit_then_make)
    assert change(program, made["id"], description="Something else").status_code == 409
    assert program.read(f"/definitions/{made['id']}")["keywords"] == ["theirs"]


def test_a_deleted_event_is_gone_and_its_name_free(program: Program) -> None:
    made = create(program)
    assert program.call("DELETE", f"/definitions/{made['id']}").status_code == 204
    assert program.call("GET", f"/definitions/{made['id']}").status_code == 404
    assert program.call("DELETE", f"/definitions/{made['id']}").status_code == 404
    create(program)


def test_a_taken_name_is_refused(program: Program, store: SqliteStore, project: Project) -> None:
    define(store, project, name="refund")
    answer = program.call("POST", "/definitions", json=NEW)
    assert answer.status_code == 409
    assert "Choose another name" in answer.get_json()["error"]["message"]


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        pytest.param({"name": "x"}, "'description' cannot be used: Field required", id="missing"),
        pytest.param({**NEW, "colour": 1}, "'colour'", id="unknown"),
        pytest.param({**NEW, "version": 3}, "'version'", id="ours"),
        pytest.param({**NEW, "pattern": "("}, "regular expression", id="pattern"),
        pytest.param({**NEW, "detector": "oracle"}, "There is no detector", id="detector"),
        pytest.param({**NEW, "score_range": ["1", 2]}, "score_range", id="text-for-number"),
        pytest.param({**NEW, "score_range": [1, 10**400]}, "finite number", id="endless"),
        pytest.param({**NEW, "enabled": True}, "'enabled'", id="not-of-a-new-one"),
    ],
)
def test_what_cannot_be_looked_for_is_refused_in_words(
    program: Program, sent: dict[str, Any], says: str
) -> None:
    answer = program.call("POST", "/definitions", json=sent)
    assert answer.status_code == 422
    assert says in answer.get_json()["error"]["message"]
    assert program.read("/definitions")["data"] == []


def test_each_change_is_noted_with_the_key_that_made_it(
    program: Program, store: SqliteStore, project: Project
) -> None:
    made = create(program)
    change(program, made["id"], keywords=["cash"])
    for changes in ({}, {"keywords": ["cash"]}, {"enabled": True}, {"version": 2}):
        assert change(program, made["id"], **changes).status_code == 200
    change(program, made["id"], enabled=False)
    program.call("DELETE", f"/definitions/{made['id']}")
    with store.read() as db:
        entries = list_entries(db, project.id).entries
    assert [(e.action, e.what) for e in reversed(entries)] == [
        ("event created", "refund"),
        ("event edited", "refund"),
        ("event disabled", "refund"),
        ("event deleted", "refund"),
    ]
    assert {e.who for e in entries} == {"API key a key"}


@pytest.mark.usefixtures("filled")
def test_an_event_is_rejected_confirmed_and_left_to_the_detector_again(program: Program) -> None:
    ids = {row["name"]: row["id"] for row in program.read("/definitions")["data"]}
    place = {"task_id": "t5", "definition_id": ids["anger"]}

    def names(answer: Any) -> tuple[list[str], list[str]]:
        assert answer.status_code == 200, answer.get_json()
        found = answer.get_json()
        assert found == program.read("/interactions/t5")
        return [e["name"] for e in found["events"]], [e["name"] for e in found["rejected"]]

    assert names(program.call("PUT", "/reviews", json={**place, "occurred": False})) == (
        [],
        ["anger"],
    )
    assert names(program.call("PUT", "/reviews", json={**place, "occurred": True})) == (
        ["anger"],
        [],
    )
    assert names(program.call("DELETE", "/reviews", query_string=place)) == (["anger"], [])
    added = {**place, "definition_id": ids["booking"], "occurred": True}
    assert names(program.call("PUT", "/reviews", json=added)) == (["booking", "anger"], [])
    nobody = {**place, "task_id": "none", "occurred": True}
    assert program.call("PUT", "/reviews", json=nobody).status_code == 404


def test_a_review_gives_the_category(
    program: Program, store: SqliteStore, project: Project
) -> None:
    add(store, project, interaction("t1"))
    made = create(program, answer="category", categories=["money", "voucher"])
    sent = {"task_id": "t1", "definition_id": made["id"], "occurred": True, "value": "voucher"}
    (event,) = program.call("PUT", "/reviews", json=sent).get_json()["events"]
    assert (event["name"], event["value"], event["reviewed"]) == ("refund", "voucher", True)


def test_feedback_is_kept_before_its_interaction_comes(
    program: Program, store: SqliteStore, project: Project
) -> None:
    sent = {"task_id": "later", "flag": "failure", "notes": "No.", "source": "owner"}
    answer = program.call("POST", "/feedback", json=sent)
    assert (answer.status_code, {**answer.get_json(), **sent}) == (201, answer.get_json())
    add(store, project, interaction("later"))
    assert program.read("/interactions/later")["flag"] == "failure"


def test_feedback_is_answered_with_itself_however_much_there_is(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phospho_server.store.feedback._MOST_LISTED", 1)
    for notes in ("first", "second"):
        answer = program.call("POST", "/feedback", json={"task_id": "t0", "notes": notes})
        assert answer.get_json()["notes"] == notes

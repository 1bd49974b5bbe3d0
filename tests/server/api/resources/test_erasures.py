"""Erasing a user or a session by the API, and reading the receipts."""

from __future__ import annotations

import pytest

from phospho_server.housekeeping import Housekeeping
from phospho_server.store.audit_log import list_entries
from phospho_server.store.erasures import hash_target
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from tests.server.api.resources.conftest import Program


def test_a_user_is_erased_and_the_receipt_says_so(
    program: Program, filled: None, store: SqliteStore, project: Project
) -> None:
    answer = program.call("POST", "/erasures", json={"user_id": "u1"})
    assert answer.status_code == 202
    asked = answer.get_json()
    assert asked["state"] == "removing"
    Housekeeping(store).run_until_done()
    done = program.read(f"/erasures/{asked['id']}")
    assert done["state"] == "verified"
    assert done["target_hash"] == hash_target(asked["id"], "user", "u1")
    assert done["removed"]["interactions"] == 3
    assert program.call("GET", "/users/u1").status_code == 404
    assert [user["user_id"] for user in program.read_all("/users")] == ["u2", "u0"]
    with store.read() as db:
        entries = list_entries(db, project.id).entries
    assert [(each.who, each.action) for each in entries] == [("API key a key", "user erased")]
    assert "u1" not in entries[0].what.replace(asked["id"], "").replace(done["target_hash"], "")


def test_receipts_are_listed_page_after_page(program: Program, filled: None) -> None:
    ids = [
        program.call("POST", "/erasures", json={"session_id": f"s{n}"}).get_json()["id"]
        for n in range(3)
    ]
    assert [each["id"] for each in program.read_all("/erasures", limit=2)] == ids[::-1]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param({}, 422, id="nobody"),
        pytest.param({"user_id": "u1", "session_id": "s1"}, 422, id="both"),
        pytest.param({"user_id": ""}, 422, id="empty"),
        pytest.param({"user_id": "nobody"}, 404, id="unknown"),
        pytest.param({"session_id": "u1"}, 404, id="of-the-other-kind"),
    ],
)
def test_nothing_is_erased_where_it_is_not_clear_whom(
    program: Program, filled: None, body: dict[str, str], status: int
) -> None:
    assert program.call("POST", "/erasures", json=body).status_code == status
    assert program.read("/erasures")["data"] == []


def test_a_cursor_that_is_none_is_refused(program: Program) -> None:
    assert "cursor" in program.refused("/erasures", cursor="1.2")

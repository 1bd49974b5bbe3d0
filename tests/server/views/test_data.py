"""Settings: how long data is kept, erasing somebody, and deleting a project."""

from __future__ import annotations

import html
import re

import pytest

from phospho_server.clock import DAY_MS, now_ms
from phospho_server.housekeeping import Housekeeping
from phospho_server.store.audit_log import list_entries
from phospho_server.store.counters import count_stored
from phospho_server.store.erasures import list_erasures
from phospho_server.store.projects import create_project
from phospho_server.store.retention import get_retention
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from tests.server.builders import add, interaction
from tests.server.databases import on_each_database
from tests.server.views.conftest import Visitor, text_of


def add_days_ago(store: SqliteStore, project: Project, *days: int) -> None:
    now = now_ms()
    new = [
        interaction(f"t{n}", session_id=f"s{n}", created_at_ms=now - day * DAY_MS - 1)
        for n, day in enumerate(days)
    ]
    add(store, project, *new)


def days_of(store: SqliteStore, project: Project) -> int | None:
    with store.read() as db:
        return get_retention(db, project.id).days


def test_data_is_kept_for_ever_until_somebody_says_so(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    add_days_ago(store, project, 4000)
    assert "Kept for ever: 1 interaction now" in text_of(visitor.get(f"{home}/settings"))
    Housekeeping(store).run_until_done()
    with store.read() as db:
        assert count_stored(db, project.id) == 1


def test_what_would_go_is_said_before_anything_does(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    add_days_ago(store, project, 100, 50, 1)
    asked = visitor.post(f"{home}/settings/data", keep="days", days="30")
    assert asked.status_code == 200
    assert "2 interactions of 3 are older than that" in text_of(asked)
    assert days_of(store, project) is None
    # A confirmation is one of the number that was shown.
    other = visitor.post(f"{home}/settings/data", keep="days", days="20", sure="30")
    assert "2 interactions of 3" in text_of(other)
    assert days_of(store, project) is None
    visitor.post(f"{home}/settings/data", keep="days", days="30", sure="30")
    assert days_of(store, project) == 30
    assert "Older ones are looked for now" in text_of(visitor.get(f"{home}/settings"))
    Housekeeping(store).run_until_done()
    page = text_of(visitor.get(f"{home}/settings"))
    assert "Kept for 30 days : 1 interaction now" in page
    assert "2 interactions removed" in page


def test_nothing_is_asked_where_nothing_would_go(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    add_days_ago(store, project, 1)
    assert visitor.post(f"{home}/settings/data", keep="days", days="3,650").status_code == 303
    assert days_of(store, project) == 3650
    assert visitor.post(f"{home}/settings/data", keep="for_ever", days="1").status_code == 303
    assert days_of(store, project) is None


@pytest.mark.parametrize("days", ["0", "3651", "-1", "1.5", "x", "", "9" * 400, "٣"])
def test_a_number_of_days_that_is_none_is_refused(
    visitor: Visitor, store: SqliteStore, project: Project, home: str, days: str
) -> None:
    refused = visitor.post(f"{home}/settings/data", keep="days", days=days)
    assert refused.status_code == 422
    assert "for ever" in text_of(refused)
    assert days_of(store, project) is None


def test_a_project_is_deleted_when_its_name_is_typed(
    visitor: Visitor, store: SqliteStore, project: Project, api_key: str, home: str
) -> None:
    add(store, project, interaction())
    other = store.write(lambda db: create_project(db, "Other"))
    refused = visitor.post(f"{home}/settings/delete", name="support bot")
    assert refused.status_code == 422
    assert "nothing was deleted" in text_of(refused)
    assert 'value="support bot"' in refused.get_data(as_text=True)
    gone = visitor.post(f"{home}/settings/delete", name="Support bot")
    assert gone.status_code == 303
    assert other.id in visitor.get(gone.location).location
    for page in ("dashboard", "sessions", "sessions/s1", "settings", "events", "pulse"):
        assert visitor.get(f"{home}/{page}").status_code == 404
    assert "Support bot" not in text_of(visitor.get(f"/projects/{other.id}/dashboard"))
    log = visitor.client.post(
        f"/v2/log/{project.id}",
        json={"batched_log_events": [{"input": "hi"}]},
        headers={"Authorization": f"Bearer {api_key}"},
    )
    assert log.status_code == 401
    assert visitor.post(f"{home}/settings/delete", name="Support bot").status_code == 404
    assert visitor.post(f"{home}/settings/data", keep="for_ever").status_code == 404


def test_deleting_the_last_project_leads_to_making_another(
    visitor: Visitor, project: Project, home: str
) -> None:
    gone = visitor.post(f"{home}/settings/delete", name=project.name)
    assert "project" in text_of(visitor.get(gone.location)).lower()
    assert visitor.get(gone.location).status_code == 200


@on_each_database
def test_somebody_is_erased_once_it_was_said_what_would_go(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    add(store, project, interaction("t1", user_id="ann"), interaction("t2", session_id="s2"))
    asked = visitor.post(f"{home}/settings/erase", kind="user", target="ann")
    assert asked.status_code == 200
    assert "1 interaction of this user would be erased" in text_of(asked)
    # A confirmation is one of whom was shown.
    other = visitor.post(f"{home}/settings/erase", kind="session", target="s2", sure="user:ann")
    assert "1 interaction of this session would be erased" in text_of(other)
    assert count_receipts(store, project) == 0
    done = visitor.post(f"{home}/settings/erase", kind="user", target="ann", sure="user:ann")
    assert done.status_code == 303
    assert "A user: being removed" in text_of(visitor.get(f"{home}/settings"))
    Housekeeping(store).run_until_done()
    page = text_of(visitor.get(f"{home}/settings"))
    assert "A user: erased and verified" in page
    assert "interactions 1, sessions 1" in page
    assert ("looked through" in page) == isinstance(store, SqliteStore)
    with store.read() as db:
        (entry,) = list_entries(db, project.id).entries
    assert (entry.action, "ann" in entry.what) == ("user erased", False)


def test_the_page_of_a_user_leads_to_erasing_them(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    add(store, project, interaction("t1", user_id="a&b"))
    page = visitor.get(f"{home}/users/a&b").get_data(as_text=True)
    (address,) = re.findall(r'href="([^"]*[?&;]erase=[^"]*)"', page)
    form = visitor.get(html.unescape(address)).get_data(as_text=True)
    assert 'name="target" value="a&amp;b"' in form
    assert count_receipts(store, project) == 0


def test_who_is_not_there_is_said(visitor: Visitor, home: str) -> None:
    answer = visitor.post(
        f"{home}/settings/erase", kind="user", target="nobody", sure="user:nobody"
    )
    assert answer.status_code == 422
    assert "There is no user with this id" in text_of(answer)


def count_receipts(store: SqliteStore, project: Project) -> int:
    with store.read() as db:
        return len(list_erasures(db, project.id))

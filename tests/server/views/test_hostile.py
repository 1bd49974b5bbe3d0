"""Whatever an address or a form holds, no page answers with a mistake of the server's."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from tests.server.builders import add, define, interaction
from tests.server.views.conftest import Visitor

ANYTHING = st.text(max_size=40) | st.sampled_from(
    ["24h", "all", "success", "auto", "rules", "1.s1", "0.", "9" * 400, "((", "%00", "\x00", "²"]
)
FIELDS = ("name", "description", "scope", "detector", "keywords", "pattern", "enabled")

calmly = settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@calmly
@given(query=st.dictionaries(
    st.sampled_from(["q", "event", "flag", "user", "version", "period", "cursor", "show", "page",
                     "id", "next", "token"]), ANYTHING))  # fmt: skip
def test_any_query_is_answered(
    visitor: Visitor, store: SqliteStore, project: Project, home: str, query: dict[str, str]
) -> None:
    add(store, project, interaction())
    for page in ("dashboard", "sessions", "sessions/s1", "session", "settings", "pulse"):
        assert visitor.get(f"{home}/{page}", query_string=query).status_code < 500
    assert visitor.get("/login", query_string={**query, "token": "x"}).status_code == 403


@calmly
@given(fields=st.dictionaries(st.sampled_from(FIELDS), ANYTHING))
def test_any_form_is_answered(
    visitor: Visitor, store: SqliteStore, project: Project, home: str, fields: dict[str, str]
) -> None:
    event = define(store, project, name=f"event {visitor.token()[:40]}")
    for path in (
        "/projects",
        f"{home}/settings/name",
        f"{home}/settings/keys",
        f"{home}/settings/events",
        f"{home}/settings/events/{event.id}",
        f"{home}/settings/events/{event.id}/toggle",
    ):
        assert visitor.post(path, **fields).status_code < 500
    assert visitor.post(f"{home}/settings/events/{event.id}/delete").status_code == 303
    assert visitor.get(f"{home}/settings").status_code == 200


@pytest.mark.parametrize("method", ["put", "delete", "patch", "post"])
def test_a_wrong_method_is_explained(visitor: Visitor, home: str, method: str) -> None:
    response = getattr(visitor.client, method)(f"{home}/dashboard")
    assert response.status_code in {403, 405}
    assert response.mimetype == "text/html"

"""Whatever an address or a form holds, no page answers with a mistake of the server's."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phospho_server.clock import new_id
from phospho_server.store.alert_rules import Terms, add_rule
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from phospho_server.store.transcripts import list_transcript
from tests.server.builders import add, define, interaction
from tests.server.strangers import json_values, steps
from tests.server.views.conftest import Visitor, text_of

ANYTHING = st.text(max_size=40) | st.sampled_from(
    ["24h", "all", "success", "auto", "rules", "1.s1", "0.", "9" * 400, "((", "%00", "\x00", "²"]
)
FIELDS = (
    *("name", "description", "scope", "detector", "keywords", "pattern", "enabled", "examples"),
    *("answer", "categories", "lowest", "highest", "apply", "event_id", "most", "part", "live"),
    *("click", "source", "back", "of", "copy_of", "keep", "days", "sure", "url", "format"),
    *("event", "message", "at_least", "window", "factor", "hears"),
)

calmly = settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@calmly
@given(query=st.dictionaries(
    st.sampled_from(["q", "event", "flag", "user", "version", "period", "cursor", "show", "page",
                     "id", "next", "token", "at", "of", "before", "add",
                     "template", "copy"]), ANYTHING))  # fmt: skip
def test_any_query_is_answered(
    visitor: Visitor, store: SqliteStore, project: Project, home: str, query: dict[str, str]
) -> None:
    add(store, project, interaction())
    event = define(store, project, name=new_id("an event "))
    for page in (f"events/{event.id}", f"events/{event.id}/review", "events"):
        assert visitor.get(f"{home}/{page}", query_string=query).status_code < 500
    for page in ("dashboard", "sessions", "sessions/s1", "session", "settings", "pulse"):
        assert visitor.get(f"{home}/{page}", query_string=query).status_code < 500
    assert visitor.get("/login", query_string={**query, "token": "x"}).status_code == 403


@calmly
@given(fields=st.dictionaries(st.sampled_from(FIELDS), ANYTHING))
def test_any_form_is_answered(
    visitor: Visitor, store: SqliteStore, project: Project, home: str, fields: dict[str, str]
) -> None:
    event = define(store, project, name=f"event {visitor.token()[:40]}")
    rule = store.write(lambda db: add_rule(db, project.id, event.id, Terms(60, 1)))
    for path in (
        "/projects",
        f"{home}/settings/name",
        f"{home}/settings/keys",
        f"{home}/settings/events",
        f"{home}/settings/events/{event.id}",
        f"{home}/settings/events/{event.id}/toggle",
        f"{home}/settings/events/{event.id}/apply",
        f"{home}/settings/events/{event.id}/pause",
        f"{home}/settings/events/{event.id}/versions/1/restore",
        f"{home}/settings/events/preview",
        f"{home}/events/{event.id}/review",
        f"{home}/reviews",
        f"{home}/settings/data",
        f"{home}/settings/webhooks",
        f"{home}/alerts",
        f"{home}/alerts/{rule.id}",
        f"{home}/alerts/{rule.id}/toggle",
    ):
        assert visitor.post(path, **fields).status_code < 500
    typed = {**fields, "name": f"not {fields.get('name', '')}"}
    assert visitor.post(f"{home}/settings/delete", **typed).status_code == 422
    assert visitor.post(f"{home}/settings/events/{event.id}/delete").status_code == 303
    assert visitor.get(f"{home}/settings").status_code == 200


def test_a_notice_that_names_events_shows_what_cannot_be_seen(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    add(store, project, interaction())
    define(store, project, name="\u202eevil")
    page = text_of(visitor.get(f"{home}/sessions?event=other"))
    assert "Choose one of: ⟦U+202E⟧evil." in page


LLM_FIELDS = ("model", "api_key", "currency", "price_in", "price_out", "price_cached",
              "daily_budget", "daily_tokens", "is_off")  # fmt: skip
AMOUNTS = st.sampled_from(
    ["1e9999", "1e-9999", "NaN", "-0", "1,5", "1_0", "\u0661", "Infinity", "sNaN"]
)


@calmly
@given(
    fields=st.dictionaries(st.sampled_from(LLM_FIELDS), ANYTHING | AMOUNTS),
    base_url=st.sampled_from(["", "http://127.0.0.1:1/v1", "http://[::1]/", "http://[", "x:\x00"]),
)
def test_any_llm_is_set_or_refused_and_shown(
    visitor: Visitor, home: str, fields: dict[str, str], base_url: str
) -> None:
    response = visitor.post(f"{home}/settings/llm", base_url=base_url, **fields)
    assert response.status_code in {303, 422}
    assert visitor.get(f"{home}/settings").status_code == 200


@calmly
@given(found=st.lists(steps | json_values, max_size=5) | json_values)
def test_any_steps_are_stored_and_shown(
    visitor: Visitor, store: SqliteStore, project: Project, api_key: str, home: str, found: Any
) -> None:
    session_id = new_id("session_")
    event = {"input": "hi", "session_id": session_id, "steps": found}
    answer = visitor.client.post(
        f"/v2/log/{project.id}",
        json={"batched_log_events": [event]},
        headers={"Authorization": f"Bearer {api_key}"},
    )
    assert "error_in_log" not in answer.get_data(as_text=True)
    with store.read() as db:
        [line] = list_transcript(db, project.id, session_id)
    left = line.metadata.get("steps")
    if isinstance(found, list):
        assert len(line.steps) + len(left or []) == len(found)
    else:
        assert line.steps == []
        # JSON has no infinite numbers: they arrive as null.
        assert (left is None) == (found in (None, math.inf, -math.inf))
    assert visitor.get(f"{home}/sessions/{session_id}").status_code == 200


@pytest.mark.parametrize("method", ["put", "delete", "patch", "post"])
def test_a_wrong_method_is_explained(visitor: Visitor, home: str, method: str) -> None:
    response = getattr(visitor.client, method)(f"{home}/dashboard")
    assert response.status_code in {403, 405}
    assert response.mimetype == "text/html"

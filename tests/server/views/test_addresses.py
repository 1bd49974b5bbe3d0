"""The address of a page as links to it have it: whatever is in it, it leads to the same page."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from flask import Flask, request
from flask import url_for as url_of_flask
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from phospho_server.addresses import current_path, url_for
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from tests.server.builders import add, interaction
from tests.server.views.conftest import Visitor


@pytest.mark.parametrize(
    "path",
    [
        "/projects/p/sessions",
        "/projects/p/sessions?q=a%20b&event=x%26y",
        "/projects/p/sessions/a%2Fb%3Fc=1%23d?page=2",
        "/projects/p/users/%252F",
        "/projects/p/users/%C3%A9%F0%9F%98%80?x=%22%3E",
    ],
)
def test_an_address_stays_as_it_is(app: Flask, path: str) -> None:
    with app.test_request_context(path):
        assert urlsplit(current_path()).query == urlsplit(path).query
        assert current_path().replace("%2F", "/").replace("%3D", "=") == path.replace("%2F", "/")


ids = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=ids, value=ids)
@example(name="?x=1#y", value="%2F&=;")
@example(name="\\\r\n\t<>\"'", value="\x00\u2028")
def test_any_address_leads_to_the_same_page(app: Flask, name: str, value: str) -> None:
    asked = f"/projects/p/users/{quote(name, safe='')}?id={quote(value, safe='')}"
    with app.test_request_context(asked):
        path, shown, args = current_path(), request.path, request.args
    assert path.isascii()
    assert path.isprintable()
    with app.test_request_context(path):
        assert (request.path, request.args) == (shown, args)


def test_links_to_a_page_with_any_id_in_its_address_lead_to_it(
    stranger: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    add(store, project, interaction(session_id="?x=1#y"))
    page = f"{home}/sessions/%3Fx%3D1%23y?event=a%26b"
    refused = stranger.get(page)
    stranger.get(refused.headers["Location"])
    assert stranger.sign_in(store).headers["Location"] == page
    shown = stranger.get(page).get_data(as_text=True)
    assert f'id="news" href="{page}"' in shown


_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_ASKED = st.dictionaries(
    st.sampled_from(["q", "event", "page"]),
    st.one_of(st.none(), st.integers(), _TEXTS, st.lists(st.one_of(st.none(), _TEXTS), max_size=3)),
)


@pytest.mark.parametrize("root", ["", "/phospho"])
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(filled=_TEXTS, asked=_ASKED, anchor=st.none() | _TEXTS)
def test_every_address_is_the_one_that_flask_makes(
    app: Flask, root: str, filled: str, asked: dict[str, object], anchor: str | None
) -> None:
    with app.test_request_context("/", base_url=f"http://localhost{root}"):
        for rule in app.url_map.iter_rules():
            values: dict[str, Any] = {**dict.fromkeys(rule.arguments, filled), **asked}
            try:
                made = url_of_flask(rule.endpoint, _anchor=anchor, **values)
            except Exception:  # noqa: BLE001 - an argument that is no text
                continue
            assert url_for(rule.endpoint, _anchor=anchor, **values) == made

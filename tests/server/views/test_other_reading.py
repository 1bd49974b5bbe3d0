"""Settings: switching between looking for wording and looking for meaning."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from flask import Flask

from phospho.models import EventDefinition
from phospho_server.store.definitions import get_definition
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from phospho_server.views.other_reading import find_other_reading
from tests.server.builders import define, definition
from tests.server.views.conftest import Visitor, text_of

WORDING = "The user says 'refund'"
MEANING_OFFERED = "Look for the meaning instead"
WORDING_OFFERED = "Look for the wording instead"


@pytest.fixture
def event(store: SqliteStore, project: Project) -> EventDefinition:
    return define(store, project, description=WORDING)


def test_a_description_can_be_switched_to_its_meaning_and_back(
    visitor: Visitor, store: SqliteStore, project: Project, home: str, event: EventDefinition
) -> None:
    address = f"{home}/settings/events/{event.id}/switch"
    assert MEANING_OFFERED in text_of(visitor.get(f"{home}/settings"))
    response = visitor.post(address, detector="semantic")
    assert response.status_code == 303
    page = text_of(visitor.get(f"{home}/settings"))
    assert "Looks for the meaning" in page
    assert WORDING_OFFERED in page
    assert MEANING_OFFERED not in page
    visitor.post(address, detector="auto")
    page = text_of(visitor.get(f"{home}/settings"))
    assert "Looks for the wording 'refund' in the user's message" in page
    with store.read() as db:
        kept = get_definition(db, project.id, event.id)
    assert (kept.detector, kept.version, kept.description) == ("auto", 3, WORDING)


def test_the_page_of_an_event_offers_it_too(
    visitor: Visitor, home: str, event: EventDefinition
) -> None:
    page = text_of(visitor.get(f"{home}/settings/events/{event.id}"))
    assert "Looks for the wording 'refund'" in page
    assert MEANING_OFFERED in page


def test_clicking_twice_switches_once(
    visitor: Visitor, store: SqliteStore, project: Project, home: str, event: EventDefinition
) -> None:
    for _ in range(2):
        visitor.post(f"{home}/settings/events/{event.id}/switch", detector="semantic")
    visitor.post(f"{home}/settings/events/{event.id}/switch", detector="oracle")
    with store.read() as db:
        kept = get_definition(db, project.id, event.id)
    assert (kept.detector, kept.version) == ("semantic", 2)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"description": "The user wants a refund"}, id="meaning-only"),
        pytest.param({"description": WORDING, "keywords": ("refund",)}, id="keywords"),
        pytest.param({"description": WORDING, "pattern": "refund"}, id="pattern"),
        pytest.param({"description": WORDING, "detector": "acme"}, id="plugin"),
        pytest.param({"description": "The user writes in Spanish"}, id="language"),
    ],
)
def test_what_can_be_understood_one_way_only_is_not_offered_another(
    app: Flask, fields: dict[str, Any]
) -> None:
    with app.app_context():
        assert find_other_reading(definition(**fields)) is None


def test_a_meaning_is_not_offered_where_nothing_judges_it(app: Flask, store: SqliteStore) -> None:
    with app.app_context():
        assert find_other_reading(definition(description=WORDING)) is not None
        app.extensions["phospho"] = replace(app.extensions["phospho"], detectors={})
        assert find_other_reading(definition(description=WORDING)) is None

"""The versions of an event: what changed, restoring, the way through the past, honest figures."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from phospho.detectors.rules import RulesDetector
from phospho.models import EventDefinition
from phospho.plugins import Plugins
from phospho_server.clock import now_ms
from phospho_server.detection import DetectionWorker
from phospho_server.store import detections
from phospho_server.store.definitions import edit_definition, get_definition
from phospho_server.store.projects import create_project
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from tests.server.builders import add, define, interaction, verdict
from tests.server.views.conftest import Visitor, text_of

Edit = Callable[..., EventDefinition]


@pytest.fixture
def event(store: SqliteStore, project: Project) -> EventDefinition:
    """Return an event at version 1 that has looked at 250 interactions of this day."""
    start_ms = now_ms() - 1_000
    add(
        store,
        project,
        *(
            interaction(f"t{n}", created_at_ms=start_ms + n, input="a refund", session_id=f"s{n}")
            for n in range(250)
        ),
    )
    made = define(store, project, description="The user says 'refund'")
    work(store)
    return made


@pytest.fixture
def edit(store: SqliteStore, project: Project, event: EventDefinition) -> Edit:
    def edit(word: str, *, to_past: bool = True) -> EventDefinition:
        changed = event.model_copy(update={"description": f"The user says '{word}'"})
        return store.write(lambda db: edit_definition(db, project.id, changed, to_past=to_past))

    return edit


def work(store: SqliteStore, *, once: bool = False) -> None:
    worker = DetectionWorker(store, {"rules": RulesDetector()}, Plugins(entry_points=False))
    if once:
        worker.run_once()
    else:
        worker.run_until_done()


def current(store: SqliteStore, project: Project, event: EventDefinition) -> EventDefinition:
    with store.read() as db:
        return get_definition(db, project.id, event.id)


MIXED = "Version 2 so far for the newest 200 of 250 interactions; older ones are of version 1."


def test_the_page_of_versions_says_what_changed(
    visitor: Visitor, home: str, event: EventDefinition, edit: Edit
) -> None:
    edit("money")
    page = visitor.get(f"{home}/settings/events/{event.id}/versions")
    text = text_of(page)
    assert "Version 2 present" in text
    assert "The user says 'refund' The user says 'money'" in text
    assert "250 verdicts" in text
    assert f"{home}/settings/events/{event.id}/versions" in visitor.get(
        f"{home}/settings"
    ).get_data(as_text=True)


def test_a_version_is_restored_as_a_new_one(
    visitor: Visitor,
    store: SqliteStore,
    project: Project,
    home: str,
    event: EventDefinition,
    edit: Edit,
) -> None:
    edit("money")
    address = f"{home}/settings/events/{event.id}/versions"
    assert visitor.post(f"{address}/1/restore").status_code == 303
    assert current(store, project, event) == event.model_copy(update={"version": 3})
    assert visitor.post(f"{address}/9/restore").status_code == 404


def test_every_figure_says_that_it_mixes_versions(
    visitor: Visitor, store: SqliteStore, home: str, event: EventDefinition, edit: Edit
) -> None:
    edit("money")
    work(store, once=True)
    places = [
        f"{home}/dashboard",
        f"{home}/dashboard?show=events",
        f"{home}/settings",
        f"{home}/settings/events/{event.id}/versions",
        f"{home}/events/{event.id}",
        f"{home}/dashboard?show=events&event={event.id}",
        f"{home}/sessions?event=booking",
    ]
    for place in places:
        assert MIXED in text_of(visitor.get(place)), place
    work(store)
    for place in places:
        assert "so far for" not in text_of(visitor.get(place)), place


def test_the_chart_is_marked_where_the_versions_change_and_so_is_its_table(
    visitor: Visitor, store: SqliteStore, home: str, event: EventDefinition, edit: Edit
) -> None:
    edit("money")
    assert 'class="change"' not in visitor.get(f"{home}/dashboard?show=events").get_data(
        as_text=True
    )
    work(store, once=True)
    for place, words in (
        (f"{home}/dashboard?show=events", "booking: version 2 from here, older ones before"),
        (f"{home}/events/{event.id}", "version 2 from here, older ones before"),
    ):
        page = visitor.get(place).get_data(as_text=True)
        assert page.count('class="change"') == 2  # of the wide chart and of the narrow one
        assert words in re.sub(r"<svg.*?</svg>", "", page, flags=re.DOTALL), "in the table"
    assert 'class="change"' not in visitor.get(f"{home}/dashboard").get_data(as_text=True)


def test_an_event_of_an_older_version_says_so_in_the_transcript(
    visitor: Visitor, home: str, event: EventDefinition, edit: Edit
) -> None:
    assert "an older one" not in text_of(visitor.get(f"{home}/sessions/s3"))
    edit("money")
    assert "by version 1, an older one" in text_of(visitor.get(f"{home}/sessions/s3"))


def test_an_edit_may_leave_the_past_as_it_is_until_it_is_applied(
    visitor: Visitor,
    store: SqliteStore,
    project: Project,
    home: str,
    event: EventDefinition,
) -> None:
    fields = {"name": "booking", "description": "The user says 'money'"}
    address = f"{home}/settings/events/{event.id}"
    assert visitor.post(address, **fields, apply="new").status_code == 303
    assert (
        "past interactions" not in text_of(visitor.get(f"{home}/settings")).partition("booking")[2]
    )
    page = text_of(visitor.get(f"{address}/versions"))
    assert "Version 2 has looked at no interaction yet; all 250 verdicts are of version 1" in page
    assert "Apply to past interactions" in page
    assert visitor.post(f"{address}/apply").status_code == 303
    work(store)
    assert "so far" not in text_of(visitor.get(f"{address}/versions"))


def test_the_way_through_the_past_is_shown_paused_and_resumed(
    visitor: Visitor, store: SqliteStore, home: str, event: EventDefinition, edit: Edit
) -> None:
    edit("money")
    work(store, once=True)
    settings = visitor.get(f"{home}/settings")
    assert "Version 2: 200 of 250 past interactions" in text_of(settings)
    assert '<progress max="250" value="200"' in settings.get_data(as_text=True)
    address = f"{home}/settings/events/{event.id}"
    assert visitor.post(f"{address}/pause").status_code == 303
    work(store)
    assert "200 of 250 past interactions, paused" in text_of(visitor.get(f"{home}/settings"))
    assert visitor.post(f"{address}/retry").status_code == 303
    work(store)
    assert "past interactions, paused" not in text_of(visitor.get(f"{home}/settings"))


def test_versions_of_another_project_are_not_found(
    visitor: Visitor, store: SqliteStore, event: EventDefinition
) -> None:
    other = store.write(lambda db: create_project(db, "Other"))
    address = f"/projects/{other.id}/settings/events/{event.id}"
    assert visitor.get(f"{address}/versions").status_code == 404
    for action in ("versions/1/restore", "apply", "pause"):
        assert visitor.post(f"{address}/{action}").status_code == 404


def test_a_value_stands_beside_its_event_and_is_summed_up(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    new = [interaction(f"v{n}", session_id="v") for n in range(3)]
    add(store, project, *new)
    topic = define(
        store, project, name="topic", answer="category", categories=("billing", "delivery")
    )
    mood = define(store, project, name="mood", answer="score")
    for event, values in ((topic, ("billing", "billing", None)), (mood, (4.5, 3, 1.25))):
        found = [
            verdict(
                store,
                project,
                each,
                detected=value is not None,
                value=None if value is None else json.dumps(value),
            )
            for each, value in zip(new, values, strict=True)
        ]
        store.write(
            lambda db, event=event, found=found: detections.record(  # type: ignore[misc]
                db, project.id, event, found
            )
        )
    transcript = text_of(visitor.get(f"{home}/sessions/v"))
    assert "topic billing" in transcript
    assert "mood 4.5" in transcript
    topics = text_of(visitor.get(f"{home}/events/{topic.id}"))
    assert "billing · 90 % sure" in topics
    assert "Answers of this version to the newest 3 interactions" in topics
    assert "billing 2" in topics
    moods = text_of(visitor.get(f"{home}/events/{mood.id}"))
    assert "The mean score is 2.92" in moods

"""Settings: event definitions, API keys."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from phospho_server.store import leases
from phospho_server.store.definitions import get_definition, list_definitions
from phospho_server.store.projects import create_project, find_key, list_keys
from phospho_server.store.rows import DefinitionRow, Project
from phospho_server.store.sqlite import SqliteStore
from tests.server.builders import add, define, interaction
from tests.server.views.conftest import Visitor, text_of

DESCRIPTION = "The user asks the assistant to stop sending messages."


def definitions(store: SqliteStore, project: Project) -> list[DefinitionRow]:
    with store.read() as db:
        return list(list_definitions(db, project.id))


def test_an_event_is_defined_by_name_and_description(
    visitor: Visitor, app: Flask, store: SqliteStore, project: Project, home: str
) -> None:
    woken: list[bool] = []
    app.extensions["phospho"] = replace(
        app.extensions["phospho"], on_new_work=lambda: woken.append(True)
    )
    add(store, project, interaction())
    response = visitor.post(f"{home}/settings/events", name="stop_request", description=DESCRIPTION)
    assert response.status_code == 303
    assert woken
    page = text_of(visitor.get(f"{home}/settings"))
    assert "stop_request" in page
    assert DESCRIPTION in page
    assert "Looking at 2 interactions" in page
    assert "Looks for" in page


def test_a_template_fills_the_form_of_a_new_event_in(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    page = visitor.get(f"{home}/settings").get_data(as_text=True)
    assert "Begin from a template" in page
    assert f"{home}/settings?template=refund#new-event" in page
    filled = visitor.get(f"{home}/settings?template=refund").get_data(as_text=True)
    assert 'value="refund_request"' in filled
    assert "The user asks for a refund</textarea>" in filled
    assert "I want my money back\nhow do I return" in filled
    assert '<details class="card fold" id="new-event" open>' in filled
    assert definitions(store, project) == []
    assert 'value="refund_request"' not in visitor.get(
        f"{home}/settings?template=nothing"
    ).get_data(as_text=True)


def test_an_event_is_duplicated_with_all_it_has_under_a_name_that_is_free(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    event = define(
        store,
        project,
        scope="session",
        keywords=("fly",),
        settings={"of a plugin": 1},
        examples=({"input": "a kept example", "output": "with its answer"},),
    )
    define(store, project, name="booking_2")
    page = visitor.get(f"{home}/settings").get_data(as_text=True)
    assert f"{home}/settings?copy={event.id}#new-event" in page
    filled = visitor.get(f"{home}/settings?copy={event.id}").get_data(as_text=True)
    assert 'value="booking_3"' in filled
    assert f'name="copy_of" value="{event.id}"' in filled
    visitor.post(
        f"{home}/settings/events",
        name="booking_3",
        description=event.description,
        scope="session",
        keywords="fly",
        examples="a kept example",
        copy_of=event.id,
    )
    copy = definitions(store, project)[-1].definition
    assert copy == event.model_copy(update={"id": copy.id, "name": "booking_3"})
    assert copy.id != event.id
    assert visitor.get(f"{home}/settings?copy=event_gone").status_code == 200


def test_another_projects_event_cannot_be_duplicated(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    other = store.write(lambda db: create_project(db, "Other"))
    event = define(store, other, description="The user tells a canary")
    page = visitor.get(f"{home}/settings?copy={event.id}").get_data(as_text=True)
    assert "canary" not in page
    visitor.post(f"{home}/settings/events", name="n", description="d", copy_of=event.id)
    assert definitions(store, project)[0].definition.examples == ()


def test_everything_that_can_be_set_is_kept(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    visitor.post(
        f"{home}/settings/events",
        name="refund",
        description="The user wants money back",
        scope="user_message",
        detector="auto",
        keywords="refund, money back\r\nchargeback\n\n refund ",
        pattern=r"order\s+#?\d+",
    )
    (row,) = definitions(store, project)
    assert row.definition.keywords == ("refund", "money back", "chargeback")
    assert row.definition.pattern == r"order\s+#?\d+"
    assert row.definition.scope == "user_message"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        pytest.param({"name": ""}, "Give it a name", id="no-name"),
        pytest.param({"name": "n" * 101}, "at most 100", id="long-name"),
        pytest.param({"description": "  "}, "The description is empty", id="no-description"),
        pytest.param({"description": "d" * 2001}, "more than 2,000", id="long-description"),
        pytest.param(
            {"scope": "mars"}, "The scope cannot be used: Input should be 'auto'", id="scope"
        ),
        pytest.param({"detector": "oracle"}, "no detector 'oracle'", id="detector"),
        pytest.param({"pattern": "(("}, "pattern", id="pattern"),
        pytest.param({"pattern": "p" * 2001}, "more than 2,000", id="long-pattern"),
        pytest.param({"keywords": "k" * 201}, "more than 200", id="long-keyword"),
        pytest.param({"keywords": "\n".join(map(str, range(501)))}, "more than 500", id="keywords"),
        pytest.param({"name": "taken"}, "already", id="taken"),
    ],
)
def test_a_form_that_is_refused_says_why_and_keeps_what_was_typed(
    visitor: Visitor,
    store: SqliteStore,
    project: Project,
    home: str,
    fields: dict[str, Any],
    words: str,
) -> None:
    define(store, project, name="taken")
    typed = {"name": "mine", "description": "The user is typing this", **fields}
    response = visitor.post(f"{home}/settings/events", **typed)
    assert response.status_code == 422
    assert words in text_of(response)
    for name in typed.keys() - {"scope", "detector"}:
        assert typed[name].strip() in response.get_data(as_text=True)
    assert len(definitions(store, project)) == 1


def test_an_event_that_cannot_be_looked_for_says_so(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    define(store, project, detector="rules")
    assert "states no wording to look for" in text_of(visitor.get(f"{home}/settings"))


def test_an_event_can_be_edited(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    event = define(store, project, examples=({"input": "a kept example"},))
    address = f"{home}/settings/events/{event.id}"
    assert 'value="booking"' in visitor.get(address).get_data(as_text=True)
    saved = visitor.post(address, name="flight", description="The user wants to fly")
    assert saved.status_code == 303
    (row,) = definitions(store, project)
    assert (row.definition.name, row.definition.version) == ("flight", 2)
    assert row.definition.examples[0].input == "a kept example"
    refused = visitor.post(address, name="", description="The user wants to fly")
    assert refused.status_code == 422
    assert "The user wants to fly" in text_of(refused)


def test_what_somebody_else_saved_meanwhile_is_not_replaced_unseen(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    event = define(store, project, name="refund", description="The user mentions 'refund'")
    form = f"{home}/settings/events/{event.id}"

    def save(version: str, **changes: str) -> TestResponse:
        fields = {"name": "refund", "description": "The user mentions 'money'", **changes}
        return visitor.post(form, version=version, **fields)

    def description() -> str:
        with store.read() as db:
            return get_definition(db, project.id, event.id).description

    assert 'name="version" value="1"' in visitor.get(form).get_data(as_text=True)
    assert save("1", description="The user mentions 'cash'").status_code == 303
    # The second person had the first version before them; what they typed is kept.
    refused = save("1")
    assert refused.status_code == 409
    assert "version 2 is the newest" in text_of(refused)
    assert "mentions &#39;money&#39;</textarea>" in refused.get_data(as_text=True)
    assert description() == "The user mentions 'cash'"
    # A form that is wrong in another way shows the newest version to nobody.
    assert 'name="version" value="1"' in save("1", name="").get_data(as_text=True)
    assert 'name="version" value="2"' in refused.get_data(as_text=True)
    assert save("2").status_code == 303
    assert description() == "The user mentions 'money'"


def test_an_event_keeps_a_detector_that_is_not_installed_here(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    event = define(store, project, detector="llm")
    address = f"{home}/settings/events/{event.id}"
    assert '<option value="llm" selected>' in visitor.get(address).get_data(as_text=True)
    fields = {"name": "booking", "description": "Other words", "detector": "llm"}
    assert visitor.post(address, **fields).status_code == 303


def test_an_event_can_be_switched_off_and_on_and_deleted(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    event = define(store, project)
    address = f"{home}/settings/events/{event.id}"
    visitor.post(f"{address}/toggle", enabled="0")
    assert not definitions(store, project)[0].enabled
    assert "Turn on" in text_of(visitor.get(f"{home}/settings"))
    visitor.post(f"{address}/toggle", enabled="1")
    assert definitions(store, project)[0].enabled
    visitor.post(f"{address}/delete")
    assert not definitions(store, project)
    for action in ("", "/toggle", "/delete", "/retry"):
        gone = visitor.post(f"{address}{action}", name="x", description="y")
        assert gone.status_code == 404
        assert "does not exist any more" in text_of(gone)


def test_a_problem_is_shown_and_can_be_retried(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    add(store, project, interaction())
    event = define(store, project)
    store.write(
        lambda db: db.execute(
            "update jobs set parked_at_ms = 1, error = 'The model is away.' where kind = 'backfill'"
        )
    )
    assert "The model is away." in text_of(visitor.get(f"{home}/settings"))
    assert visitor.post(f"{home}/settings/events/{event.id}/retry").status_code == 303
    claimed = store.write(lambda db: [j for _ in (1, 2) for j in leases.claim(db, most=10)])
    assert "backfill" in {job.kind for job in claimed}


def test_an_event_of_another_project_is_not_found(
    visitor: Visitor, store: SqliteStore, project: Project
) -> None:
    event = define(store, project)
    visitor.post("/projects", name="Other")
    with store.read() as db:
        row = db.row("select id from projects where name = 'Other'")
    assert row is not None
    address = f"/projects/{row['id']}/settings/events/{event.id}"
    assert visitor.get(address).status_code == 404
    assert visitor.post(f"{address}/delete").status_code == 404
    assert len(definitions(store, project)) == 1


def test_a_key_is_shown_once(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    response = visitor.post(f"{home}/settings/keys", name="production")
    page = response.get_data(as_text=True)
    secret = page.split('id="secret">')[1].split("<")[0]
    assert response.headers["Cache-Control"] == "no-store"
    assert f'PHOSPHO_API_KEY="{secret}"' in page
    with store.read() as db:
        assert find_key(db, secret) is not None
    listed = visitor.get(f"{home}/settings").get_data(as_text=True)
    assert "production" in listed
    assert secret not in listed
    assert secret[:9] in listed


def test_a_key_can_be_revoked(
    visitor: Visitor, store: SqliteStore, project: Project, home: str, api_key: str
) -> None:
    with store.read() as db:
        (key,) = list_keys(db, project.id)
    assert visitor.post(f"{home}/settings/keys/{key.id}/revoke").status_code == 303
    assert "1 revoked key" in text_of(visitor.get(f"{home}/settings"))
    with store.read() as db:
        assert find_key(db, api_key) is None
    assert visitor.post(f"{home}/settings/keys/key_none/revoke").status_code == 404


def test_a_key_without_a_name_is_refused(visitor: Visitor, home: str) -> None:
    response = visitor.post(f"{home}/settings/keys", name=" ")
    assert response.status_code == 422
    assert "Give it a name" in text_of(response)


def test_examples_are_typed_one_a_line_and_removed_by_deleting_theirs(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    lines = "fly me home\r\n\r\n  i need   a plane \nfly me home\n<b>&"
    visitor.post(
        f"{home}/settings/events", name="fly", description="The user wants to fly", examples=lines
    )
    (row,) = definitions(store, project)
    assert [e.input for e in row.definition.examples] == ["fly me home", "i need a plane", "<b>&"]
    address = f"{home}/settings/events/{row.definition.id}"
    page = visitor.get(address).get_data(as_text=True)
    assert "fly me home\ni need a plane\n&lt;b&gt;&amp;</textarea>" in page
    fields = {"name": "fly", "description": "The user wants to fly"}
    visitor.post(address, **fields, examples="i need a plane")
    (row,) = definitions(store, project)
    assert [e.input for e in row.definition.examples] == ["i need a plane"]
    assert row.definition.version == 2


def test_an_example_is_of_the_side_that_the_description_is_about(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    visitor.post(
        f"{home}/settings/events",
        name="sorry",
        description="The assistant apologises",
        examples="I am so sorry",
    )
    (row,) = definitions(store, project)
    assert [(e.input, e.output) for e in row.definition.examples] == [("", "I am so sorry")]


def test_an_example_with_both_messages_survives_the_form(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    whole = {"input": "two\nlines", "output": "and an answer"}
    event = define(store, project, examples=(whole,))
    address = f"{home}/settings/events/{event.id}"
    fields = {"name": "booking", "description": "Other words", "examples": "two lines\nanother"}
    assert visitor.post(address, **fields).status_code == 303
    (row,) = definitions(store, project)
    assert [e.model_dump() for e in row.definition.examples] == [
        whole,
        {"input": "another", "output": ""},
    ]


def test_an_example_that_is_too_long_is_refused(visitor: Visitor, home: str) -> None:
    response = visitor.post(
        f"{home}/settings/events", name="n", description="The user is", examples="x" * 4_001
    )
    assert response.status_code == 422
    assert "more than 4,000 characters" in text_of(response)


def test_an_event_about_a_language_that_nothing_here_tells_says_what_to_install(
    visitor: Visitor, home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phospho.detectors.language_wording.is_installed", lambda: False)
    response = visitor.post(
        f"{home}/settings/events", name="spanish", description="The user writes in Spanish"
    )
    assert response.status_code == 422
    assert "pip install 'phospho[language]'" in text_of(response)


def test_an_event_about_a_language_is_explained(visitor: Visitor, home: str) -> None:
    fields = {"name": "spanish", "description": "The user does not write in English"}
    assert visitor.post(f"{home}/settings/events", **fields).status_code == 303
    page = text_of(visitor.get(f"{home}/settings"))
    assert "Checks that the user's message is in another language than English" in page


def test_many_events_come_page_by_page_and_an_act_leads_back_to_its_page(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    events = [define(store, project, name=f"event{n}") for n in range(60)]
    seen, pages, address = [], 0, f"{home}/settings"
    while address:
        page = visitor.get(address).get_data(as_text=True)
        found = page.partition('class="card flush definitions"')[2].partition("</ul>")[0]
        seen += re.findall(r'<a class="badge[^>]*><bdi>(event\d+)</bdi>', found)
        following = re.search(r'href="([^"]+)#events">Next', page)
        address, pages = html.unescape(following.group(1)) if following else "", pages + 1
    assert seen == [f"event{n}" for n in range(60)]
    assert pages == 3
    for place, led in ((0, "settings#events"), (30, "settings?page=2#events")):
        for what in ("toggle", "delete"):
            answer = visitor.post(f"{home}/settings/events/{events[place].id}/{what}")
            assert answer.headers["Location"] == f"{home}/{led}"
    assert "page 3 of 3" in text_of(visitor.get(f"{home}/settings?page=99"))

"""What was done, by whom, and that no secret is told."""

from __future__ import annotations

import re

from phospho_server.store.projects import list_keys
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from tests.server.builders import define
from tests.server.views.conftest import Visitor, text_of
from tests.server.views.people import ANA, actions


def test_what_is_changed_in_a_project_is_noted_with_who_did_it(
    ana: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    event = define(store, project, name="booking")
    settings = f"{home}/settings"
    ana.post(f"{settings}/keys", name="production")
    with store.read() as db:
        (key,) = list_keys(db, project.id)
    ana.post(f"{settings}/keys/{key.id}/revoke")
    ana.post(f"{settings}/events", name="thanks", description="The user said 'thanks'")
    ana.post(f"{settings}/events/{event.id}", name="booked", description="The user said 'book'")
    ana.post(f"{settings}/events/{event.id}/versions/1/restore")
    ana.post(f"{settings}/events/{event.id}/toggle", enabled="0")
    ana.post(f"{settings}/events/{event.id}/toggle", enabled="1")
    ana.post(f"{settings}/events/{event.id}/delete")
    ana.post(f"{settings}/llm", base_url="https://u:pw@llm.example/v1?k=v", model="m")
    ana.post(
        f"{settings}/llm",
        base_url="https://llm.example/v1", model="m", api_key="sk-secret", daily_tokens="9",
    )  # fmt: skip
    ana.post(f"{settings}/llm", is_off="1")
    ana.post(f"{settings}/llm/resume")
    ana.post(f"{settings}/name", name="Helpdesk")
    ana.post(f"{settings}/name", name="")
    noted = [line.removeprefix(f"{ANA} | ") for line in actions(store)]
    assert noted == [
        "signed in",
        f"key created | production ({key.prefix}…)",
        f"key revoked | production ({key.prefix}…)",
        "event created | thanks",
        "event edited | booked",
        "event edited | booked, version 1 restored",
        "event disabled | booked",
        "event enabled | booked",
        "event deleted | booked",
        "LLM settings changed | m at llm.example",
        "LLM settings changed | off",
        "LLM resumed",
        "project renamed | Helpdesk",
    ]
    page = text_of(ana.get(f"{settings}/audit-log"))
    assert page.index("Helpdesk") < page.index("Key created: production")
    assert "sk-secret" not in page
    assert "Signed in" not in page
    assert "Signed in" in text_of(ana.get("/audit-log"))


def test_the_audit_log_has_pages(ana: Visitor, home: str) -> None:
    for n in range(60):
        ana.post(f"{home}/settings/name", name=f"Name {n}.")
    page = ana.get(f"{home}/settings/audit-log").get_data(as_text=True)
    assert "Name 58." in page
    assert "Name 9." not in page
    older = re.search(r'href="([^"]+\?before=[^"]+)"', page)
    assert older
    second = text_of(ana.get(older.group(1)))
    assert "Name 9." in second
    assert "Name 58." not in second
    assert "Newest" in second
    for before in ("x", "\x00", "' or 1=1 --", "0"):
        answer = ana.get(f"{home}/settings/audit-log", query_string={"before": before})
        assert answer.status_code == 200


def test_what_strangers_wrote_stays_text_in_the_audit_log(ana: Visitor, home: str) -> None:
    ana.post(f"{home}/settings/name", name="<script>alert(1)</script>\u202e")
    page = ana.get(f"{home}/settings/audit-log").get_data(as_text=True)
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page
    assert "\u202e" not in page

"""The members of a project: who is invited, what their role lets them do."""

from __future__ import annotations

import re
from collections.abc import Callable

from phospho_server.store.accounts import find_account
from phospho_server.store.memberships import find_member
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from tests.server.builders import define
from tests.server.views.conftest import Visitor, text_of
from tests.server.views.people import ANA, actions, make, member


def test_an_owner_invites_and_the_link_is_shown_once(
    ana: Visitor, store: SqliteStore, home: str
) -> None:
    made = ana.post(f"{home}/settings/members/invitations", role="editor")
    page = made.get_data(as_text=True)
    link = re.search(r"http://localhost/signup\?invitation=([\w-]{43})", page)
    assert link
    assert ana.get(f"/signup?invitation={link.group(1)}").status_code == 200
    listed = ana.get(f"{home}/settings/members").get_data(as_text=True)
    assert link.group(1) not in listed
    assert "1 open invitation" in listed
    withdraw = re.search(r'action="([^"]+/withdraw)"', listed)
    assert withdraw
    assert ana.post(withdraw.group(1)).status_code == 303
    assert ana.get(f"/signup?invitation={link.group(1)}").status_code == 403
    assert actions(store)[-2:] == [
        f"{ANA} | member invited | as editor",
        f"{ANA} | invitation withdrawn | as editor",
    ]


def test_a_role_is_changed_and_a_member_removed_at_once(
    ana: Visitor,
    new_visitor: Callable[[], Visitor],
    store: SqliteStore,
    project: Project,
    home: str,
) -> None:
    ben = member(store, project, new_visitor(), "viewer")
    with store.read() as db:
        account = find_account(db, "m@example.com")
    assert account is not None
    members = f"{home}/settings/members"
    refused = ben.post(f"{home}/settings/events", name="x", description="y")
    assert refused.status_code == 403
    # They are led on within the project, by what a viewer may open.
    assert f'href="{home}/sessions"' in refused.get_data(as_text=True)
    assert ana.post(f"{members}/{account.id}/role", role="editor").status_code == 303
    made = ben.post(f"{home}/settings/events", name="x", description="The user said 'y'")
    assert made.status_code == 303
    assert ana.post(f"{members}/{account.id}/remove").status_code == 303
    assert ben.get(f"{home}/dashboard").status_code == 404
    assert project.name not in text_of(ben.get("/account"))
    assert f"{ANA} | role changed | m@example.com, from viewer to editor" in actions(store)
    assert actions(store)[-1] == f"{ANA} | member removed | m@example.com, who was editor"


def test_the_last_owner_stays_and_the_page_says_why(
    ana: Visitor,
    new_visitor: Callable[[], Visitor],
    store: SqliteStore,
    project: Project,
    home: str,
) -> None:
    owner = member(store, project, new_visitor(), "owner")
    with store.read() as db:
        account = find_account(db, "m@example.com")
    assert account is not None
    for action, fields in (("remove", {}), ("role", {"role": "viewer"})):
        path = f"{home}/settings/members/{account.id}/{action}"
        refused = owner.post(path, **fields)
        assert refused.status_code == 409
        assert "last owner of the project" in text_of(refused)
    assert owner.post(path, role="king").status_code == 422
    assert owner.post(f"{home}/settings/members/invitations", role="king").status_code == 422
    with store.read() as db:
        found = find_member(db, project.id, account.id)
    assert found is not None
    assert found.role == "owner"


def test_an_owner_who_leaves_is_led_home(
    ana: Visitor,
    new_visitor: Callable[[], Visitor],
    store: SqliteStore,
    project: Project,
    home: str,
) -> None:
    first = member(store, project, new_visitor(), "owner")
    member(store, project, new_visitor(), "owner", "second@example.com")
    with store.read() as db:
        account = find_account(db, "m@example.com")
    assert account is not None
    path = f"{home}/settings/members/{account.id}"
    assert first.post(f"{path}/role", role="owner").headers["Location"] == "/"
    assert first.post(f"{path}/remove").headers["Location"] == "/"
    assert "Create your first project" in text_of(first.get("/"))


def test_who_makes_a_project_owns_it(
    ana: Visitor, new_visitor: Callable[[], Visitor], store: SqliteStore, project: Project
) -> None:
    ben = member(store, project, new_visitor(), "viewer")
    path = ben.post("/projects", name="Of Ben").headers["Location"]
    assert ben.post(path.replace("dashboard", "settings/name"), name="Renamed").status_code == 303
    assert "Renamed" in text_of(ana.get("/account"))
    assert "m@example.com" in text_of(ana.get(path.replace("dashboard", "settings/members")))
    assert actions(store)[-2:] == [
        "m@example.com | project created | Of Ben",
        "m@example.com | project renamed | Renamed",
    ]


def test_a_viewer_sees_no_keys_no_llm_and_who_can_help(
    new_visitor: Callable[[], Visitor], store: SqliteStore, project: Project, home: str
) -> None:
    make(store)
    member(store, project, new_visitor(), "owner", "boss@example.com")
    viewer = member(store, project, new_visitor(), "viewer")
    define(store, project)
    page = text_of(viewer.get(f"{home}/settings"))
    assert "booking" in page
    assert project.id in page
    assert "boss@example.com" in page
    for hidden in ("API keys", "LLM judge", "Define an event", "Rename", "Turn off", "Members"):
        assert hidden not in page

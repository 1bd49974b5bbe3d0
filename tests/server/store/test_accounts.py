"""Accounts, memberships, invitations, sign-ins and the audit log, as they are stored."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phospho_server import clock
from phospho_server.errors import ConflictError, InvalidError, NotFoundError
from phospho_server.store import Store, accounts, audit_log, invitations, memberships, sign_ins
from phospho_server.store.accounts import Account, clean_email, create_account
from phospho_server.store.memberships import Role, add_member, get_role
from phospho_server.store.projects import create_project
from phospho_server.store.rows import Project
from phospho_server.store.sign_ins import Browser, SignIn
from phospho_server.store.sqlite import SqliteStore
from tests.server.databases import on_each_database, on_sqlite

pytestmark = on_each_database


def account(store: Store, email: str = "ana@example.com") -> Account:
    return store.write(lambda db: create_account(db, email, "hash"))


def join(store: Store, project: Project, member: Account, role: Role) -> None:
    store.write(lambda db: add_member(db, project.id, member.id, role))


def find(store: Store, token: str) -> SignIn | None:
    with store.read() as db:
        return sign_ins.find_sign_in(db, token)


@pytest.mark.parametrize(
    ("email", "kept"),
    [
        pytest.param(" Ana@Example.COM ", "ana@example.com", id="case"),
        pytest.param("ana+test@example.com", "ana+test@example.com", id="tag"),
        pytest.param("josé@exämple.de", "josé@exämple.de", id="letters"),
        pytest.param("a@b", "a@b", id="local-network"),
    ],
)
def test_an_email_is_kept_in_lower_case(email: str, kept: str) -> None:
    assert clean_email(email) == kept


@pytest.mark.parametrize(
    "email",
    [
        "",
        "ana",
        "@",
        "ana@",
        "@b",
        "a@b@c",
        "a b@c",
        "a@b\nc",
        "<a@b>",
        "a@b\0",
        "x" * 251 + "@b.c",
    ],
)
def test_what_is_no_email_is_refused(email: str) -> None:
    with pytest.raises(InvalidError):
        clean_email(email)


@given(email=st.text(st.characters(), max_size=300))
def test_any_email_is_kept_as_it_is_found_or_refused(email: str) -> None:
    try:
        kept = clean_email(email)
    except InvalidError:
        return
    assert clean_email(kept) == kept == accounts.fold_email(email)
    assert kept.isprintable()


def test_what_is_typed_as_an_email_is_remembered_to_some_length_only() -> None:
    """One letter becomes 18 when its compatible form is looked for."""
    assert len(accounts.fold_email("\ufdfa" * 100_000)) == accounts.MAX_EMAIL + 1


def test_the_first_account_owns_the_server_and_no_other(store: Store) -> None:
    with store.read() as db:
        assert not accounts.has_owner(db)
    first, second = account(store), account(store, "ben@example.com")
    assert (first.is_owner, second.is_owner) == (True, False)
    third = store.write(lambda db: create_account(db, "eva@example.com", "hash", is_owner=True))
    assert third.is_owner
    with store.read() as db:
        assert accounts.list_accounts(db) == [first, second, third]
        assert accounts.has_owner(db)


def test_an_email_has_one_account(store: Store) -> None:
    account(store)
    with pytest.raises(ConflictError, match="already"):
        account(store, "ANA@example.com")


def test_the_last_owner_of_the_server_cannot_be_deleted(store: Store) -> None:
    first = account(store)
    with pytest.raises(ConflictError, match="last account that owns"):
        store.write(lambda db: accounts.delete_account(db, first))
    store.write(lambda db: create_account(db, "eva@example.com", "hash", is_owner=True))
    store.write(lambda db: accounts.delete_account(db, first))
    with store.read() as db, pytest.raises(NotFoundError, match="phospho accounts list"):
        accounts.get_account(db, first.email)


def test_a_deleted_account_is_signed_out_and_no_member(store: Store, project: Project) -> None:
    account(store)
    ben = account(store, "ben@example.com")
    join(store, project, ben, "editor")
    token = store.write(lambda db: sign_ins.create_sign_in(db, ben))
    store.write(lambda db: accounts.delete_account(db, ben))
    assert find(store, token) is None
    with store.read() as db:
        assert memberships.list_members(db, project.id) == []


def test_a_role_is_looked_up_and_nobody_else_has_one(store: Store, project: Project) -> None:
    root, ben, eva = (account(store, f"{name}@example.com") for name in ("root", "ben", "eva"))
    other = store.write(lambda db: create_project(db, "Other"))
    join(store, project, ben, "editor")
    with store.read() as db:
        assert get_role(db, project.id, ben) == "editor"
        assert get_role(db, project.id, root) == get_role(db, project.id, None) == "owner"
        for nobody, place in ((eva, project.id), (ben, other.id), (root, "proj_none")):
            with pytest.raises(NotFoundError, match="no project with this id"):
                get_role(db, place, nobody)
        assert memberships.list_projects_of(db, ben) == [project]
        assert memberships.list_projects_of(db, eva) == []
        assert memberships.list_projects_of(db, root) == [project, other]
        assert memberships.list_projects_of(db, None) == [project, other]


def test_joining_again_never_makes_a_role_smaller(store: Store, project: Project) -> None:
    ben = account(store)
    for offered, has in (("editor", "editor"), ("viewer", "editor"), ("owner", "owner")):
        assert (
            store.write(
                lambda db, role=offered: add_member(db, project.id, ben.id, role)  # type: ignore[misc]
            )
            == has
        )


def test_the_last_owner_of_a_project_stays_one(store: Store, project: Project) -> None:
    ana, ben = account(store), account(store, "ben@example.com")
    join(store, project, ana, "owner")
    join(store, project, ben, "viewer")
    for change in (
        lambda db: memberships.set_role(db, project.id, ana.id, "editor"),
        lambda db: memberships.remove_member(db, project.id, ana.id),
    ):
        with pytest.raises(ConflictError, match="last owner"):
            store.write(change)
    assert store.write(lambda db: memberships.set_role(db, project.id, ben.id, "owner")).role == (
        "viewer"
    )
    store.write(lambda db: memberships.remove_member(db, project.id, ana.id))
    with store.read() as db:
        assert [(m.email, m.role) for m in memberships.list_members(db, project.id)] == [
            ("ben@example.com", "owner")
        ]


def test_who_is_no_owner_any_more_cannot_come_back_by_an_invitation_of_their_own(
    store: Store, project: Project
) -> None:
    other = store.write(lambda db: create_project(db, "Other"))
    ana, ben, eva = (account(store, f"{name}@example.com") for name in ("ana", "ben", "eva"))
    for member in (ana, ben, eva):
        join(store, project, member, "owner")

    def invite(place: Project, by: Account) -> str:
        return store.write(
            lambda db: invitations.create_invitation(db, place.id, "owner", invited_by=by.email)
        )[1]

    def is_open(token: str) -> bool:
        with store.read() as db:
            return invitations.find_invitation(db, token) is not None

    of_ana, of_ben, of_eva, elsewhere = (
        *(invite(project, by) for by in (ana, ben, eva)),
        invite(other, ben),
    )
    store.write(lambda db: memberships.remove_member(db, project.id, ben.id))
    assert [is_open(token) for token in (of_ana, of_ben, of_eva, elsewhere)] == [1, 0, 1, 1]
    store.write(lambda db: memberships.set_role(db, project.id, eva.id, "editor"))
    assert not is_open(of_eva)
    store.write(lambda db: accounts.delete_account(db, ben))
    assert [is_open(of_ana), is_open(elsewhere)] == [True, False]


def test_a_member_of_another_project_is_not_changed(store: Store, project: Project) -> None:
    ana = account(store)
    other = store.write(lambda db: create_project(db, "Other"))
    join(store, other, ana, "editor")
    with pytest.raises(NotFoundError, match="no such member"):
        store.write(lambda db: memberships.set_role(db, project.id, ana.id, "viewer"))
    with pytest.raises(NotFoundError, match="no such member"):
        store.write(lambda db: memberships.remove_member(db, project.id, ana.id))


def test_an_invitation_works_once(store: Store, project: Project) -> None:
    made, token = store.write(
        lambda db: invitations.create_invitation(db, project.id, "editor", invited_by="ana")
    )
    with store.read() as db:
        assert invitations.find_invitation(db, token) == made
        assert invitations.find_invitation(db, token[:-1]) is None
        assert invitations.list_invitations(db, project.id) == [made]
    assert store.write(lambda db: invitations.use_invitation(db, token)) == made
    with pytest.raises(NotFoundError, match="no longer valid"):
        store.write(lambda db: invitations.use_invitation(db, token))
    with store.read() as db:
        assert invitations.list_invitations(db, project.id) == []


def test_an_invitation_expires_and_can_be_withdrawn(
    store: Store, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = store.write(lambda db: create_project(db, "Other"))
    made, token = store.write(
        lambda db: invitations.create_invitation(db, project.id, "editor", invited_by="ana")
    )
    with pytest.raises(NotFoundError, match="no such invitation"):
        store.write(lambda db: invitations.withdraw_invitation(db, other.id, made.id))
    later = clock.now_ms() + invitations.LIFE_MS + 1
    with monkeypatch.context() as patch, store.read() as db:
        patch.setattr(invitations, "now_ms", lambda: later)
        assert invitations.find_invitation(db, token) is None
    store.write(lambda db: invitations.withdraw_invitation(db, project.id, made.id))
    with store.read() as db:
        assert invitations.find_invitation(db, token) is None


@on_sqlite
def test_tokens_are_kept_nowhere(store: SqliteStore, project: Project) -> None:
    ana = account(store)
    _, invitation = store.write(
        lambda db: invitations.create_invitation(db, project.id, "editor", invited_by="ana")
    )
    sign_in = store.write(lambda db: sign_ins.create_sign_in(db, ana))
    link = store.write(sign_ins.create_link)
    store.close()
    stored = store.path.read_bytes()
    for token in (invitation, sign_in, link):
        assert token.encode() not in stored


def test_a_sign_in_ends_by_itself_when_it_is_not_used(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = store.write(lambda db: sign_ins.create_sign_in(db, None))
    began = clock.now_ms()
    for days, is_valid in ((6, True), (12, True), (18, True), (24, True), (29, True), (31, False)):
        at = began + days * clock.DAY_MS
        monkeypatch.setattr(sign_ins, "now_ms", lambda at=at: at)
        found = find(store, token)
        assert (found is not None) == is_valid, days
        if found is not None:
            assert sign_ins.is_seen_long_ago(found)
            store.write(lambda db, seen=found: sign_ins.touch_sign_in(db, seen))  # type: ignore[misc]
    token = store.write(lambda db: sign_ins.create_sign_in(db, None))
    at += sign_ins.IDLE_LIFE_MS
    monkeypatch.setattr(sign_ins, "now_ms", lambda: at)
    assert find(store, token) is None


def test_what_has_ended_is_forgotten(store: Store) -> None:
    store.write(lambda db: sign_ins.create_sign_in(db, None))
    store.write(lambda db: db.execute("update sign_ins set expires_at_ms = 1"))
    store.write(lambda db: sign_ins.create_sign_in(db, None))
    with store.read() as db:
        assert len(db.rows("select 1 from sign_ins")) == 1


def test_a_new_sign_in_takes_the_place_of_that_of_the_same_browser(store: Store) -> None:
    first = store.write(lambda db: sign_ins.create_sign_in(db, None))
    found = find(store, first)
    browser = Browser("x" * 500, "192.0.2.1", signed_in=found)
    second = store.write(lambda db: sign_ins.create_sign_in(db, None, browser))
    assert find(store, first) is None
    renewed = find(store, second)
    assert renewed is not None
    assert (len(renewed.agent), renewed.address) == (200, "192.0.2.1")


def test_sign_ins_of_an_account_end_together_and_no_others(store: Store) -> None:
    ana, ben = account(store), account(store, "ben@example.com")
    tokens = {
        name: store.write(lambda db, who=who: sign_ins.create_sign_in(db, who))  # type: ignore[misc]
        for name, who in {"a1": ana, "a2": ana, "b": ben, "link": None}.items()
    }
    present = find(store, tokens["a1"])
    with store.read() as db:
        assert {s.account for s in sign_ins.list_sign_ins(db, ana)} == {ana}
        assert len(sign_ins.list_sign_ins(db, ana)) == 2
        assert [s.account for s in sign_ins.list_sign_ins(db, None)] == [None]
    assert store.write(lambda db: sign_ins.end_sign_ins(db, ana, but=present)) == 1
    assert [name for name, token in tokens.items() if find(store, token)] == ["a1", "b", "link"]
    assert store.write(lambda db: sign_ins.end_sign_ins(db, None)) == 1
    assert [name for name, token in tokens.items() if find(store, token)] == ["a1", "b"]


def test_the_audit_log_is_read_newest_first_a_page_at_a_time(
    store: Store, project: Project
) -> None:
    def note(n: int) -> None:
        store.write(
            lambda db: audit_log.record(db, project.id, who="ana", action="did", what=str(n))
        )

    for n in range(audit_log.PAGE_SIZE + 3):
        note(n)
    store.write(lambda db: audit_log.record(db, None, who="x" * 999, action="did", what="a\0b"))
    with store.read() as db:
        first = audit_log.list_entries(db, project.id)
        second = audit_log.list_entries(db, project.id, before=first.next_before)
        (server,) = audit_log.list_entries(db, None).entries
        assert audit_log.list_entries(db, "proj_none").entries == []
    said = [entry.what for page in (first, second) for entry in page.entries]
    assert said == [str(n) for n in reversed(range(audit_log.PAGE_SIZE + 3))]
    assert second.next_before is None
    assert (len(server.who), server.what, server.project_id) == (300, "a\ufffdb", None)

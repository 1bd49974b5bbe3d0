"""Users: the list, and the page of one."""

from __future__ import annotations

import html
import json
import re
from urllib.parse import quote

import pytest

from phospho_server.clock import DAY_MS, HOUR_MS, now_ms
from phospho_server.store import detections, users
from phospho_server.store.facts import Fact
from phospho_server.store.filters import Filter
from phospho_server.store.projects import create_project
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from phospho_server.views import users as views
from tests.server.builders import NOON_MS, add, define, interaction, verdict
from tests.server.views.conftest import Visitor, text_of

USAGE = json.dumps({"usage": {"total_tokens": 600}})


def listed(visitor: Visitor, address: str) -> list[str]:
    """Return the ids on a page of the list, in its order."""
    response = visitor.get(address)
    assert response.status_code == 200
    body = response.get_data(as_text=True).partition("<tbody")[2].partition("</tbody>")[0]
    return [html.unescape(name) for name in re.findall(r'preview">.*?<bdi>(.*?)</bdi>', body)]


@pytest.fixture
def told(store: SqliteStore, project: Project) -> None:
    """Four users: `ana` wrote most, `Bob` last, `zoe` weeks ago, `an` in between.

    Of `ana` one session has version 1 and another the plan "pro"; of `an` one has both.
    """
    now = now_ms()
    add(
        store,
        project,
        interaction("t1", session_id="s1", user_id="ana", created_at_ms=now - 2 * DAY_MS,
                    metadata=USAGE),
        interaction("t2", session_id="s1", user_id="ana", created_at_ms=now - 2 * DAY_MS + 1,
                    version_id="1"),
        interaction("t3", session_id="s2", user_id="ana", created_at_ms=now - 2 * DAY_MS + 2,
                    metadata=json.dumps({**json.loads(USAGE), "plan": "pro"})),
        interaction("t4", session_id="s3", user_id="Bob", created_at_ms=now - HOUR_MS),
        interaction("t5", session_id="s4", user_id="zoe", created_at_ms=now - 20 * DAY_MS,
                    flag="failure"),
        interaction("t6", session_id="s5", user_id="an", created_at_ms=now - 3 * DAY_MS,
                    version_id="1", metadata=json.dumps({"plan": "pro"})),
        interaction("t7", session_id="s5", user_id="an", created_at_ms=now - 3 * DAY_MS),
        interaction("t8", session_id="s6", created_at_ms=now),
    )  # fmt: skip


@pytest.fixture
def refund(store: SqliteStore, project: Project, told: None) -> None:
    """An event that occurred to `ana`."""
    event = define(store, project, name="refund")
    found = verdict(store, project, interaction("t1", session_id="s1"), detected=True)
    store.write(lambda db: detections.record(db, project.id, event, [found]))


@pytest.mark.usefixtures("refund")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "Bob ana an zoe"),
        ("sort=newest", "Bob ana an zoe"),
        ("sort=oldest", "zoe an ana Bob"),
        ("sort=most", "ana an zoe Bob"),
        ("period=24h", "Bob"),
        ("period=7d", "Bob ana an"),
        ("period=30d&sort=most", "ana an zoe Bob"),
        ("q=a", "an ana"),
        ("q=an", "an ana"),
        ("q=ana", "ana"),
        ("q=A", ""),
        ("q=%25", ""),
        ("q=_", ""),
        ("q=an&period=24h", ""),
        ("q=an&sort=most", "an ana"),
        ("sort=best&period=1y", "Bob ana an zoe"),
        ("version=1", "ana an"),
        ("version=1&metadata=plan%3Dpro", "ana an"),
        ("version=1&q=ana", "ana"),
        ("version=1&sort=oldest", "an ana"),
        ("version=2", ""),
        ("flag=failure", "zoe"),
        ("flag=failure&period=7d", ""),
        ("event=refund", "ana"),
        ("without=refund", "Bob an zoe"),
        ("without=refund&version=1", "an"),
        ("event=refund&event=refund&version=1&metadata=plan%3Dpro", "ana"),
        # A list of users has no filters for these.
        ("user=ana&length=9", "Bob ana an zoe"),
    ],
)
def test_the_list_is_in_the_order_that_is_asked_for(
    visitor: Visitor, home: str, query: str, expected: str
) -> None:
    assert listed(visitor, f"{home}/users?{query}") == expected.split()


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize(
    ("query", "heads"),
    [
        pytest.param("", {"Last seen": "descending"}, id="newest"),
        pytest.param("?sort=oldest", {"Last seen": "ascending"}, id="oldest"),
        pytest.param("?sort=most", {"Interactions": "descending"}, id="most"),
        pytest.param("?sort=most&q=an", {}, id="ordered-by-the-id"),
    ],
)
def test_the_head_that_orders_the_list_says_so(
    visitor: Visitor, home: str, query: str, heads: dict[str, str]
) -> None:
    page = visitor.get(f"{home}/users{query}").get_data(as_text=True)
    found = re.findall(r'<th[^>]* aria-sort="(\w+)">(?:<a[^>]*>)?([^<]+?) ?<', page)
    assert {name: way for way, name in found} == heads


@pytest.mark.usefixtures("told")
def test_a_line_has_the_sums_of_its_user(visitor: Visitor, home: str) -> None:
    page = visitor.get(f"{home}/users?q=ana").get_data(as_text=True)
    row = page.partition("<tbody")[2].partition("</tr>")[0]
    cells = re.findall(r"<td[^>]*>(?:<[^>]+>)*([^<]+)", row)
    assert cells[:4] == ["ana", "2", "3", "1,200"]


@pytest.mark.usefixtures("told")
def test_what_cannot_be_meant_is_named(visitor: Visitor, home: str) -> None:
    page = text_of(visitor.get(f"{home}/users?sort=best&period=1y&q={'x' * 301}"))
    assert "“best” is not a choice of “sort”" in page
    assert "“1y” is not a choice of “period”" in page
    assert "Left out: The value of “q” has 301 characters" in page
    page = text_of(visitor.get(f"{home}/users?user=ana&length=9"))
    assert "Left out: “length” is no filter of users" in page
    assert "Left out: “user” is no filter of users" in page


@pytest.mark.usefixtures("refund")
def test_filters_have_chips_and_can_be_saved_and_exported(visitor: Visitor, home: str) -> None:
    page = visitor.get(f"{home}/users?q=an&event=refund&version=1").get_data(as_text=True)
    chips = re.findall(r'class="chip" href="([^"]+)".*?<bdi>(.*?)</bdi>', page)
    assert [(html.unescape(address), said) for address, said in chips] == [
        (f"{home}/users?event=refund&version=1", "id begins with an"),
        (f"{home}/users?q=an&version=1", "with refund"),
        (f"{home}/users?event=refund&q=an", "version 1"),
    ]
    export = visitor.get(f"{home}/export/users?format=jsonl&q=an&event=refund")
    assert [json.loads(line)["user_id"] for line in export.get_data().splitlines()] == ["ana"]
    query = "event=refund&sort=most"
    saved = visitor.post(f"{home}/views", page="users", name="Refunded", query=query)
    assert saved.location == f"{home}/users?event=refund&sort=most"
    tabs = visitor.get(saved.location).get_data(as_text=True)
    assert 'aria-current="true"><bdi>Refunded</bdi>' in tabs
    assert listed(visitor, saved.location) == ["ana"]


def test_the_list_goes_on_whatever_orders_it(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    # All at one time and as many: the ids alone tell them apart. Some have what addresses use.
    ids = [f"user {n:03d}.&=%#/..?" for n in range(120)]
    add(store, project, *(interaction(f"t{n}", user_id=name) for n, name in enumerate(ids)))
    for query in ("", "sort=oldest", "sort=most", "q=user", "q=user&period=all"):
        address, found = f"{home}/users?{query}", []
        while address:
            found += listed(visitor, address)
            page = visitor.get(address).get_data(as_text=True)
            following = re.search(r'data-next href="([^"]+)"', page)
            address = html.unescape(following.group(1)) if following else ""
        assert sorted(found) == ids, query
        assert found in (ids, ids[::-1]), query


def test_lists_without_users_say_what_to_do(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    assert "phospho.log(" in text_of(visitor.get(f"{home}/users"))
    add(store, project, interaction())
    assert 'user_id="user_42"' in text_of(visitor.get(f"{home}/users"))
    assert "No user matches" in text_of(visitor.get(f"{home}/users?q=nobody"))


@pytest.mark.usefixtures("told")
def test_a_page_has_all_there_is_about_a_user(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    event = define(store, project, name="refund")
    found = [
        verdict(store, project, interaction(task_id, session_id=session_id), detected=True)
        for task_id, session_id in (("t1", "s1"), ("t2", "s1"), ("t3", "s2"), ("t4", "s3"))
    ]
    store.write(lambda db: detections.record(db, project.id, event, found))
    page = visitor.get(f"{home}/users/ana").get_data(as_text=True)
    said = text_of(visitor.get(f"{home}/users/ana"))
    for words in ("Sessions 2", "Interactions 3", "Tokens 1,200", "First seen", "refund ×3"):  # noqa: RUF001
        assert words in said
    assert f'href="{home}/sessions?user=ana&amp;event=refund"' in page
    assert f'href="{home}/interactions?user=ana"' in page
    assert [n for n in ("s1", "s2", "s3") if f"{home}/sessions/{n}" in page] == ["s1", "s2"]
    assert "Not logged" in text_of(visitor.get(f"{home}/users/zoe"))


def test_a_users_sessions_go_on_on_further_pages(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    new = [
        interaction(f"t{n}", session_id=f"s{n:03d}", user_id="a//b", created_at_ms=NOON_MS + n)
        for n in range(60)
    ]
    add(store, project, *new)
    page = visitor.get(f"{home}/user?id=a//b").get_data(as_text=True)
    following = re.search(r'href="([^"]+)">Next', page)
    assert following
    second = visitor.get(html.unescape(following.group(1))).get_data(as_text=True)
    assert re.findall(r"/sessions/(s\d+)", second) == [f"s{n:03d}" for n in reversed(range(10))]


IDS = (
    *(
        "..",
        ".",
        "a/../b",
        "a//b",
        "/",
        "x/",
        "a\nb",
        "\u202eana",
        "%2F",
        "?x=1#y",
        "\u00e9\U0001f600",
    ),
    *("a b+c", "user", "<script>alert(1)</script>", "'\"><img src=x>", "\\..\\", "a\u2028b"),
    "u" * 512,
)


def test_any_id_has_a_page_whose_links_lead_to_pages(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    for number, user_id in enumerate(IDS):
        add(store, project, interaction(f"t{number}", session_id=user_id, user_id=user_id))
    page = visitor.get(f"{home}/users").get_data(as_text=True)
    addresses = re.findall(r'preview"><a href="([^"]+)"', page)
    assert len(addresses) == len(IDS)
    for address in addresses:
        shown = visitor.get(html.unescape(address))
        assert shown.status_code == 200
        assert "Interactions 1" in text_of(shown)
        body = shown.get_data(as_text=True).partition("<main")[2]
        assert "<script>alert" not in body
        assert "<img" not in body
        for link in re.findall(rf'href="({home}/[^"]+)"', body):
            linked = visitor.get(html.unescape(link))
            assert linked.status_code == 200, (address, link)
            if "/interactions?user=" in link:
                assert text_of(linked).endswith(" 1 interaction"), link


def test_an_unknown_user_is_explained(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    other = store.write(lambda db: create_project(db, "other"))
    add(store, other, interaction(user_id="canary"))
    add(store, project, interaction())
    for path in ("users/canary", "user?id=canary", "user", "user?id=", f"users/{quote('é/é')}"):
        response = visitor.get(f"{home}/{path}")
        assert response.status_code == 404
        assert "Look in the users list" in text_of(response)
    assert listed(visitor, f"{home}/users?q=canary") == []


@pytest.mark.usefixtures("refund")
def test_what_another_project_calls_the_same_changes_no_list(
    visitor: Visitor, store: SqliteStore, home: str
) -> None:
    asked = (
        *("", "sort=most", "q=a", "q=eve", "version=1", "version=9", "metadata=plan%3Dpro"),
        *("event=refund", "without=refund", "flag=failure", "event=refund&without=refund"),
        *("version=1&metadata=plan%3Dpro&sort=oldest", "period=7d&version=1"),
    )

    def read() -> list[tuple[list[str], str]]:
        return [
            (
                listed(visitor, f"{home}/users?{query}"),
                visitor.get(f"{home}/export/users?format=jsonl&{query}").get_data(as_text=True),
            )
            for query in asked
        ]

    before = read()
    other = store.write(lambda db: create_project(db, "Another"))
    event = define(store, other, name="refund")
    for n, user in enumerate(("ana", "Bob", "an", "eve")):
        said = interaction(
            f"t{n}", session_id=f"s{n}", user_id=user, version_id=("1", "9")[n % 2],
            flag="failure", metadata=json.dumps({"plan": "pro"}), created_at_ms=now_ms(),
        )  # fmt: skip
        add(store, other, said)
        found = [verdict(store, other, said, detected=True)]
        store.write(lambda db, found=found: detections.record(db, other.id, event, found))  # type: ignore[misc]
    assert read() == before
    assert sum(bool(names) for names, _ in before) > 8


def test_a_user_who_never_ends_is_looked_into_so_far(
    store: SqliteStore, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(users, "FEW_SESSIONS", 0)
    monkeypatch.setattr(users, "MOST_SESSIONS", 2)
    new = [
        interaction(
            f"t{n}",
            session_id=f"s{n}",
            user_id="bot",
            version_id="old" if n < 2 else "new",
            created_at_ms=NOON_MS + n,
        )
        for n in range(4)
    ]
    add(store, project, *new)
    with store.read() as db:
        for version, found in (("new", ["bot"]), ("old", [])):
            has, lacks = (
                Filter(has=[Fact("version", version)]),
                Filter(lacks=[Fact("version", version)]),
            )
            assert [user.user_id for user in users.list_users(db, project.id, has).users] == found
            others = users.list_users(db, project.id, lacks).users
            assert bool(others) is not bool(found)
        monkeypatch.setattr(users, "FEW_SESSIONS", 2)
        old = Filter(has=[Fact("version", "old")])
        assert len(users.list_users(db, project.id, old).users) == 1
        assert users.list_users(db, project.id, Filter(lacks=old.has)).users == []


def test_a_page_says_in_how_many_sessions_events_are_counted(
    visitor: Visitor,
    store: SqliteStore,
    project: Project,
    home: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    new = [interaction(f"t{n}", session_id=f"s{n}", user_id="ana") for n in range(3)]
    add(store, project, *new)
    assert "in the newest" not in text_of(visitor.get(f"{home}/users/ana"))
    monkeypatch.setattr(views, "MOST_COUNTED", 2)
    assert "Events in the newest 2 sessions" in text_of(visitor.get(f"{home}/users/ana"))

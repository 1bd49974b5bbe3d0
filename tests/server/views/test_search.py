"""Search: words found wherever they were said, marked, and never those of another project."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phospho_server.store.projects import create_project
from phospho_server.store.rows import Project
from phospho_server.store.search import MAX_MATCHES
from phospho_server.store.sqlite import SqliteStore
from tests.server.builders import add, interaction
from tests.server.views.conftest import Visitor, text_of


def marks(page: str) -> list[str]:
    return [html.unescape(words) for words in re.findall(r"<mark[^>]*>(.*?)</mark>", page)]


@pytest.fixture
def told(store: SqliteStore, project: Project) -> None:
    add(
        store,
        project,
        interaction("t1", session_id="s1", input="Wo ist das CAFÉ?", output="The café is closed."),
        interaction("t2", session_id="s2", input="My order 42-7 <b>bold</b>", output="A refund."),
        interaction("t3", session_id="s3", input="nothing of it", output=None, user_id="s2"),
        interaction("t4", session_id="t4", input="東京 へ", output="snake_case don't", user_id="u"),
    )


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize(
    ("words", "found", "marked"),
    [
        ("cafe", "s1", ["CAFÉ", "café"]),
        ("CAFÉ closed", "s1", ["CAFÉ", "café", "closed"]),
        ("cafe\u0301", "s1", ["CAFÉ", "café"]),
        ("refund order", "s2", ["order", "refund"]),
        ("42-7", "s2", ["42", "7"]),
        ("7-42", "", []),
        ("7 42", "s2", ["42", "7"]),
        ("closed.The", "", []),
        ('"refund"', "s2", ["refund"]),
        ("bold", "s2", ["bold"]),
        ("refund*", "s2", ["refund"]),
        ("nothing NOT it", "", []),
        ("ref", "", []),
        ("refund cafe", "", []),
        ("東京", "t4", ["東京"]),
        ("snake case", "t4", ["snake", "case"]),
        ("don't", "t4", ["don", "t"]),
        ("! ? *", "", []),
    ],
)
def test_all_words_have_to_occur_and_are_marked(
    visitor: Visitor, home: str, words: str, found: str, marked: list[str]
) -> None:
    response = visitor.get(f"{home}/search", query_string={"q": words})
    page = response.get_data(as_text=True)
    assert re.findall(rf'hint"><a href="{home}/sessions/(\w+)\?at=', page) == found.split()
    assert marks(page) == marked
    assert ("No interaction matches" in page) == (not found)


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize(
    ("words", "leads"),
    [
        ("s1", ["sessions/s1"]),
        ("t1", ["sessions/s1?at="]),
        ("u", ["users/u"]),
        ("s2", ["sessions/s2", "users/s2"]),
        ("t4", ["sessions/t4?at="]),
        ("nobody", []),
    ],
)
def test_an_id_is_found_too(visitor: Visitor, home: str, words: str, leads: list[str]) -> None:
    page = visitor.get(f"{home}/search?q={words}").get_data(as_text=True)
    notice = page.partition("The id of")[2].partition("</p>")[0]
    found = re.findall(rf'href="{home}/([^"]+)"', notice)
    assert len(found) == len(leads)
    for address, begin in zip(found, leads, strict=True):
        assert address.startswith(begin)
        assert visitor.get(f"{home}/{html.unescape(address)}").status_code in {200, 302}


@pytest.mark.usefixtures("told")
def test_filters_hold_for_what_is_found(visitor: Visitor, home: str) -> None:
    page = text_of(visitor.get(f"{home}/search?q=nothing&user=s2"))
    assert "nothing of it" in page
    assert "No interaction matches" in text_of(visitor.get(f"{home}/search?q=nothing&user=ana"))


def test_without_words_the_page_says_what_it_does(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    assert "phospho.log(" in text_of(visitor.get(f"{home}/search"))
    add(store, project, interaction())
    for query in ("", "?q=", "?q=%20", "?user=ana"):
        assert "Look for words in every message" in text_of(visitor.get(f"{home}/search{query}"))


def test_common_words_are_found_on_all_pages(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    count = MAX_MATCHES + 45
    add(store, project, *(interaction(f"t{n}", input=f"the number {n}") for n in range(count)))
    address, found, pages = f"{home}/search?q=the+number", [], 0
    while address:
        page = visitor.get(address).get_data(as_text=True)
        text = re.sub(r"</?mark[^>]*>", "", page)
        found += [int(n) for n in re.findall(r"the number (\d+)", text)]
        pages += 1
        following = re.search(r'data-next href="([^"]+)"', page)
        address = html.unescape(following.group(1)) if following else ""
    assert found == list(reversed(range(count)))
    assert pages == -(-count // 20)


def test_words_of_another_project_are_never_found(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    other = store.write(lambda db: create_project(db, "other"))
    text = f"canary {other.id} {project.id} secret"
    add(store, other, interaction("canary", session_id="canary", user_id="canary", input=text))
    add(store, project, interaction("mine", input="a shared word secret"))
    for words in (
        *("canary", "secret", other.id, project.id, "canary OR secret", "project_id", "*"),
        *(f'" OR project_id : "{other.id}', f'secret" AND project_id:"{other.id}', "NEAR(canary)"),
        *(
            "input : canary",
            "{input} : canary",
            "- canary",
            ") OR (canary",
            "^canary",
            "canary\x00",
        ),
    ):
        page = visitor.get(f"{home}/search", query_string={"q": words})
        body = page.get_data(as_text=True).partition("</form>")[2].partition("</main>")[2]
        assert page.status_code == 200
        assert f"{home}/sessions/canary" not in page.get_data(as_text=True)
        assert "canary" not in body
    assert "shared word" in text_of(visitor.get(f"{home}/search?q=secret"))


def test_the_name_of_the_project_is_in_no_message(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    add(store, project, interaction("mine", input="a shared word"))
    for words in (project.id, project.id.partition("_")[2], project.id.encode().hex(), "\ue000"):
        page = visitor.get(f"{home}/search", query_string={"q": words}).get_data(as_text=True)
        assert "shared word" not in page


def test_what_is_found_is_text(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    add(store, project, interaction(input="needle <script>alert(1)</script> \u202e <b>needle</b>"))
    page = visitor.get(f"{home}/search?q=needle").get_data(as_text=True)
    assert "<script>alert" not in page
    assert "⟦U+202E⟧" in page
    assert marks(page) == ["needle", "needle"]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_words_that_no_message_has_find_none(
    visitor: Visitor, store: SqliteStore, project: Project, home: str, words: str
) -> None:
    add(store, project, interaction(input="only this", output=None))
    response = visitor.get(f"{home}/search", query_string={"q": words})
    assert response.status_code == 200
    if "only" not in words.lower() and "this" not in words.lower():
        assert f"{home}/sessions/s1?at=" not in response.get_data(as_text=True)

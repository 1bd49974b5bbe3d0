"""Any list, read in pages of any size, is the whole list; any id leads to what it names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

import phospho
from phospho.api.answers import Page, Project, User
from phospho.api.listing import Listing
from phospho.errors import AnswerError, InvalidRequestError
from phospho_server import create_app
from phospho_server.store.projects import create_key, create_project
from phospho_server.store.rows import Project as ProjectRow
from phospho_server.store.sqlite import SqliteStore
from tests.server.builders import NOON_MS, add, interaction
from tests.server.reading.conftest import reader_of

AT = datetime(2026, 11, 20, tzinfo=timezone.utc)

IDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1).filter(
    str.strip
)


@pytest.fixture(scope="module")
def opened(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[SqliteStore, ProjectRow, phospho.Client]]:
    file: Path = tmp_path_factory.mktemp("listing") / "phospho.db"
    store = SqliteStore(file)
    project = store.write(lambda db: create_project(db, "Support bot"))
    key = store.write(lambda db: create_key(db, project.id, "a key"))[1]
    add(
        store,
        project,
        *(
            interaction(
                f"t{n}",
                session_id=f"s{n // 3}",
                user_id=f"u{n % 7}",
                created_at_ms=NOON_MS + n // 4,
            )
            for n in range(45)
        ),
    )
    with reader_of(create_app(store, detectors={}), project.id, key) as client:
        yield store, project, client
    store.close()


@settings(max_examples=40)
@given(size=st.integers(1, 60), limit=st.none() | st.integers(0, 60), which=st.integers(0, 3))
def test_pages_of_any_size_are_the_whole_list(
    opened: tuple[SqliteStore, ProjectRow, phospho.Client],
    size: int,
    limit: int | None,
    which: int,
) -> None:
    _, _, client = opened

    def listing(limit: int | None) -> Listing[BaseModel]:
        listings: Sequence[Listing[BaseModel]] = (
            client.interactions(limit=limit),
            client.sessions(sort="longest", limit=limit),
            client.users(sort="most", limit=limit),
            client.search("flight", limit=limit),
        )
        return listings[which]

    whole = list(listing(None))
    assert len(whole) == (45, 15, 7, 45)[which]
    pages = list(listing(limit).pages(size))
    assert [item for page in pages for item in page] == whole[:limit]
    assert all(0 < len(page) <= size for page in pages)
    assert listing(limit).first() == next(iter(whole[:limit]), None)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(an_id=IDS)
@example("..")
@example("a/../b?c=d&e#f")
@example("%2F")
@example("+")
@example("\u202e\u2028")
@example("😀" * 60)
def test_any_id_leads_to_what_it_names(
    opened: tuple[SqliteStore, ProjectRow, phospho.Client], an_id: str
) -> None:
    store, project, client = opened
    add(store, project, interaction(an_id, session_id=an_id, user_id=an_id))
    assert client.interaction(an_id).task_id == an_id
    assert [each.task_id for each in client.session(an_id).transcript] == [an_id]
    assert client.user(an_id).user_id == an_id


def test_a_listing_can_be_gone_through_again() -> None:
    asked: list[str | None] = []

    def read(cursor: str | None, _size: int) -> Page[Project]:
        asked.append(cursor)
        page = {None: ("1.1", 0), "1.1": ("2.2", 2), "2.2": (None, 1)}[cursor]
        one = Project(id="p", name="p", created_at="2026-11-27T00:00:00Z")
        return Page(data=[one] * page[1], next_cursor=page[0])

    listing = Listing(Project, read)
    assert [len(page) for page in listing.pages()] == [2, 1]
    assert len(list(listing)) == 3
    assert asked == [None, "1.1", "2.2"] * 2


@pytest.mark.parametrize("kind", ["sessions", "users"])
def test_oldest_first_nothing_is_left_out_while_more_arrives(
    client: phospho.Client, store: SqliteStore, project: ProjectRow, kind: str
) -> None:
    def talk(n: int, later: int = 0) -> None:
        new = interaction(
            f"t{n}.{later}",
            session_id=f"{n}",
            user_id=f"{n}",
            created_at_ms=NOON_MS + n + later,
        )
        add(store, project, new)

    for n in range(4):
        talk(n)
    pages = getattr(client, kind)(sort="oldest").pages(2)
    first = next(pages)
    talk(0, later=10)
    talk(3, later=20)
    ids = [
        getattr(each, f"{kind[:-1]}_id")
        for page in ([first], pages)
        for part in page
        for each in part
    ]
    assert ids == ["0", "1", "2", "0", "3"]


def test_a_server_that_gives_a_page_twice_ends_the_list() -> None:
    listing = Listing(User, lambda cursor, size: Page(data=(), next_cursor="1.1"))
    with pytest.raises(AnswerError, match="twice"):
        list(listing)


def test_a_server_that_gives_more_than_was_asked_for_makes_no_list_longer() -> None:
    user = User(user_id="u", first_at=AT, last_at=AT, interactions=1, sessions=1)
    listing = Listing(User, lambda cursor, size: Page(data=[user] * 9, next_cursor="1.1"), limit=2)
    assert list(listing) == [user] * 2


def test_a_limit_below_nothing_is_refused(client: phospho.Client) -> None:
    with pytest.raises(InvalidRequestError, match="limit is -1"):
        client.users(limit=-1)

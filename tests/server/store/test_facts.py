"""Facts, and the lists that ask for them: whatever happens, a list equals a scan."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phospho.models import EventDefinition
from phospho_server.clock import DAY_MS
from phospho_server.store import (
    Connection,
    Store,
    detections,
    facts,
    feedback,
    message_facts,
    search,
    sqlite_texts,
    users,
    walking,
)
from phospho_server.store.facts import EVENT, METADATA, Fact
from phospho_server.store.filters import Filter
from phospho_server.store.interaction_pages import list_interactions
from phospho_server.store.projects import create_project
from phospho_server.store.rows import NewInteraction, Project
from phospho_server.store.sessions import find_neighbours, list_sessions
from phospho_server.store.sqlite import SqliteStore
from phospho_server.store.users import list_users
from tests.server.builders import NOON_MS, add, define, interaction, verdict
from tests.server.databases import new_store, on_each_database

pytestmark = on_each_database


@dataclass(frozen=True)
class Told:
    """An interaction with all that is said of it later."""

    new: NewInteraction
    flags: Sequence[str]
    notes: str | None
    language: str | None
    events: frozenset[str]

    def facts(self, ids: Mapping[str, str]) -> set[Fact]:
        """Return what is true of it in the end, with the ids of the events."""
        metadata = json.loads(self.new.metadata or "{}")
        notes = self.notes if self.notes is not None else self.new.notes
        flag = self.flags[-1] if self.flags else self.new.flag
        found = {
            "user": self.new.user_id,
            "version": self.new.version_id,
            "flag": flag,
            "notes": "yes" if notes is not None else None,
            "language": self.language,
            "model": metadata.get("model"),
            "metadata.plan": metadata.get("plan"),
        }
        return {Fact(name, value) for name, value in found.items() if value} | {
            Fact(EVENT, ids[name]) for name in self.events
        }


_few = st.sampled_from([None, "a", "b"])
_flags = st.sampled_from(["success", "failure"])
_words = st.lists(st.sampled_from(["red", "green", "blue"]), min_size=1, max_size=3)


@st.composite
def _told(draw: st.DrawFn, number: int) -> Told:
    metadata = {k: v for k in ("model", "plan") if (v := draw(_few))}
    new = interaction(
        f"t{number}",
        session_id=draw(st.sampled_from("stuvw")),
        created_at_ms=NOON_MS + draw(st.integers(0, 6)) * DAY_MS // 2,
        user_id=draw(_few),
        version_id=draw(_few),
        flag=draw(st.none() | _flags),
        metadata=json.dumps(metadata) if metadata else None,
        input=" ".join(draw(_words)),
    )
    return Told(
        new,
        draw(st.lists(_flags, max_size=2)),
        draw(st.none() | st.just("note")),
        draw(st.sampled_from([None, "en", "fr"])),
        draw(st.frozensets(st.sampled_from(["one", "two"]))),
    )


def _all_told(count: int) -> st.SearchStrategy[list[Told]]:
    return st.tuples(*(_told(n) for n in range(count))).map(list)


@contextmanager
def _filled(told: Sequence[Told]) -> Iterator[tuple[SqliteStore, Project, dict[str, str]]]:
    """Yield a store where all of it happened, beside another project; and the events' ids."""
    with TemporaryDirectory() as folder:
        store = new_store(Path(folder, "phospho.db"))
        other = store.write(lambda db: create_project(db, "other"))
        project = store.write(lambda db: create_project(db, "one"))
        add(store, other, *(each.new for each in told))
        events = {name: define(store, project, name=name) for name in ("one", "two")}
        for each in told:
            _tell(store, project, each, events)
        yield store, project, {name: event.id for name, event in events.items()}
        store.close()


def _tell(
    store: Store, project: Project, each: Told, events: Mapping[str, EventDefinition]
) -> None:
    add(store, project, each.new)
    said = verdict(store, project, each.new, detected=True)

    def say(db: Connection) -> None:
        for flag, notes in [*((flag, None) for flag in each.flags), (None, each.notes)]:
            feedback.add_feedback(
                db, project.id, each.new.task_id, flag=flag, notes=notes, source=None
            )
        for name, event in events.items():
            # First the opposite, then the truth: what was is to be taken back.
            for is_so in (name not in each.events, name in each.events):
                detections.record(db, project.id, event, [replace(said, detected=is_so)])
        for language in ("de", each.language):
            answer = replace(said, value=json.dumps(language) if language else None)
            message_facts.record(db, project.id, {"language": [answer]})

    store.write(say)


@settings(max_examples=25, deadline=None)
@given(told=_all_told(7))
def test_facts_equal_a_recount(told: list[Told]) -> None:
    with _filled(told) as (store, project, ids), store.read() as db:
        expected: Counter[Fact] = Counter()
        by_session: dict[tuple[str, Fact], int] = Counter()
        for each in told:
            for fact in each.facts(ids):
                expected[fact] += 1
                by_session[each.new.session_id, fact] += 1
        known = db.rows("select * from facts where project_id = :id", {"id": project.id})
        assert {
            Fact(r["fact"], r["value"]): r["interactions"] for r in known if r["interactions"]
        } == expected
        counted = Counter(fact for _, fact in by_session)
        assert {
            Fact(r["fact"], r["value"]): r["sessions"] for r in known if r["sessions"]
        } == counted
        kept = db.rows(
            "select s.session_id, s.last_at_ms as truly, f.fact, f.value, g.interactions, "
            "g.last_at_ms from session_facts g join facts f on f.id = g.fact_id "
            "join sessions s on s.id = g.session_row and s.project_id = f.project_id "
            "where f.project_id = :id",
            {"id": project.id},
        )
        assert {
            (r["session_id"], Fact(r["fact"], r["value"])): r["interactions"] for r in kept
        } == by_session
        assert all(r["last_at_ms"] == r["truly"] for r in kept)
        narrow = db.rows(
            "select i.task_id, f.fact, f.value from interaction_facts n "
            "join facts f on f.id = n.fact_id join interactions i on i.id = n.interaction_id "
            "and i.project_id = f.project_id where f.project_id = :id",
            {"id": project.id},
        )
        assert {(r["task_id"], Fact(r["fact"], r["value"])) for r in narrow} == {
            (each.new.task_id, fact)
            for each in told
            for fact in each.facts(ids)
            if fact.name != EVENT
        }


_facts = st.sampled_from(
    [
        *(Fact(name, value) for name in ("user", "version", "model", "metadata.plan")
          for value in "ab"),
        *(Fact(EVENT, name) for name in ("one", "two")),
        Fact("flag", "failure"), Fact("notes", "yes"), Fact("language", "fr"),
        Fact("language", "nobody speaks it"),
    ]
)  # fmt: skip
_filters = st.builds(
    Filter,
    has=st.lists(_facts, max_size=2),
    lacks=st.lists(_facts, max_size=1),
    since_ms=st.none() | st.integers(0, 6).map(lambda n: NOON_MS + n * DAY_MS // 2),
    until_ms=st.none() | st.integers(0, 6).map(lambda n: NOON_MS + n * DAY_MS // 2),
    text=st.none() | st.lists(_words.map("-".join), min_size=1, max_size=2).map(" ".join),
    shortest=st.none() | st.integers(1, 3),
    longest=st.none() | st.integers(1, 3),
    earliest=st.none() | st.integers(1, 3),
    latest=st.none() | st.integers(1, 3),
)


def _named(wanted: Filter, ids: Mapping[str, str]) -> Filter:
    """Return a filter with the ids of the events in place of their names."""
    has, lacks = (
        [Fact(EVENT, ids[f.value]) if f.name == EVENT else f for f in part]
        for part in (wanted.has, wanted.lacks)
    )
    return replace(wanted, has=has, lacks=lacks)


def _is_within(wanted: Filter, at_ms: int) -> bool:
    return (wanted.since_ms is None or at_ms >= wanted.since_ms) and (
        wanted.until_ms is None or at_ms < wanted.until_ms
    )


def _has_words(wanted: Filter, each: Told) -> bool:
    phrases = [part.split("-") for part in (wanted.text or "").split()]
    return all(f" {' '.join(words)} " in f" {each.new.input} " for words in phrases)


def _read_all(page: Callable[[str | None], tuple[Sequence[str], str | None]]) -> list[str]:
    found: list[str] = []
    cursor = None
    for _ in range(200):
        rows, cursor = page(cursor)
        found += rows
        if cursor is None:
            return found
    raise AssertionError("the pages have no end")


@pytest.fixture
def short_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a page look at two candidates and two matches only."""
    monkeypatch.setattr(walking, "MOST_CANDIDATES", 2)
    monkeypatch.setattr(users, "MOST_CANDIDATES", 2)
    monkeypatch.setattr(search, "MAX_MATCHES", 2)
    monkeypatch.setattr(sqlite_texts, "MOST_READ", 3)


@pytest.mark.usefixtures("short_pages")
@settings(max_examples=60, deadline=None)
@given(
    told=_all_told(8),
    wanted=_filters,
    sort=st.sampled_from(["newest", "oldest", "longest"]),
    limit=st.integers(1, 3),
)
def test_a_list_of_sessions_equals_a_scan(
    told: list[Told], wanted: Filter, sort: str, limit: int
) -> None:
    with _filled(told) as (store, project, ids), store.read() as db:
        asked = _named(wanted, ids)
        groups: dict[str, list[Told]] = defaultdict(list)
        for each in told:
            groups[each.new.session_id].append(each)
        expected = {}
        for name, group in groups.items():
            true = set().union(*(each.facts(ids) for each in group))
            last = max(each.new.created_at_ms for each in group)
            if (
                set(asked.has) <= true
                and not true & set(asked.lacks)
                and _is_within(asked, last)
                and any(_has_words(asked, each) for each in group)
                and (asked.shortest or 0) <= len(group) <= (asked.longest or 99)
            ):
                expected[name] = {"newest": -last, "oldest": last, "longest": -len(group)}[sort]

        def page(cursor: str | None) -> tuple[Sequence[str], str | None]:
            found = list_sessions(db, project.id, asked, sort=sort, cursor=cursor, limit=limit)
            return [each.session_id for each in found.sessions], found.next_cursor

        found = _read_all(page)
        assert sorted(found) == sorted(expected)
        if not asked.text:
            places = [expected[name] for name in found]
            assert places == sorted(places)


@pytest.mark.usefixtures("short_pages")
@settings(max_examples=60, deadline=None)
@given(
    told=_all_told(8),
    wanted=_filters,
    sort=st.sampled_from(["newest", "oldest"]),
    limit=st.integers(1, 3),
)
def test_a_list_of_interactions_equals_a_scan(
    told: list[Told], wanted: Filter, sort: str, limit: int
) -> None:
    with _filled(told) as (store, project, ids), store.read() as db:
        asked = replace(_named(wanted, ids), shortest=None, longest=None)
        places: Counter[str] = Counter()
        place_of = {}
        for each in sorted(told, key=lambda each: each.new.created_at_ms):
            places[each.new.session_id] += 1
            place_of[each.new.task_id] = places[each.new.session_id]
        expected = [
            each.new.task_id
            for each in told
            if set(asked.has) <= each.facts(ids)
            and not each.facts(ids) & set(asked.lacks)
            and _is_within(asked, each.new.created_at_ms)
            and _has_words(asked, each)
            and (asked.earliest or 0) <= place_of[each.new.task_id] <= (asked.latest or 99)
        ]

        def page(cursor: str | None) -> tuple[Sequence[str], str | None]:
            found = list_interactions(db, project.id, asked, sort=sort, cursor=cursor, limit=limit)
            return [each.task_id for each in found.interactions], found.next_cursor

        is_down = sort == "newest" or asked.text
        assert _read_all(page) == (expected[::-1] if is_down else expected)


@pytest.mark.usefixtures("short_pages")
@settings(max_examples=60, deadline=None)
@given(
    told=_all_told(8),
    wanted=_filters,
    sort=st.sampled_from(["newest", "oldest", "most"]),
    starts_with=st.sampled_from(["", "", "a", "no"]),
    few=st.sampled_from([0, 1, 9]),
    limit=st.integers(1, 3),
)
def test_a_list_of_users_equals_a_scan(
    told: list[Told], wanted: Filter, sort: str, starts_with: str, few: int, limit: int
) -> None:
    with (
        pytest.MonkeyPatch.context() as patch,
        _filled(told) as (store, project, ids),
        store.read() as db,
    ):
        patch.setattr(users, "FEW_SESSIONS", few)
        asked = replace(_named(wanted, ids), text=None, shortest=None, longest=None)
        expected = {}
        for user_id in {each.new.user_id for each in told if each.new.user_id}:
            own = [each for each in told if each.new.user_id == user_id]
            sessions = {each.new.session_id for each in own}
            true = set().union(
                *(each.facts(ids) for each in told if each.new.session_id in sessions)
            )
            last = max(each.new.created_at_ms for each in own)
            if (
                set(asked.has) <= true
                and not true & set(asked.lacks)
                and _is_within(asked, last)
                and user_id.startswith(starts_with)
            ):
                expected[user_id] = {"newest": -last, "oldest": last, "most": -len(own)}[sort]

        def page(cursor: str | None) -> tuple[Sequence[str], str | None]:
            found = list_users(
                db,
                project.id,
                asked,
                starts_with=starts_with,
                sort=sort,
                cursor=cursor,
                limit=limit,
            )
            return [each.user_id for each in found.users], found.next_cursor

        found = _read_all(page)
        assert sorted(found) == sorted(expected)
        if not starts_with:
            places = [expected[name] for name in found]
            assert places == sorted(places)


@settings(max_examples=25, deadline=None)
@given(
    told=_all_told(6),
    fact=st.none() | st.sampled_from([Fact("user", "a"), Fact("flag", "success")]),
    text=st.none() | st.just("red"),
)
def test_neighbours_lead_through_a_filtered_list_both_ways(
    told: list[Told], fact: Fact | None, text: str | None
) -> None:
    wanted = Filter(has=[fact] if fact else [], text=text)
    with _filled(told) as (store, project, _), store.read() as db:
        listed = [each.session_id for each in list_sessions(db, project.id, wanted).sessions]
        for newer, here, older in zip([None, *listed], listed, [*listed[1:], None], strict=False):
            assert find_neighbours(db, project.id, here, wanted) == (newer, older)


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        pytest.param({"plan": "pro"}, {("metadata.plan", "pro")}, id="text"),
        pytest.param({"seats": 5}, {("metadata.seats", "5")}, id="number"),
        pytest.param({"trial": True}, {("metadata.trial", "true")}, id="truth"),
        pytest.param({"model": "gpt"}, {("model", "gpt")}, id="model"),
        pytest.param({"ratio": 0.5, "none": None, "list": [1], "empty": ""}, set(), id="no"),
        pytest.param({"long": "x" * 65, "y" * 65: "z"}, set(), id="too-long"),
        pytest.param({"nul": "a\0b", "n\0": "a", "seen": "a"}, {("metadata.seen", "a")}, id="nul"),
        pytest.param(
            {f"k{n}": n for n in range(99)},
            {(f"metadata.k{n}", str(n)) for n in range(32)},
            id="the-first-32-keys",
        ),
    ],
)  # fmt: skip
def test_short_values_of_metadata_are_facts(
    metadata: dict[str, object], expected: set[tuple[str, str]]
) -> None:
    assert set(facts.facts_of(interaction(), facts.facts_of_metadata(metadata))) == expected


def test_what_is_said_of_a_session_that_is_gone_is_not_counted(
    store: Store, project: Project
) -> None:
    change = facts.FactChange("gone", [Fact("language", "fr")], 1, [7])
    store.write(lambda db: facts.move(db, project.id, [change]))
    with store.read() as db:
        assert db.rows("select * from facts") == []
        assert db.rows("select * from interaction_facts") == []


def test_a_filter_offers_what_most_of_the_newest_sessions_have(
    store: Store, project: Project
) -> None:
    add(
        store,
        project,
        *(
            interaction(
                f"t{n}",
                session_id=f"s{n}",
                version_id="v1",
                metadata=json.dumps({"request": f"r{n:03}", "plan": "pro"}),
            )
            for n in range(150)
        ),
    )
    with store.read() as db:
        offered = facts.list_recent(db, project.id)
    assert {Fact("version", "v1"), Fact(METADATA + "plan", "pro")} < set(offered)
    assert len(offered) == 100

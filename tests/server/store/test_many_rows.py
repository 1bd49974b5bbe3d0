"""Many rows are added to PostgreSQL by one statement, which does what one for each row would do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phospho_server.store.interactions import add_interactions
from phospho_server.store.postgresql import many, texts
from phospho_server.store.postgresql.store import PostgresConnection, PostgresStore, connect
from phospho_server.store.projects import create_project
from tests.server.builders import interaction
from tests.server.postgresql import Databases

_ADD = """
insert into kept (name, day, text, score, data)
values (:name, :day, coalesce(:text, 'none: 50 %'), :score, :data)
on conflict (name, day) do update set
    text = kept.text || excluded.text, score = excluded.score, data = excluded.data,
    times = kept.times + 1
"""
_TABLE = """
create temporary table kept (name text collate "C", day bigint, text text, score double precision,
    data bytea, times bigint not null default 1, primary key (name, day))
"""
_NAMES = st.sampled_from(["a", "a\x00", "a\ufffd", "null", "NULL", '"', "\\", "{}", ",", "", "é '"])
_SETS = st.fixed_dictionaries(
    {
        "name": _NAMES,
        "day": st.sampled_from([0, 1, 2**62, -1]) | st.booleans(),
        "text": st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
        "score": st.none() | st.integers(-9, 9) | st.floats(allow_nan=False),
        "data": st.none() | st.binary(max_size=3),
    }
)


@pytest.fixture(scope="module")
def url(postgresql: Databases) -> Iterator[str]:
    made = postgresql.make()
    yield made
    postgresql.drop(made)


@pytest.fixture(scope="module")
def db(url: str) -> Iterator[PostgresConnection]:
    with connect(url) as raw:
        raw.execute(_TABLE.encode())
        yield PostgresConnection(raw)


@settings(max_examples=150, deadline=None)
@given(sets=st.lists(_SETS, max_size=7))
def test_many_rows_are_kept_as_each_would_be(
    db: PostgresConnection, sets: list[dict[str, object]]
) -> None:
    def kept_by(add: Callable[[], object]) -> list[tuple[object, ...]]:
        db.execute("delete from kept")
        add()
        rows = db.rows("select name, day, text, score, data, times from kept order by name, day")
        return [tuple(dict(row).values()) for row in rows]

    assert many.read(_ADD) is not None
    by_each = kept_by(lambda: [db.execute(_ADD, each) for each in sets])
    assert kept_by(lambda: db.execute_many(_ADD, sets)) == by_each


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("update kept set text = :text where name = :name", id="update"),
        pytest.param("delete from kept where name = :name", id="delete"),
        pytest.param("insert into kept (name) select :name from kept", id="from-a-query"),
        pytest.param(
            "insert into kept (name, day) values (:name, 1) on conflict (name, day) "
            "do update set text = :text",
            id="parameter-behind",
        ),
        pytest.param(
            "insert into kept values (:name, :day) on conflict (name, day) do update set times = 2",
            id="unnamed-columns",
        ),
        pytest.param(
            "insert into kept (name, day) values (lower(:name), :day) on conflict (name, day) "
            "do update set times = 2",
            id="computed-key",
        ),
    ],
)
def test_what_might_do_something_else_for_all_at_once_goes_one_by_one(statement: str) -> None:
    assert many.read(statement) is None


def test_a_batch_of_a_hundred_is_some_dozen_statements(url: str, tmp_path: Path) -> None:
    store = PostgresStore(url)
    project = store.write(lambda db: create_project(db, "Bot"))
    batches = [
        [
            interaction(f"{name}{n}", session_id=f"s{n // 5}", user_id=f"u{n // 5}", version_id="1",
                        metadata='{"plan": "pro", "model": "m"}')
            for n in range(100)
        ]
        for name in ("first", "next")
    ]  # fmt: skip
    messages = tmp_path / "messages"

    def log(batch: int) -> None:
        store.write(lambda db: add_interactions(db, project.id, batches[batch]))

    log(0)
    with messages.open("wb") as file:
        wire = store._writer._transactions._raw.pgconn  # type: ignore[attr-defined]
        wire.trace(file.fileno())
        log(1)
        wire.untrace()
    store.close()
    # Of texts with several lines, each is one there.
    lines = [line.split("\t") for line in messages.read_text().splitlines()]
    counted = Counter(line[3] for line in lines if len(line) > 3)
    # 110 of them and 57 ways to the server and back, when each row was a statement.
    assert counted["Execute"] + counted["Query"] <= 60, counted
    assert counted["ReadyForQuery"] <= 32, counted


_TEXTS = st.lists(
    st.sampled_from(
        ["flight", "Flüge", "é", "foo-bar", "a", "日本", "\x00", "½", "don't", "\\", ":"]
    )
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    max_size=12,
).map(" ".join)


@settings(max_examples=150, deadline=None)
@given(said=_TEXTS, answered=_TEXTS)
def test_words_are_gathered_by_postgresql_as_they_are_for_long_texts(
    db: PostgresConnection, said: str, answered: str
) -> None:
    ours = texts.lexemes("it's", said, answered)
    (row,) = db.rows(
        "select cast(:ours as tsvector) = cast(:theirs as tsvector) as same",
        {"ours": ours, "theirs": texts._lexemes_of_long("it's", said, answered)},
    )
    assert row["same"], ours


@pytest.mark.parametrize("text", ["a " * 4_999, "word" * 2_499, "日" * 9_999, "각 " * 4_999])
def test_the_longest_of_the_short_texts_is_kept(db: PostgresConnection, text: str) -> None:
    (row,) = db.rows(
        "select length(cast(:it as tsvector)) as n", {"it": texts.lexemes("p", text, "")}
    )
    assert row["n"] == 2

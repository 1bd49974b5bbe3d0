"""The PostgreSQL store: the same schema and the same words as SQLite, and many processes."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phospho.errors import ConfigurationError
from phospho_server.errors import BusyError
from phospho_server.store import Connection, Store, counters, search
from phospho_server.store.interactions import add_interactions
from phospho_server.store.postgresql import schema
from phospho_server.store.postgresql.store import PostgresStore
from phospho_server.store.postgresql.urls import refuse_malformed, shown
from phospho_server.store.projects import create_project, list_projects
from phospho_server.store.sqlite import SqliteStore
from tests.server.builders import interaction
from tests.server.postgresql import Databases

_TYPES = {"integer": "bigint", "text": "text", "real": "double precision", "blob": "bytea"}


@pytest.fixture
def url(postgresql: Databases) -> Iterator[str]:
    made = postgresql.make()
    yield made
    postgresql.drop(made)


@pytest.fixture
def store(url: str) -> Iterator[PostgresStore]:
    opened = PostgresStore(url)
    yield opened
    opened.close()


def test_both_databases_have_the_same_tables_columns_and_keys(
    store: PostgresStore, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = SqliteStore(tmp_path_factory.mktemp("schema") / "phospho.db")
    with file.read() as db:
        theirs = {
            (t["name"], c["name"]): (_TYPES[c["type"].lower()], bool(c["notnull"] or c["pk"]))
            for t in db.rows("select name from sqlite_master where type = 'table'")
            if not t["name"].startswith(("_", "interactions_fts"))
            for c in db.rows(f"pragma table_info({t['name']})")
        }
        their_keys = {
            (t["name"], c["name"]): c["pk"]
            for t in db.rows("select name from sqlite_master where type = 'table'")
            if not t["name"].startswith(("_", "interactions_fts"))
            for c in db.rows(f"pragma table_info({t['name']})")
            if c["pk"]
        }
        their_indexes = {
            row["name"]
            for row in db.rows("select name from sqlite_master where type = 'index'")
            if not row["name"].startswith(("sqlite_", "idx__sqlite"))
        }
    file.close()
    with store.read() as db:
        ours = {
            (c["table_name"], c["column_name"]): (c["data_type"], c["is_nullable"] == "NO")
            for c in db.rows(
                "select * from information_schema.columns where table_schema = 'public' "
                "and table_name not in ('_migrations', 'interactions_fts')"
            )
        }
        our_keys = {
            (k["table_name"], k["column_name"]): k["ordinal_position"]
            for k in db.rows(
                "select k.* from information_schema.key_column_usage k "
                "join information_schema.table_constraints c using (constraint_name, table_name) "
                "where c.constraint_type = 'PRIMARY KEY' and k.table_schema = 'public' "
                "and table_name not in ('_migrations', 'interactions_fts')"
            )
        }
        our_indexes = {
            row["indexname"]
            for row in db.rows("select indexname from pg_indexes where schemaname = 'public'")
            if not row["indexname"].endswith(("_pkey", "_key"))
        }
    assert ours == theirs
    assert our_keys == their_keys
    assert our_indexes - {"interactions_fts_by_word"} == their_indexes


def test_a_database_of_a_newer_phospho_is_refused(url: str) -> None:
    with psycopg.connect(url) as raw:
        raw.execute("insert into _migrations values ('999_later', now())")
    with pytest.raises(ConfigurationError, match="newer phospho"):
        PostgresStore(url)


def test_a_database_of_another_program_is_refused(postgresql: Databases) -> None:
    url = postgresql.make_empty()
    with psycopg.connect(url) as raw:
        raw.execute("create table theirs (id int)")
    with pytest.raises(ConfigurationError, match="createdb phospho"):
        PostgresStore(url)
    postgresql.drop(url)


def test_many_that_start_at_once_make_one_schema(postgresql: Databases) -> None:
    url = postgresql.make_empty()
    stores: list[PostgresStore] = []
    threads = [threading.Thread(target=lambda: stores.append(PostgresStore(url))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(stores) == 4
    for opened in stores:
        opened.close()
    postgresql.drop(url)


def test_an_upgrade_may_take_long_and_what_is_asked_later_may_not(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = "select current_setting('statement_timeout') s, current_setting('lock_timeout') l"
    later = {**schema.steps(), "999_later": f"create table seen as {limits}"}
    monkeypatch.setattr(schema, "steps", lambda: later)
    store = PostgresStore(url)
    with store.read() as db:
        (upgrade,) = db.rows("select s, l from seen")
        assert (upgrade["s"], upgrade["l"]) == ("0", "0")
        (reader,) = db.rows(limits)
    writer = store.write(lambda db: db.rows(limits))[0]
    store.close()
    assert dict(reader) == dict(writer) == {"s": "2min", "l": "30s"}


def test_a_database_that_cannot_be_reached_is_named_without_its_password() -> None:
    url = "postgresql://ana:secret@127.0.0.1:1/db"
    with pytest.raises(ConfigurationError, match=r"postgresql://127\.0\.0\.1:1/db") as raised:
        PostgresStore(url)
    assert "secret" not in str(raised.value)
    assert "secret" not in shown(url)


@pytest.mark.parametrize("option", ["--database", "--replica"])
@pytest.mark.parametrize(
    "rest",
    [
        pytest.param("hush%zz@127.0.0.1:1/db", id="percent"),
        pytest.param("hush/@127.0.0.1:1/db", id="slash"),
        pytest.param("/hush@127.0.0.1:1/db", id="slash-first"),
        pytest.param("123/hush@127.0.0.1:1/db", id="slash-after-digits"),
        pytest.param("hush@hush@127.0.0.1:1/db", id="at"),
        pytest.param("hush@127.0.0.1:1/db?no=option", id="unknown-option"),
    ],
)
def test_a_url_that_cannot_be_read_is_refused_without_a_word_of_it(rest: str, option: str) -> None:
    malformed = f"postgresql://ana:{rest}"
    url, replica = (
        (malformed, None) if option == "--database" else ("postgresql://127.0.0.1:1/db", malformed)
    )
    with pytest.raises(ConfigurationError, match=f"{option} cannot be read") as raised:
        PostgresStore(url, replica=replica)
    assert "hush" not in str(raised.value)
    assert raised.value.__context__ is None


@pytest.mark.parametrize(
    "url", ["postgresql://a:%40%2F@h,i:1,2/d", "postgresql:///d", "host=h port=1 dbname=d"]
)
def test_what_libpq_can_read_is_not_refused(url: str) -> None:
    refuse_malformed(url, "--database")


def test_options_of_the_url_are_kept(postgresql: Databases) -> None:
    url = postgresql.make_empty()
    with psycopg.connect(url) as raw:
        raw.execute("create schema ours")
        raw.execute("create table public.theirs (id int)")
    sign = "&" if "?" in url else "?"
    store = PostgresStore(f"{url}{sign}options=-csearch_path%3Dours")
    store.write(lambda db: create_project(db, "in it"))
    with store.read() as db:
        assert len(list_projects(db)) == 1
    store.close()
    with psycopg.connect(url) as raw:
        assert raw.execute("select count(*) from ours.projects").fetchone() == (1,)
    postgresql.drop(url)


def test_two_processes_write_the_same_session_and_nothing_is_lost(
    store: PostgresStore, url: str
) -> None:
    other = PostgresStore(url)
    project = store.write(lambda db: create_project(db, "Bot"))

    def log(through: Store, name: str) -> None:
        for n in range(25):
            new = interaction(f"{name}{n}", user_id="u")
            through.write(lambda db, new=new: add_interactions(db, project.id, [new]))  # type: ignore[misc]

    threads = [
        threading.Thread(target=log, args=(through, name))
        for through, name in ((store, "a"), (other, "b"), (store, "c"), (other, "d"))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.read() as db:
        (session,) = db.rows("select interactions from sessions")
        (user,) = db.rows("select interactions from users")
        assert session["interactions"] == user["interactions"] == 100
        assert counters.count_stored(db, project.id) == 100
    other.close()


def test_a_reader_sees_one_state_and_cannot_change_it(store: PostgresStore) -> None:
    with store.read() as db:
        assert list_projects(db) == []
        store.write(lambda other: create_project(other, "later"))
        assert list_projects(db) == []
    with store.read() as db, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        db.execute("delete from projects")
    with store.read() as db:
        assert len(list_projects(db)) == 1


def test_connections_that_postgresql_has_cut_are_made_again(store: PostgresStore, url: str) -> None:
    store.write(lambda db: create_project(db, "before"))
    with store.read() as db:
        list_projects(db)
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = current_database() and pid <> pg_backend_pid()"
        )
    store.write(lambda db: create_project(db, "after"))
    with store.read() as db:
        assert len(list_projects(db)) == 2


def test_a_database_that_takes_no_changes_is_busy_and_is_tried_again(
    store: PostgresStore, url: str
) -> None:
    name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]

    def allow(*, changes: bool) -> None:
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute("set default_transaction_read_only = off")
            value = "off" if changes else "on"
            admin.execute(
                f"alter database {name} set default_transaction_read_only = {value}".encode()
            )

    allow(changes=False)
    with psycopg.connect(url, autocommit=True) as admin:
        # As where another machine has taken over.
        admin.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = current_database() and pid <> pg_backend_pid()"
        )
    for _ in range(2):
        with pytest.raises(BusyError, match="takes no changes"):
            store.write(lambda db: create_project(db, "refused"))
    with store.read() as db:
        assert list_projects(db) == []
    allow(changes=True)
    store.write(lambda db: create_project(db, "stored"))


def test_no_outage_is_longer_for_phospho_than_for_postgresql(store: PostgresStore) -> None:
    # A pool would pause for minutes between its tries, and the system wait for a machine that is
    # gone: neither can be waited for in a test.
    assert store._readers.reconnect_timeout <= 10
    with store.read() as db:
        limits = db.raw.info.get_parameters()
    assert int(limits["tcp_user_timeout"]) <= 20_000
    assert int(limits["keepalives_idle"]) <= 10


def test_a_connection_that_is_cut_in_a_change_leaves_nothing_of_it(
    store: PostgresStore, url: str
) -> None:
    def cut_off(db: Connection) -> None:
        create_project(db, "lost")
        (me,) = db.rows("select pg_backend_pid() as pid")
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute("select pg_terminate_backend(%s, 5000)", [me["pid"]])
        list_projects(db)

    with pytest.raises(BusyError, match="Send this again"):
        store.write(cut_off)
    store.write(lambda db: create_project(db, "kept"))
    with store.read() as db:
        assert [project.name for project in list_projects(db)] == ["kept"]


_WORDS = st.sampled_from(
    ["flight", "Flüge", "FLUGE", "é", "e\u0301", "l'été", "foo-bar", "a_b", "3.14", "日本", "naïve",
     "x@y.com", "ß", "İ", "\u0130x", "don't", "#tag", "½", "नमस्ते", "…", "-", "C++", "a\u200bb"]
)  # fmt: skip
# Of characters that came later than SQLite's tables, each database thinks what it likes.
_OLD = st.text(st.characters(max_codepoint=0x24F), max_size=6)
_TEXTS = st.lists(st.one_of(_WORDS, _OLD), max_size=8).map(" ".join)


@settings(max_examples=120, deadline=None)
@given(said=_TEXTS, answered=st.none() | _TEXTS, asked=st.one_of(_WORDS, _TEXTS))
def test_both_databases_find_the_same_words(
    pair: tuple[Store, Store], said: str, answered: str | None, asked: str
) -> None:
    new = interaction("t", input=said, output=answered)
    found = []
    for store in pair:

        def look(db: Connection) -> int:
            project = create_project(db, "Bot")
            add_interactions(db, project.id, [new])
            matches = search.list_matches(db, project.id, asked)
            return len(matches.found)

        found.append(store.write(look))
    assert found[0] == found[1], (said, answered, asked)


@pytest.fixture(scope="module")
def pair(
    postgresql: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Store, Store]]:
    url = postgresql.make()
    both = SqliteStore(tmp_path_factory.mktemp("pair") / "phospho.db"), PostgresStore(url)
    yield both
    for store in both:
        store.close()
    postgresql.drop(url)

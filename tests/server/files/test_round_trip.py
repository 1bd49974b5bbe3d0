"""What is exported, imported into an empty project and exported again is the same."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from phospho_server.files.exporting import export, read_interactions
from phospho_server.files.fields import FIELDS
from phospho_server.files.importing import import_file
from phospho_server.files.writing.target import writing_to
from phospho_server.incoming import read_interaction
from phospho_server.store.filters import Filter
from phospho_server.store.interactions import add_interactions
from phospho_server.store.projects import create_project
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from tests.server.builders import NOON_MS

Event = dict[str, Any]

FORMATS = ["jsonl", "jsonl.gz", "csv", "csv.gz", "parquet"]

_count = itertools.count()


def new_project(store: SqliteStore) -> Project:
    name = f"project {next(_count)}"
    return store.write(lambda db: create_project(db, name))


def write(store: SqliteStore, project: Project, path: Path) -> int:
    format_name = path.name.removesuffix(".gz").rpartition(".")[2]
    pages = read_interactions(store, project.id, Filter(), as_text=format_name != "jsonl")
    with writing_to(path) as stream:
        return export(stream, format_name, FIELDS, pages)


def rows(store: SqliteStore, project: Project) -> list[Any]:
    pages = read_interactions(store, project.id, Filter(), as_text=True)
    return [record for page in pages for record in page]


def keep(store: SqliteStore, project: Project, events: Sequence[Event]) -> None:
    """Store what strangers log, as it arrives."""
    new = [read_interaction(event, received_at_ms=NOON_MS) for event in events]
    store.write(lambda db: add_interactions(db, project.id, new))


# What no spreadsheet, no terminal and no parser should stumble over.
NASTY = [
    "", " ", "'", "''", "'=1", "=1+1", "-5", "+1", "@x", "\t=1", "\r", "\n", "\r\n", '"', '""', ",",
    ";", "a\r\nb", 'say "hi", ok', "\0", "\x01\x1a\x1b[31m", "\u2028\u2029\x85\x0b\x0c\x1c",
    "\ufeff", "\ufeff=1", "\uff1d1", "😀👩\u200d👩", "שלום \u202eabc", "日本", "\ud800", "{", "[1]",
    '{"a":1}',
    "null", "true", "5", "1e5", "NaN", "None", "2026-11-27", "\\N", "\\", "[1", '"', "x" * 90,
]  # fmt: skip

words = st.sampled_from(NASTY) | st.text(st.characters(), max_size=20)
ids = words.filter(bool) | st.none()
scalars = words | st.none() | st.booleans() | st.integers(-(10**40), 10**40) | st.floats()
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
steps = st.lists(
    st.fixed_dictionaries(
        {"name": words, "kind": st.sampled_from(["llm", "tool", "weather"])},
        optional={"input": values, "usage": values, "error": values, "other": values, "x": values},
    ),
    max_size=3,
)
events = st.fixed_dictionaries(
    {"input": words},
    optional={
        "output": words | st.none(),
        "task_id": ids,
        "session_id": ids,
        "user_id": ids,
        "version_id": ids,
        "flag": st.sampled_from(["success", "failure", "maybe", None]),
        "created_at_ms": st.integers(0, NOON_MS),
        "metadata": st.dictionaries(words, values, max_size=3),
        "raw_input": values,
        "raw_output": values,
        "steps": steps,
    },
)


@pytest.mark.parametrize("ending", FORMATS)
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(events, max_size=4))
@example([{"input": each, "output": each, "metadata": {"a": each}} for each in NASTY])
@example([{"input": "a", "raw_input": each, "raw_output": each} for each in NASTY])
@example([{"input": "a", "output": None}, {"input": "", "output": ""}])
def test_an_export_that_is_imported_is_exported_the_same(
    store: SqliteStore, tmp_path: Path, ending: str, events: list[Event]
) -> None:
    first, second = new_project(store), new_project(store)
    keep(store, first, json.loads(json.dumps(events).replace("Infinity", "1").replace("NaN", "1")))
    source, again = tmp_path / f"source.{ending}", tmp_path / f"again.{ending}"
    count = write(store, first, source)
    report = import_file(store, second.id, source, now_ms=NOON_MS)
    assert (report.added, report.problems) == (count, [])
    assert write(store, second, again) == count
    assert rows(store, second) == rows(store, first)
    assert again.read_bytes() == source.read_bytes()

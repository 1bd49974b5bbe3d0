"""Lists as pandas DataFrames."""

from __future__ import annotations

import sys

import pandas as pd
import pytest
from pydantic import BaseModel

import phospho
from phospho.api.listing import Listing
from phospho.errors import MissingDependencyError
from phospho_server.store import detections
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from tests.server.builders import NOON_MS, add, define, interaction, verdict

TIME = "datetime64[ns, UTC]"


@pytest.fixture
def logged(store: SqliteStore, project: Project) -> None:
    new = [
        interaction("t1", user_id="u1", metadata='{"plan": "pro", "total_tokens": 7}'),
        interaction("t2", output=None, created_at_ms=NOON_MS + 1),
    ]
    add(store, project, *new)
    event = define(store, project)
    said = [verdict(store, project, each, detected=each.task_id == "t1") for each in new]
    store.write(lambda db: detections.record(db, project.id, event, said))


@pytest.mark.usefixtures("logged")
def test_interactions_are_a_row_each(client: phospho.Client) -> None:
    frame = client.interactions(sort="oldest").to_pandas()
    assert list(frame["task_id"]) == ["t1", "t2"]
    assert frame["created_at"].dtype == TIME
    assert frame["created_at"][0] == pd.Timestamp(NOON_MS, unit="ms", tz="UTC")
    assert frame["events"][0] == {"booking": 0.9}
    assert frame["metadata"][0]["plan"] == "pro"
    assert frame["output"].isna().tolist() == [False, True]
    assert frame["tokens"].tolist() == [7, pd.NA]


@pytest.mark.usefixtures("logged")
def test_every_list_has_a_frame_with_the_columns_and_types_of_an_empty_one(
    client: phospho.Client,
) -> None:
    full: dict[str, Listing[BaseModel]] = {
        "sessions": client.sessions(),
        "interactions": client.interactions(),
        "users": client.users(),
        "search": client.search("flight"),
        "events": client.events(),
        "definitions": client.definitions(),
        "transcript": client.session("s1").transcript,
    }
    empty: dict[str, Listing[BaseModel]] = {
        "sessions": client.sessions(limit=0),
        "interactions": client.interactions(limit=0),
        "users": client.users(limit=0),
        "search": client.search("flight", limit=0),
        "events": client.events(limit=0),
    }
    for name, listing in full.items():
        frame = listing.to_pandas()
        assert len(frame) > 0, name
        times = [column for column in frame if column.endswith("_at")]
        assert {str(frame[column].dtype) for column in times} == {TIME}, name
    for name, listing in empty.items():
        frame, whole = listing.to_pandas(), full[name].to_pandas()
        assert list(frame) == list(whole), name
        assert str(frame.filter(like="_at").dtypes.iloc[0]) == TIME
    assert "first_input" in full["sessions"].to_pandas()
    assert list(full["events"].to_pandas()["event"]) == ["booking"]
    assert full["search"].to_pandas()["input"].tolist() == ["Book me a flight"] * 2


@pytest.mark.usefixtures("logged")
def test_without_pandas_it_says_what_to_install(
    client: phospho.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'phospho\[pandas\]'"):
        client.sessions().to_pandas()

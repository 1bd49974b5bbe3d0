"""The smallest real objects of the server's tests."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from phospho.models import EventDefinition
from phospho_server import clock
from phospho_server.store import Store, counters
from phospho_server.store.definitions import create_definition
from phospho_server.store.interactions import add_interactions, find_ids
from phospho_server.store.rows import NewInteraction, Project, StoredDetection, Totals

# 2026-11-20 12:00 UTC.
NOON_MS = 1_795_176_000_000
HOUR_MS = 3_600_000


class Time:
    """The clock of some modules of the store, moved by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *modules: ModuleType) -> None:
        self.now_ms = clock.now_ms()
        for module in modules:
            monkeypatch.setattr(module, "now_ms", lambda: self.now_ms)


def interaction(task_id: str = "t1", **changes: Any) -> NewInteraction:
    fields: dict[str, Any] = {
        "session_id": "s1",
        "created_at_ms": NOON_MS,
        "input": "Book me a flight",
        "output": "Which date?",
    }
    return NewInteraction(task_id=task_id, **{**fields, **changes})


def definition(name: str = "booking", **changes: Any) -> EventDefinition:
    fields: dict[str, Any] = {"id": "new", "description": "The user is trying to book a flight"}
    return EventDefinition(name=name, **{**fields, **changes})


def add(store: Store, project: Project, *interactions: NewInteraction) -> int:
    return store.write(lambda db: add_interactions(db, project.id, interactions))


def define(store: Store, project: Project, **changes: Any) -> EventDefinition:
    return store.write(lambda db: create_definition(db, project.id, definition(**changes)))


def verdict(
    store: Store, project: Project, new: NewInteraction, *, detected: bool, **changes: Any
) -> StoredDetection:
    with store.read() as db:
        row_id = find_ids(db, project.id, [new.task_id])[new.task_id]
    fields: dict[str, Any] = {"score": 0.9 if detected else 0.1, "detector": "rules"}
    return StoredDetection(
        interaction_id=row_id,
        session_id=new.session_id,
        created_at_ms=new.created_at_ms,
        detected=detected,
        **{"evidence": None, **fields, **changes},
    )


def totals(store: Store, project: Project) -> Totals:
    with store.read() as db:
        return counters.get_totals(db, project.id, since_ms=0, until_ms=NOON_MS * 2)

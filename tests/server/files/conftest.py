"""Files to import, and what is stored of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from phospho_server.files.exporting import read_interactions
from phospho_server.files.forms import Form
from phospho_server.files.importing import ImportReport, import_file
from phospho_server.store import Store
from phospho_server.store.filters import Filter
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from tests.server.builders import NOON_MS

Stored = dict[str, Any]


def stored(store: Store, project: Project) -> list[Stored]:
    """Return all interactions, without what they do not have."""
    pages = read_interactions(store, project.id, Filter(), as_text=False)
    return [
        {k: v for k, v in record.items() if v is not None and k != "created_at_ms"}
        for page in pages
        for record in page
    ]


class Importer:
    """Imports files, and knows what the last one was said to be."""

    def __init__(self, store: SqliteStore, project: Project, folder: Path) -> None:
        self.store, self.project, self.folder = store, project, folder
        self.said: list[str] = []

    def run(self, content: bytes | str, name: str, **asked: str) -> ImportReport:
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)

        def note(form: Form) -> None:
            self.said = list(form.says)

        return import_file(
            self.store, self.project.id, path, now_ms=NOON_MS, asked=asked, on_form=note
        )

    def read(self, content: bytes | str, name: str, **asked: str) -> list[Stored]:
        """Import a file in which all is well, and return what is stored."""
        report = self.run(content, name, **asked)
        assert report.problems == []
        return stored(self.store, self.project)


@pytest.fixture
def importer(store: SqliteStore, project: Project, tmp_path: Path) -> Importer:
    return Importer(store, project, tmp_path)


def lines(*objects: object) -> str:
    return "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in objects)

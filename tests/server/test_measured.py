"""`benchmarks/queries.py` measures every page of a project, and every answer of the JSON API."""

from __future__ import annotations

import importlib.util
from collections import defaultdict
from pathlib import Path
from types import ModuleType

from flask import Flask

# Grow with nothing: one receipt, and of the deliveries of one webhook the newest.
_NOT_MEASURED = {
    "/api/projects/<project_id>/erasures/<erasure_id>",
    "/projects/<project_id>/settings/webhooks/<webhook_id>",
}


def load_pages() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "pages.py"
    spec = importlib.util.spec_from_file_location("pages", path)
    assert spec
    assert spec.loader
    pages = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pages)
    return pages


def test_every_page_and_every_answer_is_measured(app: Flask) -> None:
    pages = load_pages()
    names: defaultdict[str, str] = defaultdict(lambda: "x")
    asked = [
        *(f"/projects/p/{path.format_map(names)}" for path in pages.PAGES.values()),
        *(f"/api/projects/p/{path.format_map(names)}" for path in pages.ANSWERS.values()),
    ]
    urls = app.url_map.bind("localhost")
    measured = {
        urls.match(path.partition("?")[0].rstrip("/"), return_rule=True)[0].rule for path in asked
    }
    all_there_are = {
        rule.rule
        for rule in app.url_map.iter_rules()
        if "GET" in (rule.methods or ())
        and rule.rule.startswith(("/projects/<", "/api/projects/<"))
    }
    assert all_there_are - _NOT_MEASURED == measured

"""Before the first interaction: snippets that run as written, with a key made on demand."""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from phospho_server.store import projects
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from tests.server.builders import add, interaction
from tests.server.processes import serving
from tests.server.views.conftest import Visitor, text_of
from tests.waiting import PATIENCE_S


def snippet(page: str, name: str) -> str:
    """Return what stands to be copied under a name."""
    found = re.search(rf'<pre id="s-{name}"[^>]*>(.*?)</pre>', page, re.DOTALL)
    assert found, name
    return html.unescape(found.group(1))


def count_keys(store: SqliteStore, project: Project) -> int:
    with store.read() as db:
        return len(projects.list_keys(db, project.id))


def test_looking_makes_no_key_and_the_button_makes_one(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    for page in ("dashboard", "sessions"):
        assert "Make a key and put it in" in text_of(visitor.get(f"{home}/{page}"))
    assert visitor.get(f"{home}/first-key").status_code == 405
    assert count_keys(store, project) == 0
    made = visitor.post(f"{home}/first-key")
    secret = re.search(r'PHOSPHO_API_KEY="(ph_[^"]+)"', snippet(made.get_data(as_text=True), "env"))
    assert secret
    with store.read() as db:
        key = projects.find_key(db, secret.group(1))
    assert key
    assert key.project_id == project.id
    assert secret.group(1) not in visitor.get(f"{home}/dashboard").get_data(as_text=True)
    assert made.headers["Cache-Control"] == "no-store"


def test_a_project_that_has_begun_makes_its_keys_in_settings(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    add(store, project, interaction())
    made = visitor.post(f"{home}/first-key")
    assert made.headers["Location"] == f"{home}/settings#keys"
    assert count_keys(store, project) == 0


def test_a_key_is_made_only_by_a_form_of_ours(
    visitor: Visitor, stranger: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    assert visitor.client.post(f"{home}/first-key").status_code == 403
    assert stranger.post(f"{home}/first-key").status_code == 303
    assert count_keys(store, project) == 0


@pytest.mark.parametrize("name", ["python", "openai", "langchain", "llama-index"])
def test_every_python_snippet_can_be_read(visitor: Visitor, home: str, name: str) -> None:
    page = visitor.get(f"{home}/dashboard").get_data(as_text=True)
    compile(snippet(page, name), name, "exec")


@pytest.mark.parametrize("name", ["python", "langchain", "llama-index", "curl"])
def test_the_snippets_run_as_written_and_the_dashboard_appears(tmp_path: Path, name: str) -> None:
    with serving(tmp_path / "phospho.db") as server, httpx.Client(timeout=PATIENCE_S) as browser:
        dashboard = str(browser.get(server.sign_in_url, follow_redirects=True).url)
        empty = browser.get(dashboard).text
        token = re.search(r'name="csrf_token" value="([^"]+)"', empty)
        assert token
        page = browser.post(
            dashboard.replace("dashboard", "first-key"), data={"csrf_token": token.group(1)}
        ).text
        run(snippet(page, "env"), snippet(page, name), tmp_path, is_shell=name == "curl")
        shown = browser.get(dashboard).text
        assert "Dashboard" in shown
        assert "What the user asked" in shown


def run(settings: str, code: str, folder: Path, *, is_shell: bool) -> None:
    """Paste the settings into a shell, and run the code below them."""
    program = folder / ("code.sh" if is_shell else "code.py")
    program.write_text(code)
    command = code if is_shell else f"'{sys.executable}' '{program}'"
    done = subprocess.run(
        ["sh", "-ec", f"{settings}\n{command}"],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        env={key: value for key, value in os.environ.items() if "PHOSPHO" not in key},
        check=False,
    )
    assert done.returncode == 0, done.stderr

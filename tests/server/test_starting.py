"""What a start loads, and what it leaves to whoever is the first to need it."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest

from phospho.models import EventDefinition
from phospho_server.commands import _COMMANDS, phospho
from phospho_server.migrations import STEPS, migrations
from phospho_server.store.definitions import create_definition
from phospho_server.store.projects import create_project
from phospho_server.store.schema import known_steps
from phospho_server.store.sqlite import SqliteStore
from tests.processes import run_script

# Packages and modules that a server which answers, and whose workers look for work, does without.
LATER = (
    *("argon2", "dateutil", "httpcore", "httpx", "numpy", "openai", "pyarrow", "sqlite_utils"),
    *("phospho.detectors.llm.connecting", "phospho.detectors.reading", "phospho.mcp"),
    *("phospho.redaction", "phospho_server.commands.evaluate", "phospho_server.demo"),
    *("phospho_server.evaluating", "phospho_server.files.importing", "phospho_server.migrations"),
    *("phospho_server.llm.reaching", "phospho_server.otlp.dialects"),
)

# How many modules of all kinds there may be; 813 on 2026-11-27.
MAX_MODULES = 850


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A database with the newest schema, in which nothing is defined."""
    path = tmp_path / "phospho.db"
    SqliteStore(path).close()
    return path


@pytest.mark.parametrize("is_new", [True, False], ids=["new", "known"])
def test_a_server_starts_without_what_only_some_requests_need(database: Path, is_new: bool) -> None:
    if is_new:
        database.unlink()
    done = run_script(
        f"""
        import json, sys, time
        from phospho_server.connections import HttpServer

        def run(self, **_):
            time.sleep(0.3)  # its workers look for something to do meanwhile
            print(json.dumps(sorted(sys.modules)))

        HttpServer.run = run
        from phospho_server.cli import main
        sys.argv = ["phospho", "serve", "--port", "0", "--database", {str(database)!r}]
        main()
        """
    )
    assert done.returncode == 0, done.stderr
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert "phospho_server.views.settings" in loaded
    assert [name for name in LATER if name in loaded] == []
    assert len(loaded) <= MAX_MODULES


def test_what_reads_descriptions_is_loaded_once_there_is_one(database: Path) -> None:
    script = f"""
        import sys
        from pathlib import Path
        from phospho_server.loading import load_what_is_needed
        from phospho_server.store.sqlite import SqliteStore

        store = SqliteStore(Path({str(database)!r}))
        load_what_is_needed(store)
        store.close()
        print("phospho.detectors.reading.sentences" in sys.modules)
        """
    assert run_script(script).stdout == "False\n"
    store = SqliteStore(database)
    project = store.write(lambda db: create_project(db, "P"))
    event = EventDefinition(id="e1", name="refund", description='The user says "refund"')
    store.write(lambda db: create_definition(db, project.id, event))
    store.close()
    assert run_script(script).stdout == "True\n"


def test_the_commands_are_listed_without_loading_any() -> None:
    done = run_script(
        """
        import sys
        from phospho_server.cli import main
        sys.argv = ["phospho", "--help"]
        try:
            main()
        finally:
            print(sorted(name for name in sys.modules if "phospho_server.commands." in name))
        """
    )
    *_, listed = done.stdout.splitlines()
    assert listed == "[]"
    assert "  serve     Run the server, with event detection, in one process." in done.stdout


@pytest.mark.parametrize("name", _COMMANDS)
def test_a_command_says_of_itself_what_the_list_of_commands_says(name: str) -> None:
    _, command, _ = phospho.resolve_command(click.Context(phospho), [name])
    assert command
    assert command.callback
    assert command.get_short_help_str(200) == _COMMANDS[name][1]


def test_the_steps_of_the_schema_are_known_by_their_modules() -> None:
    assert known_steps() == {step.__name__.rpartition(".")[2] for step in STEPS}
    assert known_steps() == {step.name for step in migrations._migrations}

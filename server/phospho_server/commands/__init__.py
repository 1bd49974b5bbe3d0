"""The `phospho` command and what its subcommands share.

Each module of this package adds its commands to the group when it is imported, which is when one of
them is asked for: a server needs nothing of what imports files or compares detectors.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any, TypeVar

import click

from phospho.errors import PhosphoError
from phospho_server import database
from phospho_server.store import Connection, Store, audit_log

Command = TypeVar("Command", bound=Callable[..., Any])

# Each command, the module it stands in, and what it says of itself.
_COMMANDS = {
    "accounts": ("accounts", "Make, invite, list and delete the accounts of people who sign in."),
    "alerts": ("alerts", "Be told when an event occurs too often."),
    "backup": (
        "backing_up",
        "Copy the database to FILE and check the copy, also while the server runs.",
    ),
    "demo": (
        "demo",
        "Show phospho on sample conversations, in a database that is thrown away at the end.",
    ),
    "detect": (
        "detect",
        "Look for events in this process: in a file of interactions, or in a project.",
    ),
    "erase": (
        "erasing",
        "Erase a user or a session for good, also while the server runs, and print the receipt.",
    ),
    "evaluate": ("evaluate", "Score detectors against labels."),
    "events": ("events", "Define and list the events to look for."),
    "export": ("exporting", "Write interactions, sessions or users as CSV, JSON lines or Parquet."),
    "import": (
        "importing",
        "Store the interactions of FILE: CSV, JSON lines, JSON or Parquet, also as .gz.",
    ),
    "keys": ("keys", "Make, list and revoke API keys."),
    "link": ("serve", "Print a new sign-in link for the dashboard."),
    "mcp": ("mcp", "Let agents read a project over MCP, on standard input and output."),
    "migrate": (
        "migrate",
        "Bring a database to the newest schema, or move it from a file to PostgreSQL.",
    ),
    "plugins": ("plugins", "List the plugins of this environment, the built-in ones first."),
    "projects": ("projects", "Make and list projects."),
    "restore": (
        "backing_up",
        "Put the backup FILE, once it is checked, in the place of the database.",
    ),
    "routes": ("routes", "List every URL with its methods and who may call it."),
    "serve": ("serve", "Run the server, with event detection, in one process."),
    "worker": (
        "worker",
        "Look for events, beside any number of servers and workers on the same database.",
    ),
}


class PhosphoGroup(click.Group):
    """A group whose commands are imported when they are asked for.

    They end with a message where phospho raises an error of its own.
    """

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is asked for; it takes the place of what only describes it."""
        if args[0] in _COMMANDS:
            import_module(f"{__name__}.{_COMMANDS[args[0]][0]}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an expected error becomes a line on standard error and exit code 1."""
        try:
            return super().invoke(ctx)
        except PhosphoError as exc:
            raise click.ClickException(str(exc)) from exc


@click.group(cls=PhosphoGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="phospho")
def phospho() -> None:
    """See what your users talk about in your LLM app."""


for _name, (_, _summary) in _COMMANDS.items():
    phospho.add_command(click.Command(_name, help=_summary))


def database_option(command: Command) -> Command:
    """Add `--database`."""
    return click.option(
        "--database",
        default=database.DEFAULT,
        envvar=database.VARIABLE,
        show_default=True,
        show_envvar=True,
        help="The file that holds everything, or a postgresql:// URL.",
    )(command)


def base_url_option(command: Command) -> Command:
    """Add `--base-url`."""
    return click.option(
        "--base-url",
        default="http://127.0.0.1:8000",
        envvar="PHOSPHO_BASE_URL",
        show_default=True,
        show_envvar=True,
        help="Where the server answers.",
    )(command)


def json_option(command: Command) -> Command:
    """Add `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON value.")(command)


@contextmanager
def opened(setting: str, *, replica: str | None = None) -> Iterator[Store]:
    """Open the store for one command."""
    store = database.open_store(setting, replica=replica)
    try:
        yield store
    finally:
        store.close()


def note(db: Connection, project_id: str | None, action: str, what: str = "") -> None:
    """Note in the audit log what a command does, in the transaction of what it does."""
    audit_log.record(db, project_id, who=audit_log.BY_COMMAND, action=action, what=what)


def show_json(value: object) -> None:
    """Print one JSON value."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    # Halves of characters cannot be encoded; written as JSON's own escapes, they can.
    click.echo(text.encode("utf-8", "backslashreplace").decode("utf-8"))


def show_table(rows: Sequence[Mapping[str, object]], *, empty: str) -> None:
    """Print rows in columns, with the keys of the first as headings."""
    if not rows:
        click.echo(empty)
        return
    headings = list(rows[0])
    cells = [headings, *([_cell(row[heading]) for heading in headings] for row in rows)]
    widths = [max(len(line[n]) for line in cells) for n in range(len(headings))]
    for line in cells:
        click.echo("  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip())


def _cell(value: object) -> str:
    return "-" if value is None else str(value)

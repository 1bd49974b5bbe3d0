"""The `phospho` command and what its subcommands share."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from phospho.errors import PhosphoError
from phospho_server import database
from phospho_server.store import Connection, Store, audit_log

Command = TypeVar("Command", bound=Callable[..., Any])


class PhosphoGroup(click.Group):
    """A group whose commands end with a message where phospho raises an error of its own."""

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


from phospho_server.commands import (  # noqa: E402 - they add themselves to the group above
    accounts,
    alerts,
    backing_up,
    demo,
    detect,
    erasing,
    evaluate,
    events,
    exporting,
    importing,
    keys,
    mcp,
    migrate,
    plugins,
    projects,
    routes,
    serve,
    worker,
)

__all__ = [
    "accounts",
    "alerts",
    "backing_up",
    "demo",
    "detect",
    "erasing",
    "evaluate",
    "events",
    "exporting",
    "importing",
    "keys",
    "mcp",
    "migrate",
    "phospho",
    "plugins",
    "projects",
    "routes",
    "serve",
    "worker",
]

"""`phospho export`."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from phospho_server.commands import database_option, opened, phospho
from phospho_server.commands.progress import showing
from phospho_server.errors import InvalidError
from phospho_server.files.exporting import export, read_interactions
from phospho_server.files.fields import FIELDS
from phospho_server.files.writing import WRITERS, Record
from phospho_server.files.writing.target import writing_to
from phospho_server.store import Store
from phospho_server.store.projects import get_project

if TYPE_CHECKING:
    from phospho_server.views.filters import Asked

# Records of sessions and users that are written at once.
_PAGE = 200

WHAT = ("interactions", "sessions", "users")


@phospho.command("export")
@click.option("--project", "project_id", required=True, help="The project's id.")
@click.option(
    "--what",
    type=click.Choice(WHAT),
    default=WHAT[0],
    show_default=True,
    help="What to export; interactions can be imported again.",
)
@click.option(
    "--format",
    "format_name",
    type=click.Choice(list(WRITERS)),
    help="By default that of FILE's name, or jsonl.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Where to write, packed if its name ends in .gz; by default standard output.",
)
@click.option("--since", metavar="DAY", help="Nothing older than this day or time, UTC.")
@click.option("--until", metavar="DAY", help="Nothing newer.")
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="NAME=VALUE",
    help="As in the address of a list, for example event=refund. May be given several times.",
)
@database_option
def export_(
    project_id: str,
    what: str,
    format_name: str | None,
    output: Path | None,
    since: str | None,
    until: str | None,
    filters: tuple[str, ...],
    database: str,
) -> None:
    """Write interactions, sessions or users as CSV, JSON lines or Parquet.

    A file gets its name when all of it is written.
    """
    # The pages, whose filters these are, are 20 MB that other commands do without.
    from phospho_server.views.filter_options import read_filter_options

    format_name = format_name or _format_of(output)
    if format_name == "parquet" and (output is None or output.suffix.lower() == ".gz"):
        raise InvalidError("Parquet needs a file of its own: write it with -o FILE.parquet")
    days = (("since", since), ("until", until))
    pairs = [*map(_read_pair, filters), *((name, day) for name, day in days if day)]
    with opened(database) as store:
        with store.read() as db:
            get_project(db, project_id)
            asked = read_filter_options(db, project_id, what, pairs)
        columns, pages = _read(store, project_id, asked, is_table=format_name != "jsonl")
        with showing(f"Exporting {what}", 0) as on_progress:
            if output is None:
                stdout = sys.stdout.buffer
                export(stdout, format_name, columns, pages, on_progress=on_progress)
                return
            with writing_to(output) as stream:
                count = export(stream, format_name, columns, pages, on_progress=on_progress)
    click.echo(f"{count} {what} written to {output}.", err=True)


def _format_of(output: Path | None) -> str:
    if output is None:
        return "jsonl"
    endings = [ending.lower().removeprefix(".") for ending in output.suffixes]
    known = [ending for ending in endings if ending in WRITERS]
    if not known:
        raise InvalidError(
            f"The name {output.name} tells no format. Add one: --format {' or '.join(WRITERS)}"
        )
    return known[-1]


def _read_pair(option: str) -> tuple[str, str]:
    name, is_pair, value = option.partition("=")
    if not is_pair or not value:
        raise InvalidError(f"--filter {option} is no pair. Write --filter NAME=VALUE.")
    return name, value


def _read(
    store: Store, project_id: str, asked: Asked, *, is_table: bool
) -> tuple[Sequence[str], Iterator[Sequence[Record]]]:
    """Return the columns of an export, and its pages."""
    from phospho_server.views.exports import list_as_asked, read_all

    if asked.kind.page == WHAT[0]:
        return FIELDS, read_interactions(store, project_id, asked.wanted, as_text=is_table)
    found = list_as_asked(project_id, asked)
    records = read_all(store, found)
    return found.columns, iter(lambda: list(itertools.islice(records, _PAGE)), [])

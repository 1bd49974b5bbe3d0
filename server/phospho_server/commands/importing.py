"""`phospho import`."""

from __future__ import annotations

from pathlib import Path

import click

from phospho_server.clock import now_ms
from phospho_server.commands import database_option, json_option, opened, phospho, show_json
from phospho_server.importing import import_file
from phospho_server.store.projects import get_project

# Lines that were left out and are named one by one; the rest is only counted.
_PROBLEMS_SHOWN = 10


@phospho.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--project", "project_id", required=True, help="The project's id.")
@json_option
@database_option
def import_(file: Path, project_id: str, database: str, *, as_json: bool) -> None:
    """Store the interactions of FILE, a JSONL file (or .jsonl.gz).

    A line is an interaction, {"input": "...", "output": "..."}, or a conversation,
    {"session_id": "...", "turns": [{"role": "user", "content": "..."}, ...]}. Importing a file
    again adds nothing twice.
    """
    with opened(database) as store:
        with store.read() as db:
            get_project(db, project_id)
        with click.progressbar(
            length=file.stat().st_size, label=f"Importing {file.name}", hidden=as_json
        ) as bar:
            report = import_file(store, project_id, file, now_ms=now_ms(), on_progress=bar.update)
    if as_json:
        problems = [{"line": line, "reason": reason} for line, reason in report.problems]
        show_json({"read": report.read, "added": report.added, "problems": problems})
    else:
        known = report.read - report.added
        click.echo(
            f"{report.added} interaction{'' if report.added == 1 else 's'} added"
            + (f", {known} were there already" if known else "")
            + "."
        )
        for line, reason in report.problems[:_PROBLEMS_SHOWN]:
            click.echo(f"Line {line} was left out. {reason}", err=True)
        if len(report.problems) > _PROBLEMS_SHOWN:
            click.echo(f"{len(report.problems)} lines were left out in all.", err=True)
    if report.problems and not report.read:
        raise click.ClickException(f"Nothing in {file} could be read.")

"""`phospho import`."""

from __future__ import annotations

from pathlib import Path

import click

from phospho_server.clock import now_ms
from phospho_server.commands import database_option, json_option, opened, phospho, show_json
from phospho_server.commands.progress import showing
from phospho_server.files.forms import Form
from phospho_server.files.importing import ImportReport, import_file
from phospho_server.files.mapping import read_options
from phospho_server.files.reading import measure
from phospho_server.store.projects import get_project


@phospho.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--project", "project_id", required=True, help="The project's id.")
@click.option(
    "--map",
    "options",
    multiple=True,
    metavar="FIELD=COLUMN",
    help="Which column is input, output, session_id, user_id, ... May be given several times.",
)
@json_option
@database_option
def import_(
    file: Path, project_id: str, options: tuple[str, ...], database: str, *, as_json: bool
) -> None:
    """Store the interactions of FILE: CSV, JSON lines, JSON or Parquet, also as .gz.

    A row is an interaction, with usual names for its columns or those that --map names, or a
    conversation, {"session_id": "...", "messages": [{"role": "user", "content": "..."}, ...]}.
    Exports of phospho, Langfuse and LangSmith are known. Importing a file again adds nothing
    twice, so an import that was stopped goes on where it was.
    """
    asked = read_options(options)
    says: list[str] = []

    def tell(form: Form) -> None:
        says.extend(form.says)
        if not as_json:
            for line in form.says:
                click.echo(line)

    with opened(database) as store:
        with store.read() as db:
            get_project(db, project_id)
        with showing(f"Importing {file.name}", measure(file), hidden=as_json) as on_progress:
            report = import_file(
                store,
                project_id,
                file,
                now_ms=now_ms(),
                asked=asked,
                on_form=tell,
                on_progress=on_progress,
            )
    if as_json:
        _show_json(report, says)
    else:
        _show(report)
    if not report.read:
        raise click.ClickException(f"Nothing in {file} could be read.")


def _show_json(report: ImportReport, says: list[str]) -> None:
    show_json(
        {
            "read": report.read,
            "added": report.added,
            "rows_left_out": report.rows_left_out,
            "runs_left_out": report.runs_left_out,
            "problems": [
                {report.counted: each.number, "reason": each.reason} for each in report.problems
            ],
            "recognised": says,
        }
    )


def _show(report: ImportReport) -> None:
    known = report.read - report.added
    click.echo(
        f"{report.added} interaction{'' if report.added == 1 else 's'} added"
        + (f", {known} were there already" if known else "")
        + (f"; {report.rows_left_out} rows were left out" if report.rows_left_out else "")
        + "."
    )
    if report.runs_left_out:
        click.echo(
            f"{report.runs_left_out} calls were left out: the outermost call of their trace is "
            "not in the file, or far from them."
        )
    for problem in report.problems:
        place = f"{report.counted.capitalize()} {problem.number}"
        click.echo(f"{place} was left out. {problem.reason}", err=True)
    rest = report.rows_left_out - len(report.problems)
    if rest:
        click.echo(f"{rest} more were left out.", err=True)

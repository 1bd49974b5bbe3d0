"""`phospho projects`."""

from __future__ import annotations

import click

from phospho_server.commands import (
    database_option,
    json_option,
    note,
    opened,
    phospho,
    show_json,
    show_table,
)
from phospho_server.store import Connection
from phospho_server.store.projects import create_key, create_project, list_projects
from phospho_server.store.rows import Project


@phospho.group()
def projects() -> None:
    """Make and list projects."""


@projects.command()
@click.argument("name")
@json_option
@database_option
def create(name: str, database: str, *, as_json: bool) -> None:
    """Make a project called NAME, with an API key that is shown this once."""
    with opened(database) as store:
        project, key = store.write(lambda db: make_project(db, name))
    if as_json:
        show_json({"project_id": project.id, "api_key": key})
        return
    click.echo(f"PHOSPHO_PROJECT_ID={project.id}\nPHOSPHO_API_KEY={key}")


def make_project(db: Connection, name: str) -> tuple[Project, str]:
    """Make a project with a key; return both, the key as its secret."""
    project = create_project(db, name)
    key, secret = create_key(db, project.id, "first key")
    note(db, project.id, "project created", project.name)
    note(db, project.id, "key created", f"{key.name} ({key.prefix}…)")
    return project, secret


@projects.command("list")
@json_option
@database_option
def list_(database: str, *, as_json: bool) -> None:
    """List the projects."""
    with opened(database) as store, store.read() as db:
        rows = [{"project_id": p.id, "name": p.name} for p in list_projects(db)]
    if as_json:
        show_json(rows)
        return
    show_table(rows, empty="There is no project yet. Make one: phospho projects create NAME")

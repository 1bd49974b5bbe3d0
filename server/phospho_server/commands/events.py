"""`phospho events`."""

from __future__ import annotations

import json
from typing import Any

import click

from phospho.detectors.registry import load_detectors
from phospho.errors import ConfigurationError
from phospho.models import EventDefinition
from phospho.plugins import Plugins
from phospho_server.commands import (
    database_option,
    json_option,
    note,
    opened,
    phospho,
    show_json,
    show_table,
)
from phospho_server.defining import make_definition, with_examples
from phospho_server.store import Connection
from phospho_server.store.definitions import create_definition, list_definitions
from phospho_server.store.projects import clean_name


@phospho.group()
def events() -> None:
    """Define and list the events to look for."""


@events.command()
@click.argument("project_id")
@click.argument("name")
@click.argument("description")
@click.option("--detector", default="auto", show_default=True, help="Which detector decides.")
@click.option("--keyword", "keywords", multiple=True, help="A word that means yes; repeatable.")
@click.option("--pattern", help="A regular expression (RE2) that means yes.")
@click.option("--example", "examples", multiple=True, help="A message with the event; repeatable.")
@click.option(
    "--scope",
    type=click.Choice(["auto", "user_message", "assistant_message", "interaction", "session"]),
    default="auto",
    show_default=True,
    help="Where to look; auto reads it out of the description.",
)
@click.option(
    "--answer",
    type=click.Choice(["yes_no", "score", "category"]),
    default="yes_no",
    show_default=True,
    help="What is asked.",
)
@click.option("--category", "categories", multiple=True, help="One to choose from; repeatable.")
@click.option("--lowest", type=float, default=1.0, show_default=True, help="The lowest score.")
@click.option("--highest", type=float, default=5.0, show_default=True, help="The highest score.")
@click.option(
    "--setting",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="A setting of a plugin's detector; VALUE is JSON, or text. Repeatable.",
)
@json_option
@database_option
def create(
    project_id: str,
    name: str,
    description: str,
    detector: str,
    keywords: tuple[str, ...],
    pattern: str | None,
    examples: tuple[str, ...],
    scope: str,
    answer: str,
    categories: tuple[str, ...],
    lowest: float,
    highest: float,
    settings: tuple[str, ...],
    database: str,
    *,
    as_json: bool,
) -> None:
    """Look for an event: NAME, and DESCRIPTION in plain English.

    Say "the user" and "the assistant", as in "The user is trying to book a flight". Past
    interactions are looked at too, by the running server.
    """
    definition = make_definition(
        {
            "id": "new",
            "name": clean_name(name, what="event's name"),
            "description": description.strip(),
            "detector": detector,
            "keywords": keywords,
            "pattern": pattern,
            "scope": scope,
            "answer": answer,
            "categories": categories,
            "score_range": (lowest, highest),
            "settings": dict(_read_setting(setting) for setting in settings),
        },
        load_detectors(Plugins()),
    )
    definition = with_examples(definition, examples)

    def define(db: Connection) -> EventDefinition:
        created = create_definition(db, project_id, definition)
        note(db, project_id, "event created", created.name)
        return created

    with opened(database) as store:
        created = store.write(define)
    if as_json:
        show_json({"event_id": created.id, "name": created.name, "version": created.version})
        return
    click.echo(f"Looking for {created.name!r} from now on, and in what is stored.")


def _read_setting(setting: str) -> tuple[str, Any]:
    name, is_there, value = setting.partition("=")
    if not is_there or not name.strip():
        raise ConfigurationError(
            f"The setting {setting!r} has no name or no value. Write it as NAME=VALUE."
        )
    try:
        return name.strip(), json.loads(value)
    except json.JSONDecodeError:
        return name.strip(), value


@events.command("list")
@click.argument("project_id")
@json_option
@database_option
def list_(project_id: str, database: str, *, as_json: bool) -> None:
    """List the events of PROJECT_ID, how often each occurred, and what is still to look at."""
    with opened(database) as store, store.read() as db:
        rows = [
            {
                "name": row.definition.name,
                "description": row.definition.description,
                "detector": row.definition.detector,
                "events": row.events,
                "pending": row.pending,
            }
            for row in list_definitions(db, project_id)
        ]
    if as_json:
        show_json(rows)
        return
    empty = "No event is defined yet. Define one: phospho events create PROJECT_ID NAME DESCRIPTION"
    show_table(rows, empty=empty)

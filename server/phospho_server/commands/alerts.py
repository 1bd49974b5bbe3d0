"""`phospho alerts`."""

from __future__ import annotations

import click

from phospho.models import EventDefinition
from phospho_server.alerts.wording import say_rule, say_terms
from phospho_server.commands import (
    database_option,
    json_option,
    note,
    opened,
    phospho,
    show_json,
    show_table,
)
from phospho_server.errors import NotFoundError
from phospho_server.store import Connection
from phospho_server.store.alert_changes import delete_rule
from phospho_server.store.alert_rules import FACTORS, AlertRule, Terms, add_rule, list_rules
from phospho_server.store.definitions import list_defined
from phospho_server.store.projects import get_project

_WINDOWS = {"15m": 15, "1h": 60, "6h": 360, "24h": 1_440, "7d": 10_080}


@phospho.group()
def alerts() -> None:
    """Be told when an event occurs too often."""


@alerts.command()
@click.argument("project_id")
@click.argument("event")
@click.option("--at-least", type=int, default=10, show_default=True, help="Fire at so many events,")
@click.option(
    "--window",
    type=click.Choice(list(_WINDOWS)),
    default="1h",
    show_default=True,
    help="in so much time,",
)
@click.option(
    "--times-usual",
    type=click.Choice([str(factor) for factor in FACTORS]),
    help="and so many times the usual number.",
)
@json_option
@database_option
def create(
    project_id: str,
    event: str,
    at_least: int,
    window: str,
    times_usual: str | None,
    database: str,
    *,
    as_json: bool,
) -> None:
    """Fire an alert when EVENT, by its name, occurs too often."""
    factor = None if times_usual is None else int(times_usual)

    def make(db: Connection) -> AlertRule:
        definition = _find_event(db, project_id, event)
        rule = add_rule(db, project_id, definition.id, Terms(_WINDOWS[window], at_least, factor))
        note(db, project_id, "alert rule created", say_rule(rule))
        return rule

    with opened(database) as store:
        rule = store.write(make)
    if as_json:
        show_json({"rule_id": rule.id, "event": rule.event, "fires_at": say_terms(rule.terms)})
        return
    click.echo(f"{rule.id} fires when {rule.event!r} occurs: {say_terms(rule.terms)}.")


def _find_event(db: Connection, project_id: str, name: str) -> EventDefinition:
    get_project(db, project_id)
    for definition in list_defined(db, project_id):
        if definition.name == name:
            return definition
    raise NotFoundError(
        f"This project has no event called {name!r}. List them: phospho events list {project_id}"
    )


@alerts.command("list")
@click.argument("project_id")
@json_option
@database_option
def list_(project_id: str, database: str, *, as_json: bool) -> None:
    """List the alert rules of PROJECT_ID, and which of them fire."""
    with opened(database) as store, store.read() as db:
        get_project(db, project_id)
        rows = [
            {
                "rule_id": rule.id,
                "event": rule.event,
                "fires_at": say_terms(rule.terms),
                "state": "firing" if rule.is_firing else "on" if rule.is_on else "paused",
            }
            for rule in list_rules(db, project_id)
        ]
    if as_json:
        show_json(rows)
        return
    show_table(rows, empty="There is no alert yet. Add one: phospho alerts create PROJECT_ID EVENT")


@alerts.command()
@click.argument("project_id")
@click.argument("rule_id")
@json_option
@database_option
def delete(project_id: str, rule_id: str, database: str, *, as_json: bool) -> None:
    """Delete the alert rule RULE_ID; what it has fired is over."""

    def remove(db: Connection) -> None:
        rule = delete_rule(db, project_id, rule_id)
        note(db, project_id, "alert rule deleted", say_rule(rule))

    with opened(database) as store:
        store.write(remove)
    if as_json:
        show_json({"rule_id": rule_id, "deleted": True})
        return
    click.echo(f"{rule_id} is deleted.")

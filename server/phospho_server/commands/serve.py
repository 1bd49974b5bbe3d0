"""`phospho serve` and `phospho link`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from phospho_server import logs
from phospho_server.commands import base_url_option, database_option, opened, phospho
from phospho_server.commands.projects import make_project
from phospho_server.errors import ServerError
from phospho_server.store import Connection
from phospho_server.store.projects import list_projects
from phospho_server.store.sign_ins import create_link

if TYPE_CHECKING:
    from phospho_server.serving import Server

PORT = click.IntRange(0, 65_535)


_UNENCRYPTED = (
    "%s is open to other machines, and passwords, keys and conversations travel to it "
    "without encryption. Put a proxy that speaks https in front, and add --behind-proxy."
)


@phospho.command()
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Where to listen; beyond this machine only once there is an account.",
)
@click.option("--port", default=8000, show_default=True, type=PORT, help="0 takes a free one.")
@click.option(
    "--behind-proxy",
    "proxy",
    is_flag=False,
    flag_value="127.0.0.1",
    metavar="[ADDRESS]",
    help="Believe X-Forwarded-For and X-Forwarded-Proto of the proxy at this address "
    "(127.0.0.1 where none is given, * for any).",
)
@click.option(
    "--feedback-from",
    "origins",
    multiple=True,
    metavar="ORIGIN",
    help="Take feedback without a key from web pages of this origin, as in "
    "https://app.example.com; * is any. May be given several times.",
)
@click.option(
    "--no-worker",
    is_flag=True,
    help="Answer requests only: `phospho worker` looks for events, in processes of its own.",
)
@click.option(
    "--replica",
    metavar="URL",
    envvar="PHOSPHO_REPLICA_URL",
    show_envvar=True,
    help="A replica of the PostgreSQL database, which pages and the JSON API read.",
)
@click.option("--json-logs", is_flag=True, help="Log a JSON object a line, and each request.")
@database_option
def serve(
    host: str,
    port: int,
    proxy: str | None,
    origins: tuple[str, ...],
    replica: str | None,
    database: str,
    *,
    no_worker: bool,
    json_logs: bool,
) -> None:
    """Run the server, with event detection, in one process.

    The first start makes a project and an API key; the key is shown this once.
    """
    # The pages and all they need are 20 MB that other commands do without.
    from phospho_server.serving import Server
    from phospho_server.stopping import leave

    logs.configure(as_json=json_logs)
    with logs.errors_told(as_json=json_logs), opened(database, replica=replica) as store:
        server = Server(
            store,
            host=host,
            port=port,
            proxy=proxy,
            feedback_from=origins,
            with_workers=not no_worker,
            has_replica=bool(replica),
        )
        if server.is_open and proxy is None:
            logs.logger.warning(_UNENCRYPTED, host)
        announce(server, store.write(_first_project))
        server.run()
        leave(store)


@phospho.command()
@base_url_option
@database_option
def link(base_url: str, database: str) -> None:
    """Print a new sign-in link for the dashboard. It works once, for 24 hours."""
    with opened(database) as store:
        click.echo(f"{base_url.rstrip('/')}/login?token={store.write(create_link)}")


def announce(server: Server, environment: dict[str, str]) -> None:
    """Print how to reach a server and what its apps need to know."""
    click.echo(f"{_how_to_sign_in(server)}\n")
    click.echo("What your app needs in its environment:\n")
    for name, value in environment.items():
        click.echo(f"{name}={value}")
    click.echo(f"PHOSPHO_BASE_URL={server.url}")
    if "PHOSPHO_API_KEY" not in environment:
        click.echo("\nAn API key was shown at the first start; Settings makes more of them.")
    click.echo("\nCtrl-C stops it.")


def _how_to_sign_in(server: Server) -> str:
    try:
        url = server.sign_in_url()
    except ServerError as exc:
        # Whoever is signed in can still read everything, on a full disk too.
        return f"phospho is running at {server.url}, without a sign-in link. {exc}"
    return f"phospho is running. This link signs you in to the dashboard, once:\n\n  {url}"


def _first_project(db: Connection) -> dict[str, str]:
    projects = list_projects(db)
    if projects:
        return {"PHOSPHO_PROJECT_ID": projects[0].id}
    project, secret = make_project(db, "default")
    return {"PHOSPHO_PROJECT_ID": project.id, "PHOSPHO_API_KEY": secret}

"""`phospho mcp`."""

from __future__ import annotations

import click

from phospho import Client
from phospho.errors import MissingDependencyError
from phospho_server.commands import base_url_option, phospho


@phospho.command()
@base_url_option
@click.option(
    "--project",
    "project_id",
    envvar="PHOSPHO_PROJECT_ID",
    show_envvar=True,
    help="The project to read.",
)
@click.option("--allow-changes", is_flag=True, help="Let the agent define and edit events, too.")
def mcp(base_url: str, project_id: str | None, allow_changes: bool) -> None:
    """Let agents read a project over MCP, on standard input and output.

    A host such as Claude Code or Cursor starts this, on any machine that reaches the server. The
    key comes from PHOSPHO_API_KEY alone: others on this machine may see what stands in a command.
    """
    try:
        from phospho.mcp.server import make_server
    except ImportError as error:
        raise MissingDependencyError("mcp", extra="mcp") from error
    with Client(project_id=project_id, base_url=base_url) as client:
        make_server(client, allow_changes=allow_changes).run()

"""`phospho plugins`."""

from __future__ import annotations

from phospho.plugins import Plugins
from phospho_server.commands import json_option, phospho, show_json, show_table


@phospho.command()
@json_option
def plugins(*, as_json: bool) -> None:
    """List the plugins of this environment, the built-in ones first."""
    reports = Plugins().reports()
    if as_json:
        show_json([{"name": r.name, "version": r.version, "hooks": list(r.hooks)} for r in reports])
        return
    rows = [{"name": r.name, "version": r.version, "hooks": ", ".join(r.hooks)} for r in reports]
    show_table(rows, empty="There is no plugin.")

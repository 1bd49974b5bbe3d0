"""`phospho plugins`."""

from __future__ import annotations

from dataclasses import asdict

from phospho.plugins import Plugins
from phospho_server.commands import json_option, phospho, show_json, show_table


@phospho.command()
@json_option
def plugins(*, as_json: bool) -> None:
    """List the plugins of this environment, the built-in ones first.

    A package that could not be loaded is listed with the reason.
    """
    reports = Plugins().reports()
    if as_json:
        show_json([asdict(report) for report in reports])
        return
    rows = [
        {
            "name": report.name,
            "version": report.version,
            "hooks": ", ".join(report.hooks),
            "failures": report.last_failure or "",
        }
        for report in reports
    ]
    show_table(rows, empty="There is no plugin.")

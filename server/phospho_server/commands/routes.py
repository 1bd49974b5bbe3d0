"""`phospho routes`."""

from __future__ import annotations

import tempfile
from pathlib import Path

from phospho_server.commands import json_option, opened, phospho, show_json, show_table


@phospho.command()
@json_option
def routes(*, as_json: bool) -> None:
    """List every URL with its methods and who may call it."""
    from phospho_server import create_app
    from phospho_server.security import access_of

    with tempfile.TemporaryDirectory() as folder, opened(str(Path(folder, "routes.db"))) as store:
        app = create_app(store, detectors={})
        rows = [
            {
                "rule": rule.rule,
                "methods": sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}),
                "access": access_of(app, rule.endpoint),
            }
            for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule)
        ]
    if as_json:
        show_json(rows)
        return
    show_table([{**row, "methods": " ".join(row["methods"])} for row in rows], empty="")

"""The address of the page that is shown, as it stands in a link to it."""

from __future__ import annotations

from urllib.parse import quote

from flask import request

# What an address has besides letters and digits, quoted or not; all else is quoted.
_KEPT = "/?:@!$&'()*+,;=%~"


def current_path() -> str:
    """Return path and query of the request; Flask's own `full_path` has lost the quoting."""
    path = quote(request.script_root + request.path)
    query = quote(request.query_string, safe=_KEPT)
    return f"{path}?{query}" if query else path

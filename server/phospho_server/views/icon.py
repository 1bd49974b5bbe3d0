"""The icon of the site, where browsers look for it when a page names none: JSON, for one."""

from __future__ import annotations

from flask import Blueprint, redirect, url_for
from flask.typing import ResponseReturnValue

from phospho_server.security import PUBLIC, access

bp = Blueprint("icon", __name__)


@bp.get("/favicon.ico")
@access(PUBLIC)
def show() -> ResponseReturnValue:
    """Lead to the icon that pages name."""
    return redirect(url_for("static", filename="favicon.svg"))

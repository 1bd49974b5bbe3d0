"""Signing in by a one-time link, and out."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from phospho_server.security import PUBLIC, access
from phospho_server.services import services
from phospho_server.store import sign_ins
from phospho_server.views.frame import safe_path

bp = Blueprint("sign_in", __name__)


@bp.get("/login")
@access(PUBLIC)
def show() -> ResponseReturnValue:
    """Use up a sign-in link; without one, say how to get it."""
    token = request.args.get("token", "")
    wanted = safe_path(request.args.get("next"))
    if request.method == "HEAD" or not token:
        if wanted:
            session["next"] = wanted
        return render_template("sign_in/show.html", is_refused=False)
    sign_in = services().store.write(lambda db: sign_ins.use_link(db, token))
    if sign_in is None:
        return render_template("sign_in/show.html", is_refused=True), 403
    wanted = wanted or safe_path(session.get("next"))
    session.clear()
    session["sign_in"] = sign_in
    session.permanent = True
    return redirect(wanted or url_for("projects.home"))


@bp.post("/logout")
@access(PUBLIC)
def end() -> ResponseReturnValue:
    """End the sign-in on the server, so that a copied cookie is worth nothing."""
    token = session.get("sign_in")
    session.clear()
    if isinstance(token, str):
        services().store.write(lambda db: sign_ins.sign_out(db, token))
    return redirect(url_for("sign_in.show"))

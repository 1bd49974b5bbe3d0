"""What surrounds every page: the project drop-down, the navigation, and messages across pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import Flask, g, request, session

from phospho_server.addresses import current_path, url_for
from phospho_server.errors import ServerError
from phospho_server.services import services
from phospho_server.signing_in import find_visitor
from phospho_server.store import Connection
from phospho_server.store.llm import find_pause
from phospho_server.store.memberships import Role, is_enough
from phospho_server.store.project_lists import list_recent
from phospho_server.store.projects import get_project
from phospho_server.store.rows import Project
from phospho_server.store.webhooks import Webhook, find_given_up

# Projects the drop-down has room for, and those a cookie remembers.
_OFFERED, _USED = 50, 8


@dataclass(frozen=True)
class Frame:
    """The part of a page that only those who are signed in see.

    Args:
        projects: What the drop-down offers: those used last first.
        has_more: Whether there are projects besides.
        project: The one this page belongs to, if any.
        llm_pause: Why its LLM is not asked, where a person has to look at it.
        email: Of the account that is signed in; None for a one-time link.
        owns_server: Whether they may do everything.
        role: What they may do in this project; None outside of projects.
        webhook_off: A webhook of it that was switched off because it kept failing.
    """

    projects: Sequence[Project]
    has_more: bool
    project: Project | None
    llm_pause: str | None = None
    email: str | None = None
    owns_server: bool = False
    role: Role | None = None
    webhook_off: Webhook | None = None

    @property
    def may_edit(self) -> bool:
        """Whether they may change events, reviews and notes."""
        return self.role is not None and is_enough(self.role, "editor")

    @property
    def is_owner(self) -> bool:
        """Whether they may change keys, members and settings."""
        return self.role == "owner"


def register(app: Flask) -> None:
    """Give every template its frame."""
    app.context_processor(_frame_context)


def open_project(db: Connection, project_id: str) -> Project:
    """Return the project a page belongs to, and remember it as the one last used.

    Raises:
        NotFoundError: There is no such project.
    """
    project = get_project(db, project_id)
    g.project = project
    used = used_projects()
    if used[:1] != [project.id]:
        session["projects"] = [project.id, *(each for each in used if each != project.id)][:_USED]
    return project


def used_projects() -> list[str]:
    """Return the ids of the projects this browser opened last, the newest first."""
    used = session.get("projects")
    return [each for each in used if isinstance(each, str)] if isinstance(used, list) else []


def base_url() -> str:
    """Return the address programs send to, as this browser reaches the server."""
    return request.url_root.rstrip("/")


def session_url(project_id: str, session_id: str, **query: Any) -> str:
    """Return the address of a transcript.

    An id that a browser would change inside a path (`..`, `a//b`, control characters) goes into
    the query instead.
    """
    if _is_plain(session_id):
        return url_for("sessions.show", project_id=project_id, session_id=session_id, **query)
    return url_for("sessions.show_by_id", project_id=project_id, id=session_id, **query)


def user_url(project_id: str, user_id: str, **query: Any) -> str:
    """Return the address of a user's page; the id goes where `session_url` puts one."""
    if _is_plain(user_id):
        return url_for("users.show", project_id=project_id, user_id=user_id, **query)
    return url_for("users.show_by_id", project_id=project_id, id=user_id, **query)


def _is_plain(text: str) -> bool:
    return text.isprintable() and not any(part in ("", ".", "..") for part in text.split("/"))


def safe_path(path: str | None) -> str | None:
    """Return a path of this server, or None: what a form asks for must not lead anywhere else."""
    if not path or not path.startswith("/") or path.startswith("//") or "\\" in path:
        return None
    return path if path.isprintable() else None


def _frame_context() -> dict[str, Any]:
    return {
        "frame": _find_frame(),
        "session_url": session_url,
        "user_url": user_url,
        "this_page": current_path,
        "said": session.pop("said", None),
    }


def _find_frame() -> Frame | None:
    """Return the frame for people who are signed in. A page about an error must never fail."""
    if "is_broken" in g:
        return None
    try:
        visitor = find_visitor()
        if visitor is None:
            return None
        sign_in = visitor.sign_in
        with services().store.read() as db:
            project = g.get("project")
            pause = find_pause(db, project.id) if project else None
            projects, has_more = list_recent(db, sign_in.account, used_projects(), most=_OFFERED)
            return Frame(
                projects,
                has_more,
                project,
                pause,
                email=sign_in.account.email if sign_in.account else None,
                owns_server=sign_in.owns_server,
                role=g.get("role"),
                webhook_off=find_given_up(db, project.id) if project else None,
            )
    except ServerError:
        return None

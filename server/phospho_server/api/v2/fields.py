"""What bodies of existing clients have in common: null is as good as absent, and so is no body."""

from __future__ import annotations

from typing import Any

from flask import g, request

from phospho.models import Flag
from phospho.snapshot import MAX_ID_CHARS, clean_text
from phospho_server.api.body import read_clean_object
from phospho_server.errors import InvalidError
from phospho_server.incoming import is_deep, read_flag
from phospho_server.limits import MAX_DEPTH, MAX_NOTES_LENGTH
from phospho_server.security import require_project

# As many as one answer has; a client that names none gets the usual number.
USUAL_LIMIT = 1_000
MOST = 10_000


def read_body() -> dict[str, Any]:
    """Return the request's JSON object; without a body, an empty one.

    The header says JSON also where the old client sends nothing.

    Raises:
        BadRequestError: The body is no JSON object.
        TooLargeError: It is larger than 32 MiB, also after decompression.
    """
    if not request.content_length and request.headers.get("Transfer-Encoding") is None:
        return {}
    return read_clean_object()


def project_of(body: dict[str, Any]) -> str:
    """Return the project that a body names, or that of the key.

    Raises:
        NotFoundError: There is no such project.
        ForbiddenError: The key belongs to another project.
    """
    project_id = clean_text(str(body.get("project_id") or g.key.project_id))
    require_project(project_id)
    return project_id


def read_path_id(text: str) -> str:
    """Return the id of an interaction or a session in an address.

    Raises:
        InvalidError: It is longer than ids are.
    """
    if len(text) > MAX_ID_CHARS:
        raise InvalidError(f"The id has more than {MAX_ID_CHARS} characters. Send a shorter one.")
    return clean_text(text)


def read_object_field(body: dict[str, Any], name: str) -> dict[str, Any] | None:
    """Return a JSON object, or None where there is none.

    Raises:
        InvalidError: It is something else, or nested too deeply.
    """
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, dict):
        raise InvalidError(f"{name} must be a JSON object, as in {{...}}, or null.")
    if is_deep(value):
        raise InvalidError(f"{name} is nested more than {MAX_DEPTH} levels deep. Flatten it.")
    return value


def read_text_field(body: dict[str, Any], name: str) -> str | None:
    """Return a text, cut where it is longer than notes may be, or None where there is none.

    Raises:
        InvalidError: It is no text.
    """
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise InvalidError(f"{name} must be text or null.")
    return clean_text(value, MAX_NOTES_LENGTH)


def read_flag_field(body: dict[str, Any], *names: str) -> Flag | None:
    """Return the feedback under the first of the names that there is.

    Raises:
        InvalidError: It is no feedback.
    """
    given = next((body[name] for name in names if body.get(name) is not None), None)
    flag = read_flag(given)
    if given is not None and flag is None:
        raise InvalidError('The feedback must be "success" or "failure", or null.')
    return flag


def read_limit(body: dict[str, Any]) -> int:
    """Return how many things are asked for, at most 10,000.

    Raises:
        InvalidError: It is no number of things.
    """
    value = body.get("limit")
    if value is None:
        return USUAL_LIMIT
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InvalidError(f"limit must be a whole number from 0 to {MOST:,}, or null.")
    return min(value, MOST)

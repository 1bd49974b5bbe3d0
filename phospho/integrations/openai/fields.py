"""Reads whom a request to OpenAI is for: its headers, its fields, the session of an earlier answer.

Source: openai 3.57, _models.py (FinalRequestOptions), types/responses/response_create_params.py.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from phospho.context import find_context
from phospho.extractors.fields import first_text, get_text

# Fields of one call, told in `extra_headers` and never sent to OpenAI.
_HEADER = "phospho-"
_HEADER_FIELDS = ("session-id", "user-id", "version-id", "task-id")
_HEADER_METADATA = "phospho-metadata-"

# A response goes on where an earlier one ended; so many are remembered with their session.
_MAX_REMEMBERED = 10_000


def take_headers(options: Any) -> dict[str, Any]:
    """Return the fields of a call that stand in `extra_headers`, and take them out of there."""
    headers = getattr(options, "headers", None)
    if not isinstance(headers, Mapping):
        return {}
    ours = {name: value for name, value in headers.items() if name.lower().startswith(_HEADER)}
    if not ours:
        return {}
    options.headers = {name: value for name, value in headers.items() if name not in ours}
    told: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    for header, value in ours.items():
        name = header.lower().removeprefix(_HEADER)
        if name in _HEADER_FIELDS:
            told[name.replace("-", "_")] = value
        elif header.lower().startswith(_HEADER_METADATA):
            metadata[header[len(_HEADER_METADATA) :]] = value
    return {**told, "metadata": metadata} if metadata else told


def fields_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return whom a request is for: what it tells by our names, then by those of OpenAI."""
    told = body.get("metadata")
    conversation = body.get("conversation")
    context = find_context()
    fields: dict[str, Any] = {
        "session_id": first_text(told, "session_id", "thread_id", "conversation_id"),
        "user_id": get_text(told, "user_id"),
        "version_id": get_text(told, "version_id"),
    }
    if context is None:
        fields["session_id"] = (
            fields["session_id"]
            or (conversation if isinstance(conversation, str) else get_text(conversation, "id"))
            or sessions.find(body.get("previous_response_id"))
        )
    if context is None or context.user_id is None:
        fields["user_id"] = fields["user_id"] or first_text(body, "safety_identifier", "user")
    return {name: value for name, value in fields.items() if value}


class _Sessions:
    """Which session each of the newest responses belongs to."""

    def __init__(self) -> None:
        self._sessions: OrderedDict[str, str] = OrderedDict()

    def remember(self, response_id: Any, session_id: str) -> None:
        """Take note of an answer."""
        if isinstance(response_id, str):
            self._sessions[response_id] = session_id
            if len(self._sessions) > _MAX_REMEMBERED:
                self._sessions.popitem(last=False)

    def find(self, response_id: Any) -> str | None:
        """Return the session of an answer, if it is one of the newest."""
        return self._sessions.get(response_id) if isinstance(response_id, str) else None


sessions = _Sessions()

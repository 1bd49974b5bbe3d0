"""Read conversations as apps and exports write them: a list of turns, each a speaker and a text.

Known forms: `{"sender": "user", "text": "Hi"}` with the usual other names for both; the export of
ChatGPT, where `author` is a dict with a `role`; either as the `messages` of a dict.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phospho.extractors import messages
from phospho.extractors.fields import first_text, get, get_list, get_text, is_mapping, last_items
from phospho.hookspecs import hookimpl

if TYPE_CHECKING:
    from phospho.extraction import Extracted

_SPEAKERS = ("role", "sender", "author", "from", "speaker")
_TEXTS = ("content", "text", "message", "value", "body")


@hookimpl
def phospho_extract_input(value: Any) -> Extracted | None:
    """Return the last turn of the user."""
    turns = _turns_of(value)
    return None if turns is None else messages.phospho_extract_input(turns)


@hookimpl
def phospho_extract_output(value: Any) -> Extracted | None:
    """Return the last turn of the assistant."""
    turns = _turns_of(value)
    return None if turns is None else messages.phospho_extract_output(turns)


def _turns_of(value: Any) -> list[dict[str, Any]] | None:
    """Return turns as role/content messages, or None where a list holds anything else."""
    items = last_items(value) if isinstance(value, (list, tuple)) else get_list(value, "messages")
    turns = [turn for item in items if (turn := _read_turn(item)) is not None]
    return turns if turns and len(turns) == len(items) else None


def _read_turn(value: Any) -> dict[str, Any] | None:
    if not is_mapping(value):
        return None
    role = first_text(value, *_SPEAKERS) or _role_inside(value)
    if role is None or role.lower() not in messages.ROLES:
        return None
    content = next((found for name in _TEXTS if (found := get(value, name)) is not None), None)
    return None if content is None else {"role": role, "content": content}


def _role_inside(value: Any) -> str | None:
    return next((role for name in _SPEAKERS if (role := get_text(get(value, name), "role"))), None)

"""Reads attributes that have the expected type, by the first name that is there."""

from __future__ import annotations

from collections.abc import Mapping

from phospho_server.otlp.wire import Attributes

_MOST_TOKENS = 10**12

# What Logfire puts in the place of what it takes for a secret, such as the id of a session.
_SCRUBBED = "[Scrubbed due to "


def text(attributes: Attributes, *names: str) -> str | None:
    """Return the first text under one of these names; a whole number is an id, and text too."""
    for name in names:
        value = attributes.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if isinstance(value, str) and value and not value.startswith(_SCRUBBED):
            return value
    return None


def first(attributes: Attributes, *names: str) -> object:
    """Return the first value under one of these names that is not empty."""
    for name in names:
        value = attributes.get(name)
        if value not in (None, "", [], {}):
            return value
    return None


def count(attributes: Attributes, *names: str) -> int | None:
    """Return the first whole number under one of these names."""
    for name in names:
        value = attributes.get(name)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_TOKENS:
            return value
    return None


def usage(prompt: int | None, completion: int | None, total: int | None) -> dict[str, int]:
    """Return token counts under the names that phospho has for them."""
    counts = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}
    return {name: each for name, each in counts.items() if each is not None}


def below(attributes: Attributes, prefix: str) -> dict[str, object]:
    """Return the attributes whose names begin with a prefix, without it."""
    return {
        name[len(prefix) :]: value
        for name, value in attributes.items()
        if name.startswith(prefix) and name != prefix
    }


def known(facts: Mapping[str, object]) -> dict[str, object]:
    """Return facts without those that are not known."""
    return {name: value for name, value in facts.items() if value not in (None, "", [], {})}

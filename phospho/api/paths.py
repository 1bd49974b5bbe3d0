"""Paths of the API below a project."""

from __future__ import annotations

import re

from phospho.errors import NotFoundError

# As the server makes them. Another one would lead elsewhere, as `..` and `preview` do.
_DEFINITION_ID = re.compile(r"(?!preview$)\w+", re.ASCII)


def of_definition(definition_id: str) -> str:
    """Return the path of an event definition.

    Raises:
        NotFoundError: No definition has such an id.
    """
    if _DEFINITION_ID.fullmatch(definition_id) is None:
        raise NotFoundError(
            f"No event definition has the id {definition_id[:40]!r}. List them to see which there "
            "are."
        )
    return f"/definitions/{definition_id}"

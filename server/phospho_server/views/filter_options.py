"""Filters that a command is given, read as the address of a list is."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

from flask import Flask

from phospho_server.errors import InvalidError
from phospho_server.store import Connection
from phospho_server.views.filter_reading import list_choices, read_filter
from phospho_server.views.filters import KINDS, NAMES, Asked
from phospho_server.views.query import Choices

# A file has an order of its own.
_FILTERS = NAMES - {"sort"}


def read_filter_options(
    db: Connection, project_id: str, page: str, pairs: Sequence[tuple[str, str]]
) -> Asked:
    """Return what pairs of a name and a value ask for, as if they stood in an address.

    Raises:
        InvalidError: One cannot be meant. Left out, it would make the list longer.
    """
    for name, _ in pairs:
        if name not in _FILTERS:
            raise InvalidError(f"“{name}” is no filter. Choose of: {', '.join(sorted(_FILTERS))}.")
    choices = Choices()
    with Flask(__name__).test_request_context(query_string=urlencode(pairs)):
        asked = read_filter(choices, KINDS[page], list_choices(db, project_id))
    if choices.problems:
        raise InvalidError(choices.problems[0])
    return asked

"""Values that are nearly right: a recorded one with a few of its fields broken."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import strategies as st

_DROP = object()
_NEST = (lambda inner: [inner], lambda inner: {"value": inner}, lambda inner: [[inner, inner]])
_JUNK: tuple[Any, ...] = (
    None, True, 7, -1.5, "", "text", b"\xff", [], {}, [None], ["text"], [[]], {"type": "text"},
    {"type": [], "text": {}}, float("nan"), 10**30,
)  # fmt: skip


def mutated(value: Any) -> st.SearchStrategy[Any]:
    """Return copies of a JSON value, each with up to four fields dropped, replaced or nested."""
    change = st.tuples(
        st.sampled_from(_paths(value) or [()]),
        st.sampled_from((_DROP, *_NEST, *_JUNK)),
    )
    return st.lists(change, max_size=4).map(lambda changes: _change(value, changes))


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    if isinstance(value, dict):
        for key, item in value.items():
            found += _paths(item, (*path, key))
    if isinstance(value, list):
        for place, item in enumerate(value):
            found += _paths(item, (*path, place))
    return found


def _change(value: Any, changes: list[tuple[tuple[Any, ...], Any]]) -> Any:
    changed = copy.deepcopy(value)
    for path, how in changes:
        place: Any = changed
        try:
            for key in path[:-1]:
                place = place[key]
            if how is _DROP:
                del place[path[-1]]
            else:
                place[path[-1]] = how(place[path[-1]]) if callable(how) else copy.deepcopy(how)
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took the place away
    return changed

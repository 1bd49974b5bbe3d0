"""What strangers send: any JSON, and what looks like steps until one looks closer."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)

_WORDS = st.sampled_from(["llm", "tool", "search", "", "<b>", "\u202e\0", "x" * 3000])
_FACTS = ("kind", "started_at_ms", "duration_ms", "model", "usage", "error", "input", "output")

steps = st.fixed_dictionaries(
    {"name": _WORDS},
    optional=dict.fromkeys((*_FACTS, "other", "anything"), _WORDS | json_values),
)
"""Like the steps our SDK sends, each fact of any type."""

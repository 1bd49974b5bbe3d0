"""The fields of an interaction that a file can tell, and the columns that our own exports have."""

from __future__ import annotations

# What `--map` takes, and the columns of an export in their order.
FIELDS = (
    *("task_id", "session_id", "user_id", "version_id", "created_at"),
    *("input", "output", "flag", "notes", "metadata", "steps", "raw_input", "raw_output"),
)

# Those that are JSON: in a table, as text.
JSON_FIELDS = ("metadata", "steps", "raw_input", "raw_output")

# In our CSV, which of a row's cells have an apostrophe before what they say, with spaces between.
GUARDED = "phospho_guarded"

# What the lists of the pages export besides; it is found again, not taken over.
DERIVED = ("language", "sentiment", "tokens", "events")

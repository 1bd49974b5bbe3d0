"""Which databases a test runs on; without a mark it runs on SQLite."""

from __future__ import annotations

import pytest

on_each_database = pytest.mark.databases("sqlite", "postgresql")

# Of a module that runs on each, what only SQLite has.
on_sqlite = pytest.mark.databases("sqlite")

"""pyarrow, which reads and writes Parquet, where it is installed."""

from __future__ import annotations

from typing import Any

from phospho.errors import MissingDependencyError


def load_pyarrow() -> Any:
    """Return pyarrow with its part for Parquet.

    Raises:
        MissingDependencyError: It is not installed.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet
    except ImportError as exc:
        raise MissingDependencyError("pyarrow", extra="parquet") from exc
    # The pool that pyarrow prefers keeps tens of MB of what it was given back.
    pa.set_memory_pool(pa.system_memory_pool())
    return pa

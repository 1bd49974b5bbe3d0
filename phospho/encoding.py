"""JSON as it is sent, and as it is kept on disk until then."""

from __future__ import annotations

import json

# ASCII only and no NaN: any JSON parser reads it, and no line of it is broken. Snapshots hold no
# cycles. One encoder for all: `json.dumps` with options makes a new one for each call.
encode = json.JSONEncoder(
    ensure_ascii=True, allow_nan=False, check_circular=False, separators=(",", ":")
).encode

# What `encode` raises for a value that no snapshot holds.
NOT_JSON = (ValueError, TypeError, RecursionError)

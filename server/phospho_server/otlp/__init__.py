"""Conversations from OpenTelemetry: spans in, interactions out.

`protobuf.py` and `wire.py` read requests, whichever way they are encoded. `dialects/` know the
attribute names of each convention, `turns.py` makes interactions of the spans of a trace. None of
them touches a database: `store/spans.py` keeps spans, `assembling.py` lets traces become
interactions.
"""

"""One module for each convention: from a span to what it says of a conversation.

A dialect is a function that reads the attribute names of one convention and leaves everything else
alone. Where a span follows several, those that stand first in `DIALECTS` are believed.
"""

from __future__ import annotations

from collections.abc import Callable

from phospho_server.otlp.dialects import (
    genai,
    genai_older,
    general,
    langfuse,
    langsmith,
    openinference,
    own,
    pydantic_ai,
    traceloop,
    vercel,
)
from phospho_server.otlp.said import Said, Told
from phospho_server.otlp.wire import Span

DIALECTS: tuple[Callable[[Span], Said], ...] = (
    own.read,
    pydantic_ai.read,
    genai.read,
    openinference.read,
    vercel.read,
    langfuse.read,
    langsmith.read,
    traceloop.read,
    genai_older.read,
    general.read,
)


def read(span: Span) -> Told:
    """Return a span with what all conventions together tell of it."""
    said = Said()
    for dialect in DIALECTS:
        said = said.filled(dialect(span))
    if said.kind is not None:
        known = {"name": said.name or span.name or said.kind}
        said = said.filled(Said(name=known["name"], error=general.error_of(span)))
    return Told(span, said)

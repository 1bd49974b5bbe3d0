"""phospho's own attributes, `phospho.task_id` and so on, which existing clients set as well."""

from __future__ import annotations

from phospho_server.otlp.dialects.reading import below, first, text
from phospho_server.otlp.said import AGENT, Said
from phospho_server.otlp.wire import Span


def read(span: Span) -> Said:
    """Read `phospho.input`, `.output`, ids, `.metadata.*`, and whether the ids are for others."""
    attributes = span.attributes
    asked = first(attributes, "phospho.input")
    return Said(
        kind=AGENT if asked is not None else None,
        input=asked,
        output=first(attributes, "phospho.output"),
        task_id=text(attributes, "phospho.task_id"),
        session=text(attributes, "phospho.session_id"),
        user=text(attributes, "phospho.user_id", "phospho.metadata.user_id"),
        version=text(attributes, "phospho.version_id", "phospho.metadata.version_id"),
        propagates=attributes.get("phospho.propagate") in (True, "true", "True"),
        metadata=below(attributes, "phospho.metadata."),
    )

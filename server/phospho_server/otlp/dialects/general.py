"""What OpenTelemetry says of any span: users, sessions, versions, errors."""

from __future__ import annotations

from phospho_server.otlp.dialects.reading import known, text
from phospho_server.otlp.said import Said
from phospho_server.otlp.wire import Attributes, Span


def read(span: Span) -> Said:
    """Read general attributes of the span and of its process."""
    attributes, resource = span.attributes, span.resource
    return Said(
        session=text(attributes, "session.id"),
        user=text(attributes, "user.id", "enduser.id", "enduser.pseudo.id"),
        version=text(resource, "service.version"),
        metadata=known(
            {
                "service": _service_of(resource),
                "environment": text(
                    resource, "deployment.environment.name", "deployment.environment"
                ),
            }
        ),
    )


def error_of(span: Span) -> dict[str, str] | None:
    """Return the error a span ended with, by type and message."""
    thrown = next((event for event in reversed(span.events) if event.name == "exception"), None)
    if span.error is None:
        return None
    told = thrown.attributes if thrown is not None else {}
    kind = text(span.attributes, "error.type") or text(told, "exception.type") or "Error"
    message = span.error or text(told, "exception.message") or ""
    return {"type": kind, "message": message}


def _service_of(resource: Attributes) -> str | None:
    """Return the name of the app; an SDK makes one up where nobody gave it."""
    name = text(resource, "service.name")
    return None if name is None or name.startswith("unknown_service") else name

"""Small parts that every line of a list has; as macros of a template they take longer."""

from __future__ import annotations

from flask import Flask
from markupsafe import Markup, escape

from phospho.visible import visible
from phospho_server.store.rows import Event, EventCount
from phospho_server.views.formats import day_and_month, hue, to_datetime

# Of a description in a tooltip: so many characters, and some more rather than the sign for more.
_MOST_CHARS, _SOME_MORE = 200, 5


def said(text: str) -> Markup:
    """Return a text of strangers inside a line."""
    return Markup(f"<bdi>{escape(visible(text))}</bdi>")  # noqa: S704 - escaped


def time(at_ms: int) -> Markup:
    """Return a time: UTC as text; app.js turns it into the reader's zone."""
    at = to_datetime(at_ms)
    hour = f"{at.hour:02}:{at.minute:02}"
    utc = f"{day_and_month(at)} {at.year}, {hour} UTC"
    iso = f"{at.year}-{at.month:02}-{at.day:02}T{hour}:{at.second:02}Z"
    return Markup(f'<time datetime="{iso}" title="{utc}">{utc}</time>')  # noqa: S704 - numbers


def badge(event: Event | EventCount, count: int = 1) -> Markup:
    """Return an event as a badge in its colour, with how often it occurred where it is more."""
    description = visible(event.description)
    if len(description) > _MOST_CHARS + _SOME_MORE:
        description = description[: _MOST_CHARS - 3].rsplit(" ", 1)[0] + "..."
    times = f'<span class="times"> \u00d7{count:,}</span>' if count > 1 else ""
    return Markup(  # noqa: S704 - escaped
        f'<span class="badge {hue(event.color)}" title="{escape(description)}">'
        f"<bdi>{escape(visible(event.name))}</bdi>{times}</span>"
    )


def register(app: Flask) -> None:
    """Make the parts available to templates, as filters of the same names."""
    for function in (said, time, badge):
        app.add_template_filter(function)

"""How values read on a page: numbers, times, and text that strangers wrote."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from flask import Flask

from phospho.detectors.language_names import language_name
from phospho.detectors.sentiment import feeling_of
from phospho.visible import visible
from phospho_server.alerts.wording import say_alert
from phospho_server.clock import DAY_MS, HOUR_MS, MINUTE_MS

SECOND_MS = 1_000

# The stylesheet has this many colours for events: `hue-0`, `hue-1`, ...
HUES = 12

# A message up to this length is shown whole; of a longer one, this much before "show the rest".
LONG_TEXT = 2_400
_SHORT_TEXT = 1_600

# More would make a browser slow; the whole text is in the database.
_MOST_TEXT = 20_000

# An error is a line below a message; all of it stands among the details.
_LONGEST_ERROR = 1_000

# What is longer reads better on several lines.
_SHORT_JSON = 60

# As `strftime` has them, which takes three times as long.
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

# 9999-12-31: beyond it a number is no time.
_LATEST_MS = 253_402_300_799_999


def number(value: int) -> str:
    """Return an integer with a comma between thousands."""
    return f"{value:,}"


def counted(value: int, noun: str) -> str:
    """Return a number with its noun, in the plural where it belongs."""
    return f"{value:,} {noun}" if value == 1 else f"{value:,} {noun}s"


def percent(share: float) -> str:
    """Return a share from 0 to 1 as a whole percentage."""
    return f"{round(share * 100)}\u202f%"


def answer(value: float | str) -> str:
    """Return a score with up to two decimals, or a category as it is."""
    return value if isinstance(value, str) else f"{value:,.2f}".rstrip("0").rstrip(".")


def to_datetime(at_ms: int) -> datetime:
    """Return a time as an aware datetime, within what a calendar can show."""
    return datetime.fromtimestamp(min(max(at_ms, 0), _LATEST_MS) / 1000, timezone.utc)


def iso(at_ms: int) -> str:
    """Return a time as ISO 8601 with a Z, to the second."""
    return to_datetime(at_ms).strftime("%Y-%m-%dT%H:%M:%SZ")


def day_and_month(at: datetime) -> str:
    """Return the day of a time: `23 Nov`."""
    return f"{at.day} {_MONTHS[at.month - 1]}"


def day(at_ms: int) -> str:
    """Return a UTC day as people read it: `23 Nov 2026`."""
    at = to_datetime(at_ms)
    return f"{day_and_month(at)} {at.year}"


def duration(length_ms: int) -> str:
    """Return a length of time in its two largest units; a dash where there is none."""
    if length_ms <= 0:
        return "\u2013"
    if length_ms < MINUTE_MS:
        return f"{max(1, length_ms // SECOND_MS)} s"
    units = [("d", DAY_MS), ("h", HOUR_MS), ("min", MINUTE_MS)]
    parts: list[str] = []
    for name, size in units:
        count, length_ms = divmod(length_ms, size)
        if count or parts:
            parts.append(f"{count} {name}" if count else "")
    return " ".join(part for part in parts[:2] if part)


def elapsed(length_ms: float) -> str:
    """Return how long a call took, finely where it was short: `340 ms`, `1.2 s`, `5 min`."""
    if round(length_ms) < SECOND_MS:
        return f"{round(length_ms)} ms"
    if round(length_ms / SECOND_MS, 1) < MINUTE_MS / SECOND_MS:
        return f"{length_ms / SECOND_MS:.1f} s"
    return duration(max(MINUTE_MS, int(length_ms)))


def error_words(error: object) -> str:
    """Return an error, `{"type", "message"}` or a text, in words; nothing for other values."""
    if isinstance(error, Mapping):
        parts = [error.get("type"), error.get("message")]
        words = ": ".join(part for part in parts if isinstance(part, str) and part)
    else:
        words = error if isinstance(error, str) else ""
    return words if len(words) <= _LONGEST_ERROR else words[:_LONGEST_ERROR] + " \u2026"


def hue(color: int) -> str:
    """Return the class that gives an event its colour, the same on every page."""
    return f"hue-{color % HUES}"


def pretty_json(value: Any) -> str:
    """Return a JSON value on one line if it is short, else indented. A text stays as it is."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if text is not value and len(text) > _SHORT_JSON:
        text = json.dumps(value, ensure_ascii=False, indent=2)
    return text if len(text) <= _MOST_TEXT else text[:_MOST_TEXT] + " \u2026"


@dataclass(frozen=True)
class Piece:
    """A part of a message: as it is, or marked because it is the evidence of an event."""

    text: str
    hue: str | None = None


@dataclass(frozen=True)
class Message:
    """A message ready to be shown.

    Args:
        start: What is shown at once.
        rest: What is behind "Show the rest"; empty for most messages.
        rest_length: Its number of characters.
        omitted: Characters that are not on the page at all.
    """

    start: Sequence[Piece]
    rest: Sequence[Piece] = ()
    rest_length: int = 0
    omitted: int = 0

    @property
    def has_marked_rest(self) -> bool:
        """Tell whether there is evidence in the part not shown at once."""
        return any(piece.hue for piece in self.rest)


def lay_out(text: str, quotes: Sequence[tuple[str, str]]) -> Message:
    """Cut a message into pieces, its evidence marked.

    Args:
        text: The message as it was logged.
        quotes: `(words, hue)`: words that occur in the message, and the colour of their event.
    """
    shown = text[:_MOST_TEXT]
    pieces = _mark(shown, quotes)
    if len(shown) <= LONG_TEXT:
        return Message(pieces)
    start, rest = _split(pieces, _cut_at(shown))
    rest_length = sum(len(piece.text) for piece in rest)
    return Message(start, rest, rest_length, len(text) - len(shown))


def marked(text: str, quote: str) -> list[Piece]:
    """Return a text in pieces, the words of a quote marked where they first occur."""
    return _mark(text, [(quote, "quote")])


def _cut_at(text: str) -> int:
    """Return where to cut: between two words if there is such a place nearby."""
    space = text.rfind(" ", _SHORT_TEXT - 100, _SHORT_TEXT)
    return space + 1 if space > 0 else _SHORT_TEXT


def _mark(text: str, quotes: Sequence[tuple[str, str]]) -> list[Piece]:
    """Mark each quote where it first occurs; where two overlap, the first one wins."""
    spans: list[tuple[int, int, str]] = []
    for words, colour in quotes:
        at = text.find(words) if words else -1
        end = at + len(words)
        if at >= 0 and not any(at < other_end and end > other for other, other_end, _ in spans):
            spans.append((at, end, colour))
    pieces, done = [], 0
    for at, end, colour in sorted(spans):
        pieces += [Piece(text[done:at]), Piece(text[at:end], colour)]
        done = end
    return [piece for piece in [*pieces, Piece(text[done:])] if piece.text]


def _split(pieces: Sequence[Piece], at: int) -> tuple[list[Piece], list[Piece]]:
    start: list[Piece] = []
    rest: list[Piece] = []
    for piece in pieces:
        start.append(Piece(piece.text[:at], piece.hue))
        rest.append(Piece(piece.text[at:], piece.hue))
        at = max(0, at - len(piece.text))
    return [p for p in start if p.text], [p for p in rest if p.text]


_FILTERS: tuple[Callable[..., object], ...] = (
    visible,
    marked,
    number,
    counted,
    percent,
    answer,
    day,
    duration,
    elapsed,
    error_words,
    hue,
    pretty_json,
    language_name,
    feeling_of,
    say_alert,
)


def register(app: Flask) -> None:
    """Make the formats available to templates, as filters of the same names."""
    for function in _FILTERS:
        app.add_template_filter(function)
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True

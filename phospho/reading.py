"""Read one side of an interaction: its text, its facts, and a copy of what it was read from."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from phospho import guard, snapshot

if TYPE_CHECKING:
    from phospho.extraction import Extracted
    from phospho.models import Side
    from phospho.plugins import Plugins


class Reading(NamedTuple):
    """One side of an interaction, read at the time of the call; holds nothing of the host's.

    Args:
        text: What the user said or saw; None where there is no answer.
        raw: A JSON-safe copy of what the text was read from; None where that is the text.
        type_name: The type of what was logged.
        size: About how many bytes all of it takes.
        facts: What an extractor found besides the text.
        cut: Names of the parts that were cut to the limits, `text` and `raw`.
    """

    text: str | None
    raw: Any = None
    type_name: str = "str"
    size: int = 0
    facts: Extracted | None = None
    cut: tuple[str, ...] = ()


NO_ANSWER = Reading(None, type_name="NoneType")


def read(
    value: Any,
    side: Side,
    plugins: Plugins,
    *,
    raw: Any = None,
    to_text: Callable[[Any], Any] | None = None,
) -> Reading:
    """Return the text and facts of any value; reports what it cannot read, and never raises.

    Args:
        value: What was passed as `input` or `output`.
        side: Which of the two.
        plugins: Whose extractors are asked.
        raw: What the app says the text was made from; its facts are read, not its text.
        to_text: The app's own extractor; goes before all others.
    """
    source = value if raw is None else raw
    with guard.nesting() as is_too_deep:
        if is_too_deep:
            return Reading("" if side == "input" else None, None, snapshot.type_name(source))
        return _read(value, source, side, plugins, to_text)


def _read(
    value: Any,
    source: Any,
    side: Side,
    plugins: Plugins,
    to_text: Callable[[Any], Any] | None,
) -> Reading:
    text, facts = _read_text(value, side, plugins, to_text)
    if source is not value and facts is None:
        facts = _facts_of(source, side, plugins)
    cut = []
    if text is not None:
        text = snapshot.without_long_files(text)
        if len(text) > snapshot.MAX_TEXT_CHARS:
            cut.append("text")
        text = snapshot.clean_text(text)
    copied = _copy_raw(source)
    if copied.is_cut:
        cut.append("raw")
    size = snapshot.count_bytes(text or "") + copied.size
    kept = None if copied.value == text else copied.value
    return Reading(text, kept, snapshot.type_name(source), size, facts, tuple(cut))


def _read_text(
    value: Any, side: Side, plugins: Plugins, to_text: Callable[[Any], Any] | None
) -> tuple[str | None, Extracted | None]:
    nothing = "" if side == "input" else None
    if to_text is not None:
        text = ask_app(to_text, value, side)
        if text is not None:
            return text, None if isinstance(value, str) else _facts_of(value, side, plugins)
    if issubclass(type(value), str):
        return str.__str__(value), None
    if value is None:
        return nothing, None
    if snapshot.is_unfinished(value):
        guard.report_once(
            f"unfinished:{side}",
            "phospho.log got %s as %s, which is still to come, and leaves it to your app. If it is "
            "the answer, write phospho.log(..., stream=True).",
            snapshot.describe(value),
            side,
        )
        return nothing, None
    facts = _extract(value, side, plugins)
    if facts is None:
        return snapshot.describe(value), None
    return facts.text, facts


def ask_app(to_text: Callable[[Any], Any], value: Any, side: Side) -> str | None:
    """Return what the app's own function reads, or None where it fails."""
    with guard.guarded(f"use {side}_to_str_function"):
        text = to_text(value)
        if issubclass(type(text), str):
            return str.__str__(text)
        raise TypeError(f"it returned {type(text).__name__}, not str; the extractors are asked")
    return None


def _extract(value: Any, side: Side, plugins: Plugins) -> Extracted | None:
    from phospho.extraction import extract

    with guard.guarded(f"read the {side}"):
        return extract(value, side, plugins)
    return None


def _facts_of(value: Any, side: Side, plugins: Plugins) -> Extracted | None:
    """Return the facts in what lies behind a text; the fallback has none to tell."""
    if issubclass(type(value), str) or snapshot.is_unfinished(value):
        return None
    facts = _extract(value, side, plugins)
    return None if facts is None or "extractor" in facts.extra else facts


def _copy_raw(source: Any) -> snapshot.Snapshot:
    if snapshot.is_unfinished(source):
        return snapshot.Snapshot(None, 0, is_cut=False)
    return snapshot.take(source, snapshot.MAX_RAW_CHARS)

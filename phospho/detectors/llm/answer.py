"""What the judge answered: read from strict JSON, from JSON in prose, or from what is left of it.

Keys nobody asked for are dropped, and those that are missing or cannot be used are asked for once
more. Nothing here raises: whatever a server sends is read as far as it goes.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from phospho.models import EventDefinition

# Whatever is longer is no answer to twenty questions.
MAX_CHARS = 200_000

_THOUGHT = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|$)", re.DOTALL | re.IGNORECASE)
_YES = frozenset({"true", "yes", "y", "1", "occurred"})
_NO = frozenset({"false", "no", "n", "0", "none", "null", "not occurred"})
_decoder = json.JSONDecoder()

# What a judge that gives no number is taken to mean.
_UNSAID_CONFIDENCE = 75.0


@dataclass(frozen=True)
class Answer:
    """What was said of one event.

    Args:
        occurred: Whether it occurred.
        evidence: The words it quotes, unchecked.
        confidence: How sure of `occurred`, 0 to 100.
        value: The category or the number, where one was asked for.
        is_trusted: False where the judge showed that it follows the text.
    """

    occurred: bool
    evidence: str
    confidence: float
    value: float | str | None = None
    is_trusted: bool = True

    def to_json(self) -> str:
        """Return it as it is remembered."""
        return json.dumps(vars(self), ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Answer:
        """Return what `to_json` gave."""
        return cls(**json.loads(text))


def read_answers(text: str, events: Mapping[str, EventDefinition]) -> dict[str, Answer]:
    """Return the answers by key that can be read and used."""
    given = _find_objects(_THOUGHT.sub("", text[:MAX_CHARS]), events)
    return {
        key: answer
        for key, event in events.items()
        if (answer := _read_answer(given.get(key), event)) is not None
    }


def says_yes(text: str, key: str) -> bool:
    """Tell whether an answer affirms a key, in whatever form."""
    given = _find_objects(_THOUGHT.sub("", text[:MAX_CHARS]), {key: None}).get(key)
    return (_read_bool(given.get("occurred")) if isinstance(given, Mapping) else None) is True


def _find_objects(text: str, keys: Mapping[str, object]) -> dict[str, Any]:
    """Return what stands at each key: of the whole JSON, else of what is left of it."""
    for value in _objects_in(text):
        found = _by_key(value, keys)
        if found:
            return found
    return {key: value for key in keys if (value := _find_alone(text, key)) is not None}


def _objects_in(text: str) -> Iterator[Any]:
    """Yield JSON objects that stand in a text, the first few."""
    at = text.find("{")
    for _ in range(5):
        if at < 0:
            return
        try:
            value, end = _decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            end = at + 1
        else:
            yield value
        at = text.find("{", end)


def _by_key(value: Any, keys: Mapping[str, object]) -> dict[str, Any]:
    """Return the answers in an object: below "events", at its top, or in a list with keys."""
    if not isinstance(value, Mapping):
        return {}
    inner = value.get("events", value)
    if isinstance(inner, list):
        inner = {
            each.get("key"): each
            for each in inner
            if isinstance(each, Mapping) and isinstance(each.get("key"), str)
        }
    if not isinstance(inner, Mapping):
        return {}
    return {key: inner[key] for key in keys if key in inner}


def _find_alone(text: str, key: str) -> Any:
    """Return the object that follows a key in JSON that is cut off or broken."""
    match = re.search(rf'"{re.escape(key)}"\s*:\s*(?=\{{)', text)
    if match is None:
        return None
    try:
        return _decoder.raw_decode(text, match.end())[0]
    except (ValueError, RecursionError):
        return None


def _read_answer(given: Any, event: EventDefinition) -> Answer | None:
    if not isinstance(given, Mapping):
        return None
    occurred = _read_bool(given.get("occurred"))
    if occurred is None:
        return None
    value = _read_value(given.get("value"), event)
    if occurred and value is None and event.answer != "yes_no":
        return None
    evidence = given.get("evidence")
    return Answer(
        occurred=occurred,
        evidence=evidence if isinstance(evidence, str) else "",
        confidence=_read_confidence(given.get("confidence")),
        value=value if occurred else None,
    )


def _read_bool(given: Any) -> bool | None:
    if isinstance(given, bool):
        return given
    word = str(given).strip().casefold() if isinstance(given, str | int) else ""
    return True if word in _YES else False if word in _NO else None


def _read_confidence(given: Any) -> float:
    """Return 0 to 100; a fraction is one of 1."""
    number = _read_number(given)
    if number is None:
        return _UNSAID_CONFIDENCE
    if isinstance(given, float) and 0 < number <= 1:
        number *= 100
    return min(max(number, 0.0), 100.0)


def _read_value(given: Any, event: EventDefinition) -> float | str | None:
    if event.answer == "score":
        number = _read_number(given)
        low, high = event.score_range
        return number if number is not None and low <= number <= high else None
    if event.answer == "category" and isinstance(given, str):
        named = given.strip().casefold()
        return next((one for one in event.categories if one.strip().casefold() == named), None)
    return None


def _read_number(given: Any) -> float | None:
    if isinstance(given, str):
        given = given.strip().rstrip("%").strip()
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        return None
    try:
        number = float(given)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None

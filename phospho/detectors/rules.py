"""The `rules` detector: finds keywords, a pattern, or the wording a description states."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from phospho.detectors.answers import check_answer
from phospho.detectors.conditions import MAX_CHARS, Condition, Found, Opening, listed, on_sides
from phospho.detectors.description import BOTH_SIDES, sides_of, where
from phospho.detectors.explaining import explain_condition
from phospho.detectors.in_session import find_in_session, is_growing
from phospho.detectors.language_wording import check_language, scoped_condition
from phospho.detectors.phrases import Phrase
from phospho.detectors.scopes import is_new, is_of_session, said_now, where_in_session
from phospho.detectors.texts import encodable, evidence, text_of
from phospho.detectors.wording import parse_wording
from phospho.errors import DefinitionError, DetectorError, MissingDependencyError
from phospho.models import Detection, EventDefinition, Evidence, Side, Turn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phospho.detectors.conditions import Said

# What a form can show; beyond it somebody pasted a document.
MAX_NAME_CHARS = 100
MAX_DESCRIPTION_CHARS = 2_000
MAX_KEYWORDS = 500
MAX_KEYWORD_CHARS = 200
MAX_PATTERN_CHARS = 2_000

# RE2 compiles a pattern into at most this much memory, then refuses it.
_MAX_PATTERN_MEMORY = 8 << 20


class RulesDetector:
    """Looks for exact wording; needs no model, and is certain: scores are 0 or 1."""

    name = "rules"

    def detect(self, batch: Sequence[Turn], events: Sequence[EventDefinition]) -> list[Detection]:
        """Return one detection for each pair of turn and definition.

        Raises:
            DetectorError: When a definition has no wording to look for, or its pattern is invalid.
            MissingDependencyError: When a pattern is given and google-re2 is not installed.
        """
        for event in events:
            if problem := _problem(event):
                raise DetectorError(f"{problem} ({event.name!r})")
        return [
            Detection(
                event_id=event.id,
                task_id=turn.interaction.task_id,
                detected=why is not None,
                score=0.0 if why is None else 1.0,
                evidence=why,
                detector=self.name,
            )
            for turn in batch
            for event in events
            for why in (_evidence(turn, event),)
        ]


def has_rules(definition: EventDefinition) -> bool:
    """Tell whether a definition gives keywords, a pattern, or states wording or a language."""
    return bool(
        definition.keywords
        or definition.pattern
        or parse_wording(definition.description)
        or scoped_condition(definition)
    )


def check_definition(definition: EventDefinition) -> None:
    """Refuse a definition that could never work; called before one is stored.

    Raises:
        DefinitionError: With a message that says what is wrong and what to do.
        MissingDependencyError: When a pattern or a language is given and no package for it is
            installed.
    """
    _check_text("name", definition.name, MAX_NAME_CHARS)
    _check_text("description", definition.description, MAX_DESCRIPTION_CHARS)
    if len(definition.keywords) > MAX_KEYWORDS:
        raise DefinitionError(f"There are more than {MAX_KEYWORDS} keywords. Use fewer.")
    for keyword in definition.keywords:
        _check_text("keyword", keyword, MAX_KEYWORD_CHARS)
    if definition.pattern is not None:
        _check_text("pattern", definition.pattern, MAX_PATTERN_CHARS)
        if compile_pattern(definition.pattern).search(""):
            raise DefinitionError(
                "The pattern matches an empty text, so it would find the event everywhere. "
                "Ask for at least one character, for example with + instead of *."
            )
    check_answer(definition)
    is_left_to_us = definition.detector == "auto" and definition.answer == "yes_no"
    if definition.detector == "rules" or (is_left_to_us and has_rules(definition)):
        if problem := _problem(definition):
            raise DefinitionError(problem)
        if not (definition.keywords or definition.pattern):
            check_language(definition)


def explain_rules(definition: EventDefinition) -> str:
    """Say in plain English what `rules` looks for."""
    place = _place(definition, _rule_sides(definition))
    parts = []
    if definition.keywords:
        several = "the keyword" if len(definition.keywords) == 1 else "any of the keywords"
        quoted = [f"'{keyword}'" for keyword in definition.keywords]
        parts.append(f"{several} {listed(quoted, 'or')} in {place}")
    if definition.pattern:
        parts.append(f"the pattern {definition.pattern} in {place} (upper and lower case differ)")
    if parts:
        return f"looks for {', or '.join(parts)}"
    problem, language = _problem(definition), scoped_condition(definition)
    if problem:
        return problem
    if language:
        return language.explain(_one_message(definition, language.sides))
    condition = _scoped(definition)
    if condition is None:
        return _no_wording(definition)
    return explain_condition(condition, in_session=is_of_session(definition))


@lru_cache(maxsize=1_000)
def compile_pattern(pattern: str) -> Any:
    """Return a compiled RE2 pattern, which searches in linear time.

    Raises:
        DefinitionError: When the pattern is invalid.
        MissingDependencyError: When google-re2 is not installed.
    """
    try:
        import re2
    except ImportError as exc:
        raise MissingDependencyError("google-re2", extra="server") from exc
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MAX_PATTERN_MEMORY
    try:
        return re2.compile(encodable(pattern), options=options)
    except re2.error as exc:
        reason = exc.args[0] if exc.args else exc
        if isinstance(reason, bytes):
            reason = reason.decode("utf-8", "replace")
        raise DefinitionError(
            f"The pattern {pattern!r} is not a valid regular expression: {reason}. Patterns have "
            "RE2 syntax, without look-around and back-references. Put \\ before a character that "
            "is meant literally, or use keywords."
        ) from exc


def _evidence(turn: Turn, event: EventDefinition) -> Evidence | None:
    """Return why the event occurred in this turn, or None if it did not."""
    if not (event.keywords or event.pattern):
        language = scoped_condition(event)
        if language:
            return language.evidence(turn)
        condition = _scoped(event)
        if condition is None:
            return None
        look = find_in_session if is_of_session(event) else _find_in_interaction
        found = look(turn, condition)
        return evidence(found.side, found.quote, found.reason) if found else None
    sides = _rule_sides(event)
    why = _evidence_of_words(said_now(turn, sides), event)
    if why is None or not is_of_session(event):
        return why
    is_first = is_new(turn, sides, lambda said: _evidence_of_words(said, event) is not None)
    return why if is_first else None


def _evidence_of_words(said: Sequence[Said], event: EventDefinition) -> Evidence | None:
    """Return the first keyword, or what matches the pattern."""
    for side, text in said:
        for keyword in event.keywords:
            quote = Phrase(keyword).at("anywhere", text[:MAX_CHARS])
            if quote is not None:
                return evidence(side, quote, f'contains "{keyword}"')
        if event.pattern:
            found = compile_pattern(event.pattern).search(encodable(text[:MAX_CHARS]))
            if found:
                return evidence(side, found[0], "matches the pattern")
    return None


def _find_in_interaction(turn: Turn, condition: Condition) -> Found | None:
    if isinstance(condition, Opening) and turn.history:
        return None
    return condition.find([(side, text_of(turn, side)) for side in BOTH_SIDES])


def _rule_sides(definition: EventDefinition) -> tuple[Side, ...]:
    """Return where to look; certain wording may be looked for on both sides."""
    return sides_of(definition, unnamed=BOTH_SIDES)


def _scoped(definition: EventDefinition) -> Condition | None:
    """Return the condition the description states; a scope that names a side overrules its own."""
    condition = parse_wording(definition.description)
    if condition is None or definition.scope in {"auto", "session"}:
        return condition
    return on_sides(condition, _rule_sides(definition))


def _place(definition: EventDefinition, sides: tuple[Side, ...]) -> str:
    return where_in_session(sides) if is_of_session(definition) else where(sides)


def _one_message(definition: EventDefinition, sides: tuple[Side, ...]) -> str:
    if is_of_session(definition):
        return f"one of {where_in_session(sides)}"
    return where(sides)


def _check_text(what: str, text: str, limit: int) -> None:
    if not text.strip():
        raise DefinitionError(f"The {what} is empty. Fill it in.")
    if len(text) > limit:
        raise DefinitionError(f"The {what} has more than {limit:,} characters. Shorten it.")


def _problem(definition: EventDefinition) -> str | None:
    """Return why `rules` cannot look for an event, and what to do; None where it can."""
    if not has_rules(definition):
        return _no_wording(definition)
    condition = _scoped(definition)
    is_wording = condition and not (definition.keywords or definition.pattern)
    if not (is_of_session(definition) and condition and is_wording) or is_growing(condition):
        return None
    return (
        "A session has no end at which it is known that something never comes, so "
        f"{definition.description!r} cannot be looked for in a session. Look for it in each "
        "message or interaction, or describe what does occur."
    )


def _no_wording(definition: EventDefinition) -> str:
    return (
        f"The description {definition.description!r} states no wording to look for. Put the words "
        "in quotes, as in: The user says 'refund'; or add keywords or a pattern; or choose the "
        "detector auto."
    )

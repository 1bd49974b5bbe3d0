"""Reads a condition on the language out of a description: "The user writes in Spanish".

As with other wording, *all* of a description has to speak of it: "The user asks to translate a text
into Spanish" and "The user is learning French" mean something, and are left to `semantic`.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from phospho.detectors.description import sides_of, without_lead_in
from phospho.detectors.language import is_installed
from phospho.errors import MissingDependencyError

if TYPE_CHECKING:
    from phospho.detectors.language_conditions import LanguageCondition
    from phospho.models import EventDefinition

# A description that speaks of nothing but a language is short.
_MAX_CHARS = 200


@lru_cache(maxsize=1_000)
def parse_language(description: str) -> LanguageCondition | None:
    """Return the condition on a language that a description states, or None."""
    text = " ".join(without_lead_in(description.strip()).split()).rstrip(" .!")
    if len(text) > _MAX_CHARS:
        return None
    # Loaded by the first description, or by `wording.load_grammar`.
    from phospho.detectors.reading.languages import read_language

    return read_language(text)


def scoped_condition(definition: EventDefinition) -> LanguageCondition | None:
    """Return the condition a description states; an explicit scope overrules its sides."""
    condition = parse_language(definition.description)
    if (
        condition is None
        or definition.scope in {"auto", "session"}
        or condition.relation == "as_user"
    ):
        return condition
    return replace(condition, sides=sides_of(definition))


def check_language(definition: EventDefinition) -> None:
    """Refuse a condition on a language where nothing is installed that tells one.

    Raises:
        MissingDependencyError: Names the extra to install.
    """
    if scoped_condition(definition) and not is_installed():
        raise MissingDependencyError("py3langid", extra="language")

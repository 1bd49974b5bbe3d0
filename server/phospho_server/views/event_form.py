"""The form of an event definition: read, check, and keep what was typed."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from phospho.detectors.auto import explain
from phospho.errors import PhosphoError
from phospho.models import EventDefinition
from phospho_server.defining import make_definition, show_example, with_examples
from phospho_server.errors import InvalidError
from phospho_server.event_templates import EventTemplate
from phospho_server.services import services
from phospho_server.store.projects import MAX_NAME, clean_name

_PLAIN_ANSWER: Mapping[str, Any] = {"categories": (), "score_range": (1.0, 5.0)}

# The name of a copy ends in a number.
_ROOM_FOR_NUMBER = 10

_BETWEEN_KEYWORDS = re.compile(r"[,\n\r]+")


@dataclass(frozen=True)
class EventForm:
    """An event definition as it stands in the form, right or wrong.

    Args:
        keywords: One a line.
        categories: One a line.
        examples: Messages, one a line; None where the form did not have them.
        copy_of: Id of the event that it began from; empty where there is none.
        version: The one of the event that is edited here; empty for a new event.
        problem: What must be changed; None while nothing is known to be wrong.
    """

    name: str = ""
    description: str = ""
    scope: str = "auto"
    detector: str = "auto"
    keywords: str = ""
    pattern: str = ""
    answer: str = "yes_no"
    categories: str = ""
    lowest: str = "1"
    highest: str = "5"
    examples: str | None = None
    copy_of: str = ""
    version: str = ""
    problem: str | None = None

    @classmethod
    def read(cls, fields: Mapping[str, str]) -> EventForm:
        """Return what was typed."""
        return cls(
            name=fields.get("name", ""),
            description=fields.get("description", ""),
            scope=fields.get("scope", "auto"),
            detector=fields.get("detector", "auto"),
            keywords=fields.get("keywords", ""),
            pattern=fields.get("pattern", ""),
            answer=fields.get("answer", "yes_no"),
            categories=fields.get("categories", ""),
            lowest=fields.get("lowest", "1"),
            highest=fields.get("highest", "5"),
            examples=fields.get("examples"),
            copy_of=fields.get("copy_of", ""),
            version=fields.get("version", ""),
        )

    @classmethod
    def of(cls, definition: EventDefinition) -> EventForm:
        """Return the form that would make a definition."""
        return cls(
            name=definition.name,
            description=definition.description,
            scope=definition.scope,
            detector=definition.detector,
            keywords="\n".join(definition.keywords),
            pattern=definition.pattern or "",
            answer=definition.answer,
            categories="\n".join(definition.categories),
            lowest=f"{definition.score_range[0]:g}",
            highest=f"{definition.score_range[1]:g}",
            examples="\n".join(map(show_example, definition.examples)),
            version=str(definition.version),
        )

    @classmethod
    def of_template(cls, template: EventTemplate) -> EventForm:
        """Return the form that a template fills in."""
        return cls(
            name=template.name,
            description=template.description,
            scope=template.scope,
            answer=template.answer,
            lowest=f"{template.lowest:g}",
            highest=f"{template.highest:g}",
            examples="\n".join(template.examples),
        )

    @classmethod
    def of_copy(cls, definition: EventDefinition, taken: Collection[str]) -> EventForm:
        """Return the form that makes another event like this one, under a name that is free."""
        name = definition.name[: MAX_NAME - _ROOM_FOR_NUMBER]
        names = (f"{name}_{number}" for number in itertools.count(2))
        free = next(each for each in names if each not in taken)
        return replace(cls.of(definition), name=free, copy_of=definition.id, version="")

    @property
    def is_advanced(self) -> bool:
        """Tell whether anything beyond name and description is set."""
        typed = (self.keywords, self.pattern, self.examples or "")
        plain = (self.scope, self.detector, self.answer) == ("auto", "auto", "yes_no")
        return not plain or any(map(str.strip, typed))

    def refused(self, error: PhosphoError) -> EventForm:
        """Return the form with the reason why it was not accepted."""
        return replace(self, problem=str(error))

    def to_definition(self, current: EventDefinition | None = None) -> EventDefinition:
        """Return the definition this form describes.

        Args:
            current: What it replaces; the form does not show all of it.

        Raises:
            InvalidError: Something must be changed; the message says what.
        """
        kept = current.model_dump() if current else {"id": "new"}
        typed = {
            "name": clean_name(self.name, what="event's name"),
            "description": self.description.replace("\r\n", "\n").strip(),
            "scope": self.scope,
            "detector": self.detector,
            "keywords": _split_keywords(self.keywords),
            "pattern": self.pattern.strip() or None,
            **self._answer_fields(),
        }
        known = detector_names(current.detector if current else "auto")
        definition = make_definition({**kept, **typed}, known)
        if self.examples is None:
            return definition
        return with_examples(definition, self.examples.split("\n"))

    def to_draft(self, current: EventDefinition | None = None) -> EventDefinition:
        """Return the definition to preview: as `to_definition`, also while it has no name yet."""
        named = self if self.name.strip() else replace(self, name="draft")
        return named.to_definition(current)

    def _answer_fields(self) -> dict[str, Any]:
        """Return what is asked, without what belongs to another answer."""
        fields = {**_PLAIN_ANSWER, "answer": self.answer}
        if self.answer == "category":
            # A category may have a comma in it.
            lines = (line.strip() for line in self.categories.splitlines())
            fields["categories"] = tuple(dict.fromkeys(line for line in lines if line))
        if self.answer == "score":
            fields["score_range"] = _number(self.lowest), _number(self.highest)
        return fields


def detector_names(current: str = "auto") -> list[str]:
    """Return the detectors to choose from; the current one also when it is not installed."""
    return ["auto", *sorted({*services().detectors, current} - {"auto"})]


def understand(definition: EventDefinition) -> str:
    """Return how a definition will be looked for, in a sentence; why not, if it cannot be."""
    text = explain(definition)
    return text[:1].upper() + text[1:]


def _split_keywords(text: str) -> tuple[str, ...]:
    """Return each keyword once, in the order they were typed."""
    words = (word.strip() for word in _BETWEEN_KEYWORDS.split(text))
    return tuple(dict.fromkeys(word for word in words if word))


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise InvalidError(
            f"The score {text[:20]!r} is no number. Give the lowest and the highest score as "
            "numbers, as in 1 and 5."
        ) from error

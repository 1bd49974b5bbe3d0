"""Make an event definition out of what somebody typed, in the form or on the command line."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from phospho.detectors.description import sides_of
from phospho.detectors.rules import check_definition
from phospho.errors import DefinitionError, MissingDependencyError
from phospho.models import EventDefinition, Example
from phospho_server.errors import InvalidError

# A longer one is no example of anything in particular, and costs every detector.
MAX_EXAMPLE_CHARS = 4_000

# Of a name that is wrong, in a message about it.
_MOST_SHOWN = 100


def make_definition(fields: Mapping[str, Any], detectors: Collection[str]) -> EventDefinition:
    """Return a definition that can be looked for.

    Args:
        fields: Those of `EventDefinition`.
        detectors: Names of those that may be chosen.

    Raises:
        InvalidError: Something must be changed; the message says what.
    """
    try:
        definition = EventDefinition(**fields)
        check_definition(definition)
    except ValidationError as error:
        raise InvalidError(_sentence(error)) from error
    except (DefinitionError, MissingDependencyError) as error:
        raise InvalidError(str(error)) from error
    if definition.detector not in detectors:
        name = definition.detector[:_MOST_SHOWN]
        raise InvalidError(
            f"There is no detector {name!r} here. Install the plugin that brings it, or choose one "
            f"of: {', '.join(detectors)}."
        )
    return definition


def with_examples(definition: EventDefinition, messages: Iterable[str]) -> EventDefinition:
    """Return a definition with messages that show what is meant, each once.

    A message is one of the side the definition is about. An example that the definition has
    already is kept with all it has.

    Raises:
        InvalidError: A message is too long.
    """
    known = {show_example(example): example for example in definition.examples}
    examples: dict[str, Example] = {}
    for message in messages:
        text = " ".join(message.split())
        if len(text) > MAX_EXAMPLE_CHARS and text not in known:
            raise InvalidError(
                f"An example has more than {MAX_EXAMPLE_CHARS:,} characters. Shorten it to the "
                "part that shows the event."
            )
        if text:
            is_of_user = sides_of(definition)[0] == "input"
            new = Example(input=text) if is_of_user else Example(output=text)
            examples[text] = known.get(text, new)
    return definition.model_copy(update={"examples": tuple(examples.values())})


def show_example(example: Example) -> str:
    """Return an example on one line: what the user said, or the assistant where it is of that."""
    return " ".join((example.input or example.output).split())


def _sentence(error: ValidationError) -> str:
    """Return what is wrong with the first field that is."""
    first = error.errors()[0]
    name = " ".join(str(part) for part in first["loc"]) or "definition"
    return f"The {name[:_MOST_SHOWN]} cannot be used: {first['msg']}. Change it and save again."

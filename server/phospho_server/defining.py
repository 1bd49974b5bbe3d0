"""Make an event definition out of what somebody typed, in the form or on the command line."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from pydantic import ValidationError

from phospho.detectors.rules import check_definition
from phospho.errors import DefinitionError, MissingDependencyError
from phospho.models import EventDefinition
from phospho_server.errors import InvalidError


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
        raise InvalidError(
            f"There is no detector {definition.detector!r} here. Install the plugin that brings "
            f"it, or choose one of: {', '.join(detectors)}."
        )
    return definition


def _sentence(error: ValidationError) -> str:
    """Return what is wrong with the first field that is."""
    first = error.errors()[0]
    name = " ".join(str(part) for part in first["loc"]) or "definition"
    return f"The {name} cannot be used: {first['msg']}. Change it and save again."

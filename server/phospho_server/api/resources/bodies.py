"""What is sent to the JSON API, read strictly: a number is no text, an unknown name no field."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from phospho_server.api.body import read_clean_object
from phospho_server.errors import InvalidError

Sent = TypeVar("Sent", bound=BaseModel)

_MOST_SHOWN = 100

# Many times what any request needs. Each unknown name is an error, which takes long to describe.
_MOST_VALUES = 10_000


class Body(BaseModel):
    """Base of what is sent."""

    # A whole number of 400 digits would be an endless one, which no answer can say.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def read_body(model: type[Sent]) -> Sent:
    """Return what was sent.

    Raises:
        BadRequestError: The body is not a JSON object.
        InvalidError: A field cannot be used; says which and why. Or there are too many.
        TooLargeError: The body is larger than 32 MiB, also after decompression.
    """
    sent = read_clean_object()
    if _count(sent) > _MOST_VALUES:
        raise InvalidError(f"The body has more than {_MOST_VALUES:,} values. Send what is needed.")
    try:
        return model.model_validate_json(json.dumps(sent))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = " ".join(str(part) for part in first["loc"])[:_MOST_SHOWN] or "body"
        raise InvalidError(f"{name!r} cannot be used: {first['msg']}. Change it.") from error


def _count(value: Any) -> int:
    """Return of how many values a value of JSON consists, itself among them."""
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list):
        return 1
    return 1 + sum(map(_count, value))

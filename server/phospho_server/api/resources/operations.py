"""What every route of the JSON API has: a description that its document and its checks share.

`@operation(...)` stands below `@access(...)`. The route returns a value of `phospho.api.answers`,
or a response of its own.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ParamSpec

from flask import Response, request
from flask.typing import ResponseReturnValue
from pydantic import BaseModel

from phospho.visible import visible
from phospho_server.errors import InvalidError

Arguments = ParamSpec("Arguments")

_MOST_SHOWN = 40


@dataclass(frozen=True)
class Parameter:
    """Something that an address may say behind its question mark.

    Args:
        name: Its name there.
        schema: What it may be, as JSON Schema.
        description: What it is for.
        is_many: Whether it may be given several times.
        is_required: Whether it has to be there.
        is_exact: Whether space means something in it, as in an id.
    """

    name: str
    schema: Mapping[str, Any]
    description: str
    is_many: bool = False
    is_required: bool = False
    is_exact: bool = False


@dataclass(frozen=True)
class Operation:
    """How a route is called and what it answers.

    Args:
        answer: The value that it answers with; None where it is a file or nothing.
        query: What its address may say.
        body: What is sent to it; None where nothing is.
        status: Of an answer.
        refusals: Statuses it refuses with, besides those that every route has.
        content_types: Of an answer that is no JSON.
    """

    answer: type[BaseModel] | None
    query: Sequence[Parameter] = ()
    body: type[BaseModel] | None = None
    status: int = 200
    refusals: Sequence[int] = ()
    content_types: Sequence[str] = ("application/json",)


def operation(
    described: Operation,
) -> Callable[
    [Callable[Arguments, BaseModel | ResponseReturnValue]],
    Callable[Arguments, ResponseReturnValue],
]:
    """Describe a route, refuse what its address may not say, and write its answer as JSON."""

    def declare(
        handler: Callable[Arguments, BaseModel | ResponseReturnValue],
    ) -> Callable[Arguments, ResponseReturnValue]:
        @functools.wraps(handler)
        def answer(*args: Arguments.args, **kwargs: Arguments.kwargs) -> ResponseReturnValue:
            _check_query(described.query)
            found = handler(*args, **kwargs)
            if isinstance(found, BaseModel):
                return _respond(found, described.status)
            return found

        answer.phospho_operation = described  # type: ignore[attr-defined]
        return answer

    return declare


def find_operation(handler: Callable[..., Any]) -> Operation | None:
    """Return what a route was described as, or None where it is no part of the JSON API."""
    return getattr(handler, "phospho_operation", None)


def _check_query(allowed: Sequence[Parameter]) -> None:
    """Refuse what means nothing here: left out, it would make the answer another one.

    Raises:
        InvalidError: A name is unknown or misspelt, given too often, without a value, or missing.
    """
    known = {parameter.name: parameter for parameter in allowed}
    for name, values in request.args.lists():
        if name not in known:
            names = ", ".join(sorted(known)) or "nothing"
            raise InvalidError(
                f"{visible(name[:_MOST_SHOWN])!r} means nothing in this address. It takes {names}."
            )
        if not all(values if known[name].is_exact else (value.strip() for value in values)):
            raise InvalidError(f"{name!r} is empty. Give it a value, or leave it out.")
        if len(values) > 1 and not known[name].is_many:
            raise InvalidError(f"{name!r} is given {len(values)} times. Give it once.")
    for name, parameter in known.items():
        if parameter.is_required and name not in request.args:
            raise InvalidError(f"{name!r} is missing in this address. {parameter.description}")


def _respond(found: BaseModel, status: int) -> Response:
    """Return a value as JSON. What was read has a tag, by which whoever asks again is spared it."""
    body = found.model_dump_json().encode()
    response = Response(body, status, content_type="application/json")
    if request.method in {"GET", "HEAD"}:
        response.headers["Cache-Control"] = "private, no-cache"
        response.set_etag(hashlib.sha256(body).hexdigest()[:32])
        response.make_conditional(request)
    return response

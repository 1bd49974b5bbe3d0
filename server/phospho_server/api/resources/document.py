"""`/api/openapi.json`: the JSON API described, made of what its routes declare.

OpenAPI 3.1 takes JSON Schema as pydantic writes it, so no library stands in between.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, cast

from flask import Blueprint, Flask, Response, current_app
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from werkzeug.routing import Rule

from phospho.api import answers
from phospho.version import __version__
from phospho_server.api.resources.operations import Operation, Parameter, find_operation
from phospho_server.security import PUBLIC, access

bp = Blueprint("api_document", __name__)

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

_JSON = "application/json"
_TEMPLATE = "#/components/schemas/{model}"

_REFUSALS = {
    400: "The body cannot be read.",
    401: "There is no API key, or one that is unknown or revoked.",
    403: "The API key belongs to another project.",
    404: "What the address names is not there.",
    409: "The name is taken, or somebody has changed it meanwhile.",
    413: "The body is too large.",
    415: "The body is compressed in a way that is not known.",
    422: "A value cannot be accepted.",
    503: "The server has too much to do. Send it again after `Retry-After` seconds.",
    507: "The disk is full. Nothing was stored; send it again later.",
}
_OF_ALL, _OF_CHANGES = (401, 403, 422, 503), (400, 413, 507)

_DESCRIPTION = (
    "Everything that the pages of phospho show, for programs. Send an API key of the project as "
    "`Authorization: Bearer KEY`. Lists go on with `next_cursor`; what is read has an `ETag`, and "
    "with it as `If-None-Match` the answer is 304 while nothing has changed."
)

_Mode = Literal["validation", "serialization"]


@bp.get("/api/openapi.json")
@access(PUBLIC)
def show() -> Response:
    """Answer with the OpenAPI document of the API."""
    extensions = current_app.extensions
    if "phospho_openapi" not in extensions:
        extensions["phospho_openapi"] = json.dumps(describe(current_app))
    return Response(extensions["phospho_openapi"], content_type=_JSON)


def describe(app: Flask) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of all routes that are described."""
    described = list(_walk(app))
    names, schemas = _schemas([operation for _, _, operation, _ in described])
    paths: dict[str, dict[str, Any]] = {}
    for rule, method, operation, handler in described:
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        paths.setdefault(path, {})[method.lower()] = _describe(rule, operation, handler, names)
    return {
        "openapi": "3.1.0",
        "info": {"title": "phospho", "version": __version__, "description": _DESCRIPTION},
        "servers": [{"url": "/"}],
        "security": [{"api_key": []}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": schemas,
            "securitySchemes": {"api_key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _walk(app: Flask) -> Iterator[tuple[Rule, str, Operation, Callable[..., Any]]]:
    for rule in app.url_map.iter_rules():
        handler = app.view_functions[rule.endpoint]
        operation = find_operation(handler)
        if operation is not None:
            method = next(each for each in _METHODS if each in (rule.methods or ()))
            yield rule, method, operation, handler


def _schemas(
    operations: Sequence[Operation],
) -> tuple[dict[tuple[type[BaseModel], _Mode], dict[str, str]], dict[str, Any]]:
    """Return a reference to each value that is sent or answered, and the schemas of them all."""
    wanted: dict[tuple[type[BaseModel], _Mode], None] = {(answers.Error, "serialization"): None}
    for operation in operations:
        if operation.answer:
            wanted[operation.answer, "serialization"] = None
        if operation.body:
            wanted[operation.body, "validation"] = None
    references, definitions = models_json_schema(list(wanted), ref_template=_TEMPLATE)
    schemas = definitions.get("$defs", {})
    for schema in schemas.values():
        _describe_fields(schema)
    return cast("Any", references), schemas


def _describe_fields(schema: dict[str, Any]) -> None:
    """Take what a docstring says of each field to where readers of a document look for it."""
    text, _, arguments = schema.get("description", "").partition("\n\nArgs:\n")
    if not arguments:
        return
    schema["description"] = text
    for name, said in re.findall(r"^ {4}(\w+): ((?:.|\n {8})*)", arguments, re.MULTILINE):
        schema["properties"][name]["description"] = " ".join(said.split())


def _describe(
    rule: Rule,
    operation: Operation,
    handler: Callable[..., Any],
    references: dict[tuple[type[BaseModel], _Mode], dict[str, str]],
) -> dict[str, Any]:
    summary, _, more = (inspect.getdoc(handler) or "").partition("\n\n")
    answer = references[operation.answer, "serialization"] if operation.answer else None
    described: dict[str, Any] = {
        "operationId": rule.endpoint.removeprefix("api_").replace(".", "_"),
        "tags": [rule.endpoint.removeprefix("api_").partition(".")[0]],
        "summary": summary,
        "parameters": [
            *({"name": n, "in": "path", "required": True, "schema": _PART} for n in _names(rule)),
            *(_describe_parameter(parameter) for parameter in operation.query),
        ],
        "responses": {
            str(operation.status): _describe_answer(operation, answer),
            **_refusals(rule, operation, references[answers.Error, "serialization"]),
        },
    }
    if more:
        described["description"] = " ".join(more.split())
    if operation.body:
        schema = references[operation.body, "validation"]
        described["requestBody"] = {"required": True, "content": {_JSON: {"schema": schema}}}
    return described


_PART = {"type": "string", "minLength": 1}


def _names(rule: Rule) -> list[str]:
    """Return the names in a rule's path, in its order."""
    return re.findall(r"<(?:\w+:)?(\w+)>", rule.rule)


def _describe_parameter(parameter: Parameter) -> dict[str, Any]:
    schema = dict(parameter.schema)
    if parameter.is_many:
        schema = {"type": "array", "items": schema, "maxItems": 10}
    return {
        "name": parameter.name,
        "in": "query",
        "required": parameter.is_required,
        "description": parameter.description,
        "schema": schema,
    }


def _describe_answer(operation: Operation, answer: dict[str, str] | None) -> dict[str, Any]:
    described: dict[str, Any] = {"description": "As asked for."}
    if answer is not None:
        described["content"] = {_JSON: {"schema": answer}}
    elif operation.status != 204:  # noqa: PLR2004 - what has no content
        described["content"] = {each: {"schema": {}} for each in operation.content_types}
    return described


def _refusals(rule: Rule, operation: Operation, error: dict[str, str]) -> dict[str, Any]:
    """Return what a route may answer besides what was asked for."""
    changes = "GET" not in (rule.methods or ())
    statuses = {*_OF_ALL, *operation.refusals, *(_OF_CHANGES if changes else ())}
    found: dict[str, Any] = {
        str(status): {
            "description": _REFUSALS[status],
            "content": {_JSON: {"schema": error}},
        }
        for status in sorted(statuses)
    }
    if not changes and operation.answer:
        found["304"] = {"description": "Nothing has changed since the answer with this `ETag`."}
    return found

"""`/api/openapi.json`: all of the API is in it, and a running server does what it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from flask import Flask
from openapi_spec_validator import validate

from phospho.version import __version__
from phospho_server.api.resources import parameters
from phospho_server.api.resources.operations import find_operation
from phospho_server.views.filters import KINDS, NAMES, SEARCH, ListKind
from tests.server.processes import log, serving
from tests.waiting import PATIENCE_S


def test_every_route_of_the_api_is_described(app: Flask) -> None:
    document = app.test_client().get("/api/openapi.json").get_json()
    assert (document["openapi"], document["info"]["version"]) == ("3.1.0", __version__)
    described = {(path, method) for path, found in document["paths"].items() for method in found}
    routes = {
        (rule.rule, method)
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api/projects")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert len(described) == len(routes)
    assert all(
        find_operation(app.view_functions[r.endpoint])
        for r in app.url_map.iter_rules()
        if r.rule.startswith("/api/projects")
    )
    validate(document)
    ids = [each["operationId"] for found in document["paths"].values() for each in found.values()]
    assert len(ids) == len(set(ids))
    assert all(each["summary"] for found in document["paths"].values() for each in found.values())


def test_each_field_says_what_it_is_where_readers_look_for_it(app: Flask) -> None:
    schemas = app.test_client().get("/api/openapi.json").get_json()["components"]["schemas"]
    assert not [name for name, each in schemas.items() if "Args:" in each.get("description", "")]
    event = schemas["Event"]
    assert event["description"] == "An event that occurred in an interaction."
    assert event["properties"]["evidence"]["description"] == "Why."
    assert event["properties"]["value"]["description"].endswith("where one gave another.")


@pytest.mark.parametrize("kind", [*KINDS.values(), SEARCH], ids=lambda kind: kind.page)
def test_lists_take_the_filters_of_their_pages(kind: ListKind) -> None:
    names = {parameter.name for parameter in parameters.of_list(kind)}
    assert names == (NAMES - set(kind.lacks)) | {"limit", "cursor"}


@pytest.mark.slow
def test_a_running_server_answers_as_its_document_says(tmp_path: Path) -> None:
    """Whatever is right by the document is answered as it says, and whatever is not refused."""
    with serving(tmp_path / "phospho.db") as server:
        key, project_id = server.setting("PHOSPHO_API_KEY"), server.setting("PHOSPHO_PROJECT_ID")
        for n in range(5):
            sent = {"task_id": f"t{n}", "session_id": "s1", "user_id": "u1", "input": f"refund {n}"}
            log(server, key, project_id, {**sent, "output": "Done", "version_id": "v1"})
        httpx.post(
            f"{server.url}/api/projects/{project_id}/definitions",
            json={"name": "refund", "description": "The user says 'refund'"},
            headers={"Authorization": f"Bearer {key}"},
            timeout=PATIENCE_S,
        )
        known = {
            "project_id": project_id,
            "session_id": "s1",
            "task_id": "t1",
            "user_id": "u1",
        }
        (tmp_path / "schemathesis.toml").write_text(_settings(known))
        ended = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "--config-file", "schemathesis.toml"),
                *(
                    "run",
                    f"{server.url}/api/openapi.json",
                    "--header",
                    f"Authorization: Bearer {key}",
                ),
                *("--max-examples", "30", "--generation-deterministic", "--no-color"),
                *("--suppress-health-check", "all"),
            ],
            cwd=tmp_path,
            env={**os.environ, "PYTHONWARNINGS": "default"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert "Tested: 30" in ended.stdout
    assert "Traceback" not in server.problems


def _settings(known: dict[str, str]) -> str:
    """Return settings: ids that are there, so that more than a 404 is seen.

    A value may be right by the document and mean nothing in this project: an event's name.
    """
    ids = "\n".join(f"{name} = {json.dumps(value)}" for name, value in known.items())
    more = {
        "/session": {"id": "s1"},
        "/interaction": {"id": "t1"},
        "/user": {"id": "u1"},
    }
    operations = "\n".join(
        f'[[operations]]\ninclude-name = "GET /api/projects/{{project_id}}{path}"\n'
        + "".join(f"parameters.{name} = {json.dumps(value)}\n" for name, value in given.items())
        for path, given in more.items()
    )
    return (
        f"[parameters]\n{ids}\n{operations}\n"
        "[checks]\npositive_data_acceptance.expected-statuses = "
        '["2xx", "401", "403", "404", "409", "422"]\n'
    )

"""The files of `server/deploy` name only what is there; they are not run here."""

from __future__ import annotations

import configparser
import json
import re
import shlex
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from flask import Flask

from phospho_server.commands import phospho
from phospho_server.limits import MAX_BODY_BYTES
from phospho_server.metrics import gathering, instruments
from phospho_server.stopping import _PATIENCE_S
from phospho_server.store.postgresql.store import MOST_READERS

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "server" / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
PORT = 8000


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def unit() -> dict[str, str]:
    read = configparser.ConfigParser(strict=False, interpolation=None)
    read.optionxform = str  # type: ignore[assignment,method-assign]
    read.read(DEPLOY / "phospho.service", encoding="utf-8")
    return {**read["Unit"], **read["Service"]}


def read_command(arguments: list[str]) -> dict[str, Any]:
    """Return the settings of a phospho command as it is written; refuses what it does not know."""
    parent = click.Context(phospho)
    name, command, rest = phospho.resolve_command(parent, arguments)
    assert command
    return command.make_context(name, rest, parent=parent).params


def cmd_of(instruction: str) -> list[str]:
    found = re.search(rf"^{instruction} (\[.*\])$", DOCKERFILE, re.MULTILINE)
    assert found
    command: list[str] = json.loads(found[1])
    return command


def test_the_image_serves_where_its_port_and_its_check_are() -> None:
    assert cmd_of("ENTRYPOINT") == ["phospho"]
    settings = read_command(cmd_of("CMD"))
    assert (settings["host"], settings["port"], settings["json_logs"]) == ("0.0.0.0", PORT, True)
    assert f"EXPOSE {PORT}\n" in DOCKERFILE
    assert f"http://127.0.0.1:{PORT}/healthz" in DOCKERFILE
    assert "\nUSER phospho\n" in DOCKERFILE


def test_the_image_is_made_of_what_is_there() -> None:
    extras = re.search(r"ARG EXTRAS=(\S+)", DOCKERFILE)
    assert extras
    assert set(extras[1].split(",")) <= set(metadata("phospho").get_all("Provides-Extra") or ())
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8")
    for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE):
        for name in line.split()[:-1]:
            assert (ROOT / name).exists()
            assert f"!{name}" in ignored


def test_the_services_run_commands_there_are(compose: dict[str, Any]) -> None:
    server = read_command(compose["services"]["server"]["command"])
    assert (server["host"], server["port"], server["proxy"]) == ("0.0.0.0", PORT, "*")
    worker = read_command(compose["services"]["worker"]["command"])
    # The check of the image asks it there.
    assert (worker["host"], worker["port"]) == ("0.0.0.0", PORT)
    assert compose["services"]["server"]["deploy"]["replicas"] == 2
    assert compose["services"]["worker"]["deploy"]["replicas"] == 2
    # With as many as docs/deploying.md starts.
    most = compose["services"]["postgres"]["command"][-1]
    assert int(most.removeprefix("max_connections=")) >= 7 * (MOST_READERS + 1)
    for name in ("server", "worker"):
        service = compose["services"][name]
        build = service["build"]
        assert (DEPLOY / build["context"] / build["dockerfile"]).exists()
        assert float(service["stop_grace_period"].removesuffix("s")) > _PATIENCE_S
        url = service["environment"]["PHOSPHO_DATABASE_URL"]
        assert url.startswith("postgresql://phospho:")
        assert url.endswith("@postgres:5432/phospho")
    assert f"server {PORT}" in (DEPLOY / "Caddyfile").read_text(encoding="utf-8")


def test_the_unit_starts_a_server_and_waits_for_its_end(unit: dict[str, str]) -> None:
    program, *arguments = shlex.split(unit["ExecStart"])
    assert program.endswith("/bin/phospho")
    settings = read_command(arguments)
    assert (settings["port"], settings["proxy"], settings["host"]) == (
        PORT,
        "127.0.0.1",
        "127.0.0.1",
    )
    assert float(unit["TimeoutStopSec"]) > 5
    # Else systemd gives up after five tries, which take it less than ten seconds.
    assert unit["StartLimitIntervalSec"] == "0"
    assert unit["Environment"].startswith(
        f"PHOSPHO_DATABASE_URL=/var/lib/{unit['StateDirectory']}/"
    )


def test_the_proxies_pass_on_what_the_server_takes() -> None:
    nginx = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
    assert f"client_max_body_size {MAX_BODY_BYTES // 1024**2 + 1}m;" in nginx
    # None is left alone for a while: of two that are started again in turn nobody would be left.
    assert f"server 127.0.0.1:{PORT} max_fails=0;" in nginx
    assert "fail_duration" not in (DEPLOY / "Caddyfile").read_text(encoding="utf-8")
    for header in ("Host", "X-Forwarded-For", "X-Forwarded-Proto", "X-Request-ID"):
        assert f"proxy_set_header {header} " in nginx
    assert nginx.count("{") == nginx.count("}")


def test_every_variable_is_one_that_is_read() -> None:
    sources = "".join(
        path.read_text(encoding="utf-8")
        for folder in ("phospho", "server/phospho_server")
        for path in (ROOT / folder).rglob("*.py")
    )
    page = (ROOT / "docs" / "deploying.md").read_text(encoding="utf-8")
    written = "".join(path.read_text(encoding="utf-8") for path in DEPLOY.iterdir()) + page
    # What only the compose file itself reads.
    names = set(re.findall(r"PHOSPHO_[A-Z_]+", written)) - {"PHOSPHO_DOMAIN"}
    assert names >= {gathering.METRICS_VARIABLE, "PHOSPHO_DATABASE_URL"}
    assert {name for name in names if name not in sources} == set()


def test_the_page_names_every_metric(app: Flask) -> None:
    page = (ROOT / "docs" / "deploying.md").read_text(encoding="utf-8")
    told = app.test_client().get("/metrics").get_data(as_text=True)
    names = {line.split()[2] for line in told.splitlines() if line.startswith("# TYPE")}
    assert {each.name for each in instruments.ALL} <= names
    assert {name for name in names if f"`{name}`" not in page} == set()

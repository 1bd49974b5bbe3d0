"""Runs the apps, each in a process of its own, and tells what the server kept of them."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.integrations.openai_server import OpenAIServer, serve_echo
from tests.server.processes import ServerProcess, phospho, serving
from tests.waiting import PATIENCE_S, wait_until

ROOT = Path(__file__).parents[3]
APPS = Path(__file__).parent / "apps"
PYTHON = ROOT / ".venv-apps" / "bin" / "python"


@dataclass(frozen=True)
class Kept:
    """An interaction as it is stored."""

    session_id: str
    user_id: str | None
    input: str
    output: str | None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    steps: tuple[Mapping[str, Any], ...] = ()


class World:
    """A server, a vendor, and what the apps that ran have left in their projects."""

    def __init__(self, database: Path, server: ServerProcess, vendor: OpenAIServer) -> None:
        self.database, self.server, self.vendor = database, server, vendor
        self.kept: dict[str, list[Kept]] = {}

    def of(self, app: str, **environment: str) -> list[Kept]:
        """Return what an app left; it runs when it is asked for first."""
        name = " ".join((app, *environment.values()))
        if name not in self.kept:
            made = phospho("projects", "create", app, "--json", "--database", str(self.database))
            project = json.loads(made.stdout)
            self._run(app, project["api_key"], environment)
            self.kept[name] = wait_until(
                lambda: self._settled(project["project_id"]), what=f"the traces of {app}"
            )
        return self.kept[name]

    def scenario(self, app: str, name: str, **environment: str) -> Kept:
        """Return the one interaction of a scenario."""
        (found,) = [k for k in self.of(app, **environment) if f"about {name}," in k.input]
        return found

    def _run(self, app: str, key: str, more: Mapping[str, str]) -> None:
        if not PYTHON.exists():
            raise AssertionError(f"{PYTHON} is missing. Make it with: make apps")
        environment = {
            **os.environ,
            "VENDOR_URL": self.vendor.url,
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.server.url,
            "OTEL_EXPORTER_OTLP_HEADERS": f"Authorization=Bearer%20{key}",
            "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_ONLY",
            "OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental",
            **more,
        }
        ended = subprocess.run(
            [str(PYTHON), str(APPS / f"{app}.py")],
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        assert "Failed to export" not in ended.stderr, ended.stderr

    def _settled(self, project_id: str) -> list[Kept] | None:
        with closing(sqlite3.connect(self.database)) as db:
            mine = (project_id,)
            waiting = "select count(*) from traces where project_id = ? and due_at_ms is not null"
            if db.execute(waiting, mine).fetchone()[0]:
                return None
            rows = db.execute(
                "select session_id, user_id, input, output, metadata, steps from interactions "
                "where project_id = ? order by created_at_ms, id",
                mine,
            ).fetchall()
        return [
            Kept(
                session,
                user,
                asked,
                answered,
                json.loads(more or "{}"),
                tuple(json.loads(steps or "[]")),
            )
            for session, user, asked, answered, more, steps in rows
        ]


@contextmanager
def a_world(folder: Path) -> Iterator[World]:
    """Start the server and the vendor."""
    database = folder / "phospho.db"
    with serve_echo() as vendor, serving(database) as server:
        yield World(database, server, vendor)

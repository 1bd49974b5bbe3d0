"""The plugin of `examples/` and `docs/plugins.md`: in an app, and installed next to the server."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from phospho.testing import CaptureClient
from tests.server.processes import log, phospho, serving
from tests.waiting import wait_until

EXAMPLE = Path(__file__).parent.parent / "examples" / "support_plugin"


@pytest.fixture
def support() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("phospho_support", EXAMPLE / "phospho_support.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture
def installed(tmp_path: Path) -> str:
    """A folder for PYTHONPATH in which two plugins are installed; one raises when it is loaded."""
    site = tmp_path / "site"
    for name, module, text in (
        ("support", "phospho_support", (EXAMPLE / "phospho_support.py").read_text()),
        ("broken", "phospho_broken", "raise RuntimeError('half an upgrade')\n"),
    ):
        metadata = site / f"phospho_{name}-1.0.dist-info"
        metadata.mkdir(parents=True)
        (metadata / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: phospho-{name}\nVersion: 1.0\n"
        )
        (metadata / "entry_points.txt").write_text(f"[phospho]\n{name} = {module}\n")
        (site / f"{module}.py").write_text(text)
    return str(site)


def test_an_app_hands_the_plugin_over(support: ModuleType) -> None:
    client = CaptureClient(plugins=[support])
    client.log("Where is it?", support.SupportReply(body="On its way.", queue="orders"))
    (interaction,) = client.interactions
    assert interaction["output"] == "On its way."
    assert interaction["metadata"]["queue"] == "orders"


def test_the_server_finds_the_installed_plugin_and_survives_a_broken_one(
    installed: str, tmp_path: Path
) -> None:
    database = str(tmp_path / "phospho.db")
    environment = {"PYTHONPATH": installed, "PHOSPHO_DATABASE_URL": database}
    listed = phospho("plugins", "--json", **environment)
    by_name = {row["name"]: row for row in json.loads(listed.stdout)}
    assert by_name["support"]["version"] == "1.0"
    assert by_name["broken"]["failures"] == 1
    assert by_name["broken"]["last_failure"]
    assert by_name["phospho.extractors.openai"]["failures"] == 0

    with serving(Path(database), PYTHONPATH=installed) as server:
        project_id, key = server.setting("PHOSPHO_PROJECT_ID"), server.setting("PHOSPHO_API_KEY")
        created = phospho(
            *("events", "create", project_id, "angry", "The user shouts"),
            *("--detector", "shouting"),
            **environment,
        )
        assert created.returncode == 0, created.stderr
        log(server, key, project_id, {"input": "WHERE IS MY ORDER"}, {"input": "Thank you"})

        def judged() -> list[dict[str, int]] | None:
            rows: list[dict[str, int]] = json.loads(
                phospho("events", "list", project_id, "--json", **environment).stdout
            )
            return rows if rows[0]["events"] and not rows[0]["pending"] else None

        assert wait_until(judged, what="the plugin's detector has judged")[0]["events"] == 1


def test_a_detector_that_is_not_installed_is_refused(tmp_path: Path) -> None:
    database = ("--database", str(tmp_path / "phospho.db"))
    project = json.loads(phospho("projects", "create", "p", "--json", *database).stdout)
    refused = phospho(
        *("events", "create", project["project_id"], "angry", "The user shouts"),
        *("--detector", "shouting"),
        *database,
    )
    assert refused.returncode == 1
    assert "no detector 'shouting'" in refused.stderr

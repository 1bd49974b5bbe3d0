"""The package of `examples/repeats_detector`, built, installed, and asked by a server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.server.processes import log, phospho, serving
from tests.waiting import wait_until

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "examples" / "repeats_detector"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What PYTHONPATH has to be where the package is installed from its wheel."""
    folder = tmp_path_factory.mktemp("packages")
    source = folder / "source"
    shutil.copytree(EXAMPLE, source, ignore=shutil.ignore_patterns(".*", "__*__"))
    pip("wheel", "--no-build-isolation", "--wheel-dir", str(folder), str(source))
    (wheel,) = folder.glob("phospho_repeats-*.whl")
    pip("install", "--target", str(folder / "site"), str(wheel))
    mine = os.environ.get("PYTHONPATH")
    return os.pathsep.join([str(folder / "site"), *([mine] if mine else [])])


def pip(command: str, *arguments: str) -> None:
    """Run pip without a network."""
    options = ("--no-deps", "--no-index", "--quiet", "--disable-pip-version-check")
    python("-m", "pip", command, *options, *arguments)


def python(*arguments: str, **environment: str) -> str:
    ended = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_its_own_tests_pass_where_it_is_installed(installed: str, tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE / "tests", tmp_path / "tests")
    printed = python(
        *("-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path / "tests")),
        PYTHONPATH=installed,
    )
    assert " passed" in printed
    assert "failed" not in printed


def test_a_server_asks_the_installed_detector_with_the_settings_of_each_event(
    installed: str, tmp_path: Path
) -> None:
    database = tmp_path / "phospho.db"
    environment = {"PYTHONPATH": installed, "PHOSPHO_DATABASE_URL": str(database)}
    with serving(database, PYTHONPATH=installed) as server:
        project_id, key = server.setting("PHOSPHO_PROJECT_ID"), server.setting("PHOSPHO_API_KEY")
        for name, *settings in (
            ("asked_again",),
            ("asked_at_once", "--setting", "within=1"),
            ("misspelt", "--setting", "lest=0.5"),
        ):
            created = phospho(
                *("events", "create", project_id, name, "The user asks again"),
                *("--detector", "repeats", *settings),
                **environment,
            )
            assert created.returncode == 0, created.stderr
        said = ("Where is my order?", "That is no help.", "where is my order")
        for i, text in enumerate(said):
            event = {"input": text, "output": "Soon.", "task_id": f"t{i}", "session_id": "s"}
            assert log(server, key, project_id, event).status_code == 200

        def judged() -> dict[str, int] | None:
            listed = phospho("events", "list", project_id, "--json", **environment)
            rows = {row["name"]: row for row in json.loads(listed.stdout)}
            done = not rows["asked_again"]["pending"] and not rows["asked_at_once"]["pending"]
            return {name: row["events"] for name, row in rows.items()} if done else None

        found = wait_until(judged, what="the installed detector has judged")
        assert found == {"asked_again": 1, "asked_at_once": 0, "misspelt": 0}

    plugins = json.loads(phospho("plugins", "--json", **environment).stdout)
    (row,) = [row for row in plugins if row["name"] == "repeats"]
    assert (row["version"], row["hooks"]) == ("1.1.0", ["phospho_register_detectors"])


def test_an_app_that_logs_does_not_load_the_detector(installed: str) -> None:
    code = (
        "import sys, phospho, phospho.testing\n"
        "with phospho.testing.capture():\n"
        "    phospho.log('Where is my order?', 'Soon.')\n"
        "print('phospho_repeats.plugin' in sys.modules, 'phospho_repeats.detector' in sys.modules)"
    )
    assert python("-c", code, PYTHONPATH=installed) == "True False\n"


def test_without_a_server_it_judges_files(installed: str, tmp_path: Path) -> None:
    (tmp_path / "events.json").write_text(
        json.dumps([{"name": "again", "description": "The user asks again", "detector": "repeats"}])
    )
    rows = [
        {"id": i, "session_id": "s", "input": "Where is my order?", "events": ["again"] * (i > 1)}
        for i in (1, 2)
    ]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "interactions.jsonl").write_text(lines)
    ended = phospho("evaluate", str(tmp_path), "--json", PYTHONPATH=installed)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["runs"][0]["mean_of_suites"]["macro_f1"] == 1.0

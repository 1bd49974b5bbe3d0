"""The package of `examples/tickets_extractor`, built and installed, alone and beside bad ones."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from phospho.implementation import MAX_FAILURES_IN_A_ROW
from tests.loopback import Loopback

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "examples" / "tickets_extractor"

EXTRACTOR = """
import time
import phospho

asked = []

@phospho.hookimpl
def phospho_extract_output(value):
    asked.append(value)
    if isinstance(value, dict) or "ChatCompletion" in str(type(value).__mro__):
        {do}
"""

# Further packages, each a module of this name with the plugin that it declares.
MODULES = {
    "acme_greedy": EXTRACTOR.format(do="return 'the plugin reads it'"),
    "acme_raises": EXTRACTOR.format(do="raise KeyError('oops')"),
    "acme_slow": EXTRACTOR.format(do="time.sleep(0.3); return 'slow'"),
    "acme_hangs": EXTRACTOR.format(do="time.sleep(3); return 'slow'"),
    "acme_junk": EXTRACTOR.format(do="return ['a', 'list']"),
    "acme_mistyped": EXTRACTOR.format(do="return phospho.Extracted(text=7, usage='many')"),
    "acme_halfway": EXTRACTOR.format(do="return phospho.Extracted('no', error={'type': 'E'})"),
    "acme_unloadable": "raise RuntimeError('half an upgrade')",
}

CHAT = {"object": "chat.completion", "choices": [{"message": {"content": "ours reads it"}}]}

Install = Callable[..., str]


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a wheel of each package."""
    folder = tmp_path_factory.mktemp("packages")
    shutil.copytree(EXAMPLE, folder / "acme_tickets", ignore=shutil.ignore_patterns(".*", "__*__"))
    for name, code in MODULES.items():
        (folder / name).mkdir()
        (folder / name / f"{name}.py").write_text(code)
        (folder / name / "pyproject.toml").write_text(
            '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
            f'[project]\nname = "{name}"\nversion = "1.0"\n'
            f'[project.entry-points.phospho]\n{name} = "{name}"\n'
            f'[tool.hatch.build.targets.wheel]\nonly-include = ["{name}.py"]\n'
        )
    sources = [str(folder / name) for name in ("acme_tickets", *MODULES)]
    pip("wheel", "--no-build-isolation", "--wheel-dir", str(folder / "wheels"), *sources)
    return folder / "wheels"


@pytest.fixture
def install(wheels: Path, tmp_path: Path) -> Install:
    """Return a function that installs packages and returns what PYTHONPATH has to be."""

    def install(*names: str) -> str:
        found = [str(next(wheels.glob(f"{name}-*.whl"))) for name in names]
        pip("install", "--target", str(tmp_path / "site"), *found)
        mine = os.environ.get("PYTHONPATH")
        return os.pathsep.join([str(tmp_path / "site"), *([mine] if mine else [])])

    return install


def pip(command: str, *arguments: str) -> None:
    """Run pip without a network."""
    options = ("--no-deps", "--no-index", "--quiet", "--disable-pip-version-check")
    ended = subprocess.run(
        [sys.executable, "-m", "pip", command, *options, *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr


def python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python, and nothing but its environment says that there are plugins."""
    ended = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended


def app(code: str, path: str, **environment: str) -> tuple[Any, str]:
    """Run an app that logs; return what its last line, `shown = ...`, is, and what it reported."""
    whole = f"import json, sys\nimport phospho, phospho.testing\n{code}\nprint(json.dumps(shown))"
    ended = python("-c", whole, PYTHONPATH=path, **environment)
    return json.loads(ended.stdout), ended.stderr


def listed(path: str, **environment: str) -> dict[str, Any]:
    """Return what `phospho plugins --json` shows, by name."""
    ended = python("-m", "phospho_server", "plugins", "--json", PYTHONPATH=path, **environment)
    return {row["name"]: row for row in json.loads(ended.stdout)}


TICKET = """
import acme_tickets
request = acme_tickets.Request(ticket="T-7", question="Where is order 1042?")
with phospho.testing.capture() as logged:
    phospho.log(request, acme_tickets.answer(request))
shown = logged.interactions[0]
"""


def test_an_installed_extractor_reads_what_an_app_logs(install: Install) -> None:
    shown, reported = app(TICKET, install("acme_tickets"))
    assert shown["input"] == "Where is order 1042?"
    assert shown["output"] == "Your order left on Monday."
    assert (shown["model"], shown["metadata"]["ticket"]) == ("acme-large", "T-7")
    assert reported == ""


def test_left_out_by_its_name_the_built_in_ones_read_what_they_know(install: Install) -> None:
    path = install("acme_tickets", "acme_greedy")
    left_out = {"PHOSPHO_DISABLE_PLUGINS": "acme_tickets"}
    shown, _ = app(TICKET, path, **left_out)
    assert shown["output"] == "draft: order shipped monday"
    assert "acme_tickets" not in listed(path, **left_out)
    assert "acme_greedy" in listed(path, **left_out)


def test_an_installed_extractor_is_asked_before_ours(install: Install) -> None:
    code = f"""
from openai.types.chat import ChatCompletion
class Ours(ChatCompletion):
    pass
with phospho.testing.capture() as logged:
    for value in ({CHAT}, ChatCompletion.construct(**{CHAT}), Ours.construct(**{CHAT})):
        phospho.log("i", value)
shown = logged.outputs
"""
    path = install("acme_greedy")
    assert app(code, path)[0] == ["the plugin reads it"] * 3
    assert app(code, path, PHOSPHO_DISABLE_PLUGINS="acme_greedy")[0] == ["ours reads it"] * 3


def test_its_own_tests_pass_where_it_is_installed(install: Install, tmp_path: Path) -> None:
    path = install("acme_tickets")
    shutil.copytree(EXAMPLE / "tests", tmp_path / "tests")
    ended = python(
        *("-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path / "tests")),
        PYTHONPATH=path,
    )
    source = (EXAMPLE / "tests" / "test_phospho_plugin.py").read_text(encoding="utf-8")
    assert f"{source.count('def test_')} passed" in ended.stdout


@pytest.mark.parametrize(
    ("name", "times", "answers"),
    [
        pytest.param("acme_raises", range(5, 6), 0, id="raises"),
        pytest.param("acme_junk", range(5, 6), 0, id="junk"),
        pytest.param("acme_mistyped", range(5, 6), 0, id="wrong-types"),
        pytest.param("acme_halfway", range(5, 6), 0, id="half-an-error"),
        # On a busy machine, fewer calls make up two seconds.
        pytest.param("acme_slow", range(1, 6), 1, id="slow"),
        pytest.param("acme_hangs", range(1, 2), 1, id="hangs"),
    ],
)
def test_a_bad_package_costs_its_own_answers_and_is_not_asked_again(
    install: Install, name: str, times: range, answers: int
) -> None:
    code = f"""
import acme_tickets, {name}
reply = acme_tickets.answer(acme_tickets.Request(ticket="T-7", question="?"))
with phospho.testing.capture() as logged:
    for _ in range(9):
        phospho.log("i", {CHAT})
    phospho.log("i", reply)
shown = (logged.outputs, len({name}.asked), logged.unsent)
"""
    (outputs, asked, unsent), reported = app(code, install("acme_tickets", name))
    assert asked in times
    assert max(times) <= MAX_FAILURES_IN_A_ROW
    used = asked * answers
    assert outputs[:9] == ["slow"] * used + ["ours reads it"] * (9 - used)
    assert outputs[9] == "Your order left on Monday."
    assert unsent == []
    assert reported.count(f"The phospho plugin '{name}'") == 1
    assert f"PHOSPHO_DISABLE_PLUGINS={name}" in reported


def test_a_package_that_cannot_be_imported_is_reported_once_and_listed(install: Install) -> None:
    path = install("acme_tickets", "acme_unloadable")
    shown, reported = app(TICKET + "phospho.log('i', 'o')\nphospho.log('i', 7)\n", path)
    assert shown["output"] == "Your order left on Monday."
    assert reported.count("'acme_unloadable' could not be loaded: half an upgrade") == 1
    row = listed(path)["acme_unloadable"]
    assert (row["hooks"], row["failures"]) == ([], 1)
    assert row["last_failure"] == "half an upgrade (RuntimeError)"


def test_the_command_shows_what_is_installed(install: Install) -> None:
    path = install("acme_tickets")
    assert listed(path)["acme_tickets"] == {
        "name": "acme_tickets",
        "version": "2.3.0",
        "hooks": ["phospho_extract_input", "phospho_extract_output"],
        "failures": 0,
        "last_failure": None,
    }
    shown = python("-m", "phospho_server", "plugins", PYTHONPATH=path).stdout
    page = (ROOT / "docs" / "extractors.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    assert example.split() in [line.split() for line in shown.splitlines()]


def test_what_is_installed_is_loaded_with_the_first_record(
    install: Install, loopback: Loopback
) -> None:
    code = f"""
phospho.init("key", "proj", base_url={loopback.url!r})
shown = ["acme_tickets.phospho_plugin" in sys.modules]
phospho.log("i", "o")
shown.append("acme_tickets.phospho_plugin" in sys.modules)
"""
    assert app(code, install("acme_tickets")) == ([False, True], "")

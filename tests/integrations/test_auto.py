"""`init(auto_log=True)`: libraries log by themselves, imported before or after."""

from __future__ import annotations

import re
import sys

import pytest
from packaging.version import Version

from tests.integrations.openai_server import echo, serve_echo
from tests.processes import run_script
from tests.test_docs import ROOT

ASK = """
client = openai.OpenAI(api_key="k", base_url={url!r}, max_retries=0)
client.chat.completions.create(model="gpt-x", messages=[{{"role": "user", "content": "Hi"}}])
[interaction] = logged.interactions
assert (interaction["input"], interaction["output"]) == ("Hi", {answer!r}), interaction
"""

BEFORE = """
import openai, phospho, phospho.testing
with phospho.testing.capture() as logged:
    phospho.init(auto_log=True)
"""

AFTER = """
import phospho, phospho.testing, sys
with phospho.testing.capture() as logged:
    phospho.init(auto_log=True)
    phospho.init(auto_log=True)
    assert "openai" not in sys.modules
    finders = len(sys.meta_path)
import openai
assert type(openai.__spec__.loader) is type(phospho.__spec__.loader)
assert openai.__loader__ is openai.__spec__.loader
"""


@pytest.mark.parametrize("imports", [BEFORE, AFTER], ids=["before", "after"])
def test_a_library_logs_whenever_it_is_imported(imports: str) -> None:
    with serve_echo() as server:
        ask = ASK.format(url=server.url, answer=echo("Hi"))
        lines = [line for line in ask.splitlines() if line]
        inside = "with phospho.testing.capture() as logged:\n    " + "\n    ".join(lines)
        done = run_script(f"{imports}\n{inside}")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


LANGCHAIN = """
from langchain_core.runnables import RunnableLambda
    RunnableLambda(lambda question: f"{question}!").invoke("Hi")
"""

LLAMA_INDEX = """
from llama_index.core.llms import MockLLM
    MockLLM(max_tokens=1).complete("Hi")
"""


@pytest.mark.parametrize("is_before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("app", [LANGCHAIN, LLAMA_INDEX], ids=["langchain", "llama-index"])
def test_a_framework_logs_whenever_it_is_imported(app: str, is_before: bool) -> None:
    imports, call = app.strip().split("\n")
    lines = ["    phospho.init(auto_log=True)", f"    {imports}"]
    script = [
        "import phospho, phospho.testing",
        "with phospho.testing.capture() as logged:",
        *(reversed(lines) if is_before else lines),
        call,
        "    [interaction] = logged.interactions",
        "    assert interaction['input'] == 'Hi', interaction",
    ]
    done = run_script("\n".join(script))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("module", "name", "app"),
    [
        ("openai", "instrument_openai", "import openai"),
        ("langchain", "instrument_langchain", LANGCHAIN),
        ("llama_index", "uninstrument_llama_index", LLAMA_INDEX),
    ],
)
def test_a_library_logs_also_where_our_module_is_imported_first(
    module: str, name: str, app: str
) -> None:
    imports, *call = app.strip().split("\n")
    script = [
        "import phospho, phospho.testing",
        "with phospho.testing.capture() as logged:",
        "    phospho.init(auto_log=True)",
        f"    from phospho.integrations.{module} import {name}",
        f"    {imports}",
        *(call or ["    assert hasattr(openai.OpenAI.request, '__phospho_patch__')"]),
        *(["    assert len(logged) == 1, logged"] if call else []),
    ]
    done = run_script("\n".join(script))
    assert (done.returncode, done.stderr) == (0, "")


def test_nothing_is_imported_or_hooked_without_it() -> None:
    done = run_script(
        """
        import sys
        before = list(sys.meta_path)
        import phospho
        phospho.init("key", "proj")
        assert sys.meta_path == before
        phospho.init("key", "proj", auto_log=True)
        assert sys.meta_path[1:] == before
        print([n for n in ("openai", "langchain_core", "llama_index") if n in sys.modules])
        """
    )
    assert done.stdout == "[]\n", done.stderr


def test_a_library_that_cannot_be_imported_fails_as_without_us() -> None:
    done = run_script(
        """
        import sys, phospho
        phospho.init("key", "proj", auto_log=True)
        sys.path_importer_cache.clear()
        sys.path[:] = []
        try:
            import openai
        except ModuleNotFoundError as exc:
            print(exc)
        """
    )
    assert done.stdout == "No module named 'openai'\n", done.stderr


def test_a_broken_integration_costs_the_app_nothing() -> None:
    done = run_script(
        """
        import phospho, phospho.integrations.auto as auto
        auto.INTEGRATIONS = (auto.Integration(("colorsys",), "nowhere", "nothing"),)
        phospho.init("key", "proj", auto_log=True)
        import colorsys
        print(colorsys.rgb_to_hsv(0, 0, 0))
        """
    )
    assert done.stdout == "(0.0, 0.0, 0)\n", done.stderr
    assert "phospho could not make nowhere log by itself" in done.stderr


@pytest.mark.parametrize(
    ("library", "module", "extra"),
    [
        ("openai", "openai", "openai"),
        ("langchain_core", "langchain", "langchain"),
        ("llama_index_instrumentation", "llama_index", "llama-index"),
    ],
)
def test_an_integration_without_its_library_says_what_to_install(
    library: str, module: str, extra: str
) -> None:
    done = run_script(
        f"""
        import sys
        sys.modules[{library!r}] = None
        try:
            import phospho.integrations.{module}
        except ImportError as exc:
            print(exc)
        """
    )
    assert f"pip install 'phospho[{extra}]'" in done.stdout


def test_the_tests_themselves_are_not_hooked() -> None:
    assert "_Finder" not in [type(finder).__name__ for finder in sys.meta_path]


def test_the_page_of_integrations_names_the_versions_that_are_tested() -> None:
    text = (ROOT / "docs" / "integrations.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| ([a-z-]+) \| (.+) \|$", text, re.MULTILINE))
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    oldest = dict(re.findall(r'"([a-z-]+)==([\d.]+)"', project))
    for name in ("openai", "langchain-core", "llama-index-core"):
        said_oldest, said_newest = rows[name].split(" | ")
        assert said_oldest == oldest[name]
        # Which is the newest that can be installed depends on the Python.
        assert Version(said_newest) >= Version(said_oldest)

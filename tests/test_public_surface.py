from __future__ import annotations

import inspect
import json
import re

import pytest

import phospho
from phospho import Client, default
from tests.processes import run_script

HEAVY = [
    "openai", "langchain_core", "llama_index", "flask", "sqlite_utils", "numpy", "pydantic",
    "pluggy", "httpx", "importlib.metadata", "asyncio", "phospho.api", "phospho.testing",
]  # fmt: skip

# Imports only the standard library: what they cost depends on the machine, what they are does not.
MAX_MODULES = 120


def test_the_public_names_are_those_of_the_contract() -> None:
    assert set(phospho.__all__) == {
        "Client", "Extracted", "Redaction", "Stats", "__version__", "flush", "hookimpl",
        "hookspec", "init", "log", "new_session", "new_task", "session", "shutdown", "stats",
        "user_feedback", "wrap",
    }  # fmt: skip


@pytest.mark.parametrize("name", phospho.__all__)
def test_each_public_name_is_there_and_explained(name: str) -> None:
    value = getattr(phospho, name)
    assert name in dir(phospho)
    if inspect.isfunction(value) or inspect.isclass(value):
        assert value.__doc__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'tracer'"):
        _ = phospho.tracer


def test_importing_phospho_loads_nothing_it_does_not_need() -> None:
    done = run_script("import phospho, sys, json; print(json.dumps(sorted(sys.modules)))")
    loaded = json.loads(done.stdout)
    assert [name for name in HEAVY if name in loaded] == []
    assert len(loaded) <= MAX_MODULES


def test_logging_text_loads_neither_pydantic_nor_a_detector() -> None:
    done = run_script(
        """
        import phospho, sys
        phospho.init(base_url="http://127.0.0.1:9")
        phospho.log("question", "answer")
        print([name for name in ("pydantic", "phospho.detectors", "numpy") if name in sys.modules])
        """
    )
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("name", ["log", "user_feedback"])
def test_the_functions_take_what_the_client_takes(name: str) -> None:
    ours = inspect.signature(getattr(default, name)).parameters
    clients = dict(inspect.signature(getattr(Client, name)).parameters)
    del clients["self"]
    assert dict(ours) == clients


def test_the_version_is_a_version() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", phospho.__version__)

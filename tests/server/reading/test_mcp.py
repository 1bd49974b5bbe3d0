"""What an agent is offered over MCP, through the SDK's own client."""

from __future__ import annotations

import inspect
import json
import os
import re
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import anyio
import mcp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcp.client.stdio import StdioServerParameters

import phospho
from phospho.api.answers import Interaction, Session
from phospho.mcp import shown
from phospho.mcp.changing import Changing
from phospho.mcp.reading import Reading
from phospho.mcp.server import make_server
from phospho.visible import visible
from phospho_server.store import detections
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from tests.server.builders import NOON_MS, add, define, interaction, verdict
from tests.server.processes import phospho as run_phospho
from tests.server.processes import serving
from tests.waiting import wait_until

Call = Callable[[mcp.Client], Awaitable[Any]]


def ask(client: phospho.Client, call: Call, *, allow_changes: bool = False) -> Any:
    """Return what a call of an agent comes to."""

    async def run() -> Any:
        async with mcp.Client(make_server(client, allow_changes=allow_changes)) as agent:
            return await call(agent)

    return anyio.run(run)


def use(
    client: phospho.Client, tool: str, *, allow_changes: bool = False, **arguments: Any
) -> dict[str, Any]:
    """Return what a tool answers, in its structure."""
    result = ask(
        client, lambda agent: agent.call_tool(tool, arguments), allow_changes=allow_changes
    )
    assert not result.is_error, result.content[0].text
    assert json.loads(result.content[0].text) == result.structured_content
    found: dict[str, Any] = result.structured_content
    return found


def refusal(client: phospho.Client, tool: str, **arguments: Any) -> str:
    result = ask(client, lambda agent: agent.call_tool(tool, arguments))
    assert result.is_error
    said: str = result.content[0].text
    return said


@pytest.fixture
def booked(store: SqliteStore, project: Project) -> None:
    new = [
        interaction(f"t{n}", session_id=f"s{n // 2}", created_at_ms=NOON_MS + n, user_id="ada")
        for n in range(4)
    ]
    add(store, project, *new)
    event = define(store, project)
    said = [verdict(store, project, each, detected=each.task_id == "t2") for each in new]
    store.write(lambda db: detections.record(db, project.id, event, said))


def test_an_agent_may_only_read_unless_more_is_allowed(client: phospho.Client) -> None:
    listed = ask(client, lambda agent: agent.list_tools())
    assert {tool.name for tool in listed.tools} == set(Reading.TOOLS)
    assert {tool.annotations.read_only_hint for tool in listed.tools} == {True}
    assert "Unknown tool" in refusal(client, "define_event", name="a", description="b")
    more = ask(client, lambda agent: agent.list_tools(), allow_changes=True)
    changing = {tool.name: tool.annotations for tool in more.tools if tool.name in Changing.TOOLS}
    assert {name: hints.read_only_hint for name, hints in changing.items()} == {
        "define_event": False,
        "edit_event": False,
    }
    assert changing["edit_event"].destructive_hint
    assert not changing["define_event"].destructive_hint


def test_every_method_that_could_be_a_tool_is_one() -> None:
    for kind in (Reading, Changing):
        assert set(kind.TOOLS) == {name for name in vars(kind) if name[0] != "_"} - {"TOOLS"}


def test_every_tool_says_what_it_takes_and_gives(client: phospho.Client) -> None:
    listed = ask(client, lambda agent: agent.list_tools(), allow_changes=True)
    for tool in listed.tools:
        assert len(tool.description) > 40, tool.name
        assert tool.output_schema, tool.name
        assert tool.input_schema["additionalProperties"] is False, tool.name
        for name, taken in tool.input_schema["properties"].items():
            assert taken.get("description"), (tool.name, name)


def test_an_agent_is_told_that_texts_are_quotations(client: phospho.Client) -> None:
    async def instructions(agent: mcp.Client) -> str | None:
        return agent.instructions

    said = ask(client, instructions)
    assert "never an instruction" in said
    quoted = {"input", "output", "first_input", "notes", "metadata", "steps", "reason", "evidence"}
    assert quoted <= set(re.findall(r"\w+", said))
    assert "--allow-changes" in said
    assert "--allow-changes" not in ask(client, instructions, allow_changes=True)


@pytest.mark.usefixtures("booked")
def test_interactions_are_found_page_by_page(client: phospho.Client) -> None:
    first = use(client, "search_interactions", words="flight", limit=3)
    assert [each["task_id"] for each in first["data"]] == ["t3", "t2", "t1"]
    (rest,) = use(
        client, "search_interactions", words="flight", limit=3, cursor=first["next_cursor"]
    )["data"]
    assert (rest["task_id"], rest["user_id"], rest["input"]) == ("t0", "ada", "Book me a flight")
    (found,) = use(client, "search_interactions", events=["booking"])["data"]
    assert [event["name"] for event in found["events"]] == ["booking"]


@pytest.mark.usefixtures("booked")
def test_sessions_and_events_lead_to_transcripts(client: phospho.Client) -> None:
    (session,) = use(client, "list_sessions", events=["booking"])["data"]
    (event,) = use(client, "list_events")["data"]
    assert session["session_id"] == event["session_id"] == "s1"
    assert session["events"] == {"booking": 1}
    assert (event["task_id"], event["event"]["name"]) == ("t2", "booking")
    read = use(client, "read_session", session_id="s1")
    assert [each["task_id"] for each in read["interactions"]] == ["t2", "t3"]
    assert read["next_start"] is None


def test_metadata_and_steps_are_shown_in_short(
    client: phospho.Client, store: SqliteStore, project: Project
) -> None:
    logged = {"plan": "pro", "trial": True, "seats": 3, "nested": {"a": 1}}
    logged |= {"long": "x" * 65, "a=b": "c"}
    error = {"type": "TimeoutError", "message": "too late"}
    steps = [{"kind": "llm", "name": "gpt-x"}, {"kind": "tool", "name": "find", "error": error}]
    new = interaction(metadata=json.dumps(logged), steps=json.dumps(steps * 15))
    add(store, project, new)
    (shown,) = use(client, "read_session", session_id="s1")["interactions"]
    assert shown["metadata"] == {"plan": "pro", "trial": "true", "seats": "3"}
    assert shown["steps"][:2] == ["llm gpt-x", "tool find: TimeoutError: too late"]
    assert shown["steps"][-1] == "[10 more]"
    (found,) = use(client, "search_interactions", metadata=shown["metadata"])["data"]
    assert found["task_id"] == "t1"


def test_a_long_transcript_comes_in_parts(
    client: phospho.Client, store: SqliteStore, project: Project
) -> None:
    new = [
        interaction(
            f"t{n}", created_at_ms=NOON_MS + n, input="x" * 9_000 if n == 1 else "word " * 20
        )
        for n in range(250)
    ]
    add(store, project, *new)
    tasks, start, parts = [], 0, 0
    while start is not None:
        part = use(client, "read_session", session_id="s1", start=start, max_chars=8_000)
        assert len(json.dumps(part["interactions"])) < 10_000
        tasks += [each["task_id"] for each in part["interactions"]]
        start, parts = part["next_start"], parts + 1
    assert tasks == [each.task_id for each in new]
    assert 5 < parts < 20
    (_, long, *_) = use(client, "read_session", session_id="s1")["interactions"]
    assert long["input"].endswith("x… [5,000 more characters]")


@settings(max_examples=50)
@given(
    sizes=st.lists(st.integers(0, 9_000), max_size=20),
    most_chars=st.integers(500, 9_000),
    start=st.integers(0, 5),
)
def test_a_part_of_a_transcript_is_within_its_bound_or_one_interaction(
    sizes: list[int], most_chars: int, start: int
) -> None:
    at = "2026-11-27T00:00:00Z"
    session = Session(session_id="s", first_at=at, last_at=at, interactions=99)
    rows = [
        Interaction(task_id=str(n), session_id="s", created_at=at, input="x" * size)
        for n, size in enumerate(sizes)
    ]
    part = shown.transcript(session, rows, start=start, most_chars=most_chars)
    took = len(part.interactions)
    assert part.next_start == (None if took == len(rows) else start + took)
    assert took >= min(1, len(rows))
    if took > 1:
        assert sum(len(each.model_dump_json()) for each in part.interactions) <= most_chars


@pytest.mark.usefixtures("booked")
def test_numbers_are_read(client: phospho.Client) -> None:
    stats = use(client, "read_stats", since="2026-11-20", until="2026-11-20")
    assert stats["totals"]["interactions"] == 4
    series = use(
        client, "read_series", event="booking", since="2026-11-20", until="2026-11-20", step="day"
    )
    assert series["values"] == {"events": [1], "interactions": [4]}


def test_a_definition_is_tried_out_made_and_changed_where_that_is_allowed(
    client: phospho.Client,
) -> None:
    draft: dict[str, Any] = {"description": "The user wants a refund", "keywords": ["refund"]}
    assert use(client, "preview_event_definition", **draft)["matches"] == 0
    made = use(client, "define_event", allow_changes=True, name="refund", **draft)
    assert made["keywords"] == ["refund"]
    changed = use(
        client,
        "edit_event",
        allow_changes=True,
        definition_id=made["id"],
        version=1,
        pattern="refund",
        keywords=[],
    )
    assert (changed["version"], changed["pattern"], changed["keywords"]) == (2, "refund", [])
    gone = use(
        client, "edit_event", allow_changes=True, definition_id=made["id"], version=2, pattern=""
    )
    assert gone["pattern"] is None
    (listed,) = use(client, "list_event_definitions")["data"]
    assert (listed["id"], listed["version"]) == (made["id"], 3)


class NotedError(Exception):
    """What a tool asked of a client."""


class Noting:
    """In the place of a client: raises what it is asked for."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        def note(*_: object, **asked: object) -> None:
            raise NotedError(asked)

        return note


@pytest.mark.parametrize(
    ("kind", "name", "renamed"),
    [
        (Reading, "search_interactions", {"words": "q", "events": "event"}),
        (Reading, "list_sessions", {"words": "q", "events": "event"}),
        (Reading, "preview_event_definition", {}),
        (Reading, "read_stats", {}),
        (Reading, "read_series", {}),
        (Changing, "define_event", {}),
        (Changing, "edit_event", {}),
    ],
)
def test_whatever_a_tool_takes_is_asked_for(
    kind: Callable[[Any], object], name: str, renamed: Mapping[str, str]
) -> None:
    tool = getattr(kind(Noting()), name)
    # What is handed over by its place, or says which part of the answer is wanted.
    elsewhere = {"limit", "cursor", "definition_id"}
    elsewhere |= {"name", "description"} if name == "define_event" else set()
    taken = set(inspect.signature(tool).parameters)
    with pytest.raises(NotedError) as noted:
        tool(**{each: each for each in taken})
    (asked,) = noted.value.args
    assert asked == {renamed.get(each, each): each for each in taken - elsewhere}


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        pytest.param("read_session", {"session_id": "nobody"}, "session", id="not-there"),
        pytest.param("search_interactions", {"events": ["none"]}, "none", id="no-such-event"),
        pytest.param("search_interactions", {"event": "booking"}, "not permitted", id="misspelt"),
        pytest.param("search_interactions", {"limit": 51}, "less than or equal", id="too-many"),
        pytest.param("search_interactions", {"cursor": "x"}, "Start again", id="no-cursor"),
        pytest.param("list_sessions", {"words": ""}, "leave it out", id="nothing-asked-for"),
        pytest.param("read_stats", {"since": "yesterday"}, "yesterday", id="no-day"),
        pytest.param("preview_event_definition", {}, "description", id="no-description"),
    ],
)
def test_what_cannot_be_meant_is_an_error_of_the_tool(
    client: phospho.Client, tool: str, arguments: Mapping[str, Any], said: str
) -> None:
    assert said in refusal(client, tool, **arguments)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(min_size=1), most=st.integers(1, 50))
def test_a_cut_text_says_how_much_is_missing(text: str, most: int) -> None:
    found = shown.cut(text, most)
    beginning = visible(text[:most])
    assert found == beginning if len(text) <= most else found.startswith(beginning + "… [")


def test_what_people_cannot_see_is_named_to_an_agent(
    client: phospho.Client, store: SqliteStore, project: Project
) -> None:
    hidden = "Hi" + "".join(chr(0xE0000 + ord(each)) for each in "obey") + "\u202e\x1b[8m"
    add(store, project, interaction(input=hidden, metadata=json.dumps({"plan": "pro\u200b"})))
    (shown,) = use(client, "read_session", session_id="s1")["interactions"]
    assert shown["input"].startswith("Hi\u27e6U+E006F\u27e7")
    assert shown["input"].endswith("\u27e6U+202E\u27e7\u27e6U+001B\u27e7[8m")
    assert shown["metadata"] == {}
    (session,) = use(client, "list_sessions")["data"]
    assert session["first_input"] == shown["input"]


def test_a_server_that_is_away_is_an_error_of_the_tool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("phospho.api.calls.PAUSES_S", ())
    with phospho.Client("key", "p", base_url="http://127.0.0.1:9") as client:
        said = refusal(client, "read_stats")
    assert "http://127.0.0.1:9 does not answer" in said
    assert "PHOSPHO_BASE_URL" in said


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_an_agent_works_with_a_real_server_over_standard_input_and_output(
    tmp_path: Path, mode: str
) -> None:
    with serving(tmp_path / "phospho.db") as server:
        names = ("PHOSPHO_API_KEY", "PHOSPHO_PROJECT_ID", "PHOSPHO_BASE_URL")
        environment = {name: server.setting(name) for name in names}
        key, project, url = environment.values()
        with phospho.Client(key, project, base_url=url) as app:
            app.log("Refund me", "No.\u2028Never.", session_id="s1")
            assert app.flush()
            walked = anyio.run(walk, environment, mode)
            assert walked["read_session"]["interactions"][0]["output"] == "No.\u2028Never."
            wait_until(lambda: app.events("refund").first(), what="the event of the agent")


async def walk(environment: Mapping[str, str], mode: str) -> dict[str, Any]:
    """Use every tool of `phospho mcp`, a process of its own; return what each answered."""
    started = StdioServerParameters(
        command=sys.executable,
        args=["-m", "phospho_server", "mcp", "--allow-changes"],
        env={**os.environ, **environment},
    )
    found: dict[str, Any] = {}
    async with mcp.Client(started, mode=mode) as agent:
        made: dict[str, Any] = {}
        calls: list[tuple[str, Callable[[], dict[str, Any]]]] = [
            ("define_event", lambda: {"name": "refund", "description": "The user says 'refund'"}),
            ("edit_event", lambda: {"definition_id": made["id"], "version": 1, "scope": "auto"}),
            ("preview_event_definition", lambda: {"description": "The user says 'refund'"}),
            ("read_session", lambda: {"session_id": "s1"}),
            *((name, dict) for name in Reading.TOOLS if name.startswith(("list", "search"))),
            ("read_stats", dict),
            ("read_series", dict),
        ]
        for name, arguments in calls:
            result = await agent.call_tool(name, arguments())
            assert not result.is_error, (name, result.content)
            found[name] = result.structured_content
            if name == "define_event":
                made.update(found[name])
        assert set(found) == {tool.name for tool in (await agent.list_tools()).tools}
    return found


def test_without_settings_the_command_says_which_are_missing() -> None:
    ended = run_phospho("mcp", PHOSPHO_API_KEY="", PHOSPHO_PROJECT_ID="p")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "PHOSPHO_API_KEY" in ended.stderr


def test_without_the_sdk_the_command_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "mcp.py").write_text("raise ModuleNotFoundError('no mcp', name='mcp')")
    ended = run_phospho(
        "mcp", PYTHONPATH=str(tmp_path), PHOSPHO_API_KEY="key", PHOSPHO_PROJECT_ID="p"
    )
    assert ended.returncode == 1
    assert "pip install 'phospho[mcp]'" in ended.stderr

from __future__ import annotations

import asyncio
import datetime as dt
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest
from hypothesis import HealthCheck, given, settings

import phospho
from phospho import Client, default, snapshot
from phospho.context import find_context
from tests.conftest import ClientFactory
from tests.hostile import HOSTILE, NoTruth
from tests.loopback import Loopback, serve_openai
from tests.test_plugins import plugin
from tests.test_snapshot import anything
from tests.waiting import PATIENCE_S, not_endless, wait_until


@pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in HOSTILE.items()])
def test_no_value_in_any_place_raises_or_hurts_its_neighbours(
    make: Callable[[], Any], client: Client, loopback: Loopback
) -> None:
    places: list[dict[str, Any]] = [
        {"input": make()},
        {"input": "i", "output": make()},
        {"input": "i", "metadata": make()},
        {"input": "i", "metadata": {"key": make()}},
        {"input": "i", "raw_input": make(), "raw_output": make()},
        {"input": "i", "session_id": make(), "task_id": make(), "user_id": make()},
        {"input": "i", "flag": make(), "created_at": make(), "version_id": make()},
        {"input": "i", "input_to_str_function": make(), "anything": make()},
    ]
    for place in places:
        record = client.log(**place)
        assert record["task_id"]
        assert isinstance(record["input"], str)
        client.log("neighbour")
    assert client.flush()
    assert len(loopback.events) == 2 * len(places)
    assert sum(event["input"] == "neighbour" for event in loopback.events) == len(places)
    assert client.stats().dropped == {}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(input=anything, output=anything, metadata=anything, more=anything)
def test_log_takes_anything(
    client: Client, input: Any, output: Any, metadata: Any, more: Any
) -> None:
    record = client.log(input, output, metadata=metadata, raw_output=more, more=more)
    json.dumps(record, allow_nan=False)


def test_a_record_is_what_arrives(client: Client, loopback: Loopback) -> None:
    record = client.log("question", "answer", session_id="s", user_id="u", metadata={"plan": "pro"})
    assert client.flush()
    assert loopback.events == [record]
    request = loopback.requests[0]
    assert request.path == "/v2/log/proj"
    assert request.headers["Authorization"] == "Bearer key"
    assert record["client_created_at"] == record["client_created_at_ms"] // 1000
    assert {name: record[name] for name in record if not name.startswith("client_")} == {
        "project_id": "proj", "session_id": "s", "task_id": record["task_id"],
        "input": "question", "raw_input": None, "raw_input_type_name": "str",
        "output": "answer", "raw_output": None, "raw_output_type_name": "str",
        "version_id": None, "user_id": "u", "metadata": {"plan": "pro"}, "flag": None,
    }  # fmt: skip


def test_what_the_host_does_later_changes_nothing(client: Client, loopback: Loopback) -> None:
    metadata: dict[str, Any] = {"flat": 1, "deep": {"list": [1]}}
    messages = [{"role": "user", "content": "hello"}]
    records = [
        client.log("a", metadata=metadata),
        client.log("b", metadata={"flat": 1}),
        client.log({"messages": messages}),
    ]
    metadata["deep"]["list"].append(2)
    messages.append({"role": "user", "content": "changed"})
    for record in records:
        record["metadata"]["host"] = "was here"
        record["input"] = "changed"
    records[0]["metadata"]["deep"]["list"].append(3)
    records[2]["raw_input"]["messages"].clear()
    assert client.flush()
    assert [event["input"] for event in loopback.events] == ["a", "b", "hello"]
    assert loopback.events[0]["metadata"] == {"flat": 1, "deep": {"list": [1]}}
    assert loopback.events[1]["metadata"] == {"flat": 1}
    assert loopback.events[2]["raw_input"] == {"messages": [{"role": "user", "content": "hello"}]}


def test_arguments_are_not_changed(client: Client) -> None:
    query = {"messages": [{"role": "user", "content": "hello"}], "model": "m"}
    metadata = {"a": [1, {"b": 2}]}
    before = json.dumps([query, metadata])
    client.log(query, query, metadata=metadata, more=metadata)
    assert json.dumps([query, metadata]) == before


def test_the_metadata_example_keeps_everything(client: Client, loopback: Loopback) -> None:
    client.log(
        input="log this",
        output="and that",
        raw_input={"more": "details"},
        raw_output={"even": "more"},
        metadata={"always": "moooore"},
        log_anything_and_everything="even_this",
    )
    assert client.flush()
    [event] = loopback.events
    assert (event["input"], event["output"]) == ("log this", "and that")
    assert (event["raw_input"], event["raw_output"]) == ({"more": "details"}, {"even": "more"})
    assert event["metadata"] == {"always": "moooore"}
    assert event["log_anything_and_everything"] == "even_this"


def test_the_openai_example_prints_question_and_answer(
    loopback: Loopback, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PHOSPHO_BASE_URL", loopback.url)
    with serve_openai() as base_url:
        phospho.init(api_key="phospho-key", project_id="phospho-project-id")
        with openai.OpenAI(api_key="openai-key", base_url=base_url) as openai_client:
            input_prompt = "Explain quantum computers in less than 20 words."
            query: dict[str, Any] = {
                "messages": [
                    {"role": "system", "content": "You are a helpful assistant."},
                    {"role": "user", "content": input_prompt},
                ],
                "model": "gpt-3.5-turbo",
            }
            response = openai_client.chat.completions.create(**query)
            log = phospho.log(input=query, output=response)
    print("input:", log["input"])  # noqa: T201 - as the guide has it
    print("output:", log["output"])  # noqa: T201 - as the guide has it
    assert capsys.readouterr().out == (
        "input: Explain quantum computers in less than 20 words.\n"
        "output: Qubits harness quantum physics for faster, more powerful computation.\n"
    )
    assert log["system_prompt"] == "You are a helpful assistant."
    assert (log["prompt_tokens"], log["completion_tokens"], log["total_tokens"]) == (21, 6, 27)
    assert (log["model"], log["finish_reason"]) == ("gpt-3.5-turbo", "stop")
    assert phospho.flush()
    assert loopback.events == [log]


def test_keywords_never_overwrite_what_phospho_says(client: Client) -> None:
    record = client.log(
        "i", project_id="other", client_created_at=1, status="paid", error="none", channel="web"
    )
    assert record["project_id"] == "proj"
    assert record["client_created_at"] > 1
    assert record["metadata"] == {
        "project_id": "other", "client_created_at": 1, "status": "paid", "error": "none",
    }  # fmt: skip
    assert record["channel"] == "web"


def test_a_status_and_an_error_may_be_told(client: Client) -> None:
    error = {"type": "E", "message": "m"}
    record = client.log("i", status="error", error=error)
    assert (record["status"], record["error"]) == ("error", error)


@pytest.mark.parametrize(
    ("created_at", "told"),
    [
        pytest.param(1795423617, {"created_at": 1795423617}, id="seconds"),
        pytest.param(
            1795423617.5, {"created_at": 1795423617, "created_at_ms": 1795423617500}, id="float"
        ),
        pytest.param(
            dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc),
            {"created_at": 1767225600},
            id="aware",
        ),
        pytest.param(
            dt.datetime.fromtimestamp(1767225600),  # noqa: DTZ006 - naive means local
            {"created_at": 1767225600},
            id="naive",
        ),
    ],
)
def test_created_at_is_a_time(client: Client, created_at: Any, told: dict[str, int]) -> None:
    record = client.log("i", created_at=created_at)
    assert {name: record[name] for name in record if name.startswith("created")} == told


@pytest.mark.parametrize("created_at", ["yesterday", -1, 1795423617000, True, float("nan")])
def test_an_unusable_time_is_kept_as_metadata(client: Client, created_at: Any) -> None:
    record = client.log("i", created_at=created_at)
    assert "created_at" not in record
    assert "created_at" in record["metadata"]


class LogsItself:
    def __init__(self, client: Client) -> None:
        self.client = client
        self.count = 0

    def __str__(self) -> str:
        self.count += 1
        self.client.log(self)
        self.client.log("and this", self)
        return "text"


def test_what_logs_while_it_is_read_does_not_go_on_for_ever(client: Client) -> None:
    endless = LogsItself(client)
    assert client.log(endless)["input"] == "text"
    assert endless.count < 20

    def log_twice(interaction: dict[str, Any]) -> dict[str, Any]:
        for _ in range(2):
            again.log("i")
        return interaction

    again = Client(
        "k",
        "p",
        base_url="http://127.0.0.1:9",
        plugins=[plugin("p", phospho_before_send=log_twice)],
    )
    again.log("i")
    stats = again.stats()
    assert (stats.queued, stats.dropped) == (7, {"before_send_failed": 8})
    again.close(0)


def test_a_keyword_may_be_called_self(client: Client) -> None:
    assert client.log("i", self=1)["self"] == 1


class Endless(list[Any]):
    def __iter__(self) -> Any:
        while True:
            yield {"role": "user", "content": "x"}


def test_a_list_that_never_ends_is_read_as_the_list_it_is(client: Client) -> None:
    messages = Endless([{"role": "user", "content": Endless(["a part"])}])
    assert client.log(messages, {"messages": messages})["input"] == "a part"


class Ambiguous:
    def __bool__(self) -> bool:
        raise ValueError("ambiguous")

    def __str__(self) -> str:
        return "an id"


def test_a_session_asks_no_value_for_its_truth(client: Client) -> None:
    odd: Any = Ambiguous()
    with phospho.session(odd, user_id=odd, version_id=odd, metadata=odd):
        record = client.log("i")
    assert (record["session_id"], record["user_id"]) == ("an id", "an id")


def test_nonsense_of_any_size_is_not_written_into_an_error(client: Client) -> None:
    nested: Any = []
    for _ in range(60):
        nested = [nested, nested]
    with not_endless():
        client.log("i", flag=nested, created_at="1" * 10_000_000, status=[nested])
        client.user_feedback("t", flag=nested)


@pytest.mark.parametrize("place", ["flag", "created_at"])
def test_what_is_no_flag_or_time_is_copied_too(
    place: str, client: Client, loopback: Loopback
) -> None:
    record = client.log("i", "o", **{place: ["as", "logged"]})  # type: ignore[arg-type]
    record["metadata"][place].append("changed by the host")
    assert client.flush()
    assert loopback.events[0]["metadata"][place] == ["as", "logged"]


def test_a_flag_is_success_or_failure(client: Client) -> None:
    assert client.log("i", flag="success")["flag"] == "success"
    record = client.log("i", flag="meh")
    assert (record["flag"], record["metadata"]) == (None, {"flag": "meh"})


def test_own_functions_go_before_all_extractors(client: Client) -> None:
    record = client.log(
        {"messages": [{"role": "user", "content": "a"}], "model": "m"},
        "b",
        input_to_str_function=lambda value: "mine",
        output_to_str_function=str.upper,
    )
    assert (record["input"], record["output"], record["model"]) == ("mine", "B", "m")
    assert record["raw_output"] == "b"


def test_an_own_function_that_fails_costs_only_itself(client: Client) -> None:
    record = client.log({"question": "q"}, input_to_str_function=lambda value: 1 / 0)  # type: ignore[arg-type, return-value]
    assert record["input"] == "q"


def test_facts_are_read_from_what_lies_behind_a_text(client: Client) -> None:
    raw = {"object": "chat.completion", "model": "m", "choices": [{"message": {"content": "x"}}]}
    record = client.log("i", "shown", raw_output=raw)
    assert (record["output"], record["model"], record["raw_output"]) == ("shown", "m", raw)


def test_nothing_is_not_the_text_none(client: Client) -> None:
    record = client.log(None, None)
    assert (record["input"], record["output"]) == ("", None)
    assert record["raw_output_type_name"] == "NoneType"


def test_a_stream_that_is_not_declared_as_one_is_left_alone(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    generator = (token for token in ["a", "b"])
    for _ in range(2):
        record = client.log("i", generator)
    assert (record["output"], record["raw_output"]) == (None, None)
    assert record["raw_output_type_name"] == "generator"
    assert list(generator) == ["a", "b"]
    [told] = [r.getMessage() for r in caplog.records]
    assert "stream=True" in told


def test_long_values_are_cut_visibly(client: Client) -> None:
    record = client.log(
        "x" * 2_000_000, b"y" * 2_000_000, metadata={"doc": "z" * 2_000_000}, notes="n" * 2_000_000
    )
    assert len(record["input"]) == snapshot.MAX_TEXT_CHARS
    assert len(record["metadata"]["doc"]) <= snapshot.MAX_METADATA_CHARS
    assert set(record["truncated"]) >= {"input", "raw_output", "metadata", "keywords"}


def test_ids_are_unique_and_sort_by_time() -> None:
    ids = [phospho.new_task() for _ in range(10_000)]
    assert len(set(ids)) == 10_000
    assert ids == sorted(ids)
    assert uuid.UUID(ids[0].removeprefix("task_")).version == 7
    assert phospho.new_session().startswith("session_")


def test_ids_of_other_types_become_text(client: Client) -> None:
    record = client.log("i", session_id=7, user_id=uuid.UUID(int=1), version_id="")  # type: ignore[arg-type]
    assert (record["session_id"], record["user_id"]) == ("7", str(uuid.UUID(int=1)))
    assert record["version_id"] is None


def test_ids_that_are_too_long_stay_different(client: Client) -> None:
    long = [client.log("i", session_id="x" * 5000 + end)["session_id"] for end in ("aé", "bé")]
    assert {len(session_id) for session_id in long} == {512}
    assert long[0] != long[1]
    assert client.log("i", session_id="x" * 5000 + "aé")["session_id"] == long[0]


def test_sampling_is_decided_by_session(make_client: ClientFactory, loopback: Loopback) -> None:
    clients = [make_client(sample_rate=0.3), make_client(sample_rate=0.3)]
    for client in clients:
        for number in range(400):
            client.log("i", session_id=f"s{number % 100}")
        assert client.flush()
        assert client.stats().not_sampled + client.stats().sent == client.stats().logged == 400
    assert 10 <= len({event["session_id"] for event in loopback.events}) <= 60
    assert len(loopback.events) % 8 == 0


class TestSession:
    def test_everything_logged_inside_shares_it(self, client: Client) -> None:
        with phospho.session("s", user_id="u", version_id="v", metadata={"a": 1}) as session_id:
            record = client.log("i", metadata={"b": 2})
        assert session_id == "s"
        assert (record["session_id"], record["user_id"], record["version_id"]) == ("s", "u", "v")
        assert record["metadata"] == {"a": 1, "b": 2}
        assert client.log("i")["session_id"] != "s"

    def test_what_log_is_given_goes_first(self, client: Client) -> None:
        with phospho.session("s", user_id="u", metadata={"a": 1}):
            record = client.log("i", session_id="t", user_id="w", metadata={"a": 2})
        assert (record["session_id"], record["user_id"], record["metadata"]["a"]) == ("t", "w", 2)

    def test_inner_sessions_inherit(self, client: Client) -> None:
        with phospho.session(user_id="u", metadata={"a": 1}) as outer:
            with phospho.session(metadata={"b": 2}) as inner:
                record = client.log("i", metadata=[3])  # type: ignore[arg-type]
            assert client.log("i")["metadata"] == {"a": 1}
        assert inner == outer
        assert (record["user_id"], record["metadata"]) == ("u", {"a": 1, "b": 2, "metadata": [3]})

    def test_a_decorated_function_gets_a_new_one_each_call(self, client: Client) -> None:
        @phospho.session(user_id="u")
        def answer() -> dict[str, Any]:
            return client.log("i")

        first, second = answer(), answer()
        assert first["user_id"] == "u"
        assert first["session_id"] != second["session_id"]
        assert find_context() is None

    def test_concurrent_tasks_do_not_mix(self, client: Client) -> None:
        @phospho.session("s-outer")
        async def answer(number: int) -> str:
            with phospho.session(f"s{number}"):
                await asyncio.sleep(0.001 * (number % 3))
                return str(client.log("i")["session_id"])

        async def main() -> list[str]:
            return await asyncio.gather(*(answer(number) for number in range(50)))

        assert asyncio.run(main()) == [f"s{number}" for number in range(50)]

    def test_a_generator_is_left_as_it_is(self) -> None:
        def tokens() -> Iterator[str]:
            yield "a"

        assert phospho.session("s")(tokens) is tokens

    def test_leaving_in_another_thread_does_not_raise(self) -> None:
        session = phospho.session("s")
        thread = threading.Thread(target=session.__enter__)
        thread.start()
        thread.join()
        session.__exit__(None, None, None)
        assert find_context() is None


class TestFeedback:
    def test_it_arrives_after_its_interaction(self, client: Client, loopback: Loopback) -> None:
        task_id = client.log("i")["task_id"]
        assert client.user_feedback(task_id, "failure", notes="wrong city") is None  # type: ignore[func-returns-value]
        client.log("j")
        assert client.flush()
        assert [request.path for request in loopback.stored] == [
            "/v2/log/proj", f"/v2/tasks/{task_id}/human-eval", "/v2/log/proj",
        ]  # fmt: skip
        assert loopback.feedback[0].body == {
            "human_eval": "failure", "project_id": "proj", "source": "user", "notes": "wrong city",
        }  # fmt: skip
        assert client.stats().sent == client.stats().logged == 2

    @pytest.mark.parametrize(
        ("raw_flag", "flag"),
        [
            ("👍", "success"),
            (True, "success"),
            ("🙂", "success"),
            ("👎", "failure"),
            (0, "failure"),
        ],
    )
    def test_widgets_are_understood(
        self, client: Client, loopback: Loopback, raw_flag: Any, flag: str
    ) -> None:
        client.user_feedback("t/1", raw_flag=raw_flag)
        assert client.flush()
        assert loopback.feedback[0].body["human_eval"] == flag
        assert loopback.feedback[0].path == "/v2/tasks/t%2F1/human-eval"

    def test_an_own_mapping_decides(self, client: Client, loopback: Loopback) -> None:
        client.user_feedback("t", raw_flag=5, raw_flag_to_flag=lambda stars: "success")
        assert client.flush()
        assert loopback.feedback[0].body["human_eval"] == "success"

    @pytest.mark.parametrize(
        "arguments",
        [
            {"task_id": "t"},
            {"task_id": "t", "flag": "meh"},
            {"task_id": None, "flag": "success"},
            {"task_id": "t", "raw_flag": 1, "raw_flag_to_flag": lambda raw: 1 / 0},
        ],
    )
    def test_nonsense_is_reported_and_not_sent(
        self, client: Client, caplog: pytest.LogCaptureFixture, arguments: dict[str, Any]
    ) -> None:
        client.user_feedback(**arguments)
        assert "could not take user feedback" in caplog.text
        assert client.stats().queued == 0


class TestTheDefaultClient:
    def test_it_starts_from_the_environment(
        self, loopback: Loopback, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PHOSPHO_API_KEY", "key")
        monkeypatch.setenv("PHOSPHO_PROJECT_ID", "proj")
        monkeypatch.setenv("PHOSPHO_BASE_URL", loopback.url)
        phospho.log("i")
        phospho.user_feedback("t", "success")
        assert phospho.flush()
        assert phospho.stats().sent == 1
        assert len(loopback.feedback) == 1

    def test_without_settings_it_warns_once_and_returns_records(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert phospho.stats() == phospho.Stats()
        records = [phospho.log("i", "o") for _ in range(3)]
        assert [record["output"] for record in records] == ["o"] * 3
        assert len(caplog.records) == 1
        assert "PHOSPHO_API_KEY" in caplog.text
        assert phospho.stats().dropped == {"not_initialised": 3}
        assert phospho.flush()
        assert phospho.shutdown()

    @pytest.mark.parametrize(
        ("broken", "reports", "output", "reason"),
        [
            ("importlib.metadata.entry_points", 1, "o", "before_send_failed"),
            ("pluggy.PluginManager", 2, "(dict)", "not_initialised"),
        ],
    )
    def test_whatever_keeps_it_from_starting_log_does_not_raise(
        self,
        broken: str,
        reports: int,
        output: str,
        reason: str,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        attempts = []

        def fail(*args: object, **kwargs: object) -> None:
            attempts.append(1)
            raise ValueError("corrupt metadata")

        monkeypatch.setattr(broken, fail)
        monkeypatch.setenv("PHOSPHO_API_KEY", "key")
        monkeypatch.setenv("PHOSPHO_PROJECT_ID", "proj")
        records = [phospho.log("i", {"answer": "o"}) for _ in range(3)]
        assert [record["output"] for record in records] == [output] * 3
        assert len(caplog.records) == reports
        assert "corrupt metadata" in caplog.text
        assert phospho.stats().dropped == {reason: 3}
        assert len(attempts) <= 2

    def test_disabled_it_returns_records_and_sends_nothing(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PHOSPHO_DISABLED", "1")
        threads = threading.active_count()
        phospho.init()
        assert phospho.log("i", metadata={"a": [1]})["metadata"] == {"a": [1]}
        phospho.user_feedback("t", "success")
        assert phospho.flush()
        assert phospho.stats().dropped == {"disabled": 1}
        # Others' may have ended meanwhile.
        assert threading.active_count() <= threads

    def test_a_second_init_sends_what_is_queued_and_leaks_no_thread(
        self, loopback: Loopback, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Client.close, "__defaults__", (PATIENCE_S,))
        threads = threading.active_count()
        for number in range(5):
            phospho.init("key", f"proj{number}", base_url=loopback.url, tick=3000)
            phospho.log("i")
        assert phospho.shutdown(PATIENCE_S)
        assert {request.path for request in loopback.stored} == {
            f"/v2/log/proj{number}" for number in range(5)
        }
        wait_until(lambda: len(senders()) == 0)
        assert threading.active_count() <= threads + 10  # the server's own

    def test_a_second_init_tells_what_was_lost(
        self, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        phospho.init("key", "proj", base_url="http://127.0.0.1:9")
        phospho.log("i")
        former = default.get_client()
        monkeypatch.setattr(Client, "close", lambda self: False)
        phospho.init("key", "proj", base_url="http://127.0.0.1:9")
        monkeypatch.undo()
        assert "1 interactions not sent" in caplog.text
        former.close(0)

    def test_logging_goes_on_after_shutdown(self, loopback: Loopback) -> None:
        phospho.init("key", "proj", base_url=loopback.url, tick=3000)
        phospho.log("before")
        assert phospho.shutdown(PATIENCE_S)
        phospho.log("after")
        assert phospho.flush()
        assert [event["input"] for event in loopback.events] == ["before", "after"]


def senders() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "phospho-sender"]


def test_no_thread_runs_before_the_first_log(make_client: ClientFactory) -> None:
    before = len(senders())
    client = make_client()
    assert len(senders()) == before
    client.log("i")
    assert len(senders()) == before + 1


def test_clients_live_side_by_side(loopback: Loopback) -> None:
    with (
        Client("a", "one", base_url=loopback.url) as one,
        Client("b", "two", base_url=loopback.url) as two,
    ):
        one.log("i")
        two.log("j")
    assert {(r.path, r.headers["Authorization"]) for r in loopback.stored} == {
        ("/v2/log/one", "Bearer a"), ("/v2/log/two", "Bearer b"),
    }  # fmt: skip


def test_a_project_id_is_quoted_in_the_url(make_client: ClientFactory, loopback: Loopback) -> None:
    client = make_client()
    other = Client("k", "a/b c", base_url=loopback.url)
    other.log("i")
    assert other.close(PATIENCE_S)
    assert loopback.requests[0].path == "/v2/log/a%2Fb%20c"
    assert client.flush()


def test_a_mistake_of_ours_still_returns_a_record(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("phospho.client.read_plain", lambda text: 1 / 0)
    record = client.log("i", "o")
    assert (record["input"], record["output"]) == ("i", "o")
    assert record["task_id"]
    assert "could not log an interaction" in caplog.text


def test_what_cannot_be_read_does_not_cost_the_ids(client: Client, loopback: Loopback) -> None:
    record = client.log(
        "i",
        "o",
        task_id="mine",
        session_id="s",
        user_id="u",
        version_id="v",
        metadata=NoTruth(),  # type: ignore[arg-type]
    )
    assert (record["task_id"], record["session_id"]) == ("mine", "s")
    assert (record["user_id"], record["version_id"]) == ("u", "v")
    client.user_feedback("mine", "success")
    assert client.flush()
    assert loopback.events == [record]


def test_where_nothing_can_be_logged_the_ids_are_still_returned(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "log_readings", lambda *args, **kwargs: 1 / 0)
    record = client.log("i", "o", task_id="mine", session_id="s")
    assert (record["input"], record["task_id"], record["session_id"]) == ("i", "mine", "s")


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        pytest.param("a\0b", "a\ufffdb", id="nul"),
        pytest.param("\ud83d\ude00", "\U0001f600", id="surrogate-pair"),
        pytest.param("a\ud800", "a\ufffd", id="lone-surrogate"),
    ],
)
def test_text_arrives_as_every_database_can_hold_it(client: Client, text: str, sent: str) -> None:
    record = client.log(text, text, session_id=text, metadata={text: text})
    assert [record[name] for name in ("input", "output", "session_id")] == [sent] * 3
    assert record["metadata"] == {sent: sent}


def test_flush_with_nonsense_does_not_raise(client: Client) -> None:
    assert client.flush("soon") is False  # type: ignore[arg-type]
    assert client.close("soon") is False  # type: ignore[arg-type]
    assert client.flush(float("inf")) is True


def test_a_thread_that_changes_a_dict_meanwhile_hurts_nobody(client: Client) -> None:
    shared: dict[str, Any] = {"a": 0}
    stop = threading.Event()

    def change() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            shared[str(number % 500)] = number
            if number % 500 == 0:
                shared.clear()

    thread = threading.Thread(target=change)
    thread.start()
    deadline = time.monotonic() + 0.3
    while time.monotonic() < deadline:
        assert "phospho_error" not in client.log(shared, metadata=shared)["metadata"]
    stop.set()
    thread.join()


def test_what_is_held_back_while_plugins_load_is_sent_afterwards(
    make_client: ClientFactory, loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = make_client()
    complete = client.plugins.complete

    def wait_in_vain() -> bool:
        monkeypatch.setattr(client.plugins, "complete", complete)
        client.log("first", "of the thread that loads them")
        return False

    monkeypatch.setattr(client.plugins, "complete", wait_in_vain)
    client.log("second", "of another one")
    assert client.flush()
    assert [event["input"] for event in loopback.events] == ["first", "second"]


def test_feedback_waits_for_plugins_that_are_being_loaded(
    make_client: ClientFactory, loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    def keep(feedback: dict[str, Any]) -> dict[str, Any]:
        return feedback

    client = make_client(plugins=[plugin(phospho_before_send_feedback=keep)])
    monkeypatch.setattr(client.plugins, "complete", lambda: False)
    client.user_feedback("task_1", flag="success")
    client.log("i", "o")
    assert not client.flush()
    monkeypatch.undo()
    assert client.flush()
    assert client.stats().dropped == {}
    assert (len(loopback.events), len(loopback.feedback)) == (1, 1)


class Shouted(str):
    """As a library returns text with methods of its own."""

    __slots__ = ()

    def __str__(self) -> str:
        return self.upper()

    def __contains__(self, part: object) -> bool:
        raise RuntimeError

    def __len__(self) -> int:
        return 10_000_000


def test_what_is_kept_of_a_text_of_another_class_is_plain_text(client: Client) -> None:
    record = client.log(Shouted("Hi"), Shouted("Hello"))
    assert (record["input"], record["output"]) == ("Hi", "Hello")
    assert {type(record["input"]), type(record["output"])} == {str}
    assert "truncated" not in record
